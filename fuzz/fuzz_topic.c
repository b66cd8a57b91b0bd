/*
 * MQTT's topics and filters: the input is a filter and a topic, with a zero between them.
 */
#include "fuzz/require.h"
#include "gateway/mqtt/packet.h"

#include <string.h>

/* The bytes in memory of exactly their size; with a zero behind them if asked. */
static char *copy(const uint8_t *bytes, size_t len, size_t zero)
{
    char *text = malloc(len + zero + 1);

    require(text != NULL);
    text += zero ^ 1; /* without the zero, the text ends where the memory does */
    memcpy(text, bytes, len);
    if (zero != 0)
        text[len] = '\0';
    return text;
}

/* What follows from the words "topic" and "filter" alone. */
static void check(const char *filter, const char *topic, size_t topic_len)
{
    size_t len = strlen(filter);
    bool is_filter = mqtt_is_filter(filter, len);
    bool is_topic = mqtt_is_topic(topic, topic_len);
    bool matches = mqtt_matches(filter, topic, topic_len);
    bool shared = strncmp(filter, "$share/", 7) == 0;

    if (mqtt_is_filter("#", 1) && is_topic)
        require(mqtt_matches("#", topic, topic_len) == (topic[0] != '$'));
    if (is_filter && !shared && mqtt_is_topic(filter, len))
        require(matches == (topic_len == len && memcmp(filter, topic, len) == 0) || !is_topic);
    if (is_filter && !shared && is_topic && matches) {
        require(mqtt_is_topic(filter, len) || strchr(filter, '+') != NULL || filter[len - 1] == '#');
        require(filter[0] == '$' || topic[0] != '$');
    }
}

/* A shared subscription means what its filter does. */
static void check_shared(const char *filter, const char *topic, size_t topic_len)
{
    char shared[4300] = "$share/g/";
    size_t len = strlen(filter);

    if (strncmp(filter, "$share/", 7) == 0 || len > sizeof(shared) - 10)
        return;
    memcpy(shared + 9, filter, len + 1);
    require(mqtt_is_filter(shared, len + 9) == mqtt_is_filter(filter, len));
    require(mqtt_matches(shared, topic, topic_len) == mqtt_matches(filter, topic, topic_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    size_t filter_len = zero == NULL ? size : (size_t)(zero - data);
    size_t topic_len = zero == NULL ? 0 : size - filter_len - 1;
    char *filter = copy(data, filter_len, 1);
    char *topic = copy(data + size - topic_len, topic_len, 0);

    mqtt_is_filter(topic, topic_len);
    check(filter, topic, topic_len);
    check_shared(filter, topic, topic_len);
    free(filter);
    free(topic - 1);
    return 0;
}
