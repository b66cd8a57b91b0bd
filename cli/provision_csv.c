/* Devices from a table: a header row names the columns, each further row is a device. */
#include "cli/provision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/csv.h"
#include "cli/text.h"
#include "gateway/decode/utf8.h"

#define COLUMNS_MAX  64
#define LABEL_PREFIX "label:"

struct sheet;

/* What puts a field, which is not empty, into a row. */
typedef int field_reader(struct sheet *sheet, struct provision_row *row, size_t column, char *text);

struct sheet {
    struct provision *provision;
    struct csv csv;
    struct csv_field fields[COLUMNS_MAX];
    const char *titles[COLUMNS_MAX]; /* in the file's bytes */
    field_reader *readers[COLUMNS_MAX];
    size_t columns;
    struct label labels[LABELS_MAX + 1]; /* of the row that is read */
    size_t label_count;
};

/* Tells what is wrong with a field. Returns 0: the reading goes on. */
static int refuse(struct sheet *sheet, size_t column, const char *text)
{
    provision_problem(sheet->provision, sheet->csv.record, sheet->titles[column], "%s", text);
    return 0;
}

/* ---- the columns ---- */

static int read_name(struct sheet *sheet, struct provision_row *row, size_t column, char *text)
{
    struct failure failure;

    if (provision_check_name(text, sheet->fields[column].len, &failure) < 0)
        return refuse(sheet, column, failure.text);
    memcpy(row->name, text, sheet->fields[column].len + 1);
    return 0;
}

static int read_kid(struct sheet *sheet, struct provision_row *row, size_t column, char *text)
{
    int len = text_parse_hex(text, sheet->fields[column].len, row->credential.kid, BULLA_KID_MAX);

    if (len < 1)
        return refuse(sheet, column, "it is not 1 to 5 bytes of hex");
    row->credential.kid_len = (uint8_t)len;
    return 0;
}

static int read_alg(struct sheet *sheet, struct provision_row *row, size_t column, char *text)
{
    static const uint8_t algs[] = {BULLA_AES_CCM_16_64_128, BULLA_CHACHA20_POLY1305,
                                   BULLA_AES_CCM_16_128_128};
    char known[4];

    for (size_t i = 0; i < sizeof(algs); i++) {
        snprintf(known, sizeof(known), "%u", algs[i]);
        if (strcmp(known, text) == 0) {
            row->credential.alg = algs[i];
            return 0;
        }
    }
    return refuse(sheet, column, "it is not 10, 24 or 30");
}

static int read_kind(struct sheet *sheet, struct provision_row *row, size_t column, char *text)
{
    if (strcmp(text, "counter") == 0)
        row->credential.kind = BULLA_COUNTER;
    else if (strcmp(text, "session") != 0)
        return refuse(sheet, column, "it is neither session nor counter");
    return 0;
}

static int add_label(struct sheet *sheet, size_t column, const char *key, const char *value)
{
    struct label label = {key, value};
    struct failure failure;

    if (label_check(&label, &failure) < 0)
        return refuse(sheet, column, failure.text);
    for (size_t i = 0; i < sheet->label_count; i++) {
        if (strcmp(sheet->labels[i].key, key) == 0)
            return refuse(sheet, column, "this label stands in the row twice");
    }
    sheet->labels[sheet->label_count] = label;
    if (sheet->label_count++ == LABELS_MAX) {
        sheet->label_count--;
        return refuse(sheet, column, "a device has at most 16 labels");
    }
    return 0;
}

/* label:room */
static int read_label(struct sheet *sheet, struct provision_row *row, size_t column, char *text)
{
    (void)row;
    return add_label(sheet, column, sheet->titles[column] + strlen(LABEL_PREFIX), text);
}

/* k=v;k=v: a value with a semicolon needs a column of its own. */
static int read_labels(struct sheet *sheet, struct provision_row *row, size_t column, char *text)
{
    char *rest = text;
    char *part;

    (void)row;
    while ((part = strsep(&rest, ";")) != NULL) {
        char *value = strchr(part, '=');

        if (value == NULL)
            return *part ? refuse(sheet, column, "labels are written key=value;key=value") : 0;
        *value++ = 0;
        if (add_label(sheet, column, part, value) < 0)
            return -1;
    }
    return 0;
}

static const struct {
    const char *title; /* one that ends with ':' begins a title */
    field_reader *read;
} known[] = {
    {"name", read_name},    {"kid", read_kid},       {"alg", read_alg},          {"kind", read_kind},
    {"context", read_kind}, {"labels", read_labels}, {LABEL_PREFIX, read_label},
};

/* ---- the header ---- */

static field_reader *reader_of(const char *title)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t len = strlen(known[i].title);
        bool prefix = known[i].title[len - 1] == ':';

        if (prefix ? strncmp(title, known[i].title, len) == 0 : strcmp(title, known[i].title) == 0)
            return known[i].read;
    }
    return NULL;
}

static void read_title(struct sheet *sheet, size_t column)
{
    char *title = sheet->fields[column].text;

    sheet->titles[column] = title;
    sheet->readers[column] = reader_of(title);
    if (sheet->readers[column] == NULL)
        refuse(sheet, column,
               strchr(title, ';') ? "columns stand between commas, not semicolons"
                                  : "no such column; known are name, kid, alg, kind (or context), labels and "
                                    "label:KEY");
    for (size_t i = 0; i < column; i++) {
        bool same = sheet->readers[i] == read_label ? strcmp(sheet->titles[i], title) == 0
                                                    : sheet->readers[i] == sheet->readers[column];
        if (same && sheet->readers[i] != NULL)
            refuse(sheet, column, "this column stands there twice");
    }
}

/* 0, or -1 where there are no rows to be understood without it. */
static int read_header(struct sheet *sheet, struct failure *failure)
{
    int count = csv_next(&sheet->csv, sheet->fields, COLUMNS_MAX);
    bool named = false;

    if (count == 0)
        return fail(failure, "%s: it is empty; its first row names the columns: name,kid,alg,kind",
                    sheet->provision->source);
    if (count < 0)
        return fail(failure, "%s: row %zu: %s", sheet->provision->source, sheet->csv.record, sheet->csv.why);
    sheet->columns = (size_t)count;
    for (size_t i = 0; i < sheet->columns; i++) {
        read_title(sheet, i);
        named |= sheet->readers[i] == read_name;
    }
    if (!named)
        provision_problem(sheet->provision, sheet->csv.record, NULL,
                          "the column 'name' is missing; the first row names the columns");
    return sheet->provision->problems == 0 ? 0
                                           : provision_end(sheet->provision, "nothing was added", failure);
}

/* ---- the rows ---- */

static int read_fields(struct sheet *sheet, struct provision_row *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct csv_field *field = &sheet->fields[i];

        if (field->len == 0 && sheet->readers[i] != read_name)
            continue;
        if (!utf8_is_text(field->text, field->len))
            refuse(sheet, i, "it is not UTF-8");
        else if (sheet->readers[i](sheet, row, i, field->text) < 0)
            return -1;
    }
    return 0;
}

static int keep_labels(const struct sheet *sheet, struct provision_row *row)
{
    size_t size = sheet->label_count * sizeof(*row->labels);

    if (sheet->label_count == 0)
        return 0;
    row->labels = malloc(size);
    if (row->labels == NULL)
        return -1;
    memcpy(row->labels, sheet->labels, size);
    row->label_count = sheet->label_count;
    return 0;
}

static int read_row(struct sheet *sheet, size_t count, struct failure *failure)
{
    struct provision_row *row = provision_add(sheet->provision, sheet->csv.record);

    if (row == NULL)
        return fail(failure, "memory is out");
    row->credential.alg = BULLA_AES_CCM_16_64_128;
    sheet->label_count = 0;
    if (count != sheet->columns)
        provision_problem(sheet->provision, sheet->csv.record, NULL, "it has %zu field%s, and the header %zu",
                          count, count == 1 ? "" : "s", sheet->columns);
    if (read_fields(sheet, row, count < sheet->columns ? count : sheet->columns) < 0 ||
        keep_labels(sheet, row) < 0)
        return fail(failure, "memory is out");
    return 0;
}

int provision_read_csv(struct provision *provision, char *bytes, size_t len, struct failure *failure)
{
    struct sheet *sheet = calloc(1, sizeof(*sheet));
    int result = sheet == NULL ? fail(failure, "memory is out") : 0;
    int count = 0;

    if (result == 0) {
        sheet->provision = provision;
        csv_open(&sheet->csv, bytes, len);
        result = read_header(sheet, failure);
    }
    while (result == 0 && (count = csv_next(&sheet->csv, sheet->fields, COLUMNS_MAX)) > 0)
        result = read_row(sheet, (size_t)count, failure);
    if (result == 0 && count < 0)
        provision_problem(provision, sheet->csv.record, NULL, "%s; what follows was not read",
                          sheet->csv.why);
    if (result == 0 && provision->count == 0 && provision->problems == 0)
        result = fail(failure, "%s: it names no device; each row after the first is one", provision->source);
    free(sheet);
    return result;
}
