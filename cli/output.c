#include "cli/output.h"

#include <errno.h>
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

int output_secret(const char *text, size_t len, struct failure *failure)
{
    if (output_finish(failure) < 0)
        return -1;
    while (len > 0) {
        ssize_t written = write(STDOUT_FILENO, text, len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return refuse(errno, failure);
        text += written;
        len -= (size_t)written;
    }
    return 0;
}
