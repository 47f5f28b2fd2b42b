/* A vault's keys and its recovery phrase. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/vault/keys.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/trust/writer_cert.h"

/* The phrase of the secret 00 01 ... 1f. */
static const char golden_phrase[] =
    "abandon amount liar amount expire adjust cage candy arch gather drum bullet absurd math era "
    "live bid rhythm alien crouch range attend journey tobacco oxygen";

static void golden_secret(uint8_t secret[VAULT_SECRET_SIZE])
{
    for (size_t i = 0; i < VAULT_SECRET_SIZE; i++)
        secret[i] = (uint8_t)i;
}

static void assert_hex(const uint8_t *bytes, const char *hex)
{
    char text[2 * 32 + 1];
    assert_string_equal(hex_encode(text, bytes, 32), hex);
}

static void the_keys_are_those_of_the_format(void **state)
{
    (void)state;
    uint8_t secret[VAULT_SECRET_SIZE], public[32], sign[64];
    golden_secret(secret);
    struct err err = ERR_INIT;
    struct vault_keys *keys = NULL;
    assert_int_equal(vault_keys_new(&keys, secret, &err), 0);
    assert_memory_equal(keys->secret, secret, sizeof(secret));
    /* libsodium's Ed25519 secret begins with its seed. */
    assert_hex(keys->sign_secret,
               "fbd25ec943f2b543a4463e12eed59cb2ee0c57ad87984c9c9738fa7bd059c758");
    assert_hex(keys->wrap_key, "a8fc39d56872959020aa9af0bfb2d61725d8205fded13750fb84e9ee00c6010e");
    assert_hex(keys->chunk_id_key,
               "ecebf565f2600bf15d59c89cbe7e0ba1d66127c120a43fa424a77c54647d2eef");
    assert_hex(keys->gear_key, "f06499bd0dd336db58b4e4163c78b155191077aa51050d3f23a6dd6cee0223d1");
    assert_hex(keys->record_key,
               "bb6735467682dba37699e2aa9e2c4706b2c5340fd9f3e0855b734602deea075a");
    crypto_sign_seed_keypair(public, sign, keys->sign_secret);
    assert_memory_equal(public, keys->sign_public, sizeof(public));
    struct vault_id vault;
    vault_id(&vault, keys->sign_public);
    assert_memory_equal(vault.bytes, keys->vault.bytes, ID_SIZE);
    vault_keys_destroy(&keys);
    assert_null(keys);
}

static void every_new_vault_has_a_secret_of_its_own(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct vault_keys *one = NULL, *other = NULL;
    assert_int_equal(vault_keys_new(&one, NULL, &err), 0);
    assert_int_equal(vault_keys_new(&other, NULL, &err), 0);
    assert_memory_not_equal(one->secret, other->secret, VAULT_SECRET_SIZE);
    assert_memory_not_equal(one->vault.bytes, other->vault.bytes, ID_SIZE);
    vault_keys_destroy(&one);
    vault_keys_destroy(&other);
}

static void the_phrase_is_that_of_the_format(void **state)
{
    (void)state;
    uint8_t secret[VAULT_SECRET_SIZE], zero[VAULT_SECRET_SIZE] = {0};
    char text[PHRASE_TEXT_MAX];
    golden_secret(secret);
    phrase_encode(text, secret);
    assert_string_equal(text, golden_phrase);
    phrase_encode(text, zero);
    assert_string_equal(text + strlen(text) - strlen(" abandon able cry"), " abandon able cry");
}

static void every_secret_comes_back_from_its_phrase(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint8_t secret[VAULT_SECRET_SIZE], back[VAULT_SECRET_SIZE];
        char text[PHRASE_TEXT_MAX];
        struct err err = ERR_INIT;
        randombytes_buf(secret, sizeof(secret));
        phrase_encode(text, secret);
        assert_int_equal(phrase_decode(back, text, &err), 0);
        assert_memory_equal(back, secret, sizeof(secret));
    }
}

static void white_space_case_and_four_letters_will_do(void **state)
{
    (void)state;
    uint8_t secret[VAULT_SECRET_SIZE], back[VAULT_SECRET_SIZE];
    struct err err = ERR_INIT;
    golden_secret(secret);
    assert_int_equal(
        phrase_decode(back,
                      "  Aban AMOU\n liar\tamount expi adju cage\r\ncand arch gath drum bull absu "
                      "math ERA live bid rhyt alie crou rang atten journ tobacc oxyge\n",
                      &err),
        0);
    assert_memory_equal(back, secret, sizeof(secret));
}

static void assert_refused(const char *text, enum err_code code, const char *says)
{
    uint8_t secret[VAULT_SECRET_SIZE];
    struct err err = ERR_INIT;
    assert_int_equal(phrase_decode(secret, text, &err), -1);
    assert_int_equal(err.code, code);
    if (strstr(err.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

static void a_wrong_word_is_named_with_a_near_one(void **state)
{
    (void)state;
    assert_refused("abandon amuont liar", ERR_KEY, "word 2");
    assert_refused("abandon amuont liar", ERR_KEY, "\"amount\"");
    assert_refused("abandon amount liarr", ERR_KEY, "\"liar\"");
    assert_refused("zxcvbn", ERR_KEY, "word 1");
    assert_refused("ab", ERR_KEY, "\"ab\"");
    assert_refused("abandonment", ERR_KEY, "\"abandon\"");
    assert_refused("\xc3\xa4pfel", ERR_KEY, "word 1");
    char *endless = alloc_zero(100001, 1);
    memset(endless, 'a', 100000);
    assert_refused(endless, ERR_KEY, "word 1");
    free(endless);
}

static void too_few_and_too_many_words_are_counted(void **state)
{
    (void)state;
    assert_refused("", ERR_KEY, "here are 0");
    assert_refused("abandon amount liar", ERR_KEY, "here are 3");
    char *more = alloc_format("%s zoo", golden_phrase);
    assert_refused(more, ERR_KEY, "here are 26");
    free(more);
}

static void swapped_words_miss_the_checksum(void **state)
{
    (void)state;
    assert_refused("amount abandon liar amount expire adjust cage candy arch gather drum bullet "
                   "absurd math era live bid rhythm alien crouch range attend journey tobacco "
                   "oxygen",
                   ERR_KEY, "checksum");
    assert_refused("abandon amount liar amount expire adjust cage candy arch gather drum bullet "
                   "absurd math era live bid rhythm alien crouch range attend journey tobacco zoo",
                   ERR_KEY, "checksum");
}

static void a_phrase_of_a_later_version_is_refused_by_name(void **state)
{
    (void)state;
    assert_refused("abandon amount liar amount expire adjust cage candy arch gather drum bullet "
                   "absurd math era live bid rhythm alien crouch range attend journey total fork",
                   ERR_VERSION, "version 1");
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keys_are_those_of_the_format),
        cmocka_unit_test(every_new_vault_has_a_secret_of_its_own),
        cmocka_unit_test(the_phrase_is_that_of_the_format),
        cmocka_unit_test(every_secret_comes_back_from_its_phrase),
        cmocka_unit_test(white_space_case_and_four_letters_will_do),
        cmocka_unit_test(a_wrong_word_is_named_with_a_near_one),
        cmocka_unit_test(too_few_and_too_many_words_are_counted),
        cmocka_unit_test(swapped_words_miss_the_checksum),
        cmocka_unit_test(a_phrase_of_a_later_version_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
