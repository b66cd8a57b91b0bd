#include "gateway/mqtt/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netdb.h>
#include <netinet/in.h>

#include "device/crypto.h"
#include "gateway/lookup.h"
#include "gateway/mqtt/client.h"
#include "gateway/mqtt/tls.h"

#define LAST_WORDS 1000  /* milliseconds for what is left to leave */
#define RAW_ROOM   65536 /* bytes that are read at a time under TLS */
#define OWN_WORDS  65536 /* bytes of TLS's own messages that may wait to leave */

enum stage {
    STAGE_RESOLVING,
    STAGE_CONNECTING,
    STAGE_HANDSHAKE,
    STAGE_OPEN,
    STAGE_ENDED, /* on_end() was called, or is not wanted any more */
};

struct transport {
    enum stage stage;
    const struct transport_handlers *handlers;
    void *context;
    struct tls *tls; /* NULL: none */
    uv_loop_t *loop;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_getaddrinfo_t lookup;
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct addrinfo *found; /* libuv's */
    const struct addrinfo *next;
    struct sockaddr_storage numeric; /* where the host is an address: the only one */
    bool has_numeric;
    bool has_tcp; /* it is not closed */
    bool reading_wanted;
    bool reading;
    bool writing;
    bool closing;  /* transport_close() was called */
    unsigned busy; /* what has to come back before it can be freed */
    char *leaving; /* what could not be written at once */
    size_t leaving_len;
    uint8_t *raw; /* RAW_ROOM bytes, under TLS */
    uint16_t port;
    char host[MQTT_HOST_SIZE];
    struct failure why; /* of the last address */
};

static void try_next(struct transport *transport);

/* ---- the end ---- */

static void drop(struct transport *transport)
{
    if (--transport->busy > 0)
        return;
    tls_close(transport->tls);
    if (transport->found != NULL)
        uv_freeaddrinfo(transport->found);
    if (transport->raw != NULL)
        bulla_wipe(transport->raw, RAW_ROOM);
    free(transport->raw);
    free(transport->leaving);
    free(transport);
}

/* Tells of the end, once. */
static void end(struct transport *transport, const char *why)
{
    if (transport->stage == STAGE_ENDED)
        return;
    transport->stage = STAGE_ENDED;
    uv_timer_stop(&transport->timer);
    if (transport->reading)
        uv_read_stop((uv_stream_t *)&transport->tcp);
    transport->reading = false;
    if (!transport->closing)
        transport->handlers->on_end(transport->context, why);
}

static void on_late_end(uv_timer_t *timer)
{
    struct transport *transport = timer->data;

    end(transport, transport->why.text);
}

/* Ends it in the loop's next turn: for errors within calls that must not call back. */
static void end_soon(struct transport *transport)
{
    uv_timer_start(&transport->timer, on_late_end, 0, 0);
}

/* ---- sending ---- */

static void on_written(uv_write_t *write, int status);

/* What the socket did not take waits in a copy. */
static int write_later(struct transport *transport, const uint8_t *bytes, size_t len)
{
    uv_buf_t buffer;
    int error;

    transport->leaving = malloc(len);
    if (transport->leaving == NULL)
        return UV_ENOMEM;
    memcpy(transport->leaving, bytes, len);
    transport->leaving_len = len;
    buffer = uv_buf_init(transport->leaving, (unsigned)len);
    transport->write.data = transport;
    error = uv_write(&transport->write, (uv_stream_t *)&transport->tcp, &buffer, 1, on_written);
    if (error < 0)
        return error;
    transport->writing = true;
    transport->busy++;
    return 0;
}

/* With nothing under way. */
static void write_raw(struct transport *transport, const uint8_t *bytes, size_t len)
{
    uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)len);
    int written = len > 0 ? uv_try_write((uv_stream_t *)&transport->tcp, &buffer, 1) : 0;
    int error;

    if (written == UV_EAGAIN)
        written = 0;
    error = written;
    if (written >= 0 && (size_t)written < len)
        error = write_later(transport, bytes + written, len - (size_t)written);
    if (error < 0) {
        fail(&transport->why, "%s", uv_strerror(error));
        end_soon(transport);
    }
}

/* What TLS has to say to its peer; where a write is under way, once that is done. A peer that does not read
 * may have keys changed all the while, and each time an answer waits (RFC 8446 4.6.3). */
static void write_tls(struct transport *transport)
{
    const uint8_t *bytes;
    size_t len;

    if (transport->tls == NULL)
        return;
    len = tls_waiting(transport->tls, &bytes);
    if (!transport->writing) {
        write_raw(transport, bytes, len);
        tls_sent(transport->tls);
    } else if (len > OWN_WORDS) {
        fail(&transport->why, "the broker does not read what it is sent");
        end_soon(transport);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct transport *transport = write->data;

    bulla_wipe(transport->leaving, transport->leaving_len); /* a password may have been in it */
    free(transport->leaving);
    transport->leaving = NULL;
    transport->writing = false;
    if (status < 0) {
        end(transport, uv_strerror(status));
    } else {
        write_tls(transport);
        if (transport->stage == STAGE_OPEN && !transport->writing)
            transport->handlers->on_sent(transport->context);
    }
    drop(transport);
}

bool transport_send(struct transport *transport, const uint8_t *bytes, size_t len)
{
    if (transport->stage != STAGE_OPEN || transport->writing)
        return false;
    if (transport->tls == NULL)
        write_raw(transport, bytes, len);
    else if (tls_write(transport->tls, bytes, len, &transport->why) == 0)
        write_tls(transport);
    else
        end_soon(transport);
    return true;
}

/* ---- receiving ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct transport *transport = handle->data;
    uint8_t *at = transport->raw;
    size_t room = RAW_ROOM;

    (void)suggested;
    if (transport->tls == NULL)
        room = transport->handlers->room(transport->context, &at);
    *buffer = uv_buf_init((char *)at, (unsigned)room);
}

static void update_reading(struct transport *transport);

/* Hands over what TLS has opened, as long as it is wanted. */
static void hand_over(struct transport *transport)
{
    uint8_t *at;
    size_t room;
    int got = 1;

    while (transport->stage == STAGE_OPEN && transport->reading_wanted && got > 0) {
        room = transport->handlers->room(transport->context, &at);
        if (room == 0) {
            transport->reading_wanted = false;
            break;
        }
        got = tls_read(transport->tls, at, room, &transport->why);
        if (got > 0)
            transport->handlers->on_bytes(transport->context, (size_t)got);
    }
    if (got < 0)
        end(transport, transport->why.text);
}

static void shake_hands(struct transport *transport)
{
    int done = tls_handshake(transport->tls, &transport->why);

    write_tls(transport); /* also the reason for an end */
    if (done < 0)
        end(transport, transport->why.text);
    if (done <= 0)
        return;
    transport->stage = STAGE_OPEN;
    uv_timer_stop(&transport->timer);
    transport->handlers->on_open(transport->context);
}

static void take_tls(struct transport *transport, size_t len)
{
    if (tls_feed(transport->tls, transport->raw, len) < 0) {
        end(transport, "out of memory");
        return;
    }
    if (transport->stage == STAGE_HANDSHAKE)
        shake_hands(transport);
    if (transport->stage == STAGE_OPEN)
        hand_over(transport);
    if (transport->stage == STAGE_OPEN)
        write_tls(transport); /* its own messages: new keys and the like */
    if (transport->stage == STAGE_OPEN)
        update_reading(transport);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct transport *transport = stream->data;

    (void)buffer;
    if (got == 0)
        return;
    if (transport->stage == STAGE_HANDSHAKE && (got == UV_EOF || got == UV_ECONNRESET)) {
        end(transport, "TLS: the broker closed the connection; does it speak TLS on this port?");
    } else if (got == UV_ENOBUFS) { /* no room: until it is wanted again */
        transport->reading_wanted = false;
        update_reading(transport);
    } else if (got == UV_EOF) {
        end(transport, "the broker closed the connection");
    } else if (got < 0) {
        end(transport, uv_strerror((int)got));
    } else if (transport->tls != NULL) {
        take_tls(transport, (size_t)got);
    } else {
        transport->handlers->on_bytes(transport->context, (size_t)got);
    }
}

/* The socket is read while somebody wants it; a handshake always does. */
static void update_reading(struct transport *transport)
{
    bool wanted =
        transport->stage == STAGE_HANDSHAKE || (transport->stage == STAGE_OPEN && transport->reading_wanted);

    if (wanted == transport->reading || !transport->has_tcp)
        return;
    transport->reading = wanted;
    if (wanted)
        uv_read_start((uv_stream_t *)&transport->tcp, on_room, on_read);
    else
        uv_read_stop((uv_stream_t *)&transport->tcp);
}

void transport_read(struct transport *transport, bool wanted)
{
    bool began = wanted && !transport->reading_wanted;

    transport->reading_wanted = wanted;
    if (began && transport->tls != NULL)
        hand_over(transport);
    if (transport->stage == STAGE_OPEN)
        update_reading(transport);
}

/* ---- looking up ---- */

/* The client tries again by itself, and a look-up that is under way cannot be called off when the process
 * wants to end. */
void mqtt_client_prepare(const struct mqtt_url *url)
{
    lookup_prepare(url->host);
}

/* ---- connecting ---- */

static void on_tcp_closed(uv_handle_t *handle)
{
    struct transport *transport = handle->data;

    transport->has_tcp = false;
    if (transport->stage == STAGE_CONNECTING && !transport->closing)
        try_next(transport);
    drop(transport);
}

static void on_late_address(uv_timer_t *timer)
{
    struct transport *transport = timer->data;

    fail(&transport->why, "no answer within %d s", TRANSPORT_PATIENCE / 1000);
    if (!uv_is_closing((uv_handle_t *)&transport->tcp))
        uv_close((uv_handle_t *)&transport->tcp, on_tcp_closed);
}

static void on_late_handshake(uv_timer_t *timer)
{
    end(timer->data, "TLS: no answer in time; does it speak TLS on this port?");
}

static void begin(struct transport *transport)
{
    uv_tcp_nodelay(&transport->tcp, 1);
    transport->stage = transport->tls != NULL ? STAGE_HANDSHAKE : STAGE_OPEN;
    if (transport->tls == NULL) {
        uv_timer_stop(&transport->timer);
        transport->handlers->on_open(transport->context);
        return;
    }
    uv_timer_start(&transport->timer, on_late_handshake, TRANSPORT_PATIENCE, 0);
    update_reading(transport);
    shake_hands(transport);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct transport *transport = connect->data;

    if (transport->closing || transport->stage != STAGE_CONNECTING)
        status = UV_ECANCELED;
    if (status == 0) {
        begin(transport);
    } else if (!uv_is_closing((uv_handle_t *)&transport->tcp)) {
        fail(&transport->why, "%s", uv_strerror(status));
        uv_close((uv_handle_t *)&transport->tcp, on_tcp_closed);
    }
    drop(transport);
}

/* Tries one address; false: not even that could be done, and `why` says what. */
static bool try_address(struct transport *transport, const struct sockaddr *address)
{
    int error = uv_tcp_init(transport->loop, &transport->tcp);

    if (error == 0) {
        transport->has_tcp = true;
        transport->busy++;
        transport->tcp.data = transport;
        transport->connect.data = transport;
        error = uv_tcp_connect(&transport->connect, &transport->tcp, address, on_connected);
        if (error == 0) {
            transport->busy++;
            uv_timer_start(&transport->timer, on_late_address, TRANSPORT_PATIENCE, 0);
            return true;
        }
        fail(&transport->why, "%s", uv_strerror(error));
        uv_close((uv_handle_t *)&transport->tcp, on_tcp_closed); /* which goes on with the next */
        return true;
    }
    fail(&transport->why, "%s", uv_strerror(error));
    return false;
}

static void try_next(struct transport *transport)
{
    const struct sockaddr *address = NULL;

    transport->stage = STAGE_CONNECTING;
    if (transport->has_numeric) {
        address = (const struct sockaddr *)&transport->numeric;
        transport->has_numeric = false;
    } else if (transport->next != NULL) {
        address = transport->next->ai_addr;
        transport->next = transport->next->ai_next;
    }
    if (address == NULL || !try_address(transport, address))
        end_soon(transport);
}

static void on_found(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct transport *transport = lookup->data;

    transport->found = found;
    if (!transport->closing && transport->stage == STAGE_RESOLVING) {
        if (status < 0) {
            fail(&transport->why, "its name cannot be looked up: %s", uv_strerror(status));
            end(transport, transport->why.text);
        } else {
            transport->next = found;
            try_next(transport);
        }
    }
    drop(transport);
}

static void on_late_name(uv_timer_t *timer)
{
    end(timer->data, "its name was not looked up in time");
}

static int look_up(struct transport *transport)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[8];
    int error;

    snprintf(port, sizeof(port), "%u", transport->port);
    transport->lookup.data = transport;
    error = uv_getaddrinfo(transport->loop, &transport->lookup, on_found, transport->host, port, &hints);
    if (error == 0)
        transport->busy++;
    uv_timer_start(&transport->timer, on_late_name, TRANSPORT_PATIENCE, 0);
    return error;
}

static void start(struct transport *transport)
{
    int port = transport->port;
    int error = 0;

    transport->has_numeric =
        uv_ip4_addr(transport->host, port, (struct sockaddr_in *)&transport->numeric) == 0 ||
        uv_ip6_addr(transport->host, port, (struct sockaddr_in6 *)&transport->numeric) == 0;
    if (transport->has_numeric)
        try_next(transport);
    else
        error = look_up(transport);
    if (error < 0) {
        fail(&transport->why, "its name cannot be looked up: %s", uv_strerror(error));
        end_soon(transport);
    }
}

int transport_open(struct transport **out, uv_loop_t *loop, const struct mqtt_url *url,
                   const struct transport_handlers *handlers, void *context, struct failure *failure)
{
    struct transport *transport = calloc(1, sizeof(*transport));

    if (transport == NULL)
        return fail(failure, "out of memory");
    transport->loop = loop;
    transport->handlers = handlers;
    transport->context = context;
    transport->port = url->port;
    memcpy(transport->host, url->host, sizeof(transport->host));
    if (url->tls && tls_open(&transport->tls, url, failure) < 0) {
        free(transport);
        return -1;
    }
    transport->raw = url->tls ? malloc(RAW_ROOM) : NULL;
    if (url->tls && transport->raw == NULL) {
        tls_close(transport->tls);
        free(transport);
        return fail(failure, "out of memory");
    }
    uv_timer_init(loop, &transport->timer);
    transport->timer.data = transport;
    transport->busy = 1; /* the timer */
    start(transport);
    *out = transport;
    return 0;
}

/* ---- closing ---- */

static void on_timer_closed(uv_handle_t *handle)
{
    drop(handle->data);
}

static void close_handles(struct transport *transport)
{
    if (!uv_is_closing((uv_handle_t *)&transport->timer))
        uv_close((uv_handle_t *)&transport->timer, on_timer_closed);
    if (transport->has_tcp && !uv_is_closing((uv_handle_t *)&transport->tcp))
        uv_close((uv_handle_t *)&transport->tcp, on_tcp_closed);
}

static void on_last_words(uv_timer_t *timer)
{
    close_handles(timer->data);
}

static void on_shut(uv_shutdown_t *shutdown, int status)
{
    struct transport *transport = shutdown->data;

    (void)status;
    close_handles(transport);
    drop(transport);
}

void transport_close(struct transport *transport, bool orderly)
{
    bool open = transport->stage == STAGE_OPEN;

    transport->closing = true;
    transport->reading_wanted = false;
    transport->stage = STAGE_ENDED;
    if (transport->reading)
        uv_read_stop((uv_stream_t *)&transport->tcp);
    transport->reading = false;
    uv_cancel((uv_req_t *)&transport->lookup); /* where it has not begun */
    if (open && transport->tls != NULL) {
        tls_end(transport->tls);
        write_tls(transport);
    }
    transport->shutdown.data = transport;
    if (orderly && open && uv_shutdown(&transport->shutdown, (uv_stream_t *)&transport->tcp, on_shut) == 0) {
        transport->busy++;
        uv_timer_start(&transport->timer, on_last_words, LAST_WORDS, 0);
        return;
    }
    close_handles(transport);
}
