#include "gateway/store/mysql/mysql.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/store/series_digest.h"

#define ASKED_MOST 512 /* series that one statement asks for */

static const char what[] = "enter the series";

/* A reading whose series the cache does not have. */
struct wanted {
    int64_t device;
    uint8_t digest[SERIES_DIGEST];
    size_t reading;
    bool found;
};

/* A series whose hours grow. */
struct widening {
    int64_t id;
    int64_t first;
    int64_t last;
};

struct search {
    struct mysql *my;
    const struct commit *commit;
    int64_t *ids;
    struct wanted *wanted; /* in the order of their keys, once all are there */
    size_t wanted_count;
    struct widening *widenings;
    size_t widening_count;
    bool failed; /* a digest cannot be made */
};

static void want(struct search *search, const struct series_key *key, size_t reading)
{
    struct wanted *wanted = &search->wanted[search->wanted_count++];
    const char *type = reading_type_text(key->type);

    *wanted = (struct wanted){.device = key->device, .reading = reading};
    search->failed = search->failed || !series_digest(key, type, strlen(type), wanted->digest);
}

/* The cache is told at once: should the widening fail, so does the batch, and the cache is forgotten. */
static void widen(struct search *search, struct series_entry *entry, int64_t time)
{
    int64_t first, last;

    if (time >= entry->first && time < entry->last)
        return;
    series_hours_around(time, &first, &last);
    search->widenings[search->widening_count++] = (struct widening){entry->id, first, last};
    entry->first = first < entry->first ? first : entry->first;
    entry->last = last > entry->last ? last : entry->last;
}

static void look_into_cache(struct search *search)
{
    const struct commit *commit = search->commit;

    for (size_t i = 0; i < commit->message_count; i++) {
        const struct commit_message *message = &commit->messages[i];
        int64_t device = commit->contexts[message->context].after.device;
        for (size_t r = message->first; r < message->first + message->count; r++) {
            struct series_key key = series_key_of(device, &commit->readings[r]);
            struct series_entry *entry = series_cache_find(&search->my->series, &key);
            if (entry == NULL) {
                want(search, &key, r);
                continue;
            }
            search->ids[r] = entry->id;
            widen(search, entry, commit->readings[r].time);
        }
    }
}

static int compare_wanted(const void *a, const void *b)
{
    const struct wanted *x = a;
    const struct wanted *y = b;

    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return memcmp(x->digest, y->digest, SERIES_DIGEST);
}

/* ---- those that are there ---- */

static void take(struct search *search, struct wanted *wanted, struct series_entry *found)
{
    const struct reading *reading = &search->commit->readings[wanted->reading];
    struct series_key key = series_key_of(wanted->device, reading);
    struct series_entry *cached = series_cache_find(&search->my->series, &key);

    wanted->found = true;
    search->ids[wanted->reading] = found->id;
    widen(search, cached == NULL ? found : cached, reading->time);
    if (cached == NULL)
        series_cache_put(&search->my->series, &key, found);
}

/* All of one series stand one behind the other. */
static void take_row(struct search *search, const struct mq_result *result)
{
    struct wanted key = {.device = mq_get_number(result, 0)};
    struct series_entry found = {
        .id = mq_get_number(result, 2), .first = mq_get_number(result, 3), .last = mq_get_number(result, 4)};

    if (mq_get_length(result, 1) != SERIES_DIGEST)
        return;
    memcpy(key.digest, mq_get_text(result, 1), SERIES_DIGEST);
    struct wanted *at = bsearch(&key, search->wanted, search->wanted_count, sizeof(key), compare_wanted);
    if (at == NULL)
        return;
    while (at > search->wanted && compare_wanted(at - 1, &key) == 0)
        at--;
    for (; at < search->wanted + search->wanted_count && compare_wanted(at, &key) == 0; at++)
        if (!at->found)
            take(search, at, &found);
}

/* Asks for those that are not found, from `*from` on. */
static int find_some(struct search *search, size_t *from, struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;
    int asked = 0;

    mq_list(&parameters);
    for (; *from < search->wanted_count && asked < ASKED_MOST; ++*from)
        if (!search->wanted[*from].found) {
            mq_row(&parameters);
            mq_number(&parameters, search->wanted[*from].device);
            mq_bytes(&parameters, search->wanted[*from].digest, SERIES_DIGEST);
            asked++;
        }
    mq_list_end(&parameters);
    if (asked == 0) {
        mq_drop(&parameters);
        return 0;
    }
    if (mq_read(search->my, MQ_SERIES_FIND, &parameters, &result, what, failure) != 0)
        return -1;
    while (mq_next(&result))
        take_row(search, &result);
    mq_clear(&result);
    return 0;
}

static int find(struct search *search, struct failure *failure)
{
    for (size_t from = 0; from < search->wanted_count;)
        if (find_some(search, &from, failure) != 0)
            return -1;
    return 0;
}

/* ---- those that are new ---- */

/* A device that is not there any more gets no series: its context will conflict. */
static void add_series(struct mq_batch *batch, const struct search *search, const struct wanted *wanted)
{
    const struct reading *reading = &search->commit->readings[wanted->reading];
    const struct series_key key = series_key_of(wanted->device, reading);
    struct mq_parameters parameters = {0};
    int64_t first, last;

    series_hours_around(reading->time, &first, &last);
    mq_number(&parameters, wanted->device);
    mq_bytes(&parameters, wanted->digest, SERIES_DIGEST);
    mq_bytes(&parameters, key.name, key.name_len);
    mq_bytes(&parameters, key.unit, key.unit_len);
    mq_text(&parameters, reading_type_text(key.type));
    mq_number(&parameters, key.format);
    mq_number(&parameters, first);
    mq_number(&parameters, last);
    mq_batch_add(batch, MQ_SERIES_ADD, &parameters);
}

/* Adds the statements of a transaction. */
typedef void gather(struct mq_batch *batch, const struct search *search);

static void gather_new(struct mq_batch *batch, const struct search *search)
{
    for (size_t i = 0; i < search->wanted_count; i++) {
        const struct wanted *wanted = &search->wanted[i];
        if (!wanted->found && (i == 0 || compare_wanted(wanted, wanted - 1) != 0))
            add_series(batch, search, wanted);
    }
}

static void gather_widenings(struct mq_batch *batch, const struct search *search)
{
    for (size_t i = 0; i < search->widening_count; i++) {
        struct mq_parameters parameters = {0};
        mq_number(&parameters, search->widenings[i].id);
        mq_number(&parameters, search->widenings[i].first);
        mq_number(&parameters, search->widenings[i].last);
        mq_batch_add(batch, MQ_SERIES_WIDEN, &parameters);
    }
}

static int write_once(struct search *search, gather *statements, struct failure *failure)
{
    bool alone = !search->my->in_transaction;
    struct mq_batch batch;

    mq_batch_begin(&batch, search->my, NULL, NULL, what, failure);
    if (alone)
        mq_batch_add(&batch, MQ_BEGIN, NULL);
    statements(&batch, search);
    if (alone)
        mq_batch_add(&batch, MQ_COMMIT, NULL);
    int result = mq_batch_end(&batch, 0);
    if (alone && result != 0)
        mq_rollback(search->my);
    else if (alone)
        search->my->in_transaction = false;
    return result;
}

/* In one transaction of its own, or in the one that has begun. */
static int write_all(struct search *search, gather *statements, struct failure *failure)
{
    int tries = 0;
    int result;

    do
        result = write_once(search, statements, failure);
    while (result != 0 && !search->my->in_transaction && mq_again(search->my, &tries));
    return result;
}

/* ---- all of it ---- */

static int compare_widening(const void *a, const void *b)
{
    const struct widening *x = a;
    const struct widening *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static bool all_found(const struct search *search)
{
    for (size_t i = 0; i < search->wanted_count; i++)
        if (!search->wanted[i].found)
            return false;
    return true;
}

static int find_or_make(struct search *search, struct failure *failure)
{
    qsort(search->wanted, search->wanted_count, sizeof(*search->wanted), compare_wanted);
    if (find(search, failure) != 0)
        return -1;
    if (all_found(search))
        return 0;
    return write_all(search, gather_new, failure) != 0 ? -1 : find(search, failure);
}

static int run(struct search *search, struct failure *failure)
{
    look_into_cache(search);
    if (search->failed)
        return fail(failure, "cannot %s: there is no SHA-256", what);
    if (search->wanted_count > 0 && find_or_make(search, failure) != 0)
        return -1;
    if (search->widening_count == 0)
        return 0;
    qsort(search->widenings, search->widening_count, sizeof(*search->widenings), compare_widening);
    return write_all(search, gather_widenings, failure);
}

static size_t count_readings(const struct commit *commit)
{
    size_t count = 0;

    for (size_t i = 0; i < commit->message_count; i++)
        count += commit->messages[i].count;
    return count;
}

int maria_series_find(struct mysql *my, const struct commit *commit, int64_t *ids, struct failure *failure)
{
    size_t count = count_readings(commit);
    struct search search = {.my = my, .commit = commit, .ids = ids};
    int result;

    if (count == 0)
        return 0;
    search.wanted = calloc(count, sizeof(*search.wanted));
    search.widenings = calloc(count, sizeof(*search.widenings));
    if (search.wanted == NULL || search.widenings == NULL)
        result = fail(failure, "cannot %s: no memory is left", what);
    else
        result = run(&search, failure);
    if (result != 0)
        series_cache_forget(&my->series);
    free(search.wanted);
    free(search.widenings);
    return result;
}
