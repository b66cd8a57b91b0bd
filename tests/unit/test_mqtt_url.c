/*
 * gateway/mqtt/url.h: what a broker's URL, its file and the environment say; and topics of the binding
 * (gateway/source/mqtt_topic.h).
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
#include <unistd.h>

#include <sys/stat.h>

#include "gateway/mqtt/url.h"
#include "gateway/source/content_type.h"
#include "gateway/source/mqtt_topic.h"

static void test_urls(void **state)
{
    static const struct {
        const char *text;
        const char *name;
        bool tls;
        const char *user;
    } urls[] = {
        {"mqtt://localhost", "localhost:1883", false, ""},
        {"mqtt://localhost/", "localhost:1883", false, ""},
        {"mqtts://broker.example", "broker.example:8883", true, ""},
        {"mqtt://192.0.2.1:1", "192.0.2.1:1", false, ""},
        {"mqtt://h:65535?", "h:65535", false, ""},
        {"mqtt://[::1]", "[::1]:1883", false, ""},
        {"mqtts://[2001:db8::7]:99", "[2001:db8::7]:99", true, ""},
        {"mqtt://[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]:1883", false, ""},
        {"mqtt://gateway@h", "h:1883", false, "gateway"},
        {"mqtt://a%40b%3Ac@h", "h:1883", false, "a@b:c"},
        {"mqtt://a@b@h", "h:1883", false, "a@b"},
        {"mqtt://%68ost", "host:1883", false, ""},
        {"mqtt://h?user=me", "h:1883", false, "me"},
    };
    char name[MQTT_NAME_SIZE];
    struct failure failure;
    struct mqtt_url url;

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        assert_int_equal(mqtt_url_parse(&url, urls[i].text, false, &failure), 0);
        assert_string_equal(mqtt_url_name(&url, name), urls[i].name);
        assert_int_equal(url.tls, urls[i].tls);
        assert_string_equal(url.user, urls[i].user);
        assert_string_equal(url.password, "");
        assert_int_equal(url.session_expiry, -1);
    }
}

static void test_what_a_url_says(void **state)
{
    struct failure failure;
    struct mqtt_url url;

    (void)state;
    assert_int_equal(
        mqtt_url_parse(
            &url,
            "mqtts://me@h:1?ca=/a%20b/ca.pem&cert=c.pem&key=k.pem&client-id=gw%2F1&"
            "version=3.1.1&keep-alive=65535&session-expiry=4294967295&receive-maximum=8192&devices=older",
            false, &failure),
        0);
    assert_string_equal(url.ca, "/a b/ca.pem");
    assert_string_equal(url.cert, "c.pem");
    assert_string_equal(url.key, "k.pem");
    assert_string_equal(url.client_id, "gw/1");
    assert_int_equal(url.version, MQTT_3_1_1);
    assert_int_equal(url.keep_alive, 65535);
    assert_int_equal(url.session_expiry, 4294967295);
    assert_int_equal(url.receive_maximum, 8192);
    assert_int_equal(url.devices, MQTT_DEVICES_OLDER);
    assert_int_equal(mqtt_url_parse(&url, "mqtt://h?version=5&session-expiry=0", false, &failure), 0);
    assert_int_equal(url.version, MQTT_5);
    assert_int_equal(url.session_expiry, 0);
    assert_int_equal(url.devices, MQTT_DEVICES_ALL);
    assert_int_equal(mqtt_url_parse(&url, "mqtt://h?devices=native", false, &failure), 0);
    assert_int_equal(url.devices, MQTT_DEVICES_NATIVE);
}

static void test_urls_that_are_none(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } wrong[] = {
        {"", "give mqtt://HOST"},
        {"localhost", "give mqtt://HOST"},
        {"http://h", "give mqtt://HOST"},
        {"mqtt:h", "give mqtt://HOST"},
        {"MQTT://h", "give mqtt://HOST"},
        {"mqtt://", "it has no host"},
        {"mqtt://:1883", "it has no host"},
        {"mqtt://me@", "it has no host"},
        {"mqtt://@h", "nothing before its @"},
        {"mqtt://h:", "port"},
        {"mqtt://h:0", "port"},
        {"mqtt://h:65536", "port"},
        {"mqtt://h:123456", "port"},
        {"mqtt://h:12x", "port"},
        {"mqtt://h:+1", "port"},
        {"mqtt://::1", "in brackets"},
        {"mqtt://[::1", "the ] behind"},
        {"mqtt://[::1]1883", "behind the ]"},
        {"mqtt://[::1]:", "port"},
        {"mqtt://[h]", "is no host"},
        {"mqtt://a b", "is no host"},
        {"mqtt://a%2fb", "is no host"},
        {"mqtt://h%", "two hexadecimal digits"},
        {"mqtt://h%4", "two hexadecimal digits"},
        {"mqtt://h%zz", "two hexadecimal digits"},
        {"mqtt://h%00", "control character"},
        {"mqtt://a%0a@h", "control character"},
        {"mqtt://h/topic", "behind its host stands a path"},
        {"mqtt://h/#", "behind its host stands a path"},
        {"mqtt://h#x", "behind its host stands a path"},
        {"mqtt://h?ca", "something without '='"},
        {"mqtt://h?x=1", "'x' is no key"},
        {"mqtt://h?version=4", "neither 5 nor 3.1.1"},
        {"mqtt://h?keep-alive=0", "from 1 to 65535"},
        {"mqtt://h?keep-alive=65536", "from 1 to 65535"},
        {"mqtt://h?keep-alive=-1", "from 1 to 65535"},
        {"mqtt://h?keep-alive=", "from 1 to 65535"},
        {"mqtt://h?session-expiry=4294967296", "from 0 to 4294967295"},
        {"mqtt://h?session-expiry=99999999999999999999", "from 0 to"},
        {"mqtt://h?receive-maximum=8193", "from 1 to 8192"},
        {"mqtt://h?devices=", "neither native nor older"},
        {"mqtt://h?devices=all", "neither native nor older"},
        {"mqtt://h?client-id=", "client-id is empty"},
        {"mqtt://h?client-id=a&client-id=b", "said twice"},
        {"mqtt://a@h?user=b", "said twice"},
        {"mqtt://h?ca=x", "give mqtts://"},
        {"mqtt://h?cert=x", "give mqtts://"},
        {"mqtts://h?key=x", "no cert"},
    };
    struct failure failure;
    struct mqtt_url url;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int result = mqtt_url_parse(&url, wrong[i].text, false, &failure);
        if (result == 0 || strstr(failure.text, wrong[i].why) == NULL)
            print_error("%s: %s\n", wrong[i].text, result == 0 ? "taken" : failure.text);
        assert_int_equal(result, -1);
        assert_non_null(strstr(failure.text, wrong[i].why));
    }
}

static void test_too_long(void **state)
{
    char text[4096];
    struct failure failure;
    struct mqtt_url url;

    (void)state;
    for (size_t len = 250; len < 260; len++) {
        snprintf(text, sizeof(text), "mqtt://%0*d", (int)len, 0);
        assert_int_equal(mqtt_url_parse(&url, text, false, &failure), len < MQTT_HOST_SIZE ? 0 : -1);
        snprintf(text, sizeof(text), "mqtt://%0*d@h", (int)len, 0);
        assert_int_equal(mqtt_url_parse(&url, text, false, &failure), len < MQTT_USER_SIZE ? 0 : -1);
    }
    snprintf(text, sizeof(text), "mqtt://h?client-id=%0*d", MQTT_ID_SIZE, 0);
    assert_int_equal(mqtt_url_parse(&url, text, false, &failure), -1);
    snprintf(text, sizeof(text), "mqtt://h?%0*d=1", 40, 0);
    assert_int_equal(mqtt_url_parse(&url, text, false, &failure), -1);
}

/* What is typed can be read by everybody; and no failure ever shows one. */
static void test_passwords_are_not_typed(void **state)
{
    static const char *const typed[] = {"mqtt://me:hunter2@h", "mqtt://me:@h", "mqtt://me@h?password=hunter2",
                                        "mqtt://h?user=me&%70assword=hunter2"};
    struct failure failure;
    struct mqtt_url url;

    (void)state;
    for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
        assert_int_equal(mqtt_url_parse(&url, typed[i], false, &failure), -1);
        assert_null(strstr(failure.text, "hunter2"));
        assert_non_null(strstr(failure.text, "@FILE"));
    }
    assert_int_equal(mqtt_url_parse(&url, "mqtt://me:hunter%32@h", true, &failure), 0);
    assert_string_equal(url.password, "hunter2");
    assert_int_equal(mqtt_url_parse(&url, "mqtt://me:hunter2%zz@h", true, &failure), -1);
    assert_null(strstr(failure.text, "hunter2"));
}

/* ---- the file, and the environment ---- */

static char path[64];

static int load(const char *text, mode_t mode, struct mqtt_url *url, struct failure *failure)
{
    char argument[80];
    FILE *file;

    strcpy(path, "/tmp/bulla-broker-XXXXXX");
    file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fchmod(fileno(file), mode), 0);
    fclose(file);
    snprintf(argument, sizeof(argument), "@%s", path);
    int result = mqtt_url_load(url, argument, failure);
    unlink(path);
    return result;
}

static void test_a_file(void **state)
{
    struct failure failure;
    struct mqtt_url url;

    (void)state;
    assert_int_equal(load("# the broker in the hall\n\n  mqtts://hall:99  \r\n"
                          "user = gateway\npassword = p=w #1 \n\tca=/etc/ca.pem\n# key = x\n",
                          0600, &url, &failure),
                     0);
    assert_string_equal(url.host, "hall");
    assert_string_equal(url.user, "gateway");
    assert_string_equal(url.password, "p=w #1");
    assert_string_equal(url.ca, "/etc/ca.pem");
    assert_int_equal(load("mqtt://me:secret@h", 0640, &url, &failure), 0); /* its group may read it */
    assert_string_equal(url.password, "secret");
    assert_int_equal(load("mqtt://h\nversion = 3.1.1\n", 0644, &url, &failure), 0); /* nothing secret in it */
    assert_int_equal(url.version, MQTT_3_1_1);
}

static void test_files_that_are_none(void **state)
{
    static char huge[20000];
    static const struct {
        const char *text;
        mode_t mode;
        const char *why;
    } wrong[] = {
        {"", 0600, "there is no URL in it"},
        {"# nothing\n", 0600, "there is no URL in it"},
        {"user = x\n", 0600, ":1: it is no URL"},
        {"mqtt://h\nuser me\n", 0600, ":2: there is no '='"},
        {"mqtt://h\n\n\npassword = a\npassword = b\nuser = u\n", 0600, ":5: password is said twice"},
        {"mqtt://h\nport = 1\n", 0600, ":2: 'port' is no key"},
        {"mqtt://h\nca = x\n", 0600, "give mqtts://"},
        {"mqtt://h\npassword = x\n", 0600, "a password and no user"},
        {"mqtt://u:secret@h\n", 0644, "chmod 600"},
        {"mqtt://u@h\npassword = secret\n", 0604, "chmod 600"},
        {"mqtt://u:secret@h\n", 0660, "chmod 600"},
        {huge, 0600, "longer than"},
    };
    struct failure failure;
    struct mqtt_url url;

    (void)state;
    memset(huge, '\n', sizeof(huge) - 1);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(load(wrong[i].text, wrong[i].mode, &url, &failure), -1);
        if (strstr(failure.text, wrong[i].why) == NULL)
            print_error("%zu: %s\n", i, failure.text);
        assert_non_null(strstr(failure.text, wrong[i].why));
        assert_null(strstr(failure.text, "secret"));
    }
    assert_int_equal(mqtt_url_load(&url, "@/nonexistent", &failure), -1);
    assert_non_null(strstr(failure.text, "cannot open /nonexistent"));
    assert_int_equal(mqtt_url_load(&url, "@/tmp", &failure), -1);
    assert_non_null(strstr(failure.text, "is not a file"));
    assert_int_equal(mqtt_url_load(&url, "@/dev/null", &failure), -1);
}

static void test_the_environment(void **state)
{
    struct failure failure;
    struct mqtt_url url;

    (void)state;
    setenv(MQTT_PASSWORD_VARIABLE, "from outside", 1);
    assert_int_equal(mqtt_url_load(&url, "mqtt://me@h", &failure), 0);
    assert_string_equal(url.password, "from outside");
    assert_int_equal(mqtt_url_load(&url, "mqtt://h", &failure), 0); /* who has no user has no password */
    assert_string_equal(url.password, "");
    assert_int_equal(load("mqtt://me:own@h", 0600, &url, &failure), 0);
    assert_string_equal(url.password, "own");
    unsetenv(MQTT_PASSWORD_VARIABLE);
    assert_int_equal(mqtt_url_load(&url, "mqtt://me@h", &failure), 0);
    assert_string_equal(url.password, "");
}

/* ---- topics ---- */

static void test_topics(void **state)
{
    static const struct {
        const char *filter;
        bool good;
    } filters[] = {
        {"bulla/+/up", true},
        {"+/up", true},
        {"site/+/bulla/+/up", true},
        {"/+/up", true},
        {"bulla/#", false},
        {"bulla/+/down", false},
        {"bulla/+/up/x", false},
        {"+", false},
        {"x+/up", false},
        {"bulla/x/up", false},
        {"", false},
        {"#/+/up", false},
        {"$share/g/bulla/+/up", false},
        {"bulla/++/up", false},
        {"a\x01/+/up", true},
        {"bulla/+/upp", false},
    };
    struct failure failure;
    char longest[MQTT_TOPIC_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
        assert_int_equal(mqtt_topic_check(filters[i].filter, &failure), filters[i].good ? 0 : -1);
    memset(longest, 'x', sizeof(longest));
    strcpy(longest + MQTT_TOPIC_MAX - 5, "/+/up");
    assert_int_equal(mqtt_topic_check(longest, &failure), 0);
    longest[MQTT_TOPIC_MAX - 5] = 'x';
    strcpy(longest + MQTT_TOPIC_MAX - 4, "/+/up");
    assert_int_equal(mqtt_topic_check(longest, &failure), -1);
}

static void test_topics_of_replies(void **state)
{
    static const uint8_t kid[] = {0x0a, 0x1b, 0xff, 0x00, 0x9c};
    static const struct {
        const char *up;
        const char *down;
    } topics[] = {
        {"bulla/xyz/up", "bulla/0a1bff009c/down"},
        {"site/7/bulla/0A1B/up", "site/7/bulla/0a1bff009c/down"},
        {"x/up", "0a1bff009c/down"},
        {"/x/up", "/0a1bff009c/down"},
        {"//up", "/0a1bff009c/down"},
        {"/up", "0a1bff009c/down"},
        {"a//up", "a/0a1bff009c/down"},
    };
    char down[MQTT_TOPIC_MAX + 2 * BULLA_KID_MAX + 8];
    char longest[MQTT_TOPIC_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        mqtt_topic_down(down, topics[i].up, kid, sizeof(kid));
        assert_string_equal(down, topics[i].down);
    }
    memset(longest, 'x', sizeof(longest));
    strcpy(longest + MQTT_TOPIC_MAX - 4, "//up");
    mqtt_topic_down(down, longest, kid, sizeof(kid));
    assert_true(strlen(down) < sizeof(down));
}

static void test_groups(void **state)
{
    static const char *const wrong[] = {"", "a/b", "a+", "#", "\xff"};
    struct failure failure;

    (void)state;
    assert_int_equal(mqtt_share_check("gateways", &failure), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(mqtt_share_check(wrong[i], &failure), -1);
}

static void test_topics_are_shown(void **state)
{
    char out[8];

    (void)state;
    mqtt_topic_show(out, sizeof(out), "a\x1b[2J\xc3\xa9");
    assert_string_equal(out, "a?[2J??");
    mqtt_topic_show(out, sizeof(out), "bulla/0a/up");
    assert_string_equal(out, "bulla/0");
}

static void test_content_types(void **state)
{
    static const struct {
        const char *type;
        bool ours;
    } types[] = {
        {"application/cose", true},
        {"Application/COSE; cose-type=\"cose-encrypt0\"", true},
        {"application/octet-stream", true},
        {"application/octet-stream;x", true},
        {"application/json", false},
        {"application/cosex", false},
        {"application/cos", false},
        {"", false},
        {"text/plain", false},
    };

    (void)state;
    assert_true(content_type_is_ours(NULL, 0));
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        assert_int_equal(content_type_is_ours(types[i].type, strlen(types[i].type)), types[i].ours);
    assert_true(content_type_is_ours("application/cosexyz", 16)); /* what stands behind it is not its */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_what_a_url_says),
        cmocka_unit_test(test_urls_that_are_none),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_passwords_are_not_typed),
        cmocka_unit_test(test_a_file),
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_the_environment),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_topics_of_replies),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_topics_are_shown),
        cmocka_unit_test(test_content_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
