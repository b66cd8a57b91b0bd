#include "gateway/sink/sink.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gateway/url_file.h"

extern const struct sink_ops sink_influx;
extern const struct sink_ops sink_mysql;
extern const struct sink_ops sink_postgres;
extern const struct sink_ops sink_sqlite;

const struct sink_ops *const sink_kinds[] = {
    &sink_influx, &sink_postgres, &sink_mysql, &sink_sqlite, NULL,
};

/* ---- which kind ---- */

static bool is_named(const char *name, const char *url, size_t len)
{
    return name != NULL && strlen(name) == len && strncmp(name, url, len) == 0;
}

/* Bytes of the scheme that a URL begins with, without the colon; 0: there is none. */
static size_t scheme_length(const char *url)
{
    size_t len = 0;

    while (isalnum((unsigned char)url[len]))
        len++;
    return url[len] == ':' ? len : 0;
}

static void fail_unknown(const char *url, size_t scheme, struct failure *failure)
{
    char known[128] = "none";
    size_t used = 0;

    for (size_t i = 0; sink_kinds[i] != NULL && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s:", i == 0 ? "" : ", ",
                                 sink_kinds[i]->scheme);
    if (scheme == 0)
        fail(failure, "it is no URL; a sink is one that begins with one of these: %s", known);
    else
        fail(failure, "unknown kind of sink \"%.*s:\"; known are %s", (int)(scheme < 40 ? scheme : 40), url,
             known);
}

/* NULL with the failure: there is no such kind. */
static const struct sink_ops *find_kind(const char *url, struct failure *failure)
{
    size_t scheme = scheme_length(url);

    for (size_t i = 0; sink_kinds[i] != NULL; i++)
        if (is_named(sink_kinds[i]->scheme, url, scheme) || is_named(sink_kinds[i]->alias, url, scheme))
            return sink_kinds[i];
    fail_unknown(url, scheme, failure);
    return NULL;
}

static int open_address(struct sink **sink, const struct sink_address *address, struct failure *failure)
{
    const struct sink_ops *ops = find_kind(address->url, failure);

    if (ops == NULL || ops->open(sink, address, failure) < 0)
        return -1;
    (*sink)->ops = ops;
    return 0;
}

/* ---- a file ---- */

static int open_lines(struct sink **sink, struct url_file *file, const char *path, struct failure *failure)
{
    struct sink_setting settings[SINK_SETTINGS_MAX];
    struct sink_address address = {.url = url_file_line(file), .in_file = true, .settings = settings};
    struct failure why;
    char *line;
    char *key;
    char *value;

    if (address.url == NULL)
        return fail(failure, "%.100s: there is no URL in it; it stands in the first line", path);
    while ((line = url_file_line(file)) != NULL) {
        if (address.setting_count == SINK_SETTINGS_MAX)
            return fail(failure, "%.100s:%u: there are more than %d lines", path, file->number,
                        SINK_SETTINGS_MAX);
        if (url_file_part(line, &key, &value, &why) < 0)
            return fail(failure, "%.100s:%u: %s", path, file->number, why.text);
        settings[address.setting_count++] = (struct sink_setting){.key = key, .value = value};
    }
    if (open_address(sink, &address, &why) < 0)
        return fail(failure, "%.100s: %s", path, why.text);
    return 0;
}

static int open_file(struct sink **sink, const char *path, struct failure *failure)
{
    struct url_file file;
    int result = url_file_read(&file, path, failure);

    if (result == 0)
        result = url_file_check_mode(&file, path, "what a database is reached with", failure);
    if (result == 0)
        result = open_lines(sink, &file, path, failure);
    url_file_wipe(&file);
    return result;
}

int sink_open(struct sink **sink, const char *url, struct failure *failure)
{
    const struct sink_address address = {.url = url};

    *sink = NULL;
    return url[0] == '@' ? open_file(sink, url + 1, failure) : open_address(sink, &address, failure);
}
