/*
 * A context's numbers and the counter in its board's store (PROTOCOL 2).
 */
#include "context.h"
#include "counter.h"

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
    uint8_t unused[BULLA_NUMBER_SIZE];

    if (bulla_counter_read(&counter, unused) < 0)
        return BULLA_E_NO_COUNTER;
    bulla->next = bulla_get_le(unused, sizeof(unused));
    bulla->limit = bulla->next; /* so the next seal reserves first, and writes both copies */
    return 0;
}

int bulla_counter_reserve(struct bulla *bulla)
{
    struct bulla_counter counter = counter_of(bulla);
    uint8_t next[BULLA_NUMBER_SIZE];
    uint8_t limit[BULLA_NUMBER_SIZE];
    int error;

    if (bulla->next < bulla->limit)
        return 0;
    bulla_put_le(next, bulla->next, sizeof(next));
    error = bulla_counter_take(&counter, next, limit);
    if (error < 0)
        return error;
    bulla_context_raise(bulla, bulla_get_le(next, sizeof(next)));
    bulla->limit = bulla_get_le(limit, sizeof(limit));
    return 0;
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
