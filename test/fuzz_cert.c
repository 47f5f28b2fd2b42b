/* Certificates and requests from strangers: binary as they come in HELLO, and as lines of text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "node/trust/cert.h"
#include "node/trust/node_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t authority[32] = {1};
    struct cert c;
    struct err err;
    if (sodium_init() < 0)
        abort();
    if (cert_decode(&c, data, size, &err) == 0) {
        uint8_t again[CERT_BYTES_MAX];
        size_t again_size;
        if (cert_encode(&c, again, &again_size, &err) != 0 || again_size != size ||
            memcmp(again, data, size) != 0)
            abort(); /* one certificate has one encoding */
        if (cert_check(&c, authority, &err) == 0)
            abort();
        (void)!cert_check_dates(&c, 1700000000, &err);
    }
    char *line = malloc(size + 1);
    if (line == NULL)
        abort();
    memcpy(line, data, size);
    line[size] = '\0';
    (void)!cert_unarmor(&c, line, &err);
    (void)!cert_request_read(&c, line, &err);
    free(line);
    return 0;
}
