/*
 * Configuration files: `key = value` lines, # or ; before a comment, blank lines, at most one kind of
 * section. libinih splits the lines; what it would let pass is refused here, with the number of the line.
 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stddef.h>

#include "gateway/failure.h"

#define CONFIG_FILE_MAX 65536 /* bytes of a file */
#define CONFIG_LINE_MAX 4000  /* bytes of a line, without its end */

/*
 * Takes an entry; key and value last until it returns, blanks around them are gone. Returns 0, or -1 with
 * what is wrong with it: the reader puts file and line in front.
 */
typedef int config_taker(void *context, unsigned line, const char *key, const char *value,
                         struct failure *failure);

struct config_reader {
    const char *path; /* for the errors */
    const char
        *section; /* entries stand under [section], or before any section; every other one is refused */
    config_taker *take;
    void *context;
};

/*
 * Reads `len` bytes of a file, entry by entry, up to the first error. Does no I/O. Returns 0, or -1 with
 * "FILE:LINE: ", what is wrong and what to do. Not from two threads at a time: libinih's settings are global.
 */
MUST_CHECK int config_parse(const struct config_reader *reader, const char *bytes, size_t len,
                            struct failure *failure);

/*
 * Opens reader->path and reads it with config_parse(). Refuses what is not a plain file or longer than
 * CONFIG_FILE_MAX; for root also a file that others may write.
 */
MUST_CHECK int config_load(const struct config_reader *reader, struct failure *failure);

/* Whether a value comes out of a file as it was put in: no blanks around it, no control characters, not too
 * long for a line with such a key. */
MUST_CHECK int config_can_hold(const char *key, const char *value, struct failure *failure);

#endif
