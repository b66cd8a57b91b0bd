/*
 * Opening the gateway's replies (PROTOCOL 5): nothing is believed before the whole of it is authentic and
 * well-formed.
 */
#include <string.h>

#include "context.h"
#include "reply_parse.h"

#define FRESH_AGE   (60u * 1000u / BULLA_AGE_UNIT)
#define WINDOW_SIZE 64u
#define FAR         0x10000 /* further than any receipt tells */

/* Called, not put in line: what it keeps on the stack is then not there while the key is derived, which takes
 * the most. */
#if defined(__GNUC__) || defined(__clang__)
#define SEPARATE __attribute__((noinline))
#else
#define SEPARATE
#endif

/* A reply being opened. */
struct opening {
    struct bulla *bulla;
    struct bulla_reply_envelope envelope;
    uint8_t message; /* which tracked message it answers */
    uint8_t key[BULLA_KEY_MAX];
};

/* The key of the gateway that the reply names. */
static int find_key(struct opening *opening)
{
    const struct bulla *bulla = opening->bulla;
    struct bulla_schedule schedule;

    if ((bulla->flags & BULLA_F_GATEWAY_KEY) != 0 &&
        memcmp(bulla->gateway_id, opening->envelope.id, BULLA_GATEWAY_ID_SIZE) == 0) {
        memcpy(opening->key, bulla->gateway_key, sizeof(opening->key));
        return 0;
    }
    schedule = bulla_schedule_of(bulla);
    memset(opening->key, 0, sizeof(opening->key));
    return bulla_derive_key(&schedule, opening->envelope.id, BULLA_GATEWAY_ID_SIZE, opening->key);
}

/* Opens the ciphertext under that key. */
SEPARATE static int open_ciphertext(const struct opening *opening)
{
    const struct bulla *bulla = opening->bulla;
    const struct bulla_reply_envelope *envelope = &opening->envelope;
    struct bulla_cose cose;

    cose.crypto = bulla->port->crypto;
    cose.key = opening->key;
    cose.common_iv = bulla->common_iv;
    cose.id = envelope->id;
    cose.piv = envelope->piv;
    cose.id_len = BULLA_GATEWAY_ID_SIZE;
    cose.alg = envelope->alg;
    cose.more = envelope->protected_bytes;
    cose.more_len = envelope->protected_len;
    return bulla_cose_open(&cose, envelope->ciphertext, envelope->ciphertext_len);
}

/* Reads what an opened one says. A gateway's key is kept once it has opened something. */
static int read_body(struct opening *opening, struct bulla_reply_body *body)
{
    struct bulla *bulla = opening->bulla;
    const struct bulla_reply_envelope *envelope = &opening->envelope;
    size_t len = (size_t)(envelope->ciphertext_len - bulla_tag_size(bulla->alg));
    int error = bulla_reply_body_parse(body, envelope->ciphertext, len);

    if (error < 0)
        return error;
    memcpy(bulla->gateway_key, opening->key, sizeof(bulla->gateway_key));
    memcpy(bulla->gateway_id, envelope->id, BULLA_GATEWAY_ID_SIZE);
    bulla->flags |= BULLA_F_GATEWAY_KEY;
    return 0;
}

/* How far above the next number the receipt's top stands; below it: negative. Beyond 65,535 either way no
 * message is near it: FAR then. */
static int32_t lead_of(const struct bulla *bulla, const uint8_t *top)
{
    int32_t lead = bulla_number_minus(top, bulla->next);

    if (lead >= 0)
        return lead;
    lead = bulla_number_minus(bulla->next, top);
    return lead >= 0 ? -lead : FAR;
}

/* Keys 0 and 1: whether the number that lies `behind` top is stored. */
static int holds(const struct bulla_reply_body *body, int32_t behind)
{
    const uint8_t *bits = body->number[BULLA_REPLY_BITS];
    uint8_t bit;

    if (behind < 0 || behind >= (int32_t)WINDOW_SIZE)
        return 0;
    if (behind == 0)
        return 1;
    bit = (uint8_t)(behind - 1);
    return bits[bit / 8] >> bit % 8 & 1;
}

/* Notes what keys 0 and 1 say of the last 16 messages: right whenever it was said. */
static void apply_receipt(struct bulla *bulla, const struct bulla_reply_body *body, const uint8_t *re)
{
    int32_t lead = lead_of(bulla, body->number[BULLA_REPLY_TOP]);
    uint16_t bit = 1;

    for (uint8_t i = 0; i < BULLA_TRACKED; i++) {
        if ((bulla->tracked & bit) != 0 && holds(body, bulla_tracked_distance(bulla, i) + lead))
            bulla->stored |= bit;
        bit = (uint16_t)(bit << 1);
    }
    bulla->flags |= BULLA_F_RECEIPT;
    if (!bulla_number_above(bulla->echo_until, re))
        bulla->flags &= (uint8_t)~BULLA_F_CHALLENGED;
}

/* Settles the message that the reply names. Only its own reply can say that it is to be sealed again
 * (PROTOCOL 3). */
static void settle(struct bulla *bulla, const struct opening *opening, const struct bulla_reply_body *body,
                   uint16_t bit)
{
    uint8_t top[BULLA_NUMBER_SIZE];

    if ((bulla->stored & bit) != 0)
        return;
    if ((bulla->refused & bit) == 0 && body->challenge != NULL) { /* it still waited: key 3 counts */
        memcpy(bulla->challenge, body->challenge, BULLA_CHALLENGE_SIZE);
        memcpy(bulla->echo_until, bulla->next, sizeof(bulla->echo_until));
        bulla->flags |= BULLA_F_CHALLENGED;
    }
    bulla->refused |= bit;
    memcpy(top, body->number[BULLA_REPLY_TOP], sizeof(top));
    if (bulla_number_above(top, opening->envelope.re)) { /* never without key 0, which is zero then */
        bulla_number_step(top, 0);
        bulla_context_raise(bulla, top);
    }
}

/* Whether keys 2 and 4 of a reply count (PROTOCOL 5). */
static int is_fresh(const struct bulla *bulla, const struct opening *opening)
{
    if (bulla_number_above(bulla->answered, opening->envelope.re))
        return 0;
    if (bulla->port->timer != NULL)
        return bulla->age[opening->message] < FRESH_AGE;
    return opening->message == 0 && (bulla->flags & BULLA_F_AWAKE) != 0;
}

SEPARATE static void put_number(uint64_t *out, const uint8_t number[BULLA_NUMBER_SIZE])
{
    *out = bulla_get_le(number, BULLA_NUMBER_SIZE);
}

/* Says what was in it, for the application. */
static void describe(const struct opening *opening, const struct bulla_reply_body *body,
                     struct bulla_reply *reply)
{
    const struct bulla *bulla = opening->bulla;

    memset(reply, 0, sizeof(*reply));
    put_number(&reply->re, opening->envelope.re);
    put_number(&reply->top, body->number[BULLA_REPLY_TOP]);
    put_number(&reply->bits, body->number[BULLA_REPLY_BITS]);
    reply->has_receipt = body->has & 1;
    if ((body->has >> BULLA_REPLY_TIME & 1) != 0 && is_fresh(bulla, opening)) {
        uint64_t time;

        put_number(&time, body->number[BULLA_REPLY_TIME]);
        reply->has_time = 1;
        reply->time = (int64_t)time;
    }
    reply->challenged = (bulla->flags & BULLA_F_CHALLENGED) != 0;
}

/* Does what an opened reply says. */
SEPARATE static int apply(struct opening *opening, struct bulla_reply *reply)
{
    struct bulla *bulla = opening->bulla;
    uint8_t *re = opening->envelope.re;
    struct bulla_reply_body body;
    int error = read_body(opening, &body);

    if (error < 0)
        return error;
    bulla_context_tick(bulla);
    if ((body.has & 1) != 0)
        apply_receipt(bulla, &body, re);
    settle(bulla, opening, &body, (uint16_t)(1u << opening->message));
    if (reply != NULL)
        describe(opening, &body, reply);
    if (!bulla_number_above(bulla->answered, re)) {
        memcpy(bulla->answered, re, sizeof(bulla->answered));
        bulla_number_step(bulla->answered, 0);
    }
    return 0;
}

int bulla_open_reply(struct bulla *bulla, void *bytes, size_t len, struct bulla_reply *reply)
{
    struct opening opening;
    int tracked;
    int error;

    if ((bulla->flags & BULLA_F_OPEN) == 0)
        return BULLA_E_STATE;
    opening.bulla = bulla;
    error = bulla_reply_envelope_parse(&opening.envelope, (uint8_t *)bytes, len);
    if (error < 0)
        return error;
    if (opening.envelope.alg != bulla->alg)
        return BULLA_E_FORGED;
    tracked = bulla_tracked_find(bulla, opening.envelope.re);
    if (tracked < 0)
        return BULLA_E_NOT_OURS;
    opening.message = (uint8_t)tracked;
    error = find_key(&opening);
    if (error == 0)
        error = open_ciphertext(&opening);
    if (error == 0)
        error = apply(&opening, reply);
    bulla_wipe(opening.key, sizeof(opening.key));
    return error;
}
