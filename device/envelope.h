/*
 * The wire format: COSE_Encrypt0 (RFC 9052 5.2) in the one form that PROTOCOL 3 (device to gateway) and
 * PROTOCOL 5 (gateway to device) allow. Decode into locals, authenticate, then commit.
 */
#ifndef BULLA_ENVELOPE_H
#define BULLA_ENVELOPE_H

#include "keys.h"

enum bulla_direction {
    BULLA_TO_GATEWAY, /* id is a kid of 1 to 5 bytes; "re" and "echo" are optional */
    BULLA_TO_DEVICE,  /* id is a gateway's, 6 bytes; content format 60, "re", no kid context */
};

struct bulla_envelope {
    const uint8_t *protected_bytes; /* the serialised protected header */
    size_t protected_len;
    const uint8_t *id; /* header 4 */
    size_t id_len;
    const uint8_t *id_context; /* header 10: BULLA_ID_CONTEXT_SIZE bytes, or NULL */
    const uint8_t *echo;       /* "echo": BULLA_CHALLENGE_SIZE bytes, or NULL */
    uint8_t *ciphertext;
    size_t ciphertext_len;
    uint64_t piv;            /* header 6 */
    uint64_t re;             /* "re", if has_re */
    int32_t alg;             /* header 1; 0 (reserved in COSE) for numbers beyond 32 bits */
    uint16_t content_format; /* header 3 */
    uint8_t has_re;
};

/* Parses `len` bytes; the pointers then point into them. Returns 0 or BULLA_E_MALFORMED. Authenticates
 * nothing. */
BULLA_MUST_CHECK int bulla_envelope_parse(struct bulla_envelope *envelope, enum bulla_direction direction,
                                          uint8_t *bytes, size_t len);

/*
 * Seals `len` bytes at `content` under the fields id, id_context, echo, re, piv, alg and content_format. The
 * header is written right before the content (BULLA_HEADROOM bytes must be there, and BULLA_TAG_MAX behind
 * it). Returns the header's length: the whole is the bytes from content - header on, header + len + tag of
 * them; or a negative error.
 */
BULLA_MUST_CHECK int bulla_envelope_seal(const struct bulla_envelope *envelope, struct bulla_crypto *crypto,
                                         const uint8_t *key, const uint8_t *common_iv, uint8_t *content,
                                         size_t len);

/* Opens a parsed envelope's ciphertext in place: the plaintext is its first ciphertext_len - tag bytes. 0 or
 * an error. */
BULLA_MUST_CHECK int bulla_envelope_open(const struct bulla_envelope *envelope, struct bulla_crypto *crypto,
                                         const uint8_t *key, const uint8_t *common_iv);

/*
 * Writes the header again right before `content`, whose `len` bytes are sealed already: for putting the kid
 * context in, which the AEAD does not cover. Returns the header's length.
 */
size_t bulla_envelope_header(const struct bulla_envelope *envelope, uint8_t *content, size_t sealed_len);

#endif
