#include "bench/mqtt_bare.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench/mqtt_wire.h"

#define BUFFER 65536
#define TOPIC  64

struct bare_subscriber {
    const struct mqtt_bare_options *options;
    int fd;
    int ready; /* told once it is subscribed */
    size_t in_len;
    size_t out_len;
    uint8_t in[BUFFER];
    uint8_t out[4 * BUFFER];
    uint8_t reply[1024];
};

static bool flush(struct bare_subscriber *bare)
{
    for (size_t at = 0; at < bare->out_len;) {
        ssize_t sent = send(bare->fd, bare->out + at, bare->out_len - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += (size_t)sent;
    }
    bare->out_len = 0;
    return true;
}

/* PUBACK, and the reply on PREFIX/KID/down. */
static bool on_message(struct bare_subscriber *bare, const struct wire_packet *packet)
{
    char topic[TOPIC];
    size_t stem = packet->topic_len - 2; /* without "up" */
    size_t ack, reply;

    if (packet->topic_len < 2 || stem + 4 > sizeof(topic))
        return false;
    memcpy(topic, packet->topic, stem);
    memcpy(topic + stem, "down", 4);
    ack = wire_puback(bare->out + bare->out_len, sizeof(bare->out) - bare->out_len, packet->id);
    bare->out_len += ack;
    reply = wire_publish(bare->out + bare->out_len, sizeof(bare->out) - bare->out_len, 0, 0, topic, stem + 4,
                         bare->reply, bare->options->reply_size);
    bare->out_len += reply;
    return ack > 0 && reply > 0;
}

static bool on_packet(struct bare_subscriber *bare, const struct wire_packet *packet)
{
    char filter[TOPIC];

    switch (packet->type) {
    case WIRE_CONNACK:
        snprintf(filter, sizeof(filter), "%s/+/up", bare->options->prefix);
        bare->out_len = wire_subscribe(bare->out, sizeof(bare->out), 1, filter, 1);
        return packet->code == 0;
    case WIRE_SUBACK:
        return packet->code < 128 && write(bare->ready, "", 1) == 1;
    case WIRE_PUBLISH:
        return on_message(bare, packet);
    default:
        return false;
    }
}

static bool serve_once(struct bare_subscriber *bare)
{
    ssize_t got = recv(bare->fd, bare->in + bare->in_len, BUFFER - bare->in_len, 0);
    struct wire_packet packet;
    size_t used = 0;
    size_t size;

    if (got <= 0)
        return false;
    bare->in_len += (size_t)got;
    while ((size = wire_read(&packet, bare->in + used, bare->in_len - used)) != 0) {
        if (size == SIZE_MAX || !on_packet(bare, &packet))
            return false;
        used += size;
    }
    bare->in_len -= used;
    if (used > 0)
        memmove(bare->in, bare->in + used, bare->in_len);
    return flush(bare);
}

/* The child: ends with its parent, or by its signal. */
static void run(const struct mqtt_bare_options *options, int ready)
{
    static struct bare_subscriber bare;
    int on = 1;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGTERM, SIG_DFL);
    bare.options = options;
    bare.ready = ready;
    bare.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bare.fd < 0 ||
        connect(bare.fd, (const struct sockaddr *)options->broker, sizeof(*options->broker)) < 0)
        _exit(1);
    setsockopt(bare.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    bare.out_len = wire_connect(bare.out, sizeof(bare.out), "bare-subscriber", options->receive_maximum);
    if (flush(&bare)) {
        while (serve_once(&bare))
            ;
    }
    _exit(1);
}

pid_t mqtt_bare_start(const struct mqtt_bare_options *options, struct failure *failure)
{
    int ends[2];
    pid_t pid;
    char byte;

    if (options->reply_size > sizeof(((struct bare_subscriber *)0)->reply) || pipe(ends) < 0)
        return fail(failure, "cannot start the subscriber to compare with");
    pid = fork();
    if (pid == 0)
        run(options, ends[1]);
    close(ends[1]);
    if (pid < 0 || read(ends[0], &byte, 1) != 1) {
        fail(failure, "the subscriber to compare with does not get to the broker");
        mqtt_bare_stop(pid);
        pid = -1;
    }
    close(ends[0]);
    return pid;
}

void mqtt_bare_stop(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}
