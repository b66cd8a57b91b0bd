/* bulla device add --wire: a device that speaks an older format (gateway/wire/wire.h). */
#include "cli/device_add.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/label_text.h"
#include "cli/provision.h"
#include "cli/text.h"
#include "cli/wire_text.h"
#include "device/crypto.h"
#include "gateway/decode/utf8.h"

#define KEY_FILE_MAX 4096 /* bytes */
#define READING_NAME "value"

/* ---- what was typed ---- */

static bool says_sessions(const struct add_options *options)
{
    char lifetime[24], grace[24];

    snprintf(lifetime, sizeof(lifetime), "%lld", (long long)options->session_lifetime);
    snprintf(grace, sizeof(grace), "%lld", (long long)options->session_grace);
    return options->session_topic || options->strict || strcmp(lifetime, SESSION_LIFETIME) != 0 ||
           strcmp(grace, SESSION_GRACE) != 0;
}

static unsigned flags_of(const struct add_options *options)
{
    return (options->allow_reset ? WIRE_ALLOW_RESET : 0u) |
           (options->allow_unsequenced ? WIRE_ALLOW_UNSEQUENCED : 0u) | (options->strict ? WIRE_STRICT : 0u);
}

bool device_add_wire_is_meant(const struct add_options *options)
{
    return options->wire || options->keys || options->id || options->topic || options->node ||
           options->reading_name || options->number != 0 || flags_of(options) != 0 || says_sessions(options);
}

static const char *route_of(const struct wire_ops *wire, const struct add_options *options)
{
    return strcmp(wire->route_word, "topic") == 0 ? options->topic : options->id;
}

/* What does not go with this wire, or is missing: COMMAND_USAGE with the failure, or 0. */
static int check_options(const struct wire_ops *wire, const struct add_options *options,
                         struct failure *failure)
{
    const char *route = route_of(wire, options);

    if (route == NULL)
        return usage(failure, "--wire %s: give --%s too", wire->name, wire->route_word);
    if (route == options->topic ? options->id != NULL : options->topic != NULL)
        return usage(failure, "--wire %s: its devices have --%s, not --%s", wire->name, wire->route_word,
                     route == options->topic ? "id" : "topic");
    if (!wire->has_sessions && says_sessions(options))
        return usage(failure,
                     "--wire %s: it has no session ids: --session-… and --strict are of another wire",
                     wire->name);
    if (wire->has_sessions && options->session_topic == NULL)
        return usage(failure, "--wire %s: give --session-topic too, where its devices take session ids from",
                     wire->name);
    if (wire->has_sessions && options->number != 0)
        return usage(failure, "--wire %s: its messages have no numbers: --number is of another wire",
                     wire->name);
    if (!wire->has_groups && options->node)
        return usage(failure, "--wire %s: it has no node ids: --node is of another wire", wire->name);
    if ((flags_of(options) & ~wire->flags) != 0)
        return usage(failure, "--wire %s: --allow-reset and --allow-unsequenced are of another wire",
                     wire->name);
    if (options->keys == NULL)
        return usage(failure, "--wire %s: give --keys @FILE too: %s", wire->name, wire->keys_help);
    if (!input_is_indirect(options->keys))
        return usage(failure, "--keys: keys on the command line can be seen by every user; give @FILE or -");
    return 0;
}

/* Puts a text into a row's field. */
static int take_text(const char *option, const char *text, char *out, size_t size, struct failure *failure)
{
    size_t len = strlen(text);

    if (len == 0 || len >= size)
        return usage(failure, "--%s: it has %zu bytes; give 1 to %zu", option, len, size - 1);
    if (!utf8_is_plain(text, len))
        return usage(failure, "--%s: it is not plain text (UTF-8 without control characters)", option);
    memcpy(out, text, len + 1);
    return 0;
}

/* The route, and the session topic, as the wire takes them. */
static int take_routes(const struct wire_ops *wire, const struct add_options *options, struct wire_row *row,
                       struct failure *failure)
{
    struct failure why;
    int result =
        take_text(wire->route_word, route_of(wire, options), row->route, sizeof(row->route), failure);

    if (result == 0 && wire->has_sessions)
        result = take_text("session-topic", options->session_topic, row->session_topic,
                           sizeof(row->session_topic), failure);
    if (result == 0 && wire->route_check(row->route, &why) != 0)
        return usage(failure, "--%s: %s", wire->route_word, why.text);
    if (result == 0 && wire->has_sessions && wire->route_check(row->session_topic, &why) != 0)
        return usage(failure, "--session-topic: %s", why.text);
    if (result == 0 && strcmp(row->route, row->session_topic) == 0)
        return usage(failure, "--session-topic: it must be another than --topic");
    return result;
}

static int fill_row(const struct wire_ops *wire, const struct add_options *options, struct wire_row *row,
                    struct failure *failure)
{
    const char *reading_name = options->reading_name ? options->reading_name : READING_NAME;
    int result = take_routes(wire, options, row, failure);

    snprintf(row->wire, sizeof(row->wire), "%s", wire->name);
    row->flags = flags_of(options);
    row->number = (uint64_t)options->number;
    if (wire->has_sessions) {
        row->lifetime = options->session_lifetime;
        row->grace = options->session_grace;
    }
    if (result == 0 && options->node)
        result = take_text("node", options->node, row->node, sizeof(row->node), failure);
    if (result == 0)
        result =
            take_text("reading-name", reading_name, row->reading_name, sizeof(row->reading_name), failure);
    return result;
}

/* ---- keys ---- */

/* Reads the key file into `keys`. */
static int read_keys(const struct wire_ops *wire, const struct add_options *options,
                     uint8_t keys[WIRE_KEYS_MAX], size_t *len, struct failure *failure)
{
    char text[KEY_FILE_MAX];
    struct failure why;
    int read = input_file(options->keys + (*options->keys == '@'), text, sizeof(text), failure);
    int result = read < 0 ? -1 : wire->keys_parse(text, (size_t)read, flags_of(options), keys, len, &why);

    if (read >= 0 && result != 0)
        fail(failure, "--keys: %s", why.text);
    bulla_wipe(text, sizeof(text));
    return result;
}

static int enter(const struct wire_ops *wire, const struct add_options *options, const char *name,
                 const struct label_list *labels, struct wire_row *row, struct failure *failure)
{
    struct device_entry entry = {
        .row = {.alg = BULLA_AES_CCM_16_64_128, .kind = BULLA_SESSION, .created = time(NULL)},
        .wire = row,
        .per_route = wire->devices_per_route,
        .labels = labels->labels,
        .label_count = labels->count,
    };
    struct vault vault = {0};
    struct store *store = NULL;
    uint8_t keys[WIRE_KEYS_MAX];
    size_t len = 0;
    int result = read_keys(wire, options, keys, &len, failure);

    snprintf(entry.row.name, sizeof(entry.row.name), "%s", name);
    if (result == 0)
        result = database_open(&store, &options->database, STORE_CREATE, failure);
    if (result == 0)
        result = database_vault(&vault, store, &options->database, failure);
    if (result == 0)
        result = vault_seal_wire(&vault, row, keys, len, failure);
    bulla_wipe(keys, sizeof(keys));
    if (result == 0)
        result = device_add_entry(store, &entry, failure) < 0 ? -1 : 0;
    database_close(store);
    vault_wipe(&vault);
    return result;
}

int device_add_wire(const struct add_options *options, const char *name, struct failure *failure)
{
    const struct wire_ops *wire = options->wire ? wire_find(options->wire) : NULL;
    struct wire_row row = {.id = 0};
    struct label_list labels;
    int result;

    if (options->wire == NULL)
        return usage(failure, "--keys, --topic, --id and the like are of older wires: give --wire too");
    if (wire == NULL)
        return usage(failure, "--wire: '%.20s' is not one of: %s, %s", options->wire, wire_names[0],
                     wire_names[1]);
    if (provision_check_name(name, strlen(name), failure) < 0)
        return COMMAND_USAGE;
    result = check_options(wire, options, failure);
    if (result == 0)
        result = label_list_parse(&labels, options->labels.texts, options->labels.count, LABEL_ONLY, failure);
    if (result == 0)
        result = fill_row(wire, options, &row, failure);
    if (result == 0)
        result = enter(wire, options, name, &labels, &row, failure);
    bulla_wipe(row.keys, sizeof(row.keys));
    if (result != 0)
        return result;
    fputs("bulla: ", stderr);
    text_print(stderr, name, strlen(name), TEXT_WHOLE);
    fprintf(stderr, " is added. Its wire, %s, protects less than the native one:\n", wire->name);
    wire_print_gaps(stderr, wire, row.flags, "  - ");
    return 0;
}
