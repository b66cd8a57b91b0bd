/* bulla help: the same as --help, in the words that people try first. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "cli/help.h"

static int run(const void *options, int argc, char **argv, struct failure *failure)
{
    const struct command *command = &command_bulla;
    char above[COMMAND_PATH_SIZE] = "";
    char path[COMMAND_PATH_SIZE];

    (void)options;
    for (int i = 0; i < argc; i++) {
        if (!command->commands)
            return usage(failure, "%.60s: '%s' has no commands of its own", argv[i], command->name);
        command_path(path, above, command);
        memcpy(above, path, sizeof(above));
        command = command_find(command, argv[i], failure);
        if (!command)
            return COMMAND_USAGE;
    }
    help_print(stdout, above, command);
    return COMMAND_DONE;
}

const struct command command_help = {
    .name = "help",
    .summary = "tells how a command is used",
    .arguments = "[COMMAND …]",
    .example = "bulla help device add",
    .most = 2,
    .run = run,
};
