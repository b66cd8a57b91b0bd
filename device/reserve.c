/*
 * A counter context: its numbers and the counter in its board's store (PROTOCOL 2).
 */
#include "counter.h"

#include <string.h>

#include "context.h"

static int reserve(struct bulla *bulla)
{
    uint8_t next[BULLA_NUMBER_SIZE];
    int error;

    if (bulla_number_order(bulla->limit, bulla->next) > 0)
        return 0;
    bulla_number_copy(next, bulla->next);
    error = bulla_counter_take(bulla->port, &bulla->own, next, bulla->limit);
    if (error == 0)
        bulla_context_raise(bulla, next, 0);
    return error;
}

static int open_counter(struct bulla *bulla, const struct bulla_port *port)
{
    if (port->load == NULL || port->store == NULL)
        return BULLA_E_UNSAFE;
    if (bulla_counter_read(port, &bulla->own, bulla->next) < 0)
        return BULLA_E_NO_COUNTER;
    bulla_number_copy(bulla->limit, bulla->next); /* so the next seal reserves first, both copies */
    bulla->flags = BULLA_F_COUNTER;
    bulla->ready = reserve;
    return bulla_context_derive(bulla);
}

int bulla_open(struct bulla *bulla, const struct bulla_credential *credential, const struct bulla_port *port)
{
    int error;

    if (credential->kind != BULLA_COUNTER)
        return bulla_open_session(bulla, credential, port);
    error = bulla_context_prepare(bulla, credential, port);
    if (error == 0)
        error = open_counter(bulla, port);
    if (error < 0)
        bulla_close(bulla);
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
