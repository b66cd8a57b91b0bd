#include "device_fixture.h"

#include <string.h>

#include "recorder.h"

void fixture_open(struct fixture *fixture, enum bulla_kind kind)
{
    memset(fixture, 0, sizeof(*fixture));
    recorder_reset();
    memset(fixture->credential.secret, 0x5b, BULLA_SECRET_SIZE);
    memcpy(fixture->credential.kid, "\x0a\x1b\x2c", 3);
    fixture->credential.kid_len = 3;
    fixture->credential.alg = BULLA_AES_CCM_16_64_128;
    fixture->credential.kind = (uint8_t)kind;
    board_open(&fixture->board, 1);
    if (kind == BULLA_COUNTER)
        assert_int_equal(bulla_provision_counter(&fixture->credential, &fixture->board.port), 0);
    assert_int_equal(bulla_open(&fixture->bulla, &fixture->credential, &fixture->board.port), 0);
    peer_open(&fixture->peer, &fixture->credential, 1);
    memcpy(fixture->peer.id_context, fixture->bulla.id_context, BULLA_ID_CONTEXT_SIZE);
}

void fixture_close(struct fixture *fixture)
{
    bulla_close(&fixture->bulla);
}

uint64_t fixture_seal(struct fixture *fixture, struct sent *sent)
{
    bulla_begin(&sent->message, sent->buffer, sizeof(sent->buffer));
    bulla_add_integer(&sent->message, "x", NULL, (int64_t)number_of(fixture->bulla.next));
    assert_int_equal(bulla_seal(&fixture->bulla, &sent->message), 0);
    return sent->message.piv;
}

int fixture_answer(struct fixture *fixture, uint64_t re, struct peer_body body, struct bulla_reply *reply)
{
    uint8_t bytes[PEER_REPLY_MAX];
    size_t len = peer_reply(&fixture->peer, re, &body, bytes);

    return bulla_open_reply(&fixture->bulla, bytes, len, reply);
}

struct peer_body body_time(const struct fixture *fixture)
{
    struct peer_body body;

    memset(&body, 0, sizeof(body));
    body.has_time = 1;
    body.time = fixture->peer.time;
    return body;
}

struct peer_body body_receipt(const struct fixture *fixture, uint64_t top, uint64_t bits)
{
    struct peer_body body = body_time(fixture);

    body.has_receipt = 1;
    body.top = top;
    body.bits = bits;
    return body;
}

struct peer_body body_challenge(const struct fixture *fixture, const uint8_t *challenge)
{
    struct peer_body body = body_time(fixture);

    body.challenge = challenge;
    return body;
}

static void parse(const struct sent *sent, uint8_t bytes[FIXTURE_BUFFER], struct bulla_envelope *envelope)
{
    memcpy(bytes, sent->message.data, sent->message.size);
    assert_int_equal(bulla_envelope_parse(envelope, BULLA_TO_GATEWAY, bytes, sent->message.size), 0);
}

int sent_has_kid_context(const struct sent *sent)
{
    uint8_t bytes[FIXTURE_BUFFER];
    struct bulla_envelope envelope;

    parse(sent, bytes, &envelope);
    return envelope.id_context != NULL;
}

int sent_has_echo(const struct sent *sent, const uint8_t *challenge)
{
    uint8_t bytes[FIXTURE_BUFFER];
    struct bulla_envelope envelope;

    parse(sent, bytes, &envelope);
    if (envelope.echo != NULL && challenge != NULL)
        assert_memory_equal(envelope.echo, challenge, BULLA_CHALLENGE_SIZE);
    return envelope.echo != NULL;
}
