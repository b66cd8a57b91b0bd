#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool input_is_indirect(const char *argument)
{
    return argument[0] == '@' || strcmp(argument, "-") == 0;
}

static int read_all(int fd, const char *name, char *buffer, size_t size, struct failure *failure)
{
    size_t used = 0;
    char beyond;

    for (;;) { /* read(), not stdio: its buffers could not be wiped */
        ssize_t got = used < size ? read(fd, buffer + used, size - used) : read(fd, &beyond, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(failure, "%s: %s", name, strerror(errno));
        if (got == 0)
            return (int)used;
        if (used == size)
            return fail(failure, "%s: longer than %zu bytes; is it the right file?", name, size);
        used += (size_t)got;
    }
}

int input_file(const char *path, void *buffer, size_t size, struct failure *failure)
{
    int fd;
    int len;

    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", buffer, size, failure);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(failure, "cannot read %s: %s", path, strerror(errno));
    len = read_all(fd, path, buffer, size, failure);
    close(fd);
    return len;
}

int input_line(const char *argument, char *buffer, size_t size, struct failure *failure)
{
    int len;

    if (input_is_indirect(argument)) {
        len = input_file(argument + (*argument == '@'), buffer, size - 1, failure);
    } else {
        len = (int)strnlen(argument, size);
        if ((size_t)len == size)
            return fail(failure, "it is longer than %zu bytes", size - 1);
        memcpy(buffer, argument, (size_t)len);
    }
    while (len > 0 && strchr("\r\n", buffer[len - 1]))
        len--;
    if (len >= 0)
        buffer[len] = 0;
    return len;
}
