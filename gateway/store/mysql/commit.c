/*
 * A batch in one transaction. Nearly all batches only move windows and write readings: moves.c does those in
 * one round trip. Whatever else there is to do, or to find out, takes two. The first begins, locks the rows
 * in their order, and reads them. Then it is judged here, on a copy of the rows, which of the batch's
 * contexts are what they were taken for. The second writes the rows that moved and their readings, and
 * commits.
 *
 * Where the connection is lost in the COMMIT, nobody knows whether it was carried out. The batch has failed
 * then: its devices are told to try again, the gateway reads the rows anew, and what was stored after all is
 * a duplicate there. Where it is lost before, nothing was stored, and the batch is tried again at once.
 */
#include "gateway/store/mysql/mysql.h"

#include <stdlib.h>
#include <string.h>

#define SERIES_TRIES 3 /* if series are deleted between finding their ids and using them */

static const char what[] = "store a batch";

/* A context's row, locked; and what the batch makes of it. */
struct held {
    struct context_row row;
    int64_t seen;
    int64_t nth;
    bool changed;
    bool gone; /* its time to close had come, and a proof lets it go */
};

struct device {
    int64_t id;
    bool revoked;
    int kind;
};

struct batch {
    struct mysql *my;
    struct commit *commit;
    int64_t *ids; /* series of the readings */
    struct commit_kinds kinds;

    /* places of the statements of the first round trip whose results count */
    int at_series_gone;
    int at_wires;
    int at_contexts;
    int at_devices;
    int at_numbers;
    int at_generation;

    /* what the transaction sees */
    int64_t series_gone;
    int64_t now; /* the clock, after the locks */
    int64_t floor;
    int64_t issued;
    bool wires_held;
    struct held *held; /* by device and id_context; then those that are new */
    size_t held_count;
    size_t sorted; /* so many of them */
    struct device *devices;
    size_t device_count;
    bool failed; /* no memory */

    int64_t highest; /* T of rows that go */
    bool committing; /* the COMMIT was sent: the outcome is its answer's */
};

/* ---- the first round trip ---- */

static bool is_any(const struct batch *batch, size_t i)
{
    return commit_is_move(&batch->commit->contexts[i]) || commit_is_proof(&batch->commit->contexts[i]);
}

/* Devices whose rows the batch writes to, or whose set of contexts: they are locked before any context. */
static bool is_written(const struct batch *batch, size_t i)
{
    return commit_is_proof(&batch->commit->contexts[i]) || batch->my->notes.items[i].lost > 0;
}

static bool is_first(const struct batch *batch, size_t i)
{
    return commit_is_first(&batch->commit->contexts[i]);
}

/* A list of the devices of some of the contexts. */
static void put_devices(const struct batch *batch, bool (*is_one)(const struct batch *batch, size_t i),
                        struct mq_parameters *parameters)
{
    mq_list(parameters);
    for (size_t i = 0; i < batch->commit->context_count; i++)
        if (is_one(batch, i))
            mq_number(parameters, batch->commit->contexts[i].before.device);
    mq_list_end(parameters);
}

static int send_devices(const struct batch *batch, struct mq_batch *round, enum mq_statement id,
                        bool (*is_one)(const struct batch *batch, size_t i))
{
    struct mq_parameters parameters = {0};

    put_devices(batch, is_one, &parameters);
    mq_batch_add(round, id, &parameters);
    return round->count - 1;
}

static int send_states(const struct batch *batch, struct mq_batch *round)
{
    struct mq_parameters parameters = {0};

    put_devices(batch, is_any, &parameters);
    mq_clock(&parameters, batch->my);
    mq_batch_add(round, MQ_DEVICES_STATE, &parameters);
    return round->count - 1;
}

/*
 * The T of challenges is held where something is proven: a gateway that raises it waits, and then its look at
 * the row, before it challenges, shows it proven. What may be used of series and devices is read after the
 * locks on what changes it.
 */
static void send_first(struct batch *batch, struct mq_batch *round)
{
    struct mq_parameters parameters = {0};

    batch->at_wires = batch->at_numbers = -1;
    mq_batch_add(round, MQ_BEGIN, NULL);
    mq_batch_add(round, MQ_SERIES_HOLD, NULL);
    batch->at_series_gone = round->count - 1;
    if (batch->kinds.firsts > 0)
        batch->at_wires = send_devices(batch, round, MQ_WIRES_HOLD_OF, is_first);
    if (batch->kinds.proofs + batch->kinds.lost > 0)
        send_devices(batch, round, MQ_DEVICES_HOLD, is_written);
    batch->at_contexts = send_devices(batch, round, MQ_CONTEXTS_HOLD, is_any);
    batch->at_devices = send_states(batch, round);
    mq_text(&parameters, "generation"); /* spares the gateway a round trip of its own */
    mq_batch_add(round, MQ_NUMBER_GET, &parameters);
    batch->at_generation = round->count - 1;
    if (batch->kinds.proofs == 0)
        return;
    mq_batch_add(round, MQ_T_HOLD, NULL);
    mq_batch_add(round, MQ_FLOOR_AND_T, NULL);
    batch->at_numbers = round->count - 1;
}

/* A proof may add one. */
static void take_contexts(struct batch *batch, struct mq_result *result)
{
    size_t room = (size_t)mq_count(result) + batch->kinds.proofs + 1;

    batch->held = calloc(room, sizeof(*batch->held));
    if (batch->held == NULL) {
        batch->failed = true;
        return;
    }
    while (mq_next(result)) {
        struct held *held = &batch->held[batch->held_count++];
        maria_read_context(result, 0, &held->row);
        held->seen = mq_get_number(result, 8);
        held->nth = mq_get_number(result, 9);
    }
    batch->sorted = batch->held_count;
}

static void take_devices(struct batch *batch, struct mq_result *result)
{
    batch->devices = calloc((size_t)mq_count(result) + 1, sizeof(*batch->devices));
    if (batch->devices == NULL) {
        batch->failed = true;
        return;
    }
    while (mq_next(result)) {
        batch->devices[batch->device_count++] = (struct device){
            mq_get_number(result, 0), mq_get_boolean(result, 1), (int)mq_get_number(result, 2)};
        batch->now = mq_get_number(result, 3);
    }
}

static void take_first(void *context, int number, struct mq_result *result)
{
    struct batch *batch = context;

    if (number == batch->at_contexts) {
        take_contexts(batch, result);
    } else if (number == batch->at_devices) {
        take_devices(batch, result);
    } else if (number == batch->at_series_gone && mq_next(result)) {
        batch->series_gone = mq_get_number(result, 0);
    } else if (number == batch->at_generation && mq_next(result)) {
        batch->commit->generation = mq_get_number(result, 0);
    } else if (number == batch->at_wires) {
        batch->wires_held = mq_next(result);
    } else if (number == batch->at_numbers && mq_next(result)) {
        batch->floor = mq_get_number(result, 0);
        batch->issued = mq_get_number(result, 1);
    }
}

static void forget(struct batch *batch)
{
    free(batch->held);
    free(batch->devices);
    batch->held = NULL;
    batch->devices = NULL;
    batch->held_count = batch->sorted = batch->device_count = 0;
    batch->series_gone = -1;
    batch->highest = 0;
    batch->wires_held = batch->failed = false;
}

static int read_rows(struct batch *batch, struct failure *failure)
{
    struct mq_batch round;

    forget(batch);
    mq_batch_begin(&round, batch->my, take_first, batch, what, failure);
    send_first(batch, &round);
    if (mq_batch_end(&round, 0) != 0)
        return -1;
    return batch->failed ? fail(failure, "cannot %s: no memory is left", what) : 0;
}

/* ---- judged ---- */

static int compare_held(const void *key, const void *element)
{
    return commit_compare_rows(key, &((const struct held *)element)->row);
}

/* A context's row, or NULL: none, or it is gone. */
static struct held *find_held(const struct batch *batch, const struct context_row *row)
{
    struct held *held = batch->sorted == 0
                            ? NULL
                            : bsearch(row, batch->held, batch->sorted, sizeof(*batch->held), compare_held);

    for (size_t i = batch->sorted; held == NULL && i < batch->held_count; i++)
        if (commit_compare_rows(row, &batch->held[i].row) == 0)
            held = &batch->held[i];
    return held == NULL || held->gone ? NULL : held;
}

static int compare_device(const void *key, const void *element)
{
    int64_t a = *(const int64_t *)key, b = ((const struct device *)element)->id;

    return (a > b) - (a < b);
}

/* The device's row; NULL if it is removed or revoked. */
static const struct device *find_device(const struct batch *batch, int64_t id)
{
    const struct device *device = batch->device_count == 0 ? NULL
                                                           : bsearch(&id, batch->devices, batch->device_count,
                                                                     sizeof(*batch->devices), compare_device);

    return device == NULL || device->revoked ? NULL : device;
}

static bool is_due(const struct batch *batch, const struct held *held)
{
    return held->row.closes_at != 0 && held->row.closes_at <= batch->now;
}

static bool is_same_window(const struct bulla_window *a, const struct bulla_window *b)
{
    return a->top == b->top && a->bits == b->bits && a->lower == b->lower;
}

static void move(struct held *held, const struct commit_context *context, int64_t seen)
{
    held->row.window = context->after.window;
    held->seen = seen > held->seen ? seen : held->seen;
    held->changed = true;
}

/* A proven context's window: it is where it was believed to be. */
static bool judge_move(struct batch *batch, size_t i)
{
    struct commit_context *context = &batch->commit->contexts[i];
    struct held *held = find_held(batch, &context->before);

    if (held == NULL || !held->row.proven || is_due(batch, held) ||
        !is_same_window(&held->row.window, &context->before.window) ||
        find_device(batch, context->before.device) == NULL)
        return false;
    move(held, context, batch->my->notes.items[i].seen);
    return true;
}

/* ---- proofs (PROTOCOL 4.4) ---- */

/* Rows of devices that prove something go if they are due: their T counts into the floor that a proof has to
 * be above. */
static void let_due_go(struct batch *batch, int64_t device)
{
    for (size_t i = 0; i < batch->held_count; i++) {
        struct held *held = &batch->held[i];
        if (held->row.device != device || held->gone || !is_due(batch, held))
            continue;
        held->gone = true;
        if ((int64_t)held->row.proven_t > batch->highest)
            batch->highest = (int64_t)held->row.proven_t;
    }
    if (batch->highest > batch->floor)
        batch->floor = batch->highest;
}

/* It becomes the device's newest, and the other sessions close. */
static void supersede(struct batch *batch, struct held *newest)
{
    newest->nth = 0;
    for (size_t i = 0; i < batch->held_count; i++) {
        struct held *held = &batch->held[i];
        if (held->row.device != newest->row.device || held->gone || held == newest)
            continue;
        if (held->nth > newest->nth)
            newest->nth = held->nth;
        if (newest->row.counter || held->row.counter || held->row.closes_at != 0)
            continue;
        held->row.closes_at = batch->now + SESSION_CLOSES_AFTER;
        held->changed = true;
    }
    newest->nth++;
}

/* The row that a proof may be of, which a session's first message makes; NULL if it is not what it was taken
 * for. */
static struct held *row_to_prove(struct batch *batch, const struct commit_context *context)
{
    struct held *held = find_held(batch, &context->before);

    if (held != NULL)
        return !held->row.proven && is_same_window(&held->row.window, &context->before.window) ? held : NULL;
    if (!commit_may_be_new(&context->before))
        return NULL;
    held = &batch->held[batch->held_count++];
    *held = (struct held){.row = context->after};
    held->row.proven_t = 0;
    return held;
}

/* The row keeps the highest T that the registry keeps, or the proof's. */
static bool judge_proof(struct batch *batch, size_t i)
{
    struct commit_context *context = &batch->commit->contexts[i];
    const struct device *device = find_device(batch, context->before.device);
    int64_t t = (int64_t)context->after.proven_t;

    if (device == NULL || device->kind != (context->before.counter ? BULLA_COUNTER : BULLA_SESSION) ||
        t <= batch->floor || t + 1 < batch->issued)
        return false;
    struct held *held = row_to_prove(batch, context);
    if (held == NULL)
        return false;
    t = t > batch->issued ? t : batch->issued;
    held->row.proven = true;
    held->row.closes_at = 0;
    if ((int64_t)held->row.proven_t < t)
        held->row.proven_t = (uint64_t)t;
    move(held, context, batch->my->notes.items[i].seen);
    supersede(batch, held);
    return true;
}

/* Windows first, then proofs: a move does not see what a proof of the same batch supersedes. */
static void judge(struct batch *batch)
{
    struct commit_context *contexts = batch->commit->contexts;
    size_t count = batch->commit->context_count;

    for (size_t i = 0; i < count; i++)
        contexts[i].verdict =
            commit_is_move(&contexts[i]) && judge_move(batch, i) ? COMMIT_DONE : COMMIT_CONFLICT;
    for (size_t i = 0; i < count; i++)
        if (commit_is_proof(&contexts[i]))
            let_due_go(batch, contexts[i].before.device);
    for (size_t i = 0; i < count; i++)
        if (commit_is_proof(&contexts[i]) && judge_proof(batch, i))
            contexts[i].verdict = COMMIT_DONE;
}

/* ---- the second round trip ---- */

static void put_row(struct mq_parameters *parameters, const struct held *held)
{
    const struct context_row *row = &held->row;

    mq_row(parameters);
    mq_number(parameters, row->device);
    mq_id_context(parameters, row);
    mq_boolean(parameters, row->proven);
    mq_unsigned(parameters, row->proven_t);
    mq_number(parameters, row->closes_at);
    mq_unsigned(parameters, row->window.top);
    mq_unsigned(parameters, row->window.bits);
    mq_unsigned(parameters, row->window.lower);
    mq_number(parameters, held->seen);
    mq_number(parameters, held->nth);
}

static void send_rows(const struct batch *batch, struct mq_batch *round)
{
    for (size_t i = 0; i < batch->held_count;) {
        struct mq_parameters parameters = {0};
        size_t rows = 0;
        mq_list(&parameters);
        for (; i < batch->held_count && !mq_is_long(&parameters); i++)
            if (batch->held[i].changed && !batch->held[i].gone) {
                put_row(&parameters, &batch->held[i]);
                rows++;
            }
        mq_list_end(&parameters);
        if (rows > 0)
            mq_batch_add(round, MQ_CONTEXTS_WRITE, &parameters);
        mq_drop(&parameters);
    }
}

static void send_gone(const struct batch *batch, struct mq_batch *round)
{
    struct mq_parameters floor = {0};

    for (size_t i = 0; i < batch->held_count; i++) {
        struct mq_parameters parameters = {0};
        if (!batch->held[i].gone)
            continue;
        mq_number(&parameters, batch->held[i].row.device);
        mq_id_context(&parameters, &batch->held[i].row);
        mq_batch_add(round, MQ_CONTEXT_DELETE, &parameters);
    }
    if (batch->highest == 0)
        return;
    mq_number(&floor, batch->highest);
    mq_batch_add(round, MQ_FLOOR_RAISE, &floor);
}

static void send_lost(const struct batch *batch, struct mq_batch *round)
{
    for (size_t i = 0; i < batch->commit->context_count; i++) {
        struct mq_parameters parameters = {0};
        if (batch->my->notes.items[i].lost == 0 || batch->commit->contexts[i].verdict != COMMIT_DONE)
            continue;
        mq_number(&parameters, batch->commit->contexts[i].before.device);
        mq_unsigned(&parameters, batch->my->notes.items[i].lost);
        mq_batch_add(round, MQ_DEVICE_LOST, &parameters);
    }
}

static bool is_first_and_done(const struct batch *batch, size_t i)
{
    return is_first(batch, i) && batch->commit->contexts[i].verdict == COMMIT_DONE;
}

/* The wires' number is held only if one of the devices has an open wire. */
static void send_closed_wires(const struct batch *batch, struct mq_batch *round)
{
    if (!batch->wires_held)
        return;
    send_devices(batch, round, MQ_WIRES_CLOSE, is_first_and_done);
    mq_batch_add(round, MQ_WIRES_RAISE, NULL);
}

/* What goes out stands under a lock that is taken last. */
static int send_out(struct batch *batch, struct mq_batch *round, struct failure *failure)
{
    if (parcels_of_commit(&batch->my->parcels, batch->commit, failure) != 0)
        return -1;
    maria_outbox_send(round, &batch->my->parcels);
    return 0;
}

static int write_and_commit(struct batch *batch, struct failure *failure)
{
    struct mq_batch round;
    int result = 0;

    mq_batch_begin(&round, batch->my, NULL, NULL, what, failure);
    send_rows(batch, &round);
    if (batch->commit->way != READINGS_OUT)
        result = maria_points_send(&round, batch->commit, batch->ids, failure);
    if (batch->kinds.lost > 0)
        send_lost(batch, &round);
    send_gone(batch, &round);
    send_closed_wires(batch, &round);
    if (result == 0 && batch->commit->way != READINGS_HERE)
        result = send_out(batch, &round, failure);
    mq_batch_add(&round, MQ_COMMIT, NULL);
    batch->committing = result == 0;
    result = mq_batch_end(&round, result);
    if (result == 0)
        batch->my->in_transaction = false;
    if (result == 0 && batch->commit->way != READINGS_HERE && batch->my->parcels.count > 0)
        batch->my->outbox_leapt = true;
    return result;
}

/* ---- all of it ---- */

/* On a new connection nothing is known of what happened before it. */
static int know_series(struct mysql *my, struct failure *failure)
{
    if (maria_connect(my, failure) != 0)
        return -1;
    if (my->series_known)
        return 0;
    series_cache_forget(&my->series);
    if (maria_number(my, "series_gone", &my->series_gone, what, failure) != 0)
        return -1;
    my->series_known = true;
    return 0;
}

/* What only goes out needs none. */
static int find_series(struct batch *batch, struct failure *failure)
{
    if (batch->commit->way == READINGS_OUT)
        return 0;
    return maria_series_find(batch->my, batch->commit, batch->ids, failure);
}

/* As maria_moves_commit(). All of it is sent at once, the COMMIT as well. */
static int move_at_once(struct batch *batch, struct failure *failure)
{
    if (batch->commit->context_count == 0 || !commit_only_moves(&batch->kinds))
        return 0;
    int done = maria_moves_commit(batch->my, batch->commit, batch->ids, failure);
    batch->committing = done != 0;
    return done;
}

/* 1 done; 0 series were deleted since their ids were found: nothing was done. */
static int try_once(struct batch *batch, struct failure *failure)
{
    struct mysql *my = batch->my;

    batch->committing = false;
    if (know_series(my, failure) != 0 || find_series(batch, failure) != 0)
        return -1;
    int done = move_at_once(batch, failure);
    if (done != 0)
        return done;
    if (read_rows(batch, failure) != 0)
        return -1;
    if (batch->series_gone != my->series_gone) {
        my->series_known = false;
        mq_rollback(my);
        return 0;
    }
    judge(batch);
    return write_and_commit(batch, failure) != 0 ? -1 : 1;
}

/* Whether a batch that has failed may be tried again at once. A connection that is lost before the COMMIT was
 * sent has stored nothing: one new one is tried. */
static bool is_to_be_tried_again(struct batch *batch, int *tries, bool *was_connected)
{
    if (mq_again(batch->my, tries))
        return true;
    bool lost = *was_connected && !batch->committing && !maria_is_connected(batch->my) && !batch->my->silent;
    *was_connected = false;
    return lost;
}

static int run(struct batch *batch, struct failure *failure)
{
    bool was_connected = maria_is_connected(batch->my);
    int tries = 0, series = 0;

    for (;;) {
        int done = try_once(batch, failure);
        if (done > 0)
            return 0;
        mq_rollback(batch->my);
        if (done == 0 && ++series == SERIES_TRIES)
            return fail(failure, "cannot %s: series are being deleted", what);
        if (done < 0 && !is_to_be_tried_again(batch, &tries, &was_connected))
            return -1;
    }
}

int maria_commit(struct store *store, struct commit *commit, int64_t now, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    struct batch batch = {.my = my, .commit = commit};
    int result;

    (void)now; /* the database's clock counts */
    if (commit_notes_take(&my->notes, commit, failure) != 0)
        return -1;
    batch.kinds = commit_count_kinds(commit, &my->notes);
    batch.ids = commit_series(commit);
    if (batch.ids == NULL)
        result = fail(failure, "cannot %s: no memory is left", what);
    else
        result = run(&batch, failure);
    forget(&batch);
    free(batch.ids);
    return result;
}
