/* bulla tail: the newest readings, then those that come. */
#include "cli/command.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/database.h"
#include "cli/elsewhere.h"
#include "cli/output.h"
#include "cli/reading_print.h"
#include "cli/when.h"

#define INTERVAL_MS    200                     /* between looks at the database: latency, against work */
#define WATCH_LOOKS    10                      /* while nothing comes: how often it is asked why */
#define TROUBLE_MICROS (INT64_C(60) * 1000000) /* for which a failing database is asked again */
#define LINES_MOST     1000000
#define LINES_TEXT     "10"

enum tail_format { TAIL_TEXT, TAIL_CSV, TAIL_JSONL };

struct tail_options {
    struct database_options database;
    const char *device;
    const char *name;
    int64_t lines;
    unsigned format;
};

static const char *const formats[] = {[TAIL_TEXT] = "text", [TAIL_CSV] = "csv", [TAIL_JSONL] = "jsonl", NULL};

static const struct option options_table[] = {
    {.name = "device",
     .letter = 'd',
     .argument = "NAME",
     .help = "only of this device",
     .words = device_names,
     .parse = option_string,
     .offset = offsetof(struct tail_options, device)},
    {.name = "name",
     .argument = "NAME",
     .help = "only readings of this name",
     .parse = option_string,
     .offset = offsetof(struct tail_options, name)},
    {.name = "lines",
     .letter = 'n',
     .argument = "N",
     .help = "begins with the newest N that are there",
     .fallback = LINES_TEXT,
     .parse = option_number,
     .least = 0,
     .most = LINES_MOST,
     .offset = offsetof(struct tail_options, lines)},
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "text, csv or jsonl",
     .fallback = "text",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct tail_options, format)},
    DATABASE_OPTIONS(struct tail_options),
    {0},
};

/* ---- lines ---- */

struct tail {
    struct store *store;
    struct follower *follower;
    struct reading_csv csv;
    unsigned format;
    struct elsewhere elsewhere; /* why nothing comes */
};

/* Prints a reading, and sends it on its way: nobody waits for a line that stands in a buffer. */
static int print_reading(void *context, const struct reading_row *row)
{
    struct tail *tail = context;

    if (tail->format == TAIL_CSV)
        (void)reading_print_csv(&tail->csv, row);
    else if (tail->format == TAIL_JSONL)
        (void)reading_print_jsonl(stdout, row);
    else
        (void)reading_print_text(stdout, row);
    return fflush(stdout) != 0 || !output_works();
}

/* ---- waiting ---- */

static volatile sig_atomic_t told_to_end;

static void end(int number)
{
    (void)number;
    told_to_end = 1;
}

/* Both signals are held back but while it waits, so that none gets lost. `waiting` is the mask meanwhile. */
static void hold_signals(sigset_t *waiting)
{
    struct sigaction action = {.sa_handler = end};
    sigset_t held;

    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, waiting);
    sigdelset(waiting, SIGINT);
    sigdelset(waiting, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* False when it is to end: a signal came, or nobody reads what is printed any more. */
static bool wait_a_little(const sigset_t *waiting)
{
    const struct timespec interval = {.tv_nsec = INTERVAL_MS * 1000000};
    struct pollfd out = {.fd = STDOUT_FILENO, .events = 0};

    if (ppoll(&out, 1, &interval, waiting) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0)
        return false;
    return !told_to_end && output_works();
}

/* ---- following ---- */

/* Prints what is new. A database that fails is asked again for a while: it may be busy. */
static int follow(struct tail *tail, const sigset_t *waiting, struct failure *failure)
{
    int64_t trouble = 0; /* when it began */

    for (unsigned look = 0; wait_a_little(waiting); look++) {
        int count;

        if (look % WATCH_LOOKS == 0)
            elsewhere_watch(&tail->elsewhere, tail->store);
        while ((count = tail->store->ops->follow_next(tail->store, tail->follower, print_reading, tail,
                                                      failure)) > 0) {
            tail->elsewhere.done = true;
            if (told_to_end || !output_works())
                return 0;
        }
        if (count == 0)
            trouble = 0;
        else if (trouble == 0)
            trouble = when_now();
        else if (when_now() > trouble + TROUBLE_MICROS)
            return -1;
    }
    return 0;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct tail_options *options = values;
    struct tail tail = {.format = options->format, .csv = {stdout, isatty(STDOUT_FILENO) == 1}};
    struct reading_filter filter = {
        .device = options->device,
        .name = options->name,
        .since = INT64_MIN,
        .until = INT64_MAX,
        .limit = options->lines,
    };
    sigset_t waiting;
    int result;

    (void)argc, (void)argv;
    if (database_open(&tail.store, &options->database, STORE_EXISTING, failure) < 0)
        return COMMAND_FAILED;
    hold_signals(&waiting);
    tail.elsewhere =
        (struct elsewhere){.done = elsewhere_tell(tail.store, &filter), .begun = when_now(), .out = -1};
    if (options->format == TAIL_CSV)
        fputs(READING_CSV_HEADER, stdout);
    result = tail.store->ops->follow_open(tail.store, &filter, print_reading, &tail, &tail.follower, failure);
    if (result == 0) {
        fflush(stdout);
        result = follow(&tail, &waiting, failure);
        tail.store->ops->follow_close(tail.follower);
    }
    database_close(tail.store);
    return result < 0 ? COMMAND_FAILED : COMMAND_DONE;
}

const struct command command_tail = {
    .name = "tail",
    .summary = "prints the newest readings, and then each that comes",
    .details =
        "Within half a second of its being stored, each reading is printed once, whenever it was taken. It "
        "goes on until SIGINT (Ctrl-C) or SIGTERM, and exits with 0 then, or until nobody reads its output. "
        "csv and jsonl have the columns and keys of 'bulla readings'. Where readings go to sinks alone "
        "(bulla "
        "serve --sink without --keep-here) nothing comes here: it says so, and to which, on standard error.",
    .example =
        "bulla tail\n"
        "bulla tail --device kitchen --lines 0 --format jsonl | while read -r line; do echo \"$line\"; done",
    .options = options_table,
    .options_size = sizeof(struct tail_options),
    .run = run,
};
