#include "gateway/decode/flat.h"
#include "gateway/decode/utf8.h"

enum decoder_result flat_begin(struct reading *reading, struct text name, int64_t received)
{
    *reading = (struct reading){
        .name = name.at,
        .name_len = name.len,
        .unit = "",
        .time = received,
    };
    if (name.len == 0 || name.len > DECODER_NAME_MAX || !utf8_is_plain(name.at, name.len))
        return UNDECODABLE;
    return DECODED;
}

enum decoder_result flat_number(struct readings *readings, struct reading *reading,
                                const struct number *number)
{
    number_into(number, reading);
    return readings_append(readings, reading);
}

enum decoder_result flat_boolean(struct readings *readings, struct reading *reading, int boolean)
{
    reading->type = READING_BOOLEAN;
    reading->value.integer = boolean;
    return readings_append(readings, reading);
}

enum decoder_result flat_string(struct readings *readings, struct reading *reading, enum reading_type type,
                                struct text string)
{
    reading->type = type;
    reading->value.bytes.at = (const uint8_t *)string.at;
    reading->value.bytes.len = string.len;
    return readings_append(readings, reading);
}
