/* bulla device show: one device and its contexts. Never the secret. */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/database.h"
#include "cli/device_print.h"
#include "cli/label_text.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/when.h"
#include "cli/wire_text.h"

struct show_options {
    struct database_options database;
    unsigned format;
};

static const struct option options_table[] = {
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "table or json",
     .fallback = "table",
     .parse = option_choice,
     .words = device_formats,
     .offset = offsetof(struct show_options, format)},
    DATABASE_OPTIONS(struct show_options),
    {0},
};

static const char *alg_text(uint8_t alg)
{
    switch (alg) {
    case BULLA_AES_CCM_16_64_128:
        return "10 (AES-CCM-16-64-128)";
    case BULLA_AES_CCM_16_128_128:
        return "30 (AES-CCM-16-128-128)";
    case BULLA_CHACHA20_POLY1305:
        return "24 (ChaCha20/Poly1305)";
    default:
        return "unknown";
    }
}

static unsigned stored_count(const struct bulla_window *window)
{
    return (unsigned)__builtin_popcountll(window->bits);
}

/* ---- table ---- */

static const struct table_column columns[] = {
    {"CONTEXT", 16, 0},           {"STATE", 8, 0},        {"HIGHEST SEQ", 13, 1},
    {"STORED OF LAST 64", 17, 1}, {"LOWER LIMIT", 13, 1}, {"CLOSES", 40, 0},
};

static void table_number(struct table *table, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    table_text(table, text);
}

static int context_to_table(void *context, const struct context_row *row)
{
    struct table *table = context;
    char text[WHEN_TEXT_SIZE] = "counter";

    for (size_t i = 0; !row->counter && i < BULLA_ID_CONTEXT_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", row->id_context[i]);
    table_text(table, text);
    table_text(table, row->proven ? "proven" : "unproven");
    if (row->window.bits)
        table_number(table, row->window.top);
    else
        table_text(table, "none");
    table_number(table, stored_count(&row->window));
    table_number(table, row->window.lower);
    if (row->closes_at)
        when_format(text, row->closes_at * 1000000);
    table_text(table, row->closes_at ? text : "");
    return 0;
}

/* The older wire of a device, if it has one. */
struct older_wire {
    int found;
    struct wire_row row;
    int64_t nodes; /* of a group */
};

static void print_credential(const struct device_row *row)
{
    char kid[2 * BULLA_KID_MAX + 1] = "";

    device_kid_text(row, kid);
    if (row->kid_len > 0)
        printf("\nkid        %s\nalg        %s\nkind       %s\n", kid, alg_text(row->alg),
               device_kind_text(row->kind));
    else
        puts("\nkid        none: it has no native credential");
}

static int show_table(struct store *store, const struct device_row *row, const struct older_wire *wire,
                      struct failure *failure)
{
    char time[WHEN_TEXT_SIZE];
    struct table table;

    if (table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]), failure) < 0)
        return -1;
    if (store->ops->context_each(store, row->id, context_to_table, &table, failure) < 0) {
        table_drop(&table);
        return -1;
    }
    fputs("name       ", stdout);
    device_print_name(stdout, row);
    print_credential(row);
    printf("state      %s\n", row->revoked ? "revoked" : "active");
    when_format(time, row->created * 1000000);
    printf("created    %s\n", time);
    if (row->last_seen)
        when_format(time, row->last_seen);
    printf("last seen  %s\nlost       %" PRIu64 "\nlabels     ", row->last_seen ? time : "never", row->lost);
    if (labels_print(stdout, store, row->id, failure) < 0) {
        table_drop(&table);
        return -1;
    }
    putchar('\n');
    if (wire->found)
        wire_print_table(stdout, &wire->row, wire->nodes);
    if (row->kid_len == 0) {
        table_drop(&table);
        return 0;
    }
    putchar('\n');
    return table_end(&table, stdout, failure);
}

/* ---- JSON ---- */

static int context_to_json(void *context, const struct context_row *row)
{
    bool *first = context;
    char closes[WHEN_TEXT_SIZE];

    fputs(*first ? "\n  {\"id_context\":" : ",\n  {\"id_context\":", stdout);
    *first = false;
    if (row->counter) {
        fputs("null", stdout);
    } else {
        putchar('"');
        text_hex(stdout, row->id_context, BULLA_ID_CONTEXT_SIZE);
        putchar('"');
    }
    printf(",\"proven\":%s,\"top\":", row->proven ? "true" : "false");
    if (row->window.bits)
        printf("%" PRIu64, row->window.top);
    else
        fputs("null", stdout);
    printf(",\"bits\":\"%016" PRIx64 "\",\"lower\":%" PRIu64 ",\"closes\":", row->window.bits,
           row->window.lower);
    if (row->closes_at) {
        when_format(closes, row->closes_at * 1000000);
        printf("\"%s\"}", closes);
    } else {
        fputs("null}", stdout);
    }
    return 0;
}

static int show_json(struct store *store, const struct device_row *row, const struct older_wire *wire,
                     struct failure *failure)
{
    bool first = true;

    putchar('{');
    device_json_members(stdout, row);
    fputs(",\"labels\":", stdout);
    if (labels_json(stdout, store, row->id, failure) < 0)
        return -1;
    fputs(",\"older_wire\":", stdout);
    if (wire->found)
        wire_print_json(stdout, &wire->row, wire->nodes);
    else
        fputs("null", stdout);
    fputs(",\"contexts\":[", stdout);
    if (store->ops->context_each(store, row->id, context_to_json, &first, failure) < 0)
        return -1;
    puts("]}");
    return 0;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct show_options *options = values;
    struct older_wire wire = {.nodes = 0};
    struct device_row row;
    struct store *store;
    int result;

    (void)argc;
    if (database_open(&store, &options->database, STORE_EXISTING, failure) < 0)
        return COMMAND_FAILED;
    result = database_device_seen(store, argv[0], &row, failure);
    if (result == 0) {
        wire.found = store->ops->wire_of(store, row.id, &wire.row, &wire.nodes, failure);
        result = wire.found < 0 ? -1 : 0;
    }
    if (result == 0 && options->format == DEVICE_FORMAT_JSON)
        result = show_json(store, &row, &wire, failure);
    else if (result == 0)
        result = show_table(store, &row, &wire, failure);
    database_close(store);
    return result;
}

const struct command command_device_show = {
    .name = "show",
    .summary = "shows one device and its contexts",
    .arguments = "NAME",
    .words = device_names,
    .details =
        "A context is a session of the device, or its counter. In JSON, bit i of 'bits' (16 hex "
        "digits) says whether the message with sequence number top - i is stored. Of a device on an older "
        "wire it says what that does not protect against.",
    .example = "bulla device show kitchen",
    .options = options_table,
    .options_size = sizeof(struct show_options),
    .least = 1,
    .most = 1,
    .run = run,
};
