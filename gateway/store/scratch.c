#include "gateway/store/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENDING  6  /* letters or digits of mkdtemp() */
#define RETRIES 10 /* of making one while somebody takes it for left over */

/* ---- removing ---- */

/* The files in it. It holds no folders. */
static void empty(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *open = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    while (open != NULL && (entry = readdir(open)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(folder, entry->d_name, 0);
    if (open != NULL)
        closedir(open);
    else if (fd >= 0)
        close(fd);
}

/* Whether it is one that this user's process has made: TMPDIR may be everybody's. */
static bool is_ours(int folder)
{
    struct stat status;

    return fstat(folder, &status) == 0 && status.st_uid == geteuid() && (status.st_mode & 077) == 0;
}

/* Removes one, unless somebody uses it. */
static void remove_left(int parent, const char *name)
{
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (folder < 0)
        return;
    if (is_ours(folder) && flock(folder, LOCK_EX | LOCK_NB) == 0) {
        empty(folder);
        unlinkat(parent, name, AT_REMOVEDIR);
    }
    close(folder);
}

static void remove_all_left(const char *where, const char *name)
{
    DIR *parent = opendir(where);
    size_t len = strlen(name);
    struct dirent *entry;

    while (parent != NULL && (entry = readdir(parent)) != NULL)
        if (strncmp(entry->d_name, name, len) == 0 && entry->d_name[len] == '.' &&
            strlen(entry->d_name) == len + 1 + ENDING)
            remove_left(dirfd(parent), entry->d_name);
    if (parent != NULL)
        closedir(parent);
}

/* ---- making ---- */

/*
 * Locks the folder that was just made: 0; 1 who looks for what is left was there first, and it is gone; -1
 * with errno. Where there are no locks nobody removes it either.
 */
static int hold(struct scratch *scratch)
{
    struct stat held, there;

    scratch->lock = open(scratch->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (scratch->lock < 0)
        return errno == ENOENT ? 1 : -1;
    while (flock(scratch->lock, LOCK_EX) != 0 && errno == EINTR)
        continue;
    if (fstat(scratch->lock, &held) == 0 && stat(scratch->path, &there) == 0 && held.st_ino == there.st_ino &&
        held.st_dev == there.st_dev)
        return 0;
    close(scratch->lock);
    return 1;
}

/* As hold(). */
static int make(struct scratch *scratch, const char *where, const char *name)
{
    int result = -1;

    if (asprintf(&scratch->path, "%s/%s.XXXXXX", where, name) < 0) {
        scratch->path = NULL;
        errno = ENOMEM;
        return -1;
    }
    if (mkdtemp(scratch->path) != NULL)
        result = hold(scratch);
    if (result != 0) {
        int error = errno;
        free(scratch->path);
        scratch->path = NULL;
        errno = error;
    }
    return result;
}

int scratch_open(struct scratch *scratch, const char *name, struct failure *failure)
{
    const char *where = getenv("TMPDIR");
    int result = 1;

    if (where == NULL || where[0] == '\0')
        where = "/tmp";
    scratch->path = NULL;
    remove_all_left(where, name);
    for (int i = 0; result > 0 && i < RETRIES; i++)
        result = make(scratch, where, name);
    if (result == 0)
        return 0;
    return fail(failure, "cannot make a folder for temporary files in %s: %s; TMPDIR names another place",
                where, result > 0 ? "somebody removes it at once" : strerror(errno));
}

void scratch_close(struct scratch *scratch)
{
    if (scratch->path == NULL)
        return;
    empty(scratch->lock);
    rmdir(scratch->path);
    close(scratch->lock);
    free(scratch->path);
    scratch->path = NULL;
}
