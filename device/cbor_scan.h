/*
 * Reading the deterministic CBOR of a reply on a device (RFC 8949 4.2.1: definite lengths, shortest heads):
 * arguments are bytes, with no arithmetic in 64 bits, and nothing recurses. Whoever reads asks once, at the
 * end, whether something was wrong: what was read from there on means nothing, but never lies beyond the end.
 */
#ifndef BULLA_CBOR_SCAN_H
#define BULLA_CBOR_SCAN_H

#include "cbor.h"

#define BULLA_ARGUMENT_SIZE 8 /* bytes of an argument, the least significant first */

struct bulla_scan {
    const uint8_t *at;
    uint16_t left; /* bytes from there on: 16,383 at most */
    uint8_t wrong; /* something else stood there than must */
};

/* The next byte. */
uint8_t bulla_scan_byte(struct bulla_scan *scan);

/* Goes on by that many bytes. */
void bulla_scan_step(struct bulla_scan *scan, uint16_t len);

/* A head, definite and in the shortest form: its major type. */
uint8_t bulla_scan_head(struct bulla_scan *scan, uint8_t argument[BULLA_ARGUMENT_SIZE]);

/* The argument; 65,535 if it is that or more. */
uint16_t bulla_scan_small(const uint8_t argument[BULLA_ARGUMENT_SIZE]);

/* A string of bytes: their number. `at` is behind them then. */
uint16_t bulla_scan_bytes(struct bulla_scan *scan);

/* One whole item, of any depth. */
void bulla_scan_skip(struct bulla_scan *scan);

#endif
