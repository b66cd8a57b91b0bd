/* bulla migrate: moves a registry and its readings to another database (gateway/store/move.h). */
#include "cli/command.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/database.h"
#include "cli/moving.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/wire_text.h"

enum migrate_format { MIGRATE_TABLE, MIGRATE_JSON };

static const char *const formats[] = {[MIGRATE_TABLE] = "table", [MIGRATE_JSON] = "json", NULL};

struct migrate_options {
    const char *from;
    const char *to;
    const char *key;
    unsigned format;
    bool abandon;
    bool quiet;
};

static const struct option options_table[] = {
    {.name = "from",
     .argument = "URL",
     .help = "the database that the registry is in: a file, or a URL as for --db",
     .parse = option_string,
     .offset = offsetof(struct migrate_options, from)},
    {.name = "to",
     .argument = "URL",
     .help = "a new, empty database; of a file the folder must be there",
     .parse = option_string,
     .offset = offsetof(struct migrate_options, to)},
    {.name = "key",
     .argument = "FILE",
     .help = "the registry's master key, which stays the same (default: beside --from, if that is a file)",
     .variable = "BULLA_KEY",
     .parse = option_string,
     .offset = offsetof(struct migrate_options, key)},
    {.name = "abandon",
     .help = "gives up a move that was begun: --from may be used again, and what arrived in --to is deleted "
             "(without --to it is left there; nobody can use it)",
     .parse = option_flag,
     .offset = offsetof(struct migrate_options, abandon)},
    {.name = "quiet",
     .letter = 'q',
     .help = "tells no progress",
     .parse = option_flag,
     .offset = offsetof(struct migrate_options, quiet)},
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "of the comparison: table or json",
     .fallback = "table",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct migrate_options, format)},
    {0},
};

/* What a run has open. */
struct migration {
    const struct migrate_options *options;
    struct store *from;
    struct store *to;
    struct vault vault;
    char key[PATH_MAX];  /* where the master key is */
    char kept[PATH_MAX]; /* where it was put beside --to, "": nowhere */
    char from_shown[MOVE_SHOWN_SIZE];
    char to_shown[MOVE_SHOWN_SIZE];
};

/* ---- the master key ---- */

static int find_key(struct migration *migration, struct failure *failure)
{
    const struct migrate_options *options = migration->options;

    if (options->key == NULL)
        return vault_key_path(options->from, migration->key, sizeof(migration->key), failure);
    snprintf(migration->key, sizeof(migration->key), "%s", options->key);
    return 0;
}

static int open_key(struct migration *migration, struct failure *failure)
{
    int known = vault_is_known(migration->from, failure);

    if (known == 0)
        return fail(failure, "%s was never used with a master key, so there is nothing to move",
                    migration->from_shown);
    return known < 0 || find_key(migration, failure) < 0
               ? -1
               : vault_open(&migration->vault, migration->from, migration->key, failure);
}

/* A key that lies beside one file is looked for beside the other one. One that is there must be the same. */
static int put_key_beside(struct migration *migration, struct failure *failure)
{
    const struct migrate_options *options = migration->options;
    struct vault other = {0};
    int saved;

    if (options->key != NULL || store_is_server(options->from) || store_is_server(options->to))
        return 0;
    if (store_key_path(options->to, migration->kept, sizeof(migration->kept), failure) != 0)
        return -1;
    saved = vault_save(&migration->vault, migration->kept, failure);
    if (saved == 0)
        saved = vault_open(&other, migration->from, migration->kept, failure);
    vault_wipe(&other);
    return saved < 0 ? -1 : 0;
}

/* ---- what is said ---- */

static void print_sum(struct table *table, const struct move_table *moved)
{
    char sum[TRANSFER_SUM_TEXT], rows[24];

    snprintf(rows, sizeof(rows), "%" PRId64, moved->to.rows);
    table_text(table, rows);
    transfer_sum_text(&moved->to, sum);
    table_text(table, sum);
}

static int print_table(const struct move_result *result, struct failure *failure)
{
    static const struct table_column columns[] = {
        {"TABLE", 20, 0}, {"ROWS", 20, 1}, {"CHECKSUM", TRANSFER_SUM_TEXT, 0}, {"COMPARED", 20, 0}};
    struct table table;

    if (table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]), failure) != 0)
        return -1;
    for (enum transfer_table t = 0; t < TRANSFER_TABLES; t++) {
        table_text(&table, transfer_shapes[t].name);
        print_sum(&table, &result->tables[t]);
        table_text(&table, result->tables[t].equal ? "equal" : "DIFFERENT");
    }
    return table_end(&table, stdout, failure);
}

static void print_json(const struct migration *migration, const struct move_result *result)
{
    char sum[TRANSFER_SUM_TEXT];

    fputs("{\"from\":", stdout);
    text_json(stdout, migration->from_shown, strlen(migration->from_shown));
    fputs(",\"to\":", stdout);
    text_json(stdout, migration->to_shown, strlen(migration->to_shown));
    printf(",\"resumed\":%s,\"rows\":%" PRId64 ",\"copied\":%" PRId64 ",\"points_copied\":%" PRId64
           ",\"seconds\":%.3f,\"tables\":[",
           result->resumed ? "true" : "false", result->rows, result->copied, result->points_copied,
           result->seconds);
    for (enum transfer_table t = 0; t < TRANSFER_TABLES; t++) {
        const struct move_table *table = &result->tables[t];
        transfer_sum_text(&table->from, sum);
        printf("%s\n {\"table\":\"%s\",\"rows\":%" PRId64 ",\"checksum\":\"%s\",", t == 0 ? "" : ",",
               transfer_shapes[t].name, table->from.rows, sum);
        transfer_sum_text(&table->to, sum);
        printf("\"arrived\":%" PRId64 ",\"arrived_checksum\":\"%s\",\"equal\":%s}", table->to.rows, sum,
               table->equal ? "true" : "false");
    }
    puts("\n]}");
}

/* A word that a shell takes as it is. */
static void print_word(const char *text)
{
    bool plain =
        text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:@%,=")] ==
        '\0';

    if (plain) {
        fputs(text, stdout);
        return;
    }
    putchar('\'');
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    putchar('\'');
}

static void print_use(const struct migration *migration)
{
    fputs("Use:  --db ", stdout);
    print_word(migration->to_shown);
    if (migration->kept[0] == '\0') {
        fputs(" --key ", stdout);
        print_word(migration->key);
    }
    putchar('\n');
}

static void print_how(const struct migration *migration, const struct move_result *result)
{
    printf("\n%" PRId64 " rows are in %s, and equal.", result->rows, migration->to_shown);
    if (result->copied > 0 && result->seconds > 0)
        printf(" %" PRId64 " were copied in %.1f s, %.0f a second (%" PRId64 " readings).", result->copied,
               result->seconds, (double)result->copied / result->seconds, result->points_copied);
    printf(
        "\n\nAll contexts are unproven there: a device that hears replies proves itself anew by itself, a\n"
        "counter device that cannot needs 'bulla device trust NAME'.\n");
    if (migration->kept[0] != '\0')
        printf("Its master key was put beside it: %s\n", migration->kept);
    else
        puts("Its master key is the same.");
    print_use(migration);
    printf("%s is not served from any more; delete it when you are content.\n", migration->from_shown);
}

static int print_result(const struct migration *migration, const struct move_result *result,
                        struct failure *failure)
{
    if (migration->options->format == MIGRATE_JSON) {
        print_json(migration, result);
        return 0;
    }
    if (print_table(result, failure) != 0)
        return -1;
    print_how(migration, result);
    return wire_print_restored(stdout, migration->to, failure);
}

/* That they differ is told with the table that says where. */
static void print_difference(const struct migration *migration, const struct move_result *result)
{
    struct failure unused;

    for (enum transfer_table t = 0; t < TRANSFER_TABLES; t++)
        if (result->tables[t].from.rows > 0 && !result->tables[t].equal) {
            if (migration->options->format == MIGRATE_JSON)
                print_json(migration, result);
            else
                (void)!print_table(result, &unused);
            return;
        }
}

/* ---- the way ---- */

static int move(struct migration *migration, struct failure *failure)
{
    struct move_result result = {.rows = 0};
    uint8_t challenge[SEALED_SIZE(32)];
    struct moving moving;
    struct move what = {.from = migration->from,
                        .to = migration->to,
                        .from_shown = migration->from_shown,
                        .to_shown = migration->to_shown,
                        .challenge = challenge,
                        .challenge_len = sizeof(challenge)};

    if (open_key(migration, failure) != 0 ||
        vault_renew(&migration->vault, "challenge", challenge, failure) != 0 ||
        put_key_beside(migration, failure) != 0)
        return -1;
    what.progress = moving_begin(&moving, migration->options->quiet);
    int moved = move_run(&what, &result, failure);
    moving_end(&moving);
    if (moved == 0)
        return print_result(migration, &result, failure);
    print_difference(migration, &result);
    return -1;
}

static int abandon(struct migration *migration, struct failure *failure)
{
    if (move_give_up(migration->from, migration->to, migration->to_shown, failure) != 0)
        return -1;
    printf("%s may be used again, as it was.", migration->from_shown);
    if (migration->to != NULL)
        printf(" What had arrived in %s is deleted.\n", migration->to_shown);
    else
        puts(" What had arrived elsewhere is still there: delete that database.");
    return 0;
}

static int check_options(const struct migrate_options *options, struct failure *failure)
{
    if (options->from == NULL || (options->to == NULL && !options->abandon))
        return usage(failure,
                     "say where the registry is with --from URL, and where it is to go with --to URL");
    return 0;
}

static int open_target(struct migration *migration, struct failure *failure)
{
    const char *to = migration->options->to;

    if (to == NULL)
        return 0;
    store_url_shown(to, migration->to_shown, sizeof(migration->to_shown));
    return store_open(&migration->to, to, STORE_ARRIVING, failure);
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    struct migration migration = {.options = values};
    int result = check_options(values, failure);

    (void)argc, (void)argv;
    if (result != 0)
        return result;
    store_url_shown(migration.options->from, migration.from_shown, sizeof(migration.from_shown));
    result = COMMAND_FAILED;
    if (store_open(&migration.from, migration.options->from, STORE_LEFT, failure) == 0 &&
        open_target(&migration, failure) == 0)
        result = migration.options->abandon ? abandon(&migration, failure) : move(&migration, failure);
    database_close(migration.to);
    database_close(migration.from);
    vault_wipe(&migration.vault);
    return result == 0 ? COMMAND_DONE : COMMAND_FAILED;
}

const struct command command_migrate = {
    .name = "migrate",
    .summary = "moves a registry and its readings to another database",
    .details =
        "Both may be of any kind: a file, PostgreSQL, MariaDB or MySQL. No gateway or command may use either "
        "of them "
        "meanwhile. Everything goes along: devices with their secrets, sealed as "
        "they are; replay windows; labels; what was removed; older wires with all that keeps them from "
        "replays; "
        "readings; events; and what sinks have not confirmed yet.\n"
        "It may be stopped or killed at any time: the same command goes on where it was. Until all is there "
        "and was "
        "compared, row by row through a checksum, neither database can be served; from then on only --to "
        "can. Every "
        "context is unproven there and the key that challenges are made with is another, as after a restore: "
        "devices answer a challenge and go on.",
    .example = "bulla migrate --from /var/lib/bulla/bulla.db --to postgres://bulla@db/bulla\n"
               "bulla migrate --from postgres://bulla@db/bulla --to bulla.db --key bulla.key",
    .options = options_table,
    .options_size = sizeof(struct migrate_options),
    .run = run,
};
