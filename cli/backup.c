/* bulla backup: a consistent copy of the database, while the gateway serves (PROTOCOL 9). */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/copying.h"
#include "cli/database.h"

struct backup_options {
    struct database_options database;
    bool force;
};

static const struct option options_table[] = {
    {.name = "force",
     .help = "takes the place of a file that is there",
     .parse = option_flag,
     .offset = offsetof(struct backup_options, force)},
    DATABASE_OPTIONS(struct backup_options),
    {0},
};

static void tell(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return;
    printf("%s: a whole copy, checked, %lld bytes. It does not contain the master key: without that file no\n"
           "device's secret in it can be opened. Keep a copy of the key, and not in the same place.\n",
           path, (long long)status.st_size);
}

static int back_up(struct store *store, const struct vault *vault, const char *path, bool replace,
                   struct failure *failure)
{
    uint8_t challenge[SEALED_SIZE(32)];
    struct store_backup backup = {
        .path = path, .replace = replace, .challenge = challenge, .challenge_len = sizeof(challenge)};
    int result = vault_renew(vault, "challenge", challenge, failure);

    if (result == 0) {
        backup.progress = copying_begin(store->ops->is_server ? "rows" : "pages");
        result = store->ops->backup(store, &backup, failure);
        copying_end();
    }
    if (result == 0)
        tell(path);
    return result;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct backup_options *options = values;
    struct vault vault = {0};
    struct store *store = NULL;
    int result = COMMAND_FAILED;

    (void)argc;
    if (database_spare_key(&options->database, argv[0], failure) == 0 &&
        database_open(&store, &options->database, STORE_EXISTING, failure) == 0 &&
        database_vault(&vault, store, &options->database, failure) == 0)
        result = back_up(store, &vault, argv[0], options->force, failure);
    database_close(store);
    vault_wipe(&vault);
    return result;
}

const struct command command_backup = {
    .name = "backup",
    .summary = "copies the database while the gateway serves",
    .arguments = "FILE",
    .details =
        "FILE holds everything but the master key, as it was at one moment: all that was acknowledged "
        "before the command began is in it. It takes its name once it is whole and on the disk; only "
        "you may read it. In the copy every context is unproven, and challenges are made with another "
        "key, so that nothing recorded since can be replayed once it is put back: 'bulla restore' does "
        "that.",
    .example = "bulla backup --db /var/lib/bulla/bulla.db /backup/bulla-monday.db",
    .options = options_table,
    .options_size = sizeof(struct backup_options),
    .least = 1,
    .most = 1,
    .run = run,
};
