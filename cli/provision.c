#include "cli/provision.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "cli/command.h"
#include "cli/text.h"
#include "device/crypto.h"

#define PROBLEMS_TOLD 100
#define NEW_KID_SIZE  4  /* bytes (PROTOCOL 1) */
#define DRAWS         64 /* of a kid: even among a million devices the first is nearly always free */

/* ---- rows ---- */

struct provision_row *provision_add(struct provision *provision, size_t line)
{
    if (provision->count == provision->room) {
        size_t room = provision->room ? 2 * provision->room : 64;
        struct provision_row *rows = calloc(room, sizeof(*rows)); /* not realloc: secrets would stay behind */

        if (rows == NULL)
            return NULL;
        if (provision->count > 0) {
            memcpy(rows, provision->rows, provision->count * sizeof(*rows));
            bulla_wipe(provision->rows, provision->count * sizeof(*rows));
        }
        free(provision->rows);
        provision->rows = rows;
        provision->room = room;
    }
    provision->rows[provision->count].line = line;
    return &provision->rows[provision->count++];
}

void provision_wipe(struct provision *provision)
{
    for (size_t i = 0; i < provision->count; i++)
        free(provision->rows[i].labels);
    if (provision->rows != NULL)
        bulla_wipe(provision->rows, provision->count * sizeof(*provision->rows));
    free(provision->rows);
    memset(provision, 0, sizeof(*provision));
}

/* ---- problems ---- */

void provision_problem(struct provision *provision, size_t line, const char *column, const char *format, ...)
{
    struct failure failure;
    va_list arguments;
    int used;

    if (provision->problems++ >= PROBLEMS_TOLD || provision->quiet)
        return;
    used = snprintf(failure.text, sizeof(failure.text), "%.120s: row %zu%s%.70s: ", provision->source, line,
                    column ? ", " : "", column ? column : "");
    va_start(arguments, format);
    vsnprintf(failure.text + used, sizeof(failure.text) - (size_t)used, format, arguments);
    va_end(arguments);
    command_complain(&failure);
}

int provision_end(const struct provision *provision, const char *what, struct failure *failure)
{
    if (provision->problems == 0)
        return 0;
    return fail(failure, "%s: %zu problem%s%s; %s", provision->source, provision->problems,
                provision->problems == 1 ? "" : "s",
                provision->problems > PROBLEMS_TOLD ? ", of which the first 100 are told" : "", what);
}

int provision_check_name(const char *name, size_t len, struct failure *failure)
{
    uint32_t character;

    if (len == 0 || len > BULLA_NAME_MAX)
        return fail(failure, "the name has %zu bytes; give 1 to %d", len, BULLA_NAME_MAX);
    while (len > 0) {
        size_t size = text_character(name, len, &character);

        if (size == 0)
            return fail(failure, "the name is not UTF-8");
        if (character < 0x20 || (character >= 0x7f && character < 0xa0))
            return fail(failure, "the name has a control character");
        name += size;
        len -= size;
    }
    return 0;
}

/* ---- credential lines ---- */

static int read_line(struct provision *provision, const char *text, size_t len, size_t line,
                     struct failure *failure)
{
    struct provision_row *row = provision_add(provision, line);

    if (row == NULL)
        return fail(failure, "memory is out");
    if (bulla_credential_parse(&row->credential, row->name, text, len) == 0)
        return 0;
    provision_problem(
        provision, line, NULL,
        "not a credential line (bulla:NAME?kid=…&secret=…&alg=…), as 'bulla device add' prints it");
    provision->count--;
    return 0;
}

int provision_read_lines(struct provision *provision, const char *text, size_t len, struct failure *failure)
{
    for (size_t at = 0, line = 1; at < len; line++) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t all = end ? (size_t)(end - text) - at : len - at;
        size_t bare = all;

        while (bare > 0 && strchr(" \t\r", text[at + bare - 1]) != NULL)
            bare--;
        if (bare > 0 && read_line(provision, text + at, bare, line, failure) < 0)
            return -1;
        at += all + 1;
    }
    if (provision->count == 0 && provision->problems == 0)
        return fail(failure, "%s: there is no credential line in it", provision->source);
    return 0;
}

/* ---- what stands twice ---- */

static int compare_names(const void *a, const void *b)
{
    const struct provision_row *const *one = a;
    const struct provision_row *const *other = b;
    int order = strcmp((*one)->name, (*other)->name);

    return order ? order : ((*one)->line > (*other)->line) - ((*one)->line < (*other)->line);
}

static int compare_kid_bytes(const struct provision_row *one, const struct provision_row *other)
{
    int order = (int)one->credential.kid_len - (int)other->credential.kid_len;

    return order ? order : memcmp(one->credential.kid, other->credential.kid, one->credential.kid_len);
}

static int compare_kids(const void *a, const void *b)
{
    const struct provision_row *const *one = a;
    const struct provision_row *const *other = b;
    int order = compare_kid_bytes(*one, *other);

    return order ? order : ((*one)->line > (*other)->line) - ((*one)->line < (*other)->line);
}

/* Pointers to the rows in this order; to be freed. */
static struct provision_row **sorted(const struct provision *provision,
                                     int (*compare)(const void *, const void *))
{
    struct provision_row **rows = calloc(provision->count + 1, sizeof(struct provision_row *));

    if (rows == NULL)
        return NULL;
    for (size_t i = 0; i < provision->count; i++)
        rows[i] = &provision->rows[i];
    qsort(rows, provision->count, sizeof(struct provision_row *), compare);
    return rows;
}

static int check_twice(struct provision *provision, struct failure *failure)
{
    struct provision_row **by_name = sorted(provision, compare_names);
    struct provision_row **by_kid = sorted(provision, compare_kids);
    int result = by_name != NULL && by_kid != NULL ? 0 : fail(failure, "memory is out");

    for (size_t i = 1; result == 0 && i < provision->count; i++) {
        if (by_name[i]->name[0] && strcmp(by_name[i]->name, by_name[i - 1]->name) == 0)
            provision_problem(provision, by_name[i]->line, "name", "it is that of row %zu too",
                              by_name[i - 1]->line);
        if (by_kid[i]->credential.kid_len > 0 && compare_kid_bytes(by_kid[i], by_kid[i - 1]) == 0)
            provision_problem(provision, by_kid[i]->line, "kid", "it is that of row %zu too",
                              by_kid[i - 1]->line);
    }
    free(by_name);
    free(by_kid);
    return result;
}

/* ---- what is taken ---- */

static int kid_is_taken(struct store *store, const struct bulla_credential *credential,
                        struct failure *failure)
{
    return store->ops->kid_is_taken(store, credential->kid, credential->kid_len, failure);
}

static int check_taken(struct provision *provision, const struct provision_row *row, struct store *store,
                       struct failure *failure)
{
    struct device_row other;
    int found = store->ops->device_by_name(store, row->name, &other, failure);

    if (found < 0)
        return -1;
    if (found > 0)
        provision_problem(provision, row->line, "name",
                          "there is a device of this name already; 'bulla device list' shows it");
    if (row->credential.kid_len == 0)
        return 0;
    found = kid_is_taken(store, &row->credential, failure);
    if (found > 0)
        provision_problem(provision, row->line, "kid", "it is taken, or was once; it is not given out again");
    return found < 0 ? -1 : 0;
}

int provision_check_rows(struct provision *provision, struct store *store, struct failure *failure)
{
    if (check_twice(provision, failure) < 0)
        return -1;
    for (size_t i = 0; store != NULL && i < provision->count; i++) {
        if (!provision->rows[i].done && check_taken(provision, &provision->rows[i], store, failure) < 0)
            return -1;
    }
    return 0;
}

/* ---- drawing ---- */

static int draw(void *out, size_t len, struct failure *failure)
{
    if (getrandom(out, len, 0) != (ssize_t)len) /* up to 256 bytes come whole */
        return fail(failure, "the system's random source failed; nothing was added");
    return 0;
}

/* A kid that is free in the registry; not yet told apart from those of other rows. */
static int draw_kid(struct store *store, struct bulla_credential *credential, struct failure *failure)
{
    int taken = 1;

    credential->kid_len = NEW_KID_SIZE;
    for (int i = 0; i < DRAWS && taken > 0; i++) {
        if (draw(credential->kid, NEW_KID_SIZE, failure) < 0)
            return -1;
        taken = kid_is_taken(store, credential, failure);
    }
    return taken > 0
               ? fail(failure, "no kid of %d bytes is free; give others, of another length", NEW_KID_SIZE)
               : taken;
}

/* Draws again where two rows have drawn the same. Returns how many, or -1. */
static int redraw(struct provision *provision, struct store *store, const bool *given,
                  struct failure *failure)
{
    struct provision_row **by_kid = sorted(provision, compare_kids);
    int again = by_kid != NULL ? 0 : fail(failure, "memory is out");

    for (size_t i = 1; again >= 0 && i < provision->count; i++) {
        struct provision_row *row = by_kid[i];

        if (compare_kid_bytes(row, by_kid[i - 1]) != 0)
            continue;
        if (given[row - provision->rows])
            row = by_kid[i - 1];
        again = draw_kid(store, &row->credential, failure) < 0 ? -1 : again + 1;
    }
    free(by_kid);
    return again;
}

int provision_draw(struct provision *provision, struct store *store, struct failure *failure)
{
    bool *given = calloc(provision->count + 1, sizeof(bool));
    int result = given != NULL ? 0 : fail(failure, "memory is out");

    for (size_t i = 0; result == 0 && i < provision->count; i++) {
        struct provision_row *row = &provision->rows[i];

        given[i] = row->credential.kid_len > 0;
        row->drawn = true;
        result = draw(row->credential.secret, sizeof(row->credential.secret), failure);
        if (result == 0 && !given[i])
            result = draw_kid(store, &row->credential, failure);
    }
    while (result == 0 && (result = redraw(provision, store, given, failure)) > 0)
        result = 0;
    free(given);
    return result;
}

/* ---- entering ---- */

static int make_entry(const struct provision_row *row, const struct vault *vault, struct device_entry *entry,
                      struct failure *failure)
{
    *entry = (struct device_entry){
        .row =
            {
                .kid_len = row->credential.kid_len,
                .alg = row->credential.alg,
                .kind = row->credential.kind,
                .created = time(NULL),
            },
        .proven = row->drawn,
        .labels = row->labels,
        .label_count = row->label_count,
    };
    memcpy(entry->row.name, row->name, sizeof(entry->row.name));
    memcpy(entry->row.kid, row->credential.kid, sizeof(entry->row.kid));
    return vault_seal_device(vault, &entry->row, row->credential.secret, failure);
}

/* Somebody else was faster: it was free when the rows were checked. */
static int fail_clash(const char *source, const struct provision_row *row, enum device_clash clash,
                      struct failure *failure)
{
    return fail(failure,
                "%s: row %zu: the %s has been taken at this moment by somebody else; nothing was added",
                source, row->line, clash == CLASH_NAME ? "name" : "kid");
}

int provision_enter(struct provision *provision, struct store *store, const struct vault *vault,
                    struct failure *failure)
{
    struct device_entry *entries = calloc(provision->count + 1, sizeof(*entries));
    struct provision_row **rows = calloc(provision->count + 1, sizeof(struct provision_row *));
    int result = entries != NULL && rows != NULL ? 0 : fail(failure, "memory is out");
    enum device_clash clash;
    size_t count = 0;
    size_t at;

    for (size_t i = 0; result == 0 && i < provision->count; i++) {
        if (provision->rows[i].done)
            continue;
        rows[count] = &provision->rows[i];
        result = make_entry(rows[count], vault, &entries[count], failure);
        count++;
    }
    if (result == 0 && count > 0) {
        result = store->ops->devices_add(store, entries, count, &at, &clash, failure);
        if (result == 0)
            result = fail_clash(provision->source, rows[at], clash, failure);
    }
    free(entries);
    free(rows);
    return result < 0 ? -1 : 0;
}
