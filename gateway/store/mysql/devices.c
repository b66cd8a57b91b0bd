/* Devices: entered, found, listed. */
#include "gateway/store/mysql/mysql.h"

#include <string.h>

#include "device/keys.h"
#include "gateway/decode/utf8.h"

/* ---- rows ---- */

/* Before they are cut to a byte: 266 is not algorithm 10. */
static bool alg_and_kind_are_known(int64_t alg, int64_t kind)
{
    return alg >= 0 && alg <= UINT8_MAX && bulla_key_size((int)alg) != 0 && kind >= BULLA_SESSION &&
           kind <= BULLA_COUNTER;
}

/* A value that is not of the size or in the range it was written with means that somebody else wrote it. */
static int read_device(struct mysql *my, const struct mq_result *result, struct device_row *row,
                       struct failure *failure)
{
    bool is_native = !mq_is_null(result, 2);
    size_t kid_len, secret_len;
    const char *kid = mq_get_bytes(result, 2, &kid_len);
    const char *secret = mq_get_bytes(result, 8, &secret_len);
    int64_t alg = mq_get_number(result, 3);
    int64_t kind = mq_get_number(result, 4);

    *row = (struct device_row){.id = mq_get_number(result, 0)};
    if (!mq_copy(result, 1, row->name, sizeof(row->name)) || (kid_len < 1 && is_native) ||
        kid_len > BULLA_KID_MAX || secret_len != (is_native ? sizeof(row->secret) : 0) ||
        !mq_copy(result, 11, row->wire, sizeof(row->wire)) || !alg_and_kind_are_known(alg, kind))
        return fail(failure, "a device's row is damaged; see docs/gateway.md, Damage (%s)", my->label);
    row->kid_len = (uint8_t)kid_len;
    row->alg = (uint8_t)alg;
    row->kind = (uint8_t)kind;
    row->revoked = mq_get_boolean(result, 5);
    row->exported = mq_get_number(result, 6) != 0;
    row->created = mq_get_number(result, 7);
    row->lost = (uint64_t)mq_get_number(result, 9);
    row->last_seen = mq_get_number(result, 10);
    if (!is_native)
        return 0;
    memcpy(row->kid, kid, kid_len);
    memcpy(row->secret, secret, sizeof(row->secret));
    return 0;
}

/* Runs a query for at most one device. */
static int find_device(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters,
                       struct device_row *row, struct failure *failure)
{
    struct mq_result result;

    if (mq_read(my, id, parameters, &result, "look a device up", failure) != 0)
        return -1;
    int found = mq_next(&result);
    if (found > 0 && read_device(my, &result, row, failure) != 0)
        found = -1;
    mq_clear(&result);
    return found;
}

int maria_device_by_kid(struct store *store, const uint8_t *kid, size_t kid_len, struct device_row *row,
                        struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_bytes(&parameters, kid, kid_len);
    return find_device(mysql_of(store), MQ_DEVICE_BY_KID, &parameters, row, failure);
}

int maria_device_by_name(struct store *store, const char *name, struct device_row *row,
                         struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_text(&parameters, name);
    return find_device(mysql_of(store), MQ_DEVICE_BY_NAME, &parameters, row, failure);
}

/* The only number that a query gives; -1 with the failure. */
static int64_t read_number(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters,
                           const char *what, struct failure *failure)
{
    struct mq_result result;

    if (mq_read(my, id, parameters, &result, what, failure) != 0)
        return -1;
    int64_t number = mq_next(&result) ? mq_get_number(&result, 0) : 0;
    mq_clear(&result);
    return number;
}

int maria_device_count(struct store *store, int64_t *count, struct failure *failure)
{
    *count = read_number(mysql_of(store), MQ_DEVICE_COUNT, NULL, "count the devices", failure);
    return *count < 0 ? -1 : 0;
}

/* ---- lists ---- */

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Whether an earlier label of the filter says the same. */
static bool is_said(const struct device_filter *filter, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(filter->labels[i].key, filter->labels[at].key) == 0 &&
            is_same(filter->labels[i].value, filter->labels[at].value))
            return true;
    return false;
}

/*
 * Adds what a device's labels are looked for by: keys whose value does not matter, keys with their value, and
 * how many there are of both: so many labels a device must have. (No label has an empty key.)
 */
static void put_labels(struct mq_parameters *parameters, const struct device_filter *filter)
{
    size_t keys = 0, pairs = 0;

    mq_list(parameters);
    for (size_t i = 0; filter != NULL && i < filter->label_count; i++)
        if (filter->labels[i].value == NULL && !is_said(filter, i)) {
            mq_text(parameters, filter->labels[i].key);
            keys++;
        }
    mq_list_end(parameters);
    mq_list(parameters);
    mq_row(parameters);
    mq_text(parameters, "");
    mq_text(parameters, "");
    for (size_t i = 0; filter != NULL && i < filter->label_count; i++)
        if (filter->labels[i].value != NULL && !is_said(filter, i)) {
            mq_row(parameters);
            mq_text(parameters, filter->labels[i].key);
            mq_text(parameters, filter->labels[i].value);
            pairs++;
        }
    mq_list_end(parameters);
    mq_number(parameters, (int64_t)keys);
    mq_number(parameters, (int64_t)pairs);
}

/* 1 there may be more, 0 that was all, or the visitor has had enough. `name` becomes the last one's. */
static int visit_page(struct mysql *my, struct mq_result *result, char *name, device_visitor *visit,
                      void *context, struct failure *failure)
{
    int count = mq_count(result);

    while (mq_next(result)) {
        struct device_row row;
        if (read_device(my, result, &row, failure) != 0)
            return -1;
        strcpy(name, row.name);
        if (visit(context, &row) != 0)
            return 0;
    }
    return count > 0;
}

int maria_device_each(struct store *store, const struct device_filter *filter, device_visitor *visit,
                      void *context, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    char name[BULLA_NAME_MAX + 1] = "";
    int going = 1;

    while (going > 0) {
        struct mq_parameters parameters = {0};
        struct mq_result result;
        mq_text(&parameters, name);
        mq_number(&parameters, filter == NULL ? 0 : filter->silent_since);
        put_labels(&parameters, filter);
        if (mq_read(my, MQ_DEVICES_AFTER, &parameters, &result, "list the devices", failure) != 0)
            return -1;
        going = visit_page(my, &result, name, visit, context, failure);
        mq_clear(&result);
    }
    return going;
}

/* ---- entering ---- */

int maria_kid_is_taken(struct store *store, const uint8_t *kid, size_t kid_len, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_bytes(&parameters, kid, kid_len);
    return (int)read_number(mysql_of(store), MQ_KID_TAKEN, &parameters, "look a kid up", failure);
}

/* A device without a native credential has none: SQL's NULL. */
static void put_native(struct mq_parameters *parameters, const struct device_row *row, const void *bytes,
                       size_t len)
{
    if (row->kid_len > 0)
        mq_bytes(parameters, bytes, len);
    else
        mq_null(parameters);
}

/* 1 the entry clashes, 0 it does not. */
static int clashes(struct mysql *my, const struct device_row *row, enum device_clash *clash,
                   struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    mq_text(&parameters, row->name);
    put_native(&parameters, row, row->kid, row->kid_len);
    if (mq_query(my, MQ_CLASHES, &parameters, &result, "look a name up", failure) != 0)
        return -1;
    bool found = mq_next(&result);
    bool name = found && mq_get_boolean(&result, 0);
    bool kid = found && mq_get_boolean(&result, 1);
    mq_clear(&result);
    *clash = name ? CLASH_NAME : CLASH_KID;
    return name || kid;
}

int maria_insert_device(struct mysql *my, struct device_row *row, bool proven, struct failure *failure)
{
    static const char what[] = "enter the device";
    struct mq_parameters parameters = {0}, context = {0};
    struct mq_result result;

    mq_text(&parameters, row->name);
    put_native(&parameters, row, row->kid, row->kid_len);
    mq_number(&parameters, row->alg);
    mq_number(&parameters, row->kind);
    mq_boolean(&parameters, row->revoked);
    mq_number(&parameters, row->exported);
    mq_number(&parameters, row->created);
    put_native(&parameters, row, row->secret, sizeof(row->secret));
    if (mq_query(my, MQ_DEVICE_ADD, &parameters, &result, what, failure) != 0)
        return -1;
    row->id = result.id;
    mq_clear(&result);
    if (row->kind != BULLA_COUNTER || row->kid_len == 0)
        return 1;
    mq_number(&context, row->id);
    mq_boolean(&context, proven);
    return mq_run(my, MQ_COUNTER_ADD, &context, what, failure) < 0 ? -1 : 1;
}

static int insert_labels(struct mysql *my, const struct device_entry *entry, struct failure *failure)
{
    if (entry->label_count == 0)
        return 0;
    for (size_t i = 0; i < entry->label_count; i++)
        if (maria_label_put(my, entry->row.id, &entry->labels[i], failure) < 0)
            return -1;
    return maria_labels_bounded(my, entry->row.id, failure);
}

/* 1 all entered, 0 one clashes. */
static int insert_entries(struct mysql *my, struct device_entry *entries, size_t count, size_t *at,
                          enum device_clash *clash, struct failure *failure)
{
    for (size_t i = 0; i < count; i++) {
        *at = i;
        if (!utf8_is_text(entries[i].row.name, strlen(entries[i].row.name)))
            return fail(failure, "cannot enter the device: its name is not UTF-8");
        int clashing = clashes(my, &entries[i].row, clash, failure);
        if (clashing != 0)
            return clashing < 0 ? -1 : 0;
        if (maria_insert_device(my, &entries[i].row, entries[i].proven, failure) < 0 ||
            (entries[i].wire != NULL && maria_insert_wire(my, &entries[i], failure) < 0) ||
            insert_labels(my, &entries[i], failure) < 0)
            return -1;
    }
    return 1;
}

/* 1 all entered; 0 one clashes, and nothing was; -1. */
static int add_devices(struct mysql *my, struct device_entry *entries, size_t count, size_t *at,
                       enum device_clash *clash, struct failure *failure)
{
    static const char what[] = "enter the devices";

    if (mq_begin(my, what, failure) != 0)
        return -1;
    int result = devices_have_wire(entries, count) ? maria_hold_wires(my, what, failure) : 0;
    if (result == 0)
        result = insert_entries(my, entries, count, at, clash, failure);
    if (result == 0) {
        mq_rollback(my);
        return 0;
    }
    return maria_end_change(my, result, what, failure);
}

int maria_devices_add(struct store *store, struct device_entry *entries, size_t count, size_t *at,
                      enum device_clash *clash, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int tries = 0, result;

    do
        result = add_devices(my, entries, count, at, clash, failure);
    while (result < 0 && mq_again(my, &tries));
    return result;
}
