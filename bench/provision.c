/* bulla-load provision: many devices at once. */
#include "bench/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sys/random.h>

#include "cli/database.h"
#include "device/crypto.h"

struct provision_options {
    struct database_options database;
    const char *prefix;
    int64_t devices;
    bool counter;
};

static const struct option options_table[] = {
    {.name = "devices",
     .argument = "N",
     .help = "how many",
     .fallback = "1000",
     .parse = option_number,
     .least = 1,
     .most = 1000000,
     .offset = offsetof(struct provision_options, devices)},
    {.name = "prefix",
     .argument = "TEXT",
     .help = "what their names begin with",
     .fallback = "load-",
     .parse = option_string,
     .offset = offsetof(struct provision_options, prefix)},
    {.name = "counter",
     .help = "counter contexts (default: sessions)",
     .parse = option_flag,
     .offset = offsetof(struct provision_options, counter)},
    DATABASE_OPTIONS(struct provision_options),
    {0},
};

/* Enters one device under a kid of its own. 1 entered, 0 the kid is taken, -1 with the failure. */
static int enter(const struct provision_options *options, struct store *store, const struct vault *vault,
                 int64_t number, struct failure *failure)
{
    uint8_t secret[BULLA_SECRET_SIZE];
    struct device_row row = {.kid_len = 4,
                             .alg = BULLA_AES_CCM_16_64_128,
                             .kind = options->counter ? BULLA_COUNTER : BULLA_SESSION,
                             .created = time(NULL)};
    int result;

    snprintf(row.name, sizeof(row.name), "%.40s%07" PRId64, options->prefix, number);
    if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret) || getrandom(row.kid, 4, 0) != 4)
        return fail(failure, "the system's random source failed");
    result = vault_seal_device(vault, &row, secret, failure);
    bulla_wipe(secret, sizeof(secret));
    return result < 0 ? -1 : store_device_add(store, &row, true, failure);
}

static int enter_all(const struct provision_options *options, struct store *store, const struct vault *vault,
                     struct failure *failure)
{
    for (int64_t i = 0; i < options->devices;) {
        int entered = enter(options, store, vault, i, failure);
        if (entered < 0)
            return -1;
        i += entered;
    }
    return 0;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct provision_options *options = values;
    struct store *store;
    struct vault vault;
    int result = -1;

    (void)argc, (void)argv;
    if (database_open(&store, &options->database, STORE_CREATE, failure) < 0)
        return -1;
    if (database_vault(&vault, store, &options->database, failure) == 0) {
        result = enter_all(options, store, &vault, failure);
        vault_wipe(&vault);
    }
    database_close(store);
    return result;
}

const struct command command_provision = {
    .name = "provision",
    .summary = "enters many devices in a registry",
    .options = options_table,
    .options_size = sizeof(struct provision_options),
    .run = run,
};
