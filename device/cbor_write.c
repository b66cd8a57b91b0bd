/* The writer of deterministic CBOR. */
#include "cbor.h"

#include <string.h>

void bulla_cbor_raw(struct bulla_cbor_writer *writer, const void *bytes, size_t len)
{
    if (len > writer->size - writer->used) {
        writer->overflow = 1;
        return;
    }
    if (len > 0)
        memcpy(writer->out + writer->used, bytes, len);
    writer->used += len;
}

/* Writes an initial byte and the low `width` bytes of `argument`, most significant first. */
static void put(struct bulla_cbor_writer *writer, uint8_t initial, uint32_t argument, uint8_t width)
{
    uint8_t bytes[5];

    bytes[0] = initial;
    for (uint8_t i = width; i > 0; i--) {
        bytes[i] = (uint8_t)argument;
        argument >>= 8;
    }
    bulla_cbor_raw(writer, bytes, width + 1u);
}

/* Likewise, 8 bytes. */
static void put_long(struct bulla_cbor_writer *writer, uint8_t initial, uint64_t argument)
{
    uint8_t bytes[9];

    bytes[0] = initial;
    for (uint8_t i = 8; i > 0; i--) {
        bytes[i] = (uint8_t)argument;
        argument >>= 8;
    }
    bulla_cbor_raw(writer, bytes, sizeof(bytes));
}

void bulla_cbor_small(struct bulla_cbor_writer *writer, enum bulla_cbor_major major, uint16_t argument)
{
    uint8_t initial = (uint8_t)(major << 5);

    if (argument < 24)
        put(writer, (uint8_t)(initial | argument), 0, 0);
    else if (argument <= 0xff)
        put(writer, initial | 24, argument, 1);
    else
        put(writer, initial | 25, argument, 2);
}

void bulla_cbor_head(struct bulla_cbor_writer *writer, enum bulla_cbor_major major, uint64_t argument)
{
    uint8_t initial = (uint8_t)(major << 5);

    if (argument <= 0xffff)
        bulla_cbor_small(writer, major, (uint16_t)argument);
    else if (argument <= 0xffffffff)
        put(writer, initial | 26, (uint32_t)argument, 4);
    else
        put_long(writer, initial | 27, argument);
}

void bulla_cbor_integer(struct bulla_cbor_writer *writer, int64_t value)
{
    if (value >= 0)
        bulla_cbor_head(writer, BULLA_CBOR_UINT, (uint64_t)value);
    else
        bulla_cbor_head(writer, BULLA_CBOR_NINT, ~(uint64_t)value);
}

void bulla_cbor_string(struct bulla_cbor_writer *writer, enum bulla_cbor_major major, const void *bytes,
                       size_t len)
{
    if (len > UINT16_MAX)
        writer->overflow = 1;
    else
        bulla_cbor_small(writer, major, (uint16_t)len);
    bulla_cbor_raw(writer, bytes, len);
}

void bulla_cbor_bytes(struct bulla_cbor_writer *writer, const uint8_t *bytes, size_t len)
{
    bulla_cbor_string(writer, BULLA_CBOR_BYTES, bytes, len);
}

void bulla_cbor_text(struct bulla_cbor_writer *writer, const char *text, size_t len)
{
    bulla_cbor_string(writer, BULLA_CBOR_TEXT, text, len);
}

/*
 * The half-precision bits of a single, in `half`; 0 if a half cannot hold the same number. Works on bits
 * alone: an 8-bit part has no use for a floating-point library here.
 */
static int half_of_single(uint32_t single, uint16_t *half)
{
    uint32_t sign = single >> 16 & 0x8000u;
    uint32_t exponent = single >> 23 & 0xffu;
    uint32_t mantissa = single & 0x7fffffu;

    if (exponent == 0xff) { /* infinity, or any NaN: the one of RFC 8949 4.2.2 */
        *half = (uint16_t)(mantissa != 0 ? 0x7e00u : sign | 0x7c00u);
        return 1;
    }
    if (exponent == 0 && mantissa == 0) {
        *half = (uint16_t)sign;
        return 1;
    }
    if (exponent >= 113 && exponent <= 142 && (mantissa & 0x1fffu) == 0) { /* 2^-14 to 2^15: normal halves */
        *half = (uint16_t)(sign | (exponent - 112u) << 10 | mantissa >> 13);
        return 1;
    }
    if (exponent >= 103 && exponent <= 112) { /* 2^-24 to 2^-15: subnormal halves */
        uint32_t shift = 126u - exponent;
        uint32_t whole = mantissa | 0x800000u;
        if ((whole & ((1ul << shift) - 1u)) == 0) {
            *half = (uint16_t)(sign | whole >> shift);
            return 1;
        }
    }
    return 0;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

void bulla_cbor_float32(struct bulla_cbor_writer *writer, float value)
{
    put(writer, 0xfa, bits_of(value), 4);
}

void bulla_cbor_float64(struct bulla_cbor_writer *writer, double value)
{
    uint64_t bits = 0;

    if (sizeof(value) == sizeof(float)) { /* 8-bit parts have no other double */
        bulla_cbor_float32(writer, (float)value);
        return;
    }
    memcpy(&bits, &value, sizeof(value));
    put_long(writer, 0xfb, bits);
}

void bulla_cbor_float(struct bulla_cbor_writer *writer, float value)
{
    uint16_t half;

    if (half_of_single(bits_of(value), &half))
        put(writer, 0xf9, half, 2);
    else
        bulla_cbor_float32(writer, value);
}

void bulla_cbor_double(struct bulla_cbor_writer *writer, double value)
{
    float single = (float)value;

    if ((double)single == value || value != value)
        bulla_cbor_float(writer, single);
    else
        bulla_cbor_float64(writer, value);
}
