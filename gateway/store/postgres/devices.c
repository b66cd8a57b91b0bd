/* Devices: entered, found, listed. */
#include "gateway/store/postgres/postgres.h"

#include <string.h>

#include "device/keys.h"

/* ---- rows ---- */

/* Before they are cut to a byte: 266 is not algorithm 10. */
static bool alg_and_kind_are_known(int64_t alg, int64_t kind)
{
    return alg >= 0 && alg <= UINT8_MAX && bulla_key_size((int)alg) != 0 && kind >= BULLA_SESSION &&
           kind <= BULLA_COUNTER;
}

/* A value that is not of the size or in the range it was written with means that somebody else wrote it. */
static int read_device(struct postgres *pg, const PGresult *result, int at, struct device_row *row,
                       struct failure *failure)
{
    bool is_native = !PQgetisnull(result, at, 2);
    int kid_len = PQgetlength(result, at, 2);
    int64_t alg = pg_get_number(result, at, 3);
    int64_t kind = pg_get_number(result, at, 4);

    *row = (struct device_row){.id = pg_get_number(result, at, 0)};
    if (!pg_copy(result, at, 1, row->name, sizeof(row->name)) || (kid_len < 1 && is_native) ||
        kid_len > BULLA_KID_MAX || PQgetlength(result, at, 8) != (is_native ? (int)sizeof(row->secret) : 0) ||
        !pg_copy(result, at, 11, row->wire, sizeof(row->wire)) || !alg_and_kind_are_known(alg, kind))
        return fail(failure, "a device's row is damaged; see docs/gateway.md, Damage (%s)", pg->label);
    row->kid_len = (uint8_t)kid_len;
    row->alg = (uint8_t)alg;
    row->kind = (uint8_t)kind;
    row->revoked = pg_get_boolean(result, at, 5);
    row->exported = pg_get_number(result, at, 6) != 0;
    row->created = pg_get_number(result, at, 7);
    row->lost = (uint64_t)pg_get_number(result, at, 9);
    row->last_seen = pg_get_number(result, at, 10);
    if (!is_native)
        return 0;
    memcpy(row->kid, PQgetvalue(result, at, 2), (size_t)kid_len);
    memcpy(row->secret, PQgetvalue(result, at, 8), sizeof(row->secret));
    return 0;
}

/* Runs a query for at most one device. */
static int find_device(struct postgres *pg, enum pg_statement id, const struct pg_parameters *parameters,
                       struct device_row *row, struct failure *failure)
{
    PGresult *result = pg_read(pg, id, parameters, "look a device up", failure);
    int found = result == NULL ? -1 : PQntuples(result);

    if (found > 0 && read_device(pg, result, 0, row, failure) != 0)
        found = -1;
    PQclear(result);
    return found;
}

int postgres_device_by_kid(struct store *store, const uint8_t *kid, size_t kid_len, struct device_row *row,
                           struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_bytes(&parameters, kid, kid_len);
    return find_device(postgres_of(store), PG_DEVICE_BY_KID, &parameters, row, failure);
}

int postgres_device_by_name(struct store *store, const char *name, struct device_row *row,
                            struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    if (!pg_is_text(name, strlen(name)))
        return 0;
    pg_text(&parameters, name);
    return find_device(postgres_of(store), PG_DEVICE_BY_NAME, &parameters, row, failure);
}

int postgres_device_count(struct store *store, int64_t *count, struct failure *failure)
{
    PGresult *result = pg_read(postgres_of(store), PG_DEVICE_COUNT, NULL, "count the devices", failure);

    if (result == NULL)
        return -1;
    *count = pg_get_number(result, 0, 0);
    PQclear(result);
    return 0;
}

/* ---- lists ---- */

/* What the filter wants, for every page. 1, or 0 where no device can have it. */
static int filter_labels(const struct device_filter *filter, struct pg_array *keys, struct pg_array *values)
{
    pg_array_begin(keys, PG_TEXT);
    pg_array_begin(values, PG_TEXT);
    for (size_t i = 0; filter != NULL && i < filter->label_count; i++) {
        const struct label *label = &filter->labels[i];
        if (!pg_is_text(label->key, strlen(label->key)) ||
            (label->value != NULL && !pg_is_text(label->value, strlen(label->value))))
            return 0;
        pg_array_bytes(keys, label->key, strlen(label->key));
        if (label->value == NULL)
            pg_array_null(values);
        else
            pg_array_bytes(values, label->value, strlen(label->value));
    }
    return 1;
}

/* 1 there may be more, 0 that was all, or the visitor has had enough. `name` becomes the last one's. */
static int visit_page(struct postgres *pg, const PGresult *result, char *name, device_visitor *visit,
                      void *context, struct failure *failure)
{
    for (int i = 0; i < PQntuples(result); i++) {
        struct device_row row;
        if (read_device(pg, result, i, &row, failure) != 0)
            return -1;
        strcpy(name, row.name);
        if (visit(context, &row) != 0)
            return 0;
    }
    return PQntuples(result) > 0;
}

int postgres_device_each(struct store *store, const struct device_filter *filter, device_visitor *visit,
                         void *context, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    char name[BULLA_NAME_MAX + 1] = "";
    struct pg_array keys = {0}, values = {0};
    int going = filter_labels(filter, &keys, &values);

    while (going > 0) {
        struct pg_parameters parameters = {.count = 0};
        pg_text(&parameters, name);
        pg_number(&parameters, filter == NULL ? 0 : filter->silent_since);
        if (pg_array_add(&parameters, &keys, failure) != 0 ||
            pg_array_add(&parameters, &values, failure) != 0) {
            going = -1;
            break;
        }
        PGresult *result = pg_read(pg, PG_DEVICES_AFTER, &parameters, "list the devices", failure);
        going = result == NULL ? -1 : visit_page(pg, result, name, visit, context, failure);
        PQclear(result);
    }
    pg_array_wipe(&keys);
    pg_array_wipe(&values);
    return going;
}

/* ---- entering ---- */

int postgres_kid_is_taken(struct store *store, const uint8_t *kid, size_t kid_len, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_bytes(&parameters, kid, kid_len);
    PGresult *result = pg_read(postgres_of(store), PG_KID_TAKEN, &parameters, "look a kid up", failure);
    if (result == NULL)
        return -1;
    int taken = pg_get_boolean(result, 0, 0);
    PQclear(result);
    return taken;
}

/* A device without a native credential has none: SQL's NULL. */
static void put_native(struct pg_parameters *parameters, const struct device_row *row, const void *bytes,
                       size_t len)
{
    if (row->kid_len > 0)
        pg_bytes(parameters, bytes, len);
    else
        pg_null(parameters);
}

/* 1 the entry clashes, 0 it does not. */
static int clashes(struct postgres *pg, const struct device_row *row, enum device_clash *clash,
                   struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, row->name);
    put_native(&parameters, row, row->kid, row->kid_len);
    PGresult *result = pg_query(pg, PG_CLASHES, &parameters, "look a name up", failure);
    if (result == NULL)
        return -1;
    bool name = pg_get_boolean(result, 0, 0);
    bool kid = pg_get_boolean(result, 0, 1);
    PQclear(result);
    *clash = name ? CLASH_NAME : CLASH_KID;
    return name || kid;
}

int postgres_insert_device(struct postgres *pg, struct device_row *row, bool proven, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, row->name);
    put_native(&parameters, row, row->kid, row->kid_len);
    pg_number(&parameters, row->alg);
    pg_number(&parameters, row->kind);
    pg_boolean(&parameters, row->revoked);
    pg_number(&parameters, row->exported);
    pg_number(&parameters, row->created);
    put_native(&parameters, row, row->secret, sizeof(row->secret));
    pg_boolean(&parameters, proven);
    pg_number(&parameters, BULLA_COUNTER);
    PGresult *result = pg_query(pg, PG_DEVICE_ADD, &parameters, "enter the device", failure);
    if (result == NULL)
        return -1;
    row->id = pg_get_number(result, 0, 0);
    PQclear(result);
    return 1;
}

static int insert_labels(struct postgres *pg, const struct device_entry *entry, struct failure *failure)
{
    if (entry->label_count == 0)
        return 0;
    for (size_t i = 0; i < entry->label_count; i++)
        if (postgres_label_put(pg, entry->row.id, &entry->labels[i], failure) < 0)
            return -1;
    return postgres_labels_bounded(pg, entry->row.id, failure);
}

/* 1 all entered, 0 one clashes. */
static int insert_entries(struct postgres *pg, struct device_entry *entries, size_t count, size_t *at,
                          enum device_clash *clash, struct failure *failure)
{
    for (size_t i = 0; i < count; i++) {
        *at = i;
        if (!pg_is_text(entries[i].row.name, strlen(entries[i].row.name)))
            return fail(failure, "cannot enter the device: its name is not UTF-8");
        int clashing = clashes(pg, &entries[i].row, clash, failure);
        if (clashing != 0)
            return clashing < 0 ? -1 : 0;
        if (postgres_insert_device(pg, &entries[i].row, entries[i].proven, failure) < 0 ||
            (entries[i].wire != NULL && postgres_insert_wire(pg, &entries[i], failure) < 0) ||
            insert_labels(pg, &entries[i], failure) < 0)
            return -1;
    }
    return 1;
}

int postgres_devices_add(struct store *store, struct device_entry *entries, size_t count, size_t *at,
                         enum device_clash *clash, struct failure *failure)
{
    static const char what[] = "enter the devices";
    struct postgres *pg = postgres_of(store);

    if (pg_begin(pg, what, failure) != 0)
        return -1;
    int result = devices_have_wire(entries, count) ? postgres_hold_wires(pg, what, failure) : 0;
    if (result == 0)
        result = insert_entries(pg, entries, count, at, clash, failure);
    if (result == 0) {
        pg_rollback(pg);
        return 0;
    }
    if (result > 0 && postgres_raise_generation(pg, what, failure) != 0)
        result = -1;
    return pg_end(pg, result, what, failure);
}
