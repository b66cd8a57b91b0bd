/*
 * What nearly every batch is: windows of contexts that are proven move, and their readings are written. One
 * transaction, one round trip: all statements are sent before the first answer comes.
 *
 * The contexts' rows are locked by the UPDATE, in the order of its arrays, which are sorted for that (it goes
 * through them and finds each row by its key). One that somebody else has moved meanwhile is seen as it is
 * then, by the server's rules for an UPDATE that had to wait, and stays; so do its readings. Anything else
 * that may have changed while it waited (a device was revoked, series were deleted) is looked at in a
 * statement behind it, which sees what was committed until then, and fails, with all of the batch, if so.
 * Then it is done again step by step (commit.c), which can tell what is what.
 */
#include "gateway/store/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>

static const char what[] = "store a batch";

/* What the server says where a row of MOVES_HOLD says no: division by zero. */
static const char something_changed[] = "22012";

struct moves {
    struct commit *commit;
    size_t *order;  /* of the contexts, as their rows are locked: indices */
    size_t *places; /* by index: its place there, from 1 on */
    bool committed;
};

/* ---- the order of locks ---- */

static int put_in_order(struct moves *moves, struct failure *failure)
{
    size_t count = moves->commit->context_count;

    moves->order = commit_order(moves->commit);
    moves->places = calloc(count, sizeof(*moves->places));
    if (moves->order == NULL || moves->places == NULL)
        return fail(failure, "cannot %s: no memory is left", what);
    for (size_t i = 0; i < count; i++)
        moves->places[moves->order[i]] = i + 1;
    return 0;
}

/* ---- what is sent ---- */

enum column { DEVICE, ID, TOP, BITS, LOWER, SEEN, OLD_TOP, OLD_BITS, COLUMNS };

static void put_move(struct pg_array *arrays, const struct commit_context *context, int64_t seen)
{
    const struct context_row *before = &context->before;
    const struct bulla_window *after = &context->after.window;

    pg_array_number(&arrays[DEVICE], before->device);
    pg_array_bytes(&arrays[ID], before->id_context, before->counter ? 0 : BULLA_ID_CONTEXT_SIZE);
    pg_array_number(&arrays[TOP], (int64_t)after->top);
    pg_array_number(&arrays[BITS], (int64_t)after->bits);
    pg_array_number(&arrays[LOWER], (int64_t)before->window.lower);
    pg_array_number(&arrays[SEEN], seen);
    pg_array_number(&arrays[OLD_TOP], (int64_t)before->window.top);
    pg_array_number(&arrays[OLD_BITS], (int64_t)before->window.bits);
}

static int send_moves(struct pg_pipeline *pipeline, const struct moves *moves, struct pg_array *arrays,
                      struct pg_points *points, struct failure *failure)
{
    const struct commit *commit = moves->commit;
    struct pg_parameters parameters = {.count = 0};

    for (int i = 0; i < COLUMNS; i++)
        pg_array_begin(&arrays[i], i == ID ? PG_BYTEA : PG_INT8);
    for (size_t i = 0; i < commit->context_count; i++)
        put_move(arrays, &commit->contexts[moves->order[i]], pipeline->pg->notes.items[moves->order[i]].seen);
    for (int i = 0; i < COLUMNS; i++)
        if (pg_array_add(&parameters, &arrays[i], failure) != 0)
            return -1;
    pg_clock(&parameters, pipeline->pg);
    if (pg_array_add(&parameters, &points->places, failure) != 0 ||
        postgres_points_put(points, &parameters, failure) != 0)
        return -1;
    pg_pipeline_send(pipeline, PG_MOVES_ADD, &parameters);
    return 0;
}

static int send_hold(struct pg_pipeline *pipeline, struct pg_array *devices, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    if (pg_array_add(&parameters, devices, failure) != 0)
        return -1;
    pg_number(&parameters, pipeline->pg->series_gone);
    pg_pipeline_send(pipeline, PG_MOVES_HOLD, &parameters);
    return 0;
}

/* COMMIT only behind all of the others: without it nothing is done. */
static int send_all(struct pg_pipeline *pipeline, const struct moves *moves, const int64_t *ids,
                    struct failure *failure)
{
    struct pg_array arrays[COLUMNS] = {0};
    struct pg_points points;
    int result = postgres_points_gather(&points, pipeline->pg, moves->commit, ids, moves->places, failure);

    pg_pipeline_send(pipeline, PG_BEGIN, NULL);
    pg_pipeline_send(pipeline, PG_SERIES_LOCK, NULL);
    if (result == 0)
        result = send_moves(pipeline, moves, arrays, &points, failure);
    if (result == 0)
        result = send_hold(pipeline, &arrays[DEVICE], failure);
    if (result == 0)
        pg_pipeline_send(pipeline, PG_COMMIT, NULL);
    for (int i = 0; i < COLUMNS; i++)
        pg_array_wipe(&arrays[i]);
    postgres_points_wipe(&points);
    return result;
}

/* ---- and what comes back ---- */

enum { AT_MOVES = 2, AT_HOLD, AT_COMMIT };

/* Rows of the first are the places that have not moved. */
static void take(void *context, int number, const PGresult *result)
{
    struct moves *moves = context;
    struct commit *commit = moves->commit;

    for (int i = 0; number == AT_MOVES && i < PQntuples(result); i++) {
        size_t place = (size_t)pg_get_number(result, i, 0);
        if (place >= 1 && place <= commit->context_count)
            commit->contexts[moves->order[place - 1]].verdict = COMMIT_CONFLICT;
    }
    if (number == AT_HOLD && PQntuples(result) == 1)
        commit->generation = pg_get_number(result, 0, 1);
    if (number ==
        AT_COMMIT) /* a transaction that has failed answers with ROLLBACK, and calls that no error */
        moves->committed = strcmp(PQcmdStatus((PGresult *)result), "COMMIT") == 0;
}

static int run(struct postgres *pg, struct moves *moves, const int64_t *ids, struct failure *failure)
{
    struct pg_pipeline pipeline;

    for (size_t i = 0; i < moves->commit->context_count; i++)
        moves->commit->contexts[i].verdict = COMMIT_DONE;
    if (pg_pipeline_begin(&pipeline, pg, what, failure) != 0)
        return -1;
    int result = send_all(&pipeline, moves, ids, failure);
    int ended = pg_pipeline_end(&pipeline, take, moves);
    if (result == 0 && ended != 0 && strcmp(pipeline.state, something_changed) == 0) {
        pg_rollback(pg);
        return 0;
    }
    if (result != 0 || ended != 0)
        return -1;
    return moves->committed ? 1 : fail(failure, "cannot %s: the server rolled it back (%s)", what, pg->label);
}

int postgres_moves_commit(struct postgres *pg, struct commit *commit, const int64_t *ids,
                          struct failure *failure)
{
    struct moves moves = {.commit = commit};

    if (!commit_has_series(commit, ids))
        return 0;
    int result = put_in_order(&moves, failure);

    if (result == 0)
        result = run(pg, &moves, ids, failure);
    free(moves.order);
    free(moves.places);
    return result;
}
