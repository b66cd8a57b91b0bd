#include "gateway/sink/sql_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <openssl/crypto.h>

/* ---- a text that grows ---- */

struct text {
    char *at;
    size_t size;
    size_t len;
    bool full;
};

static void add(struct text *text, const char *more)
{
    size_t len = strlen(more);

    text->full |= len >= text->size - text->len;
    if (text->full)
        return;
    memcpy(text->at + text->len, more, len + 1);
    text->len += len;
}

/* Percent-encoded but for what means nothing anywhere in a URL (RFC 3986 2.3), and in addresses. */
static void add_encoded(struct text *text, const char *more)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:,[]";
    char escape[4];

    for (; *more != '\0'; more++) {
        snprintf(escape, sizeof(escape), strchr(plain, *more) != NULL ? "%c" : "%%%02X", (uint8_t)*more);
        add(text, escape);
    }
}

/* ---- PostgreSQL ---- */

static const char *option_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val == NULL ? "" : options->val;
    return "";
}

/* Which database, of which server; and the schema, which is said by `options`. */
static int name_postgres(const PQconninfoOption *options, char name[SINK_NAME_SIZE], struct failure *failure)
{
    struct text text = {.at = name, .size = SINK_NAME_SIZE};
    const char *host = option_of(options, "host");
    const char *port = option_of(options, "port");
    const char *service = option_of(options, "service");

    add(&text, "postgres://");
    add_encoded(&text, host[0] != '\0' ? host : option_of(options, "hostaddr"));
    add(&text, port[0] != '\0' ? ":" : "");
    add_encoded(&text, port);
    add(&text, "/");
    add_encoded(&text, option_of(options, "dbname"));
    add(&text, service[0] != '\0' ? "?service=" : "");
    add_encoded(&text, service);
    add(&text, option_of(options, "options")[0] == '\0' ? ""
               : service[0] != '\0'                     ? "&options="
                                                        : "?options=");
    add_encoded(&text, option_of(options, "options"));
    if (text.full)
        return fail(failure, "it is too long to be kept as a name: %d bytes at most", SINK_NAME_SIZE - 1);
    return 0;
}

static int fail_typed(struct failure *failure)
{
    return fail(failure, "a password in a URL can be read by every user of this machine; write the URL and "
                         "'password = ...' into a file (mode 0600) and give @FILE");
}

static int check_postgres(const char *url, const struct sink_address *address, char name[SINK_NAME_SIZE],
                          struct failure *failure)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    int result;

    if (options == NULL) /* libpq's own words may quote a password */
        return fail(failure, "it cannot be read; it looks like postgres://USER@HOST:5432/DATABASE"
                             "?sslmode=verify-full (special characters as %%40)");
    if (option_of(options, "password")[0] != '\0' && !address->in_file)
        result = fail_typed(failure);
    else
        result = name_postgres(options, name, failure);
    for (PQconninfoOption *option = options; option->keyword != NULL; option++)
        if (option->val != NULL)
            OPENSSL_cleanse(option->val, strlen(option->val));
    PQconninfoFree(options);
    return result;
}

/* The password that the file's lines say; NULL: none. */
static int read_settings(const struct sink_address *address, const char **password, struct failure *failure)
{
    *password = NULL;
    for (size_t i = 0; i < address->setting_count; i++) {
        if (strcmp(address->settings[i].key, "password") != 0)
            return fail(failure, "'%.40s' is no key; there is password, and all else stands in the URL",
                        address->settings[i].key);
        *password = address->settings[i].value;
    }
    return 0;
}

/* postgres://…?…&password=… */
static char *complete(const char *url, const char *password)
{
    size_t size = strlen(url) + (password == NULL ? 0 : 3 * strlen(password)) + 16;
    struct text text = {.at = malloc(size), .size = size};

    if (text.at == NULL)
        return NULL;
    text.at[0] = '\0';
    add(&text, url);
    if (password != NULL) {
        add(&text, strchr(url, '?') == NULL ? "?password=" : "&password=");
        add_encoded(&text, password);
    }
    return text.at;
}

char *sql_postgres_location(const struct sink_address *address, char name[SINK_NAME_SIZE],
                            struct failure *failure)
{
    const char *rest = strchr(address->url, ':') + 1;
    const char *password;
    char *location;

    if (strncmp(rest, "//", 2) != 0) {
        fail(failure, "it is no URL; it looks like postgres://USER@HOST:5432/DATABASE");
        return NULL;
    }
    if (check_postgres(address->url, address, name, failure) < 0 ||
        read_settings(address, &password, failure) < 0)
        return NULL;
    location = complete(rest, password);
    if (location == NULL)
        fail(failure, "memory is out");
    return location;
}

/* ---- MariaDB and MySQL ---- */

static void add_option(struct text *text, bool *first, const char *key, const char *value)
{
    if (value == NULL)
        return;
    add(text, *first ? "?" : "&");
    add(text, key);
    add(text, "=");
    add_encoded(text, value);
    *first = false;
}

static int name_mysql(const struct mysql_url *url, char name[SINK_NAME_SIZE], struct failure *failure)
{
    struct text text = {.at = name, .size = SINK_NAME_SIZE};
    bool first = true;
    char port[16] = "";

    if (url->port != 0)
        snprintf(port, sizeof(port), ":%u", url->port);
    add(&text, "mysql://");
    add_encoded(&text, url->host == NULL ? "" : url->host);
    add(&text, port);
    add(&text, "/");
    add_encoded(&text, url->database == NULL ? "" : url->database);
    add_option(&text, &first, "socket", url->socket);
    add_option(&text, &first, "option-file", url->option_file);
    if (text.full)
        return fail(failure, "it is too long to be kept as a name: %d bytes at most", SINK_NAME_SIZE - 1);
    return 0;
}

int sql_mysql_take(const struct sink_address *address, struct mysql_url *url, char name[SINK_NAME_SIZE],
                   struct failure *failure)
{
    const char *password;

    if (url->password != NULL && !address->in_file)
        return fail_typed(failure);
    if (read_settings(address, &password, failure) < 0)
        return -1;
    if (password != NULL && url->password != NULL)
        return fail(failure, "password is said twice; keep one of them");
    if (password != NULL && (url->password = strdup(password)) == NULL)
        return fail(failure, "memory is out");
    return name_mysql(url, name, failure);
}
