/*
 * The last 16 messages of a context: how far behind the next number theirs are, and how long ago they were
 * sealed (PROTOCOL 5).
 */
#include "context.h"

void bulla_context_tick(struct bulla *bulla)
{
    const struct bulla_port *port = bulla->port;
    uint32_t elapsed;
    uint8_t units;

    if (port->timer == NULL)
        return;
    elapsed = port->timer(port->context) - bulla->clock;
    units = elapsed <= UINT16_MAX ? (uint8_t)(elapsed / BULLA_AGE_UNIT) : BULLA_AGE_MAX;
    bulla->clock += elapsed - elapsed % BULLA_AGE_UNIT; /* what is left over counts next time */
    for (uint8_t i = 0; i < BULLA_TRACKED; i++) {
        uint8_t *age = &bulla->sent[i].age;

        *age += units;
        if (*age < units)
            *age = BULLA_AGE_MAX;
    }
}

uint16_t bulla_number_minus(const uint8_t a[BULLA_NUMBER_SIZE], const uint8_t b[BULLA_NUMBER_SIZE])
{
    uint8_t difference[BULLA_NUMBER_SIZE];
    uint8_t borrow = 0;
    uint8_t high = 0; /* what is beyond 16 bits */

    for (uint8_t i = 0; i < BULLA_NUMBER_SIZE; i++) {
        uint16_t less = (uint16_t)(b[i] + borrow);

        borrow = a[i] < less;
        difference[i] = (uint8_t)(a[i] - less);
        if (i >= 2)
            high |= difference[i];
    }
    if ((high | borrow) != 0)
        return BULLA_FAR;
    return (uint16_t)(difference[0] | difference[1] << 8);
}

struct bulla_sent *bulla_sent_find(struct bulla *bulla, const uint8_t piv[BULLA_NUMBER_SIZE])
{
    uint16_t behind = bulla_number_minus(bulla->next, piv);

    for (struct bulla_sent *sent = bulla->sent; sent < bulla->sent + BULLA_TRACKED; sent++) {
        if (sent->marks != 0 && sent->behind == behind)
            return sent;
    }
    return NULL;
}

void bulla_context_raise(struct bulla *bulla, const uint8_t next[BULLA_NUMBER_SIZE])
{
    uint16_t by = bulla_number_minus(next, bulla->next);

    if (bulla_number_order(next, bulla->next) <= 0)
        return;
    for (struct bulla_sent *sent = bulla->sent; sent < bulla->sent + BULLA_TRACKED; sent++) {
        uint16_t room = (uint16_t)(BULLA_FAR - sent->behind);

        if (room <= by)
            sent->marks = 0;
        sent->behind = (uint16_t)(sent->behind + by);
    }
    bulla_number_copy(bulla->next, next);
}

void bulla_sent_push(struct bulla *bulla, uint8_t marks)
{
    struct bulla_sent before = {0, 0, marks};
    uint8_t next[BULLA_NUMBER_SIZE];

    for (uint8_t i = 0; i < BULLA_TRACKED; i++) {
        struct bulla_sent was = bulla->sent[i];
        bulla->sent[i] = before;
        before = was;
    }
    bulla_number_copy(next, bulla->next);
    bulla_number_step(next, 0);
    bulla_context_raise(bulla, next);
    bulla->flags |= BULLA_F_AWAKE;
}
