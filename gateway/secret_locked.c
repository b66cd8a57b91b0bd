#include "gateway/secret.h"

#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#include "device/crypto.h"

#define CHUNK_SIZE 65536 /* bytes mapped at a time; whole pages everywhere */

/* At the beginning of each chunk. */
struct secret_chunk {
    struct secret_chunk *next;
    _Alignas(max_align_t) unsigned char pieces[];
};

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

void *secret_alloc(size_t size, bool *locked)
{
    size_t len = whole_pages(size);
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, len, MADV_DONTDUMP);
    if (mlock(memory, len) != 0)
        *locked = false;
    return memory;
}

void secret_free(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    bulla_wipe(memory, size);
    munmap(memory, whole_pages(size));
}

void secret_pool_init(struct secret_pool *pool, size_t size)
{
    memset(pool, 0, sizeof(*pool));
    pool->size = size;
    pool->locked = true;
}

/* Maps one chunk more and puts its pieces on the list. */
static int grow(struct secret_pool *pool)
{
    struct secret_chunk *chunk = secret_alloc(CHUNK_SIZE, &pool->locked);
    size_t count = (CHUNK_SIZE - offsetof(struct secret_chunk, pieces)) / pool->size;

    if (chunk == NULL)
        return -1;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    for (size_t i = count; i-- > 0;) {
        void **piece = (void **)(void *)(chunk->pieces + i * pool->size);
        *piece = pool->unused;
        pool->unused = piece;
    }
    return 0;
}

void *secret_take(struct secret_pool *pool)
{
    void **piece;

    if (pool->unused == NULL && grow(pool) < 0)
        return NULL;
    piece = pool->unused;
    pool->unused = *piece;
    *piece = NULL; /* the rest is zero: it never was anything else, or it was wiped */
    return piece;
}

void secret_give(struct secret_pool *pool, void *piece)
{
    bulla_wipe(piece, pool->size);
    *(void **)piece = pool->unused;
    pool->unused = piece;
}

void secret_pool_wipe(struct secret_pool *pool)
{
    while (pool->chunks != NULL) {
        struct secret_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        secret_free(chunk, CHUNK_SIZE);
    }
    pool->unused = NULL;
}
