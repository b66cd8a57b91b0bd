/* bulla open: explains one message: what it says, whether it authenticates and why not, what is in it. */
#include "cli/command.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/database.h"
#include "cli/input.h"
#include "cli/open_print.h"
#include "cli/text.h"
#include "device/crypto.h"

#define INPUT_MAX (1 << 16) /* bytes of what is read: a message in hex has at most 8,193 */

enum open_format { OPEN_TEXT, OPEN_JSON };

struct open_options {
    struct database_options database;
    const char *credential;
    const char *device;
    const char *id_context;
    unsigned format;
};

static const char *const formats[] = {[OPEN_TEXT] = "text", [OPEN_JSON] = "json", NULL};

static const struct option options_table[] = {
    {.name = "credential",
     .letter = 'c',
     .argument = "LINE|@FILE|-",
     .help = "opens it with this credential",
     .parse = option_string,
     .offset = offsetof(struct open_options, credential)},
    {.name = "device",
     .letter = 'd',
     .argument = "NAME",
     .help = "opens it with this device's credential, from the registry, in the sessions that stand there",
     .words = device_names,
     .parse = option_string,
     .offset = offsetof(struct open_options, device)},
    {.name = "id-context",
     .argument = "HEX",
     .help = "the session that it was sealed in, 8 bytes, where it does not name it (a reply never does)",
     .parse = option_string,
     .offset = offsetof(struct open_options, id_context)},
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "text or json",
     .fallback = "text",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct open_options, format)},
    DATABASE_OPTIONS(struct open_options),
    {0},
};

/* ---- the message ---- */

/* Hex digits in one or more lines, as --record, xxd -p or a person writes them; nothing else. */
static bool is_hex(const char *text, size_t len)
{
    size_t digits = 0;

    for (size_t i = 0; i < len; i++) {
        if (isxdigit((unsigned char)text[i]))
            digits++;
        else if (!isspace((unsigned char)text[i]) && text[i] != ':')
            return false;
    }
    return digits > 0;
}

/* Whether a second line begins as a message does: then there are several. */
static bool is_record(const char *text, size_t len)
{
    const char *line = memchr(text, '\n', len);

    return line != NULL && len - (size_t)(line - text) > 4 && strncasecmp(line + 1, "d083", 4) == 0;
}

/* Decodes the digits in place. Returns the bytes, or -1. */
static int decode_hex(char *text, size_t len, struct failure *failure)
{
    size_t digits = 0;
    int bytes;

    if (is_record(text, len))
        return fail(failure, "there are several messages in it, a line each; give one of them: "
                             "tail -n 1 FILE | bulla open");
    for (size_t i = 0; i < len; i++) {
        if (isxdigit((unsigned char)text[i]))
            text[digits++] = text[i];
    }
    bytes = text_parse_hex(text, digits, (uint8_t *)text, INPUT_MAX);
    return bytes < 0 ? fail(failure, "there is an odd number of hex digits; is the end missing?") : bytes;
}

/* Reads the message from the argument (hex) or standard input (bytes or hex) into `bytes` (INPUT_MAX). */
static int read_message(const char *argument, uint8_t *bytes, struct failure *failure)
{
    char *text = (char *)bytes;
    size_t len;

    if (argument == NULL || strcmp(argument, "-") == 0) {
        int got = input_file("-", text, INPUT_MAX, failure);

        if (got <= 0)
            return got < 0 ? -1 : fail(failure, "standard input is empty; give a message, its bytes or hex");
        return is_hex(text, (size_t)got) ? decode_hex(text, (size_t)got, failure) : got;
    }
    len = strlen(argument);
    if (len > INPUT_MAX)
        return fail(failure, "the message is longer than any can be");
    if (!is_hex(argument, len))
        return usage(failure, "'%.20s' is not a message in hex; its bytes go to standard input", argument);
    memcpy(text, argument, len);
    return decode_hex(text, len, failure);
}

/* ---- the keys ---- */

static int read_id_context(const char *hex, struct opening_keys *keys, struct failure *failure)
{
    if (hex == NULL)
        return 0;
    if (text_parse_hex(hex, strlen(hex), keys->sessions[0], BULLA_ID_CONTEXT_SIZE) != BULLA_ID_CONTEXT_SIZE)
        return usage(failure, "--id-context: '%.20s' is not %d bytes of hex", hex, BULLA_ID_CONTEXT_SIZE);
    keys->session_count = 1;
    return 0;
}

static int read_credential(const char *argument, struct opening_keys *keys, struct failure *failure)
{
    char line[BULLA_CREDENTIAL_MAX];
    int len = input_line(argument, line, sizeof(line), failure);
    int error = 0;

    if (len >= 0)
        error = bulla_credential_parse(&keys->credential, keys->name, line, (size_t)len);
    bulla_wipe(line, sizeof(line));
    if (error < 0)
        return fail(failure, "--credential: not a credential line; 'bulla device add' prints one, and @FILE "
                             "reads it from a file");
    return len < 0 ? -1 : 0;
}

static int keep_session(void *context, const struct context_row *row)
{
    struct opening_keys *keys = context;

    if (row->counter)
        return 0;
    memcpy(keys->sessions[keys->session_count++], row->id_context, BULLA_ID_CONTEXT_SIZE);
    return keys->session_count == OPENING_CONTEXTS_MAX;
}

static int read_device(struct store *store, const struct open_options *options, struct opening_keys *keys,
                       struct failure *failure)
{
    struct device_row row;
    struct vault vault;
    int result;

    if (database_device(store, options->device, &row, failure) < 0 ||
        store->ops->context_each(store, row.id, keep_session, keys, failure) < 0 ||
        database_vault(&vault, store, &options->database, failure) < 0)
        return -1;
    result = vault_open_device(&vault, &row, keys->credential.secret, failure);
    vault_wipe(&vault);
    memcpy(keys->name, row.name, sizeof(keys->name));
    memcpy(keys->credential.kid, row.kid, sizeof(keys->credential.kid));
    keys->credential.kid_len = row.kid_len;
    keys->credential.alg = row.alg;
    keys->credential.kind = row.kind;
    keys->revoked = row.revoked;
    return result;
}

static int read_registry(const struct open_options *options, struct opening_keys *keys,
                         struct failure *failure)
{
    struct store *store;
    int result;

    if (database_open(&store, &options->database, STORE_EXISTING, failure) < 0)
        return -1;
    result = read_device(store, options, keys, failure);
    database_close(store);
    return result;
}

/* 1 there are keys, 0 none were asked for. */
static int read_keys(const struct open_options *options, struct opening_keys *keys, struct failure *failure)
{
    int result = read_id_context(options->id_context, keys, failure);

    if (result < 0)
        return result;
    if (options->device)
        return read_registry(options, keys, failure) < 0 ? -1 : 1;
    if (options->credential)
        return read_credential(options->credential, keys, failure) < 0 ? -1 : 1;
    return 0;
}

/* ---- the command ---- */

static int check_usage(const struct open_options *options, const char *argument, struct failure *failure)
{
    bool from_input = argument == NULL || strcmp(argument, "-") == 0;

    if (options->credential && options->device)
        return usage(failure, "give --credential or --device, not both");
    if (options->id_context && !options->credential && !options->device)
        return usage(failure, "--id-context: give --credential or --device too");
    if (options->credential && strcmp(options->credential, "-") == 0 && from_input)
        return usage(failure,
                     "standard input cannot be both: give the message as hex, or --credential @FILE");
    return 0;
}

/* Takes the message apart, and opens it if `keys` is not NULL. */
static void explain(struct open_report *report, uint8_t *bytes, size_t len, const struct opening_keys *keys)
{
    struct bulla_envelope envelope;
    enum bulla_direction direction;

    report->len = len;
    report->keys = keys;
    anatomy_read(&report->anatomy, bytes, len);
    direction = report->anatomy.direction == ANATOMY_TO_DEVICE ? BULLA_TO_DEVICE : BULLA_TO_GATEWAY;
    report->formed = bulla_envelope_parse(&envelope, direction, bytes, len) == 0;
    if (report->formed && keys != NULL)
        opening_try(&report->opening, keys, &envelope, direction);
}

static int open_message(const struct open_options *options, const char *argument, uint8_t *bytes,
                        struct opening_keys *keys, struct failure *failure)
{
    struct open_report report = {0};
    int have_keys = read_keys(options, keys, failure);
    int len;
    int result;

    if (have_keys < 0)
        return have_keys;
    len = read_message(argument, bytes, failure);
    if (len < 0)
        return len;
    explain(&report, bytes, (size_t)len, have_keys ? keys : NULL);
    if (options->format == OPEN_JSON)
        result = open_print_json(&report, failure);
    else
        result = open_print_text(&report, failure);
    if (result < 0)
        return COMMAND_FAILED;
    *failure->text = 0; /* what there is to say was printed */
    return report.formed && (!have_keys || report.opening.authentic) ? COMMAND_DONE : COMMAND_FAILED;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct open_options *options = values;
    const char *argument = argc > 0 ? argv[0] : NULL;
    struct opening_keys keys = {0};
    uint8_t *bytes;
    int result = check_usage(options, argument, failure);

    if (result < 0)
        return result;
    bytes = malloc(INPUT_MAX);
    if (bytes == NULL)
        return fail(failure, "memory is out");
    result = open_message(options, argument, bytes, &keys, failure);
    bulla_wipe(&keys, sizeof(keys));
    free(bytes);
    return result;
}

const struct command command_open = {
    .name = "open",
    .summary = "explains one message: its headers, whether it authenticates, what is in it",
    .arguments = "[HEX]",
    .details =
        "The message is given as hex, or on standard input as bytes or hex (a line of what "
        "'bulla send --record' wrote). Device's messages and gateway's replies are both opened. Nothing "
        "is stored, and no replay window moves. Exits with 0 if the message is well formed and, where a "
        "credential was given, authenticates.",
    .example = "bulla open d083…\n"
               "tail -n 1 messages | bulla open --credential @kitchen.credential\n"
               "bulla open --device kitchen --id-context 8af0c3e1b2d49576 --format json < reply",
    .options = options_table,
    .options_size = sizeof(struct open_options),
    .most = 1,
    .run = run,
};
