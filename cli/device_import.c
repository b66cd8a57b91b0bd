/* bulla device import: devices whose credentials were made elsewhere. */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/database.h"
#include "cli/device_print.h"
#include "cli/input.h"
#include "cli/provision.h"
#include "cli/text.h"
#include "device/crypto.h"

struct import_options {
    struct database_options database;
};

static const struct option options_table[] = {
    DATABASE_OPTIONS(struct import_options),
    {0},
};

/* Reads the lines into `bytes` (PROVISION_SIZE_MAX). Returns their length. */
static int read_text(const char *argument, char *bytes, struct failure *failure)
{
    size_t len = strlen(argument);

    if (input_is_indirect(argument))
        return input_file(argument + (*argument == '@'), bytes, PROVISION_SIZE_MAX, failure);
    if (len >= BULLA_CREDENTIAL_MAX)
        return fail(failure, "it is longer than a credential line can be");
    fputs("bulla: while this ran, the secret stood in the list of processes, where every user of this host "
          "could read it; @FILE or - keeps it out\n",
          stderr);
    memcpy(bytes, argument, len);
    return (int)len;
}

static const char *source_of(const char *argument)
{
    if (strcmp(argument, "-") == 0)
        return "standard input";
    return *argument == '@' ? argument + 1 : "the line";
}

static void tell(const struct provision *provision)
{
    size_t counters = 0;

    for (size_t i = 0; i < provision->count; i++)
        counters += provision->rows[i].credential.kind == BULLA_COUNTER;
    printf("%zu device%s imported\n", provision->count, provision->count == 1 ? " was" : "s were");
    if (counters > 0)
        printf("%zu of them count%s, and may have sealed messages before: nothing of a counter is stored\n"
               "before it answers a challenge. 'bulla device trust NAME' is for one that can hear none\n",
               counters, counters == 1 ? "s" : "");
}

static int import(struct store *store, const struct vault *vault, struct provision *provision,
                  struct failure *failure)
{
    if (provision_check_rows(provision, store, failure) < 0 ||
        provision_end(provision, "nothing was imported", failure) < 0 ||
        provision_enter(provision, store, vault, failure) < 0)
        return -1;
    tell(provision);
    return 0;
}

static int read_and_import(const struct import_options *options, const char *argument, char *bytes, int *len,
                           struct failure *failure)
{
    struct provision provision = {.source = source_of(argument)};
    struct vault vault = {0};
    struct store *store = NULL;
    int result = -1;

    *len = read_text(argument, bytes, failure);
    if (*len < 0)
        return -1;
    /* The lines first: an error in them is told without a database being made. */
    if (provision_read_lines(&provision, bytes, (size_t)*len, failure) == 0 &&
        (provision.count > 0 || provision_end(&provision, "nothing was imported", failure) == 0) &&
        database_open(&store, &options->database, STORE_CREATE, failure) == 0 &&
        database_vault(&vault, store, &options->database, failure) == 0)
        result = import(store, &vault, &provision, failure);
    provision_wipe(&provision);
    vault_wipe(&vault);
    database_close(store);
    return result;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    char *bytes = malloc(PROVISION_SIZE_MAX + 1);
    int len = 0;
    int result;

    (void)argc;
    if (bytes == NULL)
        return fail(failure, "memory is out");
    result = read_and_import(values, argv[0], bytes, &len, failure);
    bulla_wipe(bytes, len > 0 ? (size_t)len : 0);
    free(bytes);
    return result;
}

const struct command command_device_import = {
    .name = "import",
    .summary = "enters devices whose credential lines were made elsewhere",
    .arguments = "LINE|@FILE|-",
    .details =
        "A file may hold many lines; all of them are entered, or, where one cannot be, none. A name or a kid "
        "that is taken is refused, and a kid that a removed device had. A secret that was not drawn here "
        "may have sealed messages before, so a counter device is challenged once before anything of it is "
        "stored.",
    .example = "bulla device import @kitchen.credential\n"
               "cat credentials/*.credential | bulla device import -",
    .options = options_table,
    .options_size = sizeof(struct import_options),
    .least = 1,
    .most = 1,
    .run = run,
};
