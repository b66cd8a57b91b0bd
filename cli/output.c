#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Why an earlier write failed: stdio keeps only that it did. */
static int earlier_error(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) ? EPIPE : EIO;
}

static int refuse(int error, struct failure *failure)
{
    if (error == EPIPE) { /* `bulla readings | head`: nobody is left to be told */
        *failure->text = 0;
        return -1;
    }
    return fail(failure, "standard output: %s; not everything was written", strerror(error));
}

int output_finish(struct failure *failure)
{
    if (fflush(stdout) != 0)
        return refuse(errno, failure);
    if (ferror(stdout))
        return refuse(earlier_error(), failure);
    return 0;
}

bool output_works(void)
{
    return !ferror(stdout);
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, text, len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        text += written;
        len -= (size_t)written;
    }
    return 0;
}

int output_secret(const char *text, size_t len, struct failure *failure)
{
    if (output_finish(failure) < 0)
        return -1;
    return write_all(STDOUT_FILENO, text, len) < 0 ? refuse(errno, failure) : 0;
}

int output_create(const char *path, struct failure *failure)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST)
        return fail(failure, "%s: it is there already, and is not written over; give another name", path);
    if (fd < 0)
        return fail(failure, "cannot make %s: %s; is the folder there and writable?", path, strerror(errno));
    return fd;
}

int output_secret_file(int fd, const char *path, const char *text, size_t len, struct failure *failure)
{
    int error = write_all(fd, text, len) < 0 || fsync(fd) != 0 ? errno : 0;

    if (close(fd) != 0 && error == 0)
        error = errno;
    return error ? fail(failure, "%s: %s", path, strerror(error)) : 0;
}
