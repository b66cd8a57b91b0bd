/*
 * A reply's form (PROTOCOL 5), read into bytes. Nothing here authenticates.
 */
#ifndef BULLA_REPLY_PARSE_H
#define BULLA_REPLY_PARSE_H

#include "cbor_scan.h"
#include "cose.h"

/* The envelope. Pointers point into the reply. */
struct bulla_reply_envelope {
    struct bulla_scan scan; /* while it is being read */
    struct bulla_cose cose; /* Partial IV and protected header; the rest is for whoever opens it */
    const uint8_t *id;      /* the gateway's: BULLA_GATEWAY_ID_SIZE bytes */
    uint8_t *ciphertext;
    uint16_t ciphertext_len;
    uint16_t alg; /* 256 or above for those beyond, and for negative ones */
    uint8_t re[BULLA_ARGUMENT_SIZE];
    uint8_t piv[BULLA_PIV_SIZE];
};

#define BULLA_REPLY_TOP       0
#define BULLA_REPLY_BITS      1
#define BULLA_REPLY_TIME      2
#define BULLA_REPLY_CHALLENGE 3
#define BULLA_REPLY_KNOWN     4 /* 4 (command) and 5 (rekey) are skipped, as unknown ones are */

/* What the plaintext says. */
struct bulla_reply_body {
    uint8_t number[BULLA_REPLY_CHALLENGE][BULLA_ARGUMENT_SIZE]; /* keys 0 to 2 */
    const uint8_t *challenge;                                   /* key 3, or NULL */
    uint8_t has[BULLA_REPLY_KNOWN];                             /* 1: that key is there */
};

/* 0 or BULLA_E_MALFORMED. */
BULLA_MUST_CHECK int bulla_reply_envelope_parse(struct bulla_reply_envelope *envelope, uint8_t *bytes,
                                                size_t len);
BULLA_MUST_CHECK int bulla_reply_body_parse(struct bulla_reply_body *body, struct bulla_scan *scan);

#endif
