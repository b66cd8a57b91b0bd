/*
 * What a command is: a line in a table, from which calling it, its --help, its manual's synopsis and
 * completion follow.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include "cli/options.h"

/* What run() returns, and what the program then exits with: 0, 1 and 2. */
enum command_result {
    COMMAND_DONE = 0,
    COMMAND_FAILED = -1, /* what fail() returns; an empty failure text says nothing more */
    COMMAND_USAGE = -2,
};

struct command {
    const char *name;
    const char *summary;                   /* one line */
    const char *arguments;                 /* as the usage line shows them, or NULL */
    const char *details;                   /* what else there is to know, or NULL */
    const char *example;                   /* lines to type */
    const struct option *options;          /* or NULL */
    size_t options_size;                   /* of the struct that they fill */
    int least, most;                       /* arguments; most -1: any number */
    const char *const *words;              /* what completion offers for arguments, or NULL */
    const struct command *const *commands; /* its own commands instead, NULL at the end */
    int (*run)(const void *options, int argc, char **argv, struct failure *failure);
};

/* As `words` of a command or an option: completion offers the names of the registry's devices. */
extern const char *const device_names[];

/* The program itself: its commands are the first level. */
extern const struct command command_bulla;

extern const struct command command_serve;
extern const struct command command_device;
extern const struct command command_send;
extern const struct command command_forward;
extern const struct command command_readings;
extern const struct command command_tail;
extern const struct command command_events;
extern const struct command command_open;
extern const struct command command_sinks;
extern const struct command command_check;
extern const struct command command_simulate;
extern const struct command command_backup;
extern const struct command command_restore;
extern const struct command command_restored;
extern const struct command command_migrate;
extern const struct command command_completion;
extern const struct command command_help;

extern const struct command command_sinks_list;
extern const struct command command_sinks_forget;

extern const struct command command_device_add;
extern const struct command command_device_import;
extern const struct command command_device_list;
extern const struct command command_device_show;
extern const struct command command_device_revoke;
extern const struct command command_device_remove;
extern const struct command command_device_trust;
extern const struct command command_device_label;
extern const struct command command_device_export;
extern const struct command command_device_upgrade;

#define COMMAND_PATH_SIZE 64 /* bytes of the longest "bulla device export", with the terminating zero */

/* Writes a command's name behind those above it ("" for none), as it is typed. */
void command_path(char out[COMMAND_PATH_SIZE], const char *above, const struct command *command);

/* Finds and runs the command that the arguments name. Returns the exit status. */
int command_main(const struct command *command, int argc, char **argv);

/*
 * The command of that name among the commands of `parent`, or NULL with a failure that suggests the nearest.
 */
const struct command *command_find(const struct command *parent, const char *name, struct failure *failure);

/*
 * Writes the failure's text for the person at the terminal: "bulla: " and the text, control characters
 * escaped.
 */
void command_complain(const struct failure *failure);

/* fail(), but returns COMMAND_USAGE. */
__attribute__((format(printf, 2, 3))) int usage(struct failure *failure, const char *format, ...);

#endif
