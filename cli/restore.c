/* bulla restore: puts a backup in the place of the database (PROTOCOL 9). */
#include "cli/command.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/confirm.h"
#include "cli/copying.h"
#include "cli/database.h"
#include "cli/wire_text.h"
#include "cli/text.h"

#define NAMES_SHOWN 20

struct restore_options {
    struct database_options database;
    bool yes;
    bool discard;
};

static const struct option options_table[] = {
    {.name = "yes",
     .help = "asks nothing",
     .parse = option_flag,
     .offset = offsetof(struct restore_options, yes)},
    {.name = "discard",
     .help = "does not keep the database that is replaced (a damaged one is always kept)",
     .parse = option_flag,
     .offset = offsetof(struct restore_options, discard)},
    DATABASE_OPTIONS(struct restore_options),
    {0},
};

/* ---- what it brings back ---- */

static const struct {
    const char *what;
    const char *advice;
} differences[RESTORE_DIFFERENCES] = {
    [RESTORE_REVOKED] = {"revoked since the backup, and valid again",
                         "before you start the gateway, type for each: bulla device revoke NAME"},
    [RESTORE_REMOVED] = {"removed since the backup, and back",
                         "before you start the gateway, type for each: bulla device remove NAME"},
    [RESTORE_ADDED] =
        {"added since the backup, and forgotten",
         "add each anew with its old credential: bulla device export NAME --db KEPT, then bulla "
         "device add --kid --secret"},
};

struct comparison {
    int64_t counts[RESTORE_DIFFERENCES];
};

static void tell_difference(void *context, enum restore_difference difference, const char *name)
{
    struct comparison *comparison = context;
    int64_t count = comparison->counts[difference]++;

    if (count == 0)
        printf("\nDevices %s;\n%s:\n", differences[difference].what, differences[difference].advice);
    if (count < NAMES_SHOWN) {
        fputs("  ", stdout);
        text_print(stdout, name, strlen(name), TEXT_WHOLE);
        putchar('\n');
    } else if (count == NAMES_SHOWN) {
        puts("  … and more");
    }
}

/* A damaged database can be replaced, too. */
static void compare(struct store *copy)
{
    struct comparison comparison = {{0}};
    struct failure failure;
    int compared = copy->ops->restore_compare(copy, tell_difference, &comparison, &failure);
    int64_t all = comparison.counts[RESTORE_REVOKED] + comparison.counts[RESTORE_REMOVED] +
                  comparison.counts[RESTORE_ADDED];

    if (compared < 0)
        printf("\nThe database that it replaces cannot be compared with it (%s): devices revoked or removed\n"
               "since the backup are valid again, and those added since are forgotten.\n",
               failure.text);
    else if (compared > 0 && all == 0)
        puts("\nIts devices are those of the database that it replaces.");
    fflush(stdout);
}

static int count(void *context, const struct device_row *row)
{
    int64_t *counts = context;

    counts[row->revoked]++;
    return 0;
}

static int describe(struct store *copy, const char *file, struct failure *failure)
{
    int64_t counts[2] = {0, 0};

    if (copy->ops->device_each(copy, NULL, count, counts, failure) < 0)
        return -1;
    printf(
        "%s is sound: %" PRId64 " devices and %" PRId64
        " revoked ones. All have to prove themselves anew:\na "
        "device that hears replies does so by itself, a counter device that cannot needs 'bulla device trust "
        "NAME'.\nReadings stored since the backup are not in it.\n",
        file, counts[0], counts[1]);
    return wire_print_restored(stdout, copy, failure);
}

/* ---- the way ---- */

/* Checks the key against the copy, and makes the copy safe. */
static int make_ready(struct store *copy, const struct restore_options *options, const char *file,
                      struct failure *failure)
{
    uint8_t challenge[SEALED_SIZE(32)];
    struct vault vault = {0};
    int64_t contexts = 0;
    int result = vault_is_known(copy, failure);

    if (result == 0)
        result =
            fail(failure, "%s was never used with a master key, so there is nothing to restore in it", file);
    if (result > 0)
        result = database_vault(&vault, copy, &options->database, failure);
    if (result == 0)
        result = vault_renew(&vault, "challenge", challenge, failure);
    if (result == 0)
        result = copy->ops->restored(copy, challenge, sizeof(challenge), &contexts, failure);
    if (result == 0)
        result = describe(copy, file, failure);
    vault_wipe(&vault);
    return result;
}

static int replace(struct store *copy, const struct restore_options *options, struct failure *failure)
{
    char kept[PATH_MAX];

    compare(copy);
    if (copying_goes_on(failure) != 0 ||
        confirm("\nThe backup takes the place of the database.", options->yes, failure) != 0 ||
        copying_goes_on(failure) != 0 ||
        copy->ops->restore_finish(copy, options->discard, kept, sizeof(kept), failure) != 0)
        return -1;
    puts("\nThe backup is in place of the database.");
    if (kept[0] != '\0')
        printf("What it replaced is kept as %s%s.\n", kept,
               store_is_server(options->database.db) ? ", a backup as any other"
                                                     : "; never put that back as it is");
    return 0;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct restore_options *options = values;
    struct store_progress progress = copying_begin(store_is_server(options->database.db) ? "rows" : "pages");
    struct store *copy = NULL;
    int result;

    (void)argc;
    result = store_restore(&copy, options->database.db, argv[0], &progress, failure);
    if (result == 0)
        result = make_ready(copy, options, argv[0], failure);
    if (result == 0)
        result = replace(copy, options, failure);
    database_close(copy); /* with what was copied, if that did not take its place */
    copying_end();
    return result < 0 ? COMMAND_FAILED : COMMAND_DONE;
}

const struct command command_restore = {
    .name = "restore",
    .summary = "puts a backup in the place of the database",
    .arguments = "FILE",
    .details =
        "FILE is checked first: a whole database of this program, not newer than it, whose master key is "
        "there. The gateway must not run. It says which devices come back and which are forgotten, asks, "
        "and keeps the database that it replaces beside it under another name (one on a server: beside "
        "FILE). "
        "Whenever it is killed, either that or the backup is in place, whole.\n"
        "Every context is unproven then, so nothing recorded before or since is stored again; devices "
        "answer a challenge and go on.",
    .example = "bulla restore --db /var/lib/bulla/bulla.db /backup/bulla-monday.db",
    .options = options_table,
    .options_size = sizeof(struct restore_options),
    .least = 1,
    .most = 1,
    .run = run,
};
