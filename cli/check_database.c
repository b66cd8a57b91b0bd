/* bulla check: the database, its master key, and the devices in it. */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/check.h"
#include "cli/when.h"
#include "device/keys.h"

#define DAY           INT64_C(86400000000) /* microseconds */
#define NAMED         4                    /* devices that a line names */
#define NUMBERS_LOW   (UINT64_C(1) << 32)  /* sequence numbers left: a warning */
#define NUMBERS_SPENT (UINT64_C(1) << 20)  /* a problem */

/* ---- database ---- */

void check_database(struct check *check)
{
    struct failure failure;

    if (store_look(check->options->database.db, &check->look) != 0)
        return;
    if (database_open(&check->store, &check->options->database, STORE_EXISTING, &failure) < 0)
        look_say(&check->look, "database", LOOK_PROBLEM, NULL, "%s", failure.text);
}

/* ---- master key ---- */

static const char *key_path(const struct check *check, char path[PATH_MAX], struct failure *failure)
{
    if (check->options->database.key != NULL)
        return check->options->database.key;
    return vault_key_path(check->options->database.db, path, PATH_MAX, failure) < 0 ? NULL : path;
}

/* Whether both lie in one folder. */
static bool lies_beside(const char *path, const char *database)
{
    struct stat one, other;
    char *copies[2] = {strdup(path), strdup(database)};
    bool same = copies[0] != NULL && copies[1] != NULL && stat(dirname(copies[0]), &one) == 0 &&
                stat(dirname(copies[1]), &other) == 0 && one.st_dev == other.st_dev &&
                one.st_ino == other.st_ino;

    free(copies[0]);
    free(copies[1]);
    return same;
}

/* The file alone. False: it is not there, or not to be used. */
static bool check_key_file(struct check *check, const char *path, bool is_made)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        if (errno == ENOENT && check->look.owner < 0)
            return false; /* nor is there a database: that was said */
        if (errno == ENOENT && check->store != NULL && !is_made)
            look_say(&check->look, "key", LOOK_OK, NULL, "%s is made when the first device is", path);
        else
            look_say(&check->look, "key", LOOK_PROBLEM,
                     "put your copy of it back, or give --key; lost: see docs/gateway.md, Damage", "%s: %s",
                     path, strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode) || vault_others_may_read(&status)) {
        look_say(&check->look, "key", LOOK_PROBLEM,
                 "chmod 600 the file; if others had it, see docs/gateway.md",
                 "%s: it must be a file that only its owner can read (its mode is %03o)", path,
                 (unsigned)(status.st_mode & 0777));
        return false;
    }
    if (access(path, R_OK) != 0)
        look_say(&check->look, "key", LOOK_PROBLEM, "run it as the user that the gateway runs as",
                 "%s: user %u, who runs this, may not read it", path, (unsigned)geteuid());
    if (check->look.owner > 0 && (status.st_mode & 077) == 0 && status.st_uid != (uid_t)check->look.owner)
        look_say(&check->look, "key", LOOK_PROBLEM, "chown it to the owner of the database",
                 "%s belongs to user %u, and the database to user %" PRId64
                 ": a gateway that runs as that one cannot read it",
                 path, (unsigned)status.st_uid, check->look.owner);
    return access(path, R_OK) == 0;
}

static void check_key_fits(struct check *check, const char *path)
{
    struct failure failure;
    struct vault vault;

    if (vault_open(&vault, check->store, path, &failure) < 0) {
        look_say(&check->look, "key", LOOK_PROBLEM, NULL, "%s", failure.text);
        return;
    }
    vault_wipe(&vault);
    if (!store_is_server(check->options->database.db) && lies_beside(path, check->options->database.db))
        look_say(&check->look, "key", LOOK_WARNING,
                 "keep it in another folder, or with the service manager, and give --key",
                 "%s fits the database, and lies beside it: whoever copies the folder has all secrets", path);
    else
        look_say(&check->look, "key", LOOK_OK, NULL, "%s fits the database", path);
}

void check_key(struct check *check)
{
    char beside[PATH_MAX];
    struct failure failure;
    const char *path = key_path(check, beside, &failure);
    int made = 1;

    if (check->store != NULL)
        made = vault_is_made(check->store, &failure);
    if (path == NULL || made < 0) {
        look_say(&check->look, "key", LOOK_PROBLEM, NULL, "%s", failure.text);
        return;
    }
    if (!check_key_file(check, path, made))
        return;
    if (check->store == NULL)
        look_say(&check->look, "key", LOOK_OK, NULL,
                 "%s is there; without the database it is not known whether it fits", path);
    else if (made)
        check_key_fits(check, path);
    else
        look_say(&check->look, "key", LOOK_OK, NULL, "%s will be the key of the new database", path);
}

/* ---- devices ---- */

/* Devices of one kind of trouble: how many, and the names of the first. */
struct group {
    size_t count;
    char names[NAMED * (BULLA_NAME_MAX + 2) + 4];
};

struct devices {
    struct check *check;
    struct failure failure;
    size_t count;
    size_t revoked;
    struct group silent;
    struct group never;
    struct group unproven;
    struct group low;
    struct group spent;
    const struct device_row *row; /* whose contexts are visited */
};

static void group_add(struct group *group, const char *name)
{
    size_t used = strlen(group->names);

    if (group->count < NAMED)
        snprintf(group->names + used, sizeof(group->names) - used, "%s%s", used ? ", " : "", name);
    else if (group->count == NAMED)
        snprintf(group->names + used, sizeof(group->names) - used, ", …");
    group->count++;
}

static int visit_context(void *context, const struct context_row *row)
{
    struct devices *devices = context;
    uint64_t left = BULLA_PIV_MAX - row->window.top;

    if (row->counter && !row->proven)
        group_add(&devices->unproven, devices->row->name);
    if (row->window.bits != 0 && left < NUMBERS_LOW)
        group_add(left < NUMBERS_SPENT ? &devices->spent : &devices->low, devices->row->name);
    return 0;
}

static int visit_device(void *context, const struct device_row *row)
{
    struct devices *devices = context;
    struct store *store = devices->check->store;
    int64_t now = when_now();

    devices->count++;
    if (row->last_seen > devices->check->newest_reading)
        devices->check->newest_reading = row->last_seen;
    if (row->revoked) {
        devices->revoked++;
        return 0;
    }
    if (row->last_seen == 0 && row->created < (now - DAY) / 1000000)
        group_add(&devices->never, row->name);
    else if (row->last_seen != 0 && row->last_seen < now - DAY)
        group_add(&devices->silent, row->name);
    devices->row = row;
    return store->ops->context_each(store, row->id, visit_context, devices, &devices->failure);
}

/* A line for a group that is not empty. */
static void say_group(struct check *check, const struct group *group, enum look_verdict verdict,
                      const char *advice, const char *text)
{
    if (group->count > 0)
        look_say(&check->look, "devices", verdict, advice, "%zu %s: %s", group->count, text, group->names);
}

void check_devices(struct check *check)
{
    struct devices devices = {.check = check};

    if (check->store == NULL)
        return;
    if (check->store->ops->device_each(check->store, NULL, visit_device, &devices, &devices.failure) < 0 ||
        devices.failure.text[0]) {
        look_say(&check->look, "devices", LOOK_PROBLEM, NULL, "%s", devices.failure.text);
        return;
    }
    look_say(&check->look, "devices", LOOK_OK, NULL, "%zu in the registry, %zu of them revoked",
             devices.count, devices.revoked);
    say_group(check, &devices.silent, LOOK_WARNING, "'bulla device show NAME' says since when; has it power?",
              "not heard for a day or more");
    say_group(check, &devices.never, LOOK_WARNING,
              "was the credential put on a board? 'bulla device remove NAME' takes it out",
              "never heard since they were added");
    say_group(check, &devices.unproven, LOOK_WARNING,
              "nothing of them is stored before they answer a challenge; 'bulla device trust NAME' for one "
              "that cannot",
              "with a counter that is not proven");
    say_group(check, &devices.low, LOOK_WARNING, "give them new credentials before 2^40",
              "with few sequence numbers left");
    say_group(check, &devices.spent, LOOK_PROBLEM, "give them new credentials now",
              "with hardly any sequence numbers left");
}
