/*
 * The challenge (PROTOCOL 4.4): its bytes against the specification's vectors, and which T are taken.
 */
#include "support.h"
#undef fail /* cmocka's; failure.h has its own */

#include <string.h>

#include "gateway/core/challenge.h"
#include "vector_file.h"

static const uint8_t key[CHALLENGE_KEY_SIZE] = {1, 2, 3};
static const uint8_t kid[] = {9, 8, 7};
static const uint8_t session[BULLA_ID_CONTEXT_SIZE] = {1, 1, 2, 3, 5, 8, 13, 21};
static const struct challenge_subject subject = {kid, sizeof(kid), session};

static void check_vector(json_t *item)
{
    uint8_t k[CHALLENGE_KEY_SIZE];
    uint8_t vector_kid[BULLA_KID_MAX];
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];
    uint8_t expected[BULLA_CHALLENGE_SIZE];
    uint8_t challenge[BULLA_CHALLENGE_SIZE];
    struct challenge_subject of = {.kid = vector_kid};

    assert_int_equal(vector_bytes(item, "K", k, sizeof(k)), sizeof(k));
    of.kid_len = vector_bytes(item, "kid", vector_kid, sizeof(vector_kid));
    if (vector_has(item, "id_context")) {
        assert_int_equal(vector_bytes(item, "id_context", id_context, sizeof(id_context)),
                         sizeof(id_context));
        of.id_context = id_context;
    }
    assert_int_equal(vector_bytes(item, "challenge", expected, sizeof(expected)), sizeof(expected));
    assert_int_equal(challenge_make(k, &of, vector_u64(item, "T"), challenge), 0);
    assert_memory_equal(challenge, expected, sizeof(expected));
}

static void the_specifications_vectors(void **state)
{
    json_t *file = vector_file_load(BULLA_SPEC_VECTORS, "challenges.json");
    json_t *cases;
    json_t *item;
    size_t i;

    (void)state;
    assert_non_null(file);
    cases = vector_member(file, "cases");
    assert_true(json_array_size(cases) > 10);
    json_array_foreach(cases, i, item) check_vector(item);
    json_decref(file);
}

static void t_of_a_time(void **state)
{
    static const struct {
        int64_t now;
        uint64_t floor;
        uint64_t t;
    } cases[] = {
        {0, 0, 2},           {255, 0, 2},           {256 * 3 - 1, 0, 2},
        {256 * 3, 0, 3},     {256 * 1000, 0, 1000}, {256000, 997, 1000},
        {256000, 998, 1000}, {256000, 999, 1001},   {256000, 5000, 5002},
        {-1, 0, 2},          {INT64_MIN, 7, 9},     {INT64_MAX, 0, INT64_MAX / 256},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(challenge_t(cases[i].now, cases[i].floor), cases[i].t);
}

/* No T up to F is accepted, whatever the clock says. */
static void nothing_up_to_the_floor(void **state)
{
    uint8_t challenge[BULLA_CHALLENGE_SIZE];
    uint64_t proof_t;

    (void)state;
    for (uint64_t floor = 0; floor < 40; floor += 3) {
        for (int64_t now = 0; now < 256 * 45; now += 500) {
            for (uint64_t t = 0; t <= floor; t++) {
                assert_int_equal(challenge_make(key, &subject, t, challenge), 0);
                assert_false(challenge_valid(key, &subject, challenge_t(now, floor), challenge, &proof_t));
            }
        }
    }
}

static void one_more_and_one_less(void **state)
{
    uint8_t challenge[BULLA_CHALLENGE_SIZE];
    uint64_t proof_t = 0;

    (void)state;
    for (uint64_t t = 90; t <= 110; t++) {
        assert_int_equal(challenge_make(key, &subject, t, challenge), 0);
        assert_int_equal(challenge_valid(key, &subject, 100, challenge, &proof_t), t >= 99 && t <= 101);
        if (t >= 99 && t <= 101)
            assert_int_equal(proof_t, t);
    }
}

static void every_bit_counts(void **state)
{
    uint8_t challenge[BULLA_CHALLENGE_SIZE];
    uint64_t proof_t;

    (void)state;
    assert_int_equal(challenge_make(key, &subject, 100, challenge), 0);
    for (unsigned bit = 0; bit < 8 * sizeof(challenge); bit++) {
        challenge[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(challenge_valid(key, &subject, 100, challenge, &proof_t));
        challenge[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(challenge_valid(key, &subject, 100, challenge, &proof_t));
}

/* Another K, kid, session or kind of context: another challenge. */
static void every_part_counts(void **state)
{
    uint8_t other_key[CHALLENGE_KEY_SIZE];
    uint8_t other_session[BULLA_ID_CONTEXT_SIZE];
    const struct challenge_subject others[] = {
        {kid, 2, session},
        {(const uint8_t[]){9, 8, 6}, 3, session},
        {(const uint8_t[]){9, 8, 7, 0}, 4, session},
        {kid, sizeof(kid), other_session},
        {kid, sizeof(kid), NULL},
    };
    uint8_t challenge[BULLA_CHALLENGE_SIZE];
    uint64_t proof_t;

    (void)state;
    memcpy(other_key, key, sizeof(key));
    other_key[31] ^= 1;
    memcpy(other_session, session, sizeof(session));
    other_session[7] ^= 1;
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_int_equal(challenge_make(key, &others[i], 100, challenge), 0);
        assert_true(challenge_valid(key, &others[i], 100, challenge, &proof_t));
        assert_false(challenge_valid(key, &subject, 100, challenge, &proof_t));
    }
    assert_int_equal(challenge_make(other_key, &subject, 100, challenge), 0);
    assert_false(challenge_valid(key, &subject, 100, challenge, &proof_t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_specifications_vectors), cmocka_unit_test(t_of_a_time),
        cmocka_unit_test(nothing_up_to_the_floor),    cmocka_unit_test(one_more_and_one_less),
        cmocka_unit_test(every_bit_counts),           cmocka_unit_test(every_part_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
