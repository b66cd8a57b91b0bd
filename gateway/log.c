#include "gateway/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

void log_line(const struct log *log, enum log_level level, const char *event, const char *pairs, ...)
{
    char line[2048];
    struct timespec now;
    struct tm utc;
    size_t used;
    va_list arguments;

    if (!log_wants(log, level))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    used = strftime(line, sizeof(line), "time=%Y-%m-%dT%H:%M:%S", &utc);
    used += (size_t)snprintf(line + used, sizeof(line) - used, ".%03ldZ level=%s event=%s",
                             now.tv_nsec / 1000000, words[level], event);
    if (pairs != NULL) {
        line[used++] = ' ';
        va_start(arguments, pairs);
        vsnprintf(line + used, sizeof(line) - used - 1, pairs, arguments);
        va_end(arguments);
    }
    used = strlen(line);
    line[used++] = '\n';
    fwrite(line, 1, used, stderr); /* one write: lines of several threads do not mix */
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
