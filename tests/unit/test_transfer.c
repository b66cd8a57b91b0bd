/* Rows on their way from one store to another (transfer.h), and what a move notes of them (move_note.h). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* cmocka's; failure.h has its own */

#include "gateway/store/move_note.h"

static struct failure failure;

static void ok(int result)
{
    if (result != 0)
        puts(failure.text);
    assert_int_equal(result, 0);
}

/* A row of labels: numbers in front, texts behind. */
static void add_label(struct transfer_rows *rows, int64_t device, const char *key, const char *value)
{
    struct transfer_cell *cells;

    assert_int_equal(transfer_rows_add(rows, strlen(key) + strlen(value), &cells, &failure), 1);
    transfer_set_number(&cells[0], device);
    transfer_set_bytes(rows, &cells[1], TRANSFER_TEXT, key, strlen(key));
    transfer_set_bytes(rows, &cells[2], TRANSFER_TEXT, value, strlen(value));
}

static void add_point(struct transfer_rows *rows, int64_t time, double value)
{
    struct transfer_cell *cells;

    assert_int_equal(transfer_rows_add(rows, 0, &cells, &failure), 1);
    for (int i = POINT_TIME; i < POINT_VALUE; i++)
        transfer_set_number(&cells[i], 0);
    transfer_set_number(&cells[POINT_TIME], time);
    transfer_set_real(&cells[POINT_VALUE], value);
}

static void sum_of(struct transfer_rows *rows, char text[TRANSFER_SUM_TEXT])
{
    struct transfer_sum sum = {0};
    struct transfer_hasher *hasher = transfer_hasher_open(&failure);

    assert_non_null(hasher);
    ok(transfer_sum_add(hasher, &sum, rows, &failure));
    assert_int_equal(sum.rows, rows->count);
    transfer_sum_text(&sum, text);
    transfer_hasher_close(hasher);
}

static void test_shapes(void **state)
{
    (void)state;
    for (enum transfer_table table = 0; table < TRANSFER_TABLES; table++) {
        const struct transfer_shape *shape = &transfer_shapes[table];
        assert_non_null(shape->name);
        assert_in_range(shape->count, 2, TRANSFER_COLUMNS_MAX);
        assert_in_range(shape->keys, 1, TRANSFER_KEYS_MAX);
    }
}

/* The order of rows is none of a checksum's business; everything else is. */
static void test_sums(void **state)
{
    struct transfer_rows rows;
    char there[TRANSFER_SUM_TEXT], back[TRANSFER_SUM_TEXT], other[TRANSFER_SUM_TEXT];
    static const char *const others[][2] = {{"ab", "c"}, {"a", "bcd"}, {"", "abc"}};

    (void)state;
    ok(transfer_rows_open(&rows, &failure));
    transfer_rows_begin(&rows, TRANSFER_LABELS);
    add_label(&rows, 1, "a", "bc");
    add_label(&rows, 2, "x", "");
    sum_of(&rows, there);
    transfer_rows_begin(&rows, TRANSFER_LABELS);
    add_label(&rows, 2, "x", "");
    add_label(&rows, 1, "a", "bc");
    sum_of(&rows, back);
    assert_string_equal(there, back);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        transfer_rows_begin(&rows, TRANSFER_LABELS);
        add_label(&rows, 1, others[i][0], others[i][1]);
        add_label(&rows, 2, "x", "");
        sum_of(&rows, other);
        assert_string_not_equal(there, other);
    }
    transfer_rows_begin(&rows, TRANSFER_LABELS);
    add_label(&rows, 2, "x", "");
    sum_of(&rows, there);
    add_label(&rows, 2, "x", ""); /* twice is not once, nor none */
    sum_of(&rows, other);
    assert_string_not_equal(there, other);
    assert_string_not_equal(other, "0000000000000000000000000000000000000000000000000000000000000000");
    transfer_rows_close(&rows);
}

static void test_sums_of_numbers(void **state)
{
    struct transfer_rows rows;
    char zero[TRANSFER_SUM_TEXT], other[TRANSFER_SUM_TEXT];
    struct transfer_cell *row;

    (void)state;
    ok(transfer_rows_open(&rows, &failure));
    transfer_rows_begin(&rows, TRANSFER_POINTS);
    add_point(&rows, 5, 0.0);
    sum_of(&rows, zero);
    row = transfer_row(&rows, 0);
    transfer_set_real(&row[POINT_VALUE], -0.0);
    sum_of(&rows, other);
    assert_string_not_equal(zero, other);
    transfer_set_number(&row[POINT_VALUE], 0);
    sum_of(&rows, other);
    assert_string_not_equal(zero, other);
    row[POINT_VALUE].kind = TRANSFER_NULL;
    sum_of(&rows, other);
    assert_string_not_equal(zero, other);
    transfer_set_real(&row[POINT_VALUE], NAN);
    sum_of(&rows, zero);
    transfer_set_real(&row[POINT_VALUE], -NAN); /* one is as good as another */
    sum_of(&rows, other);
    assert_string_equal(zero, other);
    transfer_rows_close(&rows);
}

static void test_rows_are_bounded(void **state)
{
    struct transfer_rows rows;
    struct transfer_cell *cells;
    char *large = calloc(1, TRANSFER_ROOM_SIZE + 100);

    (void)state;
    assert_non_null(large);
    ok(transfer_rows_open(&rows, &failure));
    transfer_rows_begin(&rows, TRANSFER_META);
    for (int i = 0; i < TRANSFER_ROWS_MAX; i++)
        assert_int_equal(transfer_rows_add(&rows, 1, &cells, &failure), 1);
    assert_int_equal(transfer_rows_add(&rows, 1, &cells, &failure), 0);
    transfer_rows_begin(&rows, TRANSFER_META);
    assert_int_equal(transfer_rows_add(&rows, TRANSFER_ROOM_SIZE + 100, &cells, &failure),
                     1); /* the first always fits */
    transfer_set_bytes(&rows, &cells[1], TRANSFER_BYTES, large, TRANSFER_ROOM_SIZE + 100);
    assert_int_equal(transfer_rows_add(&rows, 1, &cells, &failure), 0);
    transfer_rows_close(&rows);
    free(large);
}

static void test_places(void **state)
{
    static const int64_t times[] = {0, 0, 7, 7, 7, 8};
    static const int64_t places[] = {0, 1, 0, 1, 2, 0};
    struct transfer_places at = {0};
    struct transfer_rows rows;

    (void)state;
    ok(transfer_rows_open(&rows, &failure));
    for (size_t i = 0; i < 6; i += 2) { /* they go on from portion to portion */
        transfer_rows_begin(&rows, TRANSFER_POINTS);
        add_point(&rows, times[i], 1);
        add_point(&rows, times[i + 1], 1);
        transfer_place(&at, &rows);
        assert_int_equal(transfer_row(&rows, 0)[POINT_PLACE].value.integer, places[i]);
        assert_int_equal(transfer_row(&rows, 1)[POINT_PLACE].value.integer, places[i + 1]);
    }
    transfer_rows_drop(&rows, 1);
    assert_int_equal(rows.count, 1);
    assert_int_equal(transfer_row(&rows, 0)[POINT_TIME].value.integer, 8);
    transfer_rows_close(&rows);
}

static void test_keys(void **state)
{
    static const struct {
        int64_t device;
        const char *key;
        bool behind; /* 2 "bb" */
    } cases[] = {{1, "zz", false}, {2, "b", false}, {2, "ba", false}, {2, "bb", false},
                 {2, "bba", true}, {2, "c", true},  {3, "", true},    {-5, "zz", false}};
    struct transfer_rows rows;
    struct transfer_key key, copy, none = {0};

    (void)state;
    ok(transfer_rows_open(&rows, &failure));
    transfer_rows_begin(&rows, TRANSFER_LABELS);
    add_label(&rows, 2, "bb", "");
    ok(transfer_key_keep(&key, TRANSFER_LABELS, transfer_row(&rows, 0), &failure));
    transfer_key_copy(&copy, &key);
    memset(&key, 0xa5, sizeof(key)); /* it has texts of its own */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        transfer_rows_begin(&rows, TRANSFER_LABELS);
        add_label(&rows, cases[i].device, cases[i].key, "");
        assert_int_equal(transfer_is_behind(&copy, transfer_row(&rows, 0)), cases[i].behind);
        assert_true(transfer_is_behind(&none, transfer_row(&rows, 0)));
    }
    transfer_rows_close(&rows);
}

/* ---- notes ---- */

static struct move_note example(void)
{
    struct move_note note = {.state = MOVE_IS_ARRIVING,
                             .id = "0123456789abcdef0123456789abcdef",
                             .begun = 1700000000,
                             .other = "postgres://bulla@db/readings",
                             .rows = 123456,
                             .table = TRANSFER_LABELS,
                             .key = {.count = 2}};

    transfer_set_number(&note.key.cells[0], -7);
    memset(note.key.texts[1], 0xfe, TRANSFER_KEY_TEXT_MAX);
    transfer_point_at(&note.key.cells[1], TRANSFER_TEXT, note.key.texts[1], TRANSFER_KEY_TEXT_MAX);
    return note;
}

static void test_a_note_comes_back(void **state)
{
    struct move_note note = example(), back;
    char text[MOVE_NOTE_MAX], again[MOVE_NOTE_MAX];

    (void)state;
    note.key.cells[1].value.bytes.at = note.key.texts[1];
    memset(note.other, 'u', MOVE_OTHER_MAX);
    size_t len = move_note_encode(&note, text);
    assert_in_range(len, 1, sizeof(text) - 1);
    assert_int_equal(move_note_decode(&back, text, len), 0);
    assert_string_equal(back.id, note.id);
    assert_string_equal(back.other, note.other);
    assert_int_equal(back.rows, 123456);
    assert_int_equal(back.key.cells[0].value.integer, -7);
    assert_int_equal(back.key.cells[1].value.bytes.len, TRANSFER_KEY_TEXT_MAX);
    assert_int_equal(move_note_encode(&back, again), len);
    assert_memory_equal(text, again, len);
}

/* Cut off anywhere, or with a byte changed, it is none, or another whole one. */
static void test_a_damaged_note(void **state)
{
    struct move_note note = example(), back;
    char text[MOVE_NOTE_MAX], again[MOVE_NOTE_MAX];

    (void)state;
    note.key.cells[1].value.bytes.at = note.key.texts[1];
    size_t len = move_note_encode(&note, text);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(move_note_decode(&back, text, cut), -1);
    for (size_t at = 0; at < len; at++)
        for (int byte = 0; byte < 256; byte++) {
            char kept = text[at];
            text[at] = (char)byte;
            if (move_note_decode(&back, text, len) == 0)
                assert_in_range(move_note_encode(&back, again), 1, sizeof(again) - 1);
            text[at] = kept;
        }
}

static void test_what_is_no_note(void **state)
{
    static const char *const texts[] = {
        "",
        "\n\n\n\n\n\n\n\n",
        "bulla move 2\nleaving\n0123456789abcdef0123456789abcdef\n1\nx\n0\n0\n0\n",
        "bulla move 1\ngoing\n0123456789abcdef0123456789abcdef\n1\nx\n0\n0\n0\n",
        "bulla move 1\nleaving\n0123\n1\nx\n0\n0\n0\n",
        "bulla move 1\nleaving\n0123456789abcdef0123456789abcdef\n-1\nx\n0\n0\n0\n",
        "bulla move 1\nleaving\n0123456789abcdef0123456789abcdef\n1\nx\n0\n999\n0\n",
        "bulla move 1\nleaving\n0123456789abcdef0123456789abcdef\n1\nx\n0\n0\n2\n1\n2\n",
        "bulla move 1\nleaving\n0123456789abcdef0123456789abcdef\n1\nx\n0\n0\n0\nmore\n",
        "bulla move 1\narriving\n0123456789abcdef0123456789abcdef\n1\nx\n0\n1\n1\n99999999999999999999\n",
        "bulla move 1\narriving\n0123456789abcdef0123456789abcdef\n1\nx\n0\n0\n1\nxabc\n",
    };
    struct move_note note;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(move_note_decode(&note, texts[i], strlen(texts[i])), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_sums_of_numbers),
        cmocka_unit_test(test_rows_are_bounded),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_a_note_comes_back),
        cmocka_unit_test(test_a_damaged_note),
        cmocka_unit_test(test_what_is_no_note),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
