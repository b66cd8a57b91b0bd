/* bulla device remove: takes a device out of the registry; its kid stays taken (PROTOCOL 9). */
#include "cli/command.h"

#include <stdio.h>

#include "cli/database.h"
#include "cli/text.h"

struct remove_options {
    struct database_options database;
};

static const struct option options_table[] = {
    DATABASE_OPTIONS(struct remove_options),
    {0},
};

static int remove_device(struct store *store, const struct device_row *row, struct failure *failure)
{
    if (store->ops->device_remove(store, row->id, failure) < 0)
        return COMMAND_FAILED;
    printf("%s is removed. Its readings stay; its kid ", row->name);
    text_hex(stdout, row->kid, row->kid_len);
    puts(" is not given out again");
    return COMMAND_DONE;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct remove_options *options = values;

    (void)argc;
    return database_change(&options->database, argv[0], remove_device, failure);
}

const struct command command_device_remove = {
    .name = "remove",
    .summary = "takes a device out of the registry; its readings stay",
    .arguments = "NAME",
    .details = "Its credential is worth nothing from then on, and its kid is not given out again.",
    .example = "bulla device remove kitchen",
    .options = options_table,
    .options_size = sizeof(struct remove_options),
    .least = 1,
    .most = 1,
    .run = run,
};
