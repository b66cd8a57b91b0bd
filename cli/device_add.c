/* bulla device add: a new credential (PROTOCOL 1), entered in the registry. */
#include "cli/device_add.h"

#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/label_text.h"
#include "cli/provision.h"
#include "device/crypto.h"

static const struct option options_table[] = {
    CREDENTIAL_OPTIONS(struct add_options),
    {.name = "secret",
     .argument = "@FILE|-",
     .help = "imports a secret of 32 bytes (43 characters of base64url) instead of drawing one",
     .parse = option_string,
     .offset = offsetof(struct add_options, credential.secret)},
    {.name = "out",
     .argument = "FILE",
     .help = "makes a file for the credential line, which only you may read, instead of printing it; with "
             "--from, a folder of them",
     .parse = option_string,
     .offset = offsetof(struct add_options, credential.out)},
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
    WIRE_OPTIONS,
    DATABASE_OPTIONS(struct add_options),
    {0},
};

/* What enter() needs. */
struct adding {
    const struct add_options *options;
    struct store *store;
    const struct vault *vault;
    const char *name;
    const struct label_list *labels;
};

static int enter(void *context, const struct bulla_credential *credential, struct failure *failure)
{
    const struct adding *adding = context;
    struct device_entry entry = {
        .row = {.kid_len = credential->kid_len,
                .alg = credential->alg,
                .kind = credential->kind,
                .created = time(NULL)},
        .proven = !adding->options->credential.secret, /* PROTOCOL 4.4 */
        .labels = adding->labels->labels,
        .label_count = adding->labels->count,
    };

    memcpy(entry.row.name, adding->name, strlen(adding->name) + 1);
    memcpy(entry.row.kid, credential->kid, sizeof(entry.row.kid));
    if (vault_seal_device(adding->vault, &entry.row, credential->secret, failure) < 0)
        return -1;
    return device_add_entry(adding->store, &entry, failure);
}

int device_add_entry(struct store *store, struct device_entry *entry, struct failure *failure)
{
    enum device_clash clash;
    size_t at;
    int entered = store->ops->devices_add(store, entry, 1, &at, &clash, failure);

    if (entered == 0 && clash == CLASH_NAME)
        return fail(failure,
                    "there is a device named \"%s\" already; choose another name, or take it out with 'bulla "
                    "device remove' first",
                    entry->row.name);
    return entered;
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
        result = credential_new(&options->credential, &credential, failure);
    if (result < 0)
        goto out;
    result = -1;
    if (database_open(&store, &options->database, STORE_CREATE, failure) < 0 ||
        database_vault(&vault, store, &options->database, failure) < 0)
        goto out;
    struct adding adding = {options, store, &vault, name, &labels};
    result = credential_enter(&options->credential, name, "was added", &credential, enter, &adding, failure);
out:
    database_close(store);
    vault_wipe(&vault);
    bulla_wipe(&credential, sizeof(credential));
    return result;
}

/* Whether anything was said of a single native credential. */
static bool has_credential_options(const struct credential_options *options)
{
    return options->kid || options->secret || options->counter || strcmp(options->alg, "10") != 0;
}

static int check_from(const struct add_options *options, int argc, struct failure *failure)
{
    if (argc > 0 || has_credential_options(&options->credential) || options->labels.count > 0 ||
        options->wire)
        return usage(failure,
                     "--from: names, kids, algorithms, kinds and labels stand in the table, not beside it");
    if (options->credential.out == NULL && !options->dry_run)
        return usage(failure, "--from: give --out FOLDER too, for the credentials");
    if (options->credential.out != NULL && strcmp(options->credential.out, "-") == 0)
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
    if (options->wire && (has_credential_options(&options->credential) || options->credential.out))
        return usage(failure,
                     "--wire: --kid, --alg, --counter, --secret and --out are of native credentials");
    if (options->wire || device_add_wire_is_meant(options))
        return device_add_wire(options, argv[0], failure);
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
        "anything is done. A run that is cut is ended by the same command.\n"
        "With --wire, the device is one that speaks an older format, which protects less: what that does not "
        "protect against is said on standard error, and by 'bulla device show'. Its keys are read from a "
        "file of "
        "--keys: of nodemcu lines ivkey=, datakey=, staticiv= (16 characters, or hex: and 32 digits) and "
        "passphrase=; of cryptojs one line passphrase=. A nodemcu device without --node is a group, whose "
        "nodes "
        "become devices NAME/ID as they are heard.",
    .example = "bulla device add kitchen --out kitchen.credential\n"
               "bulla device add porch --label site=home --label floor=0 --out porch.credential\n"
               "bulla device add shed --counter --kid 11223344 --out shed.credential\n"
               "(umask 077; bulla device add attic > attic.credential)\n"
               "bulla device add greenhouse --wire nodemcu --keys @greenhouse.keys --topic green/data"
               " --session-topic green/sessionID\n"
               "bulla device add balcony --wire cryptojs --keys @balcony.keys --id 12FA\n"
               "bulla device add --from devices.csv --out credentials --dry-run",
    .options = options_table,
    .options_size = sizeof(struct add_options),
    .most = 1,
    .run = run,
};
