#include "peer.h"

#include <string.h>

#include "device/cbor.h"
#include "provider.h"
#include "support.h"

#define BODY_MAX 256

void peer_open(struct peer *peer, const struct bulla_credential *credential, uint8_t number)
{
    memset(peer, 0, sizeof(*peer));
    peer->credential = credential;
    memset(peer->id, number, sizeof(peer->id));
    memset(peer->challenge, 0xc0 + number, sizeof(peer->challenge));
    peer->time = 1700000000;
}

static struct bulla_schedule schedule_of(const struct peer *peer)
{
    struct bulla_schedule schedule;

    schedule.crypto = provider_state();
    schedule.secret = peer->credential->secret;
    schedule.id_context = peer->credential->kind == BULLA_SESSION ? peer->id_context : NULL;
    schedule.alg = peer->credential->alg;
    return schedule;
}

void peer_read(struct peer *peer, const struct bulla_message *message, struct peer_message *read)
{
    struct bulla_schedule schedule;
    uint8_t key[BULLA_KEY_MAX];
    uint8_t common_iv[BULLA_NONCE_MAX];

    memcpy(read->bytes, message->data, message->size);
    assert_int_equal(bulla_envelope_parse(&read->envelope, BULLA_TO_GATEWAY, read->bytes, message->size), 0);
    if (read->envelope.id_context != NULL &&
        memcmp(peer->id_context, read->envelope.id_context, BULLA_ID_CONTEXT_SIZE) != 0) {
        memcpy(peer->id_context, read->envelope.id_context, BULLA_ID_CONTEXT_SIZE);
        memset(&peer->window, 0, sizeof(peer->window));
        peer->proven = 0;
    }
    schedule = schedule_of(peer);
    assert_int_equal(bulla_derive_key(&schedule, read->envelope.id, read->envelope.id_len, key), 0);
    assert_int_equal(bulla_derive_common_iv(&schedule, common_iv), 0);
    assert_int_equal(bulla_envelope_open(&read->envelope, schedule.crypto, key, common_iv), 0);
    read->content_len = read->envelope.ciphertext_len - bulla_tag_size(schedule.alg);
}

size_t peer_reply_raw(struct peer *peer, uint64_t re, const uint8_t *plaintext, size_t len,
                      uint8_t reply[PEER_REPLY_MAX])
{
    struct bulla_schedule schedule = schedule_of(peer);
    struct bulla_envelope envelope;
    uint8_t key[BULLA_KEY_MAX];
    uint8_t common_iv[BULLA_NONCE_MAX];
    uint8_t buffer[BULLA_HEADROOM + BODY_MAX + BULLA_TAG_MAX];
    int header_len;
    size_t size;

    assert_true(len <= BODY_MAX);
    assert_int_equal(bulla_derive_key(&schedule, peer->id, sizeof(peer->id), key), 0);
    assert_int_equal(bulla_derive_common_iv(&schedule, common_iv), 0);
    memset(&envelope, 0, sizeof(envelope));
    envelope.id = peer->id;
    envelope.id_len = sizeof(peer->id);
    envelope.piv = peer->piv++;
    envelope.alg = schedule.alg;
    envelope.content_format = BULLA_FORMAT_CBOR;
    envelope.re = re;
    envelope.has_re = 1;
    if (len > 0)
        memcpy(buffer + BULLA_HEADROOM, plaintext, len);
    header_len =
        bulla_envelope_seal(&envelope, schedule.crypto, key, common_iv, buffer + BULLA_HEADROOM, len);
    assert_true(header_len > 0);
    size = (size_t)header_len + len + bulla_tag_size(schedule.alg);
    memcpy(reply, buffer + BULLA_HEADROOM - header_len, size);
    return size;
}

size_t peer_reply(struct peer *peer, uint64_t re, const struct peer_body *body, uint8_t reply[PEER_REPLY_MAX])
{
    uint8_t plaintext[BODY_MAX];
    struct bulla_cbor_writer writer = {plaintext, sizeof(plaintext), 0, 0};
    uint64_t entries = (body->has_receipt ? 2u : 0u) + (body->has_time ? 1u : 0u) +
                       (body->challenge != NULL ? 1u : 0u) + body->extra_entries;

    bulla_cbor_head(&writer, BULLA_CBOR_MAP, entries);
    if (body->has_receipt) {
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, 0);
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, body->top);
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, 1);
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, body->bits);
    }
    if (body->has_time) {
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, 2);
        bulla_cbor_integer(&writer, body->time);
    }
    if (body->challenge != NULL) {
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, 3);
        bulla_cbor_bytes(&writer, body->challenge, BULLA_CHALLENGE_SIZE);
    }
    if (body->extra != NULL)
        writer.used += from_hex(plaintext + writer.used, sizeof(plaintext) - writer.used, body->extra);
    assert_false(writer.overflow);
    return peer_reply_raw(peer, re, plaintext, writer.used, reply);
}

size_t peer_serve(struct peer *peer, const struct bulla_message *message, uint8_t reply[PEER_REPLY_MAX])
{
    struct peer_message read;
    struct peer_body body;

    memset(&body, 0, sizeof(body));
    peer_read(peer, message, &read);
    if (!peer->proven && read.envelope.echo != NULL &&
        memcmp(read.envelope.echo, peer->challenge, BULLA_CHALLENGE_SIZE) == 0) {
        peer->proven = 1;
        peer->window.lower = read.envelope.piv;
    }
    if (!peer->proven)
        body.challenge = peer->challenge;
    else if (bulla_window_place(&peer->window, read.envelope.piv) == BULLA_WINDOW_NEW)
        bulla_window_mark(&peer->window, read.envelope.piv);
    if (peer->window.bits != 0) {
        body.has_receipt = 1;
        body.top = peer->window.top;
        body.bits = bulla_window_receipt_bits(&peer->window);
    }
    body.has_time = 1;
    body.time = peer->time;
    return peer_reply(peer, read.envelope.piv, &body, reply);
}
