/*
 * CBOR written backwards, from its end on: a string's length is known by then, and nothing has to be moved.
 * Every function takes where the bytes written so far begin, and returns where they begin then. There must be
 * room before.
 */
#ifndef BULLA_PUSH_H
#define BULLA_PUSH_H

#include <stdint.h>

/* One byte. */
uint8_t *bulla_push_byte(uint8_t *at, uint8_t byte);

/* Bytes as they are, the last of them first: they may lie before the place that they go to, and overlap it.
 */
uint8_t *bulla_push(uint8_t *at, const uint8_t *bytes, uint8_t len);

/* A Partial IV, of which the least significant byte comes first: all of its bytes, the most significant
 * first.
 */
uint8_t *bulla_push_piv(uint8_t *at, const uint8_t *piv);

/* A head: the major type in the upper three bits of `initial`, and the argument in the fewest bytes. */
uint8_t *bulla_push_head(uint8_t *at, uint8_t initial, uint16_t argument);

/* A string of bytes. */
uint8_t *bulla_push_bytes(uint8_t *at, const uint8_t *bytes, uint8_t len);

#endif
