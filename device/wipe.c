#include "crypto.h"

void bulla_wipe(void *memory, size_t len)
{
    volatile uint8_t *at = (volatile uint8_t *)memory;

    while (len > 0) {
        *at++ = 0;
        len--;
    }
}

int bulla_equal(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *left = (const volatile uint8_t *)a;
    const volatile uint8_t *right = (const volatile uint8_t *)b;
    const volatile uint8_t *end = left + len;
    uint8_t difference = 0;

    while (left != end)
        difference |= (uint8_t)(*left++ ^ *right++);
    return difference == 0;
}
