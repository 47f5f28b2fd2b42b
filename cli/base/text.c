/* All of it by hand, without the locale: a figure in a log must look the same on every machine. */
#include "cli/base/text.h"
#include "coding/base/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

char *text_bytes(char to[TEXT_SHORT_MAX], uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    /* 1023.95 would be printed as 1024.0: go on to the next unit before that. */
    while (value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    snprintf(to, TEXT_SHORT_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return to;
}

char *text_duration(char to[TEXT_SHORT_MAX], double seconds)
{
    if (!(seconds > 0)) /* also not-a-number */
        seconds = 0;
    if (seconds > 1e12)
        seconds = 1e12;
    if (seconds < 9.95) {
        snprintf(to, TEXT_SHORT_MAX, "%.1f s", seconds);
        return to;
    }
    unsigned long long s = (unsigned long long)(seconds + 0.5);
    if (s < 60)
        snprintf(to, TEXT_SHORT_MAX, "%llu s", s);
    else if (s < 3600)
        snprintf(to, TEXT_SHORT_MAX, "%llu min %llu s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(to, TEXT_SHORT_MAX, "%llu h %llu min", s / 3600, s % 3600 / 60);
    else
        snprintf(to, TEXT_SHORT_MAX, "%llu d %llu h", s / 86400, s % 86400 / 3600);
    return to;
}

char *text_time(char to[TEXT_SHORT_MAX], int64_t time_s)
{
    time_t when = (time_t)time_s;
    struct tm parts;
    if (localtime_r(&when, &parts) == NULL ||
        strftime(to, TEXT_SHORT_MAX, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        snprintf(to, TEXT_SHORT_MAX, "%lld", (long long)time_s);
    return to;
}

char *text_count(char to[TEXT_SHORT_MAX], uint64_t count)
{
    char digits[TEXT_SHORT_MAX];
    int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
    char *end = to;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *end++ = ' ';
        *end++ = digits[i];
    }
    *end = '\0';
    return to;
}

/* The digits that text begins with; *rest is what follows. -1: none, or more than 64 bits. */
static int digits_of(uint64_t *number, const char *text, const char **rest)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    *number = value;
    *rest = at;
    return at == text ? -1 : 0;
}

int text_read_number(uint64_t *number, const char *text, struct err *err)
{
    const char *rest;
    if (digits_of(number, text, &rest) != 0 || *rest != '\0')
        return err_set(err, ERR_USAGE, "'%s' is not a number", text);
    return 0;
}

int text_read_bytes(uint64_t *bytes, const char *text, struct err *err)
{
    static const char units[] = "KMGTP";
    const char *rest;
    uint64_t number;
    if (digits_of(&number, text, &rest) != 0)
        return err_set(err, ERR_USAGE, "'%s' is not a size such as 512M or 10G", text);
    unsigned shift = 0;
    int letter = *rest & ~0x20; /* upper case */
    const char *unit = letter != 0 ? strchr(units, letter) : NULL;
    if (unit != NULL) {
        shift = 10 * (unsigned)(unit - units + 1);
        rest++;
        if (*rest == 'i')
            rest++;
    }
    if (*rest == 'B')
        rest++;
    if (*rest != '\0')
        return err_set(err, ERR_USAGE, "'%s' is not a size such as 512M or 10G", text);
    if (number > UINT64_MAX >> shift)
        return err_set(err, ERR_USAGE, "'%s' is too large", text);
    *bytes = number << shift;
    return 0;
}

int text_read_duration(uint64_t *duration_ms, const char *text, struct err *err)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"", 1000},     {"ms", 1},      {"s", 1000},    {"m", 60000},
                 {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    const char *rest;
    uint64_t number;
    if (digits_of(&number, text, &rest) == 0)
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            if (strcmp(rest, units[i].name) != 0)
                continue;
            if (number > UINT64_MAX / units[i].ms)
                return err_set(err, ERR_USAGE, "'%s' is too long", text);
            *duration_ms = number * units[i].ms;
            return 0;
        }
    return err_set(err, ERR_USAGE, "'%s' is not a duration such as 30s, 5m or 500ms", text);
}

size_t text_safe(char *to, size_t room, const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;
    size_t used = 0;
    while (size > 0) {
        uint32_t point;
        const char *here = (const char *)at;
        size_t length = utf8_plain(here, size);
        char piece[4 * 4 + 1]; /* at most four bytes, each as \xNN */
        size_t piece_size;
        if (length != 0) {
            memcpy(piece, at, length);
            piece_size = length;
        } else {
            length = utf8_whole(here, size, &point);
            length = length == 0 ? 1 : length;
            piece_size = 0;
            for (size_t i = 0; i < length; i++)
                piece_size += (size_t)snprintf(piece + piece_size, sizeof(piece) - piece_size,
                                               "\\x%02x", at[i]);
        }
        if (used + piece_size >= room)
            break;
        memcpy(to + used, piece, piece_size);
        used += piece_size;
        at += length;
        size -= length;
    }
    if (room > 0)
        to[used] = '\0';
    return used;
}

size_t text_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        if (((unsigned char)*text & 0xc0) != 0x80)
            width++;
    return width;
}

size_t text_fit(const char *text, size_t width)
{
    size_t used = 0;
    for (; text[used] != '\0'; used++)
        if (((unsigned char)text[used] & 0xc0) != 0x80 && width-- == 0)
            break;
    return used;
}
