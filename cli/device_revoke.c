/* bulla device revoke: its messages are refused from now on (PROTOCOL 7). */
#include "cli/command.h"

#include <stdio.h>

#include "cli/database.h"

struct revoke_options {
    struct database_options database;
};

static const struct option options_table[] = {
    DATABASE_OPTIONS(struct revoke_options),
    {0},
};

static int revoke(struct store *store, const struct device_row *row, struct failure *failure)
{
    if (row->revoked) {
        printf("%s was revoked before; nothing changed\n", row->name);
        return COMMAND_DONE;
    }
    if (store->ops->device_revoke(store, row->id, failure) < 0)
        return COMMAND_FAILED;
    printf("%s is revoked; gateways refuse it within a second\n", row->name);
    return COMMAND_DONE;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct revoke_options *options = values;

    (void)argc;
    return database_change(&options->database, argv[0], revoke, failure);
}

const struct command command_device_revoke = {
    .name = "revoke",
    .summary = "refuses a device from now on; it stays in the list",
    .arguments = "NAME",
    .details = "For a board that was lost or stolen. There is no way back: the board gets a new credential.",
    .example = "bulla device revoke kitchen",
    .options = options_table,
    .options_size = sizeof(struct revoke_options),
    .least = 1,
    .most = 1,
    .run = run,
};
