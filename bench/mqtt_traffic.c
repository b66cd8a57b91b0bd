#include "bench/mqtt_traffic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "bench/mqtt_wire.h"

#define EVENTS    512
#define PATIENCE  20000 /* milliseconds without anything from the broker */
#define BUFFER    65536 /* bytes that a connection reads at a time */
#define OUT       32768 /* bytes that it writes at a time */
#define NAME      32    /* bytes of a topic */
#define NONE      UINT32_MAX
#define SECOND_NS 1000000000u

struct mqtt_device {
    char up[NAME];
    char down[NAME];
    uint32_t current; /* exchange that is under way, or NONE */
    uint32_t next;    /* exchange that follows, or NONE */
    uint64_t begun;
    bool acknowledged;
    bool replied;
};

struct mqtt_connection {
    int fd;
    size_t in_len;
    size_t out_len;
    uint8_t *in;  /* BUFFER */
    uint8_t *out; /* OUT */
};

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static unsigned number_of(const struct mqtt_traffic *traffic, const struct mqtt_connection *connection)
{
    return (unsigned)(connection - traffic->connections);
}

/* ---- opening ---- */

static void name_device(struct mqtt_device *device, const char *prefix, const struct bulla *bulla)
{
    char kid[2 * BULLA_KID_MAX + 1] = "";

    for (size_t i = 0; i < bulla->own.kid_len; i++)
        snprintf(kid + 2 * i, 3, "%02x", bulla->own.kid[i]);
    snprintf(device->up, sizeof(device->up), "%.8s/%s/up", prefix, kid);
    snprintf(device->down, sizeof(device->down), "%.8s/%s/down", prefix, kid);
    device->current = device->next = NONE;
}

/* Waits for one packet of a type, on a connection on which nothing else happens. */
static int await(struct mqtt_connection *connection, unsigned type)
{
    struct wire_packet packet;
    size_t size;

    while ((size = wire_read(&packet, connection->in, connection->in_len)) == 0) {
        ssize_t got =
            recv(connection->fd, connection->in + connection->in_len, BUFFER - connection->in_len, 0);
        if (got <= 0)
            return -1;
        connection->in_len += (size_t)got;
    }
    if (size == SIZE_MAX)
        return -1;
    memmove(connection->in, connection->in + size, connection->in_len - size);
    connection->in_len -= size;
    return packet.type == type && packet.code < 128 ? 0 : -1;
}

static int flush(struct mqtt_connection *connection)
{
    size_t len = connection->out_len;

    connection->out_len = 0;
    return len == 0 || send(connection->fd, connection->out, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

static int introduce(struct mqtt_traffic *traffic, struct mqtt_connection *connection)
{
    unsigned number = number_of(traffic, connection);
    char id[32];

    snprintf(id, sizeof(id), "load-%u-%u", (unsigned)getpid(), number);
    connection->out_len = wire_connect(connection->out, OUT, id, 65535);
    if (flush(connection) < 0 || await(connection, WIRE_CONNACK) < 0)
        return -1;
    for (unsigned i = number; i < traffic->device_count; i += traffic->count) {
        connection->out_len = wire_subscribe(connection->out, OUT, 1, traffic->devices[i].down, 1);
        if (flush(connection) < 0 || await(connection, WIRE_SUBACK) < 0)
            return -1;
    }
    return 0;
}

static int open_one(struct mqtt_traffic *traffic, struct mqtt_connection *connection,
                    const struct sockaddr_in *address)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    struct timeval patience = {.tv_sec = PATIENCE / 1000};
    int on = 1;

    connection->in = malloc(BUFFER);
    connection->out = malloc(OUT);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->in == NULL || connection->out == NULL || connection->fd < 0 ||
        connect(connection->fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return -1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (introduce(traffic, connection) < 0)
        return -1;
    return epoll_ctl(traffic->epoll, EPOLL_CTL_ADD, connection->fd, &event);
}

int mqtt_traffic_open(struct mqtt_traffic *traffic, const struct sockaddr_in *address, const char *prefix,
                      const struct fleet *fleet, unsigned connections, struct failure *failure)
{
    memset(traffic, 0, sizeof(*traffic));
    traffic->prefix = prefix;
    traffic->epoll = epoll_create1(EPOLL_CLOEXEC);
    traffic->count = connections < fleet->count ? connections : (unsigned)fleet->count;
    traffic->connections = calloc(traffic->count, sizeof(*traffic->connections));
    traffic->devices = calloc(fleet->count, sizeof(*traffic->devices));
    if (traffic->epoll < 0 || traffic->connections == NULL || traffic->devices == NULL)
        return fail(failure, "cannot open %u connections: %s", connections, strerror(errno));
    traffic->device_count = (unsigned)fleet->count;
    for (size_t i = 0; i < fleet->count; i++)
        name_device(&traffic->devices[i], prefix, &fleet->devices[i].bulla);
    for (unsigned i = 0; i < traffic->count; i++)
        traffic->connections[i].fd = -1;
    for (unsigned i = 0; i < traffic->count; i++) {
        if (open_one(traffic, &traffic->connections[i], address) < 0)
            return fail(failure, "port %u: connection %u is not taken by a broker: %s",
                        ntohs(address->sin_port), i, strerror(errno));
    }
    return 0;
}

void mqtt_traffic_close(struct mqtt_traffic *traffic)
{
    for (unsigned i = 0; traffic->connections != NULL && i < traffic->count; i++) {
        if (traffic->connections[i].fd >= 0)
            close(traffic->connections[i].fd);
        free(traffic->connections[i].in);
        free(traffic->connections[i].out);
    }
    if (traffic->epoll >= 0)
        close(traffic->epoll);
    free(traffic->connections);
    free(traffic->devices);
    free(traffic->following);
    memset(traffic, 0, sizeof(*traffic));
    traffic->epoll = -1;
}

/* ---- one exchange ---- */

/* The device's next message, behind what its connection is about to write. */
static int begin(struct mqtt_traffic *traffic, struct mqtt_connection *connection, unsigned number,
                 uint64_t now)
{
    struct mqtt_device *device = &traffic->devices[number];
    const struct exchange *exchange;
    size_t size;

    device->current = device->next;
    if (device->current == NONE)
        return 0;
    device->next = traffic->following[device->current];
    device->begun = now;
    device->acknowledged = device->replied = false;
    exchange = &traffic->exchanges[device->current];
    size = wire_publish(connection->out + connection->out_len, OUT - connection->out_len, 1,
                        (uint16_t)(number / traffic->count + 1), device->up, strlen(device->up),
                        exchange->request, exchange->request_len);
    connection->out_len += size;
    return size > 0 ? 0 : -1;
}

static int complete(struct mqtt_traffic *traffic, struct mqtt_connection *connection, unsigned number,
                    uint64_t now)
{
    const struct mqtt_device *device = &traffic->devices[number];
    struct exchange *exchange = &traffic->exchanges[device->current];
    uint64_t took = now - device->begun;

    if (!device->acknowledged || !device->replied)
        return 0;
    exchange->latency = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
    exchange->status = EXCHANGE_ANSWERED;
    traffic->left--;
    return begin(traffic, connection, number, now);
}

/* Which of the connection's devices a topic is of. */
static unsigned find_device(const struct mqtt_traffic *traffic, const struct mqtt_connection *connection,
                            const struct wire_packet *packet)
{
    for (unsigned i = number_of(traffic, connection); i < traffic->device_count; i += traffic->count) {
        const char *down = traffic->devices[i].down;
        if (memcmp(packet->topic, down, packet->topic_len) == 0 && down[packet->topic_len] == '\0')
            return i;
    }
    return NONE;
}

static int on_reply(struct mqtt_traffic *traffic, struct mqtt_connection *connection,
                    const struct wire_packet *packet, uint64_t now)
{
    unsigned number =
        packet->topic_len < NAME && packet->qos < 2 ? find_device(traffic, connection, packet) : NONE;
    struct exchange *exchange;

    if (number == NONE || packet->payload_len > EXCHANGE_REPLY_MAX)
        return -1;
    if (packet->qos == 1)
        connection->out_len +=
            wire_puback(connection->out + connection->out_len, OUT - connection->out_len, packet->id);
    if (traffic->devices[number].current == NONE || traffic->devices[number].replied)
        return -1; /* nothing was asked */
    traffic->devices[number].replied = true;
    traffic->reply_bytes += packet->payload_len;
    exchange = &traffic->exchanges[traffic->devices[number].current];
    exchange->reply_len = (uint16_t)packet->payload_len;
    memcpy(exchange->reply, packet->payload, packet->payload_len);
    return complete(traffic, connection, number, now);
}

static int on_acknowledged(struct mqtt_traffic *traffic, struct mqtt_connection *connection,
                           const struct wire_packet *packet, uint64_t now)
{
    unsigned number = number_of(traffic, connection) + (packet->id - 1u) * traffic->count;

    if (packet->id == 0 || number >= traffic->device_count || traffic->devices[number].current == NONE ||
        packet->code >= 128)
        return -1;
    traffic->devices[number].acknowledged = true;
    return complete(traffic, connection, number, now);
}

static int on_packet(struct mqtt_traffic *traffic, struct mqtt_connection *connection,
                     const struct wire_packet *packet, uint64_t now)
{
    if (packet->type == WIRE_PUBLISH)
        return on_reply(traffic, connection, packet, now);
    return packet->type == WIRE_PUBACK ? on_acknowledged(traffic, connection, packet, now) : -1;
}

static int on_readable(struct mqtt_traffic *traffic, struct mqtt_connection *connection)
{
    ssize_t got =
        recv(connection->fd, connection->in + connection->in_len, BUFFER - connection->in_len, MSG_DONTWAIT);
    uint64_t now = nanoseconds(CLOCK_MONOTONIC);
    struct wire_packet packet;
    size_t used = 0;
    size_t size;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)
        return -1;
    connection->in_len += (size_t)got;
    while ((size = wire_read(&packet, connection->in + used, connection->in_len - used)) != 0) {
        if (size == SIZE_MAX || on_packet(traffic, connection, &packet, now) < 0)
            return -1;
        used += size;
    }
    connection->in_len -= used;
    if (used > 0)
        memmove(connection->in, connection->in + used, connection->in_len);
    return flush(connection);
}

/* ---- all of them ---- */

/* Orders the exchanges by their devices. */
static int plan(struct mqtt_traffic *traffic, struct exchange *exchanges, size_t count)
{
    free(traffic->following);
    traffic->following = malloc(count * sizeof(*traffic->following));
    if (traffic->following == NULL || count >= NONE)
        return -1;
    for (size_t i = count; i-- > 0;) {
        struct mqtt_device *device = &traffic->devices[exchanges[i].device];
        traffic->following[i] = device->next;
        device->next = (uint32_t)i;
    }
    traffic->exchanges = exchanges;
    traffic->left = count;
    return 0;
}

static int begin_all(struct mqtt_traffic *traffic)
{
    for (unsigned i = 0; i < traffic->device_count; i++) {
        struct mqtt_connection *connection = &traffic->connections[i % traffic->count];
        if (begin(traffic, connection, i, nanoseconds(CLOCK_MONOTONIC)) < 0 || flush(connection) < 0)
            return -1;
    }
    return 0;
}

static int wait_and_serve(struct mqtt_traffic *traffic, struct failure *failure)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(traffic->epoll, events, EVENTS, PATIENCE);

    if (ready == 0)
        return fail(failure, "nothing came within %d seconds; %zu replies are missing", PATIENCE / 1000,
                    traffic->left);
    if (ready < 0 && errno != EINTR)
        return fail(failure, "epoll: %s", strerror(errno));
    for (int i = 0; i < ready; i++) {
        if (on_readable(traffic, events[i].data.ptr) < 0)
            return fail(failure,
                        "a connection was closed, or what came was not expected; %zu replies are "
                        "missing",
                        traffic->left);
    }
    return 0;
}

int mqtt_traffic_run(struct mqtt_traffic *traffic, struct exchange *exchanges, size_t count,
                     struct failure *failure)
{
    uint64_t processor = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t begun = nanoseconds(CLOCK_MONOTONIC);

    traffic->reply_bytes = 0;
    if (plan(traffic, exchanges, count) < 0)
        return fail(failure, "memory is out: choose a smaller --count");
    if (begin_all(traffic) < 0)
        return fail(failure, "a connection was closed before it was used");
    while (traffic->left > 0) {
        if (wait_and_serve(traffic, failure) < 0)
            return -1;
    }
    traffic->span = nanoseconds(CLOCK_MONOTONIC) - begun;
    traffic->processor = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - processor;
    return 0;
}

static int run(void *context, struct exchange *exchanges, size_t count, struct failure *failure)
{
    return mqtt_traffic_run(context, exchanges, count, failure);
}

struct way mqtt_traffic_way(struct mqtt_traffic *traffic)
{
    return (struct way){.run = run, .context = traffic};
}
