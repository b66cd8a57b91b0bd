/*
 * The replay window of 64 numbers (PROTOCOL 4.5, RFC 8613 7.4), and what a receipt says of it (PROTOCOL 5,
 * keys 0 and 1).
 */
#ifndef BULLA_WINDOW_H
#define BULLA_WINDOW_H

#include <stdint.h>

/* Bit i of `bits`: top - i is stored. Nothing is stored while `bits` is 0; otherwise bit 0 is set. */
struct bulla_window {
    uint64_t top;
    uint64_t bits;
    uint64_t lower; /* numbers below it are stale, unless they are stored */
};

enum bulla_window_place {
    BULLA_WINDOW_NEW,
    BULLA_WINDOW_DUPLICATE,
    BULLA_WINDOW_STALE,
};

/* Where `piv` stands. */
enum bulla_window_place bulla_window_place(const struct bulla_window *window, uint64_t piv);

/* Marks a `piv` that is new. */
void bulla_window_mark(struct bulla_window *window, uint64_t piv);

/* Key 1 of a receipt: bit i is set where top-1-i is stored. */
uint64_t bulla_window_receipt_bits(const struct bulla_window *window);

/* 1 if a receipt of `top` and `bits` says that `piv` is stored. */
int bulla_receipt_holds(uint64_t top, uint64_t bits, uint64_t piv);

#endif
