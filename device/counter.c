/*
 * The counter of a counter context: kept over reboots by reserving ahead (PROTOCOL 2, RFC 8613 B.1.1). The
 * store holds two copies of one number: every Partial IV below it may have been used.
 */
#include "counter.h"

#include <string.h>

#include "context.h"
#include "crypto.h"

#define RESERVE_BYTE 2 /* one write reserves 65,536 numbers: 1 in this byte of a number */
#define VERSION      0xb1
#define LIMIT_OFFSET 4
#define CRC_OFFSET   (BULLA_COUNTER_SIZE - 4)

/* The highest byte that differs decides. It returns there: of a loop that goes on to the end and keeps the
 * last difference GCC 12 makes, at -O2 and above, one that says 0 where a is lower, and then a number is
 * given twice.
 */
BULLA_APART int8_t bulla_number_order(const uint8_t a[BULLA_NUMBER_SIZE], const uint8_t b[BULLA_NUMBER_SIZE])
{
    for (uint8_t i = BULLA_NUMBER_SIZE; i-- > 0;) {
        if (a[i] != b[i])
            return a[i] > b[i] ? 1 : -1;
    }
    return 0;
}

BULLA_APART void bulla_number_copy(uint8_t to[BULLA_NUMBER_SIZE], const uint8_t from[BULLA_NUMBER_SIZE])
{
    memcpy(to, from, BULLA_NUMBER_SIZE);
}

void bulla_number_step(uint8_t number[BULLA_NUMBER_SIZE], uint8_t from)
{
    while (from < BULLA_NUMBER_SIZE && ++number[from] == 0)
        from++;
}

/* Past the last Partial IV, 2^40 - 1? */
static int is_past(const uint8_t number[BULLA_NUMBER_SIZE])
{
    return number[BULLA_PIV_SIZE] != 0;
}

/* A copy: version, 3 zero bytes, the number in 8, CRC-32 in 4. */
BULLA_APART static void make_copy(const struct bulla_derived *keys, const uint8_t limit[BULLA_NUMBER_SIZE],
                                  uint8_t copy[BULLA_COUNTER_SIZE])
{
    memset(copy, 0, BULLA_COUNTER_SIZE);
    copy[0] = VERSION;
    bulla_number_copy(copy + LIMIT_OFFSET, limit);
    bulla_put_crc(copy + CRC_OFFSET, keys->kid, keys->kid_len, copy, CRC_OFFSET);
}

/* Reads one copy. 1 if it is good: what its number makes one of, and that at most 2^40. */
static uint8_t load_copy(const struct bulla_port *port, const struct bulla_derived *keys, uint8_t slot,
                         uint8_t limit[BULLA_NUMBER_SIZE])
{
    static const uint8_t most[BULLA_NUMBER_SIZE] = {0, 0, 0, 0, 0, 1};
    uint8_t loaded[BULLA_COUNTER_SIZE];
    uint8_t good[BULLA_COUNTER_SIZE];

    memset(loaded, 0, sizeof(loaded));
    if (port->load(port->context, (enum bulla_slot)slot, loaded, sizeof(loaded)) != 0)
        return 0;
    bulla_number_copy(limit, loaded + LIMIT_OFFSET);
    make_copy(keys, limit, good);
    for (uint8_t i = 0; i < sizeof(good); i++) {
        if (loaded[i] != good[i])
            return 0;
    }
    return bulla_number_order(limit, most) <= 0;
}

/*
 * Writes one copy after the other and reads it back, the worse one first: a cut leaves at least one of them
 * whole, also if the cut before has torn one.
 */
static int store_both(const struct bulla_port *port, const struct bulla_derived *keys, uint8_t slot,
                      const uint8_t limit[BULLA_NUMBER_SIZE])
{
    uint8_t copy[BULLA_COUNTER_SIZE];

    make_copy(keys, limit, copy);
    for (uint8_t copies = 2; copies > 0; copies--) {
        uint8_t again[BULLA_NUMBER_SIZE];
        if (port->store(port->context, (enum bulla_slot)slot, copy, sizeof(copy)) != 0 ||
            !load_copy(port, keys, slot, again) || bulla_number_order(again, limit) != 0)
            return BULLA_E_STORE;
        slot ^= BULLA_SLOT_COUNTER_A ^ BULLA_SLOT_COUNTER_B;
    }
    return 0;
}

int bulla_counter_read(const struct bulla_port *port, const struct bulla_derived *keys,
                       uint8_t unused[BULLA_NUMBER_SIZE])
{
    uint8_t other[BULLA_NUMBER_SIZE];
    uint8_t good_a = load_copy(port, keys, BULLA_SLOT_COUNTER_A, unused);
    uint8_t good_b = load_copy(port, keys, BULLA_SLOT_COUNTER_B, other);
    uint8_t worse = BULLA_SLOT_COUNTER_A;

    if (!good_a && !good_b)
        return BULLA_E_NO_COUNTER;
    if (!good_b || (good_a && bulla_number_order(unused, other) > 0))
        worse = BULLA_SLOT_COUNTER_B;
    else
        bulla_number_copy(unused, other);
    if (!good_a || !good_b) /* the bad one may have been written last, and reserved once more */
        bulla_number_step(unused, RESERVE_BYTE);
    return worse;
}

int bulla_counter_take(const struct bulla_port *port, const struct bulla_derived *keys,
                       uint8_t next[BULLA_NUMBER_SIZE], uint8_t limit[BULLA_NUMBER_SIZE])
{
    uint8_t end[BULLA_NUMBER_SIZE];
    int worse;
    int error;

    /* Another context may have reserved since, or this one, in a write that failed: what the store holds
     * counts. A store that lost its counter gets no new one here. */
    worse = bulla_counter_read(port, keys, end);
    if (worse < 0)
        return BULLA_E_STORE;
    if (bulla_number_order(end, next) > 0)
        bulla_number_copy(next, end);
    if (is_past(next))
        return BULLA_E_EXHAUSTED;
    bulla_number_copy(end, next);
    bulla_number_step(end, RESERVE_BYTE);
    if (is_past(end))
        memset(end, 0, BULLA_PIV_SIZE); /* 2^40: the last of all is reserved */
    error = store_both(port, keys, (uint8_t)worse, end);
    if (error == 0)
        bulla_number_copy(limit, end);
    return error;
}

int bulla_counter_make(const struct bulla_port *port, const struct bulla_derived *keys)
{
    uint8_t number[BULLA_NUMBER_SIZE];

    if (keys->kid_len < 1 || keys->kid_len > BULLA_KID_MAX)
        return BULLA_E_ARGUMENT;
    if (port->load == NULL || port->store == NULL)
        return BULLA_E_UNSAFE;
    if (bulla_counter_read(port, keys, number) >= 0)
        return BULLA_E_PROVISIONED;
    memset(number, 0, sizeof(number));
    return store_both(port, keys, BULLA_SLOT_COUNTER_A, number);
}
