/*
 * The CBOR writer and reader: RFC 8949 appendix A, the shortest form of every float (4.2.1) against a slow
 * oracle, and buffers of exactly the size.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device/cbor.h"
#include "device/cbor_scan.h"
#include "device/keys.h"

#include "support.h"

#define DEPTH   8
#define DEEPEST 1000

/* The device's reader (cbor_scan.c) finds what the host's finds, of what is deterministic: heads of definite
 * lengths, in the shortest form. */

static int is_deterministic(struct bulla_cbor_reader reader)
{
    struct bulla_cbor_item item;

    while (reader.at < reader.end) {
        assert_int_equal(bulla_cbor_next(&reader, &item), 0);
        if (item.info == 31 || !item.shortest)
            return 0;
    }
    return 1;
}

static struct bulla_scan scan_of(const struct bulla_cbor_reader *reader)
{
    struct bulla_scan scan = {.at = reader->at, .end = reader->end};

    assert_true(reader->end - reader->at <= UINT16_MAX);
    return scan;
}

/* Never beyond the end, whatever stands there. */
static int skips(struct bulla_scan *scan)
{
    const uint8_t *end = scan->end;

    bulla_scan_skip(scan);
    assert_ptr_equal(scan->end, end);
    assert_true(scan->at <= end);
    return !scan->wrong;
}

static int skip_both(struct bulla_cbor_reader *reader, unsigned depth)
{
    struct bulla_scan scan = scan_of(reader);
    struct bulla_cbor_reader whole = *reader;
    int found = bulla_cbor_skip(reader, depth);

    whole.end = reader->at;
    if (found < 0 && depth >= DEPTH) { /* what is deeper, it steps over */
        struct bulla_cbor_reader deep = *reader;

        if (bulla_cbor_skip(&deep, DEEPEST) < 0)
            assert_true(!skips(&scan));
    } else if (found == 0) {
        assert_int_equal(skips(&scan), is_deterministic(whole));
        assert_true(!is_deterministic(whole) || scan.at == reader->at);
    }
    return found;
}

static int expect_both(struct bulla_cbor_reader *reader, enum bulla_cbor_major major,
                       struct bulla_cbor_item *item)
{
    struct bulla_scan scan = scan_of(reader);
    int found = bulla_cbor_expect(reader, major, item);
    uint16_t small = bulla_scan_expect(&scan, (uint8_t)major);

    assert_int_equal(scan.wrong == 0, found == 0);
    if (found == 0) {
        assert_ptr_equal(scan.at, reader->at);
        assert_true(bulla_get_le(scan.argument, sizeof(scan.argument)) == item->argument);
        assert_int_equal(small, item->argument > UINT16_MAX ? UINT16_MAX : (int)item->argument);
    }
    return found;
}

/* ---- RFC 8949 appendix A ---- */

enum kind {
    UNSIGNED, /* the writer makes it from `number` */
    SIGNED,   /* from `number` as a signed one */
    REAL,     /* from `real` */
    TEXT,     /* from `text` */
    BYTES,    /* from `text`, hexadecimal */
    SIMPLE,   /* from `number` */
    READ,     /* read only: well-formed, of more than one head or not what the writer would make */
};

static const struct example {
    const char *hex;
    enum kind kind;
    uint64_t number;
    double real;
    const char *text;
} examples[] = {
    {"00", UNSIGNED, 0, 0, NULL},
    {"01", UNSIGNED, 1, 0, NULL},
    {"0a", UNSIGNED, 10, 0, NULL},
    {"17", UNSIGNED, 23, 0, NULL},
    {"1818", UNSIGNED, 24, 0, NULL},
    {"1819", UNSIGNED, 25, 0, NULL},
    {"1864", UNSIGNED, 100, 0, NULL},
    {"1903e8", UNSIGNED, 1000, 0, NULL},
    {"1a000f4240", UNSIGNED, 1000000, 0, NULL},
    {"1b000000e8d4a51000", UNSIGNED, 1000000000000, 0, NULL},
    {"1bffffffffffffffff", UNSIGNED, UINT64_MAX, 0, NULL},
    {"c249010000000000000000", READ, 0, 0, NULL},
    {"3bffffffffffffffff", READ, 0, 0, NULL}, /* -2^64: beyond int64_t */
    {"c349010000000000000000", READ, 0, 0, NULL},
    {"20", SIGNED, (uint64_t)-1, 0, NULL},
    {"29", SIGNED, (uint64_t)-10, 0, NULL},
    {"3863", SIGNED, (uint64_t)-100, 0, NULL},
    {"3903e7", SIGNED, (uint64_t)-1000, 0, NULL},
    {"f90000", REAL, 0, 0.0, NULL},
    {"f98000", REAL, 0, -0.0, NULL},
    {"f93c00", REAL, 0, 1.0, NULL},
    {"fb3ff199999999999a", REAL, 0, 1.1, NULL},
    {"f93e00", REAL, 0, 1.5, NULL},
    {"f97bff", REAL, 0, 65504.0, NULL},
    {"fa47c35000", REAL, 0, 100000.0, NULL},
    {"fa7f7fffff", REAL, 0, 3.4028234663852886e+38, NULL},
    {"fb7e37e43c8800759c", REAL, 0, 1.0e+300, NULL},
    {"f90001", REAL, 0, 5.960464477539063e-8, NULL},
    {"f90400", REAL, 0, 0.00006103515625, NULL},
    {"f9c400", REAL, 0, -4.0, NULL},
    {"fbc010666666666666", REAL, 0, -4.1, NULL},
    {"f97c00", REAL, 0, INFINITY, NULL},
    {"f97e00", REAL, 0, NAN, NULL},
    {"f9fc00", REAL, 0, -INFINITY, NULL},
    {"fa7f800000", READ, 0, 0, NULL},
    {"fa7fc00000", READ, 0, 0, NULL},
    {"faff800000", READ, 0, 0, NULL},
    {"fb7ff0000000000000", READ, 0, 0, NULL},
    {"fb7ff8000000000000", READ, 0, 0, NULL},
    {"fbfff0000000000000", READ, 0, 0, NULL},
    {"f4", SIMPLE, BULLA_CBOR_FALSE, 0, NULL},
    {"f5", SIMPLE, BULLA_CBOR_TRUE, 0, NULL},
    {"f6", SIMPLE, BULLA_CBOR_NULL, 0, NULL},
    {"f7", SIMPLE, 23, 0, NULL},
    {"f0", SIMPLE, 16, 0, NULL},
    {"f8ff", SIMPLE, 255, 0, NULL},
    {"c074323031332d30332d32315432303a30343a30305a", READ, 0, 0, NULL},
    {"c11a514b67b0", READ, 0, 0, NULL},
    {"c1fb41d452d9ec200000", READ, 0, 0, NULL},
    {"d74401020304", READ, 0, 0, NULL},
    {"d818456449455446", READ, 0, 0, NULL},
    {"d82076687474703a2f2f7777772e6578616d706c652e636f6d", READ, 0, 0, NULL},
    {"40", BYTES, 0, 0, ""},
    {"4401020304", BYTES, 0, 0, "01020304"},
    {"60", TEXT, 0, 0, ""},
    {"6161", TEXT, 0, 0, "a"},
    {"6449455446", TEXT, 0, 0, "IETF"},
    {"62225c", TEXT, 0, 0, "\"\\"},
    {"62c3bc", TEXT, 0, 0, "\u00fc"},
    {"63e6b0b4", TEXT, 0, 0, "\u6c34"},
    {"64f0908591", TEXT, 0, 0, "\U00010151"},
    {"80", READ, 0, 0, NULL},
    {"83010203", READ, 0, 0, NULL},
    {"8301820203820405", READ, 0, 0, NULL},
    {"98190102030405060708090a0b0c0d0e0f101112131415161718181819", READ, 0, 0, NULL},
    {"a0", READ, 0, 0, NULL},
    {"a201020304", READ, 0, 0, NULL},
    {"a26161016162820203", READ, 0, 0, NULL},
    {"826161a161626163", READ, 0, 0, NULL},
    {"a56161614161626142616361436164614461656145", READ, 0, 0, NULL},
    {"5f42010243030405ff", READ, 0, 0, NULL},
    {"7f657374726561646d696e67ff", READ, 0, 0, NULL},
    {"9fff", READ, 0, 0, NULL},
    {"9f018202039f0405ffff", READ, 0, 0, NULL},
    {"9f01820203820405ff", READ, 0, 0, NULL},
    {"83018202039f0405ff", READ, 0, 0, NULL},
    {"83019f0203ff820405", READ, 0, 0, NULL},
    {"9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff", READ, 0, 0, NULL},
    {"bf61610161629f0203ffff", READ, 0, 0, NULL},
    {"826161bf61626163ff", READ, 0, 0, NULL},
    {"bf6346756ef563416d7421ff", READ, 0, 0, NULL},
};

static void write_example(struct bulla_cbor_writer *writer, const struct example *example)
{
    uint8_t bytes[64];

    switch (example->kind) {
    case UNSIGNED:
        bulla_cbor_head(writer, BULLA_CBOR_UINT, example->number);
        break;
    case SIGNED:
        bulla_cbor_integer(writer, (int64_t)example->number);
        break;
    case REAL:
        bulla_cbor_double(writer, example->real);
        break;
    case TEXT:
        bulla_cbor_text(writer, example->text, strlen(example->text));
        break;
    case BYTES:
        bulla_cbor_bytes(writer, bytes, from_hex(bytes, sizeof(bytes), example->text));
        break;
    default:
        bulla_cbor_head(writer, BULLA_CBOR_SIMPLE, example->number);
        break;
    }
}

static void test_appendix_a_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        uint8_t out[64];
        struct bulla_cbor_writer writer = {out, sizeof(out), 0, 0};

        if (examples[i].kind == READ)
            continue;
        write_example(&writer, &examples[i]);
        assert_false(writer.overflow);
        assert_hex(out, writer.used, examples[i].hex);
    }
}

/* The first head of an example that the writer makes says the same. */
static void check_head(const struct example *example, const struct bulla_cbor_item *item)
{
    static const uint8_t majors[] = {
        BULLA_CBOR_UINT, 0, BULLA_CBOR_SIMPLE, BULLA_CBOR_TEXT, BULLA_CBOR_BYTES, BULLA_CBOR_SIMPLE};

    assert_true(item->shortest);
    if (example->kind == SIGNED) {
        assert_int_equal(item->major, BULLA_CBOR_NINT);
        assert_true(item->argument == ~example->number);
        return;
    }
    assert_int_equal(item->major, majors[example->kind]);
    if (example->kind == UNSIGNED || example->kind == SIMPLE)
        assert_true(item->argument == example->number);
    if (example->kind == TEXT) {
        assert_int_equal(item->argument, strlen(example->text));
        assert_memory_equal(item->data, example->text, strlen(example->text));
    }
    if (example->kind == BYTES)
        assert_hex(item->data, (size_t)item->argument, example->text);
}

/* A copy on the heap of exactly `len` bytes, so that a step beyond it is seen by a sanitizer. */
static uint8_t *exact_copy(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    return copy;
}

static int skip_exact(const uint8_t *bytes, size_t len, unsigned depth, size_t *stepped)
{
    uint8_t *copy = exact_copy(bytes, len);
    struct bulla_cbor_reader reader = {copy, copy + len};
    int result = skip_both(&reader, depth);

    *stepped = (size_t)(reader.at - copy);
    free(copy);
    return result;
}

static void test_appendix_a_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        uint8_t bytes[64];
        size_t len = from_hex(bytes, sizeof(bytes), examples[i].hex);
        struct bulla_cbor_reader reader = {bytes, bytes + len};
        struct bulla_cbor_item item;
        size_t stepped;

        assert_int_equal(bulla_cbor_next(&reader, &item), 0);
        if (examples[i].kind != READ) {
            check_head(&examples[i], &item);
            assert_ptr_equal(reader.at, bytes + len);
        }
        assert_int_equal(skip_exact(bytes, len, DEPTH, &stepped), 0);
        assert_int_equal(stepped, len);
        for (size_t cut = 0; cut < len; cut++) { /* truncated anywhere: refused, and `at` stays */
            assert_int_equal(skip_exact(bytes, cut, DEPTH, &stepped), -1);
            assert_int_equal(stepped, 0);
        }
    }
}

/* ---- what is not well-formed (RFC 8949 appendix F and 3.2, 3.3) ---- */

static void test_not_well_formed(void **state)
{
    static const char *const bad[] = {
        "1c",
        "1d",
        "1e",
        "3c",
        "3d",
        "3e",
        "5c",
        "5d",
        "5e",
        "7c",
        "7d",
        "7e",
        "9c",
        "9d",
        "9e",
        "bc",
        "bd",
        "be",
        "dc",
        "dd",
        "de",
        "fc",
        "fd",
        "fe", /* reserved additional information */
        "f800",
        "f801",
        "f818",
        "f81f", /* simple values below 32 in two bytes (f818: RFC 8949 refuses it) */
        "5f00ff",
        "5f21ff",
        "5f6100ff",
        "5f80ff",
        "5fa0ff",
        "5fc000ff",
        "5fe0ff",
        "7f4100ff", /* wrong chunks */
        "5f5f4100ffff",
        "7f7f6100ffff", /* nested strings */
        "ff",
        "81ff",
        "8200ff",
        "a1ff",
        "a1ff00",
        "a100ff",
        "a20000ff",
        "9f81ff",
        "9f829f819f9fffffffff",
        "bf00ff",
        "bf000000ff",
        "c0ff", /* a break where none may be */
        "1f",
        "3f",
        "df", /* indefinite, of types that cannot be */
        "9bffffffffffffffff",
        "bbffffffffffffffff",
        "bb8000000000000000",
        "5bffffffffffffffff",
        "7bffffffffffffffff",
        "9b000000000000000200",
        "9a0000000200",
        "bb800000000000000100", /* more than there is */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint8_t bytes[64];
        size_t len = from_hex(bytes, sizeof(bytes), bad[i]);
        size_t stepped;

        if (skip_exact(bytes, len, DEPTH, &stepped) != -1)
            fail_msg("skipped, but not well-formed: %s", bad[i]);
        assert_int_equal(stepped, 0);
    }
}

static void test_depth(void **state)
{
    static const char *const nests[] = {"81", "a100", "c0", "9f"};
    size_t stepped;

    (void)state;
    for (size_t n = 0; n < COUNT(nests); n++) {
        for (unsigned levels = 0; levels < 12; levels++) {
            uint8_t bytes[64];
            size_t len = 0;

            for (unsigned i = 0; i < levels; i++)
                len += from_hex(bytes + len, sizeof(bytes) - len, nests[n]);
            bytes[len++] = 0x00;
            for (unsigned i = 0; i < levels && bytes[0] == 0x9f; i++)
                bytes[len++] = 0xff;
            assert_int_equal(skip_exact(bytes, len, DEPTH, &stepped), levels < DEPTH ? 0 : -1);
            assert_int_equal(skip_exact(bytes, len, 12, &stepped), 0);
        }
    }
}

/* Nothing but openings, far more of them than any stack would bear. */
static void test_depth_of_a_hostile_one(void **state)
{
    static const uint8_t openings[] = {0x81, 0x9f, 0xa1, 0xbf, 0xc0, 0xd8};
    uint8_t bytes[4096];
    size_t stepped;

    (void)state;
    for (size_t i = 0; i < COUNT(openings); i++) {
        memset(bytes, openings[i], sizeof(bytes));
        assert_int_equal(skip_exact(bytes, sizeof(bytes), DEPTH, &stepped), -1);
    }
}

/* ---- expect: the type, definite, in the shortest form ---- */

static int expect(const char *hex, enum bulla_cbor_major major)
{
    uint8_t bytes[64];
    size_t len = from_hex(bytes, sizeof(bytes), hex);
    struct bulla_cbor_reader reader = {bytes, bytes + len};
    struct bulla_cbor_item item;
    int result = expect_both(&reader, major, &item);

    assert_ptr_equal(reader.at, result == 0 ? bytes + len : bytes);
    return result;
}

static void test_expect(void **state)
{
    static const char *const longer[] = {"1800",
                                         "1817",
                                         "190000",
                                         "1900ff",
                                         "1a00000000",
                                         "1a0000ffff",
                                         "1b0000000000000000",
                                         "1b00000000ffffffff"};

    (void)state;
    assert_int_equal(expect("00", BULLA_CBOR_UINT), 0);
    assert_int_equal(expect("1818", BULLA_CBOR_UINT), 0);
    assert_int_equal(expect("190100", BULLA_CBOR_UINT), 0);
    assert_int_equal(expect("1a00010000", BULLA_CBOR_UINT), 0);
    assert_int_equal(expect("1b0000000100000000", BULLA_CBOR_UINT), 0);
    for (size_t i = 0; i < COUNT(longer); i++)
        assert_int_equal(expect(longer[i], BULLA_CBOR_UINT), -1);
    assert_int_equal(expect("20", BULLA_CBOR_UINT), -1);
    assert_int_equal(expect("00", BULLA_CBOR_NINT), -1);
    assert_int_equal(expect("40", BULLA_CBOR_TEXT), -1);
    assert_int_equal(expect("60", BULLA_CBOR_TEXT), 0);
    assert_int_equal(expect("9f", BULLA_CBOR_ARRAY), -1);
    assert_int_equal(expect("bf", BULLA_CBOR_MAP), -1);
    assert_int_equal(expect("5f", BULLA_CBOR_BYTES), -1);
    assert_int_equal(expect("ff", BULLA_CBOR_SIMPLE), -1);
    assert_int_equal(expect("5800", BULLA_CBOR_BYTES), -1);
    assert_int_equal(expect("", BULLA_CBOR_UINT), -1);
}

/* ---- heads ---- */

static void test_heads_in_the_fewest_bytes(void **state)
{
    static const struct {
        uint64_t argument;
        size_t size;
    } heads[] = {{0, 1},     {23, 1},    {24, 2},         {255, 2},         {256, 3},
                 {65535, 3}, {65536, 5}, {0xffffffff, 5}, {0x100000000, 9}, {UINT64_MAX, 9}};

    (void)state;
    for (unsigned major = BULLA_CBOR_UINT; major <= BULLA_CBOR_TAG; major++) {
        for (size_t i = 0; i < COUNT(heads); i++) {
            uint8_t out[9];
            struct bulla_cbor_writer writer = {out, sizeof(out), 0, 0};
            struct bulla_cbor_reader reader = {out, out};
            struct bulla_cbor_item item;

            bulla_cbor_head(&writer, (enum bulla_cbor_major)major, heads[i].argument);
            assert_int_equal(writer.used, heads[i].size);
            reader.end += writer.used;
            if ((major == BULLA_CBOR_BYTES || major == BULLA_CBOR_TEXT) && heads[i].argument > 0)
                continue; /* their bytes are not there */
            assert_int_equal(expect_both(&reader, (enum bulla_cbor_major)major, &item), 0);
            assert_true(item.argument == heads[i].argument);
        }
    }
}

static void test_integers(void **state)
{
    static const struct {
        int64_t value;
        const char *hex;
    } integers[] = {{INT64_MAX, "1b7fffffffffffffff"},
                    {INT64_MIN, "3b7fffffffffffffff"},
                    {-24, "37"},
                    {-25, "3818"},
                    {-256, "38ff"},
                    {-257, "390100"},
                    {-65536, "39ffff"},
                    {-65537, "3a00010000"},
                    {-4294967296, "3affffffff"},
                    {-4294967297, "3b0000000100000000"}};

    (void)state;
    for (size_t i = 0; i < COUNT(integers); i++) {
        uint8_t out[9];
        struct bulla_cbor_writer writer = {out, sizeof(out), 0, 0};

        bulla_cbor_integer(&writer, integers[i].value);
        assert_hex(out, writer.used, integers[i].hex);
    }
}

/* ---- overflow ---- */

static void test_overflow_at_every_size(void **state)
{
    static const uint8_t bytes[30];

    (void)state;
    for (size_t size = 0; size <= 32; size++) {
        uint8_t *out = malloc(size > 0 ? size : 1);
        struct bulla_cbor_writer writer = {out, size, 0, 0};

        bulla_cbor_bytes(&writer, bytes, sizeof(bytes)); /* 2 + 30 */
        assert_int_equal(writer.overflow, size < 32);
        assert_true(writer.used <= size);
        if (size < 2)
            assert_int_equal(writer.used, 0);
        free(out);
    }
}

/* ---- floats ---- */

/* A half's value by RFC 8949 appendix D's definition. */
static double half_value(unsigned half)
{
    unsigned exponent = half >> 10 & 0x1f;
    unsigned mantissa = half & 0x3ff;
    double value = exponent == 0    ? ldexp(mantissa, -24)
                   : exponent == 31 ? (mantissa == 0 ? (double)INFINITY : (double)NAN)
                                    : ldexp(mantissa + 1024, (int)exponent - 25);

    return (half & 0x8000) != 0 ? -value : value;
}

static int same_number(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

/* Every finite half by its value, and the infinities: sorted, to look a value up. */
static double half_values[2 * 0x7c01];

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static int fill_half_values(void **state)
{
    size_t used = 0;

    (void)state;
    for (unsigned half = 0; half <= 0x7c00; half++) {
        half_values[used++] = half_value(half);
        half_values[used++] = half_value(half | 0x8000);
    }
    qsort(half_values, used, sizeof(half_values[0]), by_value);
    return used == COUNT(half_values) ? 0 : -1;
}

/* How many bytes RFC 8949 4.2.1 allows this number, by search instead of by bits. */
static size_t shortest_size(double value)
{
    if (isnan(value) || bsearch(&value, half_values, COUNT(half_values), sizeof(value), by_value) != NULL)
        return 3;
    return same_number((double)(float)value, value) ? 5 : 9;
}

static double decode_float(const uint8_t *bytes, size_t len)
{
    struct bulla_cbor_reader reader = {bytes, bytes + len};
    struct bulla_cbor_item item;
    uint32_t single_bits;
    float single;
    double value;

    assert_int_equal(bulla_cbor_next(&reader, &item), 0);
    assert_ptr_equal(reader.at, bytes + len);
    assert_int_equal(item.major, BULLA_CBOR_SIMPLE);
    if (item.info == 25)
        return half_value((unsigned)item.argument);
    if (item.info == 26) {
        single_bits = (uint32_t)item.argument;
        memcpy(&single, &single_bits, sizeof(single));
        return (double)single;
    }
    assert_int_equal(item.info, 27);
    memcpy(&value, &item.argument, sizeof(value));
    return value;
}

static void check_real(double value)
{
    uint8_t out[9];
    struct bulla_cbor_writer writer = {out, sizeof(out), 0, 0};

    bulla_cbor_double(&writer, value);
    assert_false(writer.overflow);
    if (writer.used != shortest_size(value) || !same_number(decode_float(out, writer.used), value))
        fail_msg("%a is written in %zu bytes as %a", value, writer.used, decode_float(out, writer.used));
    if (isnan(value))
        assert_hex(out, writer.used, "f97e00");
}

static void check_single(float value)
{
    uint8_t by_float[9];
    uint8_t by_double[9];
    struct bulla_cbor_writer float_writer = {by_float, sizeof(by_float), 0, 0};
    struct bulla_cbor_writer double_writer = {by_double, sizeof(by_double), 0, 0};

    check_real((double)value);
    bulla_cbor_float(&float_writer, value);
    bulla_cbor_double(&double_writer, (double)value);
    assert_int_equal(float_writer.used, double_writer.used);
    assert_memory_equal(by_float, by_double, float_writer.used);
}

static float single_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void test_all_halves(void **state)
{
    (void)state;
    for (unsigned half = 0; half <= 0xffff; half++) {
        uint8_t out[9];
        struct bulla_cbor_writer writer = {out, sizeof(out), 0, 0};
        double value = half_value(half);

        bulla_cbor_double(&writer, value);
        assert_int_equal(writer.used, 3);
        if (!isnan(value))
            assert_int_equal(out[1] << 8 | out[2], half);
        check_single((float)value);
    }
}

static void test_singles(void **state)
{
    uint64_t random = 32;

    (void)state;
    for (unsigned i = 0; i < 200000; i++)
        check_single(single_of((uint32_t)test_random(&random)));
    /* Around every half: the singles next to it, and those that differ in the bits that a half cannot hold.
     */
    for (unsigned half = 0; half <= 0xffff; half += 7) {
        float value = (float)half_value(half);
        uint32_t bits;

        memcpy(&bits, &value, sizeof(bits));
        for (unsigned bit = 0; bit < 23; bit++)
            check_single(single_of(bits ^ (uint32_t)1 << bit));
        check_single(single_of(bits + 1));
        check_single(single_of(bits - 1));
    }
    /* Every exponent, with the mantissas that a half can hold and those next to them. */
    for (uint32_t exponent = 0; exponent < 0xff; exponent++) {
        for (unsigned bit = 0; bit < 23; bit++) {
            check_single(single_of(exponent << 23 | (uint32_t)1 << bit));
            check_single(single_of(exponent << 23 | (0x7fffffu & ~(((uint32_t)1 << bit) - 1))));
        }
        check_single(single_of(exponent << 23));
        check_single(single_of(0x80000000u | exponent << 23));
    }
    /* NaNs of every kind are one (RFC 8949 4.2.2). */
    check_single(single_of(0x7f800001));
    check_single(single_of(0x7fffffff));
    check_single(single_of(0xffc00000));
    check_single(single_of(0xff800001));
    check_single(single_of(0x00000001)); /* the least single, far below the least half */
    check_single(single_of(0x80000001));
}

static void test_doubles(void **state)
{
    uint64_t random = 64;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t bits = test_random(&random);
        double value;

        memcpy(&value, &bits, sizeof(value));
        check_real(value);
        check_real((double)(int64_t)test_below(&random, 1u << 20) / 16);
    }
    check_real(DBL_MAX);
    check_real(-DBL_MAX);
    check_real(DBL_MIN);
    check_real(DBL_TRUE_MIN);
    check_real((double)FLT_MAX);
    check_real(nextafter((double)FLT_MAX, INFINITY)); /* rounds to FLT_MAX */
    check_real(3.5e38);                               /* rounds to infinity as a single */
    check_real((double)FLT_TRUE_MIN / 2);             /* rounds to 0 */
    check_real(65504.0 + 1.0 / 1024);
    check_real(65520.0);
    check_real(ldexp(1, -25));
    check_real(ldexp(3, -25));
}

/* Items of every kind, nested at random up to beyond the depth, whole and cut. */
static size_t make_item(uint64_t *random, uint8_t *out, unsigned depth)
{
    static const uint8_t heads[] = {0x00, 0x18, 0x19, 0x20, 0x40, 0x43, 0x58, 0x5f, 0x60, 0x7f, 0x80,
                                    0x81, 0x82, 0x98, 0x9f, 0xa0, 0xa1, 0xb8, 0xbf, 0xc1, 0xd8, 0xf4,
                                    0xf8, 0xf9, 0xfb, 0xff, 0x1b, 0xdb, 0x9b, 0x1c, 0x5b, 0x3a};
    size_t used = 0;

    out[used++] = heads[test_below(random, COUNT(heads))];
    for (uint64_t n = test_below(random, 4); n > 0; n--) {
        if (depth > 0 && test_below(random, 3) > 0)
            used += make_item(random, out + used, depth - 1);
        else
            out[used++] = (uint8_t)test_below(random, 4);
    }
    if (test_below(random, 2) == 0)
        out[used++] = 0xff;
    return used;
}

static void test_both_readers_agree(void **state)
{
    static uint8_t bytes[1 << 16];
    uint64_t random = 8949;
    unsigned well_formed = 0;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        size_t len = make_item(&random, bytes, (unsigned)test_below(&random, 7));
        uint8_t *exact = malloc(len);
        struct bulla_cbor_reader reader = {exact, exact + len};
        struct bulla_cbor_item item;

        memcpy(exact, bytes, len);
        well_formed += skip_both(&reader, DEPTH) == 0 && len > 4;
        for (unsigned major = BULLA_CBOR_UINT; major <= BULLA_CBOR_SIMPLE; major++) {
            reader.at = exact;
            (void)expect_both(&reader, (enum bulla_cbor_major)major, &item);
        }
        free(exact);
    }
    assert_true(well_formed > 1000);
    for (unsigned levels = 1; levels <= 10; levels++) { /* chunks are no level, an empty container is one */
        static const uint8_t leaves[] = {0x00, 0x80, 0xa0, 0x9f, 0xbf, 0x5f, 0x7f, 0xc1};
        static const uint8_t around[] = {0x81, 0x9f, 0xc1};

        for (size_t l = 0; l < COUNT(leaves); l++) {
            for (size_t a = 0; a < COUNT(around); a++) {
                struct bulla_cbor_reader reader = {bytes, bytes + 32};

                memset(bytes, 0xff, 32);
                memset(bytes, around[a], levels - 1);
                bytes[levels - 1] = leaves[l];
                (void)skip_both(&reader, DEPTH);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appendix_a_written),
        cmocka_unit_test(test_appendix_a_read),
        cmocka_unit_test(test_not_well_formed),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_depth_of_a_hostile_one),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_both_readers_agree),
        cmocka_unit_test(test_heads_in_the_fewest_bytes),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_overflow_at_every_size),
        cmocka_unit_test(test_all_halves),
        cmocka_unit_test(test_singles),
        cmocka_unit_test(test_doubles),
    };

    return cmocka_run_group_tests(tests, fill_half_values, NULL);
}
