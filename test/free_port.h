/* free_port.h - a TCP port of the loopback that nobody has, for a node of a test to listen on.
 *
 * Below the ports that the system gives to outgoing connections, or one of those takes it first.
 */
#ifndef ECBAK_TEST_FREE_PORT_H
#define ECBAK_TEST_FREE_PORT_H

#include <arpa/inet.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/common/endpoint.h"

static inline uint16_t free_port(void)
{
    for (int tries = 0; tries < 1000; tries++) {
        uint16_t port = (uint16_t)(10000 + randombytes_uniform(20000));
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                      .sin_port = htons(port)};
        int bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
        close(fd);
        if (bound == 0)
            return port;
    }
    abort(); /* a thousand in a row are taken: this is no machine to test on */
}

/* That port of the loopback. */
static inline struct endpoint at_port(unsigned port)
{
    char address[32];
    struct endpoint endpoint;
    struct err err = ERR_INIT;
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    if (endpoint_parse(&endpoint, address, &err) != 0)
        abort();
    return endpoint;
}

#endif
