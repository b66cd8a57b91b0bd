#include "gateway/url_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

static int read_all(int fd, const char *path, char text[URL_FILE_MAX + 1], struct failure *failure)
{
    size_t used = 0;
    ssize_t got;

    while (used < URL_FILE_MAX + 1 && (got = read(fd, text + used, URL_FILE_MAX + 1 - used)) != 0) {
        if (got > 0)
            used += (size_t)got;
        else if (errno != EINTR)
            return fail(failure, "cannot read %.100s: %s", path, strerror(errno));
    }
    if (used > URL_FILE_MAX)
        return fail(failure, "%.100s is longer than %d bytes", path, URL_FILE_MAX);
    text[used] = '\0';
    if (strlen(text) != used)
        return fail(failure, "%.100s is no text: there is a zero in it", path);
    return 0;
}

int url_file_read(struct url_file *file, const char *path, struct failure *failure)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    int result = -1;

    memset(file, 0, sizeof(*file));
    file->rest = file->text;
    if (fd < 0)
        return fail(failure, "cannot open %.100s: %s", path, strerror(errno));
    if (fstat(fd, &status) != 0)
        fail(failure, "cannot read %.100s: %s", path, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        fail(failure, "%.100s is not a file", path);
    else
        result = read_all(fd, path, file->text, failure);
    if (result == 0)
        file->mode = status.st_mode & 0777;
    close(fd);
    return result;
}

static char *trim(char *text)
{
    size_t len;

    text += strspn(text, " \t\r");
    len = strlen(text);
    while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
        text[--len] = '\0';
    return text;
}

char *url_file_line(struct url_file *file)
{
    char *line;

    while ((line = strsep(&file->rest, "\n")) != NULL) {
        file->number++;
        line = trim(line);
        if (*line != '\0' && *line != '#')
            return line;
    }
    return NULL;
}

int url_file_part(char *line, char **key, char **value, struct failure *failure)
{
    char *equals = strchr(line, '=');

    if (equals == NULL)
        return fail(failure, "there is no '='; give KEY = VALUE");
    *equals = '\0';
    *key = trim(line);
    *value = trim(equals + 1);
    return 0;
}

int url_file_check_mode(const struct url_file *file, const char *path, const char *holds,
                        struct failure *failure)
{
    if ((file->mode & (S_IRWXO | S_IWGRP)) == 0)
        return 0;
    return fail(failure,
                "%.100s holds %s, and others may read or change it (its mode is %03o); type: chmod "
                "600 %.60s",
                path, holds, file->mode, path);
}

void url_file_wipe(struct url_file *file)
{
    explicit_bzero(file->text, sizeof(file->text));
}
