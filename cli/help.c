#include "cli/help.h"

#include <string.h>

#include "cli/output.h"

#define HELP_COLUMN 26 /* where explanations begin */
#define HELP_WIDTH  79

/*
 * Prints `text` in lines of at most HELP_WIDTH columns that begin in `column`; the first begins where the
 * cursor is.
 */
static void wrap(FILE *out, const char *text, int column)
{
    int at = column;

    while (*text) {
        size_t len = strcspn(text, " \n");

        if (at > column && at + 1 + (int)len > HELP_WIDTH) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        }
        if (at > column) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, len, out);
        at += (int)len;
        text += len;
        if (*text == '\n') {
            fprintf(out, "\n%*s", column, "");
            at = column;
        }
        text += *text != 0;
    }
    fputc('\n', out);
}

static void print_name(FILE *out, const char *name, const char *text)
{
    int at = fprintf(out, "  %s", name);

    if (at >= HELP_COLUMN - 1) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", HELP_COLUMN - at, "");
    wrap(out, text, HELP_COLUMN);
}

static void print_option(FILE *out, const struct option *option)
{
    char name[64];
    char text[800];
    int len;

    len = snprintf(name, sizeof(name), option->letter ? "-%c, " : "    ", option->letter);
    snprintf(name + len, sizeof(name) - (size_t)len, "--%s%s%s", option->name, option->argument ? " " : "",
             option->argument ? option->argument : "");
    len = snprintf(text, sizeof(text), "%s", option->help);
    if (option->fallback)
        len += snprintf(text + len, sizeof(text) - (size_t)len, " (default: %s)", option->fallback);
    if (option->variable)
        snprintf(text + len, sizeof(text) - (size_t)len, " [%s]", option->variable);
    print_name(out, name, text);
}

static void print_example(FILE *out, const char *example)
{
    fputs("\nExample:\n", out);
    while (*example) {
        size_t len = strcspn(example, "\n");

        fprintf(out, "  %.*s\n", (int)len, example);
        example += len + (example[len] == '\n');
    }
}

void help_print(FILE *out, const char *parent, const struct command *command)
{
    const char *arguments = command->commands ? "COMMAND …" : command->arguments;

    fprintf(out, "Usage: %s%s%s%s%s%s\n\n", parent, *parent ? " " : "", command->name,
            command->options ? " [OPTION …]" : "", arguments ? " " : "", arguments ? arguments : "");
    fprintf(out, "%s: %s\n", command->name, command->summary);
    if (command->details) {
        fputc('\n', out);
        wrap(out, command->details, 0);
    }
    if (command->commands)
        fputs("\nCommands:\n", out);
    for (const struct command *const *each = command->commands; each && *each; each++)
        print_name(out, (*each)->name, (*each)->summary);
    fputs("\nOptions:\n", out);
    for (const struct option *option = command->options; option && option->name; option++)
        print_option(out, option);
    print_name(out, "-h, --help", "print this");
    if (!*parent)
        print_name(out, "    --version", "print the version");
    if (command->example)
        print_example(out, command->example);
    if (command->commands)
        fprintf(out, "\n'bulla help%s%s COMMAND' tells more of each.\n", *parent ? " " : "",
                *parent ? command->name : "");
}
