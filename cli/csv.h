/*
 * A reader of CSV (RFC 4180): fields between commas, in double quotes where they must be, lines ended by CRLF
 * or LF, also inside quotes. It works in the caller's bytes, and allocates nothing.
 */
#ifndef CSV_H
#define CSV_H

#include <stddef.h>

#include "gateway/failure.h"

struct csv_field {
    char *text; /* zero-terminated; it may hold other zero bytes: compare `len` */
    size_t len;
};

struct csv {
    char *at;
    char *end;
    size_t line;     /* that the next record begins in, from 1 */
    size_t record;   /* line that the record read last began in */
    const char *why; /* after -1: what is wrong */
};

/* Begins to read `len` bytes; behind them is one more, which is written to. A byte order mark is skipped. */
void csv_open(struct csv *csv, char *bytes, size_t len);

/*
 * Reads a record of at most `room` fields; empty lines are skipped. Its fields stay where they are. Returns
 * how many, 0 at the end, or -1 if `csv->record` is none: then the rest cannot be read.
 */
MUST_CHECK int csv_next(struct csv *csv, struct csv_field *fields, size_t room);

#endif
