#include "coding/base/utf8.h"

#include <stdbool.h>

size_t utf8_whole(const char *text, size_t left, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)text;
    if (left == 0)
        return 0;
    size_t size = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc2 ? 2 : 0;
    if (size == 0 || size > left || at[0] > 0xf4)
        return 0;
    uint32_t value = size == 1 ? at[0] : at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (at[i] & 0x3f);
    }
    if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *point = value;
    return size;
}

static bool is_plain(uint32_t point)
{
    return point >= 0x20 && !(point >= 0x7f && point <= 0x9f) && point != 0x200e &&
           point != 0x200f && !(point >= 0x2028 && point <= 0x202e) &&
           !(point >= 0x2066 && point <= 0x2069) && point != 0xfeff;
}

size_t utf8_plain(const char *at, size_t left)
{
    uint32_t point;
    size_t size = utf8_whole(at, left, &point);
    return size > 0 && is_plain(point) ? size : 0;
}

size_t utf8_mask(char *text, size_t size)
{
    size_t masked = 0;
    for (size_t at = 0; at < size;) {
        size_t plain = utf8_plain(text + at, size - at);
        if (plain == 0) {
            text[at] = '?';
            masked++;
        }
        at += plain > 0 ? plain : 1;
    }
    return masked;
}
