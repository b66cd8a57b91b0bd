#include "cli/provision_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/input.h"
#include "cli/output.h"
#include "device/crypto.h"

#define STAGING   ".bulla-add."
#define EXTENSION ".credential"

void provision_file_name(char out[PROVISION_FILE_SIZE], const char *name)
{
    size_t used = 0;

    for (size_t i = 0; name[i]; i++) {
        if (name[i] == '/' || name[i] == '%' || (i == 0 && name[i] == '.'))
            used += (size_t)snprintf(out + used, 4, "%%%02X", (unsigned char)name[i]);
        else
            out[used++] = name[i];
    }
    strcpy(out + used, EXTENSION); /* 3 * 64 + 11 bytes at most */
}

/* ---- the folder ---- */

int provision_files_look(struct provision_files *files, const char *path, struct failure *failure)
{
    *files = (struct provision_files){.path = path, .folder = -1, .staging = -1};
    files->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (files->folder >= 0)
        return 1;
    return errno == ENOENT ? 0 : fail(failure, "--out %s: %s; give a folder", path, strerror(errno));
}

int provision_files_open(struct provision_files *files, const char *path, struct failure *failure)
{
    *files = (struct provision_files){.path = path, .folder = -1, .staging = -1};
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return fail(failure, "--out %s: %s", path, strerror(errno));
    if (provision_files_look(files, path, failure) <= 0)
        return -1;
    if (flock(files->folder, LOCK_EX | LOCK_NB) == 0)
        return 0;
    provision_files_close(files);
    return fail(failure, "--out %s: another run is working in this folder; wait for it to end", path);
}

/* Removes a staging folder with all that is in it. */
static void remove_staging(int folder, int staging, const char *name)
{
    DIR *list = fdopendir(dup(staging));
    struct dirent *entry;

    while (list != NULL && (entry = readdir(list)) != NULL) {
        if (entry->d_name[0] != '.')
            unlinkat(staging, entry->d_name, 0);
    }
    if (list != NULL)
        closedir(list);
    unlinkat(folder, name, AT_REMOVEDIR);
}

void provision_files_close(struct provision_files *files)
{
    if (files->staging >= 0) {
        remove_staging(files->folder, files->staging, files->staging_name);
        close(files->staging);
    }
    if (files->folder >= 0)
        close(files->folder); /* and unlocks it */
    files->staging = files->folder = -1;
}

static bool is_there(const struct provision_files *files, const char *name)
{
    struct stat status;

    return fstatat(files->folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

void provision_files_check(const struct provision_files *files, struct provision *provision)
{
    char name[PROVISION_FILE_SIZE];

    for (size_t i = 0; i < provision->count; i++) {
        const struct provision_row *row = &provision->rows[i];

        provision_file_name(name, row->name);
        if (!row->done && is_there(files, name))
            provision_problem(provision, row->line, "name",
                              "%.60s/%.80s is there already, and is not written over", files->path, name);
    }
}

/* ---- moving ---- */

/* Moves one file to its place, where nothing may be. */
static int move_file(const struct provision_files *files, int staging, const char *name)
{
    if (renameat2(staging, name, files->folder, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL) /* some file systems do not know the flag */
        return -1;
    errno = EEXIST;
    return is_there(files, name) ? -1 : renameat(staging, name, files->folder, name);
}

/* The next file of a folder that is listed; NULL at the end. */
static const char *next_file(DIR *list)
{
    struct dirent *entry;

    while ((entry = readdir(list)) != NULL) {
        if (entry->d_name[0] != '.')
            return entry->d_name;
    }
    return NULL;
}

int provision_files_publish(struct provision_files *files, struct failure *failure)
{
    DIR *list = fdopendir(dup(files->staging));
    const char *name;
    int result = list != NULL ? 0 : fail(failure, "%s: %s", files->path, strerror(errno));

    if (list != NULL)
        rewinddir(list);
    while (result == 0 && (name = next_file(list)) != NULL) {
        if (move_file(files, files->staging, name) != 0)
            result = fail(failure,
                          "the devices were added, but %.60s/%.80s could not be made: %s; the rest lies in "
                          "%.60s/%s: run it again when that is seen to",
                          files->path, name, strerror(errno), files->path, files->staging_name);
    }
    if (list != NULL)
        closedir(list);
    if (result == 0 && fsync(files->folder) != 0)
        result = fail(failure, "the devices were added, but %s: %s", files->path, strerror(errno));
    if (result == 0)
        unlinkat(files->folder, files->staging_name, AT_REMOVEDIR);
    close(files->staging);
    files->staging = -1; /* what is left in it stays */
    return result;
}

/* ---- staging ---- */

static int write_file(int staging, const struct provision_row *row)
{
    char line[BULLA_CREDENTIAL_MAX];
    char name[PROVISION_FILE_SIZE];
    int len = bulla_credential_format(&row->credential, row->name, line);
    int file;
    int result = -1;

    if (len < 0) {
        errno = EINVAL;
        return -1;
    }
    line[len++] = '\n';
    provision_file_name(name, row->name);
    file = openat(staging, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file >= 0) {
        ssize_t written = write(file, line, (size_t)len);

        result = written == len ? 0 : -1;
        if (written >= 0 && written != len)
            errno = ENOSPC;
        if (close(file) != 0)
            result = -1;
    }
    bulla_wipe(line, sizeof(line));
    return result;
}

static int make_staging(struct provision_files *files)
{
    char path[4096];

    if (snprintf(path, sizeof(path), "%s/%sXXXXXX", files->path, STAGING) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (mkdtemp(path) == NULL) /* mode 0700 */
        return -1;
    snprintf(files->staging_name, sizeof(files->staging_name), "%s", strrchr(path, '/') + 1);
    files->staging = openat(files->folder, files->staging_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return files->staging < 0 ? -1 : 0;
}

int provision_files_stage(struct provision_files *files, const struct provision *provision,
                          struct failure *failure)
{
    int result = make_staging(files);

    for (size_t i = 0; result == 0 && i < provision->count; i++) {
        if (!provision->rows[i].done)
            result = write_file(files->staging, &provision->rows[i]);
    }
    /* One for all: an fsync each would take minutes for thousands on a slow disk. */
    if (result == 0)
        result = syncfs(files->staging);
    return result == 0 ? 0
                       : fail(failure, "%s: the credentials could not be written: %s; nothing was added",
                              files->path, strerror(errno));
}

/* ---- what an earlier run left ---- */

struct recovery {
    struct provision_files *files;
    struct provision *provision;
    struct store *store;
    int moved;
    int left;
    bool ended; /* a run that was cut after its devices had been entered */
};

/* Reads a credential; its secret is not kept. -1 if it is none. */
static int read_file(int staging, const char *file, struct bulla_credential *credential,
                     char name[BULLA_NAME_MAX + 1])
{
    char line[BULLA_CREDENTIAL_MAX];
    int fd = openat(staging, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, line, sizeof(line));
    int result = -1;

    if (fd >= 0)
        close(fd);
    if (len > 0 && line[len - 1] == '\n')
        result = bulla_credential_parse(credential, name, line, (size_t)len - 1);
    bulla_wipe(credential->secret, sizeof(credential->secret));
    bulla_wipe(line, sizeof(line));
    return result < 0 ? -1 : 0;
}

/* 1 if the device of that credential is in the registry under this name. */
static int is_entered(struct store *store, const struct bulla_credential *credential, const char *name,
                      struct failure *failure)
{
    struct device_row row;
    int found = store->ops->device_by_kid(store, credential->kid, credential->kid_len, &row, failure);

    return found > 0 ? strcmp(row.name, name) == 0 : found;
}

static int recover_file(struct recovery *recovery, int staging, const char *file, struct failure *failure)
{
    struct bulla_credential credential;
    char name[BULLA_NAME_MAX + 1];
    int entered = read_file(staging, file, &credential, name);

    if (entered == 0)
        entered = is_entered(recovery->store, &credential, name, failure);
    else
        entered = 0; /* cut while it was written: its device was not entered yet */
    if (entered < 0)
        return -1;
    if (entered == 0) {
        recovery->left++;
        return 0;
    }
    if (move_file(recovery->files, staging, file) != 0)
        return fail(failure, "%s/%s: %s", recovery->files->path, file, strerror(errno));
    recovery->moved++;
    return 0;
}

static int recover_folder(struct recovery *recovery, const char *folder, struct failure *failure)
{
    int staging = openat(recovery->files->folder, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = staging < 0 ? NULL : fdopendir(dup(staging));
    int left = recovery->left;
    int result = 0;
    const char *file;

    while (list != NULL && result == 0 && (file = next_file(list)) != NULL)
        result = recover_file(recovery, staging, file, failure);
    if (list != NULL)
        closedir(list);
    if (staging >= 0)
        close(staging);
    if (result == 0 && recovery->left > left)
        fprintf(
            stderr,
            "bulla: %s/%s holds %d credentials of an earlier run that are not in this database; if it was "
            "this one that they were for, remove that folder\n",
            recovery->files->path, folder, recovery->left - left);
    else if (result == 0) {
        unlinkat(recovery->files->folder, folder, AT_REMOVEDIR);
        recovery->ended = true;
    }
    return result;
}

/* Whether a row's credential stands at its place, and its device in the registry. */
static int is_done(const struct recovery *recovery, const struct provision_row *row, struct failure *failure)
{
    struct bulla_credential credential;
    char name[BULLA_NAME_MAX + 1];
    char file[PROVISION_FILE_SIZE];

    provision_file_name(file, row->name);
    if (read_file(recovery->files->folder, file, &credential, name) < 0 || strcmp(name, row->name) != 0)
        return 0;
    if (row->credential.kid_len > 0 && (row->credential.kid_len != credential.kid_len ||
                                        memcmp(row->credential.kid, credential.kid, credential.kid_len) != 0))
        return 0;
    return is_entered(recovery->store, &credential, name, failure);
}

/* Some of the files may have been moved by the run that was cut, and some by this one. */
static int mark_done(const struct recovery *recovery, struct failure *failure)
{
    for (size_t i = 0; i < recovery->provision->count; i++) {
        struct provision_row *row = &recovery->provision->rows[i];
        int done = is_done(recovery, row, failure);

        if (done < 0)
            return -1;
        row->done = done > 0;
    }
    return 0;
}

int provision_files_recover(struct provision_files *files, struct provision *provision, struct store *store,
                            struct failure *failure)
{
    struct recovery recovery = {.files = files, .provision = provision, .store = store};
    DIR *list = fdopendir(dup(files->folder));
    struct dirent *entry;
    int result = 0;

    if (list == NULL)
        return fail(failure, "%s: %s", files->path, strerror(errno));
    rewinddir(list);
    while (result == 0 && (entry = readdir(list)) != NULL) {
        if (strncmp(entry->d_name, STAGING, strlen(STAGING)) == 0)
            result = recover_folder(&recovery, entry->d_name, failure);
    }
    closedir(list);
    if (result == 0 && recovery.ended)
        result = mark_done(&recovery, failure);
    if (result == 0 && recovery.moved > 0)
        fprintf(stderr,
                "bulla: %d credentials of an earlier run, which was cut, were moved to their places\n",
                recovery.moved);
    return result < 0 ? -1 : recovery.moved;
}
