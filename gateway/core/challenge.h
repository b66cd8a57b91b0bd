/*
 * The freshness challenge (PROTOCOL 4.4): what an unproven context has to repeat before anything of it is
 * stored.
 */
#ifndef CHALLENGE_H
#define CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/bulla.h"
#include "gateway/failure.h"

#define CHALLENGE_KEY_SIZE 32

/* Which context a challenge is for. */
struct challenge_subject {
    const uint8_t *kid;
    size_t kid_len;
    const uint8_t *id_context; /* BULLA_ID_CONTEXT_SIZE bytes, or NULL: a counter context */
};

/* T at a time (Unix seconds), never below floor + 2. */
uint64_t challenge_t(int64_t now, uint64_t floor);

/* First 8 bytes of HMAC-SHA-256(K, CBOR [kid, id_context or null, T]). Returns 0, or -1 if the provider
 * fails. */
MUST_CHECK int challenge_make(const uint8_t key[CHALLENGE_KEY_SIZE], const struct challenge_subject *subject,
                              uint64_t t, uint8_t challenge[BULLA_CHALLENGE_SIZE]);

/* Whether `echo` is the challenge of T-1, T or T+1, and which (`*proof_t`). Constant time in the bytes. */
bool challenge_valid(const uint8_t key[CHALLENGE_KEY_SIZE], const struct challenge_subject *subject,
                     uint64_t t, const uint8_t echo[BULLA_CHALLENGE_SIZE], uint64_t *proof_t);

#endif
