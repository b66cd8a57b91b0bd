/*
 * The parts of the `tiny` provider: cryptography of our own for parts that have room for none other. Small
 * first, then fast; nothing is allocated and nothing is kept.
 *
 * Secrets decide no branch and no loop's length. They do index one table, the S-box: that takes the same time
 * wherever memory has no cache, as on AVR, Cortex-M0 and M3, or in the ESP8266's data RAM, where the usual
 * linker scripts put constants. It does not where a cache stands before it: a Linux host, or the S-box in an
 * ESP8266's flash window. There another provider is right (BearSSL with crypto_bearssl.c has no tables).
 */
#ifndef BULLA_CRYPTO_TINY_H
#define BULLA_CRYPTO_TINY_H

#include "crypto.h"

/* Constants that stay in flash on AVR, whose flash is no data memory: it is read by other instructions. */
#if defined(__AVR__)
#include <avr/pgmspace.h>
#define TINY_ROM              PROGMEM
#define TINY_READ_BYTE(place) pgm_read_byte(place)
#define TINY_READ_WORD(place) pgm_read_dword(place)
#else
#define TINY_ROM
#define TINY_READ_BYTE(place) (*(place))
#define TINY_READ_WORD(place) (*(place))
#endif

#define TINY_AES_SIZE    16 /* bytes of an AES block, and of the key */
#define TINY_SHA256_SIZE 32

/* Words of SHA-256's array: the block's, the schedule's next, the variables from h to a, and a's next. */
#define TINY_SHA256_WORDS 26
#define TINY_SHA256_H     17

/* Encrypts a block in place (FIPS 197): its 16 bytes as they lie in four words. The round keys are made on
 * the way, in `scratch`: secrets stay in it, which the caller wipes after the last block. */
void bulla_tiny_aes(const uint8_t key[TINY_AES_SIZE], uint32_t block[4], uint32_t scratch[8]);

/* The S-box, of AES by bytes or by words. */
extern const uint8_t bulla_tiny_sbox[256];

/* A hash under way (FIPS 180-4). The state and the variables stand the last first: h to a. */
struct bulla_tiny_sha256 {
    uint8_t at; /* where in the block the next byte goes */
    uint32_t v[TINY_SHA256_WORDS];
    uint32_t state[8];
};

/* Takes the block that v begins with, as 16 words, into the state. */
void bulla_tiny_sha256_block(struct bulla_tiny_sha256 *hash);

/* The constants of its rounds. */
extern const uint32_t bulla_tiny_sha256_constants[64];

#endif
