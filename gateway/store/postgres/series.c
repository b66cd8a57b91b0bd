#include "gateway/store/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/store/series_digest.h"

static const char what[] = "enter the series";

/* ---- what is asked of the database ---- */

enum column { DEVICE, KEY, NAME, UNIT, NAME_BYTES, UNIT_BYTES, TYPE, FORMAT, FIRST, LAST, COLUMNS };

/* Series that the cache does not have, and those whose hours grow. */
struct wanted {
    struct postgres *pg;
    const struct commit *commit;
    int64_t *ids;
    struct pg_array columns[COLUMNS]; /* of those to be found or made */
    size_t *readings;                 /* whose they are, parallel */
    int64_t *devices;                 /* parallel as well */
    size_t count;
    struct pg_array ids_to_widen;
    struct pg_array firsts;
    struct pg_array lasts;
    bool failed; /* the digest cannot be made */
};

void postgres_show_bytes(char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] < ' ' || bytes[i] > '~')
            bytes[i] = '?';
}

/* As text, and as it came where that is not text. What people see of the latter has ? for what cannot be
 * shown. */
static void put_name(struct pg_array *text, struct pg_array *bytes, const char *name, size_t len)
{
    if (pg_is_text(name, len)) {
        pg_array_bytes(text, name, len);
        pg_array_null(bytes);
        return;
    }
    char *shown = malloc(len);
    if (shown == NULL) {
        text->failed = true;
    } else {
        memcpy(shown, name, len);
        postgres_show_bytes(shown, len);
        pg_array_bytes(text, shown, len);
    }
    free(shown);
    pg_array_bytes(bytes, name, len);
}

static void want_series(struct wanted *wanted, const struct series_key *key, size_t reading)
{
    const char *type = reading_type_text(key->type);
    uint8_t digest[SERIES_DIGEST] = {0};
    int64_t first, last;

    wanted->failed = wanted->failed || !series_digest(key, type, strlen(type), digest);
    series_hours_around(wanted->commit->readings[reading].time, &first, &last);
    pg_array_number(&wanted->columns[DEVICE], key->device);
    pg_array_bytes(&wanted->columns[KEY], digest, sizeof(digest));
    put_name(&wanted->columns[NAME], &wanted->columns[NAME_BYTES], key->name, key->name_len);
    put_name(&wanted->columns[UNIT], &wanted->columns[UNIT_BYTES], key->unit, key->unit_len);
    pg_array_bytes(&wanted->columns[TYPE], type, strlen(type));
    pg_array_number(&wanted->columns[FORMAT], key->format);
    pg_array_number(&wanted->columns[FIRST], first);
    pg_array_number(&wanted->columns[LAST], last);
    wanted->readings[wanted->count] = reading;
    wanted->devices[wanted->count++] = key->device;
}

/* The cache is told at once: should the widening fail, so does the batch, and the cache is forgotten. */
static void widen(struct wanted *wanted, struct series_entry *entry, int64_t time)
{
    int64_t first, last;

    if (time >= entry->first && time < entry->last)
        return;
    series_hours_around(time, &first, &last);
    pg_array_number(&wanted->ids_to_widen, entry->id);
    pg_array_number(&wanted->firsts, first);
    pg_array_number(&wanted->lasts, last);
    entry->first = first < entry->first ? first : entry->first;
    entry->last = last > entry->last ? last : entry->last;
}

static void look_into_cache(struct wanted *wanted)
{
    const struct commit *commit = wanted->commit;

    for (size_t i = 0; i < commit->message_count; i++) {
        const struct commit_message *message = &commit->messages[i];
        int64_t device = commit->contexts[message->context].after.device;
        for (size_t r = message->first; r < message->first + message->count; r++) {
            struct series_key key = series_key_of(device, &commit->readings[r]);
            struct series_entry *entry = series_cache_find(&wanted->pg->series, &key);
            if (entry == NULL) {
                want_series(wanted, &key, r);
                continue;
            }
            wanted->ids[r] = entry->id;
            widen(wanted, entry, commit->readings[r].time);
        }
    }
}

/* ---- the database's answer ---- */

/* The second statement's rows. A device that is not there any more has no series: its context will conflict.
 */
static void take_found(void *context, int number, const PGresult *result)
{
    struct wanted *wanted = context;

    for (int i = 0; number == 1 && i < PQntuples(result); i++) {
        size_t place = (size_t)pg_get_number(result, i, 0) - 1;
        if (place >= wanted->count)
            continue;
        size_t r = wanted->readings[place];
        const struct reading *reading = &wanted->commit->readings[r];
        struct series_key key = series_key_of(wanted->devices[place], reading);
        struct series_entry found = {.id = pg_get_number(result, i, 1),
                                     .first = pg_get_number(result, i, 2),
                                     .last = pg_get_number(result, i, 3)};
        struct series_entry *cached = series_cache_find(&wanted->pg->series, &key);
        wanted->ids[r] = found.id;
        widen(wanted, cached == NULL ? &found : cached, reading->time);
        if (cached == NULL)
            series_cache_put(&wanted->pg->series, &key, &found);
    }
}

static int find_or_make(struct wanted *wanted, struct failure *failure)
{
    static const enum pg_statement used[] = {PG_SERIES_ADD, PG_SERIES_FIND};
    struct pg_parameters all = {.count = 0}, keys = {.count = 0};
    struct pg_pipeline pipeline;

    for (int i = 0; i < COLUMNS; i++)
        if (pg_array_add(&all, &wanted->columns[i], failure) != 0 ||
            (i <= KEY && pg_array_add(&keys, &wanted->columns[i], failure) != 0))
            return -1;
    if (pg_prepare(wanted->pg, used, sizeof(used) / sizeof(used[0]), what, failure) != 0 ||
        pg_pipeline_begin(&pipeline, wanted->pg, what, failure) != 0)
        return -1;
    pg_pipeline_send(&pipeline, PG_SERIES_ADD, &all);
    pg_pipeline_send(&pipeline, PG_SERIES_FIND, &keys);
    return pg_pipeline_end(&pipeline, take_found, wanted);
}

static int widen_all(struct wanted *wanted, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    if (pg_array_add(&parameters, &wanted->ids_to_widen, failure) != 0 ||
        pg_array_add(&parameters, &wanted->firsts, failure) != 0 ||
        pg_array_add(&parameters, &wanted->lasts, failure) != 0)
        return -1;
    return pg_run(wanted->pg, PG_SERIES_WIDEN, &parameters, what, failure) < 0 ? -1 : 0;
}

/* ---- all of it ---- */

static void begin(struct wanted *wanted)
{
    static const enum pg_type types[COLUMNS] = {PG_INT8,  PG_BYTEA, PG_TEXT, PG_TEXT, PG_BYTEA,
                                                PG_BYTEA, PG_TEXT,  PG_INT8, PG_INT8, PG_INT8};

    for (int i = 0; i < COLUMNS; i++)
        pg_array_begin(&wanted->columns[i], types[i]);
    pg_array_begin(&wanted->ids_to_widen, PG_INT8);
    pg_array_begin(&wanted->firsts, PG_INT8);
    pg_array_begin(&wanted->lasts, PG_INT8);
}

static void end(struct wanted *wanted)
{
    for (int i = 0; i < COLUMNS; i++)
        pg_array_wipe(&wanted->columns[i]);
    pg_array_wipe(&wanted->ids_to_widen);
    pg_array_wipe(&wanted->firsts);
    pg_array_wipe(&wanted->lasts);
    free(wanted->readings);
    free(wanted->devices);
}

static size_t count_readings(const struct commit *commit)
{
    size_t count = 0;

    for (size_t i = 0; i < commit->message_count; i++)
        count += commit->messages[i].count;
    return count;
}

int postgres_series_find(struct postgres *pg, const struct commit *commit, int64_t *ids,
                         struct failure *failure)
{
    size_t count = count_readings(commit);
    struct wanted wanted = {.pg = pg, .commit = commit, .ids = ids};
    int result = 0;

    if (count == 0)
        return 0;
    wanted.readings = calloc(count, sizeof(*wanted.readings));
    wanted.devices = calloc(count, sizeof(*wanted.devices));
    begin(&wanted);
    if (wanted.readings == NULL || wanted.devices == NULL)
        result = fail(failure, "cannot %s: no memory is left", what);
    if (result == 0)
        look_into_cache(&wanted);
    if (wanted.failed)
        result = fail(failure, "cannot %s: there is no SHA-256", what);
    if (result == 0 && wanted.count > 0)
        result = find_or_make(&wanted, failure);
    if (result == 0 && wanted.ids_to_widen.count > 0)
        result = widen_all(&wanted, failure);
    if (result != 0)
        series_cache_forget(&pg->series);
    end(&wanted);
    return result;
}
