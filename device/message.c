/* What every way of sealing does with a message. */
#include "context.h"

int bulla_message_check(const struct bulla_message *message)
{
    if (message->error != 0)
        return message->error;
    if (message->state == BULLA_MESSAGE_SEALED || message->state == BULLA_MESSAGE_BARE)
        return BULLA_E_STATE;
    if (message->used > BULLA_MESSAGE_MAX - BULLA_HEADROOM - BULLA_TAG_MAX)
        return BULLA_E_SPACE; /* before a number is taken; the header may turn out shorter */
    return 0;
}

void bulla_message_end(struct bulla_message *message, const struct bulla_cose *cose, uint8_t state)
{
    size_t sealed_len = message->used + bulla_tag_size(cose->keys->alg);
    uint8_t *content = message->buffer + BULLA_HEADROOM;
    size_t header_len = bulla_cose_header(cose, content, sealed_len);

    message->data = content - header_len;
    message->size = header_len + sealed_len;
    message->state = state;
}
