/*
 * The last 16 messages of a context: their numbers, and how long ago they were sealed (PROTOCOL 5). A
 * number's low 16 bits are kept, and distances are told from the next number.
 */
#include "context.h"

void bulla_context_tick(struct bulla *bulla)
{
    const struct bulla_port *port = bulla->port;
    uint32_t units;

    if (port->timer == NULL)
        return;
    units = (port->timer(port->context) - bulla->clock) / BULLA_AGE_UNIT;
    bulla->clock += units * BULLA_AGE_UNIT; /* what is left over counts next time */
    if (units > BULLA_AGE_MAX)
        units = BULLA_AGE_MAX;
    for (struct bulla_sent *sent = bulla->sent; sent < bulla->sent + BULLA_TRACKED; sent++) {
        uint8_t room = (uint8_t)(BULLA_AGE_MAX - sent->age);

        sent->age += (uint8_t)units < room ? (uint8_t)units : room;
    }
}

static uint16_t low_of(const uint8_t number[BULLA_NUMBER_SIZE])
{
    return (uint16_t)(number[0] | number[1] << 8);
}

uint16_t bulla_number_minus(const uint8_t a[BULLA_NUMBER_SIZE], const uint8_t b[BULLA_NUMBER_SIZE])
{
    uint16_t low = low_of(a);
    uint8_t borrow = low < low_of(b);
    uint8_t high = 0;

    for (uint8_t i = 2; i < BULLA_NUMBER_SIZE; i++) {
        uint8_t less = (uint8_t)(b[i] + borrow);

        high |= a[i] ^ less; /* where it is 0, what is borrowed goes on only through an overflow */
        borrow = borrow && less == 0;
    }
    return (high | borrow) != 0 ? BULLA_FAR : (uint16_t)(low - low_of(b));
}

uint16_t bulla_sent_distance(const struct bulla *bulla, const struct bulla_sent *sent)
{
    return (uint16_t)(low_of(bulla->next) - sent->low);
}

struct bulla_sent *bulla_sent_find(struct bulla *bulla, const uint8_t piv[BULLA_NUMBER_SIZE])
{
    uint16_t distance = bulla_number_minus(bulla->next, piv);

    for (struct bulla_sent *sent = bulla->sent; sent < bulla->sent + BULLA_TRACKED; sent++) {
        if (sent->marks != 0 && bulla_sent_distance(bulla, sent) == distance)
            return sent;
    }
    return NULL;
}

void bulla_context_raise(struct bulla *bulla, const uint8_t next[BULLA_NUMBER_SIZE])
{
    uint16_t room = (uint16_t)(BULLA_FAR - bulla_number_minus(next, bulla->next));

    if (bulla_number_order(next, bulla->next) <= 0)
        return;
    for (struct bulla_sent *sent = bulla->sent; sent < bulla->sent + BULLA_TRACKED; sent++) {
        if (bulla_sent_distance(bulla, sent) >= room)
            sent->marks = 0;
    }
    bulla_number_copy(bulla->next, next);
}

void bulla_sent_push(struct bulla *bulla, int bare)
{
    struct bulla_sent before;
    uint8_t next[BULLA_NUMBER_SIZE];

    before.low = low_of(bulla->next);
    before.age = 0;
    before.marks = bare ? BULLA_M_TRACKED | BULLA_M_BARE : BULLA_M_TRACKED;
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
