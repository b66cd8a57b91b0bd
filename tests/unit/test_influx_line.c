/*
 * gateway/sink/influx_line.h: readings as lines of InfluxDB's line protocol. What the lines are was compared
 * with the rules of its documentation; that a server understands them so is seen by test_sink_influx.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* cmocka's; failure.h has its own */

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/sink/influx_line.h"
#include "sink_point.h"

static char out[INFLUX_LINE_MAX + 1];

/* The line without its time and end. */
static const char *line_of(const struct sink_point *point)
{
    struct failure failure;
    ptrdiff_t len = influx_line_encode(out, sizeof(out) - 1, "readings", point, &failure);

    assert_true(len > 0);
    out[len] = '\0';
    assert_int_equal(out[len - 1], '\n');
    *strrchr(out, ' ') = '\0';
    return out;
}

static void test_types(void **state)
{
    static const uint8_t bytes[] = {0xfb, 0xff, 0x00, 0x80};
    struct sink_point point = point_of("temperature", 23.4);

    (void)state;
    point.reading.unit = "Cel";
    point.reading.unit_len = 3;
    point.piv = 17;
    assert_string_equal(line_of(&point),
                        "readings,device=kitchen,name=temperature,unit=Cel value=23.4,seq=17i");
    point.reading.type = READING_SUM;
    assert_string_equal(line_of(&point),
                        "readings,device=kitchen,name=temperature,unit=Cel sum=23.4,seq=17i");
    point = point_of("n", 0);
    point.reading.type = READING_INTEGER;
    point.reading.value.integer = 7;
    assert_string_equal(line_of(&point), "readings,device=kitchen,name=n value=7,integer=7i,seq=0i");
    point.reading.value.integer = INT64_MIN;
    assert_string_equal(line_of(&point), "readings,device=kitchen,name=n value=-9.223372036854776e+18,"
                                         "integer=-9223372036854775808i,seq=0i");
    point.reading.value.integer = INT64_MAX;
    assert_non_null(strstr(line_of(&point), ",integer=9223372036854775807i,"));
    point.reading.type = READING_BOOLEAN;
    point.reading.value.integer = 1;
    assert_string_equal(line_of(&point), "readings,device=kitchen,name=n boolean=true,seq=0i");
    point.reading.value.integer = 0;
    assert_string_equal(line_of(&point), "readings,device=kitchen,name=n boolean=false,seq=0i");
    point = point_of_bytes(READING_DATA, bytes, sizeof(bytes));
    assert_string_equal(line_of(&point), "readings,device=kitchen,name=n data=\"-_8AgA\",seq=0i");
    point = point_of_bytes(READING_PAYLOAD, bytes, 1);
    point.reading.name_len = 0;
    point.reading.format = 65535;
    assert_string_equal(line_of(&point), "readings,device=kitchen payload=\"-w\",format=65535i,seq=0i");
    point.reading.type = READING_UNDECODED;
    point.reading.value.bytes.len = 0;
    assert_string_equal(line_of(&point), "readings,device=kitchen undecoded=\"\",format=65535i,seq=0i");
}

/* What is a tag's own character is escaped; what can not be is shown by another one. */
static void test_names(void **state)
{
    static const struct {
        const char *name;
        const char *tag;
    } names[] = {
        {"a b", "a\\ b"},
        {"a,b", "a\\,b"},
        {"a=b", "a\\=b"},
        {"a\"b'", "a\"b'"},
        {"#", "#"},
        {"C:\\dir", "C:\\dir"},
        {"a\\\\b", "a\\\\b"},
        {"a\\", "a＼"},
        {"a\\\\", "a\\＼"},
        {"a\\,b", "a＼\\,b"},
        {"a\\ b", "a＼\\ b"},
        {"a\\=b", "a＼\\=b"},
        {"a\\\nb", "a\\␊b"},
        {"\\", "＼"},
        {"a\nb\rc\td", "a␊b␍c␉d"},
        {"\x01\x1f\x7f", "␁␟␡"},
        {"\xf0\x9f\x8c\xa1 caf\xc3\xa9", "\xf0\x9f\x8c\xa1\\ caf\xc3\xa9"},
        {"\xff\xc3", "��"},
        {"\xe2\x82", "��"},
        {"\xed\xa0\x80", "���"},
        {"\xf4\x90\x80\x80", "����"},
        {"\xc0\xaf", "��"},
        {"\xc3(", "�("},
        {",device=evil value=1", "\\,device\\=evil\\ value\\=1"},
    };
    char expected[256];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct sink_point point = point_of(names[i].name, 1);
        snprintf(expected, sizeof(expected), "readings,device=kitchen,name=%s value=1,seq=0i", names[i].tag);
        assert_string_equal(line_of(&point), expected);
        point = point_of("n", 1);
        point.reading.unit = names[i].name;
        point.reading.unit_len = strlen(names[i].name);
        snprintf(expected, sizeof(expected), "readings,device=kitchen,name=n,unit=%s value=1,seq=0i",
                 names[i].tag);
        assert_string_equal(line_of(&point), expected);
        point = point_of("", 1);
        point.device = names[i].name;
        snprintf(expected, sizeof(expected), "readings,device=%s value=1,seq=0i", names[i].tag);
        assert_string_equal(line_of(&point), expected);
    }
    struct sink_point point = point_of("a\0b", 1);
    point.reading.name_len = 3;
    assert_string_equal(line_of(&point), "readings,device=kitchen,name=a␀b value=1,seq=0i");
}

static void test_texts(void **state)
{
    static const struct {
        const char *text;
        const char *field;
    } texts[] = {
        {"", "text=\"\""},
        {"open", "text=\"open\""},
        {"a \"b\"", "text=\"a \\\"b\\\"\""},
        {"\\", "text=\"\\\\\""},
        {"\\\"", "text=\"\\\\\\\"\""},
        {"C:\\new\\\\", "text=\"C:\\\\new\\\\\\\\\""},
        {"a\nb\r\nc\t", "text=\"a\nb\r\nc\t\""},
        {"a,b=c d", "text=\"a,b=c d\""},
        {"NaN", "text=\"NaN\""},
        {"\xf0\x9f\x8c\xa1", "text=\"\xf0\x9f\x8c\xa1\""},
        {"\xff", "data=\"_w\""}, /* no text: exactly, as data */
    };
    char expected[256];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sink_point point = point_of_text(texts[i].text);
        snprintf(expected, sizeof(expected), "readings,device=kitchen,name=n %s,seq=0i", texts[i].field);
        assert_string_equal(line_of(&point), expected);
    }
    struct sink_point point = point_of_bytes(READING_TEXT, "a\0b", 3);
    assert_string_equal(line_of(&point), "readings,device=kitchen,name=n data=\"YQBi\",seq=0i");
}

/* Every double comes back as it was. */
static void test_doubles(void **state)
{
    static const double values[] = {
        0.1,  1.0 / 3,  1e22,     1e23, -1.5, DBL_MAX, DBL_MIN, 5e-324, 1e-7, 123456789, 9007199254740993.0,
        -0.0, 1e15 + 1, 0.1 + 0.2};
    uint64_t bits = 88172645463325252u;

    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        double value = values[i % (sizeof(values) / sizeof(values[0]))];
        if (i >= sizeof(values) / sizeof(values[0])) {
            bits ^= bits << 13; /* xorshift */
            bits ^= bits >> 7;
            bits ^= bits << 17;
            memcpy(&value, &bits, sizeof(value));
            if (!(value - value == 0)) /* readings hold neither NaN nor infinities */
                continue;
        }
        struct sink_point point = point_of("n", value);
        double found = strtod(strstr(line_of(&point), "value=") + 6, NULL);
        assert_memory_equal(&found, &value, sizeof(value));
    }
    struct sink_point point = point_of("n", 0.3);
    assert_string_equal(line_of(&point), "readings,device=kitchen,name=n value=0.3,seq=0i");
}

/* ---- time and identity ---- */

static int64_t time_of(int64_t device, const char *context, uint64_t piv, uint32_t index)
{
    struct sink_point point = point_of("n", 1);

    point.device_id = device;
    point.context = (const uint8_t *)context;
    point.context_len = strlen(context);
    point.piv = piv;
    point.index = index;
    return influx_line_time(&point);
}

/* A gateway of any version has to make the same point of a reading: it may write again what an older one
 * wrote. The figures were made by another program. */
static void test_identity_stays(void **state)
{
    (void)state;
    assert_int_equal(time_of(1, "", 0, 0), POINT_TIME * 1000 + 996);
    assert_int_equal(time_of(1, "", 1, 0), POINT_TIME * 1000 + 23);
    assert_int_equal(time_of(1, "abcdefgh", (UINT64_C(1) << 40) - 1, 3), POINT_TIME * 1000 + 876);
    assert_int_equal(time_of(INT64_MAX, "w12345678", UINT64_MAX, UINT32_MAX), POINT_TIME * 1000 + 658);
}

static void test_neighbours_never_meet(void **state)
{
    static const uint64_t firsts[] = {0, 1, 999, 65536, (UINT64_C(1) << 40) - 40, UINT64_MAX - 36};

    (void)state;
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        bool seen[1000] = {false};
        for (uint64_t k = 0; k < 37; k++)
            for (uint32_t index = 0; index < 27; index++) {
                int64_t part = time_of(7, "abcdefgh", firsts[i] + k, index) - POINT_TIME * 1000;
                /* The numbers' own end is at 2^40: only there is nothing behind it. */
                assert_in_range(part, 0, 999);
                assert_false(seen[part]);
                seen[part] = true;
            }
    }
}

/* The same reading of 1,000 messages in a row. */
static void test_one_index_meets_late(void **state)
{
    bool seen[1000] = {false};

    (void)state;
    for (uint64_t piv = 12345; piv < 13345; piv++) {
        int64_t part = time_of(7, "", piv, 5) - POINT_TIME * 1000;
        assert_false(seen[part]);
        seen[part] = true;
    }
}

/* Contexts, and devices that get a name again, are spread. */
static void test_contexts_are_spread(void **state)
{
    unsigned met[1000] = {0};
    char context[9];

    (void)state;
    for (int i = 0; i < 10000; i++) {
        snprintf(context, sizeof(context), "%08x", (unsigned)i * 2654435761u);
        met[time_of(1 + i % 10, context, 0, 0) - POINT_TIME * 1000]++;
    }
    for (int i = 0; i < 1000; i++)
        assert_true(met[i] < 40);
    assert_int_not_equal(time_of(1, "", 0, 0), time_of(2, "", 0, 0));
}

/* ---- what InfluxDB can never take ---- */

static const char *refusal_of(const struct sink_point *point)
{
    static struct failure failure;

    assert_int_equal(influx_line_encode(out, sizeof(out), "readings", point, &failure), SINK_REFUSED);
    return failure.text;
}

static void test_times(void **state)
{
    struct sink_point point = point_of("n", 1);

    (void)state;
    for (uint64_t piv = 0; piv < 1000; piv++) { /* with every part of a microsecond */
        point.piv = piv;
        point.reading.time = INFLUX_EARLIEST;
        assert_true(influx_line_time(&point) >= INT64_MIN + 2);
        point.reading.time = INFLUX_LATEST;
        assert_true(influx_line_time(&point) <= INT64_MAX - 1 && influx_line_time(&point) > 0);
        line_of(&point);
    }
    point.reading.time = INFLUX_LATEST + 1;
    assert_non_null(strstr(refusal_of(&point), "1677-09-21 to 2262-04-11"));
    point.reading.time = INFLUX_EARLIEST - 1;
    assert_non_null(strstr(refusal_of(&point), "1677-09-21 to 2262-04-11"));
    point.reading.time = INT64_MIN;
    refusal_of(&point);
    point.reading.time = INT64_MAX;
    refusal_of(&point);
    point.reading.time = -1;
    line_of(&point);
}

static void test_long_ones(void **state)
{
    static char bytes[INFLUX_TEXT_MAX + 1];
    struct sink_point point = point_of_bytes(READING_TEXT, bytes, INFLUX_TEXT_MAX);

    (void)state;
    memset(bytes, '"', sizeof(bytes));
    assert_true(strlen(line_of(&point)) > 2 * INFLUX_TEXT_MAX);
    point.reading.value.bytes.len++;
    assert_non_null(strstr(refusal_of(&point), "65537 bytes is longer than InfluxDB's limit of 64 KiB"));
    point = point_of_bytes(READING_DATA, bytes, 49152);
    assert_true(strlen(line_of(&point)) > INFLUX_TEXT_MAX);
    point.reading.value.bytes.len++;
    refusal_of(&point);
    point.reading.type = READING_PAYLOAD;
    refusal_of(&point);
    bytes[0] = '\xff'; /* no text: as data */
    point.reading.type = READING_TEXT;
    refusal_of(&point);
}

static void test_long_names(void **state)
{
    static char bytes[INFLUX_SERIES_MAX + 2];
    struct sink_point point = point_of("n", 1);

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    point.reading.name = bytes;
    point.reading.unit = bytes;
    point.reading.name_len = INFLUX_SERIES_MAX - strlen("readings,device=kitchen,name=");
    line_of(&point);
    point.reading.name_len++;
    assert_non_null(strstr(refusal_of(&point), "names"));
    point.reading.name_len = INFLUX_SERIES_MAX + 1;
    refusal_of(&point);
    memset(bytes, '\n', sizeof(bytes)); /* which become three */
    point.reading.name_len = INFLUX_SERIES_MAX;
    refusal_of(&point);
    point.reading.name_len = 1;
    point.reading.unit_len = INFLUX_SERIES_MAX;
    refusal_of(&point);
}

/* Whatever room there is, nothing is written behind it, and a line is there whole or not at all. */
static void test_room(void **state)
{
    struct sink_point points[] = {point_of("a b\\", 0.1), point_of_text("a\"b"),
                                  point_of_bytes(READING_DATA, "abcd", 4)};
    struct failure failure;

    (void)state;
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        ptrdiff_t whole = influx_line_encode(out, sizeof(out), "m", &points[i], &failure);
        assert_true(whole > 0);
        for (ptrdiff_t room = 0; room < whole + 3; room++) {
            char *place = malloc((size_t)room + 1); /* a sanitizer sees its end */
            assert_non_null(place);
            assert_int_equal(influx_line_encode(place, (size_t)room, "m", &points[i], &failure),
                             room < whole ? 0 : whole);
            free(place);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_identity_stays),
        cmocka_unit_test(test_neighbours_never_meet),
        cmocka_unit_test(test_one_index_meets_late),
        cmocka_unit_test(test_contexts_are_spread),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_long_ones),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
