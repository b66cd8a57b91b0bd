/*
 * Arguments that may be secret: as @FILE, or "-" for standard input, they never stand in the list of
 * processes.
 */
#ifndef INPUT_H
#define INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/failure.h"

/* True for "@FILE" and "-". */
bool input_is_indirect(const char *argument);

/*
 * Reads a file, or standard input for "-", whole into `buffer`. Returns its bytes, or -1 with a failure, also
 * where it is longer than `size`. Wipe the buffer after use.
 */
MUST_CHECK int input_file(const char *path, void *buffer, size_t size, struct failure *failure);

/*
 * Reads one line of text, without its end, from @FILE, from standard input, or from the argument itself.
 * Returns its length; `buffer` is zero-terminated.
 */
MUST_CHECK int input_line(const char *argument, char *buffer, size_t size, struct failure *failure);

#endif
