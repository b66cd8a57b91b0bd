/*
 * A backup put in the place of the database (PROTOCOL 9). It is copied beside it, checked and made ready
 * there first; the database is folded into one file, and replaced by one rename(): whenever this is killed,
 * either the old one or the new one stands there, whole, and never a log that belongs to the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/owner.h"
#include "gateway/store/move.h"
#include "gateway/store/sqlite/sqlite.h"

#define NAMES_MAX 100 /* for what is replaced, in one second */

static const char what[] = "restore the database";

/* ---- the backup ---- */

/* SQLite's URI of a file, read only; without a log beside it, it is taken as it is, on a medium that cannot
 * be written too. */
static char *uri_of(const char *file)
{
    static const char hex[] = "0123456789abcdef";
    char *log;
    char *uri = malloc(3 * strlen(file) + 64);
    char *at = uri;

    if (uri == NULL || asprintf(&log, "%s-wal", file) < 0) {
        free(uri);
        return NULL;
    }
    at += sprintf(at, "file:%s", file[0] == '/' ? "" : "./");
    for (const char *c = file; *c != '\0'; c++) {
        if (strchr("%?#", *c) != NULL)
            at += sprintf(at, "%%%c%c", hex[(unsigned char)*c >> 4], hex[*c & 15]);
        else
            *at++ = *c;
    }
    sprintf(at, "?mode=ro%s", access(log, F_OK) == 0 ? "" : "&immutable=1");
    free(log);
    return uri;
}

static struct sqlite *open_backup(const char *file, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_new(file);
    char *uri = uri_of(file);
    int result = sqlite == NULL || uri == NULL ? fail(failure, "no memory is left to open %s", file) : 0;

    if (result == 0 &&
        sqlite3_open_v2(uri, &sqlite->db,
                        SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                        NULL) != SQLITE_OK)
        result = sqlite->db == NULL ? fail(failure, "no memory is left to open %s", file)
                                    : sqlite_fail(sqlite, "read the backup", failure);
    if (result == 0)
        result = sqlite_identify(sqlite, failure);
    free(uri);
    if (result == 0)
        return sqlite;
    if (sqlite != NULL)
        sqlite_close(&sqlite->store);
    return NULL;
}

static int check_backup(const char *file, const char *path, struct failure *failure)
{
    const char *part = sqlite_part_of(file, path);
    struct stat status;

    if (stat(file, &status) != 0)
        return fail(failure, "cannot read the backup %s: %s", file, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fail(failure, "%s is not a file, so it is no backup", file);
    if (part != NULL && part[0] == '.')
        return fail(
            failure,
            "%s is what a restore that was killed has left, and every restore removes it; restore the "
            "backup itself, or give this file another name first",
            file);
    if (part != NULL)
        return fail(
            failure,
            "%s is the database itself; was it put there as a copy of an older one, type: bulla restored",
            file);
    return 0;
}

/* ---- what is replaced ---- */

/*
 * Whether what is to be replaced is a database of this program: 0, or 1 if it is damaged, and cannot say. One
 * of another program is left alone.
 */
static int identify_replaced(const char *path, struct failure *failure)
{
    struct sqlite *old = sqlite_new(path);
    int code;

    if (old == NULL)
        return fail(failure, "no memory is left to open %s", path);
    int result = sqlite_open_file(old, failure);
    if (result == 0) { /* not even closing may change a damaged one, or take its log away */
        sqlite3_db_config(old->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        result = sqlite_identify_own(old, failure);
    }
    code = result == 0 ? SQLITE_OK : sqlite3_errcode(old->db) & 0xff;
    sqlite_close(&old->store);
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return 1;
    return result;
}

/* ---- the copy beside the database ---- */

/* An empty file under the copy's name; what an earlier restore left there when it was killed goes. */
static int make_empty(const char *path, struct failure *failure)
{
    sqlite_remove_files(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return fail(failure, "cannot write %s: %s; is the folder there and writable?", path, strerror(errno));
    owner_follow_folder(fd, path);
    close(fd);
    return 0;
}

static int copy_backup(const char *file, const char *path, const struct store_progress *progress,
                       struct failure *failure)
{
    struct sqlite *from = open_backup(file, failure);
    struct sqlite *to = from == NULL ? NULL : sqlite_new(path);
    int result = -1;

    if (from != NULL && to == NULL)
        fail(failure, "no memory is left to open %s", path);
    if (to != NULL && make_empty(path, failure) == 0 && sqlite_open_file(to, failure) == 0)
        result = sqlite_copy_pages(from, to, progress, failure);
    if (to != NULL)
        sqlite_close(&to->store);
    if (from != NULL)
        sqlite_close(&from->store);
    return result;
}

static struct sqlite *open_copy(const char *file, const char *path, struct failure *failure)
{
    struct sqlite *copy = sqlite_open_single(path, failure);

    if (copy != NULL && (sqlite_check_integrity(copy, file, failure) != 0 ||
                         sqlite3_exec(copy->db, "PRAGMA synchronous = FULL", NULL, NULL, NULL) != SQLITE_OK ||
                         sqlite_migrate(copy, failure) != 0 ||
                         move_allows(&copy->store, sqlite_meta_get, STORE_LEFT, file, failure) != 0)) {
        sqlite_close(&copy->store);
        copy = NULL;
    }
    return copy;
}

/* The database as it is to be found afterwards: behind its links. */
static char *target_of(const char *location)
{
    char *real = realpath(location, NULL);
    char *path = NULL;

    if (real != NULL)
        return real;
    return asprintf(&path, "%s%s", location[0] == '/' ? "" : "./", location) < 0 ? NULL : path;
}

int sqlite_restore_begin(struct store **copy, const char *location, const char *file,
                         const struct store_progress *progress, struct failure *failure)
{
    char *target = target_of(location);
    char *path = NULL;
    struct sqlite *sqlite = NULL;
    int lock = -1;

    if (target == NULL || asprintf(&path, "%s.restoring", target) < 0) {
        free(target);
        return fail(failure, "no memory is left to %s", what);
    }
    if (check_backup(file, target, failure) == 0)
        lock = sqlite_lock(target, true, failure);
    if (lock >= 0 && (access(target, F_OK) != 0 || identify_replaced(target, failure) >= 0) &&
        copy_backup(file, path, progress, failure) == 0)
        sqlite = open_copy(file, path, failure);
    if (sqlite == NULL && lock >= 0) {
        sqlite_remove_files(path);
        close(lock);
    }
    free(path);
    if (sqlite == NULL) {
        free(target);
        return -1;
    }
    sqlite->lock = lock;
    sqlite->replaces = target;
    *copy = &sqlite->store;
    return 0;
}

/* ---- what a restore brings back and forgets ---- */

/* Devices are the same by their kid; those on older wires, which have none, by their name. */
static int visit_differences(struct sqlite *sqlite, restore_visitor *visit, void *context,
                             struct failure *failure)
{
    sqlite3_stmt *query = NULL;
    int code = sqlite3_prepare_v2(sqlite->db,
                                  "SELECT 0, n.name FROM main.devices n JOIN replaced.devices o"
                                  " ON ifnull(n.kid, n.name) = ifnull(o.kid, o.name)"
                                  " WHERE o.revoked AND NOT n.revoked"
                                  " UNION ALL SELECT 1, name FROM main.devices WHERE ifnull(kid, name)"
                                  " NOT IN (SELECT ifnull(kid, name) FROM replaced.devices)"
                                  " UNION ALL SELECT 2, name FROM replaced.devices WHERE ifnull(kid, name)"
                                  " NOT IN (SELECT ifnull(kid, name) FROM main.devices)"
                                  " ORDER BY 1, 2",
                                  -1, &query, NULL);

    while (code == SQLITE_OK && (code = sqlite3_step(query)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(query, 1);
        visit(context, (enum restore_difference)sqlite3_column_int(query, 0), name == NULL ? "" : name);
        code = SQLITE_OK;
    }
    int result = code == SQLITE_DONE ? 0 : sqlite_fail(sqlite, "compare the databases", failure);
    sqlite3_finalize(query);
    return result;
}

/* What was given out since the backup is not given out again: gateways' ids (PROTOCOL 2), and the kids of
 * devices that were added and removed since (PROTOCOL 9). */
static int take_what_was_given_out(struct sqlite *sqlite, struct failure *failure)
{
    if (sqlite3_exec(sqlite->db,
                     "INSERT OR IGNORE INTO main.gateway_ids (id, started)"
                     " SELECT id, started FROM replaced.gateway_ids;"
                     "INSERT OR IGNORE INTO main.tombstones (kid, name, removed)"
                     " SELECT kid, name, removed FROM replaced.tombstones"
                     " WHERE kid NOT IN (SELECT kid FROM main.devices WHERE kid IS NOT NULL)",
                     NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_fail(sqlite, "compare the databases", failure);
    return 0;
}

/* 1 if what is replaced has the tables of older wires, which versions before 3 have not. */
static int replaced_has_wires(struct sqlite *sqlite, struct failure *failure)
{
    sqlite3_stmt *query = NULL;
    int code = sqlite3_prepare_v2(
        sqlite->db, "SELECT count(*) FROM replaced.sqlite_schema WHERE name IN ('wires', 'wire_hashes')", -1,
        &query, NULL);
    int result;

    if (code == SQLITE_OK)
        code = sqlite3_step(query);
    result = code == SQLITE_ROW ? sqlite3_column_int(query, 0) == 2
                                : sqlite_fail(sqlite, "compare the databases", failure);
    sqlite3_finalize(query);
    return result;
}

/*
 * No challenge can raise an older wire's number: what the replaced database still knows is taken over, the
 * ciphertexts that were accepted and the number (a device that may set its own is held by its ciphertexts
 * instead, as long as all of them are remembered). Where the backup has nobody under an id, the row is a
 * tombstone, for whoever is added there again. And what an upgrade closed since stays closed.
 */
static int take_what_wires_know(struct sqlite *sqlite, struct failure *failure)
{
    static const char same[] = "o.wire = n.wire AND o.route = n.route AND o.session_topic = '' AND o.grp = 0";
    char *sql;
    int has = replaced_has_wires(sqlite, failure);

    if (has <= 0)
        return has;
    if (asprintf(
            &sql,
            "INSERT INTO main.wires (device, grp, wire, route, session_topic, node, reading_name, flags,"
            " lifetime, grace, keys, number, stored, closed)"
            " SELECT 0, 0, wire, route, '', '', reading_name, flags, 0, 0, x'', number, stored, max(closed, "
            "%d)"
            " FROM replaced.wires o WHERE session_topic = '' AND grp = 0"
            " AND NOT EXISTS (SELECT 1 FROM main.wires n WHERE %s);"
            "UPDATE main.wires AS n SET number = max(number, coalesce((SELECT max(o.number)"
            " FROM replaced.wires o WHERE %s AND (n.flags & %d = 0 OR o.hashes >= %d)), 0));"
            "INSERT OR IGNORE INTO main.wire_hashes (wire, hash) SELECT n.id, h.hash FROM main.wires n"
            " JOIN replaced.wires o ON %s JOIN replaced.wire_hashes h ON h.wire = o.id;"
            "UPDATE main.wires AS n SET closed = %d, keys = x'' WHERE closed = 0 AND EXISTS (SELECT 1"
            " FROM main.devices d JOIN replaced.devices r ON r.kid = d.kid"
            " JOIN replaced.wires o ON o.device = r.id WHERE d.id = n.device AND o.closed = %d);"
            "UPDATE main.wires AS n SET hashes = (SELECT count(*) FROM main.wire_hashes WHERE wire = n.id)",
            WIRE_REMOVED, same, same, WIRE_ALLOW_RESET, WIRE_HASHES_MAX, same, WIRE_UPGRADED,
            WIRE_UPGRADED) < 0)
        return fail(failure, "no memory is left to compare the databases");
    int code = sqlite3_exec(sqlite->db, sql, NULL, NULL, NULL);
    free(sql);
    return code == SQLITE_OK ? 0 : sqlite_fail(sqlite, "compare the databases", failure);
}

int sqlite_restore_compare(struct store *copy, restore_visitor *visit, void *context, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(copy);
    sqlite3_stmt *attach = NULL;
    struct failure why;
    int result;

    if (access(sqlite->replaces, F_OK) != 0)
        return 0;
    result = identify_replaced(sqlite->replaces, &why);
    if (result != 0)
        return fail(failure, "%s%s", result > 0 ? "it is damaged: " : "", why.text);
    if (sqlite3_prepare_v2(sqlite->db, "ATTACH ?1 AS replaced", -1, &attach, NULL) != SQLITE_OK)
        return sqlite_fail(sqlite, "compare the databases", failure);
    bind_text(attach, 1, sqlite->replaces, strlen(sqlite->replaces));
    result = sqlite_run(sqlite, attach, "compare the databases", failure);
    sqlite3_finalize(attach);
    if (result < 0)
        return -1;
    result = visit_differences(sqlite, visit, context, failure);
    if (result == 0)
        result = take_what_was_given_out(sqlite, failure);
    if (result == 0)
        result = take_what_wires_know(sqlite, failure);
    sqlite3_exec(sqlite->db, "DETACH replaced", NULL, NULL, NULL);
    return result < 0 ? -1 : 1;
}

/* ---- the exchange ---- */

/* Folds the database's log into it, so that it is whole in one file: 0, or 1 if it is damaged. */
static int fold(const char *path, struct failure *failure)
{
    int damaged = identify_replaced(path, failure);
    struct sqlite *folded = damaged == 0 ? sqlite_open_single(path, failure) : NULL;

    if (damaged == 0 && folded == NULL)
        return -1;
    if (folded != NULL)
        sqlite_close(&folded->store);
    return damaged;
}

/* The name beside it under which something that is replaced is kept; the next one with each `i`. */
static int name_kept(const struct sqlite *copy, int i, char *kept, size_t size, struct failure *failure)
{
    time_t now = (time_t)copy->store.now(copy->store.now_context);
    char stamp[32];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    int len = snprintf(kept, size, i == 0 ? "%s.replaced-%s" : "%s.replaced-%s-%d", copy->replaces, stamp, i);
    return len >= 0 && (size_t)len < size ? 0 : fail(failure, "the path of the database is too long");
}

/* A second name for what is replaced, beside it. */
static int keep(const struct sqlite *copy, char *kept, size_t size, struct failure *failure)
{
    int result = -1;

    for (int i = 0; i < NAMES_MAX; i++) {
        if (name_kept(copy, i, kept, size, failure) != 0)
            return -1;
        result = link(copy->replaces, kept);
        if (result == 0 || errno != EEXIST)
            break;
    }
    if (result != 0)
        return fail(failure, "cannot keep the replaced database as %s: %s; nothing was changed", kept,
                    strerror(errno));
    return 0;
}

/* The log of a damaged database goes with it; it is never to be one of another. */
static int move_logs(const char *from, const char *to, struct failure *failure)
{
    static const char *const suffixes[] = {"-wal", "-journal", "-shm"};
    char *old, *new;

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (asprintf(&old, "%s%s", from, suffixes[i]) < 0)
            return fail(failure, "no memory is left to %s", what);
        if (asprintf(&new, "%s%s", to, suffixes[i]) < 0) {
            free(old);
            return fail(failure, "no memory is left to %s", what);
        }
        int error = rename(old, new) != 0 && errno != ENOENT ? errno : 0;
        free(old);
        free(new);
        if (error != 0)
            return fail(failure, "cannot put the log of the damaged database %s aside: %s", from,
                        strerror(error));
    }
    return 0;
}

/* The log beside a database: what stands behind the name, or NULL. */
static const char *log_beside(const char *path)
{
    static const char *const suffixes[] = {"-wal", "-journal"};
    const char *found = NULL;
    char *log;

    for (size_t i = 0; found == NULL && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (asprintf(&log, "%s%s", path, suffixes[i]) >= 0) {
            found = access(log, F_OK) == 0 ? suffixes[i] : NULL;
            free(log);
        }
    return found;
}

/*
 * Somebody has taken the database away, and left its log, which may hold its last readings: it is kept, for
 * whoever puts the two together again. `kept` becomes its name.
 */
static int keep_lonely_log(const struct sqlite *copy, char *kept, size_t size, struct failure *failure)
{
    const char *suffix = log_beside(copy->replaces);

    if (suffix == NULL)
        return move_logs(copy->replaces, copy->path, failure); /* shared memory, which goes with the copy */
    for (int i = 0; i < NAMES_MAX; i++) {
        if (name_kept(copy, i, kept, size - strlen("-journal"), failure) != 0)
            return -1;
        if (access(kept, F_OK) == 0 || log_beside(kept) != NULL)
            continue;
        int result = move_logs(copy->replaces, kept, failure);
        strcat(kept, suffix);
        return result;
    }
    return fail(failure, "cannot keep the log beside %s: too many are kept already", copy->replaces);
}

/* A log that is there belongs to what is replaced: somebody who does not heed the lock has opened it. */
static int check_no_log(const char *path, struct failure *failure)
{
    return log_beside(path) == NULL
               ? 0
               : fail(failure, "another program has opened %s meanwhile; end that first", path);
}

/* Makes the way free for the copy. */
static int set_aside(const struct sqlite *copy, bool discard, char *kept, size_t size,
                     struct failure *failure)
{
    int damaged;

    if (access(copy->replaces, F_OK) != 0)
        return keep_lonely_log(copy, kept, size, failure);
    damaged = fold(copy->replaces, failure);
    if (damaged < 0)
        return -1;
    if ((damaged || !discard) && keep(copy, kept, size, failure) != 0)
        return -1;
    if (damaged && move_logs(copy->replaces, kept, failure) != 0)
        return -1;
    return check_no_log(copy->replaces, failure);
}

int sqlite_restore_finish(struct store *copy, bool discard, char *kept, size_t size, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(copy);

    kept[0] = '\0';
    sqlite_close_database(sqlite);
    if (sqlite_sync(sqlite->path, failure) != 0 || set_aside(sqlite, discard, kept, size, failure) != 0)
        return -1;
    /* That no log is left, and that what is kept has its name, is on the disk before the new database is. */
    if (sqlite_sync(sqlite->path, failure) != 0)
        return -1;
    if (rename(sqlite->path, sqlite->replaces) != 0)
        return fail(failure, "cannot put the backup in place of %s: %s", sqlite->replaces, strerror(errno));
    return sqlite_sync(sqlite->replaces, failure);
}
