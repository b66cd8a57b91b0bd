/*
 * The last 16 messages of a context: their numbers, and how long ago they were sealed (PROTOCOL 5).
 */
#include "context.h"

#include <string.h>

void bulla_context_tick(struct bulla *bulla)
{
    uint32_t units;

    if (bulla->port->timer == NULL)
        return;
    units = (bulla->port->timer(bulla->port->context) - bulla->clock) / BULLA_AGE_UNIT;
    bulla->clock += units * BULLA_AGE_UNIT; /* what is left over counts next time */
    for (unsigned i = 0; i < BULLA_TRACKED; i++)
        bulla->age[i] = units > (uint32_t)(BULLA_AGE_MAX - bulla->age[i]) ? (uint8_t)BULLA_AGE_MAX
                                                                          : (uint8_t)(bulla->age[i] + units);
}

uint64_t bulla_tracked_piv(const struct bulla *bulla, unsigned i)
{
    uint64_t last = bulla->next - 1;

    return last - (uint16_t)((uint16_t)last - bulla->low[i]);
}

int bulla_tracked_find(const struct bulla *bulla, uint64_t piv)
{
    for (unsigned i = 0; i < BULLA_TRACKED; i++) {
        if ((bulla->tracked >> i & 1) != 0 && bulla_tracked_piv(bulla, i) == piv)
            return (int)i;
    }
    return -1;
}

void bulla_context_raise(struct bulla *bulla, uint64_t next)
{
    if (next <= bulla->next)
        return;
    for (unsigned i = 0; i < BULLA_TRACKED; i++) {
        if ((bulla->tracked >> i & 1) != 0 && next - 1 - bulla_tracked_piv(bulla, i) > UINT16_MAX)
            bulla->tracked &= (uint16_t) ~(1u << i);
    }
    bulla->next = next;
}

void bulla_tracked_push(struct bulla *bulla, uint64_t piv, int bare)
{
    bulla_context_raise(bulla, piv + 1);
    memmove(bulla->low + 1, bulla->low, sizeof(bulla->low) - sizeof(bulla->low[0]));
    memmove(bulla->age + 1, bulla->age, sizeof(bulla->age) - sizeof(bulla->age[0]));
    bulla->low[0] = (uint16_t)piv;
    bulla->age[0] = 0;
    bulla->tracked = (uint16_t)(bulla->tracked << 1 | 1);
    bulla->stored = (uint16_t)(bulla->stored << 1);
    bulla->refused = (uint16_t)(bulla->refused << 1);
    bulla->bare = (uint16_t)(bulla->bare << 1 | (bare != 0));
    bulla->flags |= BULLA_F_AWAKE;
}
