/*
 * What a fuzz target must find true.
 */
#ifndef BULLA_FUZZ_REQUIRE_H
#define BULLA_FUZZ_REQUIRE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(int holds)
{
    if (!holds)
        abort();
}

#endif
