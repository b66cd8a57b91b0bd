/*
 * Plaintexts of JSON, which are decoded both as SenML and as a flat object.
 */
#include "tests/unit/invariants.h"

#include <stdlib.h>

#define RECEIVED INT64_C(1700000000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check(const struct readings *readings, uint16_t format)
{
    require(readings->count > 0 || format == 110); /* a pack of base fields alone has no reading */
    for (size_t i = 0; i < readings->count; i++) {
        require(reading_broken(&readings->items[i]) == NULL);
        require(!reading_is_whole(&readings->items[i]) || readings->count == 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t formats[] = {110, 50};
    static struct readings readings;

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        readings_reset(&readings);
        require(decode(formats[i], data, size, RECEIVED, &readings) == 0);
        check(&readings, formats[i]);
    }
    return 0;
}
