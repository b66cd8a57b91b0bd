/*
 * Small records in the store: numbers in little-endian bytes, and the checksum that tells a whole record from
 * a torn one.
 */
#include <string.h>

#include "context.h"

/* A checksum under way: the complement of one. */
BULLA_APART static uint32_t feed(uint32_t crc, const uint8_t *bytes, size_t len)
{
    for (const uint8_t *end = bytes + len; bytes != end; bytes++) {
        crc ^= *bytes;
        for (uint8_t bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return crc;
}

uint32_t bulla_crc32(uint32_t crc, const uint8_t *bytes, size_t len)
{
    return ~feed(~crc, bytes, len);
}

uint32_t bulla_record_crc(const uint8_t *kid, size_t kid_len, const uint8_t *record, size_t len)
{
    return ~feed(feed(0xffffffffu, kid, kid_len), record, len);
}

void bulla_put_crc(uint8_t *out, const uint8_t *kid, size_t kid_len, const uint8_t *record, size_t len)
{
    uint32_t crc = bulla_record_crc(kid, kid_len, record, len);

    out[0] = (uint8_t)crc;
    out[1] = (uint8_t)(crc >> 8);
    out[2] = (uint8_t)(crc >> 16);
    out[3] = (uint8_t)(crc >> 24);
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

BULLA_APART void bulla_number_read(uint64_t *value, const uint8_t *bytes, uint8_t len)
{
    *value = 0;
    memcpy(value, bytes, len);
}

void bulla_message_number(struct bulla_message *message, const uint8_t number[BULLA_NUMBER_SIZE])
{
    bulla_number_copy((uint8_t *)&message->piv,
                      number); /* what it has beyond them is zero from the begin on */
}

const uint8_t *bulla_message_piv(const struct bulla_message *message, uint8_t room[BULLA_NUMBER_SIZE])
{
    (void)room;
    return (const uint8_t *)&message->piv;
}

#else

void bulla_number_read(uint64_t *value, const uint8_t *bytes, uint8_t len)
{
    *value = bulla_get_le(bytes, len);
}

void bulla_message_number(struct bulla_message *message, const uint8_t number[BULLA_NUMBER_SIZE])
{
    message->piv = bulla_get_le(number, BULLA_NUMBER_SIZE);
}

const uint8_t *bulla_message_piv(const struct bulla_message *message, uint8_t room[BULLA_NUMBER_SIZE])
{
    bulla_put_le(room, message->piv, BULLA_NUMBER_SIZE);
    return room;
}

#endif

void bulla_put_le(uint8_t *out, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

uint64_t bulla_get_le(const uint8_t *in, size_t len)
{
    uint64_t value = 0;

    while (len > 0)
        value = value << 8 | in[--len];
    return value;
}
