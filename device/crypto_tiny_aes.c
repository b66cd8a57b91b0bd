/*
 * AES-128 (FIPS 197) in bytes: one block under one key, the round keys made on the way.
 */
#include "provider.h"

#if BULLA_WITH_TINY && !BULLA_TINY_WORDS

#include "crypto_tiny.h"

#include <string.h>

#define ROUNDS_END 0x6c /* what the round constant 1 becomes after ten doublings */

/* Doubles in GF(2^8), by a mask: what the byte is takes no branch. (The shift keeps the sign, as every
 * compiler of these parts has it; the vectors would tell.) */
static uint8_t twice(uint8_t x)
{
    return (uint8_t)(x << 1 ^ (0x1b & ((int8_t)x >> 7)));
}

/* `key` has room for one more byte, in which the first of its last word stands again behind the others. */
static void next_round_key(uint8_t key[TINY_AES_SIZE + 1], uint8_t constant)
{
    key[TINY_AES_SIZE] = key[12];
    for (uint8_t i = 0; i < 4; i++)
        key[i] ^= TINY_READ_BYTE(&bulla_tiny_sbox[key[i + 13]]);
    key[0] ^= constant;
    for (uint8_t i = 4; i < TINY_AES_SIZE; i++)
        key[i] ^= key[i - 4];
}

static void mix_column(uint8_t column[4])
{
    uint8_t all = column[0] ^ column[1] ^ column[2] ^ column[3];
    uint8_t next = column[0];
    uint8_t *at = column + 4;

    do {
        uint8_t byte = *--at;
        *at = byte ^ all ^ twice(byte ^ next);
        next = byte;
    } while (at != column);
}

void bulla_tiny_aes(const uint8_t key[TINY_AES_SIZE], uint32_t words[4], uint32_t scratch[8])
{
    uint8_t *block = (uint8_t *)words;
    uint8_t *round_key = (uint8_t *)scratch;
    uint8_t *before = round_key + TINY_AES_SIZE;
    uint8_t constant = 1;

    memcpy(round_key, key, TINY_AES_SIZE);
    for (;;) {
        uint8_t *to = block;
        uint8_t from = 0;

        for (uint8_t i = 0; i < TINY_AES_SIZE; i++)
            before[i] = block[i] ^= round_key[i];
        if (constant == ROUNDS_END)
            break;
        do { /* SubBytes and ShiftRows */
            *to++ = TINY_READ_BYTE(&bulla_tiny_sbox[before[from]]);
            from = (uint8_t)((from + 5) % TINY_AES_SIZE);
        } while (from != 0);
        next_round_key(round_key, constant); /* which leaves nothing of what was before */
        constant = twice(constant);
        if (constant == ROUNDS_END)
            continue;
        for (uint8_t i = 0; i < TINY_AES_SIZE; i += 4)
            mix_column(block + i);
    }
}

#endif
