/*
 * Older wires over MQTT (gateway/wire/wire.h): the topics of their devices are subscribed as the roster has
 * them, and the session ids of their session topics published, retained, to every broker: with every new
 * connection, and as soon as another one is the current one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/mqtt/reason.h"
#include "gateway/source/mqtt.h"

/* ---- topics ---- */

struct topic_text {
    const char *at;
    size_t len;
};

static int compare_text(const void *text, const void *topic)
{
    const struct topic_text *wanted = text;
    const struct roster_topic *other = topic;
    int order = strncmp(wanted->at, other->topic, wanted->len);

    return order != 0 ? order : -(other->topic[wanted->len] != '\0');
}

static int compare_topics(const void *one, const void *other)
{
    return strcmp(((const struct roster_topic *)one)->topic, ((const struct roster_topic *)other)->topic);
}

/* `topics` in compare_topics()'s order. */
static const struct roster_topic *find(const struct roster_topic *topics, size_t count, const char *at,
                                       size_t len)
{
    const struct topic_text wanted = {at, len};

    if (count == 0 || len > WIRE_ROUTE_MAX)
        return NULL;
    return bsearch(&wanted, topics, count, sizeof(*topics), compare_text);
}

const struct wire_ops *mqtt_older_wire(const struct mqtt_source *source, const char *topic, size_t len)
{
    const struct roster_topic *found = find(source->topics, source->topic_count, topic, len);

    return found == NULL ? NULL : wire_find(found->wire);
}

/* What it is subscribed by: "" if the native filter has it already. */
static void make_filter(const struct mqtt_source *source, const char *topic, char *filter, size_t size)
{
    filter[0] = '\0';
    if (mqtt_matches(source->filter, topic, strlen(topic)))
        return;
    if (source->share != NULL)
        snprintf(filter, size, "$share/%s/%s", source->share, topic);
    else
        snprintf(filter, size, "%s", topic);
}

/* Once a connection, for all of a broker's. */
static void tell_refused(struct mqtt_broker *broker, const char *what, const char *why)
{
    char name[2 * sizeof(broker->name)];
    char detail[512];

    if (broker->told_refused)
        return;
    broker->told_refused = true;
    log_line(broker->source->log, LOG_LEVEL_WARN, "mqtt",
             "broker=%s state=older-wire-refused what=%s detail=%s",
             log_quote(name, sizeof(name), broker->name), what, log_quote(detail, sizeof(detail), why));
}

/*
 * QoS as the device publishes. Retained messages come, and are told by their flag, which a broker sets on
 * them alone (3.1.1 3.3.1.3; 5.0 3.8.3.1 without retain-as-published): a device that publishes with retain,
 * as they do, is heard at the moment that it does so with the flag cleared. A broker that refuses one topic
 * serves the others.
 */
static void subscribe(struct mqtt_source *source, const char *topic)
{
    char filter[MQTT_GROUP_MAX + WIRE_ROUTE_MAX + 16];
    const struct mqtt_subscription subscription = {.filter = filter, .qos = 2, .is_optional = true};
    struct failure failure;

    make_filter(source, topic, filter, sizeof(filter));
    for (size_t i = 0; i < source->broker_count && filter[0] != '\0'; i++) {
        if (source->brokers[i].devices == MQTT_DEVICES_NATIVE)
            continue;
        if (mqtt_client_subscribe(source->brokers[i].client, &subscription, 1, &failure) < 0)
            tell_refused(&source->brokers[i], "topic", failure.text);
    }
}

static void unsubscribe(struct mqtt_source *source, const char *topic)
{
    char filter[MQTT_GROUP_MAX + WIRE_ROUTE_MAX + 16];

    make_filter(source, topic, filter, sizeof(filter));
    for (size_t i = 0; i < source->broker_count && filter[0] != '\0'; i++)
        mqtt_client_unsubscribe(source->brokers[i].client, filter);
}

/* Subscribes those of `topics` that are not among `others`, or ends that. */
static void for_new(struct mqtt_source *source, const struct roster_topic *topics, size_t count,
                    const struct roster_topic *others, size_t other_count,
                    void (*act)(struct mqtt_source *source, const char *topic))
{
    for (size_t i = 0; i < count; i++) {
        if (find(others, other_count, topics[i].topic, strlen(topics[i].topic)) == NULL)
            act(source, topics[i].topic);
    }
}

/* Topics that are gone, and new ones. Without memory it is done at the next turn. */
static void follow_topics(struct mqtt_source *source, const struct roster *roster)
{
    size_t count = roster->topic_count;
    struct roster_topic *topics;

    if (roster->version == source->topics_version)
        return;
    topics = malloc(count * sizeof(*topics) + 1);
    if (topics == NULL)
        return;
    if (count > 0) {
        memcpy(topics, roster->topics, count * sizeof(*topics));
        qsort(topics, count, sizeof(*topics), compare_topics);
    }
    for_new(source, source->topics, source->topic_count, topics, count, unsubscribe);
    for_new(source, topics, count, source->topics, source->topic_count, subscribe);
    free(source->topics);
    source->topics = topics;
    source->topic_count = count;
    source->topics_version = roster->version;
}

/* What a former process had subscribed, before this connection was native devices' alone. */
static void renounce_topics(const struct mqtt_broker *broker)
{
    const struct mqtt_source *source = broker->source;
    char filter[MQTT_GROUP_MAX + WIRE_ROUTE_MAX + 16];

    for (size_t i = 0; i < source->topic_count; i++) {
        make_filter(source, source->topics[i].topic, filter, sizeof(filter));
        if (filter[0] != '\0')
            mqtt_client_renounce(broker->client, filter);
    }
}

/* ---- session ids ---- */

static bool is_same(const struct roster_session *one, const struct roster_session *other)
{
    return strcmp(one->topic, other->topic) == 0 && strcmp(one->id, other->id) == 0;
}

/* Whether this connection has it already. Rosters have their order: it is nearly always at the same place. */
static bool was_published(const struct mqtt_broker *broker, size_t at, const struct roster_session *session)
{
    if (at < broker->published_count && is_same(&broker->published[at], session))
        return true;
    for (size_t i = 0; i < broker->published_count; i++) {
        if (is_same(&broker->published[i], session))
            return true;
    }
    return false;
}

/* With QoS 1, so that a broker that refuses it says so; with 0 where that is all that it takes. */
static bool publish(struct mqtt_broker *broker, const struct roster_session *session)
{
    const struct mqtt_publish message = {
        .topic = session->topic,
        .payload = (const uint8_t *)session->id,
        .payload_len = WIRE_SESSION_ID,
        .qos = mqtt_client_state(broker->client)->maximum_qos > 0 ? 1 : 0,
        .retain = true,
    };

    return mqtt_client_publish(broker->client, &message, 0) == 0;
}

/* What cannot be sent now is, with the next turn. */
static void publish_sessions(struct mqtt_broker *broker, const struct roster *roster)
{
    struct roster_session *published;
    size_t count = 0;

    if (broker->devices == MQTT_DEVICES_NATIVE || broker->published_version == roster->version ||
        !mqtt_client_state(broker->client)->up)
        return;
    if (roster->session_count > 0 && !mqtt_client_state(broker->client)->retains) {
        tell_refused(broker, "session-id",
                     "it keeps no retained messages (mosquitto: retain_available true)");
        broker->published_version = roster->version;
        return;
    }
    published = malloc(roster->session_count * sizeof(*published) + 1);
    if (published == NULL)
        return;
    for (size_t i = 0; i < roster->session_count; i++) {
        const struct roster_session *session = &roster->sessions[i];
        if (was_published(broker, i, session) || publish(broker, session))
            published[count++] = *session;
    }
    free(broker->published);
    broker->published = published;
    broker->published_count = count;
    if (count == roster->session_count)
        broker->published_version = roster->version;
}

/* ---- what the source calls ---- */

void mqtt_older_follow(struct mqtt_source *source)
{
    const struct roster *roster = pipeline_roster(source->pipeline);

    if (roster == NULL)
        return;
    follow_topics(source, roster);
    for (size_t i = 0; i < source->broker_count; i++)
        publish_sessions(&source->brokers[i], roster);
}

void mqtt_older_up(struct mqtt_broker *broker, bool resumed)
{
    const struct roster *roster = pipeline_roster(broker->source->pipeline);

    broker->published_count = 0;
    broker->published_version = 0;
    broker->told_refused = false;
    if (resumed && broker->devices == MQTT_DEVICES_NATIVE)
        renounce_topics(broker);
    if (roster != NULL)
        publish_sessions(broker, roster);
}

void mqtt_older_published(struct mqtt_broker *broker, unsigned code)
{
    if (code >= 128)
        tell_refused(broker, "session-id", mqtt_reason((uint8_t)code));
}

void mqtt_older_wipe(struct mqtt_source *source)
{
    free(source->topics);
    for (size_t i = 0; i < source->broker_count; i++)
        free(source->brokers[i].published);
}
