/*
 * A registry and its readings as rows that look the same whatever database keeps them: what a store reads out
 * and writes in where all of it moves to another database (move.h), or goes into a backup. Each store has a
 * struct transfer_ops for that, and knows nothing of the other one.
 *
 * A table is read in the order of its key, which is its first columns. Numbers of 64 bits without sign stand
 * as the same bits, signed; times are what they are in store.h's rows; a yes or no is 1 or 0.
 *
 * A point has its device and name by its series. `place` counts the points of one microsecond, in the order
 * in which they are listed; who reads leaves it 0, transfer_place() fills it in.
 */
#ifndef TRANSFER_H
#define TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

/*
 * X(id, name): in the order in which they are copied. META is the registry's values that move (not K, and not
 * what a move itself notes), NUMBERS are F, the highest T (PROTOCOL 4.4), and of each kind of id the highest
 * one that was given out: no number ever falls.
 */
#define TRANSFER_TABLE_LIST(X)                                                                               \
    X(META, "meta")                                                                                          \
    X(DEVICES, "devices")                                                                                    \
    X(TOMBSTONES, "tombstones")                                                                              \
    X(LABELS, "labels")                                                                                      \
    X(CONTEXTS, "contexts")                                                                                  \
    X(GATEWAY_IDS, "gateway_ids")                                                                            \
    X(WIRES, "wires")                                                                                        \
    X(WIRE_HASHES, "wire_hashes")                                                                            \
    X(SESSION_IDS, "session_ids")                                                                            \
    X(SERIES, "series")                                                                                      \
    X(POINTS, "points")                                                                                      \
    X(EVENTS, "events")                                                                                      \
    X(OUTBOX, "outbox")                                                                                      \
    X(SINKS, "sinks")                                                                                        \
    X(NUMBERS, "numbers")

enum transfer_table {
#define TRANSFER_TABLE_ENUM(id, name) TRANSFER_##id,
    TRANSFER_TABLE_LIST(TRANSFER_TABLE_ENUM)
#undef TRANSFER_TABLE_ENUM
        TRANSFER_TABLES
};

/* Columns of points. */
enum { POINT_TIME, POINT_PLACE, POINT_SERIES, POINT_PIV, POINT_RECEIVED, POINT_VALUE, POINT_COLUMNS };

enum transfer_kind {
    TRANSFER_NULL,
    TRANSFER_INTEGER,
    TRANSFER_REAL,
    TRANSFER_TEXT, /* bytes that are text; they may hold anything, zeros too */
    TRANSFER_BYTES,
    TRANSFER_VALUE, /* of a column: any of the above but NULL */
};

struct transfer_cell {
    enum transfer_kind kind;
    union {
        int64_t integer;
        double real; /* NaN: none */
        struct {
            const uint8_t *at; /* not NULL */
            size_t len;
        } bytes;
    } value;
};

struct transfer_column {
    const char *name; /* as the stores' tables have it, where they have such a column */
    enum transfer_kind kind;
};

#define TRANSFER_COLUMNS_MAX 17
#define TRANSFER_KEYS_MAX    2

struct transfer_shape {
    const char *name;
    const struct transfer_column *columns;
    size_t count;
    size_t keys; /* so many of the first columns */
};

extern const struct transfer_shape transfer_shapes[TRANSFER_TABLES];

/* ---- rows ---- */

#define TRANSFER_ROWS_MAX  8192
#define TRANSFER_ROOM_SIZE (1024 * 1024) /* bytes of texts; a row that has more comes alone */

/* Some rows of a table, and what their cells point to. */
struct transfer_rows {
    enum transfer_table table;
    size_t count;
    struct transfer_cell *cells; /* row by row */
    uint8_t *room;
    size_t used;
    size_t size;
};

MUST_CHECK int transfer_rows_open(struct transfer_rows *rows, struct failure *failure);
void transfer_rows_close(struct transfer_rows *rows);

/* Empties it, for rows of that table. */
void transfer_rows_begin(struct transfer_rows *rows, enum transfer_table table);

/*
 * The cells of another row whose texts have `len` bytes in all; all are TRANSFER_NULL. 1, or 0 if it does not
 * fit any more (the first one always does), or -1 with the failure.
 */
MUST_CHECK int transfer_rows_add(struct transfer_rows *rows, size_t len, struct transfer_cell **cells,
                                 struct failure *failure);

static inline struct transfer_cell *transfer_row(const struct transfer_rows *rows, size_t i)
{
    return rows->cells + i * transfer_shapes[rows->table].count;
}

/* Takes the first rows out. */
void transfer_rows_drop(struct transfer_rows *rows, size_t count);

void transfer_set_number(struct transfer_cell *cell, int64_t value);
void transfer_set_real(struct transfer_cell *cell, double value);

/* Copies bytes into the room that transfer_rows_add() has made for the row. */
void transfer_set_bytes(struct transfer_rows *rows, struct transfer_cell *cell, enum transfer_kind kind,
                        const void *bytes, size_t len);

/* The same, for what lasts as long as the rows. */
void transfer_point_at(struct transfer_cell *cell, enum transfer_kind kind, const void *bytes, size_t len);

/* "a, b, c": the names of the first `count` columns, each between `quote`s. `size` is enough for all. */
void transfer_names(char *out, size_t size, enum transfer_table table, size_t count, const char *quote);

/* ---- keys ---- */

#define TRANSFER_KEY_TEXT_MAX 255

/* The key of a row, which outlives the row. */
struct transfer_key {
    size_t count; /* 0: none; one before all rows */
    struct transfer_cell cells[TRANSFER_KEYS_MAX];
    uint8_t texts[TRANSFER_KEYS_MAX][TRANSFER_KEY_TEXT_MAX];
};

/* Keeps the key of a row: 0, or -1 where a text in it is longer than any is. */
MUST_CHECK int transfer_key_keep(struct transfer_key *key, enum transfer_table table,
                                 const struct transfer_cell *row, struct failure *failure);

/* A copy with texts of its own. */
void transfer_key_copy(struct transfer_key *to, const struct transfer_key *from);

/* Whether a row lies behind the key, in the table's order. */
bool transfer_is_behind(const struct transfer_key *key, const struct transfer_cell *row);

/*
 * Fills in the places of points that come in their order. `time` and `next` go on from one portion to the
 * next; both are 0 in the beginning.
 */
struct transfer_places {
    int64_t time;
    int64_t next;
};

void transfer_place(struct transfer_places *places, struct transfer_rows *rows);

/* ---- checksums ---- */

/*
 * Of any number of rows, in any order: the sum, modulo 2^256, of a SHA-256 of each (so that rows which are
 * there twice count twice), and their number.
 */
struct transfer_sum {
    int64_t rows;
    uint64_t words[4]; /* the least first */
};

struct transfer_hasher;

/* NULL with the failure. */
struct transfer_hasher *transfer_hasher_open(struct failure *failure);
void transfer_hasher_close(struct transfer_hasher *hasher);

MUST_CHECK int transfer_sum_add(struct transfer_hasher *hasher, struct transfer_sum *sum,
                                const struct transfer_rows *rows, struct failure *failure);

#define TRANSFER_SUM_TEXT 65

/* In hexadecimal. */
void transfer_sum_text(const struct transfer_sum *sum, char text[TRANSFER_SUM_TEXT]);

/* ---- what a store does ---- */

struct store;

enum transfer_direction {
    TRANSFER_OUT, /* what is read stays as it is now, while others write */
    TRANSFER_IN,  /* all that is written becomes durable in the end, or nothing does */
};

struct transfer_ops {
    bool text_is_utf8; /* it takes no other text, nor zeros in it, but for names, units and values */

    /* Begins a transaction. Until end() nothing of the store but these functions is called. */
    int (*begin)(struct store *store, enum transfer_direction direction, struct failure *failure);
    /* Ends it: TRANSFER_IN is committed if `result` is not negative. Returns it, or -1 with the failure (for
     * a negative `result` the caller's). */
    int (*end)(struct store *store, int result, struct failure *failure);

    int (*count)(struct store *store, enum transfer_table table, int64_t *rows, struct failure *failure);
    /*
     * Begins to read a table: from the rows with that key on, or with the first column of it where that is
     * easier (`from` NULL, or without cells: from the first row on). Whatever was being read before is left.
     */
    int (*read)(struct store *store, enum transfer_table table, const struct transfer_key *from,
                struct failure *failure);
    /* The next rows of it, as many as fit; their memory is the caller's. 0 there are none, 1, or -1. */
    int (*next)(struct store *store, struct transfer_rows *rows, struct failure *failure);

    /* Enters rows, none of which are there. Numbers are raised, never lowered. */
    int (*write)(struct store *store, const struct transfer_rows *rows, struct failure *failure);
    /* Deletes all there is: every table, and every value of the registry. */
    int (*clear)(struct store *store, struct failure *failure);
    /* Sets a value of the registry, whatever it was; `value` NULL: takes it away. */
    int (*note)(struct store *store, const char *name, const void *value, size_t len,
                struct failure *failure);
};

#endif
