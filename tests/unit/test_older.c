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
#include "lab.h"

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
    memcpy(opened->hash, text, WIRE_HASH_SIZE);
    words.count = sscanf(text, "%31s %63s %63s %63s", words.key, words.claim, words.rest[0], words.rest[1]);
    if (strcmp(words.key, "broken") == 0)
        return -1;
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
    assert_int_equal(lab_number(lab, "SELECT piv FROM readings WHERE value = 302"), 9);
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

#define LAB_TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(a_message_is_stored_once),
        LAB_TEST(what_is_not_known_is_refused),
        LAB_TEST(a_question_changes_nothing),
        LAB_TEST(a_failed_commit_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
