/*
 * MQTT's topic names and filters: the examples of 5.0 4.7 and 4.8.2, and what lies between them.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/mqtt/packet.h"

#include "support.h"

enum { TOPIC = 1, FILTER = 2 };

static const struct {
    const char *text;
    int is;
} texts[] = {
    {"", 0}, /* MQTT-4.7.3-1 */
    {"a", TOPIC | FILTER},
    {"/", TOPIC | FILTER},
    {"//", TOPIC | FILTER},
    {"/finance", TOPIC | FILTER},
    {"sport/", TOPIC | FILTER},
    {"sport/tennis/player1", TOPIC | FILTER},
    {"ACCOUNTS payable", TOPIC | FILTER},
    {"$SYS/a", TOPIC | FILTER},
    {"bulla/0a1b2c3d/up", TOPIC | FILTER},
    {"\xc3\xa9\xf0\x9f\x98\x80", TOPIC | FILTER},
    {"\x01", TOPIC | FILTER}, /* 1.5.4 only advises against it */
    {"\xff", 0},
    {"\xc0\x80", 0}, /* zero, overlong */
    {"a/\xed\xbf\xbf", 0},
    {"a/\xf4\x90\x80\x80", 0},
    {"a/\xe2\x82", 0},
    /* 4.7.1.2 */
    {"#", FILTER},
    {"sport/#", FILTER},
    {"sport/tennis/#", FILTER},
    {"/#", FILTER},
    {"sport/tennis#", 0},
    {"sport/tennis/#/ranking", 0},
    {"#/", 0},
    {"##", 0},
    {"#a", 0},
    /* 4.7.1.3 */
    {"+", FILTER},
    {"+/tennis/#", FILTER},
    {"sport+", 0},
    {"+sport", 0},
    {"++", 0},
    {"+#", 0},
    {"#+", 0},
    {"sport/+/player1", FILTER},
    {"/+", FILTER},
    {"+/+", FILTER},
    {"+/", FILTER},
    {"sport/+", FILTER},
    {"bulla/+/up", FILTER},
    {"a/b+/c", 0},
    /* 4.8.2 */
    {"$share/g/a", TOPIC | FILTER},
    {"$share/g/bulla/+/up", FILTER},
    {"$share/g//", TOPIC | FILTER},
    {"$share/g/#", FILTER},
    {"$share/g/a#", 0},
    {"$share/g/", TOPIC}, /* no filter */
    {"$share/g", TOPIC},  /* MQTT-4.8.2-2 */
    {"$share/", TOPIC},   /* no group */
    {"$share//a", TOPIC}, /* MQTT-4.8.2-1 */
    {"$share/+/a", 0},
    {"$share/g+/a", 0},
    {"$share/#/a", 0},
    {"$share/#", 0},
    {"$share", TOPIC | FILTER},
    {"$shared/a", TOPIC | FILTER},
};

/* In memory of exactly its size: topics are not zero-terminated. */
static char *exact(const char *text, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, text, len);
    return copy;
}

static void topics_and_filters_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        size_t len = strlen(texts[i].text);
        char *copy = exact(texts[i].text, len);
        int is = (mqtt_is_topic(copy, len) ? TOPIC : 0) | (mqtt_is_filter(copy, len) ? FILTER : 0);

        if (is != texts[i].is)
            fail_msg("%s: %d, not %d", texts[i].text, is, texts[i].is);
        free(copy);
    }
    assert_false(mqtt_is_topic("a\0b", 3)); /* MQTT-4.7.3-2 */
    assert_false(mqtt_is_filter("a\0b", 3));
    assert_false(mqtt_is_topic(NULL, 0));
    assert_false(mqtt_is_filter(NULL, 0));
}

static void they_are_no_longer_than_65535_bytes(void **state)
{
    char *text = malloc(65536);

    (void)state;
    assert_non_null(text);
    memset(text, '/', 65536);
    assert_true(mqtt_is_topic(text, 65535)); /* MQTT-4.7.3-3 */
    assert_true(mqtt_is_filter(text, 65535));
    assert_false(mqtt_is_topic(text, 65536));
    assert_false(mqtt_is_filter(text, 65536));
    free(text);
}

static const struct {
    const char *filter;
    const char *topic;
    bool matches;
} matches[] = {
    {"a", "a", true},
    {"a", "A", false},
    {"a", "a/", false},
    {"a/", "a", false},
    {"a", "/a", false},
    {"a", "ab", false},
    {"ab", "a", false},
    {"a/b", "a/b", true},
    {"a/b", "a/c", false},
    {"a/b", "a/b/c", false},
    {"a/b/c", "a/b", false},
    {"//", "//", true},
    {"//", "/", false},
    /* 4.7.1.2 */
    {"sport/tennis/player1/#", "sport/tennis/player1", true},
    {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
    {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
    {"sport/tennis/player1/#", "sport/tennis/player2", false},
    {"sport/#", "sport", true},
    {"sport/#", "sports", false},
    {"sport/#", "sport/", true},
    {"#", "a/b/c", true},
    {"#", "/", true},
    {"/#", "/", true},
    {"/#", "a", false},
    {"+/#", "a", true},
    {"+/+/#", "a", false},
    {"a/+/#", "a", false},
    /* 4.7.1.3 */
    {"sport/tennis/+", "sport/tennis/player1", true},
    {"sport/tennis/+", "sport/tennis/player1/ranking", false},
    {"sport/+", "sport", false},
    {"sport/+", "sport/", true},
    {"+/+", "/finance", true},
    {"/+", "/finance", true},
    {"+", "/finance", false},
    {"+", "a", true},
    {"+/tennis/#", "sport/tennis", true},
    {"bulla/+/up", "bulla/0a1b2c3d/up", true},
    {"bulla/+/up", "bulla//up", true},
    {"bulla/+/up", "bulla/0a1b2c3d/down", false},
    {"bulla/+/up", "bulla/0a/1b/up", false},
    {"bulla/+/up", "bulla/0a1b2c3d/up/", false},
    {"bulla/+/up", "bulla/0a1b2c3d", false},
    /* 4.7.2 */
    {"#", "$SYS/a", false},
    {"+/monitor/Clients", "$SYS/monitor/Clients", false},
    {"$SYS/#", "$SYS/a", true},
    {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
    {"a/+", "a/$b", true}, /* only at the beginning */
    {"a/#", "a/$b", true},
    /* 4.8.2: a shared subscription means its filter */
    {"$share/g/bulla/+/up", "bulla/0a1b2c3d/up", true},
    {"$share/g/bulla/+/up", "bulla/0a1b2c3d/down", false},
    {"$share/g/#", "a", true},
    {"$share/g/#", "$SYS/a", false},
    {"$share/g/a", "$share/g/a", false},
    {"$share/g//a", "/a", true},
    {"$share/g", "a", false},
    {"$share/g/", "a", false},
    {"$share//a", "a", false},
    /* what is no topic */
    {"#", "", false},
    {"+", "", false},
    {"", "a", false},
    {"", "", false},
};

static void filters_match_their_topics(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(matches); i++) {
        size_t len = strlen(matches[i].topic);
        char *topic = exact(matches[i].topic, len);

        if (mqtt_matches(matches[i].filter, topic, len) != matches[i].matches)
            fail_msg("%s and %s: not %d", matches[i].filter, matches[i].topic, matches[i].matches);
        free(topic);
    }
}

/* Every filter and topic of up to six of the characters that matter, against a slow way to say it: level by
 * level, recursively. */
static bool slowly(const char *filter, const char *topic)
{
    size_t level = strcspn(topic, "/");

    if (strcmp(filter, "#") == 0)
        return true;
    if (*filter == '+' ? filter[1] != '/' && filter[1] != '\0'
                       : strcspn(filter, "/") != level || strncmp(filter, topic, level) != 0)
        return false;
    filter += *filter == '+' ? 1 : level;
    topic += level;
    if (*topic == '\0')
        return *filter == '\0' || strcmp(filter, "/#") == 0;
    return *filter == '/' && slowly(filter + 1, topic + 1);
}

#define LONGEST 6

static void spell(char *out, unsigned number, const char *alphabet)
{
    unsigned base = (unsigned)strlen(alphabet) + 1;

    for (; number > 0; number /= base)
        if (number % base > 0)
            *out++ = alphabet[number % base - 1];
    *out = '\0';
}

static void short_ones_match_as_a_slow_oracle_says(void **state)
{
    unsigned matching = 0;

    (void)state;
    for (unsigned i = 1; i < 15625; i++) { /* 5^6 */
        char filter[LONGEST + 1];
        spell(filter, i, "a/+#");
        if (!mqtt_is_filter(filter, strlen(filter)))
            continue;
        for (unsigned k = 1; k < 729; k++) { /* 3^6 */
            char topic[LONGEST + 1];
            bool does;
            spell(topic, k, "a/");
            does = mqtt_matches(filter, topic, strlen(topic));
            if (does != slowly(filter, topic))
                fail_msg("%s and %s: %d", filter, topic, does);
            matching += does;
        }
    }
    assert_true(matching > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_and_filters_are_told_apart),
        cmocka_unit_test(they_are_no_longer_than_65535_bytes),
        cmocka_unit_test(filters_match_their_topics),
        cmocka_unit_test(short_ones_match_as_a_slow_oracle_says),
    };
    return cmocka_run_group_tests_name("mqtt topics", tests, NULL, NULL);
}
