/*
 * Stands between the library and its provider (the linker's --wrap): notes every key and nonce that anything
 * is sealed under, and fails the test when a pair comes twice. Can also make the provider fail.
 */
#ifndef BULLA_TEST_RECORDER_H
#define BULLA_TEST_RECORDER_H

#include <stddef.h>
#include <stdint.h>

/* Forgets all pairs. */
void recorder_reset(void);

/* How many pairs are noted. */
size_t recorder_count(void);

/* Makes the next seal, or the next derivation, fail: 1 for the next one, 2 for the one after it; 0 for none.
 */
void recorder_fail_seal(unsigned in);
void recorder_fail_hkdf(unsigned in);

/* The arguments of the last HKDF. */
struct recorded_hkdf {
    size_t salt_len;
    size_t ikm_len;
    size_t info_len;
    uint8_t info[64];
    size_t out_len;
};
extern struct recorded_hkdf recorded_hkdf;

#endif
