/*
 * What stands around a sealed content: header, additional data, nonce (PROTOCOL 2, 3). It is made of bytes,
 * with no arithmetic in 64 bits, and so small on 8-bit parts.
 */
#ifndef BULLA_COSE_H
#define BULLA_COSE_H

#include "keys.h"

#define BULLA_PROTECTED_MAX 41 /* bytes: alg (any integer), content type, "re", "echo" at their longest */

/* Of the Enc_structure (RFC 9052 5.3): "Encrypt0", the protected header's head, it, and the empty external
 * AAD. */
#define BULLA_AAD_PREFIX 12
#define BULLA_AAD_MAX    (BULLA_AAD_PREFIX + BULLA_PROTECTED_MAX + 1)

/* Who seals or opens, and under which number. */
struct bulla_cose {
    struct bulla_crypto *crypto;
    const uint8_t *key;
    const uint8_t *common_iv;
    const uint8_t *id;
    const uint8_t *id_context; /* to be written into the header, or NULL */
    const uint8_t *piv;        /* BULLA_PIV_SIZE bytes, the least significant first */
    uint8_t id_len;
    uint8_t alg;
    uint8_t protected_len;
    uint8_t
        aad[BULLA_AAD_MAX]; /* the protected header stands at BULLA_AAD_PREFIX; the rest is bulla_cose_'s */
};

/* Writes a protected header of alg and content format, for `entries` in all: the others are appended by the
 * caller, who counts their bytes in protected_len. */
void bulla_cose_protect(struct bulla_cose *cose, uint8_t entries, uint16_t content_format);

/*
 * Seals `len` bytes at `content`, as bulla_envelope_seal() does. Returns the header's length or an error.
 */
BULLA_MUST_CHECK int bulla_cose_seal(struct bulla_cose *cose, uint8_t *content, size_t len);

/* Opens `len` bytes, the tag the last of them, in place. */
BULLA_MUST_CHECK int bulla_cose_open(struct bulla_cose *cose, uint8_t *ciphertext, size_t len);

/* Writes the header right before `content`, of `sealed_len` bytes. Returns its length. */
size_t bulla_cose_header(struct bulla_cose *cose, uint8_t *content, size_t sealed_len);

#endif
