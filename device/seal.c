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
};

/* Whether it was sealed here. Numbers of one session say nothing of another. */
static int is_of_this_context(const struct bulla *bulla, const struct bulla_message *message)
{
    return (message->state == BULLA_MESSAGE_SEALED || message->state == BULLA_MESSAGE_BARE) &&
           (bulla->flags & BULLA_F_OPEN) != 0 &&
           bulla_equal(message->id_context, bulla->id_context, BULLA_ID_CONTEXT_SIZE);
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

/* BULLA_M_BARE if the next message may leave the kid context out (PROTOCOL 3, header 10), else 0. */
static int may_be_bare(struct bulla *bulla)
{
    for (uint8_t i = 0; i < BULLA_TRACKED; i++) {
        if ((bulla->sent[i].marks & (BULLA_M_BARE | BULLA_M_STORED | BULLA_M_REFUSED)) == BULLA_M_BARE)
            bulla->flags |= BULLA_F_KEEP;
    }
    return (bulla->flags & (BULLA_F_RECEIPT | BULLA_F_KEEP)) == BULLA_F_RECEIPT ? BULLA_M_BARE : 0;
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
    uint8_t room[BULLA_PROTECTED_SENT];
    int result = bulla_message_check(message);
    int bare;

    if (result == 0)
        result = make_ready(bulla);
    if (result < 0)
        return result;
    bare = may_be_bare(bulla);
    bulla_message_number(message, bulla->next);
    surround(bulla, message, bare == 0, &around);
    bulla_cose_protect(&around.cose, room, message->format,
                       (bulla->flags & BULLA_F_CHALLENGED) != 0 ? bulla->challenge : NULL);
    bulla_context_tick(bulla);
    bulla_sent_push(bulla, (uint8_t)(BULLA_M_TRACKED | bare)); /* the number is spent, whatever comes next */
    memcpy(message->id_context, bulla->id_context, BULLA_ID_CONTEXT_SIZE);
    result = bulla_message_seal(message, &around.cose);
    if (result != 0)
        bulla->sent[0].marks = 0;
    else if (bare != 0)
        message->state = BULLA_MESSAGE_BARE;
    return result;
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

/* The protected header of a sealed message, from its own bytes: behind the tag and the array's head it is a
 * string whose head is one byte. */
static const uint8_t *protected_of(const struct bulla_message *message)
{
    return message->data + 3;
}

static uint8_t protected_len_of(const struct bulla_message *message)
{
    return message->data[2] & BULLA_CBOR_INFO;
}

BULLA_APART int bulla_resend(struct bulla *bulla, struct bulla_message *message)
{
    struct around around;
    uint8_t room[BULLA_CBOR_INFO]; /* what protected_len_of() may be */

    if (!is_of_this_context(bulla, message))
        return BULLA_E_STATE;
    if (message->state == BULLA_MESSAGE_BARE) {
        bulla->flags |= BULLA_F_KEEP; /* it went unanswered without its kid context */
        surround(bulla, message, 1, &around);
        memcpy(room, protected_of(message), sizeof(room)); /* before it is written over */
        around.cose.protected_bytes = room;
        around.cose.protected_len = protected_len_of(message);
        bulla_message_end(message, &around.cose);
    }
    return 0;
}

/* Opens the device's own message in place. Its header stays as it is. */
BULLA_APART static int open_own(const struct bulla *bulla, struct bulla_message *message)
{
    uint8_t *content = message->content;
    size_t len = (size_t)(message->at - content) + bulla_tag_size(bulla->own.alg);
    struct around around;
    uint8_t spare[BULLA_AAD_MAX];
    int error;

    surround(bulla, message, 0, &around);
    around.cose.protected_bytes = protected_of(message);
    around.cose.protected_len = protected_len_of(message);
    error = bulla_cose_open(&around.cose, spare + sizeof(spare), content, len);
    if (error == 0) {
        message->state = BULLA_MESSAGE_OPENED;
        message->size = 0;
    }
    return error;
}

int bulla_seal_again(struct bulla *bulla, struct bulla_message *message)
{
    if (message->state != BULLA_MESSAGE_OPENED) { /* else sealing failed the last time */
        enum bulla_fate fate = bulla_fate(bulla, message);
        int error = BULLA_E_STATE;

        if (fate != BULLA_STORED && fate != BULLA_WAITING) /* PROTOCOL 3: only its own reply tells to */
            error = is_of_this_context(bulla, message) ? open_own(bulla, message) : BULLA_E_STATE;
        if (error < 0)
            return error;
    }
    return bulla_seal(bulla, message);
}
