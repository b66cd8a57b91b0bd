/*
 * A board that exists only in a test: a random source, three slots of flash and a timer, each of which can be
 * made to fail, and a power cut at any write.
 */
#ifndef BULLA_TEST_BOARD_H
#define BULLA_TEST_BOARD_H

#include "device/context.h"

#define BOARD_SLOTS 3

/* What a write leaves behind when the power goes. */
enum board_cut {
    CUT_NOTHING, /* the slot is as it was */
    CUT_HALF,    /* a part of the new bytes, garbage behind them */
    CUT_FULL,    /* all of it, but nobody was told */
    CUT_KINDS,
};

struct board_slot {
    size_t len; /* 0: never written */
    uint8_t bytes[BULLA_SLOT_SIZE];
};

struct board {
    struct bulla_port port; /* hand this to the library; callbacks may be set to NULL */
    struct board_slot slot[BOARD_SLOTS];
    uint64_t seed;
    uint32_t now; /* the timer, milliseconds */
    unsigned stores;
    unsigned loads;
    unsigned cut_in; /* the power goes at this write: 1 is the next one; 0 never */
    enum board_cut cut;
    unsigned fail_in; /* that write fails as `cut` says, but the power stays; 0 never */
    int dead;         /* the power is gone: nothing works until board_power_on() */
    int random_fails; /* it says so */
    int random_stuck; /* it gives one byte for ever, and calls that success */
    int store_fails;  /* every write, with nothing written */
    int store_lies;   /* every write is said to be done, and is not */
    int load_fails;   /* bit n: reading slot n fails */
};

/* A board whose store is empty. `seed` makes its random source. */
void board_open(struct board *board, uint64_t seed);

/* The power comes back: the memory of the board is as the last cut left it. */
void board_power_on(struct board *board);

/* What a context keeps in bytes: a number, read and set; raised to a number; the message that has one. */
uint64_t number_of(const uint8_t number[BULLA_NUMBER_SIZE]);
void set_number(uint8_t number[BULLA_NUMBER_SIZE], uint64_t value);
void raise_to(struct bulla *bulla, uint64_t next);
int tracked_as(const struct bulla *bulla, uint64_t piv);

#endif
