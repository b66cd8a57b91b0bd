/*
 * Plaintexts that are not JSON: the first byte picks the content-format, the rest is the plaintext.
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

/* The readings of one plaintext, behind one that was there before. */
static void check(const struct readings *readings, uint16_t format, const uint8_t *plaintext, size_t len)
{
    const struct reading *last = &readings->items[readings->count - 1];

    require(readings->count > 1 || format == 112); /* a pack of base fields alone has no reading */
    for (size_t i = 0; i < readings->count; i++)
        require(reading_broken(&readings->items[i]) == NULL);
    for (size_t i = 1; i < readings->count; i++) {
        if (!reading_is_whole(&readings->items[i]))
            continue;
        require(i == 1 && readings->count == 2);
        require(last->value.bytes.at == plaintext && last->value.bytes.len == len && last->format == format);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t formats[] = {112, 60, 0, 42};
    static struct readings readings;
    uint16_t format;

    if (size == 0)
        return 0;
    format = formats[data[0] % (sizeof(formats) / sizeof(formats[0]))];
    readings_reset(&readings);
    require(decode(42, data, 1, RECEIVED, &readings) == 0);
    require(decode(format, data + 1, size - 1, RECEIVED, &readings) == 0);
    check(&readings, format, data + 1, size - 1);
    return 0;
}
