#include "port_suite.h"

#include <stdlib.h>
#include <string.h>

#include "power.h"
#include "provider.h"
#include "support.h"

#define RESERVE 65536u

static const struct port_model *model;

static struct bulla_credential credential_of(uint8_t kind)
{
    struct bulla_credential credential = {.kid = {1, 2, 3}, .kid_len = 3, .alg = 10, .kind = kind};

    memset(credential.secret, 0x42, sizeof(credential.secret));
    return credential;
}

static struct bulla_port *boot(void)
{
    struct bulla_port *port = model->boot();

    port->crypto = provider_state();
    return port;
}

static int seal(struct bulla *device, struct bulla_message *message)
{
    static uint8_t buffer[128];

    bulla_begin(message, buffer, sizeof(buffer));
    bulla_add_integer(message, "t", NULL, 1);
    return bulla_seal(device, message);
}

/* ---- counters ---- */

static void test_new_chip_holds_no_counter(void **state)
{
    struct bulla_credential credential = credential_of(BULLA_COUNTER);
    struct bulla device;

    (void)state;
    model->make_new();
    assert_int_equal(bulla_open(&device, &credential, boot()), BULLA_E_NO_COUNTER);
    assert_int_equal(bulla_open(&device, &credential, boot()), BULLA_E_NO_COUNTER);
    assert_int_equal(bulla_provision_counter(&credential, boot()), 0);
    assert_int_equal(bulla_provision_counter(&credential, boot()), BULLA_E_PROVISIONED);
    assert_int_equal(bulla_open(&device, &credential, boot()), 0);
}

/* A board over its life: what it sealed, and what its store may hold. */
struct life {
    struct bulla_credential credential;
    uint64_t above; /* every number below was used */
    unsigned boots;
    unsigned refused;
    unsigned cuts;
};

/* One power-on: opens, seals a few. Numbers are noted at once: what was sealed before the cut counts. */
static void day(void *context)
{
    struct life *life = context;
    struct bulla device;
    struct bulla_message message;
    unsigned messages = (unsigned)test_below(&power_seed, 4);

    life->boots++;
    if (bulla_open(&device, &life->credential, boot()) < 0) {
        life->refused++;
        return;
    }
    for (unsigned i = 0; i < messages; i++) {
        if (seal(&device, &message) < 0) {
            life->refused++;
            return;
        }
        assert_true(message.piv >= life->above);
        life->above = message.piv + 1;
    }
}

/* Power for part of a day in which something is sealed, or for a little longer. */
static void short_day(struct life *life, unsigned steps)
{
    life->cuts +=
        (unsigned)power_while(1 + (unsigned)test_below(&power_seed, steps + steps / 4 + 1), day, life);
}

/* The steps of a common day in which something is sealed. */
static unsigned steps_of_a_day(struct life *life)
{
    unsigned least = 0;

    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(power_while(0, day, life), 0);
        if (power_steps() > 0 && (least == 0 || power_steps() < least))
            least = power_steps();
    }
    assert_true(least >= 2);
    return least;
}

static void life_begin(struct life *life)
{
    memset(life, 0, sizeof(*life));
    life->credential = credential_of(BULLA_COUNTER);
    model->make_new();
    assert_int_equal(bulla_provision_counter(&life->credential, boot()), 0);
}

static void test_counter_over_boots(void **state)
{
    struct life life;

    (void)state;
    life_begin(&life);
    for (unsigned i = 0; i < 1000; i++)
        day(&life);
    assert_int_equal(life.refused, 0);
    assert_true(life.above > 500u * RESERVE && life.above <= 1000u * RESERVE);
}

/* The power goes at every step that there is, again and again; it never refuses, because one copy is always
 * whole. */
static void test_counter_over_cuts(void **state)
{
    struct life life;
    unsigned steps;

    (void)state;
    life_begin(&life);
    steps = steps_of_a_day(&life);
    for (unsigned i = 0; i < 6000; i++)
        short_day(&life, steps);
    print_message("%u cuts of %u boots, days of %u steps\n", life.cuts, life.boots, steps);
    assert_true(life.cuts > 1000);
    assert_int_equal(life.refused, 0);
}

/*
 * Also bits change, in one copy between two successful boots. It may refuse only where the cut has the other
 * copy.
 */
static void test_counter_over_cuts_and_rot(void **state)
{
    struct life life;
    unsigned lives = 0;
    unsigned steps;

    (void)state;
    life_begin(&life);
    steps = steps_of_a_day(&life);
    for (unsigned i = 0; i < 6000; i++) {
        unsigned refused = life.refused;

        if (test_below(&power_seed, 5) == 0)
            model->rot(test_below(&power_seed, 2) == 0 ? BULLA_SLOT_COUNTER_A : BULLA_SLOT_COUNTER_B);
        short_day(&life, steps);
        if (life.refused == refused)
            continue;
        life_begin(&life); /* both were bad: the board gets a new credential */
        lives++;
    }
    assert_true(lives < 1500);
}

static void test_one_copy_rots(void **state)
{
    struct life life;

    (void)state;
    life_begin(&life);
    for (unsigned i = 0; i < 500; i++) {
        struct bulla device;
        struct bulla_message message;

        model->rot(i % 2 == 0 ? BULLA_SLOT_COUNTER_A : BULLA_SLOT_COUNTER_B);
        assert_int_equal(bulla_open(&device, &life.credential, boot()), 0);
        assert_int_equal(seal(&device, &message), 0);
        assert_true(message.piv >= life.above && message.piv - life.above <= 2 * RESERVE);
        life.above = message.piv + 1;
    }
}

/* ---- sessions ---- */

static void test_session_sleeps_and_is_good_once(void **state)
{
    struct bulla_credential credential = credential_of(BULLA_SESSION);
    struct bulla device;
    struct bulla_message message;
    uint8_t id[BULLA_ID_CONTEXT_SIZE];

    (void)state;
    model->make_new();
    assert_int_equal(bulla_wake(&device, &credential, boot()), 0);
    memcpy(id, device.id_context, sizeof(id));
    for (uint64_t i = 0; i < 50; i++) {
        assert_int_equal(seal(&device, &message), 0);
        assert_true(message.piv == i);
        assert_int_equal(bulla_sleep(&device), 0);
        assert_int_equal(bulla_wake(&device, &credential, boot()), 1);
        assert_memory_equal(device.id_context, id, sizeof(id));
    }
    assert_int_equal(seal(&device, &message), 0); /* destroys what was saved */
    assert_int_equal(bulla_wake(&device, &credential, boot()), 0);
    assert_memory_not_equal(device.id_context, id, sizeof(id));
    assert_int_equal(seal(&device, &message), 0);
    assert_int_equal(bulla_sleep(&device), 0);
    model->battery_out();
    assert_int_equal(bulla_wake(&device, &credential, boot()), 0);
}

static void test_broken_random_opens_no_session(void **state)
{
    struct bulla_credential credential = credential_of(BULLA_SESSION);
    struct bulla device;

    (void)state;
    model->make_new();
    model->break_random(1);
    assert_int_equal(bulla_open(&device, &credential, boot()), BULLA_E_RANDOM);
    model->break_random(0);
    assert_int_equal(bulla_open(&device, &credential, boot()), 0);
}

static void test_without_random_no_session(void **state)
{
    struct bulla_credential credential = credential_of(BULLA_SESSION);
    struct bulla device;

    (void)state;
    model->make_new();
    assert_null(boot()->random);
    assert_int_equal(bulla_open(&device, &credential, boot()), BULLA_E_UNSAFE);
}

static void test_timer_goes_on_over_its_end(void **state)
{
    struct bulla_port *port;
    uint32_t before;

    (void)state;
    model->make_new();
    port = boot();
    model->set_clock(0xffffff00u);
    before = port->timer(port->context);
    model->set_clock(0x00000100u);
    assert_int_equal(port->timer(port->context) - before, 0x200);
}

/* Which tests a model allows. */
struct entry {
    struct CMUnitTest test;
    int fits;
};

int port_suite(const struct port_model *under_test)
{
    const int counts = under_test->rot != NULL;
    const int sleeps = under_test->battery_out != NULL;
    const int draws = under_test->break_random != NULL;
    const struct entry all[] = {
        {cmocka_unit_test(test_new_chip_holds_no_counter), counts},
        {cmocka_unit_test(test_counter_over_boots), counts},
        {cmocka_unit_test(test_counter_over_cuts), counts},
        {cmocka_unit_test(test_counter_over_cuts_and_rot), counts},
        {cmocka_unit_test(test_one_copy_rots), counts},
        {cmocka_unit_test(test_session_sleeps_and_is_good_once), sleeps},
        {cmocka_unit_test(test_broken_random_opens_no_session), draws},
        {cmocka_unit_test(test_without_random_no_session), !draws},
        {cmocka_unit_test(test_timer_goes_on_over_its_end), under_test->set_clock != NULL},
    };
    struct CMUnitTest tests[COUNT(all) + PORT_EXTRA_MAX];
    const char *seed = getenv("BULLA_SEED");
    size_t count = 0;

    model = under_test;
    power_seed = seed == NULL ? 1 : strtoull(seed, NULL, 10);
    for (size_t i = 0; i < COUNT(all); i++) {
        if (all[i].fits)
            tests[count++] = all[i].test;
    }
    for (size_t i = 0; i < PORT_EXTRA_MAX && model->extra[i].run != NULL; i++) {
        struct CMUnitTest test = {model->extra[i].name, model->extra[i].run, NULL, NULL, NULL};

        tests[count++] = test;
    }
    return _cmocka_run_group_tests(model->name, tests, count, NULL, NULL);
}
