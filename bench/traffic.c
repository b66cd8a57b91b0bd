#include "bench/traffic.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define EVENTS    512
#define PATIENCE  20000 /* milliseconds without any answer */
#define RESPONSE  1024  /* bytes of a response, header and body */
#define SECOND_NS 1000000000u

struct connection {
    int fd;
    struct exchange *exchange; /* under way, or NULL */
    uint64_t begun;
    size_t have;
    char response[RESPONSE];
};

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* ---- opening ---- */

int traffic_address(struct sockaddr_in *address, const char *text, struct failure *failure)
{
    char host[64];
    const char *at = strncmp(text, "http://", 7) == 0 ? text + 7 : text;
    size_t len = strcspn(at, ":/");

    memset(address, 0, sizeof(*address));
    address->sin_family = AF_INET;
    if (len < sizeof(host) && at[len] == ':') {
        memcpy(host, at, len);
        host[len] = '\0';
        address->sin_port = htons((uint16_t)strtoul(at + len + 1, NULL, 10));
        if (inet_pton(AF_INET, host, &address->sin_addr) == 1 && address->sin_port != 0)
            return 0;
    }
    return fail(failure, "%.80s: give an IPv4 address and a port, as in 127.0.0.1:8620", text);
}

static int connect_one(struct traffic *traffic, struct connection *connection,
                       const struct sockaddr_in *address)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int on = 1;

    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || connect(connection->fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return -1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return epoll_ctl(traffic->epoll, EPOLL_CTL_ADD, connection->fd, &event);
}

int traffic_open(struct traffic *traffic, const struct sockaddr_in *address, unsigned connections,
                 struct failure *failure)
{
    memset(traffic, 0, sizeof(*traffic));
    traffic->epoll = epoll_create1(EPOLL_CLOEXEC);
    traffic->connections = calloc(connections, sizeof(*traffic->connections));
    if (traffic->epoll < 0 || traffic->connections == NULL)
        return fail(failure, "cannot open %u connections: %s", connections, strerror(errno));
    while (traffic->count < connections) {
        if (connect_one(traffic, &traffic->connections[traffic->count++], address) < 0)
            return fail(failure, "cannot connect to port %u: %s", ntohs(address->sin_port), strerror(errno));
    }
    return 0;
}

void traffic_close(struct traffic *traffic)
{
    for (unsigned i = 0; i < traffic->count; i++) {
        if (traffic->connections[i].fd >= 0)
            close(traffic->connections[i].fd);
    }
    if (traffic->epoll >= 0)
        close(traffic->epoll);
    free(traffic->connections);
    memset(traffic, 0, sizeof(*traffic));
    traffic->epoll = -1;
}

/* ---- one exchange ---- */

static int begin(struct traffic *traffic, struct connection *connection, struct exchange *exchange,
                 uint64_t now)
{
    connection->exchange = exchange;
    connection->begun = now;
    connection->have = 0;
    traffic->in_flight++;
    return send(connection->fd, exchange->request, exchange->request_len, MSG_NOSIGNAL) ==
                   (ssize_t)exchange->request_len
               ? 0
               : -1;
}

/* Bytes of the body that a header announces. */
static size_t announced(const char *header)
{
    static const char name[] = "\r\nContent-Length:";
    const char *at = strstr(header, name); /* as libmicrohttpd writes it */

    if (at == NULL)
        at = strcasestr(header, name);
    return at != NULL ? strtoul(at + sizeof(name) - 1, NULL, 10) : 0;
}

/* Reads what there is. 1: the response is complete; 0: not yet; -1: the connection is gone, or it is no HTTP.
 */
static int receive(struct connection *connection)
{
    char *response = connection->response;
    ssize_t got =
        recv(connection->fd, response + connection->have, RESPONSE - 1 - connection->have, MSG_DONTWAIT);
    struct exchange *exchange = connection->exchange;
    const char *body;
    size_t len;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0 || exchange == NULL)
        return -1;
    connection->have += (size_t)got;
    response[connection->have] = '\0';
    body = memmem(response, connection->have, "\r\n\r\n", 4);
    if (body == NULL)
        return connection->have < RESPONSE - 1 ? 0 : -1;
    body += 4;
    len = announced(response);
    if (len > EXCHANGE_REPLY_MAX || (size_t)(body - response) + len < connection->have)
        return -1;
    if ((size_t)(body - response) + len > connection->have)
        return 0;
    exchange->status = (uint16_t)strtoul(response + 9, NULL, 10); /* behind "HTTP/1.1 " */
    exchange->reply_len = (uint16_t)len;
    memcpy(exchange->reply, body, len);
    return 1;
}

/* ---- all of them ---- */

static int on_readable(struct traffic *traffic, struct connection *connection, struct exchange *exchanges,
                       size_t count)
{
    int complete = receive(connection);
    uint64_t now;
    uint64_t took;

    if (complete <= 0)
        return complete;
    now = nanoseconds(CLOCK_MONOTONIC);
    took = now - connection->begun;
    connection->exchange->latency = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
    connection->exchange = NULL;
    traffic->in_flight--;
    if (traffic->next >= count)
        return 0;
    return begin(traffic, connection, &exchanges[traffic->next++], now);
}

static int wait_and_serve(struct traffic *traffic, struct exchange *exchanges, size_t count,
                          struct failure *failure)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(traffic->epoll, events, EVENTS, PATIENCE);

    if (ready == 0)
        return fail(failure, "no answer within %d seconds; %zu requests wait", PATIENCE / 1000,
                    traffic->in_flight);
    if (ready < 0 && errno != EINTR)
        return fail(failure, "epoll: %s", strerror(errno));
    for (int i = 0; i < ready; i++) {
        if (on_readable(traffic, events[i].data.ptr, exchanges, count) < 0)
            return fail(failure, "a connection was closed, or what came was no answer, after %zu requests",
                        traffic->next);
    }
    return 0;
}

int traffic_run(struct traffic *traffic, struct exchange *exchanges, size_t count, double seconds,
                struct failure *failure)
{
    uint64_t processor = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t begun = nanoseconds(CLOCK_MONOTONIC);
    uint64_t until = seconds > 0 ? begun + (uint64_t)(seconds * SECOND_NS) : UINT64_MAX;

    traffic->next = 0;
    traffic->in_flight = 0;
    for (unsigned i = 0; i < traffic->count && traffic->next < count; i++) {
        if (begin(traffic, &traffic->connections[i], &exchanges[traffic->next++],
                  nanoseconds(CLOCK_MONOTONIC)) < 0)
            return fail(failure, "a connection was closed before it was used");
    }
    while (traffic->in_flight > 0) {
        if (nanoseconds(CLOCK_MONOTONIC) >= until)
            count = traffic->next;
        if (wait_and_serve(traffic, exchanges, count, failure) < 0)
            return -1;
    }
    traffic->done = traffic->next;
    traffic->begun = begun;
    traffic->span = nanoseconds(CLOCK_MONOTONIC) - begun;
    traffic->processor = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - processor;
    return 0;
}

/* ---- as a way ---- */

static int write_head(char *out, size_t room, size_t message_len)
{
    int len = snprintf(out, room,
                       "POST /d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/cose\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       message_len);

    return len < 0 || (size_t)len >= room ? -1 : len;
}

static int run(void *context, struct exchange *exchanges, size_t count, struct failure *failure)
{
    return traffic_run(context, exchanges, count, 0, failure);
}

struct way traffic_way(struct traffic *traffic)
{
    return (struct way){.head = write_head, .run = run, .context = traffic};
}
