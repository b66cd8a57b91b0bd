#include "gateway/store/sqlite.h"

#include <stdlib.h>
#include <string.h>

#define CACHED_TEXT_MAX                                                                                      \
    256 /* bytes of name and unit; longer ones are looked up each time, so the memory is bounded */
#define HOUR INT64_C(3600000000) /* microseconds */

/* What a series is told apart by. */
struct series_key {
    int64_t device;
    const char *name;
    const char *unit;
    size_t name_len;
    size_t unit_len;
    enum reading_type type;
    uint16_t format; /* 0 where the type says all */
};

struct series_entry {
    struct series_entry *next;
    uint64_t hash;
    int64_t device;
    int64_t id;
    int64_t first; /* as in the database, or narrower if another connection has widened it */
    int64_t last;
    enum reading_type type;
    uint16_t format;
    uint16_t name_len;
    uint16_t unit_len;
    char text[]; /* name, unit */
};

int sqlite_type_parse(const char *word)
{
    for (int i = 0; word != NULL && i < (int)READING_TYPE_COUNT; i++)
        if (strcmp(reading_type_text((enum reading_type)i), word) == 0)
            return i;
    return -1;
}

/* ---- cache ---- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return hash;
}

static uint64_t hash_key(const struct series_key *key, uint64_t seed)
{
    uint64_t hash = mix(seed, &key->device, sizeof(key->device));

    hash = mix(hash, key->name, key->name_len);
    hash = mix(hash, key->unit, key->unit_len);
    hash = (hash ^ key->format) * UINT64_C(0x100000001b3) ^ (uint64_t)key->type;
    return hash ^ hash >> 32;
}

static bool entry_is(const struct series_entry *entry, uint64_t hash, const struct series_key *key)
{
    return entry->hash == hash && entry->device == key->device && entry->type == key->type &&
           entry->format == key->format && entry->name_len == key->name_len &&
           entry->unit_len == key->unit_len && memcmp(entry->text, key->name, key->name_len) == 0 &&
           memcmp(entry->text + key->name_len, key->unit, key->unit_len) == 0;
}

static struct series_entry *cache_find(struct series_cache *cache, uint64_t hash,
                                       const struct series_key *key)
{
    struct series_entry *entry = cache->buckets[hash % SERIES_BUCKETS];

    while (entry != NULL && !entry_is(entry, hash, key))
        entry = entry->next;
    return entry;
}

/* A cache may forget: without memory, nothing is kept. */
static void cache_put(struct series_cache *cache, uint64_t hash, const struct series_key *key,
                      const struct series_entry *found)
{
    if (key->name_len + key->unit_len > CACHED_TEXT_MAX)
        return;
    if (cache->count >= SERIES_CACHE_MAX)
        sqlite_series_forget(cache);
    struct series_entry *entry = malloc(sizeof(*entry) + key->name_len + key->unit_len);
    if (entry == NULL)
        return;
    *entry = *found;
    entry->hash = hash;
    entry->device = key->device;
    entry->type = key->type;
    entry->format = key->format;
    entry->name_len = (uint16_t)key->name_len;
    entry->unit_len = (uint16_t)key->unit_len;
    memcpy(entry->text, key->name, key->name_len);
    memcpy(entry->text + key->name_len, key->unit, key->unit_len);
    entry->next = cache->buckets[hash % SERIES_BUCKETS];
    cache->buckets[hash % SERIES_BUCKETS] = entry;
    cache->count++;
}

void sqlite_series_forget(struct series_cache *cache)
{
    for (size_t i = 0; cache->count > 0 && i < SERIES_BUCKETS; i++)
        while (cache->buckets[i] != NULL) {
            struct series_entry *entry = cache->buckets[i];
            cache->buckets[i] = entry->next;
            free(entry);
        }
    cache->count = 0;
}

int sqlite_series_check(struct sqlite *sqlite, struct failure *failure)
{
    static const char what[] = "look at the series";
    struct series_cache *cache = &sqlite->series;
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
        sqlite_series_forget(cache);
    cache->known = true;
    cache->data_version = data_version;
    cache->gone = gone;
    return 0;
}

/* ---- database ---- */

/* The whole hours around a time. */
static void hours_around(int64_t time, int64_t *first, int64_t *last)
{
    int64_t into = (time % HOUR + HOUR) % HOUR;

    if (__builtin_sub_overflow(time, into, first))
        *first = INT64_MIN;
    if (__builtin_add_overflow(*first, HOUR, last))
        *last = INT64_MAX;
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
    hours_around(time, &first, &last);
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
    hours_around(time, &first, &last);
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
    bool whole = reading->type == READING_PAYLOAD || reading->type == READING_UNDECODED;
    struct series_key key = {
        .device = device,
        .name = reading->name_len == 0 ? "" : reading->name, /* may be NULL, which memcmp() must not get */
        .unit = reading->unit_len == 0 ? "" : reading->unit,
        .name_len = reading->name_len,
        .unit_len = reading->unit_len,
        .type = reading->type,
        .format = whole ? reading->format : 0,
    };
    uint64_t hash = hash_key(&key, sqlite->series.seed);
    struct series_entry *entry = cache_find(&sqlite->series, hash, &key);
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
        cache_put(&sqlite->series, hash, &key, &loaded);
    return entry->id;
}
