/*
 * Several gateways at once on one database of a server.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GATEWAYS 4
#define ROUNDS   60
#define DEVICES  5

static void shuffle(size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t other = i + (size_t)random() % (count - i), held = order[i];
        order[i] = order[other];
        order[other] = held;
    }
}

/* A batch over all devices, in whatever order, each with a message that others send as well. */
static void run_batch(struct fixture *f, const int64_t *devices)
{
    size_t order[DEVICES] = {0, 1, 2, 3, 4};
    struct commit_context contexts[DEVICES];
    struct commit_message messages[DEVICES];
    struct reading readings[DEVICES];
    char names[DEVICES][16];
    struct commit commit = {.contexts = contexts,
                            .context_count = DEVICES,
                            .messages = messages,
                            .message_count = DEVICES,
                            .readings = readings};
    struct store_clock clock;

    shuffle(order, DEVICES);
    for (size_t i = 0; i < DEVICES; i++) {
        struct commit_context *context = &contexts[i];
        assert_int_equal(call(f, context_find, devices[order[i]], NULL, &context->before, &clock), 1);
        uint64_t piv = context->before.window.top + 1 + (random() % 20 == 0 ? 70 : 0); /* some are lost */
        context->after = context->before;
        bulla_window_mark(&context->after.window, piv);
        snprintf(names[i], sizeof(names[i]), "n%ld", random() % 30);
        messages[i] = (struct commit_message){.context = i, .piv = piv, .first = i, .count = 1};
        readings[i] = real(names[i], (double)piv, (random() % 3000) * SECOND * 1000);
    }
    if (call(f, commit, &commit, f->now) != 0) {
        fprintf(stderr, "%s\n", f->failure.text);
        _exit(1);
    }
}

/* What else goes on: proofs, operators, expiry. Never returns. */
static void disturb(struct fixture *f, int64_t device)
{
    struct label label = {"k", NULL};

    for (int i = 0; i < ROUNDS; i++) {
        char value[16];
        struct commit_context context = {.before = session(device, (uint8_t)i)};
        snprintf(value, sizeof(value), "%d", i);
        label.value = value;
        context.before.proven_t = 1000 + (uint64_t)i;
        if (commit_one(f, f->store, &context, 1) != 0 || call(f, device_label, device, &label, 1) < 0 ||
            f->store->ops->contexts_close(f->store, 0, &f->failure) < 0) {
            fprintf(stderr, "%s\n", f->failure.text);
            _exit(1);
        }
        (void)call(f, readings_expire, 0, 10);
    }
    _exit(0);
}

/* In child processes, each on a connection of its own; none may fail, and none waits in a circle. */
static void test_several_gateways(void **state)
{
    struct fixture *f = *state;
    int64_t devices[DEVICES];
    char name[16], sql[160];

    for (uint8_t i = 0; i < DEVICES; i++) {
        snprintf(name, sizeof(name), "d%d", i);
        devices[i] = add_device(f, name, (uint8_t)(i + 1), BULLA_COUNTER, true).id;
    }
    int64_t other = add_device(f, "s", 99, BULLA_SESSION, false).id;
    f->store->ops->close(f->store);
    f->store = NULL;
    for (unsigned i = 0; i < GATEWAYS + 1; i++)
        if (fork() == 0) {
            srandom(i + 1);
            f->store = open_store(f, STORE_EXISTING);
            if (i == GATEWAYS)
                disturb(f, other);
            for (int round = 0; round < ROUNDS; round++)
                run_batch(f, devices);
            _exit(0);
        }
    for (unsigned i = 0; i < GATEWAYS + 1; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    f->store = open_store(f, STORE_EXISTING);
    /* Each number once, and as many as the windows say. */
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM (SELECT 1 FROM readings GROUP BY device, seq"
             " HAVING count(*) > 1 AND device != 's') x");
    assert_int_equal(number(f, sql), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM devices d JOIN contexts c ON c.device = d.id"
                               " WHERE c.id_context = '' AND c.top !="
                               " (SELECT max(seq) FROM readings WHERE device = d.name)"),
                     0);
    int64_t stored = count_readings(f, "d0");
    print_message("%lld of %d batches moved the first device\n", (long long)stored, GATEWAYS * ROUNDS);
    assert_true(stored >= ROUNDS / 2 && stored <= GATEWAYS * ROUNDS);
    assert_int_equal(count_readings(f, "s"), ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_several_gateways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
