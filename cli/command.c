#include "cli/command.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/help.h"
#include "cli/output.h"
#include "cli/text.h"

int usage(struct failure *failure, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
    return COMMAND_USAGE;
}

void command_complain(const struct failure *failure)
{
    if (*failure->text == 0)
        return;
    fputs("bulla: ", stderr);
    text_print(stderr, failure->text, strlen(failure->text), TEXT_WHOLE);
    fputc('\n', stderr);
}

/* ---- which command is meant ---- */

/*
 * How many letters to add, drop, change or swap to turn one word into the other (optimal string alignment).
 */
static unsigned distance(const char *a, const char *b)
{
    enum { LONGEST = 24 };
    unsigned rows[LONGEST + 1][LONGEST + 1];
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);

    if (a_len > LONGEST || b_len > LONGEST)
        return LONGEST;
    for (size_t i = 0; i <= a_len; i++) {
        for (size_t j = 0; j <= b_len; j++) {
            unsigned best = (unsigned)(i == 0 ? j : i);

            if (i > 0 && j > 0) {
                best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
                if (rows[i - 1][j] + 1 < best)
                    best = rows[i - 1][j] + 1;
                if (rows[i][j - 1] + 1 < best)
                    best = rows[i][j - 1] + 1;
            }
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[i - 2][j - 2] + 1 < best)
                best = rows[i - 2][j - 2] + 1;
            rows[i][j] = best;
        }
    }
    return rows[a_len][b_len];
}

static const struct command *nearest(const struct command *parent, const char *name)
{
    const struct command *best = NULL;
    unsigned least = (unsigned)strlen(name) / 2 + 1; /* further away it is a guess, not a slip */

    for (const struct command *const *each = parent->commands; *each; each++) {
        bool begins = *name && strncmp((*each)->name, name, strlen(name)) == 0;
        unsigned away = begins ? 0 : distance((*each)->name, name);

        if (away < least) {
            least = away;
            best = *each;
        }
    }
    return best;
}

const struct command *command_find(const struct command *parent, const char *name, struct failure *failure)
{
    const struct command *suggestion;

    for (const struct command *const *each = parent->commands; *each; each++) {
        if (strcmp((*each)->name, name) == 0)
            return *each;
    }
    suggestion = nearest(parent, name);
    if (*name == '-')
        usage(failure, "%.60s: options come after the command; try 'bulla --help'", name);
    else if (suggestion)
        usage(failure, "%.60s: there is no such command; did you mean '%s'?", name, suggestion->name);
    else
        usage(failure, "%.60s: there is no such command; 'bulla --help' lists them", name);
    return NULL;
}

void command_path(char out[COMMAND_PATH_SIZE], const char *above, const struct command *command)
{
    if (snprintf(out, COMMAND_PATH_SIZE, "%s%s%s", above, *above ? " " : "", command->name) >=
        COMMAND_PATH_SIZE)
        abort(); /* the tables are at fault */
}

/* ---- calling it ---- */

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* --help counts wherever an option may stand, whatever is wrong with the rest. */
static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (is_help(argv[i]))
            return true;
    }
    return false;
}

static int check_count(const struct command *command, int count, char **argv, struct failure *failure)
{
    if (count < command->least)
        return usage(failure, "an argument is missing: %s", command->arguments);
    if (command->most >= 0 && count > command->most)
        return usage(failure, "%.60s: one argument too many", argv[command->most]);
    return 0;
}

static int call(const struct command *command, int argc, char **argv, struct failure *failure)
{
    void *options = calloc(1, command->options_size ? command->options_size : 1);
    int result;

    if (!options)
        return fail(failure, "memory is out");
    argc = options_parse(command->options, options, argc, argv, failure);
    result = argc < 0 ? COMMAND_USAGE : check_count(command, argc, argv, failure);
    if (result == 0)
        result = command->run(options, argc, argv, failure);
    options_free(command->options, options);
    free(options);
    return result;
}

static int finish(const char *path, const struct command *command, int result, struct failure *failure)
{
    struct failure unwritten = {""};

    /* A failure that was told on standard output was not, where that does not work. */
    if (output_finish(&unwritten) < 0 && (result == COMMAND_DONE || *failure->text == 0)) {
        *failure = unwritten;
        result = COMMAND_FAILED;
    }
    if (result != COMMAND_DONE)
        command_complain(failure);
    if (result == COMMAND_USAGE)
        fprintf(stderr, "'%s%s%s --help' says how it is used.\n", path, *path ? " " : "", command->name);
    return -result;
}

/* `path`: the names of the commands above this one. */
static int descend(const char *path, const struct command *command, int argc, char **argv)
{
    struct failure failure = {""};
    char below[COMMAND_PATH_SIZE];
    const struct command *next;
    int result = COMMAND_DONE;

    if (command->commands && argc > 0 && *argv[0] != '-') {
        command_path(below, path, command);
        next = command_find(command, argv[0], &failure);
        if (next)
            return descend(below, next, argc - 1, argv + 1);
        result = COMMAND_USAGE;
    } else if (wants_help(argc, argv)) {
        help_print(stdout, path, command);
    } else if (!*path && argc > 0 && strcmp(argv[0], "--version") == 0) {
        puts("bulla " BULLA_VERSION);
    } else if (!command->commands) {
        result = call(command, argc, argv, &failure);
    } else if (argc > 0) {
        command_find(command, argv[0], &failure);
        result = COMMAND_USAGE;
    } else {
        result = usage(&failure, "say which command");
    }
    return finish(path, command, result, &failure);
}

int command_main(const struct command *command, int argc, char **argv)
{
    return descend("", command, argc, argv);
}
