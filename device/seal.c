/*
 * Sealing (PROTOCOL 3): the place where a context takes a sequence number.
 */
#include <string.h>

#include "cbor.h"
#include "context.h"

/* What a struct bulla_cose of a context's message points to. */
struct around {
    struct bulla_cose cose;
    uint8_t piv[BULLA_NUMBER_SIZE];
    uint8_t room[BULLA_PROTECTED_SENT];
};

static int is_sealed(const struct bulla_message *message)
{
    return message->state == BULLA_MESSAGE_SEALED || message->state == BULLA_MESSAGE_BARE;
}

/* Numbers of one session say nothing of another. */
static int is_of_this_context(const struct bulla *bulla, const struct bulla_message *message)
{
    return is_sealed(message) && bulla_equal(message->id_context, bulla->id_context, BULLA_ID_CONTEXT_SIZE);
}

/* What must be so before a number may be taken: the saved session is gone, the number is reserved, and
 * exists.
 */
static int make_ready(struct bulla *bulla)
{
    int error = BULLA_E_STATE;

    if ((bulla->flags & BULLA_F_OPEN) != 0)
        error = bulla->ready != NULL ? bulla->ready(bulla) : 0;
    return error == 0 && bulla->next[BULLA_PIV_SIZE] != 0 ? BULLA_E_EXHAUSTED : error;
}

/* Whether the next message may leave the kid context out (PROTOCOL 3, header 10). */
static int may_be_bare(struct bulla *bulla)
{
    for (uint8_t i = 0; i < BULLA_TRACKED; i++) {
        if ((bulla->sent[i].marks & (BULLA_M_BARE | BULLA_M_STORED | BULLA_M_REFUSED)) == BULLA_M_BARE)
            bulla->flags |= BULLA_F_KEEP;
    }
    return (bulla->flags & (BULLA_F_RECEIPT | BULLA_F_KEEP)) == BULLA_F_RECEIPT;
}

/* What stands around the content of this context's message: `own_context` says whether its kid context is
 * written. */
BULLA_APART static void surround(const struct bulla *bulla, const struct bulla_message *message,
                                 int own_context, struct around *around)
{
    around->cose.crypto = bulla->port->crypto;
    around->cose.keys = &bulla->own;
    around->cose.id_context = (bulla->flags & BULLA_F_COUNTER) == 0 && own_context ? bulla->id_context : NULL;
    around->cose.piv = bulla_message_piv(message, around->piv);
}

int bulla_seal(struct bulla *bulla, struct bulla_message *message)
{
    struct around around;
    int result = bulla_message_check(message);
    uint8_t state;

    if (result == 0)
        result = make_ready(bulla);
    if (result < 0)
        return result;
    state = may_be_bare(bulla) ? BULLA_MESSAGE_BARE : BULLA_MESSAGE_SEALED;
    bulla_message_number(message, bulla->next);
    surround(bulla, message, state != BULLA_MESSAGE_BARE, &around);
    bulla_cose_protect(&around.cose, around.room, message->format,
                       (bulla->flags & BULLA_F_CHALLENGED) != 0 ? bulla->challenge : NULL);
    bulla_context_tick(bulla);
    bulla_sent_push(bulla, state == BULLA_MESSAGE_BARE
                               ? BULLA_M_TRACKED | BULLA_M_BARE
                               : BULLA_M_TRACKED); /* the number is spent, whatever comes next */
    result = bulla_message_seal(message, &around.cose);
    if (result < 0) {
        bulla->sent[0].marks = 0;
        return result;
    }
    memcpy(message->id_context, bulla->id_context, BULLA_ID_CONTEXT_SIZE);
    bulla_message_end(message, &around.cose, state);
    return 0;
}

enum bulla_fate bulla_fate(const struct bulla *bulla, const struct bulla_message *message)
{
    const struct bulla_sent *sent;
    uint8_t room[BULLA_NUMBER_SIZE];

    if (!is_of_this_context(bulla, message))
        return BULLA_FORGOTTEN;
    sent = bulla_sent_find((struct bulla *)bulla, bulla_message_piv(message, room));
    if (sent == NULL)
        return BULLA_FORGOTTEN;
    if ((sent->marks & BULLA_M_STORED) != 0)
        return BULLA_STORED;
    return (sent->marks & BULLA_M_REFUSED) != 0 ? BULLA_SEAL_AGAIN : BULLA_WAITING;
}

/*
 * What stands around a message that was sealed here, from its own bytes: they begin as bulla_cose_header()
 * wrote them. 0, or BULLA_E_STATE if the context is another one, or they are as they cannot have been.
 */
static int surround_sealed(const struct bulla *bulla, const struct bulla_message *message, int own_context,
                           struct around *around)
{
    const uint8_t *bytes = message->data + 2; /* behind the tag and the array's head: a head of one byte */
    uint8_t len;

    if (!is_of_this_context(bulla, message) || (bulla->flags & BULLA_F_OPEN) == 0)
        return BULLA_E_STATE;
    len = (uint8_t)(*bytes++ - (BULLA_CBOR_BYTES << 5));
    if (len > BULLA_PROTECTED_SENT)
        return BULLA_E_STATE;
    surround(bulla, message, own_context, around);
    memcpy(around->room, bytes, BULLA_PROTECTED_SENT);
    around->cose.protected_bytes = around->room;
    around->cose.protected_len = len;
    return 0;
}

int bulla_resend(struct bulla *bulla, struct bulla_message *message)
{
    struct around around;
    int error = surround_sealed(bulla, message, 1, &around);

    if (error < 0)
        return error;
    if (message->state == BULLA_MESSAGE_BARE)
        bulla->flags |= BULLA_F_KEEP; /* it went unanswered without its kid context */
    bulla_message_end(message, &around.cose, BULLA_MESSAGE_SEALED);
    return 0;
}

/* Opens the device's own message in place. */
BULLA_APART static int open_own(const struct bulla *bulla, struct bulla_message *message)
{
    uint8_t *content = message->content;
    struct around around;
    int error = surround_sealed(bulla, message, message->state != BULLA_MESSAGE_BARE, &around);

    if (error < 0)
        return error;
    error = bulla_cose_open(&around.cose, content, content,
                            (size_t)(message->at - content) + bulla_tag_size(bulla->own.alg));
    if (error < 0) { /* the additional data stood in the header's place */
        bulla_message_end(message, &around.cose, message->state);
        return error;
    }
    message->state = BULLA_MESSAGE_OPENED;
    message->size = 0;
    return 0;
}

int bulla_seal_again(struct bulla *bulla, struct bulla_message *message)
{
    if (message->state != BULLA_MESSAGE_OPENED) { /* else sealing failed the last time */
        enum bulla_fate fate = bulla_fate(bulla, message);
        int error = BULLA_E_STATE;

        if (fate != BULLA_STORED && fate != BULLA_WAITING) /* PROTOCOL 3: only its own reply tells to */
            error = open_own(bulla, message);
        if (error < 0)
            return error;
    }
    return bulla_seal(bulla, message);
}
