/*
 * Older wires at the level of the store: what its slots keep of devices, ciphertexts and session ids. What
 * the gateway makes of them is tested in test_older.c.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATHS  "path-wire" /* one device a route, no session ids */
#define TOPICS "topics"

/* ---- devices ---- */

static struct wire_row wire(const char *kind, const char *route, unsigned flags)
{
    struct wire_row row = {.flags = flags, .lifetime = 600, .grace = 30, .keys_len = 40};

    strcpy(row.wire, kind);
    strcpy(row.route, route);
    strcpy(row.reading_name, "wärme");
    memset(row.keys, 0xa5, row.keys_len);
    if (strcmp(kind, TOPICS) == 0)
        strcpy(row.session_topic, "sessions");
    return row;
}

static struct wire_row node_wire(const char *route, const char *node)
{
    struct wire_row row = wire(TOPICS, route, 0);

    strcpy(row.node, node);
    return row;
}

static int try_add(struct fixture *f, const char *name, struct wire_row *row, size_t per_route)
{
    struct device_entry entry = {
        .row = {.alg = BULLA_AES_CCM_16_64_128, .kind = BULLA_COUNTER, .created = NOW},
        .wire = row,
        .per_route = per_route};
    enum device_clash clash;
    size_t at;

    strcpy(entry.row.name, name);
    return call(f, devices_add, &entry, 1, &at, &clash);
}

static int64_t add(struct fixture *f, const char *name, struct wire_row row)
{
    assert_int_equal(try_add(f, name, &row, strcmp(row.wire, PATHS) == 0 ? 1 : 64), 1);
    assert_true(row.device > 0);
    return row.device;
}

/* The only open row of the route. */
static struct wire_row the_wire(struct fixture *f, const char *kind, const char *route)
{
    struct wire_row rows[4];

    assert_int_equal(call(f, wire_find, kind, route, rows, 4), 1);
    assert_int_equal(rows[0].closed, WIRE_OPEN);
    return rows[0];
}

static int64_t version(struct fixture *f)
{
    int64_t number;

    ok(call(f, wires_version, &number));
    return number;
}

static int64_t generation(struct fixture *f)
{
    int64_t number;

    ok(call(f, generation, &number));
    return number;
}

static void begin(struct fixture *f)
{
    ok(f->store->ops->wires_begin(f->store, &f->failure));
}

static void end(struct fixture *f)
{
    ok(call(f, wires_end, 0));
}

static void take_back(struct fixture *f)
{
    assert_int_equal(call(f, wires_end, -1), -1);
}

static int copy_device(void *context, const struct device_row *row)
{
    *(struct device_row *)context = *row;
    return 0;
}

/* The only device, as lists have it. */
static struct device_row listed(struct fixture *f)
{
    struct device_row row;
    int64_t count;

    ok(f->store->ops->device_count(f->store, &count, &f->failure));
    assert_int_equal(count, 1);
    ok(call(f, device_each, NULL, copy_device, &row));
    return row;
}

static int count_wire(void *context, const struct wire_row *row)
{
    assert_int_equal(row->keys_len, 0);
    ++*(int *)context;
    return 0;
}

static int count_wires(struct fixture *f)
{
    int count = 0;

    ok(call(f, wires_each, count_wire, &count));
    return count;
}

static void test_a_device(void **state)
{
    struct fixture *f = *state;
    int64_t before = version(f);
    int64_t id = add(f, "balcony", wire(PATHS, "12FA", WIRE_ALLOW_RESET));
    struct wire_row row, rows[2];
    struct device_row device;
    struct context_row context;
    struct store_clock clock;
    int64_t nodes = 9;

    reopen(f);
    assert_true(version(f) > before);
    row = the_wire(f, PATHS, "12FA");
    assert_int_equal(row.device, id);
    assert_int_equal(row.group, 0);
    assert_string_equal(row.name, "balcony");
    assert_string_equal(row.wire, PATHS);
    assert_string_equal(row.route, "12FA");
    assert_string_equal(row.session_topic, "");
    assert_string_equal(row.reading_name, "wärme");
    assert_int_equal(row.flags, WIRE_ALLOW_RESET);
    assert_int_equal(row.lifetime, 600);
    assert_int_equal(row.grace, 30);
    assert_int_equal(row.number + row.stored + row.hashes + (uint64_t)row.seen, 0);
    assert_int_equal(row.keys_len, 40);
    assert_int_equal(row.keys[39], 0xa5);
    assert_int_equal(call(f, wire_of, id, &rows[0], &nodes), 1);
    assert_int_equal(rows[0].id, row.id);
    assert_int_equal(nodes, 0);
    assert_int_equal(count_wires(f), 1);
    assert_int_equal(call(f, device_by_name, "balcony", &device), 1);
    assert_int_equal(device.kid_len, 0);
    assert_int_equal(call(f, context_find, id, NULL, &context, &clock), 0); /* no native counter */
    assert_string_equal(listed(f).wire, PATHS);
    assert_int_equal(call(f, wire_find, TOPICS, "12FA", rows, 2), 0);
    assert_int_equal(call(f, wire_find, PATHS, "12FB", rows, 2), 0);
    assert_int_equal(call(f, wire_find, PATHS, "\xff\xfe", rows, 2), 0);
    assert_int_equal(call(f, wire_of, id + 1, &rows[0], NULL), 0);
    before = version(f);
    ok(call(f, device_revoke, id));
    assert_true(the_wire(f, PATHS, "12FA").revoked);
    assert_true(version(f) > before);
}

/* A number that another server left off at; and one that a removed device did, whichever is higher. */
static void test_a_number_to_begin_with(void **state)
{
    static const uint64_t numbers[] = {120, 90, 121, UINT64_C(9007199254740991)};
    static const uint64_t expected[] = {120, 120, 121, UINT64_C(9007199254740991)};
    struct fixture *f = *state;

    for (size_t i = 0; i < 4; i++) {
        struct wire_row row = wire(PATHS, "12FA", 0);
        row.number = numbers[i];
        int64_t id = add(f, "balcony", row);
        assert_true(the_wire(f, PATHS, "12FA").number == expected[i]);
        ok(call(f, device_remove, id));
    }
}

static void test_unsequenced(void **state)
{
    struct fixture *f = *state;
    struct wire_row rows[4];

    add(f, "a", wire(PATHS, "1", WIRE_ALLOW_RESET));
    assert_int_equal(call(f, wire_find, PATHS, NULL, rows, 4), 0);
    add(f, "b", wire(PATHS, "2", WIRE_ALLOW_UNSEQUENCED));
    add(f, "c", wire(PATHS, "3", WIRE_ALLOW_UNSEQUENCED | WIRE_ALLOW_RESET));
    assert_int_equal(call(f, wire_find, PATHS, NULL, rows, 4), 2);
    assert_string_equal(rows[0].name, "b");
    assert_string_equal(rows[1].name, "c");
    assert_int_equal(call(f, wire_find, PATHS, NULL, rows, 1), 1);
}

static void test_neighbours(void **state)
{
    struct fixture *f = *state;
    struct wire_row row = wire(PATHS, "12FA", 0);
    int64_t count;

    add(f, "a", row);
    assert_int_equal(try_add(f, "b", &row, 1), -1);
    says(f, "already; remove it first");
    row = wire(TOPICS, "topic", 0);
    assert_int_equal(try_add(f, "c", &row, 2), 1);
    assert_int_equal(try_add(f, "d", &row, 2), 1);
    assert_int_equal(try_add(f, "e", &row, 2), -1);
    says(f, "2 devices already");
    row = wire(TOPICS, "other", WIRE_STRICT);
    assert_int_equal(try_add(f, "e", &row, 64), -1);
    says(f, "--strict");
    row = wire(TOPICS, "sessions", 0);
    assert_int_equal(try_add(f, "e", &row, 64), -1);
    says(f, "topic of session ids");
    ok(f->store->ops->device_count(f->store, &count, &f->failure));
    assert_int_equal(count, 3);
}

/* ---- messages ---- */

static int keep_reading(void *context, const struct reading_row *row)
{
    *(struct reading_row *)context = *row;
    return 0;
}

/* A message with one reading. */
static int change(struct fixture *f, const struct wire_row *row, uint64_t number, const uint8_t *hash)
{
    struct reading reading = real("wärme", 21.5, f->now * SECOND);
    struct wire_change change = {.row = row->id,
                                 .device = row->device,
                                 .stored = true,
                                 .sets_number = number != 0,
                                 .number = number,
                                 .received = f->now * SECOND,
                                 .hash = hash,
                                 .readings = &reading,
                                 .count = 1};

    return call(f, wire_change, &change);
}

static void store_one(struct fixture *f, const struct wire_row *row, uint64_t number, const uint8_t *hash)
{
    begin(f);
    ok(change(f, row, number, hash));
    end(f);
}

static uint64_t last_seq(struct fixture *f)
{
    struct reading_filter newest = {.since = INT64_MIN, .until = INT64_MAX, .limit = 1};
    struct reading_row row = {.seq = 0};

    ok(call(f, readings_each, &newest, keep_reading, &row));
    return row.seq;
}

static void test_a_message(void **state)
{
    struct fixture *f = *state;
    int64_t id = add(f, "balcony", wire(PATHS, "12FA", 0));
    struct wire_row row = the_wire(f, PATHS, "12FA");
    struct wire_change sets = {.row = row.id, .device = id, .sets_number = true, .number = 90, .lost = 3};

    store_one(f, &row, 5, NULL);
    assert_int_equal(last_seq(f), 5);
    f->now++;
    store_one(f, &row, UINT64_C(9007199254740991), NULL);
    assert_int_equal(last_seq(f), UINT64_C(9007199254740991));
    f->now++;
    store_one(f, &row, 0, NULL); /* its third */
    assert_int_equal(last_seq(f), 3);
    begin(f);
    ok(call(f, wire_change, &sets));
    end(f);
    reopen(f);
    row = the_wire(f, PATHS, "12FA");
    assert_int_equal(row.number, 90);
    assert_int_equal(row.stored, 3);
    assert_int_equal(row.seen, f->now * SECOND);
    assert_int_equal(listed(f).lost, 3);
    assert_int_equal(listed(f).last_seen, f->now * SECOND);
    assert_int_equal(count_readings(f, "balcony"), 3);
}

/* The count of lost messages ends with its column, and no message fails for it. */
static void test_more_are_lost_than_can_be_counted(void **state)
{
    struct fixture *f = *state;
    int64_t id = add(f, "balcony", wire(PATHS, "12FA", 0));
    struct wire_change sets = {
        .device = id, .sets_number = true, .number = 90, .lost = (UINT64_C(1) << 63) - 10};

    sets.row = the_wire(f, PATHS, "12FA").id;
    begin(f);
    ok(call(f, wire_change, &sets));
    sets.lost = 7;
    ok(call(f, wire_change, &sets));
    ok(call(f, wire_change, &sets));
    end(f);
    assert_true(listed(f).lost == INT64_MAX);
    sets.lost = (UINT64_C(1) << 53) - 1;
    begin(f);
    ok(call(f, wire_change, &sets));
    end(f);
    assert_true(listed(f).lost == INT64_MAX);
}

static void test_a_message_that_is_taken_back(void **state)
{
    static const uint8_t hash[WIRE_HASH_SIZE] = {1};
    struct fixture *f = *state;
    struct wire_row row;

    add(f, "balcony", wire(PATHS, "12FA", WIRE_ALLOW_RESET));
    row = the_wire(f, PATHS, "12FA");
    begin(f);
    ok(change(f, &row, 5, hash));
    assert_int_equal(call(f, wire_remembers, row.id, hash), 1);
    take_back(f);
    row = the_wire(f, PATHS, "12FA");
    assert_int_equal(row.number + row.stored + row.hashes + (uint64_t)row.seen, 0);
    assert_int_equal(call(f, wire_remembers, row.id, hash), 0);
    assert_int_equal(count_readings(f, "balcony"), 0);
    store_one(f, &row, 5, hash); /* also its series is entered anew */
    assert_int_equal(count_readings(f, "balcony"), 1);
    row.id += 1000;
    begin(f);
    assert_int_equal(change(f, &row, 6, NULL), -1);
    says(f, "not in the registry");
    take_back(f);
}

static void test_ciphertexts(void **state)
{
    static const uint8_t hashes[2][WIRE_HASH_SIZE] = {{1}, {2}};
    struct fixture *f = *state;
    int64_t id = add(f, "a", wire(PATHS, "1", WIRE_ALLOW_RESET));
    struct wire_row a = the_wire(f, PATHS, "1"), b, again;

    add(f, "b", wire(PATHS, "2", WIRE_ALLOW_RESET));
    b = the_wire(f, PATHS, "2");
    store_one(f, &a, 5, hashes[0]);
    store_one(f, &a, 6, hashes[0]); /* the gateway does not; then it counts once */
    assert_int_equal(call(f, wire_remembers, a.id, hashes[0]), 1);
    assert_int_equal(call(f, wire_remembers, a.id, hashes[1]), 0);
    assert_int_equal(call(f, wire_remembers, b.id, hashes[0]), 0);
    assert_int_equal(the_wire(f, PATHS, "1").hashes, 1);
    /* Removed, and added again: it goes on where it ended. */
    ok(call(f, device_remove, id));
    assert_int_equal(call(f, wire_find, PATHS, "1", &again, 1), 0);
    assert_int_equal(call(f, wire_of, id, &again, NULL), 0);
    assert_int_equal(count_wires(f), 1);
    assert_true(add(f, "c", wire(PATHS, "1", 0)) > id);
    again = the_wire(f, PATHS, "1");
    assert_int_equal(again.id, a.id);
    assert_int_equal(again.number, 6);
    assert_int_equal(again.flags, 0);
    assert_int_equal(again.keys_len, 40);
    assert_int_equal(call(f, wire_remembers, again.id, hashes[0]), 1);
    if (f->kind->run_sql == NULL)
        return;
    run_sql(f, "UPDATE wires SET hashes = 1000000"); /* WIRE_HASHES_MAX */
    store_one(f, &again, 7, hashes[1]);
    assert_int_equal(call(f, wire_remembers, again.id, hashes[1]), 0);
}

/* ---- groups ---- */

static int enter(struct fixture *f, const struct wire_row *group, const char *node, struct wire_row *row)
{
    char name[2 * BULLA_NAME_MAX];

    snprintf(name, sizeof(name), "%s/%s", group->name, node);
    return call(f, wire_node_add, group, node, name, NOW, row);
}

static void test_a_group(void **state)
{
    struct fixture *f = *state;
    int64_t id = add(f, "field", wire(TOPICS, "topic", 0));
    struct wire_row group = the_wire(f, TOPICS, "topic"), node, other;
    struct device_row device;
    int64_t before = generation(f), nodes;

    begin(f);
    assert_int_equal(call(f, wire_node, group.id, "7", &node), 0);
    assert_int_equal(enter(f, &group, "7", &node), 1);
    ok(change(f, &node, 0, NULL));
    take_back(f);
    assert_int_equal(generation(f), before);
    assert_int_equal(call(f, device_by_name, "field/7", &device), 0);
    begin(f);
    assert_int_equal(enter(f, &group, "7", &node), 1);
    ok(change(f, &node, 0, NULL));
    assert_int_equal(enter(f, &group, "Nordöst", &other), 1);
    assert_int_equal(enter(f, &group, "7", &other), 0); /* the name is taken */
    end(f);
    assert_true(generation(f) > before);
    assert_int_equal(call(f, device_by_name, "field/7", &device), 1);
    assert_int_equal(device.id, node.device);
    assert_int_equal(device.kid_len, 0);
    assert_int_equal(device.created, NOW);
    assert_int_equal(call(f, wire_node, group.id, "7", &node), 1);
    assert_string_equal(node.name, "field/7");
    assert_int_equal(node.group, group.id);
    assert_int_equal(node.keys_len, 0);
    assert_int_equal(node.stored, 1);
    assert_int_equal(call(f, wire_of, id, &other, &nodes), 1);
    assert_int_equal(nodes, 2);
    assert_int_equal(other.seen, node.seen);
    assert_int_equal(count_readings(f, "field/7"), 1);
    assert_int_equal(count_wires(f), 1);                                 /* without nodes */
    assert_int_equal(call(f, wire_find, TOPICS, "topic", &other, 1), 1); /* the same */
    ok(call(f, device_remove, node.device));
    assert_int_equal(call(f, wire_node, group.id, "7", &node), 0); /* it may come back */
}

static void test_so_many_nodes(void **state)
{
    struct fixture *f = *state;
    struct wire_row group, node;
    char name[16];

    add(f, "field", wire(TOPICS, "topic", 0));
    group = the_wire(f, TOPICS, "topic");
    begin(f);
    for (int i = 0; i < WIRE_NODES_MAX; i++) {
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(enter(f, &group, name, &node), 1);
    }
    assert_int_equal(enter(f, &group, "more", &node), 0);
    take_back(f);
}

/* Those with a node go before a group of the same route. */
static void test_the_order_of_a_route(void **state)
{
    struct fixture *f = *state;
    struct wire_row rows[4];

    add(f, "group", wire(TOPICS, "topic", 0));
    add(f, "seven", node_wire("topic", "7"));
    add(f, "eight", node_wire("topic", "8"));
    assert_int_equal(call(f, wire_find, TOPICS, "topic", rows, 4), 3);
    assert_string_equal(rows[0].name, "seven");
    assert_string_equal(rows[1].name, "eight");
    assert_string_equal(rows[2].name, "group");
    assert_int_equal(call(f, wire_find, TOPICS, "topic", rows, 2), 2);
}

/* ---- session ids ---- */

static const char *id_of(int number)
{
    static char id[WIRE_SESSION_ID + 1];

    snprintf(id, sizeof(id), "%032x", (unsigned)number);
    return id;
}

static int issue(struct fixture *f, int number)
{
    return call(f, session_issue, "sessions", id_of(number), f->now);
}

static int spend(struct fixture *f, int number, const uint8_t *hash)
{
    return call(f, session_spend, "sessions", id_of(number), hash);
}

static int list(struct fixture *f, struct session_row rows[WIRE_SESSIONS_MAX])
{
    return call(f, session_list, "sessions", rows);
}

static void assert_id(const struct session_row *row, int number)
{
    assert_memory_equal(row->id, id_of(number), WIRE_SESSION_ID);
}

static void test_session_ids(void **state)
{
    static const uint8_t hash[WIRE_HASH_SIZE] = {7};
    struct fixture *f = *state;
    struct session_row rows[WIRE_SESSIONS_MAX];
    int64_t before = version(f);

    begin(f);
    assert_int_equal(list(f, rows), 0);
    assert_int_equal(issue(f, 1), 1);
    take_back(f);
    assert_int_equal(list(f, rows), 0);
    begin(f);
    assert_int_equal(issue(f, 1), 1);
    end(f);
    assert_true(version(f) > before);
    f->now += 600;
    begin(f);
    assert_int_equal(issue(f, 2), 1);
    assert_int_equal(list(f, rows), 2);
    end(f);
    assert_id(&rows[0], 2);
    assert_int_equal(rows[0].issued, f->now);
    assert_int_equal(rows[0].retired, 0);
    assert_id(&rows[1], 1);
    assert_int_equal(rows[1].retired, f->now);
    assert_false(rows[0].spent || rows[1].spent);
    begin(f);
    assert_int_equal(spend(f, 2, hash), 1);
    assert_int_equal(spend(f, 2, hash), 0);
    assert_int_equal(spend(f, 3, hash), 0);
    assert_int_equal(spend(f, 1, NULL), 1);
    assert_int_equal(list(f, rows), 2);
    end(f);
    assert_id(&rows[0], 1); /* spent last */
    assert_true(rows[0].spent && !rows[0].has_hash);
    assert_id(&rows[1], 2);
    assert_true(rows[1].spent && rows[1].has_hash);
    assert_memory_equal(rows[1].hash, hash, sizeof(hash));
    begin(f);
    assert_int_equal(issue(f, 1), 0); /* draw again */
    assert_int_equal(call(f, session_issue, "another", id_of(1), f->now), 1);
    assert_int_equal(list(f, rows), 2);
    end(f);
}

static void test_so_many_session_ids(void **state)
{
    struct fixture *f = *state;
    struct session_row rows[WIRE_SESSIONS_MAX];
    int number = 0;

    begin(f);
    for (int i = 0; i < WIRE_SESSIONS_SPENT + 3; i++) {
        assert_int_equal(issue(f, ++number), 1);
        assert_int_equal(spend(f, number, NULL), 1);
    }
    for (int i = 0; i < WIRE_SESSIONS_VALID + 3; i++)
        assert_int_equal(issue(f, ++number), 1);
    assert_int_equal(list(f, rows), WIRE_SESSIONS_MAX);
    end(f);
    for (int i = 0; i < WIRE_SESSIONS_VALID; i++)
        assert_id(&rows[i], number - i);
    for (int i = 0; i < WIRE_SESSIONS_SPENT; i++)
        assert_id(&rows[WIRE_SESSIONS_VALID + i], WIRE_SESSIONS_SPENT + 3 - i);
}

/* Set back by an hour: what was retired then is not valid once more when that time comes again. */
static void test_a_clock_that_is_set_back(void **state)
{
    struct fixture *f = *state;
    struct session_row rows[WIRE_SESSIONS_MAX];

    begin(f);
    assert_int_equal(issue(f, 1), 1);
    assert_int_equal(issue(f, 2), 1);
    f->now -= WIRE_CLOCK_SLACK; /* so far another gateway's may be behind */
    assert_int_equal(issue(f, 3), 1);
    assert_int_equal(list(f, rows), 3);
    f->now -= 3600;
    assert_int_equal(issue(f, 4), 1);
    assert_int_equal(list(f, rows), 2);
    end(f);
    assert_id(&rows[0], 4);
    assert_id(&rows[1], 3);
}

static void test_a_store_that_came_back(void **state)
{
    struct fixture *f = *state;
    struct session_row rows[WIRE_SESSIONS_MAX];
    int64_t contexts, before;

    begin(f);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(issue(f, i), 1);
    assert_int_equal(spend(f, 2, (const uint8_t[WIRE_HASH_SIZE]){1}), 1);
    end(f);
    before = version(f);
    ok(call(f, restored, "challenge", 9, &contexts));
    assert_true(version(f) > before);
    assert_int_equal(list(f, rows), 3);
    for (int i = 0; i < 3; i++)
        assert_true(rows[i].spent);
    assert_id(&rows[0], 3);
    assert_false(rows[0].has_hash);
    assert_id(&rows[2], 2);
    assert_true(rows[2].has_hash);
    begin(f);
    assert_int_equal(spend(f, 3, NULL), 0);
    assert_int_equal(issue(f, 4), 1);
    assert_int_equal(spend(f, 4, NULL), 1);
    assert_int_equal(list(f, rows), 4);
    end(f);
    assert_id(&rows[0], 4);
}

/* With the last device of a topic go its ids. */
static void test_ids_of_nobody(void **state)
{
    struct fixture *f = *state;
    struct session_row rows[WIRE_SESSIONS_MAX];
    int64_t a = add(f, "a", node_wire("topic", "1")), b = add(f, "b", node_wire("other", "2"));

    begin(f);
    assert_int_equal(issue(f, 1), 1);
    end(f);
    ok(call(f, device_remove, a));
    assert_int_equal(list(f, rows), 1);
    ok(call(f, device_remove, b));
    assert_int_equal(list(f, rows), 0);
}

/* ---- upgrades ---- */

static struct device_row credential(int64_t device, uint8_t kid, uint8_t kind)
{
    struct device_row row = {
        .id = device, .kid = {kid, 8, 8}, .kid_len = 3, .alg = BULLA_AES_CCM_16_64_128, .kind = kind};

    memset(row.secret, kid, sizeof(row.secret));
    return row;
}

static int upgrade(struct fixture *f, int64_t device, uint8_t kid, uint8_t kind, bool proven, bool at_once)
{
    struct device_row row = credential(device, kid, kind);

    return call(f, device_upgrade, &row, proven, at_once);
}

static enum wire_closed closed(struct fixture *f, int64_t device)
{
    struct wire_row row;

    assert_int_equal(call(f, wire_of, device, &row, NULL), 1);
    assert_true(row.closed == WIRE_OPEN || row.keys_len == 0);
    return row.closed;
}

static struct commit_context counter(struct fixture *f, int64_t device)
{
    struct commit_context context = {.verdict = COMMIT_CONFLICT};
    struct store_clock clock;

    assert_int_equal(call(f, context_find, device, NULL, &context.before, &clock), 1);
    return context;
}

static void test_upgrades(void **state)
{
    struct fixture *f = *state;
    int64_t native = add_device(f, "native", 1, BULLA_SESSION, false).id;
    int64_t a = add(f, "a", wire(PATHS, "1", 0)), group = add(f, "field", wire(TOPICS, "topic", 0));
    struct device_row row, taken = credential(a, 1, BULLA_SESSION);
    int64_t before = generation(f);

    assert_int_equal(upgrade(f, native, 2, BULLA_SESSION, false, false), -1);
    says(f, "no older wire");
    assert_int_equal(upgrade(f, group, 2, BULLA_SESSION, false, false), -1);
    assert_int_equal(call(f, device_by_name, "native", &row), 1);
    memcpy(taken.kid, row.kid, sizeof(row.kid));
    taken.kid_len = row.kid_len;
    assert_int_equal(call(f, device_upgrade, &taken, false, false), 0);
    assert_int_equal(generation(f), before);
    assert_int_equal(upgrade(f, a, 2, BULLA_SESSION, false, false), 1);
    assert_true(generation(f) > before);
    assert_int_equal(upgrade(f, a, 3, BULLA_SESSION, false, false), -1);
    says(f, "credential already");
    assert_int_equal(call(f, device_by_kid, (const uint8_t[]){2, 8, 8}, 3, &row), 1);
    assert_int_equal(row.id, a);
    assert_int_equal(row.secret[5], 2);
    assert_int_equal(closed(f, a), WIRE_OPEN);
    row.kid_len = 0;
    assert_int_equal(call(f, device_upgrade, &row, false, true), 1); /* only closes */
    assert_int_equal(closed(f, a), WIRE_UPGRADED);
    ok(call(f, device_remove, a));
    assert_int_equal(call(f, kid_is_taken, (const uint8_t[]){2, 8, 8}, 3), 1);
}

static void test_the_first_message_closes(void **state)
{
    struct fixture *f = *state;
    int64_t a = add(f, "a", wire(PATHS, "1", 0)), b = add(f, "b", wire(PATHS, "2", 0));
    int64_t c = add(f, "c", wire(PATHS, "3", 0)), before, versions;
    struct commit_context context;
    struct wire_row row;

    assert_int_equal(upgrade(f, a, 2, BULLA_COUNTER, true, false), 1);
    context = counter(f, a);
    context.before.window = (struct bulla_window){.top = 9, .bits = 1}; /* it is not */
    ok(commit_one(f, f->store, &context, 12));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
    assert_int_equal(closed(f, a), WIRE_OPEN);
    context = counter(f, a);
    before = generation(f);
    versions = version(f);
    ok(commit_one(f, f->store, &context, 1));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(closed(f, a), WIRE_UPGRADED);
    assert_true(generation(f) > before && version(f) > versions);
    assert_int_equal(call(f, wire_find, PATHS, "1", &row, 1), 1); /* so that the journal can say whose */
    assert_int_equal(row.closed, WIRE_UPGRADED);
    before = generation(f);
    context = counter(f, a);
    ok(commit_one(f, f->store, &context, 2));
    assert_int_equal(generation(f), before);
    /* A session's proof; and a counter that was proven by hand, whose window has a lower limit. */
    assert_int_equal(upgrade(f, b, 3, BULLA_SESSION, false, false), 1);
    (void)prove(f, b, 1, 4711, 1);
    assert_int_equal(closed(f, b), WIRE_UPGRADED);
    assert_int_equal(upgrade(f, c, 4, BULLA_COUNTER, false, false), 1);
    assert_int_equal(call(f, device_trust, c, 100), 1);
    assert_int_equal(closed(f, c), WIRE_OPEN);
    context = counter(f, c);
    ok(commit_one(f, f->store, &context, 100));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(closed(f, c), WIRE_UPGRADED);
}

/* What an older wire counted as lost is the device's for ever: it fails no native batch. */
static void test_a_full_count_of_lost_messages_is_taken_along(void **state)
{
    struct fixture *f = *state;
    int64_t a = add(f, "a", wire(PATHS, "1", 0));
    struct wire_change sets = {.device = a, .sets_number = true, .number = 90, .lost = INT64_MAX - 1};
    struct commit_context context;

    sets.row = the_wire(f, PATHS, "1").id;
    begin(f);
    ok(call(f, wire_change, &sets));
    end(f);
    assert_int_equal(upgrade(f, a, 2, BULLA_COUNTER, true, false), 1);
    context = counter(f, a);
    ok(commit_one(f, f->store, &context, 1));
    context = counter(f, a);
    ok(commit_one(f, f->store, &context, 1 + 64 + 20)); /* some 20 are lost */
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_true(listed(f).lost == INT64_MAX);
}

static void test_a_group_that_goes(void **state)
{
    static const struct label label = {"site", "roof"};
    struct fixture *f = *state;
    int64_t id = add(f, "field", wire(TOPICS, "topic", 0)), count;
    struct wire_row group = the_wire(f, TOPICS, "topic"), plain, native;

    begin(f);
    assert_int_equal(enter(f, &group, "7", &plain), 1);
    assert_int_equal(enter(f, &group, "8", &native), 1);
    end(f);
    assert_int_equal(call(f, device_label, plain.device, &label, 1), 1);
    assert_int_equal(upgrade(f, native.device, 5, BULLA_SESSION, false, false), 1);
    ok(call(f, device_remove, id));
    ok(f->store->ops->device_count(f->store, &count, &f->failure));
    assert_int_equal(count, 1); /* the native one stays, and its older wire does not */
    assert_int_equal(closed(f, native.device), WIRE_UPGRADED);
    assert_int_equal(count_wires(f), 0);
    assert_int_equal(call(f, wire_node, group.id, "7", &plain), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_device),
        STORE_TEST(test_a_number_to_begin_with),
        STORE_TEST(test_unsequenced),
        STORE_TEST(test_neighbours),
        STORE_TEST(test_a_message),
        STORE_TEST(test_more_are_lost_than_can_be_counted),
        STORE_TEST(test_a_message_that_is_taken_back),
        STORE_TEST(test_ciphertexts),
        STORE_TEST(test_a_group),
        STORE_TEST(test_so_many_nodes),
        STORE_TEST(test_the_order_of_a_route),
        STORE_TEST(test_session_ids),
        STORE_TEST(test_so_many_session_ids),
        STORE_TEST(test_a_clock_that_is_set_back),
        STORE_TEST(test_a_store_that_came_back),
        STORE_TEST(test_ids_of_nobody),
        STORE_TEST(test_upgrades),
        STORE_TEST(test_the_first_message_closes),
        STORE_TEST(test_a_full_count_of_lost_messages_is_taken_along),
        STORE_TEST(test_a_group_that_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
