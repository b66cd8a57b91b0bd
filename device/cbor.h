/*
 * Deterministic CBOR (RFC 8949 4.2.1), as much as the protocol needs: a writer into a bounded buffer, and a
 * reader that points into the caller's bytes. Neither allocates.
 */
#ifndef BULLA_CBOR_H
#define BULLA_CBOR_H

#include <stddef.h>
#include <stdint.h>

/* ---- writer ---- */

/* Bytes go to `out`; what does not fit sets `overflow` and is not written. `used` never passes `size`. */
struct bulla_cbor_writer {
    uint8_t *out;
    size_t size;
    size_t used;
    int overflow;
};

enum bulla_cbor_major {
    BULLA_CBOR_UINT,
    BULLA_CBOR_NINT,
    BULLA_CBOR_BYTES,
    BULLA_CBOR_TEXT,
    BULLA_CBOR_ARRAY,
    BULLA_CBOR_MAP,
    BULLA_CBOR_TAG,
    BULLA_CBOR_SIMPLE, /* simple values and floats */
};

#define BULLA_CBOR_INFO 31 /* the additional information in an initial byte */

#define BULLA_CBOR_FALSE 20u
#define BULLA_CBOR_TRUE  21u
#define BULLA_CBOR_NULL  22u

/* Writes a head: major type and argument, in the fewest bytes. */
void bulla_cbor_head(struct bulla_cbor_writer *writer, enum bulla_cbor_major major, uint64_t argument);
/* The same for a small argument: without arithmetic in 64 bits, which is long on 8-bit parts. */
void bulla_cbor_small(struct bulla_cbor_writer *writer, enum bulla_cbor_major major, uint16_t argument);
void bulla_cbor_integer(struct bulla_cbor_writer *writer, int64_t value);
/* Strings, of bytes or text: of more than 65,535 bytes they overflow, whatever room there is. */
void bulla_cbor_string(struct bulla_cbor_writer *writer, enum bulla_cbor_major major, const void *bytes,
                       size_t len);
void bulla_cbor_bytes(struct bulla_cbor_writer *writer, const uint8_t *bytes, size_t len);
void bulla_cbor_text(struct bulla_cbor_writer *writer, const char *text, size_t len);
/* Writes bytes as they are. */
void bulla_cbor_raw(struct bulla_cbor_writer *writer, const void *bytes, size_t len);
/* Writes a float, as half precision where that is the same number (RFC 8949 4.2.1). NaN is f97e00. */
void bulla_cbor_float(struct bulla_cbor_writer *writer, float value);
/* Writes a double, as single or half precision where that is the same number. */
void bulla_cbor_double(struct bulla_cbor_writer *writer, double value);
/* Write a float in its own precision, whatever a shorter one could hold. */
void bulla_cbor_float32(struct bulla_cbor_writer *writer, float value);
void bulla_cbor_float64(struct bulla_cbor_writer *writer, double value);

/* ---- reader ---- */

/* What is left to read: `at` up to `end`. Functions move `at` only when they succeed. */
struct bulla_cbor_reader {
    const uint8_t *at;
    const uint8_t *end;
};

/* One head, decoded. */
struct bulla_cbor_item {
    uint8_t major;       /* enum bulla_cbor_major */
    uint8_t info;        /* additional information, 0 to 27, or 31: indefinite length or break */
    uint8_t shortest;    /* 1 if the argument stands in the fewest bytes (always 1 for floats) */
    uint64_t argument;   /* value, length, count, tag, simple value, or the float's bits */
    const uint8_t *data; /* strings of definite length: their `argument` bytes, which are there */
};

/* Reads any well-formed head, and the bytes of a string of definite length. Returns 0 or -1 (truncated,
 * reserved). */
int bulla_cbor_next(struct bulla_cbor_reader *reader, struct bulla_cbor_item *item);

/* As bulla_cbor_next(), and -1 unless the item has this major type, is definite and in the shortest form. */
int bulla_cbor_expect(struct bulla_cbor_reader *reader, enum bulla_cbor_major major,
                      struct bulla_cbor_item *item);

/* Steps over one whole item of at most `depth` levels (at least 1), indefinite lengths included. Returns 0 or
 * -1. */
int bulla_cbor_skip(struct bulla_cbor_reader *reader, unsigned depth);

#endif
