/*
 * cli/anatomy.c: it finds nothing wrong exactly where the gateway (or the device) takes a message, and tells
 * the headers of those that are refused, too.
 */
#include "cli/anatomy.h"
#include "device/envelope.h"

#include "vector_file.h" /* cmocka has a macro fail() */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 200000

static enum bulla_direction direction_of(const struct anatomy *anatomy)
{
    return anatomy->direction == ANATOMY_TO_DEVICE ? BULLA_TO_DEVICE : BULLA_TO_GATEWAY;
}

/* Reads bytes that end where memory does, and compares with what decides. Returns 1 if it is a message. */
static int read_exactly(struct anatomy *anatomy, const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len + (len == 0));
    struct bulla_envelope envelope;
    int formed;

    memcpy(exact, bytes, len);
    anatomy_read(anatomy, exact, len);
    formed = bulla_envelope_parse(&envelope, direction_of(anatomy), exact, len) == 0;
    if (formed != (anatomy->why[0] == 0))
        fail_msg("%s, at %zu: %s", formed ? "it is a message" : "it is none", anatomy->where, anatomy->why);
    assert_true(anatomy->where <= len);
    if (!formed) { /* no message in the other direction either */
        enum bulla_direction other =
            direction_of(anatomy) == BULLA_TO_DEVICE ? BULLA_TO_GATEWAY : BULLA_TO_DEVICE;
        assert_int_equal(bulla_envelope_parse(&envelope, other, exact, len), BULLA_E_MALFORMED);
    }
    free(exact);
    return formed;
}

/* Each with its member of bytes. Returns how many. */
static size_t each_vector(const char *file, const char *list, const char *member, int formed)
{
    json_t *root = vector_file_load(BULLA_SPEC_VECTORS, file);
    json_t *cases = vector_member(root, list);
    struct anatomy anatomy;
    uint8_t bytes[BULLA_MESSAGE_MAX + 1];
    json_t *each;
    size_t i;

    json_array_foreach(cases, i, each)
    {
        size_t len = vector_bytes(each, member, bytes, sizeof(bytes));

        if (read_exactly(&anatomy, bytes, len) != formed && formed)
            fail_msg("%s is refused", vector_text(each, "name"));
    }
    json_decref(root);
    return i;
}

static void the_vectors(void **state)
{
    (void)state;
    assert_true(each_vector("messages.json", "cases", "message", 1) > 100);
    assert_true(each_vector("replies.json", "cases", "reply", 1) > 10);
    assert_true(each_vector("malformed.json", "cases", "message", 0) > 100);
    assert_true(each_vector("malformed.json", "replies", "message", 0) > 50);
}

static void bytes_changed_at_random(void **state)
{
    static const char *const seeds[] = {
        "d08346a2010a031870a304440a1b2c3d0641050a48a6f98870aad9c4c251b7dc2d0ce9cfeb3591dcc07010e8f49272",
        "d0834aa3010a03183c62726505a20446df15b86129ae0641005467f3013485c7333e47fdcdaccb8bc7306bb802f2",
        "d08357a4010a031870627265056465 63686f488975a6650bc4dc92a204410706410551"
        "1870172b9aac5379ecf4608e39d90f91ad",
    };
    uint64_t random = 1;
    size_t formed = 0;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct anatomy anatomy;
        uint8_t bytes[128];
        size_t len = from_hex(bytes, sizeof(bytes), seeds[round % COUNT(seeds)]);

        for (uint64_t n = test_below(&random, 3); n > 0; n--)
            bytes[test_below(&random, len)] = (uint8_t)test_random(&random);
        if (test_below(&random, 8) == 0)
            len = test_below(&random, len + 1);
        formed += (size_t)read_exactly(&anatomy, bytes, len);
    }
    assert_true(formed > ROUNDS / 4);
}

/* What is wrong, where, and what was read all the same. */
static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *hex;
        size_t where;
        const char *why; /* part of it */
        unsigned found;  /* bits */
    } cases[] = {
        {"", 0, "bytes end where tag 16", 0},
        {"47455420", 0, "tag 16", 0},
        {"8346a2010a031870a2044107064105 41ff", 0, "tag 16", 0xb3},
        {"d08346a2010a031870a204410706410541ffff", 18, "bytes follow", 0xb3},
        {"d08346a2010a031870a2044107064200 0541ff", 14, "zero byte", 0xb3},
        {"d08346a2010a031870a20440064105 41ff", 11, "too few", 0xb3},
        {"d08346a2031870010aa204410706410541ff", 4, "alg (1) must stand here", 0xb3},
        {"d08346a2010a031870a2064105044107 41ff", 10, "kid (4) must stand here", 0xb3},
        {"d08346a2010a031870a20441070641054411", 16, "ciphertext", 0x33},
        {"d08346a2010a031870a2044107", 13, "bytes end where a header's key", 0x13},
        {"d08348a2010a031903e80ba204410706410541ff", 10, "bytes follow the protected headers", 0xb3},
        {"d08346a2010a03187aa204410706410541ff", 7, "", 0xb3},
        {"d08347a2010a03190070a204410706410541ff", 7, "fewest", 0xb3},
        {"d08346a2010a031870a204410706410541", 16, "ciphertext", 0x33},
        {"d08346a2010a031870a20446010203040506064105 41ff", 11, "\"re\"", 0xb3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct anatomy anatomy;
        uint8_t bytes[64];
        size_t len = from_hex(bytes, sizeof(bytes), cases[i].hex);
        unsigned found = 0;
        int formed = read_exactly(&anatomy, bytes, len);

        for (unsigned part = 0; part < ANATOMY_PARTS; part++)
            found |= (unsigned)anatomy.found[part] << part;
        if (found != cases[i].found || strstr(anatomy.why, cases[i].why) == NULL ||
            (!formed && anatomy.where != cases[i].where))
            fail_msg("%s: %x, at %zu: %s", cases[i].hex, found, anatomy.where, anatomy.why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors),
        cmocka_unit_test(bytes_changed_at_random),
        cmocka_unit_test(what_is_wrong_is_told),
    };

    return cmocka_run_group_tests_name("anatomy", tests, NULL, NULL);
}
