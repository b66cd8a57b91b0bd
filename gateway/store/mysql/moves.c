/*
 * What nearly every batch is: windows of contexts that are proven move, and their readings are written. One
 * transaction, one round trip, at the end of which it is committed.
 *
 * The server carries statements out one after the other, and none behind one that fails. So the first one
 * that writes fails where a row is not what it was taken for, and another one behind it where anything else
 * has changed that the batch relies on: it sees what was committed until all rows were locked (a device was
 * removed or revoked, series were deleted). Then the batch is done again step by step (commit.c), which can
 * tell what is what.
 */
#include "gateway/store/mysql/mysql.h"

#include <stdlib.h>
#include <string.h>

#include <mysqld_error.h>

static const char what[] = "store a batch";

enum { AT_CHECK = 3 }; /* place of the statement whose result counts */

struct moves {
    struct commit *commit;
    const int64_t *ids; /* series of the readings */
    size_t *order;      /* of the contexts, as their rows are locked: indices */
};

static void put_move(struct mq_parameters *parameters, const struct commit_context *context, int64_t seen)
{
    const struct context_row *before = &context->before;
    const struct bulla_window *after = &context->after.window;

    mq_row(parameters);
    mq_number(parameters, before->device);
    mq_id_context(parameters, before);
    mq_boolean(parameters, true);
    mq_unsigned(parameters, after->top);
    mq_unsigned(parameters, after->bits);
    mq_unsigned(parameters, after->lower);
    mq_number(parameters, seen);
    mq_unsigned(parameters, before->window.top); /* in columns that a move leaves alone */
    mq_unsigned(parameters, before->window.bits);
}

/* In one statement, whose count of rows is looked at. */
static void send_moves(struct mq_batch *round, const struct moves *moves)
{
    struct mq_parameters parameters = {0};

    mq_list(&parameters);
    for (size_t i = 0; i < moves->commit->context_count; i++) {
        size_t place = moves->order[i];
        put_move(&parameters, &moves->commit->contexts[place], round->my->notes.items[place].seen);
    }
    mq_list_end(&parameters);
    mq_clock(&parameters, round->my);
    mq_batch_add(round, MQ_MOVES_WRITE, &parameters);
}

/* A row that moves counts twice, one that was not there, and is made, once. */
static void send_check(struct mq_batch *round, const struct moves *moves)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, 2 * (int64_t)moves->commit->context_count);
    mq_number(&parameters, round->my->series_gone);
    mq_list(&parameters);
    for (size_t i = 0; i < moves->commit->context_count; i++)
        mq_number(&parameters, moves->commit->contexts[i].before.device);
    mq_list_end(&parameters);
    mq_batch_add(round, MQ_MOVES_CHECK, &parameters);
}

/* Locks are taken in the order of all transactions (mysql.h): what others wait for most comes last. */
static int send_all(struct mq_batch *round, const struct moves *moves, struct failure *failure)
{
    const struct commit *commit = moves->commit;
    struct parcels *parcels = &round->my->parcels;

    mq_batch_add(round, MQ_BEGIN, NULL);
    mq_batch_add(round, MQ_SERIES_HOLD, NULL);
    send_moves(round, moves);
    send_check(round, moves);
    if (commit->way != READINGS_OUT && maria_points_send(round, commit, moves->ids, failure) != 0)
        return -1;
    if (commit->way != READINGS_HERE) {
        if (parcels_of_commit(parcels, commit, failure) != 0)
            return -1;
        maria_outbox_send(round, parcels);
    }
    mq_batch_add(round, MQ_COMMIT, NULL);
    return 0;
}

static void take(void *context, int number, struct mq_result *result)
{
    struct moves *moves = context;

    if (number == AT_CHECK && mq_next(result))
        moves->commit->generation = mq_get_number(result, 0);
}

static int run(struct mysql *my, struct moves *moves, struct failure *failure)
{
    struct mq_batch round;

    for (size_t i = 0; i < moves->commit->context_count; i++)
        moves->commit->contexts[i].verdict = COMMIT_DONE;
    mq_batch_begin(&round, my, take, moves, what, failure);
    if (mq_batch_end(&round, send_all(&round, moves, failure)) == 0) {
        my->in_transaction = false;
        my->outbox_leapt = my->outbox_leapt || (moves->commit->way != READINGS_HERE && my->parcels.count > 0);
        return 1;
    }
    if (!maria_is_connected(my) || my->error != ER_DATA_OUT_OF_RANGE)
        return -1;
    mq_rollback(my);
    return 0;
}

int maria_moves_commit(struct mysql *my, struct commit *commit, const int64_t *ids, struct failure *failure)
{
    struct moves moves = {.commit = commit, .ids = ids};

    if (!maria_is_at_rest(my) || (commit->way != READINGS_OUT && !commit_has_series(commit, ids)))
        return 0;
    moves.order = commit_order(commit);
    int result =
        moves.order == NULL ? fail(failure, "cannot %s: no memory is left", what) : run(my, &moves, failure);

    free(moves.order);
    return result;
}
