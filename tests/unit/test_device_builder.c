/*
 * The builder of readings: what it writes, byte for byte, and what happens where the buffer ends.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device/bulla.h"
#include "device/cbor.h"

#include "board.h"
#include "peer.h"
#include "provider.h"
#include "recorder.h"
#include "support.h"

#define OVERHEAD (BULLA_HEADROOM + BULLA_TAG_MAX)

static uint8_t buffer[OVERHEAD + 8192];

static const struct bulla_credential credential = {
    {1, 2, 3}, {0x0a, 0x1b, 0x2c}, 3, BULLA_AES_CCM_16_64_128, BULLA_SESSION};

static size_t used(const struct bulla_message *message)
{
    return (size_t)(message->at - message->content);
}

/* Seals a copy of the message, and opens that at the other end. */
static void read_copy(const struct bulla_message *message, struct peer_message *read)
{
    static uint8_t second[sizeof(buffer)];
    struct bulla_message copy = *message;
    struct board board;
    struct bulla bulla;
    struct peer peer;

    recorder_reset();
    board_open(&board, 1);
    peer_open(&peer, &credential, 1);
    memcpy(second, buffer, sizeof(buffer));
    copy.content = second + (message->content - buffer);
    copy.at = second + (message->at - buffer);
    copy.end = second + (message->end - buffer);
    assert_int_equal(bulla_open(&bulla, &credential, &board.port), 0);
    assert_int_equal(bulla_seal(&bulla, &copy), 0);
    peer_read(&peer, &copy, read);
    bulla_close(&bulla);
}

static void assert_content(const struct bulla_message *message, const char *hex)
{
    struct peer_message read;

    assert_int_equal(message->error, 0);
    read_copy(message, &read);
    assert_hex(read.envelope.ciphertext, read.content_len, hex);
}

/* What bulla_seal() says of the message. */
static int seal_error(struct bulla_message *message)
{
    struct board board;
    struct bulla bulla;
    int error;

    recorder_reset();
    board_open(&board, 1);
    assert_int_equal(bulla_open(&bulla, &credential, &board.port), 0);
    error = bulla_seal(&bulla, message);
    if (error < 0)
        assert_true(number_of(bulla.next) == 0 && message->size == 0); /* no number was spent */
    bulla_close(&bulla);
    return error;
}

/* ---- each function ---- */

static void test_empty_pack(void **state)
{
    struct bulla_message message;

    (void)state;
    bulla_begin(&message, buffer, sizeof(buffer));
    assert_content(&message, "80");
    assert_int_equal(message.size, 0);
    assert_int_equal(seal_error(&message), 0);
}

static void test_float(void **state)
{
    struct bulla_message message;

    (void)state;
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_float(&message, "t", NULL, 21.5f);
    assert_content(&message, "81 a2 00 6174 02 f94d60"); /* PROTOCOL 3: one reading, 9 bytes */
    bulla_add_float(&message, "temperature", "Cel", 23.4f);
    assert_content(&message, "82 a2 00 6174 02 f94d60"
                             "a3 00 6b74656d7065726174757265 01 6343656c 02 fa41bb3333");
    bulla_add_float(&message, "n", NULL, (float)NAN);
    bulla_add_float(&message, "i", NULL, -(float)INFINITY);
    assert_content(&message, "84 a2 00 6174 02 f94d60"
                             "a3 00 6b74656d7065726174757265 01 6343656c 02 fa41bb3333"
                             "a2 00 616e 02 f97e00 a2 00 6169 02 f9fc00");
}

static void test_double(void **state)
{
    struct bulla_message message;

    (void)state;
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_double(&message, "a", "m", 1.1);
    bulla_add_double(&message, "b", NULL, 100000.0);
    bulla_add_double(&message, "c", NULL, 1.5);
    assert_content(&message, "83 a3 00 6161 01 616d 02 fb3ff199999999999a"
                             "a2 00 6162 02 fa47c35000 a2 00 6163 02 f93e00");
}

/* A shorter precision is used only where its shortest decimal is the same number: the gateway reads that. */
static void test_precisions(void **state)
{
    static const struct {
        float value;
        const char *hex;
    } floats[] = {{0.5f, "f93800"},        {-0.0f, "f98000"},       {1023.5f, "f963ff"},
                  {-1024.0f, "f9e400"},    {0.25f, "fa3e800000"},   {21.0625f, "fa41a88000"},
                  {1024.5f, "fa44801000"}, {2048.0f, "fa45000000"}, {65536.0f, "fa47800000"},
                  {1025.0f, "f96401"},     {-2047.0f, "f9e7ff"},    {2047.5f, "fa44fff000"},
                  {512.25f, "fa44001000"}, {1e-40f, "fa000116c2"},  {NAN, "f97e00"},
                  {-NAN, "f97e00"},        {-INFINITY, "f9fc00"},   {1e-7f, "fa33d6bf95"}};
    static const struct {
        double value;
        const char *hex;
    } doubles[] = {{0.5, "f93800"},
                   {-1024.0, "f9e400"},
                   {0.25, "fb3fd0000000000000"},
                   {16777216.0, "fa4b800000"},
                   {16777217.0, "fb4170000010000000"},
                   {1e300, "fb7e37e43c8800759c"}};
    struct bulla_message message;
    const uint8_t *value = buffer + BULLA_HEADROOM + 5; /* behind a2 00 61 61 02 */

    (void)state;
    for (size_t i = 0; i < COUNT(floats); i++) {
        bulla_begin(&message, buffer, sizeof(buffer));
        bulla_add_float(&message, "a", NULL, floats[i].value);
        assert_hex(value, used(&message) - 5, floats[i].hex);
    }
    for (size_t i = 0; i < COUNT(doubles); i++) {
        bulla_begin(&message, buffer, sizeof(buffer));
        bulla_add_double(&message, "a", NULL, doubles[i].value);
        assert_hex(value, used(&message) - 5, doubles[i].hex);
    }
}

static void test_integer(void **state)
{
    struct bulla_message message;

    (void)state;
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_integer(&message, "a", "%RH", 0);
    bulla_add_integer(&message, "b", NULL, -1);
    bulla_add_integer(&message, "c", NULL, INT64_MIN);
    bulla_add_integer(&message, "d", NULL, INT64_MAX);
    assert_content(&message, "84 a3 00 6161 01 63255248 02 00 a2 00 6162 02 20"
                             "a2 00 6163 02 3b7fffffffffffffff a2 00 6164 02 1b7fffffffffffffff");
}

static void test_boolean_and_text(void **state)
{
    struct bulla_message message;

    (void)state;
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_boolean(&message, "a", 0);
    bulla_add_boolean(&message, "b", 1);
    bulla_add_boolean(&message, "c", -7);
    bulla_add_text(&message, "d", "");
    bulla_add_text(&message, "e", "\u00fc");
    assert_content(&message, "85 a2 00 6161 04 f4 a2 00 6162 04 f5 a2 00 6163 04 f5"
                             "a2 00 6164 03 60 a2 00 6165 03 62c3bc");
}

static void test_content(void **state)
{
    struct bulla_message message;

    (void)state;
    bulla_begin_content(&message, BULLA_FORMAT_TEXT, buffer, sizeof(buffer));
    assert_content(&message, "");
    bulla_add_bytes(&message, "23.", 3);
    bulla_add_bytes(&message, NULL, 0);
    bulla_add_bytes(&message, "4", 1);
    assert_content(&message, "32332e34");
    assert_int_equal(message.format, 0);
    assert_int_equal(seal_error(&message), 0);
}

/* ---- times ---- */

static void test_times(void **state)
{
    struct bulla_message message;

    (void)state;
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_integer(&message, "a", NULL, 1);
    bulla_set_time(&message, 1700000000);
    bulla_add_integer(&message, "b", "m", 2);
    bulla_set_age(&message, 60);
    bulla_add_integer(&message, "c", NULL, 3);
    bulla_set_age(&message, 0);
    bulla_add_integer(&message, "d", NULL, 4);
    bulla_set_age(&message, UINT32_MAX);
    bulla_add_integer(&message, "e", NULL, 5);
    bulla_set_time(&message, (int64_t)1 << 28); /* RFC 8428 4.5.3: the least that is absolute */
    bulla_add_integer(&message, "f", NULL, 6);
    bulla_set_time(&message, (int64_t)1 << 40);
    bulla_add_integer(&message, "g", NULL, 7);
    assert_content(&message, "87 a3 00 6161 02 01 06 1a6553f100 a4 00 6162 01 616d 02 02 06 383b"
                             "a3 00 6163 02 03 06 00 a3 00 6164 02 04 06 3afffffffe"
                             "a3 00 6165 02 05 06 1a10000000 a3 00 6166 02 06 06 1b0000010000000000"
                             "a2 00 6167 02 07");
    assert_int_equal(seal_error(&message), 0);
}

static void test_times_that_are_refused(void **state)
{
    static const int64_t relative[] = {0, -1, ((int64_t)1 << 28) - 1, INT64_MIN};
    struct bulla_message message;

    (void)state;
    for (size_t i = 0; i < COUNT(relative); i++) {
        bulla_begin(&message, buffer, sizeof(buffer));
        bulla_add_integer(&message, "a", NULL, 1);
        bulla_set_time(&message, relative[i]);
        assert_int_equal(seal_error(&message), BULLA_E_ARGUMENT);
    }
    bulla_begin(&message, buffer, sizeof(buffer)); /* no record yet */
    bulla_set_age(&message, 1);
    assert_int_equal(seal_error(&message), BULLA_E_STATE);
    bulla_begin(&message, buffer, sizeof(buffer)); /* twice */
    bulla_add_integer(&message, "a", NULL, 1);
    bulla_set_age(&message, 1);
    bulla_set_time(&message, 1700000000);
    assert_int_equal(seal_error(&message), BULLA_E_STATE);
}

/* ---- how many records ---- */

static void test_number_of_records(void **state)
{
    struct bulla_message message;
    const uint8_t *content = buffer + BULLA_HEADROOM;

    (void)state;
    bulla_begin(&message, buffer, sizeof(buffer));
    for (unsigned n = 1; n <= 650; n++) { /* a message holds no more */
        size_t head = n < 24 ? 1 : n < 256 ? 2 : 3;
        uint8_t expected[3];
        struct bulla_cbor_writer writer = {expected, sizeof(expected), 0, 0};

        bulla_add_boolean(&message, "a", (int)(n & 1));
        if (n == 24 || n == 256)
            bulla_set_age(&message, 1);
        bulla_cbor_head(&writer, BULLA_CBOR_ARRAY, n);
        assert_int_equal(message.error, 0);
        assert_int_equal(writer.used, head);
        assert_int_equal(used(&message), 6 * n + 2u * (n >= 24) + 2u * (n >= 256));
        if (n <= 2 || (n >= 22 && n <= 25) || (n >= 254 && n <= 257) || n == 600) {
            struct peer_message read;

            read_copy(&message, &read);
            assert_int_equal(read.content_len, head + used(&message));
            assert_memory_equal(read.envelope.ciphertext, expected, head);
            assert_memory_equal(read.envelope.ciphertext + head, content, used(&message));
        }
    }
    /* Every record is whole. */
    for (unsigned n = 1; n <= 650; n++) { /* a message holds no more */
        int aged = n == 24 || n == 256;

        assert_hex(content, aged ? 8 : 6,
                   aged     ? "a3 00 6161 04 f4 06 20"
                   : n & 1u ? "a2 00 6161 04 f5"
                            : "a2 00 6161 04 f4");
        content += aged ? 8 : 6;
    }
    assert_ptr_equal(content, message.at);
    for (unsigned n = 651; n <= 1000; n++)
        bulla_add_boolean(&message, "a", 1);
    assert_int_equal(seal_error(&message), BULLA_E_SPACE); /* longer than a message may be */
}

/* ---- where the buffer ends ---- */

/* A pack that uses everything; `stop` calls of it. */
static void build(struct bulla_message *message)
{
    bulla_add_float(message, "temperature", "Cel", 23.4f);
    bulla_set_age(message, 1000);
    bulla_add_boolean(message, "on", 1);
    bulla_add_text(message, "state", "running");
    bulla_set_time(message, 1700000000);
    for (unsigned i = 0; i < 22; i++)
        bulla_add_integer(message, "i", "m", i);
    bulla_add_double(message, "d", NULL, 1.1);
}

static void test_every_size_of_buffer(void **state)
{
    struct bulla_message whole;
    unsigned fits = 0;

    (void)state;
    bulla_begin(&whole, buffer, sizeof(buffer));
    build(&whole);
    assert_int_equal(whole.error, 0);
    for (size_t size = 0; size <= OVERHEAD + used(&whole) + 3; size++) {
        uint8_t *exact = malloc(size > 0 ? size : 1); /* a sanitizer guards its end */
        struct bulla_message message;

        bulla_begin(&message, exact, size);
        build(&message);
        if (size >= OVERHEAD + used(&whole)) {
            assert_int_equal(used(&message), used(&whole));
            assert_memory_equal(message.content, whole.content, used(&whole));
            assert_int_equal(seal_error(&message), 0);
            fits++;
        } else {
            assert_int_equal(seal_error(&message), BULLA_E_SPACE);
        }
        free(exact);
    }
    assert_int_equal(fits, 4);
}

static void test_every_size_of_content_buffer(void **state)
{
    static const uint8_t bytes[40];

    (void)state;
    for (size_t size = 0; size <= OVERHEAD + sizeof(bytes) + 3; size++) {
        uint8_t *exact = malloc(size > 0 ? size : 1);
        struct bulla_message message;

        bulla_begin_content(&message, BULLA_FORMAT_BYTES, exact, size);
        bulla_add_bytes(&message, bytes, sizeof(bytes) / 2);
        bulla_add_bytes(&message, bytes, sizeof(bytes) / 2);
        assert_int_equal(seal_error(&message), size >= OVERHEAD + sizeof(bytes) ? 0 : BULLA_E_SPACE);
        free(exact);
    }
}

static void test_no_buffer(void **state)
{
    struct bulla_message message;

    (void)state;
    bulla_begin(&message, NULL, 0);
    build(&message);
    assert_int_equal(seal_error(&message), BULLA_E_SPACE);
}

/* The longest content that may be sealed is what is left of 4,096 bytes beside the longest header and tag. */
static void test_longest_message(void **state)
{
    static const uint8_t bytes[BULLA_MESSAGE_MAX + 1];
    struct bulla_message message;

    (void)state;
    bulla_begin_content(&message, BULLA_FORMAT_BYTES, buffer, sizeof(buffer));
    bulla_add_bytes(&message, bytes, BULLA_MESSAGE_MAX - OVERHEAD);
    assert_int_equal(seal_error(&message), 0);
    assert_true(message.size <= BULLA_MESSAGE_MAX);
    bulla_begin_content(&message, BULLA_FORMAT_BYTES, buffer, sizeof(buffer));
    bulla_add_bytes(&message, bytes, BULLA_MESSAGE_MAX - OVERHEAD + 1);
    assert_int_equal(seal_error(&message), BULLA_E_SPACE);
}

/* ---- errors stay ---- */

static void test_errors_stay(void **state)
{
    struct bulla_message message;

    (void)state;
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_integer(&message, "good", NULL, 1);
    bulla_add_integer(&message, "not good", NULL, 2);
    assert_int_equal(message.error, BULLA_E_ARGUMENT);
    bulla_add_integer(&message, "good", NULL, 3);
    bulla_set_age(&message, 1);
    bulla_set_age(&message, 1); /* would be another error */
    bulla_add_bytes(&message, "x", 1);
    assert_int_equal(message.records, 1);
    assert_int_equal(seal_error(&message), BULLA_E_ARGUMENT);
    assert_int_equal(seal_error(&message), BULLA_E_ARGUMENT);
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_integer(&message, "good", NULL, 1);
    assert_int_equal(seal_error(&message), 0);
}

static void test_kinds_are_not_mixed(void **state)
{
    struct bulla_message message;

    (void)state;
    bulla_begin_content(&message, BULLA_FORMAT_CBOR, buffer, sizeof(buffer));
    bulla_add_integer(&message, "a", NULL, 1);
    assert_int_equal(seal_error(&message), BULLA_E_STATE);
    bulla_begin_content(&message, BULLA_FORMAT_CBOR, buffer, sizeof(buffer));
    bulla_set_age(&message, 1);
    assert_int_equal(seal_error(&message), BULLA_E_STATE);
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_bytes(&message, "x", 1);
    assert_int_equal(seal_error(&message), BULLA_E_STATE);
}

/* Nothing can be added to what is sealed. */
static void test_sealed_is_closed(void **state)
{
    struct bulla_message message;
    uint8_t before[64];

    (void)state;
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_integer(&message, "a", NULL, 1);
    assert_int_equal(seal_error(&message), 0);
    assert_true(message.size <= sizeof(before));
    memcpy(before, message.data, message.size);
    bulla_add_integer(&message, "a", NULL, 1);
    bulla_set_age(&message, 1);
    bulla_add_bytes(&message, "x", 1);
    assert_memory_equal(message.data, before, message.size);
    assert_int_equal(message.error, BULLA_E_STATE);
}

/* RFC 8428 4.5.1. */
static void test_names(void **state)
{
    static const char *const good[] = {"a", "Z", "0", "a-b:c.d/e_f", "9", "temperature", "a-", "A:"};
    static const char *const bad[] = {"",    "-a",     ":a",    ".a", "/a", "_a", " a", "a b", "a\n",
                                      "a,b", "\u00fc", "a\x7f", "a%", "a@", "a[", "a`", "a{",  "a;"};
    struct bulla_message message;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        bulla_begin(&message, buffer, sizeof(buffer));
        bulla_add_boolean(&message, good[i], 1);
        assert_int_equal(seal_error(&message), 0);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        bulla_begin(&message, buffer, sizeof(buffer));
        bulla_add_boolean(&message, bad[i], 1);
        assert_int_equal(seal_error(&message), BULLA_E_ARGUMENT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_pack),
        cmocka_unit_test(test_float),
        cmocka_unit_test(test_double),
        cmocka_unit_test(test_precisions),
        cmocka_unit_test(test_integer),
        cmocka_unit_test(test_boolean_and_text),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_times_that_are_refused),
        cmocka_unit_test(test_number_of_records),
        cmocka_unit_test(test_every_size_of_buffer),
        cmocka_unit_test(test_every_size_of_content_buffer),
        cmocka_unit_test(test_no_buffer),
        cmocka_unit_test(test_longest_message),
        cmocka_unit_test(test_errors_stay),
        cmocka_unit_test(test_kinds_are_not_mixed),
        cmocka_unit_test(test_sealed_is_closed),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
