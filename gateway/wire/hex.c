#include "gateway/wire/hex.h"

static int value_of(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

bool hex_is(const void *text, size_t len)
{
    const uint8_t *at = text;

    for (size_t i = 0; i < len; i++) {
        if (value_of(at[i]) < 0)
            return false;
    }
    return true;
}

bool hex_read(const void *text, size_t len, uint8_t *out)
{
    const uint8_t *at = text;

    for (size_t i = 0; i < len / 2; i++) {
        int high = value_of(at[2 * i]);
        int low = value_of(at[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
