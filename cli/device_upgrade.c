/* bulla device upgrade: a native credential for a device on an older wire. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "cli/credential_new.h"
#include "cli/database.h"
#include "cli/device_print.h"
#include "device/crypto.h"

struct upgrade_options {
    struct database_options database;
    struct credential_options credential;
    bool at_once;
};

static const struct option options_table[] = {
    CREDENTIAL_OPTIONS(struct upgrade_options),
    {.name = "out",
     .argument = "FILE",
     .help = "makes a file for the credential line, which only you may read, instead of printing it",
     .parse = option_string,
     .offset = offsetof(struct upgrade_options, credential.out)},
    {.name = "at-once",
     .help =
         "closes the older wire now, not with the first message of the new credential; also of a device that "
         "has one already",
     .parse = option_flag,
     .offset = offsetof(struct upgrade_options, at_once)},
    DATABASE_OPTIONS(struct upgrade_options),
    {0},
};

/* What enter() needs. */
struct upgrading {
    struct store *store;
    const struct vault *vault;
    const struct device_row *row;
    bool at_once;
};

static int enter(void *context, const struct bulla_credential *credential, struct failure *failure)
{
    const struct upgrading *upgrading = context;
    struct device_row row = *upgrading->row;

    row.kid_len = credential->kid_len;
    row.alg = credential->alg;
    row.kind = credential->kind;
    memcpy(row.kid, credential->kid, sizeof(row.kid));
    if (vault_seal_device(upgrading->vault, &row, credential->secret, failure) < 0)
        return -1;
    return upgrading->store->ops->device_upgrade(upgrading->store, &row, true, upgrading->at_once, failure);
}

/* Of a device that has its credential: only the older wire is left to close. */
static int close_wire(struct store *store, const struct device_row *row, struct failure *failure)
{
    struct device_row closing = {.id = row->id};

    if (store->ops->device_upgrade(store, &closing, false, true, failure) < 0)
        return -1;
    device_print_name(stderr, row);
    fputs(": its older wire is closed\n", stderr);
    return 0;
}

/* What can be upgraded: 1 it needs a credential, 0 it has one and its wire is to be closed; -1 with the
 * failure. */
static int judge(struct store *store, const struct device_row *row, bool at_once, struct failure *failure)
{
    struct wire_row wire;
    const struct wire_ops *ops;
    int found = store->ops->wire_of(store, row->id, &wire, NULL, failure);

    if (found < 0)
        return -1;
    if (found == 0)
        return fail(failure, "%s: it is on the native wire; there is nothing to upgrade", row->name);
    if (wire.closed != WIRE_OPEN)
        return fail(failure, "%s: it is upgraded, and its older wire is closed", row->name);
    ops = wire_find(wire.wire);
    if (ops != NULL && ops->has_groups && wire.group == 0 && wire.node[0] == '\0')
        return fail(
            failure,
            "%s: a group is not one board: upgrade its nodes one by one, 'bulla device upgrade %s/ID'",
            row->name, row->name);
    if (row->kid_len > 0 && !at_once)
        return fail(
            failure,
            "%s: it has a native credential already ('bulla device export' prints it); its older wire is "
            "closed with its first message, or now with --at-once",
            row->name);
    return row->kid_len == 0;
}

static int upgrade(struct store *store, const struct vault *vault, const char *name,
                   const struct upgrade_options *options, struct failure *failure)
{
    struct bulla_credential credential = {0};
    struct device_row row;
    struct upgrading upgrading = {store, vault, &row, options->at_once};
    int result = database_device(store, name, &row, failure);

    if (result == 0)
        result = judge(store, &row, options->at_once, failure);
    if (result == 0)
        return close_wire(store, &row, failure);
    if (result > 0)
        result = credential_new(&options->credential, &credential, failure);
    if (result == 0)
        result = credential_enter(&options->credential, row.name, "was upgraded", &credential, enter,
                                  &upgrading, failure);
    bulla_wipe(&credential, sizeof(credential));
    return result;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct upgrade_options *options = values;
    struct vault vault = {0};
    struct store *store;
    int result;

    (void)argc;
    if (database_open(&store, &options->database, STORE_EXISTING, failure) < 0)
        return COMMAND_FAILED;
    result = database_vault(&vault, store, &options->database, failure);
    if (result == 0)
        result = upgrade(store, &vault, argv[0], options, failure);
    vault_wipe(&vault);
    database_close(store);
    return result;
}

const struct command command_device_upgrade = {
    .name = "upgrade",
    .summary = "gives a device on an older wire a native credential",
    .arguments = "NAME",
    .words = device_names,
    .details = "Prints its credential line, as 'bulla device add' does. Name, labels and history stay. The "
               "older wire is "
               "taken until the first message under the new credential is stored, and closed with it, so "
               "there is no "
               "moment in which nothing is taken: put the new firmware on the board whenever it suits. A "
               "group is not one "
               "board: its nodes NAME/ID are upgraded one by one.",
    .example = "bulla device upgrade balcony --out balcony.credential\n"
               "bulla device upgrade greenhouse/7 --counter --out node7.credential\n"
               "bulla device upgrade balcony --at-once",
    .options = options_table,
    .options_size = sizeof(struct upgrade_options),
    .least = 1,
    .most = 1,
    .run = run,
};
