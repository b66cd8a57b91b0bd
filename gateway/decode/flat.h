/*
 * A flat object or map: each member is a reading, named as the member, taken when the message was received.
 */
#ifndef FLAT_H
#define FLAT_H

#include <jansson.h>

#include "gateway/decode/number.h"

/* Begins a reading. Fails unless the name is 1 to DECODER_NAME_MAX bytes of text without control characters.
 */
enum decoder_result flat_begin(struct reading *reading, struct text name, int64_t received);

/* Append the reading with its value. */
enum decoder_result flat_number(struct readings *readings, struct reading *reading,
                                const struct number *number);
enum decoder_result flat_boolean(struct readings *readings, struct reading *reading, int boolean);
enum decoder_result flat_string(struct readings *readings, struct reading *reading, enum reading_type type,
                                struct text string);

/* Appends a reading for each member of a JSON object. May leave some behind when it fails. */
enum decoder_result flat_json(const json_t *object, int64_t received, struct readings *readings);

#endif
