/*
 * A number as it stood in a plaintext, before it is known whether it is a value or a time: a single is
 * shortened as a value, and taken exactly as a time.
 */
#ifndef NUMBER_H
#define NUMBER_H

#include "gateway/decode/decoder.h"

enum number_kind {
    NUMBER_INTEGER, /* integer */
    NUMBER_DOUBLE,  /* real: a double, or the double nearest to a decimal */
    NUMBER_SINGLE,  /* real: exactly the single */
    NUMBER_HALF,    /* real: exactly the half */
    NUMBER_WIDE,    /* an integer beyond 64 bits; real: the nearest double, digits: its decimal digits */
};

struct number {
    enum number_kind kind;
    int64_t integer;
    double real;
    struct text digits;
};

/* The value as a double: singles and halves as the shortest decimal that gives them. */
double number_real(const struct number *number);

/* Adds base and value (RFC 8428 4.5.4); integers stay exact where they can. Fails if finite numbers overflow.
 */
enum decoder_result number_add(const struct number *base, const struct number *value, struct number *sum);

/* Seconds to microseconds, rounded to the nearest. Fails for NaN and for what does not fit. */
enum decoder_result number_microseconds(const struct number *number, int64_t *microseconds);

/* Puts the number into a reading: its type and its value. */
void number_into(const struct number *number, struct reading *reading);

/*
 * The double nearest to digits × 10^exponent. `digits` are `len` decimal digits. Independent of the locale.
 * Fails if there are more digits than NUMBER_DIGITS_MAX, or the result is beyond a double.
 */
enum decoder_result number_from_decimal(const char *digits, size_t len, int64_t exponent, double *real);

#define NUMBER_DIGITS_MAX 1024

/*
 * An integer from its magnitude, most significant byte first, of at most NUMBER_BYTES_MAX bytes behind
 * leading zeros; `negative`: the number is -1 - magnitude, as CBOR has it (RFC 8949 3.1, 3.4.3).
 */
enum decoder_result number_from_bytes(const uint8_t *bytes, size_t len, int negative,
                                      struct readings *readings, struct number *number);

#define NUMBER_BYTES_MAX 64

#endif
