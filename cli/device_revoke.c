/* bulla device revoke: its messages are refused from now on (PROTOCOL 7). */
#include "cli/command.h"

#include <stdio.h>

#include "cli/device_change.h"

static int revoke(const void *options, struct store *store, const struct device_row *row,
                  struct failure *failure)
{
    (void)options;
    if (row->revoked)
        return 0;
    return store->ops->device_revoke(store, row->id, failure) < 0 ? -1 : 1;
}

static void tell(const struct device_row *row, bool changed)
{
    (void)row;
    puts(changed ? " is revoked; gateways refuse it within a second"
                 : " was revoked before; nothing changed");
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    static const struct device_change what = {"revoked", revoke, tell};

    (void)argc;
    return device_change(&what, values, argv[0], failure);
}

const struct command command_device_revoke = {
    .name = "revoke",
    .summary = "refuses a device from now on; it stays in the list",
    .arguments = "NAME",
    .words = device_names,
    .details = "For a board that was lost or stolen. There is no way back: the board gets a new credential.",
    .example = "bulla device revoke kitchen",
    .options = device_change_options,
    .options_size = sizeof(struct device_change_options),
    .least = 1,
    .most = 1,
    .run = run,
};
