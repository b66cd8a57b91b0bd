/*
 * A table for people: rows are gathered, then printed with every column as wide as its widest cell.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "gateway/failure.h"

#define TABLE_COLUMNS_MAX 12

struct table_column {
    const char *title;
    unsigned char most;  /* columns of a cell, at most 250; what is longer is cut */
    unsigned char right; /* 1: numbers, set to the right */
};

struct table {
    const struct table_column *columns;
    size_t count;
    size_t widths[TABLE_COLUMNS_MAX];
    size_t next; /* column that the next cell goes to */
    FILE *cells; /* each as printed, zero-terminated, and a byte with its width + 1 */
    char *memory;
    size_t size;
};

MUST_CHECK int table_begin(struct table *table, const struct table_column *columns, size_t count,
                           struct failure *failure);

/* Cells come row by row. They may hold any bytes (text_print). */
void table_cell(struct table *table, const char *text, size_t len);
void table_text(struct table *table, const char *text);

/* Prints what was gathered and frees it; or only frees it. */
MUST_CHECK int table_end(struct table *table, FILE *out, struct failure *failure);
void table_drop(struct table *table);

#endif
