/* Below the range from which the system picks ports for outgoing connections (32768 and up), so
 * that a node that is down for a while does not find its port taken by chance. */
#include "cli/lab/ports.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#define PORT_FIRST 20000
#define PORT_END   32000
#define TRIES      200

static bool is_free(uint16_t port)
{
    int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0)
        return false;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    /* What is left of closed connections does not count, as it will not for the node. */
    setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    bool free_now =
        bind(file, (const struct sockaddr *)&address, sizeof(address)) == 0 && listen(file, 1) == 0;
    close(file);
    return free_now;
}

int ports_free(uint16_t *ports, size_t count, struct err *err)
{
    if (count == 0)
        return 0;
    for (int try = 0; try < TRIES; try++) {
        uint32_t room = PORT_END - PORT_FIRST - (uint32_t)count;
        uint16_t base = (uint16_t)(PORT_FIRST + randombytes_uniform(room));
        size_t found = 0;
        while (found < count && is_free((uint16_t)(base + found)))
            found++;
        if (found < count)
            continue;
        for (size_t i = 0; i < count; i++)
            ports[i] = (uint16_t)(base + i);
        return 0;
    }
    return err_set(err, ERR_FULL, "no run of %zu free ports between %d and %d", count, PORT_FIRST,
                   PORT_END);
}
