#include "heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "support.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len)   ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

#define LEAST 32u /* bytes of the smallest piece, its head included */
#define KINDS 13  /* up to 128 KiB; what is larger is the usual heap's */
#define BLOCK (1u << 20)
#define USUAL KINDS

/* In front of every piece. */
struct head {
    uint32_t kind;
    uint32_t len;      /* that was asked for */
    struct head *next; /* free ones of a kind */
};

struct heap {
    struct head *unused[KINDS];
    uint8_t *block;
    size_t left;
};

static struct heap heap; /* SQLite's functions get no context */

static size_t size_of(uint32_t kind)
{
    return (size_t)LEAST << kind;
}

static struct head *cut(uint32_t kind)
{
    struct head *head;

    if (heap.left < size_of(kind)) {
        heap.block = malloc(BLOCK); /* what is left of the old one is left; all of it stays until the end */
        if (heap.block == NULL)
            return NULL;
        heap.left = BLOCK;
        ASAN_POISON_MEMORY_REGION(heap.block, BLOCK);
    }
    head = (struct head *)(void *)heap.block;
    heap.block += size_of(kind);
    heap.left -= size_of(kind);
    return head;
}

static struct head *take(uint32_t kind, size_t len)
{
    struct head *head;

    if (kind == USUAL)
        return malloc(sizeof(*head) + len);
    head = heap.unused[kind];
    if (head != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(head, sizeof(*head));
        heap.unused[kind] = head->next;
        return head;
    }
    return cut(kind);
}

static void *heap_malloc(int len)
{
    uint32_t kind = 0;
    struct head *head;

    while (kind < USUAL && size_of(kind) < sizeof(*head) + (size_t)len)
        kind++;
    head = take(kind, (size_t)len);
    if (head == NULL)
        return NULL;
    ASAN_UNPOISON_MEMORY_REGION(head, sizeof(*head) + (size_t)len);
    *head = (struct head){.kind = kind, .len = (uint32_t)len};
    return head + 1;
}

static struct head *head_of(void *piece)
{
    return (struct head *)piece - 1;
}

static void heap_free(void *piece)
{
    struct head *head = head_of(piece);
    uint32_t kind = head->kind;

    if (kind == USUAL) {
        free(head);
        return;
    }
    head->next = heap.unused[kind];
    heap.unused[kind] = head;
    ASAN_POISON_MEMORY_REGION(head, size_of(kind));
}

static int heap_size(void *piece)
{
    return piece == NULL ? 0 : (int)head_of(piece)->len;
}

static void *heap_realloc(void *piece, int len)
{
    void *wider = heap_malloc(len);
    int old = heap_size(piece);

    if (wider == NULL)
        return NULL;
    memcpy(wider, piece, (size_t)(old < len ? old : len));
    heap_free(piece);
    return wider;
}

static int heap_round_up(int len)
{
    return (len + 7) & ~7;
}

static int heap_init(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void heap_shut_down(void *context)
{
    (void)context;
}

void heap_use(void)
{
    static const struct sqlite3_mem_methods methods = {
        heap_malloc, heap_free, heap_realloc, heap_size, heap_round_up, heap_init, heap_shut_down, NULL,
    };

    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0), SQLITE_OK);
}
