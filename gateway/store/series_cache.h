/*
 * Ids of series, so that a reading costs no look-up in the database: a cache in the memory of one connection.
 */
#ifndef SERIES_CACHE_H
#define SERIES_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/decode/reading.h"

#define SERIES_BUCKETS   16384u
#define SERIES_CACHE_MAX 65536u /* then the cache is emptied and begins anew */

/* What a series is told apart by. The texts are the reading's. */
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

struct series_cache {
    struct series_entry *buckets[SERIES_BUCKETS];
    size_t count;
    uint64_t seed;
};

/* Empty, with a seed of its own. */
void series_cache_init(struct series_cache *cache);

/* Forgets all ids. */
void series_cache_forget(struct series_cache *cache);

struct series_key series_key_of(int64_t device, const struct reading *reading);

/* The entry of that key, the cache's until it is changed; NULL if it is not there. */
struct series_entry *series_cache_find(struct series_cache *cache, const struct series_key *key);

/* Enters what was found (id, first, last). It may be left out: very long names, or no memory. */
void series_cache_put(struct series_cache *cache, const struct series_key *key,
                      const struct series_entry *found);

/* The whole hours around a time: a series' `first` (inclusive) and `last` (exclusive). */
void series_hours_around(int64_t time, int64_t *first, int64_t *last);

/* The type of a word in the database (reading_type_text()), or -1 if there is no such type. */
int series_type_parse(const char *word, size_t len);

#endif
