/*
 * What gets into the journal and what is only counted (PROTOCOL 4, last paragraph).
 */
#include "support.h"
#undef fail /* cmocka's; failure.h has its own */

#include <stdlib.h>
#include <string.h>

#include "gateway/core/journal.h"

#define SECOND INT64_C(1000000)

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct journal));
    return *state == NULL;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* Notes so many; returns how many were written. */
static unsigned note(struct journal *journal, int64_t time, enum outcome outcome, int64_t device,
                     unsigned count)
{
    unsigned written = 0;

    while (count-- > 0)
        written += journal_note(journal, time, outcome, device) != NULL;
    return written;
}

static void empty(struct journal *journal)
{
    static struct journal_entry entries[JOURNAL_GATHERED];

    assert_in_range(journal_take(journal, entries), 0, JOURNAL_GATHERED);
    assert_int_equal(journal->count, 0);
}

static void an_entry_is_as_it_was_noted(void **state)
{
    struct journal *journal = *state;
    struct journal_entry entries[JOURNAL_GATHERED];
    struct journal_entry *entry = journal_note(journal, 5 * SECOND + 7, OUTCOME_STALE, 42);

    assert_non_null(entry);
    assert_string_equal(entry->source, "");
    assert_string_equal(entry->detail, "");
    strcpy(entry->source, "here");
    assert_int_equal(journal_take(journal, entries), 1);
    assert_int_equal(entries[0].time, 5 * SECOND + 7);
    assert_int_equal(entries[0].device, 42);
    assert_int_equal(entries[0].outcome, OUTCOME_STALE);
    assert_string_equal(entries[0].source, "here");
    assert_int_equal(journal_take(journal, entries), 0);
}

static void ten_a_second_of_each_kind(void **state)
{
    struct journal *journal = *state;

    assert_int_equal(note(journal, SECOND, OUTCOME_FORGED, 1, 50), JOURNAL_PER_SECOND);
    assert_int_equal(note(journal, 2 * SECOND - 1, OUTCOME_FORGED, 2, 50), 0); /* all devices together */
    assert_int_equal(note(journal, 2 * SECOND - 1, OUTCOME_UNKNOWN, 0, 50), JOURNAL_PER_SECOND);
    assert_int_equal(note(journal, 2 * SECOND, OUTCOME_FORGED, 1, 50), JOURNAL_PER_SECOND);
    assert_int_equal(journal->withheld, 40 + 50 + 40 + 40);
}

static void authentic_ones_for_each_device(void **state)
{
    struct journal *journal = *state;

    assert_int_equal(note(journal, SECOND, OUTCOME_DUPLICATE, 1, 50), JOURNAL_PER_SECOND);
    assert_int_equal(note(journal, SECOND, OUTCOME_STALE, 1, 50), JOURNAL_PER_SECOND);
    assert_int_equal(note(journal, SECOND, OUTCOME_DUPLICATE, 2, 50), JOURNAL_PER_SECOND);
    assert_int_equal(note(journal, SECOND, OUTCOME_DUPLICATE, 1, 50), 0);
}

static void the_next_one_tells_how_many_were_withheld(void **state)
{
    struct journal *journal = *state;
    struct journal_entry *entry;

    note(journal, SECOND, OUTCOME_CHALLENGED, 1, 25);
    note(journal, SECOND, OUTCOME_CHALLENGED, 2, 5);
    entry = journal_note(journal, 2 * SECOND, OUTCOME_CHALLENGED, 2);
    assert_string_equal(entry->detail, "");
    entry = journal_note(journal, 2 * SECOND, OUTCOME_CHALLENGED, 1);
    assert_string_equal(entry->detail, "15 more since the last one; ");
    entry = journal_note(journal, 2 * SECOND, OUTCOME_CHALLENGED, 1);
    assert_string_equal(entry->detail, "");
}

/* A clock that was set back begins another second. */
static void a_clock_set_back(void **state)
{
    struct journal *journal = *state;

    assert_int_equal(note(journal, 100 * SECOND, OUTCOME_FORGED, 1, 20), JOURNAL_PER_SECOND);
    assert_int_equal(note(journal, 50 * SECOND, OUTCOME_FORGED, 1, 20), JOURNAL_PER_SECOND);
}

/* What waits for the store is bounded, authentic ones and others apart. */
static void the_gathered_ones_are_bounded_apart(void **state)
{
    struct journal *journal = *state;
    unsigned written = 0;

    for (int64_t device = 1; device < 100; device++)
        written += note(journal, SECOND, OUTCOME_DUPLICATE, device, 10);
    assert_int_equal(written, JOURNAL_GATHERED / 2);
    for (int64_t second = 1; second < 100; second++)
        written += note(journal, second * SECOND, OUTCOME_FORGED, 0, 10);
    assert_int_equal(written, JOURNAL_GATHERED);
    assert_int_equal(journal->count, JOURNAL_GATHERED);
    empty(journal);
    assert_int_equal(note(journal, 200 * SECOND, OUTCOME_DUPLICATE, 1, 1), 1);
    assert_int_equal(note(journal, 200 * SECOND, OUTCOME_FORGED, 1, 1), 1);
}

/* Whatever comes, however much of it: the same memory. */
static void any_flood(void **state)
{
    struct journal *journal = *state;
    uint64_t seed = 1;
    uint64_t noted = 0;
    uint64_t written = 0;

    for (unsigned i = 0; i < 200000; i++) {
        enum outcome outcome = (enum outcome)(1 + test_below(&seed, OUTCOME_COUNT - 1));
        int64_t time = (int64_t)test_below(&seed, 60 * SECOND) - 10 * SECOND;
        written += note(journal, time, outcome, (int64_t)test_random(&seed), 1);
        noted++;
        assert_true(journal->count <= JOURNAL_GATHERED);
        if (test_below(&seed, 500) == 0)
            empty(journal);
    }
    assert_int_equal(journal->withheld, noted - written);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void what_could_not_be_written_is_put_back(void **state)
{
    struct journal *journal = *state;
    struct journal_entry entries[JOURNAL_GATHERED];
    size_t count;

    for (int64_t device = 1; device <= 100; device++)
        note(journal, device * SECOND, OUTCOME_STALE, device, 1);
    count = journal_take(journal, entries);
    assert_int_equal(count, 100);
    for (int64_t device = 101; device <= 150; device++)
        note(journal, device * SECOND, OUTCOME_STALE, device, 1);
    note(journal, SECOND, OUTCOME_FORGED, 0, 1);
    assert_int_equal(journal_put_back(journal, entries, count), 150 - JOURNAL_GATHERED / 2);
    count = journal_take(journal, entries);
    assert_int_equal(count, JOURNAL_GATHERED / 2 + 1);
    assert_int_equal(entries[0].device, 1);
    assert_int_equal(entries[100].device, 101);
    assert_int_equal(entries[count - 1].outcome, OUTCOME_FORGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entry_is_as_it_was_noted),
        TEST(ten_a_second_of_each_kind),
        TEST(authentic_ones_for_each_device),
        TEST(the_next_one_tells_how_many_were_withheld),
        TEST(a_clock_set_back),
        TEST(the_gathered_ones_are_bounded_apart),
        TEST(any_flood),
        TEST(what_could_not_be_written_is_put_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
