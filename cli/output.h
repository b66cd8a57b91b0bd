/*
 * Standard output, with every write checked: what was not written was not done.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/failure.h"

/*
 * Writes out what is buffered. Returns 0, or -1 with the reason (an empty one where the reader has gone
 * away).
 */
MUST_CHECK int output_finish(struct failure *failure);

/* True while what was printed so far could be written: a visitor asks, to stop early. */
bool output_works(void);

/* Writes a secret past the buffer of stdio, where it could not be wiped. */
MUST_CHECK int output_secret(const char *text, size_t len, struct failure *failure);

/*
 * Makes a file for a secret, which only its owner may read, and which must not be there yet. Returns its
 * descriptor, or -1.
 */
MUST_CHECK int output_create(const char *path, struct failure *failure);

/* Writes the secret into that file, durably, and closes it. */
MUST_CHECK int output_secret_file(int fd, const char *path, const char *text, size_t len,
                                  struct failure *failure);

#endif
