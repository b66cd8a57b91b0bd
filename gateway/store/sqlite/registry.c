#include "gateway/store/sqlite/sqlite.h"

#include <string.h>

#include "device/keys.h"

#define ISSUED_T_BUSY_MS 100 /* readings wait behind it */

/* ---- meta ---- */

int sqlite_meta_get(struct store *store, const char *name, void *value, size_t *len, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *get = sqlite_statement(sqlite, ST_META_GET, failure);

    if (get == NULL)
        return -1;
    bind_text(get, 1, name, strlen(name));
    int found = sqlite_row(sqlite, get, "read the registry", failure);
    if (found <= 0)
        return found;

    size_t size = (size_t)sqlite3_column_bytes(get, 0);
    if (size > *len)
        found = fail(failure, "the registry's value \"%s\" has %zu bytes, at most %zu were expected (%s)",
                     name, size, *len, sqlite->path);
    else if (size > 0)
        memcpy(value, sqlite3_column_blob(get, 0), size);
    *len = size;
    sqlite3_reset(get);
    return found;
}

int sqlite_meta_put(struct store *store, const char *name, const void *value, size_t len,
                    struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *put = sqlite_statement(sqlite, ST_META_PUT, failure);

    if (put == NULL)
        return -1;
    bind_text(put, 1, name, strlen(name));
    bind_bytes(put, 2, value, len);
    return sqlite_run(sqlite, put, "write the registry", failure);
}

int sqlite_gateway_id_add(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                          struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *add = sqlite_statement(sqlite, ST_GATEWAY_ID_ADD, failure);

    if (add == NULL)
        return -1;
    bind_bytes(add, 1, id, GATEWAY_ID_SIZE);
    bind_number(add, 2, now);
    return sqlite_run(sqlite, add, "enter the gateway's id", failure);
}

static const char keep_t[] = "keep the challenges' T";

static int read_issued_t(struct sqlite *sqlite, uint64_t *kept, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_ISSUED_T, failure);
    int found = query == NULL ? -1 : sqlite_row(sqlite, query, keep_t, failure);

    if (found <= 0)
        return found;
    *kept = (uint64_t)sqlite3_column_int64(query, 0);
    sqlite3_reset(query);
    return 0;
}

static int raise_issued_t(struct sqlite *sqlite, uint64_t t, struct failure *failure)
{
    sqlite3_stmt *raise = sqlite_statement(sqlite, ST_ISSUED_T_RAISE, failure);
    int raised;

    if (raise == NULL)
        return -1;
    bind_unsigned(raise, 1, t);
    sqlite3_busy_timeout(sqlite->db, ISSUED_T_BUSY_MS);
    raised = sqlite_run(sqlite, raise, keep_t, failure);
    sqlite3_busy_timeout(sqlite->db, COMMAND_BUSY_MS);
    return raised < 0 ? -1 : 0;
}

int sqlite_issued_t(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);

    *kept = 0;
    if (read_issued_t(sqlite, kept, failure) < 0)
        return -1;
    if (*kept >= t)
        return 0; /* the usual case: nothing is written */
    return raise_issued_t(sqlite, t, failure) < 0 ? -1 : read_issued_t(sqlite, kept, failure);
}

/* ---- generation ---- */

int sqlite_probe(struct store *store, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    int changed;

    sqlite3_busy_timeout(sqlite->db, 0);
    changed = sqlite_run_id(sqlite, ST_PROBE, "write to the database", failure);
    sqlite3_busy_timeout(sqlite->db, COMMAND_BUSY_MS);
    return changed < 0 ? -1 : 0;
}

/* data_version moves when another connection has written; only then is the row worth reading. */
int sqlite_generation(struct store *store, int64_t *generation, struct failure *failure)
{
    static const char what[] = "read the registry";
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *get = sqlite_statement(sqlite, ST_GENERATION_GET, failure);
    int64_t data_version;

    if (get == NULL || sqlite_data_version(sqlite, &data_version, what, failure) < 0)
        return -1;
    if (!sqlite->generation_known || data_version != sqlite->data_version) {
        if (sqlite_row(sqlite, get, what, failure) < 0)
            return -1;
        sqlite->generation = sqlite3_column_int64(get, 0);
        sqlite->data_version = data_version;
        sqlite->generation_known = true;
        sqlite3_reset(get);
    }
    *generation = sqlite->generation;
    return 0;
}

int sqlite_end_change(struct sqlite *sqlite, int result, const char *what, struct failure *failure)
{
    sqlite->generation_known = false;
    if (result > 0 && sqlite_run_id(sqlite, ST_GENERATION_RAISE, what, failure) < 0)
        result = -1;
    return sqlite_end(sqlite, result, what, failure);
}

/* ---- devices ---- */

/* A value that is not of the size or in the range it was written with means that somebody else wrote it. */
static int fail_damaged(struct sqlite *sqlite, struct failure *failure)
{
    return fail(failure, "a device's row is damaged; see docs/gateway.md, Damage (%s)", sqlite->path);
}

/* Before they are cut to a byte: 266 is not algorithm 10. */
static bool alg_and_kind_are_known(int64_t alg, int64_t kind)
{
    return alg >= 0 && alg <= UINT8_MAX && bulla_key_size((int)alg) != 0 && kind >= BULLA_SESSION &&
           kind <= BULLA_COUNTER;
}

static int read_device(struct sqlite *sqlite, sqlite3_stmt *row_of, struct device_row *row,
                       struct failure *failure)
{
    int name_len = sqlite3_column_bytes(row_of, 1);
    int kid_len = sqlite3_column_bytes(row_of, 2);

    bool is_native = sqlite3_column_type(row_of, 2) != SQLITE_NULL;
    int secret_len = sqlite3_column_bytes(row_of, 8);

    int wire_len = sqlite3_column_bytes(row_of, 11);

    if (name_len > BULLA_NAME_MAX || wire_len > WIRE_NAME_MAX || (kid_len < 1 && is_native) ||
        kid_len > BULLA_KID_MAX || secret_len != (is_native ? (int)sizeof(row->secret) : 0) ||
        !alg_and_kind_are_known(sqlite3_column_int64(row_of, 3), sqlite3_column_int64(row_of, 4)))
        return fail_damaged(sqlite, failure);
    *row = (struct device_row){
        .id = sqlite3_column_int64(row_of, 0),
        .kid_len = (uint8_t)kid_len,
        .alg = (uint8_t)sqlite3_column_int(row_of, 3),
        .kind = (uint8_t)sqlite3_column_int(row_of, 4),
        .revoked = sqlite3_column_int(row_of, 5) != 0,
        .exported = sqlite3_column_int(row_of, 6) != 0,
        .created = sqlite3_column_int64(row_of, 7),
        .last_seen = sqlite3_column_int64(row_of, 10),
        .lost = (uint64_t)sqlite3_column_int64(row_of, 9),
    };
    memcpy(row->name, sqlite3_column_blob(row_of, 1), (size_t)name_len);
    if (wire_len > 0)
        memcpy(row->wire, sqlite3_column_blob(row_of, 11), (size_t)wire_len);
    if (!is_native)
        return 0;
    memcpy(row->kid, sqlite3_column_blob(row_of, 2), (size_t)kid_len);
    memcpy(row->secret, sqlite3_column_blob(row_of, 8), sizeof(row->secret));
    return 0;
}

/* Runs a query for at most one device. */
static int find_device(struct sqlite *sqlite, sqlite3_stmt *query, struct device_row *row,
                       struct failure *failure)
{
    int found = sqlite_row(sqlite, query, "look a device up", failure);

    if (found > 0 && read_device(sqlite, query, row, failure) != 0)
        found = -1;
    sqlite3_reset(query);
    return found;
}

int sqlite_device_by_kid(struct store *store, const uint8_t *kid, size_t kid_len, struct device_row *row,
                         struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_DEVICE_BY_KID, failure);

    if (query == NULL)
        return -1;
    bind_bytes(query, 1, kid, kid_len);
    return find_device(sqlite, query, row, failure);
}

int sqlite_device_by_name(struct store *store, const char *name, struct device_row *row,
                          struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_DEVICE_BY_NAME, failure);

    if (query == NULL)
        return -1;
    bind_text(query, 1, name, strlen(name));
    return find_device(sqlite, query, row, failure);
}

static int next_device(struct sqlite *sqlite, const char *name, const struct device_filter *filter,
                       struct device_row *next, struct failure *failure)
{
    bool silent = filter != NULL && filter->silent_since != 0;
    sqlite3_stmt *query =
        sqlite_statement(sqlite, silent ? ST_SILENT_DEVICE_AFTER : ST_DEVICE_AFTER, failure);

    if (query == NULL)
        return -1;
    bind_text(query, 1, name, strlen(name));
    if (silent)
        bind_number(query, 2, filter->silent_since);
    return find_device(sqlite, query, next, failure);
}

/* One query a row: a visitor that waits (for a pager, say) holds no snapshot, which would keep the log from
 * starting over. */
int sqlite_device_each(struct store *store, const struct device_filter *filter, device_visitor *visit,
                       void *context, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    struct device_row row = {.name = ""};

    for (;;) {
        struct device_row next;
        int found = next_device(sqlite, row.name, filter, &next, failure);
        if (found <= 0)
            return found;
        row = next;
        int wanted = filter == NULL ? 1 : sqlite_labels_match(sqlite, row.id, filter, failure);
        if (wanted < 0)
            return -1;
        if (wanted > 0 && visit(context, &row) != 0)
            return 0;
    }
}

int sqlite_device_count(struct store *store, int64_t *count, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_DEVICE_COUNT, failure);

    if (query == NULL || sqlite_row(sqlite, query, "count the devices", failure) < 0)
        return -1;
    *count = sqlite3_column_int64(query, 0);
    sqlite3_reset(query);
    return 0;
}

/* ---- an operator's changes ---- */

int sqlite_kid_is_taken(struct store *store, const uint8_t *kid, size_t kid_len, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_KID_TAKEN, failure);

    if (query == NULL)
        return -1;
    bind_bytes(query, 1, kid, kid_len);
    int taken = sqlite_row(sqlite, query, "look a kid up", failure);
    if (taken > 0)
        taken = sqlite3_column_int(query, 0);
    sqlite3_reset(query);
    return taken;
}

int sqlite_name_is_taken(struct sqlite *sqlite, const char *name, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_NAME_TAKEN, failure);

    if (query == NULL)
        return -1;
    bind_text(query, 1, name, strlen(name));
    int taken = sqlite_row(sqlite, query, "look a name up", failure);
    if (taken > 0)
        taken = sqlite3_column_int(query, 0);
    sqlite3_reset(query);
    return taken;
}

int sqlite_insert_counter(struct sqlite *sqlite, int64_t device, bool proven, struct failure *failure)
{
    sqlite3_stmt *counter = sqlite_statement(sqlite, ST_COUNTER_ADD, failure);

    if (counter == NULL)
        return -1;
    bind_number(counter, 1, device);
    bind_number(counter, 2, proven);
    return sqlite_run(sqlite, counter, "enter the device's counter", failure);
}

int sqlite_insert_device(struct sqlite *sqlite, struct device_row *row, bool proven, struct failure *failure)
{
    static const char what[] = "enter the device";
    sqlite3_stmt *add = sqlite_statement(sqlite, ST_DEVICE_ADD, failure);

    if (add == NULL)
        return -1;
    bind_text(add, 1, row->name, strlen(row->name));
    if (row->kid_len > 0)
        bind_bytes(add, 2, row->kid, row->kid_len);
    else
        sqlite3_bind_null(add, 2);
    bind_number(add, 3, row->alg);
    bind_number(add, 4, row->kind);
    bind_number(add, 5, row->revoked);
    bind_number(add, 6, row->exported);
    bind_number(add, 7, row->created);
    if (row->kid_len > 0)
        bind_bytes(add, 8, row->secret, sizeof(row->secret));
    else
        sqlite3_bind_null(add, 8);
    if (sqlite_run(sqlite, add, what, failure) < 0)
        return -1;
    row->id = sqlite3_last_insert_rowid(sqlite->db);
    if (row->kid_len == 0 || row->kind != BULLA_COUNTER)
        return 1;
    return sqlite_insert_counter(sqlite, row->id, proven, failure);
}

/* 1 the entry clashes, 0 it does not. */
static int clashes(struct sqlite *sqlite, const struct device_row *row, enum device_clash *clash,
                   struct failure *failure)
{
    int taken = sqlite_name_is_taken(sqlite, row->name, failure);

    *clash = CLASH_NAME;
    if (taken != 0 || row->kid_len == 0)
        return taken;
    *clash = CLASH_KID;
    return sqlite_kid_is_taken(&sqlite->store, row->kid, row->kid_len, failure);
}

static int insert_labels(struct sqlite *sqlite, const struct device_entry *entry, struct failure *failure)
{
    if (entry->label_count == 0)
        return 0;
    for (size_t i = 0; i < entry->label_count; i++)
        if (sqlite_label_put(sqlite, entry->row.id, &entry->labels[i], failure) < 0)
            return -1;
    return sqlite_labels_bounded(sqlite, entry->row.id, failure);
}

/* 1 all entered, 0 one clashes. */
static int insert_entries(struct sqlite *sqlite, struct device_entry *entries, size_t count, size_t *at,
                          enum device_clash *clash, struct failure *failure)
{
    for (size_t i = 0; i < count; i++) {
        int clashing = clashes(sqlite, &entries[i].row, clash, failure);
        *at = i;
        if (clashing != 0)
            return clashing < 0 ? -1 : 0;
        if (sqlite_insert_device(sqlite, &entries[i].row, entries[i].proven, failure) < 0 ||
            (entries[i].wire != NULL && sqlite_insert_wire(sqlite, &entries[i], failure) < 0) ||
            insert_labels(sqlite, &entries[i], failure) < 0)
            return -1;
    }
    return 1;
}

int sqlite_devices_add(struct store *store, struct device_entry *entries, size_t count, size_t *at,
                       enum device_clash *clash, struct failure *failure)
{
    static const char what[] = "enter the devices";
    struct sqlite *sqlite = sqlite_of(store);

    if (sqlite_begin(sqlite, what, failure) != 0)
        return -1;
    int result = insert_entries(sqlite, entries, count, at, clash, failure);
    if (result == 0) {
        sqlite_rollback(sqlite);
        return 0;
    }
    return sqlite_end_change(sqlite, result, what, failure);
}

/* Begins a change of one device, and runs the first statement, which must find it. */
static int change_device(struct sqlite *sqlite, enum statement_id id, int64_t device, const char *what,
                         struct failure *failure)
{
    int changed = sqlite_run_number(sqlite, id, device, what, failure);

    return changed == 0 ? fail(failure, "cannot %s: it is not in the registry any more", what) : changed;
}

int sqlite_device_revoke(struct store *store, int64_t device, struct failure *failure)
{
    static const char what[] = "revoke the device";
    struct sqlite *sqlite = sqlite_of(store);

    if (sqlite_begin(sqlite, what, failure) != 0)
        return -1;
    int result = change_device(sqlite, ST_DEVICE_REVOKE, device, what, failure);
    if (result > 0 && sqlite_run_id(sqlite, ST_WIRES_RAISE, what, failure) < 0)
        result = -1;
    return sqlite_end_change(sqlite, result, what, failure) < 0 ? -1 : 0;
}

static int count_exports(struct sqlite *sqlite, int64_t device, const char *what, struct failure *failure)
{
    sqlite3_stmt *statement = sqlite_statement(sqlite, ST_DEVICE_EXPORTS, failure);
    int exports;

    if (statement == NULL)
        return -1;
    bind_number(statement, 1, device);
    if (sqlite_row(sqlite, statement, what, failure) < 0)
        return -1;
    exports = sqlite3_column_int(statement, 0);
    sqlite3_reset(statement);
    return exports;
}

int sqlite_device_exported(struct store *store, int64_t device, struct failure *failure)
{
    static const char what[] = "mark the device";
    struct sqlite *sqlite = sqlite_of(store);

    if (sqlite_begin(sqlite, what, failure) != 0)
        return -1;
    int result = change_device(sqlite, ST_DEVICE_EXPORTED, device, what, failure);
    int exports = result < 0 ? 0 : count_exports(sqlite, device, what, failure);
    return sqlite_end_change(sqlite, exports < 0 ? -1 : result, what, failure) < 0 ? -1 : exports == 1;
}

static int bury(struct sqlite *sqlite, int64_t device, const char *what, struct failure *failure)
{
    sqlite3_stmt *statement = sqlite_statement(sqlite, ST_DEVICE_BURY, failure);

    if (statement == NULL)
        return -1;
    bind_number(statement, 1, device);
    bind_number(statement, 2, sqlite->store.now(sqlite->store.now_context));
    return sqlite_run(sqlite, statement, what, failure);
}

int sqlite_device_remove(struct store *store, int64_t device, struct failure *failure)
{
    static const char what[] = "remove the device";
    struct sqlite *sqlite = sqlite_of(store);

    if (sqlite_begin(sqlite, what, failure) != 0)
        return -1;
    int result = bury(sqlite, device, what, failure);
    if (result >= 0)
        result = sqlite_contexts_delete(sqlite, device, failure);
    if (result >= 0)
        result = sqlite_run_number(sqlite, ST_LABELS_DELETE, device, what, failure);
    if (result >= 0)
        result = sqlite_remove_wire(sqlite, device, failure);
    if (result >= 0)
        result = change_device(sqlite, ST_DEVICE_DELETE, device, what, failure);
    return sqlite_end_change(sqlite, result, what, failure) < 0 ? -1 : 0;
}

/* 1 proven now, 0 it was proven already. */
static int trust_counter(struct sqlite *sqlite, int64_t device, uint64_t lower, const char *what,
                         struct failure *failure)
{
    sqlite3_stmt *state = sqlite_statement(sqlite, ST_COUNTER_STATE, failure);
    sqlite3_stmt *trust = sqlite_statement(sqlite, ST_COUNTER_TRUST, failure);

    if (state == NULL || trust == NULL)
        return -1;
    bind_number(state, 1, device);
    bind_unsigned(state, 2, lower);
    int found = sqlite_row(sqlite, state, what, failure);
    bool proven = found > 0 && sqlite3_column_int(state, 0) != 0;
    sqlite3_reset(state);
    if (found == 0)
        return fail(failure, "cannot %s: it has no counter context; a session proves itself by a challenge",
                    what);
    if (found < 0 || proven)
        return found < 0 ? -1 : 0;
    bind_number(trust, 1, device);
    bind_unsigned(trust, 2, lower);
    return sqlite_run(sqlite, trust, what, failure);
}

int sqlite_device_trust(struct store *store, int64_t device, uint64_t lower, struct failure *failure)
{
    static const char what[] = "trust the device";
    struct sqlite *sqlite = sqlite_of(store);

    if (sqlite_begin(sqlite, what, failure) != 0)
        return -1;
    return sqlite_end_change(sqlite, trust_counter(sqlite, device, lower, what, failure), what, failure);
}
