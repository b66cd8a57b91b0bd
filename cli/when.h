/*
 * Times, as people write and read them. Everything is in microseconds since 1970, UTC.
 */
#ifndef WHEN_H
#define WHEN_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

#define WHEN_TEXT_SIZE 40 /* bytes that when_format() needs, with the terminating zero */

int64_t when_now(void);

/*
 * Reads RFC 3339 (2026-11-21T22:13:05.5+01:00), a date (midnight UTC), Unix seconds, "now", or a time ago
 * (30s, 10m, 2h, 7d, 4w). Returns 0, or -1 if it is none of them.
 */
MUST_CHECK int when_parse(const char *text, int64_t now, int64_t *micros);

/* Writes RFC 3339 in UTC, with as many digits after the second as it takes. Returns the length. */
size_t when_format(char out[WHEN_TEXT_SIZE], int64_t micros);

#endif
