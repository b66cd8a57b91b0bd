/*
 * A batch in one transaction. Nearly all batches only move windows and write readings: moves.c does
 * those in one round trip. Whatever else there is to do takes two. The first begins, locks the rows in their
 * order, moves the windows of those that are what they were taken for, and proves contexts: statements that
 * the server carries out one after the other, each of which sees what was committed while the one before it
 * waited for its locks. The second writes the readings of those that moved, and commits.
 *
 * Where the connection is lost in the COMMIT, nobody knows whether it was carried out. The batch has failed
 * then: its devices are told to try again, the gateway reads the rows anew, and what was stored after all is
 * a duplicate there. A row that the lost transaction still holds makes that read old and the next batch wait
 * for it, and then a conflict.
 */
#include "gateway/store/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>

#define TRIES 3 /* if series are deleted between finding their ids and using them */

static const char what[] = "store a batch";

struct batch {
    struct postgres *pg;
    struct commit *commit;
    int64_t *ids; /* series of the readings */
    struct commit_kinds kinds;
    int first_proof;
    int *proof_of;       /* by place of the statement behind the first: index of the context */
    int64_t series_gone; /* as the transaction sees it */
    bool committed;
};

/* A statement about the devices of first messages (usually there are none): all of them, or those of what is
 * stored. */
static int send_firsts(struct pg_pipeline *pipeline, const struct batch *batch, enum pg_statement id,
                       bool all, struct failure *failure)
{
    struct pg_array devices = {0};
    struct pg_parameters parameters = {.count = 0};

    pg_array_begin(&devices, PG_INT8);
    for (size_t i = 0; i < batch->commit->context_count; i++)
        if (commit_is_first(&batch->commit->contexts[i]) &&
            (all || batch->commit->contexts[i].verdict == COMMIT_DONE))
            pg_array_number(&devices, batch->commit->contexts[i].before.device);
    int result = pg_array_add(&parameters, &devices, failure);
    if (result == 0)
        pg_pipeline_send(pipeline, id, &parameters);
    pg_array_wipe(&devices);
    return result;
}

/* ---- the rows ---- */

/* Devices whose rows the batch writes to, or whose set of contexts: they are locked before any context. */
static int send_device_locks(struct pg_pipeline *pipeline, const struct batch *batch, struct failure *failure)
{
    struct pg_array devices = {0};
    struct pg_parameters parameters = {.count = 0};

    pg_array_begin(&devices, PG_INT8);
    for (size_t i = 0; i < batch->commit->context_count; i++)
        if (commit_is_proof(&batch->commit->contexts[i]) || batch->pg->notes.items[i].lost > 0)
            pg_array_number(&devices, batch->commit->contexts[i].before.device);
    int result = pg_array_add(&parameters, &devices, failure);
    if (result == 0)
        pg_pipeline_send(pipeline, PG_DEVICES_HOLD, &parameters);
    pg_array_wipe(&devices);
    return result;
}

static void put_id(struct pg_array *array, const struct context_row *row)
{
    pg_array_bytes(array, row->id_context, row->counter ? 0 : BULLA_ID_CONTEXT_SIZE);
}

/* All rows of a device that proves something, because a proof supersedes its other sessions. */
static int send_context_locks(struct pg_pipeline *pipeline, const struct batch *batch,
                              struct pg_array *proving, struct failure *failure)
{
    struct pg_array devices = {0}, id_contexts = {0};
    struct pg_parameters parameters = {.count = 0};
    int result = -1;

    pg_array_begin(&devices, PG_INT8);
    pg_array_begin(&id_contexts, PG_BYTEA);
    for (size_t i = 0; i < batch->commit->context_count; i++)
        if (commit_is_move(&batch->commit->contexts[i])) {
            pg_array_number(&devices, batch->commit->contexts[i].before.device);
            put_id(&id_contexts, &batch->commit->contexts[i].before);
        }
    if (pg_array_add(&parameters, &devices, failure) == 0 &&
        pg_array_add(&parameters, &id_contexts, failure) == 0 &&
        pg_array_add(&parameters, proving, failure) == 0) {
        pg_pipeline_send(pipeline, PG_CONTEXTS_HOLD, &parameters);
        result = 0;
    }
    pg_array_wipe(&devices);
    pg_array_wipe(&id_contexts);
    return result;
}

enum move_column { DEVICE, ID, TOP, BITS, LOWER, SEEN, OLD_TOP, OLD_BITS, OLD_LOWER, PLACE, MOVE_COLUMNS };

static void put_move(struct pg_array *arrays, const struct commit_context *context, int64_t seen,
                     size_t place)
{
    const struct bulla_window *before = &context->before.window;
    const struct bulla_window *after = &context->after.window;

    pg_array_number(&arrays[DEVICE], context->before.device);
    put_id(&arrays[ID], &context->before);
    pg_array_number(&arrays[TOP], (int64_t)after->top);
    pg_array_number(&arrays[BITS], (int64_t)after->bits);
    pg_array_number(&arrays[LOWER], (int64_t)after->lower);
    pg_array_number(&arrays[SEEN], seen);
    pg_array_number(&arrays[OLD_TOP], (int64_t)before->top);
    pg_array_number(&arrays[OLD_BITS], (int64_t)before->bits);
    pg_array_number(&arrays[OLD_LOWER], (int64_t)before->lower);
    pg_array_number(&arrays[PLACE], (int64_t)place);
}

/* The windows of proven contexts: those that are where they were believed to be. */
static int send_moves(struct pg_pipeline *pipeline, const struct batch *batch, struct failure *failure)
{
    struct pg_array arrays[MOVE_COLUMNS] = {0};
    struct pg_parameters parameters = {.count = 0};
    int result = 0;

    for (int i = 0; i < MOVE_COLUMNS; i++)
        pg_array_begin(&arrays[i], i == ID ? PG_BYTEA : PG_INT8);
    for (size_t i = 0; i < batch->commit->context_count; i++)
        if (commit_is_move(&batch->commit->contexts[i]))
            put_move(arrays, &batch->commit->contexts[i], batch->pg->notes.items[i].seen, i);
    for (int i = 0; i < MOVE_COLUMNS && result == 0; i++)
        result = pg_array_add(&parameters, &arrays[i], failure);
    pg_clock(&parameters, batch->pg);
    if (result == 0)
        pg_pipeline_send(pipeline, PG_CONTEXTS_MOVE, &parameters);
    for (int i = 0; i < MOVE_COLUMNS; i++)
        pg_array_wipe(&arrays[i]);
    return result;
}

/* ---- proofs (PROTOCOL 4.4) ---- */

/* The row keeps the highest T that the registry keeps, or the proof's: which the statement says. */
static void send_proof(struct pg_pipeline *pipeline, const struct postgres *pg,
                       const struct commit_context *context, int64_t seen)
{
    const struct context_row *after = &context->after;
    const struct bulla_window *before = &context->before.window;
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, after->device);
    pg_id_context(&parameters, after);
    pg_unsigned(&parameters, after->proven_t);
    pg_unsigned(&parameters, after->window.top);
    pg_unsigned(&parameters, after->window.bits);
    pg_unsigned(&parameters, after->window.lower);
    pg_number(&parameters, seen);
    pg_number(&parameters, context->before.counter ? BULLA_COUNTER : BULLA_SESSION);
    pg_boolean(&parameters, commit_may_be_new(&context->before));
    pg_unsigned(&parameters, before->top);
    pg_unsigned(&parameters, before->bits);
    pg_unsigned(&parameters, before->lower);
    pg_clock(&parameters, pg);
    pg_number(&parameters, SESSION_CLOSES_AFTER);
    pg_pipeline_send(pipeline, PG_CONTEXT_PROVE, &parameters);
}

/*
 * Rows that are due go first: their T counts into the floor that a proof has to be above. The T of challenges
 * is held: a gateway that raises it waits, and then its look at the row, before it challenges, shows it
 * proven.
 */
static int send_proofs(struct pg_pipeline *pipeline, struct batch *batch, struct pg_array *proving,
                       struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    if (pg_array_add(&parameters, proving, failure) != 0)
        return -1;
    pg_clock(&parameters, batch->pg);
    pg_pipeline_send(pipeline, PG_CONTEXTS_DUE_DELETE, &parameters);
    pg_pipeline_send(pipeline, PG_ISSUED_T_HOLD, NULL);
    batch->first_proof = pipeline->count;
    for (size_t i = 0; i < batch->commit->context_count; i++)
        if (commit_is_proof(&batch->commit->contexts[i])) {
            batch->proof_of[pipeline->count - batch->first_proof] = (int)i;
            send_proof(pipeline, batch->pg, &batch->commit->contexts[i], batch->pg->notes.items[i].seen);
        }
    return 0;
}

/* ---- the first round trip ---- */

/* Places of the statements whose results count. */
enum { AT_SERIES_GONE = 2 };

static void take_first(void *context, int number, const PGresult *result)
{
    struct batch *batch = context;
    struct commit_context *contexts = batch->commit->contexts;
    bool is_proofs = batch->kinds.proofs > 0 && number >= batch->first_proof;

    if (number == AT_SERIES_GONE)
        batch->series_gone = PQntuples(result) > 0 ? pg_get_number(result, 0, 0) : -1;
    else if (is_proofs && PQntuples(result) > 0)
        contexts[batch->proof_of[number - batch->first_proof]].verdict = COMMIT_DONE;
    else if (!is_proofs && strncmp(PQcmdStatus((PGresult *)result), "UPDATE", 6) == 0)
        for (int i = 0; i < PQntuples(result); i++) {
            size_t place = (size_t)pg_get_number(result, i, 0);
            if (place < batch->commit->context_count)
                contexts[place].verdict = COMMIT_DONE;
        }
}

static int send_first(struct pg_pipeline *pipeline, struct batch *batch, struct pg_array *proving,
                      struct failure *failure)
{
    pg_pipeline_send(pipeline, PG_BEGIN, NULL);
    pg_pipeline_send(pipeline, PG_SERIES_LOCK, NULL);
    pg_pipeline_send(pipeline, PG_SERIES_GONE, NULL);
    if (batch->kinds.firsts > 0 && send_firsts(pipeline, batch, PG_WIRES_HOLD_OF, true, failure) != 0)
        return -1;
    if (batch->kinds.proofs + batch->kinds.lost > 0 && send_device_locks(pipeline, batch, failure) != 0)
        return -1;
    if (send_context_locks(pipeline, batch, proving, failure) != 0 ||
        send_moves(pipeline, batch, failure) != 0)
        return -1;
    return batch->kinds.proofs > 0 ? send_proofs(pipeline, batch, proving, failure) : 0;
}

/* Devices that prove something. */
static void gather_proving(const struct batch *batch, struct pg_array *proving)
{
    pg_array_begin(proving, PG_INT8);
    for (size_t i = 0; i < batch->commit->context_count; i++)
        if (commit_is_proof(&batch->commit->contexts[i]))
            pg_array_number(proving, batch->commit->contexts[i].before.device);
}

static int judge(struct batch *batch, struct failure *failure)
{
    struct pg_pipeline pipeline;
    struct pg_array proving = {0};
    int result = pg_pipeline_begin(&pipeline, batch->pg, what, failure);

    for (size_t i = 0; i < batch->commit->context_count; i++)
        batch->commit->contexts[i].verdict = COMMIT_CONFLICT;
    if (result != 0)
        return -1;
    gather_proving(batch, &proving);
    result = send_first(&pipeline, batch, &proving, failure);
    if (pg_pipeline_end(&pipeline, take_first, batch) != 0)
        result = -1;
    pg_array_wipe(&proving);
    return result;
}

/* ---- the second ---- */

static int send_lost(struct pg_pipeline *pipeline, const struct batch *batch, struct failure *failure)
{
    struct pg_array devices = {0}, counts = {0};
    struct pg_parameters parameters = {.count = 0};
    int result;

    pg_array_begin(&devices, PG_INT8);
    pg_array_begin(&counts, PG_INT8);
    for (size_t i = 0; i < batch->commit->context_count; i++)
        if (batch->pg->notes.items[i].lost > 0 && batch->commit->contexts[i].verdict == COMMIT_DONE) {
            pg_array_number(&devices, batch->commit->contexts[i].before.device);
            pg_array_number(&counts, (int64_t)batch->pg->notes.items[i].lost);
        }
    result = pg_array_add(&parameters, &devices, failure);
    if (result == 0)
        result = pg_array_add(&parameters, &counts, failure);
    if (result == 0)
        pg_pipeline_send(pipeline, PG_DEVICES_LOST, &parameters);
    pg_array_wipe(&devices);
    pg_array_wipe(&counts);
    return result;
}

/* A transaction that has failed answers a COMMIT with ROLLBACK, and calls that no error. */
static void take_second(void *context, int number, const PGresult *result)
{
    struct batch *batch = context;

    (void)number;
    batch->committed = strcmp(PQcmdStatus((PGresult *)result), "COMMIT") == 0;
}

/* Last of all: others wait for the outbox's end until this is committed. */
static int send_out(struct pg_pipeline *pipeline, struct batch *batch, struct failure *failure)
{
    struct parcels *parcels = &batch->pg->parcels;

    if (parcels_of_commit(parcels, batch->commit, failure) != 0)
        return -1;
    return postgres_outbox_send(pipeline, parcels, failure);
}

static int write_and_commit(struct batch *batch, struct failure *failure)
{
    struct pg_pipeline pipeline;
    int result = pg_pipeline_begin(&pipeline, batch->pg, what, failure);

    if (result != 0)
        return -1;
    if (batch->commit->way != READINGS_OUT)
        result = postgres_points_send(&pipeline, batch->commit, batch->ids, failure);
    if (result == 0 && batch->kinds.lost > 0)
        result = send_lost(&pipeline, batch, failure);
    if (result == 0 && batch->kinds.firsts > 0)
        result = send_firsts(&pipeline, batch, PG_WIRES_CLOSE, false, failure);
    if (result == 0 && batch->commit->way != READINGS_HERE)
        result = send_out(&pipeline, batch, failure);
    if (result == 0)
        pg_pipeline_send(&pipeline, PG_COMMIT, NULL);
    if (pg_pipeline_end(&pipeline, take_second, batch) != 0)
        return -1;
    if (result == 0 && !batch->committed)
        result = fail(failure, "cannot %s: the server rolled it back (%s)", what, batch->pg->label);
    if (result == 0 && batch->commit->way != READINGS_HERE && batch->pg->parcels.count > 0)
        batch->pg->outbox_leapt = true;
    return result;
}

/* ---- all of it ---- */

/* On a new connection nothing is known of what happened before it. */
static int know_series(struct postgres *pg, struct failure *failure)
{
    if (pg->series_known)
        return 0;
    PGresult *result = pg_read(pg, PG_SERIES_GONE, NULL, what, failure);
    if (result == NULL)
        return -1;
    series_cache_forget(&pg->series);
    pg->series_gone = PQntuples(result) > 0 ? pg_get_number(result, 0, 0) : -1;
    pg->series_known = true;
    PQclear(result);
    return 0;
}

/* 1 done; 0 series were deleted since their ids were found: nothing was done. */
static int try_once(struct batch *batch, struct failure *failure)
{
    struct postgres *pg = batch->pg;
    int done = 0;

    if (know_series(pg, failure) != 0 || (batch->commit->way != READINGS_OUT &&
                                          postgres_series_find(pg, batch->commit, batch->ids, failure) != 0))
        return -1;
    if (batch->commit->way == READINGS_HERE && commit_only_moves(&batch->kinds))
        done = postgres_moves_commit(pg, batch->commit, batch->ids, failure);
    if (done != 0)
        return done;
    if (judge(batch, failure) != 0)
        return -1;
    if (batch->series_gone != pg->series_gone) {
        pg->series_known = false;
        pg_rollback(pg);
        return 0;
    }
    return write_and_commit(batch, failure) != 0 ? -1 : 1;
}

static int run(struct batch *batch, struct failure *failure)
{
    static const enum pg_statement used[] = {
        PG_BEGIN,         PG_COMMIT,        PG_SERIES_LOCK,         PG_SERIES_GONE,   PG_DEVICES_HOLD,
        PG_CONTEXTS_HOLD, PG_CONTEXTS_MOVE, PG_CONTEXTS_DUE_DELETE, PG_ISSUED_T_HOLD, PG_CONTEXT_PROVE,
        PG_POINTS_ADD,    PG_DEVICES_LOST,  PG_WIRES_HOLD_OF,       PG_WIRES_CLOSE,   PG_MOVES_ADD,
        PG_MOVES_HOLD,    PG_OUTBOX_ADD,
    };
    int done = 0;

    if (pg_prepare(batch->pg, used, sizeof(used) / sizeof(used[0]), what, failure) != 0)
        return -1;
    for (int i = 0; i < TRIES && done == 0; i++)
        done = try_once(batch, failure);
    if (done < 0)
        pg_rollback(batch->pg);
    return done > 0 ? 0 : done < 0 ? -1 : fail(failure, "cannot %s: series are being deleted", what);
}

int postgres_commit(struct store *store, struct commit *commit, int64_t now, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct batch batch = {.pg = pg, .commit = commit};
    int result = -1;

    (void)now; /* the database's clock counts */
    if (commit_notes_take(&pg->notes, commit, failure) != 0)
        return -1;
    batch.kinds = commit_count_kinds(commit, &pg->notes);
    batch.ids = commit_series(commit);
    batch.proof_of = calloc(batch.kinds.proofs + 1, sizeof(*batch.proof_of));
    if (batch.ids == NULL || batch.proof_of == NULL)
        fail(failure, "cannot %s: no memory is left", what);
    else
        result = run(&batch, failure);
    free(batch.ids);
    free(batch.proof_of);
    return result;
}
