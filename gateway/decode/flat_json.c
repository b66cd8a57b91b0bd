#include "gateway/decode/flat.h"
#include "gateway/decode/json_value.h"

#include <string.h>

static enum decoder_result read_member(const struct text *name, const json_t *value, int64_t received,
                                       struct readings *readings)
{
    struct reading reading;
    struct number number;
    struct text string;
    enum decoder_result result = flat_begin(&reading, *name, received);

    if (result != DECODED || json_is_null(value))
        return result;
    if (json_is_boolean(value))
        return flat_boolean(readings, &reading, json_is_true(value));
    if (json_is_number(value)) {
        result = json_value_number(value, &number);
        return result == DECODED ? flat_number(readings, &reading, &number) : result;
    }
    result = json_value_text(value, readings, &string); /* objects and arrays fail here */
    return result == DECODED ? flat_string(readings, &reading, READING_TEXT, string) : result;
}

enum decoder_result flat_json(const json_t *object, int64_t received, struct readings *readings)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return UNDECODABLE;
    json_object_foreach((json_t *)object, key, value) /* changes nothing */
    {
        struct text name;
        enum decoder_result result = readings_copy(readings, key, strlen(key), &name);
        if (result == DECODED)
            result = read_member(&name, value, received, readings);
        if (result != DECODED)
            return result;
    }
    return DECODED;
}

enum decoder_result decode_flat_json(const uint8_t *plaintext, size_t len, int64_t received,
                                     struct readings *readings)
{
    json_t *root;
    enum decoder_result result = json_value_parse(plaintext, len, &root);

    if (result != DECODED)
        return result;
    result = flat_json(root, received, readings);
    json_decref(root);
    return result;
}
