#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SLOTS     3
#define SPACING   4096 /* bytes: what a disk or a page cache writes at once */
#define FILE_SIZE (SLOTS * SPACING)
#define MARK      0xb5 /* first byte of a slot that was written; its length follows, then its bytes */

#ifdef CLOCK_BOOTTIME
#define TIMER CLOCK_BOOTTIME /* a suspended host must not take an old time for a new one */
#else
#define TIMER CLOCK_MONOTONIC
#endif

/* ---- callbacks ---- */

static int posix_random(void *context, uint8_t *out, size_t len)
{
    (void)context;
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);

        if (got < 0 && errno != EINTR)
            return -1;
        if (got > 0) {
            out += got;
            len -= (size_t)got;
        }
    }
    return 0;
}

static uint32_t posix_timer(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(TIMER, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

static int write_at(int fd, const uint8_t *bytes, size_t len, off_t at)
{
    while (len > 0) {
        ssize_t written = pwrite(fd, bytes, len, at);

        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            bytes += written;
            len -= (size_t)written;
            at += written;
        }
    }
    return 0;
}

static int posix_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    const struct posix_port *posix = context;
    uint8_t bytes[2 + BULLA_SLOT_SIZE];

    if (pread(posix->fd, bytes, sizeof(bytes), (off_t)slot * SPACING) != (ssize_t)sizeof(bytes))
        return -1;
    if (bytes[0] != MARK || bytes[1] != len)
        return -1;
    memcpy(out, bytes + 2, len);
    return 0;
}

static int posix_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    const struct posix_port *posix = context;
    uint8_t bytes[2 + BULLA_SLOT_SIZE] = {MARK, (uint8_t)len};

    if (len > BULLA_SLOT_SIZE)
        return -1;
    memcpy(bytes + 2, data, len);
    if (write_at(posix->fd, bytes, sizeof(bytes), (off_t)slot * SPACING) < 0)
        return -1;
    return fdatasync(posix->fd);
}

/* ---- the file ---- */

/* A new file's name lasts only once its directory is written. */
static int sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[4096] = ".";
    int result = -1;
    int fd;

    if (slash) {
        size_t len = slash == path ? 1 : (size_t)(slash - path);

        if (len >= sizeof(directory)) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(directory, path, len);
        directory[len] = 0;
    }
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        result = fsync(fd);
        close(fd);
    }
    return result;
}

/* Written out, not only extended: a slot must not find the disk full later. */
static int fill(int fd, const char *path)
{
    static const uint8_t empty[FILE_SIZE];

    if (flock(fd, LOCK_EX | LOCK_NB) < 0 || write_at(fd, empty, sizeof(empty), 0) < 0 || fsync(fd) < 0)
        return -1;
    return sync_directory(path);
}

static int make(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int error;

    if (fd < 0 || fill(fd, path) == 0)
        return fd;
    error = errno;
    unlink(path);
    close(fd);
    errno = error;
    return -1;
}

static int open_existing(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat status;
    int error;

    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &status) == 0) {
        if (S_ISREG(status.st_mode) && status.st_size == FILE_SIZE)
            return fd;
        errno = EINVAL;
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

void posix_port_init(struct posix_port *posix)
{
    memset(posix, 0, sizeof(*posix));
    posix->fd = -1;
    posix->port.random = posix_random;
    posix->port.timer = posix_timer;
    posix->port.context = posix;
}

int posix_port_open(struct posix_port *posix, const char *path, enum posix_port_mode mode)
{
    posix_port_init(posix);
    if (mode != POSIX_PORT_NEW)
        posix->fd = open_existing(path);
    if (mode == POSIX_PORT_NEW || (mode == POSIX_PORT_CREATE && posix->fd < 0 && errno == ENOENT))
        posix->fd = make(path);
    if (posix->fd < 0)
        return errno;
    posix->port.load = posix_load;
    posix->port.store = posix_store;
    return 0;
}

void posix_port_close(struct posix_port *posix)
{
    if (posix->fd >= 0)
        close(posix->fd);
    posix_port_init(posix);
}
