/*
 * What the tests of batches in one round trip share (test_store_postgres_moves.c, test_store_mysql_moves.c):
 * contexts that are proven, and batches with a message of each.
 */
#ifndef STORE_MOVES_H
#define STORE_MOVES_H

#include "store_fixture.h"

#define MOVES 4 /* devices c, a, d, b, whose ids fall: two counters (c, d) and two sessions (a, b) */

struct moves {
    int64_t devices[MOVES];
    struct commit_context contexts[MOVES];
    struct commit commit;
    struct commit_message messages[MOVES];
    struct reading readings[MOVES];
};

/* Devices and contexts, whose windows hold what 1 and 2 were. The caller frees them. */
struct moves *make_moves(struct fixture *f);

/* A batch with the message `piv` of each context; they do not stand in the order of their rows. */
void prepare_moves(struct moves *moves, uint64_t piv);

/* The same, and commits it. What commit() returns. */
int commit_moves(struct fixture *f, struct moves *moves, uint64_t piv);

/* What was stored is what the next batch begins with. */
void go_on(struct moves *moves);

/* All are stored, but those whose bit is set. */
void assert_stored_but(const struct moves *moves, unsigned conflicts);

/* A device's readings of the message `piv`. */
int64_t readings_of(struct fixture *f, const char *device, uint64_t piv);

#endif
