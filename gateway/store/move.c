#include "gateway/store/move.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "gateway/decode/utf8.h"
#include "gateway/store/move_note.h"

static const char again[] = "type the same command again to go on";

/* One call: what goes from table to table. */
struct run {
    struct store *from;
    struct store *to;
    const struct move_progress *progress;
    struct transfer_rows rows;
    struct transfer_hasher *hasher;
    struct transfer_places places;
    int64_t last_spent; /* of the session ids in the source */
    int64_t done;
    int64_t all;
    struct move_note *note; /* how far it is, to be noted with each portion; NULL: that is not noted */
    struct move_result *result;
};

static const struct transfer_ops *ops_of(const struct store *store)
{
    return store->ops->transfer;
}

static int check_can(const struct store *store, struct failure *failure)
{
    return ops_of(store) != NULL ? 0 : fail(failure, "a registry in a database of this kind cannot be moved");
}

/* ---- rows as they leave ---- */

/* Whether a value is one that the column may have. Nothing but bytes behind the key may be missing. */
static bool fits(const struct transfer_shape *shape, size_t column, const struct transfer_cell *cell)
{
    enum transfer_kind kind = shape->columns[column].kind;

    if (cell->kind == TRANSFER_NULL)
        return kind == TRANSFER_BYTES && column >= shape->keys;
    return kind == TRANSFER_VALUE ? cell->kind != TRANSFER_VALUE : cell->kind == kind;
}

/* A database may hold anything, if somebody else has written to it: what does not have its type goes no
 * further. */
static int check_rows(const struct transfer_rows *rows, struct failure *failure)
{
    const struct transfer_shape *shape = &transfer_shapes[rows->table];

    for (size_t i = 0; i < rows->count; i++)
        for (size_t column = 0; column < shape->count; column++)
            if (!fits(shape, column, &transfer_row(rows, i)[column]))
                return fail(failure,
                            "a row of %s is damaged: its %s is of a wrong type. Put that right, or restore "
                            "a backup first",
                            shape->name, shape->columns[column].name);
    return 0;
}

/* The next rows of a table, as they stand there. */
static int take_rows(struct store *store, struct transfer_rows *rows, struct failure *failure)
{
    int more = ops_of(store)->next(store, rows, failure);

    return more > 0 && check_rows(rows, failure) != 0 ? -1 : more;
}

/* ---- rows as they arrive ---- */

enum { CONTEXT_PROVEN = 2, SESSION_N = 0, SESSION_SPENT = 5, SINK_HOLDER = 8, SINK_LEASE };

/* Every context unproven; session ids that were not spent are void, spent behind all others (PROTOCOL 9). No
 * gateway holds a sink. */
static void arrive(const struct run *run, struct transfer_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct transfer_cell *row = transfer_row(rows, i);
        if (rows->table == TRANSFER_CONTEXTS)
            transfer_set_number(&row[CONTEXT_PROVEN], 0);
        if (rows->table == TRANSFER_SESSION_IDS && row[SESSION_SPENT].value.integer == 0)
            transfer_set_number(&row[SESSION_SPENT], row[SESSION_N].value.integer + run->last_spent);
        if (rows->table == TRANSFER_SINKS) {
            transfer_point_at(&row[SINK_HOLDER], TRANSFER_TEXT, "", 0);
            transfer_set_number(&row[SINK_LEASE], 0);
        }
    }
}

/* What an event says may be no text for who takes nothing else: then it says so, as where it is written. */
static void make_texts(const struct run *run, struct transfer_rows *rows)
{
    static const char unreadable[] = "(not UTF-8)";
    size_t columns = transfer_shapes[rows->table].count;

    if (rows->table != TRANSFER_EVENTS || !ops_of(run->to)->text_is_utf8)
        return;
    for (size_t i = 0; i < rows->count * columns; i++) {
        struct transfer_cell *cell = &rows->cells[i];
        if (cell->kind == TRANSFER_TEXT && cell->value.bytes.len > 0 &&
            !utf8_is_text((const char *)cell->value.bytes.at, cell->value.bytes.len))
            transfer_point_at(cell, TRANSFER_TEXT, unreadable, sizeof(unreadable) - 1);
    }
}

/* The next rows of the source, as they are to arrive. */
static int next_rows(struct run *run, struct store *store, struct failure *failure)
{
    int more = take_rows(store, &run->rows, failure);

    if (more > 0 && run->rows.table == TRANSFER_POINTS)
        transfer_place(&run->places, &run->rows);
    if (more > 0 && store == run->from) {
        arrive(run, &run->rows);
        make_texts(run, &run->rows);
    }
    return more;
}

static int read_table(struct run *run, struct store *store, enum transfer_table table,
                      const struct transfer_key *from, struct failure *failure)
{
    run->places = (struct transfer_places){.time = 0};
    return ops_of(store)->read(store, table, from, failure);
}

/* What tells the spent session ids apart from those that become void. */
static int find_last_spent(struct run *run, struct failure *failure)
{
    int more = ops_of(run->from)->read(run->from, TRANSFER_SESSION_IDS, NULL, failure);

    run->last_spent = 0;
    while (more >= 0 && (more = take_rows(run->from, &run->rows, failure)) > 0)
        for (size_t i = 0; i < run->rows.count; i++) {
            int64_t spent = transfer_row(&run->rows, i)[SESSION_SPENT].value.integer;
            run->last_spent = spent > run->last_spent ? spent : run->last_spent;
        }
    return more;
}

static int tell(struct run *run, bool comparing, enum transfer_table table, struct failure *failure)
{
    if (run->progress == NULL || run->progress->tell == NULL ||
        run->progress->tell(run->progress->context, comparing, table, run->done, run->all) == 0)
        return 0;
    return fail(failure, "stopped; %s", run->result != NULL ? again : "nothing was changed");
}

static int count_table(struct store *store, enum transfer_table table, int64_t *rows, struct failure *failure)
{
    *rows = 0;
    return ops_of(store)->count(store, table, rows, failure);
}

static int count_all(struct run *run, unsigned tables, struct failure *failure)
{
    int64_t rows;

    run->all = 0;
    for (enum transfer_table table = 0; table < TRANSFER_TABLES; table++) {
        if ((tables >> table & 1) == 0)
            continue;
        if (count_table(run->from, table, &rows, failure) != 0)
            return -1;
        run->all += rows;
    }
    return 0;
}

/* ---- notes ---- */

static int put_note(struct store *store, const char *name, const struct move_note *note,
                    struct failure *failure)
{
    char text[MOVE_NOTE_MAX];

    return ops_of(store)->note(store, name, text, move_note_encode(note, text), failure);
}

/* In a transaction of its own. `note` NULL: takes it away. */
static int put_note_alone(struct store *store, const char *name, const struct move_note *note,
                          struct failure *failure)
{
    if (ops_of(store)->begin(store, TRANSFER_IN, failure) != 0)
        return -1;
    int result = note == NULL ? ops_of(store)->note(store, name, NULL, 0, failure)
                              : put_note(store, name, note, failure);
    return ops_of(store)->end(store, result, failure);
}

/* 1 there is one, 0 none. */
static int get_note(struct store *store, const char *name, struct move_note *note, struct failure *failure)
{
    char text[MOVE_NOTE_MAX];
    size_t len = sizeof(text);
    int found = store->ops->meta_get(store, name, text, &len, failure);

    if (found > 0 && move_note_decode(note, text, len) != 0)
        return fail(failure, "a move is noted that this program does not understand: install the newer one");
    return found;
}

/* ---- copying ---- */

/* Rows that an earlier call has written already come first. */
static void drop_known(struct run *run, const struct transfer_key *key)
{
    size_t known = 0;

    while (known < run->rows.count && !transfer_is_behind(key, transfer_row(&run->rows, known)))
        known++;
    transfer_rows_drop(&run->rows, known);
}

static int write_rows(struct run *run, struct failure *failure)
{
    const struct transfer_rows *rows = &run->rows;
    int result = ops_of(run->to)->write(run->to, rows, failure);

    if (result == 0 && run->note != NULL) {
        run->note->table = rows->table;
        run->note->rows = run->done + (int64_t)rows->count;
        result =
            transfer_key_keep(&run->note->key, rows->table, transfer_row(rows, rows->count - 1), failure);
        if (result == 0)
            result = put_note(run->to, MOVE_ARRIVING, run->note, failure);
    }
    return result;
}

/* A portion: in a transaction of its own, but where one is under way (`single`). */
static int write_portion(struct run *run, bool single, struct failure *failure)
{
    int result = 0;

    if (run->rows.count == 0)
        return 0;
    if (!single && ops_of(run->to)->begin(run->to, TRANSFER_IN, failure) != 0)
        return -1;
    result = write_rows(run, failure);
    if (!single)
        result = ops_of(run->to)->end(run->to, result, failure);
    if (result < 0)
        return -1;
    run->done += (int64_t)run->rows.count;
    if (run->result != NULL) {
        run->result->copied += (int64_t)run->rows.count;
        run->result->points_copied += run->rows.table == TRANSFER_POINTS ? (int64_t)run->rows.count : 0;
    }
    return 0;
}

static int copy_table(struct run *run, enum transfer_table table, const struct transfer_key *from,
                      bool single, struct failure *failure)
{
    int more = read_table(run, run->from, table, from, failure);

    while (more >= 0 && (more = next_rows(run, run->from, failure)) > 0) {
        if (from != NULL)
            drop_known(run, from);
        if (write_portion(run, single, failure) != 0 || tell(run, false, table, failure) != 0)
            return -1;
    }
    return more;
}

/* Those of the tables that are left; `begun` is the key behind which the first of them goes on. */
static int copy_tables(struct run *run, unsigned tables, enum transfer_table first,
                       const struct transfer_key *begun, bool single, struct failure *failure)
{
    for (enum transfer_table table = first; table < TRANSFER_TABLES; table++)
        if ((tables >> table & 1) != 0 &&
            copy_table(run, table, table == first ? begun : NULL, single, failure) != 0)
            return -1;
    return 0;
}

int move_tables(struct store *from, struct store *to, unsigned tables, bool single,
                const struct move_progress *progress, struct failure *failure)
{
    struct run run = {.from = from, .to = to, .progress = progress};
    int result = transfer_rows_open(&run.rows, failure);

    if (result == 0)
        result = count_all(&run, tables, failure);
    if (result == 0)
        result = find_last_spent(&run, failure);
    if (result == 0)
        result = copy_tables(&run, tables, 0, NULL, single, failure);
    transfer_rows_close(&run.rows);
    return result;
}

/* ---- comparing ---- */

static int sum_table(struct run *run, struct store *store, enum transfer_table table,
                     struct transfer_sum *sum, struct failure *failure)
{
    int more = read_table(run, store, table, NULL, failure);

    while (more >= 0 && (more = next_rows(run, store, failure)) > 0) {
        run->done += (int64_t)run->rows.count;
        if (transfer_sum_add(run->hasher, sum, &run->rows, failure) != 0 ||
            tell(run, true, table, failure) != 0)
            return -1;
    }
    return more;
}

/* Numbers may have risen, never fallen: a database gives out an id more than it enters. */
struct numbers {
    int64_t values[16];
    size_t count;
};

static int read_numbers(struct run *run, struct store *store, struct numbers *numbers,
                        struct failure *failure)
{
    int more = read_table(run, store, TRANSFER_NUMBERS, NULL, failure);

    numbers->count = 0;
    while (more >= 0 && (more = next_rows(run, store, failure)) > 0)
        for (size_t i = 0; i < run->rows.count && numbers->count < 16; i++)
            numbers->values[numbers->count++] = transfer_row(&run->rows, i)[1].value.integer;
    return more;
}

static int compare_numbers(struct run *run, bool *equal, struct failure *failure)
{
    struct numbers from, to;

    if (read_numbers(run, run->from, &from, failure) < 0 || read_numbers(run, run->to, &to, failure) < 0)
        return -1;
    *equal = from.count == to.count;
    for (size_t i = 0; i < from.count && *equal; i++)
        *equal = from.values[i] <= to.values[i];
    return 0;
}

static int compare_table(struct run *run, enum transfer_table table, struct move_table *compared,
                         struct failure *failure)
{
    if (sum_table(run, run->from, table, &compared->from, failure) < 0 ||
        sum_table(run, run->to, table, &compared->to, failure) < 0)
        return -1;
    compared->equal = memcmp(&compared->from, &compared->to, sizeof(compared->from)) == 0;
    if (table == TRANSFER_NUMBERS)
        return compare_numbers(run, &compared->equal, failure);
    return 0;
}

static int compare_tables(struct run *run, struct failure *failure)
{
    struct move_result *result = run->result;
    const char *different = NULL;

    result->rows = 0;
    run->done = 0;
    run->all *= 2;
    for (enum transfer_table table = 0; table < TRANSFER_TABLES; table++) {
        if (compare_table(run, table, &result->tables[table], failure) != 0)
            return -1;
        result->rows += result->tables[table].to.rows;
        if (!result->tables[table].equal && different == NULL)
            different = transfer_shapes[table].name;
    }
    return different == NULL ? 0
                             : fail(failure,
                                    "what arrived is not what left: the rows of %s differ. Somebody has "
                                    "changed them, or a disk "
                                    "has. Give it up with --abandon, and begin anew",
                                    different);
}

/* Both sides at rest: each in one transaction. */
static int compare(struct run *run, struct failure *failure)
{
    if (ops_of(run->from)->begin(run->from, TRANSFER_OUT, failure) != 0)
        return -1;
    int result = ops_of(run->to)->begin(run->to, TRANSFER_OUT, failure);
    if (result == 0) {
        result = count_all(run, MOVE_ALL, failure);
        if (result == 0)
            result = find_last_spent(run, failure);
        if (result == 0)
            result = compare_tables(run, failure);
        result = ops_of(run->to)->end(run->to, result, failure);
    }
    return ops_of(run->from)->end(run->from, result, failure);
}

/* ---- beginning ---- */

static int draw_id(char id[MOVE_ID_SIZE + 1], struct failure *failure)
{
    uint8_t bytes[MOVE_ID_SIZE / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return fail(failure, "the operating system gives no random numbers");
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

static int check_empty(const struct move *move, struct failure *failure)
{
    int64_t rows = 0, devices = 0;

    if (ops_of(move->to)->begin(move->to, TRANSFER_OUT, failure) != 0)
        return -1;
    int result = count_table(move->to, TRANSFER_DEVICES, &devices, failure);
    for (enum transfer_table table = 0; table < TRANSFER_NUMBERS && result == 0 && rows == 0; table++)
        result = count_table(move->to, table, &rows, failure);
    if (result == 0 && rows > 0)
        result = fail(failure,
                      "%.100s is not empty (it has %" PRId64
                      " devices): a registry moves into a new database; make "
                      "one, or delete that one first. Nothing was changed.",
                      move->to_shown, devices);
    return ops_of(move->to)->end(move->to, result, failure);
}

/* As it stands in a note, of which it is one line, and as much of it as there is room for. */
static void name_other(char out[MOVE_OTHER_MAX + 1], const char *shown)
{
    snprintf(out, MOVE_OTHER_MAX + 1, "%s", shown);
    for (char *at = out; *at != '\0'; at++)
        if (*at == '\n')
            *at = '?';
}

static bool is_other(const struct move_note *note, const char *shown)
{
    char other[MOVE_OTHER_MAX + 1];

    name_other(other, shown);
    return strcmp(note->other, other) == 0;
}

static void begin_note(struct move_note *note, enum move_state state, const char *other)
{
    note->state = state;
    note->begun = time(NULL);
    note->table = 0;
    name_other(note->other, other);
}

/*
 * The source is marked first: what has begun to arrive anywhere is left by everybody. Each time a target is
 * marked, the move has a new id: another one that is shown by the same words (a path from another folder), in
 * which some has arrived already, cannot go on any more, and be served beside this one.
 */
static int mark_both(const struct move *move, struct move_note *leaving, struct move_note *arriving,
                     struct failure *failure)
{
    begin_note(leaving, MOVE_IS_LEAVING, move->to_shown);
    if (draw_id(leaving->id, failure) != 0 || put_note_alone(move->from, MOVE_LEAVING, leaving, failure) != 0)
        return -1;
    *arriving = *leaving;
    begin_note(arriving, MOVE_IS_ARRIVING, move->from_shown);
    return put_note_alone(move->to, MOVE_ARRIVING, arriving, failure);
}

static int refuse_source(const struct move *move, const struct move_note *leaving, struct failure *failure)
{
    if (leaving->state == MOVE_HAS_LEFT)
        return fail(failure, "the registry in %.100s was moved to %.100s already: use that", move->from_shown,
                    leaving->other);
    return fail(
        failure,
        "the registry in %.90s is being moved to %.90s: go on with that one, or give it up first with "
        "--abandon",
        move->from_shown, leaving->other);
}

/* Finds out how far it is, or begins. `arriving` says where to go on; `leaving` is the source's. */
static int begin(const struct move *move, struct move_note *leaving, struct move_note *arriving,
                 struct move_result *result, struct failure *failure)
{
    int left = get_note(move->from, MOVE_LEAVING, leaving, failure);
    int arrived = left < 0 ? -1 : get_note(move->to, MOVE_ARRIVING, arriving, failure);

    if (arrived < 0)
        return -1;
    result->resumed = arrived > 0;
    if (arrived > 0 && left > 0 && strcmp(leaving->id, arriving->id) == 0)
        /* A source that was left has arrived: what is half filled is a copy of the target from before. */
        return leaving->state == MOVE_HAS_LEFT && arriving->table != TRANSFER_TABLES
                   ? refuse_source(move, leaving, failure)
                   : 0;
    if (arrived > 0)
        return fail(
            failure,
            "in %.90s there is a part of another registry, which was being moved from %.90s: delete that "
            "database, or go on with that move",
            move->to_shown, arriving->other);
    if (left > 0 && (leaving->state == MOVE_HAS_LEFT || !is_other(leaving, move->to_shown)))
        return refuse_source(move, leaving, failure);
    if (check_empty(move, failure) != 0)
        return -1;
    return mark_both(move, leaving, arriving, failure);
}

/* ---- the whole of it ---- */

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int copy(struct run *run, struct move_note *arriving, struct failure *failure)
{
    enum transfer_table first = arriving->table;
    struct transfer_key begun;
    int result;

    if (first == TRANSFER_TABLES)
        return 0;
    transfer_key_copy(&begun, &arriving->key);
    if (ops_of(run->from)->begin(run->from, TRANSFER_OUT, failure) != 0)
        return -1;
    run->note = arriving;
    run->done = arriving->rows;
    result = count_all(run, MOVE_ALL, failure);
    if (result == 0)
        result = find_last_spent(run, failure);
    if (result == 0)
        result = copy_tables(run, MOVE_ALL, first, &begun, false, failure);
    result = ops_of(run->from)->end(run->from, result, failure);
    if (result != 0)
        return -1;
    arriving->table = TRANSFER_TABLES;
    arriving->key.count = 0;
    return put_note_alone(run->to, MOVE_ARRIVING, arriving, failure);
}

/* The source is left for ever before the target may be served. */
static int finish(const struct move *move, struct move_note *leaving, struct failure *failure)
{
    if (leaving->state != MOVE_HAS_LEFT) {
        leaving->state = MOVE_HAS_LEFT;
        if (put_note_alone(move->from, MOVE_LEAVING, leaving, failure) != 0)
            return -1;
    }
    return put_note_alone(move->to, MOVE_ARRIVING, NULL, failure);
}

static int copy_and_compare(const struct move *move, struct run *run, struct move_note *arriving,
                            struct failure *failure)
{
    double begun = seconds_now();
    int64_t contexts;

    if (copy(run, arriving, failure) != 0)
        return -1;
    run->result->seconds = seconds_now() - begun;
    if (move->to->ops->restored(move->to, move->challenge, move->challenge_len, &contexts, failure) != 0)
        return -1;
    return compare(run, failure);
}

int move_run(const struct move *move, struct move_result *result, struct failure *failure)
{
    struct run run = {.from = move->from, .to = move->to, .progress = &move->progress, .result = result};
    struct move_note leaving = {.rows = 0}, arriving = {.rows = 0};
    int status = -1;

    memset(result, 0, sizeof(*result));
    if (check_can(move->from, failure) != 0 || check_can(move->to, failure) != 0 ||
        transfer_rows_open(&run.rows, failure) != 0)
        return -1;
    run.hasher = transfer_hasher_open(failure);
    if (run.hasher != NULL && begin(move, &leaving, &arriving, result, failure) == 0)
        status = copy_and_compare(move, &run, &arriving, failure);
    if (status == 0)
        status = finish(move, &leaving, failure);
    transfer_hasher_close(run.hasher);
    transfer_rows_close(&run.rows);
    return status;
}

static int clear(struct store *store, struct failure *failure)
{
    if (ops_of(store)->begin(store, TRANSFER_IN, failure) != 0)
        return -1;
    return ops_of(store)->end(store, ops_of(store)->clear(store, failure), failure);
}

/* What had arrived is deleted; but only what is of this move. */
static int clear_arrived(struct store *to, const char *to_shown, const struct move_note *leaving,
                         struct failure *failure)
{
    struct move_note arriving;
    int arrived = get_note(to, MOVE_ARRIVING, &arriving, failure);

    if (arrived < 0)
        return -1;
    if (arrived > 0 && strcmp(leaving->id, arriving.id) == 0)
        return clear(to, failure);
    if (arrived == 0 && is_other(leaving, to_shown)) /* it was stopped before anything went there */
        return 0;
    return fail(failure,
                "nothing of this registry is in %.80s: it is being moved to %.80s. Name that, or leave --to "
                "away, and delete that one yourself; nothing was changed",
                to_shown, leaving->other);
}

int move_give_up(struct store *from, struct store *to, const char *to_shown, struct failure *failure)
{
    struct move_note leaving;
    int left = check_can(from, failure) != 0 ? -1 : get_note(from, MOVE_LEAVING, &leaving, failure);

    if (left < 0)
        return -1;
    if (left == 0)
        return fail(failure, "the registry is not being moved anywhere; nothing was changed");
    if (leaving.state == MOVE_HAS_LEFT)
        return fail(
            failure,
            "the registry was moved to %.100s, and is whole there; to come back to this one after all, type: "
            "bulla restored",
            leaving.other);
    if (to != NULL && clear_arrived(to, to_shown, &leaving, failure) != 0)
        return -1;
    return put_note_alone(from, MOVE_LEAVING, NULL, failure);
}
