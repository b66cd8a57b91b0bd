/*
 * Copies of a database as a whole, page by page, while others write to it; and what has to be done to a copy
 * before it may be served from (PROTOCOL 9).
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/store/move.h"
#include "gateway/store/sqlite/sqlite.h"

#define STEP_PAGES 1024

/* ---- pages ---- */

static int copy_steps(sqlite3_backup *backup, const struct store_progress *progress, struct failure *failure)
{
    int code;

    do {
        code = sqlite3_backup_step(backup, STEP_PAGES);
        if (progress != NULL && progress->tell != NULL &&
            progress->tell(progress->context,
                           sqlite3_backup_pagecount(backup) - sqlite3_backup_remaining(backup),
                           sqlite3_backup_pagecount(backup)) != 0)
            return fail(failure, "stopped; nothing was changed");
    } while (code == SQLITE_OK);
    return code == SQLITE_DONE ? 0 : 1;
}

int sqlite_copy_pages(struct sqlite *from, struct sqlite *to, const struct store_progress *progress,
                      struct failure *failure)
{
    static const char what[] = "copy the database";

    /* A read transaction of our own: what others write meanwhile is not in it, and does not begin it anew. */
    if (sqlite3_exec(from->db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) != SQLITE_OK) {
        sqlite_fail(from, what, failure);
        sqlite3_exec(from->db, "ROLLBACK", NULL, NULL, NULL);
        return -1;
    }
    sqlite3_backup *backup = sqlite3_backup_init(to->db, "main", from->db, "main");
    int result = backup == NULL ? 1 : copy_steps(backup, progress, failure);
    /* What went wrong, where reading did, the source says; else the copy. */
    if (sqlite3_backup_finish(backup) != SQLITE_OK || result > 0) {
        if (result >= 0)
            result = sqlite3_errcode(from->db) != SQLITE_OK && sqlite3_errcode(from->db) != SQLITE_DONE
                         ? sqlite_fail(from, what, failure)
                         : sqlite_fail(to, what, failure);
    }
    sqlite3_exec(from->db, "COMMIT", NULL, NULL, NULL);
    return result;
}

/* ---- files ---- */

int sqlite_sync(const char *path, struct failure *failure)
{
    char *copy = strdup(path);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int folder = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = file >= 0 && folder >= 0 && fsync(file) == 0 && fsync(folder) == 0 ? 0 : -1;

    if (result != 0)
        fail(failure, "cannot make %s durable: %s; check the disk", path, strerror(errno));
    if (file >= 0)
        close(file);
    if (folder >= 0)
        close(folder);
    free(copy);
    return result;
}

void sqlite_remove_files(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char *name;

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (asprintf(&name, "%s%s", path, suffixes[i]) >= 0) {
            unlink(name);
            free(name);
        }
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Whether two paths are the same name in the same folder, whether there is such a file or not. */
static bool is_same_name(const char *a, const char *b)
{
    char *copies[] = {strdup(a), strdup(b), strdup(a), strdup(b)};
    bool same = copies[0] != NULL && copies[1] != NULL && copies[2] != NULL && copies[3] != NULL &&
                strcmp(basename(copies[0]), basename(copies[1])) == 0 &&
                is_same_file(dirname(copies[2]), dirname(copies[3]));

    for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
        free(copies[i]);
    return same;
}

const char *sqlite_part_of(const char *path, const char *database)
{
    static const char *const suffixes[] = {
        "",           "-wal",           "-shm",           "-journal",           "-lock",
        ".restoring", ".restoring-wal", ".restoring-shm", ".restoring-journal",
    };
    char *real = realpath(database, NULL); /* what belongs to it lies beside it, not beside a link to it */
    const char *part = NULL;
    char *name;

    for (size_t i = 0; part == NULL && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (asprintf(&name, "%s%s", real == NULL ? database : real, suffixes[i]) >= 0) {
            if (is_same_file(path, name) || is_same_name(path, name))
                part = suffixes[i];
            free(name);
        }
    free(real);
    return part;
}

/* ---- a database in one file ---- */

struct sqlite *sqlite_open_single(const char *path, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_new(path);
    sqlite3_stmt *mode = NULL;
    int result;

    if (sqlite == NULL) {
        fail(failure, "no memory is left to open %s", path);
        return NULL;
    }
    result = sqlite_open_file(sqlite, failure);
    if (result == 0 &&
        (sqlite3_prepare_v2(sqlite->db, "PRAGMA journal_mode = DELETE", -1, &mode, NULL) != SQLITE_OK ||
         sqlite3_step(mode) != SQLITE_ROW))
        result = sqlite_fail(sqlite, "open the database", failure);
    else if (result == 0 && strcmp((const char *)sqlite3_column_text(mode, 0), "delete") != 0)
        result = fail(failure, "the database %s is used by another program; end that first", path);
    sqlite3_finalize(mode);
    if (result == 0)
        return sqlite;
    sqlite_close(&sqlite->store);
    return NULL;
}

/* The first thing that SQLite says is wrong. */
int sqlite_check_integrity(struct sqlite *sqlite, const char *name, struct failure *failure)
{
    sqlite3_stmt *check = NULL;
    int result = -1;

    if (sqlite3_prepare_v2(sqlite->db, "PRAGMA integrity_check(1)", -1, &check, NULL) != SQLITE_OK ||
        sqlite3_step(check) != SQLITE_ROW)
        fail(failure, "%.100s is damaged: %s", name, sqlite3_errmsg(sqlite->db));
    else if (strcmp((const char *)sqlite3_column_text(check, 0), "ok") != 0)
        fail(failure, "%.100s is damaged: %.160s", name, (const char *)sqlite3_column_text(check, 0));
    else
        result = 0;
    sqlite3_finalize(check);
    return result;
}

/* ---- PROTOCOL 9 ---- */

static int replace_challenge(struct sqlite *sqlite, const void *challenge, size_t len,
                             struct failure *failure)
{
    if (challenge == NULL)
        return sqlite3_exec(sqlite->db, "DELETE FROM meta WHERE name = 'challenge'", NULL, NULL, NULL) ==
                       SQLITE_OK
                   ? 0
                   : sqlite_fail(sqlite, "replace the challenge key", failure);
    sqlite3_stmt *put = sqlite_statement(sqlite, ST_CHALLENGE_REPLACE, failure);
    if (put == NULL)
        return -1;
    bind_bytes(put, 1, challenge, len);
    return sqlite_run(sqlite, put, "replace the challenge key", failure);
}

/* Every context unproven, their windows as they are; K replaced, session ids void; R, F and the rest stay. */
int sqlite_restored(struct store *store, const void *challenge, size_t len, int64_t *contexts,
                    struct failure *failure)
{
    static const char what[] = "mark the contexts as unproven";
    struct sqlite *sqlite = sqlite_of(store);

    if (sqlite_begin(sqlite, what, failure) != 0)
        return -1;
    sqlite->generation_known = false;
    int marked = sqlite_run_id(sqlite, ST_CONTEXTS_UNPROVE, what, failure);
    int result = marked < 0 ? -1 : replace_challenge(sqlite, challenge, len, failure);
    if (result >= 0)
        result = sqlite_run_id(sqlite, ST_SESSIONS_VOID, what, failure);
    if (result >= 0)
        result = sqlite_run_id(sqlite, ST_WIRES_RAISE, what, failure);
    if (result >= 0)
        result = sqlite_run_id(sqlite, ST_GENERATION_RAISE, what, failure);
    if (result >= 0)
        result = sqlite_transfer.note(store, MOVE_LEAVING, NULL, 0, failure);
    if (sqlite_end(sqlite, result, what, failure) < 0)
        return -1;
    *contexts = marked;
    return 0;
}

/* ---- backup ---- */

/* A log beside the backup would be taken for its own: SQLite would play an older state into it. */
static int check_no_log_beside(const char *path, struct failure *failure)
{
    static const char *const suffixes[] = {"-wal", "-journal"};
    struct stat status;
    char *log;

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (asprintf(&log, "%s%s", path, suffixes[i]) < 0)
            return fail(failure, "no memory is left to make a backup");
        bool there = lstat(log, &status) == 0 && (!S_ISREG(status.st_mode) || status.st_size > 0);
        free(log);
        if (there)
            return fail(failure,
                        "%s%s is there, the log of another database, and would be taken for the backup's; "
                        "move it away with what it belongs to, or give the backup another name",
                        path, suffixes[i]);
    }
    return 0;
}

static int check_target(const char *path, bool replace, struct failure *failure)
{
    struct stat status;

    if (check_no_log_beside(path, failure) != 0)
        return -1;
    if (lstat(path, &status) != 0)
        return errno == ENOENT
                   ? 0
                   : fail(failure, "cannot write %s: %s; is the folder there?", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fail(failure, "%s is not a file; give the backup another name", path);
    return replace ? 0 : fail(failure, "%s is there already; give another name, or --force", path);
}

/* All pages of the database. */
static int fill_pages(void *context, const char *temporary, const struct store_backup *backup,
                      struct failure *failure)
{
    struct sqlite *sqlite = context;
    struct sqlite *copy = sqlite_new(temporary);

    if (copy == NULL)
        return fail(failure, "no memory is left to make a backup");
    int result = sqlite_open_file(copy, failure);
    if (result == 0)
        result = sqlite_copy_pages(sqlite, copy, &backup->progress, failure);
    sqlite_close(&copy->store);
    return result;
}

/* What is done to a copy before it may be called a backup. */
static int make_safe(const char *temporary, const struct store_backup *backup, struct failure *failure)
{
    struct sqlite *copy = sqlite_open_single(temporary, failure);
    int64_t marked;

    if (copy == NULL)
        return -1;
    int result = sqlite_restored(&copy->store, backup->challenge, backup->challenge_len, &marked, failure);
    if (result == 0)
        result = sqlite_check_integrity(copy, "the database", failure);
    sqlite_close(&copy->store);
    return result;
}

/* A name that nobody has. Not every file system has hard links; that of a USB stick has none. */
static int take_new_name(const char *from, const char *to)
{
    struct stat status;

    if (link(from, to) == 0)
        return 0;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
        return -1;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (lstat(to, &status) != 0)
        return errno == ENOENT ? rename(from, to) : -1;
    errno = EEXIST;
    return -1;
}

/* Gives the copy its name: in place of another file only where told. */
static int publish(const char *temporary, const struct store_backup *backup, struct failure *failure)
{
    if (sqlite_sync(temporary, failure) != 0)
        return -1;
    if ((backup->replace ? rename(temporary, backup->path) : take_new_name(temporary, backup->path)) != 0)
        return fail(failure, "cannot name the backup %s: %s", backup->path, strerror(errno));
    return sqlite_sync(backup->path, failure);
}

int sqlite_make_backup(const struct store_backup *backup, sqlite_filler *fill, void *context,
                       struct failure *failure)
{
    char *temporary;

    if (check_target(backup->path, backup->replace, failure) != 0)
        return -1;
    if (asprintf(&temporary, "%s%s.XXXXXX", strchr(backup->path, '/') == NULL ? "./" : "", backup->path) < 0)
        return fail(failure, "no memory is left to make a backup");
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    int result = fd < 0 ? fail(failure, "cannot write %s: %s; is the folder there and writable?",
                               backup->path, strerror(errno))
                        : 0;
    if (fd >= 0) {
        close(fd);
        result = fill(context, temporary, backup, failure);
        if (result == 0)
            result = make_safe(temporary, backup, failure);
        if (result == 0)
            result = publish(temporary, backup, failure);
        sqlite_remove_files(temporary);
    }
    free(temporary);
    return result;
}

int sqlite_backup(struct store *store, const struct store_backup *backup, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);

    if (sqlite_part_of(backup->path, sqlite->path) != NULL)
        return fail(failure, "%s is the database itself, or a name that belongs to it; give another name",
                    backup->path);
    return sqlite_make_backup(backup, fill_pages, sqlite, failure);
}
