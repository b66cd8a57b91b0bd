#include "gateway/mqtt/packet.h"
#include "gateway/decode/utf8.h"

#include <string.h>

#define SHARED "$share/"

/* What is left of a topic or filter, and the level that it begins with (4.7.1.1). */
struct levels {
    const char *at;
    size_t len;
    size_t level;
};

static void find_level(struct levels *levels)
{
    const char *separator = memchr(levels->at, '/', levels->len);

    levels->level = separator == NULL ? levels->len : (size_t)(separator - levels->at);
}

static struct levels first_level(const char *text, size_t len)
{
    struct levels levels = {text, len, 0};

    find_level(&levels);
    return levels;
}

/* A topic with a separator at its end has an empty level behind it. */
static bool next_level(struct levels *levels)
{
    if (levels->level == levels->len)
        return false;
    levels->at += levels->level + 1;
    levels->len -= levels->level + 1;
    find_level(levels);
    return true;
}

static bool is_level(const struct levels *levels, char wildcard)
{
    return levels->level == 1 && levels->at[0] == wildcard;
}

static bool has_wildcard(const char *text, size_t len)
{
    return memchr(text, '+', len) != NULL || memchr(text, '#', len) != NULL;
}

bool mqtt_is_topic(const char *text, size_t len)
{
    return len > 0 && len <= UINT16_MAX && utf8_is_text(text, len) && !has_wildcard(text, len);
}

/* A wildcard is a whole level (4.7.1.2, 4.7.1.3), and # the last one. */
static bool are_levels(const char *text, size_t len)
{
    struct levels levels = first_level(text, len);

    do {
        if (is_level(&levels, '#'))
            return levels.len == 1;
        if (!is_level(&levels, '+') && has_wildcard(levels.at, levels.level))
            return false;
    } while (next_level(&levels));
    return true;
}

/* How long "$share/GROUP/" is at the beginning of a filter (4.8.2): 0 if it is not there; `len` if the
 * group's name is empty or has a wildcard, or no filter follows. */
static size_t shared_prefix(const char *text, size_t len)
{
    size_t begin = strlen(SHARED);
    struct levels group;

    if (len < begin || memcmp(text, SHARED, begin) != 0)
        return 0;
    group = first_level(text + begin, len - begin);
    if (group.level == 0 || has_wildcard(group.at, group.level) || group.level == group.len)
        return len;
    return begin + group.level + 1;
}

bool mqtt_is_filter(const char *text, size_t len)
{
    size_t prefix;

    if (len == 0 || len > UINT16_MAX || !utf8_is_text(text, len))
        return false;
    prefix = shared_prefix(text, len);
    return prefix < len && are_levels(text + prefix, len - prefix);
}

bool mqtt_matches(const char *filter, const char *topic, size_t topic_len)
{
    size_t len = strlen(filter);
    size_t prefix = shared_prefix(filter, len);
    struct levels wanted;
    struct levels given;

    if (prefix >= len || topic_len == 0)
        return false;
    wanted = first_level(filter + prefix, len - prefix);
    given = first_level(topic, topic_len);
    if (topic[0] == '$' && (is_level(&wanted, '+') || is_level(&wanted, '#')))
        return false; /* MQTT-4.7.2-1 */
    for (;;) {
        bool more;

        if (is_level(&wanted, '#'))
            return true;
        if (!is_level(&wanted, '+') &&
            (wanted.level != given.level || memcmp(wanted.at, given.at, given.level) != 0))
            return false;
        more = next_level(&wanted);
        if (!next_level(&given)) /* # is also the level above it */
            return !more || is_level(&wanted, '#');
        if (!more)
            return false;
    }
}
