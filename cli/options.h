/*
 * Options of a command, as a table: parsing, --help and completion all follow from it.
 *
 * A command has a struct for its options, and a table of struct option that says where in it each value goes
 * and which parser puts it there. Every command also takes --help (help.h). A table with an option_config can
 * be filled from a file, too (settings.h).
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

struct option;

/* What parses an option's text into a field of the type that its line names. */
typedef int option_parser(const struct option *option, const char *text, void *field,
                          struct failure *failure);

struct option {
    const char *name;     /* long name, without dashes; NULL ends a table */
    const char *argument; /* what the help calls its argument; NULL: a flag */
    const char *help;     /* one line or more */
    const char *fallback; /* text of the default, parsed like any other; NULL: the field stays zero */
    const char *variable; /* environment variable that stands in for it, or NULL */
    option_parser *parse; /* puts the text (NULL for a flag) into the field; -1 with the reason */
    size_t offset;        /* of the field in the command's struct */
    /* What may be said (option_choice, option_word), or what completion offers; NULL at the end. */
    const char *const *words;
    int64_t least, most; /* option_number: bounds */
    const char *section; /* option_config: of the file, which is the command's name */
    char letter;         /* short name, or 0 */
    bool repeatable; /* option_strings: each time adds one; what a weightier place says takes their place */
    bool secret;     /* never printed */
    bool typed_only; /* not in a configuration file */
    bool live;       /* SIGHUP changes it in the gateway that runs */
};

/* A time that may have been left out. */
struct option_time {
    int64_t micros; /* since 1970 */
    bool given;
};

#define OPTION_STRINGS_MAX 16

struct option_strings {
    const char *texts[OPTION_STRINGS_MAX];
    size_t count;
};

/* The parsers, by the type of their field. */
option_parser option_flag;    /* bool; in a file it says yes or no */
option_parser option_string;  /* const char *: not empty */
option_parser option_strings; /* struct option_strings: of a repeatable option */
/*
 * struct settings (settings.h): the configuration file, and all that was said; options_free() frees them.
 */
option_parser option_config;
option_parser option_word;   /* const char *: one of the words */
option_parser option_choice; /* unsigned: index of one of the words */
option_parser option_number; /* int64_t */
option_parser option_limit;  /* int64_t: above 0; -1 is "all" */
option_parser option_time;   /* struct option_time */

/*
 * Fills `values` from defaults, the configuration file (if the table has one), environment and arguments, in
 * that order of weight. Options may stand anywhere; "--" ends them. Moves the other arguments to the front of
 * `argv`; returns how many they are, or -1 with what is wrong.
 */
MUST_CHECK int options_parse(const struct option *table, void *values, int argc, char **argv,
                             struct failure *failure);

/* Frees what options_parse() may have put into `values` besides what is the arguments' own. */
void options_free(const struct option *table, void *values);

/* The table's option of that name, or NULL. */
const struct option *options_find(const struct option *table, const char *name, size_t len);

#endif
