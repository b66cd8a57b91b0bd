/*
 * What the decoders share: their form, what they return, and where their readings go. Private to this
 * directory.
 */
#ifndef DECODER_H
#define DECODER_H

#include "gateway/decode/decode.h"

enum decoder_result {
    DECODED = 0,
    UNDECODABLE = -1,   /* the plaintext is not what its content-format says */
    OUT_OF_MEMORY = -2, /* nothing is known of the plaintext */
};

/* Nested content is followed to so many levels. */
#define DECODER_DEPTH 16

/* Bytes of the longest name and unit: they are repeated with every reading of a pack, so they are bounded. */
#define DECODER_NAME_MAX 255

/*
 * A decoder appends the readings of one plaintext. It may leave some behind when it fails: decode() takes
 * them back.
 */
enum decoder_result decode_senml_cbor(const uint8_t *plaintext, size_t len, int64_t received,
                                      struct readings *readings);
enum decoder_result decode_senml_json(const uint8_t *plaintext, size_t len, int64_t received,
                                      struct readings *readings);
enum decoder_result decode_flat_cbor(const uint8_t *plaintext, size_t len, int64_t received,
                                     struct readings *readings);
enum decoder_result decode_flat_json(const uint8_t *plaintext, size_t len, int64_t received,
                                     struct readings *readings);
enum decoder_result decode_text(const uint8_t *plaintext, size_t len, int64_t received,
                                struct readings *readings);

/* A string that lies in the plaintext or in the arena. */
struct text {
    const char *at;
    size_t len;
};

/* Appends a copy of `reading`; the strings that it points to are not copied. */
enum decoder_result readings_append(struct readings *readings, const struct reading *reading);

/* Takes `len` bytes from the arena, aligned for anything; they stay until readings_reset(). NULL: out of
 * memory. */
void *readings_take(struct readings *readings, size_t len);

/* Copies a string into the arena. */
enum decoder_result readings_copy(struct readings *readings, const void *bytes, size_t len,
                                  struct text *copy);

#endif
