/*
 * Who uses a database: everything that opens it holds a shared lock on the file NAME-lock beside it, for as
 * long as it is open, and who replaces it holds it alone. The lock is the kernel's and goes with its process,
 * however that ends; the file stays, also when the database gets another one's place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "gateway/owner.h"
#include "gateway/store/sqlite/sqlite.h"

#define WAIT_STEP 20 /* milliseconds */

/* ---- who holds it ---- */

/* A process's command line, or "" if it is not ours to see. */
static void command_of(long process, char *out, size_t size)
{
    char path[64];
    size_t len = 0;

    snprintf(path, sizeof(path), "/proc/%ld/cmdline", process);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        len = fread(out, 1, size - 1, file);
        fclose(file);
    }
    while (len > 0 && out[len - 1] == '\0')
        len--;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)out[i] < ' ' || (unsigned char)out[i] > '~')
            out[i] = ' ';
    out[len] = '\0';
}

/* The first process that the kernel names as holder of the file's lock; 0 if it names none. */
static long holder_of(int fd)
{
    struct stat status;
    char line[160];
    long holder = 0;
    FILE *file = fstat(fd, &status) != 0 ? NULL : fopen("/proc/locks", "re");

    while (file != NULL && holder == 0 && fgets(line, sizeof(line), file) != NULL) {
        unsigned major_number, minor_number;
        unsigned long long inode;
        long process;
        if (sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%llu", &process, &major_number, &minor_number,
                   &inode) == 4 &&
            inode == status.st_ino && makedev(major_number, minor_number) == status.st_dev)
            holder = process;
    }
    if (file != NULL)
        fclose(file);
    return holder;
}

static int fail_held(const char *path, int fd, bool alone, struct failure *failure)
{
    char command[100] = "";
    char who[140] = "another process";
    long holder = holder_of(fd);

    if (holder > 0) {
        command_of(holder, command, sizeof(command));
        snprintf(who, sizeof(who), "process %ld%s%s%s", holder, command[0] == '\0' ? "" : " (", command,
                 command[0] == '\0' ? "" : ")");
    }
    if (alone)
        return fail(failure, "the database %.80s is in use by %s; end that first. Nothing was changed.", path,
                    who);
    return fail(failure, "the database %.80s is just being replaced by %s; try again when that is through",
                path, who);
}

/* ---- the file ---- */

/* Made by root for a database of another user, it is to be that user's; before there is one, the folder's. */
static void give_to_owner(const char *path, int fd)
{
    struct stat database;

    if (stat(path, &database) != 0)
        owner_follow_folder(fd, path);
    else if (geteuid() == 0 && fchown(fd, database.st_uid, database.st_gid) != 0)
        return; /* then the owner is told that the file cannot be opened */
}

/* Another user's, to whom it is to be left: what his gateway could not open afterwards is of no use. He is a
 * number here: what knows names may not be loaded any more (the sandbox). */
static int fail_open(const char *name, const char *path, struct failure *failure)
{
    int error = errno;
    struct stat status;

    if (error == EACCES && stat(path, &status) == 0 && status.st_uid != geteuid())
        return fail(
            failure,
            "cannot open the lock %s: %s; the database belongs to user %u: run this as that user, with "
            "sudo -u '#%u'",
            name, strerror(error), (unsigned)status.st_uid, (unsigned)status.st_uid);
    return fail(failure,
                "cannot open the lock %s: %s; check who owns it and its folder, and that both are writable",
                name, strerror(error));
}

static int open_lock(const char *path, struct failure *failure)
{
    char *name;
    int fd;

    if (asprintf(&name, "%s-lock", path) < 0)
        return fail(failure, "no memory is left to open %s", path);
    fd = open(name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        give_to_owner(path, fd);
    else if (errno == EEXIST)
        fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        fail_open(name, path, failure);
    free(name);
    return fd;
}

int sqlite_lock(const char *path, bool alone, struct failure *failure)
{
    char *real = realpath(path, NULL); /* one database under two names has one lock */
    const char *name = real == NULL ? path : real;
    int fd = open_lock(name, failure);
    int left = alone ? 0 : COMMAND_BUSY_MS;

    while (fd >= 0 && flock(fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK && left > 0) {
            nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP * 1000000L}, NULL);
            left -= WAIT_STEP;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EWOULDBLOCK)
            fail_held(path, fd, alone, failure);
        else
            fail(failure, "cannot lock the database %s: %s", path, strerror(errno));
        close(fd);
        fd = -1;
    }
    free(real);
    return fd;
}
