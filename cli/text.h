/*
 * Text and numbers on their way out: for a terminal, as JSON, as CSV. What comes in may be any bytes.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gateway/failure.h"

#define TEXT_WHOLE SIZE_MAX /* text_print(): no cut */

#define TEXT_DOUBLE_SIZE 32 /* bytes that text_double() needs, with the terminating zero */

/*
 * The character at the start of `text`. Returns its bytes (1 to 4), or 0 if they are no UTF-8. `len` is at
 * least 1.
 */
size_t text_character(const char *text, size_t len, uint32_t *character);

/*
 * True for what must not reach a terminal as it is: C0, DEL, C1, and the marks that change the direction of
 * writing.
 */
bool text_is_control(uint32_t character);

/*
 * Prints for a terminal: control characters and bytes that are no UTF-8 as \n, \t, \x1b, \u202e; after `most`
 * columns "…" stands for the rest. Returns the columns taken (characters are counted as one).
 */
size_t text_print(FILE *out, const char *text, size_t len, size_t most);

/* Prints a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD. */
void text_json(FILE *out, const char *text, size_t len);

/*
 * Prints a CSV field (RFC 4180), quoted where it must be. `safe`: control characters as text_print() shows
 * them.
 */
void text_csv(FILE *out, const char *text, size_t len, bool safe);

/* Prints bytes as base64url without padding, and as lower-case hex. */
void text_base64url(FILE *out, const uint8_t *bytes, size_t len);
void text_hex(FILE *out, const uint8_t *bytes, size_t len);

/* Writes the shortest decimal that reads back as the same (finite) number. Returns its length. */
size_t text_double(char out[TEXT_DOUBLE_SIZE], double value);

/* Reads hex digits, two a byte. Returns the bytes, or -1 if it is not hex or more than `size`. */
MUST_CHECK int text_parse_hex(const char *text, size_t len, uint8_t *out, size_t size);

#endif
