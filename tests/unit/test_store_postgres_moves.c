/*
 * The batch that nearly all of them are, in one round trip of the PostgreSQL store: windows of proven
 * contexts move. What it must not do whatever happens while it waits for a row, and that it stays one.
 */
#include "cut_postgres.h"
#include "store_moves.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/store/postgres/postgres.h"

int __real_PQpipelineSync(PGconn *conn);
int __wrap_PQpipelineSync(PGconn *conn);

static int trips;
static bool cut_before_sync;

int __wrap_PQpipelineSync(PGconn *conn)
{
    trips++;
    if (cut_before_sync)
        cut_connection(conn);
    cut_before_sync = false;
    return __real_PQpipelineSync(conn);
}

static int commit_prepared(struct fixture *f, struct moves *moves)
{
    trips = 0;
    return call(f, commit, &moves->commit, f->now);
}

static int commit_all(struct fixture *f, struct moves *moves, uint64_t piv)
{
    trips = 0;
    return commit_moves(f, moves, piv);
}

/* ---- as it should be ---- */

static void test_one_round_trip(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);
    int64_t generation;

    for (uint64_t piv = 3; piv < 10; piv++) {
        ok(commit_all(f, moves, piv));
        assert_int_equal(trips, 1);
        assert_stored_but(moves, 0);
        go_on(moves);
    }
    assert_int_equal(count_readings(f, "a"), 10); /* the session's proof as well */
    assert_int_equal(count_readings(f, "c"), 9);
    ok(call(f, generation, &generation));
    assert_int_equal(moves->commit.generation, generation); /* it was read along */
    for (size_t i = 0; i < MOVES; i++) {
        struct context_row row;
        struct store_clock clock;
        const uint8_t *id = moves->contexts[i].before.counter ? NULL : moves->contexts[i].before.id_context;
        assert_int_equal(call(f, context_find, moves->devices[i], id, &row, &clock), 1);
        assert_same_row(&row, &moves->contexts[i].before);
    }
    free(moves);
}

/* Every value in the column that is its own, beside others and alone. */
static void test_values_of_all_types(void **state)
{
    static const struct reading values[MOVES] = {
        {.type = READING_REAL, .value.real = 1.5},
        {.type = READING_INTEGER, .value.integer = INT64_MIN},
        {.type = READING_TEXT, .value.bytes = {(const uint8_t *)"x", 1}},
        {.type = READING_DATA, .value.bytes = {(const uint8_t *)"", 1}},
    };
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    for (unsigned set = 1; set < 16; set++) {
        prepare_moves(moves, 2 + set);
        for (size_t i = 0, type = 0; i < MOVES; i++, type = (type + 1) % MOVES) {
            while ((set >> type & 1) == 0)
                type = (type + 1) % MOVES;
            moves->readings[i] = values[type];
            moves->readings[i].name = "v";
            moves->readings[i].name_len = 1;
        }
        ok(commit_prepared(f, moves));
        go_on(moves);
    }
    assert_int_equal(number(f,
                            "SELECT count(*) FROM readings WHERE name = 'v' AND CASE type"
                            " WHEN 'real' THEN value = 1.5 WHEN 'integer' THEN integer = -9223372036854775808"
                            " WHEN 'text' THEN text = 'x' ELSE data = '\\x00' END"),
                     15 * MOVES);
    assert_int_equal(
        number(f, "SELECT count(*) FROM points WHERE num_nonnulls(number, whole, text, data) != 1"), 0);
    free(moves);
}

/* A row that is not what it was taken for stays, and so do its readings; the others go through with it. */
static void test_one_of_them_has_moved(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    for (size_t odd = 0; odd < MOVES; odd++) {
        uint64_t piv = 3 + odd;
        struct bulla_window held = moves->contexts[odd].before.window;
        moves->contexts[odd].before.window.bits ^= 4;
        ok(commit_all(f, moves, piv));
        assert_int_equal(trips, 1);
        assert_stored_but(moves, 1u << odd);
        assert_int_equal(number(f, "SELECT count(*) FROM points WHERE piv = (SELECT max(piv) FROM points)"),
                         MOVES - 1);
        go_on(moves);
        moves->contexts[odd].before.window = held;
    }
    free(moves);
}

/* ---- what changes while it waits ---- */

/* Somebody holds the rows of a context in a transaction with `sql`, and ends it while the batch waits for it.
 */
static int commit_behind(struct fixture *f, struct moves *moves, const char *sql, uint64_t piv)
{
    PGconn *holder = PQconnectdb(f->path);
    PGresult *result = PQexec(holder, "BEGIN");
    int status;

    PQclear(result);
    result = PQexec(holder, sql);
    assert_true(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK);
    PQclear(result);
    if (fork() == 0)
        end_when_waited_for(holder);
    int done = commit_all(f, moves, piv);
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    PQfinish(holder);
    return done;
}

static void test_revoked_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    ok(commit_behind(
        f, moves,
        "SELECT 1 FROM contexts WHERE device = (SELECT id FROM devices WHERE name = 'a') FOR UPDATE;"
        " UPDATE devices SET revoked = true WHERE name = 'a'",
        3));
    assert_stored_but(moves, 1u << 1);
    assert_int_equal(readings_of(f, "a", 3), 0);
    assert_int_equal(readings_of(f, "b", 3), 1);
    free(moves);
}

static void test_moved_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    ok(commit_behind(f, moves, "UPDATE contexts SET top = top + 1 WHERE id_context = ''::bytea", 3));
    assert_stored_but(moves, 1u << 0 | 1u << 2);
    assert_int_equal(readings_of(f, "c", 3) + readings_of(f, "d", 3), 0);
    assert_int_equal(readings_of(f, "a", 3) + readings_of(f, "b", 3), 2);
    free(moves);
}

/* A row that was only held, and did not change, moves. */
static void test_held_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    ok(commit_behind(f, moves, "UPDATE contexts SET seen = seen + 1", 3));
    assert_int_equal(trips, 1);
    assert_stored_but(moves, 0);
    assert_int_equal(number(f, "SELECT count(*) FROM points WHERE piv = 3"), MOVES);
    free(moves);
}

/* Its ids of series are of no use then: they are found anew, and every reading has one. */
static void test_series_deleted_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    ok(commit_behind(
        f, moves,
        "DELETE FROM points; DELETE FROM series; UPDATE numbers SET value = value + 1 WHERE name ="
        " 'series_gone'; UPDATE contexts SET seen = seen + 1",
        3));
    assert_int_equal(number(f, "SELECT count(*) FROM points"), MOVES);
    assert_int_equal(number(f, "SELECT count(*) FROM readings WHERE seq = 3"), MOVES);
    free(moves);
}

/* What is there after a batch with a message `piv`: all of it, or nothing. */
static bool is_there(struct fixture *f, uint64_t piv)
{
    bool moved = number(f, "SELECT max(top) FROM contexts") == (int64_t)piv;

    assert_true(moved == (number(f, "SELECT min(top) FROM contexts") == (int64_t)piv));
    assert_int_equal(number(f, "SELECT count(*) FROM points WHERE piv = (SELECT max(piv) FROM points)"),
                     MOVES);
    assert_true(moved == (number(f, "SELECT max(piv) FROM points") == (int64_t)piv));
    return moved;
}

/*
 * The connection is cut before the end of what is sent, before the first message of the answer, before the
 * second, …: all of it is there, or nothing, and what the gateway does then stores it once.
 */
static void test_every_lost_connection(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);
    int nothing = 0, all = 0;
    bool is_cut = true;
    int64_t generation;

    for (int cut = -1; is_cut; cut++) {
        uint64_t piv = (uint64_t)cut + 4;
        cut_before_sync = cut < 0;
        messages_left = cut;
        int result = commit_all(f, moves, piv);
        is_cut = cut < 0 || messages_left < 0;
        messages_left = -1;
        await_cut(f);
        bool moved = is_there(f, piv);
        assert_true(moved || result != 0);
        nothing += !moved;
        all += moved && result != 0;
        ok(call(f, generation, &generation)); /* a read, which goes on by itself */
        ok(commit_all(f, moves, piv));        /* the same once more, as it was believed to be */
        for (size_t i = 0; i < MOVES; i++) {
            assert_int_equal(moves->contexts[i].verdict, moved ? COMMIT_CONFLICT : COMMIT_DONE);
            moves->contexts[i].before = moves->contexts[i].after;
        }
        assert_true(is_there(f, piv));
    }
    assert_int_equal(nothing, 1); /* without the end of what is sent */
    assert_true(all > 10);
    print_message("%d cuts left nothing, %d all\n", nothing, all);
    free(moves);
}

/* ---- the order of locks ---- */

/* Where its plan takes the arrays from, and how each row is found. */
static void test_rows_are_locked_in_their_order(void **state)
{
    static const char explain[] =
        "EXPLAIN (COSTS OFF) EXECUTE \"MOVES_ADD\"('{1}', '{a}', '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', "
        "NULL,"
        " '{1}', '{2026-01-01}', '{1}', '{1}', '{2026-01-01}', '{}', '{1}', '{}', '{}', '{}')";
    static const char *const sizes[] = {
        "SELECT 1",
        "INSERT INTO contexts (device, id_context, proven) SELECT 1000 + i, ''::bytea, true"
        " FROM generate_series(1, 100000) i; ANALYZE contexts",
    };
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);
    char plan[8192];

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        PGconn *conn = postgres_of(f->store)->conn;
        run_sql(f, sizes[i]);
        for (uint64_t piv = 3; piv < 10; piv++) { /* until the plan is for whatever arrays come */
            ok(commit_all(f, moves, piv + 10 * i));
            go_on(moves);
        }
        PGresult *result = PQexec(conn, explain);
        assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
        plan[0] = '\0';
        for (int row = 0; row < PQntuples(result); row++)
            strncat(plan, PQgetvalue(result, row, 0), sizeof(plan) - strlen(plan) - 1);
        PQclear(result);
        const char *update = strstr(plan, "Update on contexts");
        assert_non_null(update);
        const char *arrays = strstr(update, "Function Scan on w");
        const char *rows = strstr(update, "Index Scan using contexts_pkey on contexts");
        assert_true(arrays != NULL && rows != NULL && arrays < rows);
        assert_true(strstr(update, "Nested Loop") < arrays);
        assert_non_null(strstr(plan, "hashed SubPlan")); /* and no search for each reading */
    }
    free(moves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_one_round_trip),
        STORE_TEST(test_values_of_all_types),
        STORE_TEST(test_one_of_them_has_moved),
        STORE_TEST(test_revoked_meanwhile),
        STORE_TEST(test_moved_meanwhile),
        STORE_TEST(test_held_meanwhile),
        STORE_TEST(test_series_deleted_meanwhile),
        STORE_TEST(test_every_lost_connection),
        STORE_TEST(test_rows_are_locked_in_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
