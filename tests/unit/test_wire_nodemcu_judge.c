/*
 * What becomes of a nodemcu message (gateway/wire/nodemcu.c), by its candidates and their session ids. The
 * messages are the first one of tests/vectors/nodemcu.json, and others like it.
 */
#include "gateway/wire/nodemcu.h"
#include "gateway/wire/wire.h"

#include "vector_file.h" /* last: cmocka has a macro fail() */

#include <stdlib.h>
#include <string.h>

extern const struct wire_ops wire_nodemcu;

#define DEVICES 4

/* A topic with devices that have the article's keys, and the session ids of its session topic. */
struct scene {
    uint8_t payload[512];
    size_t len;
    uint8_t keys[NODEMCU_PACKED_MAX];
    size_t keys_len;
    char ids[3][WIRE_SESSION_ID]; /* the message's is the second */
    struct wire_session sessions[3];
    struct wire_candidate candidates[DEVICES];
    size_t count;
    struct readings readings;
    struct wire_opened opened;
};

static const char key_file[] = "ivkey=2345678901abcdef\ndatakey=0123456789abcdef\nstaticiv=abcdef2345678901\n"
                               "passphrase=mypassphrase\n";

static void add(struct scene *scene, const char *node)
{
    scene->candidates[scene->count++] = (struct wire_candidate){
        .keys = scene->keys,
        .keys_len = scene->keys_len,
        .node = node,
        .reading_name = "moisture",
        .ids = scene->ids,
        .sessions = scene->sessions,
        .session_count = 3,
    };
}

/* The vector of that name. Its node id is 1234567 where nothing else is said. */
static void begin(struct scene *scene, const char *name)
{
    json_t *file = vector_file_load(BULLA_TEST_VECTORS, "nodemcu.json");
    json_t *one;
    size_t i;
    struct failure failure;

    assert_non_null(file);
    memset(scene, 0, sizeof(*scene));
    readings_init(&scene->readings);
    json_array_foreach(vector_member(file, "cases"), i, one)
    {
        if (strcmp(vector_text(one, "name"), name) != 0)
            continue;
        scene->len = vector_bytes(one, "payload", scene->payload, sizeof(scene->payload));
        memcpy(scene->ids[1], vector_text(one, "session"), WIRE_SESSION_ID);
    }
    json_decref(file);
    assert_true(scene->len > 0);
    memset(scene->ids[0], '0', WIRE_SESSION_ID);
    memset(scene->ids[2], '2', WIRE_SESSION_ID);
    scene->sessions[2].spent = true;
    assert_int_equal(
        wire_nodemcu.keys_parse(key_file, strlen(key_file), 0, scene->keys, &scene->keys_len, &failure), 0);
}

static enum outcome judge(struct scene *scene)
{
    uint8_t *bytes = malloc(scene->len);
    struct wire_message message = {.bytes = bytes, .len = scene->len, .received = 1000};

    memcpy(bytes, scene->payload, scene->len);
    scene->opened = (struct wire_opened){.outcome = OUTCOME_FORGED, .candidate = WIRE_NONE};
    readings_reset(&scene->readings);
    assert_int_equal(
        wire_nodemcu.open(&message, scene->candidates, scene->count, &scene->readings, &scene->opened), 0);
    memset(bytes, 0xaa, scene->len); /* they are not kept */
    free(bytes);
    assert_int_equal(scene->readings.count, scene->opened.outcome == OUTCOME_STORED ? 1 : 0);
    assert_int_equal(scene->opened.spends, scene->opened.outcome == OUTCOME_STORED);
    assert_int_equal(scene->opened.sets_number || scene->opened.remembers || scene->opened.reply_len > 0, 0);
    for (size_t i = 0; i < 3; i++) /* no session id is told */
        assert_null(memmem(scene->opened.detail, sizeof(scene->opened.detail), scene->ids[i], 8));
    return scene->opened.outcome;
}

static void end(struct scene *scene)
{
    readings_wipe(&scene->readings);
}

static void a_new_message_spends_its_id(void **state)
{
    struct scene scene;
    const struct reading *reading;

    (void)state;
    begin(&scene, "the article's keys, raw");
    add(&scene, "1234567");
    assert_int_equal(judge(&scene), OUTCOME_STORED);
    assert_int_equal(scene.opened.candidate, 0);
    assert_int_equal(scene.opened.session, 1);
    assert_string_equal(scene.opened.node, "1234567");
    reading = &scene.readings.items[0];
    assert_int_equal(reading->type, READING_INTEGER);
    assert_int_equal(reading->value.integer, 512);
    assert_int_equal(reading->time, 1000);
    assert_int_equal(reading->name_len, 8);
    assert_memory_equal(reading->name, "moisture", 8);
    end(&scene);
}

static void what_data_becomes(void **state)
{
    static const struct {
        const char *name;
        enum reading_type type;
        const char *text;
    } cases[] = {
        {"hex or raw by field, 5", READING_REAL, NULL},
        {"text", READING_TEXT,
         "21,5 \xc2\xb0"
         "C, dry"},
        {"no data", READING_TEXT, ""},
        {"data that ends with spaces", READING_INTEGER, NULL},
        {"a zero byte in the data", READING_UNDECODED, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct scene scene;
        const struct reading *reading;

        begin(&scene, cases[i].name);
        add(&scene, "");
        assert_int_equal(judge(&scene), OUTCOME_STORED);
        reading = &scene.readings.items[0];
        assert_int_equal(reading->type, cases[i].type);
        if (cases[i].type == READING_REAL)
            assert_true(reading->value.real == 17.25);
        if (cases[i].type == READING_INTEGER)
            assert_int_equal(reading->value.integer, 7);
        if (cases[i].text != NULL) {
            assert_int_equal(reading->value.bytes.len, strlen(cases[i].text));
            assert_memory_equal(reading->value.bytes.at, cases[i].text, strlen(cases[i].text));
        }
        end(&scene);
    }
}

/* Of devices with the same keys the one whose node it is; a group takes what is left. */
static void the_node_decides(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "the article's keys, raw");
    add(&scene, "123456");
    add(&scene, "12345678");
    add(&scene, "1234567");
    add(&scene, "");
    assert_int_equal(judge(&scene), OUTCOME_STORED);
    assert_int_equal(scene.opened.candidate, 2);
    scene.candidates[2].node = "7654321";
    assert_int_equal(judge(&scene), OUTCOME_STORED);
    assert_int_equal(scene.opened.candidate, 3);
    scene.count = 3;
    assert_int_equal(judge(&scene), OUTCOME_UNKNOWN);
    assert_non_null(strstr(scene.opened.detail, "node id"));
    scene.sessions[1].spent = true; /* nor is it anybody's duplicate */
    assert_int_equal(judge(&scene), OUTCOME_UNKNOWN);
    end(&scene);
}

static void a_spent_id_is_a_duplicate_or_stale(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "the article's keys, raw");
    add(&scene, "1234567");
    assert_int_equal(judge(&scene), OUTCOME_STORED);
    scene.sessions[1].spent = true;
    assert_int_equal(judge(&scene), OUTCOME_STALE); /* it is void */
    assert_non_null(strstr(scene.opened.detail, "void"));
    scene.sessions[1].has_hash = true;
    assert_int_equal(judge(&scene), OUTCOME_STALE); /* of another message */
    memcpy(scene.sessions[1].hash, scene.opened.hash, WIRE_HASH_SIZE);
    assert_int_equal(judge(&scene), OUTCOME_DUPLICATE);
    assert_int_equal(scene.opened.candidate, 0);
    assert_string_equal(scene.opened.node, "1234567");
    scene.sessions[1].hash[31] ^= 1;
    assert_int_equal(judge(&scene), OUTCOME_STALE);
    end(&scene);
}

static void what_nobody_sent_is_forged(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "the article's keys, raw");
    assert_int_equal(judge(&scene), OUTCOME_UNKNOWN); /* the topic has no device */
    assert_true(scene.opened.candidate == WIRE_NONE);
    add(&scene, "1234567");
    scene.payload[20] ^= 1;
    assert_int_equal(judge(&scene), OUTCOME_FORGED);
    assert_int_equal(scene.opened.candidate, 0); /* the topic's only one */
    add(&scene, "");
    assert_int_equal(judge(&scene), OUTCOME_FORGED);
    assert_true(scene.opened.candidate == WIRE_NONE);
    scene.payload[20] ^= 1;
    scene.candidates[0].keys_len = scene.candidates[1].keys_len = 48; /* damaged */
    assert_int_equal(judge(&scene), OUTCOME_FORGED);
    scene.candidates[0].keys_len = scene.candidates[1].keys_len = scene.keys_len;
    scene.candidates[0].session_count = scene.candidates[1].session_count = 0;
    assert_int_equal(judge(&scene), OUTCOME_FORGED);
    scene.len--;
    assert_int_equal(judge(&scene), OUTCOME_MALFORMED);
    end(&scene);
}

/* Longer than NAME/ID may be, or with a zero, behind which no name goes on: what is no node's id has none,
 * and whoever enters nodes refuses that. */
static void a_node_that_cannot_be_one_has_no_name(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "a node id of 62 bytes");
    add(&scene, "");
    assert_int_equal(judge(&scene), OUTCOME_STORED);
    assert_int_equal(strlen(scene.opened.node), 62);
    end(&scene);
    begin(&scene, "a node id of 64 bytes");
    add(&scene, "");
    assert_int_equal(judge(&scene), OUTCOME_STORED);
    assert_string_equal(scene.opened.node, "");
    end(&scene);
    begin(&scene, "a zero byte in the node id");
    add(&scene, "");
    assert_int_equal(judge(&scene), OUTCOME_STORED);
    assert_string_equal(scene.opened.node, "");
    end(&scene);
    begin(&scene, "a zero byte in the node id");
    add(&scene, "1234567");
    assert_int_equal(judge(&scene), OUTCOME_UNKNOWN);
    end(&scene);
}

static void topics_that_devices_may_have(void **state)
{
    static const char *const good[] = {"mytopic", "a/b/c", "/", "bulla", "bullas/x", "a b", "\xc3\xbc/1"};
    static const char *const bad[] = {"a/+",           "+",     "#", "a/#", "a+", "$SYS/x", "$share/g/a",
                                      "bulla/0a1b/up", "bulla/"};
    struct failure failure;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_int_equal(wire_nodemcu.route_check(good[i], &failure), 0);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(wire_nodemcu.route_check(bad[i], &failure), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_message_spends_its_id),
        cmocka_unit_test(what_data_becomes),
        cmocka_unit_test(the_node_decides),
        cmocka_unit_test(a_spent_id_is_a_duplicate_or_stale),
        cmocka_unit_test(what_nobody_sent_is_forged),
        cmocka_unit_test(a_node_that_cannot_be_one_has_no_name),
        cmocka_unit_test(topics_that_devices_may_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
