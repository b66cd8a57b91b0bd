/* bulla sinks forget: lets a sink go, and what was kept for it alone. */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/confirm.h"
#include "cli/database.h"
#include "cli/when.h"

#define PORTION 1000 /* rows that are deleted at a time: a gateway gets its turn in between */

struct sinks_forget_options {
    struct database_options database;
    bool yes;
};

static const struct option options_table[] = {
    {.name = "yes",
     .help = "does not ask, where it has not confirmed all",
     .parse = option_flag,
     .offset = offsetof(struct sinks_forget_options, yes)},
    DATABASE_OPTIONS(struct sinks_forget_options),
    {0},
};

struct search {
    const char *name;
    struct sink_row row;
    bool found;
};

static int compare(void *context, const struct sink_row *row)
{
    struct search *search = context;

    if (strcmp(row->name, search->name) != 0)
        return 0;
    search->row = *row;
    search->found = true;
    return 1;
}

/* Whether it may go: it is there, nobody writes to it, and what it misses is meant to go. */
static int check(struct store *store, const char *name, bool yes, struct failure *failure)
{
    struct search search = {.name = name};
    char question[512];

    if (store->ops->sinks_each == NULL)
        return fail(failure, "this kind of database keeps readings for no sinks");
    if (store->ops->sinks_each(store, compare, &search, failure) < 0)
        return -1;
    if (!search.found)
        return fail(failure, "there is no sink \"%.200s\"; 'bulla sinks list' lists them", name);
    if (sink_is_held(&search.row, when_now() / 1000000))
        return fail(failure,
                    "a gateway (%s) writes to it: take it from its --sink options and restart it first",
                    search.row.holder);
    if (search.row.end.points == search.row.cursor.points)
        return 0;
    snprintf(question, sizeof(question),
             "%" PRId64 " readings are kept that %.200s has not got. Let them go for it?",
             search.row.end.points - search.row.cursor.points, name);
    return confirm(question, yes, failure);
}

static int forget(struct store *store, const char *name, struct failure *failure)
{
    int gone = store->ops->sink_forget(store, name, failure);

    if (gone < 0)
        return -1;
    do
        gone = store->ops->outbox_trim(store, PORTION, failure);
    while (gone == PORTION);
    return gone < 0 ? -1 : 0;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct sinks_forget_options *options = values;
    struct store *store;

    (void)argc;
    if (database_open(&store, &options->database, STORE_EXISTING, failure) < 0)
        return COMMAND_FAILED;
    int result = check(store, argv[0], options->yes, failure);
    if (result == 0)
        result = forget(store, argv[0], failure);
    database_close(store);
    if (result < 0)
        return COMMAND_FAILED;
    printf("%s is forgotten: nothing is kept for it any more\n", argv[0]);
    return COMMAND_DONE;
}

const struct command command_sinks_forget = {
    .name = "forget",
    .summary = "lets a sink go that is not used any more, and what was kept for it",
    .arguments = "NAME",
    .details = "NAME is as 'bulla sinks list' shows it. A gateway that writes to it is stopped first, or "
               "given other "
               "--sink options.",
    .example = "bulla sinks forget influx://old.example.org:8086/house",
    .options = options_table,
    .options_size = sizeof(struct sinks_forget_options),
    .least = 1,
    .most = 1,
    .run = run,
};
