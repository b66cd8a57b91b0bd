/*
 * Percent-encoding of a path's segment (RFC 3986 2.1).
 */
#ifndef PERCENT_H
#define PERCENT_H

#include <stddef.h>

#include "gateway/failure.h"

/*
 * Decodes a segment into `out` (`size` bytes, zero-terminated). Returns 0, or -1: it does not fit, a % is not
 * followed by two hex digits, or it holds a zero byte.
 */
MUST_CHECK int percent_decode(const char *segment, char *out, size_t size);

#endif
