#include "gateway/decode/cbor_value.h"
#include "gateway/decode/senml.h"

static enum decoder_result read_label(struct bulla_cbor_reader *reader, struct readings *readings,
                                      enum senml_field *field)
{
    struct bulla_cbor_item item;
    struct text label;
    enum decoder_result result;

    if (bulla_cbor_next(reader, &item) < 0)
        return UNDECODABLE;
    if (item.major <= BULLA_CBOR_NINT) {
        int64_t argument = item.argument > INT64_MAX ? INT64_MAX : (int64_t)item.argument;
        *field = senml_field_of_integer(item.major == BULLA_CBOR_NINT ? -1 - argument : argument);
        return DECODED;
    }
    result = cbor_string(reader, &item, BULLA_CBOR_TEXT, readings, &label);
    if (result == DECODED)
        *field = senml_field_of_text(label);
    return result;
}

static enum decoder_result read_value(struct bulla_cbor_reader *reader, enum senml_field field,
                                      struct readings *readings, struct senml_record *record)
{
    struct bulla_cbor_item item;

    if (bulla_cbor_next(reader, &item) < 0)
        return UNDECODABLE;
    switch (senml_kind(field)) {
    case SENML_NUMBER:
        return cbor_number(reader, &item, readings, &record->values[field].number);
    case SENML_TEXT:
        return cbor_string(reader, &item, BULLA_CBOR_TEXT, readings, &record->values[field].text);
    case SENML_DATA:
        return cbor_string(reader, &item, BULLA_CBOR_BYTES, readings, &record->values[field].text);
    case SENML_BOOLEAN:
        return cbor_boolean(&item, &record->values[field].boolean);
    }
    return UNDECODABLE;
}

static enum decoder_result read_field(struct bulla_cbor_reader *reader, struct readings *readings,
                                      struct senml_record *record)
{
    enum senml_field field;
    enum decoder_result result = read_label(reader, readings, &field);

    if (result != DECODED)
        return result;
    if (field == SENML_IGNORED)
        return bulla_cbor_skip(reader, DECODER_DEPTH) < 0 ? UNDECODABLE : DECODED;
    if (field == SENML_REFUSED || senml_mark(record, field) < 0)
        return UNDECODABLE;
    return read_value(reader, field, readings, record);
}

static enum decoder_result read_record(struct bulla_cbor_reader *reader, struct readings *readings,
                                       struct senml_record *record)
{
    struct bulla_cbor_item item;
    struct cbor_walk walk;
    int more;

    record->present = 0;
    if (bulla_cbor_next(reader, &item) < 0 || item.major != BULLA_CBOR_MAP)
        return UNDECODABLE;
    walk = cbor_walk_begin(&item);
    while ((more = cbor_walk_next(&walk, reader)) > 0) {
        enum decoder_result result = read_field(reader, readings, record);
        if (result != DECODED)
            return result;
    }
    return more < 0 ? UNDECODABLE : DECODED;
}

enum decoder_result decode_senml_cbor(const uint8_t *plaintext, size_t len, int64_t received,
                                      struct readings *readings)
{
    struct bulla_cbor_reader reader = {plaintext, len == 0 ? plaintext : plaintext + len};
    struct bulla_cbor_item item;
    struct senml_pack pack;
    struct senml_record record;
    struct cbor_walk walk;
    size_t records = 0;
    int more;

    senml_begin(&pack, received, readings);
    if (bulla_cbor_next(&reader, &item) < 0 || item.major != BULLA_CBOR_ARRAY)
        return UNDECODABLE;
    walk = cbor_walk_begin(&item);
    while ((more = cbor_walk_next(&walk, &reader)) > 0) {
        enum decoder_result result = read_record(&reader, readings, &record);
        if (result == DECODED)
            result = senml_add(&pack, &record);
        if (result != DECODED)
            return result;
        records++;
    }
    /* RFC 8428 11: a pack has at least one record. */
    return more < 0 || reader.at != reader.end || records == 0 ? UNDECODABLE : DECODED;
}
