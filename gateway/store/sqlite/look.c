/* A look at a database and the files beside it, which changes none of them. */
#include "gateway/store/sqlite/sqlite.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "gateway/store/look.h"

#define MIB          (UINT64_C(1) << 20)
#define DISK_LEAST   (64 * MIB)
#define DISK_LITTLE  (1024 * MIB)
#define LOG_LARGE    (256 * MIB) /* it is cut to 32 MiB when it starts over */
#define FAULTS_SHOWN 8
#define STEPS        20000 /* of SQLite's machine between looks at the clock */

#define WHERE_DAMAGE "see docs/gateway.md, Damage"

struct look_at {
    struct look *look;
    struct sqlite *sqlite;
    struct stat file;
    struct timespec until;
    unsigned complaints; /* about permissions */
};

/* ---- files: whose they are, and who may do what ---- */

static const char *const beside[] = {"-wal", "-shm"};

/* True if a user who owns neither is let in by the mode for others, or the group (which may be the user's).
 */
static bool may_write(const struct stat *status, uid_t user)
{
    return user == 0 || (status->st_uid == user ? (status->st_mode & S_IWUSR) != 0
                                                : (status->st_mode & (S_IWGRP | S_IWOTH)) != 0);
}

static struct look *complain(struct look_at *at)
{
    at->complaints++;
    return at->look;
}

static void look_at_mode(struct look_at *at, const char *path, const struct stat *status)
{
    if ((status->st_mode & 022) != 0)
        look_say(complain(at), "permissions", LOOK_PROBLEM, "chmod 600 the file",
                 "%s: others may write to it (mode %03o): they can put replay windows back, and readings in",
                 path, (unsigned)(status->st_mode & 0777));
    else if ((status->st_mode & 044) != 0)
        look_say(complain(at), "permissions", LOOK_WARNING, "chmod 600 the file",
                 "%s: others may read it (mode %03o), and the readings in it", path,
                 (unsigned)(status->st_mode & 0777));
}

static void look_beside(struct look_at *at)
{
    for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
        char path[4096];
        struct stat status;

        snprintf(path, sizeof(path), "%s%s", at->sqlite->path, beside[i]);
        if (stat(path, &status) != 0)
            continue;
        look_at_mode(at, path, &status);
        if (!may_write(&status, at->file.st_uid))
            look_say(complain(at), "permissions", LOOK_PROBLEM, "chown it to the owner of the database",
                     "%s belongs to user %u, and the database to user %u, who may not write to it: a command "
                     "was run as another user",
                     path, (unsigned)status.st_uid, (unsigned)at->file.st_uid);
        if (i == 0 && (uint64_t)status.st_size > LOG_LARGE)
            look_say(at->look, "log", LOOK_WARNING,
                     "end commands that read for a long time (bulla readings into a pager); it shrinks then",
                     "%s has grown to %" PRIu64 " MiB: something has been reading an old state, or the disk "
                     "is slow",
                     path, (uint64_t)status.st_size / MIB);
    }
}

static void look_at_folder(struct look_at *at)
{
    char *copy = strdup(at->sqlite->path);
    struct stat folder;

    if (copy == NULL)
        return;
    if (stat(dirname(copy), &folder) == 0) {
        if ((folder.st_mode & S_IWOTH) != 0 && (folder.st_mode & S_ISVTX) == 0)
            look_say(complain(at), "permissions", LOOK_PROBLEM, "chmod o-w the folder",
                     "everybody may write to the folder of %s, and so put another file in its place",
                     at->sqlite->path);
        if (!may_write(&folder, at->file.st_uid))
            look_say(complain(at), "permissions", LOOK_PROBLEM,
                     "chown the folder to the owner of the database",
                     "user %u, who owns %s, may not make files in its folder, where SQLite keeps its log",
                     (unsigned)at->file.st_uid, at->sqlite->path);
    }
    free(copy);
}

static void look_at_user(struct look_at *at)
{
    if (geteuid() == 0 || access(at->sqlite->path, W_OK) == 0)
        return;
    look_say(complain(at), "permissions", LOOK_PROBLEM,
             "run it as the user whom the database belongs to, as the gateway is",
             "%s belongs to user %u, and user %u, who runs this, may not write to it", at->sqlite->path,
             (unsigned)at->file.st_uid, (unsigned)geteuid());
}

/* ---- where they are ---- */

static const struct {
    long type;
    enum look_verdict verdict;
    const char *text;
} file_systems[] = {
    {0x6969, LOOK_PROBLEM, "NFS, a network file system"},
    {0x517b, LOOK_PROBLEM, "SMB, a network file system"},
    {0xff534d42, LOOK_PROBLEM, "CIFS, a network file system"},
    {0xfe534d42, LOOK_PROBLEM, "SMB, a network file system"},
    {0x00c36400, LOOK_PROBLEM, "Ceph, a network file system"},
    {0x5346414f, LOOK_PROBLEM, "AFS, a network file system"},
    {0x01021997, LOOK_PROBLEM, "9P, a file system of another machine"},
    {0x786f4256, LOOK_PROBLEM, "a folder shared with the host"},
    {0x65735546, LOOK_WARNING, "FUSE, which may be a network file system"},
    {0x01021994, LOOK_PROBLEM, "tmpfs, which a restart empties"},
    {0x858458f6, LOOK_PROBLEM, "ramfs, which a restart empties"},
    {0x794c7630, LOOK_WARNING, "a container's own layer, which goes when the container does"},
};

static void look_at_file_system(struct look_at *at)
{
    struct statfs status;

    if (statfs(at->sqlite->path, &status) != 0)
        return;
    for (size_t i = 0; i < sizeof(file_systems) / sizeof(file_systems[0]); i++) {
        if ((uint32_t)status.f_type != (uint32_t)file_systems[i].type)
            continue;
        look_say(at->look, "file system", file_systems[i].verdict,
                 "move the database to a local disk that stays (with the gateway stopped)", "%s lies on %s",
                 at->sqlite->path, file_systems[i].text);
        return;
    }
    look_say(at->look, "file system", LOOK_OK, NULL, "local");
}

static void look_at_disk(struct look_at *at)
{
    struct statvfs status;
    uint64_t room;

    if (statvfs(at->sqlite->path, &status) != 0)
        return;
    room = (uint64_t)status.f_bavail * status.f_frsize;
    if ((status.f_flag & ST_RDONLY) != 0)
        look_say(at->look, "disk", LOOK_PROBLEM, "mount it for writing; look why it was not: dmesg",
                 "the file system is mounted for reading only");
    else if (room < DISK_LITTLE)
        look_say(at->look, "disk", room < DISK_LEAST ? LOOK_PROBLEM : LOOK_WARNING,
                 "make room; a full disk makes the gateway answer 503, and devices wait",
                 "%" PRIu64 " MiB are free", room / MIB);
    else
        look_say(at->look, "disk", LOOK_OK, NULL, "%" PRIu64 " MiB are free", room / MIB);
}

/* ---- the database itself ---- */

/* Opens it for reading; nothing beside it is written back. -1 if it cannot be, or is none of ours. */
static int open_for_reading(struct look_at *at)
{
    static const char advice[] = "give the right path with --db, or " WHERE_DAMAGE;
    struct sqlite *sqlite = at->sqlite;
    struct failure failure;

    if (sqlite3_open_v2(sqlite->path, &sqlite->db,
                        SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                        NULL) != SQLITE_OK) {
        look_say(at->look, "database", LOOK_PROBLEM, "may this user read it, and its folder?",
                 "%s cannot be opened: %s", sqlite->path,
                 sqlite->db == NULL ? "no memory is left" : sqlite3_errmsg(sqlite->db));
        return -1;
    }
    sqlite3_busy_timeout(sqlite->db, COMMAND_BUSY_MS);
    sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite_identify(sqlite, &failure) == 0)
        return 0;
    look_say(at->look, "database", LOOK_PROBLEM, advice, "%s", failure.text);
    return -1;
}

/*
 * Where nobody had it open, reading has made an empty log beside it, which a connection that only reads
 * cannot take away again. One that may write does so when it closes, unless somebody else has come.
 */
static void take_log_away(const struct look_at *at)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(at->sqlite->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
        SQLITE_OK)
        sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    sqlite3_close(db);
}

static bool has_log(const struct look_at *at)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s-wal", at->sqlite->path);
    return access(path, F_OK) == 0;
}

/* 1: this program's; 0: an older one, which `bulla serve` brings up to date. */
static int look_at_schema(struct look_at *at)
{
    struct failure failure;
    int version = 0;
    int current = sqlite_schema_is_current(at->sqlite, &version, &failure);

    if (current < 0)
        look_say(at->look, "database", LOOK_PROBLEM, WHERE_DAMAGE, "%s", failure.text);
    else if (current == 0)
        look_say(at->look, "database", LOOK_WARNING,
                 "stop older gateways first: they do not know the new one",
                 "%s is there, with the schema of an older bulla (version %d): the next command that uses it "
                 "brings it up to date",
                 at->sqlite->path, version);
    else
        look_say(at->look, "database", LOOK_OK, NULL, "%s: schema %d, SQLite %s, %" PRIu64 " MiB",
                 at->sqlite->path, version, sqlite3_libversion(), (uint64_t)at->file.st_size / MIB);
    return current;
}

static int is_time_up(void *context)
{
    const struct look_at *at = context;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > at->until.tv_sec ||
           (now.tv_sec == at->until.tv_sec && now.tv_nsec > at->until.tv_nsec);
}

static void tell_integrity(struct look_at *at, int code, unsigned faults)
{
    if (code == SQLITE_INTERRUPT)
        look_say(at->look, "integrity", LOOK_WARNING, "bulla check --full looks at all of it",
                 "nothing wrong was found in %" PRId64 " s; the database is larger than can be read in them",
                 at->look->seconds);
    else if (code != SQLITE_DONE)
        look_say(at->look, "integrity", LOOK_PROBLEM, WHERE_DAMAGE, "%s: %s", at->sqlite->path,
                 sqlite3_errmsg(at->sqlite->db));
    else if (faults == 0)
        look_say(at->look, "integrity", LOOK_OK, NULL, "all pages and rows are well formed");
}

static void look_at_integrity(struct look_at *at)
{
    sqlite3_stmt *check = NULL;
    unsigned faults = 0;
    int code;

    clock_gettime(CLOCK_MONOTONIC, &at->until);
    at->until.tv_sec += at->look->seconds;
    if (at->look->seconds > 0)
        sqlite3_progress_handler(at->sqlite->db, STEPS, is_time_up, at);
    code = sqlite3_prepare_v2(at->sqlite->db, "PRAGMA quick_check(8)", -1, &check, NULL);
    while (check != NULL && (code = sqlite3_step(check)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(check, 0);

        if (text == NULL || strcmp(text, "ok") == 0)
            continue;
        if (faults++ < FAULTS_SHOWN)
            look_say(at->look, "integrity", LOOK_PROBLEM, WHERE_DAMAGE, "%s: %.200s", at->sqlite->path, text);
    }
    tell_integrity(at, code & 0xff, faults);
    sqlite3_progress_handler(at->sqlite->db, 0, NULL, NULL);
    sqlite3_finalize(check);
}

static void read_issued_t(struct look_at *at)
{
    struct failure unused;
    sqlite3_stmt *query = sqlite_statement(at->sqlite, ST_ISSUED_T, &unused);

    if (query != NULL && sqlite_row(at->sqlite, query, "read the registry", &unused) > 0) {
        at->look->issued_t = sqlite3_column_int64(query, 0);
        sqlite3_reset(query);
    }
}

/* ---- all of it ---- */

/* 0 if there is a file to look at. */
static int find_file(struct look_at *at)
{
    const char *path = at->sqlite->path;

    if (stat(path, &at->file) != 0) {
        look_say(at->look, "database", LOOK_PROBLEM,
                 errno == ENOENT ? "give its path with --db or BULLA_DB; 'bulla serve' makes a new one"
                                 : "may this user look into its folder?",
                 "%s: %s", path, strerror(errno));
        return -1;
    }
    at->look->owner = at->file.st_uid;
    if (S_ISREG(at->file.st_mode))
        return 0;
    look_say(at->look, "database", LOOK_PROBLEM, "give the right path with --db", "%s is not a file", path);
    return -1;
}

/* Looks into it. 0 if this program can use it as it is. */
static int look_inside(struct look_at *at)
{
    int current;

    if (open_for_reading(at) != 0)
        return -1;
    current = look_at_schema(at);
    look_at_integrity(at);
    if (current == 1)
        read_issued_t(at);
    return current == 1 ? 0 : -1;
}

static int look_around(struct look_at *at)
{
    if (find_file(at) != 0)
        return -1;
    look_at_file_system(at);
    look_at_disk(at);
    look_at_mode(at, at->sqlite->path, &at->file);
    look_beside(at);
    look_at_folder(at);
    look_at_user(at);
    if (at->complaints == 0)
        look_say(at->look, "permissions", LOOK_OK, NULL, "of the database and its folder: as they must be");
    return 0;
}

static int look_with(struct sqlite *sqlite, struct look *look)
{
    struct look_at at = {.look = look, .sqlite = sqlite};
    bool had_log = has_log(&at);
    int result = look_around(&at);

    if (result == 0)
        result = look_inside(&at);
    sqlite3_finalize(sqlite->statements[ST_ISSUED_T]);
    sqlite3_close(sqlite->db);
    if (!had_log && has_log(&at))
        take_log_away(&at);
    return result;
}

int sqlite_look(const char *location, struct look *look)
{
    struct sqlite *sqlite = calloc(1, sizeof(*sqlite));
    int result = -1;

    look->owner = -1;
    look->issued_t = -1;
    /* Behind "./" no name has a meaning of its own to SQLite. */
    if (sqlite != NULL && asprintf(&sqlite->path, "%s%s", location[0] == '/' ? "" : "./", location) >= 0) {
        result = look_with(sqlite, look);
        free(sqlite->path);
    } else {
        look_say(look, "database", LOOK_PROBLEM, NULL, "no memory is left to look at %s", location);
    }
    free(sqlite);
    return result;
}
