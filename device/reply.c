/*
 * Opening the gateway's replies (PROTOCOL 5): nothing is believed before the whole of it is authentic and
 * well-formed.
 */
#include <string.h>

#include "context.h"
#include "reply_parse.h"

#define FRESH_AGE   (60u * 1000u / BULLA_AGE_UNIT)
#define WINDOW_SIZE 64u

/* A reply being opened. */
struct opening {
    struct bulla_reply_envelope envelope;
    struct bulla_sent *sent;   /* the message that it answers */
    struct bulla_derived keys; /* the gateway's */
};

/* The key of the gateway that the reply names. */
static int find_key(const struct bulla *bulla, struct opening *opening)
{
    opening->keys = bulla->own;
    memcpy(opening->keys.kid, opening->envelope.id, BULLA_GATEWAY_ID_SIZE);
    opening->keys.kid_len = BULLA_GATEWAY_ID_SIZE;
    if ((bulla->flags & BULLA_F_GATEWAY_KEY) == 0 ||
        !bulla_equal(bulla->gateway_id, opening->envelope.id, BULLA_GATEWAY_ID_SIZE))
        return bulla_context_key(bulla, &opening->keys);
    memcpy(opening->keys.key, bulla->gateway_key, sizeof(bulla->gateway_key));
    return 0;
}

/* Opens the ciphertext under that key. */
static int open_ciphertext(const struct bulla *bulla, struct opening *opening)
{
    struct bulla_reply_envelope *envelope = &opening->envelope;

    envelope->cose.crypto = bulla->port->crypto;
    envelope->cose.keys = &opening->keys;
    return bulla_cose_open(&envelope->cose, envelope->ciphertext, envelope->ciphertext,
                           envelope->ciphertext_len);
}

/* Reads what an opened one says. A gateway's key is kept once it has opened something. */
static int read_body(struct bulla *bulla, struct opening *opening, struct bulla_reply_body *body)
{
    struct bulla_scan *scan = &opening->envelope.scan; /* it has come to the ciphertext's end */
    int error;

    scan->at = opening->envelope.ciphertext;
    scan->end -= bulla_tag_size(bulla->own.alg);
    error = bulla_reply_body_parse(body, scan);
    if (error < 0)
        return error;
    memcpy(bulla->gateway_key, opening->keys.key, sizeof(bulla->gateway_key));
    memcpy(bulla->gateway_id, opening->keys.kid, BULLA_GATEWAY_ID_SIZE);
    bulla->flags |= BULLA_F_GATEWAY_KEY;
    return 0;
}

/* Keys 0 and 1: whether the number that lies `behind` top is stored. */
static int holds(const struct bulla_reply_body *body, uint16_t behind)
{
    uint8_t bit = (uint8_t)(behind - 1);

    if (behind >= WINDOW_SIZE)
        return 0;
    return behind == 0 || (body->number[BULLA_REPLY_BITS][bit / 8] >> bit % 8 & 1) != 0;
}

/* Notes what keys 0 and 1 say of the last 16 messages: right whenever it was said. */
static void apply_receipt(struct bulla *bulla, const struct bulla_reply_body *body, const uint8_t *re)
{
    uint16_t below = bulla_number_gap(bulla->next, body->number[BULLA_REPLY_TOP]);

    for (struct bulla_sent *sent = bulla->sent; sent < bulla->sent + BULLA_TRACKED; sent++) {
        uint16_t behind = (uint16_t)(sent->behind + BULLA_AHEAD - below); /* top; far if it is above it */

        if (below != UINT16_MAX && sent->marks != 0 && holds(body, behind))
            sent->marks |= BULLA_M_STORED;
    }
    bulla->flags |= BULLA_F_RECEIPT;
    if (bulla_number_order(bulla->echo_until, re) <= 0)
        bulla->flags &= (uint8_t)~BULLA_F_CHALLENGED;
}

/* Settles the message that the reply names. Only its own reply can say that it is to be sealed again
 * (PROTOCOL 3). */
static void settle(struct bulla *bulla, const struct opening *opening, const struct bulla_reply_body *body)
{
    const uint8_t *top = body->number[BULLA_REPLY_TOP];

    if ((opening->sent->marks & BULLA_M_STORED) != 0)
        return;
    if ((opening->sent->marks & BULLA_M_REFUSED) == 0 &&
        body->challenge != NULL) { /* it still waited: key 3 counts */
        memcpy(bulla->challenge, body->challenge, BULLA_CHALLENGE_SIZE);
        bulla_number_copy(bulla->echo_until, bulla->next);
        bulla->flags |= BULLA_F_CHALLENGED;
    }
    opening->sent->marks |= BULLA_M_REFUSED;
    if (bulla_number_order(top, opening->envelope.re) > 0) /* never without key 0, which is zero then */
        bulla_context_raise(bulla, top, 1);
}

/* Whether keys 2 and 4 of a reply count (PROTOCOL 5). */
static int is_fresh(const struct bulla *bulla, const struct opening *opening)
{
    if (bulla_number_order(bulla->answered, opening->envelope.re) > 0)
        return 0;
    if (bulla->port->timer != NULL)
        return opening->sent->age < FRESH_AGE;
    return opening->sent == bulla->sent && (bulla->flags & BULLA_F_AWAKE) != 0;
}

/* Says what was in it, for the application. */
static void describe(const struct bulla *bulla, const struct opening *opening,
                     const struct bulla_reply_body *body, struct bulla_reply *reply)
{
    memset(reply, 0, sizeof(*reply));
    bulla_number_read(&reply->re, opening->envelope.re, BULLA_ARGUMENT_SIZE);
    bulla_number_read(&reply->top, body->number[BULLA_REPLY_TOP], BULLA_ARGUMENT_SIZE);
    bulla_number_read(&reply->bits, body->number[BULLA_REPLY_BITS], BULLA_ARGUMENT_SIZE);
    reply->has_receipt = body->has[BULLA_REPLY_TOP];
    if (body->has[BULLA_REPLY_TIME] && is_fresh(bulla, opening)) {
        uint64_t time;

        bulla_number_read(&time, body->number[BULLA_REPLY_TIME], BULLA_ARGUMENT_SIZE);
        reply->has_time = 1;
        reply->time = (int64_t)time;
    }
    reply->challenged = (bulla->flags & BULLA_F_CHALLENGED) != 0;
}

/* Does what an opened reply says. Apart: what it keeps on the stack is then not there while the key is
 * derived, which takes the most. */
BULLA_APART static int apply(struct bulla *bulla, struct opening *opening, struct bulla_reply *reply)
{
    uint8_t *re = opening->envelope.re;
    struct bulla_reply_body body;
    int error = read_body(bulla, opening, &body);

    if (error < 0)
        return error;
    bulla_context_tick(bulla);
    if (body.has[BULLA_REPLY_TOP])
        apply_receipt(bulla, &body, re);
    settle(bulla, opening, &body);
    if (reply != NULL)
        describe(bulla, opening, &body, reply);
    bulla_number_raise(bulla->answered, re, 1);
    return 0;
}

BULLA_APART int bulla_open_reply(struct bulla *bulla, void *bytes, size_t len, struct bulla_reply *reply)
{
    struct opening opening;
    int error;

    if ((bulla->flags & BULLA_F_OPEN) == 0)
        return BULLA_E_STATE;
    error = bulla_reply_envelope_parse(&opening.envelope, (uint8_t *)bytes, len);
    if (error < 0)
        return error;
    if (opening.envelope.alg != bulla->own.alg)
        return BULLA_E_FORGED;
    opening.sent = bulla_sent_find(bulla, opening.envelope.re);
    if (opening.sent == NULL || (opening.envelope.re[6] | opening.envelope.re[7]) != 0)
        return BULLA_E_NOT_OURS;
    error = find_key(bulla, &opening);
    if (error == 0)
        error = open_ciphertext(bulla, &opening);
    if (error == 0)
        error = apply(bulla, &opening, reply);
    bulla_wipe(&opening.keys, sizeof(opening.keys));
    return error;
}
