/* bulla serve: the gateway. */
#include "gateway/serve.h"

#include <string.h>

#include "cli/brokers.h"
#include "cli/command.h"
#include "cli/database.h"
#include "cli/settings.h"
#include "cli/sink_options.h"
#include "gateway/http.h"
#include "gateway/source/mqtt_topic.h"

#define TEXT_OF_(number) #number
#define TEXT_OF(number)  TEXT_OF_(number)

struct serve_values {
    struct settings settings;
    bool print_config;
    struct database_options database;
    const char *listen;
    const char *admin;
    struct option_strings brokers;
    const char *topic;
    const char *share;
    struct option_strings sinks;
    int64_t sink_keep_size; /* bytes */
    int64_t sink_keep_age;  /* seconds */
    bool keep_here;
    unsigned log_level;
    int64_t max_connections;
    int64_t idle;
    int64_t queue;
    int64_t keep; /* days */
    const char *user;
    unsigned sandbox;
};

static const char *const log_levels[] = {
#define LOG_LEVEL_WORD(name, word) [name] = word,
    LOG_LEVELS(LOG_LEVEL_WORD)
#undef LOG_LEVEL_WORD
        NULL,
};

/* int64_t: days, 0 for ever. */
static int option_days(const struct option *option, const char *text, void *field, struct failure *failure)
{
    struct failure why;

    if (strcmp(text, "forever") == 0)
        text = "0";
    if (option_number(option, text, field, &why) == 0)
        return 0;
    return fail(failure, "'%.40s' is neither 'forever' nor a number of days from %lld to %lld", text,
                (long long)option->least, (long long)option->most);
}

/* const char *: of the form that a listener takes, or the word that stands for none. Looked up only later. */
static int option_address(const struct option *option, const char *text, void *field, struct failure *failure)
{
    if (http_is_address(text) || (option->words != NULL && strcmp(text, option->words[0]) == 0))
        return option_string(option, text, field, failure);
    return fail(failure,
                "'%.80s' is no address; give HOST:PORT, or [HOST]:PORT for IPv6, with a port up to 65535%s%s",
                text, option->words != NULL ? ", or " : "", option->words != NULL ? option->words[0] : "");
}

static const char *const no_listener[] = {"off", NULL};
static const char *const switch_words[] = {"off", "on", NULL};

static const struct option options_table[] = {
    {.name = "config",
     .argument = "FILE",
     .help = "reads the other options from this file, 'key = value' a line under [serve]; environment and "
             "arguments count for more",
     .parse = option_config,
     .section = "serve",
     .typed_only = true,
     .offset = offsetof(struct serve_values, settings)},
    {.name = "print-config",
     .help = "prints the options as a configuration file that says where each comes from, and ends",
     .parse = option_flag,
     .typed_only = true,
     .offset = offsetof(struct serve_values, print_config)},
    {.name = "listen",
     .argument = "HOST:PORT",
     .help = "where devices send to; [::] is every address of this host, port 0 picks a free one",
     .fallback = SERVE_DEFAULT_LISTEN,
     .parse = option_address,
     .offset = offsetof(struct serve_values, listen)},
    {.name = "admin",
     .argument = "HOST:PORT",
     .help = "where /healthz and /metrics are, for the administrator; off: nowhere",
     .fallback = SERVE_DEFAULT_ADMIN,
     .parse = option_address,
     .words = no_listener,
     .offset = offsetof(struct serve_values, admin)},
    {.name = "mqtt",
     .argument = "URL|@FILE",
     .help =
         "takes messages from this broker too: mqtt[s]://[USER@]HOST[:PORT][?KEY=VALUE&...], or a file with "
         "that in its first line and KEY = VALUE in the others; may be given again. Keys: ca, cert, key, "
         "user, "
         "password (in a file, or in BULLA_MQTT_PASSWORD), client-id, version (5 or 3.1.1), keep-alive, "
         "session-expiry, receive-maximum, devices (native or older: only their messages)",
     .parse = option_broker,
     .repeatable = true,
     .offset = offsetof(struct serve_values, brokers)},
    {.name = "mqtt-topic",
     .argument = "FILTER",
     .help = "what is subscribed there: PREFIX/+/up; replies are published to PREFIX/KID/down",
     .fallback = MQTT_TOPIC_DEFAULT,
     .parse = option_mqtt_topic,
     .offset = offsetof(struct serve_values, topic)},
    {.name = "mqtt-share",
     .argument = "GROUP",
     .help =
         "shares what is subscribed with the other gateways of this group (MQTT 5): each message goes to one "
         "of them",
     .parse = option_mqtt_share,
     .offset = offsetof(struct serve_values, share)},
    {.name = "sink",
     .argument = "URL|@FILE",
     .help =
         "readings go to this database instead of --db, which keeps them until it has them: "
         "influx://HOST/DATABASE, postgres://USER@HOST/NAME, mysql://USER@HOST/NAME or sqlite:FILE; a file "
         "has the URL in its first line and KEY = VALUE in the others; may be given again, and each goes on "
         "at its own pace",
     .parse = option_sink,
     .repeatable = true,
     .offset = offsetof(struct serve_values, sinks)},
    {.name = "sink-keep-size",
     .argument = "SIZE",
     .help =
         "what may wait for a sink: bytes, or such as 500M, 2G; with more, devices are told to come again",
     .fallback = "1G",
     .parse = option_size,
     .least = 65536,
     .most = INT64_C(1) << 50,
     .live = true,
     .offset = offsetof(struct serve_values, sink_keep_size)},
    {.name = "sink-keep-age",
     .argument = "AGE",
     .help = "lets readings go for a sink that it has not taken for so long: such as 12h, 30d; forever: none",
     .fallback = "30d",
     .parse = option_age,
     .least = 1,
     .most = INT64_C(36500) * 86400,
     .live = true,
     .offset = offsetof(struct serve_values, sink_keep_age)},
    {.name = "keep-here",
     .help = "stores readings in --db as well, where they go to sinks",
     .parse = option_flag,
     .offset = offsetof(struct serve_values, keep_here)},
    {.name = "log-level",
     .argument = "LEVEL",
     .help = "error, warn, info or debug",
     .fallback = "info",
     .parse = option_choice,
     .words = log_levels,
     .live = true,
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
    {.name = "keep",
     .argument = "DAYS",
     .help = "deletes readings that are older, little by little; forever, or 0: none",
     .fallback = "forever",
     .parse = option_days,
     .least = 0,
     .most = 36500,
     .live = true,
     .offset = offsetof(struct serve_values, keep)},
    {.name = "user",
     .argument = "NAME",
     .help = "whom root becomes before it opens or reads anything; ports below 1024 can be had all the same",
     .parse = option_string,
     .offset = offsetof(struct serve_values, user)},
    {.name = "sandbox",
     .argument = "on|off",
     .help = "on: no system call is carried out that a gateway does not need (seccomp)",
     .fallback = "on",
     .parse = option_choice,
     .words = switch_words,
     .offset = offsetof(struct serve_values, sandbox)},
    DATABASE_OPTIONS(struct serve_values),
    {0},
};

_Static_assert(OPTION_STRINGS_MAX <= SERVE_BROKERS_MAX && OPTION_STRINGS_MAX <= SERVE_SINKS_MAX,
               "as many as can be said find a place");

static void fill(struct serve_options *options, const struct serve_values *values)
{
    *options = (struct serve_options){
        .db = values->database.db,
        .key = values->database.key,
        .listen = values->listen,
        .admin = values->admin,
        .broker_count = values->brokers.count,
        .topic = values->topic,
        .share = values->share,
        .sink_count = values->sinks.count,
        .sink_keep_bytes = values->sink_keep_size,
        .sink_keep_seconds = values->sink_keep_age,
        .keep_here = values->keep_here,
        .log_level = (enum log_level)values->log_level,
        .max_connections = (unsigned)values->max_connections,
        .idle_seconds = (unsigned)values->idle,
        .queue = (unsigned)values->queue,
        .keep_seconds = values->keep * 86400,
        .user = values->user,
        .sandbox = values->sandbox != 0,
    };
    for (size_t i = 0; i < values->brokers.count; i++)
        options->brokers[i] = values->brokers.texts[i];
    for (size_t i = 0; i < values->sinks.count; i++)
        options->sinks[i] = values->sinks.texts[i];
}

/* ---- reading the file anew ---- */

/* What a gateway was started with, and what it was told last. */
struct told {
    const struct settings *started;
    struct settings last; /* nothing: not told since */
};

/* What cannot change is compared with what it was started with: every reload tells of it, until it restarts.
 */
static void compare(const struct told *told, const struct settings *fresh, struct serve_changes *changes)
{
    const struct settings *last = told->last.count > 0 ? &told->last : told->started;

    changes->count = 0;
    for (const struct option *option = options_table; option->name; option++) {
        if (settings_same(option->live ? last : told->started, fresh, option))
            continue;
        if (changes->count < SERVE_CHANGES_MAX)
            changes->items[changes->count++] = (struct serve_change){option->name, option->live};
    }
}

static int reload(void *context, struct serve_options *options, struct serve_changes *changes,
                  struct failure *failure)
{
    struct told *told = context;
    struct serve_values values = {0};

    if (told->started->file == NULL)
        return fail(failure, "it was started without --config, so there is no file to read anew");
    if (settings_again(&values.settings, told->started, failure) < 0 ||
        settings_apply(&values.settings, &values, failure) < 0) {
        settings_free(&values.settings);
        return -1;
    }
    compare(told, &values.settings, changes);
    fill(options, &values);
    settings_free(&told->last);
    told->last = values.settings; /* the options' strings are in it */
    return 0;
}

/* ---- the command ---- */

static int run(const void *options, int argc, char **argv, struct failure *failure)
{
    const struct serve_values *values = options;
    struct told told = {.started = &values->settings};
    struct serve_options serve_options;
    int result;

    (void)argc, (void)argv;
    if (values->print_config)
        return settings_print(&values->settings, stdout, failure);
    fill(&serve_options, values);
    serve_options.reload = reload;
    serve_options.reload_context = &told;
    result = serve(&serve_options, failure);
    settings_free(&told.last);
    return result;
}

const struct command command_serve = {
    .name = "serve",
    .summary = "runs the gateway: takes sealed messages and stores what is in them",
    .details = "It makes the database and its master key if they are not there, prints a line for each "
               "listener once it is ready, and logs on standard error. SIGTERM and SIGINT end it after what "
               "is queued was stored. SIGHUP reads the configuration file anew: what can change in a running "
               "gateway does, the log tells what needs a restart, and a file with an error changes nothing.",
    .example = "bulla serve --db /var/lib/bulla/bulla.db\n"
               "bulla serve --print-config > bulla.conf && bulla serve --config bulla.conf",
    .options = options_table,
    .options_size = sizeof(struct serve_values),
    .run = run,
};
