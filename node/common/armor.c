/* One line survives copying between terminals, YAML and mail better than a block of lines does. */
#include "node/common/armor.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define ARMOR_PREFIX_MAX 64

int armor_encode(char *line, size_t line_size, const char *kind, unsigned version,
                 const uint8_t *bytes, size_t size, struct err *err)
{
    int used = snprintf(line, line_size, "ecbak-%s-%u:", kind, version);
    size_t wanted = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL);
    if (used < 0 || (size_t)used >= line_size || wanted > line_size - (size_t)used)
        return err_set(err, ERR_INVALID, "no room for an armored %s", kind);
    sodium_bin2base64(line + used, line_size - (size_t)used, bytes, size,
                      sodium_base64_VARIANT_ORIGINAL);
    return 0;
}

int armor_decode(uint8_t *bytes, size_t size_max, size_t *size, const char *kind, unsigned version,
                 const char *line, struct err *err)
{
    char prefix[ARMOR_PREFIX_MAX];
    int any = snprintf(prefix, sizeof(prefix), "ecbak-%s-", kind);
    assert(any > 0 && (size_t)any < sizeof(prefix));
    if (strncmp(line, prefix, (size_t)any) != 0)
        return err_set(err, ERR_FORMAT, "this is no %s: it does not start with \"%s\"", kind,
                       prefix);
    int exact = snprintf(prefix, sizeof(prefix), "ecbak-%s-%u:", kind, version);
    assert(exact > 0 && (size_t)exact < sizeof(prefix));
    if (strncmp(line, prefix, (size_t)exact) != 0)
        return err_set(err, ERR_VERSION, "%s of version \"%.8s\": this program knows %u", kind,
                       line + any, version);
    const char *text = line + exact;
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        length--;
    const char *end = NULL;
    if (sodium_base642bin(bytes, size_max, text, length, NULL, size, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        end != text + length)
        return err_set(err, ERR_FORMAT, "the %s is cut or not base64", kind);
    return 0;
}
