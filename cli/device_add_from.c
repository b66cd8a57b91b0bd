/*
 * bulla device add --from: the devices of a table, all or none.
 *
 * The order is such that a crash at any moment leaves nothing half done: the credentials are written aside
 * and made durable, then all devices are entered in one transaction, then the files are moved to their
 * places, which the next run does if this one is cut.
 */
#include "cli/device_add.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/device_print.h"
#include "cli/input.h"
#include "cli/provision.h"
#include "cli/provision_files.h"
#include "cli/table.h"
#include "device/crypto.h"

#define NOTHING_ADDED "nothing was added"

/* What one run holds. */
struct run {
    const struct add_options *options;
    struct provision provision;
    struct provision_files files;
    struct store *store; /* NULL in a trial without a database */
    struct vault vault;
};

/* ---- what would be done ---- */

static const struct table_column columns[] = {
    {"NAME", 64, 0}, {"KID", 10, 0}, {"ALG", 3, 1}, {"KIND", 7, 0}, {"LABELS", 80, 0},
};

static void add_labels(struct table *table, const struct provision_row *row)
{
    char text[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < row->label_count && used < sizeof(text); i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s=%s", i ? " " : "",
                                 row->labels[i].key, row->labels[i].value);
    table_text(table, text);
}

static int print_rows(const struct provision *provision, struct failure *failure)
{
    struct table table;

    if (table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]), failure) < 0)
        return -1;
    for (size_t i = 0; i < provision->count; i++) {
        const struct provision_row *row = &provision->rows[i];
        struct device_row device = {.kid_len = row->credential.kid_len};
        char kid[2 * BULLA_KID_MAX + 1] = "";
        char alg[4];

        memcpy(device.kid, row->credential.kid, sizeof(device.kid));
        device_kid_text(&device, kid);
        table_text(&table, row->name);
        table_text(&table, *kid ? kid : "(drawn)");
        snprintf(alg, sizeof(alg), "%u", row->credential.alg);
        table_text(&table, alg);
        table_text(&table, device_kind_text(row->credential.kind));
        add_labels(&table, row);
    }
    if (table_end(&table, stdout, failure) < 0)
        return -1;
    printf("\n%zu device%s would be added; nothing was\n", provision->count,
           provision->count == 1 ? "" : "s");
    return 0;
}

/*
 * Looks for all that may be wrong, and makes nothing: where there is no database yet, nothing can be taken in
 * it, and where there is no folder, nothing lies in it.
 */
static int look_over(struct run *run, const char *what, struct failure *failure)
{
    if (database_is_there(&run->options->database) &&
        database_open(&run->store, &run->options->database, STORE_EXISTING, failure) < 0)
        return -1;
    if (provision_check_rows(&run->provision, run->store, failure) < 0)
        return -1;
    if (run->options->credential.out) {
        int there = provision_files_look(&run->files, run->options->credential.out, failure);

        if (there < 0)
            return -1;
        if (there)
            provision_files_check(&run->files, &run->provision);
    }
    return provision_end(&run->provision, what, failure);
}

/* ---- doing it ---- */

/* Says on a terminal what is going on: thousands of devices take a while. */
static void say(const struct run *run, const char *what)
{
    if (isatty(STDERR_FILENO) && run->provision.count >= 1000)
        fprintf(stderr, "bulla: %s %zu devices …\n", what, run->provision.count);
}

static size_t left_to_do(const struct provision *provision)
{
    size_t left = 0;

    for (size_t i = 0; i < provision->count; i++)
        left += !provision->rows[i].done;
    return left;
}

/* True where an earlier run can have left nothing: the database or the folder is not there yet. */
static bool is_first_run(const struct run *run)
{
    return !database_is_there(&run->options->database) || access(run->options->credential.out, F_OK) != 0;
}

/* A table that is refused leaves neither a database nor a folder behind. */
static int open_all(struct run *run, struct failure *failure)
{
    if (is_first_run(run)) {
        if (look_over(run, NOTHING_ADDED, failure) < 0)
            return -1;
        provision_files_close(&run->files);
    }
    if (run->store == NULL && database_open(&run->store, &run->options->database, STORE_CREATE, failure) < 0)
        return -1;
    if (database_vault(&run->vault, run->store, &run->options->database, failure) < 0)
        return -1;
    return provision_files_open(&run->files, run->options->credential.out, failure);
}

/* What may be wrong, with the rows that an earlier run has done told apart. */
static int check_rows(struct run *run, struct failure *failure)
{
    say(run, "checking");
    if (provision_files_recover(&run->files, &run->provision, run->store, failure) < 0 ||
        provision_check_rows(&run->provision, run->store, failure) < 0)
        return -1;
    provision_files_check(&run->files, &run->provision);
    return provision_end(&run->provision, NOTHING_ADDED, failure);
}

static int add_rows(struct run *run, struct failure *failure)
{
    size_t left;

    if (open_all(run, failure) < 0 || check_rows(run, failure) < 0)
        return -1;
    left = left_to_do(&run->provision);
    if (left > 0) {
        if (provision_draw(&run->provision, run->store, failure) < 0)
            return -1;
        say(run, "writing the credentials of");
        if (provision_files_stage(&run->files, &run->provision, failure) < 0)
            return -1;
        say(run, "entering");
        if (provision_enter(&run->provision, run->store, &run->vault, failure) < 0 ||
            provision_files_publish(&run->files, failure) < 0)
            return -1;
    }
    printf("%zu device%s added; the credentials are in %s\n", left, left == 1 ? " was" : "s were",
           run->options->credential.out);
    return 0;
}

static int run_table(struct run *run, char *bytes, struct failure *failure)
{
    const char *path = run->options->from;
    int len = input_file(path, bytes, PROVISION_SIZE_MAX, failure);

    if (len < 0)
        return -1;
    run->provision.source = strcmp(path, "-") == 0 ? "standard input" : path;
    if (provision_read_csv(&run->provision, bytes, (size_t)len, failure) < 0)
        return -1;
    if (!run->options->dry_run)
        return add_rows(run, failure);
    return look_over(run, "nothing would be added", failure) < 0 ? -1 : print_rows(&run->provision, failure);
}

int device_add_from(const struct add_options *options, struct failure *failure)
{
    struct run run = {.options = options, .files = {.folder = -1, .staging = -1}};
    char *bytes = malloc(PROVISION_SIZE_MAX + 1);
    int result = bytes != NULL ? run_table(&run, bytes, failure) : fail(failure, "memory is out");

    provision_files_close(&run.files);
    provision_wipe(&run.provision);
    vault_wipe(&run.vault);
    database_close(run.store);
    free(bytes);
    return result;
}
