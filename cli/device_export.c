/* bulla device export: the credential again, for a person, a program, or firmware. */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/database.h"
#include "cli/device_print.h"
#include "cli/output.h"
#include "cli/text.h"
#include "device/crypto.h"

#define EXPORT_SIZE 2048 /* bytes of the longest export, a C header */

enum export_format { EXPORT_URI, EXPORT_HEADER, EXPORT_JSON };

struct export_options {
    struct database_options database;
    unsigned format;
    bool again;
};

static const char *const formats[] = {
    [EXPORT_URI] = "uri", [EXPORT_HEADER] = "header", [EXPORT_JSON] = "json", NULL};

static const struct option options_table[] = {
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "uri: the credential line; header: C for firmware; json",
     .fallback = "uri",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct export_options, format)},
    {.name = "again",
     .help = "exports a counter device's header once more, and says what that risks",
     .parse = option_flag,
     .offset = offsetof(struct export_options, again)},
    DATABASE_OPTIONS(struct export_options),
    {0},
};

/* ---- the texts ---- */

static void write_bytes(FILE *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%s0x%02x", i == 0 ? "" : i % 12 ? ", " : ",\n     ", bytes[i]);
}

/*
 * `name` is percent-encoded: nothing in it ends the comment. Members stand in their order, which C++ takes
 * too.
 */
static void write_header(FILE *out, const struct bulla_credential *credential, const char *name, int name_len)
{
    bool counter = credential->kind == BULLA_COUNTER;

    fprintf(out, "/*\n * The credential of the device %.*s.", name_len, name);
    fputs(" It holds the secret: keep it out of version control,\n * and put it on one board.\n", out);
    if (counter)
        fputs(" * It counts: call bulla_provision_counter() once on that board, never at start-up.\n", out);
    fputs(" */\n#ifndef BULLA_CREDENTIAL_H\n#define BULLA_CREDENTIAL_H\n\n#include \"bulla.h\"\n\n", out);
    fputs("static const struct bulla_credential credential = {\n    /* secret */\n    {", out);
    write_bytes(out, credential->secret, sizeof(credential->secret));
    fputs("},\n    /* kid */\n    {", out);
    write_bytes(out, credential->kid, credential->kid_len);
    fprintf(out, "},\n    %u, /* bytes of kid */\n    %u, /* alg */\n    %s,\n};\n\n#endif\n",
            credential->kid_len, credential->alg, counter ? "BULLA_COUNTER" : "BULLA_SESSION");
}

static void write_json(FILE *out, const struct bulla_credential *credential, const char *name)
{
    fputs("{\"name\":", out);
    text_json(out, name, strlen(name));
    fputs(",\"kid\":\"", out);
    text_hex(out, credential->kid, credential->kid_len);
    fputs("\",\"secret\":\"", out);
    text_base64url(out, credential->secret, sizeof(credential->secret));
    fprintf(out, "\",\"alg\":%u,\"context\":\"%s\"}\n", credential->alg, device_kind_text(credential->kind));
}

/* Writes the export into `text` (EXPORT_SIZE bytes). Returns its length, or -1. */
static int make_export(char *text, unsigned format, const struct bulla_credential *credential,
                       const char *name)
{
    char line[BULLA_CREDENTIAL_MAX];
    const char *encoded = line + strlen("bulla:"); /* the name, as it stands in the line */
    FILE *out = NULL;
    int len = bulla_credential_format(credential, name, line);

    if (len >= 0)
        out = fmemopen(text, EXPORT_SIZE, "w");
    if (!out)
        return -1;
    setvbuf(out, NULL, _IONBF, 0); /* a buffer could not be wiped */
    if (format == EXPORT_HEADER)
        write_header(out, credential, encoded, (int)strcspn(encoded, "?"));
    else if (format == EXPORT_JSON)
        write_json(out, credential, name);
    else
        fprintf(out, "%s\n", line);
    len = (int)ftell(out);
    fclose(out);
    bulla_wipe(line, sizeof(line));
    return len;
}

/* ---- may it leave? (PROTOCOL 2: a counter credential is put on one board, once) ---- */

/* Says in `why` what speaks against another header. 1 something does, 0 nothing. */
static int used_before(struct store *store, const struct device_row *row, const char **why,
                       struct failure *failure)
{
    struct context_row context;
    struct store_clock clock;
    int found;

    *why = "its header was exported before";
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

static int allow_header(struct store *store, const struct device_row *row, bool again,
                        struct failure *failure)
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
        return fail(failure, "%s: its header was exported by somebody else at this moment", row->name);
    return used < 0 ? -1 : 0;
}

static void warn_second_copy(struct store *store, const struct device_row *row)
{
    struct failure unused;
    const char *why;

    if (row->kind == BULLA_COUNTER && used_before(store, row, &why, &unused) == 1)
        warn(row, why, "; this credential is for the board that has it, and for no other");
}

static int export(struct store *store, const struct vault *vault, const struct device_row *row,
                  const struct export_options *options, struct failure *failure)
{
    struct bulla_credential credential = {.kid_len = row->kid_len, .alg = row->alg, .kind = row->kind};
    char text[EXPORT_SIZE];
    int result;
    int len;

    if (vault_open_device(vault, row, credential.secret, failure) < 0)
        return -1;
    memcpy(credential.kid, row->kid, sizeof(credential.kid));
    result = 0;
    if (options->format != EXPORT_HEADER)
        warn_second_copy(store, row);
    else if (row->kind == BULLA_COUNTER)
        result = allow_header(store, row, options->again, failure);
    if (result == 0) {
        len = make_export(text, options->format, &credential, row->name);
        result = len < 0 ? fail(failure, "%s: its credential cannot be written", row->name)
                         : output_secret(text, (size_t)len, failure);
        bulla_wipe(text, sizeof(text));
    }
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
    .details = "It holds the secret. A counter device's header is exported once, and only before its first "
               "message: a second board with it, or a board that counts from the start again, would use the "
               "same nonces twice.",
    .example = "bulla device export kitchen --format json\n"
               "(umask 077; bulla device export kitchen --format header > credential.h)",
    .options = options_table,
    .options_size = sizeof(struct export_options),
    .least = 1,
    .most = 1,
    .run = run,
};
