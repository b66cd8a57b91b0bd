/*
 * Sealing (PROTOCOL 3): the place where a context takes a sequence number.
 */
#include <string.h>

#include "context.h"
#include "envelope.h"

static int is_sealed(const struct bulla_message *message)
{
    return message->state == BULLA_MESSAGE_SEALED || message->state == BULLA_MESSAGE_BARE;
}

/* Numbers of one session say nothing of another. */
static int is_of_this_context(const struct bulla *bulla, const struct bulla_message *message)
{
    return is_sealed(message) && memcmp(message->id_context, bulla->id_context, BULLA_ID_CONTEXT_SIZE) == 0;
}

/* What must be so before a number may be taken: the saved session is gone, the number exists and is reserved.
 */
static int make_ready(struct bulla *bulla)
{
    int error = 0;

    if ((bulla->flags & BULLA_F_OPEN) == 0)
        return BULLA_E_STATE;
    if ((bulla->flags & BULLA_F_SAVED) != 0 && bulla_saved_destroy(bulla) < 0)
        error = bulla_session_begin(bulla); /* it may wake once more: so this session ends here */
    if (error < 0)
        return error;
    if (bulla->next > BULLA_PIV_MAX)
        return BULLA_E_EXHAUSTED;
    return bulla->kind == BULLA_COUNTER ? bulla_counter_reserve(bulla) : 0;
}

/* Whether the next message may leave the kid context out (PROTOCOL 3, header 10). */
static int may_be_bare(struct bulla *bulla)
{
    uint16_t answered = bulla->stored | bulla->refused;

    if ((bulla->tracked & bulla->bare & ~answered) != 0)
        bulla->flags |= BULLA_F_KEEP;
    return (bulla->flags & (BULLA_F_RECEIPT | BULLA_F_KEEP)) == BULLA_F_RECEIPT;
}

/* The envelope's fields of a message of this context. */
static struct bulla_envelope envelope_of(const struct bulla *bulla, const struct bulla_message *message,
                                         int bare)
{
    struct bulla_envelope envelope;

    memset(&envelope, 0, sizeof(envelope));
    envelope.id = bulla->kid;
    envelope.id_len = bulla->kid_len;
    envelope.alg = bulla->alg;
    envelope.content_format = message->format;
    envelope.piv = message->piv;
    if (bulla->kind == BULLA_SESSION && !bare)
        envelope.id_context = bulla->id_context;
    return envelope;
}

int bulla_seal(struct bulla *bulla, struct bulla_message *message)
{
    struct bulla_envelope envelope;
    uint8_t *content;
    int header_len;
    int bare;
    int error;

    error = bulla_message_check(message);
    if (error == 0)
        error = make_ready(bulla);
    if (error < 0)
        return error;
    bare = bulla->kind == BULLA_SESSION && may_be_bare(bulla);
    message->piv = bulla->next;
    envelope = envelope_of(bulla, message, bare);
    if ((bulla->flags & BULLA_F_CHALLENGED) != 0)
        envelope.echo = bulla->challenge;
    content = message->buffer + BULLA_HEADROOM;
    bulla_context_tick(bulla);
    bulla_tracked_push(bulla, message->piv, bare); /* the number is spent, whatever the provider says next */
    header_len = bulla_envelope_seal(&envelope, bulla->port->crypto, bulla->sender_key, bulla->common_iv,
                                     content, message->used);
    if (header_len < 0) {
        bulla->tracked &= (uint16_t)~1u;
        return header_len;
    }
    memcpy(message->id_context, bulla->id_context, BULLA_ID_CONTEXT_SIZE);
    bulla_message_seal(message, header_len, bulla->alg, bare ? BULLA_MESSAGE_BARE : BULLA_MESSAGE_SEALED);
    return 0;
}

enum bulla_fate bulla_fate(const struct bulla *bulla, const struct bulla_message *message)
{
    int i;

    if (!is_of_this_context(bulla, message))
        return BULLA_FORGOTTEN;
    i = bulla_tracked_find(bulla, message->piv);
    if (i < 0)
        return BULLA_FORGOTTEN;
    if ((bulla->stored >> i & 1) != 0)
        return BULLA_STORED;
    return (bulla->refused >> i & 1) != 0 ? BULLA_SEAL_AGAIN : BULLA_WAITING;
}

/* The fields of a message sealed earlier, as its own bytes say them. */
static int parse_own(const struct bulla *bulla, const struct bulla_message *message,
                     struct bulla_envelope *envelope)
{
    if (!is_of_this_context(bulla, message) || (bulla->flags & BULLA_F_OPEN) == 0)
        return BULLA_E_STATE;
    return bulla_envelope_parse(envelope, BULLA_TO_GATEWAY, message->data, message->size) < 0 ? BULLA_E_STATE
                                                                                              : 0;
}

int bulla_resend(struct bulla *bulla, struct bulla_message *message)
{
    struct bulla_envelope envelope;
    uint8_t echo[BULLA_CHALLENGE_SIZE];
    uint8_t *content;
    size_t header_len;
    int error = parse_own(bulla, message, &envelope);

    if (error < 0 || message->state != BULLA_MESSAGE_BARE)
        return error;
    bulla->flags |= BULLA_F_KEEP; /* it went unanswered without its kid context */
    if (envelope.echo != NULL) {  /* the fields point into the bytes that are written over */
        memcpy(echo, envelope.echo, sizeof(echo));
        envelope.echo = echo;
    }
    envelope.id = bulla->kid;
    envelope.id_context = bulla->id_context;
    content = message->buffer + BULLA_HEADROOM;
    header_len = bulla_envelope_header(&envelope, content, envelope.ciphertext_len);
    bulla_message_seal(message, (int)header_len, bulla->alg, BULLA_MESSAGE_SEALED);
    return 0;
}

int bulla_seal_again(struct bulla *bulla, struct bulla_message *message)
{
    struct bulla_envelope envelope;
    enum bulla_fate fate;
    int error;

    if (message->state == BULLA_MESSAGE_OPENED) /* sealing failed the last time */
        return bulla_seal(bulla, message);
    error = parse_own(bulla, message, &envelope);
    if (error < 0)
        return error;
    fate = bulla_fate(bulla, message);
    if (fate == BULLA_STORED ||
        fate == BULLA_WAITING) /* PROTOCOL 3: only its own reply tells to seal it again */
        return BULLA_E_STATE;
    error = bulla_envelope_open(&envelope, bulla->port->crypto, bulla->sender_key, bulla->common_iv);
    if (error < 0)
        return error;
    message->state = BULLA_MESSAGE_OPENED;
    message->size = 0;
    return bulla_seal(bulla, message);
}
