/*
 * MariaDB: a database of its own on the server that BULLA_TEST_MYSQL names. tests/system/mariadb.py starts a
 * server for a command, and sets it.
 */
#include "store_fixture.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* mysql://bulla@/bulla?socket=PATH: where the socket's path begins. */
static const char *socket_of_server(void)
{
    const char *url = getenv("BULLA_TEST_MYSQL");
    const char *socket = url == NULL ? NULL : strstr(url, "?socket=");

    if (socket == NULL) {
        fprintf(stderr, "BULLA_TEST_MYSQL is not set: run it by tests/system/mariadb.py\n");
        abort();
    }
    return socket + strlen("?socket=");
}

/* The first value of a statement, or "". */
static void execute(const char *database, const char *sql, char *out, size_t size)
{
    MYSQL *conn = mysql_init(NULL);

    assert_non_null(conn);
    if (mysql_real_connect(conn, "localhost", "root", "", database, 0, socket_of_server(),
                           CLIENT_MULTI_STATEMENTS) == NULL ||
        mysql_query(conn, "SET sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00'") != 0 ||
        mysql_query(conn, sql) != 0)
        fprintf(stderr, "%s: %s\n", sql, mysql_error(conn));
    assert_int_equal(mysql_errno(conn), 0);
    out[0] = '\0';
    do {
        MYSQL_RES *rows = mysql_store_result(conn);
        MYSQL_ROW row = rows == NULL ? NULL : mysql_fetch_row(rows);
        if (row != NULL)
            snprintf(out, size, "%s", row[0] == NULL ? "" : row[0]);
        mysql_free_result(rows);
    } while (mysql_next_result(conn) == 0);
    assert_int_equal(mysql_errno(conn), 0);
    mysql_close(conn);
}

static void make(struct fixture *f)
{
    static unsigned count;
    char sql[96], unused[8];

    snprintf(f->folder, sizeof(f->folder), "t_%ld_%u", (long)getpid(), count++);
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", f->folder);
    execute(NULL, sql, unused, sizeof(unused));
    snprintf(f->path, sizeof(f->path), "mysql://bulla@/%s?socket=%s", f->folder, socket_of_server());
}

static int open_url(struct fixture *f, enum store_open_mode mode, struct store **store)
{
    return store_open(store, f->path, mode, &f->failure);
}

static void clear(struct fixture *f)
{
    char sql[128], unused[8];

    snprintf(sql, sizeof(sql), "DROP DATABASE %s", f->folder);
    execute(NULL, sql, unused, sizeof(unused));
}

static void run(struct fixture *f, const char *sql)
{
    char unused[8];

    execute(f->folder, sql, unused, sizeof(unused));
}

static void read_text(struct fixture *f, const char *sql, char *out, size_t size)
{
    execute(f->folder, sql, out, size);
}

static int64_t read_number(struct fixture *f, const char *sql)
{
    char text[32];

    execute(f->folder, sql, text, sizeof(text));
    return strtoll(text, NULL, 10);
}

const struct store_kind store_kind_mysql = {
    .name = "mysql",
    .make = make,
    .open = open_url,
    .clear = clear,
    .run_sql = run,
    .number = read_number,
    .text = read_text,
};
