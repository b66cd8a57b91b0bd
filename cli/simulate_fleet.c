#include "cli/simulate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "device/crypto.h"

#define KID_SIZE 4  /* bytes (PROTOCOL 1) */
#define DRAWS    64 /* of a kid: even among a million devices the first is nearly always free */

static int draw_random(void *out, size_t len, struct failure *failure)
{
    if (getrandom(out, len, 0) != (ssize_t)len) /* up to 256 bytes come whole */
        return fail(failure, "the system's random source failed");
    return 0;
}

/* ---- opening and closing ---- */

/* A name of its own for every run: readings of another one are never taken for this one's. */
static int name_run(struct fleet *fleet, struct failure *failure)
{
    uint64_t number;

    if (draw_random(&number, sizeof(number), failure) < 0)
        return -1;
    snprintf(fleet->run, sizeof(fleet->run), "run-%016" PRIx64, number);
    return 0;
}

static int open_credentials(struct fleet *fleet, struct failure *failure)
{
    const char *path = fleet->options->credentials;

    fleet->credentials = fopen(path, "re");
    if (!fleet->credentials)
        return fail(failure, "--credentials %.100s: %s", path, strerror(errno));
    setvbuf(fleet->credentials, NULL, _IONBF, 0); /* secrets: no copy of them in stdio's buffer */
    return 0;
}

int fleet_open(struct fleet *fleet, const struct simulate_options *options, uint64_t seed,
               struct failure *failure)
{
    memset(fleet, 0, sizeof(*fleet));
    fleet->options = options;
    if (options->prefix)
        snprintf(fleet->prefix, sizeof(fleet->prefix), "%s", options->prefix);
    else
        snprintf(fleet->prefix, sizeof(fleet->prefix), "sim-%" PRIu64, seed);
    if (name_run(fleet, failure) < 0)
        return -1;
    if (options->credentials)
        return open_credentials(fleet, failure);
    if (database_open(&fleet->store, &options->database, STORE_EXISTING, failure) < 0)
        return -1;
    return database_vault(&fleet->vault, fleet->store, &options->database, failure);
}

void fleet_close(struct fleet *fleet)
{
    database_close(fleet->store);
    vault_wipe(&fleet->vault);
    free(fleet->ids);
    if (fleet->credentials)
        fclose(fleet->credentials);
    memset(fleet, 0, sizeof(*fleet));
}

/* ---- credentials of this run ---- */

static int note_id(struct fleet *fleet, int64_t id, struct failure *failure)
{
    if (fleet->id_count == fleet->id_room) {
        size_t room = fleet->id_room == 0 ? 256 : fleet->id_room * 2;
        int64_t *ids = realloc(fleet->ids, room * sizeof(*ids));
        if (!ids)
            return fail(failure, "memory is out");
        fleet->ids = ids;
        fleet->id_room = room;
    }
    fleet->ids[fleet->id_count++] = id;
    return 1;
}

/* The secret is fresh, so a counter may begin, and no key was ever used before: whatever the seed is. */
static int enter(struct fleet *fleet, const char *name, struct bulla_credential *credential,
                 struct failure *failure)
{
    struct device_row row = {
        .kid_len = KID_SIZE,
        .alg = credential->alg,
        .kind = credential->kind,
        .created = time(NULL),
    };
    int entered = 0;

    credential->kid_len = KID_SIZE;
    snprintf(row.name, sizeof(row.name), "%s", name);
    if (draw_random(credential->secret, sizeof(credential->secret), failure) < 0)
        return -1;
    for (int i = 0; i < DRAWS && entered == 0; i++) {
        if (draw_random(credential->kid, KID_SIZE, failure) < 0)
            return -1;
        memcpy(row.kid, credential->kid, KID_SIZE);
        if (vault_seal_device(&fleet->vault, &row, credential->secret, failure) < 0)
            return -1;
        entered = fleet->store->ops->device_add(fleet->store, &row, true, failure);
    }
    if (entered <= 0)
        return entered < 0 ? -1 : fail(failure, "no kid of %d bytes is free", KID_SIZE);
    return note_id(fleet, row.id, failure);
}

static int make_credential(struct fleet *fleet, uint32_t device, struct draw *draw,
                           struct bulla_credential *credential, struct failure *failure)
{
    static const uint8_t algs[] = {BULLA_AES_CCM_16_64_128, BULLA_AES_CCM_16_64_128, BULLA_AES_CCM_16_128_128,
                                   BULLA_CHACHA20_POLY1305};
    char name[BULLA_NAME_MAX + 32];

    credential->alg = algs[draw_below(draw, sizeof(algs))];
    credential->kind = draw_chance(draw, fleet->options->counters.value) ? BULLA_COUNTER : BULLA_SESSION;
    snprintf(name, sizeof(name), "%s-%06" PRIu32, fleet->prefix, device);
    return enter(fleet, name, credential, failure);
}

/* The registry under another name: the old credential may still bring messages home that are on the way. */
int fleet_renew(struct fleet *fleet, uint32_t device, struct bulla_credential *credential)
{
    char name[BULLA_NAME_MAX + 32];
    struct failure failure;

    if (!fleet->store)
        return -1;
    snprintf(name, sizeof(name), "%s-%06" PRIu32 ".%" PRIu32, fleet->prefix, device, ++fleet->renewals);
    return enter(fleet, name, credential, &failure) < 0 ? -1 : 0;
}

/* ---- credentials that are given ---- */

/* One line without its end. Returns its length, -1 where there is none, or SIZE_MAX for one that is too long.
 */
static ssize_t read_line(FILE *file, char line[BULLA_CREDENTIAL_MAX])
{
    ssize_t len = 0;
    int c;

    while ((c = getc(file)) != EOF && c != '\n') {
        if (len == BULLA_CREDENTIAL_MAX - 1)
            return -2;
        line[len++] = (char)c;
    }
    line[len] = 0;
    return c == EOF && len == 0 ? -1 : len;
}

/* Sessions only: a counter would begin at 0 in every run, and use its nonces again. */
static int read_credential(struct fleet *fleet, uint32_t device, struct bulla_credential *credential,
                           struct failure *failure)
{
    const char *path = fleet->options->credentials;
    char line[BULLA_CREDENTIAL_MAX];
    ssize_t len = read_line(fleet->credentials, line);
    int error = len < 0 ? BULLA_E_MALFORMED : bulla_credential_parse(credential, NULL, line, (size_t)len);

    bulla_wipe(line, sizeof(line));
    if (len == -1)
        return ferror(fleet->credentials) ? fail(failure, "--credentials %.100s: cannot be read", path) : 0;
    if (error < 0)
        return fail(failure, "--credentials %.100s: line %" PRIu32 " is not a credential line", path,
                    device + 1);
    if (credential->kind == BULLA_COUNTER)
        return fail(failure,
                    "--credentials %.100s: line %" PRIu32 " is a counter device's, whose number must never "
                    "begin again, as it would here; give only session devices",
                    path, device + 1);
    return 1;
}

int fleet_next(struct fleet *fleet, uint32_t device, struct draw *draw, struct bulla_credential *credential,
               struct failure *failure)
{
    if (fleet->credentials)
        return read_credential(fleet, device, credential, failure);
    return make_credential(fleet, device, draw, credential, failure);
}

/* ---- what became of it ---- */

struct search {
    struct fleet *fleet;
    struct ledger *ledger;
};

/* The device that a name stands for: the prefix, its number, and a suffix where it got a new credential. */
static bool identify_name(const struct fleet *fleet, const char *name, size_t *device)
{
    size_t len = strlen(fleet->prefix);
    char *end;

    if (strncmp(name, fleet->prefix, len) != 0 || name[len] != '-')
        return false;
    errno = 0;
    *device = strtoul(name + len + 1, &end, 10);
    return errno == 0 && end != name + len + 1 && (*end == 0 || *end == '.');
}

static int find_one(void *context, const struct reading_row *row)
{
    struct search *search = context;
    size_t named;
    size_t device;
    uint32_t reading;

    if (row->reading.type == READING_INTEGER && identify_name(search->fleet, row->device, &named) &&
        ledger_identify(row->reading.value.integer, &device, &reading) && named == device)
        ledger_found(search->ledger, device, reading, row->seq);
    else
        search->ledger->strange++;
    return 0;
}

int fleet_find(struct fleet *fleet, struct ledger *ledger, struct failure *failure)
{
    struct search search = {fleet, ledger};
    struct reading_filter filter = {.name = fleet->run, .since = INT64_MIN, .until = INT64_MAX, .limit = -1};

    return fleet->store->ops->readings_each(fleet->store, &filter, find_one, &search, failure);
}

int fleet_remove(struct fleet *fleet, struct failure *failure)
{
    struct failure why;
    size_t left = 0;

    for (size_t i = 0; i < fleet->id_count; i++) {
        if (fleet->store->ops->device_remove(fleet->store, fleet->ids[i], &why) < 0)
            left++;
    }
    fleet->id_count = 0;
    return left == 0 ? 0
                     : fail(failure, "%zu simulated devices could not be removed: %.200s", left, why.text);
}
