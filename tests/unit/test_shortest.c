/*
 * gateway/decode: the shortest decimal of a number, and numbers that come out as they went in.
 */
#include "decode_case.h"
#include "device/bulla.h"
#include "gateway/decode/decoder.h"
#include "gateway/decode/shortest.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 8949 appendix D. */
static double half_of_bits(unsigned bits)
{
    double magnitude = (bits & 0x7c00) == 0 ? ldexp(bits & 0x3ff, -24)
                                            : ldexp((bits & 0x3ff) + 1024, (int)(bits >> 10 & 0x1f) - 25);

    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/*
 * Whether the decimal rounds to this finite half (positive, not zero), by comparing it to the halves on
 * either side; a tie goes to the even one.
 */
static int rounds_to_half(double decimal, unsigned bits)
{
    double half = half_of_bits(bits);
    double low = (half_of_bits(bits - 1) + half) / 2;
    double high = (half_of_bits(bits + 1) + half) / 2;

    if ((bits & 1) == 0)
        return decimal >= low && decimal <= high;
    return decimal > low && decimal < high;
}

static double slow_half(unsigned bits)
{
    double half = half_of_bits(bits);
    char digits[40];

    for (int p = 1; p < 20; p++) {
        double decimal;
        (void)snprintf(digits, sizeof(digits), "%.*g", p, half);
        decimal = strtod(digits, NULL);
        if (rounds_to_half(decimal, bits))
            return decimal;
    }
    fail();
    return 0;
}

static void test_every_half(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits < 0x7c00; bits++) {
        double half = half_of_bits(bits);
        double expected = trunc(half) == half ? half : slow_half(bits);
        if (shortest_half(half) != expected || shortest_half(-half) != -expected)
            fail_msg("half %04x: %.17g, expected %.17g", bits, shortest_half(half), expected);
    }
    assert_true(shortest_half(0.0) == 0 && !signbit(shortest_half(0.0)));
    assert_true(shortest_half(-0.0) == 0 && signbit(shortest_half(-0.0)));
    assert_true(isnan(shortest_half((double)NAN)));
    assert_true(isinf(shortest_half((double)-INFINITY)));
}

static double slow_single(float single)
{
    char digits[40];

    for (int p = 1; p < 10; p++) {
        (void)snprintf(digits, sizeof(digits), "%.*g", p, (double)single);
        if (strtof(digits, NULL) == single)
            return strtod(digits, NULL);
    }
    fail();
    return 0;
}

static void check_single(uint32_t bits)
{
    float single;
    double expected;

    memcpy(&single, &bits, sizeof(single));
    if (isnan(single) || isinf(single))
        return;
    expected = (double)single;
    if (fabs(expected) >= 9007199254740992.0 || trunc(expected) != expected)
        expected = slow_single(single);
    if (shortest_single(single) != expected)
        fail_msg("single %08" PRIx32 ": %.17g, expected %.17g", bits, shortest_single(single), expected);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Random singles: of all magnitudes, and of those that sensors send. */
static void test_many_singles(void **state)
{
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    const char *wanted = getenv("SINGLES");
    unsigned long count = wanted == NULL ? 100000 : strtoul(wanted, NULL, 10);

    (void)state;
    for (unsigned long i = 0; i < count; i++) {
        uint64_t drawn = next_random(&random);
        float decimal = (float)((double)(drawn >> 40) / pow(10, (double)(drawn & 7)));
        uint32_t bits;
        check_single((uint32_t)(drawn >> 32));
        check_single(0x33000000u + (uint32_t)(drawn >> 20) % 0x18000000u); /* 3e-8 to 1e7 */
        memcpy(&bits, &decimal, sizeof(bits));
        check_single(bits);
    }
}

static void test_special_singles(void **state)
{
    static const struct {
        float single;
        double expected;
    } cases[] = {
        {23.4f, 23.4},
        {-23.4f, -23.4},
        {0.1f, 0.1},
        {1e-45f, 1e-45},
        {1.17549435e-38f, 1.1754944e-38},
        {3.40282347e38f, 3.4028235e38},
        {1e20f, 1e20},
        {1e-20f, 1e-20},
        {16777216.0f, 16777216},
        {123456792.0f, 123456792}, /* whole numbers are left alone */
        {0.3f, 0.3},
        {0.33333334f, 0.33333334},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(shortest_single(cases[i].single) == cases[i].expected);
    for (uint32_t exponent = 0; exponent < 255; exponent++) { /* around the powers of two */
        for (uint32_t near = 0; near < 3; near++)
            check_single((exponent << 23) + near - (exponent > 0));
    }
    assert_true(isnan(shortest_single(NAN)));
    assert_true(isinf(shortest_single(INFINITY)));
    assert_true(signbit(shortest_single(-0.0f)));
}

/* ---- what the device library builds comes out as it went in ---- */

static double there_and_back(void (*add)(struct bulla_message *, double), double value)
{
    uint8_t buffer[128];
    struct bulla_message message;
    struct readings readings;
    double decoded;

    bulla_begin(&message, buffer, sizeof(buffer));
    add(&message, value);
    assert_int_equal(message.error, 0);
    readings_init(&readings);
    message.content[-1] = 0x81; /* the pack's head, which sealing puts there */
    assert_int_equal(
        decode(SENML_CBOR, message.content - 1, (size_t)(message.at - message.content) + 1, NOW, &readings),
        0);
    assert_int_equal(readings.count, 1);
    assert_int_equal(readings.items[0].type, READING_REAL);
    decoded = readings.items[0].value.real;
    readings_wipe(&readings);
    return decoded;
}

static void add_float(struct bulla_message *message, double value)
{
    bulla_add_float(message, "v", NULL, (float)value);
}

static void add_double(struct bulla_message *message, double value)
{
    bulla_add_double(message, "v", NULL, value);
}

/* Steps of 1/16 are a DS18B20's, of 1/100 many others'. A half would be enough for some, and be read as a
 * shorter decimal. */
static void test_there_and_back(void **state)
{
    (void)state;
    for (int i = -100000; i <= 100000; i++) {
        assert_true(there_and_back(add_float, i / 16.0) == i / 16.0);
        assert_true(there_and_back(add_double, i / 128.0) == i / 128.0);
        if (i % 10 == 0)
            assert_true(there_and_back(add_double, i * 1001.0) == i * 1001.0);
    }
    for (int i = -100000; i <= 100000; i++)
        assert_true(there_and_back(add_float, i / 100.0) == i / 100.0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_many_singles),
        cmocka_unit_test(test_special_singles),
        cmocka_unit_test(test_there_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
