/* What every way of sealing does with a message. */
#include "cbor.h"
#include "context.h"
#include "push.h"

int bulla_message_check(const struct bulla_message *message)
{
    if (message->error != 0)
        return message->error;
    if (message->state == BULLA_MESSAGE_SEALED || message->state == BULLA_MESSAGE_BARE)
        return BULLA_E_STATE;
    return 0;
}

void bulla_message_end(struct bulla_message *message, const struct bulla_cose *cose)
{
    uint8_t *end = message->at + bulla_tag_size(cose->keys->alg);
    uint8_t *content = message->content;

    message->data = content - bulla_cose_header(cose, content, (size_t)(end - content));
    message->size = (size_t)(end - message->data);
    message->state = BULLA_MESSAGE_SEALED;
}

int bulla_message_seal(struct bulla_message *message, const struct bulla_cose *cose)
{
    int error;

    if (message->state <= BULLA_MESSAGE_TIMED)
        message->content = bulla_push_head(message->content, BULLA_CBOR_ARRAY << 5, message->records);
    error = bulla_cose_seal(cose, message->content, (size_t)(message->at - message->content));
    message->error = (int8_t)error; /* what a provider that failed has left of the content is anything */
    if (error != 0)
        return error;
    bulla_message_end(message, cose);
    return 0;
}
