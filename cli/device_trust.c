/* bulla device trust: proves a counter context by hand (PROTOCOL 9). */
#include "cli/command.h"

#include <stdio.h>

#include "cli/database.h"

struct trust_options {
    struct database_options database;
};

static const struct option options_table[] = {
    DATABASE_OPTIONS(struct trust_options),
    {0},
};

static int trust(struct store *store, const struct device_row *row, struct failure *failure)
{
    int proven;

    if (row->kind != BULLA_COUNTER)
        return fail(failure,
                    "%s: its sessions prove themselves, by answering a challenge; only a counter device can "
                    "be trusted by hand",
                    row->name);
    proven = store->ops->device_trust(store, row->id, failure);
    if (proven < 0)
        return COMMAND_FAILED;
    if (proven == 0) {
        printf("%s was proven already; nothing changed\n", row->name);
        return COMMAND_DONE;
    }
    printf("%s is trusted: its messages are stored again without a challenge.\n"
           "Messages that it sealed since the backup that was restored, or before its secret was imported,\n"
           "may open once more: whoever recorded one can have it stored again, once\n",
           row->name);
    return COMMAND_DONE;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct trust_options *options = values;

    (void)argc;
    return database_change(&options->database, argv[0], trust, failure);
}

const struct command command_device_trust = {
    .name = "trust",
    .summary = "proves a counter device by hand, where it can hear no challenge",
    .arguments = "NAME",
    .details = "After a restore, and for an imported secret, a device is challenged before anything of it is "
               "stored. One that can hear no reply cannot answer. This takes its word instead, and keeps the "
               "restored replay window: messages sealed since the backup may open once.",
    .example = "bulla device trust shed",
    .options = options_table,
    .options_size = sizeof(struct trust_options),
    .least = 1,
    .most = 1,
    .run = run,
};
