/* Tickets, as people paste them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cli/admit/ticket.h"
#include "node/common/armor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(const char *line)
{
    struct ticket t;
    char again[TICKET_ARMOR_MAX];
    struct err err;
    if (ticket_unarmor(&t, line, &err) == 0 &&
        (ticket_armor(again, &t, &err) != 0 || strcmp(again, line) != 0))
        abort(); /* one ticket has one text */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[1024];
    uint8_t bytes[512 + 8], sum[crypto_generichash_BYTES_MIN];
    struct err err;
    if (sodium_init() < 0)
        abort();
    if (size < sizeof(line)) {
        memcpy(line, data, size);
        line[size] = '\0';
        struct ticket t;
        (void)!ticket_unarmor(&t, line, &err);
    }
    /* Behind the checksum too. */
    if (size > 512)
        return 0;
    memcpy(bytes, data, size);
    crypto_generichash(sum, sizeof(sum), data, size, NULL, 0);
    memcpy(bytes + size, sum, 8);
    if (armor_encode(line, sizeof(line), "ticket", 1, bytes, size + 8, &err) == 0)
        take(line);
    return 0;
}
