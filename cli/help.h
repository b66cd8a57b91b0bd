/*
 * What --help prints, from a command's table.
 */
#ifndef HELP_H
#define HELP_H

#include <stdio.h>

#include "cli/command.h"

/* `parent`: the words before the command's name ("bulla device"), or "" for the program itself. */
void help_print(FILE *out, const char *parent, const struct command *command);

#endif
