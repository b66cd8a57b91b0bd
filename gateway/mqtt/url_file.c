/* What stands in a file and in the environment, because it is secret. */
#include "gateway/mqtt/url.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#define FILE_MAX 16384 /* bytes */

/* ---- the lines ---- */

static char *trim(char *text)
{
    size_t len;

    text += strspn(text, " \t\r");
    len = strlen(text);
    while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
        text[--len] = '\0';
    return text;
}

static int take_line(struct mqtt_url *url, char *line, bool *has_url, struct failure *failure)
{
    char *equals;

    if (!*has_url) {
        *has_url = true;
        return mqtt_url_parse(url, line, true, failure);
    }
    equals = strchr(line, '=');
    if (equals == NULL)
        return fail(failure, "there is no '='; give KEY = VALUE");
    *equals = '\0';
    return mqtt_url_set(url, trim(line), trim(equals + 1), failure);
}

static int parse_lines(struct mqtt_url *url, const char *path, char *text, struct failure *failure)
{
    struct failure why;
    unsigned number = 0;
    bool has_url = false;
    char *rest = text;
    char *line;

    while ((line = strsep(&rest, "\n")) != NULL) {
        number++;
        line = trim(line);
        if (*line == '\0' || *line == '#')
            continue;
        if (take_line(url, line, &has_url, &why) < 0)
            return fail(failure, "%.100s:%u: %s", path, number, why.text);
    }
    if (!has_url)
        return fail(failure, "%.100s: there is no URL in it; its first line is mqtt://HOST or mqtts://HOST",
                    path);
    if (mqtt_url_check(url, &why) < 0)
        return fail(failure, "%.100s: %s", path, why.text);
    return 0;
}

/* ---- the file ---- */

static int read_all(int fd, const char *path, char text[FILE_MAX + 1], struct failure *failure)
{
    size_t used = 0;
    ssize_t got;

    while (used < FILE_MAX + 1 && (got = read(fd, text + used, FILE_MAX + 1 - used)) != 0) {
        if (got > 0)
            used += (size_t)got;
        else if (errno != EINTR)
            return fail(failure, "cannot read %.100s: %s", path, strerror(errno));
    }
    if (used > FILE_MAX)
        return fail(failure, "%.100s is longer than %d bytes", path, FILE_MAX);
    text[used] = '\0';
    if (strlen(text) != used)
        return fail(failure, "%.100s is no text: there is a zero in it", path);
    return 0;
}

/* A service's group may read its settings; everybody else is too many. */
static int check_mode(const struct mqtt_url *url, const struct stat *status, const char *path,
                      struct failure *failure)
{
    if (url->password[0] == '\0' || (status->st_mode & (S_IRWXO | S_IWGRP)) == 0)
        return 0;
    return fail(failure,
                "%.100s holds a password, and others may read or change it (its mode is %03o); type: chmod "
                "600 %.60s",
                path, (unsigned)(status->st_mode & 0777), path);
}

static int load_file(struct mqtt_url *url, const char *path, struct failure *failure)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char text[FILE_MAX + 1];
    struct stat status;
    int result = -1;

    if (fd < 0)
        return fail(failure, "cannot open %.100s: %s", path, strerror(errno));
    if (fstat(fd, &status) != 0)
        fail(failure, "cannot read %.100s: %s", path, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        fail(failure, "%.100s is not a file", path);
    else if (read_all(fd, path, text, failure) == 0 && parse_lines(url, path, text, failure) == 0)
        result = check_mode(url, &status, path, failure);
    explicit_bzero(text, sizeof(text));
    close(fd);
    return result;
}

static int take_environment(struct mqtt_url *url, struct failure *failure)
{
    const char *password = getenv(MQTT_PASSWORD_VARIABLE);
    struct failure why;

    if (password == NULL || *password == '\0' || url->user[0] == '\0' || url->password[0] != '\0')
        return 0;
    if (mqtt_url_set(url, "password", password, &why) == 0)
        return 0;
    return fail(failure, MQTT_PASSWORD_VARIABLE ": %s", why.text);
}

int mqtt_url_load(struct mqtt_url *url, const char *argument, struct failure *failure)
{
    memset(url, 0, sizeof(*url));
    if (argument[0] == '@') {
        if (load_file(url, argument + 1, failure) < 0)
            return -1;
    } else if (mqtt_url_parse(url, argument, false, failure) < 0) {
        return -1;
    }
    return take_environment(url, failure);
}
