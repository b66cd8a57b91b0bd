/*
 * Reading CBOR on a device: arguments are bytes, with no arithmetic in 64 bits, and nothing recurses. It
 * reads what cbor.h's reader reads, which is for hosts. What is read is at most 32,767 bytes.
 */
#ifndef BULLA_CBOR_SCAN_H
#define BULLA_CBOR_SCAN_H

#include "cbor.h"
#include "counter.h"

#define BULLA_SCAN_DEPTH 8 /* levels of an item that is stepped over */

/* One head, decoded. */
struct bulla_scan_head {
    uint8_t major;                     /* enum bulla_cbor_major */
    uint8_t info;                      /* additional information, 0 to 27, or 31 */
    uint8_t shortest;                  /* 1 if the argument stands in the fewest bytes */
    uint8_t number[BULLA_NUMBER_SIZE]; /* the argument, the least significant byte first */
};

/* The argument; 65,535 if it is that or more. */
uint16_t bulla_scan_small(const struct bulla_scan_head *head);

/* Each moves `reader` also where it fails, and returns 0, or -1 if something else stands there. */

/* A head of this major type (but simple values and floats), definite and in the shortest form. */
int bulla_scan_expect(struct bulla_cbor_reader *reader, uint8_t major, struct bulla_scan_head *head);

/* A string of bytes, `least` to `most` of them: returns their number, or -1. The reader then stands behind
 * them. */
int bulla_scan_bytes(struct bulla_cbor_reader *reader, uint16_t least, uint16_t most);

/* One whole item of at most BULLA_SCAN_DEPTH levels, indefinite lengths included, as bulla_cbor_skip(). */
int bulla_scan_skip(struct bulla_cbor_reader *reader);

#endif
