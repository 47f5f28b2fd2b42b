/* vault_sample.h - the keys of two vaults, and packs opened from copies of their bytes. */
#ifndef ECBAK_TEST_VAULT_SAMPLE_H
#define ECBAK_TEST_VAULT_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/vault/pack.h"
#include "coding/base/alloc.h"

/* Of a secret that is always the same, and of a random one. */
static struct vault_keys *keys, *other_keys;

static inline int make_keys(void **state)
{
    (void)state;
    uint8_t secret[VAULT_SECRET_SIZE];
    struct err err = ERR_INIT;
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)i;
    return vault_keys_new(&keys, secret, &err) | vault_keys_new(&other_keys, NULL, &err);
}

static inline int drop_keys(void **state)
{
    (void)state;
    vault_keys_destroy(&keys);
    vault_keys_destroy(&other_keys);
    return 0;
}

static inline struct pack_reader *open_copy(const uint8_t *bytes, size_t size,
                                            const struct vault_keys *with, struct err *err)
{
    struct pack_reader *reader = NULL;
    uint8_t *copy = alloc_copy(bytes, size);
    int result = pack_open(&reader, &copy, size, with, err);
    assert_null(copy);
    assert_true((result == 0) == (reader != NULL));
    return reader;
}

#endif
