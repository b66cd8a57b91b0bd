/*
 * Devices and gateways that mean well, in a world that does not: messages and replies are lost, copied,
 * delayed, changed and replayed, both sides lose power, the store fails, the clock jumps. Whatever happens:
 *
 * - what is stored was sealed, by that device under that number, and each number is stored at most once;
 * - what a device was told is stored, is;
 * - where no challenge goes out of date and no device forgets one, no reading is stored under two numbers;
 * - once the faults end every device gets all its readings through;
 * - no key meets a nonce twice (the recorder sees to that).
 *
 * BULLA_SEED=N runs the world of that seed only, exactly as before; BULLA_SEEDS=N runs so many of them.
 */
#include "lab_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS    250
#define DEVICES  5  /* at most */
#define SLOTS    6  /* messages that a device has on the way */
#define GOAL     12 /* readings that each device brings home */
#define STEPS    600
#define TRANSIT  64 /* messages or replies that are on the way */
#define RECORDED 128
#define ATTEMPTS 4096
#define PIVS     16 /* numbers that one reading is sealed under, at most */
#define ROUNDS   200

/* A reading as it was sealed; its index is its value. */
struct attempt {
    unsigned device;
    unsigned pivs;
    uint64_t piv[PIVS];
    bool told; /* the device was told that it is stored, */
    uint64_t told_piv;
};

/* A message that a device wants to bring home. */
struct slot {
    bool used;
    struct bulla_message message;
    uint8_t buffer[LAB_PACKET];
    size_t attempt;
};

struct mote {
    struct lab_device device;
    struct slot slots[SLOTS];
    unsigned told; /* readings that are known to be stored */
};

/* Bytes on the way, to a gateway or to a device. */
struct item {
    unsigned device;
    size_t len;
    uint8_t bytes[LAB_PACKET];
};

struct bag {
    struct item items[TRANSIT];
    size_t count;
};

struct pending {
    struct lab_letter *letter;
    unsigned device;
    unsigned gateway;
};

struct world {
    struct lab lab;
    uint64_t seed;
    unsigned devices;
    unsigned gateways;
    bool calm; /* time does not jump, and devices keep their power */
    bool clock_may_go_back;
    bool restores;
    struct mote motes[DEVICES];
    struct bag up;
    struct bag down;
    struct item recorded_up[RECORDED];
    struct item recorded_down[RECORDED];
    size_t recorded_ups;
    size_t recorded_downs;
    struct pending pending[TRANSIT * 4];
    size_t pendings;
    struct attempt attempts[ATTEMPTS];
    size_t attempt_count;
};

static uint64_t below(struct world *world, uint64_t limit)
{
    return test_below(&world->seed, limit);
}

/* One time in so many. */
static bool once_in(struct world *world, uint64_t times)
{
    return below(world, times) == 0;
}

/* ---- what is on the way ---- */

static void put(struct world *world, struct bag *bag, const struct item *item)
{
    size_t at = bag->count < TRANSIT ? bag->count++ : below(world, TRANSIT); /* a full one loses one */

    bag->items[at] = *item;
}

/* Takes any of them; a copy may stay. */
static bool take(struct world *world, struct bag *bag, struct item *item)
{
    size_t at;

    if (bag->count == 0)
        return false;
    at = below(world, bag->count);
    *item = bag->items[at];
    if (!once_in(world, 8))
        bag->items[at] = bag->items[--bag->count];
    return true;
}

static void record(struct world *world, struct item *recorded, size_t *count, const struct item *item)
{
    size_t at = *count < RECORDED ? (*count)++ : below(world, RECORDED);

    recorded[at] = *item;
}

static struct item item_of(unsigned device, const uint8_t *bytes, size_t len)
{
    struct item item = {.device = device, .len = len};

    assert_true(len <= sizeof(item.bytes));
    memcpy(item.bytes, bytes, len);
    return item;
}

/* ---- devices ---- */

static void send_up(struct world *world, unsigned device, const struct bulla_message *message)
{
    struct item item = item_of(device, message->data, message->size);

    record(world, world->recorded_up, &world->recorded_ups, &item);
    put(world, &world->up, &item);
}

/* Notes under which number the slot's reading is sealed now. Once it had too many it is given up. */
static void note_sealed(struct world *world, struct slot *slot)
{
    struct attempt *attempt = &world->attempts[slot->attempt];

    attempt->piv[attempt->pivs++] = slot->message.piv;
}

static void tick(struct world *world, struct mote *mote)
{
    mote->device.board.now = (uint32_t)(world->lab.now / 1000);
}

static void begin_reading(struct world *world, unsigned device, struct slot *slot)
{
    struct mote *mote = &world->motes[device];

    assert_true(world->attempt_count < ATTEMPTS);
    slot->used = true;
    slot->attempt = world->attempt_count++;
    world->attempts[slot->attempt] = (struct attempt){.device = device};
    tick(world, mote);
    bulla_begin(&slot->message, slot->buffer, sizeof(slot->buffer));
    bulla_add_integer(&slot->message, "n", NULL, (int64_t)slot->attempt);
    assert_int_equal(bulla_seal(&mote->device.bulla, &slot->message), 0);
    note_sealed(world, slot);
    send_up(world, device, &slot->message);
}

static void seal_again(struct world *world, unsigned device, struct slot *slot)
{
    if (world->attempts[slot->attempt].pivs == PIVS) {
        slot->used = false;
        return;
    }
    assert_int_equal(bulla_seal_again(&world->motes[device].device.bulla, &slot->message), 0);
    note_sealed(world, slot);
    send_up(world, device, &slot->message);
}

static void note_told(struct world *world, struct mote *mote, struct slot *slot)
{
    struct attempt *attempt = &world->attempts[slot->attempt];

    attempt->told = true;
    attempt->told_piv = slot->message.piv;
    mote->told++;
    slot->used = false;
}

/* The application looks after one of its messages. */
static void look_after(struct world *world, unsigned device, struct slot *slot)
{
    struct mote *mote = &world->motes[device];

    if (!slot->used) {
        if (mote->told < GOAL)
            begin_reading(world, device, slot);
        return;
    }
    tick(world, mote);
    switch (bulla_fate(&mote->device.bulla, &slot->message)) {
    case BULLA_STORED:
        note_told(world, mote, slot);
        break;
    case BULLA_SEAL_AGAIN:
        seal_again(world, device, slot);
        break;
    case BULLA_WAITING:
        assert_int_equal(bulla_resend(&mote->device.bulla, &slot->message), 0);
        send_up(world, device, &slot->message);
        break;
    case BULLA_FORGOTTEN:
        slot->used = false;
        break;
    }
}

/* The board restarts, or sleeps and wakes: what was on the way is forgotten. */
static void reboot(struct world *world, struct mote *mote)
{
    struct lab_device *device = &mote->device;

    for (size_t i = 0; i < SLOTS; i++)
        mote->slots[i].used = false;
    tick(world, mote);
    if (device->credential.kind == BULLA_SESSION && once_in(world, 2)) {
        if (once_in(world, 2))
            assert_int_equal(bulla_sleep(&device->bulla), 0);
        assert_true(bulla_wake(&device->bulla, &device->credential, &device->board.port) >= 0);
        return;
    }
    lab_boot(device);
}

static void open_reply(struct world *world, const struct item *item)
{
    struct mote *mote = &world->motes[item->device];
    struct item copy = *item;
    int error;

    tick(world, mote);
    error = bulla_open_reply(&mote->device.bulla, copy.bytes, copy.len, NULL);
    assert_true(error == 0 || error == BULLA_E_NOT_OURS || error == BULLA_E_FORGED ||
                error == BULLA_E_MALFORMED);
}

/* ---- gateways ---- */

static void deliver(struct world *world, const struct item *item, unsigned gateway)
{
    struct lab_packet packet = {.len = item->len};
    struct pending *pending;

    if (!world->lab.gateways[gateway].up || world->pendings == COUNT(world->pending))
        return;
    memcpy(packet.bytes, item->bytes, item->len);
    pending = &world->pending[world->pendings++];
    pending->device = item->device;
    pending->gateway = gateway;
    pending->letter = lab_send_to(&world->lab, gateway, &packet);
}

/* Answers set out for the devices; what a dead gateway had is forgotten. */
static void collect(struct world *world)
{
    size_t kept = 0;

    for (size_t i = 0; i < world->pendings; i++) {
        struct pending *pending = &world->pending[i];
        if (pending->letter->answers == 0) {
            if (world->lab.gateways[pending->gateway].up)
                world->pending[kept++] = *pending;
            continue;
        }
        if (pending->letter->reply_len > 0) {
            struct item item = item_of(pending->device, pending->letter->reply, pending->letter->reply_len);
            record(world, world->recorded_down, &world->recorded_downs, &item);
            put(world, &world->down, &item);
        }
    }
    world->pendings = kept;
}

static void kill_gateway(struct world *world, unsigned gateway)
{
    lab_kill(&world->lab, gateway);
    collect(world);
    world->lab.queue = once_in(world, 3) ? 4 : 256;
    world->lab.devices = once_in(world, 3) ? 1 : 64;
}

static void step_gateway(struct world *world, unsigned number)
{
    struct lab_gateway *gateway = &world->lab.gateways[number];

    if (!gateway->up) {
        if (once_in(world, 4))
            lab_start(&world->lab, number);
        return;
    }
    if (once_in(world, 60))
        kill_gateway(world, number);
    else if (gateway->pipeline.running != NULL)
        lab_end_of(&world->lab, number);
    else
        lab_begin_of(&world->lab, number, once_in(world, 4));
}

static void break_store(struct world *world, struct lab_gateway *gateway)
{
    static const enum lab_call calls[] = {
        CALL_COMMIT,        CALL_COMMIT,       CALL_COMMIT,         CALL_COMMIT,
        CALL_DEVICE_BY_KID, CALL_CONTEXT_FIND, CALL_CONTEXT_NEWEST, CALL_CONTEXTS_CLOSE,
        CALL_GENERATION,    CALL_EVENTS_ADD,   CALL_GATEWAY_ID_ADD,
    };

    if (gateway->up)
        lab_store_fail(&gateway->store, calls[below(world, COUNT(calls))],
                       once_in(world, 2) ? FAULT_AFTER : FAULT_BEFORE, 1 + (unsigned)below(world, 3));
}

static void spend_numbers(struct lab_gateway *gateway)
{
    struct answerer *answerer = &gateway->pipeline.answerer;

    if (gateway->up)
        answerer->limit = answerer->next + 2;
}

/* As after `bulla restored`: every context is unproven, K is another one, gateways start anew. */
static void declare_restored(struct world *world)
{
    for (unsigned i = 0; i < world->gateways; i++) {
        if (world->lab.gateways[i].up)
            kill_gateway(world, i);
    }
    lab_sql(&world->lab, "UPDATE contexts SET proven = 0");
    test_fill(&world->seed, world->lab.challenge_key, sizeof(world->lab.challenge_key));
}

static void bump_generation(struct world *world)
{
    lab_sql(&world->lab, "UPDATE meta SET value = value + 1 WHERE name = 'generation'");
}

/* ---- the world ---- */

static void move_clock(struct world *world)
{
    static const int64_t jumps[] = {1, 1, 1, 1, 1, 5, 5, 20, 60, 256, 600, 4000};
    int64_t jump = jumps[below(world, world->calm ? 5 : COUNT(jumps))];

    if (world->clock_may_go_back && once_in(world, 6))
        jump = -jump;
    world->lab.now += jump * SECOND + (int64_t)below(world, 1000000);
}

static void flip_bit(struct world *world, struct item *item)
{
    size_t bit = below(world, item->len * 8);

    item->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void move_message(struct world *world)
{
    struct item item;

    if (!take(world, &world->up, &item) || once_in(world, 6))
        return;
    if (once_in(world, 20))
        flip_bit(world, &item);
    deliver(world, &item, (unsigned)below(world, world->gateways));
}

static void move_reply(struct world *world)
{
    struct item item;

    if (!take(world, &world->down, &item) || once_in(world, 6))
        return;
    if (once_in(world, 20))
        flip_bit(world, &item);
    open_reply(world, &item);
}

static void replay_recorded(struct world *world)
{
    if (world->recorded_ups > 0)
        deliver(world, &world->recorded_up[below(world, world->recorded_ups)],
                (unsigned)below(world, world->gateways));
    if (world->recorded_downs > 0)
        open_reply(world, &world->recorded_down[below(world, world->recorded_downs)]);
}

static void rare_event(struct world *world)
{
    struct lab_gateway *gateway = &world->lab.gateways[below(world, world->gateways)];

    switch (below(world, 6)) {
    case 0:
        if (!world->calm)
            reboot(world, &world->motes[below(world, world->devices)]);
        break;
    case 1:
        spend_numbers(gateway);
        break;
    case 2:
        if (world->restores && once_in(world, 3))
            declare_restored(world);
        break;
    case 3:
        bump_generation(world);
        break;
    default:
        break_store(world, gateway);
        break;
    }
}

static void step(struct world *world)
{
    unsigned device = (unsigned)below(world, world->devices);

    switch (below(world, 16)) {
    case 0:
    case 1:
    case 2:
        look_after(world, device, &world->motes[device].slots[below(world, SLOTS)]);
        break;
    case 3:
    case 4:
    case 5:
        move_message(world);
        break;
    case 6:
    case 7:
        move_reply(world);
        break;
    case 8:
        replay_recorded(world);
        break;
    case 9:
        move_clock(world);
        break;
    case 10:
        rare_event(world);
        break;
    default:
        step_gateway(world, (unsigned)below(world, world->gateways));
        break;
    }
    collect(world);
}

/* ---- the faults end ---- */

static void heal(struct world *world)
{
    for (unsigned i = 0; i < world->gateways; i++) {
        struct lab_gateway *gateway = &world->lab.gateways[i];
        if (!gateway->up)
            lab_start(&world->lab, i);
        memset(gateway->store.faults, 0, sizeof(gateway->store.faults));
        if (gateway->pipeline.running != NULL)
            lab_end_of(&world->lab, i);
    }
    lab_run(&world->lab);
    lab_idle(&world->lab);
    collect(world);
}

static bool all_home(const struct world *world)
{
    for (unsigned i = 0; i < world->devices; i++) {
        if (world->motes[i].told < GOAL)
            return false;
    }
    return true;
}

/* Everything arrives now, in some order, and every device looks after its messages. */
static void quiet_round(struct world *world)
{
    struct item item;

    lab_forward(&world->lab, 1);
    for (unsigned device = 0; device < world->devices; device++) {
        for (size_t i = 0; i < SLOTS; i++)
            look_after(world, device, &world->motes[device].slots[i]);
    }
    while (world->up.count > 0 && take(world, &world->up, &item)) {
        deliver(world, &item, (unsigned)below(world, world->gateways));
        lab_run(&world->lab);
        collect(world);
        while (take(world, &world->down, &item))
            open_reply(world, &item);
    }
}

/* ---- what must hold ---- */

static void check_row(const struct world *world, int64_t device, int64_t value, uint64_t piv)
{
    const struct attempt *attempt;
    unsigned i = 0;

    assert_in_range(value, 0, world->attempt_count - 1);
    attempt = &world->attempts[value];
    assert_int_equal(world->motes[attempt->device].device.id, device);
    while (i < attempt->pivs && attempt->piv[i] != piv)
        i++;
    assert_true(i < attempt->pivs);
}

static void check_stored(struct world *world)
{
    sqlite3_stmt *rows;

    assert_int_equal(sqlite3_prepare_v2(world->lab.view,
                                        "SELECT s.device, r.value, r.piv, count(*) FROM readings r"
                                        " JOIN series s ON s.id = r.series GROUP BY 1, 2, 3",
                                        -1, &rows, NULL),
                     SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        check_row(world, sqlite3_column_int64(rows, 0), sqlite3_column_int64(rows, 1),
                  (uint64_t)sqlite3_column_int64(rows, 2));
        assert_int_equal(sqlite3_column_int64(rows, 3), 1);
    }
    sqlite3_finalize(rows);
    if (world->calm && !world->restores && world->gateways == 1)
        assert_int_equal(lab_number(&world->lab, "SELECT count(*) - count(DISTINCT value) FROM readings"), 0);
}

static void check_told(struct world *world)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *attempt = &world->attempts[i];
        if (attempt->told)
            assert_int_equal(lab_number(&world->lab,
                                        "SELECT count(*) FROM readings WHERE value = %zu AND piv = %llu", i,
                                        (unsigned long long)attempt->told_piv),
                             1);
    }
}

/* ---- a world from its seed ---- */

static void open_world(struct world *world, uint64_t seed)
{
    static const enum bulla_alg algs[] = {BULLA_AES_CCM_16_64_128, BULLA_AES_CCM_16_128_128,
                                          BULLA_CHACHA20_POLY1305};
    char name[16];

    memset(world, 0, sizeof(*world));
    world->seed = seed;
    lab_open(&world->lab, seed);
    world->calm = once_in(world, 3);
    world->clock_may_go_back = once_in(world, 3);
    world->restores = once_in(world, 3);
    world->devices = 1 + (unsigned)below(world, DEVICES);
    for (unsigned i = 0; i < world->devices; i++) {
        snprintf(name, sizeof(name), "d%u", i);
        lab_add_as(&world->lab, &world->motes[i].device, name,
                   once_in(world, 3) ? BULLA_COUNTER : BULLA_SESSION, algs[below(world, COUNT(algs))],
                   once_in(world, 2));
    }
    world->gateways = once_in(world, 2) ? 1 : 2;
}

static void live(struct world *world)
{
    for (unsigned i = 0; i < STEPS; i++)
        step(world);
    heal(world);
    for (unsigned i = 0; i < ROUNDS && !all_home(world); i++)
        quiet_round(world);
    assert_true(all_home(world));
    check_stored(world);
    check_told(world);
}

static uint64_t running; /* 1 + the seed of the world that lives; 0: none */

static void worlds(void **state)
{
    const char *one = getenv("BULLA_SEED");
    const char *many = getenv("BULLA_SEEDS");
    uint64_t first = one != NULL ? strtoull(one, NULL, 0) : 1;
    uint64_t count = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 0) : SEEDS;
    struct world *world = *state;

    for (uint64_t seed = first; seed < first + count; seed++) {
        running = seed + 1;
        open_world(world, seed);
        live(world);
        lab_close(&world->lab);
        running = 0;
    }
}

static int setup(void **state)
{
    *state = malloc(sizeof(struct world));
    return *state == NULL;
}

static int teardown(void **state)
{
    if (running != 0)
        print_error("it was the world of BULLA_SEED=%llu\n", (unsigned long long)running - 1);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(worlds, setup, teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
