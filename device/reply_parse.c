#include "reply_parse.h"

#include <string.h>

/* Any integer: a number that is not the credential's algorithm is forged, not malformed (PROTOCOL 3). */
static uint16_t parse_alg(struct bulla_scan *scan)
{
    uint8_t major = bulla_scan_item(scan);

    if (major > BULLA_CBOR_NINT)
        scan->wrong = 1;
    return bulla_scan_small(scan) | (uint16_t)(major << 8);
}

/* In the fewest bytes; zero is one zero byte. */
static void parse_piv(struct bulla_scan *scan, uint8_t piv[BULLA_PIV_SIZE])
{
    uint8_t len = (uint8_t)(bulla_scan_byte(scan) - (BULLA_CBOR_BYTES << 5));

    memset(piv, 0, BULLA_PIV_SIZE);
    if ((uint8_t)(len - 1) >= BULLA_PIV_SIZE || (bulla_scan_number(scan, piv, len, len - 1) == 0 && len > 1))
        scan->wrong = 1;
}

/*
 * COSE_Encrypt0, of 3: the protected header, a map of 3 (1 alg, 3 content type 60, "re"); the unprotected
 * one, a map of 2 (4 kid, of 6 bytes, and 6 Partial IV); the ciphertext.
 */
int bulla_reply_envelope_parse(struct bulla_reply_envelope *envelope, uint8_t *bytes, size_t len)
{
    struct bulla_scan *scan = &envelope->scan;
    const uint8_t *end;

    if (len > BULLA_MESSAGE_MAX)
        return BULLA_E_MALFORMED;
    scan->at = bytes;
    scan->end = bytes + len;
    scan->form = "\xd0\x83\0\xa3\x01\0\x03\x18\x3c\x62re\0\xa2\x04\x46\0\x06";
    scan->wrong = 0;
    bulla_scan_match(scan);
    envelope->cose.protected_len = (uint8_t)bulla_scan_expect(scan, BULLA_CBOR_BYTES);
    if (scan->wrong) /* else they are there; of a form that takes less than 256 */
        return BULLA_E_MALFORMED;
    end = scan->at;
    scan->at -= bulla_scan_small(scan);
    envelope->cose.protected_bytes = scan->at;
    bulla_scan_match(scan);
    envelope->alg = parse_alg(scan);
    bulla_scan_match(scan);
    bulla_scan_expect(scan, BULLA_CBOR_UINT);
    memcpy(envelope->re, scan->argument, sizeof(envelope->re));
    if (scan->at != end)
        scan->wrong = 1;
    bulla_scan_match(scan);
    envelope->id = scan->at;
    bulla_scan_step(scan, BULLA_GATEWAY_ID_SIZE);
    bulla_scan_match(scan);
    envelope->cose.piv = envelope->piv;
    parse_piv(scan, envelope->piv);
    envelope->ciphertext_len = bulla_scan_expect(scan, BULLA_CBOR_BYTES);
    envelope->ciphertext = bytes + len - envelope->ciphertext_len;
    return scan->wrong || scan->at != scan->end ? BULLA_E_MALFORMED : 0;
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
        bulla_scan_expect(scan, BULLA_CBOR_UINT);
        memcpy(body->number[key], scan->argument, sizeof(body->number[key]));
    } else {
        if (bulla_scan_expect(scan, BULLA_CBOR_BYTES) != BULLA_CHALLENGE_SIZE)
            scan->wrong = 1;
        body->challenge = scan->at - BULLA_CHALLENGE_SIZE;
    }
}

int bulla_reply_body_parse(struct bulla_reply_body *body, struct bulla_scan *scan)
{
    const uint8_t *top = body->number[BULLA_REPLY_TOP];

    memset(body, 0, sizeof(*body));
    for (uint16_t entries = bulla_scan_expect(scan, BULLA_CBOR_MAP); entries > 0 && !scan->wrong; entries--)
        parse_entry(scan, body);
    if (scan->wrong || scan->at != scan->end || body->has[BULLA_REPLY_TOP] != body->has[BULLA_REPLY_BITS])
        return BULLA_E_MALFORMED; /* keys 0 and 1 come together */
    if ((top[5] | top[6] | top[7]) != 0 || body->number[BULLA_REPLY_TIME][7] > INT8_MAX)
        return BULLA_E_MALFORMED; /* beyond a Partial IV, or what int64_t holds */
    return 0;
}
