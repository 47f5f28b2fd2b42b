/* notify.h - tells systemd how the service is (sd_notify(3)), without its library.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_BASE_NOTIFY_H
#define ECBAK_NODE_BASE_NOTIFY_H

#include <stdint.h>

/* How often at least "WATCHDOG=1" is expected of this process; 0: not at all. */
int64_t notify_watchdog_ms(void);

/* state: "READY=1", "STOPPING=1", ... Does nothing where nobody asked ($NOTIFY_SOCKET). */
void notify(const char *state);

#endif
