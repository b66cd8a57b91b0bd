/*
 * From an authentic plaintext to readings (PROTOCOL 4.6). What cannot be decoded comes out as one reading of
 * type READING_UNDECODED that holds the plaintext as it came.
 */
#ifndef DECODE_H
#define DECODE_H

#include "gateway/decode/reading.h"
#include "gateway/failure.h"

/*
 * Readings of one batch, and the memory that their strings lie in. Appending may move `items`; use indexes
 * until done. Strings stay where they are until readings_reset().
 */
struct readings {
    struct reading *items;
    size_t count;
    size_t capacity;
    struct readings_chunk *chunks; /* arena */
};

void readings_init(struct readings *readings);
/* Forgets all readings, keeps the memory. */
void readings_reset(struct readings *readings);
void readings_wipe(struct readings *readings);

/*
 * What one message may become: with a base name, a few bytes of a pack make a whole reading. A message that
 * says more is stored as it came.
 */
#define DECODE_READINGS_MAX 1024
#define DECODE_NAMES_MAX    65536 /* bytes of names and units */

/*
 * Appends the readings of one plaintext. `received` (microseconds since 1970) is what relative times count
 * from. The strings may point into `plaintext`, which must stay. Returns 0, or -1 when memory is out (nothing
 * is appended then).
 */
MUST_CHECK int decode(uint16_t content_format, const uint8_t *plaintext, size_t len, int64_t received,
                      struct readings *readings);

#endif
