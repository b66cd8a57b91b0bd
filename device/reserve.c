/*
 * A context's numbers and the counter in its board's store (PROTOCOL 2).
 */
#include "counter.h"

#include <string.h>

#include "context.h"

static struct bulla_counter counter_of(const struct bulla *bulla)
{
    struct bulla_counter counter;

    counter.port = bulla->port;
    counter.kid = bulla->kid;
    counter.kid_len = bulla->kid_len;
    return counter;
}

int bulla_counter_load(struct bulla *bulla)
{
    struct bulla_counter counter = counter_of(bulla);

    if (bulla_counter_read(&counter, bulla->next) < 0)
        return BULLA_E_NO_COUNTER;
    memcpy(bulla->limit, bulla->next,
           sizeof(bulla->limit)); /* so the next seal reserves first, both copies */
    return 0;
}

int bulla_counter_reserve(struct bulla *bulla)
{
    struct bulla_counter counter = counter_of(bulla);
    uint8_t next[BULLA_NUMBER_SIZE];
    int error;

    if (bulla_number_above(bulla->limit, bulla->next))
        return 0;
    memcpy(next, bulla->next, sizeof(next));
    error = bulla_counter_take(&counter, next, bulla->limit);
    if (error == 0)
        bulla_context_raise(bulla, next);
    return error;
}

int bulla_provision_counter(const struct bulla_credential *credential, const struct bulla_port *port)
{
    struct bulla_counter counter;

    if (credential->kind != BULLA_COUNTER)
        return BULLA_E_ARGUMENT;
    counter.port = port;
    counter.kid = credential->kid;
    counter.kid_len = credential->kid_len;
    return bulla_counter_make(&counter);
}
