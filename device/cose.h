/*
 * What stands around a sealed content: header, additional data, nonce (PROTOCOL 2, 3). It is made of bytes,
 * with no arithmetic in 64 bits, and so small on 8-bit parts.
 */
#ifndef BULLA_COSE_H
#define BULLA_COSE_H

#include "keys.h"

#define BULLA_COSE_ENCRYPT0 16 /* the tag (RFC 9052 2) */

/* Header parameters (RFC 9052 3.1, the last one RFC 8613 11.1). */
#define BULLA_HEADER_ALG          1
#define BULLA_HEADER_CONTENT_TYPE 3
#define BULLA_HEADER_KID          4
#define BULLA_HEADER_PARTIAL_IV   6
#define BULLA_HEADER_KID_CONTEXT  10

#define BULLA_PROTECTED_MAX  41 /* bytes: alg (any integer), content type, "re", "echo" at their longest */
#define BULLA_PROTECTED_SENT 22 /* likewise of a device: alg, content type, "echo" */
#define BULLA_AAD_MAX        (10 + 2 + BULLA_PROTECTED_MAX + 1) /* bytes of an Enc_structure */

/* Who seals or opens, and under which number. */
struct bulla_cose {
    struct bulla_crypto *crypto;
    const struct bulla_derived *keys; /* and the sender's id */
    const uint8_t *id_context;        /* to be written into the header, or NULL */
    const uint8_t *piv;               /* BULLA_PIV_SIZE bytes, the least significant first */
    const uint8_t *protected_bytes;   /* the protected header */
    uint8_t protected_len;
};

/* Makes a device's protected header in `room`, for the algorithm of `keys`. `challenge` is to be echoed, or
 * NULL. */
void bulla_cose_protect(struct bulla_cose *cose, uint8_t room[BULLA_PROTECTED_SENT], uint16_t content_format,
                        const uint8_t *challenge);

/*
 * Seals `len` bytes at `content` in place, and writes the tag behind them. The bytes before, BULLA_AAD_MAX at
 * most, are overwritten: the header is to be written there then. 0 or an error.
 */
BULLA_MUST_CHECK int bulla_cose_seal(const struct bulla_cose *cose, uint8_t *content, size_t len);

/*
 * Opens `len` bytes, the tag the last of them, in place. The bytes before `spare`, BULLA_AAD_MAX at most, are
 * overwritten. It may be the ciphertext itself, if a whole header stands before it.
 */
BULLA_MUST_CHECK int bulla_cose_open(const struct bulla_cose *cose, uint8_t *spare, uint8_t *ciphertext,
                                     size_t len);

/* Writes the header right before `content`, of `sealed_len` bytes. Returns its length. */
size_t bulla_cose_header(const struct bulla_cose *cose, uint8_t *content, size_t sealed_len);

#endif
