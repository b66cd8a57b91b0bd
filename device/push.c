#include "push.h"

#include "cbor.h"
#include "keys.h"

BULLA_APART uint8_t *bulla_push_byte(uint8_t *at, uint8_t byte)
{
    *--at = byte;
    return at;
}

BULLA_APART uint8_t *bulla_push(uint8_t *at, const uint8_t *bytes, uint8_t len)
{
    while (len > 0)
        *--at = bytes[--len];
    return at;
}

BULLA_APART uint8_t *bulla_push_piv(uint8_t *at, const uint8_t *piv)
{
    for (uint8_t i = 0; i < BULLA_PIV_SIZE; i++)
        *--at = piv[i];
    return at;
}

BULLA_APART uint8_t *bulla_push_head(uint8_t *at, uint8_t initial, uint16_t argument)
{
    if (argument > 23) {
        *--at = (uint8_t)argument;
        argument >>= 8;
        initial |= 24;
        if (argument != 0) {
            *--at = (uint8_t)argument;
            initial |= 25;
        }
        argument = 0;
    }
    *--at = (uint8_t)(initial | argument);
    return at;
}

BULLA_APART uint8_t *bulla_push_bytes(uint8_t *at, const uint8_t *bytes, uint8_t len)
{
    return bulla_push_head(bulla_push(at, bytes, len), BULLA_CBOR_BYTES << 5, len);
}
