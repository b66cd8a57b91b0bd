#include "gateway/decode/json_value.h"
#include "gateway/decode/utf8.h"

/*
 * Whether brackets nest at most DECODER_DEPTH deep: jansson recurses up to 2048 levels, which a small stack
 * may not bear. Only strings need care; whether it is JSON is for jansson to say.
 */
static int is_shallow(const uint8_t *at, size_t len)
{
    size_t depth = 0;
    int in_string = 0;

    for (size_t i = 0; i < len; i++) {
        if (at[i] == '"')
            in_string = !in_string;
        else if (in_string && at[i] == '\\')
            i++;
        else if (!in_string && (at[i] == '[' || at[i] == '{') && ++depth > DECODER_DEPTH)
            return 0;
        else if (!in_string && (at[i] == ']' || at[i] == '}') && depth > 0)
            depth--;
    }
    return 1;
}

static enum decoder_result parse(const uint8_t *plaintext, size_t len, size_t flags, json_t **root)
{
    json_error_t error;

    if (len == 0 || !is_shallow(plaintext, len))
        return UNDECODABLE;
    *root = json_loadb((const char *)plaintext, len, JSON_REJECT_DUPLICATES | flags, &error);
    if (*root != NULL)
        return DECODED;
    return json_error_code(&error) == json_error_out_of_memory ? OUT_OF_MEMORY : UNDECODABLE;
}

enum decoder_result json_value_parse(const uint8_t *plaintext, size_t len, json_t **root)
{
    return parse(plaintext, len, 0, root);
}

enum decoder_result json_value_parse_any(const uint8_t *plaintext, size_t len, json_t **root)
{
    return parse(plaintext, len, JSON_DECODE_ANY, root);
}

enum decoder_result json_value_number(const json_t *value, struct number *number)
{
    if (json_is_integer(value)) {
        number->kind = NUMBER_INTEGER;
        number->integer = json_integer_value(value);
        return DECODED;
    }
    if (json_is_real(value)) {
        number->kind = NUMBER_DOUBLE;
        number->real = json_real_value(value);
        return DECODED;
    }
    return UNDECODABLE;
}

enum decoder_result json_value_text(const json_t *value, struct readings *readings, struct text *text)
{
    if (!json_is_string(value))
        return UNDECODABLE;
    if (!utf8_is_text(json_string_value(value), json_string_length(value)))
        return UNDECODABLE;
    return readings_copy(readings, json_string_value(value), json_string_length(value), text);
}
