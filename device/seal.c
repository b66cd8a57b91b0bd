/*
 * Sealing (PROTOCOL 3): the place where a context takes a sequence number.
 */
#include <string.h>

#include "cbor.h"
#include "context.h"
#include "cose.h"

#define ECHO_SIZE        (6 + BULLA_CHALLENGE_SIZE)  /* bytes: "echo", head, challenge */
#define ID_CONTEXT_FIELD (2 + BULLA_ID_CONTEXT_SIZE) /* bytes: key, head, id */

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
    if (bulla->destroy_saved != NULL && bulla->destroy_saved(bulla) < 0)
        error = bulla_session_begin(bulla); /* it may wake once more: so this session ends here */
    if (error < 0)
        return error;
    if (bulla->next[BULLA_PIV_SIZE] != 0)
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

/* What stands around the content of this context's message `piv`. */
static void surround(const struct bulla *bulla, const uint8_t *piv, struct bulla_cose *cose)
{
    cose->crypto = bulla->port->crypto;
    cose->key = bulla->sender_key;
    cose->common_iv = bulla->common_iv;
    cose->id = bulla->kid;
    cose->id_context = NULL;
    cose->piv = piv;
    cose->id_len = bulla->kid_len;
    cose->alg = bulla->alg;
}

/* The protected header's "echo", while the context is challenged; `bytes` is room for it. */
static void add_echo(const struct bulla *bulla, struct bulla_cose *cose, uint8_t bytes[ECHO_SIZE])
{
    cose->entries = 2;
    cose->more = bytes;
    cose->more_len = 0;
    if ((bulla->flags & BULLA_F_CHALLENGED) == 0)
        return;
    memcpy(bytes,
           "\x64"
           "echo\x48",
           ECHO_SIZE - BULLA_CHALLENGE_SIZE);
    memcpy(bytes + ECHO_SIZE - BULLA_CHALLENGE_SIZE, bulla->challenge, BULLA_CHALLENGE_SIZE);
    cose->entries = 3;
    cose->more_len = ECHO_SIZE;
}

int bulla_seal(struct bulla *bulla, struct bulla_message *message)
{
    struct bulla_cose cose;
    uint8_t piv[BULLA_NUMBER_SIZE];
    uint8_t echo[ECHO_SIZE];
    int result;
    int bare;

    result = bulla_message_check(message);
    if (result == 0)
        result = make_ready(bulla);
    if (result < 0)
        return result;
    bare = bulla->kind == BULLA_SESSION && may_be_bare(bulla);
    memcpy(piv, bulla->next, sizeof(piv));
    message->piv = bulla_get_le(piv, sizeof(piv));
    surround(bulla, piv, &cose);
    if (bulla->kind == BULLA_SESSION && !bare)
        cose.id_context = bulla->id_context;
    cose.content_format = message->format;
    add_echo(bulla, &cose, echo);
    bulla_context_tick(bulla);
    bulla_tracked_push(bulla, bare); /* the number is spent, whatever the provider says next */
    result = bulla_cose_seal(&cose, message->buffer + BULLA_HEADROOM, message->used);
    if (result < 0) {
        bulla->tracked &= (uint16_t)~1u;
        return result;
    }
    memcpy(message->id_context, bulla->id_context, BULLA_ID_CONTEXT_SIZE);
    bulla_message_seal(message, result, bulla->alg, bare ? BULLA_MESSAGE_BARE : BULLA_MESSAGE_SEALED);
    return 0;
}

enum bulla_fate bulla_fate(const struct bulla *bulla, const struct bulla_message *message)
{
    uint8_t piv[BULLA_NUMBER_SIZE];
    uint16_t bit;
    int i;

    if (!is_of_this_context(bulla, message))
        return BULLA_FORGOTTEN;
    bulla_put_le(piv, message->piv, sizeof(piv));
    i = bulla_tracked_find(bulla, piv);
    if (i < 0)
        return BULLA_FORGOTTEN;
    bit = (uint16_t)(1u << i);
    if ((bulla->stored & bit) != 0)
        return BULLA_STORED;
    return (bulla->refused & bit) != 0 ? BULLA_SEAL_AGAIN : BULLA_WAITING;
}

/*
 * The protected header in the bytes of a message that was sealed here: they begin as bulla_cose_header()
 * wrote them. Returns its length, or BULLA_E_STATE if the context is another one, or they are as they cannot
 * have been.
 */
static int find_protected(const struct bulla *bulla, const struct bulla_message *message, uint8_t **header)
{
    uint8_t *at;
    uint8_t len;

    if (!is_of_this_context(bulla, message) || (bulla->flags & BULLA_F_OPEN) == 0)
        return BULLA_E_STATE;
    at = message->data + 2; /* behind the tag and the array's head */
    len = *at++ & 31;
    if (len == 24)
        len = *at++;
    *header = at;
    return len <= BULLA_PROTECTED_MAX ? len : BULLA_E_STATE;
}

/* Puts the kid context in: it comes last of the header, before the head of the ciphertext. */
static void insert_id_context(const struct bulla *bulla, struct bulla_message *message, uint8_t *unprotected)
{
    size_t sealed_len = message->used + bulla_tag_size(bulla->alg);
    size_t head_len = sealed_len < 24 ? 1 : sealed_len <= UINT8_MAX ? 2 : 3;
    uint8_t *at = message->buffer + BULLA_HEADROOM - head_len;

    unprotected[0]++; /* the map's head counts one more */
    memmove(message->data - ID_CONTEXT_FIELD, message->data, (size_t)(at - message->data));
    message->data -= ID_CONTEXT_FIELD;
    message->size += ID_CONTEXT_FIELD;
    at[-ID_CONTEXT_FIELD] = BULLA_HEADER_KID_CONTEXT;
    at[1 - ID_CONTEXT_FIELD] = BULLA_CBOR_BYTES << 5 | BULLA_ID_CONTEXT_SIZE;
    memcpy(at + 2 - ID_CONTEXT_FIELD, bulla->id_context, BULLA_ID_CONTEXT_SIZE);
}

int bulla_resend(struct bulla *bulla, struct bulla_message *message)
{
    uint8_t *header;
    int len = find_protected(bulla, message, &header);

    if (len < 0)
        return len;
    if (message->state == BULLA_MESSAGE_BARE) {
        bulla->flags |= BULLA_F_KEEP; /* it went unanswered without its kid context */
        insert_id_context(bulla, message, header + len);
        message->state = BULLA_MESSAGE_SEALED;
    }
    return 0;
}

/* Opens the device's own message in place. */
static int open_own(const struct bulla *bulla, const struct bulla_message *message, const uint8_t *header,
                    int header_len)
{
    struct bulla_cose cose;
    uint8_t piv[BULLA_NUMBER_SIZE];

    bulla_put_le(piv, message->piv, sizeof(piv));
    surround(bulla, piv, &cose);
    cose.more = header;
    cose.more_len = (uint8_t)header_len;
    return bulla_cose_open(&cose, message->buffer + BULLA_HEADROOM,
                           message->used + bulla_tag_size(bulla->alg));
}

int bulla_seal_again(struct bulla *bulla, struct bulla_message *message)
{
    uint8_t *header;
    enum bulla_fate fate;
    int result;

    if (message->state != BULLA_MESSAGE_OPENED) { /* else sealing failed the last time */
        result = find_protected(bulla, message, &header);
        if (result < 0)
            return result;
        fate = bulla_fate(bulla, message);
        if (fate == BULLA_STORED ||
            fate == BULLA_WAITING) /* PROTOCOL 3: only its own reply tells to seal it again */
            return BULLA_E_STATE;
        result = open_own(bulla, message, header, result);
        if (result < 0)
            return result;
        message->state = BULLA_MESSAGE_OPENED;
        message->size = 0;
    }
    return bulla_seal(bulla, message);
}
