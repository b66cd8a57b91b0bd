/*
 * What a person says of a broker: its URL, and a topic filter with what follows from it for replies. The
 * first byte's lowest bit: whether the URL may hold a password.
 */
#include "fuzz/require.h"

#include <stdio.h>
#include <string.h>

#include "gateway/mqtt/url.h"
#include "gateway/source/mqtt_topic.h"

/* A text of exactly its size. */
static char *copy(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len + 1);

    require(text != NULL);
    memcpy(text, bytes, len);
    text[len] = '\0';
    return text;
}

static void check_texts(const struct mqtt_url *url)
{
    require(memchr(url->host, 0, sizeof(url->host)) != NULL && url->host[0] != '\0');
    require(memchr(url->user, 0, sizeof(url->user)) != NULL);
    require(memchr(url->password, 0, sizeof(url->password)) != NULL);
    require(memchr(url->ca, 0, sizeof(url->ca)) != NULL);
    require(memchr(url->cert, 0, sizeof(url->cert)) != NULL);
    require(memchr(url->key, 0, sizeof(url->key)) != NULL);
    require(memchr(url->client_id, 0, sizeof(url->client_id)) != NULL);
    require(strpbrk(url->host, " \t\r\n/?#@%") == NULL);
}

static void check_url(const char *text, bool may_hold_password)
{
    struct mqtt_url url;
    struct mqtt_url again;
    struct failure failure;
    char name[MQTT_NAME_SIZE];
    char whole[MQTT_NAME_SIZE + 16];

    if (mqtt_url_parse(&url, text, may_hold_password, &failure) < 0) {
        require(memchr(failure.text, 0, sizeof(failure.text)) != NULL && failure.text[0] != '\0');
        return;
    }
    check_texts(&url);
    require(url.port != 0 && (may_hold_password || url.password[0] == '\0'));
    require(url.session_expiry >= -1 && url.receive_maximum <= 8192);
    snprintf(whole, sizeof(whole), "mqtt%s://%s", url.tls ? "s" : "", mqtt_url_name(&url, name));
    require(mqtt_url_parse(&again, whole, false, &failure) == 0);
    require(again.port == url.port && again.tls == url.tls && strcmp(again.host, url.host) == 0);
}

static void check_topic(const char *filter)
{
    static const uint8_t kid[BULLA_KID_MAX] = {0x0a, 0x1b, 0x2c, 0x3d, 0x4e};
    char topic[MQTT_TOPIC_MAX + 1];
    char down[MQTT_TOPIC_MAX + 2 * BULLA_KID_MAX + 8];
    struct failure failure;
    size_t len;

    if (mqtt_topic_check(filter, &failure) < 0)
        return;
    len = strlen(filter);
    require(len <= MQTT_TOPIC_MAX);
    memcpy(topic, filter, len + 1);
    for (size_t i = 0; i < len; i++) {
        if (topic[i] == '+')
            topic[i] = 'x';
    }
    require(mqtt_matches(filter, topic, len) || filter[0] == '+');
    mqtt_topic_down(down, topic, kid, sizeof(kid));
    require(strlen(down) == len - strlen("x/up") + strlen("0a1b2c3d4e/down"));
    require(strcmp(down + strlen(down) - 5, "/down") == 0 && strncmp(down, topic, len - 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size == 0)
        return 0;
    text = copy(data + 1, size - 1);
    check_url(text, (data[0] & 1) != 0);
    check_topic(text);
    free(text);
    return 0;
}
