/*
 * What a broker answers to subscriptions (gateway/mqtt/subscriptions.h): a refusal of one that is optional is
 * told apart from one that the connection is of no use without.
 */
#include "gateway/mqtt/subscriptions.h"

#include "support.h" /* last: cmocka has a macro fail() */

#include <string.h>

static void want(struct subscriptions *list, const char *filter, bool is_optional)
{
    const struct mqtt_subscription wanted = {.filter = filter, .qos = 1, .is_optional = is_optional};
    struct failure failure;

    assert_int_equal(subscriptions_add(list, &wanted, &failure), 0);
}

/* Asks for all, and has them answered with these codes. */
static int answer(struct subscriptions *list, const uint8_t *codes, size_t count,
                  const struct subscription **refused, uint8_t *code)
{
    struct mqtt_subscription asked[8];
    struct mqtt_packet suback = {.type = MQTT_SUBACK, .id = 5, .code_count = count};

    subscriptions_restart(list);
    assert_int_equal(subscriptions_ask(list, 5, asked, COUNT(asked)), count);
    memcpy(suback.codes, codes, count);
    return subscriptions_answer(list, &suback, refused, code);
}

static void a_needed_one_outweighs_an_optional_one(void **state)
{
    static const struct {
        uint8_t codes[3];
        int result;
        const char *refused;
        uint8_t code;
    } cases[] = {
        {{0, 1, 2}, 0, NULL, 0},
        {{0x87, 1, 2}, 1, "older", 0x87},
        {{0x87, 0x80, 0x8f}, 1, "native", 0x80},
        {{0, 0x83, 0x87}, 1, "native", 0x83},
        {{0, 1, 0x87}, 1, "other", 0x87},
        {{0x87, 1, 0x8f}, 1, "older", 0x87},
    };
    struct subscriptions list = {0};

    (void)state;
    want(&list, "older", true);
    want(&list, "native", false);
    want(&list, "other", true);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct subscription *refused;
        uint8_t code = 0;

        assert_int_equal(answer(&list, cases[i].codes, 3, &refused, &code), cases[i].result);
        assert_int_equal(code, cases[i].code);
        if (cases[i].refused != NULL)
            assert_string_equal(refused->wanted.filter, cases[i].refused);
        assert_false(subscriptions_wait(&list));
    }
    subscriptions_wipe(&list);
}

static void one_that_is_not_wanted_any_more_refuses_nothing(void **state)
{
    static const uint8_t codes[] = {0x87};
    struct subscriptions list = {0};
    struct mqtt_subscription asked[2];
    struct mqtt_packet suback = {.type = MQTT_SUBACK, .id = 7, .code_count = 1};
    const struct subscription *refused;
    uint8_t code = 0;

    (void)state;
    want(&list, "native", false);
    assert_int_equal(subscriptions_ask(&list, 7, asked, 2), 1);
    assert_true(subscriptions_remove(&list, "native"));
    memcpy(suback.codes, codes, 1);
    assert_int_equal(subscriptions_answer(&list, &suback, &refused, &code), 0);
    assert_int_equal(list.count, 0);
    subscriptions_wipe(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_needed_one_outweighs_an_optional_one),
        cmocka_unit_test(one_that_is_not_wanted_any_more_refuses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
