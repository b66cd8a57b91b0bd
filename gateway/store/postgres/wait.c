/*
 * Waiting for the server, for a bounded time: a server that is paused, or a line that is cut, keeps its
 * connections open and says nothing, and libpq would wait for ever.
 */
#include "gateway/store/postgres/postgres.h"

#include <errno.h>
#include <poll.h>

#include <openssl/ssl.h>

/* Whether bytes wait that were decrypted already: the socket does not tell of them. */
static bool has_decrypted(PGconn *conn)
{
    SSL *ssl = PQsslStruct(conn, "OpenSSL");

    return ssl != NULL && SSL_pending(ssl) > 0;
}

/* Waits until something can be read, or written if something is to be; 0 nothing happened in that time. */
static int wait_for_socket(PGconn *conn, bool writing, int64_t patience)
{
    struct pollfd socket = {.fd = PQsocket(conn), .events = (short)(POLLIN | (writing ? POLLOUT : 0))};
    int64_t until = store_milliseconds() + patience;
    int ready;

    if (has_decrypted(conn))
        return 1;
    for (;;) {
        int64_t left = until - store_milliseconds();
        ready = poll(&socket, 1, patience < 0 ? -1 : left > 0 ? (int)left : 0);
        if (ready >= 0 || errno != EINTR)
            return ready; /* an error is one that reading finds, too */
    }
}

/* Everything is sent, and a result is there: PQgetResult() comes back at once. -1: the server was silent for
 * so long. */
static int await(PGconn *conn, int64_t patience)
{
    for (;;) {
        int unsent = PQflush(conn); /* -1: the connection is gone, as the result says */
        if (unsent <= 0 && !PQisBusy(conn))
            return 0;
        if (wait_for_socket(conn, unsent > 0, patience) == 0)
            return -1;
        if (PQconsumeInput(conn) == 0) /* the same */
            return 0;
    }
}

PGresult *postgres_result(struct postgres *pg, int64_t patience)
{
    if (pg->conn == NULL)
        return NULL;
    if (store_is_alone(pg->mode)) /* no gateway waits for it, and it may have much to do */
        patience = PG_FOR_EVER;
    if (await(pg->conn, patience) == 0)
        return PQgetResult(pg->conn);
    pg->is_silent = true;
    PQfinish(pg->conn);
    pg->conn = NULL;
    return NULL;
}

PGresult *postgres_last_result(struct postgres *pg, bool sent, int64_t patience)
{
    PGresult *last = NULL;
    PGresult *next;

    while (sent && (next = postgres_result(pg, patience)) != NULL) {
        PQclear(last);
        last = next;
    }
    if (pg->conn == NULL) {
        PQclear(last);
        last = NULL;
    }
    return last;
}

PGresult *postgres_execute(struct postgres *pg, const char *sql, int64_t patience)
{
    return postgres_last_result(pg, PQsendQuery(pg->conn, sql) == 1, patience);
}
