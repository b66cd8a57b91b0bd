#include "gateway/store/mysql/url.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "gateway/source/percent.h"

#define SECONDS_MOST 3600

static void wipe(char *text)
{
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

void mysql_url_free(struct mysql_url *url)
{
    if (url == NULL)
        return;
    free(url->host);
    wipe(url->user);
    wipe(url->password);
    free(url->database);
#define FREE_MEMBER(member, name) free(url->member);
    MYSQL_URL_OPTIONS(FREE_MEMBER)
#undef FREE_MEMBER
    free(url);
}

static int fail_form(struct failure *failure)
{
    return fail(failure, "the URL of the database cannot be read; it looks like "
                         "mysql://USER@HOST:3306/DATABASE?ssl-mode=verify_identity (special characters as "
                         "%%40; passwords rather in BULLA_MYSQL_PASSWORD or an option file)");
}

/* Decodes `len` bytes into `*out`, which was not said before; nothing (NULL) for none. */
static int take(const char *at, size_t len, char **out, struct failure *failure)
{
    if (len == 0)
        return 0;
    if (*out != NULL)
        return fail_form(failure);
    char *part = strndup(at, len);
    *out = part == NULL ? NULL : malloc(len + 1);
    int result = *out == NULL ? fail(failure, "no memory is left to open the database") : 0;
    if (result == 0 && percent_decode(part, *out, len + 1) != 0) {
        free(*out);
        *out = NULL;
        result = fail_form(failure);
    }
    wipe(part);
    return result;
}

/* ---- options ---- */

static const struct {
    const char *word;
    enum mysql_ssl mode;
} ssl_modes[] = {
    {"disabled", MYSQL_SSL_DISABLED},
    {"required", MYSQL_SSL_REQUIRED},
    {"verify_ca", MYSQL_SSL_CA},
    {"verify-ca", MYSQL_SSL_CA},
    {"verify_identity", MYSQL_SSL_IDENTITY},
    {"verify-full", MYSQL_SSL_IDENTITY},
};

/* The client library verifies nothing where it has no authority to do it by, and says nothing of it. */
static int set_mode(struct mysql_url *url, enum mysql_ssl mode, struct failure *failure)
{
    if (mode == MYSQL_SSL_CA && url->ssl_ca == NULL && url->ssl_capath == NULL)
        return fail(failure, "ssl-mode=verify_ca in the URL of the database needs ssl-ca=FILE, or "
                             "ssl-capath=FOLDER, beside it");
    url->ssl = mode;
    return 0;
}

/* MySQL writes them in capitals. */
static int read_mode(struct mysql_url *url, struct failure *failure)
{
    if (url->ssl_mode == NULL) {
        if (url->ssl_ca != NULL || url->ssl_capath != NULL)
            url->ssl = MYSQL_SSL_IDENTITY;
        else if (url->ssl_cert != NULL || url->ssl_key != NULL || url->tls_version != NULL)
            url->ssl = MYSQL_SSL_REQUIRED;
        return 0;
    }
    for (size_t i = 0; i < sizeof(ssl_modes) / sizeof(ssl_modes[0]); i++)
        if (strcasecmp(url->ssl_mode, ssl_modes[i].word) == 0)
            return set_mode(url, ssl_modes[i].mode, failure);
    return fail(failure, "ssl-mode in the URL of the database is one of disabled, required, verify_ca and "
                         "verify_identity");
}

static int read_seconds(const char *text, unsigned otherwise, unsigned *seconds, struct failure *failure)
{
    char *end;

    *seconds = otherwise;
    if (text == NULL)
        return 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value < 1 || value > SECONDS_MOST)
        return fail(failure, "a time-out in the URL of the database is a number of seconds, 1 to %d",
                    SECONDS_MOST);
    *seconds = (unsigned)value;
    return 0;
}

static char **option_of(struct mysql_url *url, const char *name, size_t len)
{
#define SAME_OPTION(member, word)                                                                            \
    if (strlen(word) == len && memcmp(word, name, len) == 0)                                                 \
        return &url->member;
    MYSQL_URL_OPTIONS(SAME_OPTION)
#undef SAME_OPTION
    return NULL;
}

static int read_options(struct mysql_url *url, const char *at, struct failure *failure)
{
    while (*at != '\0') {
        size_t len = strcspn(at, "&");
        size_t name = strcspn(at, "=&");
        char **option = option_of(url, at, name);
        if (option == NULL)
            return fail(failure,
                        "the URL of the database has an option \"%.*s\" that is not known; see "
                        "docs/databases.md",
                        (int)(name < 40 ? name : 40), at);
        if (name == len)
            return fail_form(failure);
        if (take(at + name + 1, len - name - 1, option, failure) != 0)
            return -1;
        at += len + (at[len] == '&');
    }
    return 0;
}

/* ---- the rest ---- */

static int read_user(struct mysql_url *url, const char *at, size_t len, struct failure *failure)
{
    const char *colon = memchr(at, ':', len);
    size_t user = colon == NULL ? len : (size_t)(colon - at);

    if (take(at, user, &url->user, failure) != 0)
        return -1;
    return colon == NULL ? 0 : take(colon + 1, len - user - 1, &url->password, failure);
}

static int read_port(struct mysql_url *url, const char *at, size_t len, struct failure *failure)
{
    unsigned port = 0;

    for (size_t i = 0; i < len; i++) {
        if (at[i] < '0' || at[i] > '9' || i >= 5)
            return fail_form(failure);
        port = port * 10 + (unsigned)(at[i] - '0');
    }
    if (port < 1 || port > 65535)
        return fail_form(failure);
    url->port = port;
    return 0;
}

/* HOST, HOST:PORT or [IPv6]:PORT. */
static int read_host(struct mysql_url *url, const char *at, size_t len, struct failure *failure)
{
    const char *close = len > 0 && at[0] == '[' ? memchr(at, ']', len) : NULL;
    size_t host = close != NULL ? (size_t)(close - at) + 1 : 0;

    if (close == NULL)
        while (host < len && at[host] != ':')
            host++;
    if (host < len && (at[host] != ':' || read_port(url, at + host + 1, len - host - 1, failure) != 0))
        return fail_form(failure);
    return close != NULL ? take(at + 1, host - 2, &url->host, failure) : take(at, host, &url->host, failure);
}

static int read_url(struct mysql_url *url, const char *location, struct failure *failure)
{
    if (strncmp(location, "//", 2) != 0)
        return fail_form(failure);
    const char *at = location + 2;
    size_t authority = strcspn(at, "/?");
    const char *last = memrchr(at, '@', authority);
    size_t user = last == NULL ? 0 : (size_t)(last - at);

    if (last != NULL && read_user(url, at, user, failure) != 0)
        return -1;
    size_t host = last == NULL ? 0 : user + 1;
    if (read_host(url, at + host, authority - host, failure) != 0)
        return -1;
    at += authority;
    at += *at == '/';
    size_t database = strcspn(at, "?");
    if (memchr(at, '/', database) != NULL || take(at, database, &url->database, failure) != 0)
        return fail_form(failure);
    at += database;
    return *at == '\0' ? 0 : read_options(url, at + 1, failure);
}

struct mysql_url *mysql_url_parse(const char *location, struct failure *failure)
{
    struct mysql_url *url = calloc(1, sizeof(*url));

    if (url == NULL) {
        fail(failure, "no memory is left to open the database");
        return NULL;
    }
    if (read_url(url, location, failure) == 0 && read_mode(url, failure) == 0 &&
        read_seconds(url->connect_timeout, 5, &url->connect_seconds, failure) == 0 &&
        read_seconds(url->read_timeout, 15, &url->read_seconds, failure) == 0 &&
        read_seconds(url->write_timeout, 15, &url->write_seconds, failure) == 0)
        return url;
    mysql_url_free(url);
    return NULL;
}
