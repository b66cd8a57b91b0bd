/*
 * JSON (RFC 8259) by jansson, with what plaintexts need around it.
 */
#ifndef JSON_VALUE_H
#define JSON_VALUE_H

#include "gateway/decode/number.h"

#include <jansson.h>

/*
 * Parses an object or array of at most DECODER_DEPTH levels; members with the same name are refused. The
 * caller frees
 * `*root` with json_decref().
 */
enum decoder_result json_value_parse(const uint8_t *plaintext, size_t len, json_t **root);

/* The same for any value: also a number, a string, true, false or null. */
enum decoder_result json_value_parse_any(const uint8_t *plaintext, size_t len, json_t **root);

/* An integer or a real. */
enum decoder_result json_value_number(const json_t *value, struct number *number);

/* A string, copied into the arena. */
enum decoder_result json_value_text(const json_t *value, struct readings *readings, struct text *text);

#endif
