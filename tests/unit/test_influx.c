/*
 * gateway/sink/influx_url.h and influx_answer.h: where an InfluxDB is, and what its answers mean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* cmocka's; failure.h has its own */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sink/influx_answer.h"

static struct influx_url url;
static struct failure failure;

static int load(const char *text, bool in_file)
{
    const struct sink_address address = {.url = text, .in_file = in_file};

    return influx_url_load(&url, &address, &failure);
}

/* ---- URLs ---- */

static void test_urls(void **state)
{
    static const struct {
        const char *text;
        const char *name;
        const char *target;
    } urls[] = {
        {"influx://h/db", "influx://h:8086/db", "http://h:8086/write?db=db&precision=ns"},
        {"influxs://h:1/db", "influxs://h:1/db", "https://h:1/write?db=db&precision=ns"},
        {"influx://[::1]/db", "influx://[::1]:8086/db", "http://[::1]:8086/write?db=db&precision=ns"},
        {"influx://h/db?rp=one%20week&measurement=m-1.x",
         "influx://h:8086/db?rp=one%20week&measurement=m-1.x",
         "http://h:8086/write?db=db&rp=one%20week&precision=ns"},
        {"influx://h/db?measurement=m", "influx://h:8086/db?measurement=m",
         "http://h:8086/write?db=db&precision=ns"},
        {"influx://h/db?measurement=readings", "influx://h:8086/db",
         "http://h:8086/write?db=db&precision=ns"},
        {"influx://h/a%2Fb%26c%3Dd%23%20caf%C3%A9", "influx://h:8086/a%2Fb%26c%3Dd%23%20caf%C3%A9",
         "http://h:8086/write?db=a%2Fb%26c%3Dd%23%20caf%C3%A9&precision=ns"},
        {"influx://h/?org=O&bucket=B", "influx://h:8086/?org=O&bucket=B",
         "http://h:8086/api/v2/write?org=O&bucket=B&precision=ns"},
        {"influx://h?bucket=B%2F1&org=my%20org", "influx://h:8086/?org=my%20org&bucket=B%2F1",
         "http://h:8086/api/v2/write?org=my%20org&bucket=B%2F1&precision=ns"},
        {"influx://h?bucket=B&org=O&measurement=m", "influx://h:8086/?org=O&bucket=B&measurement=m",
         "http://h:8086/api/v2/write?org=O&bucket=B&precision=ns"},
    };
    char name[SINK_NAME_SIZE];
    char target[INFLUX_TARGET_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        assert_int_equal(load(urls[i].text, false), 0);
        assert_int_equal(influx_url_show(&url, name, &failure), 0);
        assert_string_equal(name, urls[i].name);
        influx_url_target(&url, target);
        assert_string_equal(target, urls[i].target);
    }
}

static void test_urls_that_are_none(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } wrong[] = {
        {"http://h/db", "give influx://HOST"},
        {"influx:h/db", "give influx://HOST"},
        {"influxx://h/db", "give influx://HOST"},
        {"influx://h", "says no database"},
        {"influx://h/", "says no database"},
        {"influx:///db", "has no host"},
        {"influx://h/db#x", "write it as %23"},
        {"influx://h/a%0ab", "control character"},
        {"influx://h/%", "two hexadecimal digits"},
        {"influx://h/db?org=O", "a database and a bucket"},
        {"influx://h/db?bucket=O", "a database and a bucket"},
        {"influx://h/?org=O", "it says no bucket"},
        {"influx://h/?bucket=O", "it says no org"},
        {"influx://h/?org=O&bucket=B&rp=x", "rp is of version 1"},
        {"influx://me@h/?org=O&bucket=B", "version 2 knows no users"},
        {"influx://me@h/db", "a user and no password"},
        {"influx://h/db?x=1", "'x' is no key"},
        {"influx://h/db?rp=", "rp is empty"},
        {"influx://h/db?rp=a&rp=b", "said twice"},
        {"influx://h/db?measurement=a%20b", "letters, digits"},
        {"influx://h/db?measurement=_a", "letters, digits"},
        {"influx://h/db?ca=x", "give influxs://"},
        {"influxs://h/db?key=x", "a key and no cert"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(load(wrong[i].text, false), -1);
        if (strstr(failure.text, wrong[i].why) == NULL)
            print_error("%s: %s\n", wrong[i].text, failure.text);
        assert_non_null(strstr(failure.text, wrong[i].why));
    }
}

static void test_too_long(void **state)
{
    char text[4096];
    char name[SINK_NAME_SIZE];

    (void)state;
    snprintf(text, sizeof(text), "influx://h/%0*d", INFLUX_NAME_SIZE - 1, 0);
    assert_int_equal(load(text, false), 0);
    snprintf(text, sizeof(text), "influx://h/%0*d", INFLUX_NAME_SIZE, 0);
    assert_int_equal(load(text, false), -1);
    snprintf(text, sizeof(text), "influx://h/?bucket=b&org=%0*d", INFLUX_NAME_SIZE, 0);
    assert_int_equal(load(text, false), -1);
    snprintf(text, sizeof(text), "influx://%0*d/%0*d", 150, 0, 100, 0);
    assert_int_equal(load(text, false), 0);
    assert_int_equal(influx_url_show(&url, name, &failure), -1);
    assert_non_null(strstr(failure.text, "too long"));
}

static void test_secrets(void **state)
{
    static const char *const typed[] = {"influx://me:hunter2@h/db", "influx://me@h/db?password=hunter2",
                                        "influx://h/?org=O&bucket=B&token=hunter2",
                                        "influx://h/db?%74oken=hunter2"};
    static const char *const wrong[] = {"influx://h/db?password=hunter2", "influx://me:hunter2@h/db?token=x",
                                        "influx://h/db?token=hunter2%20x", "influx://a%3Ab:hunter2@h/db"};
    char name[SINK_NAME_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
        assert_int_equal(load(typed[i], false), -1);
        assert_null(strstr(failure.text, "hunter2"));
        assert_non_null(strstr(failure.text, "@FILE"));
        assert_int_equal(load(typed[i], true), 0);
        assert_string_equal(url.user[0] != '\0' ? url.password : url.token, "hunter2");
        assert_int_equal(influx_url_show(&url, name, &failure), 0);
        assert_null(strstr(name, "hunter2"));
        assert_null(strstr(name, "me"));
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(load(wrong[i], true), -1);
        assert_null(strstr(failure.text, "hunter2"));
    }
}

static void test_settings(void **state)
{
    const struct sink_setting settings[] = {{"user", "me"}, {"password", "p w:x"}, {"rp", "week"}};
    const struct sink_setting twice[] = {{"rp", "a"}, {"rp", "b"}};
    struct sink_address address = {
        .url = "influx://h/db", .in_file = true, .settings = settings, .setting_count = 3};

    (void)state;
    assert_int_equal(influx_url_load(&url, &address, &failure), 0);
    assert_string_equal(url.user, "me");
    assert_string_equal(url.password, "p w:x");
    assert_string_equal(url.policy, "week");
    address.settings = twice;
    address.setting_count = 2;
    assert_int_equal(influx_url_load(&url, &address, &failure), -1);
}

/* A password is for whoever has a user; a token for version 2 only, or it would be told to any server. */
static void test_the_environment(void **state)
{
    (void)state;
    setenv(INFLUX_PASSWORD_VARIABLE, "from outside", 1);
    setenv(INFLUX_TOKEN_VARIABLE, "t0ken", 1);
    assert_int_equal(load("influx://me@h/db", false), 0);
    assert_string_equal(url.password, "from outside");
    assert_string_equal(url.token, "");
    assert_int_equal(load("influx://h/db", false), 0);
    assert_string_equal(url.password, "");
    assert_string_equal(url.token, "");
    assert_int_equal(load("influx://h/?org=O&bucket=B", false), 0);
    assert_string_equal(url.token, "t0ken");
    assert_string_equal(url.password, "");
    assert_int_equal(load("influx://h/?org=O&bucket=B&token=own", true), 0);
    assert_string_equal(url.token, "own");
    unsetenv(INFLUX_PASSWORD_VARIABLE);
    unsetenv(INFLUX_TOKEN_VARIABLE);
}

/* ---- answers ---- */

static int judge(long status, const char *body)
{
    failure.text[0] = '\0';
    return influx_judge(&url, "c3ViamVjdDpodW50ZXIy", status, body, strlen(body), &failure);
}

static void test_answers(void **state)
{
    static const struct {
        long status;
        const char *body;
        int result;
        const char *why;
    } answers[] = {
        {204, "", SINK_WRITTEN, ""},
        {204, "nonsense", SINK_WRITTEN, ""},
        {200, "<html>welcome", SINK_AWAY, "no InfluxDB's answer"},
        {302, "", SINK_AWAY, "not followed"},
        {401, "{\"error\":\"authorization failed\"}", SINK_AWAY,
         "authorization failed; check user and password"},
        {403, "{\"error\":\"\\\"me\\\" user is not authorized to write to database \\\"db\\\"\"}", SINK_AWAY,
         "\"me\" user is not authorized to write"},
        {404, "{\"error\":\"database not found: \\\"db\\\"\"}", SINK_AWAY, "CREATE DATABASE \"db\""},
        {404, "", SINK_AWAY, "CREATE DATABASE \"db\""},
        {405, "", SINK_AWAY, "does the URL lead to an InfluxDB?"},
        {413, "{\"error\":\"Request Entity Too Large\"}", SINK_REFUSED, "max-body-size"},
        {429, "", SINK_AWAY, "429"},
        {500, "{\"error\":\"retention policy not found: x\"}", SINK_AWAY, "retention policy not found: x"},
        {503, "{\"code\":\"unavailable\",\"message\":\"busy\"}", SINK_AWAY, "503: busy"},
        {599, "", SINK_AWAY, "599"},
        {418, "", SINK_AWAY, "418"},
        {99, "", SINK_AWAY, "99"},
        {0, "", SINK_AWAY, ""},
        /* what the server can never take, as it was found in version 1.6.7 */
        {400, "{\"error\":\"unable to parse 'm,name=\\\\ value=1 4': invalid tag format\"}", SINK_REFUSED,
         "invalid tag format"},
        {400,
         "{\"error\":\"partial write: field type conflict: input field \\\"value\\\" on measurement "
         "\\\"m\\\" is type "
         "boolean, already exists as type float dropped=1\"}",
         SINK_REFUSED, "field type conflict"},
        {400, "{\"error\":\"partial write: points beyond retention policy dropped=3\"}", SINK_REFUSED,
         "beyond retention policy dropped=3"},
        /* and what the operator can mend */
        {400,
         "{\"error\":\"partial write: max-values-per-tag limit exceeded (100001/100000): "
         "measurement=\\\"m\\\" "
         "tag=\\\"name\\\" value=\\\"x\\\" dropped=1\"}",
         SINK_AWAY, "raise it in influxdb.conf"},
        {400, "{\"error\":\"partial write: max-series-per-database limit exceeded: (3) dropped=1\"}",
         SINK_AWAY, "raise it in influxdb.conf"},
        {400, "{\"error\":\"database is required\"}", SINK_AWAY, "look at the sink's URL"},
        {400, "Client sent an HTTP request to an HTTPS server.\n", SINK_AWAY, "HTTPS server"},
        /* version 2 */
        {400, "{\"code\":\"invalid\",\"message\":\"unable to parse 'x': missing fields\"}", SINK_REFUSED,
         "missing fields"},
        {422,
         "{\"code\":\"unprocessable entity\",\"message\":\"failure writing points to database: partial "
         "write: points "
         "beyond retention policy dropped=1\"}",
         SINK_REFUSED, "retention policy"},
        {401, "{\"code\":\"unauthorized\",\"message\":\"unauthorized access\"}", SINK_AWAY, "or the token"},
    };

    (void)state;
    assert_int_equal(load("influx://h/db", false), 0);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        int result = judge(answers[i].status, answers[i].body);
        if (result != answers[i].result || strstr(failure.text, answers[i].why) == NULL)
            print_error("%zu: %d %s\n", i, result, failure.text);
        assert_int_equal(result, answers[i].result);
        assert_non_null(strstr(failure.text, answers[i].why));
    }
    assert_int_equal(load("influx://h/?org=O&bucket=B", false), 0);
    assert_int_equal(judge(404, "{\"code\":\"not found\",\"message\":\"bucket \\\"B\\\" not found\"}"),
                     SINK_AWAY);
    assert_non_null(strstr(failure.text, "bucket \"B\" not found; "));
    assert_non_null(strstr(failure.text, "influx bucket create -n B -o O"));
}

/* It is one line of visible characters, however long and wild the server's words are. */
static void test_words_are_bounded(void **state)
{
    char body[4096];

    (void)state;
    assert_int_equal(load("influx://h/db", false), 0);
    memset(body, 'x', sizeof(body));
    assert_int_equal(influx_judge(&url, "", 500, body, sizeof(body), &failure), SINK_AWAY);
    assert_true(strlen(failure.text) < 260 && strstr(failure.text, "see the server's log") != NULL);
    assert_int_equal(judge(500, "{\"error\":\"a\\nb\\tc\\\\d\\\"e\x1b[2J\x7f\r\n\"}"), SINK_AWAY);
    assert_non_null(strstr(failure.text, "500: a b c\\d\"e [2J; "));
    assert_int_equal(influx_judge(&url, "", 500, "{\"error\":\"cut off \\", 19, &failure), SINK_AWAY);
    assert_int_equal(influx_judge(&url, "", 500, "a\0b\n", 4, &failure), SINK_AWAY);
    assert_non_null(strstr(failure.text, "500: a b; "));
}

static void test_secrets_are_not_repeated(void **state)
{
    (void)state;
    assert_int_equal(load("influx://me:hunter2@h/db", true), 0);
    assert_int_equal(judge(500, "got Authorization: Basic c3ViamVjdDpodW50ZXIy"), SINK_AWAY);
    assert_null(strstr(failure.text, "c3ViamVjdDpodW50ZXIy"));
    assert_int_equal(judge(400, "{\"error\":\"unable to parse: your password hunter2\"}"), SINK_REFUSED);
    assert_null(strstr(failure.text, "hunter2"));
    assert_int_equal(judge(500, "{\"error\":\"Basic c3Vi\\amVjdDpodW50ZXIy\"}"),
                     SINK_AWAY); /* \/ of base64 */
    assert_null(strstr(failure.text, "c3ViamVjdDpodW50ZXIy"));
    assert_int_equal(load("influx://h/?org=O&bucket=B&token=t0ken", true), 0);
    assert_int_equal(judge(404, "no t0ken here"), SINK_AWAY);
    assert_null(strstr(failure.text, "t0ken"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_urls_that_are_none),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_the_environment),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_words_are_bounded),
        cmocka_unit_test(test_secrets_are_not_repeated),
    };

    unsetenv(INFLUX_PASSWORD_VARIABLE);
    unsetenv(INFLUX_TOKEN_VARIABLE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
