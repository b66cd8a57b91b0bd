#include "cut_mysql.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int __real_mysql_send_query(MYSQL *conn, const char *sql, unsigned long len);
int __wrap_mysql_send_query(MYSQL *conn, const char *sql, unsigned long len);

struct fixture *cut;
int steps_left = -1;
int sends;
static unsigned long thread; /* the server's, of the connection that was cut last */

/* 1, or 0: whether it is there, and whether the condition holds. */
static int64_t count_thread(struct fixture *f, unsigned long id, const char *condition)
{
    char sql[128];

    snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM information_schema.processlist WHERE id = %lu%s", id,
             condition);
    return number(f, sql);
}

/* In the place of the connection comes one whose other end has said this, and is gone. */
static void replace(MYSQL *conn, const uint8_t *said, size_t len)
{
    int ends[2];

    thread = mysql_thread_id(conn);
    ok(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    assert_int_equal(write(ends[1], said, len), len);
    assert_true(dup2(ends[0], mysql_get_socket(conn)) >= 0);
    close(ends[0]);
    close(ends[1]);
    steps_left = -1;
}

/* Until the server is through with what it was sent: it has begun to answer, and waits for more. */
static void await_answer(MYSQL *conn)
{
    struct pollfd answer = {.fd = mysql_get_socket(conn), .events = POLLIN};

    while (poll(&answer, 1, 1000) == 0 ||
           count_thread(cut, mysql_thread_id(conn), " AND command != 'Sleep'") > 0)
        usleep(1000);
}

/* Of the answer comes what is before the cut: length in three bytes, a number, and so many bytes. */
static void cut_answer(MYSQL *conn)
{
    uint8_t bytes[65536];
    ssize_t len;
    size_t at = 0;

    await_answer(conn);
    len = recv(mysql_get_socket(conn), bytes, sizeof(bytes), MSG_PEEK);
    assert_in_range(len, 0, sizeof(bytes) - 1);
    for (; at < (size_t)len && steps_left > 0; steps_left--)
        at += 4 + (bytes[at] | (size_t)bytes[at + 1] << 8 | (size_t)bytes[at + 2] << 16);
    if (at < (size_t)len)
        replace(conn, bytes, at);
}

int __wrap_mysql_send_query(MYSQL *conn, const char *sql, unsigned long len)
{
    int result;

    sends++;
    if (steps_left == 0)
        replace(conn, NULL, 0);
    result = __real_mysql_send_query(conn, sql, len);
    if (result == 0 && steps_left-- > 0)
        cut_answer(conn);
    return result;
}

void wait_for_the_server(struct fixture *f)
{
    while (count_thread(f, thread, "") > 0)
        usleep(1000);
}

MYSQL *connect_as_root(struct fixture *f)
{
    MYSQL *conn = mysql_init(NULL);

    assert_non_null(mysql_real_connect(conn, "localhost", "root", "", f->folder, 0,
                                       strstr(f->path, "?socket=") + strlen("?socket="), 0));
    return conn;
}

void execute(MYSQL *conn, const char *sql)
{
    if (mysql_query(conn, sql) != 0)
        fprintf(stderr, "%s: %s\n", sql, mysql_error(conn));
    assert_int_equal(mysql_errno(conn), 0);
    mysql_free_result(mysql_store_result(conn));
}

void await_lock(MYSQL *conn)
{
    bool waits = false;

    while (!waits) {
        assert_int_equal(mysql_query(conn, "SELECT variable_value > 0 FROM information_schema.global_status"
                                           " WHERE variable_name = 'Innodb_row_lock_current_waits'"),
                         0);
        MYSQL_RES *rows = mysql_store_result(conn);
        waits = mysql_fetch_row(rows)[0][0] == '1';
        mysql_free_result(rows);
    }
}
