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

#define BULLA_PROTECTED_MAX 41 /* bytes: alg (any integer), content type, "re", "echo" at their longest */

/* Who seals or opens, and under which number. */
struct bulla_cose {
    struct bulla_crypto *crypto;
    const uint8_t *key;
    const uint8_t *common_iv;
    const uint8_t *id;
    const uint8_t *id_context; /* to be written into the header, or NULL */
    const uint8_t *piv;        /* BULLA_PIV_SIZE bytes, the least significant first */
    const uint8_t *more;       /* of the protected header: what stands behind the content format */
    uint16_t content_format;
    uint8_t more_len;
    uint8_t entries; /* of the protected header, alg and content format among them */
    uint8_t id_len;
    uint8_t alg;
};

/*
 * Seals `len` bytes at `content`, as bulla_envelope_seal() does, but leaves the check of the whole length to
 * the caller. Returns the header's length or an error.
 */
BULLA_MUST_CHECK int bulla_cose_seal(const struct bulla_cose *cose, uint8_t *content, size_t len);

/* Opens `len` bytes, the tag the last of them, in place. Their protected header is `more`, the whole of it.
 */
BULLA_MUST_CHECK int bulla_cose_open(const struct bulla_cose *cose, uint8_t *ciphertext, size_t len);

/* Writes the header right before `content`, of `sealed_len` bytes. Returns its length. */
size_t bulla_cose_header(const struct bulla_cose *cose, uint8_t *content, size_t sealed_len);

#endif
