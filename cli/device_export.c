/* bulla device export: the credential again, for a person, a program, or firmware. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "cli/credential_text.h"
#include "cli/database.h"
#include "cli/derived_text.h"
#include "cli/device_print.h"
#include "cli/output.h"
#include "device/crypto.h"

struct export_options {
    struct database_options database;
    unsigned format;
    bool again;
    bool invert;
    bool derived;
};

static const struct option options_table[] = {
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "uri: the credential line; header: C for firmware; json; qr: the line as a QR code, drawn with "
             "characters; nvs: a table for ESP-IDF's NVS partition generator",
     .fallback = "uri",
     .parse = option_choice,
     .words = credential_forms,
     .offset = offsetof(struct export_options, format)},
    {.name = "again",
     .help = "exports a counter device for a board once more, and says what that risks",
     .parse = option_flag,
     .offset = offsetof(struct export_options, again)},
    {.name = "invert",
     .help = "draws the QR code for a terminal with dark letters on a light ground",
     .parse = option_flag,
     .offset = offsetof(struct export_options, invert)},
    {.name = "derived",
     .help = "with header: a counter device's keys instead of its secret, for a board that only seals",
     .parse = option_flag,
     .offset = offsetof(struct export_options, derived)},
    DATABASE_OPTIONS(struct export_options),
    {0},
};

/* ---- may it leave? (PROTOCOL 2: a counter credential is put on one board, once) ---- */

/* Says in `why` what speaks against putting it on another board. 1 something does, 0 nothing. */
static int used_before(struct store *store, const struct device_row *row, const char **why,
                       struct failure *failure)
{
    struct context_row context;
    struct store_clock clock;
    int found;

    *why = "it was exported before";
    if (row->exported)
        return 1;
    *why = "messages of it are stored";
    found = store->ops->context_find(store, row->id, NULL, &context, &clock, failure);
    return found < 0 ? -1 : found == 1 && context.window.bits != 0;
}

static void warn(const struct device_row *row, const char *why, const char *so)
{
    fputs("bulla: ", stderr);
    device_print_name(stderr, row);
    fprintf(stderr, ": %s%s\n", why, so);
}

static int allow_board(struct store *store, const struct device_row *row, bool again, struct failure *failure)
{
    const char *why;
    int used = used_before(store, row, &why, failure);

    if (used < 0)
        return -1;
    if (used && !again)
        return fail(failure,
                    "%s: a counter credential is for one board, once, and %s; make a new one with 'bulla "
                    "device add --counter' ('--again' exports it all the same, at a risk)",
                    row->name, why);
    if (used)
        warn(row, why,
             ". Two boards with this credential, or one board whose counter begins anew, use\n"
             "the same nonces again: then its readings can be read and forged. Continue only if the board "
             "that "
             "had\n"
             "it keeps its counter and gets it back, or never sealed anything.");
    /* Marked before it is printed: if that fails, --again is the way, knowingly. */
    used = store->ops->device_exported(store, row->id, failure);
    if (used == 0 && !again)
        return fail(failure, "%s: it was exported by somebody else at this moment", row->name);
    return used < 0 ? -1 : 0;
}

static void warn_second_copy(struct store *store, const struct device_row *row)
{
    struct failure unused;
    const char *why;

    if (row->kind == BULLA_COUNTER && used_before(store, row, &why, &unused) == 1)
        warn(row, why, "; this credential is for the board that has it, and for no other");
}

/* Keys that are derived beforehand are for one kind of context and one form. */
static int allow_derived(const struct device_row *row, const struct export_options *options,
                         struct failure *failure)
{
    if (options->format != CREDENTIAL_HEADER)
        return fail(failure, "'--derived' goes with '--format header'");
    if (row->kind != BULLA_COUNTER)
        return fail(failure,
                    "%s has a session context: its keys are new at every start of the board, so none can be "
                    "derived beforehand; a board that only seals takes a counter context, 'bulla device add "
                    "--counter'",
                    row->name);
    return 0;
}

/* Whether this form may leave: 0, or -1 with the reason. */
static int allow(struct store *store, const struct device_row *row, const struct export_options *options,
                 struct failure *failure)
{
    if (options->derived && allow_derived(row, options, failure) < 0)
        return -1;
    if (!credential_form_is_for_boards((enum credential_form)options->format)) {
        warn_second_copy(store, row);
        return 0;
    }
    return row->kind == BULLA_COUNTER ? allow_board(store, row, options->again, failure) : 0;
}

static int print(const struct device_row *row, const struct bulla_credential *credential,
                 const struct export_options *options, struct failure *failure)
{
    char text[CREDENTIAL_TEXT_SIZE];
    int len = options->derived ? derived_text(text, credential, row->name)
                               : credential_text(text, (enum credential_form)options->format, credential,
                                                 row->name, options->invert);
    int result = len < 0 ? fail(failure, "%s: its credential cannot be written", row->name)
                         : output_secret(text, (size_t)len, failure);

    bulla_wipe(text, sizeof(text));
    return result;
}

static int export(struct store *store, const struct vault *vault, const struct device_row *row,
                  const struct export_options *options, struct failure *failure)
{
    struct bulla_credential credential = {.kid_len = row->kid_len, .alg = row->alg, .kind = row->kind};
    int result;

    if (vault_open_device(vault, row, credential.secret, failure) < 0)
        return -1;
    memcpy(credential.kid, row->kid, sizeof(credential.kid));
    result = allow(store, row, options, failure);
    if (result == 0)
        result = print(row, &credential, options, failure);
    bulla_wipe(&credential, sizeof(credential));
    return result;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct export_options *options = values;
    struct device_row row;
    struct vault vault = {0};
    struct store *store;
    int result;

    (void)argc;
    if (database_open(&store, &options->database, STORE_EXISTING, failure) < 0)
        return COMMAND_FAILED;
    result = database_device(store, argv[0], &row, failure);
    if (result == 0)
        result = device_needs_native(&row, failure);
    if (result == 0)
        result = database_vault(&vault, store, &options->database, failure);
    if (result == 0)
        result = export(store, &vault, &row, options, failure);
    vault_wipe(&vault);
    database_close(store);
    return result;
}

const struct command command_device_export = {
    .name = "export",
    .summary = "prints a device's credential again, also as C for firmware",
    .arguments = "NAME",
    .words = device_names,
    .details =
        "It holds the secret. What is made for a board (header, qr, nvs) leaves once of a counter device, "
        "and only before its first message: a second board with it, or a board that counts from the "
        "start again, would use the same nonces twice.\n"
        "A QR code is drawn with half blocks where the locale is UTF-8, else with # signs.",
    .example = "bulla device export kitchen --format json\n"
               "(umask 077; bulla device export kitchen --format header > credential.h)\n"
               "(umask 077; bulla device export shed --format header --derived > credential.h)\n"
               "(umask 077; bulla device export kitchen --format nvs > nvs.csv)",
    .options = options_table,
    .options_size = sizeof(struct export_options),
    .least = 1,
    .most = 1,
    .run = run,
};
