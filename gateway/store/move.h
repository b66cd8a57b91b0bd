/*
 * A registry and its readings move from one database to another, of whatever kind. It goes in portions, and
 * the target notes how far it is in the transaction of each, so that a move that was killed goes on. Two
 * notes keep anybody from using half of it, or both:
 *
 *     MOVE_LEAVING   in the source, from the beginning on for ever: its replay windows end there, and devices
 *                    that were served from both would have their messages stored twice. `bulla restored`
 *                    takes it away (PROTOCOL 9).
 *     MOVE_ARRIVING  in the target, until all of it is there and was compared.
 *
 * A store that has such a note is opened only with STORE_LEFT, STORE_ARRIVING; a gateway that connects again
 * finds it, too.
 */
#ifndef MOVE_H
#define MOVE_H

#include "gateway/store/store.h"

#define MOVE_LEAVING  "leaving"
#define MOVE_ARRIVING "arriving"

#define MOVE_SHOWN_SIZE 512 /* of a URL as it may be shown */

/* The largest of these notes, in bytes. */
#define MOVE_NOTE_MAX 2048

/* A store's meta_get(). */
typedef int move_getter(struct store *store, const char *name, void *value, size_t *len,
                        struct failure *failure);

/*
 * Whether a store may be opened in that mode: 0, or -1 with a failure that says what to do. `label` is what
 * to call it. For the stores, to be asked whenever one has opened or connected.
 */
MUST_CHECK int move_allows(struct store *store, move_getter *get, enum store_open_mode mode,
                           const char *label, struct failure *failure);

/* ---- the move ---- */

struct move_progress {
    /* How many rows of all are copied, or compared. Other than 0 stops. */
    int (*tell)(void *context, bool comparing, enum transfer_table table, int64_t done, int64_t all);
    void *context;
};

struct move_table {
    struct transfer_sum from; /* as it arrives: contexts unproven, session ids void */
    struct transfer_sum to;
    bool equal;
};

struct move_result {
    bool resumed;          /* it went on where an earlier one was stopped */
    int64_t copied;        /* rows, by this call */
    int64_t points_copied; /* points of them */
    double seconds;        /* that copying took */
    int64_t rows;          /* of all tables */
    struct move_table tables[TRANSFER_TABLES];
};

struct move {
    struct store *from; /* STORE_LEFT */
    struct store *to;   /* STORE_ARRIVING */
    const char *from_shown;
    const char *to_shown;  /* their URLs, as they may be shown */
    const void *challenge; /* a new K, sealed */
    size_t challenge_len;
    struct move_progress progress;
};

/*
 * Copies and compares; when all is equal, the target may be served and the source may not. 0, or -1 with the
 * failure; then both stay marked, and the same call goes on. result->tables are filled in where it came to
 * comparing; those that are not equal are a failure.
 */
MUST_CHECK int move_run(const struct move *move, struct move_result *result, struct failure *failure);

/*
 * Gives a move up: the source may be served again, and what had arrived in the target is deleted. `to` may be
 * NULL (it may be gone for good): then it is left as it is, and nothing ever goes on there. -1 also where the
 * move was finished, or `to` is not its target; then nothing is changed.
 */
MUST_CHECK int move_give_up(struct store *from, struct store *to, const char *to_shown,
                            struct failure *failure);

/* ---- parts of it, for copies (store_copy.h) ---- */

/*
 * Copies the tables of `tables` (bits: 1 << enum transfer_table) from one store to another, in which they are
 * empty, in portions of one transaction each, or in one that is under way (`single`). Contexts arrive
 * unproven, session ids void.
 */
MUST_CHECK int move_tables(struct store *from, struct store *to, unsigned tables, bool single,
                           const struct move_progress *progress, struct failure *failure);

#define MOVE_ALL ((1u << TRANSFER_TABLES) - 1)

#endif
