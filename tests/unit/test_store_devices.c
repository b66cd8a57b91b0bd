/*
 * Labels, lists of devices entered at once, selections of devices, and what a device's row says of lost
 * messages.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- labels ---- */

static int append_label(void *context, const struct label *label)
{
    char *text = context;

    strcat(strcat(strcat(strcat(text, label->key), "="), label->value), " ");
    return 0;
}

static const char *labels_of(struct fixture *f, int64_t device)
{
    static char text[8192];

    text[0] = '\0';
    ok(call(f, labels_each, device, append_label, text));
    return text;
}

static int put(struct fixture *f, int64_t device, const char *key, const char *value)
{
    struct label label = {key, value};

    return call(f, device_label, device, &label, 1);
}

static void test_labels(void **state)
{
    struct fixture *f = *state;
    int64_t a = add_device(f, "a", 1, BULLA_SESSION, false).id;
    int64_t b = add_device(f, "b", 2, BULLA_SESSION, false).id;
    struct label several[] = {{"site", "roof"}, {"_x9", ""}, {"site", "cellar"}, {"none", NULL}};

    assert_string_equal(labels_of(f, a), "");
    assert_int_equal(call(f, device_label, a, several, 4), 1);
    assert_int_equal(put(f, b, "site", "küche 🌡️ = warm"), 1);
    reopen(f);
    assert_string_equal(labels_of(f, a), "_x9= site=cellar ");
    assert_string_equal(labels_of(f, b), "site=küche 🌡️ = warm ");
    assert_int_equal(put(f, a, "site", "cellar"), 0);
    assert_int_equal(put(f, a, "gone", NULL), 0);
    assert_int_equal(put(f, a, "_x9", NULL), 1);
    assert_string_equal(labels_of(f, a), "site=cellar ");
    assert_int_equal(put(f, 4711, "site", "x"), -1);
    says(f, "not in the registry");
    ok(call(f, device_remove, a));
    assert_string_equal(labels_of(f, a), "");
    assert_string_equal(labels_of(f, b), "site=küche 🌡️ = warm ");
}

static void test_labels_that_are_none(void **state)
{
    static const char *const keys[] = {"", "9a", "a-b", "a b", "ä", "a=", "a.b"};
    static const char *const values[] = {"\n", "\x7f", "\xc2\x85", "\xff", "\xed\xa0\x80"};
    struct fixture *f = *state;
    int64_t a = add_device(f, "a", 1, BULLA_SESSION, false).id;
    char long_key[LABEL_KEY_MAX + 2], long_value[LABEL_VALUE_MAX + 2];

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(put(f, a, keys[i], "x"), -1);
    says(f, "key");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_int_equal(put(f, a, "k", values[i]), -1);
    says(f, "UTF-8");
    memset(long_key, 'k', sizeof(long_key));
    memset(long_value, 'v', sizeof(long_value));
    long_key[LABEL_KEY_MAX + 1] = long_value[LABEL_VALUE_MAX + 1] = '\0';
    assert_int_equal(put(f, a, long_key, "x"), -1);
    assert_int_equal(put(f, a, "k", long_value), -1);
    assert_string_equal(labels_of(f, a), "");
    assert_int_equal(put(f, a, long_key + 1, long_value + 1), 1);
}

/* One too many takes back the others of the same call. */
static void test_sixteen_labels(void **state)
{
    struct fixture *f = *state;
    int64_t a = add_device(f, "a", 1, BULLA_SESSION, false).id;
    char keys[LABELS_MAX][16];
    struct label labels[LABELS_MAX];

    for (int i = 0; i < LABELS_MAX; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%02d", i);
        labels[i] = (struct label){keys[i], "v"};
    }
    assert_int_equal(put(f, a, "other", "x"), 1);
    assert_int_equal(call(f, device_label, a, labels, LABELS_MAX), -1);
    says(f, "at most 16");
    assert_string_equal(labels_of(f, a), "other=x ");
    assert_int_equal(put(f, a, "other", NULL), 1);
    assert_int_equal(call(f, device_label, a, labels, LABELS_MAX), 1);
    assert_int_equal(put(f, a, "k17", "x"), -1);
}

static void test_labels_are_no_operators_change(void **state)
{
    struct fixture *f = *state;
    int64_t a = add_device(f, "a", 1, BULLA_SESSION, false).id;
    int64_t before, after;

    ok(call(f, generation, &before));
    assert_int_equal(put(f, a, "k", "v"), 1);
    ok(call(f, generation, &after));
    assert_int_equal(before, after); /* the gateway does not read its devices anew */
}

/* ---- lists entered at once ---- */

static struct device_entry entry(const char *name, uint8_t kid, const struct label *labels, size_t count)
{
    struct device_entry entry = {
        .row = {.kid = {kid, 9}, .kid_len = 2, .alg = BULLA_AES_CCM_16_64_128, .kind = BULLA_COUNTER},
        .proven = kid % 2 != 0,
        .labels = labels,
        .label_count = count};

    snprintf(entry.row.name, sizeof(entry.row.name), "%s", name);
    return entry;
}

static int64_t count_devices(struct fixture *f)
{
    int64_t count;

    ok(f->store->ops->device_count(f->store, &count, &f->failure));
    return count;
}

static void test_devices_at_once(void **state)
{
    static const struct label labels[] = {{"site", "roof"}, {"floor", "2"}};
    struct fixture *f = *state;
    struct device_entry entries[] = {entry("a", 1, labels, 2), entry("b", 2, NULL, 0),
                                     entry("c", 3, labels, 1)};
    enum device_clash clash;
    struct context_row row;
    struct store_clock clock;
    int64_t before, after;
    size_t at;

    ok(call(f, generation, &before));
    assert_int_equal(call(f, devices_add, entries, 3, &at, &clash), 1);
    ok(call(f, generation, &after));
    assert_int_equal(after, before + 1);
    assert_int_equal(count_devices(f), 3);
    assert_string_equal(labels_of(f, entries[0].row.id), "floor=2 site=roof ");
    assert_string_equal(labels_of(f, entries[1].row.id), "");
    assert_string_equal(labels_of(f, entries[2].row.id), "site=roof ");
    assert_int_equal(call(f, context_find, entries[0].row.id, NULL, &row, &clock), 1);
    assert_true(row.proven);
    assert_int_equal(call(f, context_find, entries[1].row.id, NULL, &row, &clock), 1);
    assert_false(row.proven);
}

static void test_all_or_none(void **state)
{
    static const struct label bad = {"9", "x"};
    struct fixture *f = *state;
    struct device_row old = add_device(f, "old", 50, BULLA_SESSION, false);
    struct device_entry entries[] = {entry("a", 1, NULL, 0), entry("b", 2, NULL, 0), entry("c", 3, NULL, 0)};
    enum device_clash clash;
    size_t at;

    strcpy(entries[2].row.name, "old");
    assert_int_equal(call(f, devices_add, entries, 3, &at, &clash), 0);
    assert_int_equal(at, 2);
    assert_int_equal(clash, CLASH_NAME);
    entries[2] = entry("b", 3, NULL, 0); /* as the one before it */
    assert_int_equal(call(f, devices_add, entries, 3, &at, &clash), 0);
    assert_int_equal(clash, CLASH_NAME);
    entries[2] = entry("c", 1, NULL, 0);
    assert_int_equal(call(f, devices_add, entries, 3, &at, &clash), 0);
    assert_int_equal(at, 2);
    assert_int_equal(clash, CLASH_KID);
    ok(call(f, device_remove, old.id));
    memcpy(entries[1].row.kid, old.kid, sizeof(old.kid)); /* there is a tombstone */
    entries[1].row.kid_len = old.kid_len;
    assert_int_equal(call(f, devices_add, entries, 3, &at, &clash), 0);
    assert_int_equal(at, 1);
    assert_int_equal(clash, CLASH_KID);
    entries[1] = entry("b", 2, &bad, 1);
    entries[2] = entry("c", 3, NULL, 0);
    assert_int_equal(call(f, devices_add, entries, 3, &at, &clash), -1);
    assert_int_equal(at, 1);
    assert_int_equal(count_devices(f), 0);
    entries[1] = entry("b", 2, NULL, 0);
    assert_int_equal(call(f, devices_add, entries, 3, &at, &clash), 1);
    assert_int_equal(count_devices(f), 3);
}

/* ---- selections ---- */

static int append_name(void *context, const struct device_row *row)
{
    strcat(strcat(context, row->name), " ");
    return 0;
}

static const char *selected(struct fixture *f, const struct device_filter *filter)
{
    static char names[256];

    names[0] = '\0';
    ok(call(f, device_each, filter, append_name, names));
    return names;
}

static void test_selection_by_label(void **state)
{
    static const struct label roof[] = {{"site", "roof"}, {"floor", "2"}};
    static const struct label any_site = {"site", NULL};
    static const struct label cellar = {"site", "cellar"};
    struct fixture *f = *state;
    struct device_entry entries[] = {entry("a", 1, roof, 2), entry("b", 2, NULL, 0), entry("c", 3, roof, 1),
                                     entry("d", 4, &cellar, 1)};
    enum device_clash clash;
    size_t at;

    assert_int_equal(call(f, devices_add, entries, 4, &at, &clash), 1);
    assert_string_equal(selected(f, NULL), "a b c d ");
    assert_string_equal(selected(f, &(struct device_filter){0}), "a b c d ");
    assert_string_equal(selected(f, &(struct device_filter){.labels = roof, .label_count = 1}), "a c ");
    assert_string_equal(selected(f, &(struct device_filter){.labels = roof, .label_count = 2}), "a ");
    assert_string_equal(selected(f, &(struct device_filter){.labels = &any_site, .label_count = 1}),
                        "a c d ");
    assert_string_equal(selected(f, &(struct device_filter){.labels = &cellar, .label_count = 1}), "d ");
}

static void test_selection_of_silent_ones(void **state)
{
    struct fixture *f = *state;
    int64_t heard = add_device(f, "heard", 1, BULLA_SESSION, false).id;
    int64_t silent = add_device(f, "silent", 2, BULLA_SESSION, false).id;
    struct device_filter filter = {.silent_since = (NOW + 100) * SECOND};

    add_device(f, "never", 3, BULLA_SESSION, false);
    ok(call(f, device_revoke, add_device(f, "revoked", 4, BULLA_SESSION, false).id));
    prove(f, silent, 1, 5, 9);
    f->now += 100;
    prove(f, heard, 1, 6, 9);
    assert_string_equal(selected(f, &filter), "never silent ");
    filter.silent_since += SECOND;
    assert_string_equal(selected(f, &filter), "heard never silent ");
    filter.silent_since = NOW * SECOND + SECOND / 2; /* within the second in which they were entered */
    assert_string_equal(selected(f, &filter), "never silent ");
    filter.silent_since = NOW * SECOND; /* nobody was there then */
    assert_string_equal(selected(f, &filter), "");
}

/* ---- lost messages ---- */

static uint64_t lost_of(struct fixture *f, const char *name)
{
    struct device_row row;

    assert_int_equal(call(f, device_by_name, name, &row), 1);
    return row.lost;
}

static void test_lost_messages(void **state)
{
    struct fixture *f = *state;
    int64_t a = add_device(f, "a", 1, BULLA_SESSION, false).id;
    struct commit_context context = {.before = prove(f, a, 1, 5, 9)};

    add_device(f, "b", 2, BULLA_SESSION, false);
    ok(commit_one(f, f->store, &context, 11));
    assert_int_equal(lost_of(f, "a"), 0); /* 10 may still come */
    context.before = context.after;
    ok(commit_one(f, f->store, &context, 11 + 64));
    assert_int_equal(lost_of(f, "a"), 1);
    ok(commit_one(f, f->store, &context, 500)); /* a conflict: nothing was stored, nothing is lost */
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
    assert_int_equal(lost_of(f, "a"), 1);
    context.before = context.after;
    context.before.window = (struct bulla_window){.top = 75, .bits = 1 | UINT64_C(1) << 63 >> 0, .lower = 9};
    reopen(f);
    assert_int_equal(lost_of(f, "a"), 1);
    assert_int_equal(lost_of(f, "b"), 0);
    prove(f, a, 2, 6, 1000); /* the next session begins at its lower limit */
    assert_int_equal(lost_of(f, "a"), 1);
}

/* In one batch: what fills a hole before the window leaves it is not lost. */
static void test_lost_within_a_batch(void **state)
{
    struct fixture *f = *state;
    int64_t a = add_device(f, "a", 1, BULLA_COUNTER, true).id;
    struct commit_context context = {.before = {.device = a, .counter = true, .proven = true}};
    struct commit_message messages[] = {{.piv = 0}, {.piv = 3}, {.piv = 1}, {.piv = 70}};
    struct commit commit = {
        .contexts = &context, .context_count = 1, .messages = messages, .message_count = 4, .readings = NULL};

    context.after = context.before;
    for (size_t i = 0; i < 4; i++)
        bulla_window_mark(&context.after.window, messages[i].piv);
    ok(call(f, commit, &commit, NOW));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(lost_of(f, "a"), 4); /* 2, 4, 5, 6 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_labels),
        STORE_TEST(test_labels_that_are_none),
        STORE_TEST(test_sixteen_labels),
        STORE_TEST(test_labels_are_no_operators_change),
        STORE_TEST(test_devices_at_once),
        STORE_TEST(test_all_or_none),
        STORE_TEST(test_selection_by_label),
        STORE_TEST(test_selection_of_silent_ones),
        STORE_TEST(test_lost_messages),
        STORE_TEST(test_lost_within_a_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
