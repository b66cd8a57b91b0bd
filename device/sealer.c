/*
 * Sealing with derived keys: a counter context (PROTOCOL 2) without what replies and sessions need. The one
 * other place, beside seal.c, where a device takes a sequence number.
 */
#include <string.h>

#include "context.h"
#include "counter.h"

int bulla_provision_derived(const struct bulla_derived *derived, const struct bulla_port *port)
{
    return bulla_counter_make(port, derived);
}

int bulla_open_derived(struct bulla_sealer *sealer, const struct bulla_derived *derived,
                       const struct bulla_port *port)
{
    int error;

    memset(sealer, 0, sizeof(*sealer));
    if (derived->kid_len < 1 || derived->kid_len > BULLA_KID_MAX || bulla_key_size(derived->alg) == 0)
        return BULLA_E_ARGUMENT;
    if (port->load == NULL || port->store == NULL)
        return BULLA_E_UNSAFE;
    error = bulla_counter_read(port, derived, sealer->next);
    if (error < 0)
        return error;
    bulla_number_copy(sealer->limit, sealer->next); /* so the next seal reserves first */
    sealer->port = port;
    sealer->derived = derived;
    return 0;
}

/* Takes the next number for the message. It is spent, whatever happens then. */
static int take_number(struct bulla_sealer *sealer, struct bulla_message *message)
{
    if (bulla_number_order(sealer->limit, sealer->next) <= 0) {
        int error = bulla_counter_take(sealer->port, sealer->derived, sealer->next, sealer->limit);
        if (error < 0)
            return error;
    }
    bulla_message_number(message, sealer->next);
    bulla_number_step(sealer->next, 0);
    return 0;
}

int bulla_seal_derived(struct bulla_sealer *sealer, struct bulla_message *message)
{
    const struct bulla_derived *derived = sealer->derived;
    struct bulla_cose cose;
    uint8_t number[BULLA_NUMBER_SIZE];
    uint8_t room[BULLA_PROTECTED_SENT];
    int result = bulla_message_check(message);

    if (result == 0)
        result = derived == NULL ? BULLA_E_STATE : take_number(sealer, message);
    if (result < 0)
        return result;
    cose.crypto = sealer->port->crypto;
    cose.keys = derived;
    cose.id_context = NULL;
    cose.piv = bulla_message_piv(message, number);
    bulla_cose_protect(&cose, room, message->format, NULL);
    return bulla_message_seal(message, &cose);
}
