#include "gateway/store/server_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/store/move.h"
#include "gateway/store/scratch.h"
#include "gateway/store/sqlite/sqlite.h"

extern const struct store_ops store_sqlite;

static int64_t unix_time(void *context)
{
    (void)context;
    return time(NULL);
}

/* ---- progress ---- */

static int tell(void *context, bool comparing, enum transfer_table table, int64_t done, int64_t all)
{
    const struct store_progress *progress = context;

    (void)comparing, (void)table;
    return progress->tell == NULL ? 0 : progress->tell(progress->context, done, all);
}

static struct move_progress rows_of(const struct store_progress *progress)
{
    return (struct move_progress){.tell = tell, .context = (void *)(uintptr_t)progress};
}

/* ---- from the server into a file ---- */

/* Copies tables at one moment; the file is new, and synced when it is whole. */
static int copy_out(struct store *store, struct store *file, unsigned tables,
                    const struct store_progress *progress, struct failure *failure)
{
    const struct transfer_ops *out = store->ops->transfer, *in = file->ops->transfer;
    struct move_progress rows = rows_of(progress);

    if (out->begin(store, TRANSFER_OUT, failure) != 0)
        return -1;
    int result = in->begin(file, TRANSFER_IN, failure);
    if (result == 0)
        result = in->end(file, move_tables(store, file, tables, true, &rows, failure), failure);
    return out->end(store, result, failure);
}

/* A database in one file, without anything in it. */
static struct sqlite *open_blank(const char *path, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_new(path);

    if (sqlite == NULL) {
        fail(failure, "no memory is left to make %s", path);
        return NULL;
    }
    sqlite->store.ops = &store_sqlite;
    sqlite->store.now = unix_time;
    if (sqlite_open_file(sqlite, failure) == 0 &&
        sqlite3_exec(sqlite->db, "PRAGMA synchronous = OFF", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite_migrate(sqlite, failure) == 0)
        return sqlite;
    sqlite_close(&sqlite->store);
    return NULL;
}

static int fill_blank(struct store *store, const char *path, unsigned tables,
                      const struct store_progress *progress, struct failure *failure)
{
    struct sqlite *blank = open_blank(path, failure);

    if (blank == NULL)
        return -1;
    int result = copy_out(store, &blank->store, tables, progress, failure);
    sqlite_close(&blank->store);
    return result;
}

static int fill(void *context, const char *path, const struct store_backup *backup, struct failure *failure)
{
    return fill_blank(context, path, MOVE_ALL, &backup->progress, failure);
}

int server_backup(struct store *store, const struct store_backup *backup, struct failure *failure)
{
    return sqlite_make_backup(backup, fill, store, failure);
}

/* ---- back ---- */

/* A copy is one of SQLite's, with some of its functions put in the place of SQLite's. */
struct restore {
    struct store_ops ops; /* first: a copy's ops point to it */
    struct store *server;
    char *file; /* the backup */
    struct scratch scratch;
    struct store_progress progress;
    bool replaces; /* something is there */
};

static struct restore *restore_of(const struct store *copy)
{
    return (struct restore *)(uintptr_t)copy->ops;
}

static void free_restore(struct restore *restore)
{
    if (restore->server != NULL)
        restore->server->ops->close(restore->server);
    scratch_close(&restore->scratch);
    free(restore->file);
    free(restore);
}

static void restore_close(struct store *copy)
{
    struct restore *restore = restore_of(copy);

    store_sqlite.close(copy);
    free_restore(restore);
}

/* "bulla.db.replaced-20260102T030405Z", as SQLite's restore names it. */
static int name_kept(const struct restore *restore, char *kept, size_t size, struct failure *failure)
{
    time_t now = time(NULL);
    char stamp[32];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    int len = snprintf(kept, size, "%s.replaced-%s", restore->file, stamp);
    return len >= 0 && (size_t)len < size ? 0 : fail(failure, "the path of the backup is too long");
}

/* It has no K: with that of what takes its place, it would take what proves itself there, should it ever be
 * served. */
static int keep(struct restore *restore, char *kept, size_t size, struct failure *failure)
{
    struct store_backup backup = {.path = kept, .progress = restore->progress};
    struct failure why;

    if (name_kept(restore, kept, size, failure) != 0)
        return -1;
    if (restore->server->ops->backup(restore->server, &backup, &why) == 0)
        return 0;
    return fail(failure, "cannot keep what is to be replaced (%.200s); --discard does without", why.text);
}

/* All in one transaction: whenever this is killed, the one or the other is there, whole. */
static int replace(struct restore *restore, struct store *copy, const void *challenge, size_t len,
                   struct failure *failure)
{
    struct store *server = restore->server;
    const struct transfer_ops *in = server->ops->transfer, *out = &sqlite_transfer;
    struct move_progress rows = rows_of(&restore->progress);

    if (out->begin(copy, TRANSFER_OUT, failure) != 0)
        return -1;
    int result = in->begin(server, TRANSFER_IN, failure);
    if (result == 0) {
        result = in->clear(server, failure);
        if (result == 0)
            result = move_tables(copy, server, MOVE_ALL, true, &rows, failure);
        if (result == 0)
            result = in->note(server, "challenge", challenge, len, failure);
        result = in->end(server, result, failure);
    }
    return out->end(copy, result, failure);
}

static int restore_finish(struct store *copy, bool discard, char *kept, size_t size, struct failure *failure)
{
    struct restore *restore = restore_of(copy);
    uint8_t challenge[SEALED_SIZE(32)];
    size_t len = sizeof(challenge);
    int found = copy->ops->meta_get(copy, "challenge", challenge, &len, failure);

    kept[0] = '\0';
    if (found <= 0)
        return found < 0 ? -1 : fail(failure, "the backup was not made ready");
    if (!discard && restore->replaces && keep(restore, kept, size, failure) != 0)
        return -1;
    return replace(restore, copy, challenge, len, failure);
}

/* ---- what it begins with ---- */

/* Whether anything is on the server: 1, 0 nothing. */
static int is_filled(struct store *server, struct failure *failure)
{
    const struct transfer_ops *out = server->ops->transfer;
    int64_t rows = 0;
    int result;

    if (out->begin(server, TRANSFER_OUT, failure) != 0)
        return -1;
    result = 0;
    for (enum transfer_table table = 0; table < TRANSFER_NUMBERS && result == 0 && rows == 0; table++)
        result = out->count(server, table, &rows, failure);
    result = out->end(server, result, failure);
    return result < 0 ? -1 : rows > 0;
}

/* What the server has, but for readings and events, as the database that SQLite's restore compares with. */
static int take_registry(struct restore *restore, const char *path, struct failure *failure)
{
    static const struct store_progress silent;
    const unsigned many = 1u << TRANSFER_SERIES | 1u << TRANSFER_POINTS | 1u << TRANSFER_EVENTS |
                          1u << TRANSFER_OUTBOX | 1u << TRANSFER_SINKS;
    int filled = is_filled(restore->server, failure);

    restore->replaces = filled > 0;
    if (filled <= 0)
        return filled;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(failure, "cannot write %s: %s", path, strerror(errno));
    close(fd);
    return fill_blank(restore->server, path, MOVE_ALL & ~many, &silent, failure);
}

static int begin(struct restore *restore, struct store **copy, const struct store_ops *ops,
                 const char *location, struct failure *failure)
{
    char *path = NULL;

    if (ops->open(&restore->server, location, STORE_ARRIVING, failure) != 0) {
        restore->server = NULL;
        return -1;
    }
    restore->server->ops = ops;
    if (scratch_open(&restore->scratch, "bulla-restore", failure) != 0)
        return -1;
    if (asprintf(&path, "%s/bulla.db", restore->scratch.path) < 0)
        return fail(failure, "no memory is left to restore");
    int result = take_registry(restore, path, failure);
    if (result == 0)
        result = store_sqlite.restore_begin(copy, path, restore->file, &restore->progress, failure);
    free(path);
    return result;
}

int server_restore_begin(const struct store_ops *ops, struct store **copy, const char *location,
                         const char *file, const struct store_progress *progress, struct failure *failure)
{
    struct restore *restore = calloc(1, sizeof(*restore));

    if (restore == NULL || (restore->file = strdup(file)) == NULL) {
        free(restore);
        return fail(failure, "no memory is left to restore");
    }
    if (progress != NULL)
        restore->progress = *progress;
    if (begin(restore, copy, ops, location, failure) != 0) {
        free_restore(restore);
        return -1;
    }
    restore->ops = store_sqlite;
    restore->ops.restore_finish = restore_finish;
    restore->ops.close = restore_close;
    (*copy)->ops = &restore->ops;
    (*copy)->now = unix_time;
    return 0;
}
