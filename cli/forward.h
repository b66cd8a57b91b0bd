/*
 * The serial line that bulla forward reads messages from and writes replies to.
 */
#ifndef FORWARD_H
#define FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

/* Speeds in bauds, as they are typed; NULL at the end. A line is opened with the index of one. */
extern const char *const line_speeds[];

struct line {
    const char *path; /* "-": standard input and output */
    unsigned speed;
    int in; /* -1: not open */
    int out;
};

/*
 * Opens the line: raw, 8 bits, no parity, no flow control, locked against a second reader, and without a
 * reset of the board when it is opened the next time. Returns 0 or an errno: EWOULDBLOCK where another
 * process has it, ENOTTY where it is no serial line, or what the system says.
 */
MUST_CHECK int line_open(struct line *line);

/* Also closes what did not open, or is closed. */
void line_close(struct line *line);

/* Reads what is there. Returns its bytes, 0 if there is nothing yet, -1 when the line is gone or at its end.
 */
MUST_CHECK int line_read(struct line *line, void *buffer, size_t size);

/* Writes what it takes now of `len` bytes. Returns as line_read() does. */
MUST_CHECK int line_write(struct line *line, const void *bytes, size_t len);

#endif
