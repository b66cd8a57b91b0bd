/*
 * The last 16 messages of a context: their numbers, and how long ago they were sealed (PROTOCOL 5). A
 * number's low 16 bits are kept, and distances are told from the next number.
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
    if (units > BULLA_AGE_MAX)
        units = BULLA_AGE_MAX;
    for (uint8_t i = 0; i < BULLA_TRACKED; i++) {
        uint8_t room = (uint8_t)(BULLA_AGE_MAX - bulla->age[i]);

        bulla->age[i] += (uint8_t)units < room ? (uint8_t)units : room;
    }
}

int32_t bulla_number_minus(const uint8_t a[BULLA_NUMBER_SIZE], const uint8_t b[BULLA_NUMBER_SIZE])
{
    uint8_t difference[BULLA_NUMBER_SIZE];
    uint8_t high = 0;
    uint8_t borrow = 0;

    for (uint8_t i = 0; i < BULLA_NUMBER_SIZE; i++) {
        uint16_t byte = (uint16_t)(a[i] - b[i] - borrow);

        difference[i] = (uint8_t)byte;
        borrow = byte > UINT8_MAX;
        if (i >= 2)
            high |= (uint8_t)byte;
    }
    if ((high | borrow) != 0)
        return -1;
    return (uint16_t)(difference[0] | difference[1] << 8);
}

static uint16_t low_of(const uint8_t number[BULLA_NUMBER_SIZE])
{
    return (uint16_t)(number[0] | number[1] << 8);
}

uint16_t bulla_tracked_distance(const struct bulla *bulla, uint8_t i)
{
    return (uint16_t)(low_of(bulla->next) - bulla->low[i]);
}

int bulla_tracked_find(const struct bulla *bulla, const uint8_t piv[BULLA_NUMBER_SIZE])
{
    int32_t distance = bulla_number_minus(bulla->next, piv);
    uint16_t tracked = bulla->tracked;

    for (uint8_t i = 0; i < BULLA_TRACKED; i++) {
        if ((tracked & 1) != 0 && bulla_tracked_distance(bulla, i) == distance)
            return i;
        tracked >>= 1;
    }
    return -1;
}

void bulla_context_raise(struct bulla *bulla, const uint8_t next[BULLA_NUMBER_SIZE])
{
    int32_t step = bulla_number_minus(next, bulla->next);
    uint16_t bit = 1;

    if (!bulla_number_above(next, bulla->next))
        return;
    for (uint8_t i = 0; i < BULLA_TRACKED; i++) {
        if (step < 0 || step + bulla_tracked_distance(bulla, i) > UINT16_MAX)
            bulla->tracked &= (uint16_t)~bit;
        bit = (uint16_t)(bit << 1);
    }
    memcpy(bulla->next, next, BULLA_NUMBER_SIZE);
}

void bulla_tracked_push(struct bulla *bulla, int bare)
{
    uint8_t next[BULLA_NUMBER_SIZE];
    uint16_t low = low_of(bulla->next);

    memcpy(next, bulla->next, sizeof(next));
    bulla_number_step(next, 0);
    bulla_context_raise(bulla, next);
    memmove(bulla->low + 1, bulla->low, sizeof(bulla->low) - sizeof(bulla->low[0]));
    memmove(bulla->age + 1, bulla->age, sizeof(bulla->age) - sizeof(bulla->age[0]));
    bulla->low[0] = low;
    bulla->age[0] = 0;
    bulla->tracked = (uint16_t)(bulla->tracked << 1 | 1);
    bulla->stored = (uint16_t)(bulla->stored << 1);
    bulla->refused = (uint16_t)(bulla->refused << 1);
    bulla->bare = (uint16_t)(bulla->bare << 1 | (bare != 0));
    bulla->flags |= BULLA_F_AWAKE;
}
