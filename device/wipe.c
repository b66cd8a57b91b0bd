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
    uint8_t difference = 0;

    for (size_t i = 0; i < len; i++)
        difference |= (uint8_t)(left[i] ^ right[i]);
    return difference == 0;
}
