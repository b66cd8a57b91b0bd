/*
 * Derived keys: a board that only seals makes the bytes that the whole context would make, and keeps its
 * counter by the same rules.
 */
#include <string.h>

#include "device/counter.h"
#include "device/keys.h"

#include "device_fixture.h"
#include "provider.h"
#include "recorder.h"

#define BLOCK 65536u

struct sealing_board {
    struct fixture fixture;
    struct bulla_derived derived;
    struct bulla_sealer sealer;
};

static void derive(struct bulla_derived *derived, const struct bulla_credential *credential)
{
    struct bulla_schedule schedule = {provider_state(), credential->secret, NULL, credential->alg};

    memset(derived, 0, sizeof(*derived));
    assert_int_equal(bulla_derive_key(&schedule, credential->kid, credential->kid_len, derived->key), 0);
    assert_int_equal(bulla_derive_common_iv(&schedule, derived->common_iv), 0);
    memcpy(derived->kid, credential->kid, BULLA_KID_MAX);
    derived->kid_len = credential->kid_len;
    derived->alg = credential->alg;
}

/* A whole counter context, and a sealer with its keys on the same store. */
static void open_both(struct sealing_board *b)
{
    fixture_open(&b->fixture, BULLA_COUNTER);
    derive(&b->derived, &b->fixture.credential);
    assert_int_equal(bulla_open_derived(&b->sealer, &b->derived, &b->fixture.board.port), 0);
}

static int seal(struct sealing_board *b, struct sent *sent)
{
    bulla_begin(&sent->message, sent->buffer, sizeof(sent->buffer));
    bulla_add_float(&sent->message, "t", NULL, 21.5f);
    return bulla_seal_derived(&b->sealer, &sent->message);
}

static void set_next(struct sealing_board *b, uint64_t next)
{
    bulla_put_le(b->sealer.next, next, sizeof(b->sealer.next));
}

/* Number for number, for heads of every size. */
static void test_same_bytes(void **state)
{
    static const uint64_t numbers[] = {0, 1, 23, 24, 255, 256, 65534, 65535};
    struct sealing_board b;
    struct sent ours;
    struct sent whole;

    (void)state;
    open_both(&b);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        recorder_reset(); /* the same pair twice, here on purpose */
        set_number(b.fixture.bulla.next, numbers[i]);
        set_number(b.fixture.bulla.limit, numbers[i] + 1);
        bulla_begin(&whole.message, whole.buffer, sizeof(whole.buffer));
        bulla_add_float(&whole.message, "t", NULL, 21.5f);
        assert_int_equal(bulla_seal(&b.fixture.bulla, &whole.message), 0);
        recorder_reset();
        set_next(&b, numbers[i]);
        bulla_put_le(b.sealer.limit, numbers[i] + 1, sizeof(b.sealer.limit));
        assert_int_equal(seal(&b, &ours), 0);
        assert_true(ours.message.piv == numbers[i]);
        assert_int_equal(ours.message.size, whole.message.size);
        assert_memory_equal(ours.message.data, whole.message.data, ours.message.size);
    }
}

/* Two that share a store by mistake overtake each other, and repeat no number: the recorder looks on. */
static void test_with_a_context_on_one_store(void **state)
{
    struct sealing_board b;
    struct sent sent;

    (void)state;
    open_both(&b);
    for (unsigned i = 0; i < 5; i++) {
        fixture_seal(&b.fixture, &sent);
        assert_int_equal(seal(&b, &sent), 0);
        set_next(&b, bulla_get_le(b.sealer.limit, sizeof(b.sealer.limit)) - 1);
        assert_int_equal(seal(&b, &sent), 0);
        assert_int_equal(seal(&b, &sent), 0);
    }
    assert_int_equal(recorder_count(), 20);
}

static void test_reboots(void **state)
{
    struct sealing_board b;
    struct sent sent;

    (void)state;
    open_both(&b);
    for (uint64_t boot = 0; boot < 5; boot++) {
        assert_int_equal(bulla_open_derived(&b.sealer, &b.derived, &b.fixture.board.port), 0);
        for (uint64_t i = 0; i < 3; i++) {
            assert_int_equal(seal(&b, &sent), 0);
            assert_true(sent.message.piv == boot * BLOCK + i);
        }
    }
    assert_int_equal(b.fixture.board.stores, 2 + 5 * 2); /* two at provisioning, two a boot */
}

static void test_end_of_the_numbers(void **state)
{
    struct sealing_board b;
    struct sent sent;

    (void)state;
    open_both(&b);
    set_next(&b, BULLA_PIV_MAX - 1);
    bulla_put_le(b.sealer.limit, 0, 8);
    assert_int_equal(seal(&b, &sent), 0);
    assert_true(sent.message.piv == BULLA_PIV_MAX - 1);
    assert_int_equal(seal(&b, &sent), 0);
    assert_true(sent.message.piv == BULLA_PIV_MAX);
    for (int boot = 0; boot < 2; boot++) {
        assert_int_equal(seal(&b, &sent), BULLA_E_EXHAUSTED);
        assert_int_equal(bulla_open_derived(&b.sealer, &b.derived, &b.fixture.board.port), 0);
    }
}

static void test_store_that_fails(void **state)
{
    struct sealing_board b;
    struct sent sent;

    (void)state;
    open_both(&b);
    b.fixture.board.store_fails = 1;
    assert_int_equal(seal(&b, &sent), BULLA_E_STORE);
    b.fixture.board.store_fails = 0;
    b.fixture.board.store_lies = 1;
    assert_int_equal(seal(&b, &sent), BULLA_E_STORE);
    b.fixture.board.store_lies = 0;
    b.fixture.board.load_fails = 3;
    assert_int_equal(seal(&b, &sent), BULLA_E_STORE);
    b.fixture.board.load_fails = 0;
    assert_int_equal(recorder_count(), 0);
    assert_int_equal(seal(&b, &sent), 0);
}

/* A number is spent when the provider fails, and what it has left of the content is never sealed. */
static void test_provider_that_fails(void **state)
{
    struct sealing_board b;
    struct sent sent;

    (void)state;
    open_both(&b);
    recorder_fail_seal(1);
    assert_int_equal(seal(&b, &sent), BULLA_E_CRYPTO);
    assert_int_equal(bulla_seal_derived(&b.sealer, &sent.message), BULLA_E_CRYPTO);
    assert_int_equal(seal(&b, &sent), 0);
    assert_true(sent.message.piv == 1);
    assert_int_equal(bulla_seal_derived(&b.sealer, &sent.message), BULLA_E_STATE);
}

static void test_refused(void **state)
{
    struct sealing_board b;
    struct sent sent;
    struct bulla_port none;

    (void)state;
    open_both(&b);
    assert_int_equal(bulla_provision_derived(&b.derived, &b.fixture.board.port), BULLA_E_PROVISIONED);
    none = b.fixture.board.port;
    none.store = NULL;
    assert_int_equal(bulla_open_derived(&b.sealer, &b.derived, &none), BULLA_E_UNSAFE);
    assert_int_equal(bulla_provision_derived(&b.derived, &none), BULLA_E_UNSAFE);
    assert_int_equal(seal(&b, &sent), BULLA_E_STATE); /* not open */
    b.derived.kid[0] ^= 1;                            /* another's counter */
    assert_int_equal(bulla_open_derived(&b.sealer, &b.derived, &b.fixture.board.port), BULLA_E_NO_COUNTER);
    assert_int_equal(seal(&b, &sent), BULLA_E_STATE);
    b.derived.kid_len = 6;
    assert_int_equal(bulla_open_derived(&b.sealer, &b.derived, &b.fixture.board.port), BULLA_E_ARGUMENT);
    assert_int_equal(bulla_provision_derived(&b.derived, &b.fixture.board.port), BULLA_E_ARGUMENT);
    b.derived.kid_len = 3;
    b.derived.alg = 1;
    assert_int_equal(bulla_open_derived(&b.sealer, &b.derived, &b.fixture.board.port), BULLA_E_ARGUMENT);
}

/* The builder's errors, and what is too long, cost no number. */
static void test_builder_errors(void **state)
{
    static const uint8_t zeros[BULLA_MESSAGE_MAX];
    static uint8_t buffer[BULLA_MESSAGE_MAX + 200];
    struct sealing_board b;
    struct bulla_message message;

    (void)state;
    open_both(&b);
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_float(&message, "not a name", NULL, 1);
    assert_int_equal(bulla_seal_derived(&b.sealer, &message), BULLA_E_ARGUMENT);
    bulla_begin_content(&message, BULLA_FORMAT_BYTES, buffer, sizeof(buffer));
    bulla_add_bytes(&message, zeros, BULLA_MESSAGE_MAX - BULLA_HEADROOM - BULLA_TAG_MAX + 1);
    assert_int_equal(bulla_seal_derived(&b.sealer, &message), BULLA_E_SPACE);
    assert_int_equal(recorder_count(), 0);
    assert_int_equal(bulla_get_le(b.sealer.next, sizeof(b.sealer.next)), 0);
}

static void test_numbers(void **state)
{
    static const uint64_t values[] = {0, 1, 255, 256, 65535, 65536, UINT32_MAX, BULLA_PIV_MAX, UINT64_MAX};
    uint8_t a[BULLA_NUMBER_SIZE];
    uint8_t b[BULLA_NUMBER_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        for (size_t j = 0; j < COUNT(values); j++) {
            bulla_put_le(a, values[i], sizeof(a));
            bulla_put_le(b, values[j], sizeof(b));
            assert_int_equal(bulla_number_order(a, b), (values[i] > values[j]) - (values[i] < values[j]));
        }
        bulla_number_step(a, 0);
        assert_true(bulla_get_le(a, sizeof(a)) == values[i] + 1);
        bulla_put_le(a, values[i], sizeof(a));
        bulla_number_step(a, 2);
        assert_true(bulla_get_le(a, sizeof(a)) == values[i] + BLOCK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),       cmocka_unit_test(test_with_a_context_on_one_store),
        cmocka_unit_test(test_reboots),          cmocka_unit_test(test_end_of_the_numbers),
        cmocka_unit_test(test_store_that_fails), cmocka_unit_test(test_provider_that_fails),
        cmocka_unit_test(test_refused),          cmocka_unit_test(test_builder_errors),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
