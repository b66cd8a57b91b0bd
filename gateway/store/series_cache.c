#include "gateway/store/series_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CACHED_TEXT_MAX                                                                                      \
    256 /* bytes of name and unit; longer ones are looked up each time, so the memory is bounded */
#define HOUR INT64_C(3600000000) /* microseconds */

int series_type_parse(const char *word, size_t len)
{
    for (int i = 0; word != NULL && i < (int)READING_TYPE_COUNT; i++) {
        const char *text = reading_type_text((enum reading_type)i);
        if (strlen(text) == len && memcmp(text, word, len) == 0)
            return i;
    }
    return -1;
}

struct series_key series_key_of(int64_t device, const struct reading *reading)
{
    bool whole = reading->type == READING_PAYLOAD || reading->type == READING_UNDECODED;

    return (struct series_key){
        .device = device,
        .name = reading->name_len == 0 ? "" : reading->name, /* may be NULL, which memcmp() must not get */
        .unit = reading->unit_len == 0 ? "" : reading->unit,
        .name_len = reading->name_len,
        .unit_len = reading->unit_len,
        .type = reading->type,
        .format = whole ? reading->format : 0,
    };
}

void series_cache_init(struct series_cache *cache)
{
    memset(cache, 0, sizeof(*cache));
    /* Only against names chosen to fall into one bucket: no secret hangs on it, so failure does not matter.
     */
    if (getrandom(&cache->seed, sizeof(cache->seed), 0) < 0)
        cache->seed = (uint64_t)(uintptr_t)cache;
}

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

struct series_entry *series_cache_find(struct series_cache *cache, const struct series_key *key)
{
    uint64_t hash = hash_key(key, cache->seed);
    struct series_entry *entry = cache->buckets[hash % SERIES_BUCKETS];

    while (entry != NULL && !entry_is(entry, hash, key))
        entry = entry->next;
    return entry;
}

void series_cache_put(struct series_cache *cache, const struct series_key *key,
                      const struct series_entry *found)
{
    uint64_t hash = hash_key(key, cache->seed);

    if (key->name_len + key->unit_len > CACHED_TEXT_MAX)
        return;
    if (cache->count >= SERIES_CACHE_MAX)
        series_cache_forget(cache);
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

void series_cache_forget(struct series_cache *cache)
{
    for (size_t i = 0; cache->count > 0 && i < SERIES_BUCKETS; i++)
        while (cache->buckets[i] != NULL) {
            struct series_entry *entry = cache->buckets[i];
            cache->buckets[i] = entry->next;
            free(entry);
        }
    cache->count = 0;
}

void series_hours_around(int64_t time, int64_t *first, int64_t *last)
{
    int64_t into = (time % HOUR + HOUR) % HOUR;

    if (__builtin_sub_overflow(time, into, first))
        *first = INT64_MIN;
    if (__builtin_add_overflow(*first, HOUR, last))
        *last = INT64_MAX;
}
