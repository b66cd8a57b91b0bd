/*
 * Memory for keys: not written to swap (mlock), not part of a core (MADV_DONTDUMP), wiped when it is given
 * back. Where the system allows no more locked memory (RLIMIT_MEMLOCK) it is had all the same, and says so.
 * Two builds: secret_locked.c, and secret_heap.c for sanitizers, which then see each use after it was given
 * back.
 */
#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/failure.h"

/* `size` bytes of zeros, or NULL. `*locked` becomes false if it may be written to swap, and stays otherwise.
 */
void *secret_alloc(size_t size, bool *locked);

/* Wipes and gives back what secret_alloc() gave. NULL is nothing. */
void secret_free(void *memory, size_t size);

struct secret_chunk;

/* Pieces of one size, many to a page. One thread's. */
struct secret_pool {
    size_t size;  /* of a piece: a multiple of its alignment */
    bool locked;  /* all of it, so far */
    void *unused; /* a list */
    struct secret_chunk *chunks;
};

void secret_pool_init(struct secret_pool *pool, size_t size);

/* A piece of zeros, or NULL when memory is out. */
void *secret_take(struct secret_pool *pool);

/* Wipes a piece and keeps it for the next one. */
void secret_give(struct secret_pool *pool, void *piece);

/* Gives all memory back. Every piece was given back before. */
void secret_pool_wipe(struct secret_pool *pool);

#endif
