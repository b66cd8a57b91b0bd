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
    fleet->entries = calloc(FLEET_BATCH, sizeof(*fleet->entries));
    if (!fleet->entries)
        return fail(failure, "memory is out");
    if (database_open(&fleet->store, &options->database, STORE_EXISTING, failure) < 0)
        return -1;
    return database_vault(&fleet->vault, fleet->store, &options->database, failure);
}

void fleet_close(struct fleet *fleet)
{
    database_close(fleet->store);
    vault_wipe(&fleet->vault);
    free(fleet->ids);
    free(fleet->entries);
    if (fleet->credentials)
        fclose(fleet->credentials);
    memset(fleet, 0, sizeof(*fleet));
}

/* ---- credentials of this run ---- */

static int note_ids(struct fleet *fleet, size_t count, struct failure *failure)
{
    if (fleet->id_count + count > fleet->id_room) {
        size_t room = (fleet->id_count + count) * 2;
        int64_t *ids = realloc(fleet->ids, room * sizeof(*ids));
        if (!ids)
            return fail(failure, "memory is out");
        fleet->ids = ids;
        fleet->id_room = room;
    }
    for (size_t i = 0; i < count; i++)
        fleet->ids[fleet->id_count++] = fleet->entries[i].row.id;
    return 0;
}

static int draw_kid(struct fleet *fleet, struct device_entry *entry, struct bulla_credential *credential,
                    struct failure *failure)
{
    if (draw_random(credential->kid, KID_SIZE, failure) < 0)
        return -1;
    memcpy(entry->row.kid, credential->kid, KID_SIZE);
    return vault_seal_device(&fleet->vault, &entry->row, credential->secret, failure);
}

/* The secret is fresh, so a counter may begin, and no key was ever used before: whatever the seed is. */
static int make(struct fleet *fleet, struct device_entry *entry, struct bulla_credential *credential,
                struct failure *failure)
{
    entry->row.kid_len = credential->kid_len = KID_SIZE;
    entry->row.alg = credential->alg;
    entry->row.kind = credential->kind;
    entry->row.created = time(NULL);
    entry->proven = true;
    if (draw_random(credential->secret, sizeof(credential->secret), failure) < 0)
        return -1;
    return draw_kid(fleet, entry, credential, failure);
}

/* Enters the first entries in one transaction; a kid that is taken is drawn again. */
static int enter(struct fleet *fleet, struct bulla_credential *credentials, size_t count,
                 struct failure *failure)
{
    enum device_clash clash;
    size_t at;

    for (int i = 0; i < DRAWS; i++) {
        int entered =
            fleet->store->ops->devices_add(fleet->store, fleet->entries, count, &at, &clash, failure);
        if (entered != 0)
            return entered < 0 ? -1 : note_ids(fleet, count, failure);
        if (clash == CLASH_NAME)
            return fail(failure,
                        "there is a device named \"%s\" already; give another --seed or --prefix, or take it "
                        "out with 'bulla device remove'",
                        fleet->entries[at].row.name);
        if (draw_kid(fleet, &fleet->entries[at], &credentials[at], failure) < 0)
            return -1;
    }
    return fail(failure, "no kid of %d bytes is free", KID_SIZE);
}

static int make_credentials(struct fleet *fleet, uint32_t first, size_t count, struct draw *draw,
                            struct bulla_credential *credentials, struct failure *failure)
{
    static const uint8_t algs[] = {BULLA_AES_CCM_16_64_128, BULLA_AES_CCM_16_64_128, BULLA_AES_CCM_16_128_128,
                                   BULLA_CHACHA20_POLY1305};

    memset(fleet->entries, 0, count * sizeof(*fleet->entries));
    for (size_t i = 0; i < count; i++) {
        struct device_row *row = &fleet->entries[i].row;
        credentials[i].alg = algs[draw_below(draw, sizeof(algs))];
        credentials[i].kind =
            draw_chance(draw, fleet->options->counters.value) ? BULLA_COUNTER : BULLA_SESSION;
        snprintf(row->name, sizeof(row->name), "%s-%06" PRIu32, fleet->prefix, first + (uint32_t)i);
        if (make(fleet, &fleet->entries[i], &credentials[i], failure) < 0)
            return -1;
    }
    return enter(fleet, credentials, count, failure);
}

/* The registry under another name: the old credential may still bring messages home that are on the way. */
int fleet_renew(struct fleet *fleet, uint32_t device, struct bulla_credential *credential)
{
    struct failure failure;

    if (!fleet->store)
        return -1;
    memset(fleet->entries, 0, sizeof(*fleet->entries));
    snprintf(fleet->entries->row.name, sizeof(fleet->entries->row.name), "%s-%06" PRIu32 ".%" PRIu32,
             fleet->prefix, device, ++fleet->renewals);
    if (make(fleet, fleet->entries, credential, &failure) < 0)
        return -1;
    return enter(fleet, credential, 1, &failure);
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

int fleet_take(struct fleet *fleet, uint32_t first, size_t count, struct draw *draw,
               struct bulla_credential *credentials, struct failure *failure)
{
    if (!fleet->credentials)
        return make_credentials(fleet, first, count, draw, credentials, failure) < 0 ? -1 : (int)count;
    for (uint32_t i = 0; i < count; i++) {
        int result = read_credential(fleet, first + i, &credentials[i], failure);
        if (result <= 0)
            return result < 0 ? -1 : (int)i;
    }
    return (int)count;
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

int fleet_remove(struct fleet *fleet, size_t most, struct failure *failure)
{
    while (fleet->id_count > 0 && most-- > 0) {
        if (fleet->store->ops->device_remove(fleet->store, fleet->ids[fleet->id_count - 1], failure) < 0)
            return -1;
        fleet->id_count--;
    }
    return 0;
}
