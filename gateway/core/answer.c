#include "gateway/core/answer.h"

#include <string.h>

#include <sys/random.h>

#include "device/cbor.h"

#define DRAWS_MAX 16 /* of 2^48 ids: taken as often as that only if the random source is broken */

void answerer_init(struct answerer *answerer, struct bulla_crypto *crypto)
{
    memset(answerer, 0, sizeof(*answerer));
    answerer->crypto = crypto;
}

void answerer_adopt(struct answerer *answerer, const uint8_t id[GATEWAY_ID_SIZE])
{
    memcpy(answerer->id, id, GATEWAY_ID_SIZE);
    answerer->next = 0;
    answerer->limit = BULLA_PIV_MAX + 1;
    answerer->epoch++;
}

bool answerer_wants_id(const struct answerer *answerer)
{
    return answerer->limit - answerer->next <= ANSWER_RESERVE;
}

/* Our sender key in this context, kept until the id changes. */
static int derive_key(const struct answerer *answerer, struct context *context)
{
    struct bulla_schedule schedule = context_schedule(context, answerer->crypto);

    if (context->gateway_epoch == answerer->epoch)
        return 0;
    if (bulla_derive_key(&schedule, answerer->id, GATEWAY_ID_SIZE, context->gateway_key) < 0)
        return -1;
    context->gateway_epoch = answerer->epoch;
    return 0;
}

/* The plaintext: a map of keys 0 to 3. Returns its length. */
static size_t write_body(const struct context *context, const struct answer *answer, uint8_t *out,
                         size_t size)
{
    struct bulla_cbor_writer writer = {out, size, 0, 0};
    bool receipt = context->stored.bits != 0;

    bulla_cbor_head(&writer, BULLA_CBOR_MAP, (receipt ? 2u : 0u) + 1u + (answer->challenge != NULL));
    if (receipt) {
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, 0);
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, context->stored.top);
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, 1);
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, bulla_window_receipt_bits(&context->stored));
    }
    bulla_cbor_head(&writer, BULLA_CBOR_UINT, 2);
    bulla_cbor_head(&writer, BULLA_CBOR_UINT, answer->time > 0 ? (uint64_t)answer->time : 0);
    if (answer->challenge != NULL) {
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, 3);
        bulla_cbor_bytes(&writer, answer->challenge, BULLA_CHALLENGE_SIZE);
    }
    return writer.used;
}

int answer_seal(struct answerer *answerer, struct context *context, const struct answer *answer,
                uint8_t room[REPLY_MAX], const uint8_t **reply)
{
    uint8_t *content = room + BULLA_HEADROOM;
    struct bulla_envelope envelope;
    size_t len;
    int header_len;

    if (answerer->next >= answerer->limit || derive_key(answerer, context) < 0)
        return -1;
    memset(&envelope, 0, sizeof(envelope));
    envelope.id = answerer->id;
    envelope.id_len = GATEWAY_ID_SIZE;
    envelope.piv = answerer->next++;
    envelope.re = answer->re;
    envelope.has_re = 1;
    envelope.alg = context->device->alg;
    envelope.content_format = BULLA_FORMAT_CBOR;
    len = write_body(context, answer, content, REPLY_MAX - BULLA_HEADROOM - BULLA_TAG_MAX);
    header_len = bulla_envelope_seal(&envelope, answerer->crypto, context->gateway_key, context->common_iv,
                                     content, len);
    if (header_len < 0)
        return -1;
    *reply = content - header_len;
    return header_len + (int)len + bulla_tag_size(context->device->alg);
}

int gateway_id_draw(struct store *store, int64_t now, uint8_t id[GATEWAY_ID_SIZE], struct failure *failure)
{
    for (int draw = 0; draw < DRAWS_MAX; draw++) {
        int entered;
        if (getrandom(id, GATEWAY_ID_SIZE, 0) != GATEWAY_ID_SIZE)
            return fail(failure, "cannot draw a gateway id: the system's random source failed");
        entered = store->ops->gateway_id_add(store, id, now, failure);
        if (entered != 0)
            return entered < 0 ? -1 : 0;
    }
    return fail(failure, "cannot draw a gateway id: %d in a row were taken, which cannot be chance",
                DRAWS_MAX);
}
