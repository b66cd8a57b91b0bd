/*
 * The PostgreSQL store's insides, shared by the files postgres*.c. Any number of gateways may use one
 * database: the rows are the truth, and every transaction locks them in one order, so that none waits for
 * another in a circle:
 *
 *     the number 'wires', devices (by id), contexts (by device, id_context), series (by device, key),
 * numbers, the outbox's end
 *
 * Parameters and results travel in PostgreSQL's binary form: numbers are int8 (big-endian), texts and bytes
 * are what they are. So nothing is ever quoted, and nothing is rounded.
 */
#ifndef STORE_POSTGRES_H
#define STORE_POSTGRES_H

#include <libpq-fe.h>

#include "gateway/sink/parcel.h"
#include "gateway/store/away.h"
#include "gateway/store/commit_notes.h"
#include "gateway/store/postgres/statements.h"
#include "gateway/store/series_cache.h"
#include "gateway/store/store.h"

#define PG_PARAMETERS_MAX    24
#define PG_POINT_COLUMNS_MAX 9

/* Where the time stamps of the database begin (2000-01-01), in microseconds since 1970. */
#define PG_EPOCH INT64_C(946684800000000)

/* The first time that a time stamp of the database can say (4714 BC). */
#define PG_EARLIEST (-INT64_C(210866803200000000))

/* Times before that one stand as '-infinity' there. */
#define PG_BEFORE_ALL INT64_MIN

/* So do those of a hypertable that are not in this range (1970-01-01 to 2100-01-01). */
#define PG_CHUNKS_FROM    "1970-01-01 00:00:00+00"
#define PG_CHUNKS_TO      "2100-01-01 00:00:00+00"
#define PG_CHUNKS_TO_TIME INT64_C(4102444800000000)

struct postgres {
    struct store store; /* first */
    PGconn *conn;       /* NULL: none yet */
    char *conninfo;     /* may hold a password: never printed, wiped */
    char label[128];    /* what people call it: host:port/database */
    char caution[200];  /* what is wrong with how it keeps things, or "" */
    enum store_open_mode mode;
    bool prepared[PG_STATEMENT_COUNT]; /* on this connection */
    char state[6];                     /* the last failure's SQLSTATE; "" if the server did not say one */

    /* What a new connection is made ready for: the registry, or what else lies in a database (sinks). */
    int (*set_up)(struct postgres *pg, struct failure *failure);

    struct store_away away; /* a server that is */
    bool may_pass;          /* what failed last may pass by itself */
    bool hypertable;        /* points is one of TimescaleDB's */
    bool is_silent;         /* the connection was ended because the server said nothing any more */

    struct series_cache series;
    bool outbox_leapt;   /* rows of the outbox were committed over this connection (OUTBOX_LEAP) */
    bool series_known;   /* what follows was read */
    int64_t series_gone; /* how often series were deleted */
    struct {             /* what is read out and written in (transfer.h) */
        enum transfer_table table;
        bool coming;     /* rows of a query */
        PGresult *waits; /* a row that was not taken yet */
        int64_t tx;      /* the transaction's number; 0: not known yet */
        int64_t early;   /* points in it whose time is before all */
    } transfer;
    bool in_wires;      /* between wires_begin() and wires_end() */
    bool nodes_entered; /* there: groups' nodes */
    struct commit_notes notes;
    struct parcels parcels; /* what the transaction under way sends out */
};

static inline struct postgres *postgres_of(struct store *store)
{
    return (struct postgres *)store;
}

/* ---- connection.c ---- */

/* A store that is not connected; NULL with the failure. `location` is what follows "postgres:" in the URL. */
struct postgres *postgres_new(const char *location, enum store_open_mode mode, struct failure *failure);
void postgres_close(struct store *store);

void postgres_prepare(const char *location);
bool postgres_may_pass(const struct store *store);

/*
 * Sees to a connection. One that was lost is made anew, but not at once where that has just failed: the wait
 * grows to seconds, with jitter, and meanwhile it fails with the same reason.
 */
MUST_CHECK int postgres_connect(struct postgres *pg, struct failure *failure);

/* Whether there is a connection, as far as one knows without using it. */
bool postgres_is_connected(const struct postgres *pg);

/* "cannot WHAT: the server's reason; what to do (label)". Returns -1. `result` may be NULL. */
int postgres_fail(struct postgres *pg, const PGresult *result, const char *what, struct failure *failure);

/* ---- wait.c ---- */

#define PG_ANSWER_WAIT 15000 /* milliseconds that a server may be silent while it owes an answer */
#define PG_FOR_EVER    (-1)

/*
 * The next result, as PQgetResult() gives it; but where the server says nothing for `patience` milliseconds
 * the connection is ended (pg->conn is NULL), and it is NULL. Connections that need the database alone wait
 * for ever.
 */
MUST_CHECK PGresult *postgres_result(struct postgres *pg, int64_t patience);

/* All results of what was sent (or could not be: then NULL), of which it gives the last; NULL where the
 * connection was ended. */
MUST_CHECK PGresult *postgres_last_result(struct postgres *pg, bool sent, int64_t patience);

/* As PQexec(). */
MUST_CHECK PGresult *postgres_execute(struct postgres *pg, const char *sql, int64_t patience);

/* ---- query.c: parameters ---- */

struct pg_parameters {
    int count;
    const char *values[PG_PARAMETERS_MAX];
    int lengths[PG_PARAMETERS_MAX];
    uint8_t scratch[PG_PARAMETERS_MAX][8];
};

/* Each adds the next parameter. What they point to must last until the statement is sent. */
void pg_number(struct pg_parameters *parameters, int64_t value);
void pg_unsigned(struct pg_parameters *parameters, uint64_t value); /* the same 64 bits, signed */
void pg_boolean(struct pg_parameters *parameters, bool value);
void pg_bytes(struct pg_parameters *parameters, const void *bytes, size_t len); /* also text */
void pg_text(struct pg_parameters *parameters, const char *text);               /* NULL: SQL's NULL */
void pg_null(struct pg_parameters *parameters);

/* The clock of who has set one (tests), else NULL: the database's own counts (PROTOCOL 4.4). */
void pg_clock(struct pg_parameters *parameters, const struct postgres *pg);

/* A context's id: a counter's is empty. */
void pg_id_context(struct pg_parameters *parameters, const struct context_row *row);

/* Whether the database takes it as text: UTF-8, and no zeros in it. */
bool pg_is_text(const char *text, size_t len);

/* ---- arrays: one parameter that holds a value for each row ---- */

/* Object ids of types, which PostgreSQL never changes (pg_type.dat). */
enum pg_type {
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_TEXT = 25,
    PG_FLOAT8 = 701,
    PG_TIMESTAMPTZ = 1184,
};

struct pg_array {
    uint8_t *at;
    size_t used;
    size_t room;
    uint32_t count;
    uint32_t nulls; /* among them */
    bool failed;    /* no memory, or too large: said when it is added to the parameters */
};

/* An array may be used again: begin empties it, and keeps its memory. */
void pg_array_begin(struct pg_array *array, enum pg_type type);
void pg_array_number(struct pg_array *array, int64_t value);
void pg_array_real(struct pg_array *array, double value);
void pg_array_bytes(struct pg_array *array, const void *bytes, size_t len);
void pg_array_null(struct pg_array *array);
void pg_array_wipe(struct pg_array *array);

/* 0, or -1 without memory. */
MUST_CHECK int pg_array_add(struct pg_parameters *parameters, struct pg_array *array,
                            struct failure *failure);

/* ---- results ---- */

int64_t pg_get_number(const PGresult *result, int row, int column); /* NULL: 0 */
bool pg_get_boolean(const PGresult *result, int row, int column);
double pg_get_real(const PGresult *result, int row, int column);

/* Copies a text or bytes into room of that size and ends it with a zero; false if they are longer. */
bool pg_copy(const PGresult *result, int row, int column, char *out, size_t size);

/* ---- one statement ---- */

/*
 * Runs one statement by itself, and gives its result (the caller clears it), or NULL with the failure. Where
 * a read finds that the connection was lost, it is made again on a new one.
 */
MUST_CHECK PGresult *pg_read(struct postgres *pg, enum pg_statement id,
                             const struct pg_parameters *parameters, const char *what,
                             struct failure *failure);
MUST_CHECK PGresult *pg_query(struct postgres *pg, enum pg_statement id,
                              const struct pg_parameters *parameters, const char *what,
                              struct failure *failure);

/* The same where only the number of rows counts that it changed (or found); -1 with the failure. */
MUST_CHECK int pg_run(struct postgres *pg, enum pg_statement id, const struct pg_parameters *parameters,
                      const char *what, struct failure *failure);

/* Prepares what a pipeline is to use. */
MUST_CHECK int pg_prepare(struct postgres *pg, const enum pg_statement *ids, size_t count, const char *what,
                          struct failure *failure);

/* ---- transactions ---- */

MUST_CHECK int pg_begin(struct postgres *pg, const char *what, struct failure *failure);

/*
 * Ends it: commits if `result` is not negative, and then returns `result`, or -1 if that fails or its outcome
 * is not known; else rolls back and returns -1, the failure being the caller's.
 */
MUST_CHECK int pg_end(struct postgres *pg, int result, const char *what, struct failure *failure);
void pg_rollback(struct postgres *pg);

/* ---- several statements in one round trip ---- */

/*
 * A pipeline sends statements without waiting; pg_pipeline_end() then takes their results, in order. Where
 * one fails, those behind it are not carried out.
 */
struct pg_pipeline {
    struct postgres *pg;
    const char *what;
    int count;
    bool failed;
    char state[6]; /* the server's code (SQLSTATE) for what failed, or "" */
    struct failure *failure;
};

MUST_CHECK int pg_pipeline_begin(struct pg_pipeline *pipeline, struct postgres *pg, const char *what,
                                 struct failure *failure);
/* One that is not prepared (pg_prepare()) is sent as it is. */
void pg_pipeline_send(struct pg_pipeline *pipeline, enum pg_statement id,
                      const struct pg_parameters *parameters);

/* Called with each result; `number` is the statement's place. Not called for those that failed. */
typedef void pg_taker(void *context, int number, const PGresult *result);

/* 0 all were carried out, or -1 with the failure. */
MUST_CHECK int pg_pipeline_end(struct pg_pipeline *pipeline, pg_taker *take, void *context);

/* ---- schema.c ---- */

/* Whether the schema that everything is to lie in is there: 0, or -1. */
MUST_CHECK int postgres_schema_there(struct postgres *pg, struct failure *failure);

/* Makes or migrates the tables as the mode says, and refuses one that is newer or not ours. */
MUST_CHECK int postgres_schema_open(struct postgres *pg, struct failure *failure);

/* The schema's version; 0: there is none. -1 with the failure. */
MUST_CHECK int postgres_schema_version(struct postgres *pg, struct failure *failure);

#define POSTGRES_SCHEMA 3

/* ---- hypertable.c ---- */

/* Finds out whether points is a hypertable of TimescaleDB, and makes it one where the extension is there, the
 * mode lets it, and nobody else has the database open. 0, or -1 with the failure. */
MUST_CHECK int postgres_hypertable_open(struct postgres *pg, struct failure *failure);

/* ---- look.c ---- */

int postgres_look(const char *location, struct look *look);

/* What is wrong with how the server keeps things: writes it to `text`, "" if nothing is. */
MUST_CHECK int postgres_durability(struct postgres *pg, char *text, size_t size, struct failure *failure);

/* ---- registry.c ---- */

int postgres_meta_get(struct store *store, const char *name, void *value, size_t *len,
                      struct failure *failure);
int postgres_meta_put(struct store *store, const char *name, const void *value, size_t len,
                      struct failure *failure);
int postgres_gateway_id_add(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                            struct failure *failure);
int postgres_issued_t(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure);
int postgres_probe(struct store *store, struct failure *failure);
int postgres_generation(struct store *store, int64_t *generation, struct failure *failure);
int postgres_restored(struct store *store, const void *challenge, size_t len, int64_t *contexts,
                      struct failure *failure);

/* Inside a transaction: an operator has changed something. */
MUST_CHECK int postgres_raise_generation(struct postgres *pg, const char *what, struct failure *failure);

/* ---- devices.c ---- */

int postgres_device_by_kid(struct store *store, const uint8_t *kid, size_t kid_len, struct device_row *row,
                           struct failure *failure);
int postgres_kid_is_taken(struct store *store, const uint8_t *kid, size_t kid_len, struct failure *failure);
int postgres_device_by_name(struct store *store, const char *name, struct device_row *row,
                            struct failure *failure);
int postgres_devices_add(struct store *store, struct device_entry *entries, size_t count, size_t *at,
                         enum device_clash *clash, struct failure *failure);
int postgres_device_each(struct store *store, const struct device_filter *filter, device_visitor *visit,
                         void *context, struct failure *failure);
int postgres_device_count(struct store *store, int64_t *count, struct failure *failure);

/* Inside a transaction: enters the device (row->id is set), and the context of a native counter. -1 with the
 * failure. */
MUST_CHECK int postgres_insert_device(struct postgres *pg, struct device_row *row, bool proven,
                                      struct failure *failure);

/* ---- operator.c ---- */

/* Ends an operator's change: positive is one, and raises the generation. As pg_end(). */
MUST_CHECK int postgres_end_change(struct postgres *pg, int result, const char *what,
                                   struct failure *failure);

int postgres_device_revoke(struct store *store, int64_t device, struct failure *failure);
int postgres_device_remove(struct store *store, int64_t device, struct failure *failure);
int postgres_device_exported(struct store *store, int64_t device, struct failure *failure);
int postgres_device_trust(struct store *store, int64_t device, uint64_t lower, struct failure *failure);
int postgres_device_label(struct store *store, int64_t device, const struct label *labels, size_t count,
                          struct failure *failure);
int postgres_labels_each(struct store *store, int64_t device, label_visitor *visit, void *context,
                         struct failure *failure);

/* Inside a transaction: sets a label. Returns how many rows it changed, or -1. */
MUST_CHECK int postgres_label_put(struct postgres *pg, int64_t device, const struct label *label,
                                  struct failure *failure);

/* Inside a transaction: 0, or -1 where the device has too many labels. */
MUST_CHECK int postgres_labels_bounded(struct postgres *pg, int64_t device, struct failure *failure);

/* ---- contexts.c ---- */

int postgres_context_find(struct store *store, int64_t device, const uint8_t *id_context,
                          struct context_row *row, struct store_clock *clock, struct failure *failure);
int postgres_context_newest(struct store *store, int64_t device, struct context_row *row,
                            struct store_clock *clock, struct failure *failure);
int postgres_context_each(struct store *store, int64_t device, context_visitor *visit, void *context,
                          struct failure *failure);
int postgres_contexts_close(struct store *store, int64_t now, struct failure *failure);

/* ---- commit.c ---- */

int postgres_commit(struct store *store, struct commit *commit, int64_t now, struct failure *failure);

/* ---- moves.c ---- */

/*
 * Stores a batch of contexts that are proven, and writes to no other rows: ids are the series of its
 * readings. 1 done, with the verdicts; 0 nothing was done, because something else has changed: each step is
 * to be looked at; -1 with the failure.
 */
MUST_CHECK int postgres_moves_commit(struct postgres *pg, struct commit *commit, const int64_t *ids,
                                     struct failure *failure);

/* ---- series.c ---- */

/*
 * Finds the series of every reading of the batch, and makes those that are new: ids[i] is that of
 * readings[i]. In transactions of its own: a series that no reading comes to is no harm.
 */
MUST_CHECK int postgres_series_find(struct postgres *pg, const struct commit *commit, int64_t *ids,
                                    struct failure *failure);

/* Writes ? for what people cannot be shown of bytes that are no text. */
void postgres_show_bytes(char *bytes, size_t len);

/* ---- transfer.c ---- */

extern const struct transfer_ops postgres_transfer;

/* ---- points.c: readings, written ---- */

struct pg_points {
    struct pg_array columns[PG_POINT_COLUMNS_MAX];
    struct pg_array places; /* of their contexts, parallel */
};

/*
 * Gathers the readings of the batch: with `places`, of all contexts, whose places (by index) they note; with
 * NULL, of those that are COMMIT_DONE. 0, or -1 with the failure. postgres_points_wipe() serves after both.
 */
MUST_CHECK int postgres_points_gather(struct pg_points *points, const struct postgres *pg,
                                      const struct commit *commit, const int64_t *ids, const size_t *places,
                                      struct failure *failure);
MUST_CHECK int postgres_points_put(struct pg_points *points, struct pg_parameters *parameters,
                                   struct failure *failure);
void postgres_points_wipe(struct pg_points *points);

/* Sends the readings of the contexts that are COMMIT_DONE. 0, or -1 with the failure. */
MUST_CHECK int postgres_points_send(struct pg_pipeline *pipeline, const struct commit *commit,
                                    const int64_t *ids, struct failure *failure);

/* Inside a transaction: finds the series of the readings of its one message, and writes them. 0, or -1 with
 * the failure. */
MUST_CHECK int postgres_points_add(struct postgres *pg, const struct commit *commit, const char *what,
                                   struct failure *failure);

int postgres_readings_expire(struct store *store, int64_t before, size_t most, struct failure *failure);

/* ---- readings.c: and read ---- */

int postgres_readings_each(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                           void *context, struct failure *failure);

/* Visits the rows of a result that has POINT_COLUMNS first. 1 to go on, 0 enough, -1 a damaged row. */
MUST_CHECK int postgres_show(struct postgres *pg, const PGresult *result, int row, reading_visitor *visit,
                             void *context, struct failure *failure);

/* Whether the time of a point stands in `early`, and -infinity in `time`. */
static inline bool pg_is_early(const struct postgres *pg, int64_t time)
{
    return time < PG_EARLIEST || (pg->hypertable && (time < 0 || time >= PG_CHUNKS_TO_TIME));
}

/* Microseconds since 1970, as the column `time` has them. */
static inline int64_t pg_time_of(int64_t time)
{
    if (time < PG_EARLIEST)
        return PG_BEFORE_ALL;
    return time == INT64_MAX ? INT64_MAX : time - PG_EPOCH;
}

/* And back. */
static inline int64_t pg_micros(int64_t column)
{
    return column == PG_BEFORE_ALL || column == INT64_MAX ? column : column + PG_EPOCH;
}

/* The column `time` of a point. */
static inline int64_t pg_point_time(const struct postgres *pg, int64_t time)
{
    return pg_is_early(pg, time) ? PG_BEFORE_ALL : pg_time_of(time);
}

/* ---- follow.c ---- */

int postgres_follow_open(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                         void *context, struct follower **follower, struct failure *failure);
int postgres_follow_next(struct store *store, struct follower *follower, reading_visitor *visit,
                         void *context, struct failure *failure);
void postgres_follow_close(struct follower *follower);

/* ---- events.c ---- */

int postgres_events_add(struct store *store, const struct event_row *events, size_t count,
                        struct failure *failure);
int postgres_events_each(struct store *store, const struct event_filter *filter, event_visitor *visit,
                         void *context, struct failure *failure);

/* ---- wires.c ---- */

/* Inside a transaction, before any other lock but that on series: no one else changes wires or session ids
 * until it ends, and what is read of them stays true. 0, or -1. */
MUST_CHECK int postgres_hold_wires(struct postgres *pg, const char *what, struct failure *failure);

/* Inside that: wires or session ids have changed. 0, or -1. */
MUST_CHECK int postgres_raise_wires(struct postgres *pg, const char *what, struct failure *failure);

/* ---- outbox.c ---- */

/* Inside a transaction, last of all: appends the parcels, if there are any. */
MUST_CHECK int postgres_outbox_send(struct pg_pipeline *pipeline, const struct parcels *parcels,
                                    struct failure *failure);
MUST_CHECK int postgres_outbox_add(struct postgres *pg, const char *what, struct failure *failure);

int postgres_sink_add(struct store *store, const char *name, int64_t now, struct failure *failure);
int postgres_sinks_each(struct store *store, sink_visitor *visit, void *context, struct failure *failure);
int postgres_sink_forget(struct store *store, const char *name, struct failure *failure);
int postgres_sinks_update(struct store *store, const char *holder, struct sink_update *updates, size_t count,
                          int64_t now, struct failure *failure);
int postgres_outbox_read(struct store *store, int64_t after, size_t bytes, outbox_visitor *visit,
                         void *context, struct failure *failure);
int postgres_outbox_trim(struct store *store, size_t most, struct failure *failure);

/* As pg_query() and pg_run(); but never on a new connection where one is in a transaction. */
MUST_CHECK PGresult *postgres_wire_query(struct postgres *pg, enum pg_statement id,
                                         const struct pg_parameters *parameters, const char *what,
                                         struct failure *failure);
MUST_CHECK int postgres_wire_run(struct postgres *pg, enum pg_statement id,
                                 const struct pg_parameters *parameters, const char *what,
                                 struct failure *failure);

int postgres_wires_begin(struct store *store, struct failure *failure);
int postgres_wires_end(struct store *store, int result, struct failure *failure);
int postgres_wire_find(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                       size_t room, struct failure *failure);
int postgres_wire_node(struct store *store, int64_t group, const char *node, struct wire_row *row,
                       struct failure *failure);
int postgres_wire_remembers(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                            struct failure *failure);
int postgres_wire_change(struct store *store, const struct wire_change *change, struct failure *failure);
int postgres_wires_version(struct store *store, int64_t *version, struct failure *failure);
int postgres_wires_each(struct store *store, wire_visitor *visit, void *context, struct failure *failure);
int postgres_wire_of(struct store *store, int64_t device, struct wire_row *row, int64_t *nodes,
                     struct failure *failure);

/* ---- wires_change.c ---- */

/* Inside a transaction that holds the wires: enters entry->wire, or takes up what a removed device left. */
MUST_CHECK int postgres_insert_wire(struct postgres *pg, struct device_entry *entry, struct failure *failure);

/* The same: what is left of a removed device's wire is its tombstone; a group's nodes go as well. */
MUST_CHECK int postgres_remove_wire(struct postgres *pg, int64_t device, struct failure *failure);

int postgres_wire_node_add(struct store *store, const struct wire_row *group, const char *node,
                           const char *name, int64_t now, struct wire_row *row, struct failure *failure);
int postgres_device_upgrade(struct store *store, const struct device_row *row, bool proven, bool at_once,
                            struct failure *failure);

/* ---- sessions.c ---- */

int postgres_session_list(struct store *store, const char *topic, struct session_row rows[WIRE_SESSIONS_MAX],
                          struct failure *failure);
int postgres_session_issue(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                           int64_t now, struct failure *failure);
int postgres_session_spend(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                           const uint8_t *hash, struct failure *failure);

#endif
