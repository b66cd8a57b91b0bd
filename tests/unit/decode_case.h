/*
 * Cases for gateway/decode: a plaintext and its readings, written as
 *
 *     name [unit] type:value @time
 *
 * a line each, where the time is "now" (when the message was received) or microseconds since 1970.
 */
#ifndef BULLA_TESTS_DECODE_CASE_H
#define BULLA_TESTS_DECODE_CASE_H

#include <stddef.h>
#include <stdint.h>

#define NOW INT64_C(1700000000000000)

#define TEXT       0
#define BYTES      42
#define JSON       50
#define CBOR       60
#define SENML_JSON 110
#define SENML_CBOR 112

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What an undecoded plaintext is expected to give. */
#define UNDECODED "undecoded"

struct bytes {
    uint8_t at[16384];
    size_t len;
};

/* Hexadecimal digits with space between them as one likes. */
void from_hex(struct bytes *bytes, const char *hex);

/* Decodes a plaintext, and fails unless it gives the expected readings; `what` names it in the failure. */
void check_bytes(const char *what, uint16_t format, const struct bytes *given, const char *expected);

struct hex_case {
    const char *what;
    const char *hex;
    const char *expected;
};

void check_hex(uint16_t format, const struct hex_case *cases, size_t count);

struct text_case {
    const char *text;
    const char *expected;
};

void check_text(uint16_t format, const struct text_case *cases, size_t count);

#endif
