/*
 * The checks of `bulla check`: each looks at one thing, and says what it found, good or bad.
 */
#ifndef CHECK_H
#define CHECK_H

#include "cli/database.h"
#include "gateway/store/look.h"

struct check_options {
    struct database_options database;
    int64_t max_connections;
    bool full;
    unsigned format;
};

struct check {
    const struct check_options *options;
    struct look look;       /* where lines go; owner and issued_t are known after check_database() */
    struct store *store;    /* open after check_database(), or NULL: then nothing in it can be looked at */
    int64_t newest_reading; /* microseconds since 1970, after check_devices(); 0: none */
};

/* Each is a line in the table of check.c; they run in its order. */
void check_database(struct check *check);
void check_key(struct check *check);
void check_devices(struct check *check);
void check_clock(struct check *check);
void check_limits(struct check *check);
void check_memory(struct check *check);

#endif
