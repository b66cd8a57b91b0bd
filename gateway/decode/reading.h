/*
 * A reading as the stores take it: one resolved SenML record (RFC 8428 4.6) or its like.
 */
#ifndef READING_H
#define READING_H

#include <stddef.h>
#include <stdint.h>

/* X(name, text): the type of a reading's value. The text stands in databases: never change one. */
#define READING_TYPES(X)                                                                                     \
    X(READING_REAL, "real")       /* real: finite */                                                         \
    X(READING_INTEGER, "integer") /* integer */                                                              \
    X(READING_BOOLEAN, "boolean") /* integer: 0 or 1 */                                                      \
    X(READING_TEXT, "text") /* bytes: UTF-8; also NaN, Infinity and numbers too large for an integer */      \
    X(READING_DATA, "data") /* bytes: SenML's data value */                                                  \
    X(READING_SUM, "sum")   /* real: SenML's sum */                                                          \
    X(READING_PAYLOAD,                                                                                       \
      "payload") /* bytes: a whole plaintext in a content-format that is not decoded; name is "" */          \
    X(READING_UNDECODED,                                                                                     \
      "undecoded") /* bytes: a whole plaintext that should decode, and did not; name is "" */

enum reading_type {
#define READING_TYPE_ENUM(name, text) name,
    READING_TYPES(READING_TYPE_ENUM)
#undef READING_TYPE_ENUM
        READING_TYPE_COUNT
};

const char *reading_type_text(enum reading_type type);

/* Strings point into the message's plaintext or the list's arena; `name` and `unit` are UTF-8, not
 * zero-terminated. */
struct reading {
    const char *name;
    const char *unit; /* unit_len 0: none */
    size_t name_len;
    size_t unit_len;
    enum reading_type type;
    uint16_t format; /* the content-format of the message, for READING_PAYLOAD and READING_UNDECODED */
    int64_t time;    /* microseconds since 1970 */
    union {
        double real;
        int64_t integer;
        struct {
            const uint8_t *at;
            size_t len;
        } bytes;
    } value;
};

#endif
