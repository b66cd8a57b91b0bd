/*
 * Frames of a serial line (device/frame.h): the bytes that the format says, every length around the edges of
 * COBS, and a line that loses, changes and adds bytes.
 */
#include "support.h"

#include <string.h>

#include "device/frame.h"

#define LONGEST (BULLA_MESSAGE_MAX + BULLA_FRAME_CRC_SIZE)

struct line {
    uint8_t buffer[LONGEST];
    struct bulla_frame frame;
};

static void line_open(struct line *line, size_t size)
{
    bulla_frame_begin(&line->frame, line->buffer, size);
}

/* The result of the last byte; those before it bring nothing. */
static int take(struct line *line, const uint8_t *bytes, size_t len)
{
    int result = 0;

    for (size_t i = 0; i < len; i++) {
        assert_int_equal(result, 0);
        result = bulla_frame_take(&line->frame, bytes[i]);
    }
    return result;
}

/* ---- the format ---- */

static void test_known_bytes(void **state)
{
    static const struct {
        uint8_t message[9];
        uint8_t len;
        uint8_t frame[16];
        uint8_t size;
    } known[] = {
        /* CRC-16/CCITT-FALSE of "123456789" is 0x29b1 */
        {"123456789", 9, {12, '1', '2', '3', '4', '5', '6', '7', '8', '9', 0x29, 0xb1, 0}, 13},
        {{0}, 1, {1, 3, 0xe1, 0xf0, 0}, 5},
        {{0, 0}, 2, {1, 1, 3, 0x1d, 0x0f, 0}, 6},
        {{0x11, 0, 0x22}, 3, {2, 0x11, 4, 0x22, 0xbc, 0xef, 0}, 7},
    };
    struct line line;
    uint8_t out[32];

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_int_equal(bulla_frame_encode(out, sizeof(out), known[i].message, known[i].len), known[i].size);
        assert_memory_equal(out, known[i].frame, known[i].size);
        line_open(&line, known[i].len + BULLA_FRAME_CRC_SIZE);
        assert_int_equal(take(&line, out, known[i].size), known[i].len);
        assert_memory_equal(line.buffer, known[i].message, known[i].len);
    }
}

static void fill(uint8_t *message, size_t len, unsigned kind, uint64_t *seed)
{
    test_fill(seed, message, len);
    for (size_t i = 0; i < len; i++) {
        if (kind == 0)
            message[i] = 0;
        else if (kind == 1)
            message[i] |= 1; /* no zero at all */
        else if (kind == 2 && i % 254 != 253)
            message[i] |= 1; /* a zero where a block is full */
        else if (kind == 2)
            message[i] = 0;
    }
}

static void check_round(const uint8_t *message, size_t len)
{
    static uint8_t out[BULLA_FRAME_SIZE(BULLA_MESSAGE_MAX) + 1];
    static struct line line;
    int size;

    out[BULLA_FRAME_SIZE(len)] = 0x77;
    assert_int_equal(bulla_frame_encode(out, BULLA_FRAME_SIZE(len) - 1, message, len), BULLA_E_SPACE);
    size = bulla_frame_encode(out, BULLA_FRAME_SIZE(len), message, len);
    assert_true(size > (int)len && out[BULLA_FRAME_SIZE(len)] == 0x77);
    assert_true(memchr(out, 0, (size_t)size) == out + size - 1);
    line_open(&line, len + BULLA_FRAME_CRC_SIZE);
    assert_int_equal(take(&line, out, (size_t)size), (int)len);
    assert_memory_equal(line.buffer, message, len);
    if (len > 1) {
        line_open(&line, len + BULLA_FRAME_CRC_SIZE - 1);
        assert_int_equal(take(&line, out, (size_t)size), BULLA_E_MALFORMED);
    }
}

static void test_every_length(void **state)
{
    static uint8_t message[BULLA_MESSAGE_MAX + 1];
    uint64_t seed = 1;

    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        for (size_t len = 1; len <= 1030; len++) {
            fill(message, len, kind, &seed);
            check_round(message, len);
        }
        fill(message, BULLA_MESSAGE_MAX, kind, &seed);
        check_round(message, BULLA_MESSAGE_MAX);
    }
}

static void test_lengths_that_are_none(void **state)
{
    static uint8_t message[BULLA_MESSAGE_MAX + 1];
    static uint8_t out[BULLA_FRAME_SIZE(BULLA_MESSAGE_MAX + 1)];

    (void)state;
    assert_int_equal(bulla_frame_encode(out, sizeof(out), message, 0), BULLA_E_ARGUMENT);
    assert_int_equal(bulla_frame_encode(out, sizeof(out), message, sizeof(message)), BULLA_E_ARGUMENT);
}

/* ---- a bad line ---- */

static void test_empty_frames_mean_nothing(void **state)
{
    static const uint8_t message[] = {0x11};
    struct line line;
    uint8_t out[8];

    (void)state;
    line_open(&line, sizeof(line.buffer));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(bulla_frame_take(&line.frame, 0), 0);
    assert_int_equal(bulla_frame_encode(out, sizeof(out), message, 1), 5);
    assert_int_equal(take(&line, out, 5), 1);
}

/* Noise and half frames cost at most the frame that they run into; the one after a zero is read. */
static void test_noise_ends_at_the_next_zero(void **state)
{
    uint8_t message[60];
    uint8_t out[BULLA_FRAME_SIZE(60)];
    uint8_t noise[200];
    uint64_t seed = 7;
    struct line line;
    int size;

    (void)state;
    line_open(&line, 62);
    for (unsigned round = 0; round < 2000; round++) {
        size_t len = 1 + (size_t)test_below(&seed, sizeof(noise));

        test_fill(&seed, noise, len);
        for (size_t i = 0; i < len; i++)
            assert_true(bulla_frame_take(&line.frame, noise[i]) <= 0);
        assert_true(bulla_frame_take(&line.frame, 0) <= 0);
        test_fill(&seed, message, sizeof(message));
        size = bulla_frame_encode(out, sizeof(out), message, sizeof(message));
        assert_true(size > 0);
        assert_int_equal(take(&line, out, (size_t)size), sizeof(message));
        assert_memory_equal(line.buffer, message, sizeof(message));
    }
}

/*
 * One bit changed or one byte lost anywhere before the zero: the message is not taken. (A zero that becomes
 * 0x01 with another zero behind it gives the message and the first byte of its CRC: no CRC that begins so
 * sees that. The message's own tag does.)
 */
static void test_one_fault_is_seen(void **state)
{
    uint8_t message[40];
    uint8_t out[BULLA_FRAME_SIZE(40)];
    uint64_t seed = 3;
    struct line line;
    int size;

    (void)state;
    test_fill(&seed, message, sizeof(message));
    message[0] = 0;
    message[20] = 0;
    size = bulla_frame_encode(out, sizeof(out), message, sizeof(message));
    assert_true(size > 0);
    line_open(&line, sizeof(line.buffer));
    for (int bit = 0; bit < (size - 1) * 8; bit++) {
        uint8_t bad[sizeof(out)];

        memcpy(bad, out, sizeof(bad));
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        for (int i = 0; i < size; i++)
            assert_true(bulla_frame_take(&line.frame, bad[i]) <= 0);
        assert_true(bulla_frame_take(&line.frame, 0) <= 0);
    }
    for (int gone = 0; gone < size - 1; gone++) {
        for (int i = 0; i < size; i++)
            assert_true(i == gone || bulla_frame_take(&line.frame, out[i]) <= 0);
    }
    assert_int_equal(take(&line, out, (size_t)size), sizeof(message));
}

/* What is too long for the buffer is dropped whole, and nothing is written past it. */
static void test_too_long(void **state)
{
    struct line line;

    (void)state;
    memset(&line, 0x5a, sizeof(line));
    line_open(&line, 10);
    for (unsigned i = 0; i < 70000; i++)
        assert_int_equal(bulla_frame_take(&line.frame, (uint8_t)(1 + i % 255)), 0);
    assert_int_equal(line.buffer[10], 0x5a);
    assert_int_equal(bulla_frame_take(&line.frame, 0), BULLA_E_MALFORMED);
    assert_int_equal(bulla_frame_take(&line.frame, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_bytes),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_lengths_that_are_none),
        cmocka_unit_test(test_empty_frames_mean_nothing),
        cmocka_unit_test(test_noise_ends_at_the_next_zero),
        cmocka_unit_test(test_one_fault_is_seen),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
