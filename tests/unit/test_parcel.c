/*
 * Parcels (gateway/sink/parcel.h): bytes that never change, every type there and back, each cut and each byte
 * changed, and what becomes several of them.
 */
#include "store_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sink/parcel.h"

static const uint8_t session_id[8] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t older_id[SINK_CONTEXT_MAX] = {SINK_CONTEXT_OLDER, 0, 0, 0, 0, 0, 0, 0, 9};

static struct parcels parcels;
static struct sink_point points[PARCEL_POINTS_MAX];

static struct reading bytes_of(enum reading_type type, const char *name, const void *at, size_t len)
{
    return (struct reading){
        .name = name, .name_len = strlen(name), .type = type, .time = NOW, .value.bytes = {at, len}};
}

static void add(const struct parcel_message *message, const struct reading *readings, size_t count)
{
    struct failure failure;

    ok(parcels_add(&parcels, message, readings, count, &failure));
}

static void end(void)
{
    struct failure failure;

    ok(parcels_end(&parcels, &failure));
}

/* One of each type, with the numbers at their ends; three messages. */
static void fill(struct reading readings[10])
{
    const struct parcel_message counter = {7, "kitchen", NULL, 0, 300, NOW * SECOND};
    const struct parcel_message session = {INT64_MAX, "s", session_id, 8, UINT64_MAX, INT64_MIN};
    const struct parcel_message older = {1, "shed/4", older_id, sizeof(older_id), 0, INT64_MAX};

    readings[0] = real("temperature", 23.4, NOW * SECOND - 5);
    readings[1] = real("", -0.0, INT64_MIN);
    readings[2] = real("sum", 1e300, INT64_MAX);
    readings[2].type = READING_SUM;
    readings[3] = real("least", 0, 0);
    readings[3].type = READING_INTEGER;
    readings[3].value.integer = INT64_MIN;
    readings[4] = readings[3];
    readings[4].value.integer = INT64_MAX;
    readings[5] = readings[3];
    readings[5].type = READING_BOOLEAN;
    readings[5].value.integer = 1;
    readings[6] = bytes_of(READING_TEXT, "state", "NaN", 3);
    readings[7] = bytes_of(READING_DATA, "d\xc3\xbc", "", 0);
    readings[8] = bytes_of(READING_PAYLOAD, "", "\0\xff", 2);
    readings[8].format = UINT16_MAX;
    readings[9] = bytes_of(READING_UNDECODED, "", "{", 1);
    readings[9].format = 50;
    parcels_begin(&parcels);
    add(&counter, readings, 1);
    add(&session, readings + 1, 8);
    add(&older, readings + 9, 1);
    end();
}

/* What databases hold can be read for ever: a new version of the format has another first byte. */
static void test_golden(void **state)
{
    static const uint8_t golden[] = {
        0x01, 0x01,                                           /* version, points */
        0x07, 'k',  'i',  't',  'c',  'h',  'e',  'n',  0x00, /* device */
        0x08, 1,    2,    3,    4,    5,    6,    7,    8,    /* context */
        0xac, 0x02,                                           /* piv */
        0x80, 0x80, 0xf2, 0x81, 0x83, 0x89, 0x85, 0x06,       /* received */
        0x00, 0x01,                                           /* index, count */
        0x00, 0x01, 't',  0x03, 'C',  'e',  'l',  0x09,       /* type, name, unit, time */
        0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x37, 0x40,       /* 23.4 */
    };
    const struct parcel_message message = {7, "kitchen", session_id, 8, 300, NOW * SECOND};
    struct reading reading = real("t", 23.4, NOW * SECOND - 5);

    (void)state;
    parcels_begin(&parcels);
    add(&message, &reading, 1);
    end();
    assert_int_equal(parcels.count, 1);
    assert_int_equal(parcels.items[0].points, 1);
    assert_int_equal(parcels.items[0].received, NOW * SECOND);
    assert_int_equal(parcels.items[0].len, sizeof(golden) + 4);
    assert_memory_equal(parcels.bytes + parcels.items[0].at, golden, sizeof(golden));
    assert_memory_equal(parcels.bytes + parcels.items[0].at + sizeof(golden), "\x51\x59\xd6\xd3", 4);
}

static void assert_same_reading(const struct reading *a, const struct reading *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->time, b->time);
    assert_int_equal(a->format, b->format);
    assert_int_equal(a->name_len, b->name_len);
    assert_memory_equal(a->name, b->name, a->name_len);
    assert_int_equal(a->unit_len, b->unit_len);
    if (a->unit_len > 0)
        assert_memory_equal(a->unit, b->unit, a->unit_len);
    if (a->type < READING_TEXT || a->type == READING_SUM) {
        assert_int_equal(a->value.integer, b->value.integer); /* the same 64 bits */
    } else {
        assert_int_equal(a->value.bytes.len, b->value.bytes.len);
        assert_memory_equal(a->value.bytes.at, b->value.bytes.at, a->value.bytes.len);
    }
}

static void test_there_and_back(void **state)
{
    struct reading readings[10];

    (void)state;
    fill(readings);
    assert_int_equal(parcels.count, 1);
    assert_int_equal(parcels.items[0].received, INT64_MIN); /* of the oldest */
    assert_int_equal(parcel_read(parcels.bytes + parcels.items[0].at, parcels.items[0].len, points), 10);
    for (size_t i = 0; i < 10; i++)
        assert_same_reading(&points[i].reading, &readings[i]);
    assert_string_equal(points[0].device, "kitchen");
    assert_int_equal(points[0].context_len, 0);
    assert_int_equal(points[0].piv, 300);
    assert_int_equal(points[0].received, NOW * SECOND);
    for (uint32_t i = 1; i < 9; i++) {
        assert_string_equal(points[i].device, "s");
        assert_true(points[i].device_id == INT64_MAX && points[i].piv == UINT64_MAX);
        assert_true(points[i].received == INT64_MIN && points[i].index == i - 1);
        assert_memory_equal(points[i].context, session_id, 8);
    }
    assert_string_equal(points[9].device, "shed/4");
    assert_memory_equal(points[9].context, older_id, sizeof(older_id));
    assert_int_equal(points[9].received, INT64_MAX);
}

/* A copy whose end is the end of its memory: what reads beyond it is found. */
static uint8_t *copy_of(size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);

    assert_non_null(copy);
    memcpy(copy, parcels.bytes + parcels.items[0].at, len);
    return copy;
}

static void test_each_cut(void **state)
{
    struct reading readings[10];

    (void)state;
    fill(readings);
    for (size_t len = 0; len < parcels.items[0].len; len++) {
        uint8_t *copy = copy_of(len);
        assert_int_equal(parcel_read(copy, len, points), -1);
        free(copy);
    }
}

static void test_each_byte_changed(void **state)
{
    struct reading readings[10];

    (void)state;
    fill(readings);
    for (size_t i = 0; i < parcels.items[0].len; i++) {
        uint8_t *copy = copy_of(parcels.items[0].len);
        for (unsigned change = 1; change < 256; change++) {
            copy[i] ^= (uint8_t)change;
            assert_int_equal(parcel_read(copy, parcels.items[0].len, points), -1);
            copy[i] ^= (uint8_t)change;
        }
        free(copy);
    }
}

/* Bit by bit, as it is defined. */
static void sign(uint8_t *parcel, size_t len)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len - 4; i++) {
        crc ^= parcel[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    for (size_t i = 0; i < 4; i++)
        parcel[len - 4 + i] = (uint8_t)(~crc >> (8 * i));
}

/* The same with a sum that is right: whatever is read stays within the bytes. */
static void test_each_byte_changed_and_signed(void **state)
{
    struct reading readings[10];
    size_t read = 0;

    (void)state;
    fill(readings);
    for (size_t i = 0; i < parcels.items[0].len - 4; i++) {
        size_t len = parcels.items[0].len;
        uint8_t *copy = copy_of(len);
        for (unsigned change = 1; change < 256; change++) {
            copy[i] ^= (uint8_t)change;
            sign(copy, len);
            int count = parcel_read(copy, len, points);
            assert_in_range(count + 1, 0, 11);
            read += count > 0;
            for (int p = 0; p < count; p++) {
                const char *name = points[p].reading.name;
                assert_true((const uint8_t *)points[p].device >= copy && points[p].device[0] != '\0' &&
                            strlen(points[p].device) <= BULLA_NAME_MAX);
                assert_true((const uint8_t *)name >= copy &&
                            (const uint8_t *)name + points[p].reading.name_len <= copy + len);
                assert_in_range(points[p].reading.type, 0, READING_TYPE_COUNT - 1);
            }
            copy[i] ^= (uint8_t)change;
        }
        free(copy);
    }
    assert_true(read > 1000); /* of some bytes any is good */
}

/* A message continues in the next parcel, with its numbers. */
static void test_many_points(void **state)
{
    const struct parcel_message message = {7, "kitchen", NULL, 0, 1, NOW};
    static struct reading readings[2 * PARCEL_POINTS_MAX + 5];
    uint32_t expected = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++)
        readings[i] = real("t", (double)i, NOW);
    parcels_begin(&parcels);
    add(&message, readings, sizeof(readings) / sizeof(readings[0]));
    end();
    assert_int_equal(parcels.count, 3);
    for (size_t i = 0; i < 3; i++) {
        int count = parcel_read(parcels.bytes + parcels.items[i].at, parcels.items[i].len, points);
        assert_int_equal(count, i < 2 ? PARCEL_POINTS_MAX : 5);
        assert_int_equal(count, parcels.items[i].points);
        for (int p = 0; p < count; p++, expected++) {
            assert_int_equal(points[p].index, expected);
            assert_true(points[p].reading.value.real == (double)expected);
        }
    }
}

/* No parcel is larger than a row may be, and each reading is in one of them. */
static void test_large_readings(void **state)
{
    const struct parcel_message message = {7, "kitchen", NULL, 0, 1, NOW};
    uint8_t *bytes = calloc(1, OUTBOX_ROW_MAX);
    struct reading reading = bytes_of(READING_DATA, "d", bytes, 100000);
    struct failure failure;
    int read = 0;

    (void)state;
    assert_non_null(bytes);
    parcels_begin(&parcels);
    for (int i = 0; i < 10; i++)
        add(&message, &reading, 1);
    reading.value.bytes.len = OUTBOX_ROW_MAX - 1000;
    add(&message, &reading, 1);
    end();
    assert_true(parcels.count >= 4);
    for (size_t i = 0; i < parcels.count; i++) {
        int count = parcel_read(parcels.bytes + parcels.items[i].at, parcels.items[i].len, points);
        assert_true(count > 0 && parcels.items[i].len <= OUTBOX_ROW_MAX);
        read += count;
    }
    assert_int_equal(read, 11);
    reading.value.bytes.len = OUTBOX_ROW_MAX;
    parcels_begin(&parcels);
    assert_int_equal(parcels_add(&parcels, &message, &reading, 1, &failure), -1);
    assert_non_null(strstr(failure.text, "too large"));
    free(bytes);
}

/* Only of contexts that moved; one that is without a name is a mistake, and fails. */
static void test_of_a_commit(void **state)
{
    struct commit_context contexts[2] = {
        {.name = "a", .verdict = COMMIT_CONFLICT, .after = {.device = 1, .counter = true}},
        {.name = "b", .verdict = COMMIT_DONE, .after = {.device = 2, .id_context = {9, 9}}}};
    const struct reading readings[3] = {real("x", 1, 1), real("y", 2, 2), real("z", 3, 3)};
    const struct commit_message messages[2] = {
        {.context = 0, .piv = 5, .received = 10, .first = 0, .count = 1},
        {.context = 1, .piv = 6, .received = 20, .first = 1, .count = 2}};
    const struct commit commit = {.contexts = contexts,
                                  .context_count = 2,
                                  .messages = messages,
                                  .message_count = 2,
                                  .readings = readings,
                                  .way = READINGS_OUT};
    struct failure failure;

    (void)state;
    ok(parcels_of_commit(&parcels, &commit, &failure));
    assert_int_equal(parcels.count, 1);
    assert_int_equal(parcel_read(parcels.bytes + parcels.items[0].at, parcels.items[0].len, points), 2);
    assert_string_equal(points[1].device, "b");
    assert_int_equal(points[1].context_len, 8);
    assert_int_equal(points[1].context[1], 9);
    assert_int_equal(points[1].piv, 6);
    assert_int_equal(points[1].index, 1);
    contexts[1].verdict = COMMIT_CONFLICT;
    ok(parcels_of_commit(&parcels, &commit, &failure));
    assert_int_equal(parcels.count, 0);
    contexts[0].verdict = COMMIT_DONE;
    contexts[0].name = NULL;
    assert_int_equal(parcels_of_commit(&parcels, &commit, &failure), -1);
}

static void test_of_an_older_wire(void **state)
{
    const struct reading reading = real("x", 1, 1);
    const struct wire_change change = {.row = 0x0102030405060708,
                                       .device = 3,
                                       .name = "shed",
                                       .received = 30,
                                       .readings = &reading,
                                       .count = 1};
    struct failure failure;

    (void)state;
    parcels_begin(&parcels);
    ok(parcels_add_wire(&parcels, &change, 44, &failure));
    end();
    assert_int_equal(parcel_read(parcels.bytes + parcels.items[0].at, parcels.items[0].len, points), 1);
    assert_int_equal(points[0].context_len, SINK_CONTEXT_MAX);
    assert_memory_equal(points[0].context, "w\x01\x02\x03\x04\x05\x06\x07\x08", SINK_CONTEXT_MAX);
    assert_int_equal(points[0].piv, 44);
    assert_int_equal(points[0].device_id, 3);
}

static int wipe(void **state)
{
    (void)state;
    parcels_wipe(&parcels);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_golden, wipe),
        cmocka_unit_test_teardown(test_there_and_back, wipe),
        cmocka_unit_test_teardown(test_each_cut, wipe),
        cmocka_unit_test_teardown(test_each_byte_changed, wipe),
        cmocka_unit_test_teardown(test_each_byte_changed_and_signed, wipe),
        cmocka_unit_test_teardown(test_many_points, wipe),
        cmocka_unit_test_teardown(test_large_readings, wipe),
        cmocka_unit_test_teardown(test_of_a_commit, wipe),
        cmocka_unit_test_teardown(test_of_an_older_wire, wipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
