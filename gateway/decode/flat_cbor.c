#include "gateway/decode/cbor_value.h"
#include "gateway/decode/flat.h"

#include <stdlib.h>
#include <string.h>

/* The keys seen, in the arena, to find any that stands twice. */
struct keys {
    struct text *items;
    size_t count;
};

static int compare_keys(const void *left, const void *right)
{
    const struct text *a = left;
    const struct text *b = right;

    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return memcmp(a->at, b->at, a->len);
}

static int has_twice(struct keys *keys)
{
    qsort(keys->items, keys->count, sizeof(*keys->items), compare_keys);
    for (size_t i = 1; i < keys->count; i++) {
        if (compare_keys(&keys->items[i - 1], &keys->items[i]) == 0)
            return 1;
    }
    return 0;
}

/* Room for as many keys as the map can have: a pair takes two bytes at least. */
static enum decoder_result keys_begin(struct keys *keys, const struct cbor_walk *walk,
                                      const struct bulla_cbor_reader *reader, struct readings *readings)
{
    size_t most = (size_t)(reader->end - reader->at) / 2;

    if (!walk->indefinite && walk->left > most)
        return UNDECODABLE;
    if (!walk->indefinite)
        most = (size_t)walk->left;
    keys->count = 0;
    keys->items = readings_take(readings, most * sizeof(*keys->items));
    return keys->items == NULL ? OUT_OF_MEMORY : DECODED;
}

static int is_null(const struct bulla_cbor_item *item)
{
    return item->major == BULLA_CBOR_SIMPLE &&
           (item->info == BULLA_CBOR_NULL || item->info == BULLA_CBOR_NULL + 1);
}

static enum decoder_result read_value(struct bulla_cbor_reader *reader, struct readings *readings,
                                      struct reading *reading)
{
    struct bulla_cbor_item item;
    struct number number;
    struct text string;
    enum decoder_result result;
    int boolean;

    if (bulla_cbor_next(reader, &item) < 0)
        return UNDECODABLE;
    if (is_null(&item)) /* or undefined */
        return DECODED;
    if (item.major == BULLA_CBOR_TEXT || item.major == BULLA_CBOR_BYTES) {
        result = cbor_string(reader, &item, (enum bulla_cbor_major)item.major, readings, &string);
        if (result != DECODED)
            return result;
        return flat_string(readings, reading, item.major == BULLA_CBOR_TEXT ? READING_TEXT : READING_DATA,
                           string);
    }
    if (cbor_boolean(&item, &boolean) == DECODED)
        return flat_boolean(readings, reading, boolean);
    result = cbor_number(reader, &item, readings, &number); /* maps and arrays fail here */
    return result == DECODED ? flat_number(readings, reading, &number) : result;
}

static enum decoder_result read_pair(struct bulla_cbor_reader *reader, int64_t received,
                                     struct readings *readings, struct text *key)
{
    struct bulla_cbor_item item;
    struct reading reading;
    enum decoder_result result;

    if (bulla_cbor_next(reader, &item) < 0)
        return UNDECODABLE;
    result = cbor_string(reader, &item, BULLA_CBOR_TEXT, readings, key);
    if (result == DECODED)
        result = flat_begin(&reading, *key, received);
    return result == DECODED ? read_value(reader, readings, &reading) : result;
}

enum decoder_result decode_flat_cbor(const uint8_t *plaintext, size_t len, int64_t received,
                                     struct readings *readings)
{
    struct bulla_cbor_reader reader = {plaintext, len == 0 ? plaintext : plaintext + len};
    struct bulla_cbor_item item;
    struct cbor_walk walk;
    struct keys keys;
    enum decoder_result result;
    int more;

    if (bulla_cbor_next(&reader, &item) < 0 || item.major != BULLA_CBOR_MAP)
        return UNDECODABLE;
    walk = cbor_walk_begin(&item);
    result = keys_begin(&keys, &walk, &reader, readings);
    if (result != DECODED)
        return result;
    while ((more = cbor_walk_next(&walk, &reader)) > 0) {
        result = read_pair(&reader, received, readings, &keys.items[keys.count]);
        if (result != DECODED)
            return result;
        keys.count++;
    }
    if (more < 0 || reader.at != reader.end || has_twice(&keys))
        return UNDECODABLE;
    return DECODED;
}
