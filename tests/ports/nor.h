/*
 * NOR flash: bits are written to 0 and erased to 1 by the unit. It stands at the address where the chip has
 * it. A cut leaves some of a word's bits unwritten; in an erasure, any part of the unit.
 */
#ifndef BULLA_TEST_NOR_H
#define BULLA_TEST_NOR_H

#include <stddef.h>
#include <stdint.h>

struct nor {
    uint8_t *bytes;
    size_t size;
    size_t unit;
    size_t word;         /* bytes written in one step */
    unsigned writes_max; /* of a word between erasures; 0: any number */
    size_t block;        /* bytes; 0: none */
    unsigned block_max;  /* writes of words in a block between erasures */
    int zero_only;       /* a word that is not erased takes zeros and nothing else */
    uint8_t *writes;     /* of each word since it was erased */
    unsigned erasures;
};

/* Maps it at `address`, erased. Fails the test if that cannot be. */
void nor_open(struct nor *nor, uintptr_t address, size_t size, size_t unit, size_t word);

void nor_new(struct nor *nor);
/* 0, or -1 where the chip would refuse. Fails the test where it would not do what was asked for. */
int nor_write(struct nor *nor, size_t at, const uint8_t *bytes, size_t len);
void nor_erase(struct nor *nor, size_t at);

/* A word as a cut leaves it, between what it was and what it was to be. */
void nor_half(uint8_t *word, const uint8_t *wanted, size_t len);

/* Changes a bit of the last `cell` bytes of the unit that are not erased, or anywhere in it. */
void nor_rot(struct nor *nor, size_t unit_at, size_t cell);

#endif
