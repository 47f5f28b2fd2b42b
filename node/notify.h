/* notify.h - tells systemd how the service is (sd_notify(3)), without its library.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_NOTIFY_H
#define ECBAK_NODE_NOTIFY_H

/* state: "READY=1", "STOPPING=1", ... Does nothing where nobody asked ($NOTIFY_SOCKET). */
void notify(const char *state);

#endif
