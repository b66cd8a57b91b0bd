/* URLs of MariaDB and MySQL: what they say, and that what cannot be read is refused and repeated nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* cmocka's; failure.h has its own */

#include <string.h>

#include "gateway/store/mysql/url.h"
#include "gateway/store/store.h"

static struct mysql_url *parse(const char *location)
{
    struct failure failure;
    struct mysql_url *url = mysql_url_parse(location, &failure);

    assert_non_null(url);
    return url;
}

static void assert_text(const char *text, const char *expected)
{
    if (expected == NULL)
        assert_null(text);
    else
        assert_string_equal(text, expected);
}

static void test_places(void **state)
{
    static const struct {
        const char *location;
        const char *user, *password, *host;
        unsigned port;
        const char *database, *socket;
    } urls[] = {
        {"//bulla@db/readings", "bulla", NULL, "db", 0, "readings", NULL},
        {"//db.example.org:3307/r", NULL, NULL, "db.example.org", 3307, "r", NULL},
        {"//u:p%40ss%2fw%3ard@h/d", "u", "p@ss/w:rd", "h", 0, "d", NULL},
        {"//u:p@ss:x@h:1/d", "u", "p@ss:x", "h", 1, "d", NULL},
        {"//u@[::1]:65535/d", "u", NULL, "::1", 65535, "d", NULL},
        {"//[fe80::1%25eth0]/d", NULL, NULL, "fe80::1%eth0", 0, "d", NULL},
        {"//u@/d?socket=/run/a%20b", "u", NULL, NULL, 0, "d", "/run/a b"},
        {"//h", NULL, NULL, "h", 0, NULL, NULL},
        {"//", NULL, NULL, NULL, 0, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct mysql_url *url = parse(urls[i].location);
        assert_text(url->user, urls[i].user);
        assert_text(url->password, urls[i].password);
        assert_text(url->host, urls[i].host);
        assert_int_equal(url->port, urls[i].port);
        assert_text(url->database, urls[i].database);
        assert_text(url->socket, urls[i].socket);
        mysql_url_free(url);
    }
}

static void test_how_the_server_is_verified(void **state)
{
    static const struct {
        const char *location;
        enum mysql_ssl mode;
    } urls[] = {
        {"//h/d", MYSQL_SSL_UNSAID},
        {"//h/d?ssl-mode=DISABLED", MYSQL_SSL_DISABLED},
        {"//h/d?ssl-mode=required", MYSQL_SSL_REQUIRED},
        {"//h/d?ssl-mode=VERIFY_CA&ssl-ca=/ca", MYSQL_SSL_CA},
        {"//h/d?ssl-capath=/cas&ssl-mode=verify-ca", MYSQL_SSL_CA},
        {"//h/d?ssl-mode=verify_identity", MYSQL_SSL_IDENTITY},
        {"//h/d?ssl-ca=/ca", MYSQL_SSL_IDENTITY},
        {"//h/d?ssl-key=/key&ssl-cert=/cert", MYSQL_SSL_REQUIRED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct mysql_url *url = parse(urls[i].location);
        assert_int_equal(url->ssl, urls[i].mode);
        mysql_url_free(url);
    }
}

/* By no authority, the client library would believe anybody. */
static void test_an_authority_is_needed(void **state)
{
    struct failure failure;

    (void)state;
    assert_null(mysql_url_parse("//h/d?ssl-mode=verify_ca", &failure));
    assert_non_null(strstr(failure.text, "needs ssl-ca=FILE"));
    assert_null(mysql_url_parse("//h/d?ssl-mode=verify-ca&ssl-ca=", &failure));
    assert_non_null(strstr(failure.text, "needs ssl-ca=FILE"));
}

static void test_refused(void **state)
{
    static const char *const locations[] = {
        "u:geheim@h/d",
        "/u:geheim@h/d",
        "//u:geheim@h:0/d",
        "//u:geheim@h:65536/d",
        "//u:geheim@h:99999999999/d",
        "//u:geheim@h:+1/d",
        "//u:geheim@h:/d",
        "//u:geheim@[::1]x/d",
        "//u:geheim%00@h/d",
        "//u:geheim%zz@h/d",
        "//u:geheim/x@h/d",
        "//u:geheim@h/d/e",
        "//u:geheim@h/d?ssl-mode=perhaps",
        "//u:geheim@h/d?ssl-mode",
        "//u:geheim@h/d?ssl-ca=/a&ssl-ca=/b",
        "//u:geheim@h/d?verify=no",
        "//u:geheim@h/d?read-timeout=0",
        "//u:geheim@h/d?read-timeout=-1",
        "//u:geheim@h/d?read-timeout=99999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(locations) / sizeof(locations[0]); i++) {
        struct failure failure;
        assert_null(mysql_url_parse(locations[i], &failure));
        assert_null(strstr(failure.text, "geheim"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_how_the_server_is_verified),
        cmocka_unit_test(test_an_authority_is_needed),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
