/* bulla device: the registry. */
#include "cli/command.h"

#include <stddef.h>

static const struct command *const commands[] = {
    &command_device_add,
    &command_device_import,
    &command_device_list,
    &command_device_show,
    &command_device_revoke,
    &command_device_remove,
    &command_device_trust,
    &command_device_export,
    &command_device_label,
    &command_device_upgrade,
    NULL,
};

const struct command command_device = {
    .name = "device",
    .summary = "adds, shows, revokes and exports devices",
    .example = "bulla device add kitchen --out kitchen.credential\n"
               "bulla device list",
    .commands = commands,
};
