/* authority_sample.h - the operator of a test's cluster: an authority, and what it signs. */
#ifndef ECBAK_TEST_AUTHORITY_SAMPLE_H
#define ECBAK_TEST_AUTHORITY_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "node/common/clock.h"
#include "node/net/revocations.h"
#include "node/trust/node_keys.h"
#include "node/trust/revocation.h"

static uint8_t authority_secret[64], authority_public[32];

static inline int authority_set_up(void)
{
    return sodium_init() < 0 ? -1 : crypto_sign_keypair(authority_public, authority_secret);
}

/* A node's certificate with serial 1, signed by whose secret this is. */
static inline void certify(struct cert *cert, const struct node_keys *keys, const char *name,
                           int64_t from_s, int64_t to_s, const uint8_t secret[64])
{
    struct err err = ERR_INIT;
    *cert = (struct cert){.serial = 1, .not_before_s = from_s, .not_after_s = to_s, .zone = "zone"};
    cert->node = keys->node;
    memcpy(cert->curve, keys->curve_public, sizeof(cert->curve));
    snprintf(cert->name, sizeof(cert->name), "%s", name);
    assert_int_equal(cert_sign(cert, secret, &err), 0);
}

/* The usual one. */
static inline void certify_now(struct cert *cert, const struct node_keys *keys, const char *name)
{
    certify(cert, keys, name, wall_s() - 60, wall_s() + 3600, authority_secret);
}

/* In force from now on at `at`; serial 0: all certificates of this one's node. */
static inline void shut_out(struct revocations *at, const struct cert *cert, uint64_t serial)
{
    struct revocation r = {
        .serial = serial, .at_s = wall_s(), .until_s = cert->not_after_s, .reason = "lost"};
    struct err err = ERR_INIT;
    uint8_t bytes[REVOCATION_BYTES];
    bool added;
    r.node = cert->node;
    memcpy(r.curve, cert->curve, sizeof(r.curve));
    snprintf(r.name, sizeof(r.name), "%s", cert->name);
    assert_int_equal(revocation_sign(&r, authority_secret, &err), 0);
    assert_int_equal(revocation_encode(&r, bytes, &err), 0);
    assert_int_equal(revocations_add(at, bytes, sizeof(bytes), NULL, wall_s(), &added, &err), 0);
    assert_true(added);
}

#endif
