#include "gateway/source/mqtt_topic.h"

#include <stdio.h>
#include <string.h>

#include "gateway/mqtt/packet.h"

static const char ending[] = "+/up";

int mqtt_topic_check(const char *filter, struct failure *failure)
{
    size_t len = strlen(filter);
    size_t end = strlen(ending);

    if (strncmp(filter, "$share/", 7) == 0)
        return fail(failure, "for a shared subscription give the filter here and the group to --mqtt-share");
    if (len > MQTT_TOPIC_MAX)
        return fail(failure, "it is longer than %d bytes", MQTT_TOPIC_MAX);
    if (!mqtt_is_filter(filter, len) || strchr(filter, '#') != NULL || len < end ||
        strcmp(filter + len - end, ending) != 0 || (len > end && filter[len - end - 1] != '/'))
        return fail(failure,
                    "'%.80s' is not PREFIX/+/up, in which PREFIX may hold + as levels; replies go to "
                    "PREFIX/KID/down",
                    filter);
    return 0;
}

int mqtt_share_check(const char *group, struct failure *failure)
{
    size_t len = strlen(group);

    if (len == 0 || len > MQTT_GROUP_MAX || !mqtt_is_topic(group, len) || strpbrk(group, "/+#") != NULL)
        return fail(failure, "'%.80s' is no name of a group: 1 to %d bytes without / + #", group,
                    MQTT_GROUP_MAX);
    return 0;
}

void mqtt_topic_down(char out[MQTT_TOPIC_MAX + 2 * BULLA_KID_MAX + 8], const char *up, const uint8_t *kid,
                     size_t kid_len)
{
    size_t len = strlen(up);
    int levels = 0;

    while (len > 0 && levels < 2) /* what ends with the second / from behind */
        levels += up[--len] == '/';
    len += levels == 2;
    memcpy(out, up, len);
    for (size_t i = 0; i < kid_len; i++, len += 2)
        snprintf(out + len, 3, "%02x", kid[i]);
    memcpy(out + len, "/down", 6);
}

void mqtt_topic_show(char *out, size_t size, const char *topic)
{
    size_t len = 0;

    for (; topic[len] != '\0' && len + 1 < size; len++)
        out[len] = topic[len] > ' ' && topic[len] < 0x7f ? topic[len] : '?';
    out[len] = '\0';
}
