/*
 * A context's numbers and the counter in its board's store (PROTOCOL 2).
 */
#include "counter.h"

#include <string.h>

#include "context.h"

int bulla_counter_load(struct bulla *bulla)
{
    if (bulla_counter_read(bulla->port, &bulla->own, bulla->next) < 0)
        return BULLA_E_NO_COUNTER;
    bulla_number_copy(bulla->limit, bulla->next); /* so the next seal reserves first, both copies */
    return 0;
}

int bulla_counter_reserve(struct bulla *bulla)
{
    uint8_t next[BULLA_NUMBER_SIZE];
    int error;

    if (bulla_number_above(bulla->limit, bulla->next))
        return 0;
    bulla_number_copy(next, bulla->next);
    error = bulla_counter_take(bulla->port, &bulla->own, next, bulla->limit);
    if (error == 0)
        bulla_context_raise(bulla, next);
    return error;
}

int bulla_provision_counter(const struct bulla_credential *credential, const struct bulla_port *port)
{
    struct bulla_derived keys;

    if (credential->kind != BULLA_COUNTER)
        return BULLA_E_ARGUMENT;
    memcpy(keys.kid, credential->kid, BULLA_KID_MAX);
    keys.kid_len = credential->kid_len;
    return bulla_counter_make(port, &keys);
}
