/* bulla send: is a device, through the device library only. */
#include "cli/send.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/input.h"
#include "device/crypto.h"
#include "device/port/posix.h"

static const char *const formats[] = {
    [SEND_SENML] = "senml", [SEND_JSON] = "json", [SEND_PLAIN] = "text", NULL};

static const struct option options_table[] = {
    {.name = "to",
     .argument = "URL|@FILE",
     .help = "the gateway's device listener (/d is put where the URL has no path), or a broker that it takes "
             "messages from: mqtt[s]://[USER@]HOST[:PORT][?KEY=VALUE&...], or a file with that and the "
             "password, as for 'bulla serve --mqtt'",
     .parse = option_string,
     .offset = offsetof(struct send_options, to)},
    {.name = "credential",
     .argument = "LINE|@FILE|-",
     .help = "the device's credential line; as @FILE or from standard input (-) nobody sees it in the list "
             "of processes",
     .parse = option_string,
     .offset = offsetof(struct send_options, credential)},
    {.name = "state",
     .argument = "FILE",
     .help = "keeps a counter device's number, or a session for the next call, which then needs no challenge",
     .parse = option_string,
     .offset = offsetof(struct send_options, state)},
    {.name = "new-state",
     .help = "makes the state file, which must not be there yet: for a counter device once, ever",
     .parse = option_flag,
     .offset = offsetof(struct send_options, new_state)},
    {.name = "time",
     .argument = "T",
     .help = "when the readings were taken: 2026-11-21T22:13:05Z, Unix seconds, or 10m, 2h, 7d ago (default: "
             "now, by the gateway's clock)",
     .parse = option_time,
     .offset = offsetof(struct send_options, time)},
    {.name = "age",
     .argument = "S",
     .help = "how many seconds ago the readings were taken, for a device without a clock",
     .parse = option_number,
     .least = 0,
     .most = UINT32_MAX,
     .offset = offsetof(struct send_options, age)},
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "senml (CBOR), json (one flat object), or text (one value)",
     .fallback = "senml",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct send_options, format)},
    {.name = "timeout",
     .argument = "S",
     .help = "gives up after so many seconds without a proof; 0 tries once",
     .fallback = "30",
     .parse = option_number,
     .least = 0,
     .most = 86400 * 365,
     .offset = offsetof(struct send_options, timeout)},
    {.name = "record",
     .argument = "FILE",
     .help = "appends every sealed message to a file, a line of hex each",
     .parse = option_string,
     .offset = offsetof(struct send_options, record)},
    {.name = "raw",
     .argument = "FILE|-",
     .help = "sends recorded messages as they are, and prints each answer; takes no credential and no "
             "readings",
     .parse = option_string,
     .offset = offsetof(struct send_options, raw)},
    {.name = "verbose",
     .letter = 'v',
     .help = "says on standard error what is sent and answered",
     .parse = option_flag,
     .offset = offsetof(struct send_options, verbose)},
    {0},
};

/* ---- credential and state ---- */

static int load_credential(struct bulla_credential *credential, const char *argument, struct failure *failure)
{
    char line[BULLA_CREDENTIAL_MAX];
    int error;
    int len = input_line(argument, line, sizeof(line), failure);

    if (len < 0) {
        bulla_wipe(line, sizeof(line));
        return -1;
    }
    error = bulla_credential_parse(credential, NULL, line, (size_t)len);
    bulla_wipe(line, sizeof(line));
    if (error < 0)
        return fail(failure, "--credential: not a credential line; 'bulla device add' prints one, and @FILE "
                             "reads it from a file");
    return 0;
}

static int refuse_state(const char *path, int error, bool counter, struct failure *failure)
{
    if (error == ENOENT && counter)
        return fail(failure,
                    "%s: there is no such state; --new-state makes it if this credential never sealed "
                    "anything; otherwise make a new credential",
                    path);
    if (error == EEXIST)
        return fail(failure,
                    "%s: it is there already, and nothing is overwritten; leave --new-state out to use it",
                    path);
    if (error == EWOULDBLOCK)
        return fail(failure, "%s: another process is using it; wait for it to end", path);
    if (error == EINVAL)
        return fail(failure, "%s: not a state file; nothing was changed", path);
    return fail(failure, "%s: %s", path, strerror(error));
}

/* Counter state is only ever made on demand: with one made anew, numbers would be used twice (PROTOCOL 2). */
static int open_port(struct posix_port *port, const struct bulla_credential *credential,
                     const struct send_options *options, struct failure *failure)
{
    bool counter = credential->kind == BULLA_COUNTER;
    enum posix_port_mode mode = options->new_state ? POSIX_PORT_NEW
                                : counter          ? POSIX_PORT_EXISTING
                                                   : POSIX_PORT_CREATE;
    int error;

    posix_port_init(port);
    if (!options->state) {
        if (counter || options->new_state)
            return usage(failure, "a counter device keeps its number in a file: give --state FILE, and "
                                  "--new-state the first time");
        return 0;
    }
    error = posix_port_open(port, options->state, mode);
    if (error != 0)
        return refuse_state(options->state, error, counter, failure);
    if (!options->new_state || !counter)
        return 0;
    error = bulla_provision_counter(credential, &port->port);
    if (error == 0)
        return 0;
    unlink(options->state); /* nothing was sealed with it yet */
    return fail(failure, "%s: %s", options->state, bulla_strerror(error));
}

/* ---- sending ---- */

static int send_as(const struct bulla_credential *credential, struct posix_port *port,
                   const struct send_options *options, struct bulla_message *message, struct failure *failure)
{
    struct bulla bulla;
    int result;
    int error = bulla_wake(&bulla, credential, &port->port);

    if (error < 0)
        return fail(failure, "%s: %s", options->state ? options->state : "the device cannot start",
                    bulla_strerror(error));
    if (options->verbose && options->state && credential->kind == BULLA_SESSION)
        fprintf(stderr, "bulla: %s session\n", error == 1 ? "an earlier" : "a new");
    result = send_deliver(&bulla, message, options, failure);
    if (options->state && credential->kind == BULLA_SESSION && bulla_sleep(&bulla) < 0)
        fprintf(stderr, "bulla: %s: the session could not be saved; the next call begins a new one\n",
                options->state);
    bulla_close(&bulla);
    return result;
}

/* The arguments are read first: nothing is made or locked for a call that is mistyped. */
static int send_arguments(const struct send_options *options, int argc, char **argv, struct failure *failure)
{
    uint8_t buffer[BULLA_MESSAGE_MAX];
    struct bulla_message message;
    struct bulla_credential credential = {0};
    struct posix_port port;
    int result = 0;

    posix_port_init(&port);
    if (argc > 0)
        result = send_build(&message, buffer, sizeof(buffer), options, argc, argv, failure);
    if (result == 0)
        result = load_credential(&credential, options->credential, failure);
    if (result == 0)
        result = open_port(&port, &credential, options, failure);
    if (result == 0 && argc > 0)
        result = send_as(&credential, &port, options, &message, failure);
    if (result == 0 && argc > 0)
        printf("stored: seq %" PRIu64 ", %d reading%s\n", message.piv, argc, argc == 1 ? "" : "s");
    else if (result == 0)
        printf("made: %s\n", options->state);
    posix_port_close(&port);
    bulla_wipe(&credential, sizeof(credential));
    bulla_wipe(buffer, sizeof(buffer));
    return result;
}

static int check(const struct send_options *options, int argc, struct failure *failure)
{
    if (options->raw &&
        (options->credential || options->state || options->new_state || options->record || argc > 0))
        return usage(failure,
                     "--raw sends what was sealed before: it takes no credential, no state and no readings");
    if (!options->to && (options->raw || argc > 0))
        return usage(failure, "--to is missing; give the gateway's URL, as in http://gateway:8620");
    if (!options->raw && !options->credential)
        return usage(failure, "--credential is missing; give the device's credential line, as @FILE");
    if (!options->raw && argc == 0 && !options->new_state)
        return usage(failure, "there is nothing to send; give name=value, as in temperature=23.5:Cel");
    return 0;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct send_options *options = values;
    int result = check(options, argc, failure);

    if (result < 0)
        return result;
    return options->raw ? send_raw(options, failure) : send_arguments(options, argc, argv, failure);
}

const struct command command_send = {
    .name = "send",
    .summary = "acts as a device: seals readings, sends them, says what is stored",
    .arguments = "NAME=VALUE[:UNIT] …",
    .details =
        "All readings go in one message. An integer stays one, other decimal numbers are sent as a single "
        "where that says all that was written, else as a double; true and false are booleans; anything else "
        "is text, and so is what stands in \"quotes\". A unit follows a number only.\n"
        "It exits with 0 only if an authentic reply proves that the message is stored. Without such a reply "
        "it sends the same bytes again, until --timeout.\n"
        "One credential is for one device: a counter device's state file is made once and never copied.",
    .example = "bulla send --to http://127.0.0.1:8620 --credential @kitchen.credential temperature=23.5:Cel "
               "door=false\n"
               "bulla send --to mqtt://broker --credential @kitchen.credential temperature=23.5:Cel",
    .options = options_table,
    .options_size = sizeof(struct send_options),
    .most = -1,
    .run = run,
};
