/*
 * Sealing with derived keys: a counter context (PROTOCOL 2) without what replies and sessions need. The one
 * other place, beside seal.c, where a device takes a sequence number.
 */
#include <string.h>

#include "context.h"
#include "counter.h"
#include "cose.h"

static struct bulla_counter counter_of(const struct bulla_derived *derived, const struct bulla_port *port)
{
    struct bulla_counter counter;

    counter.port = port;
    counter.kid = derived->kid;
    counter.kid_len = derived->kid_len;
    return counter;
}

int bulla_provision_derived(const struct bulla_derived *derived, const struct bulla_port *port)
{
    struct bulla_counter counter = counter_of(derived, port);

    return bulla_counter_make(&counter);
}

int bulla_open_derived(struct bulla_sealer *sealer, const struct bulla_derived *derived,
                       const struct bulla_port *port)
{
    struct bulla_counter counter = counter_of(derived, port);
    int error;

    memset(sealer, 0, sizeof(*sealer));
    if (derived->kid_len < 1 || derived->kid_len > BULLA_KID_MAX || bulla_key_size(derived->alg) == 0)
        return BULLA_E_ARGUMENT;
    if (port->load == NULL || port->store == NULL)
        return BULLA_E_UNSAFE;
    error = bulla_counter_read(&counter, sealer->next);
    if (error < 0)
        return error;
    memcpy(sealer->limit, sealer->next, sizeof(sealer->limit)); /* so the next seal reserves first */
    sealer->port = port;
    sealer->derived = derived;
    return 0;
}

/* Takes the next number into `piv`. It is spent, whatever happens then. */
static int take_number(struct bulla_sealer *sealer, uint8_t piv[BULLA_PIV_SIZE])
{
    struct bulla_counter counter = counter_of(sealer->derived, sealer->port);

    if (!bulla_number_above(sealer->limit, sealer->next)) {
        int error = bulla_counter_take(&counter, sealer->next, sealer->limit);
        if (error < 0)
            return error;
    }
    memcpy(piv, sealer->next, BULLA_PIV_SIZE);
    bulla_number_step(sealer->next, 0);
    return 0;
}

int bulla_seal_derived(struct bulla_sealer *sealer, struct bulla_message *message)
{
    const struct bulla_derived *derived = sealer->derived;
    struct bulla_cose cose;
    uint8_t piv[BULLA_PIV_SIZE];
    int result = bulla_message_check(message);

    if (result == 0)
        result = derived == NULL ? BULLA_E_STATE : take_number(sealer, piv);
    if (result < 0)
        return result;
    message->piv = bulla_get_le(piv, sizeof(piv));
    cose.crypto = sealer->port->crypto;
    cose.key = derived->key;
    cose.common_iv = derived->common_iv;
    cose.id = derived->kid;
    cose.id_len = derived->kid_len;
    cose.id_context = NULL;
    cose.alg = derived->alg;
    cose.piv = piv;
    cose.content_format = message->format;
    cose.entries = 2;
    cose.more = NULL;
    cose.more_len = 0;
    result = bulla_cose_seal(&cose, message->buffer + BULLA_HEADROOM, message->used);
    if (result < 0)
        return result;
    bulla_message_seal(message, result, derived->alg, BULLA_MESSAGE_SEALED);
    return 0;
}
