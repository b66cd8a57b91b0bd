/*
 * The store's contract (gateway/store/store.h), over every store: rules of the registry, of proof, floor and
 * closing (PROTOCOL 4.4), and the commit.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>

/* ---- registry ---- */

static void test_meta(void **state)
{
    struct fixture *f = *state;
    uint8_t value[8];
    size_t len = sizeof(value);

    assert_int_equal(call(f, meta_get, "K", value, &len), 0);
    assert_int_equal(call(f, meta_put, "K", "\0bc", 3), 1);
    assert_int_equal(call(f, meta_put, "K", "other", 5), 0);
    reopen(f);
    assert_int_equal(call(f, meta_get, "K", value, &len), 1);
    assert_int_equal(len, 3);
    assert_memory_equal(value, "\0bc", 3);
    len = 2;
    assert_int_equal(call(f, meta_get, "K", value, &len), -1);
    says(f, "3 bytes");
}

static void test_gateway_ids(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(call(f, gateway_id_add, (const uint8_t *)"abcdef", NOW), 1);
    assert_int_equal(call(f, gateway_id_add, (const uint8_t *)"abcdeg", NOW), 1);
    reopen(f);
    assert_int_equal(call(f, gateway_id_add, (const uint8_t *)"abcdef", NOW), 0);
}

static void test_device_rows(void **state)
{
    struct fixture *f = *state;
    struct device_row added = add_device(f, "küche 🌡️ 1", 1, BULLA_SESSION, false);
    struct device_row row, other = added;

    reopen(f);
    assert_int_equal(call(f, device_by_name, "küche 🌡️ 1", &row), 1);
    assert_int_equal(row.id, added.id);
    assert_int_equal(row.alg, added.alg);
    assert_int_equal(row.kind, added.kind);
    assert_int_equal(row.created, added.created);
    assert_int_equal(row.kid_len, added.kid_len);
    assert_memory_equal(row.kid, added.kid, sizeof(row.kid));
    assert_memory_equal(row.secret, added.secret, sizeof(row.secret));
    assert_string_equal(row.name, added.name);
    assert_false(row.revoked || row.exported || row.last_seen != 0);
    assert_int_equal(call(f, device_by_kid, added.kid, 3, &row), 1);
    assert_string_equal(row.name, added.name);
    assert_int_equal(call(f, device_by_kid, added.kid, 2, &row), 0);
    assert_int_equal(call(f, device_by_name, "küche", &row), 0);

    strcpy(other.name, "another");
    assert_int_equal(store_device_add(f->store, &other, false, &f->failure), 0); /* the kid is taken */
    strcpy(other.name, added.name);
    other.kid[0] = 99;
    assert_int_equal(store_device_add(f->store, &other, false, &f->failure), -1);
    says(f, "named");
}

static void test_names_of_full_length(void **state)
{
    struct fixture *f = *state;
    char name[BULLA_NAME_MAX + 1];
    struct device_row row;

    memset(name, 'x', BULLA_NAME_MAX);
    name[BULLA_NAME_MAX] = '\0';
    add_device(f, name, 1, BULLA_SESSION, false);
    assert_int_equal(call(f, device_by_name, name, &row), 1);
    assert_string_equal(row.name, name);
}

static int collect_name(void *context, const struct device_row *row)
{
    char *names = context;

    strcat(strcat(names, row->name), row->last_seen != 0 ? "! " : " ");
    return strcmp(row->name, "stop") == 0;
}

static void test_device_list(void **state)
{
    struct fixture *f = *state;
    struct device_row garden = add_device(f, "garden", 2, BULLA_SESSION, false);
    char names[200] = "";
    int64_t count;

    add_device(f, "attic", 1, BULLA_COUNTER, true);
    add_device(f, "stop", 3, BULLA_SESSION, false);
    add_device(f, "well", 4, BULLA_SESSION, false);
    prove(f, garden.id, 1, 5, 9);
    ok(call(f, device_each, NULL, collect_name, names));
    assert_string_equal(names, "attic garden! stop ");
    ok(f->store->ops->device_count(f->store, &count, &f->failure));
    assert_int_equal(count, 4);
}

static int note_last_seen(void *context, const struct device_row *row)
{
    *(int64_t *)context = row->last_seen;
    return 0;
}

static void test_last_seen(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context context = {.before = prove(f, device.id, 1, 5, 9)};
    int64_t last_seen = 0;

    f->now += 10;
    ok(commit_one(f, f->store, &context, 11));
    f->now -= 10; /* a clock set back does not take it back */
    context.before = context.after;
    ok(commit_one(f, f->store, &context, 12));
    ok(call(f, device_each, NULL, note_last_seen, &last_seen));
    assert_int_equal(last_seen, (NOW + 10) * SECOND + 11);
}

static void test_revoke_and_exported(void **state)
{
    struct fixture *f = *state;
    struct device_row row = add_device(f, "a", 1, BULLA_COUNTER, true);

    ok(call(f, device_revoke, row.id));
    assert_int_equal(call(f, device_exported, row.id), 1);
    assert_int_equal(call(f, device_exported, row.id), 0);
    assert_int_equal(call(f, device_by_name, "a", &row), 1);
    assert_true(row.revoked);
    assert_true(row.exported);
    assert_int_equal(call(f, device_revoke, 12345), -1);
    says(f, "not in the registry");
    assert_int_equal(call(f, device_exported, 12345), -1);
}

static void test_remove(void **state)
{
    struct fixture *f = *state;
    struct device_row row = add_device(f, "a", 1, BULLA_SESSION, false), again = row;
    struct store_clock clock;
    struct context_row context;

    prove(f, row.id, 1, 77, 9);
    prove(f, row.id, 2, 99, 9);
    ok(call(f, device_remove, row.id));
    assert_int_equal(call(f, device_by_name, "a", &row), 0);
    assert_int_equal(find(f, row.id, 1, &context, &clock), 0);
    assert_int_equal(floor_of(f), 99);
    assert_int_equal(call(f, device_remove, row.id), -1);

    /* The kid is never given out again, the name may be; the old readings stay under it (PROTOCOL 9). */
    assert_int_equal(store_device_add(f->store, &again, false, &f->failure), 0);
    again = add_device(f, "a", 2, BULLA_SESSION, false);
    assert_true(again.id != row.id);
    assert_int_equal(count_readings(f, "a"), 2);
    prove(f, again.id, 1, 100, 9);
    assert_int_equal(count_readings(f, "a"), 3);
}

static void test_trust(void **state)
{
    struct fixture *f = *state;
    struct device_row counter = add_device(f, "c", 1, BULLA_COUNTER, false);
    struct device_row other = add_device(f, "s", 2, BULLA_SESSION, false);
    struct context_row row;
    struct store_clock clock;

    assert_int_equal(call(f, context_find, counter.id, NULL, &row, &clock), 1);
    assert_true(row.counter);
    assert_false(row.proven);
    assert_int_equal(call(f, device_trust, counter.id, 0), 1);
    assert_int_equal(call(f, device_trust, counter.id, 0), 0);
    assert_int_equal(call(f, context_find, counter.id, NULL, &row, &clock), 1);
    assert_true(row.proven);
    assert_int_equal(call(f, device_trust, other.id, 0), -1);
}

/* A store that came back (PROTOCOL 9): nothing is proven any more, windows stay, and K is another. */
static void test_restored(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct context_row before = prove(f, device.id, 1, 50, 5), row;
    struct store_clock clock;
    char key[8];
    size_t len = sizeof(key);
    int64_t generation, after, marked;

    assert_int_equal(call(f, meta_put, "challenge", "old K", 5), 1);
    assert_int_equal(call(f, meta_put, "rekey", "R", 1), 1);
    ok(call(f, generation, &generation));
    ok(call(f, restored, "newer K", 7, &marked));
    assert_int_equal(marked, 1);
    ok(call(f, generation, &after));
    assert_true(after > generation);
    assert_int_equal(call(f, meta_get, "challenge", key, &len), 1);
    assert_int_equal(len, 7);
    assert_memory_equal(key, "newer K", 7);
    len = sizeof(key);
    assert_int_equal(call(f, meta_get, "rekey", key, &len), 1);
    assert_memory_equal(key, "R", 1);
    assert_int_equal(find(f, device.id, 1, &row, &clock), 1);
    before.proven = false;
    assert_same_row(&row, &before);
    ok(call(f, restored, "K 3", 3, &marked));
    assert_int_equal(marked, 0);
}

/* The T that challenges are made of never falls; a proof two below it does not hold (PROTOCOL 4.4). */
static void test_issued_t(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct context_row row;
    struct store_clock clock;
    uint64_t kept;

    ok(call(f, issued_t, 100, &kept));
    assert_int_equal(kept, 100);
    ok(call(f, issued_t, 90, &kept));
    assert_int_equal(kept, 100);
    reopen(f);
    ok(call(f, issued_t, 0, &kept));
    assert_int_equal(kept, 100);
    assert_int_equal(verdict_of_proof(f, device.id, 1, 98), COMMIT_CONFLICT);
    assert_int_equal(verdict_of_proof(f, device.id, 1, 99), COMMIT_DONE);
    assert_int_equal(find(f, device.id, 1, &row, &clock), 1);
    assert_int_equal(row.proven_t, 100); /* the highest that a challenge for it may have been made of */
}

static void test_probe(void **state)
{
    struct fixture *f = *state;

    ok(f->store->ops->probe(f->store, &f->failure));
    ok(f->store->ops->probe(f->store, &f->failure));
}

/* Whatever a name holds. */
static void test_names_that_quote(void **state)
{
    static const char *const names[] = {
        "it's", "\"x\"", "a\\b", "'; DROP TABLE devices; --", "%_", "ÄÖ", "äö", "a b", "a", "A"};
    static char listed[256] = "";
    struct fixture *f = *state;
    struct device_row row;

    for (uint8_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        add_device(f, names[i], (uint8_t)(i + 1), BULLA_SESSION, false);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(call(f, device_by_name, names[i], &row), 1);
        assert_int_equal(row.kid[0], i + 1);
    }
    assert_int_equal(call(f, device_by_name, "\xff", &row), 0);
    /* In the order of their bytes, whatever language somebody speaks. */
    ok(call(f, device_each, NULL, collect_name, listed));
    assert_string_equal(listed, "\"x\" %_ '; DROP TABLE devices; -- A a a b a\\b it's ÄÖ äö ");
}

/* ---- generation ---- */

static int64_t generation_of(struct store *store)
{
    struct failure failure;
    int64_t generation;

    ok(store->ops->generation(store, &generation, &failure));
    return generation;
}

static void test_generation(void **state)
{
    struct fixture *f = *state;
    struct store *other = open_store(f, STORE_EXISTING);
    struct event_row event = {.kind = "forged", .time = 1};
    int64_t before = generation_of(other);

    assert_int_equal(generation_of(f->store), before);
    struct device_row row = add_device(f, "a", 1, BULLA_COUNTER, false);
    assert_int_equal(generation_of(f->store), before + 1);
    assert_int_equal(generation_of(other), before + 1);
    assert_int_equal(call(f, device_trust, row.id, 0), 1);
    assert_int_equal(call(f, device_exported, row.id), 1);
    ok(call(f, device_revoke, row.id));
    ok(call(f, device_remove, row.id));
    assert_int_equal(generation_of(other), before + 5);

    /* What is no operator's change leaves it alone. */
    assert_int_equal(store_device_add(f->store, &row, false, &f->failure), 0);
    ok(call(f, events_add, &event, 1));
    assert_int_equal(call(f, meta_put, "x", "y", 1), 1);
    assert_int_equal(generation_of(other), before + 5);
    assert_int_equal(generation_of(f->store), before + 5);
    other->ops->close(other);
}

/* ---- windows ---- */

static void test_window_moves_and_persists(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context context = {.before = prove(f, device.id, 1, 5, 9)};
    struct context_row row;
    struct store_clock clock;

    ok(commit_one(f, f->store, &context, 11));
    assert_int_equal(context.verdict, COMMIT_DONE);
    reopen(f);
    assert_int_equal(find(f, device.id, 1, &row, &clock), 1);
    assert_same_row(&row, &context.after);
    assert_int_equal(row.window.top, 11);
    assert_int_equal(row.window.bits, 5);
    assert_int_equal(row.window.lower, 9);
    assert_int_equal(row.proven_t, 5);
    assert_int_equal(count_readings(f, NULL), 2);
}

static void test_windows_of_64_bits(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_COUNTER, true);
    struct commit_context context = {.before = {.device = device.id, .counter = true, .proven = true}};
    struct commit commit = {.contexts = &context, .context_count = 1};
    struct context_row row;
    struct store_clock clock;

    context.after = context.before;
    context.after.window =
        (struct bulla_window){.top = (UINT64_C(1) << 40) - 1, .bits = UINT64_MAX, .lower = 3};
    ok(call(f, commit, &commit, NOW));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(call(f, context_find, device.id, NULL, &row, &clock), 1);
    assert_true(row.window.bits == UINT64_MAX);
    assert_true(row.window.top == (UINT64_C(1) << 40) - 1);

    context.before = context.after;
    context.after.window.bits = UINT64_C(0x8000000000000001);
    ok(call(f, commit, &commit, NOW));
    assert_int_equal(context.verdict, COMMIT_DONE);
}

/* Whatever differs from the row makes a conflict, and nothing of that context is stored; the others' is. */
static void test_window_conflicts(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct device_row counter = add_device(f, "c", 2, BULLA_COUNTER, true);
    struct context_row good = prove(f, device.id, 1, 5, 9);

    for (int i = 0; i < 7; i++) {
        struct commit_context context = {.before = good};
        switch (i) {
        case 0:
            context.before.window.top++;
            break;
        case 1:
            context.before.window.bits ^= 2;
            break;
        case 2:
            context.before.window.lower--;
            break;
        case 3:
            context.before.id_context[7] ^= 1;
            break;
        case 4:
            context.before.device = 4711;
            break;
        case 5:
            context.before.proven = false;
            context.before.proven_t = 6;
            break;
        case 6:
            context.before = (struct context_row){.device = counter.id, .counter = true, .proven_t = 6};
            break;
        default:
            break;
        }
        ok(commit_one(f, f->store, &context, 20));
        assert_int_equal(context.verdict, COMMIT_CONFLICT);
    }
    assert_int_equal(count_readings(f, NULL), 1);
}

static void test_conflict_leaves_the_others(void **state)
{
    struct fixture *f = *state;
    struct device_row a = add_device(f, "a", 1, BULLA_COUNTER, true),
                      b = add_device(f, "b", 2, BULLA_COUNTER, true);
    struct commit_context contexts[2] = {{.before = {.device = a.id, .counter = true, .proven = true}},
                                         {.before = {.device = b.id, .counter = true, .proven = true}}};
    struct reading readings[3] = {real("x", 1, 1), real("y", 2, 2), real("z", 3, 3)};
    struct commit_message messages[2] = {{.context = 0, .piv = 5, .first = 0, .count = 1},
                                         {.context = 1, .piv = 6, .first = 1, .count = 2}};
    struct commit commit = {.contexts = contexts,
                            .context_count = 2,
                            .messages = messages,
                            .message_count = 2,
                            .readings = readings};

    contexts[0].before.window.top = 1;
    for (int i = 0; i < 2; i++) {
        contexts[i].after = contexts[i].before;
        bulla_window_mark(&contexts[i].after.window, 6);
    }
    ok(call(f, commit, &commit, NOW));
    assert_int_equal(contexts[0].verdict, COMMIT_CONFLICT);
    assert_int_equal(contexts[1].verdict, COMMIT_DONE);
    assert_int_equal(count_readings(f, "a"), 0);
    assert_int_equal(count_readings(f, "b"), 2);
}

static void test_revoked_and_removed_store_nothing(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context context = {.before = prove(f, device.id, 1, 5, 9)};
    struct store *operator_s = open_store(f, STORE_EXISTING);

    ok(operator_s->ops->device_revoke(operator_s, device.id, &f->failure));
    ok(commit_one(f, f->store, &context, 11));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
    assert_int_equal(verdict_of_proof(f, device.id, 2, 100), COMMIT_CONFLICT);
    ok(operator_s->ops->device_remove(operator_s, device.id, &f->failure));
    ok(commit_one(f, f->store, &context, 11));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
    assert_int_equal(verdict_of_proof(f, device.id, 2, 100), COMMIT_CONFLICT);
    assert_int_equal(count_readings(f, NULL), 1);
    operator_s->ops->close(operator_s);
}

static void test_nothing_is_stored_unproven(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context context = {.before = session(device.id, 1), .after = session(device.id, 1)};
    struct commit commit = {.contexts = &context, .context_count = 1};

    ok(call(f, commit, &commit, NOW));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
}

/* ---- proof, floor, closing (PROTOCOL 4.4) ---- */

static void test_proof_supersedes(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct device_row bystander = add_device(f, "b", 2, BULLA_SESSION, false);
    struct context_row row;
    struct store_clock clock;

    prove(f, bystander.id, 1, 5, 1);
    prove(f, device.id, 9, 5, 1);
    f->now += 60;
    prove(f, device.id, 3, 6, 1);
    assert_int_equal(call(f, context_newest, device.id, &row, &clock), 1);
    assert_int_equal(row.id_context[0], 3);
    assert_int_equal(row.closes_at, 0);
    assert_int_equal(find(f, device.id, 9, &row, &clock), 1);
    assert_int_equal(row.closes_at, NOW + 60 + SESSION_CLOSES_AFTER);

    /* A third does not put the first one's closing off. */
    f->now += 60;
    prove(f, device.id, 5, 7, 1);
    assert_int_equal(find(f, device.id, 9, &row, &clock), 1);
    assert_int_equal(row.closes_at, NOW + 60 + SESSION_CLOSES_AFTER);
    assert_int_equal(find(f, bystander.id, 1, &row, &clock), 1);
    assert_int_equal(row.closes_at, 0);
    assert_int_equal(call(f, context_newest, 4711, &row, &clock), 0);
}

static void test_superseded_session_until_it_closes(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context old = {.before = prove(f, device.id, 9, 50, 1)};
    struct context_row row;
    struct store_clock clock;

    prove(f, device.id, 3, 60, 1);
    f->now += SESSION_CLOSES_AFTER - 1;
    ok(commit_one(f, f->store, &old, 2));
    assert_int_equal(old.verdict, COMMIT_DONE);

    f->now += 1;
    old.before = old.after;
    ok(commit_one(f, f->store, &old, 3));
    assert_int_equal(old.verdict, COMMIT_CONFLICT);
    /* As good as gone, though its row is there: its T counts already. */
    assert_int_equal(find(f, device.id, 9, &row, &clock), 0);
    assert_int_equal(clock.floor, 50);
    assert_int_equal(floor_of(f), 0);
    assert_int_equal(f->store->ops->contexts_close(f->store, f->now, &f->failure), 1);
    assert_int_equal(f->store->ops->contexts_close(f->store, f->now, &f->failure), 0);
    assert_int_equal(floor_of(f), 50);
    assert_int_equal(call(f, context_newest, device.id, &row, &clock), 1);
    assert_int_equal(row.id_context[0], 3);
}

static void test_proof_must_be_above_the_floor(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);

    prove(f, device.id, 1, 50, 1);
    prove(f, device.id, 2, 60, 1);
    f->now += SESSION_CLOSES_AFTER;
    /* Session 1 is due: proving it again lets its row go first, so its own old T does not hold. */
    assert_int_equal(verdict_of_proof(f, device.id, 1, 50), COMMIT_CONFLICT);
    assert_int_equal(floor_of(f), 50);
    assert_int_equal(verdict_of_proof(f, device.id, 3, 50), COMMIT_CONFLICT);
    assert_int_equal(verdict_of_proof(f, device.id, 3, 51), COMMIT_DONE);
    assert_int_equal(count_readings(f, NULL), 3);
    reopen(f);
    assert_int_equal(floor_of(f), 50);
}

static void test_floor_never_falls(void **state)
{
    struct fixture *f = *state;
    struct device_row a = add_device(f, "a", 1, BULLA_SESSION, false),
                      b = add_device(f, "b", 2, BULLA_SESSION, false);

    prove(f, a.id, 1, 80, 1);
    prove(f, b.id, 1, 70, 1);
    ok(call(f, device_remove, a.id));
    ok(call(f, device_remove, b.id));
    assert_int_equal(floor_of(f), 80);
}

/* As after a restore: rows are there, unproven, with their windows (PROTOCOL 9). */
static void test_proving_restored_rows(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct device_row counter = add_device(f, "c", 2, BULLA_COUNTER, true);
    struct commit_context context = {.before = prove(f, device.id, 1, 50, 5)};
    struct context_row row;
    struct store_clock clock;
    int64_t marked;

    assert_int_equal(call(f, meta_put, "challenge", "old K", 5), 1);
    ok(call(f, restored, "new K", 5, &marked));
    assert_int_equal(marked, 2);
    ok(commit_one(f, f->store, &context, 6));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
    assert_int_equal(call(f, context_newest, device.id, &row, &clock), 0);

    assert_int_equal(find(f, device.id, 1, &context.before, &clock), 1);
    context.before.proven_t = 40; /* a clock set back, all the same above F; the row keeps the higher T */
    ok(commit_one(f, f->store, &context, 8));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(find(f, device.id, 1, &row, &clock), 1);
    assert_true(row.proven);
    assert_int_equal(row.proven_t, 50);
    assert_int_equal(row.window.lower, 8);
    assert_int_equal(row.window.bits, 9);

    context.before = (struct context_row){.device = counter.id, .counter = true, .proven_t = 51};
    ok(commit_one(f, f->store, &context, 8));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(call(f, context_find, counter.id, NULL, &row, &clock), 1);
    assert_int_equal(row.window.top, 8);
    assert_int_equal(find(f, device.id, 1, &row, &clock), 1);
    assert_int_equal(row.closes_at, 0);
}

static int collect_context(void *context, const struct context_row *row)
{
    char *list = context;
    char item[16];

    snprintf(item, sizeof(item), row->counter ? "counter " : "%u ", row->id_context[0]);
    strcat(list, item);
    return row->id_context[0] == 8;
}

static void test_context_list(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct device_row counter = add_device(f, "c", 2, BULLA_COUNTER, true);
    char list[100] = "";

    for (uint8_t id = 9; id > 5; id--)
        prove(f, device.id, id, 50 + id, 5);
    ok(call(f, context_each, device.id, collect_context, list));
    ok(call(f, context_each, counter.id, collect_context, list));
    assert_string_equal(list, "6 7 8 counter ");
    f->now += SESSION_CLOSES_AFTER;
    list[0] = '\0';
    ok(call(f, context_each, device.id, collect_context, list));
    assert_string_equal(list, "6 ");
}

/* A store may read the generation along with a batch, and then it is the one that there is. */
static void test_generation_with_a_batch(void **state)
{
    struct fixture *f = *state;
    int64_t device = add_device(f, "a", 1, BULLA_SESSION, false).id;
    struct commit_context context = {.before = prove(f, device, 1, 5, 1)};

    for (uint64_t piv = 2; piv < 6; piv++) {
        struct reading reading = real("t", (double)piv, NOW * SECOND);
        struct commit_message message = {.piv = piv, .count = 1};
        struct commit commit = {.contexts = &context,
                                .context_count = 1,
                                .messages = &message,
                                .message_count = 1,
                                .readings = &reading,
                                .generation = -1};
        int64_t generation;
        context.after = context.before;
        bulla_window_mark(&context.after.window, piv);
        ok(call(f, commit, &commit, f->now));
        assert_int_equal(context.verdict, COMMIT_DONE);
        context.before = context.after;
        ok(call(f, generation, &generation));
        assert_true(commit.generation == -1 || commit.generation == generation);
        add_device(f, (char[]){(char)('a' + piv), 0}, (uint8_t)piv, BULLA_SESSION,
                   false); /* it is another one then */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_meta),
        STORE_TEST(test_gateway_ids),
        STORE_TEST(test_device_rows),
        STORE_TEST(test_names_of_full_length),
        STORE_TEST(test_device_list),
        STORE_TEST(test_last_seen),
        STORE_TEST(test_revoke_and_exported),
        STORE_TEST(test_remove),
        STORE_TEST(test_trust),
        STORE_TEST(test_restored),
        STORE_TEST(test_issued_t),
        STORE_TEST(test_probe),
        STORE_TEST(test_names_that_quote),
        STORE_TEST(test_generation),
        STORE_TEST(test_window_moves_and_persists),
        STORE_TEST(test_windows_of_64_bits),
        STORE_TEST(test_window_conflicts),
        STORE_TEST(test_conflict_leaves_the_others),
        STORE_TEST(test_revoked_and_removed_store_nothing),
        STORE_TEST(test_nothing_is_stored_unproven),
        STORE_TEST(test_proof_supersedes),
        STORE_TEST(test_superseded_session_until_it_closes),
        STORE_TEST(test_proof_must_be_above_the_floor),
        STORE_TEST(test_floor_never_falls),
        STORE_TEST(test_proving_restored_rows),
        STORE_TEST(test_context_list),
        STORE_TEST(test_generation_with_a_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
