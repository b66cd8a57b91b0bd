#include "cli/config_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <ini.h>

#define PATH_SHOWN 140 /* bytes of the path in an error, so that the reason finds room behind it */

/* Where reading is. */
struct reading {
    const struct config_reader *reader;
    const char *at; /* next line */
    const char *end;
    unsigned line; /* that was handed out last; the first is 1 */
    bool failed;
    struct failure *failure;
};

static int refuse(struct reading *reading, const char *why)
{
    struct failure text;

    snprintf(text.text, sizeof(text.text), "%s", why); /* it may stand in *failure itself */
    reading->failed = true;
    return fail(reading->failure, "%.*s:%u: %s", PATH_SHOWN, reading->reader->path, reading->line, text.text);
}

/* ---- lines ---- */

/* A section's line holds nothing else. */
static bool is_section(const char *line, size_t len, const char *section)
{
    size_t name = strlen(section);

    return len == name + 2 && memcmp(line + 1, section, name) == 0 && line[len - 1] == ']';
}

static int check_line(struct reading *reading, const char *line, size_t len)
{
    const char *section = reading->reader->section;
    struct failure why;

    if (len > CONFIG_LINE_MAX)
        fail(&why, "this line has %zu bytes; it may have %d", len, CONFIG_LINE_MAX);
    else if (memchr(line, 0, len) != NULL)
        fail(&why, "there is a zero byte in this line; a configuration is text");
    else {
        while (len > 0 && isspace((unsigned char)*line))
            line++, len--;
        while (len > 0 && isspace((unsigned char)line[len - 1]))
            len--;
        if (len == 0 || *line != '[' || is_section(line, len, section))
            return 0;
        fail(&why, "%.*s: there is no such section; the only one is [%s]", len > 60 ? 60 : (int)len, line,
             section);
    }
    return refuse(reading, why.text);
}

/* libinih's fgets(): the next line, checked, or NULL at the end or after an error. */
static char *next_line(char *out, int size, void *stream)
{
    struct reading *reading = stream;
    size_t left = (size_t)(reading->end - reading->at);
    const char *newline;
    size_t len;

    if (reading->failed || left == 0)
        return NULL;
    newline = memchr(reading->at, '\n', left);
    len = newline != NULL ? (size_t)(newline - reading->at) : left;
    reading->line++;
    if (check_line(reading, reading->at, len) < 0 || len + 2 > (size_t)size)
        return NULL;
    memcpy(out, reading->at, len);
    out[len] = '\n'; /* without one libinih would ask for the rest of the line */
    out[len + 1] = '\0';
    reading->at += len + (newline != NULL);
    return out;
}

static int take_entry(void *context, const char *section, const char *key, const char *value)
{
    struct reading *reading = context;
    struct failure why;

    (void)section; /* check_line() has seen it */
    if (reading->failed)
        return 0;
    if (reading->reader->take(reading->reader->context, reading->line, key, value, &why) == 0)
        return 1;
    refuse(reading, why.text);
    return 0;
}

int config_parse(const struct config_reader *reader, const char *bytes, size_t len, struct failure *failure)
{
    struct reading reading = {.reader = reader, .at = bytes, .end = bytes + len, .failure = failure};
    int result;

    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        reading.at += 3;   /* some editors' mark of UTF-8 */
    ini_use_stack = false; /* its lines would end at 200 bytes */
    ini_max_line = CONFIG_LINE_MAX + 3;
    ini_initial_alloc = CONFIG_LINE_MAX + 3;
    ini_allow_multiline = false;       /* an indented key is a key */
    ini_allow_inline_comments = false; /* every character may stand in a value */
    ini_stop_on_first_error = true;
    result = ini_parse_stream(next_line, &reading, take_entry, &reading);
    if (result == 0 && !reading.failed)
        return 0;
    if (result == -2)
        return fail(failure, "%.*s: memory is out", PATH_SHOWN, reader->path);
    if (!reading.failed)
        refuse(&reading, "this is neither 'key = value' nor a comment, which begins with #");
    return -1;
}

/* ---- files ---- */

/* Who may write root's configuration is root. */
static int check_rights(const struct stat *status, const char *path, struct failure *failure)
{
    bool others =
        (status->st_mode & S_IWOTH) != 0 || ((status->st_mode & S_IWGRP) != 0 && status->st_gid != 0);

    if (geteuid() != 0 || (status->st_uid == 0 && !others))
        return 0;
    return fail(failure,
                "%.*s: others than root may change this file; type: chown root %.60s && chmod go-w %.60s",
                PATH_SHOWN, path, path, path);
}

static int check_file(const struct stat *status, const char *path, struct failure *failure)
{
    if (S_ISDIR(status->st_mode))
        return fail(failure, "%.*s: this is a folder; --config takes a file", PATH_SHOWN, path);
    if (!S_ISREG(status->st_mode))
        return fail(failure, "%.*s: this is not a plain file, which --config takes", PATH_SHOWN, path);
    if (status->st_size > CONFIG_FILE_MAX)
        return fail(failure, "%.*s: this file has more than %d bytes; is it a configuration?", PATH_SHOWN,
                    path, CONFIG_FILE_MAX);
    return check_rights(status, path, failure);
}

/* Returns how many bytes, or -1 with errno. A file that grows meanwhile is cut at `size`. */
static ssize_t read_all(int fd, char *bytes, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t got = read(fd, bytes + used, size - used);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return -1;
        used += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)used;
}

static int load(int fd, const struct config_reader *reader, struct failure *failure)
{
    struct stat status;
    char *bytes;
    ssize_t len;
    int result;

    if (fstat(fd, &status) != 0)
        return fail(failure, "%.*s: %s", PATH_SHOWN, reader->path, strerror(errno));
    if (check_file(&status, reader->path, failure) < 0)
        return -1;
    bytes = malloc(CONFIG_FILE_MAX);
    if (bytes == NULL)
        return fail(failure, "%.*s: memory is out", PATH_SHOWN, reader->path);
    len = read_all(fd, bytes, CONFIG_FILE_MAX);
    if (len < 0)
        result = fail(failure, "%.*s: %s", PATH_SHOWN, reader->path, strerror(errno));
    else
        result = config_parse(reader, bytes, (size_t)len, failure);
    free(bytes);
    return result;
}

int config_load(const struct config_reader *reader, struct failure *failure)
{
    int fd = open(reader->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe is refused at once */
    int result;

    if (fd < 0)
        return fail(failure, "%.*s: cannot read this configuration: %s", PATH_SHOWN, reader->path,
                    strerror(errno));
    result = load(fd, reader, failure);
    close(fd);
    return result;
}

int config_can_hold(const char *key, const char *value, struct failure *failure)
{
    size_t len = strlen(value);

    if (strlen(key) + 3 + len > CONFIG_LINE_MAX)
        return fail(failure, "%s: its value is too long for a configuration file", key);
    if (len > 0 && (isspace((unsigned char)value[0]) || isspace((unsigned char)value[len - 1])))
        return fail(failure, "%s: its value has blanks around it, which a configuration file does not keep",
                    key);
    if (strpbrk(value, "\n\r") != NULL)
        return fail(failure, "%s: its value has a line's end in it, which a configuration file cannot hold",
                    key);
    return 0;
}
