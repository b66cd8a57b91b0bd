/*
 * The last 16 messages of a context: how far behind the next number theirs are, and how long ago they were
 * sealed (PROTOCOL 5).
 */
#include "context.h"
#include "push.h"

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

uint16_t bulla_number_gap(const uint8_t a[BULLA_NUMBER_SIZE], const uint8_t b[BULLA_NUMBER_SIZE])
{
    uint16_t low = 0;
    uint8_t high = 0;           /* what is beyond 16 bits */
    int16_t left = BULLA_AHEAD; /* what is borrowed stays below zero */

    for (uint8_t i = 0; i < BULLA_NUMBER_SIZE; i++) {
        left = (int16_t)(left + *a++ - *b++);
        if (i < 2)
            low = (uint16_t)((uint8_t)left << 8 | low >> 8);
        else
            high |= (uint8_t)left;
        left >>= 8;
    }
    return (high | left) != 0 ? UINT16_MAX : low;
}

uint8_t bulla_number_raise(uint8_t number[BULLA_NUMBER_SIZE], const uint8_t above[BULLA_NUMBER_SIZE],
                           uint8_t plus)
{
    if (bulla_number_order(above, number) + plus <= 0)
        return 0;
    bulla_number_copy(number, above);
    if (plus != 0)
        bulla_number_step(number, 0);
    return 1;
}

struct bulla_sent *bulla_sent_find(struct bulla *bulla, const uint8_t piv[BULLA_NUMBER_SIZE])
{
    uint16_t behind = (uint16_t)(bulla_number_gap(bulla->next, piv) - BULLA_AHEAD);

    for (struct bulla_sent *sent = bulla->sent; sent < bulla->sent + BULLA_TRACKED; sent++) {
        if (sent->marks != 0 && sent->behind == behind)
            return sent;
    }
    return NULL;
}

void bulla_context_raise(struct bulla *bulla, const uint8_t number[BULLA_NUMBER_SIZE], uint8_t plus)
{
    uint16_t by = bulla_number_gap(number, bulla->next);

    if (!bulla_number_raise(bulla->next, number, plus))
        return;
    by = (uint16_t)(by - BULLA_AHEAD + plus);
    for (struct bulla_sent *sent = bulla->sent; sent < bulla->sent + BULLA_TRACKED; sent++) {
        uint16_t room = (uint16_t)(BULLA_FAR - sent->behind);

        if (room <= by)
            sent->marks = 0;
        sent->behind = (uint16_t)(sent->behind + by);
    }
}

void bulla_sent_push(struct bulla *bulla, uint8_t marks)
{
    const struct bulla_sent taken = {0, 0, marks};

    bulla_push((uint8_t *)(bulla->sent + BULLA_TRACKED), (const uint8_t *)bulla->sent,
               sizeof(bulla->sent) - sizeof(bulla->sent[0]));
    bulla->sent[0] = taken;
    bulla_context_raise(bulla, bulla->next, 1);
    bulla->flags |= BULLA_F_AWAKE;
}
