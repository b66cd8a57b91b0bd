/* bulla simulate: a fleet in one process, its network and an attacker, against a real gateway. */
#include "cli/simulate.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "cli/command.h"
#include "device/crypto_openssl.h"

#define SLOTS           2   /* readings that a device has on the way */
#define WAIT_MOST       100 /* milliseconds */
#define CONNECTIONS_MAX 1024

/* ---- options ---- */

/* A decimal number from 0 on. */
static int parse_number(const struct option *option, const char *text, void *field, struct failure *failure)
{
    struct simulate_number *number = field;
    char *end;

    number->value = strtod(text, &end);
    if (end == text || *end || !isfinite(number->value) || number->value < 0 ||
        number->value > (double)option->most)
        return fail(failure, "'%.40s' is not a number from 0 to %lld", text, (long long)option->most);
    number->given = true;
    return 0;
}

static const char *const fault_words[] = {[FAULTS_SOME] = "some", [FAULTS_NONE] = "none", NULL};
static const char *const formats[] = {[SIMULATE_TABLE] = "table", [SIMULATE_JSON] = "json", NULL};

/* clang-format off */
#define SHARE(option_name, member, text)                                                   \
    {.name = option_name,                                                                  \
     .argument = "P",                                                                      \
     .help = text,                                                                         \
     .parse = parse_number,                                                                \
     .most = 1,                                                                            \
     .offset = offsetof(struct simulate_options, member)}
/* clang-format on */

static const struct option options_table[] = {
    {.name = "to",
     .argument = "URL|@FILE",
     .help = "the gateway's device listener (/d is put where the URL has no path), or a broker that it takes "
             "messages from: mqtt[s]://[USER@]HOST[:PORT][?KEY=VALUE&...], or a file with that and the "
             "password, as for 'bulla serve --mqtt'",
     .parse = option_string,
     .offset = offsetof(struct simulate_options, to)},
    {.name = "devices",
     .argument = "N",
     .help = "how many devices",
     .fallback = "100",
     .parse = option_number,
     .least = 1,
     .most = LEDGER_DEVICES_MAX,
     .offset = offsetof(struct simulate_options, devices)},
    {.name = "rate",
     .argument = "R",
     .help = "readings a second, of all devices together",
     .fallback = "20",
     .parse = parse_number,
     .most = 1000000,
     .offset = offsetof(struct simulate_options, rate)},
    {.name = "duration",
     .argument = "S",
     .help = "seconds during which readings are taken and faults happen; what is on its way then comes home "
             "without faults",
     .fallback = "30",
     .parse = parse_number,
     .most = 86400 * 365,
     .offset = offsetof(struct simulate_options, duration)},
    {.name = "seed",
     .argument = "N",
     .help =
         "decides all that happens; the same seed sends the same messages, over HTTP (default: drawn, and "
         "told)",
     .parse = parse_number,
     .most = UINT32_MAX,
     .offset = offsetof(struct simulate_options, seed)},
    {.name = "faults",
     .argument = "WHICH",
     .help = "some: a little of each, but for those that are given below; none: only those",
     .fallback = "some",
     .parse = option_choice,
     .words = fault_words,
     .offset = offsetof(struct simulate_options, faults)},
    SHARE("loss", loss, "chance that a copy of a message, or a reply, is lost (some: 0.05)"),
    SHARE("duplicate", duplicate, "chance that there is another copy of it (some: 0.05)"),
    SHARE("reorder", reorder, "chance that it is held back, up to 4 seconds (some: 0.05)"),
    {.name = "delay",
     .argument = "S",
     .help = "seconds that each takes on average (some: 0.05)",
     .parse = parse_number,
     .most = 60,
     .offset = offsetof(struct simulate_options, delay)},
    SHARE("reboot", reboot, "chance that a board restarts before a reading (some: 0.02)"),
    SHARE("sleep", sleep, "chance that it sleeps deeply before a reading (some: 0.05)"),
    SHARE("brown-out", brown_out,
          "chance that its power fails while it writes, or right behind a sealing (some: 0.02)"),
    SHARE("lost-store", lost_store,
          "chance that what it stored is gone or damaged, and it restarts (some: 0.005)"),
    SHARE(
        "attack", attack,
        "chance that the attacker replays, forges, flips or floods as a message or reply passes (some: 0.1)"),
    {.name = "counters",
     .argument = "P",
     .help = "share of the devices that count in flash instead of drawing sessions",
     .fallback = "0.25",
     .parse = parse_number,
     .most = 1,
     .offset = offsetof(struct simulate_options, counters)},
    {.name = "connections",
     .argument = "N",
     .help = "connections to the gateway or broker; devices share them",
     .fallback = "32",
     .parse = option_number,
     .least = 1,
     .most = CONNECTIONS_MAX,
     .offset = offsetof(struct simulate_options, connections)},
    {.name = "patience",
     .argument = "S",
     .help = "gives up once so many seconds brought no proof",
     .fallback = "60",
     .parse = option_number,
     .least = 1,
     .most = 86400,
     .offset = offsetof(struct simulate_options, patience)},
    {.name = "prefix",
     .argument = "TEXT",
     .help = "names the devices TEXT-000000 and on (default: sim-SEED)",
     .parse = option_string,
     .offset = offsetof(struct simulate_options, prefix)},
    {.name = "keep",
     .help = "leaves the devices in the registry; otherwise they are removed in the end, and their readings "
             "stay",
     .parse = option_flag,
     .offset = offsetof(struct simulate_options, keep)},
    {.name = "credentials",
     .argument = "FILE",
     .help = "takes session devices from a file of credential lines, without the database: then what is "
             "stored cannot be looked at",
     .parse = option_string,
     .offset = offsetof(struct simulate_options, credentials)},
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "table or json",
     .fallback = "table",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct simulate_options, format)},
    DATABASE_OPTIONS(struct simulate_options),
    {0},
};

static double chance(const struct simulate_options *options, const struct simulate_number *given, double some)
{
    if (given->given)
        return given->value;
    return options->faults == FAULTS_SOME ? some : 0;
}

static struct sim_faults faults_of(const struct simulate_options *options)
{
    return (struct sim_faults){
        .loss = chance(options, &options->loss, 0.05),
        .duplicate = chance(options, &options->duplicate, 0.05),
        .reorder = chance(options, &options->reorder, 0.05),
        .delay = chance(options, &options->delay, 0.05),
        .reboot = chance(options, &options->reboot, 0.02),
        .sleep = chance(options, &options->sleep, 0.05),
        .brown_out = chance(options, &options->brown_out, 0.02),
        .lost_store = chance(options, &options->lost_store, 0.005),
        .attack = chance(options, &options->attack, 0.1),
    };
}

static int check(const struct simulate_options *options, struct failure *failure)
{
    double each = options->rate.value * options->duration.value / (double)options->devices;

    if (!options->to)
        return usage(failure, "--to: say which gateway, as in --to http://127.0.0.1:8620");
    if (options->seed.value != floor(options->seed.value))
        return usage(failure, "--seed: give a whole number");
    if (options->rate.value <= 0 || options->duration.value <= 0)
        return usage(failure, "--rate and --duration: give numbers above 0");
    if (each > LEDGER_READINGS_MAX / 2)
        return usage(failure, "%.0f readings of each device are too many: at most %u; give more --devices",
                     each, LEDGER_READINGS_MAX / 2);
    if (options->prefix && strlen(options->prefix) > SIMULATE_PREFIX_MAX)
        return usage(failure, "--prefix: it has more than %d bytes", SIMULATE_PREFIX_MAX);
    return 0;
}

/* ---- the simulation ---- */

/* The last one says what is wrong with an address that nobody takes. */
static const struct carrier_ops *const ways[] = {&carrier_mqtt, &carrier_http};

struct simulation {
    const struct simulate_options *options;
    uint64_t seed;
    struct fleet fleet;
    struct world world;
    struct carrier *carrier;
    struct sim_entropy entropy;
    struct bulla_crypto crypto;
    struct progress progress;
    struct timespec begun;
};

static volatile sig_atomic_t interrupts; /* SIGINT and SIGTERM so far */

static void on_signal(int number)
{
    (void)number;
    interrupts++;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    interrupts = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* The kernel's, whatever the seed: a session id that came twice under one secret would repeat nonces. */
static int real_random(void *context, uint8_t *out, size_t len)
{
    (void)context;
    return getrandom(out, len, 0) == (ssize_t)len ? 0 : -1;
}

static double seconds_of(const struct simulation *simulation)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - simulation->begun.tv_sec) +
           (double)(now.tv_nsec - simulation->begun.tv_nsec) / 1e9;
}

static void restart_clock(struct simulation *simulation)
{
    clock_gettime(CLOCK_MONOTONIC, &simulation->begun);
    progress_end(&simulation->progress);
    progress_begin(&simulation->progress);
}

static int open_carrier(struct simulation *simulation, struct failure *failure)
{
    const struct simulate_options *options = simulation->options;
    size_t i = 0;

    while (i + 1 < sizeof(ways) / sizeof(ways[0]) && !ways[i]->takes(options->to))
        i++;
    if (ways[i]->most > 0 && (size_t)options->devices > ways[i]->most * (size_t)options->connections)
        return fail(failure, "a connection to a broker serves %zu devices; give more --connections",
                    ways[i]->most);
    return ways[i]->open(&simulation->carrier, options->to, (size_t)options->connections, failure);
}

static void close_carrier(struct simulation *simulation)
{
    if (simulation->carrier)
        simulation->carrier->ops->close(simulation->carrier);
    simulation->carrier = NULL;
}

static int on_renew(void *context, uint32_t lane, struct bulla_credential *credential)
{
    return fleet_renew(&((struct simulation *)context)->fleet, lane, credential);
}

static int make_world(struct simulation *simulation, struct failure *failure)
{
    const struct simulate_options *options = simulation->options;
    struct world_config config = {
        .seed = simulation->seed,
        .devices = (size_t)options->devices,
        .rate = options->rate.value,
        .duration = options->duration.value,
        .faults = faults_of(options),
        .slots = SLOTS,
        .serial = simulation->carrier->ops->answers_each,
        .name = simulation->fleet.run,
        .entropy = &simulation->entropy,
        .crypto = &simulation->crypto,
        .carrier = &simulation->carrier->carrier,
        .observer = {.renew = on_renew, .context = simulation},
    };

    simulation->entropy.fill = real_random;
    simulation->carrier->world = &simulation->world;
    return world_init(&simulation->world, &config) < 0 ? fail(failure, "memory is out: give fewer --devices")
                                                       : 0;
}

/* The next devices get their credentials. Returns how many did, or -1. */
static int start_batch(struct simulation *simulation, uint32_t first, size_t count, struct draw *draw,
                       struct failure *failure)
{
    struct bulla_credential credentials[FLEET_BATCH] = {0};
    int taken = fleet_take(&simulation->fleet, first, count, draw, credentials, failure);
    int error = 0;

    for (int i = 0; i < taken && error == 0; i++)
        error = world_start(&simulation->world, first + (uint32_t)i, &credentials[i]);
    bulla_wipe(credentials, sizeof(credentials));
    return error < 0 ? fail(failure, "a device does not start: %s", bulla_strerror(error)) : taken;
}

static int64_t start_devices(struct simulation *simulation, struct failure *failure)
{
    struct draw draw = draw_stream(simulation->seed, UINT32_MAX);
    size_t count = (size_t)simulation->options->devices;
    size_t started = 0;

    while (started < count && interrupts == 0) {
        size_t batch = count - started < FLEET_BATCH ? count - started : FLEET_BATCH;
        int taken = start_batch(simulation, (uint32_t)started, batch, &draw, failure);
        if (taken < 0)
            return -1;
        started += (size_t)taken;
        if ((size_t)taken < batch)
            break;
        progress_count(&simulation->progress, "entering", started, count, seconds_of(simulation));
    }
    if (started == 0 && interrupts == 0)
        return fail(failure, "--credentials %.100s: it has no lines", simulation->options->credentials);
    return (int64_t)started;
}

/* Milliseconds until something is to happen. */
static int next_wait(const struct simulation *simulation, int64_t now)
{
    const struct event *next = network_next(&simulation->world.network);
    int64_t wait = next ? (next->time - now) / 1000 : WAIT_MOST;

    return wait < 0 ? 0 : wait < WAIT_MOST ? (int)wait : WAIT_MOST;
}

/* How far it has come: what moves when a run is alive. */
static uint64_t marks_of_life(const struct simulation *simulation)
{
    const struct world *world = &simulation->world;

    return world_calm(world) ? world->ledger.told + world->ledger.given_up : simulation->carrier->answers;
}

static int run_world(struct simulation *simulation, struct failure *failure)
{
    struct world *world = &simulation->world;
    uint64_t life = 0;
    double alive = 0;

    while (!world_finished(world) && interrupts < 2) {
        double seconds = seconds_of(simulation);
        int64_t now = (int64_t)(seconds * (double)WORLD_SECOND);
        bool full;

        if (interrupts == 1)
            world_end(world);
        full = world_advance(world, now);
        if (world->out_of_memory)
            return fail(failure, "memory is out");
        if (simulation->carrier->ops->run(simulation->carrier, full ? WAIT_MOST : next_wait(simulation, now),
                                          failure) < 0)
            return -1;
        if (life != marks_of_life(simulation))
            alive = seconds;
        life = marks_of_life(simulation);
        if (seconds - alive > (double)simulation->options->patience)
            break;
        progress_step(&simulation->progress, world, seconds);
    }
    return 0;
}

static int tell(struct simulation *simulation, double seconds, size_t devices, struct failure *failure)
{
    struct report report = {
        .options = simulation->options,
        .tells = simulation->carrier->ops->tells,
        .world = &simulation->world,
        .seed = simulation->seed,
        .devices = devices,
        .seconds = seconds,
        .interrupted = interrupts > 1,
        .searched = simulation->fleet.store != NULL,
    };

    close_carrier(simulation); /* what is on the way comes to its end */
    if (report.searched && fleet_find(&simulation->fleet, &simulation->world.ledger, failure) < 0)
        return -1;
    progress_end(&simulation->progress);
    report_judge(&report);
    if (report_print(&report, failure) < 0)
        return -1;
    return report.problem_count == 0 ? 0 : fail(failure, "it does not add up: %s", report.problems[0]);
}

static int simulate(struct simulation *simulation, struct failure *failure)
{
    int64_t devices;
    double seconds;

    if (make_world(simulation, failure) < 0)
        return -1;
    restart_clock(simulation);
    devices = start_devices(simulation, failure);
    if (devices < 0)
        return -1;
    restart_clock(simulation);
    if (run_world(simulation, failure) < 0)
        return -1;
    seconds = seconds_of(simulation);
    return tell(simulation, seconds, (size_t)devices, failure);
}

static int remove_devices(struct simulation *simulation, struct failure *failure)
{
    struct fleet *fleet = &simulation->fleet;
    size_t count = fleet->id_count;
    struct failure why;

    restart_clock(simulation);
    while (fleet->id_count > 0) {
        if (fleet_remove(fleet, FLEET_BATCH, &why) < 0)
            return fail(failure, "%zu simulated devices could not be removed: %.200s", fleet->id_count,
                        why.text);
        progress_count(&simulation->progress, "removing", count - fleet->id_count, count,
                       seconds_of(simulation));
    }
    return 0;
}

/* The devices go, whatever happened; what went wrong before is told rather than what goes wrong now. */
static int clean_up(struct simulation *simulation, int result, struct failure *failure)
{
    struct failure why;

    if (simulation->fleet.store && !simulation->options->keep && remove_devices(simulation, &why) < 0 &&
        result == 0)
        result = fail(failure, "%s", why.text);
    progress_end(&simulation->progress);
    close_carrier(simulation);
    world_wipe(&simulation->world);
    fleet_close(&simulation->fleet);
    bulla_crypto_close(&simulation->crypto);
    return result;
}

static int draw_seed(const struct simulate_options *options, uint64_t *seed, struct failure *failure)
{
    uint32_t drawn;

    if (!options->seed.given && getrandom(&drawn, sizeof(drawn), 0) != (ssize_t)sizeof(drawn))
        return fail(failure, "the system's random source failed");
    *seed = options->seed.given ? (uint64_t)options->seed.value : drawn;
    return 0;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct simulate_options *options = values;
    struct simulation *simulation;
    int result = check(options, failure);

    (void)argc, (void)argv;
    if (result < 0)
        return result;
    simulation = calloc(1, sizeof(*simulation));
    if (!simulation)
        return fail(failure, "memory is out");
    simulation->options = options;
    catch_signals();
    result = draw_seed(options, &simulation->seed, failure);
    if (result == 0 && bulla_crypto_open(&simulation->crypto) < 0)
        result = fail(failure, "cannot set up OpenSSL");
    if (result == 0)
        result = open_carrier(simulation, failure);
    if (result == 0)
        result = fleet_open(&simulation->fleet, options, simulation->seed, failure);
    if (result == 0)
        result = simulate(simulation, failure);
    result = clean_up(simulation, result, failure);
    free(simulation);
    return result;
}

const struct command command_simulate = {
    .name = "simulate",
    .summary = "runs a fleet of devices, with faults and an attacker",
    .details = "The devices run the device library, on boards that restart, sleep and lose their power, over "
               "a network "
               "that loses, copies and holds back, under an attacker. In the end it prints what was sent, "
               "told stored and "
               "found stored, and exits with 1 if that does not add up. SIGINT ends it early: what is on its "
               "way still "
               "comes home; a second one does not wait for that.\n"
               "The devices get fresh credentials in the registry (--db, --key), so a run can be repeated "
               "with the same "
               "seed. They are removed in the end, their kids are not given out again, and their readings "
               "stay: use a "
               "database of its own.\n"
               "A broker says of a message that it took it, and no more: what the gateway refused is counted "
               "there ('bulla events'), and not here.",
    .example = "bulla simulate --to http://127.0.0.1:8620 --devices 1000 --rate 200 --duration 60 --seed 7\n"
               "bulla simulate --to http://gateway:8620 --faults none --loss 0.2 --attack 0.5\n"
               "bulla simulate --to mqtt://broker --devices 1000 --rate 200",
    .options = options_table,
    .options_size = sizeof(struct simulate_options),
    .run = run,
};
