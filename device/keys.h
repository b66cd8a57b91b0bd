/*
 * The key schedule and the nonces (PROTOCOL 2; RFC 8613 3.2.1, 5.2). Both ends use these, and nothing else
 * makes a key or a nonce.
 */
#ifndef BULLA_KEYS_H
#define BULLA_KEYS_H

#include "crypto.h"

#define BULLA_GATEWAY_ID_SIZE 6
#define BULLA_PIV_MAX         ((uint64_t)0xffffffffff) /* 2^40 - 1 */
#define BULLA_PIV_SIZE        5                        /* bytes of the largest */

/* Sizes in bytes that an algorithm asks for; 0 if it is none of ours. */
uint8_t bulla_key_size(int alg);
uint8_t bulla_nonce_size(int alg);
uint8_t bulla_tag_size(int alg);

/* Who derives: the provider's state and the secret, its context and algorithm. `id_context` is NULL for a
 * counter context. */
struct bulla_schedule {
    struct bulla_crypto *crypto;
    const uint8_t *secret;     /* BULLA_SECRET_SIZE bytes */
    const uint8_t *id_context; /* BULLA_ID_CONTEXT_SIZE bytes, or NULL */
    int alg;
};

/* What the two below share: a key where `is_key`, of an id of BULLA_GATEWAY_ID_SIZE bytes at most; else the
 * Common IV, whose id is empty. */
BULLA_MUST_CHECK int bulla_derive(const struct bulla_schedule *schedule, const uint8_t *id, uint8_t id_len,
                                  uint8_t is_key, uint8_t *out);

/* The key of the sender that `id` names: bulla_key_size(alg) bytes. */
BULLA_MUST_CHECK int bulla_derive_key(const struct bulla_schedule *schedule, const uint8_t *id, size_t id_len,
                                      uint8_t *key);

/* The Common IV: bulla_nonce_size(alg) bytes. */
BULLA_MUST_CHECK int bulla_derive_common_iv(const struct bulla_schedule *schedule, uint8_t *common_iv);

/* The nonce of a sender's message `piv`. `id_len` is at most 6. */
void bulla_nonce(int alg, const uint8_t *common_iv, const uint8_t *id, size_t id_len, uint64_t piv,
                 uint8_t nonce[BULLA_NONCE_MAX]);

/* The same under keys, for a number in BULLA_PIV_SIZE bytes, the least significant first. */
void bulla_nonce_of(const struct bulla_derived *keys, const uint8_t *piv, uint8_t nonce[BULLA_NONCE_MAX]);

/* A number's lowest `len` bytes, the least significant first, and back. */
void bulla_put_le(uint8_t *out, uint64_t value, size_t len);
uint64_t bulla_get_le(const uint8_t *in, size_t len);

#endif
