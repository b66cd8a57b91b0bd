/*
 * The batch that nearly all of them are, in one round trip of the MariaDB store: windows of proven contexts
 * move. What it must not do whatever happens before it or while it waits for a row, and that it stays one.
 */
#include "cut_mysql.h"
#include "store_moves.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Two more round trips where a row is not what it was taken for: the rows, and what is left of the batch. One
 * goes before them: the end of the transaction that has failed. */
enum { AT_ONCE = 1, STEP_BY_STEP = AT_ONCE + 1 + 2 };

static int commit_all(struct fixture *f, struct moves *moves, uint64_t piv)
{
    sends = 0;
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
        assert_int_equal(sends, AT_ONCE);
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
    assert_int_equal(number(f, "SELECT MIN(seen) = MAX(seen) AND MAX(seen) % 1000000 = 9 FROM contexts"), 1);
    free(moves);
}

/* One whose top stays, and one that is full: nothing but its top changes then. */
static void test_every_window(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    ok(commit_all(f, moves, 4));
    go_on(moves);
    for (uint64_t piv = 3; piv < 70; piv += piv == 3 ? 2 : 1) {
        ok(commit_all(f, moves, piv));
        assert_true(sends == AT_ONCE || piv == 64); /* then a counter's 0 is lost */
        assert_stored_but(moves, 0);
        go_on(moves);
    }
    assert_true(moves->contexts[0].before.window.bits == UINT64_MAX);
    assert_int_equal(number(f, "SELECT COUNT(*) FROM contexts WHERE top = 69 AND bits = -1"), MOVES);
    free(moves);
}

/* Into the outbox, too, or only there: it is numbered and written in the same round trip. */
static void test_what_goes_out(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    for (uint64_t piv = 3; piv < 5; piv++) {
        prepare_moves(moves, piv);
        moves->commit.way = piv == 3 ? READINGS_OUT : READINGS_BOTH;
        for (size_t i = 0; i < MOVES; i++)
            moves->contexts[i].name = "name";
        sends = 0;
        ok(call(f, commit, &moves->commit, f->now));
        assert_int_equal(sends, AT_ONCE);
        assert_stored_but(moves, 0);
        go_on(moves);
        assert_int_equal(number(f, "SELECT COUNT(*) FROM outbox"), (int64_t)piv - 2);
    }
    assert_int_equal(number(f, "SELECT SUM(points) FROM outbox"), 2 * MOVES);
    assert_int_equal(number(f, "SELECT MAX(n) - MIN(n) FROM outbox"),
                     1); /* the connection's first one leaps */
    assert_int_equal(number(f, "SELECT COUNT(*) FROM points WHERE piv = 3"), 0);
    assert_int_equal(number(f, "SELECT COUNT(*) FROM points WHERE piv = 4"), MOVES);
    free(moves);
}

/* ---- what is not as it was believed to be ---- */

/* The row stays, and so do its readings; the others go through all the same. */
static void test_one_of_them_differs(void **state)
{
    static const char *const changes[] = {
        "top = top + 1", "bits = bits ^ 4",        "lower = lower + 1",
        "proven = 0",    "closes_at = 1700000000", "closes_at = 1, top = top - 1",
    };
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);
    char sql[200], kept[200], row[200];

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        size_t odd = i % MOVES;
        uint64_t piv = 3 + i;
        snprintf(sql, sizeof(sql),
                 "CREATE TABLE kept SELECT * FROM contexts WHERE device = %d;"
                 " UPDATE contexts SET %s WHERE device = %d",
                 (int)moves->devices[odd], changes[i], (int)moves->devices[odd]);
        run_sql(f, sql);
        snprintf(sql, sizeof(sql),
                 "SELECT CONCAT_WS(' ', proven, closes_at, top, bits, lower, seen) FROM contexts WHERE "
                 "device = %d",
                 (int)moves->devices[odd]);
        f->kind->text(f, sql, kept, sizeof(kept));
        ok(commit_all(f, moves, piv));
        assert_int_equal(sends, STEP_BY_STEP);
        assert_stored_but(moves, 1u << odd);
        f->kind->text(f, sql, row, sizeof(row));
        assert_string_equal(row, kept);
        snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM points WHERE piv = %d", (int)piv);
        assert_int_equal(number(f, sql), MOVES - 1);
        run_sql(f, "REPLACE INTO contexts SELECT * FROM kept; DROP TABLE kept");
        go_on(moves);
        bulla_window_mark(&moves->contexts[odd].before.window, piv); /* a gap would be a loss: more to do */
        snprintf(sql, sizeof(sql), "UPDATE contexts SET top = %d, bits = %lld WHERE device = %d", (int)piv,
                 (long long)moves->contexts[odd].before.window.bits, (int)moves->devices[odd]);
        run_sql(f, sql);
    }
    free(moves);
}

/* A context whose time to close lies ahead moves. */
static void test_one_that_closes_later(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    run_sql(f, "UPDATE contexts SET closes_at = 1700000001");
    ok(commit_all(f, moves, 3));
    assert_int_equal(sends, AT_ONCE);
    assert_stored_but(moves, 0);
    free(moves);
}

/* Neither the row of a device that is gone comes back, nor is anything written under it. */
static void test_one_is_removed(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    ok(call(f, device_remove, moves->devices[1]));
    ok(commit_all(f, moves, 3));
    assert_int_equal(sends, STEP_BY_STEP);
    assert_stored_but(moves, 1u << 1);
    assert_int_equal(number(f, "SELECT COUNT(*) FROM contexts"), MOVES - 1);
    assert_int_equal(readings_of(f, "a", 3), 0);
    assert_int_equal(readings_of(f, "b", 3), 1);
    free(moves);
}

/* ---- what changes while it waits ---- */

/* Somebody holds rows in a transaction with these statements, and ends it while the batch waits for one. */
static int commit_behind(struct fixture *f, struct moves *moves, const char *const *sql, uint64_t piv)
{
    MYSQL *holder = connect_as_root(f);
    int status;

    execute(holder, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    execute(holder, "BEGIN");
    for (; *sql != NULL; sql++)
        execute(holder, *sql);
    if (fork() == 0) {
        await_lock(holder);
        execute(holder, "COMMIT");
        _exit(0);
    }
    int done = commit_all(f, moves, piv);
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    mysql_close(holder);
    return done;
}

static void test_revoked_meanwhile(void **state)
{
    static const char *const revoke[] = {
        "SELECT 1 FROM contexts WHERE device = (SELECT id FROM devices WHERE name = 'a') FOR UPDATE",
        "UPDATE devices SET revoked = 1 WHERE name = 'a'", NULL};
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    ok(commit_behind(f, moves, revoke, 3));
    assert_stored_but(moves, 1u << 1);
    assert_int_equal(readings_of(f, "a", 3), 0);
    assert_int_equal(readings_of(f, "b", 3), 1);
    free(moves);
}

static void test_moved_meanwhile(void **state)
{
    static const char *const move[] = {"UPDATE contexts SET top = top + 1 WHERE id_context = X''", NULL};
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    ok(commit_behind(f, moves, move, 3));
    assert_stored_but(moves, 1u << 0 | 1u << 2);
    assert_int_equal(readings_of(f, "c", 3) + readings_of(f, "d", 3), 0);
    assert_int_equal(readings_of(f, "a", 3) + readings_of(f, "b", 3), 2);
    free(moves);
}

/* A row that was only held, and did not change, moves. */
static void test_held_meanwhile(void **state)
{
    static const char *const hold[] = {"UPDATE contexts SET seen = seen + 1", NULL};
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    ok(commit_behind(f, moves, hold, 3));
    assert_int_equal(sends, AT_ONCE);
    assert_stored_but(moves, 0);
    assert_int_equal(number(f, "SELECT COUNT(*) FROM points WHERE piv = 3"), MOVES);
    free(moves);
}

/* Its ids of series are of no use then: they are found anew, and every reading has one. */
static void test_series_deleted_meanwhile(void **state)
{
    static const char *const delete[] = {"UPDATE numbers SET value = value + 1 WHERE name = 'series_gone'",
                                         "DELETE FROM points", "DELETE FROM series", NULL};
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);

    ok(commit_behind(f, moves, delete, 3));
    assert_int_equal(number(f, "SELECT COUNT(*) FROM points"), MOVES);
    assert_int_equal(number(f, "SELECT COUNT(*) FROM readings WHERE seq = 3"), MOVES);
    free(moves);
}

/* Another one that wants the same rows waits for the first of them: the batch has those before the one that
 * it waits for, and none behind it, in whatever order its messages came. */
static void test_rows_are_locked_in_their_order(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);
    MYSQL *holder = connect_as_root(f);
    char sql[160], got[64];

    execute(holder, "BEGIN");
    snprintf(sql, sizeof(sql), "UPDATE contexts FORCE INDEX (PRIMARY) SET nth = 7 WHERE device = %d",
             (int)moves->devices[1]); /* the third of four */
    execute(holder, sql);
    pid_t child = fork();
    if (child == 0) {
        (void)commit_moves(f, moves, 3);
        _exit(0);
    }
    await_lock(holder);
    f->kind->text(f,
                  "BEGIN; SELECT GROUP_CONCAT(device) FROM (SELECT device FROM contexts FORCE INDEX (PRIMARY)"
                  " ORDER BY device FOR UPDATE SKIP LOCKED) free; ROLLBACK",
                  got, sizeof(got));
    execute(holder, "ROLLBACK");
    mysql_close(holder);
    waitpid(child, NULL, 0);
    snprintf(sql, sizeof(sql), "%d", (int)moves->devices[0]);
    assert_string_equal(got, sql);
    free(moves);
}

/* ---- connections that are lost ---- */

/* What is there after a batch with a message `piv`: all of it, or nothing. */
static bool is_there(struct fixture *f, uint64_t piv)
{
    bool moved = number(f, "SELECT MAX(top) FROM contexts") == (int64_t)piv;

    assert_true(moved == (number(f, "SELECT MIN(top) FROM contexts") == (int64_t)piv));
    assert_int_equal(number(f, "SELECT COUNT(*) FROM points WHERE piv = (SELECT MAX(piv) FROM points)"),
                     MOVES);
    assert_true(moved == (number(f, "SELECT MAX(piv) FROM points") == (int64_t)piv));
    return moved;
}

/*
 * The connection is cut before anything is sent, before the first packet of the answer, before the second, …:
 * all of it is there, or nothing. The COMMIT is on its way with the rest, so it does not go on by itself;
 * what the gateway does then stores it once.
 */
static void test_every_lost_connection(void **state)
{
    struct fixture *f = *state;
    struct moves *moves = make_moves(f);
    int nothing = 0, all = 0, left = -1;
    int64_t generation;

    cut = f;
    for (uint64_t piv = 3; left < 0; piv++) {
        steps_left = (int)piv - 3;
        int result = commit_all(f, moves, piv);
        left = steps_left;
        steps_left = -1;
        wait_for_the_server(f);
        bool moved = is_there(f, piv);
        assert_true(moved || result != 0);
        assert_true((left < 0) == (result != 0));
        nothing += !moved;
        all += moved && result != 0;
        ok(call(f, generation, &generation)); /* a read, which goes on by itself */
        ok(commit_all(f, moves, piv));        /* the same once more, as it was believed to be */
        assert_stored_but(moves, moved ? (1u << MOVES) - 1 : 0);
        for (size_t i = 0; i < MOVES; i++)
            moves->contexts[i].before = moves->contexts[i].after;
        assert_true(is_there(f, piv));
    }
    assert_int_equal(nothing, 1); /* before anything is sent */
    assert_true(all > 10);
    print_message("%d cuts left nothing, %d all\n", nothing, all);
    free(moves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_one_round_trip),
        STORE_TEST(test_every_window),
        STORE_TEST(test_what_goes_out),
        STORE_TEST(test_one_of_them_differs),
        STORE_TEST(test_one_that_closes_later),
        STORE_TEST(test_one_is_removed),
        STORE_TEST(test_revoked_meanwhile),
        STORE_TEST(test_moved_meanwhile),
        STORE_TEST(test_held_meanwhile),
        STORE_TEST(test_series_deleted_meanwhile),
        STORE_TEST(test_rows_are_locked_in_their_order),
        STORE_TEST(test_every_lost_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
