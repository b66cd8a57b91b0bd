/*
 * bulla device add: its options, and the many devices of --from.
 */
#ifndef DEVICE_ADD_H
#define DEVICE_ADD_H

#include "cli/database.h"

struct add_options {
    struct database_options database;
    const char *kid;
    const char *alg;
    const char *secret;
    const char *out; /* NULL: standard output */
    const char *from;
    bool counter;
    bool dry_run;
    struct option_strings labels;
};

/* Adds the devices of a table. Returns what a command returns. */
MUST_CHECK int device_add_from(const struct add_options *options, struct failure *failure);

#endif
