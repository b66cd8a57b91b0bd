/*
 * gateway/decode: the list of readings and its arena, and memory that runs out.
 */
#include "decode_case.h"
#include "gateway/decode/decoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

/* ---- the list and its arena ---- */

static void test_types(void **state)
{
    (void)state;
    assert_string_equal(reading_type_text(READING_REAL), "real");
    assert_string_equal(reading_type_text(READING_UNDECODED), "undecoded");
    assert_string_equal(reading_type_text(READING_TYPE_COUNT), "?");
}

/* Strings stay where they are while the list and the arena grow; after a reset the memory is used again. */
static void test_arena(void **state)
{
    struct readings readings;
    char *taken[300];
    char *first;

    (void)state;
    readings_init(&readings);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(taken); i++) {
            size_t len = i == 100 ? 200000 : 1000;
            taken[i] = readings_take(&readings, len);
            assert_non_null(taken[i]);
            memset(taken[i], (int)(i & 0x7f), len);
        }
        for (size_t i = 0; i < COUNT(taken); i++) {
            assert_int_equal(taken[i][0], i & 0x7f);
            assert_int_equal(taken[i][999], i & 0x7f);
        }
        readings_reset(&readings);
    }
    first = readings_take(&readings, 1);
    readings_reset(&readings);
    assert_ptr_equal(readings_take(&readings, 64), first);
    assert_null(readings_take(&readings, SIZE_MAX));
    assert_null(readings_take(&readings, SIZE_MAX - 20));
    readings_wipe(&readings);
    assert_null(readings.items);
    assert_null(readings.chunks);
}
/* After a large batch the memory is given back. */
static void test_reset_gives_back(void **state)
{
    struct readings readings;
    struct reading reading = {.name = "a", .unit = "", .name_len = 1};
    unsigned chunks = 0;

    (void)state;
    readings_init(&readings);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(readings_append(&readings, &reading), DECODED);
    for (int i = 0; i < 100; i++)
        assert_non_null(readings_take(&readings, 65000));
    readings_reset(&readings);
    assert_true(readings.capacity <= 16384);
    for (int i = 0; i < 100; i++) {
        assert_non_null(readings_take(&readings, 65000));
        assert_int_equal(readings_append(&readings, &reading), DECODED);
        chunks++;
    }
    assert_int_equal(chunks, 100);
    readings_wipe(&readings);
}

/* A pack that fails at its end leaves none of its readings, and none of the batch's others is touched. */
static void test_rollback(void **state)
{
    static const char good[] = "[{\"n\":\"a\",\"v\":1},{\"n\":\"b\",\"v\":2}]";
    static const char bad[] = "[{\"n\":\"c\",\"v\":1},{\"n\":\"d\",\"v\":2},{\"n\":\"e\"}]";
    struct readings readings;

    (void)state;
    readings_init(&readings);
    assert_int_equal(decode(SENML_JSON, (const uint8_t *)good, sizeof(good) - 1, NOW, &readings), 0);
    assert_int_equal(decode(SENML_JSON, (const uint8_t *)bad, sizeof(bad) - 1, NOW, &readings), 0);
    assert_int_equal(decode(SENML_JSON, (const uint8_t *)good, sizeof(good) - 1, NOW, &readings), 0);
    assert_int_equal(readings.count, 5);
    assert_memory_equal(readings.items[1].name, "b", 1);
    assert_int_equal(readings.items[2].type, READING_UNDECODED);
    assert_ptr_equal(readings.items[2].value.bytes.at, bad);
    assert_memory_equal(readings.items[4].name, "b", 1);
    readings_wipe(&readings);
}

/* ---- memory that runs out ---- */

/* Linked with --wrap=malloc and --wrap=realloc these fail when told so; without, the test is skipped. */
void *__real_malloc(size_t size) __attribute__((weak));
void *__real_realloc(void *memory, size_t size) __attribute__((weak));
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *memory, size_t size);

static int allocations_left = -1; /* before they fail; -1: they do not */

static int may_allocate(void)
{
    if (allocations_left < 0)
        return 1;
    return allocations_left > 0 ? allocations_left-- : 0;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size)
{
    return may_allocate() ? __real_realloc(memory, size) : NULL;
}

static void test_out_of_memory(void **state)
{
    static const struct {
        uint16_t format;
        const char *hex;
        int allocations; /* that a decoding takes */
    } cases[] = {
        {SENML_CBOR, "81 a2 00 6174 02 01", 1},                 /* the list */
        {SENML_CBOR, "81 a3 21 6161 00 6174 02 01", 2},         /* a joined name */
        {SENML_CBOR, "81 a2 00 7f 6174 ff 02 01", 2},           /* chunks */
        {SENML_CBOR, "81 a2 00 6174 02 1bffffffffffffffff", 2}, /* digits */
        {SENML_CBOR, "81 a2 7f 616e ff 6174 02 01", 2},         /* a label */
        {CBOR, "a1 6161 01", 2},                                /* keys */
        {TEXT, "3939393939393939393939393939393939393939", 2},
        {JSON, "7b2261223a317d", 2},                                   /* {"a":1} */
        {JSON, "7b2261223a2262227d", 2},                               /* {"a":"b"} */
        {SENML_JSON, "5b7b226e223a2261222c2276223a317d5d", 2},         /* [{"n":"a","v":1}] */
        {SENML_JSON, "5b7b226e223a2261222c227664223a2261226d7d5d", 1}, /* not JSON: the list only */
        {BYTES, "00", 1},
    };
    static struct bytes bytes;

    (void)state;
    if (__real_malloc == NULL || __real_realloc == NULL)
        skip();
    for (size_t i = 0; i < COUNT(cases); i++) {
        from_hex(&bytes, cases[i].hex);
        for (int left = 0; left <= cases[i].allocations; left++) {
            struct readings readings;
            int result;
            readings_init(&readings);
            allocations_left = left;
            result = decode(cases[i].format, bytes.at, bytes.len, NOW, &readings);
            allocations_left = -1;
            assert_int_equal(result, left < cases[i].allocations ? -1 : 0);
            assert_int_equal(readings.count, left < cases[i].allocations ? 0 : 1);
            readings_wipe(&readings);
        }
    }
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

/* Whatever jansson makes of it, nothing crashes and nothing is lost. */
static void test_jansson_out_of_memory(void **state)
{
    static const char object[] = "{\"a\":1}";
    json_malloc_t allocate;
    json_free_t release;
    struct readings readings;
    int result;

    (void)state;
    readings_init(&readings);
    json_get_alloc_funcs(&allocate, &release);
    json_set_alloc_funcs(no_memory, release);
    result = decode(JSON, (const uint8_t *)object, sizeof(object) - 1, NOW, &readings);
    json_set_alloc_funcs(allocate, release);
    if (result == 0)
        assert_int_equal(readings.items[0].type, READING_UNDECODED);
    else
        assert_int_equal(readings.count, 0);
    readings_wipe(&readings);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_reset_gives_back),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_jansson_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
