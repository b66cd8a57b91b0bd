#include "gateway/decode/base64url.h"
#include "gateway/decode/json_value.h"
#include "gateway/decode/senml.h"

#include <string.h>

/* RFC 8428 5: octets are base64 encoded with a URL-safe alphabet, with padding omitted. */
static enum decoder_result read_data(const json_t *value, struct readings *readings, struct text *data)
{
    size_t len = json_string_length(value);
    uint8_t *bytes;
    ptrdiff_t written;

    if (!json_is_string(value))
        return UNDECODABLE;
    bytes = readings_take(readings, len / 4 * 3 + 3);
    if (bytes == NULL)
        return OUT_OF_MEMORY;
    written = base64url_decode(json_string_value(value), len, bytes);
    if (written < 0)
        return UNDECODABLE;
    data->at = (const char *)bytes;
    data->len = (size_t)written;
    return DECODED;
}

static enum decoder_result read_boolean(const json_t *value, int *boolean)
{
    *boolean = json_is_true(value);
    return json_is_boolean(value) ? DECODED : UNDECODABLE;
}

static enum decoder_result read_field(const char *label, const json_t *value, struct readings *readings,
                                      struct senml_record *record)
{
    enum senml_field field = senml_field_of_text((struct text){label, strlen(label)});

    if (field == SENML_IGNORED)
        return DECODED;
    if (field == SENML_REFUSED || senml_mark(record, field) < 0)
        return UNDECODABLE;
    switch (senml_kind(field)) {
    case SENML_NUMBER:
        return json_value_number(value, &record->values[field].number);
    case SENML_TEXT:
        return json_value_text(value, readings, &record->values[field].text);
    case SENML_DATA:
        return read_data(value, readings, &record->values[field].text);
    case SENML_BOOLEAN:
        return read_boolean(value, &record->values[field].boolean);
    }
    return UNDECODABLE;
}

static enum decoder_result read_record(json_t *object, struct readings *readings, struct senml_record *record)
{
    const char *label;
    json_t *value;

    record->present = 0;
    if (!json_is_object(object))
        return UNDECODABLE;
    json_object_foreach(object, label, value)
    {
        enum decoder_result result = read_field(label, value, readings, record);
        if (result != DECODED)
            return result;
    }
    return DECODED;
}

static enum decoder_result read_pack(const json_t *root, int64_t received, struct readings *readings)
{
    struct senml_pack pack;
    struct senml_record record;

    if (!json_is_array(root) || json_array_size(root) == 0)
        return UNDECODABLE;
    senml_begin(&pack, received, readings);
    for (size_t i = 0; i < json_array_size(root); i++) {
        enum decoder_result result = read_record(json_array_get(root, i), readings, &record);
        if (result == DECODED)
            result = senml_add(&pack, &record);
        if (result != DECODED)
            return result;
    }
    return DECODED;
}

enum decoder_result decode_senml_json(const uint8_t *plaintext, size_t len, int64_t received,
                                      struct readings *readings)
{
    json_t *root;
    enum decoder_result result = json_value_parse(plaintext, len, &root);

    if (result != DECODED)
        return result;
    result = read_pack(root, received, readings);
    json_decref(root);
    return result;
}
