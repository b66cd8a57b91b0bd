#include "reply_parse.h"

#include <string.h>

/* The next bytes of a form must stand there, up to its next zero. Returns what is behind that. */
BULLA_APART static const char *match(struct bulla_scan *scan, const char *form)
{
    while (*form != 0) {
        if (bulla_scan_byte(scan) != (uint8_t)*form++)
            scan->wrong = 1;
    }
    return form + 1;
}

/* A head of this major type. */
BULLA_APART static void parse_head(struct bulla_scan *scan, uint8_t major,
                                   uint8_t argument[BULLA_ARGUMENT_SIZE])
{
    if (bulla_scan_head(scan, argument) != major)
        scan->wrong = 1;
}

/* Any integer: a number that is not the credential's algorithm is forged, not malformed (PROTOCOL 3). */
static uint16_t parse_alg(struct bulla_scan *scan)
{
    uint8_t argument[BULLA_ARGUMENT_SIZE];
    uint8_t major = bulla_scan_head(scan, argument);

    if (major > BULLA_CBOR_NINT)
        scan->wrong = 1;
    return bulla_scan_small(argument) | (uint16_t)(major << 8);
}

/* In the fewest bytes; zero is one zero byte. */
static void parse_piv(struct bulla_scan *scan, uint8_t piv[BULLA_PIV_SIZE])
{
    uint8_t len = (uint8_t)(bulla_scan_byte(scan) - (BULLA_CBOR_BYTES << 5));
    const uint8_t *at;

    if ((uint8_t)(len - 1) >= BULLA_PIV_SIZE)
        scan->wrong = 1;
    bulla_scan_step(scan, len);
    if (scan->wrong) /* else they are there */
        len = 0;
    at = scan->at;
    for (uint8_t i = 0; i < BULLA_PIV_SIZE; i++)
        piv[i] = i < len ? *--at : 0;
    if (len > 1 && *at == 0)
        scan->wrong = 1;
}

/*
 * COSE_Encrypt0, of 3: the protected header, a map of 3 (1 alg, 3 content type 60, "re"); the unprotected
 * one, a map of 2 (4 kid, of 6 bytes, and 6 Partial IV); the ciphertext.
 */
BULLA_APART int bulla_reply_envelope_parse(struct bulla_reply_envelope *envelope, uint8_t *bytes, size_t len)
{
    struct bulla_scan *scan = &envelope->scan;
    const char *form = "\xd0\x83\0\xa3\x01\0\x03\x18\x3c\x62re\0\xa2\x04\x46\0\x06";
    const uint8_t *end;
    uint16_t protected_len;

    if (len > BULLA_MESSAGE_MAX)
        return BULLA_E_MALFORMED;
    scan->at = bytes;
    scan->left = (uint16_t)len;
    scan->wrong = 0;
    form = match(scan, form);
    protected_len = bulla_scan_bytes(scan);
    end = scan->at;
    envelope->cose.protected_len =
        (uint8_t)protected_len; /* what is read of it below is less than that can be */
    envelope->cose.protected_bytes = end - protected_len;
    scan->at = envelope->cose.protected_bytes; /* back to what is in it */
    scan->left = (uint16_t)(scan->left + protected_len);
    form = match(scan, form);
    envelope->alg = parse_alg(scan);
    form = match(scan, form);
    parse_head(scan, BULLA_CBOR_UINT, envelope->re);
    if (scan->at != end)
        scan->wrong = 1;
    form = match(scan, form);
    envelope->id = scan->at;
    bulla_scan_step(scan, BULLA_GATEWAY_ID_SIZE);
    match(scan, form);
    envelope->cose.piv = envelope->piv;
    parse_piv(scan, envelope->piv);
    envelope->ciphertext_len = bulla_scan_bytes(scan);
    envelope->ciphertext = bytes + len - envelope->ciphertext_len;
    return scan->wrong || scan->left != 0 ? BULLA_E_MALFORMED : 0;
}

/* An entry of the body: a known key may come once; in the shortest form it is one byte. */
static void parse_entry(struct bulla_scan *scan, struct bulla_reply_body *body)
{
    const uint8_t *at = scan->at;
    uint8_t key;

    bulla_scan_skip(scan);
    if (scan->wrong) /* else there is that byte */
        return;
    key = *at;
    if (key >= BULLA_REPLY_KNOWN) {
        bulla_scan_skip(scan);
        return;
    }
    scan->wrong = body->has[key];
    body->has[key] = 1;
    if (key != BULLA_REPLY_CHALLENGE) {
        parse_head(scan, BULLA_CBOR_UINT, body->number[key]);
        return;
    }
    match(scan, "\x48");
    body->challenge = scan->at;
    bulla_scan_step(scan, BULLA_CHALLENGE_SIZE);
}

int bulla_reply_body_parse(struct bulla_reply_body *body, const uint8_t *plaintext, size_t len)
{
    struct bulla_scan scan = {plaintext, (uint16_t)len, 0};
    uint8_t count[BULLA_ARGUMENT_SIZE];
    const uint8_t *top = body->number[BULLA_REPLY_TOP];

    memset(body, 0, sizeof(*body));
    parse_head(&scan, BULLA_CBOR_MAP, count);
    for (uint16_t entries = bulla_scan_small(count); entries > 0 && !scan.wrong; entries--)
        parse_entry(&scan, body);
    if (scan.wrong || scan.left != 0 || body->has[BULLA_REPLY_TOP] != body->has[BULLA_REPLY_BITS])
        return BULLA_E_MALFORMED; /* keys 0 and 1 come together */
    if ((top[5] | top[6] | top[7]) != 0 || body->number[BULLA_REPLY_TIME][7] > INT8_MAX)
        return BULLA_E_MALFORMED; /* beyond a Partial IV, or what int64_t holds */
    return 0;
}
