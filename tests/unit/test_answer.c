/*
 * Replies (PROTOCOL 5) and the gateway's id and numbers (PROTOCOL 2), without a pipeline around them.
 */
#include "lab_device.h"

#include <string.h>

#include "provider.h"
#include "recorder.h"

static const uint8_t first_id[GATEWAY_ID_SIZE] = {1, 2, 3, 4, 5, 6};
static const uint8_t second_id[GATEWAY_ID_SIZE] = {1, 2, 3, 4, 5, 7};
static const uint8_t session[BULLA_ID_CONTEXT_SIZE] = {1, 1, 2, 3, 5, 8, 13, 21};

struct fixture {
    struct answerer answerer;
    struct devices devices;
    struct device *device;
    struct context *context;
    struct lab_device known; /* what lab_read() asks of */
    struct lab_letter letter;
};

static struct fixture f;

/* A device of the kind and algorithm with one context in memory. */
static void open_as(enum bulla_kind kind, enum bulla_alg alg)
{
    struct device_row row = {
        .id = 1, .kid = {7, 7}, .kid_len = 2, .alg = (uint8_t)alg, .kind = (uint8_t)kind};
    struct bulla_credential *credential = &f.known.credential;

    memset(&f, 0, sizeof(f));
    recorder_reset();
    memset(credential->secret, 0x5a, sizeof(credential->secret));
    credential->alg = (uint8_t)alg;
    credential->kind = (uint8_t)kind;
    answerer_init(&f.answerer, provider_state());
    answerer_adopt(&f.answerer, first_id);
    assert_int_equal(devices_init(&f.devices, 10, provider_state()), 0);
    f.device = devices_add(&f.devices, &row, credential->secret);
    f.context = device_add_context(&f.devices, f.device, kind == BULLA_SESSION ? session : NULL);
    assert_non_null(f.context);
    context_install(f.context, NULL);
}

static int setup(void **state)
{
    (void)state;
    open_as(BULLA_SESSION, BULLA_AES_CCM_16_64_128);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    devices_wipe(&f.devices);
    return 0;
}

static int try_seal(const struct answer *answer)
{
    uint8_t room[REPLY_MAX];
    const uint8_t *reply = NULL;
    int len = answer_seal(&f.answerer, f.context, answer, room, &reply);

    if (len < 0)
        return -1;
    assert_true(reply >= room && reply + len <= room + sizeof(room));
    f.letter.reply_len = (size_t)len;
    memcpy(f.letter.reply, reply, (size_t)len);
    return 0;
}

static struct lab_reply seal(struct answer answer)
{
    assert_int_equal(try_seal(&answer), 0);
    return lab_read(&f.known, f.device->kind == BULLA_SESSION ? session : NULL, &f.letter);
}

/* ---- what a reply says ---- */

static void without_anything_stored(void **state)
{
    struct lab_reply reply = seal((struct answer){.re = 3, .time = 1700000000});

    (void)state;
    assert_int_equal(reply.keys, KEY(2));
    assert_int_equal(reply.time, 1700000000);
    assert_int_equal(reply.re, 3);
    assert_int_equal(reply.piv, 0);
    assert_memory_equal(reply.gateway, first_id, sizeof(first_id));
}

static void with_a_challenge(void **state)
{
    static const uint8_t challenge[BULLA_CHALLENGE_SIZE] = {8, 7, 6, 5, 4, 3, 2, 1};
    struct lab_reply reply = seal((struct answer){.re = 0, .time = 1, .challenge = challenge});

    (void)state;
    assert_int_equal(reply.keys, KEY(2) | KEY(3));
    assert_memory_equal(reply.challenge, challenge, sizeof(challenge));
    f.context->stored = (struct bulla_window){.top = 9, .bits = 3, .lower = 0};
    reply = seal((struct answer){.re = 0, .time = 1, .challenge = challenge});
    assert_int_equal(reply.keys, KEY(0) | KEY(1) | KEY(2) | KEY(3));
    assert_int_equal(reply.top, 9);
    assert_int_equal(reply.bits, 1);
}

/* Only what is stored is told, never what is under way; a lower limit alone is no receipt. */
static void only_what_is_stored(void **state)
{
    struct lab_reply reply;

    (void)state;
    f.context->pending = (struct bulla_window){.top = 100, .bits = 1, .lower = 100};
    f.context->stored = (struct bulla_window){.top = 0, .bits = 0, .lower = 50};
    reply = seal((struct answer){.re = 1, .time = 5});
    assert_int_equal(reply.keys, KEY(2));
    f.context->stored = (struct bulla_window){.top = 0, .bits = 1, .lower = 0};
    reply = seal((struct answer){.re = 1, .time = 5});
    assert_receipt(&reply, 0, 0);
}

/* The largest numbers of all fit, under every algorithm. */
static void the_longest_reply(void **state)
{
    static const enum bulla_alg algs[] = {BULLA_AES_CCM_16_64_128, BULLA_AES_CCM_16_128_128,
                                          BULLA_CHACHA20_POLY1305};
    static const uint8_t challenge[BULLA_CHALLENGE_SIZE];

    (void)state;
    for (size_t i = 0; i < 2 * COUNT(algs); i++) {
        struct lab_reply reply;
        devices_wipe(&f.devices);
        open_as(i % 2 == 0 ? BULLA_SESSION : BULLA_COUNTER, algs[i / 2]);
        f.context->stored = (struct bulla_window){.top = BULLA_PIV_MAX, .bits = UINT64_MAX};
        f.answerer.next = BULLA_PIV_MAX;
        reply = seal((struct answer){.re = BULLA_PIV_MAX, .time = INT64_MAX, .challenge = challenge});
        assert_int_equal(reply.top, BULLA_PIV_MAX);
        assert_int_equal(reply.bits, UINT64_MAX >> 1);
        assert_int_equal(reply.time, INT64_MAX);
        assert_int_equal(reply.re, BULLA_PIV_MAX);
        assert_int_equal(reply.piv, BULLA_PIV_MAX);
    }
}

static void a_clock_before_1970(void **state)
{
    (void)state;
    assert_int_equal(seal((struct answer){.re = 1, .time = -5}).time, 0);
}

/* ---- numbers ---- */

static void numbers_rise_over_all_contexts(void **state)
{
    struct device_row row = {
        .id = 2, .kid = {8}, .kid_len = 1, .alg = BULLA_CHACHA20_POLY1305, .kind = BULLA_COUNTER};
    struct context *first = f.context;
    struct device *other = devices_add(&f.devices, &row, f.known.credential.secret);
    struct context *second = device_add_context(&f.devices, other, NULL);

    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(f.answerer.next, i);
        f.context = i % 3 == 0 ? second : first;
        assert_int_equal(try_seal(&(struct answer){.re = 0, .time = 1}), 0);
    }
    assert_int_equal(recorder_count(), 100);
}

static void a_number_is_spent_even_if_sealing_fails(void **state)
{
    (void)state;
    recorder_fail_seal(1);
    assert_int_equal(try_seal(&(struct answer){.re = 0, .time = 1}), -1);
    assert_int_equal(seal((struct answer){.re = 0, .time = 1}).piv, 1);
}

static void a_key_that_cannot_be_derived(void **state)
{
    (void)state;
    recorder_fail_hkdf(1);
    assert_int_equal(try_seal(&(struct answer){.re = 0, .time = 1}), -1);
    assert_int_equal(seal((struct answer){.re = 0, .time = 1}).piv, 0); /* and then it can */
}

static void none_after_the_last_number(void **state)
{
    (void)state;
    assert_int_equal(f.answerer.limit, BULLA_PIV_MAX + 1);
    f.answerer.next = BULLA_PIV_MAX;
    assert_int_equal(seal((struct answer){.re = 0, .time = 1}).piv, BULLA_PIV_MAX);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(try_seal(&(struct answer){.re = 0, .time = 1}), -1);
    answerer_adopt(&f.answerer, second_id);
    assert_int_equal(seal((struct answer){.re = 0, .time = 1}).piv, 0);
    assert_int_equal(recorder_count(), 2);
}

static void a_new_id_is_wanted_early(void **state)
{
    (void)state;
    assert_false(answerer_wants_id(&f.answerer));
    f.answerer.next = f.answerer.limit - ANSWER_RESERVE - 1;
    assert_false(answerer_wants_id(&f.answerer));
    f.answerer.next++;
    assert_true(answerer_wants_id(&f.answerer));
    f.answerer.next = f.answerer.limit;
    assert_true(answerer_wants_id(&f.answerer));
    answerer_adopt(&f.answerer, second_id);
    assert_false(answerer_wants_id(&f.answerer));
}

/* A context's key follows the id: the same numbers under another id are other pairs. */
static void the_key_follows_the_id(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        uint8_t id[GATEWAY_ID_SIZE] = {(uint8_t)i, 1};
        answerer_adopt(&f.answerer, id);
        for (uint64_t piv = 0; piv < 5; piv++)
            assert_int_equal(seal((struct answer){.re = 0, .time = 1}).piv, piv);
    }
    assert_int_equal(recorder_count(), 50);
}

/* ---- drawing an id ---- */

struct registry {
    struct store store;
    unsigned taken; /* so many ids are, from now on */
    unsigned asked;
    bool broken;
};

static int add_id(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                  struct failure *failure)
{
    struct registry *registry = (struct registry *)store;

    (void)id;
    assert_int_equal(now, 77);
    registry->asked++;
    if (registry->broken)
        return fail(failure, "broken");
    if (registry->taken == 0)
        return 1;
    registry->taken--;
    return 0;
}

static const struct store_ops registry_ops = {.gateway_id_add = add_id};

static void an_id_that_is_taken_is_drawn_again(void **state)
{
    struct registry registry = {.store.ops = &registry_ops, .taken = 3};
    uint8_t ids[2][GATEWAY_ID_SIZE];
    struct failure failure;

    (void)state;
    assert_int_equal(gateway_id_draw(&registry.store, 77, ids[0], &failure), 0);
    assert_int_equal(registry.asked, 4);
    assert_int_equal(gateway_id_draw(&registry.store, 77, ids[1], &failure), 0);
    assert_memory_not_equal(ids[0], ids[1], GATEWAY_ID_SIZE);
}

static void no_id_is_no_start(void **state)
{
    struct registry registry = {.store.ops = &registry_ops, .taken = UINT32_MAX};
    uint8_t id[GATEWAY_ID_SIZE];
    struct failure failure;

    (void)state;
    assert_int_equal(gateway_id_draw(&registry.store, 77, id, &failure), -1);
    assert_non_null(strstr(failure.text, "cannot be chance"));
    registry.broken = true;
    assert_int_equal(gateway_id_draw(&registry.store, 77, id, &failure), -1);
    assert_string_equal(failure.text, "broken");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_anything_stored),
        TEST(with_a_challenge),
        TEST(only_what_is_stored),
        TEST(the_longest_reply),
        TEST(a_clock_before_1970),
        TEST(numbers_rise_over_all_contexts),
        TEST(a_number_is_spent_even_if_sealing_fails),
        TEST(a_key_that_cannot_be_derived),
        TEST(none_after_the_last_number),
        TEST(a_new_id_is_wanted_early),
        TEST(the_key_follows_the_id),
        TEST(an_id_that_is_taken_is_drawn_again),
        TEST(no_id_is_no_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
