/* bulla device add: a new credential (PROTOCOL 1), entered in the registry. */
#include "cli/device_add.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/label_text.h"
#include "cli/output.h"
#include "cli/provision.h"
#include "cli/text.h"
#include "device/crypto.h"

#define SECRET_LENGTH 43 /* characters (PROTOCOL 1) */
#define NEW_KID_SIZE  4  /* bytes (PROTOCOL 1) */
#define DRAWS         64 /* of a kid: even among a million devices the first is nearly always free */

static const char *const algs[] = {"10", "24", "30", NULL};

static const struct option options_table[] = {
    {.name = "kid",
     .argument = "HEX",
     .help = "the device's name on the wire, 1 to 5 bytes (default: 4 random bytes)",
     .parse = option_string,
     .offset = offsetof(struct add_options, kid)},
    {.name = "alg",
     .argument = "N",
     .help = "COSE algorithm: 10 AES-CCM with a tag of 8 bytes, 30 the same with 16, 24 ChaCha20/Poly1305",
     .fallback = "10",
     .parse = option_word,
     .words = algs,
     .offset = offsetof(struct add_options, alg)},
    {.name = "counter",
     .help =
         "for a board without a random source, or one that cannot hear replies: it counts in flash instead",
     .parse = option_flag,
     .offset = offsetof(struct add_options, counter)},
    {.name = "secret",
     .argument = "@FILE|-",
     .help = "imports a secret of 32 bytes (43 characters of base64url) instead of drawing one",
     .parse = option_string,
     .offset = offsetof(struct add_options, secret)},
    {.name = "out",
     .argument = "FILE",
     .help = "makes a file for the credential line, which only you may read, instead of printing it; with "
             "--from, a folder of them",
     .parse = option_string,
     .offset = offsetof(struct add_options, out)},
    {.name = "from",
     .argument = "FILE|-",
     .help = "adds the devices of a table: CSV whose first row names the columns: name, and as you like kid, "
             "alg, kind, labels (k=v;k=v), label:KEY",
     .parse = option_string,
     .offset = offsetof(struct add_options, from)},
    {.name = "dry-run",
     .help = "with --from: checks the table and shows what would be added, but adds nothing",
     .parse = option_flag,
     .offset = offsetof(struct add_options, dry_run)},
    {.name = "label",
     .argument = "KEY=VALUE",
     .help = "puts a label on it; may be given several times",
     .parse = option_strings,
     .repeatable = true,
     .offset = offsetof(struct add_options, labels)},
    DATABASE_OPTIONS(struct add_options),
    {0},
};

static int draw(void *out, size_t len, struct failure *failure)
{
    if (getrandom(out, len, 0) != (ssize_t)len) /* up to 256 bytes come whole */
        return fail(failure, "the system's random source failed; nothing was added");
    return 0;
}

/* The library's reader of credential lines also reads a secret: it stands in one here. */
static int import_secret(const char *argument, struct bulla_credential *credential, struct failure *failure)
{
    char secret[64];
    char line[128];
    struct bulla_credential imported = {0};
    int result = -1;
    int len;

    if (!input_is_indirect(argument))
        return usage(failure,
                     "--secret: a secret on the command line can be seen by every user; give @FILE or -");
    len = input_line(argument, secret, sizeof(secret), failure);
    if (len >= 0) {
        len = snprintf(line, sizeof(line), "bulla:x?kid=00&secret=%s", secret);
        if (strlen(secret) == SECRET_LENGTH)
            result = bulla_credential_parse(&imported, NULL, line, (size_t)len);
        memcpy(credential->secret, imported.secret, sizeof(credential->secret));
        if (result < 0)
            fail(failure, "--secret: this is not a secret: it takes 43 characters of base64url, 32 bytes");
    }
    bulla_wipe(&imported, sizeof(imported));
    bulla_wipe(secret, sizeof(secret));
    bulla_wipe(line, sizeof(line));
    return result < 0 ? -1 : 0;
}

static int make_credential(const struct add_options *options, struct bulla_credential *credential,
                           struct failure *failure)
{
    int len;

    credential->alg = (uint8_t)atoi(options->alg);
    credential->kind = options->counter ? BULLA_COUNTER : BULLA_SESSION;
    if (options->kid) {
        len = text_parse_hex(options->kid, strlen(options->kid), credential->kid, sizeof(credential->kid));
        if (len < 1)
            return usage(failure, "--kid: '%.20s' is not 1 to 5 bytes of hex", options->kid);
        credential->kid_len = (uint8_t)len;
    }
    if (options->secret)
        return import_secret(options->secret, credential, failure);
    return draw(credential->secret, sizeof(credential->secret), failure);
}

/* Enters it once, under credential->kid. 1 entered, 0 the kid is taken. */
static int enter(struct store *store, const struct vault *vault, const char *name,
                 const struct bulla_credential *credential, const struct add_options *options,
                 struct failure *failure)
{
    struct label_list labels;
    struct device_entry entry = {
        .row = {.kid_len = credential->kid_len,
                .alg = credential->alg,
                .kind = credential->kind,
                .created = time(NULL)},
        .proven = !options->secret, /* PROTOCOL 4.4 */
    };
    enum device_clash clash;
    size_t at;

    if (label_list_parse(&labels, options->labels.texts, options->labels.count, LABEL_ONLY, failure) < 0)
        return -1;
    entry.labels = labels.labels;
    entry.label_count = labels.count;
    memcpy(entry.row.name, name, strlen(name) + 1);
    memcpy(entry.row.kid, credential->kid, sizeof(entry.row.kid));
    if (vault_seal_device(vault, &entry.row, credential->secret, failure) < 0)
        return -1;
    int entered = store->ops->devices_add(store, &entry, 1, &at, &clash, failure);
    if (entered == 0 && clash == CLASH_NAME)
        return fail(failure,
                    "there is a device named \"%s\" already; choose another name, or take it out with 'bulla "
                    "device remove' first",
                    name);
    return entered;
}

static int add(struct store *store, const struct vault *vault, const char *name,
               const struct add_options *options, struct bulla_credential *credential,
               struct failure *failure)
{
    int entered;

    if (options->kid) {
        entered = enter(store, vault, name, credential, options, failure);
        return entered != 0
                   ? entered
                   : fail(failure, "--kid %s: it is taken, or was once; choose another", options->kid);
    }
    credential->kid_len = NEW_KID_SIZE;
    for (int i = 0; i < DRAWS; i++) {
        if (draw(credential->kid, NEW_KID_SIZE, failure) < 0)
            return -1;
        entered = enter(store, vault, name, credential, options, failure);
        if (entered != 0)
            return entered;
    }
    return fail(failure, "no kid of %d bytes is free; give one of another length with --kid", NEW_KID_SIZE);
}

/* Writes the line to standard output, or into `file` (named `path`) if that is not negative; closes it. */
static int print(const char *name, const struct bulla_credential *credential, int file, const char *path,
                 struct failure *failure)
{
    char line[BULLA_CREDENTIAL_MAX] = "";
    struct failure why;
    int result;
    int len = bulla_credential_format(credential, name, line);

    if (len >= 0)
        line[len++] = '\n';
    if (file >= 0)
        result = output_secret_file(file, path, line, len < 0 ? 0 : (size_t)len, &why);
    else
        result = output_secret(line, len < 0 ? 0 : (size_t)len, &why);
    bulla_wipe(line, sizeof(line));
    if (len < 0)
        return fail(failure, "%s was added, but its credential line: %s", name, bulla_strerror(len));
    if (result < 0)
        return fail(failure, "%s was added, but its credential could not be %s; see 'bulla device export'",
                    name, file >= 0 ? "written" : "printed");
    return 0;
}

/* The file is made before the device is: where it cannot be made, nothing is added. */
static int add_and_print(struct store *store, const struct vault *vault, const char *name,
                         const struct add_options *options, struct bulla_credential *credential,
                         struct failure *failure)
{
    int file = -1;
    int result;

    if (options->out) {
        file = output_create(options->out, failure);
        if (file < 0)
            return -1;
    }
    result = add(store, vault, name, options, credential, failure);
    if (result < 0 && file >= 0)
        close(file);
    if (result >= 0)
        result = print(name, credential, file, options->out, failure);
    if (result < 0 && file >= 0)
        unlink(options->out);
    return result < 0 ? -1 : 0;
}

static int add_one(const struct add_options *options, const char *name, struct failure *failure)
{
    struct bulla_credential credential = {0};
    struct vault vault = {0};
    struct store *store = NULL;
    struct label_list labels;
    int result = provision_check_name(name, strlen(name), failure) < 0 ? COMMAND_USAGE : 0;

    if (result == 0)
        result = label_list_parse(&labels, options->labels.texts, options->labels.count, LABEL_ONLY, failure);
    if (result == 0)
        result = make_credential(options, &credential, failure);
    if (result < 0)
        goto out;
    result = -1;
    if (database_open(&store, &options->database, STORE_CREATE, failure) < 0 ||
        database_vault(&vault, store, &options->database, failure) < 0)
        goto out;
    result = add_and_print(store, &vault, name, options, &credential, failure);
out:
    database_close(store);
    vault_wipe(&vault);
    bulla_wipe(&credential, sizeof(credential));
    return result;
}

static int check_from(const struct add_options *options, int argc, struct failure *failure)
{
    if (argc > 0 || options->kid || options->secret || options->counter || strcmp(options->alg, "10") != 0 ||
        options->labels.count > 0)
        return usage(failure,
                     "--from: names, kids, algorithms, kinds and labels stand in the table, not beside it");
    if (options->out == NULL && !options->dry_run)
        return usage(failure, "--from: give --out FOLDER too, for the credentials");
    if (options->out != NULL && strcmp(options->out, "-") == 0)
        return usage(failure,
                     "--out: with --from a folder, not standard output: what could not be written there "
                     "could not be taken back");
    return 0;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct add_options *options = values;
    int result;

    if (options->from) {
        result = check_from(options, argc, failure);
        return result < 0 ? result : device_add_from(options, failure);
    }
    if (options->dry_run)
        return usage(failure, "--dry-run: only with --from");
    if (argc == 0)
        return usage(failure, "an argument is missing: NAME");
    return add_one(options, argv[0], failure);
}

const struct command command_device_add = {
    .name = "add",
    .summary = "makes a device and prints its credential line",
    .arguments = "NAME | --from FILE",
    .details =
        "The line is all that the device needs, and nothing else is printed on standard output. It "
        "holds the secret: keep it like a password, in a file of --out, which nobody else may read. "
        "One credential is for one board.\n"
        "An imported secret may have sealed messages before, so a counter device made with it is "
        "challenged once before anything of it is stored.\n"
        "With --from, all devices of the table are added or none: every problem is told with its row, before "
        "anything is done. A run that is cut is ended by the same command.",
    .example = "bulla device add kitchen --out kitchen.credential\n"
               "bulla device add porch --label site=home --label floor=0 --out porch.credential\n"
               "bulla device add shed --counter --kid 11223344 --out shed.credential\n"
               "(umask 077; bulla device add attic > attic.credential)\n"
               "bulla device add --from devices.csv --out credentials --dry-run",
    .options = options_table,
    .options_size = sizeof(struct add_options),
    .most = 1,
    .run = run,
};
