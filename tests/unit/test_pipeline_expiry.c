/* core/expiry.c: old readings go a few at a time, beside what comes in. */
#include "lab_device.h"

#include <string.h>

#include "gateway/core/expiry.h"

#define DAY INT64_C(86400)

/* ---- when, and how many ---- */

static void plan(struct expiry *expiry, struct cycle *cycle, int64_t keep, int64_t now)
{
    memset(cycle, 0, sizeof(*cycle));
    cycle->now = now / SECOND;
    expiry_plan(expiry, cycle, keep, now);
}

static void steps_keep_their_distance(void **state)
{
    struct expiry expiry = {0};
    struct cycle cycle;
    int64_t now = 100 * DAY * SECOND;

    (void)state;
    plan(&expiry, &cycle, 7 * DAY, now);
    assert_true(cycle.expire_before == 93 * DAY * SECOND);
    assert_int_equal(cycle.expire_most, EXPIRY_STEP);
    cycle.expired = EXPIRY_STEP; /* there is more */
    expiry_note(&expiry, &cycle);
    plan(&expiry, &cycle, 7 * DAY, now + EXPIRY_EVERY - 1);
    assert_true(cycle.expire_before == 0);
    plan(&expiry, &cycle, 7 * DAY, now + EXPIRY_EVERY);
    assert_true(cycle.expire_before != 0);
    cycle.expired = EXPIRY_STEP - 1; /* through */
    now += EXPIRY_EVERY;
    expiry_note(&expiry, &cycle);
    plan(&expiry, &cycle, 7 * DAY, now + EXPIRY_REST - 1);
    assert_true(cycle.expire_before == 0);
    plan(&expiry, &cycle, 7 * DAY, now + EXPIRY_REST);
    assert_true(cycle.expire_before != 0);
    cycle.expired = -1; /* the store did not take it */
    now += EXPIRY_REST;
    expiry_note(&expiry, &cycle);
    plan(&expiry, &cycle, 7 * DAY, now + EXPIRY_WAIT - 1);
    assert_true(cycle.expire_before == 0);
    plan(&expiry, &cycle, 7 * DAY, now + EXPIRY_WAIT);
    assert_true(cycle.expire_before != 0);
}

static void steps_grow_with_what_comes(void **state)
{
    struct expiry expiry = {0};
    struct cycle cycle = {.readings = {.count = 4000}};

    (void)state;
    expiry_note(&expiry, &cycle);
    cycle.failed = true; /* nothing of this one was stored */
    expiry_note(&expiry, &cycle);
    plan(&expiry, &cycle, DAY, 100 * DAY * SECOND);
    assert_int_equal(cycle.expire_most, EXPIRY_STEP + 8000);
    expiry_hurry(&expiry);
    plan(&expiry, &cycle, DAY, 100 * DAY * SECOND + 1);
    assert_int_equal(cycle.expire_most, EXPIRY_STEP);
}

static void a_clock_that_is_wrong_deletes_nothing_it_should_not(void **state)
{
    struct expiry expiry = {0};
    struct cycle cycle;

    (void)state;
    plan(&expiry, &cycle, 7 * DAY, 3 * DAY * SECOND); /* 1970: a board without a clock */
    assert_true(cycle.expire_before == 0);
    plan(&expiry, &cycle, 0, 100 * DAY * SECOND); /* for ever */
    assert_true(cycle.expire_before == 0);
    expiry = (struct expiry){0};
    plan(&expiry, &cycle, 7 * DAY, 200 * DAY * SECOND);
    expiry.pause = EXPIRY_REST;
    plan(&expiry, &cycle, 7 * DAY,
         100 * DAY * SECOND); /* set back: it goes on, and does not wait until then */
    assert_true(cycle.expire_before == 93 * DAY * SECOND);
}

/* Second by second for a while; the time up to which readings are deleted then, in seconds. */
static int64_t run_clock(struct expiry *expiry, int64_t *now, int64_t seconds, int64_t step)
{
    struct cycle cycle;

    for (int64_t passed = 0; passed < seconds; passed += step) {
        *now += step;
        expiry->pause = 0;
        plan(expiry, &cycle, 7 * DAY, *now * SECOND);
    }
    return cycle.expire_before / SECOND;
}

static void a_clock_that_jumps_ahead_is_doubted_for_a_day(void **state)
{
    struct expiry expiry = {0};
    int64_t now = 1000 * DAY;

    (void)state;
    assert_true(run_clock(&expiry, &now, 100, 1) == now - 7 * DAY);
    now += 5000 * DAY;
    assert_true(run_clock(&expiry, &now, 100, 1) == now - 5007 * DAY - 1); /* the step is not believed */
    now -= 5000 * DAY; /* set right: it goes on from there */
    assert_true(run_clock(&expiry, &now, 100, 1) == now - 7 * DAY);

    now += 30 * DAY; /* this time it was right, and had been wrong before */
    assert_true(run_clock(&expiry, &now, DAY - 100, 50) < now - 37 * DAY + 100);
    assert_true(run_clock(&expiry, &now, 200, 50) == now - 7 * DAY);
    for (int i = 0; i < 100; i++) /* one that sleeps at night: it lags by a day or two, not more */
        now += DAY / 2, run_clock(&expiry, &now, DAY / 2, 3600);
    assert_true(run_clock(&expiry, &now, 1, 1) > now - 9 * DAY);
}

/* ---- in the pipeline ---- */

static struct pipeline *pipeline_of(struct lab *lab)
{
    return &lab->gateways[0].pipeline;
}

static int64_t readings(struct lab *lab)
{
    return lab_number(lab, "SELECT count(*) FROM readings");
}

static void old_readings_go_and_windows_stay(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet first;

    lab_add(lab, &device, "kitchen", BULLA_COUNTER);
    lab_tell(&device, 1);
    first = lab_seal(&device, 2);
    assert_fate(lab_deliver(lab, &first), "stored");
    lab_forward(lab, 8 * DAY);
    lab_tell(&device, 3);
    lab_idle(lab);
    assert_int_equal(readings(lab), 3); /* nobody has asked for it */
    pipeline_keep(pipeline_of(lab), 7 * DAY);
    lab_idle(lab);
    assert_int_equal(readings(lab), 1);
    assert_int_equal(lab_stored(lab, 3), 1);
    assert_true(pipeline_of(lab)->counters.expired >= 2);
    assert_fate(lab_deliver(lab, &first), "duplicate"); /* though what it said is gone */
}

static void failing_to_delete_harms_nobody(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_faults *faults = &lab->gateways[0].store.faults[CALL_READINGS_EXPIRE];

    lab_add(lab, &device, "kitchen", BULLA_COUNTER);
    lab_tell(&device, 1);
    lab_forward(lab, 8 * DAY);
    lab_store_fail(&lab->gateways[0].store, CALL_READINGS_EXPIRE, FAULT_BEFORE, 3);
    pipeline_keep(pipeline_of(lab), 7 * DAY);
    lab_idle(lab);
    assert_int_equal(faults->calls, 1);
    lab_tell(&device, 2);
    assert_int_equal(pipeline_of(lab)->failing_since, 0);
    for (int i = 0; i < 4; i++)
        lab_idle(lab);
    assert_true(faults->calls >= 4);
    assert_int_equal(readings(lab), 1);
    assert_int_equal(lab_stored(lab, 2), 1);
}

/* Readings of the last days outlive a clock that is years ahead for an hour. */
static void a_jump_of_the_clock_deletes_nothing(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;

    lab_add(lab, &device, "kitchen", BULLA_COUNTER);
    pipeline_keep(pipeline_of(lab), 7 * DAY);
    lab_tell(&device, 1);
    lab_forward(lab, 1800);
    lab_idle(lab);
    lab_forward(lab, 4000 * DAY);
    for (int i = 0; i < 20; i++) {
        lab_forward(lab, 180);
        lab_idle(lab);
    }
    assert_int_equal(readings(lab), 1);
    for (int i = 0; i < 30; i++) { /* nobody sets it back: it is right */
        lab_forward(lab, 3000);
        lab_idle(lab);
    }
    assert_int_equal(readings(lab), 0);
}

static void a_store_that_fails_is_left_alone(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_COUNTER);
    lab_tell(&device, 1);
    lab_forward(lab, 8 * DAY);
    pipeline_keep(pipeline_of(lab), 7 * DAY);
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_BEFORE, 1);
    packet = lab_seal(&device, 2);
    assert_fate(lab_deliver(lab, &packet), "busy");
    assert_int_equal(lab->gateways[0].store.faults[CALL_READINGS_EXPIRE].calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_keep_their_distance),
        cmocka_unit_test(steps_grow_with_what_comes),
        cmocka_unit_test(a_clock_that_is_wrong_deletes_nothing_it_should_not),
        cmocka_unit_test(a_clock_that_jumps_ahead_is_doubted_for_a_day),
        cmocka_unit_test_setup_teardown(a_jump_of_the_clock_deletes_nothing, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(old_readings_go_and_windows_stay, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(failing_to_delete_harms_nobody, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(a_store_that_fails_is_left_alone, lab_setup, lab_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
