#include "gateway/wire/base64.h"

/* All ones if low <= c <= high, else zero; without a branch. */
static uint32_t between(uint32_t c, uint32_t low, uint32_t high)
{
    return (((c - low) | (high - c)) >> 31) - 1; /* outside, one of the differences is negative */
}

/* 0 to 63, or all ones. */
static uint32_t digit(uint8_t character)
{
    const uint32_t c = character;
    uint32_t value = 0; /* one more, so that zero is none */

    value |= between(c, 'A', 'Z') & (c - 'A' + 1);
    value |= between(c, 'a', 'z') & (c - 'a' + 27);
    value |= between(c, '0', '9') & (c - '0' + 53);
    value |= between(c, '+', '+') & 63;
    value |= between(c, '/', '/') & 64;
    return value - 1;
}

/* Four characters to three bytes in the low bits; the top bit is set if one is no digit. */
static uint32_t quantum(const uint8_t text[4])
{
    const uint32_t first = digit(text[0]);
    const uint32_t second = digit(text[1]);
    const uint32_t third = digit(text[2]);
    const uint32_t fourth = digit(text[3]);
    const uint32_t bad = (first | second | third | fourth) & UINT32_C(0x80000000);

    return bad | (first & 63) << 18 | (second & 63) << 12 | (third & 63) << 6 | (fourth & 63);
}

static void put(uint8_t *out, uint32_t bits, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)(bits >> (16 - 8 * i));
}

ptrdiff_t base64_decode(const void *text, size_t size, uint8_t *out)
{
    const uint8_t *at = text;
    uint8_t last[4];
    uint32_t bits;
    uint32_t bad = 0;
    size_t padding;
    size_t written = 0;

    if (size % 4 != 0)
        return -1;
    if (size == 0)
        return 0;
    for (; size > 4; size -= 4, at += 4, written += 3) {
        bits = quantum(at);
        bad |= bits;
        put(out + written, bits, 3);
    }
    padding = at[3] != '=' ? 0 : at[2] != '=' ? 1 : 2;
    for (size_t i = 0; i < sizeof(last); i++)
        last[i] = i < sizeof(last) - padding ? at[i] : 'A';
    bits = quantum(last);
    bad |= bits;
    bad |= (bits & ((UINT32_C(1) << 8 * padding) - 1)) != 0 ? UINT32_C(0x80000000) : 0;
    put(out + written, bits, 3 - padding);
    written += 3 - padding;
    return (bad >> 31) != 0 ? -1 : (ptrdiff_t)written;
}

void base64_encode(const void *bytes, size_t len, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = bytes;

    for (; len > 0; text += 4) {
        size_t count = len < 3 ? len : 3;
        uint32_t bits = 0;
        for (size_t i = 0; i < 3; i++)
            bits = bits << 8 | (i < count ? at[i] : 0u);
        for (size_t i = 0; i < 4; i++)
            text[i] = i <= count ? digits[bits >> (18 - 6 * i) & 63] : '=';
        at += count;
        len -= count;
    }
}
