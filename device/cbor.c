#include "cbor.h"

#include <string.h>

/* ---- writer ---- */

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

void bulla_cbor_single_bits(struct bulla_cbor_writer *writer, uint32_t single)
{
    put(writer, 0xfa, single, 4);
}

void bulla_cbor_half_bits(struct bulla_cbor_writer *writer, uint16_t half)
{
    put(writer, 0xf9, half, 2);
}

void bulla_cbor_float32(struct bulla_cbor_writer *writer, float value)
{
    bulla_cbor_single_bits(writer, bits_of(value));
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
        bulla_cbor_half_bits(writer, half);
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

/* ---- reader ---- */

/* Reads the argument that additional information 24 to 27 announces. */
static uint64_t read_argument(const uint8_t *at, unsigned width)
{
    uint64_t argument = 0;

    for (unsigned i = 0; i < width; i++)
        argument = argument << 8 | at[i];
    return argument;
}

/* The smallest argument that needs additional information 24, 25, 26, 27. */
static const uint64_t least[4] = {24, 0x100, 0x10000, 0x100000000};

int bulla_cbor_next(struct bulla_cbor_reader *reader, struct bulla_cbor_item *item)
{
    const uint8_t *at = reader->at;
    unsigned width;

    if (at == reader->end)
        return -1;
    item->major = (uint8_t)(*at >> 5);
    item->info = *at & 31;
    item->argument = item->info;
    item->shortest = 1;
    item->data = NULL;
    at++;
    if (item->info >= 24 && item->info <= 27) {
        width = 1u << (item->info - 24u);
        if ((size_t)(reader->end - at) < width)
            return -1;
        item->argument = read_argument(at, width);
        if (item->major != BULLA_CBOR_SIMPLE)
            item->shortest = item->argument >= least[item->info - 24];
        else if (item->info == 24 && item->argument < 32) /* RFC 8949 3.3: not well-formed */
            return -1;
        at += width;
    } else if (item->info == 31) { /* indefinite strings, arrays and maps; "break" */
        if (item->major <= BULLA_CBOR_NINT || item->major == BULLA_CBOR_TAG)
            return -1;
    } else if (item->info > 27) {
        return -1;
    }
    if ((item->major == BULLA_CBOR_BYTES || item->major == BULLA_CBOR_TEXT) && item->info != 31) {
        if (item->argument > (uint64_t)(reader->end - at))
            return -1;
        item->data = at;
        at += (size_t)item->argument;
    }
    reader->at = at;
    return 0;
}

int bulla_cbor_expect(struct bulla_cbor_reader *reader, enum bulla_cbor_major major,
                      struct bulla_cbor_item *item)
{
    struct bulla_cbor_reader ahead = *reader;

    if (bulla_cbor_next(&ahead, item) < 0)
        return -1;
    if (item->major != (uint8_t)major || item->info == 31 || !item->shortest)
        return -1;
    *reader = ahead;
    return 0;
}

static int is_break(const struct bulla_cbor_item *item)
{
    return item->major == BULLA_CBOR_SIMPLE && item->info == 31;
}

/* Steps over the chunks of an indefinite string, the break included (RFC 8949 3.2.3). */
static int skip_chunks(struct bulla_cbor_reader *reader, unsigned major)
{
    struct bulla_cbor_item item;

    for (;;) {
        if (bulla_cbor_next(reader, &item) < 0)
            return -1;
        if (is_break(&item))
            return 0;
        if (item.major != major || item.info == 31)
            return -1;
    }
}

static int skip_item(struct bulla_cbor_reader *reader, unsigned depth, int break_allowed);

/* Steps over items until the break; `pairs` is 1 in a map, whose items come in pairs. */
static int skip_to_break(struct bulla_cbor_reader *reader, unsigned depth, int pairs)
{
    for (;;) {
        int got = skip_item(reader, depth, 1);
        if (got != 0)
            return got > 0 ? 0 : -1;
        if (pairs && skip_item(reader, depth, 0) < 0)
            return -1;
    }
}

/* Returns 0, -1, or 1 for a break that was allowed. */
static int skip_item(struct bulla_cbor_reader *reader, unsigned depth, int break_allowed)
{
    struct bulla_cbor_item item;
    uint64_t count = 0;
    int pairs;

    if (depth == 0 || bulla_cbor_next(reader, &item) < 0)
        return -1;
    if (is_break(&item))
        return break_allowed ? 1 : -1;
    pairs = item.major == BULLA_CBOR_MAP;
    if (item.major == BULLA_CBOR_TAG) {
        count = 1;
    } else if (item.major == BULLA_CBOR_ARRAY || pairs) {
        if (item.info == 31)
            return skip_to_break(reader, depth - 1, pairs);
        if (item.argument > (uint64_t)(reader->end - reader->at)) /* every item takes a byte at least */
            return -1;
        count = pairs ? item.argument * 2 : item.argument;
    } else if (item.info == 31) {
        return skip_chunks(reader, item.major);
    }
    for (; count > 0; count--) {
        if (skip_item(reader, depth - 1, 0) < 0)
            return -1;
    }
    return 0;
}

int bulla_cbor_skip(struct bulla_cbor_reader *reader, unsigned depth)
{
    struct bulla_cbor_reader ahead = *reader;

    if (skip_item(&ahead, depth, 0) < 0)
        return -1;
    *reader = ahead;
    return 0;
}
