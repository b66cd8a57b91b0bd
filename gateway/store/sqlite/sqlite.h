/*
 * The SQLite store's insides, shared by the files sqlite*.c. One writer at a time (WAL), every write in a
 * transaction that is on the disk when it returns (synchronous=FULL).
 */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <sqlite3.h>

#include "gateway/sink/parcel.h"
#include "gateway/store/commit_notes.h"
#include "gateway/store/series_cache.h"
#include "gateway/store/sqlite/statements.h"
#include "gateway/store/store.h"

#define COMMAND_BUSY_MS 5000 /* how long a command waits for another writer */
/* Ids of series, and whether they may still be used. */
struct sqlite_series {
    struct series_cache cache;
    bool dirty;           /* the transaction under way added or widened a series */
    bool known;           /* what follows was read */
    int64_t data_version; /* at which `gone` was read */
    int64_t gone;         /* how often series were deleted */
};

struct sqlite {
    struct store store; /* first */
    sqlite3 *db;
    char *path;
    int lock;       /* descriptor that holds it, or -1 */
    char *replaces; /* a copy that is being restored: the database whose place it takes */
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct sqlite_series series;
    struct commit_notes notes; /* commit's scratch */
    struct parcels parcels;    /* what the transaction under way sends out */
    struct {                   /* what is read out (transfer.h) */
        sqlite3_stmt *query;
        enum transfer_table table;
        bool waits; /* the query stands on a row that was not taken yet */
    } transfer;
    bool generation_known;
    int64_t data_version; /* at which `generation` was read */
    int64_t generation;
};

static inline struct sqlite *sqlite_of(struct store *store)
{
    return (struct sqlite *)store;
}

/* ---- sqlite.c: statements and transactions ---- */

/* "cannot WHAT: the database's reason; what to do (path)". Returns -1. */
int sqlite_fail(struct sqlite *sqlite, const char *what, struct failure *failure);

/* The prepared statement, ready to be bound; NULL with the failure. */
MUST_CHECK sqlite3_stmt *sqlite_statement(struct sqlite *sqlite, enum statement_id id,
                                          struct failure *failure);

/* Steps once: 1 a row (the caller resets after reading it), 0 none, -1 failure; after these it is reset. */
MUST_CHECK int sqlite_row(struct sqlite *sqlite, sqlite3_stmt *statement, const char *what,
                          struct failure *failure);

/* Runs a statement that gives no rows. Returns how many rows it changed, or -1. */
MUST_CHECK int sqlite_run(struct sqlite *sqlite, sqlite3_stmt *statement, const char *what,
                          struct failure *failure);

/* The same for a statement without parameters, and for one whose parameter is a number. */
MUST_CHECK int sqlite_run_id(struct sqlite *sqlite, enum statement_id id, const char *what,
                             struct failure *failure);
MUST_CHECK int sqlite_run_number(struct sqlite *sqlite, enum statement_id id, int64_t number,
                                 const char *what, struct failure *failure);

/* What moves whenever another connection has written (PRAGMA data_version): cheap to ask. */
MUST_CHECK int sqlite_data_version(struct sqlite *sqlite, int64_t *version, const char *what,
                                   struct failure *failure);

/* Begins a transaction that may write at once: what is read in it stays true until its end. */
MUST_CHECK int sqlite_begin(struct sqlite *sqlite, const char *what, struct failure *failure);

/*
 * Ends it: commits if `result` is not negative, and then returns `result`, or -1 if that fails; else rolls
 * back and returns -1, the failure being the caller's.
 */
MUST_CHECK int sqlite_end(struct sqlite *sqlite, int result, const char *what, struct failure *failure);

/* Rolls back what is under way. */
void sqlite_rollback(struct sqlite *sqlite);

/* Binding cannot fail here: nothing is copied, and the numbers of parameters are constants. */
static inline void bind_number(sqlite3_stmt *statement, int parameter, int64_t value)
{
    sqlite3_bind_int64(statement, parameter, value);
}

/* The same 64 bits, signed: SQLite knows no others. */
static inline void bind_unsigned(sqlite3_stmt *statement, int parameter, uint64_t value)
{
    sqlite3_bind_int64(statement, parameter, (int64_t)value);
}

/* NULL and no bytes are an empty value, not SQL's NULL, which equals nothing. */
static inline void bind_text(sqlite3_stmt *statement, int parameter, const char *text, size_t len)
{
    sqlite3_bind_text64(statement, parameter, len == 0 ? "" : text, len, SQLITE_STATIC, SQLITE_UTF8);
}

static inline void bind_bytes(sqlite3_stmt *statement, int parameter, const void *bytes, size_t len)
{
    sqlite3_bind_blob64(statement, parameter, len == 0 ? "" : bytes, len, SQLITE_STATIC);
}

static inline void bind_text_or_null(sqlite3_stmt *statement, int parameter, const char *text)
{
    sqlite3_bind_text(statement, parameter, text, -1, SQLITE_STATIC);
}

/* A connection to be opened; NULL without memory. sqlite_close() closes it in any state. */
struct sqlite *sqlite_new(const char *path);
MUST_CHECK int sqlite_open_file(struct sqlite *sqlite, struct failure *failure);
void sqlite_close(struct store *store);

/* Closes what is SQLite's; what the struct says stays. */
void sqlite_close_database(struct sqlite *sqlite);

/* ---- lock.c ---- */

/* Takes the database's lock, shared or alone: a descriptor that holds it until it is closed, or -1. */
MUST_CHECK int sqlite_lock(const char *path, bool alone, struct failure *failure);

/* ---- transfer.c ---- */

extern const struct transfer_ops sqlite_transfer;

/* ---- copy.c ---- */

/* Copies all pages of one database into another, which is empty; both are open. */
MUST_CHECK int sqlite_copy_pages(struct sqlite *from, struct sqlite *to,
                                 const struct store_progress *progress, struct failure *failure);

/* Makes a file and its name durable. */
MUST_CHECK int sqlite_sync(const char *path, struct failure *failure);

/* Removes a database and what lies beside it. */
void sqlite_remove_files(const char *path);

/*
 * Whether a path leads to the database, or is a name beside it that SQLite, the lock or a restore uses,
 * whether that file is there or not: what stands behind the database's name ("" the database itself), or
 * NULL.
 */
const char *sqlite_part_of(const char *path, const char *database);

/* Opens a database so that it is whole in one file; its log is folded into it. NULL with the failure. */
struct sqlite *sqlite_open_single(const char *path, struct failure *failure);

/* Whether SQLite finds it sound; `name` is what to call it. */
MUST_CHECK int sqlite_check_integrity(struct sqlite *sqlite, const char *name, struct failure *failure);

/*
 * Writes a backup (ops->backup()) of what `fill` puts into an empty file: under a temporary name first, where
 * it is made safe, checked, and synced.
 */
typedef int sqlite_filler(void *context, const char *path, const struct store_backup *backup,
                          struct failure *failure);
MUST_CHECK int sqlite_make_backup(const struct store_backup *backup, sqlite_filler *fill, void *context,
                                  struct failure *failure);

int sqlite_backup(struct store *store, const struct store_backup *backup, struct failure *failure);
int sqlite_restored(struct store *store, const void *challenge, size_t len, int64_t *contexts,
                    struct failure *failure);

/* ---- restore.c ---- */

int sqlite_restore_begin(struct store **copy, const char *location, const char *file,
                         const struct store_progress *progress, struct failure *failure);
int sqlite_restore_compare(struct store *copy, restore_visitor *visit, void *context,
                           struct failure *failure);
int sqlite_restore_finish(struct store *copy, bool discard, char *kept, size_t size, struct failure *failure);

/* ---- schema.c ---- */

/* Makes sure that this is our database, of whatever version. */
MUST_CHECK int sqlite_identify_own(struct sqlite *sqlite, struct failure *failure);

/* Makes sure that this is our database, not another's, and reads it only. */
MUST_CHECK int sqlite_identify(struct sqlite *sqlite, struct failure *failure);

/* Brings the schema up to this program's version. */
MUST_CHECK int sqlite_migrate(struct sqlite *sqlite, struct failure *failure);

/* 1 if the schema is of this program's version, 0 if it is older, or -1. */
MUST_CHECK int sqlite_schema_is_current(struct sqlite *sqlite, int *version, struct failure *failure);

/* ---- look.c ---- */

MUST_CHECK int sqlite_look(const char *location, struct look *look);

/* ---- registry.c ---- */

int sqlite_meta_get(struct store *store, const char *name, void *value, size_t *len, struct failure *failure);
int sqlite_meta_put(struct store *store, const char *name, const void *value, size_t len,
                    struct failure *failure);
int sqlite_device_by_kid(struct store *store, const uint8_t *kid, size_t kid_len, struct device_row *row,
                         struct failure *failure);
int sqlite_kid_is_taken(struct store *store, const uint8_t *kid, size_t kid_len, struct failure *failure);
int sqlite_device_by_name(struct store *store, const char *name, struct device_row *row,
                          struct failure *failure);
int sqlite_devices_add(struct store *store, struct device_entry *entries, size_t count, size_t *at,
                       enum device_clash *clash, struct failure *failure);
int sqlite_device_each(struct store *store, const struct device_filter *filter, device_visitor *visit,
                       void *context, struct failure *failure);
int sqlite_device_count(struct store *store, int64_t *count, struct failure *failure);
int sqlite_device_revoke(struct store *store, int64_t device, struct failure *failure);
int sqlite_device_remove(struct store *store, int64_t device, struct failure *failure);
int sqlite_issued_t(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure);
int sqlite_probe(struct store *store, struct failure *failure);
int sqlite_device_exported(struct store *store, int64_t device, struct failure *failure);
int sqlite_device_trust(struct store *store, int64_t device, uint64_t lower, struct failure *failure);
int sqlite_generation(struct store *store, int64_t *generation, struct failure *failure);
int sqlite_gateway_id_add(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                          struct failure *failure);

/* Ends an operator's change: `result` as in sqlite_end(); positive is a change, and raises the generation. */
MUST_CHECK int sqlite_end_change(struct sqlite *sqlite, int result, const char *what,
                                 struct failure *failure);

/* Inside a transaction: 1 or 0. */
MUST_CHECK int sqlite_name_is_taken(struct sqlite *sqlite, const char *name, struct failure *failure);

/* Inside a transaction: enters the device, whose name and kid are free, with its counter's row. -1 on
 * failure. */
MUST_CHECK int sqlite_insert_device(struct sqlite *sqlite, struct device_row *row, bool proven,
                                    struct failure *failure);

/* Inside a transaction: enters a counter's row, which the device does not have yet. */
MUST_CHECK int sqlite_insert_counter(struct sqlite *sqlite, int64_t device, bool proven,
                                     struct failure *failure);

/* ---- wires.c ---- */

/* Inside a transaction: enters an entry's older wire, or takes up what a removed one has left. -1 on failure.
 */
MUST_CHECK int sqlite_insert_wire(struct sqlite *sqlite, struct device_entry *entry, struct failure *failure);

/* Inside a transaction: what becomes of a device's older wire, and of a group's nodes, when it is removed. */
MUST_CHECK int sqlite_remove_wire(struct sqlite *sqlite, int64_t device, struct failure *failure);

/* Inside a transaction: closes the open older wire of a device that is on the native one. How many, or -1. */
MUST_CHECK int sqlite_close_wire(struct sqlite *sqlite, int64_t device, struct failure *failure);

int sqlite_wires_begin(struct store *store, struct failure *failure);
int sqlite_wires_end(struct store *store, int result, struct failure *failure);
int sqlite_wire_find(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                     size_t room, struct failure *failure);
int sqlite_wire_node(struct store *store, int64_t group, const char *node, struct wire_row *row,
                     struct failure *failure);
int sqlite_wire_node_add(struct store *store, const struct wire_row *group, const char *node,
                         const char *name, int64_t now, struct wire_row *row, struct failure *failure);
int sqlite_wire_remembers(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                          struct failure *failure);
int sqlite_wire_change(struct store *store, const struct wire_change *change, struct failure *failure);
int sqlite_wires_version(struct store *store, int64_t *version, struct failure *failure);
int sqlite_wires_each(struct store *store, wire_visitor *visit, void *context, struct failure *failure);
int sqlite_wire_of(struct store *store, int64_t device, struct wire_row *row, int64_t *nodes,
                   struct failure *failure);
int sqlite_device_upgrade(struct store *store, const struct device_row *row, bool proven, bool at_once,
                          struct failure *failure);

/* ---- sessions.c ---- */

int sqlite_session_list(struct store *store, const char *topic, struct session_row rows[WIRE_SESSIONS_MAX],
                        struct failure *failure);
int sqlite_session_issue(struct store *store, const char *topic, const char id[WIRE_SESSION_ID], int64_t now,
                         struct failure *failure);
int sqlite_session_spend(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                         const uint8_t *hash, struct failure *failure);

/* ---- labels.c ---- */

int sqlite_device_label(struct store *store, int64_t device, const struct label *labels, size_t count,
                        struct failure *failure);
int sqlite_labels_each(struct store *store, int64_t device, label_visitor *visit, void *context,
                       struct failure *failure);

/* Inside a transaction: sets a label. Returns how many rows it changed, or -1. */
MUST_CHECK int sqlite_label_put(struct sqlite *sqlite, int64_t device, const struct label *label,
                                struct failure *failure);

/* Inside a transaction: 0, or -1 where the device has too many labels. */
MUST_CHECK int sqlite_labels_bounded(struct sqlite *sqlite, int64_t device, struct failure *failure);

/* 1 if the device has all of the filter's labels, 0 if not. */
MUST_CHECK int sqlite_labels_match(struct sqlite *sqlite, int64_t device, const struct device_filter *filter,
                                   struct failure *failure);

/* ---- contexts.c ---- */

int sqlite_context_find(struct store *store, int64_t device, const uint8_t *id_context,
                        struct context_row *row, struct store_clock *clock, struct failure *failure);
int sqlite_context_newest(struct store *store, int64_t device, struct context_row *row,
                          struct store_clock *clock, struct failure *failure);
int sqlite_context_each(struct store *store, int64_t device, context_visitor *visit, void *context,
                        struct failure *failure);
int sqlite_contexts_close(struct store *store, int64_t now, struct failure *failure);

/* Reads CONTEXT_COLUMNS from column `first` on. */
void sqlite_read_context(sqlite3_stmt *statement, int first, struct context_row *row);

/* Binds the id_context of a row: a counter's is empty. */
void sqlite_bind_id_context(sqlite3_stmt *statement, int parameter, const struct context_row *row);

/* Inside a transaction: lets the device's contexts go, all of them or those that are due, and raises the
 * floor. */
MUST_CHECK int sqlite_contexts_delete(struct sqlite *sqlite, int64_t device, struct failure *failure);
MUST_CHECK int sqlite_contexts_delete_due(struct sqlite *sqlite, int64_t device, int64_t now,
                                          struct failure *failure);

/* ---- commit.c ---- */

int sqlite_commit(struct store *store, struct commit *commit, int64_t now, struct failure *failure);

/* ---- series.c ---- */

/* The id of the reading's series, which is made if it is new; -1 with the failure. Inside a transaction. */
MUST_CHECK int64_t sqlite_series(struct sqlite *sqlite, int64_t device, const struct reading *reading,
                                 struct failure *failure);

/* Inside a transaction that writes readings: forgets the ids if series were deleted by whomever. */
MUST_CHECK int sqlite_series_check(struct sqlite *sqlite, struct failure *failure);

/* ---- readings.c ---- */

MUST_CHECK int sqlite_reading_add(struct sqlite *sqlite, int64_t device, const struct commit_message *message,
                                  const struct reading *reading, struct failure *failure);
int sqlite_readings_each(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                         void *context, struct failure *failure);

/* Where a reading is, and what it is sorted by: its time, or its reception. */
struct reading_key {
    int64_t order; /* microseconds since 1970 */
    int64_t time;
    int64_t n;
};

/* Called with the key of each reading before it is visited; -1 with the failure ends the listing. */
typedef int sqlite_key_note(void *context, const struct reading_key *key, int64_t received,
                            struct failure *failure);

/* As sqlite_readings_each(); `note` is told the keys. */
MUST_CHECK int sqlite_readings_noted(struct sqlite *sqlite, const struct reading_filter *filter,
                                     reading_visitor *visit, void *context, sqlite_key_note *note,
                                     void *note_context, struct failure *failure);

/* Visits the readings of these keys that are (still) there. */
MUST_CHECK int sqlite_readings_at(struct sqlite *sqlite, const struct reading_key *keys, size_t count,
                                  reading_visitor *visit, void *context, struct failure *failure);

/* ---- follow.c ---- */

int sqlite_follow_open(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                       void *context, struct follower **follower, struct failure *failure);
int sqlite_follow_next(struct store *store, struct follower *follower, reading_visitor *visit, void *context,
                       struct failure *failure);
void sqlite_follow_close(struct follower *follower);

/* ---- expire.c ---- */

int sqlite_readings_expire(struct store *store, int64_t before, size_t most, struct failure *failure);

/* ---- outbox.c ---- */

/* Inside a transaction, last of all: appends sqlite->parcels. */
MUST_CHECK int sqlite_outbox_add(struct sqlite *sqlite, const char *what, struct failure *failure);

int sqlite_sink_add(struct store *store, const char *name, int64_t now, struct failure *failure);
int sqlite_sinks_each(struct store *store, sink_visitor *visit, void *context, struct failure *failure);
int sqlite_sink_forget(struct store *store, const char *name, struct failure *failure);
int sqlite_sinks_update(struct store *store, const char *holder, struct sink_update *updates, size_t count,
                        int64_t now, struct failure *failure);
int sqlite_outbox_read(struct store *store, int64_t after, size_t bytes, outbox_visitor *visit, void *context,
                       struct failure *failure);
int sqlite_outbox_trim(struct store *store, size_t most, struct failure *failure);

/* ---- events.c ---- */

int sqlite_events_add(struct store *store, const struct event_row *events, size_t count,
                      struct failure *failure);
int sqlite_events_each(struct store *store, const struct event_filter *filter, event_visitor *visit,
                       void *context, struct failure *failure);

#endif
