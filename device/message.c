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

void bulla_message_seal(struct bulla_message *message, int header_len, uint8_t alg,
                        enum bulla_message_state state)
{
    message->data = message->buffer + BULLA_HEADROOM - header_len;
    message->size = (size_t)header_len + message->used + bulla_tag_size(alg);
    message->state = (uint8_t)state;
}
