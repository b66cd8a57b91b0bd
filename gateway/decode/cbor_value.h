/*
 * CBOR as plaintexts have it: any well-formed encoding of numbers and strings, not only the deterministic
 * one.
 */
#ifndef CBOR_VALUE_H
#define CBOR_VALUE_H

#include "device/cbor.h"
#include "gateway/decode/number.h"

/* Where a walk through an array or a map stands. */
struct cbor_walk {
    uint64_t left;  /* elements, or pairs in a map */
    int indefinite; /* ends with a break */
};

/* Begins a walk through the array or map whose head is `item`. */
struct cbor_walk cbor_walk_begin(const struct bulla_cbor_item *item);

/* Whether there is another element or pair: 1, 0, or -1 for truncated. Steps over the break. */
int cbor_walk_next(struct cbor_walk *walk, struct bulla_cbor_reader *reader);

/* Each of these reads what follows of a value whose head, `item`, was just read. */

/* A string of type `major`, in chunks too; text is checked to be text (utf8_is_text). */
enum decoder_result cbor_string(struct bulla_cbor_reader *reader, const struct bulla_cbor_item *item,
                                enum bulla_cbor_major major, struct readings *readings, struct text *string);

/* An integer, bignum, float or decimal fraction (RFC 8949 3.4.3, 3.4.4). */
enum decoder_result cbor_number(struct bulla_cbor_reader *reader, const struct bulla_cbor_item *item,
                                struct readings *readings, struct number *number);

/* false or true. */
enum decoder_result cbor_boolean(const struct bulla_cbor_item *item, int *boolean);

#endif
