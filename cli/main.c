/*
 * bulla: one program, many commands. A new command is one file, its line in CMakeLists.txt, its extern line
 * in command.h, and its line in this table (or in that of device.c).
 */
#include "cli/command.h"

#include <signal.h>

static const struct command *const commands[] = {
    &command_serve,    &command_device,     &command_send,
    &command_forward,  &command_readings,   &command_tail,
    &command_events,   &command_open,       &command_sinks,
    &command_check,    &command_backup,     &command_restore,
    &command_restored, &command_migrate,    &command_simulate,
    &command_help,     &command_completion, NULL,
};

const struct command command_bulla = {
    .name = "bulla",
    .summary = "readings, sealed on the device, opened at the gateway",
    .example = "bulla device add kitchen --out kitchen.credential\n"
               "bulla serve &\n"
               "bulla send --to http://127.0.0.1:8620 --credential @kitchen.credential temperature=23.5:Cel\n"
               "bulla readings",
    .commands = commands,
};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is a failed write, and reported as one */
    return command_main(&command_bulla, argc - 1, argv + 1);
}
