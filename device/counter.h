/*
 * The counter in a board's store (PROTOCOL 2). Numbers are BULLA_NUMBER_SIZE bytes here, the least
 * significant first, as they stand in the store: 8-bit parts compare and add bytes in little flash.
 */
#ifndef BULLA_COUNTER_H
#define BULLA_COUNTER_H

#include "bulla.h"

#define BULLA_NUMBER_SIZE 6 /* up to 2^40, one past the last Partial IV */

/* Whose counter it is, `keys` tells: their kid counts. */

/* Makes it: 0, BULLA_E_UNSAFE, BULLA_E_PROVISIONED, BULLA_E_STORE, BULLA_E_ARGUMENT. */
BULLA_MUST_CHECK int bulla_counter_make(const struct bulla_port *port, const struct bulla_derived *keys);

/* The first number that nobody can have used, as the store says now. Returns the slot of the copy that is bad
 * or lower (A if they are equal), or BULLA_E_NO_COUNTER. */
BULLA_MUST_CHECK int bulla_counter_read(const struct bulla_port *port, const struct bulla_derived *keys,
                                        uint8_t unused[BULLA_NUMBER_SIZE]);

/*
 * Reserves numbers from `next` on, or from where others have reserved up to: `next` is then the first of
 * them, also if it fails, and `limit` the first that is not. 0, BULLA_E_STORE or BULLA_E_EXHAUSTED.
 */
BULLA_MUST_CHECK int bulla_counter_take(const struct bulla_port *port, const struct bulla_derived *keys,
                                        uint8_t next[BULLA_NUMBER_SIZE], uint8_t limit[BULLA_NUMBER_SIZE]);

/* Above 0 if a > b, 0 if they are equal, else below 0. */
int8_t bulla_number_order(const uint8_t a[BULLA_NUMBER_SIZE], const uint8_t b[BULLA_NUMBER_SIZE]);

void bulla_number_copy(uint8_t to[BULLA_NUMBER_SIZE], const uint8_t from[BULLA_NUMBER_SIZE]);

/* Adds 1 to the byte `from`, and to those above it what is carried. */
void bulla_number_step(uint8_t number[BULLA_NUMBER_SIZE], uint8_t from);

#endif
