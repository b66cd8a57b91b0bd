#include "gateway/store/sqlite/sqlite.h"

#include <stdlib.h>
#include <string.h>

int sqlite_series_check(struct sqlite *sqlite, struct failure *failure)
{
    static const char what[] = "look at the series";
    struct sqlite_series *cache = &sqlite->series;
    sqlite3_stmt *get = sqlite_statement(sqlite, ST_SERIES_GONE, failure);
    int64_t data_version;

    if (get == NULL || sqlite_data_version(sqlite, &data_version, what, failure) < 0)
        return -1;
    if (cache->known && data_version == cache->data_version)
        return 0; /* nobody else has written */

    if (sqlite_row(sqlite, get, what, failure) < 0)
        return -1;
    int64_t gone = sqlite3_column_int64(get, 0);
    sqlite3_reset(get);
    if (cache->known && gone != cache->gone)
        series_cache_forget(&cache->cache);
    cache->known = true;
    cache->data_version = data_version;
    cache->gone = gone;
    return 0;
}

static void bind_key(sqlite3_stmt *statement, const struct series_key *key)
{
    const char *word = reading_type_text(key->type);

    bind_number(statement, 1, key->device);
    bind_text(statement, 2, key->name, key->name_len);
    bind_text(statement, 3, key->unit, key->unit_len);
    bind_text(statement, 4, word, strlen(word));
    bind_number(statement, 5, key->format);
}

static int read_series(struct sqlite *sqlite, const struct series_key *key, struct series_entry *entry,
                       struct failure *failure)
{
    sqlite3_stmt *find = sqlite_statement(sqlite, ST_SERIES_FIND, failure);

    if (find == NULL)
        return -1;
    bind_key(find, key);
    int found = sqlite_row(sqlite, find, "look a series up", failure);
    if (found > 0) {
        entry->id = sqlite3_column_int64(find, 0);
        entry->first = sqlite3_column_int64(find, 1);
        entry->last = sqlite3_column_int64(find, 2);
    }
    sqlite3_reset(find);
    return found;
}

static int add_series(struct sqlite *sqlite, const struct series_key *key, int64_t time,
                      struct failure *failure)
{
    sqlite3_stmt *add = sqlite_statement(sqlite, ST_SERIES_ADD, failure);
    int64_t first, last;

    if (add == NULL)
        return -1;
    series_hours_around(time, &first, &last);
    bind_key(add, key);
    bind_number(add, 6, first);
    bind_number(add, 7, last);
    sqlite->series.dirty = true;
    return sqlite_run(sqlite, add, "enter a series", failure);
}

/* Reads the series, and makes it first if it is not there. */
static int load_series(struct sqlite *sqlite, const struct series_key *key, int64_t time,
                       struct series_entry *entry, struct failure *failure)
{
    int found = read_series(sqlite, key, entry, failure);

    if (found == 0) {
        if (add_series(sqlite, key, time, failure) < 0)
            return -1;
        found = read_series(sqlite, key, entry, failure);
    }
    if (found == 0)
        return fail(failure, "cannot enter a series: its device is not in the registry (%s)", sqlite->path);
    return found < 0 ? -1 : 0;
}

static int widen(struct sqlite *sqlite, struct series_entry *entry, int64_t time, struct failure *failure)
{
    sqlite3_stmt *statement = sqlite_statement(sqlite, ST_SERIES_WIDEN, failure);
    int64_t first, last;

    if (statement == NULL)
        return -1;
    series_hours_around(time, &first, &last);
    bind_number(statement, 1, entry->id);
    bind_number(statement, 2, first);
    bind_number(statement, 3, last);
    sqlite->series.dirty = true;
    if (sqlite_run(sqlite, statement, "widen a series", failure) < 0)
        return -1;
    entry->first = first < entry->first ? first : entry->first;
    entry->last = last > entry->last ? last : entry->last;
    return 0;
}

int64_t sqlite_series(struct sqlite *sqlite, int64_t device, const struct reading *reading,
                      struct failure *failure)
{
    struct series_key key = series_key_of(device, reading);
    struct series_entry *entry = series_cache_find(&sqlite->series.cache, &key);
    struct series_entry loaded = {.id = 0};

    if (entry == NULL) {
        if (load_series(sqlite, &key, reading->time, &loaded, failure) != 0)
            return -1;
        entry = &loaded;
    }
    if ((reading->time < entry->first || reading->time >= entry->last) &&
        widen(sqlite, entry, reading->time, failure) != 0)
        return -1;
    if (entry == &loaded)
        series_cache_put(&sqlite->series.cache, &key, &loaded);
    return entry->id;
}
