#include "gateway/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const words[] = {
#define LOG_LEVEL_WORD(name, word) word,
    LOG_LEVELS(LOG_LEVEL_WORD)
#undef LOG_LEVEL_WORD
};

int log_level_parse(const char *word, enum log_level *level)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], word) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

bool log_wants(const struct log *log, enum log_level level)
{
    return level <= log->level;
}

/* A pipe that is ready takes PIPE_BUF bytes without blocking, and a line is shorter. */
static bool is_ready(void)
{
    struct pollfd error = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&error, 1, 0) != 0;
}

static void put(const char *line, size_t len)
{
    ssize_t written = write(STDERR_FILENO, line, len);

    (void)written; /* there is nobody to tell */
}

/* Writes what every line begins with. Returns its length. */
static size_t begin(char *line, size_t size, enum log_level level, const char *event)
{
    struct timespec now;
    struct tm utc;
    size_t used;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    used = strftime(line, size, "time=%Y-%m-%dT%H:%M:%S", &utc);
    return used + (size_t)snprintf(line + used, size - used, ".%03ldZ level=%s event=%s",
                                   now.tv_nsec / 1000000, words[level], event);
}

static void put_note(unsigned long dropped)
{
    char note[128];
    size_t used = begin(note, sizeof(note), LOG_LEVEL_WARN, "log-dropped");

    used += (size_t)snprintf(note + used, sizeof(note) - used, " lines=%lu\n", dropped);
    put(note, used);
}

static void put_line(struct log *log, const char *line, size_t len)
{
    if (log->dropped > 0 && is_ready()) {
        put_note(log->dropped);
        log->dropped = 0;
    }
    if (is_ready())
        put(line, len);
    else
        log->dropped++;
}

void log_line(struct log *log, enum log_level level, const char *event, const char *pairs, ...)
{
    char line[2048];
    size_t used;
    va_list arguments;

    if (!log_wants(log, level))
        return;
    used = begin(line, sizeof(line), level, event);
    if (pairs != NULL) {
        line[used++] = ' ';
        va_start(arguments, pairs);
        vsnprintf(line + used, sizeof(line) - used - 1, pairs, arguments);
        va_end(arguments);
    }
    used = strlen(line);
    line[used++] = '\n';
    put_line(log, line, used);
}

static int is_plain(const char *text)
{
    if (*text == '\0')
        return 0;
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= ' ' || *text == '"' || *text == '=' || *text == '\\' || *text == 0x7f)
            return 0;
    }
    return 1;
}

const char *log_quote(char *out, size_t size, const char *text)
{
    size_t used = 0;

    if (is_plain(text) && strlen(text) < size)
        return strcpy(out, text);
    out[used++] = '"';
    for (; *text != '\0' && used + 6 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            out[used++] = '\\';
        if (c < ' ' || c == 0x7f)
            used += (size_t)snprintf(out + used, size - used, "\\x%02x", c);
        else
            out[used++] = (char)c;
    }
    out[used++] = '"';
    out[used] = '\0';
    return out;
}
