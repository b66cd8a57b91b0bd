#include "reply_parse.h"

#include <string.h>

/* A step forward if these bytes stand there: 0, else -1. */
BULLA_APART static int match(struct bulla_cbor_reader *reader, const char *bytes, uint8_t len)
{
    for (; len > 0; len--) {
        if (reader->at == reader->end || *reader->at++ != (uint8_t)*bytes++)
            return -1;
    }
    return 0;
}

/* Any integer: a number that is not the credential's algorithm is forged, not malformed (PROTOCOL 3). */
static int parse_alg(struct bulla_cbor_reader *reader, uint8_t *alg)
{
    uint8_t argument[BULLA_ARGUMENT_SIZE];
    int major = bulla_scan_head(reader, argument);
    uint16_t number = bulla_scan_small(argument);

    *alg = major == BULLA_CBOR_UINT && number <= UINT8_MAX ? (uint8_t)number : 0;
    return major < 0 || major > BULLA_CBOR_NINT ? -1 : 0;
}

/* In the fewest bytes; zero is one zero byte. */
static int parse_piv(struct bulla_cbor_reader *reader, uint8_t piv[BULLA_PIV_SIZE])
{
    int len = bulla_scan_bytes(reader, 1, BULLA_PIV_SIZE);
    const uint8_t *at;

    if (len < 0)
        return -1;
    at = reader->at - len;
    if (len > 1 && *at == 0)
        return -1;
    memset(piv, 0, BULLA_PIV_SIZE);
    for (uint8_t i = (uint8_t)len; i-- > 0;)
        piv[i] = *at++;
    return 0;
}

/* A map of 3: 1 alg, 3 content type 60, "re"; the reader stands behind it. */
static int parse_protected(struct bulla_cbor_reader *reader, struct bulla_reply_envelope *envelope)
{
    const uint8_t *end = reader->at;

    reader->at -= envelope->protected_len;
    envelope->protected_bytes = reader->at;
    if (match(reader, "\xa3\x01", 2) < 0 || parse_alg(reader, &envelope->alg) < 0 ||
        match(reader, "\x03\x18\x3c\x62re", 6) < 0 ||
        bulla_scan_head(reader, envelope->re) != BULLA_CBOR_UINT)
        return -1;
    return reader->at == end ? 0 : -1;
}

/* A map of 2: 4 kid, of 6 bytes, and 6 Partial IV. */
static int parse_unprotected(struct bulla_cbor_reader *reader, struct bulla_reply_envelope *envelope)
{
    if (match(reader, "\xa2\x04", 2) < 0 ||
        bulla_scan_bytes(reader, BULLA_GATEWAY_ID_SIZE, BULLA_GATEWAY_ID_SIZE) < 0)
        return -1;
    envelope->id = reader->at - BULLA_GATEWAY_ID_SIZE;
    return match(reader, "\x06", 1) < 0 ? -1 : parse_piv(reader, envelope->piv);
}

int bulla_reply_envelope_parse(struct bulla_reply_envelope *envelope, uint8_t *bytes, size_t len)
{
    struct bulla_cbor_reader reader = {bytes, bytes + len};
    int size;

    if (len > BULLA_MESSAGE_MAX || match(&reader, "\xd0\x83", 2) < 0) /* COSE_Encrypt0, of 3 */
        return BULLA_E_MALFORMED;
    size = bulla_scan_bytes(&reader, 0, BULLA_PROTECTED_MAX);
    envelope->protected_len = (uint8_t)size;
    if (size < 0 || parse_protected(&reader, envelope) < 0 || parse_unprotected(&reader, envelope) < 0)
        return BULLA_E_MALFORMED;
    size = bulla_scan_bytes(&reader, 0, BULLA_MESSAGE_MAX);
    if (size < 0 || reader.at != reader.end)
        return BULLA_E_MALFORMED;
    envelope->ciphertext = bytes + len - size;
    envelope->ciphertext_len = (uint16_t)size;
    return 0;
}

/* Reads the value of a known key, which may come once. */
static int parse_value(struct bulla_cbor_reader *reader, uint8_t key, struct bulla_reply_body *body)
{
    uint8_t bit = (uint8_t)(1u << key);

    if ((body->has & bit) != 0)
        return -1;
    body->has |= bit;
    if (key == BULLA_REPLY_CHALLENGE) {
        body->challenge = reader->at + 1; /* behind a head of one byte */
        return bulla_scan_bytes(reader, BULLA_CHALLENGE_SIZE, BULLA_CHALLENGE_SIZE);
    }
    return bulla_scan_head(reader, body->number[key]) == BULLA_CBOR_UINT ? 0 : -1;
}

static int parse_entry(struct bulla_cbor_reader *reader, struct bulla_reply_body *body)
{
    uint8_t key = reader->at != reader->end ? *reader->at : UINT8_MAX;

    if (key < BULLA_REPLY_KNOWN) { /* in the shortest form it is this one byte */
        reader->at++;
        return parse_value(reader, key, body);
    }
    return bulla_scan_skip(reader) < 0 ? -1 : bulla_scan_skip(reader);
}

int bulla_reply_body_parse(struct bulla_reply_body *body, const uint8_t *plaintext, size_t len)
{
    struct bulla_cbor_reader reader = {plaintext, plaintext + len};
    uint8_t count[BULLA_ARGUMENT_SIZE];
    const uint8_t *top = body->number[BULLA_REPLY_TOP];
    uint8_t receipt;

    memset(body, 0, sizeof(*body));
    if (bulla_scan_head(&reader, count) != BULLA_CBOR_MAP)
        return BULLA_E_MALFORMED;
    for (uint16_t entries = bulla_scan_small(count); entries > 0; entries--) {
        if (parse_entry(&reader, body) < 0)
            return BULLA_E_MALFORMED;
    }
    receipt = body->has & 3; /* keys 0 and 1 come together */
    if (reader.at != reader.end || receipt == 1 || receipt == 2)
        return BULLA_E_MALFORMED;
    if ((top[5] | top[6] | top[7]) != 0 || body->number[BULLA_REPLY_TIME][7] > INT8_MAX)
        return BULLA_E_MALFORMED; /* beyond a Partial IV, or what int64_t holds */
    return 0;
}
