/*
 * Options of a command, as a table: parsing, --help and completion all follow from it.
 *
 * A command has a struct for its options, and a table of struct option that says where in it each value goes and which parser
 * puts it there. Every command also takes --help (help.h).
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

struct option {
    const char *name;     /* long name, without dashes; NULL ends a table */
    const char *argument; /* what the help calls its argument; NULL: a flag */
    const char *help;     /* one line or more */
    const char *fallback; /* text of the default, parsed like any other; NULL: the field stays zero */
    const char *variable; /* environment variable that stands in for it, or NULL */
    /* Puts `text` (NULL for a flag) into the field. Returns 0, or -1 with the reason. */
    int (*parse)(const struct option *option, const char *text, void *field, struct failure *failure);
    size_t offset;            /* of the field in the command's struct */
    const char *const *words; /* option_choice: what may be said, NULL at the end; else what completion offers */
    int64_t least, most;      /* option_number: bounds */
    char letter;              /* short name, or 0 */
};

/* A time that may have been left out. */
struct option_time {
    int64_t micros; /* since 1970 */
    bool given;
};

/* Parsers, by the type of their field. */
int option_flag(const struct option *option, const char *text, void *field, struct failure *failure);   /* bool */
int option_string(const struct option *option, const char *text, void *field, struct failure *failure); /* const char * */
int option_choice(const struct option *option, const char *text, void *field, struct failure *failure); /* unsigned: index */
int option_word(const struct option *option, const char *text, void *field, struct failure *failure);   /* const char *, of words */
int option_number(const struct option *option, const char *text, void *field, struct failure *failure); /* int64_t */
int option_limit(const struct option *option, const char *text, void *field, struct failure *failure);  /* int64_t: -1 is "all" */
int option_time(const struct option *option, const char *text, void *field, struct failure *failure);   /* struct option_time */

/*
 * Fills `values` from defaults, environment and arguments, in that order of weight. Options may stand anywhere; "--" ends them.
 * Moves the other arguments to the front of `argv`; returns how many they are, or -1 with what is wrong.
 */
int options_parse(const struct option *table, void *values, int argc, char **argv, struct failure *failure);

/* The table's option of that name, or NULL. */
const struct option *options_find(const struct option *table, const char *name, size_t len);

#endif
