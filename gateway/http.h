/*
 * An HTTP listener on the event loop: libmicrohttpd in external epoll mode. Its own threads, with suspended
 * connections, stall at a hundred of them; driven from here it does not.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include <microhttpd.h>
#include <uv.h>

#include "gateway/failure.h"
#include "gateway/log.h"

struct http_options {
    const char *listen; /* HOST:PORT or [HOST]:PORT; port 0 picks one */
    unsigned max_connections;
    unsigned idle_seconds;
    bool suspends; /* requests wait for the store */
    MHD_AccessHandlerCallback handle;
    MHD_RequestCompletedCallback completed; /* or NULL */
    void *context;                          /* of both */
    struct log *log;                        /* or NULL: what the server itself complains of is not said */
};

/* A connection, in the order of its last completed request (or of its beginning). */
struct http_connection {
    struct http_connection *older;
    struct http_connection *newer;
    struct MHD_Connection *connection;
    uint64_t since; /* milliseconds of the loop's clock */
};

struct http {
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_timer_t sweep;
    struct http_connection *oldest;
    struct http_connection *newest;
    uint64_t patience; /* milliseconds in which a connection has to complete a request */
    MHD_RequestCompletedCallback completed;
    void *context; /* of completed */
    bool closing;
    unsigned connections; /* as http_run() left them */
    int listener;
    char address[80]; /* as it goes into a URL: 127.0.0.1:8620, [::1]:8620 */
};

/* Whether a text has the form of `listen`; its host is not looked up. */
bool http_is_address(const char *listen_on);

/* Binds and begins to serve. Returns 0, or -1 with the failure and nothing open. */
MUST_CHECK int http_open(struct http *http, uv_loop_t *loop, const struct http_options *options,
                         struct failure *failure);

/* Lets the daemon do what there is to do. After connections were resumed, and whenever its descriptor is
 * ready. */
void http_run(struct http *http);

/* Stops accepting connections. */
void http_quiesce(struct http *http);

/* Closes all connections; none may be suspended. The loop must run once more before the struct goes. */
void http_close(struct http *http);

/* How many connections are open. */
unsigned http_connections(const struct http *http);

/* "192.0.2.7" or "2001:db8::1" of a connection's other end. */
void http_peer(struct MHD_Connection *connection, char *out, size_t size);

#endif
