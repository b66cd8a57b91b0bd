/*
 * What a batch's messages say of each of its contexts beside the windows, for stores to write with them.
 */
#ifndef COMMIT_NOTES_H
#define COMMIT_NOTES_H

#include "gateway/store/store.h"

struct commit_note {
    int64_t seen;               /* when the last one was received */
    struct bulla_window window; /* as it moves from message to message */
    uint64_t lost;              /* messages that can not be stored any more (lost.h) */
};

struct commit_notes {
    struct commit_note *items; /* parallel to the batch's contexts */
    size_t room;
};

/* Takes the notes of a batch. 0, or -1 without memory. */
MUST_CHECK int commit_notes_take(struct commit_notes *notes, const struct commit *commit,
                                 struct failure *failure);

void commit_notes_wipe(struct commit_notes *notes);

/* Whether it may be the first message of a context that a batch stores: that closes the device's older wire.
 * A counter that was proven by hand has a lower limit before any message. */
bool commit_is_first(const struct commit_context *context);

/* Whether a context that is to be proven may have no row yet: a counter's is made with its device, a
 * session's first message makes its own. */
bool commit_may_be_new(const struct context_row *before);

/* The order of contexts' rows, in which they are locked: by device, then by id, a counter's (it is empty)
 * first.
 */
int commit_compare_rows(const struct context_row *a, const struct context_row *b);

/* The batch's contexts in that order: their indices, which the caller frees. NULL: no memory. */
size_t *commit_order(const struct commit *commit);

/* What is to be done with a context: a proven one's window moves, or one is proven. */
bool commit_is_move(const struct commit_context *context);
bool commit_is_proof(const struct commit_context *context);

/* How many of a batch's contexts there are of each kind. */
struct commit_kinds {
    size_t proofs; /* are to be proven */
    size_t lost;   /* lost messages */
    size_t firsts; /* whose first message it may be: that closes the device's older wire */
    size_t others; /* of which more changes than top and bits of a proven one's window */
};

/* `notes`: those that were taken of this batch. */
struct commit_kinds commit_count_kinds(const struct commit *commit, const struct commit_notes *notes);

/* Whether the batch only moves windows and writes readings: nearly all do. */
static inline bool commit_only_moves(const struct commit_kinds *kinds)
{
    return kinds->lost + kinds->firsts + kinds->others == 0;
}

/* Room for the series of each reading that a message names, zero; the caller frees it. NULL: no memory. */
int64_t *commit_series(const struct commit *commit);

/* Whether each reading has its series. One has none if its device is not in the registry any more. */
bool commit_has_series(const struct commit *commit, const int64_t *ids);

#endif
