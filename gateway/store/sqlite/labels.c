#include <string.h>

#include "gateway/store/sqlite/sqlite.h"

int sqlite_label_put(struct sqlite *sqlite, int64_t device, const struct label *label,
                     struct failure *failure)
{
    sqlite3_stmt *put = sqlite_statement(sqlite, ST_LABEL_PUT, failure);

    if (put == NULL || label_check(label, failure) != 0)
        return -1;
    bind_number(put, 1, device);
    bind_text(put, 2, label->key, strlen(label->key));
    bind_text(put, 3, label->value, strlen(label->value));
    return sqlite_run(sqlite, put, "label the device", failure);
}

static int take_away(struct sqlite *sqlite, int64_t device, const char *key, struct failure *failure)
{
    sqlite3_stmt *delete = sqlite_statement(sqlite, ST_LABEL_DELETE, failure);

    if (delete == NULL)
        return -1;
    bind_number(delete, 1, device);
    bind_text(delete, 2, key, strlen(key));
    return sqlite_run(sqlite, delete, "label the device", failure);
}

int sqlite_labels_bounded(struct sqlite *sqlite, int64_t device, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_LABEL_COUNT, failure);

    if (query == NULL)
        return -1;
    bind_number(query, 1, device);
    if (sqlite_row(sqlite, query, "label the device", failure) < 0)
        return -1;
    int count = sqlite3_column_int(query, 0);
    sqlite3_reset(query);
    if (count > LABELS_MAX)
        return fail(failure, "a device has at most %d labels; this would make %d", LABELS_MAX, count);
    return 0;
}

static int device_is_there(struct sqlite *sqlite, int64_t device, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_DEVICE_EXISTS, failure);

    if (query == NULL)
        return -1;
    bind_number(query, 1, device);
    int found = sqlite_row(sqlite, query, "label the device", failure);
    sqlite3_reset(query);
    if (found == 0)
        return fail(failure, "cannot label the device: it is not in the registry any more");
    return found < 0 ? -1 : 0;
}

static int change_labels(struct sqlite *sqlite, int64_t device, const struct label *labels, size_t count,
                         struct failure *failure)
{
    int changed = 0;

    if (device_is_there(sqlite, device, failure) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int result = labels[i].value != NULL ? sqlite_label_put(sqlite, device, &labels[i], failure)
                                             : take_away(sqlite, device, labels[i].key, failure);
        if (result < 0)
            return -1;
        changed |= result > 0;
    }
    return sqlite_labels_bounded(sqlite, device, failure) != 0 ? -1 : changed;
}

int sqlite_device_label(struct store *store, int64_t device, const struct label *labels, size_t count,
                        struct failure *failure)
{
    static const char what[] = "label the device";
    struct sqlite *sqlite = sqlite_of(store);

    if (sqlite_begin(sqlite, what, failure) != 0)
        return -1;
    return sqlite_end(sqlite, change_labels(sqlite, device, labels, count, failure), what, failure);
}

/* At most LABELS_MAX short rows: they are visited while the statement is open. */
int sqlite_labels_each(struct store *store, int64_t device, label_visitor *visit, void *context,
                       struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_LABELS, failure);
    int found;

    if (query == NULL)
        return -1;
    bind_number(query, 1, device);
    while ((found = sqlite_row(sqlite, query, "read the labels", failure)) > 0) {
        struct label label = {(const char *)sqlite3_column_text(query, 0),
                              (const char *)sqlite3_column_text(query, 1)};
        if (label.key == NULL || label.value == NULL)
            found = fail(failure, "cannot read the labels: no memory is left");
        if (found < 0 || visit(context, &label) != 0)
            break;
    }
    sqlite3_reset(query);
    return found < 0 ? -1 : 0;
}

int sqlite_labels_match(struct sqlite *sqlite, int64_t device, const struct device_filter *filter,
                        struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_LABEL_IS, failure);
    int found = 1;

    if (query == NULL)
        return -1;
    for (size_t i = 0; found > 0 && i < filter->label_count; i++) {
        bind_number(query, 1, device);
        bind_text(query, 2, filter->labels[i].key, strlen(filter->labels[i].key));
        bind_text_or_null(query, 3, filter->labels[i].value);
        found = sqlite_row(sqlite, query, "read the labels", failure);
        sqlite3_reset(query);
    }
    return found;
}
