/* bulla device remove: takes a device out of the registry; its kid stays taken (PROTOCOL 9). */
#include "cli/command.h"

#include <stdio.h>

#include "cli/device_change.h"
#include "cli/text.h"

static int remove_device(const void *options, struct store *store, const struct device_row *row,
                         struct failure *failure)
{
    (void)options;
    return store->ops->device_remove(store, row->id, failure) < 0 ? -1 : 1;
}

static void tell(const struct device_row *row, bool changed)
{
    (void)changed;
    if (row->kid_len == 0) {
        puts(" is removed, and with a group all its nodes that were not upgraded. The readings stay; so does "
             "what\n"
             "its wire has to remember, for whoever is added under the same id again");
        return;
    }
    fputs(" is removed. Its readings stay; its kid ", stdout);
    text_hex(stdout, row->kid, row->kid_len);
    puts(" is not given out again");
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    static const struct device_change what = {"removed", remove_device, tell};

    (void)argc;
    return device_change(&what, values, argv[0], failure);
}

const struct command command_device_remove = {
    .name = "remove",
    .summary = "takes a device out of the registry; its readings stay",
    .arguments = "NAME",
    .words = device_names,
    .details =
        "Its credential is worth nothing from then on, and its kid is not given out again. "
        "Of a device on an older wire its number, and what it sent, stay known, and go on where a device is "
        "added under the same id. A node of a group comes back with its next message, unless it was "
        "upgraded: revoke it to shut it out.",
    .example = "bulla device remove kitchen",
    .options = device_change_options,
    .options_size = sizeof(struct device_change_options),
    .least = 1,
    .most = 1,
    .run = run,
};
