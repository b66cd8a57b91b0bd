#include "gateway/decode/utf8.h"

#include <stdint.h>

/* The sequences of two, three and four bytes: what the first byte looks like, and the least code point. */
static const struct {
    uint8_t mask;
    uint8_t lead;
    uint32_t least;
} sequences[] = {{0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

/* Reads one sequence of more than one byte. Returns its length, or 0 if it is not valid. */
static size_t read_sequence(const uint8_t *at, size_t left, uint32_t *point)
{
    size_t i = 0;
    size_t len;

    while (i < 3 && (at[0] & sequences[i].mask) != sequences[i].lead)
        i++;
    len = i + 2;
    if (i == 3 || len > left)
        return 0;
    *point = at[0] & (uint8_t)~sequences[i].mask;
    for (size_t k = 1; k < len; k++) {
        if ((at[k] & 0xc0) != 0x80)
            return 0;
        *point = *point << 6 | (at[k] & 0x3fu);
    }
    if (*point < sequences[i].least || *point > 0x10ffff || (*point >= 0xd800 && *point <= 0xdfff))
        return 0;
    return len;
}

/* Whether all are valid characters from `least` up, and, where `plain`, none is DEL or a C1 control. */
static int are_characters(const char *text, size_t len, uint8_t least, int plain)
{
    const uint8_t *at = (const uint8_t *)text;
    const uint8_t *end = len == 0 ? at : at + len;

    while (at != end) {
        uint32_t point = *at;
        size_t step = 1;
        if (point >= 0x80)
            step = read_sequence(at, (size_t)(end - at), &point);
        if (step == 0 || point < least || (plain && point >= 0x7f && point <= 0x9f))
            return 0;
        at += step;
    }
    return 1;
}

int utf8_is_text(const char *at, size_t len)
{
    return are_characters(at, len, 1, 0);
}

int utf8_is_plain(const char *at, size_t len)
{
    return are_characters(at, len, 0x20, 1);
}
