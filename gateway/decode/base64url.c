#include "gateway/decode/base64url.h"

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

ptrdiff_t base64url_decode(const char *text, size_t len, uint8_t *out)
{
    uint32_t bits = 0;
    unsigned count = 0; /* bits that are not written yet, always fewer than 8 */
    ptrdiff_t written = 0;

    for (size_t i = 0; i < len; i++) {
        int value = digit(text[i]);
        if (value < 0)
            return -1;
        bits = (bits << 6 | (uint32_t)value) & 0x3fff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[written++] = (uint8_t)(bits >> count);
        }
    }
    /* RFC 4648 3.5: what is left of the last character is zero; and a single character says nothing. */
    if (count == 6 || (bits & ((1u << count) - 1)) != 0)
        return -1;
    return written;
}

void base64url_encode(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned count = 0; /* bits that are not written yet */

    for (size_t i = 0; i < len; i++) {
        bits = (bits << 8 | bytes[i]) & 0xffff;
        for (count += 8; count >= 6; count -= 6)
            *out++ = digits[bits >> (count - 6) & 63];
    }
    if (count > 0)
        *out = digits[bits << (6 - count) & 63];
}
