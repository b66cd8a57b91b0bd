/* bulla restored: declares that the database came back in another way than by bulla restore (PROTOCOL 9). */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/confirm.h"
#include "cli/database.h"
#include "cli/wire_text.h"

struct restored_options {
    struct database_options database;
    bool yes;
};

static const struct option options_table[] = {
    {.name = "yes",
     .help = "asks nothing",
     .parse = option_flag,
     .offset = offsetof(struct restored_options, yes)},
    DATABASE_OPTIONS(struct restored_options),
    {0},
};

static int declare(struct store *store, const struct vault *vault, struct failure *failure)
{
    uint8_t challenge[SEALED_SIZE(32)];
    int64_t contexts;

    if (vault_renew(vault, "challenge", challenge, failure) != 0 ||
        store->ops->restored(store, challenge, sizeof(challenge), &contexts, failure) != 0)
        return -1;
    printf("%" PRId64
           " contexts are unproven now: devices answer a challenge before anything more of them is stored.\n"
           "Devices revoked or removed since that copy was made are valid again, those added since are "
           "unknown:\n"
           "'bulla device list' shows what there is.\n",
           contexts);
    return wire_print_restored(stdout, store, failure);
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct restored_options *options = values;
    struct vault vault = {0};
    struct store *store = NULL;
    int result = COMMAND_FAILED;

    (void)argc, (void)argv;
    if (database_open(&store, &options->database, STORE_LEFT, failure) == 0 &&
        database_vault(&vault, store, &options->database, failure) == 0 &&
        confirm("Every device has to prove itself anew then; those that can hear no reply need 'bulla device "
                "trust'.",
                options->yes, failure) == 0)
        result = declare(store, &vault, failure);
    database_close(store);
    vault_wipe(&vault);
    return result;
}

const struct command command_restored = {
    .name = "restored",
    .summary = "declares that the database is an older copy that came back",
    .details =
        "After a copied file, a snapshot of a virtual machine or of a file system was put back, the "
        "replay windows end where that was made: what was recorded since could be stored once more. This "
        "marks every context as unproven and replaces the key that challenges are made with. The gateway "
        "must not run, and must not have run on that copy.",
    .example = "bulla restored --db /var/lib/bulla/bulla.db",
    .options = options_table,
    .options_size = sizeof(struct restored_options),
    .run = run,
};
