#include "gateway/store/store.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

extern const struct store_ops store_sqlite;
extern const struct store_ops store_postgres;
extern const struct store_ops store_mysql;

const struct store_ops *const stores[] = {
    &store_sqlite,
    &store_postgres,
    &store_mysql,
    NULL,
};

static int64_t unix_time(void *context)
{
    (void)context;
    return time(NULL);
}

/* Bytes of the scheme that a URL begins with, without the colon; 0 for a bare path. */
static size_t scheme_length(const char *url)
{
    size_t len = 0;

    if (!isalpha((unsigned char)url[0]))
        return 0;
    while (isalnum((unsigned char)url[len]) || (url[len] != '\0' && strchr("+-.", url[len]) != NULL))
        len++;
    return url[len] == ':' ? len : 0;
}

static bool is_named(const char *name, const char *word, size_t len)
{
    return name != NULL && strlen(name) == len && memcmp(name, word, len) == 0;
}

static int fail_unknown(const char *url, size_t scheme, struct failure *failure)
{
    char known[128] = "";
    size_t used = 0;

    for (size_t i = 0; stores[i] != NULL && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s:", i == 0 ? "" : ", ",
                                 stores[i]->scheme);
    if (is_named("influx", url, scheme) || is_named("influxs", url, scheme))
        return fail(
            failure,
            "InfluxDB takes readings alone, as a sink (bulla serve --sink); the registry is one of %s",
            known);
    return fail(failure,
                "unknown kind of store \"%.*s:\"; known are %s (a file whose name has a colon: ./%.40s)",
                (int)(scheme < 40 ? scheme : 40), url, known, url);
}

/* sqlite://x: other programs mean a host by x, or no host and a file. */
static bool path_is_unclear(const char *path)
{
    return strncmp(path, "//", 2) == 0 && path[2] != '/' && path[2] != '\0';
}

/* Finds the kind of store that a URL names, and the rest of the URL. */
static int find_store(const char *url, const struct store_ops **ops, const char **location,
                      struct failure *failure)
{
    size_t scheme = scheme_length(url);

    *ops = stores[0];
    *location = url;
    if (scheme > 0) {
        size_t i = 0;
        while (stores[i] != NULL && !is_named(stores[i]->scheme, url, scheme) &&
               !is_named(stores[i]->alias, url, scheme))
            i++;
        if (stores[i] == NULL)
            return fail_unknown(url, scheme, failure);
        *ops = stores[i];
        *location = url + scheme + 1;
    }
    if (!(*ops)->is_server && scheme > 0 && path_is_unclear(*location))
        return fail(
            failure,
            "\"%.80s\" may mean sqlite:%.80s, in this folder, or sqlite:%.80s, from the root: give one of "
            "these",
            url, *location + 2, *location + 1);
    if (**location == '\0')
        return fail(failure, "\"%.80s\" names no store: give a path, or %s", url,
                    (*ops)->is_server ? "a URL: postgres://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE"
                                      : "sqlite:PATH");
    return 0;
}

static void finish_store(struct store *store, const struct store_ops *ops)
{
    store->ops = ops;
    store->now = ops->is_server ? NULL : unix_time;
    store->now_context = NULL;
}

int store_open(struct store **store, const char *url, enum store_open_mode mode, struct failure *failure)
{
    const struct store_ops *ops;
    const char *location;

    *store = NULL;
    if (find_store(url, &ops, &location, failure) != 0)
        return -1;
    int result = ops->open(store, location, mode, failure);
    if (result == 0)
        finish_store(*store, ops);
    return result;
}

void store_prepare(const char *url)
{
    const struct store_ops *ops;
    const char *location;
    struct failure unsaid; /* opening it says so */

    if (find_store(url, &ops, &location, &unsaid) == 0 && ops->prepare != NULL)
        ops->prepare(location);
}

/* Where the value of a parameter such as password=… ends. */
static size_t value_length(const char *value)
{
    size_t len = 0;
    bool quoted = value[0] == '\'';

    for (; value[len] != '\0' && (quoted || strchr("& ", value[len]) == NULL); len++)
        if (quoted && len > 0 && value[len] == '\'' && value[len - 1] != '\\')
            return len + 1;
    return len;
}

/* Of a password that begins here: how long it is; else 0. `authority` is where user and password stand. */
static size_t password_at(const char *url, size_t at, size_t begin, size_t end)
{
    static const char word[] = "password=";

    if (at > begin && at < end && url[at - 1] == ':' && memchr(url + begin, ':', at - begin) == url + at - 1)
        return end - at;
    if (at >= sizeof(word) - 1 && strncmp(url + at - (sizeof(word) - 1), word, sizeof(word) - 1) == 0)
        return value_length(url + at);
    return 0;
}

void store_url_shown(const char *url, char *out, size_t size)
{
    const char *slashes = strstr(url, "://");
    size_t begin = slashes == NULL ? 0 : (size_t)(slashes - url) + 3;
    size_t authority = slashes == NULL ? 0 : strcspn(url + begin, "/?#");
    size_t end = begin;
    size_t used = 0;

    for (size_t i = begin; i < begin + authority; i++) /* the last @ ends it */
        if (url[i] == '@')
            end = i;
    for (size_t i = 0; url[i] != '\0' && used + 4 < size;) {
        size_t hidden = store_is_server(url) ? password_at(url, i, begin, end) : 0;
        if (hidden > 0)
            used += (size_t)snprintf(out + used, size - used, "***");
        else
            out[used++] = url[i];
        i += hidden > 0 ? hidden : 1;
    }
    out[used] = '\0';
}

int store_device_add(struct store *store, struct device_row *row, bool proven, struct failure *failure)
{
    struct device_entry entry = {.row = *row, .proven = proven};
    enum device_clash clash = CLASH_KID;
    size_t at;
    int result = store->ops->devices_add(store, &entry, 1, &at, &clash, failure);

    if (result > 0)
        row->id = entry.row.id;
    if (result == 0 && clash == CLASH_NAME)
        return fail(failure,
                    "there is a device named \"%s\" already; choose another name, or take it out with 'bulla "
                    "device remove' first",
                    row->name);
    return result;
}

int sinks_fail_full(struct failure *failure)
{
    return fail(failure,
                "there are %d sinks already: 'bulla sinks' lists them, and 'bulla sinks forget' lets "
                "those go that are not used any more",
                SINKS_MAX);
}

bool store_is_server(const char *url)
{
    const struct store_ops *ops;
    const char *location;
    struct failure unused;

    return find_store(url, &ops, &location, &unused) == 0 && ops->is_server;
}

int store_restore(struct store **copy, const char *url, const char *file,
                  const struct store_progress *progress, struct failure *failure)
{
    const struct store_ops *ops;
    const char *location;

    *copy = NULL;
    if (find_store(url, &ops, &location, failure) != 0 ||
        ops->restore_begin(copy, location, file, progress, failure) != 0)
        return -1;
    if ((*copy)->ops == NULL)
        finish_store(*copy, ops);
    return 0;
}

int store_key_path(const char *url, char *path, size_t size, struct failure *failure)
{
    const struct store_ops *ops;
    const char *location;

    if (find_store(url, &ops, &location, failure) != 0)
        return -1;
    return ops->key_path(location, path, size, failure);
}

int store_look(const char *url, struct look *look)
{
    const struct store_ops *ops;
    const char *location;
    struct failure failure;

    look->owner = -1;
    look->issued_t = -1;
    if (find_store(url, &ops, &location, &failure) == 0)
        return ops->look(location, look);
    look_say(look, "database", LOOK_PROBLEM, "give the right one with --db or BULLA_DB", "%s", failure.text);
    return -1;
}
