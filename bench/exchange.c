#include "bench/exchange.h"

#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

uint32_t *exchange_latencies(const struct exchange *exchanges, size_t count)
{
    uint32_t *latencies = malloc((count > 0 ? count : 1) * sizeof(*latencies));

    if (latencies == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        latencies[i] = exchanges[i].latency;
    qsort(latencies, count, sizeof(*latencies), compare);
    return latencies;
}
