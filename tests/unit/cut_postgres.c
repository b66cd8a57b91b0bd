#include "cut_postgres.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int __real_PQisBusy(PGconn *conn);
int __wrap_PQisBusy(PGconn *conn);

int messages_left = -1;
static int process; /* the server's, of the connection that was cut last; 0: none was */

/* In the place of the connection comes one whose other end has said this, and is gone. */
static void replace(PGconn *conn, const char *said, size_t len)
{
    int ends[2];

    process = PQbackendPID(conn);
    ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
    assert_int_equal(write(ends[1], said, len), len);
    close(ends[1]);
    assert_true(dup2(ends[0], PQsocket(conn)) >= 0);
    close(ends[0]);
}

void cut_connection(PGconn *conn)
{
    replace(conn, "", 0);
}

/* The answer to all that was sent ends with the message ReadyForQuery; a server that goes says none. */
static size_t look_at_answer(PGconn *conn, char *bytes, size_t size)
{
    static const char ready[] = {'Z', 0, 0, 0, 5};
    ssize_t len;

    do {
        usleep(200);
        len = recv(PQsocket(conn), bytes, size, MSG_PEEK | MSG_DONTWAIT);
        assert_true(len < (ssize_t)size);
    } while (len < 0 || (len > 0 && (len < 6 || memcmp(bytes + len - 6, ready, sizeof(ready)) != 0)));
    return (size_t)len;
}

/* How many bytes of the answer have arrived before the cut. */
static size_t until_cut(const char *bytes, size_t len)
{
    size_t at = 0;

    for (; at < len && messages_left > 0; messages_left--) {
        uint32_t rest;
        memcpy(&rest, bytes + at + 1, sizeof(rest));
        at += 1 + ntohl(rest);
    }
    return at;
}

/* The gateway asks this when it has sent everything, before it waits for the answer. */
int __wrap_PQisBusy(PGconn *conn)
{
    char bytes[65536];
    int busy = __real_PQisBusy(conn);

    if (busy && messages_left >= 0 && PQsocket(conn) >= 0) {
        size_t len = look_at_answer(conn, bytes, sizeof(bytes));
        size_t kept = until_cut(bytes, len);
        if (kept < len)
            replace(conn, bytes, kept);
        messages_left -= kept < len;
    }
    return busy;
}

void await_cut(struct fixture *f)
{
    char sql[80];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_stat_activity WHERE pid = %d", process);
    while (number(f, sql) > 0)
        usleep(1000);
}

void end_when_waited_for(PGconn *holder)
{
    bool is_waited_for = false;

    while (!is_waited_for) {
        PGresult *result = PQexec(holder, "SELECT 1 FROM pg_locks WHERE NOT granted");
        is_waited_for = PQntuples(result) > 0;
        PQclear(result);
    }
    _exit(PQresultStatus(PQexec(holder, "COMMIT")) != PGRES_COMMAND_OK);
}
