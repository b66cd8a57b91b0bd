/*
 * All the heap that mbedTLS has on an emulated core: as many bytes as device/crypto_mbedtls.c says that it
 * takes at most. More fails, and so does the test; so does a block that is not given back.
 */
#include <stdint.h>
#include <string.h>

#include "mbedtls_config.h"

#define HEAP 280

static uint32_t heap[HEAP / sizeof(uint32_t)];
static size_t used;
static unsigned blocks;

void *core_calloc(size_t count, size_t size)
{
    size_t len = (count * size + 3) & ~(size_t)3;
    void *block = (uint8_t *)heap + used;

    if (len > sizeof(heap) - used)
        return NULL;
    memset(block, 0, len);
    used += len;
    blocks++;
    return block;
}

/* What was taken is free again when all of it was given back. */
void core_free(void *block)
{
    if (block != NULL && --blocks == 0)
        used = 0;
}
