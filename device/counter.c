/*
 * The counter of a counter context: kept over reboots by reserving ahead (PROTOCOL 2, RFC 8613 B.1.1). The
 * store holds two copies of one number: every Partial IV below it may have been used.
 */
#include "context.h"

#include <string.h>

#define RESERVE      65536u /* numbers that one write reserves */
#define VERSION      0xb1
#define LIMIT_OFFSET 4
#define CRC_OFFSET   (BULLA_COUNTER_SIZE - 4)

/* version, 3 zero bytes, the number in 8 bytes, CRC-32 in 4. */
static void encode(uint8_t record[BULLA_COUNTER_SIZE], const uint8_t *kid, size_t kid_len, uint64_t limit)
{
    memset(record, 0, BULLA_COUNTER_SIZE);
    record[0] = VERSION;
    bulla_put_le(record + LIMIT_OFFSET, limit, 8);
    bulla_put_le(record + CRC_OFFSET, bulla_record_crc(kid, kid_len, record, CRC_OFFSET), 4);
}

/* Reads one copy. 1 if it is good. */
static int load_copy(const struct bulla_port *port, enum bulla_slot slot, const uint8_t *kid, size_t kid_len,
                     uint64_t *limit)
{
    uint8_t record[BULLA_COUNTER_SIZE] = {0};

    if (port->load(port->context, slot, record, sizeof(record)) != 0 || record[0] != VERSION)
        return 0;
    if (bulla_get_le(record + CRC_OFFSET, 4) != bulla_record_crc(kid, kid_len, record, CRC_OFFSET))
        return 0;
    *limit = bulla_get_le(record + LIMIT_OFFSET, 8);
    return *limit <= BULLA_PIV_MAX + 1;
}

/* Writes one copy and reads it back. */
static int store_copy(const struct bulla_port *port, enum bulla_slot slot, const uint8_t *kid, size_t kid_len,
                      uint64_t limit)
{
    uint8_t record[BULLA_COUNTER_SIZE];
    uint64_t read_back;

    encode(record, kid, kid_len, limit);
    if (port->store(port->context, slot, record, sizeof(record)) != 0)
        return BULLA_E_STORE;
    if (!load_copy(port, slot, kid, kid_len, &read_back) || read_back != limit)
        return BULLA_E_STORE;
    return 0;
}

/*
 * One copy after the other, the worse one first: a cut leaves at least one of them whole, also if the cut
 * before has torn one.
 */
static int store_both(const struct bulla_port *port, enum bulla_slot worse, const uint8_t *kid,
                      size_t kid_len, uint64_t limit)
{
    enum bulla_slot other = worse == BULLA_SLOT_COUNTER_A ? BULLA_SLOT_COUNTER_B : BULLA_SLOT_COUNTER_A;
    int error = store_copy(port, worse, kid, kid_len, limit);

    return error < 0 ? error : store_copy(port, other, kid, kid_len, limit);
}

/* The first number that nobody can have used, as the store says now, and the copy that is bad or lower. */
static int load_both(const struct bulla *bulla, uint64_t *unused, enum bulla_slot *worse)
{
    uint64_t a = 0;
    uint64_t b = 0;
    int good_a = load_copy(bulla->port, BULLA_SLOT_COUNTER_A, bulla->kid, bulla->kid_len, &a);
    int good_b = load_copy(bulla->port, BULLA_SLOT_COUNTER_B, bulla->kid, bulla->kid_len, &b);

    if (!good_a && !good_b)
        return BULLA_E_NO_COUNTER;
    if (good_a && good_b)
        *unused = a > b ? a : b;
    else /* the bad one may have been written last, and reserved once more */
        *unused = (good_a ? a : b) + RESERVE;
    *worse = good_a && (!good_b || b < a) ? BULLA_SLOT_COUNTER_B : BULLA_SLOT_COUNTER_A;
    return 0;
}

int bulla_counter_load(struct bulla *bulla)
{
    enum bulla_slot worse;
    int error = load_both(bulla, &bulla->next, &worse);

    bulla->limit = bulla->next; /* so the next seal reserves first, and writes both copies */
    return error;
}

int bulla_counter_reserve(struct bulla *bulla)
{
    enum bulla_slot worse;
    uint64_t begin;
    uint64_t limit;
    int error;

    if (bulla->next < bulla->limit)
        return 0;
    /* Another context may have reserved since, or this one, in a write that failed: what the store holds
     * counts. A store that lost its counter gets no new one here. */
    if (load_both(bulla, &begin, &worse) < 0)
        return BULLA_E_STORE;
    if (begin < bulla->next)
        begin = bulla->next;
    if (begin > BULLA_PIV_MAX)
        return BULLA_E_EXHAUSTED;
    limit = BULLA_PIV_MAX + 1 - begin > RESERVE ? begin + RESERVE : BULLA_PIV_MAX + 1;
    error = store_both(bulla->port, worse, bulla->kid, bulla->kid_len, limit);
    if (error < 0)
        return error;
    bulla_context_raise(bulla, begin);
    bulla->limit = limit;
    return 0;
}

int bulla_provision_counter(const struct bulla_credential *credential, const struct bulla_port *port)
{
    uint64_t unused;

    if (credential->kind != BULLA_COUNTER || credential->kid_len < 1 || credential->kid_len > BULLA_KID_MAX)
        return BULLA_E_ARGUMENT;
    if (port->load == NULL || port->store == NULL)
        return BULLA_E_UNSAFE;
    if (load_copy(port, BULLA_SLOT_COUNTER_A, credential->kid, credential->kid_len, &unused) ||
        load_copy(port, BULLA_SLOT_COUNTER_B, credential->kid, credential->kid_len, &unused))
        return BULLA_E_PROVISIONED;
    return store_both(port, BULLA_SLOT_COUNTER_A, credential->kid, credential->kid_len, 0);
}
