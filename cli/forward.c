/*
 * bulla forward: a device on a serial line reaches the gateway through this host. It passes sealed messages
 * on and replies back, holds no key, and says nothing of its own to the device: silence is what makes a
 * device resend (PROTOCOL 3), so nothing is lost where this loses something.
 */
#include "cli/forward.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "device/frame.h"
#include "gateway/log.h"

#define GAP        1000 /* milliseconds of silence after which a frame that was begun will not be ended */
#define WRITE_MOST 5000 /* milliseconds that the line may take no byte of a reply */
#define REOPEN_FIRST                                                                                         \
    100 /* milliseconds before a line that is gone is tried again; each next is twice as long */
#define REOPEN_MOST 5000
#define BAD_PAUSE   10000 /* milliseconds between two log lines on damaged frames */

struct forward_options {
    const char *serial;
    const char *to;
    unsigned speed;
    int64_t timeout;
    bool verbose;
};

struct forward {
    const struct forward_options *options;
    struct log log;
    struct client *client;
    struct line line;
    struct bulla_frame frame;
    int signals; /* a descriptor that SIGINT and SIGTERM make readable */
    bool inside; /* the last byte did not end a frame */
    bool away;   /* the gateway did not answer */
    int64_t bad_logged;
    uint64_t bad_unlogged;
    struct {
        uint64_t messages; /* posted */
        uint64_t replies;  /* written to the line */
        uint64_t bad;      /* frames that were damaged, cut or too long */
        uint64_t opened;   /* times that the line was */
    } count;
    uint8_t buffer[BULLA_MESSAGE_MAX + BULLA_FRAME_CRC_SIZE];
    uint8_t out[1 + BULLA_FRAME_SIZE(BULLA_MESSAGE_MAX)];
    struct client_answer answer;
};

enum outcome {
    WENT_ON,
    LINE_GONE,
    STOPPED, /* by a signal */
};

static const struct option options_table[] = {
    {.name = "serial",
     .argument = "DEV|-",
     .help = "the serial line that the device is on, or - for standard input and output",
     .parse = option_string,
     .offset = offsetof(struct forward_options, serial)},
    {.name = "to",
     .argument = "URL|@FILE",
     .help = "the gateway's device listener (/d is put where the URL has no path), or a broker that it takes "
             "messages from: mqtt[s]://[USER@]HOST[:PORT][?KEY=VALUE&...], or a file with that and the "
             "password, as for 'bulla serve --mqtt'",
     .parse = option_string,
     .offset = offsetof(struct forward_options, to)},
    {.name = "baud",
     .argument = "N",
     .help = "speed of the line, as the device sets it; 8 bits, no parity, 1 stop bit",
     .fallback = "115200",
     .parse = option_choice,
     .words = line_speeds,
     .offset = offsetof(struct forward_options, speed)},
    {.name = "timeout",
     .argument = "S",
     .help = "waits so many seconds for the gateway's answer to a message",
     .fallback = "10",
     .parse = option_number,
     .least = 1,
     .most = 3600,
     .offset = offsetof(struct forward_options, timeout)},
    {.name = "verbose",
     .letter = 'v',
     .help = "logs every message and every answer",
     .parse = option_flag,
     .offset = offsetof(struct forward_options, verbose)},
    {0},
};

static int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Waits at most `timeout` milliseconds (-1: for ever) for a descriptor (-1: none) or a signal. */
static enum outcome wait_for(struct forward *forward, int fd, short events, int timeout, bool *ready)
{
    struct pollfd fds[] = {{.fd = forward->signals, .events = POLLIN}, {.fd = fd, .events = events}};

    *ready = poll(fds, 2, timeout) > 0 && fds[1].revents != 0;
    return fds[0].revents ? STOPPED : WENT_ON;
}

static bool is_stopped(void *context)
{
    bool ready;

    return wait_for(context, -1, 0, 0, &ready) == STOPPED;
}

/* ---- from the gateway to the line ---- */

static enum outcome write_line(struct forward *forward, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        bool ready;
        int written;

        if (wait_for(forward, forward->line.out, POLLOUT, WRITE_MOST, &ready) == STOPPED)
            return STOPPED;
        written = ready ? line_write(&forward->line, bytes, len) : -1;
        if (written < 0)
            return LINE_GONE;
        bytes += written;
        len -= (size_t)written;
    }
    return WENT_ON;
}

/* A web server's page is no reply: the line is slow, and need not be kept busy with it. */
static bool is_reply(const struct client_answer *answer)
{
    return answer->len >= 2 && answer->body[0] == 0xd0 && answer->body[1] == 0x83;
}

static enum outcome write_reply(struct forward *forward)
{
    const struct client_answer *answer = &forward->answer;
    enum outcome outcome;
    int len;

    if (!is_reply(answer))
        return WENT_ON;
    forward->out[0] = 0; /* ends what noise on the line has begun */
    len = bulla_frame_encode(forward->out + 1, sizeof(forward->out) - 1, answer->body, answer->len);
    if (len < 0)
        return WENT_ON;
    outcome = write_line(forward, forward->out, 1 + (size_t)len);
    if (outcome == WENT_ON)
        forward->count.replies++;
    return outcome;
}

/* ---- from the line to the gateway ---- */

/* A gateway that is away is told of once, and once when it is back. */
static void tell_answer(struct forward *forward, size_t len)
{
    const struct client_answer *answer = &forward->answer;
    char text[320];

    if (!answer->came && !forward->away && !is_stopped(forward))
        log_line(&forward->log, LOG_LEVEL_WARN, "gateway_away", "to=%s error=%s", forward->client->name,
                 log_quote(text, sizeof(text), forward->client->error));
    else if (answer->came && forward->away)
        log_line(&forward->log, LOG_LEVEL_INFO, "gateway_back", "to=%s", forward->client->name);
    forward->away = !answer->came;
    log_line(&forward->log, LOG_LEVEL_DEBUG, "message", "bytes=%zu status=%ld reply=%zu", len, answer->status,
             is_reply(answer) ? answer->len : 0);
}

static enum outcome pass_on(struct forward *forward, size_t len)
{
    forward->count.messages++;
    client_post(forward->client, forward->buffer, len, (long)forward->options->timeout * 1000,
                &forward->answer);
    tell_answer(forward, len);
    return is_stopped(forward) ? STOPPED : write_reply(forward);
}

/* Damaged frames are normal on a line; noise may bring many. */
static void note_bad(struct forward *forward)
{
    int64_t now = clock_ms();

    forward->count.bad++;
    forward->bad_unlogged++;
    if (forward->count.bad > 1 && now - forward->bad_logged < BAD_PAUSE)
        return;
    log_line(&forward->log, LOG_LEVEL_WARN, "bad_frame", "count=%" PRIu64 " in_all=%" PRIu64,
             forward->bad_unlogged, forward->count.bad);
    forward->bad_logged = now;
    forward->bad_unlogged = 0;
}

static enum outcome take(struct forward *forward, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int got = bulla_frame_take(&forward->frame, bytes[i]);
        enum outcome outcome = WENT_ON;

        forward->inside = bytes[i] != 0;
        if (got > 0)
            outcome = pass_on(forward, (size_t)got);
        else if (got < 0)
            note_bad(forward);
        if (outcome != WENT_ON)
            return outcome;
    }
    return WENT_ON;
}

static void begin_frame(struct forward *forward)
{
    bulla_frame_begin(&forward->frame, forward->buffer, sizeof(forward->buffer));
    forward->inside = false;
}

/* Until the line is gone, or a signal comes. */
static enum outcome relay(struct forward *forward)
{
    uint8_t bytes[512];
    enum outcome outcome = WENT_ON;

    begin_frame(forward);
    while (outcome == WENT_ON) {
        bool ready;
        int len;

        outcome = wait_for(forward, forward->line.in, POLLIN, forward->inside ? GAP : -1, &ready);
        if (outcome != WENT_ON)
            break;
        len = ready ? line_read(&forward->line, bytes, sizeof(bytes)) : 0;
        if (len < 0)
            return LINE_GONE;
        if (len > 0) {
            outcome = take(forward, bytes, (size_t)len);
        } else if (!ready && forward->inside) {
            note_bad(forward);
            begin_frame(forward);
        }
    }
    return outcome;
}

/* ---- the line ---- */

/* A board that is not plugged in yet may come; the rest is for the person who started this. */
static bool may_come(int error)
{
    return error == ENOENT || error == ENXIO || error == ENODEV || error == EIO;
}

static int refuse_line(const char *path, int error, struct failure *failure)
{
    if (error == ENOTTY || error == EINVAL)
        return fail(failure,
                    "%s: not a serial line, or one that does not know this speed; give the device's, "
                    "as in /dev/ttyUSB0",
                    path);
    if (error == EWOULDBLOCK)
        return fail(failure, "%s: another process is using it; end that one first", path);
    if (error == EACCES)
        return fail(failure, "%s: %s; on most systems the group dialout may use it", path, strerror(error));
    return fail(failure, "%s: %s", path, strerror(error));
}

/* Opens the line, when it is there. Returns -1 with a failure only if it never was open. */
static int open_line(struct forward *forward, enum outcome *outcome, struct failure *failure)
{
    struct line *line = &forward->line;
    int pause = REOPEN_FIRST;
    int error;

    *outcome = WENT_ON;
    while ((error = line_open(line)) != 0 && *outcome == WENT_ON) {
        bool ready;

        if (forward->count.opened == 0 && !may_come(error))
            return refuse_line(line->path, error, failure);
        if (pause == REOPEN_FIRST)
            log_line(&forward->log, LOG_LEVEL_WARN, "line_waiting", "line=%s error=\"%s\"", line->path,
                     strerror(error));
        *outcome = wait_for(forward, -1, 0, pause, &ready);
        pause = pause * 2 < REOPEN_MOST ? pause * 2 : REOPEN_MOST;
    }
    if (error != 0)
        return 0;
    forward->count.opened++;
    log_line(&forward->log, LOG_LEVEL_INFO, "line_open", "line=%s to=%s", line->path, forward->client->name);
    return 0;
}

static int run_lines(struct forward *forward, struct failure *failure)
{
    bool once = strcmp(forward->line.path, "-") == 0;
    enum outcome outcome;

    do {
        if (open_line(forward, &outcome, failure) < 0)
            return -1;
        if (outcome != WENT_ON)
            break;
        outcome = relay(forward);
        line_close(&forward->line);
        if (outcome == LINE_GONE && !once) {
            bool ready;

            log_line(&forward->log, LOG_LEVEL_WARN, "line_gone", "line=%s", forward->line.path);
            outcome = wait_for(forward, -1, 0, REOPEN_FIRST, &ready); /* one that comes and goes is no loop */
        }
    } while (outcome == WENT_ON);
    log_line(&forward->log, LOG_LEVEL_INFO, "forwarded",
             "messages=%" PRIu64 " replies=%" PRIu64 " bad_frames=%" PRIu64 " line_opened=%" PRIu64,
             forward->count.messages, forward->count.replies, forward->count.bad, forward->count.opened);
    return 0;
}

static int open_signals(struct failure *failure)
{
    sigset_t set;
    int fd = -1;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : fail(failure, "signals: %s", strerror(errno));
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct forward_options *options = values;
    struct forward forward = {
        .options = options,
        .log.level = options->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
        .line = {.path = options->serial, .speed = options->speed, .in = -1, .out = -1},
    };
    int result = -1;

    (void)argc;
    (void)argv;
    if (!options->serial)
        return usage(failure, "--serial is missing; give the device's line, as in /dev/ttyUSB0");
    if (!options->to)
        return usage(failure, "--to is missing; give the gateway's URL, as in http://gateway:8620");
    forward.signals = open_signals(failure);
    if (forward.signals >= 0 && client_open(&forward.client, options->to, failure) == 0) {
        forward.client->stopped = is_stopped;
        forward.client->context = &forward;
        result = run_lines(&forward, failure);
    }
    line_close(&forward.line);
    client_close(forward.client);
    if (forward.signals >= 0)
        close(forward.signals);
    return result;
}

const struct command command_forward = {
    .name = "forward",
    .summary = "passes sealed messages from a serial line to a gateway, replies back",
    .details =
        "For a device without a network. Each message and each reply is a frame on the line (COBS, with a "
        "CRC-16; device/frame.h). It holds no key and can read nothing. When the gateway does not answer, "
        "neither does this: the device sends again. A line that goes away is waited for. SIGINT and "
        "SIGTERM end it.",
    .example = "bulla forward --serial /dev/ttyUSB0 --to http://gateway:8620",
    .options = options_table,
    .options_size = sizeof(struct forward_options),
    .run = run,
};
