/* bulla serve: the gateway. */
#include "gateway/serve.h"

#include "cli/command.h"
#include "cli/database.h"

#define TEXT_OF_(number) #number
#define TEXT_OF(number)  TEXT_OF_(number)

struct serve_values {
    struct database_options database;
    const char *listen;
    const char *admin;
    unsigned log_level;
    int64_t max_connections;
    int64_t idle;
    int64_t queue;
};

static const char *const log_levels[] = {
#define LOG_LEVEL_WORD(name, word) [name] = word,
    LOG_LEVELS(LOG_LEVEL_WORD)
#undef LOG_LEVEL_WORD
        NULL,
};

static const struct option options_table[] = {
    {.name = "listen",
     .argument = "HOST:PORT",
     .help = "where devices send to; [::] is every address of this host, port 0 picks a free one",
     .fallback = SERVE_DEFAULT_LISTEN,
     .parse = option_string,
     .offset = offsetof(struct serve_values, listen)},
    {.name = "admin",
     .argument = "HOST:PORT",
     .help = "where /healthz and /metrics are, for the administrator; off: nowhere",
     .fallback = SERVE_DEFAULT_ADMIN,
     .parse = option_string,
     .offset = offsetof(struct serve_values, admin)},
    {.name = "log-level",
     .argument = "LEVEL",
     .help = "error, warn, info or debug",
     .fallback = "info",
     .parse = option_choice,
     .words = log_levels,
     .offset = offsetof(struct serve_values, log_level)},
    {.name = "max-connections",
     .argument = "N",
     .help = "connections of devices at a time",
     .fallback = TEXT_OF(SERVE_DEFAULT_CONNECTIONS),
     .parse = option_number,
     .least = 1,
     .most = 1000000,
     .offset = offsetof(struct serve_values, max_connections)},
    {.name = "idle",
     .argument = "S",
     .help = "closes a connection after so many seconds without a byte",
     .fallback = TEXT_OF(SERVE_DEFAULT_IDLE),
     .parse = option_number,
     .least = 1,
     .most = 86400,
     .offset = offsetof(struct serve_values, idle)},
    {.name = "queue",
     .argument = "N",
     .help = "messages that may wait for the store; further ones are told to come again",
     .fallback = TEXT_OF(SERVE_DEFAULT_QUEUE),
     .parse = option_number,
     .least = 1,
     .most = 1000000,
     .offset = offsetof(struct serve_values, queue)},
    DATABASE_OPTIONS(struct serve_values),
    {0},
};

static int run(const void *options, int argc, char **argv, struct failure *failure)
{
    const struct serve_values *values = options;
    struct serve_options serve_options = {
        .db = values->database.db,
        .key = values->database.key,
        .listen = values->listen,
        .admin = values->admin,
        .log_level = (enum log_level)values->log_level,
        .max_connections = (unsigned)values->max_connections,
        .idle_seconds = (unsigned)values->idle,
        .queue = (unsigned)values->queue,
    };

    (void)argc, (void)argv;
    return serve(&serve_options, failure);
}

const struct command command_serve = {
    .name = "serve",
    .summary = "runs the gateway: takes sealed messages and stores what is in them",
    .details = "It makes the database and its master key if they are not there, prints a line for each "
               "listener once it is ready, and logs on standard error. SIGTERM and SIGINT end it after what "
               "is queued was stored.",
    .example = "bulla serve --db /var/lib/bulla/bulla.db",
    .options = options_table,
    .options_size = sizeof(struct serve_values),
    .run = run,
};
