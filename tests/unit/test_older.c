/*
 * Older wires through the real pipeline and store, with a wire of this test's own: its messages are words,
 * the first of which is the key. What the wires of the gateway decrypt is tested beside them.
 *
 *     KEY n5 VALUE            number 5 and a reading
 *     KEY r5                  sets the number
 *     KEY u VALUE             a reading without a number
 *     KEY s0123… NODE VALUE   names a session id, and a node
 *     KEY get                 asks for the number
 */
#include "lab_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/decode/decoder.h"

/* ---- the wire ---- */

static int toy_keys_parse(const char *text, size_t len, unsigned flags, uint8_t keys[WIRE_KEYS_MAX],
                          size_t *keys_len, struct failure *failure)
{
    (void)flags, (void)failure;
    memcpy(keys, text, len);
    *keys_len = len;
    return 0;
}

static int toy_route_check(const char *route, struct failure *failure)
{
    (void)route, (void)failure;
    return 0;
}

struct words {
    char key[32];
    char claim[64];
    char rest[2][64];
    int count;
};

static bool has_key(const struct wire_candidate *candidate, const struct words *words)
{
    return candidate->keys_len == strlen(words->key) &&
           memcmp(candidate->keys, words->key, candidate->keys_len) == 0;
}

static enum outcome toy_reading(struct readings *readings, const struct wire_candidate *candidate,
                                const struct wire_message *message, const char *value)
{
    struct text name;
    struct reading reading = {.type = READING_INTEGER, .unit = "", .time = message->received};

    assert_int_equal(readings_copy(readings, candidate->reading_name, strlen(candidate->reading_name), &name),
                     DECODED);
    reading.name = name.at;
    reading.name_len = name.len;
    reading.value.integer = atoll(value);
    assert_int_equal(readings_append(readings, &reading), DECODED);
    return OUTCOME_STORED;
}

/* Which of the device's session ids the message names. */
static enum outcome toy_session(const struct wire_candidate *candidate, const struct words *words,
                                struct wire_opened *opened)
{
    for (size_t i = 0; i < candidate->session_count; i++) {
        const struct wire_session *session = &candidate->sessions[i];
        if (memcmp(candidate->ids[i], words->claim + 1, WIRE_SESSION_ID) != 0)
            continue;
        opened->session = i;
        opened->spends = !session->spent;
        snprintf(opened->node, sizeof(opened->node), "%s", words->rest[0]);
        if (session->spent)
            return session->has_hash && memcmp(session->hash, opened->hash, WIRE_HASH_SIZE) == 0
                       ? OUTCOME_DUPLICATE
                       : OUTCOME_STALE;
        return OUTCOME_STORED;
    }
    return OUTCOME_FORGED;
}

static enum outcome toy_judge(const struct wire_message *message, const struct wire_candidate *candidate,
                              const struct words *words, struct readings *readings,
                              struct wire_opened *opened)
{
    unsigned long long number = strtoull(words->claim + 1, NULL, 10);
    enum outcome outcome;

    switch (words->claim[0]) {
    case 'g':
        opened->reply_len = (size_t)snprintf((char *)opened->reply, sizeof(opened->reply), "%llu",
                                             (unsigned long long)candidate->number);
        return OUTCOME_ANSWERED;
    case 's':
        outcome = toy_session(candidate, words, opened);
        if (outcome == OUTCOME_STORED)
            toy_reading(readings, candidate, message, words->rest[1]);
        return outcome;
    case 'u':
        opened->remembers = true;
        return candidate->hashes_full ? OUTCOME_STALE
                                      : toy_reading(readings, candidate, message, words->rest[0]);
    case 'r':
        opened->sets_number = true;
        opened->number = number;
        opened->remembers = true;
        return OUTCOME_RESET;
    default:
        opened->remembers = (candidate->flags & WIRE_ALLOW_RESET) != 0;
        if (number <= candidate->number)
            return OUTCOME_STALE;
        opened->sets_number = true;
        opened->number = number;
        opened->lost = candidate->number == 0 ? 0 : number - candidate->number - 1;
        return toy_reading(readings, candidate, message, words->rest[0]);
    }
}

static size_t most_candidates; /* that a message was judged with */

static int toy_open(const struct wire_message *message, const struct wire_candidate *candidates, size_t count,
                    struct readings *readings, struct wire_opened *opened)
{
    struct words words = {.count = 0};
    char text[160] = "";

    most_candidates = count > most_candidates ? count : most_candidates;
    memcpy(text, message->bytes, message->len < sizeof(text) ? message->len : sizeof(text) - 1);
    for (size_t i = 0; text[i] != '\0'; i++) /* no two of this test's messages share it */
        opened->hash[i % WIRE_HASH_SIZE] =
            (uint8_t)(opened->hash[i % WIRE_HASH_SIZE] * 31 + (uint8_t)text[i]);
    words.count = sscanf(text, "%31s %63s %63s %63s", words.key, words.claim, words.rest[0], words.rest[1]);
    if (strcmp(words.key, "broken") == 0)
        return -1;
    if (strcmp(words.key, "half") == 0 &&
        count > 0) { /* it is of the first device's route, and not authentic */
        opened->candidate = 0;
        return 0;
    }
    if (words.count < 2) {
        opened->outcome = OUTCOME_MALFORMED;
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        if (has_key(&candidates[i], &words)) {
            opened->candidate = i;
            opened->outcome = toy_judge(message, &candidates[i], &words, readings, opened);
            snprintf(opened->detail, sizeof(opened->detail), "the toy says so");
            if (opened->outcome == OUTCOME_FORGED)
                opened->candidate = WIRE_NONE;
            return 0;
        }
    opened->outcome = count == 0 ? OUTCOME_UNKNOWN : OUTCOME_FORGED;
    return 0;
}

static const struct wire_ops toy = {
    .name = "toy",
    .route_word = "path",
    .devices_per_route = 1,
    .keys_parse = toy_keys_parse,
    .route_check = toy_route_check,
    .open = toy_open,
};

static const struct wire_ops toy_topics = {
    .name = "toy-topics",
    .route_word = "topic",
    .devices_per_route = 64,
    .has_sessions = true,
    .has_groups = true,
    .keys_parse = toy_keys_parse,
    .route_check = toy_route_check,
    .open = toy_open,
};

/* ---- devices ---- */

static struct wire_row wire_row(const struct wire_ops *wire, const char *route, unsigned flags)
{
    struct wire_row row = {.flags = flags, .lifetime = 600, .grace = 30};

    strcpy(row.wire, wire->name);
    strcpy(row.route, route);
    strcpy(row.reading_name, "value");
    if (wire->has_sessions)
        strcpy(row.session_topic, "sessions");
    return row;
}

/* As `bulla device add` does; 1, or -1 with the failure. */
static int try_add(struct lab *lab, const char *name, const char *key, struct wire_row *row,
                   struct failure *failure)
{
    struct device_entry entry = {.row = {.alg = 10, .kind = BULLA_SESSION, .created = lab->now / SECOND},
                                 .wire = row};
    enum device_clash clash;
    size_t at;

    entry.per_route = strcmp(row->wire, toy.name) == 0 ? toy.devices_per_route : toy_topics.devices_per_route;
    strcpy(entry.row.name, name);
    assert_int_equal(vault_seal_wire(&lab->vault, row, (const uint8_t *)key, strlen(key), failure), 0);
    return lab->office->ops->devices_add(lab->office, &entry, 1, &at, &clash, failure);
}

static int64_t add(struct lab *lab, const char *name, const char *key, struct wire_row row)
{
    struct failure failure;

    if (try_add(lab, name, key, &row, &failure) != 1)
        lab_fail("%s", failure.text);
    lab_idle(lab); /* so that gateways know */
    return row.device;
}

static struct lab_letter *say(struct lab *lab, const struct wire_ops *wire, const char *route,
                              const char *words)
{
    const struct lab_older older = {.wire = wire, .route = route, .bytes = words, .len = strlen(words)};
    struct lab_letter *letter = lab_send_older(lab, 0, &older);

    assert_fate(letter, "waiting");
    lab_run(lab);
    assert_int_equal(letter->answers, 1);
    return letter;
}

/* ---- numbers ---- */

static void a_message_is_stored_once(void **state)
{
    struct lab *lab = *state;

    add(lab, "balcony", "secret", wire_row(&toy, "12FA", 0));
    assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "stored");
    assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "stale");
    assert_fate(say(lab, &toy, "12FA", "secret n4 301"), "stale");
    assert_fate(say(lab, &toy, "12FA", "secret n9 302"), "stored");
    assert_int_equal(lab_stored(lab, 300), 1);
    assert_int_equal(lab_stored(lab, 301), 0);
    assert_int_equal(lab_number(lab, "SELECT piv FROM points WHERE value = 302"), 9);
    assert_int_equal(lab_number(lab, "SELECT lost FROM devices WHERE name = 'balcony'"), 3);
    assert_int_equal(lab_number(lab, "SELECT number FROM wires"), 9);
    assert_int_equal(lab_events(lab, "stale"), 2);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events WHERE device_name = 'balcony'"), 2);
    assert_int_equal(lab->gateways[0].pipeline.counters.readings, 2);
}

static void what_is_not_known_is_refused(void **state)
{
    struct lab *lab = *state;

    assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "unknown");
    add(lab, "balcony", "secret", wire_row(&toy, "12FA", 0));
    assert_fate(say(lab, &toy, "12FB", "secret n5 300"), "unknown");
    assert_fate(say(lab, &toy, "12FA", "another n5 300"), "forged");
    assert_fate(say(lab, &toy, "12FA", "?"), "malformed");
    assert_fate(say(lab, &toy, "12FA", "broken n5 300"), "busy");
    assert_fate(say(lab, &toy_topics, "12FA", "secret n5 300"), "unknown"); /* another wire's route */
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 0);
    assert_int_equal(lab_number(lab, "SELECT number FROM wires"), 0);
}

static void a_question_changes_nothing(void **state)
{
    struct lab *lab = *state;
    struct lab_letter *letter;

    add(lab, "balcony", "secret", wire_row(&toy, "12FA", 0));
    assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "stored");
    letter = say(lab, &toy, "12FA", "secret get");
    assert_fate(letter, "answered");
    assert_int_equal(letter->reply_len, 1);
    assert_memory_equal(letter->reply, "5", 1);
    assert_int_equal(lab_events(lab, "answered"), 0);
}

/* ---- failures ---- */

static void a_failed_commit_changes_nothing(void **state)
{
    static const enum lab_call calls[] = {CALL_WIRES_BEGIN, CALL_WIRES_END, CALL_WIRE_CHANGE};
    struct lab *lab = *state;

    add(lab, "balcony", "secret", wire_row(&toy, "12FA", 0));
    for (size_t i = 0; i < COUNT(calls); i++) {
        lab_store_fail(&lab->gateways[0].store, calls[i], FAULT_BEFORE, 1);
        assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "busy");
        assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 0);
        assert_int_equal(lab_number(lab, "SELECT number FROM wires"), 0);
    }
    assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "stored");
    /* It was committed, and the gateway was told that it failed: the device sends it again. */
    lab_store_fail(&lab->gateways[0].store, CALL_WIRES_END, FAULT_AFTER, 1);
    assert_fate(say(lab, &toy, "12FA", "secret n6 301"), "busy");
    assert_fate(say(lab, &toy, "12FA", "secret n6 301"), "stale");
    assert_int_equal(lab_stored(lab, 301), 1);
}

/* ---- ciphertexts that are remembered ---- */

static void a_ciphertext_is_accepted_once(void **state)
{
    struct lab *lab = *state;

    add(lab, "balcony", "secret", wire_row(&toy, "12FA", WIRE_ALLOW_RESET | WIRE_ALLOW_UNSEQUENCED));
    assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "stored");
    assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "duplicate"); /* not only stale */
    assert_fate(say(lab, &toy, "12FA", "secret r2"), "reset");
    assert_fate(say(lab, &toy, "12FA", "secret r2"), "duplicate");
    assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "duplicate"); /* its number is above 2 */
    assert_fate(say(lab, &toy, "12FA", "secret n5 301"), "stored");
    assert_fate(say(lab, &toy, "12FA", "secret u 302"), "stored");
    assert_int_equal(lab_events(lab, "reset"), 1);
    lab_restart(lab);
    assert_fate(say(lab, &toy, "12FA", "secret u 302"), "duplicate");
    assert_fate(say(lab, &toy, "12FA", "secret r2"), "duplicate");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 3);
    assert_int_equal(lab_number(lab, "SELECT hashes FROM wires"), 4);
    assert_int_equal(lab_number(lab, "SELECT piv FROM points WHERE value = 302"), 3); /* its third reading */
}

static void so_many_ciphertexts_are_remembered(void **state)
{
    struct lab *lab = *state;

    add(lab, "balcony", "secret", wire_row(&toy, "12FA", WIRE_ALLOW_UNSEQUENCED));
    lab_sql(lab, "UPDATE wires SET hashes = %d", WIRE_HASHES_MAX - 1);
    assert_fate(say(lab, &toy, "12FA", "secret u 1"), "stored");
    assert_fate(say(lab, &toy, "12FA", "secret u 2"), "stale");
    assert_fate(say(lab, &toy, "12FA", "secret u 1"), "duplicate");
    assert_fate(say(lab, &toy, "12FA", "secret n1 3"), "stored"); /* a number needs none */
    assert_int_equal(lab_number(lab, "SELECT hashes FROM wires"), WIRE_HASHES_MAX);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM wire_hashes"), 1);
}

/* POST /setdata without an id: whoever may send so. */
static void a_message_without_a_route(void **state)
{
    struct lab *lab = *state;

    add(lab, "balcony", "secret", wire_row(&toy, "12FA", 0));
    assert_fate(say(lab, &toy, NULL, "secret u 1"), "unknown");
    add(lab, "cellar", "other", wire_row(&toy, "12FB", WIRE_ALLOW_UNSEQUENCED));
    assert_fate(say(lab, &toy, NULL, "secret u 1"), "forged");
    assert_fate(say(lab, &toy, NULL, "other u 1"), "stored");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings_readable WHERE device = 'cellar'"), 1);
}

/* ---- removed, added again ---- */

static void a_removed_device_leaves_a_tombstone(void **state)
{
    struct lab *lab = *state;
    struct wire_row row = wire_row(&toy, "12FA", WIRE_ALLOW_RESET);
    struct failure failure;
    int64_t device = add(lab, "balcony", "secret", row);

    assert_int_equal(try_add(lab, "second", "secret", &row, &failure), -1); /* the id is taken */
    assert_non_null(strstr(failure.text, "already"));
    assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "stored");
    assert_int_equal(lab->office->ops->device_remove(lab->office, device, &failure), 0);
    assert_fate(say(lab, &toy, "12FA", "secret n6 300"), "unknown");
    assert_int_equal(lab_number(lab, "SELECT length(keys) FROM wires"), 0);
    add(lab, "balcony", "secret", wire_row(&toy, "12FA", WIRE_ALLOW_RESET));
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM wires"), 1);
    assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "duplicate");
    assert_fate(say(lab, &toy, "12FA", "secret n4 301"), "stale");
    assert_fate(say(lab, &toy, "12FA", "secret n6 302"), "stored");
    assert_true(lab_number(lab, "SELECT max(id) FROM devices") > device);
}

static void a_revoked_device_is_refused(void **state)
{
    struct lab *lab = *state;
    struct failure failure;
    struct lab_letter *letter;
    int64_t device = add(lab, "balcony", "secret", wire_row(&toy, "12FA", 0));

    assert_int_equal(lab->office->ops->device_revoke(lab->office, device, &failure), 0);
    assert_fate(say(lab, &toy, "12FA", "secret n5 300"), "revoked");
    letter = say(lab, &toy, "12FA", "secret g");
    assert_fate(letter, "revoked");
    assert_int_equal(letter->reply_len, 0);
    assert_int_equal(lab_number(lab, "SELECT number FROM wires"), 0);
    assert_int_equal(lab_events(lab, "revoked"), 2);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events WHERE device_name = 'balcony'"), 2);
}

/* ---- upgrades ---- */

static void the_first_native_message_closes_the_older_wire(void **state)
{
    static const enum bulla_kind kinds[] = {BULLA_SESSION, BULLA_COUNTER};
    struct lab *lab = *state;
    struct lab_device device;
    char route[2] = "0";

    for (size_t i = 0; i < COUNT(kinds); i++) {
        char name[] = {(char)('a' + i), '\0'};
        int64_t id;
        route[0] = (char)('0' + i);
        id = add(lab, name, "secret", wire_row(&toy, route, 0));
        assert_fate(say(lab, &toy, route, "secret n5 300"), "stored");
        assert_int_equal(lab_upgrade(lab, &device, id, kinds[i], false), 1);
        assert_int_equal(lab_upgrade(lab, &device, id, kinds[i], false), -1); /* it has one now */
        assert_fate(say(lab, &toy, route, "secret n6 301"), "stored");
        lab_sql(lab, "UPDATE devices SET kid = NULL, secret = NULL WHERE id = %d", (int)id);
        lab_sql(lab, "DELETE FROM contexts");
        assert_int_equal(lab_upgrade(lab, &device, id, kinds[i], false), 1);
        lab_tell(&device, 302);
        assert_fate(say(lab, &toy, route, "secret n7 303"), "unknown");
        assert_int_equal(lab_number(lab, "SELECT closed FROM wires WHERE device = %d", (int)id),
                         WIRE_UPGRADED);
        assert_int_equal(lab_number(lab, "SELECT length(keys) FROM wires WHERE device = %d", (int)id), 0);
        lab_tell(&device, 304);
        assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings_readable WHERE device = '%s'", name),
                         4);
    }
    lab_idle(lab);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events WHERE detail LIKE '%%was upgraded%%'"
                                     " AND device_name IN ('a', 'b')"),
                     2);
}

static void a_failed_commit_leaves_the_older_wire_open(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    int64_t id = add(lab, "balcony", "secret", wire_row(&toy, "12FA", 0));

    assert_int_equal(lab_upgrade(lab, &device, id, BULLA_COUNTER, false), 1);
    packet = lab_seal(&device, 1);
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_BEFORE, 1);
    assert_fate(lab_deliver(lab, &packet), "busy");
    assert_fate(say(lab, &toy, "12FA", "secret n6 301"), "stored");
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_fate(say(lab, &toy, "12FA", "secret n7 302"), "unknown");
}

static void an_older_wire_can_be_closed_at_once(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct failure failure;
    int64_t id = add(lab, "balcony", "secret", wire_row(&toy, "12FA", 0));

    assert_int_equal(lab_upgrade(lab, &device, id, BULLA_SESSION, true), 1);
    assert_fate(say(lab, &toy, "12FA", "secret n6 301"), "unknown");
    lab_tell(&device, 302);
    assert_int_equal(lab->office->ops->device_remove(lab->office, id, &failure), 0);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM tombstones"), 1);
    assert_int_equal(lab_number(lab, "SELECT closed FROM wires WHERE device = 0"), WIRE_UPGRADED);
    assert_fate(say(lab, &toy, "12FA", "secret n6 301"), "unknown");
}

/* ---- session ids, and groups ---- */

/* The current session id, from the gateway's roster. */
static const char *current(struct lab *lab)
{
    const struct roster *roster = pipeline_roster(&lab->gateways[0].pipeline);

    assert_non_null(roster);
    assert_int_equal(roster->session_count, 1);
    assert_string_equal(roster->sessions[0].topic, "sessions");
    assert_int_equal(strlen(roster->sessions[0].id), WIRE_SESSION_ID);
    return roster->sessions[0].id;
}

static char *naming(char words[160], const char *id, const char *node, int value)
{
    snprintf(words, 160, "secret s%s %s %d", id, node, value);
    return words;
}

#define tell(lab, words) say(lab, &toy_topics, "topic", words)

static void a_session_id_is_for_one_message(void **state)
{
    struct lab *lab = *state;
    struct wire_row row = wire_row(&toy_topics, "topic", 0);
    char first[WIRE_SESSION_ID + 1];
    char words[160], others[160];

    strcpy(row.node, "7");
    add(lab, "balcony", "secret", row);
    strcpy(first, current(lab));
    assert_fate(tell(lab, naming(words, first, "7", 300)), "stored");
    assert_string_not_equal(current(lab), first); /* at once */
    assert_fate(tell(lab, words), "duplicate");
    assert_fate(tell(lab, naming(others, current(lab), "7", 301)), "stored");
    lab_restart(lab);
    lab_idle(lab);
    assert_fate(tell(lab, words), "duplicate");
    assert_fate(tell(lab, naming(words, first, "7", 303)), "stale"); /* another message under that id */
    assert_fate(tell(lab, naming(words, "00112233445566778899aabbccddeeff", "7", 302)), "forged");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 2);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM session_ids WHERE spent = 0"), 1);
}

static void ids_live_for_their_time(void **state)
{
    struct lab *lab = *state;
    struct wire_row row = wire_row(&toy_topics, "topic", 0);
    char ids[4][WIRE_SESSION_ID + 1];
    char words[160];

    strcpy(row.node, "7");
    add(lab, "balcony", "secret", row);
    strcpy(ids[0], current(lab));
    lab_forward(lab, 590);
    lab_idle(lab);
    assert_string_equal(current(lab), ids[0]);
    lab_forward(lab, 10);
    lab_idle(lab);
    strcpy(ids[1], current(lab));
    assert_string_not_equal(ids[1], ids[0]);
    lab_forward(lab, 25);
    assert_fate(tell(lab, naming(words, ids[0], "7", 1)), "stored"); /* in its grace time */
    assert_string_equal(current(lab), ids[1]);
    lab_forward(lab, 600);
    lab_idle(lab);
    strcpy(ids[2], current(lab));
    lab_forward(lab, 31);
    assert_fate(tell(lab, naming(words, ids[1], "7", 2)), "forged"); /* behind it */
    /* A clock that is set back prolongs nothing. */
    lab_forward(lab, -3600);
    lab_idle(lab);
    strcpy(ids[3], current(lab));
    assert_string_not_equal(ids[3], ids[2]);
    lab_forward(lab, 31);
    assert_fate(tell(lab, naming(words, ids[2], "7", 3)), "forged");
    assert_fate(tell(lab, naming(words, ids[3], "7", 4)), "stored");
    /* Nor does it when the times come again. */
    lab_forward(lab, 3600 - 2 * 31 + 5);
    assert_fate(tell(lab, naming(words, ids[1], "7", 5)), "forged");
    assert_fate(tell(lab, naming(words, ids[2], "7", 6)), "forged");
}

/* A gateway that was away replaces an id long after its lifetime: that gives it no grace time any more. */
static void an_id_that_died_unseen_stays_dead(void **state)
{
    struct lab *lab = *state;
    struct wire_row row = wire_row(&toy_topics, "topic", 0);
    char first[160], second[160];

    strcpy(row.node, "7");
    add(lab, "balcony", "secret", row);
    naming(first, current(lab), "7", 1);
    lab_forward(lab, 3600);
    assert_fate(tell(lab, first), "forged");
    lab_idle(lab);
    assert_string_not_equal(naming(second, current(lab), "7", 1), first);
    assert_fate(tell(lab, first), "forged");
    /* Away for less than the grace time, it is good for what is left of that, replaced or not. */
    lab_forward(lab, 615);
    assert_fate(tell(lab, second), "stored");
    naming(second, current(lab), "7", 2);
    lab_forward(lab, 615);
    lab_idle(lab);
    lab_forward(lab, 10);
    assert_fate(tell(lab, second), "stored");
    naming(second, current(lab), "7", 3);
    lab_forward(lab, 615);
    lab_idle(lab);
    lab_forward(lab, 20);
    assert_fate(tell(lab, second), "forged");
}

static void so_many_ids_are_kept(void **state)
{
    struct lab *lab = *state;
    struct wire_row row = wire_row(&toy_topics, "topic", 0);
    char first[160], words[160];

    strcpy(row.node, "7");
    add(lab, "balcony", "secret", row);
    naming(first, current(lab), "7", 0);
    assert_fate(tell(lab, first), "stored");
    for (int i = 1; i < WIRE_SESSIONS_SPENT; i++)
        assert_fate(tell(lab, naming(words, current(lab), "7", i)), "stored");
    assert_fate(tell(lab, first), "duplicate");
    assert_fate(tell(lab, naming(words, current(lab), "7", WIRE_SESSIONS_SPENT)), "stored");
    assert_fate(tell(lab, first), "forged");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM session_ids WHERE spent"), WIRE_SESSIONS_SPENT);
    for (int i = 0; i < 3 * WIRE_SESSIONS_VALID; i++) {
        lab_forward(lab, 600);
        lab_idle(lab);
    }
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM session_ids WHERE NOT spent"),
                     WIRE_SESSIONS_VALID);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), WIRE_SESSIONS_SPENT + 1);
}

/* --strict: what does not authenticate spends the id as well. */
static void a_strict_topic_spends_on_everything(void **state)
{
    struct lab *lab = *state;
    struct wire_row row = wire_row(&toy_topics, "topic", WIRE_STRICT);
    char id[WIRE_SESSION_ID + 1];
    char words[160];
    struct failure failure;

    strcpy(row.node, "7");
    add(lab, "balcony", "secret", row);
    strcpy(id, current(lab));
    assert_fate(tell(lab, "nobody s0 7 1"), "forged");
    assert_string_not_equal(current(lab), id);
    assert_fate(tell(lab, naming(words, id, "7", 1)), "stale");
    strcpy(id, current(lab));
    assert_fate(tell(lab, "?"), "malformed");
    assert_string_not_equal(current(lab), id);
    strcpy(id, current(lab));
    assert_fate(tell(lab, naming(words, id, "7", 2)), "stored");
    assert_fate(tell(lab, words), "duplicate");
    /* The devices of a session topic are of one mind. */
    row = wire_row(&toy_topics, "other", 0);
    assert_int_equal(try_add(lab, "cellar", "secret", &row, &failure), -1);
    assert_non_null(strstr(failure.text, "--strict"));
    row = wire_row(&toy_topics, "sessions", WIRE_STRICT);
    assert_int_equal(try_add(lab, "cellar", "secret", &row, &failure), -1);
    assert_non_null(strstr(failure.text, "topic of session ids"));
}

static void a_failed_spending_changes_nothing(void **state)
{
    struct lab *lab = *state;
    struct wire_row row = wire_row(&toy_topics, "topic", 0);
    char words[160];

    add(lab, "balcony", "secret", row);
    naming(words, current(lab), "7", 1);
    lab_store_fail(&lab->gateways[0].store, CALL_SESSION_SPEND, FAULT_BEFORE, 1);
    assert_fate(tell(lab, words), "busy");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM devices"), 1); /* its node was not entered */
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 0);
    assert_fate(tell(lab, words), "stored");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM devices"), 2);
}

static void a_group_s_nodes_are_devices(void **state)
{
    struct lab *lab = *state;
    struct failure failure;
    char words[160], first[160];
    int64_t group = add(lab, "field", "secret", wire_row(&toy_topics, "topic", 0));

    assert_fate(tell(lab, naming(first, current(lab), "7", 300)), "stored");
    assert_fate(tell(lab, naming(words, current(lab), "7", 301)), "stored");
    assert_fate(tell(lab, naming(words, current(lab), "Nord\xc3\xb6st", 302)), "stored");
    assert_fate(tell(lab, first), "duplicate");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM devices"), 3);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings_readable WHERE device = 'field/7'"), 2);
    assert_int_equal(lab_number(lab, "SELECT max(seq) FROM readings_readable WHERE device = 'field/7'"), 2);
    assert_int_equal(lab_number(lab, "SELECT seen FROM wires WHERE device = %d", (int)group),
                     lab_number(lab, "SELECT max(seen) FROM wires"));
    /* Revoked: the node, then the group. */
    int64_t node = lab_number(lab, "SELECT id FROM devices WHERE name = 'field/7'");
    assert_int_equal(lab->office->ops->device_revoke(lab->office, node, &failure), 0);
    assert_fate(tell(lab, naming(words, current(lab), "7", 303)), "revoked");
    assert_fate(tell(lab, naming(words, current(lab), "8", 304)), "stored");
    assert_int_equal(lab->office->ops->device_revoke(lab->office, group, &failure), 0);
    assert_fate(tell(lab, naming(words, current(lab), "8", 305)), "revoked");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 4);
}

static void what_is_forged_has_no_node(void **state)
{
    struct lab *lab = *state;

    add(lab, "field", "secret", wire_row(&toy_topics, "topic", 0));
    assert_fate(tell(lab, "half way"), "forged");
    lab_idle(lab);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events WHERE device_name = 'field'"), 1);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM devices"), 1);
}

static void what_cannot_be_a_node_is_refused(void **state)
{
    static const char *const bad[] = {"\x01", "\xff\xfe",
                                      "0123456789012345678901234567890123456789012345678901234567890"};
    struct lab *lab = *state;
    char words[160];

    add(lab, "field", "secret", wire_row(&toy_topics, "topic", 0));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_fate(tell(lab, naming(words, current(lab), bad[i], 1)), "malformed");
    lab_sql(lab, "UPDATE devices SET name = 'field/9' WHERE name = 'field'"); /* somebody has that name */
    lab_sql(lab,
            "INSERT INTO devices (name, alg, kind, revoked, exported, created) VALUES ('field/9/9', 10, 0, 0,"
            " 0, 0)");
    assert_fate(tell(lab, naming(words, current(lab), "9", 1)), "unknown");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 0);
}

static void a_group_has_so_many_nodes(void **state)
{
    struct lab *lab = *state;
    struct failure failure;
    char words[160];
    int64_t group = add(lab, "field", "secret", wire_row(&toy_topics, "topic", 0));

    lab_sql(
        lab,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO wires"
        " (device, grp, wire, route, session_topic, node, reading_name, flags, lifetime, grace, keys)"
        " SELECT 1000 + i, (SELECT id FROM wires WHERE grp = 0), 'toy-topics', 'topic', 'sessions', 'n' || i,"
        " 'value', 0, 600, 30, x'' FROM n",
        WIRE_NODES_MAX - 1);
    assert_fate(tell(lab, naming(words, current(lab), "a", 1)), "stored");
    assert_fate(tell(lab, naming(words, current(lab), "b", 2)), "unknown");
    assert_fate(tell(lab, naming(words, current(lab), "a", 3)), "stored");
    assert_int_equal(lab_events(lab, "unknown"), 1);
    assert_int_equal(lab->office->ops->device_remove(lab->office, group, &failure), 0);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM wires"), 0);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM devices"), 0);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM session_ids"), 0);
}

static void a_node_is_upgraded_by_itself(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct failure failure;
    char words[160];
    int64_t group = add(lab, "field", "secret", wire_row(&toy_topics, "topic", 0));
    int64_t node;

    assert_int_equal(lab_upgrade(lab, &device, group, BULLA_SESSION, false), -1);
    assert_fate(tell(lab, naming(words, current(lab), "7", 300)), "stored");
    assert_fate(tell(lab, naming(words, current(lab), "8", 301)), "stored");
    node = lab_number(lab, "SELECT id FROM devices WHERE name = 'field/7'");
    assert_int_equal(lab_upgrade(lab, &device, node, BULLA_SESSION, false), 1);
    assert_fate(tell(lab, naming(words, current(lab), "7", 302)), "stored");
    lab_tell(&device, 303);
    assert_fate(tell(lab, naming(words, current(lab), "7", 304)), "unknown");
    assert_fate(tell(lab, naming(words, current(lab), "8", 305)), "stored");
    assert_int_equal(lab->office->ops->device_remove(lab->office, group, &failure), 0);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM devices"), 1); /* the native one stays */
    lab_tell(&device, 306);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings_readable WHERE device = 'field/7'"), 4);
}

/* Beside a group of the same keys: a node that has an entry of its own. Upgraded, it is no node of the group.
 */
static void an_upgraded_device_joins_no_group(void **state)
{
    struct lab *lab = *state;
    struct wire_row row = wire_row(&toy_topics, "topic", 0);
    struct lab_device device;
    char words[160];
    int64_t kitchen;

    add(lab, "field", "secret", row);
    strcpy(row.node, "7");
    kitchen = add(lab, "kitchen", "secret", row);
    assert_fate(tell(lab, naming(words, current(lab), "7", 300)), "stored");
    assert_int_equal(lab_upgrade(lab, &device, kitchen, BULLA_SESSION, true), 1);
    lab_idle(lab);
    assert_fate(tell(lab, naming(words, current(lab), "7", 301)), "unknown");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM devices WHERE name = 'field/7'"), 0);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events WHERE device_name = 'kitchen' AND "
                                     "instr(detail, 'upgraded') > 0"),
                     1);
    assert_fate(tell(lab, naming(words, current(lab), "8", 302)), "stored");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings_readable WHERE device = 'field/8'"), 1);
}

/* A removed node comes back with its next message; one that was upgraded does not. */
static void a_removed_node_comes_back(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct failure failure;
    char words[160];

    add(lab, "field", "secret", wire_row(&toy_topics, "topic", 0));
    for (int i = 0; i < 2; i++) {
        int64_t node;
        assert_fate(tell(lab, naming(words, current(lab), "7", 300 + i)), "stored");
        node = lab_number(lab, "SELECT id FROM devices WHERE name = 'field/7'");
        if (i == 1)
            assert_int_equal(lab_upgrade(lab, &device, node, BULLA_SESSION, true), 1);
        assert_int_equal(lab->office->ops->device_remove(lab->office, node, &failure), 0);
    }
    assert_fate(tell(lab, naming(words, current(lab), "7", 302)), "unknown");
}

/* ---- floods, keys ---- */

static void a_flood_is_bounded(void **state)
{
    const struct lab_older older = {.wire = &toy, .route = "12FA", .bytes = "another n5 1", .len = 12};
    struct lab *lab = *state;
    struct lab_letter *letters[OLDER_WAITING + 1];

    add(lab, "balcony", "secret", wire_row(&toy, "12FA", 0));
    for (size_t i = 0; i <= OLDER_WAITING; i++)
        letters[i] = lab_send_older(lab, 0, &older);
    assert_fate(letters[OLDER_WAITING], "busy");
    assert_true(lab_begin(lab));
    lab_end(lab);
    assert_fate(letters[0], "forged"); /* how many more there was time for, the machine's load says */
    assert_fate(letters[CYCLE_OLDER], "waiting");
    lab_run(lab);
    for (size_t i = 0; i < OLDER_WAITING; i++)
        assert_fate(letters[i], "forged");
}

static void changed_keys_are_no_keys(void **state)
{
    struct lab *lab = *state;

    add(lab, "balcony", "secret", wire_row(&toy, "12FA", 0));
    add(lab, "cellar", "secret", wire_row(&toy, "12FB", 0));
    lab_sql(lab,
            "UPDATE wires SET keys = (SELECT keys FROM wires WHERE route = '12FB')"); /* of another route */
    assert_fate(say(lab, &toy, "12FA", "secret n5 1"), "unknown");
    assert_fate(say(lab, &toy, "12FB", "secret n5 1"), "stored");
    lab_idle(lab);
    assert_int_equal(
        lab_number(lab, "SELECT count(*) FROM events WHERE detail LIKE '%%cannot open the keys%%'"), 1);
}

static void every_device_of_a_topic_is_tried(void **state)
{
    struct lab *lab = *state;
    struct wire_row row = wire_row(&toy_topics, "topic", 0);
    struct failure failure;
    char words[160];

    for (int i = 0; i < WIRE_CANDIDATES; i++) {
        struct wire_row each = wire_row(&toy_topics, "topic", 0);
        char name[16], key[16];
        snprintf(name, sizeof(name), "d%d", i);
        snprintf(key, sizeof(key), "key%d", i);
        snprintf(each.node, sizeof(each.node), "%d", i);
        if (try_add(lab, name, key, &each, &failure) != 1)
            lab_fail("%s", failure.text);
    }
    assert_int_equal(try_add(lab, "more", "secret", &row, &failure), -1);
    assert_non_null(strstr(failure.text, "64 devices"));
    lab_idle(lab);
    most_candidates = 0;
    snprintf(words, sizeof(words), "key63 s%s 63 300", current(lab));
    assert_fate(tell(lab, words), "stored");
    assert_int_equal(most_candidates, WIRE_CANDIDATES);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings_readable WHERE device = 'd63'"), 1);
}

/* ---- what sources are told ---- */

static void the_roster_follows(void **state)
{
    struct lab *lab = *state;
    const struct pipeline *pipeline = &lab->gateways[0].pipeline;
    struct failure failure;
    int64_t version, plain;

    lab_idle(lab);
    assert_null(pipeline_roster(pipeline));
    plain = add(lab, "balcony", "secret", wire_row(&toy, "12FA", 0));
    assert_int_equal(pipeline_roster(pipeline)->paths, 1);
    assert_int_equal(pipeline_roster(pipeline)->unsequenced, 0);
    assert_int_equal(pipeline_roster(pipeline)->topic_count, 0);
    add(lab, "cellar", "secret", wire_row(&toy, "12FB", WIRE_ALLOW_UNSEQUENCED));
    assert_int_equal(pipeline_roster(pipeline)->unsequenced, 1);
    add(lab, "field", "secret", wire_row(&toy_topics, "topic", 0));
    assert_int_equal(pipeline_roster(pipeline)->topic_count, 1);
    assert_string_equal(pipeline_roster(pipeline)->topics[0].topic, "topic");
    assert_string_equal(pipeline_roster(pipeline)->topics[0].wire, "toy-topics");
    version = pipeline_roster(pipeline)->version;
    lab_idle(lab);
    assert_int_equal(pipeline_roster(pipeline)->version, version); /* nothing is new */
    assert_int_equal(lab->office->ops->device_remove(lab->office, plain, &failure), 0);
    lab_idle(lab);
    assert_int_equal(pipeline_roster(pipeline)->paths, 1);
    assert_true(pipeline_roster(pipeline)->version > version);
}

static void two_gateways_share_session_ids(void **state)
{
    struct lab *lab = *state;
    char words[160], id[WIRE_SESSION_ID + 1];

    lab_start(lab, 1);
    add(lab, "field", "secret", wire_row(&toy_topics, "topic", 0));
    strcpy(id, current(lab));
    assert_string_equal(pipeline_roster(&lab->gateways[1].pipeline)->sessions[0].id, id);
    assert_fate(tell(lab, naming(words, id, "7", 1)), "stored");
    const struct lab_older again = {
        .wire = &toy_topics, .route = "topic", .bytes = words, .len = strlen(words)};
    struct lab_letter *letter = lab_send_older(lab, 1, &again);
    lab_run(lab);
    assert_fate(letter, "duplicate");
    lab_idle(lab);
    assert_string_equal(pipeline_roster(&lab->gateways[1].pipeline)->sessions[0].id, current(lab));
}

/* ---- the table ---- */

static void wires_are_called_as_completion_says(void **state)
{
    size_t count = 0;

    (void)state;
    for (; wires[count] != NULL; count++) {
        assert_string_equal(wires[count]->name, wire_names[count]);
        assert_true(strlen(wires[count]->name) <= WIRE_NAME_MAX);
        assert_ptr_equal(wire_find(wires[count]->name), wires[count]);
        assert_in_range(wires[count]->devices_per_route, 1, WIRE_CANDIDATES);
        assert_non_null(wires[count]->gaps[0]);
    }
    assert_null(wire_names[count]);
    assert_null(wire_find("native"));
}

/* ---- restores ---- */

static void a_restored_registry_gives_up_its_session_ids(void **state)
{
    struct lab *lab = *state;
    char words[160], withheld[160];
    uint8_t challenge[SEALED_SIZE(32)];
    struct failure failure;
    int64_t contexts;

    add(lab, "field", "secret", wire_row(&toy_topics, "topic", 0));
    naming(withheld, current(lab), "7", 1);
    assert_int_equal(vault_renew(&lab->vault, "challenge", challenge, &failure), 0);
    assert_int_equal(
        lab->office->ops->restored(lab->office, challenge, sizeof(challenge), &contexts, &failure), 0);
    lab_restart(lab);
    lab_idle(lab);
    assert_fate(tell(lab, withheld), "stale");
    assert_fate(tell(lab, naming(words, current(lab), "7", 2)), "stored");
}

#define LAB_TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(a_message_is_stored_once),
        LAB_TEST(what_is_not_known_is_refused),
        LAB_TEST(a_question_changes_nothing),
        LAB_TEST(a_failed_commit_changes_nothing),
        LAB_TEST(a_ciphertext_is_accepted_once),
        LAB_TEST(so_many_ciphertexts_are_remembered),
        LAB_TEST(a_message_without_a_route),
        LAB_TEST(a_removed_device_leaves_a_tombstone),
        LAB_TEST(a_revoked_device_is_refused),
        LAB_TEST(the_first_native_message_closes_the_older_wire),
        LAB_TEST(a_failed_commit_leaves_the_older_wire_open),
        LAB_TEST(an_older_wire_can_be_closed_at_once),
        LAB_TEST(a_session_id_is_for_one_message),
        LAB_TEST(ids_live_for_their_time),
        LAB_TEST(an_id_that_died_unseen_stays_dead),
        LAB_TEST(so_many_ids_are_kept),
        LAB_TEST(a_strict_topic_spends_on_everything),
        LAB_TEST(a_failed_spending_changes_nothing),
        LAB_TEST(a_group_s_nodes_are_devices),
        LAB_TEST(what_is_forged_has_no_node),
        LAB_TEST(what_cannot_be_a_node_is_refused),
        LAB_TEST(a_group_has_so_many_nodes),
        LAB_TEST(a_node_is_upgraded_by_itself),
        LAB_TEST(an_upgraded_device_joins_no_group),
        LAB_TEST(a_removed_node_comes_back),
        LAB_TEST(a_flood_is_bounded),
        LAB_TEST(changed_keys_are_no_keys),
        LAB_TEST(every_device_of_a_topic_is_tried),
        LAB_TEST(the_roster_follows),
        LAB_TEST(two_gateways_share_session_ids),
        cmocka_unit_test(wires_are_called_as_completion_says),
        LAB_TEST(a_restored_registry_gives_up_its_session_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
