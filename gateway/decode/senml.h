/*
 * SenML packs (RFC 8428) after their encoding is off: records are resolved (4.6) into readings. The CBOR and
 * the JSON decoder fill in one record after the other and hand each to senml_add().
 */
#ifndef SENML_H
#define SENML_H

#include "gateway/decode/number.h"

/* The fields in the order of their CBOR labels (RFC 8428 6, table 4): a field's number is its label + 6. */
enum senml_field {
    SENML_BASE_SUM,
    SENML_BASE_VALUE,
    SENML_BASE_UNIT,
    SENML_BASE_TIME,
    SENML_BASE_NAME,
    SENML_BASE_VERSION,
    SENML_NAME,
    SENML_UNIT,
    SENML_VALUE,
    SENML_STRING_VALUE,
    SENML_BOOLEAN_VALUE,
    SENML_SUM,
    SENML_TIME,
    SENML_UPDATE_TIME,
    SENML_DATA_VALUE,
    SENML_FIELDS,
    SENML_IGNORED = SENML_FIELDS, /* unknown, to be skipped (RFC 8428 4.4) */
    SENML_REFUSED,                /* unknown, and its label ends with "_" (RFC 8428 4.4) */
};

enum senml_kind {
    SENML_NUMBER,
    SENML_TEXT,
    SENML_BOOLEAN,
    SENML_DATA,
};

/* One record; values[] holds something where the field's bit is set in `present`. */
struct senml_record {
    unsigned present;
    union {
        struct number number;
        struct text text; /* SENML_TEXT, SENML_DATA */
        int boolean;
    } values[SENML_FIELDS];
};

/* Where the decoding of a pack stands: the base fields in effect. */
struct senml_pack {
    struct readings *readings;
    int64_t received;
    unsigned present; /* base fields */
    struct text base_name;
    struct text base_unit;
    int64_t base_time; /* microseconds */
    struct number base_value;
    struct number base_sum;
};

enum senml_field senml_field_of_integer(int64_t label);
enum senml_field senml_field_of_text(struct text label);
enum senml_kind senml_kind(enum senml_field field);

/* Notes that the record has this field. Returns 0, or -1 if it had it already. */
int senml_mark(struct senml_record *record, enum senml_field field);

void senml_begin(struct senml_pack *pack, int64_t received, struct readings *readings);

/* Takes the record's base fields over and appends its readings: none, a value, a sum, or both. */
enum decoder_result senml_add(struct senml_pack *pack, const struct senml_record *record);

#endif
