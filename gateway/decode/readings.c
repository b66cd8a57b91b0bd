#include "gateway/decode/decoder.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE     ((size_t)64 * 1024)
#define FIRST_CAPACITY ((size_t)64)
#define KEPT_CAPACITY  ((size_t)16384) /* readings whose room is kept over a reset */
#define KEPT_CHUNKS    16

/* A piece of the arena. The first of the list is the one being filled. */
struct readings_chunk {
    struct readings_chunk *next;
    size_t size;
    size_t used;
    alignas(max_align_t) uint8_t bytes[];
};

const char *reading_type_text(enum reading_type type)
{
    static const char *const texts[READING_TYPE_COUNT] = {
#define READING_TYPE_TEXT(name, text) [name] = (text),
        READING_TYPES(READING_TYPE_TEXT)
#undef READING_TYPE_TEXT
    };

    return (unsigned)type < READING_TYPE_COUNT ? texts[type] : "?";
}

void readings_init(struct readings *readings)
{
    *readings = (struct readings){0};
}

static void free_chunks(struct readings_chunk *chunk)
{
    while (chunk != NULL) {
        struct readings_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void readings_reset(struct readings *readings)
{
    struct readings_chunk *chunk = readings->chunks;

    readings->count = 0;
    if (readings->capacity > KEPT_CAPACITY) { /* one large batch does not keep its memory for ever */
        free(readings->items);
        readings->items = NULL;
        readings->capacity = 0;
    }
    for (unsigned kept = 1; chunk != NULL; chunk = chunk->next, kept++) {
        chunk->used = 0;
        if (kept == KEPT_CHUNKS) {
            free_chunks(chunk->next);
            chunk->next = NULL;
        }
    }
}

void readings_wipe(struct readings *readings)
{
    free_chunks(readings->chunks);
    free(readings->items);
    readings_init(readings);
}

static int grow(struct readings *readings)
{
    size_t capacity = readings->capacity == 0 ? FIRST_CAPACITY : readings->capacity * 2;
    struct reading *items;

    if (capacity > SIZE_MAX / sizeof(*items))
        return -1;
    items = realloc(readings->items, capacity * sizeof(*items));
    if (items == NULL)
        return -1;
    readings->items = items;
    readings->capacity = capacity;
    return 0;
}

enum decoder_result readings_append(struct readings *readings, const struct reading *reading)
{
    if (readings->count == readings->capacity && grow(readings) < 0)
        return OUT_OF_MEMORY;
    readings->items[readings->count++] = *reading;
    return DECODED;
}

static size_t room(const struct readings_chunk *chunk)
{
    return chunk->size - chunk->used;
}

/* Brings a chunk that has room to the front of the list: one left over from before a reset, or a new one. */
static struct readings_chunk *chunk_with_room(struct readings *readings, size_t len)
{
    struct readings_chunk **link = &readings->chunks;
    struct readings_chunk *chunk;

    while (*link != NULL && room(*link) < len)
        link = &(*link)->next;
    chunk = *link;
    if (chunk != NULL) {
        *link = chunk->next;
    } else {
        size_t size = len > CHUNK_SIZE ? len : CHUNK_SIZE;
        if (size > SIZE_MAX - sizeof(*chunk))
            return NULL;
        chunk = malloc(sizeof(*chunk) + size);
        if (chunk == NULL)
            return NULL;
        chunk->size = size;
        chunk->used = 0;
    }
    chunk->next = readings->chunks;
    readings->chunks = chunk;
    return chunk;
}

void *readings_take(struct readings *readings, size_t len)
{
    const size_t alignment = alignof(max_align_t);
    struct readings_chunk *chunk = readings->chunks;
    size_t rounded;
    void *taken;

    if (len > SIZE_MAX - alignment)
        return NULL;
    rounded = (len + alignment - 1) / alignment * alignment;
    if (chunk == NULL || room(chunk) < rounded) {
        chunk = chunk_with_room(readings, rounded);
        if (chunk == NULL)
            return NULL;
    }
    taken = chunk->bytes + chunk->used;
    chunk->used += rounded;
    return taken;
}

enum decoder_result readings_copy(struct readings *readings, const void *bytes, size_t len, struct text *copy)
{
    char *at;

    copy->at = "";
    copy->len = len;
    if (len == 0)
        return DECODED;
    at = readings_take(readings, len);
    if (at == NULL)
        return OUT_OF_MEMORY;
    memcpy(at, bytes, len);
    copy->at = at;
    return DECODED;
}
