/*
 * What was said about a command's options, and where: defaults, a configuration file, the environment,
 * arguments. The weightier place counts; within one the last that was said. The table of options is all that
 * knows their names, so a new option is in the file, in --print-config and in --help at once.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdio.h>

#include "cli/options.h"

/* Where something was said, the weightiest last. */
enum setting_origin {
    SETTING_DEFAULT,
    SETTING_FILE,
    SETTING_ENVIRONMENT,
    SETTING_ARGUMENT,
    SETTING_ORIGINS,
};

struct setting {
    const struct option *option;
    const char *text; /* NULL: a flag without one */
    enum setting_origin origin;
    unsigned line; /* of the file */
};

struct settings {
    const struct option *table;
    const char *section; /* of the file: the command's name */
    const char *file;    /* NULL: none */
    struct setting *items;
    size_t count;
    size_t capacity;
};

/* All zeros are settings in which nothing was said. */
void settings_free(struct settings *settings);

/* Adds something that was said; the text lasts as long as the settings. */
MUST_CHECK int settings_add(struct settings *settings, const struct setting *setting,
                            struct failure *failure);

/* Adds what defaults, environment and, if settings->file names one, the file say. */
MUST_CHECK int settings_gather(struct settings *settings, struct failure *failure);

/* The same arguments and environment, and the file as it is now. */
MUST_CHECK int settings_again(struct settings *fresh, const struct settings *settings,
                              struct failure *failure);

/* Parses all of it into a command's struct, whose strings then are the settings'. */
MUST_CHECK int settings_apply(const struct settings *settings, void *values, struct failure *failure);

/* What counts for an option: the last that was said at the weightiest place, or NULL. */
const struct setting *settings_find(const struct settings *settings, const struct option *option);

/* Whether what counts for an option is the same in both. */
bool settings_same(const struct settings *a, const struct settings *b, const struct option *option);

/* Writes a configuration file that says what counts, and where each value comes from; never a secret. */
MUST_CHECK int settings_print(const struct settings *settings, FILE *out, struct failure *failure);

#endif
