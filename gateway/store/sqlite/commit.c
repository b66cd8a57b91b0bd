#include "gateway/store/sqlite/sqlite.h"

#define COMMIT_BUSY_MS 2000 /* the devices are waiting: rather tell them to try again */

static const char what[] = "store a batch";

/* Moves the window of a proven context, if it is where it was believed to be: one statement, the usual case.
 */
static int move_window(struct sqlite *sqlite, struct commit_context *context, int64_t seen, int64_t now,
                       struct failure *failure)
{
    const struct bulla_window *before = &context->before.window;
    const struct bulla_window *after = &context->after.window;
    sqlite3_stmt *move = sqlite_statement(sqlite, ST_CONTEXT_MOVE, failure);

    if (move == NULL)
        return -1;
    bind_number(move, 1, context->before.device);
    bind_number(move, 2, now);
    sqlite_bind_id_context(move, 3, &context->before);
    bind_unsigned(move, 4, after->top);
    bind_unsigned(move, 5, after->bits);
    bind_unsigned(move, 6, after->lower);
    bind_number(move, 7, seen);
    bind_unsigned(move, 8, before->top);
    bind_unsigned(move, 9, before->bits);
    bind_unsigned(move, 10, before->lower);
    return sqlite_run(sqlite, move, what, failure);
}

static bool window_equal(const struct bulla_window *a, const struct bulla_window *b)
{
    return a->top == b->top && a->bits == b->bits && a->lower == b->lower;
}

/* 1 if the unproven context may be proven under its T now, 0 if not. */
static int may_prove(struct sqlite *sqlite, const struct commit_context *context, struct failure *failure)
{
    sqlite3_stmt *state = sqlite_statement(sqlite, ST_CONTEXT_STATE, failure);

    if (state == NULL)
        return -1;
    bind_number(state, 1, context->before.device);
    sqlite_bind_id_context(state, 2, &context->before);
    int found = sqlite_row(sqlite, state, what, failure);
    if (found <= 0)
        return found;

    uint64_t proven_t = context->after.proven_t;
    bool holds = (sqlite3_column_int(state, 0) == BULLA_COUNTER) == context->before.counter &&
                 proven_t > (uint64_t)sqlite3_column_int64(state, 1) &&
                 proven_t + 1 >= (uint64_t)sqlite3_column_int64(state, 2); /* whichever gateway raised T */
    if (sqlite3_column_type(state, 3) == SQLITE_NULL) {
        holds = holds && commit_may_be_new(&context->before);
    } else {
        struct context_row stored;
        sqlite_read_context(state, 3, &stored);
        holds = holds && !stored.proven && window_equal(&stored.window, &context->before.window);
    }
    sqlite3_reset(state);
    return holds;
}

/*
 * The row keeps the highest T that the context was ever challenged with, by this gateway or another (the
 * registry's own): messages that answer another challenge than the one which proved it are to be as dead as
 * that one once the row has gone.
 */
static int write_proof(struct sqlite *sqlite, const struct commit_context *context, int64_t seen,
                       struct failure *failure)
{
    const struct context_row *after = &context->after;
    sqlite3_stmt *prove = sqlite_statement(sqlite, ST_CONTEXT_PROVE, failure);

    if (prove == NULL)
        return -1;
    bind_number(prove, 1, after->device);
    sqlite_bind_id_context(prove, 2, after);
    bind_unsigned(prove, 3, after->proven_t);
    bind_unsigned(prove, 4, after->window.top);
    bind_unsigned(prove, 5, after->window.bits);
    bind_unsigned(prove, 6, after->window.lower);
    bind_number(prove, 7, seen);
    return sqlite_run(sqlite, prove, what, failure);
}

/* The device's older sessions close an hour from now (PROTOCOL 4.4). */
static int supersede(struct sqlite *sqlite, const struct context_row *newest, int64_t now,
                     struct failure *failure)
{
    sqlite3_stmt *supersede = sqlite_statement(sqlite, ST_CONTEXTS_SUPERSEDE, failure);

    if (supersede == NULL)
        return -1;
    bind_number(supersede, 1, newest->device);
    sqlite_bind_id_context(supersede, 2, newest);
    bind_number(supersede, 3, now + SESSION_CLOSES_AFTER);
    return sqlite_run(sqlite, supersede, what, failure);
}

/* Due rows go first: their T counts into the floor that the proof has to be above. */
static int prove(struct sqlite *sqlite, struct commit_context *context, int64_t seen, int64_t now,
                 struct failure *failure)
{
    if (sqlite_contexts_delete_due(sqlite, context->before.device, now, failure) < 0)
        return -1;
    int may = may_prove(sqlite, context, failure);
    if (may <= 0)
        return may;
    if (write_proof(sqlite, context, seen, failure) < 0)
        return -1;
    if (!context->after.counter && supersede(sqlite, &context->after, now, failure) < 0)
        return -1;
    return 1;
}

/* The first message of a context: whatever older wire the device had is closed from here on. */
static int close_older_wire(struct sqlite *sqlite, int64_t device, struct failure *failure)
{
    int closed = sqlite_close_wire(sqlite, device, failure);

    if (closed <= 0)
        return closed;
    sqlite->generation_known = false;
    return sqlite_run_id(sqlite, ST_GENERATION_RAISE, what, failure);
}

static int commit_context(struct sqlite *sqlite, struct commit_context *context, int64_t seen, int64_t now,
                          struct failure *failure)
{
    int done = 0; /* nothing is stored in a context that is not proven */

    if (context->before.proven && context->after.proven)
        done = move_window(sqlite, context, seen, now, failure);
    else if (context->after.proven)
        done = prove(sqlite, context, seen, now, failure);
    if (done > 0 && commit_is_first(context) && close_older_wire(sqlite, context->before.device, failure) < 0)
        return -1;
    if (done < 0)
        return -1;
    context->verdict = done > 0 ? COMMIT_DONE : COMMIT_CONFLICT;
    return 0;
}

static int write_lost(struct sqlite *sqlite, const struct commit_context *context, uint64_t lost,
                      struct failure *failure)
{
    sqlite3_stmt *statement;

    if (lost == 0 || context->verdict != COMMIT_DONE)
        return 0;
    statement = sqlite_statement(sqlite, ST_DEVICE_LOST, failure);
    if (statement == NULL)
        return -1;
    bind_number(statement, 1, context->before.device);
    bind_unsigned(statement, 2, lost);
    return sqlite_run(sqlite, statement, what, failure) < 0 ? -1 : 0;
}

static int add_message(struct sqlite *sqlite, const struct commit *commit,
                       const struct commit_message *message, struct failure *failure)
{
    const struct commit_context *context = &commit->contexts[message->context];

    if (context->verdict != COMMIT_DONE)
        return 0;
    for (size_t i = message->first; i < message->first + message->count; i++)
        if (sqlite_reading_add(sqlite, context->after.device, message, &commit->readings[i], failure) != 0)
            return -1;
    return 0;
}

static int add_readings(struct sqlite *sqlite, const struct commit *commit, struct failure *failure)
{
    if (sqlite_series_check(sqlite, failure) != 0)
        return -1;
    for (size_t i = 0; i < commit->message_count; i++)
        if (add_message(sqlite, commit, &commit->messages[i], failure) != 0)
            return -1;
    return 0;
}

static int send_out(struct sqlite *sqlite, const struct commit *commit, struct failure *failure)
{
    if (parcels_of_commit(&sqlite->parcels, commit, failure) != 0)
        return -1;
    return sqlite_outbox_add(sqlite, what, failure);
}

static int write_batch(struct sqlite *sqlite, struct commit *commit, int64_t now, struct failure *failure)
{
    for (size_t i = 0; i < commit->context_count; i++)
        if (commit_context(sqlite, &commit->contexts[i], sqlite->notes.items[i].seen, now, failure) != 0 ||
            write_lost(sqlite, &commit->contexts[i], sqlite->notes.items[i].lost, failure) != 0)
            return -1;
    if (commit->way != READINGS_OUT && add_readings(sqlite, commit, failure) != 0)
        return -1;
    return commit->way == READINGS_HERE ? 0 : send_out(sqlite, commit, failure);
}

int sqlite_commit(struct store *store, struct commit *commit, int64_t now, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);

    if (commit_notes_take(&sqlite->notes, commit, failure) != 0)
        return -1;
    sqlite3_busy_timeout(sqlite->db, COMMIT_BUSY_MS);
    int result = sqlite_begin(sqlite, what, failure);
    if (result == 0)
        result = sqlite_end(sqlite, write_batch(sqlite, commit, now, failure), what, failure);
    sqlite3_busy_timeout(sqlite->db, COMMAND_BUSY_MS);
    return result;
}
