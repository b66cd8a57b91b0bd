/*
 * The replay window (PROTOCOL 4.5, RFC 8613 7.4): numbered tables of sequence numbers and what is said of
 * each, in the way of WireGuard's replay test; and an oracle that remembers everything.
 */
#include <string.h>

#include "device/window.h"

#include "support.h"

#define N BULLA_WINDOW_NEW
#define D BULLA_WINDOW_DUPLICATE
#define S BULLA_WINDOW_STALE

#define LAST ((uint64_t)0xffffffffff) /* 2^40 - 1 */
#define T32  ((uint64_t)1 << 32)

struct step {
    uint64_t piv;
    enum bulla_window_place place;
};

struct walk {
    unsigned number;
    const char *name;
    uint64_t lower;
    struct step step[16];
    unsigned steps;
    uint64_t top;  /* of the receipt after the walk */
    uint64_t bits; /* likewise */
};

static const struct walk walks[] = {
    {1, "nothing is stored: anything is new", 0, {{0, N}}, 1, 0, 0},
    {2, "zero, then zero again", 0, {{0, N}, {0, D}, {0, D}}, 3, 0, 0},
    {3, "in order, each twice", 0, {{0, N}, {0, D}, {1, N}, {1, D}, {2, N}, {2, D}, {0, D}}, 7, 2, 0x3},
    {4, "jump of 62 keeps the old top", 0, {{0, N}, {62, N}, {0, D}, {1, N}}, 4, 62, (uint64_t)3 << 60},
    {5,
     "jump of 63 keeps it as the last of the window",
     0,
     {{0, N}, {63, N}, {0, D}, {1, N}},
     4,
     63,
     (uint64_t)3 << 61},
    {6, "jump of 64 loses it", 0, {{0, N}, {64, N}, {0, S}, {1, N}}, 4, 64, (uint64_t)1 << 62},
    {7, "jump of 65", 0, {{0, N}, {65, N}, {0, S}, {1, S}, {2, N}}, 5, 65, (uint64_t)1 << 62},
    {8, "jump of 127, 128, 129", 0, {{0, N}, {127, N}, {255, N}, {384, N}, {255, S}, {384, D}}, 6, 384, 0},
    {9,
     "jump of 63 twice",
     0,
     {{0, N}, {63, N}, {126, N}, {63, D}, {62, S}, {64, N}},
     6,
     126,
     (uint64_t)3 << 61},
    {10,
     "jump of 2^32 - 1",
     0,
     {{0, N}, {T32 - 1, N}, {0, S}, {T32 - 1, D}, {T32 - 64, N}},
     5,
     T32 - 1,
     (uint64_t)1 << 62},
    {11, "jump of 2^32", 0, {{5, N}, {T32 + 5, N}, {5, S}, {T32 + 5, D}, {T32 + 4, N}}, 5, T32 + 5, 1},
    {12,
     "jump of 2^32 + 1, the low 32 bits one higher",
     0,
     {{5, N}, {T32 + 6, N}, {5, S}, {6, S}, {T32 + 5, N}},
     5,
     T32 + 6,
     1},
    {13,
     "jump of 2^32 + 63, a shift taken modulo 2^32 would keep it",
     0,
     {{5, N}, {T32 + 68, N}, {5, S}},
     3,
     T32 + 68,
     0},
    {14,
     "up to the last number",
     0,
     {{LAST - 1, N}, {LAST, N}, {LAST, D}, {LAST - 63, N}, {LAST - 64, S}},
     5,
     LAST,
     (uint64_t)1 << 62 | 1},
    {15, "from zero to the last number", 0, {{0, N}, {LAST, N}, {0, S}, {LAST, D}}, 4, LAST, 0},
    {16,
     "beyond what any device may use: no arithmetic breaks",
     0,
     {{UINT64_MAX, N}, {UINT64_MAX, D}, {0, S}, {UINT64_MAX - 63, N}, {UINT64_MAX - 64, S}},
     5,
     UINT64_MAX,
     (uint64_t)1 << 62},
    {17,
     "backwards through the window",
     0,
     {{100, N}, {99, N}, {98, N}, {37, N}, {36, S}, {99, D}},
     6,
     100,
     (uint64_t)1 << 62 | 3},
    {18, "a duplicate turns stale as it leaves", 0, {{0, N}, {63, N}, {0, D}, {64, N}, {0, S}}, 5, 64, 1},
    {19,
     "a new one turns stale as the edge passes it",
     0,
     {{1, N}, {64, N}, {65, N}, {1, S}, {2, N}},
     5,
     65,
     (uint64_t)1 << 62 | 1},
    {20,
     "every other one, then those between",
     0,
     {{0, N}, {2, N}, {4, N}, {6, N}, {1, N}, {3, N}, {5, N}, {0, D}, {3, D}},
     9,
     6,
     0x3f},
    {21, "below the lower limit", 10, {{9, S}, {0, S}, {10, N}, {9, S}, {11, N}, {10, D}}, 6, 11, 1},
    {22,
     "lower limit inside the window",
     50,
     {{100, N}, {50, N}, {49, S}, {37, S}, {36, S}, {51, N}},
     6,
     100,
     (uint64_t)3 << 48},
    {23, "lower limit below the window", 3, {{100, N}, {37, N}, {36, S}, {3, S}}, 4, 100, (uint64_t)1 << 62},
    {24, "lower limit of 1", 1, {{0, S}, {1, N}, {0, S}}, 3, 1, 0},
    {25,
     "lower limit of the last number",
     LAST,
     {{LAST - 1, S}, {LAST, N}, {LAST, D}, {LAST - 1, S}},
     4,
     LAST,
     0},
    {26,
     "lower limit above 2^32",
     T32 + 10,
     {{10, S}, {T32 + 9, S}, {T32 + 10, N}, {T32 + 9, S}},
     4,
     T32 + 10,
     0},
    {27, "duplicates change nothing", 0, {{7, N}, {7, D}, {7, D}, {6, N}, {6, D}, {7, D}}, 6, 7, 1},
};

static void test_walks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(walks); i++) {
        const struct walk *walk = &walks[i];
        struct bulla_window window = {0, 0, walk->lower};

        assert_int_equal(walk->number, i + 1);
        for (unsigned s = 0; s < walk->steps; s++) {
            enum bulla_window_place place = bulla_window_place(&window, walk->step[s].piv);

            if (place != walk->step[s].place)
                fail_msg("%u: %s, step %u: said %d", walk->number, walk->name, s + 1, (int)place);
            if (place == N)
                bulla_window_mark(&window, walk->step[s].piv);
        }
        if (window.top != walk->top || bulla_window_receipt_bits(&window) != walk->bits)
            fail_msg("%u: %s: top %llu, bits %llx", walk->number, walk->name, (unsigned long long)window.top,
                     (unsigned long long)bulla_window_receipt_bits(&window));
    }
}

/* A lower limit that is set later (a context is proven after a restore): what is stored stays a duplicate. */
static void test_lower_limit_set_later(void **state)
{
    struct bulla_window window = {0, 0, 0};

    (void)state;
    bulla_window_mark(&window, 5);
    bulla_window_mark(&window, 8);
    window.lower = 100;
    assert_int_equal(bulla_window_place(&window, 5), D);
    assert_int_equal(bulla_window_place(&window, 8), D);
    assert_int_equal(bulla_window_place(&window, 6), S);
    assert_int_equal(bulla_window_place(&window, 99), S);
    assert_int_equal(bulla_window_place(&window, 100), N);
    bulla_window_mark(&window, 100);
    assert_int_equal(bulla_window_place(&window, 5), S);
    assert_int_equal(bulla_window_place(&window, 8), S);
}

/* All that was ever stored, newest last. */
struct oracle {
    uint64_t stored[4096];
    size_t count;
    uint64_t top;
};

static enum bulla_window_place ask(const struct oracle *oracle, uint64_t lower, uint64_t piv)
{
    if (oracle->count > 0 && piv + 64 <= oracle->top)
        return S;
    for (size_t i = 0; i < oracle->count; i++) {
        if (oracle->stored[i] == piv)
            return D;
    }
    return piv < lower ? S : N;
}

/* A number near the top, mostly; sometimes far ahead. */
static uint64_t next_piv(uint64_t *random, uint64_t top)
{
    uint64_t far = test_below(random, 40) == 0 ? (uint64_t)1 << test_below(random, 34) : 1;
    uint64_t ahead = test_below(random, 6) * far;
    uint64_t back = test_below(random, 4) == 0 ? test_below(random, 70) : test_below(random, 6);

    return top + ahead > back ? top + ahead - back : 0;
}

static void test_against_oracle(void **state)
{
    static struct oracle oracle;
    uint64_t random = 64;
    unsigned seen[3] = {0, 0, 0};

    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        struct bulla_window window = {0, 0, test_below(&random, 100)};

        memset(&oracle, 0, sizeof(oracle));
        for (unsigned i = 0; i < 400; i++) {
            uint64_t piv = next_piv(&random, oracle.top);
            enum bulla_window_place place = bulla_window_place(&window, piv);

            assert_int_equal(place, ask(&oracle, window.lower, piv));
            seen[place]++;
            if (place != N)
                continue;
            bulla_window_mark(&window, piv);
            oracle.stored[oracle.count++] = piv;
            oracle.top = piv > oracle.top ? piv : oracle.top;
            assert_true(window.top == oracle.top);
        }
        for (uint64_t behind = 0; oracle.count > 0 && behind < 70 && behind <= oracle.top; behind++)
            assert_int_equal(
                bulla_receipt_holds(window.top, bulla_window_receipt_bits(&window), oracle.top - behind),
                behind < 64 && ask(&oracle, 0, oracle.top - behind) == D);
    }
    assert_true(seen[N] > 1000 && seen[D] > 1000 && seen[S] > 100);
}

static void test_receipt(void **state)
{
    (void)state;
    assert_int_equal(bulla_receipt_holds(5, 0, 5), 1);
    assert_int_equal(bulla_receipt_holds(5, 0, 4), 0);
    assert_int_equal(bulla_receipt_holds(5, 0, 6), 0);
    assert_int_equal(bulla_receipt_holds(5, 1, 4), 1);
    assert_int_equal(bulla_receipt_holds(5, 1, 3), 0);
    assert_int_equal(bulla_receipt_holds(5, 0x10, 0), 1);
    assert_int_equal(bulla_receipt_holds(100, (uint64_t)1 << 62, 37), 1);
    assert_int_equal(bulla_receipt_holds(100, UINT64_MAX, 36), 0); /* bits go from 0 to 62 */
    assert_int_equal(bulla_receipt_holds(T32 + 5, UINT64_MAX, 5), 0);
    assert_int_equal(bulla_receipt_holds(LAST, 1, LAST - 1), 1);
    assert_int_equal(bulla_receipt_holds(0, UINT64_MAX, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks),
        cmocka_unit_test(test_lower_limit_set_later),
        cmocka_unit_test(test_against_oracle),
        cmocka_unit_test(test_receipt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
