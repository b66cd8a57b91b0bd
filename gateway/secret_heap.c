/* For builds with sanitizers: each piece by itself, so that they see what is used after it was given back. */
#include "gateway/secret.h"

#include <stdlib.h>
#include <string.h>

#include "device/crypto.h"

void *secret_alloc(size_t size, bool *locked)
{
    *locked = false;
    return calloc(1, size);
}

void secret_free(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    bulla_wipe(memory, size);
    free(memory);
}

void secret_pool_init(struct secret_pool *pool, size_t size)
{
    memset(pool, 0, sizeof(*pool));
    pool->size = size;
}

void *secret_take(struct secret_pool *pool)
{
    return secret_alloc(pool->size, &pool->locked);
}

void secret_give(struct secret_pool *pool, void *piece)
{
    secret_free(piece, pool->size);
}

void secret_pool_wipe(struct secret_pool *pool)
{
    (void)pool;
}
