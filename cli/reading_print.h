/*
 * A reading as people and programs are shown it: a row of a table, of CSV, or an object a line.
 */
#ifndef READING_PRINT_H
#define READING_PRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/table.h"
#include "gateway/store/store.h"

#define READING_COLUMNS 6
extern const struct table_column reading_columns[READING_COLUMNS];

#define READING_CSV_HEADER "device,time,received,name,value,unit,seq,type\r\n"

/* What reading_print_csv() writes to. */
struct reading_csv {
    FILE *out;
    bool safe; /* the output is a terminal */
};

/*
 * Each is a reading_visitor: `context` is a struct table with reading_columns, a struct reading_csv, a FILE.
 * They return 0, and 1 once standard output takes no more.
 */
int reading_print_table(void *context, const struct reading_row *row);
int reading_print_csv(void *context, const struct reading_row *row);
int reading_print_jsonl(void *context, const struct reading_row *row);

/* A line for people, as rows come one by one: the same, of a FILE. */
int reading_print_text(void *context, const struct reading_row *row);

/* Prints the object alone. Returns as above. */
int reading_print_json(FILE *out, const struct reading_row *row);

#endif
