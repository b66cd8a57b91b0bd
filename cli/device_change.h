/*
 * The commands that change one device, and say what was done: the same options, the same way.
 */
#ifndef DEVICE_CHANGE_H
#define DEVICE_CHANGE_H

#include <stdbool.h>

#include "cli/database.h"
#include "cli/device_print.h"

struct device_change_options {
    struct database_options database;
    unsigned format;
};

extern const struct option device_change_options[];

/* The rows of the option table of a command whose own struct begins with them. */
/* clang-format off */
#define DEVICE_CHANGE_OPTIONS                                                   \
    {.name = "format",                                                          \
     .letter = 'f',                                                             \
     .argument = "FORMAT",                                                      \
     .help = "table: a sentence; json: an object with name, kid, and what was " \
             "done",                                                            \
     .fallback = "table",                                                       \
     .parse = option_choice,                                                    \
     .words = device_formats,                                                   \
     .offset = offsetof(struct device_change_options, format)},                 \
    DATABASE_OPTIONS(struct device_change_options)
/* clang-format on */

struct device_change {
    const char *done; /* JSON: "revoked" */
    /* `options` as device_change() was given them. Returns 1, 0 where it was so before, or -1. */
    int (*change)(const void *options, struct store *store, const struct device_row *row,
                  struct failure *failure);
    /* Prints the rest of a sentence that begins with the device's name. */
    void (*tell)(const struct device_row *row, bool changed);
};

/* `options`: the command's own struct may begin with one. Opens the database, finds the device, changes it,
 * says so. Returns what a command returns. */
int device_change(const struct device_change *what, const struct device_change_options *options,
                  const char *name, struct failure *failure);

#endif
