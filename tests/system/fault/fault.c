/*
 * A disk that fails on demand, for the system tests: preloaded into the gateway, it stands between SQLite and
 * the kernel. Files whose name holds BULLA_FAULT_FILES (database, its log and its index) are treated as the
 * first word of the file BULLA_FAULT_ORDER says; without that file, as ever:
 *
 *     write ERRNO   writing fails
 *     short ERRNO   writing stops halfway, and fails after that
 *     sync ERRNO    fsync() and fdatasync() fail; what was written is there
 *     read ERRNO    reading fails
 *     hold          fsync() and fdatasync() wait until the order changes, and then do as it says
 *
 * With BULLA_FAULT_KILL it kills its process at one of the changes that are made to these files. With
 * BULLA_FAULT_NO_LINKS the file system has no hard links; with BULLA_FAULT_TRACE the changes of names, and
 * what fsync() is called for, are written to a file.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct order {
    char what[16];
    int error;
};

static struct order read_order(void)
{
    struct order order = {"", 0};
    const char *path = getenv("BULLA_FAULT_ORDER");
    int saved = errno;
    FILE *file = path == NULL ? NULL : fopen(path, "re");

    if (file != NULL) {
        if (fscanf(file, "%15s %d", order.what, &order.error) < 1)
            order.what[0] = '\0';
        fclose(file);
    }
    errno = saved;
    return order;
}

static int is_ours(int fd)
{
    const char *files = getenv("BULLA_FAULT_FILES");
    char link[64];
    char path[4096];
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);
    if (files == NULL || len < 0)
        return 0;
    path[len] = '\0';
    return strstr(path, files) != NULL;
}

/* True, and errno set, if `what` is to fail now. */
static int fails(int fd, const char *what)
{
    struct order order;

    if (!is_ours(fd))
        return 0;
    order = read_order();
    while (strcmp(what, "sync") == 0 && strcmp(order.what, "hold") == 0) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        order = read_order();
    }
    if (strcmp(order.what, what) != 0)
        return 0;
    errno = order.error;
    return 1;
}

/*
 * What changes a file or a name: the process is killed before the one of the number that BULLA_FAULT_KILL
 * says, counted from 1 over files whose name holds BULLA_FAULT_FILES.
 */
static void count_change(const char *path)
{
    static long count;
    const char *files = getenv("BULLA_FAULT_FILES");
    const char *number = getenv("BULLA_FAULT_KILL");

    if (number != NULL && files != NULL && strstr(path, files) != NULL && ++count == atol(number))
        kill(getpid(), SIGKILL);
}

static void count_change_of(int fd)
{
    if (getenv("BULLA_FAULT_KILL") != NULL && is_ours(fd))
        count_change(getenv("BULLA_FAULT_FILES"));
}

/* One line for each change of a name, and each fsync(), in the order in which they happen: BULLA_FAULT_TRACE.
 */
static void trace(const char *what, const char *path)
{
    const char *to = getenv("BULLA_FAULT_TRACE");
    FILE *file = to == NULL ? NULL : fopen(to, "ae");

    if (file != NULL) {
        fprintf(file, "%s %s\n", what, path);
        fclose(file);
    }
}

static void trace_fd(const char *what, int fd)
{
    char link[64];
    char path[4096];
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);
    path[len < 0 ? 0 : len] = '\0';
    trace(what, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
    count_change_of(fd);
    if (fails(fd, "write"))
        return -1;
    if (fails(fd, "short")) {
        if (len < 512)
            return -1;
        len /= 2;
    }
    return NEXT(pwrite64)(fd, bytes, len, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return pwrite64(fd, bytes, len, offset);
}

ssize_t pread64(int fd, void *bytes, size_t len, off64_t offset)
{
    return fails(fd, "read") ? -1 : NEXT(pread64)(fd, bytes, len, offset);
}

ssize_t pread(int fd, void *bytes, size_t len, off_t offset)
{
    return pread64(fd, bytes, len, offset);
}

int rename(const char *from, const char *to)
{
    count_change(from);
    trace("rename", to);
    return NEXT(rename)(from, to);
}

int link(const char *from, const char *to)
{
    count_change(to);
    trace("link", to);
    if (getenv("BULLA_FAULT_NO_LINKS") != NULL) {
        errno = EPERM;
        return -1;
    }
    return NEXT(link)(from, to);
}

int unlink(const char *path)
{
    count_change(path);
    trace("unlink", path);
    return NEXT(unlink)(path);
}

int ftruncate64(int fd, off64_t len)
{
    count_change_of(fd);
    return NEXT(ftruncate64)(fd, len);
}

int ftruncate(int fd, off_t len)
{
    return ftruncate64(fd, len);
}

int fsync(int fd)
{
    count_change_of(fd);
    trace_fd("sync", fd);
    return fails(fd, "sync") ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd)
{
    count_change_of(fd);
    return fails(fd, "sync") ? -1 : NEXT(fdatasync)(fd);
}
