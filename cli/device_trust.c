/* bulla device trust: proves a counter context by hand (PROTOCOL 9). */
#include "cli/command.h"

#include <stdio.h>

#include "cli/device_change.h"

static int trust(struct store *store, const struct device_row *row, struct failure *failure)
{
    if (row->kind != BULLA_COUNTER)
        return fail(failure,
                    "%s: its sessions prove themselves, by answering a challenge; only a counter device can "
                    "be trusted by hand",
                    row->name);
    return store->ops->device_trust(store, row->id, failure);
}

static void tell(const struct device_row *row, bool changed)
{
    (void)row;
    puts(changed
             ? " is trusted: its messages are stored without a challenge. What it sealed before its\n"
               "secret was imported may open once: whoever recorded such a message can have it stored, once"
             : " was proven already; nothing changed");
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    static const struct device_change what = {"trusted", trust, tell};

    (void)argc;
    return device_change(&what, values, argv[0], failure);
}

const struct command command_device_trust = {
    .name = "trust",
    .summary = "proves a counter device by hand, where it can hear no challenge",
    .arguments = "NAME",
    .words = device_names,
    .details = "A counter device with an imported secret is challenged before anything of it is stored. One "
               "that can hear no reply cannot answer. This takes its word instead: messages that it sealed "
               "before the import may open once. It does not make a copy of the database that was put back "
               "safe; see docs/gateway.md, Damage.",
    .example = "bulla device trust shed",
    .options = device_change_options,
    .options_size = sizeof(struct device_change_options),
    .least = 1,
    .most = 1,
    .run = run,
};
