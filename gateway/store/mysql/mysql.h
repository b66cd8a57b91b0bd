/*
 * The MariaDB and MySQL store's insides, shared by the files mysql*.c. Any number of gateways may use one
 * database: the rows are the truth, and every transaction locks them in one order, so that none waits for
 * another in a circle (InnoDB would find that out, and end one of them):
 *
 *     the number 'series_gone', the number 'wires', devices (by id), contexts (by device, id_context),
 *     series (by device, digest), other numbers (issued_t, points, floor, events_…, generation), the outbox's
 * end
 *
 * The server's isolation is READ COMMITTED: a statement sees what was committed before it began, so what is
 * to be true of a row is read after the lock on it.
 *
 * Statements travel as text, several in one round trip. Every value in them is a number that was written
 * here, or bytes in hex digits (X'6162'): so nothing is ever quoted or escaped, and nothing depends on a
 * character set or an SQL mode. Only what MySQL 8.0 and MariaDB 10.6 both know is used.
 *
 * Names are prefixed maria_ and mq_ (queries), because the client library has taken mysql_.
 */
#ifndef STORE_MYSQL_H
#define STORE_MYSQL_H

#include <mysql.h>

#include "gateway/sink/parcel.h"
#include "gateway/store/away.h"
#include "gateway/store/commit_notes.h"
#include "gateway/store/mysql/statements.h"
#include "gateway/store/mysql/url.h"
#include "gateway/store/series_cache.h"
#include "gateway/store/store.h"

#define MQ_PARAMETERS_MAX 20

/* Bytes of text after which a list is better continued in another statement; the server takes 16 times as
 * many at once (max_allowed_packet). */
#define MQ_LIST_MOST (256u << 10)

/* Times that the type DATETIME has: of the years 1000 to 9999, in microseconds since 1970. A time beyond
 * stands as the nearest of them in its column, and as it is in another. */
#define MQ_EARLIEST (-INT64_C(30610224000000000))
#define MQ_LATEST   INT64_C(253402300799999999)

/* A result's rows, one after the other; before the first mq_next() there is none. */
struct mq_result {
    MYSQL_RES *rows;
    MYSQL_ROW row;
    const unsigned long *lengths;
    int64_t changed; /* rows that the statement found (not: really changed), inserted or deleted */
    int64_t id;      /* the first that AUTO_INCREMENT gave */
};

struct mysql {
    struct store store; /* first */
    MYSQL *conn;        /* NULL: none */
    struct mysql_url *url;
    char label[128];   /* what people call it: host:port/database */
    char caution[200]; /* what is wrong with how it keeps things, or "" */
    enum store_open_mode mode;

    /* What a new connection is made ready for: the registry, or what else lies in a database (sinks). */
    int (*set_up)(struct mysql *my, struct failure *failure);
    bool setting_up;     /* a new connection is being told what it is for */
    bool in_transaction; /* between mq_begin() and mq_end(): never on another connection than it began on */
    bool unhurried;      /* its statements may take as long as they like */
    bool silent;         /* the last failure: the server did not answer in time */
    bool conflict;       /* the last failure was a deadlock, or a lock that did not come */
    unsigned error;      /* the last failure's number, of the server or the client library */

    struct store_away away; /* a server that is */

    struct series_cache series;
    bool outbox_leapt;   /* rows of the outbox were committed over this connection (OUTBOX_LEAP) */
    bool series_known;   /* what follows was read */
    int64_t series_gone; /* how often series were deleted */
    struct {             /* what is read out (transfer.h) */
        enum transfer_table table;
        struct mq_result result;
        bool coming; /* rows of it */
        bool waits;  /* the one that it stands on was not taken yet */
    } transfer;
    bool in_wires;      /* between wires_begin() and wires_end() */
    bool nodes_entered; /* there: groups' nodes */
    struct commit_notes notes;
    struct parcels parcels; /* what the transaction under way sends out */
};

static inline struct mysql *mysql_of(struct store *store)
{
    return (struct mysql *)store;
}

/* ---- connection.c ---- */

/* Loads the client library, and what it will need to reach that location. */
void maria_prepare(const char *location);

/* Whether what failed last may pass by itself. */
bool maria_may_pass(const struct store *store);

/* A store that is not connected; NULL with the failure. `location` is what follows "mysql:" in the URL. */
struct mysql *maria_new(const char *location, enum store_open_mode mode, struct failure *failure);
void maria_close(struct store *store);

/*
 * Sees to a connection. One that was lost is made anew, but not at once where that has just failed: the wait
 * grows to seconds, with jitter, and meanwhile it fails with the same reason. In a transaction it is never
 * made anew. 0, -1, or STORE_AWAY.
 */
MUST_CHECK int maria_connect(struct mysql *my, struct failure *failure);

/* Whether there is a connection, as far as one knows without using it. */
bool maria_is_connected(const struct mysql *my);

/* Whether the server has said nothing since it was asked last. All that it says by itself is that the
 * connection ends. */
bool maria_is_at_rest(const struct mysql *my);

/* Ends the connection, if there is one, and with it everything that it holds. */
void maria_disconnect(struct mysql *my);

/* "cannot WHAT: the server's reason; what to do (label)", of the last error of the connection; ends it if it
 * was lost. Returns -1. */
int maria_fail(struct mysql *my, const char *what, struct failure *failure);

/* ---- query.c: parameters ---- */

/*
 * Values for the places $1 to $20 of a statement, as SQL. Begin with {0}. Whoever runs a statement with them
 * uses them up: the memory is given back, and they begin anew. Parameters that are not used after all:
 * mq_drop(). That there was no memory is said when they are used.
 */
struct mq_parameters {
    int count;
    size_t ends[MQ_PARAMETERS_MAX]; /* of each in `text` */
    char *text;
    size_t used;
    size_t room;
    bool failed;
    bool in_list;
    bool in_row;
    bool comma; /* the next value of the list, or of its row, stands behind one */
};

void mq_drop(struct mq_parameters *parameters);

/* Each adds the next parameter; within a list, the next value. */
void mq_number(struct mq_parameters *parameters, int64_t value);
void mq_unsigned(struct mq_parameters *parameters, uint64_t value); /* the same 64 bits, signed */
void mq_boolean(struct mq_parameters *parameters, bool value);
void mq_real(struct mq_parameters *parameters,
             double value); /* finite, and no -0: the database has no others */
void mq_bytes(struct mq_parameters *parameters, const void *bytes, size_t len);
void mq_text(struct mq_parameters *parameters, const char *text); /* NULL: SQL's NULL */
void mq_null(struct mq_parameters *parameters);
void mq_time(struct mq_parameters *parameters, int64_t time); /* a DATETIME(6): the nearest that there is */

/* LAST_INSERT_ID() - `below`: of numbers that an UPDATE has just taken, the one so far before the last. */
void mq_last_id(struct mq_parameters *parameters, int64_t below);

/* The clock of who has set one (tests), else NULL: the database's own counts (PROTOCOL 4.4). */
void mq_clock(struct mq_parameters *parameters, const struct mysql *my);

/* A context's id: a counter's is empty. */
void mq_id_context(struct mq_parameters *parameters, const struct context_row *row);

/*
 * A list is one parameter: of values, for `IN ($1)`, or of rows, for `VALUES $1`, each of which mq_row()
 * begins. An empty list is NULL, which nothing is IN; there must not be one behind VALUES.
 */
void mq_list(struct mq_parameters *parameters);
void mq_row(struct mq_parameters *parameters);
void mq_list_end(struct mq_parameters *parameters);

/* Whether a list that goes on would better do so in another statement. */
bool mq_is_long(const struct mq_parameters *parameters);

/* ---- results ---- */

bool mq_next(struct mq_result *result);
int mq_count(const struct mq_result *result);

/* Columns of the row. What `mq_bytes_of` gives ends with a zero, and lasts until the result is cleared. */
bool mq_is_null(const struct mq_result *result, int column);
int64_t mq_get_number(const struct mq_result *result, int column); /* NULL: 0 */
bool mq_get_boolean(const struct mq_result *result, int column);
double mq_get_real(const struct mq_result *result, int column);
int64_t mq_get_time(const struct mq_result *result, int column); /* of a DATETIME(6), since 1970 */
const char *mq_get_bytes(const struct mq_result *result, int column, size_t *len); /* NULL: empty */
const char *mq_get_text(const struct mq_result *result, int column);
size_t mq_get_length(const struct mq_result *result, int column);

/* Copies a text or bytes into room of that size and ends it with a zero; false if they are longer. */
bool mq_copy(const struct mq_result *result, int column, char *out, size_t size);

void mq_clear(struct mq_result *result);

/* ---- one statement ---- */

/*
 * Runs one statement by itself, and fills in its result (the caller clears it). 0, or -1 with the failure.
 * mq_read(): where it finds that the connection was lost, it is run again on a new one.
 */
MUST_CHECK int mq_read(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters,
                       struct mq_result *result, const char *what, struct failure *failure);
MUST_CHECK int mq_query(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters,
                        struct mq_result *result, const char *what, struct failure *failure);

/* The same where only the number of rows counts that it found, inserted or deleted; -1 with the failure. */
MUST_CHECK int mq_run(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters,
                      const char *what, struct failure *failure);

/* An INSERT of one row: 1, or 0 where a unique key has it already; `id` (or NULL) receives the row's. */
MUST_CHECK int mq_insert(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters,
                         int64_t *row_id, const char *what, struct failure *failure);

/* One statement that is given as text, without parameters: for what has no place in the list. */
MUST_CHECK int mq_text_query(struct mysql *my, const char *sql, struct mq_result *result, const char *what,
                             struct failure *failure);
/* How the rows of a result are taken: all at once; or one after the other as they come, until mq_next() has
 * said that there are no more, and nothing else is asked meanwhile. */
enum mq_taking { MQ_WHOLE, MQ_STREAMED };

/* The same with parameters, which may be NULL. */
MUST_CHECK int mq_text_with(struct mysql *my, const char *sql, struct mq_parameters *parameters,
                            enum mq_taking taking, struct mq_result *result, const char *what,
                            struct failure *failure);

MUST_CHECK int mq_text_run(struct mysql *my, const char *sql, const char *what, struct failure *failure);

/* ---- transactions ---- */

/* Where it finds that the connection was lost, it begins on a new one. */
MUST_CHECK int mq_begin(struct mysql *my, const char *what, struct failure *failure);

/*
 * Ends it: commits if `result` is not negative, and then returns `result`, or -1 if that fails or its outcome
 * is not known; else rolls back and returns -1, the failure being the caller's.
 */
MUST_CHECK int mq_end(struct mysql *my, int result, const char *what, struct failure *failure);
void mq_rollback(struct mysql *my);

/*
 * Whether a transaction that has failed, and is rolled back, is to be made once more from its beginning: the
 * server ended it for another's sake (a deadlock), or a lock did not come. `tries` counts, from 0.
 *
 *     int tries = 0, result;
 *     do {
 *         result = mq_begin(my, what, failure);
 *         if (result == 0)
 *             result = mq_end(my, change(my, …, failure), what, failure);
 *     } while (result < 0 && mq_again(my, &tries));
 */
bool mq_again(struct mysql *my, int *tries);

/* ---- several statements in one round trip ---- */

/* Called with each result, in order; `number` is the statement's place. Not called for those that failed. */
typedef void mq_taker(void *context, int number, struct mq_result *result);

/*
 * A batch gathers statements, and mq_batch_end() has them carried out one after the other; where one fails,
 * those behind it are not. Very long ones go in several parts, the first of which may be carried out before
 * the end: so a batch is begun only in a transaction, or begins one (mq_batch_add(…, MQ_BEGIN, NULL)).
 */
struct mq_batch {
    struct mysql *my;
    const char *what;
    struct failure *failure;
    mq_taker *take; /* or NULL */
    void *context;
    char *text;
    size_t used;
    size_t room;
    int count; /* statements added */
    int taken; /* results of them that were taken */
    bool failed;
};

void mq_batch_begin(struct mq_batch *batch, struct mysql *my, mq_taker *take, void *context, const char *what,
                    struct failure *failure);
void mq_batch_add(struct mq_batch *batch, enum mq_statement id, struct mq_parameters *parameters);

/* 0 all were carried out, or -1 with the failure. `result` negative: they are only forgotten, and it is
 * returned. */
MUST_CHECK int mq_batch_end(struct mq_batch *batch, int result);

/* ---- schema.c ---- */

#define MYSQL_SCHEMA 1

/* Makes or migrates the tables as the mode says, and refuses one that is newer or not ours. */
MUST_CHECK int maria_schema_open(struct mysql *my, struct failure *failure);

/* The schema's version; 0: there is none. -1 with the failure. */
MUST_CHECK int maria_schema_version(struct mysql *my, struct failure *failure);

/* ---- look.c ---- */

int maria_look(const char *location, struct look *look);

/* What is wrong with how the server keeps things: writes it to `text`, "" if nothing is. */
MUST_CHECK int maria_durability(struct mysql *my, char *text, size_t size, struct failure *failure);

/* ---- transfer.c ---- */

extern const struct transfer_ops maria_transfer;

/* ---- registry.c ---- */

int maria_meta_get(struct store *store, const char *name, void *value, size_t *len, struct failure *failure);
int maria_meta_put(struct store *store, const char *name, const void *value, size_t len,
                   struct failure *failure);
int maria_gateway_id_add(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                         struct failure *failure);
int maria_issued_t(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure);
int maria_probe(struct store *store, struct failure *failure);
int maria_generation(struct store *store, int64_t *generation, struct failure *failure);
int maria_restored(struct store *store, const void *challenge, size_t len, int64_t *contexts,
                   struct failure *failure);

/* Inside a transaction: an operator has changed something. */
MUST_CHECK int maria_raise_generation(struct mysql *my, const char *what, struct failure *failure);

/* Of the table numbers. */
MUST_CHECK int maria_number(struct mysql *my, const char *name, int64_t *value, const char *what,
                            struct failure *failure);

/* ---- devices.c ---- */

int maria_device_by_kid(struct store *store, const uint8_t *kid, size_t kid_len, struct device_row *row,
                        struct failure *failure);
int maria_kid_is_taken(struct store *store, const uint8_t *kid, size_t kid_len, struct failure *failure);
int maria_device_by_name(struct store *store, const char *name, struct device_row *row,
                         struct failure *failure);
int maria_devices_add(struct store *store, struct device_entry *entries, size_t count, size_t *at,
                      enum device_clash *clash, struct failure *failure);
int maria_device_each(struct store *store, const struct device_filter *filter, device_visitor *visit,
                      void *context, struct failure *failure);
int maria_device_count(struct store *store, int64_t *count, struct failure *failure);

/* Inside a transaction: enters the device (row->id is set), and the context of a native counter. 1, or -1
 * with the failure. */
MUST_CHECK int maria_insert_device(struct mysql *my, struct device_row *row, bool proven,
                                   struct failure *failure);

/* ---- operator.c ---- */

/* Ends an operator's change: positive is one, and raises the generation. As mq_end(). */
MUST_CHECK int maria_end_change(struct mysql *my, int result, const char *what, struct failure *failure);

int maria_device_revoke(struct store *store, int64_t device, struct failure *failure);
int maria_device_remove(struct store *store, int64_t device, struct failure *failure);
int maria_device_exported(struct store *store, int64_t device, struct failure *failure);
int maria_device_trust(struct store *store, int64_t device, uint64_t lower, struct failure *failure);
int maria_device_label(struct store *store, int64_t device, const struct label *labels, size_t count,
                       struct failure *failure);
int maria_labels_each(struct store *store, int64_t device, label_visitor *visit, void *context,
                      struct failure *failure);

/* Inside a transaction: sets a label. Returns how many rows it changed, or -1. */
MUST_CHECK int maria_label_put(struct mysql *my, int64_t device, const struct label *label,
                               struct failure *failure);

/* Inside a transaction: 0, or -1 where the device has too many labels. */
MUST_CHECK int maria_labels_bounded(struct mysql *my, int64_t device, struct failure *failure);

/* ---- contexts.c ---- */

int maria_context_find(struct store *store, int64_t device, const uint8_t *id_context,
                       struct context_row *row, struct store_clock *clock, struct failure *failure);
int maria_context_newest(struct store *store, int64_t device, struct context_row *row,
                         struct store_clock *clock, struct failure *failure);
int maria_context_each(struct store *store, int64_t device, context_visitor *visit, void *context,
                       struct failure *failure);
int maria_contexts_close(struct store *store, int64_t now, struct failure *failure);

/* Reads MQ_CONTEXT_COLUMNS from column `first` on. */
void maria_read_context(const struct mq_result *result, int first, struct context_row *row);

/* ---- commit.c ---- */

int maria_commit(struct store *store, struct commit *commit, int64_t now, struct failure *failure);

/* ---- moves.c ---- */

/*
 * A batch of which nothing changes but top and bits of proven contexts' windows, in one round trip. 1: it is
 * stored. 0: nothing was done, since not all is as it was believed to be, or the connection has ended. -1
 * with the failure; where the connection was lost nobody knows whether it is stored.
 */
MUST_CHECK int maria_moves_commit(struct mysql *my, struct commit *commit, const int64_t *ids,
                                  struct failure *failure);

/* ---- series.c ---- */

/*
 * Finds the series of every reading of the batch, and makes those that are new: ids[i] is that of
 * readings[i]. In transactions of its own, or within the one that has begun: a series that no reading comes
 * to is no harm.
 */
MUST_CHECK int maria_series_find(struct mysql *my, const struct commit *commit, int64_t *ids,
                                 struct failure *failure);

/* ---- points.c: readings, written ---- */

/* Adds to the batch what writes the readings of the contexts that are COMMIT_DONE. 0, or -1 with the
 * failure. */
MUST_CHECK int maria_points_send(struct mq_batch *batch, const struct commit *commit, const int64_t *ids,
                                 struct failure *failure);

/* Inside a transaction: finds the series of the readings of its one message, and writes them. 0, or -1 with
 * the failure. */
MUST_CHECK int maria_points_add(struct mysql *my, const struct commit *commit, const char *what,
                                struct failure *failure);

int maria_readings_expire(struct store *store, int64_t before, size_t most, struct failure *failure);

/* ---- readings.c: and read ---- */

int maria_readings_each(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                        void *context, struct failure *failure);

/* ---- follow.c ---- */

int maria_follow_open(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                      void *context, struct follower **follower, struct failure *failure);
int maria_follow_next(struct store *store, struct follower *follower, reading_visitor *visit, void *context,
                      struct failure *failure);
void maria_follow_close(struct follower *follower);

/* ---- events.c ---- */

int maria_events_add(struct store *store, const struct event_row *events, size_t count,
                     struct failure *failure);
int maria_events_each(struct store *store, const struct event_filter *filter, event_visitor *visit,
                      void *context, struct failure *failure);

/* ---- wires.c ---- */

/* Inside a transaction, before any other lock but that on series: no one else changes wires or session ids
 * until it ends, and what is read of them stays true. 0, or -1. */
MUST_CHECK int maria_hold_wires(struct mysql *my, const char *what, struct failure *failure);

/* Inside that: wires or session ids have changed. 0, or -1. */
MUST_CHECK int maria_raise_wires(struct mysql *my, const char *what, struct failure *failure);

int maria_wires_begin(struct store *store, struct failure *failure);
int maria_wires_end(struct store *store, int result, struct failure *failure);
int maria_wire_find(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                    size_t room, struct failure *failure);
int maria_wire_node(struct store *store, int64_t group, const char *node, struct wire_row *row,
                    struct failure *failure);
int maria_wire_remembers(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                         struct failure *failure);
int maria_wire_change(struct store *store, const struct wire_change *change, struct failure *failure);
int maria_wires_version(struct store *store, int64_t *version, struct failure *failure);
int maria_wires_each(struct store *store, wire_visitor *visit, void *context, struct failure *failure);
int maria_wire_of(struct store *store, int64_t device, struct wire_row *row, int64_t *nodes,
                  struct failure *failure);

/* ---- wires_change.c ---- */

/* Inside a transaction that holds the wires: enters entry->wire, or takes up what a removed device left. */
MUST_CHECK int maria_insert_wire(struct mysql *my, struct device_entry *entry, struct failure *failure);

/* The same: what is left of a removed device's wire is its tombstone; a group's nodes go as well. */
MUST_CHECK int maria_remove_wire(struct mysql *my, int64_t device, struct failure *failure);

int maria_wire_node_add(struct store *store, const struct wire_row *group, const char *node, const char *name,
                        int64_t now, struct wire_row *row, struct failure *failure);
int maria_device_upgrade(struct store *store, const struct device_row *row, bool proven, bool at_once,
                         struct failure *failure);

/* ---- sessions.c ---- */

int maria_session_list(struct store *store, const char *topic, struct session_row rows[WIRE_SESSIONS_MAX],
                       struct failure *failure);
int maria_session_issue(struct store *store, const char *topic, const char id[WIRE_SESSION_ID], int64_t now,
                        struct failure *failure);
int maria_session_spend(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                        const uint8_t *hash, struct failure *failure);

/* ---- outbox.c ---- */

/* Adds to the batch what writes the parcels. The last lock of a transaction. */
void maria_outbox_send(struct mq_batch *batch, const struct parcels *parcels);

/* Inside a transaction: writes those of my->parcels, which may be none. 0, or -1. */
MUST_CHECK int maria_outbox_add(struct mysql *my, const char *what, struct failure *failure);

int maria_sink_add(struct store *store, const char *name, int64_t now, struct failure *failure);
int maria_sinks_each(struct store *store, sink_visitor *visit, void *context, struct failure *failure);
int maria_sink_forget(struct store *store, const char *name, struct failure *failure);
int maria_sinks_update(struct store *store, const char *holder, struct sink_update *updates, size_t count,
                       int64_t now, struct failure *failure);
int maria_outbox_read(struct store *store, int64_t after, size_t bytes, outbox_visitor *visit, void *context,
                      struct failure *failure);
int maria_outbox_trim(struct store *store, size_t most, struct failure *failure);

#endif
