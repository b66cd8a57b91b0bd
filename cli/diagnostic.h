/*
 * CBOR in diagnostic notation (RFC 8949 8), for people. The bytes may be any.
 *
 * What was not written in the fewest bytes carries an encoding indicator (RFC 8949 8.1): 1_1, 1.5_3, [_0 1].
 * Floats stand as RFC 8949 appendix A writes them: with a point, and always the shortest decimal that reads
 * back as the same number. Tags stay tags, bignums too: 2(h'010000000000000000').
 */
#ifndef DIAGNOSTIC_H
#define DIAGNOSTIC_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gateway/failure.h"

#define DIAGNOSTIC_DEPTH 32 /* levels that are followed */

/* Where the bytes stop being CBOR that can be shown, and why. */
struct diagnostic_stop {
    size_t at; /* offset */
    const char *why;
};

/*
 * Prints the first item of `len` bytes. Returns how many bytes it takes, or -1 with `stop`: what stands
 * before is printed then, brackets open. Neither allocates nor keeps anything; recursion is bounded by
 * DIAGNOSTIC_DEPTH.
 */
MUST_CHECK long diagnostic_print(FILE *out, const uint8_t *bytes, size_t len, struct diagnostic_stop *stop);

#endif
