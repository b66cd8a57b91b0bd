/*
 * Functions that the ESP8266 has in its boot ROM, and Debian's libgcc for lx106 therefore lacks. Not counted
 * as flash.
 */
#include <stdint.h>

uint64_t __muldi3(uint64_t a, uint64_t b);
uint32_t __udivsi3(uint32_t a, uint32_t b);
uint32_t __umodsi3(uint32_t a, uint32_t b);

uint64_t __muldi3(uint64_t a, uint64_t b)
{
    uint64_t product = 0;

    for (; b != 0; b >>= 1, a <<= 1)
        product += a & -(b & 1);
    return product;
}

static uint32_t divide(uint32_t a, uint32_t b, uint32_t *rest)
{
    uint32_t quotient = 0;

    *rest = 0;
    for (int bit = 31; bit >= 0; bit--) {
        *rest = *rest << 1 | (a >> bit & 1);
        if (*rest >= b) {
            *rest -= b;
            quotient |= (uint32_t)1 << bit;
        }
    }
    return quotient;
}

uint32_t __udivsi3(uint32_t a, uint32_t b)
{
    uint32_t rest;

    return divide(a, b, &rest);
}

uint32_t __umodsi3(uint32_t a, uint32_t b)
{
    uint32_t rest;

    divide(a, b, &rest);
    return rest;
}
