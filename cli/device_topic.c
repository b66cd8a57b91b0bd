#include "cli/device_topic.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/text.h"

bool is_broker(const char *to)
{
    return *to == '@' || strncasecmp(to, "mqtt:", 5) == 0 || strncasecmp(to, "mqtts:", 6) == 0;
}

void device_topic(char out[DEVICE_TOPIC_SIZE], const uint8_t *kid, size_t kid_len, const char *direction)
{
    int at = snprintf(out, DEVICE_TOPIC_SIZE, "bulla/");

    for (size_t i = 0; i < kid_len && i < BULLA_KID_MAX; i++)
        at += snprintf(out + at, DEVICE_TOPIC_SIZE - (size_t)at, "%02x", kid[i]);
    snprintf(out + at, DEVICE_TOPIC_SIZE - (size_t)at, "/%.4s", direction);
}

size_t device_topic_kid(uint8_t kid[BULLA_KID_MAX], const uint8_t *topic, size_t len)
{
    static const char head[] = "bulla/";
    static const char tail[] = "/down";
    size_t around = strlen(head) + strlen(tail);
    int kid_len;

    if (len <= around || memcmp(topic, head, strlen(head)) != 0 ||
        memcmp(topic + len - strlen(tail), tail, strlen(tail)) != 0)
        return 0;
    kid_len = text_parse_hex((const char *)topic + strlen(head), len - around, kid, BULLA_KID_MAX);
    return kid_len > 0 ? (size_t)kid_len : 0;
}
