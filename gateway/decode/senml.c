#include "gateway/decode/senml.h"
#include "gateway/decode/utf8.h"

#include <math.h>
#include <string.h>

#define BIT(field) (1u << (field))

#define BASE_FIELDS                                                                                          \
    (BIT(SENML_BASE_NAME) | BIT(SENML_BASE_TIME) | BIT(SENML_BASE_UNIT) | BIT(SENML_BASE_VALUE) |            \
     BIT(SENML_BASE_SUM) | BIT(SENML_BASE_VERSION))
#define VALUE_FIELDS                                                                                         \
    (BIT(SENML_VALUE) | BIT(SENML_STRING_VALUE) | BIT(SENML_BOOLEAN_VALUE) | BIT(SENML_DATA_VALUE))

/* The highest version there is (RFC 8428 4.1). */
#define VERSION 10

/* Times below it are relative to now (RFC 8428 4.5.3). In microseconds. */
#define ABSOLUTE_TIME (((int64_t)1 << 28) * 1000000)

/* RFC 8428 4.3, table 1. */
static const struct {
    char label[5];
    uint8_t len;
    uint8_t kind;
} fields[SENML_FIELDS] = {
    [SENML_BASE_SUM] = {"bs", 2, SENML_NUMBER},
    [SENML_BASE_VALUE] = {"bv", 2, SENML_NUMBER},
    [SENML_BASE_UNIT] = {"bu", 2, SENML_TEXT},
    [SENML_BASE_TIME] = {"bt", 2, SENML_NUMBER},
    [SENML_BASE_NAME] = {"bn", 2, SENML_TEXT},
    [SENML_BASE_VERSION] = {"bver", 4, SENML_NUMBER},
    [SENML_NAME] = {"n", 1, SENML_TEXT},
    [SENML_UNIT] = {"u", 1, SENML_TEXT},
    [SENML_VALUE] = {"v", 1, SENML_NUMBER},
    [SENML_STRING_VALUE] = {"vs", 2, SENML_TEXT},
    [SENML_BOOLEAN_VALUE] = {"vb", 2, SENML_BOOLEAN},
    [SENML_SUM] = {"s", 1, SENML_NUMBER},
    [SENML_TIME] = {"t", 1, SENML_NUMBER},
    [SENML_UPDATE_TIME] = {"ut", 2, SENML_NUMBER},
    [SENML_DATA_VALUE] = {"vd", 2, SENML_DATA},
};

enum senml_field senml_field_of_integer(int64_t label)
{
    if (label < -6 || label >= SENML_FIELDS - 6)
        return SENML_IGNORED;
    return (enum senml_field)(label + 6);
}

enum senml_field senml_field_of_text(struct text label)
{
    for (unsigned i = 0; i < SENML_FIELDS; i++) {
        if (fields[i].len == label.len && memcmp(fields[i].label, label.at, label.len) == 0)
            return (enum senml_field)i;
    }
    return label.len > 0 && label.at[label.len - 1] == '_' ? SENML_REFUSED : SENML_IGNORED;
}

enum senml_kind senml_kind(enum senml_field field)
{
    return (enum senml_kind)fields[field].kind;
}

int senml_mark(struct senml_record *record, enum senml_field field)
{
    if ((record->present & BIT(field)) != 0)
        return -1;
    record->present |= BIT(field);
    return 0;
}

static int has(const struct senml_record *record, enum senml_field field)
{
    return (record->present & BIT(field)) != 0;
}

static int in_effect(const struct senml_pack *pack, enum senml_field field)
{
    return (pack->present & BIT(field)) != 0;
}

void senml_begin(struct senml_pack *pack, int64_t received, struct readings *readings)
{
    pack->readings = readings;
    pack->received = received;
    pack->present = 0;
    pack->base_name = (struct text){"", 0};
    pack->base_unit = (struct text){"", 0};
    pack->base_time = 0;
}

/* RFC 8428 4.1: a positive integer; 4.4: a pack of a version that we do not know is not used. */
static int version_is_known(const struct number *version)
{
    return version->kind == NUMBER_INTEGER && version->integer >= 1 && version->integer <= VERSION;
}

static int unit_is_allowed(struct text unit)
{
    return unit.len <= DECODER_NAME_MAX && utf8_is_plain(unit.at, unit.len);
}

/* RFC 8428 4: base fields apply to this record and all after it, up to the next that has the same one. */
static enum decoder_result take_base_fields(struct senml_pack *pack, const struct senml_record *record)
{
    if ((record->present & BASE_FIELDS) == 0)
        return DECODED;
    if (has(record, SENML_BASE_VERSION) && !version_is_known(&record->values[SENML_BASE_VERSION].number))
        return UNDECODABLE;
    if (has(record, SENML_BASE_NAME))
        pack->base_name = record->values[SENML_BASE_NAME].text;
    if (has(record, SENML_BASE_UNIT))
        pack->base_unit = record->values[SENML_BASE_UNIT].text;
    if (has(record, SENML_BASE_VALUE))
        pack->base_value = record->values[SENML_BASE_VALUE].number;
    if (has(record, SENML_BASE_SUM))
        pack->base_sum = record->values[SENML_BASE_SUM].number;
    pack->present |= record->present & BASE_FIELDS;
    if (!unit_is_allowed(pack->base_unit))
        return UNDECODABLE;
    if (has(record, SENML_BASE_TIME))
        return number_microseconds(&record->values[SENML_BASE_TIME].number, &pack->base_time);
    return DECODED;
}

static int is_alphanumeric(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static int is_name_character(char c)
{
    return is_alphanumeric(c) || c == '-' || c == ':' || c == '.' || c == '/' || c == '_';
}

/* RFC 8428 4.5.1, and a bound. */
static int name_is_allowed(const char *name, size_t len)
{
    if (len == 0 || len > DECODER_NAME_MAX || !is_alphanumeric(name[0]))
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (!is_name_character(name[i]))
            return 0;
    }
    return 1;
}

static enum decoder_result resolve_name(struct senml_pack *pack, const struct senml_record *record,
                                        struct reading *reading)
{
    struct text name = has(record, SENML_NAME) ? record->values[SENML_NAME].text : (struct text){"", 0};
    struct text joined = name;

    if (name.len > DECODER_NAME_MAX || pack->base_name.len > DECODER_NAME_MAX)
        return UNDECODABLE;
    if (name.len == 0) {
        joined = pack->base_name;
    } else if (pack->base_name.len > 0) {
        char *at = readings_take(pack->readings, pack->base_name.len + name.len);
        if (at == NULL)
            return OUT_OF_MEMORY;
        memcpy(at, pack->base_name.at, pack->base_name.len);
        memcpy(at + pack->base_name.len, name.at, name.len);
        joined = (struct text){at, pack->base_name.len + name.len};
    }
    reading->name = joined.at;
    reading->name_len = joined.len;
    return name_is_allowed(joined.at, joined.len) ? DECODED : UNDECODABLE;
}

static enum decoder_result resolve_unit(const struct senml_pack *pack, const struct senml_record *record,
                                        struct reading *reading)
{
    struct text unit = has(record, SENML_UNIT) ? record->values[SENML_UNIT].text : pack->base_unit;

    reading->unit = unit.at;
    reading->unit_len = unit.len;
    return unit_is_allowed(unit) ? DECODED : UNDECODABLE;
}

/* RFC 8428 4.5.3. */
static enum decoder_result resolve_time(const struct senml_pack *pack, const struct senml_record *record,
                                        struct reading *reading)
{
    int64_t time = 0;

    if (has(record, SENML_TIME) && number_microseconds(&record->values[SENML_TIME].number, &time) != DECODED)
        return UNDECODABLE;
    if (__builtin_add_overflow(time, pack->base_time, &time))
        return UNDECODABLE;
    if (time < ABSOLUTE_TIME && __builtin_add_overflow(time, pack->received, &time))
        return UNDECODABLE;
    reading->time = time;
    return DECODED;
}

/* RFC 8428 4.5.4: base and value are added; what is missing counts as zero. */
static enum decoder_result resolve_number(const struct number *base, const struct number *value,
                                          struct number *number)
{
    if (base != NULL && value != NULL)
        return number_add(base, value, number);
    *number = base != NULL ? *base : *value;
    return DECODED;
}

static enum decoder_result add_number(struct senml_pack *pack, const struct senml_record *record,
                                      struct reading *reading)
{
    struct number number;

    if (resolve_number(in_effect(pack, SENML_BASE_VALUE) ? &pack->base_value : NULL,
                       has(record, SENML_VALUE) ? &record->values[SENML_VALUE].number : NULL,
                       &number) != DECODED)
        return UNDECODABLE;
    number_into(&number, reading);
    return readings_append(pack->readings, reading);
}

static enum decoder_result add_string(struct senml_pack *pack, struct text string, enum reading_type type,
                                      struct reading *reading)
{
    reading->type = type;
    reading->value.bytes.at = (const uint8_t *)string.at;
    reading->value.bytes.len = string.len;
    return readings_append(pack->readings, reading);
}

static enum decoder_result add_boolean(struct senml_pack *pack, int boolean, struct reading *reading)
{
    reading->type = READING_BOOLEAN;
    reading->value.integer = boolean;
    return readings_append(pack->readings, reading);
}

static enum decoder_result add_sum(struct senml_pack *pack, const struct senml_record *record,
                                   struct reading *reading)
{
    struct number number;

    if (resolve_number(in_effect(pack, SENML_BASE_SUM) ? &pack->base_sum : NULL,
                       has(record, SENML_SUM) ? &record->values[SENML_SUM].number : NULL, &number) != DECODED)
        return UNDECODABLE;
    reading->type = READING_SUM;
    reading->value.real = number_real(&number);
    if (!isfinite(reading->value.real))
        return UNDECODABLE;
    return readings_append(pack->readings, reading);
}

/*
 * RFC 8428 4.2: at most one value, and none only beside a sum; 4.5.4: a missing value counts as zero where
 * there is a base value. Beside a sum of its own a record without a value has none.
 */
static enum decoder_result add_value(struct senml_pack *pack, const struct senml_record *record,
                                     struct reading *reading)
{
    switch (record->present & VALUE_FIELDS) {
    case BIT(SENML_VALUE):
        return add_number(pack, record, reading);
    case BIT(SENML_STRING_VALUE):
        return add_string(pack, record->values[SENML_STRING_VALUE].text, READING_TEXT, reading);
    case BIT(SENML_BOOLEAN_VALUE):
        return add_boolean(pack, record->values[SENML_BOOLEAN_VALUE].boolean, reading);
    case BIT(SENML_DATA_VALUE):
        return add_string(pack, record->values[SENML_DATA_VALUE].text, READING_DATA, reading);
    case 0:
        if (has(record, SENML_SUM))
            return DECODED;
        if (in_effect(pack, SENML_BASE_VALUE))
            return add_number(pack, record, reading);
        return in_effect(pack, SENML_BASE_SUM) ? DECODED : UNDECODABLE;
    default:
        return UNDECODABLE;
    }
}

enum decoder_result senml_add(struct senml_pack *pack, const struct senml_record *record)
{
    struct reading reading = {0};
    enum decoder_result result = take_base_fields(pack, record);

    if (result != DECODED || (record->present & ~BASE_FIELDS) == 0)
        return result;
    result = resolve_name(pack, record, &reading);
    if (result == DECODED)
        result = resolve_unit(pack, record, &reading);
    if (result == DECODED)
        result = resolve_time(pack, record, &reading);
    if (result == DECODED)
        result = add_value(pack, record, &reading);
    if (result == DECODED && (has(record, SENML_SUM) || in_effect(pack, SENML_BASE_SUM)))
        result = add_sum(pack, record, &reading);
    return result;
}
