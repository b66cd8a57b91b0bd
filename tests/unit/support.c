#include "support.h"

#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t from_hex(uint8_t *out, size_t size, const char *hex)
{
    size_t used = 0;

    while (*hex != '\0') {
        if (*hex == ' ') {
            hex++;
            continue;
        }
        if (digit(hex[0]) < 0 || digit(hex[1]) < 0 || used == size)
            fail_msg("not hexadecimal, or longer than %zu bytes: %s", size, hex);
        out[used++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
        hex += 2;
    }
    return used;
}

static void print_hex(const char *what, const uint8_t *bytes, size_t len)
{
    print_error("%s", what);
    for (size_t i = 0; i < len; i++)
        print_error("%02x", bytes[i]);
    print_error("\n");
}

void assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    size_t size = strlen(hex) / 2 + 1;
    uint8_t *expected = malloc(size);
    size_t expected_len = from_hex(expected, size, hex);
    int equal = expected_len == len && (len == 0 || memcmp(bytes, expected, len) == 0);

    if (!equal) {
        print_hex("got      ", bytes, len);
        print_hex("expected ", expected, expected_len);
    }
    free(expected);
    assert_true(equal);
}

uint64_t test_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t test_below(uint64_t *state, uint64_t limit)
{
    return test_random(state) % limit;
}

void test_fill(uint64_t *state, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)test_random(state);
}
