/* bulla sinks: the other databases that readings are kept for. */
#include "cli/command.h"

#include <stddef.h>

static const struct command *const commands[] = {
    &command_sinks_list,
    &command_sinks_forget,
    NULL,
};

const struct command command_sinks = {
    .name = "sinks",
    .summary = "shows the databases that readings are kept for, and lets one go",
    .example = "bulla sinks list\n"
               "bulla sinks forget influx://old.example.org:8086/house",
    .commands = commands,
};
