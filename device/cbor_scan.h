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
    const uint8_t *end;
    const char *form;                      /* what must stand there next, for bulla_scan_match() */
    uint8_t wrong;                         /* not 0: something else stood there than must */
    uint8_t argument[BULLA_ARGUMENT_SIZE]; /* of the head read last */
};

/* The next byte. */
uint8_t bulla_scan_byte(struct bulla_scan *scan);

/* The bytes of the form, up to its next zero; it goes on behind that. */
void bulla_scan_match(struct bulla_scan *scan);

/* A number in `len` bytes, the most significant first, into `to`, the other way round. Returns what is in
 * its bytes from `high` on: 0 if it could be shorter. */
uint8_t bulla_scan_number(struct bulla_scan *scan, uint8_t *to, uint8_t len, uint8_t high);

/* Goes on by that many bytes. */
void bulla_scan_step(struct bulla_scan *scan, uint16_t len);

/* A head, definite and in the shortest form, and a string's bytes behind it: its major type. */
uint8_t bulla_scan_item(struct bulla_scan *scan);

/* The argument; 65,535 if it is that or more. */
uint16_t bulla_scan_small(const struct bulla_scan *scan);

/* The same of an item that must be of this major type. */
uint16_t bulla_scan_expect(struct bulla_scan *scan, uint8_t major);

/* One whole item, of any depth. */
void bulla_scan_skip(struct bulla_scan *scan);

#endif
