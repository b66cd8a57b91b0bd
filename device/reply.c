/*
 * Opening the gateway's replies (PROTOCOL 5): nothing is believed before the whole of it is authentic and
 * well-formed.
 */
#include <string.h>

#include "cbor.h"
#include "context.h"
#include "envelope.h"
#include "window.h"

#define KEY_TOP       0
#define KEY_BITS      1
#define KEY_TIME      2
#define KEY_CHALLENGE 3
#define KEYS_KNOWN    4 /* 4 (command) and 5 (rekey) are skipped, as unknown ones are */

#define SKIP_DEPTH 8
#define FRESH_AGE  (60u * 1000u / BULLA_AGE_UNIT)

struct body {
    uint64_t number[3];       /* keys 0 to 2 */
    const uint8_t *challenge; /* key 3 */
    uint8_t has;              /* bit k: key k is there */
};

/* Reads the value of a known key. */
static int parse_value(struct bulla_cbor_reader *reader, uint64_t key, struct body *body)
{
    struct bulla_cbor_item item;

    if ((body->has >> key & 1) != 0)
        return -1;
    body->has |= (uint8_t)(1u << key);
    if (key == KEY_CHALLENGE) {
        if (bulla_cbor_expect(reader, BULLA_CBOR_BYTES, &item) < 0 || item.argument != BULLA_CHALLENGE_SIZE)
            return -1;
        body->challenge = item.data;
        return 0;
    }
    if (bulla_cbor_expect(reader, BULLA_CBOR_UINT, &item) < 0)
        return -1;
    body->number[key] = item.argument;
    return 0;
}

static int parse_entry(struct bulla_cbor_reader *reader, struct body *body)
{
    struct bulla_cbor_reader ahead = *reader;
    struct bulla_cbor_item key;

    if (bulla_cbor_expect(&ahead, BULLA_CBOR_UINT, &key) == 0 && key.argument < KEYS_KNOWN) {
        *reader = ahead;
        return parse_value(reader, key.argument, body);
    }
    return bulla_cbor_skip(reader, SKIP_DEPTH) < 0 || bulla_cbor_skip(reader, SKIP_DEPTH) < 0 ? -1 : 0;
}

static int parse_body(const uint8_t *plaintext, size_t len, struct body *body)
{
    struct bulla_cbor_reader reader = {plaintext, plaintext + len};
    struct bulla_cbor_item map;
    int receipt;

    memset(body, 0, sizeof(*body));
    if (bulla_cbor_expect(&reader, BULLA_CBOR_MAP, &map) < 0)
        return -1;
    for (; map.argument > 0; map.argument--) {
        if (parse_entry(&reader, body) < 0)
            return -1;
    }
    receipt = body->has & 3; /* keys 0 and 1 come together */
    if (reader.at != reader.end || (receipt != 0 && receipt != 3))
        return -1;
    return body->number[KEY_TOP] > BULLA_PIV_MAX || body->number[KEY_TIME] > INT64_MAX ? -1 : 0;
}

/* Opens the ciphertext under `key` and reads what it says. */
static int open_body(const struct bulla *bulla, const struct bulla_envelope *envelope, const uint8_t *key,
                     struct body *body)
{
    int error = bulla_envelope_open(envelope, bulla->port->crypto, key, bulla->common_iv);

    if (error < 0)
        return error;
    return parse_body(envelope->ciphertext, envelope->ciphertext_len - bulla_tag_size(bulla->alg), body) < 0
               ? BULLA_E_MALFORMED
               : 0;
}

/* The same under the key of the gateway that the reply names, which is kept once it has opened something. */
static int open_from_gateway(struct bulla *bulla, const struct bulla_envelope *envelope, struct body *body)
{
    struct bulla_schedule schedule = bulla_schedule_of(bulla);
    uint8_t key[BULLA_KEY_MAX];
    int cached = (bulla->flags & BULLA_F_GATEWAY_KEY) != 0 &&
                 memcmp(bulla->gateway_id, envelope->id, BULLA_GATEWAY_ID_SIZE) == 0;
    int error;

    if (cached)
        return open_body(bulla, envelope, bulla->gateway_key, body);
    error = bulla_derive_key(&schedule, envelope->id, envelope->id_len, key);
    if (error == 0)
        error = open_body(bulla, envelope, key, body);
    if (error == 0) {
        memcpy(bulla->gateway_key, key, bulla_key_size(bulla->alg));
        memcpy(bulla->gateway_id, envelope->id, BULLA_GATEWAY_ID_SIZE);
        bulla->flags |= BULLA_F_GATEWAY_KEY;
    }
    bulla_wipe(key, sizeof(key));
    return error;
}

/* Notes what keys 0 and 1 say of the last 16 messages: right whenever it was said. */
static void apply_receipt(struct bulla *bulla, const struct body *body, uint64_t re)
{
    for (unsigned i = 0; i < BULLA_TRACKED; i++) {
        if ((bulla->tracked >> i & 1) != 0 &&
            bulla_receipt_holds(body->number[KEY_TOP], body->number[KEY_BITS], bulla_tracked_piv(bulla, i)))
            bulla->stored |= (uint16_t)(1u << i);
    }
    bulla->flags |= BULLA_F_RECEIPT;
    if ((bulla->flags & BULLA_F_CHALLENGED) != 0 && re >= bulla->echo_until)
        bulla->flags &= (uint8_t)~BULLA_F_CHALLENGED;
}

/* Settles the message that the reply names. Only its own reply can say that it is to be sealed again
 * (PROTOCOL 3). */
static void settle(struct bulla *bulla, const struct body *body, unsigned i, uint64_t re)
{
    uint16_t bit = (uint16_t)(1u << i);

    if ((bulla->stored & bit) != 0)
        return;
    if ((bulla->refused & bit) == 0 && body->challenge != NULL) { /* it still waited: key 3 counts */
        memcpy(bulla->challenge, body->challenge, BULLA_CHALLENGE_SIZE);
        bulla->echo_until = bulla->next;
        bulla->flags |= BULLA_F_CHALLENGED;
    }
    bulla->refused |= bit;
    if ((body->has & 1) != 0 && body->number[KEY_TOP] > re)
        bulla_context_raise(bulla, body->number[KEY_TOP] + 1);
}

/* Whether keys 2 and 4 of a reply count (PROTOCOL 5). */
static int is_fresh(const struct bulla *bulla, unsigned i, uint64_t re)
{
    if (re < bulla->answered)
        return 0;
    if (bulla->port->timer != NULL)
        return bulla->age[i] < FRESH_AGE;
    return i == 0 && (bulla->flags & BULLA_F_AWAKE) != 0;
}

static void apply(struct bulla *bulla, const struct body *body, unsigned i, uint64_t re,
                  struct bulla_reply *reply)
{
    memset(reply, 0, sizeof(*reply));
    reply->re = re;
    bulla_context_tick(bulla);
    if ((body->has & 1) != 0) {
        reply->has_receipt = 1;
        reply->top = body->number[KEY_TOP];
        reply->bits = body->number[KEY_BITS];
        apply_receipt(bulla, body, re);
    }
    settle(bulla, body, i, re);
    if ((body->has >> KEY_TIME & 1) != 0 && is_fresh(bulla, i, re)) {
        reply->has_time = 1;
        reply->time = (int64_t)body->number[KEY_TIME];
    }
    reply->challenged = (bulla->flags & BULLA_F_CHALLENGED) != 0;
    if (re >= bulla->answered)
        bulla->answered = re + 1;
}

int bulla_open_reply(struct bulla *bulla, void *bytes, size_t len, struct bulla_reply *reply)
{
    struct bulla_envelope envelope;
    struct bulla_reply unwanted;
    struct body body;
    int tracked;
    int error;

    if ((bulla->flags & BULLA_F_OPEN) == 0)
        return BULLA_E_STATE;
    error = bulla_envelope_parse(&envelope, BULLA_TO_DEVICE, (uint8_t *)bytes, len);
    if (error < 0)
        return error;
    if (envelope.alg != bulla->alg)
        return BULLA_E_FORGED;
    tracked = bulla_tracked_find(bulla, envelope.re);
    if (tracked < 0)
        return BULLA_E_NOT_OURS;
    error = open_from_gateway(bulla, &envelope, &body);
    if (error < 0)
        return error;
    apply(bulla, &body, (unsigned)tracked, envelope.re, reply != NULL ? reply : &unwanted);
    return 0;
}
