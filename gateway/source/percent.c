#include "gateway/source/percent.h"

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* The character at `*at`, and behind it; zero: there is none such. */
static char take(const char **at)
{
    const char *text = *at;
    int high;
    int low;

    if (text[0] != '%') {
        *at = text + 1;
        return text[0];
    }
    high = hex_digit(text[1]);
    low = high < 0 ? -1 : hex_digit(text[2]);
    if (low < 0)
        return '\0';
    *at = text + 3;
    return (char)(high << 4 | low);
}

int percent_decode(const char *segment, char *out, size_t size)
{
    size_t used = 0;

    while (*segment != '\0') {
        char character = take(&segment);
        if (character == '\0' || used + 1 >= size)
            return -1;
        out[used++] = character;
    }
    if (size == 0)
        return -1;
    out[used] = '\0';
    return 0;
}
