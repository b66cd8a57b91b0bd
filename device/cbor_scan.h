/*
 * Reading the deterministic CBOR of a reply on a device (RFC 8949 4.2.1: definite lengths, shortest heads):
 * arguments are bytes, with no arithmetic in 64 bits, and nothing recurses. What is read is at most
 * 16,383 bytes.
 */
#ifndef BULLA_CBOR_SCAN_H
#define BULLA_CBOR_SCAN_H

#include "cbor.h"

#define BULLA_ARGUMENT_SIZE 8 /* bytes of an argument, the least significant first */

/* Each moves `reader` also where it fails. */

/* A head. Returns its major type, or -1 if none stands there that is definite and in the shortest form. */
int bulla_scan_head(struct bulla_cbor_reader *reader, uint8_t argument[BULLA_ARGUMENT_SIZE]);

/* The argument; 65,535 if it is that or more. */
uint16_t bulla_scan_small(const uint8_t argument[BULLA_ARGUMENT_SIZE]);

/* A string of bytes, `least` to `most` of them: returns their number, or -1. The reader then stands behind
 * them. */
int bulla_scan_bytes(struct bulla_cbor_reader *reader, uint16_t least, uint16_t most);

/* One whole item, of any depth: 0 or -1. */
int bulla_scan_skip(struct bulla_cbor_reader *reader);

#endif
