/*
 * Lost messages (gateway/store/lost.h): what leaves the window unset, against a slow count that remembers
 * every number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/store/lost.h"

#define SPAN 262144u /* numbers that the slow count remembers */

struct slow {
    bool stored[SPAN];
    bool counted[SPAN];
    struct bulla_window window;
    bool counter;
};

/*
 * Stores a number and says how many are lost by that, looking at every number there is, from the top down. A
 * missing one does not count if all from it to a multiple of 65,536 above are missing too.
 */
static uint64_t store_slowly(struct slow *slow, uint64_t piv)
{
    uint64_t lost = 0;
    bool certain = true;

    slow->stored[piv] = true;
    bulla_window_mark(&slow->window, piv);
    for (uint64_t i = slow->window.top; i >= slow->window.lower; i--) {
        if (slow->stored[i])
            certain = true;
        else if (i + 63 < slow->window.top && !slow->counted[i]) {
            slow->counted[i] = true;
            lost += certain;
        }
        if (slow->counter && i % 65536 == 0)
            certain = false;
        if (i == 0)
            break;
    }
    return lost;
}

/* What a sequence of numbers loses, in all. */
static uint64_t lost_of(struct bulla_window window, const uint64_t *pivs, size_t count, bool counter)
{
    uint64_t lost = 0;

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(bulla_window_place(&window, pivs[i]), BULLA_WINDOW_NEW);
        lost += window_lost(&window, pivs[i], counter);
        bulla_window_mark(&window, pivs[i]);
    }
    return lost;
}

#define LOST(window, counter, ...)                                                                           \
    lost_of(window, (const uint64_t[]){__VA_ARGS__},                                                         \
            sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), counter)

static const struct bulla_window fresh;

static void test_nothing_is_lost(void **state)
{
    struct bulla_window window = {0};

    (void)state;
    for (uint64_t piv = 0; piv < 1000; piv++) {
        assert_int_equal(window_lost(&window, piv, piv % 2 != 0), 0);
        bulla_window_mark(&window, piv);
    }
    assert_int_equal(LOST(fresh, false, 0, 2, 1, 63, 64), 0); /* what is still in the window may yet come */
}

static void test_a_gap_is_lost_when_it_leaves(void **state)
{
    (void)state;
    assert_int_equal(LOST(fresh, false, 0, 2, 64), 0);
    assert_int_equal(LOST(fresh, false, 0, 2, 65), 1);
    assert_int_equal(LOST(fresh, false, 0, 2, 1, 65), 0); /* it came late */
    assert_int_equal(LOST(fresh, false, 0, 65), 1);
    assert_int_equal(LOST(fresh, false, 0, 1000), 936);
    assert_int_equal(LOST(fresh, false, 0, 1000, 2000), 936 + 1000 - 1);
    assert_int_equal(LOST(fresh, false, 200), 137); /* nothing below was ever heard */
    assert_int_equal(LOST(fresh, false, 63), 0);
}

static void test_below_the_lower_limit_nothing_is_lost(void **state)
{
    struct bulla_window window = {.lower = 100};

    (void)state;
    assert_int_equal(LOST(window, false, 100, 1000), 1000 - 64 - 100);
    assert_int_equal(LOST(window, false, 100, 102, 164), 0);
    assert_int_equal(LOST(window, false, 100, 102, 165), 1);
    window = (struct bulla_window){.top = 50, .bits = 5, .lower = 5000}; /* restored, proven at 5000 */
    assert_int_equal(LOST(window, true, 5000, 5063), 0);
    assert_int_equal(LOST(window, true, 5000, 5065), 1);
}

static void test_a_counter_that_boots_skips(void **state)
{
    (void)state;
    assert_int_equal(LOST(fresh, true, 0, 1, 65536, 65537, 65700), 65700 - 64 - 65537);
    assert_int_equal(LOST(fresh, true, 65536), 0);
    assert_int_equal(LOST(fresh, true, 0, 65536, 131072, 131072 + 200), 136);
    assert_int_equal(LOST(fresh, true, 0, 65536 + 70), 7); /* 65536 to 65542 were sealed for certain */
    assert_int_equal(LOST(fresh, true, 0, 65536 + 70, 65536 + 134), 7 + 63);
    /* Crossing a multiple hides nothing where there is no gap before it. */
    assert_int_equal(LOST(fresh, true, 65530, 65535, 65536, 65800), 65530 + 4 + 200);
    assert_int_equal(LOST(fresh, false, 0, 65536), 65536 - 64);
}

static void test_the_largest_numbers(void **state)
{
    const uint64_t max = (UINT64_C(1) << 40) - 1;

    (void)state;
    assert_true(LOST(fresh, false, 0, max) == max - 64);
    assert_true(LOST(fresh, true, 0, max) == 65535 - 63);
}

/* Runs of numbers with gaps, reorderings, jumps and reboots, both ways. */
static void test_against_the_slow_count(void **state)
{
    struct slow *slow = malloc(sizeof(*slow));

    (void)state;
    srandom(7);
    for (unsigned round = 0; round < 20; round++) {
        memset(slow, 0, sizeof(*slow));
        slow->counter = round % 2 != 0;
        slow->window.lower = (uint64_t)random() % 300;
        uint64_t piv = slow->window.lower + (uint64_t)random() % 100;
        for (unsigned i = 0; i < 60; i++) {
            uint64_t chosen = piv;
            if (random() % 4 == 0 && chosen > 70)
                chosen -= (uint64_t)random() % 70;
            if (bulla_window_place(&slow->window, chosen) == BULLA_WINDOW_NEW) {
                uint64_t lost = window_lost(&slow->window, chosen, slow->counter);
                assert_int_equal(lost, store_slowly(slow, chosen));
            }
            piv += 1 + (uint64_t)random() % (random() % 8 == 0 ? 200 : 4);
            if (random() % 30 == 0)
                piv += 65536 - piv % 65536 + (uint64_t)random() % 3;
            if (piv >= SPAN - 256)
                break;
        }
    }
    free(slow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(test_a_gap_is_lost_when_it_leaves),
        cmocka_unit_test(test_below_the_lower_limit_nothing_is_lost),
        cmocka_unit_test(test_a_counter_that_boots_skips),
        cmocka_unit_test(test_the_largest_numbers),
        cmocka_unit_test(test_against_the_slow_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
