#include "gateway/http.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#define BACKLOG           1024
#define HOST_SIZE         256  /* bytes of a name, with its zero */
#define REQUEST_SECONDS   10   /* a request may take, from when an idle connection would have been closed */
#define SWEEP_EVERY       1000 /* milliseconds */
#define CONNECTION_MEMORY 6144 /* bytes a connection may take: a request's header must fit in */

/* ---- the listening socket ---- */

/* getaddrinfo() would take 99999 for 34463. */
static bool is_port(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text) && strtoul(text, NULL, 10) <= 65535;
}

/* Splits HOST:PORT or [HOST]:PORT. Returns 0 or -1. */
static int split(const char *listen_on, char *host, size_t host_size, const char **port)
{
    const char *colon = strrchr(listen_on, ':');
    size_t len;

    if (colon == NULL || !is_port(colon + 1))
        return -1;
    *port = colon + 1;
    len = (size_t)(colon - listen_on);
    if (len >= 2 && listen_on[0] == '[' && listen_on[len - 1] == ']') {
        listen_on++;
        len -= 2;
    } else if (memchr(listen_on, ':', len) != NULL) {
        return -1; /* an IPv6 address without brackets */
    }
    if (len >= host_size)
        return -1;
    memcpy(host, listen_on, len);
    host[len] = '\0';
    return 0;
}

bool http_is_address(const char *listen_on)
{
    char host[HOST_SIZE];
    const char *port;

    return split(listen_on, host, sizeof(host), &port) == 0;
}

static int bind_one(const struct addrinfo *address)
{
    int off = 0;
    int on = 1;
    int listener = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (listener < 0)
        return -1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->ai_family == AF_INET6) /* [::] serves both families */
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(listener, address->ai_addr, address->ai_addrlen) < 0 || listen(listener, BACKLOG) < 0) {
        int error = errno;
        close(listener);
        errno = error;
        return -1;
    }
    return listener;
}

/* Where the listener can be reached from this machine, as a URL has it. */
static void name_address(int listener, char *out, size_t size)
{
    struct sockaddr_storage storage = {0};
    socklen_t len = sizeof(storage);
    char text[INET6_ADDRSTRLEN] = "";

    getsockname(listener, (struct sockaddr *)&storage, &len);
    if (storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&storage;
        inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
        if (IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
            snprintf(out, size, "127.0.0.1:%u", ntohs(in6->sin6_port));
        else
            snprintf(out, size, "[%s]:%u", text, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&storage;
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
        snprintf(out, size, "%s:%u", in->sin_addr.s_addr == INADDR_ANY ? "127.0.0.1" : text,
                 ntohs(in->sin_port));
    }
}

static const char *advice(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "; is another gateway running? Choose another port, or 0 for any";
    case EACCES:
        return "; a port below 1024 is root's: start it as root with --user NAME, or choose another port";
    case EADDRNOTAVAIL:
        return "; this host has no such address";
    default:
        return "";
    }
}

static int bind_listener(const char *listen_on, struct failure *failure)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char host[HOST_SIZE];
    const char *port;
    int listener = -1;
    int error;

    if (split(listen_on, host, sizeof(host), &port) < 0)
        return fail(failure, "cannot listen on \"%s\": give HOST:PORT, or [HOST]:PORT for IPv6", listen_on);
    if (host[0] == '\0')
        strcpy(host, "::");
    error = getaddrinfo(host, port, &hints, &found);
    if (error != 0)
        return fail(failure, "cannot listen on %s: %s", listen_on, gai_strerror(error));
    for (const struct addrinfo *at = found; at != NULL && listener < 0; at = at->ai_next)
        listener = bind_one(at);
    error = errno;
    freeaddrinfo(found);
    if (listener < 0 && strcmp(host, "::") == 0 && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL)) {
        struct sockaddr_in any = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
        struct addrinfo ipv4 = {
            .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&any, .ai_addrlen = sizeof(any)};
        listener = bind_one(&ipv4); /* a machine without IPv6 */
        error = errno;
    }
    if (listener < 0)
        return fail(failure, "cannot listen on %s: %s%s", listen_on, strerror(error), advice(error));
    return listener;
}

/* ---- the daemon on the loop ---- */

static void on_timer(uv_timer_t *timer)
{
    http_run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    http_run(poll->data);
}

void http_run(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG timeout;
    unsigned before;

    if (http->closing)
        return;
    do { /* once more where connections ended: a daemon at its limit begins to accept again only then */
        before = http->connections;
        MHD_run(http->daemon);
        http->connections = http_connections(http);
    } while (http->connections < before);
    if (MHD_get_timeout(http->daemon, &timeout) == MHD_YES)
        uv_timer_start(&http->timer, on_timer, timeout, 0);
    else
        uv_timer_stop(&http->timer);
}

/* What the server complains of is mostly what clients do wrong. Anybody can cause it: it is for debugging. */
__attribute__((format(printf, 2, 0))) static void on_complaint(void *context, const char *format,
                                                               va_list arguments)
{
    struct log *log = context;
    char text[256];
    char quoted[2 * sizeof(text)];

    if (log == NULL || !log_wants(log, LOG_LEVEL_DEBUG))
        return;
    vsnprintf(text, sizeof(text), format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_line(log, LOG_LEVEL_DEBUG, "http", "detail=%s", log_quote(quoted, sizeof(quoted), text));
}

/* ---- connections that take too long: libmicrohttpd's time-out begins anew with every byte ---- */

static void connection_unlink(struct http *http, struct http_connection *at)
{
    *(at->older != NULL ? &at->older->newer : &http->oldest) = at->newer;
    *(at->newer != NULL ? &at->newer->older : &http->newest) = at->older;
}

static void connection_push(struct http *http, struct http_connection *at)
{
    at->since = uv_now(http->sweep.loop);
    at->newer = NULL;
    at->older = http->newest;
    *(http->newest != NULL ? &http->newest->newer : &http->oldest) = at;
    http->newest = at;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = context;
    struct http_connection *at = *state;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        at = calloc(1, sizeof(*at));
        *state = at;
        if (at == NULL) /* without memory it has only the other time-out */
            return;
        at->connection = connection;
        connection_push(http, at);
    } else if (at != NULL) {
        connection_unlink(http, at);
        free(at);
        *state = NULL;
    }
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct http *http = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_connection *at = info != NULL ? info->socket_context : NULL;

    if (http->completed != NULL)
        http->completed(http->context, connection, state, why);
    if (at != NULL) {
        connection_unlink(http, at);
        connection_push(http, at);
    }
}

/* Cuts the connections that have completed no request for so long; the server then sees their end. */
static void on_sweep(uv_timer_t *sweep)
{
    struct http *http = sweep->data;
    uint64_t now = uv_now(sweep->loop);

    while (http->oldest != NULL && now - http->oldest->since > http->patience) {
        struct http_connection *at = http->oldest;
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(at->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (info != NULL)
            shutdown(info->connect_fd, SHUT_RDWR);
        connection_unlink(http, at);
        connection_push(http, at);
    }
}

/* Paths are given as they came: libmicrohttpd would take a % that escapes nothing, and cut at %00. */
static size_t keep_escaped(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct http *http, const struct http_options *options)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG;

    if (options->suspends)
        flags |= MHD_ALLOW_SUSPEND_RESUME;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, options->handle, options->context, MHD_OPTION_EXTERNAL_LOGGER, on_complaint,
        options->log, MHD_OPTION_LISTEN_SOCKET, http->listener, MHD_OPTION_CONNECTION_LIMIT,
        options->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escaped, NULL, MHD_OPTION_END);
}

int http_open(struct http *http, uv_loop_t *loop, const struct http_options *options, struct failure *failure)
{
    const union MHD_DaemonInfo *info;

    memset(http, 0, sizeof(*http));
    http->listener = bind_listener(options->listen, failure);
    if (http->listener < 0)
        return -1;
    name_address(http->listener, http->address, sizeof(http->address));
    http->completed = options->completed;
    http->context = options->context;
    http->patience = ((uint64_t)options->idle_seconds + REQUEST_SECONDS) * 1000;
    http->daemon = start_daemon(http, options);
    if (http->daemon == NULL) {
        close(http->listener);
        return fail(failure, "cannot start the HTTP server on %s: %s", options->listen, strerror(errno));
    }
    info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_poll_init(loop, &http->poll, info->epoll_fd);
    uv_timer_init(loop, &http->timer);
    uv_timer_init(loop, &http->sweep);
    uv_timer_start(&http->sweep, on_sweep, SWEEP_EVERY, SWEEP_EVERY);
    http->sweep.data = http;
    http->poll.data = http;
    http->timer.data = http;
    uv_poll_start(&http->poll, UV_READABLE, on_poll);
    return 0;
}

void http_quiesce(struct http *http)
{
    MHD_socket listener = MHD_quiesce_daemon(http->daemon);

    if (listener != MHD_INVALID_SOCKET)
        close(listener);
}

void http_close(struct http *http)
{
    http->closing = true;
    uv_close((uv_handle_t *)&http->poll, NULL);
    uv_close((uv_handle_t *)&http->timer, NULL);
    uv_close((uv_handle_t *)&http->sweep, NULL);
    MHD_stop_daemon(http->daemon);
}

unsigned http_connections(const struct http *http)
{
    return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

void http_peer(struct MHD_Connection *connection, char *out, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
    char text[INET6_ADDRSTRLEN] = "?";

    if (address != NULL && address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof(text));
    } else if (address != NULL && address->sa_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(in6))
            inet_ntop(AF_INET, in6->s6_addr + 12, text, sizeof(text));
        else
            inet_ntop(AF_INET6, in6, text, sizeof(text));
    }
    snprintf(out, size, "%s", text);
}
