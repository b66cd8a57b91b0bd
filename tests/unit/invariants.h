/*
 * What holds of every reading, whatever the plaintext was: for tests and fuzz targets.
 */
#ifndef INVARIANTS_H
#define INVARIANTS_H

#include "gateway/decode/decoder.h"
#include "gateway/decode/utf8.h"

#include <math.h>

static inline int reading_is_whole(const struct reading *reading)
{
    return reading->type == READING_PAYLOAD || reading->type == READING_UNDECODED;
}

static inline int reading_value_holds(const struct reading *reading)
{
    switch (reading->type) {
    case READING_REAL:
    case READING_SUM:
        return isfinite(reading->value.real);
    case READING_BOOLEAN:
        return reading->value.integer == 0 || reading->value.integer == 1;
    case READING_TEXT:
        return utf8_is_text((const char *)reading->value.bytes.at, reading->value.bytes.len);
    default:
        return (unsigned)reading->type < READING_TYPE_COUNT;
    }
}

/* NULL, or what does not hold. */
static inline const char *reading_broken(const struct reading *reading)
{
    if (reading->name == NULL || reading->unit == NULL)
        return "a string is NULL";
    if (reading_is_whole(reading) != (reading->name_len == 0))
        return "a whole plaintext has a name, or another reading none";
    if (reading->name_len > DECODER_NAME_MAX || !utf8_is_plain(reading->name, reading->name_len))
        return "the name";
    if (reading->unit_len > DECODER_NAME_MAX || !utf8_is_plain(reading->unit, reading->unit_len))
        return "the unit";
    return reading_value_holds(reading) ? NULL : "the value";
}

#endif
