/*
 * PostgreSQL: a schema of its own in the database that BULLA_TEST_POSTGRES names. tests/system/postgres.py
 * starts a server for a command, and sets it.
 */
#include "store_fixture.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *server_url(void)
{
    const char *url = getenv("BULLA_TEST_POSTGRES");

    if (url == NULL) {
        fprintf(stderr, "BULLA_TEST_POSTGRES is not set: run it by tests/system/postgres.py\n");
        abort();
    }
    return url;
}

static PGconn *connect_to(const char *url)
{
    PGconn *conn = PQconnectdb(url);

    if (PQstatus(conn) != CONNECTION_OK)
        fprintf(stderr, "%s\n", PQerrorMessage(conn));
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    return conn;
}

/* The first value of the last statement, or "". */
static void execute(const char *url, const char *sql, char *out, size_t size)
{
    PGconn *conn = connect_to(url);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);

    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fprintf(stderr, "%s: %s\n", sql, PQerrorMessage(conn));
    assert_true(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK);
    snprintf(out, size, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
}

static void make(struct fixture *f)
{
    static unsigned count;
    char sql[96], unused[8];

    snprintf(f->folder, sizeof(f->folder), "t_%ld_%u", (long)getpid(), count++);
    snprintf(sql, sizeof(sql), "CREATE SCHEMA %s", f->folder);
    execute(server_url(), sql, unused, sizeof(unused));
    snprintf(f->path, sizeof(f->path), "%s&options=-csearch_path%%3D%s", server_url(), f->folder);
}

static int open_url(struct fixture *f, enum store_open_mode mode, struct store **store)
{
    return store_open(store, f->path, mode, &f->failure);
}

static void clear(struct fixture *f)
{
    char sql[128], unused[8];

    snprintf(sql, sizeof(sql), "SET client_min_messages = error; DROP SCHEMA %s CASCADE", f->folder);
    execute(server_url(), sql, unused, sizeof(unused));
}

static void run(struct fixture *f, const char *sql)
{
    char unused[8];

    execute(f->path, sql, unused, sizeof(unused));
}

static void read_text(struct fixture *f, const char *sql, char *out, size_t size)
{
    execute(f->path, sql, out, size);
}

static int64_t read_number(struct fixture *f, const char *sql)
{
    char text[32];

    execute(f->path, sql, text, sizeof(text));
    return strtoll(text, NULL, 10);
}

const struct store_kind store_kind_postgres = {
    .name = "postgres",
    .make = make,
    .open = open_url,
    .clear = clear,
    .run_sql = run,
    .number = read_number,
    .text = read_text,
};
