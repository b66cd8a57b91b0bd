#include "reply_parse.h"

#include <string.h>

/* These bytes must stand there. */
BULLA_APART static void match(struct bulla_scan *scan, const char *bytes, uint8_t len)
{
    for (; len > 0; len--) {
        if (bulla_scan_byte(scan) != (uint8_t)*bytes++)
            scan->wrong = 1;
    }
}

/* Any integer: a number that is not the credential's algorithm is forged, not malformed (PROTOCOL 3). */
static uint16_t parse_alg(struct bulla_scan *scan)
{
    uint8_t argument[BULLA_ARGUMENT_SIZE];
    uint8_t major = bulla_scan_head(scan, argument);

    if (major > BULLA_CBOR_NINT)
        scan->wrong = 1;
    return major == BULLA_CBOR_UINT ? bulla_scan_small(argument) : 0;
}

/* In the fewest bytes; zero is one zero byte. */
static void parse_piv(struct bulla_scan *scan, uint8_t piv[BULLA_PIV_SIZE])
{
    uint8_t len = bulla_scan_short(scan, 1, BULLA_PIV_SIZE);
    const uint8_t *at = scan->at;

    for (uint8_t i = 0; i < BULLA_PIV_SIZE; i++)
        piv[i] = i < len ? *--at : 0;
    if (len > 1 && *at == 0)
        scan->wrong = 1;
}

static void parse_number(struct bulla_scan *scan, uint8_t number[BULLA_ARGUMENT_SIZE])
{
    if (bulla_scan_head(scan, number) != BULLA_CBOR_UINT)
        scan->wrong = 1;
}

/*
 * COSE_Encrypt0, of 3: the protected header, a map of 3 (1 alg, 3 content type 60, "re"); the unprotected
 * one, a map of 2 (4 kid, of 6 bytes, and 6 Partial IV); the ciphertext.
 */
BULLA_APART int bulla_reply_envelope_parse(struct bulla_reply_envelope *envelope, uint8_t *bytes, size_t len)
{
    struct bulla_scan scan;
    const uint8_t *end;

    if (len > BULLA_MESSAGE_MAX)
        return BULLA_E_MALFORMED;
    scan.at = bytes;
    scan.left = (uint16_t)len;
    scan.wrong = 0;
    match(&scan, "\xd0\x83", 2);
    envelope->protected_len = bulla_scan_short(&scan, 0, BULLA_PROTECTED_MAX);
    end = scan.at;
    envelope->protected_bytes = end - envelope->protected_len;
    scan.at = envelope->protected_bytes; /* back to what is in it */
    scan.left = (uint16_t)(scan.left + envelope->protected_len);
    match(&scan, "\xa3\x01", 2);
    envelope->alg = parse_alg(&scan);
    match(&scan, "\x03\x18\x3c\x62re", 6);
    parse_number(&scan, envelope->re);
    if (scan.at != end)
        scan.wrong = 1;
    match(&scan, "\xa2\x04", 2);
    bulla_scan_short(&scan, BULLA_GATEWAY_ID_SIZE, BULLA_GATEWAY_ID_SIZE);
    envelope->id = scan.at - BULLA_GATEWAY_ID_SIZE;
    match(&scan, "\x06", 1);
    parse_piv(&scan, envelope->piv);
    envelope->ciphertext_len = bulla_scan_bytes(&scan);
    envelope->ciphertext = bytes + len - envelope->ciphertext_len;
    return scan.wrong || scan.left != 0 ? BULLA_E_MALFORMED : 0;
}

/* An entry of the body: a known key may come once; in the shortest form it is one byte. */
static void parse_entry(struct bulla_scan *scan, struct bulla_reply_body *body)
{
    uint8_t key = scan->left != 0 ? *scan->at : UINT8_MAX;
    uint8_t bit = (uint8_t)(1u << (key & 7));

    bulla_scan_skip(scan);
    if (key >= BULLA_REPLY_KNOWN) {
        bulla_scan_skip(scan);
        return;
    }
    if ((body->has & bit) != 0)
        scan->wrong = 1;
    body->has |= bit;
    if (key != BULLA_REPLY_CHALLENGE) {
        parse_number(scan, body->number[key]);
        return;
    }
    bulla_scan_short(scan, BULLA_CHALLENGE_SIZE, BULLA_CHALLENGE_SIZE);
    body->challenge = scan->at - BULLA_CHALLENGE_SIZE;
}

int bulla_reply_body_parse(struct bulla_reply_body *body, const uint8_t *plaintext, size_t len)
{
    struct bulla_scan scan = {plaintext, (uint16_t)len, 0};
    uint8_t count[BULLA_ARGUMENT_SIZE];
    const uint8_t *top = body->number[BULLA_REPLY_TOP];
    uint8_t receipt;

    memset(body, 0, sizeof(*body));
    if (bulla_scan_head(&scan, count) != BULLA_CBOR_MAP)
        scan.wrong = 1;
    for (uint16_t entries = bulla_scan_small(count); entries > 0 && !scan.wrong; entries--)
        parse_entry(&scan, body);
    receipt = body->has & 3; /* keys 0 and 1 come together */
    if (scan.wrong || scan.left != 0 || receipt == 1 || receipt == 2)
        return BULLA_E_MALFORMED;
    if ((top[5] | top[6] | top[7]) != 0 || body->number[BULLA_REPLY_TIME][7] > INT8_MAX)
        return BULLA_E_MALFORMED; /* beyond a Partial IV, or what int64_t holds */
    return 0;
}
