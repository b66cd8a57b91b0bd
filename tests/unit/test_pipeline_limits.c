/*
 * Everything that grows has a bound: what waits, what is asked, what is remembered, what is written down.
 */
#include "lab_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message of a device that does not exist. */
static struct lab_packet stranger(uint32_t number)
{
    static const uint8_t form[] = {0xd0, 0x83, 0x46, 0xa2, 0x01, 0x0a, 0x03, 0x18, 0x70, 0xa2,
                                   0x04, 0x44, 0xff, 0,    0,    0,    0x06, 0x41, 0x00, 0x48,
                                   1,    2,    3,    4,    5,    6,    7,    8};
    struct lab_packet packet = {.len = sizeof(form)};

    memcpy(packet.bytes, form, sizeof(form));
    for (unsigned i = 0; i < 3; i++)
        packet.bytes[13 + i] = (uint8_t)(number >> (8 * i));
    return packet;
}

/* ---- the queue ---- */

static void a_full_queue_is_busy(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packets[6];
    struct lab_letter *letters[6];

    lab->queue = 4;
    lab_restart(lab);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packets[0] = lab_seal(&device, 100);
    lab_deliver(lab, &packets[0]);
    for (size_t i = 0; i < COUNT(packets); i++) {
        packets[i] = lab_seal(&device, (int64_t)i);
        letters[i] = lab_send(lab, &packets[i]);
    }
    assert_fate(letters[4], "busy");
    assert_fate(letters[5], "busy");
    assert_int_equal(letters[4]->reply_len, 0);
    assert_fate(lab_send(lab, &(struct lab_packet){.len = 1}), "malformed"); /* needs no place */
    lab_run(lab);
    for (size_t i = 0; i < 4; i++)
        assert_fate(letters[i], "stored");
    assert_fate(lab_deliver(lab, &packets[4]), "stored");
    assert_fate(lab_deliver(lab, &packets[5]), "stored");
    assert_int_equal(lab->gateways[0].pipeline.waiting, 0);
}

/* Until the registry is open nothing is taken, nor asked of the store; then it goes on. */
static void a_closed_pipeline_is_busy(void **state)
{
    struct lab *lab = *state;
    struct pipeline *pipeline = &lab->gateways[0].pipeline;
    struct failure why = {.text = "no server answers"};
    struct lab_device device;
    struct lab_packet packet;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_seal(&device, 1);
    pipeline->open = false;
    pipeline_note_closed(pipeline, &why);
    lab->now += 7 * SECOND;
    pipeline_note_closed(pipeline, &why);
    assert_int_equal(pipeline->failing_since, lab->now / SECOND - 7);
    assert_string_equal(pipeline->failure.text, "no server answers");
    assert_fate(lab_send(lab, &packet), "busy");
    assert_fate(lab_send_older(lab, 0, &(struct lab_older){.route = "x", .bytes = "x", .len = 1}), "busy");
    assert_fate(lab_send(lab, &(struct lab_packet){.len = 1}), "malformed");
    assert_null(pipeline_take(pipeline, true));
    assert_int_equal(pipeline->waiting, 0);
    pipeline_open(pipeline, lab->challenge_key, lab->gateways[0].id, NULL);
    assert_int_equal(pipeline->failing_since, 0);
    assert_fate(lab_deliver(lab, &packet), "stored");
}

/* A disk that is full takes a probe's few bytes: where batches fail, that is no recovery. */
static void a_probe_counts_later(void **state)
{
    struct lab *lab = *state;
    struct pipeline *pipeline = &lab->gateways[0].pipeline;
    struct lab_device device;
    struct lab_packet packet;
    int64_t since;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_seal(&device, 1);
    lab_deliver(lab, &packet);
    packet = lab_seal(&device, 2);
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_BEFORE, 2);
    assert_fate(lab_deliver(lab, &packet), "busy");
    since = pipeline->failing_since;
    lab_idle(lab); /* a second passes */
    lab_idle(lab);
    assert_fate(lab_deliver(lab, &packet), "busy");
    for (int i = 0; i < 4; i++) {
        lab_idle(lab);
        assert_int_equal(pipeline->failing_since, since);
    }
    lab_idle(lab);
    assert_int_equal(pipeline->failing_since, 0);
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_BEFORE, 1);
    assert_fate(lab_deliver(lab, &packet), "busy");
    assert_fate(lab_deliver(lab, &packet), "stored"); /* a batch counts at once */
    assert_int_equal(pipeline->failing_since, 0);
}

/* What waits in any way counts: lookups, batches under way, copies. */
static void every_way_of_waiting_counts(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    struct lab_packet unknown = stranger(1);

    lab->queue = 6;
    lab_restart(lab);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_seal(&device, 0);
    lab_deliver(lab, &packet);
    packet = lab_seal(&device, 1);
    lab_send(lab, &packet);
    lab_begin(lab);
    packet = lab_seal(&device, 2);
    assert_fate(lab_send(lab, &unknown), "waiting");
    assert_fate(lab_send(lab, &unknown), "waiting");
    for (unsigned i = 0; i < 3; i++)
        assert_fate(lab_send(lab, &packet), "waiting"); /* gathered, and two copies of it */
    assert_fate(lab_send(lab, &packet), "busy");
    lab_end(lab);
    assert_fate(lab_send(lab, &packet), "waiting");
    lab_run(lab);
}

static void draining_takes_nothing_and_finishes_all(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct pipeline *pipeline = &lab->gateways[0].pipeline;
    struct lab_packet packets[3];
    struct lab_letter *letters[3];

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    for (size_t i = 0; i < COUNT(packets); i++)
        packets[i] = lab_seal(&device, (int64_t)i);
    letters[0] = lab_send(lab, &packets[0]); /* its lookup is not even made */
    letters[1] = lab_send(lab, &packets[0]);
    pipeline->draining = true;
    letters[2] = lab_send(lab, &packets[1]);
    assert_fate(letters[2], "busy");
    lab_run(lab);
    assert_fate(letters[0], "stored");
    assert_fate(letters[1], "duplicate");
    assert_int_equal(pipeline->waiting, 0);
    assert_int_equal(pipeline->journal.count, 0); /* written before it ends */
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events"), 1);
}

/* ---- lookups ---- */

static void lookups_beyond_a_cycles_room_wait(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    struct lab_letter *letters[3 * CYCLE_LOOKUPS];
    struct lab_letter *honest;
    unsigned cycles = 0;

    lab->queue = 4096;
    lab_restart(lab);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_seal(&device, 1);
    for (uint32_t i = 0; i < COUNT(letters); i++) {
        struct lab_packet unknown = stranger(i);
        letters[i] = lab_send(lab, &unknown);
        assert_true(lab->gateways[0].pipeline.gathered->lookup_count <= CYCLE_LOOKUPS);
    }
    honest = lab_send(lab, &packet);
    while (lab_cycle_of(lab, 0))
        cycles++;
    for (size_t i = 0; i < COUNT(letters); i++)
        assert_fate(letters[i], "unknown");
    assert_fate(honest, "stored");
    assert_in_range(cycles, 4, 6);
    assert_int_equal(lab->gateways[0].pipeline.counters.outcomes[OUTCOME_BUSY], 0);
}

/* However long a message waits for its turn: it has not been tried in vain. */
static void a_turn_that_is_long_in_coming(void **state)
{
    struct lab *lab = *state;
    const uint64_t *outcomes = lab->gateways[0].pipeline.counters.outcomes;
    size_t count = 40 * CYCLE_LOOKUPS;

    lab->queue = 2 * count;
    lab_restart(lab);
    for (uint32_t i = 0; i < count; i++) {
        struct lab_packet unknown = stranger(i);
        lab_send(lab, &unknown);
    }
    lab_run(lab);
    assert_int_equal(outcomes[OUTCOME_UNKNOWN], count);
    assert_int_equal(outcomes[OUTCOME_BUSY], 0);
}

/* Strangers fill half of the queue, and leave the other half to messages that authenticate. */
static void strangers_leave_half_of_the_queue(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    struct lab_letter *last = NULL;

    lab->queue = 100;
    lab_restart(lab);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_seal(&device, 1);
    assert_fate(lab_deliver(lab, &packet), "stored");
    for (uint32_t i = 0; i < 200; i++) {
        struct lab_packet unknown = stranger(i);
        last = lab_send(lab, &unknown);
    }
    assert_fate(last, "busy");
    packet = lab_seal(&device, 2);
    packet.bytes[packet.len - 1] ^= 1;
    assert_fate(lab_send(lab, &packet), "forged"); /* at once: it would only take more room */
    packet.bytes[packet.len - 1] ^= 1;
    assert_fate(lab_deliver(lab, &packet), "stored");
}

/* However short the queue is: a device that is not in memory is a stranger until it was looked up. */
static void the_shortest_queue_takes_one(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    lab->queue = 1;
    lab_restart(lab);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_seal(&device, 1);
    assert_fate(lab_deliver(lab, &packet), "stored");
}

/* A row whose secret does not open: no lookup is repeated for it, and nobody can fill the log with it. */
static void a_damaged_row_is_told_once(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    lab_sql(lab, "UPDATE devices SET secret = zeroblob(60)");
    packet = lab_seal(&device, 1);
    for (unsigned i = 0; i < 20; i++) {
        struct lab_letter *letter = lab_send(lab, &packet);
        assert_true(lab_begin(lab));
        lab_end(lab);
        assert_fate(letter, "busy");
    }
}

/* ---- what is remembered ---- */

static void strangers_leave_nothing_in_memory(void **state)
{
    struct lab *lab = *state;

    lab->queue = 4096;
    lab_restart(lab);
    for (uint32_t i = 0; i < 2000; i++) {
        struct lab_packet unknown = stranger(i);
        lab_send(lab, &unknown);
    }
    lab_run(lab);
    assert_int_equal(lab->gateways[0].pipeline.devices.count, 0);
}

#define MANY 100

static void no_more_devices_are_kept_than_allowed(void **state)
{
    struct lab *lab = *state;
    struct lab_device *devices = calloc(MANY, sizeof(*devices));
    const struct devices *kept = &lab->gateways[0].pipeline.devices;
    char name[16];

    assert_non_null(devices);
    lab->devices = 8;
    lab_restart(lab);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "d%zu", i);
        lab_add(lab, &devices[i], name, i % 2 == 0 ? BULLA_SESSION : BULLA_COUNTER);
    }
    for (int64_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < MANY; i++) {
            lab_tell(&devices[i], round * MANY + (int64_t)i);
            assert_true(kept->count <= 8);
        }
    }
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 3 * MANY);
    free(devices);
}

/* All in one batch they cannot go; afterwards newcomers push them out. */
static void devices_in_a_batch_stay(void **state)
{
    struct lab *lab = *state;
    struct lab_device *devices = calloc(MANY, sizeof(*devices));
    struct lab_letter *letters[MANY];
    const struct devices *kept = &lab->gateways[0].pipeline.devices;
    char name[16];

    assert_non_null(devices);
    lab->devices = 8;
    lab_restart(lab);
    for (size_t i = 0; i < MANY; i++) {
        struct lab_packet packet;
        snprintf(name, sizeof(name), "d%zu", i);
        lab_add(lab, &devices[i], name, BULLA_COUNTER);
        packet = lab_seal(&devices[i], (int64_t)i);
        letters[i] = lab_send(lab, &packet);
    }
    lab_begin(lab);
    lab_end(lab);
    assert_int_equal(kept->count, MANY);
    lab_run(lab);
    for (size_t i = 0; i < MANY; i++)
        assert_fate(letters[i], "stored");
    for (size_t i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "e%zu", i);
        lab_add(lab, &devices[i], name, BULLA_SESSION);
        lab_tell(&devices[i], 1000 + (int64_t)i);
    }
    assert_true(kept->count <= 8);
    free(devices);
}

/* Sessions of one device, each proven: no more than a few are kept, and all of them work. */
static void many_sessions_of_one_device(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packets[20];
    unsigned contexts = 0;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    for (size_t i = 0; i < COUNT(packets); i++) {
        lab_boot(&device);
        lab_tell(&device, (int64_t)i);
        lab_keep_kid_context(&device);
        packets[i] = lab_seal(&device, 100 + (int64_t)i);
    }
    for (size_t i = 0; i < COUNT(packets); i++)
        assert_fate(lab_deliver(lab, &packets[i]), "stored");
    for (size_t i = 0; i < COUNT(packets); i++)
        assert_fate(lab_deliver(lab, &packets[i]), "duplicate");
    for (const struct context *context = lab->gateways[0].pipeline.devices.newest->contexts; context != NULL;
         context = context->next)
        contexts++;
    assert_true(contexts <= SESSIONS_MAX);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM contexts"), COUNT(packets));
}

/* The newest session is pushed out of memory by others: a message that does not name it is stored all the
 * same. */
static void the_newest_session_pushed_out(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet old[SESSIONS_MAX + 1];
    struct lab_packet bare;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    for (size_t i = 0; i < COUNT(old); i++) {
        lab_boot(&device);
        lab_tell(&device, (int64_t)i);
        lab_keep_kid_context(&device);
        old[i] = lab_seal(&device, 100);
    }
    lab_boot(&device);
    lab_tell(&device, 50);
    for (size_t i = 0; i < COUNT(old); i++)
        assert_fate(lab_deliver(lab, &old[i]), "stored");
    bare = lab_seal(&device, 51);
    assert_fate(lab_deliver(lab, &bare), "stored");
}

/* ---- the journal ---- */

static void a_flood_of_refusals_is_counted_not_written(void **state)
{
    struct lab *lab = *state;
    struct pipeline *pipeline = &lab->gateways[0].pipeline;
    struct lab_device device;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    for (uint32_t i = 0; i < 1000; i++) {
        struct lab_packet unknown = stranger(i);
        lab_deliver(lab, &unknown);
        lab_deliver(lab, &(struct lab_packet){.len = 1});
    }
    lab_tell(&device, 1);
    assert_int_equal(pipeline->counters.outcomes[OUTCOME_UNKNOWN], 1000);
    assert_int_equal(pipeline->counters.events_withheld, 2 * 990);
    assert_int_equal(lab_events(lab, "unknown"), JOURNAL_PER_SECOND);
    assert_int_equal(lab_events(lab, "malformed"), JOURNAL_PER_SECOND);
    lab_send(lab, &(struct lab_packet){.len = 1});
    lab_idle(lab);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events WHERE kind = 'malformed'"
                                     " AND detail LIKE '990 more since the last one;%%'"),
                     1);
}

/* Each device has its own ten a second of each kind. */
static void replays_of_one_do_not_hide_those_of_another(void **state)
{
    struct lab *lab = *state;
    struct lab_device one;
    struct lab_device other;
    struct lab_packet packets[2];

    lab_add(lab, &one, "kitchen", BULLA_COUNTER);
    lab_add(lab, &other, "shed", BULLA_COUNTER);
    packets[0] = lab_seal(&one, 1);
    packets[1] = lab_seal(&other, 2);
    lab_deliver(lab, &packets[0]);
    lab_deliver(lab, &packets[1]);
    for (unsigned i = 0; i < 100; i++)
        lab_deliver(lab, &packets[0]);
    lab_deliver(lab, &packets[1]);
    lab_idle(lab);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events WHERE device_name = 'kitchen'"), 10);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events WHERE device_name = 'shed'"), 1);
}

/* Replays of many devices, more than the journal gathers: a forged message is written all the same. */
static void replays_of_many_do_not_hide_what_is_forged(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet forged;
    char name[16];

    for (unsigned i = 0; i < 40; i++) {
        struct lab_packet packet;
        snprintf(name, sizeof(name), "d%u", i);
        lab_add(lab, &device, name, BULLA_COUNTER);
        packet = lab_seal(&device, 1);
        for (unsigned copy = 0; copy < 11; copy++)
            lab_deliver(lab, &packet);
    }
    forged = lab_seal(&device, 2);
    forged.bytes[forged.len - 1] ^= 1;
    lab_deliver(lab, &forged);
    assert_true(lab->gateways[0].pipeline.journal.count <= JOURNAL_GATHERED);
    assert_int_equal(lab_events(lab, "forged"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_queue_is_busy),
        TEST(a_closed_pipeline_is_busy),
        TEST(a_probe_counts_later),
        TEST(every_way_of_waiting_counts),
        TEST(draining_takes_nothing_and_finishes_all),
        TEST(lookups_beyond_a_cycles_room_wait),
        TEST(a_turn_that_is_long_in_coming),
        TEST(strangers_leave_half_of_the_queue),
        TEST(the_shortest_queue_takes_one),
        TEST(a_damaged_row_is_told_once),
        TEST(strangers_leave_nothing_in_memory),
        TEST(no_more_devices_are_kept_than_allowed),
        TEST(devices_in_a_batch_stay),
        TEST(many_sessions_of_one_device),
        TEST(the_newest_session_pushed_out),
        TEST(a_flood_of_refusals_is_counted_not_written),
        TEST(replays_of_one_do_not_hide_those_of_another),
        TEST(replays_of_many_do_not_hide_what_is_forged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
