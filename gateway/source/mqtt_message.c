/*
 * A message's way: from the broker to the pipeline; answered, acknowledged, forgotten. What the pipeline does
 * not take now (the store is down, the queue full) is not acknowledged, for a broker sends nothing again as
 * long as the connection stands: it is kept, and submitted again, and nothing is read meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/source/content_type.h"
#include "gateway/source/mqtt.h"

#define PAUSE_LEAST 50   /* milliseconds before a message is submitted again */
#define PAUSE_MOST  2000 /* milliseconds */

static const struct inbound_ops inbound_ops;

/* ---- lists ---- */

static void update_pause(struct mqtt_broker *broker)
{
    mqtt_client_pause(broker->client, broker->source->quiesced || broker->held != NULL ||
                                          broker->probe != NULL || broker->count >= broker->limit);
}

static void forget(struct mqtt_message *message)
{
    struct mqtt_broker *broker = message->broker;

    *(message->previous != NULL ? &message->previous->next : &broker->messages) = message->next;
    if (message->next != NULL)
        message->next->previous = message->previous;
    broker->count--;
    free(message);
    update_pause(broker);
}

/* Into its place: in the order in which they came, however they were refused. */
static void hold(struct mqtt_message *message)
{
    struct mqtt_message **at = &message->broker->held;

    while (*at != NULL && (*at)->number < message->number)
        at = &(*at)->next_held;
    message->next_held = *at;
    *at = message;
}

/* ---- submitting, and again ---- */

static void submit(struct mqtt_message *message)
{
    struct mqtt_broker *broker = message->broker;

    memcpy(message->bytes, message->original, message->len);
    if (message->inbound.wire != NULL)
        pipeline_receive_older(broker->source->pipeline, &message->inbound);
    else
        pipeline_receive(broker->source->pipeline, &message->inbound);
}

static void submit_first(struct mqtt_broker *broker)
{
    struct mqtt_message *message = broker->held;

    broker->held = message->next_held;
    submit(message);
}

/* While the store fails one is tried; when that gets through, all of them are, until one is not taken. */
static void on_retry(uv_timer_t *timer)
{
    struct mqtt_broker *broker = timer->data;

    if (broker->pause > 0 && broker->held != NULL) {
        broker->probe = broker->held;
        submit_first(broker);
    } else {
        broker->pause = 0;
        while (broker->held != NULL && broker->pause == 0)
            submit_first(broker);
    }
    update_pause(broker);
}

/* One got through: so may others, at once. */
static void retry_now(struct mqtt_broker *broker)
{
    if (broker->held == NULL || broker->source->quiesced)
        return;
    broker->pause = 0;
    uv_timer_start(&broker->retry, on_retry, 0, 0);
}

/* It was not taken: it is kept, for after a pause. */
static void keep(struct mqtt_message *message)
{
    struct mqtt_broker *broker = message->broker;
    bool probed = broker->probe == message;

    if (probed)
        broker->probe = NULL;
    if (broker->source->quiesced || (message->delivery == NULL && message->qos > 0)) {
        forget(message); /* the broker sends it again */
        if (broker->held == NULL || broker->source->quiesced)
            return;
    } else {
        hold(message);
    }
    if (broker->pause == 0)
        broker->pause = PAUSE_LEAST;
    else if (probed)
        broker->pause = broker->pause * 2 < PAUSE_MOST ? broker->pause * 2 : PAUSE_MOST;
    if (broker->probe == NULL && !uv_is_active((uv_handle_t *)&broker->retry))
        uv_timer_start(&broker->retry, on_retry, broker->pause, 0);
    update_pause(broker);
}

/* ---- answers ---- */

static void reply_to(const struct mqtt_message *message, const uint8_t *reply, size_t reply_len)
{
    const struct bulla_envelope *envelope = &message->inbound.envelope;
    char topic[MQTT_TOPIC_MAX + 2 * BULLA_KID_MAX + 8];
    const struct mqtt_publish publish = {
        .topic = topic,
        .payload = reply,
        .payload_len = reply_len,
        .content_type = "application/cose; cose-type=\"cose-encrypt0\"",
    };

    mqtt_topic_down(topic, message->topic, envelope->id, envelope->id_len);
    /* With QoS 0, and where it cannot be sent it is lost: a device that hears nothing sends again, and what
     * it sent is then a duplicate, which is answered. A device that left would be sent replies of QoS 1 late,
     * when it takes nothing of them but a receipt that the next reply holds as well. */
    (void)mqtt_client_publish(message->broker->client, &publish, 0);
}

static void on_answer(struct inbound *inbound, enum outcome outcome, const uint8_t *reply, size_t reply_len)
{
    struct mqtt_message *message = (struct mqtt_message *)inbound;
    struct mqtt_broker *broker = message->broker;

    broker->outcomes[outcome]++;
    if (outcome == OUTCOME_BUSY) {
        keep(message);
        return;
    }
    if (reply_len > 0 && inbound->wire == NULL)
        reply_to(message, reply, reply_len);
    if (message->delivery != NULL)
        mqtt_client_settle(broker->client, message->delivery);
    if (broker->probe == message)
        broker->probe = NULL;
    forget(message);
    if (broker->probe == NULL)
        retry_now(broker);
}

static void on_describe(const struct inbound *inbound, char *out, size_t size)
{
    const struct mqtt_message *message = (const struct mqtt_message *)inbound;
    char topic[64];

    mqtt_topic_show(topic, sizeof(topic), message->topic);
    snprintf(out, size, "mqtt %.40s %s", message->broker->name, topic);
}

static const struct inbound_ops inbound_ops = {on_answer, on_describe};

/* ---- taking ---- */

/* The same for a message of an older wire. */
static bool is_older(const struct mqtt_packet *packet, enum mqtt_refusal *refusal)
{
    *refusal = packet->retain ? MQTT_REFUSED_RETAINED : MQTT_REFUSED_SIZE;
    return !packet->retain && packet->payload.len <= BULLA_MESSAGE_MAX;
}

/* Whether a message is one for the pipeline; otherwise why not. */
static bool is_native(const struct mqtt_broker *broker, const struct mqtt_packet *packet,
                      enum mqtt_refusal *refusal)
{
    const struct mqtt_bytes *type = &packet->properties.content_type;

    *refusal = MQTT_REFUSED_TOPIC;
    if (packet->topic.len > MQTT_TOPIC_MAX ||
        !mqtt_matches(broker->source->filter, (const char *)packet->topic.at, packet->topic.len))
        return false;
    *refusal = MQTT_REFUSED_TYPE;
    if (!content_type_is_ours((const char *)type->at, type->len))
        return false;
    *refusal = MQTT_REFUSED_SIZE;
    return packet->payload.len <= BULLA_MESSAGE_MAX;
}

static struct mqtt_message *make_message(struct mqtt_broker *broker, const struct mqtt_packet *packet)
{
    size_t len = packet->payload.len;
    struct mqtt_message *message = malloc(sizeof(*message) + 2 * len + packet->topic.len + 1);
    char *topic;

    if (message == NULL)
        return NULL;
    memset(message, 0, sizeof(*message));
    topic = (char *)message->bytes + 2 * len;
    message->inbound.ops = &inbound_ops;
    message->inbound.bytes = message->bytes;
    message->inbound.len = len;
    message->broker = broker;
    message->qos = packet->qos;
    message->number = broker->taken++;
    message->len = len;
    message->original = message->bytes + len;
    if (len > 0) {
        memcpy(message->bytes, packet->payload.at, len);
        memcpy(message->bytes + len, packet->payload.at, len);
    }
    memcpy(topic, packet->topic.at, packet->topic.len);
    topic[packet->topic.len] = '\0';
    message->topic = topic;
    message->next = broker->messages;
    if (message->next != NULL)
        message->next->previous = message;
    broker->messages = message;
    broker->count++;
    return message;
}

/* Where a topic is both a native device's and an older one's, a message that has PROTOCOL's form is native.
 */
static void set_wire(struct mqtt_message *message, const struct wire_ops *wire)
{
    struct bulla_envelope envelope;

    if (wire == NULL ||
        (mqtt_matches(message->broker->source->filter, message->topic, strlen(message->topic)) &&
         bulla_envelope_parse(&envelope, BULLA_TO_GATEWAY, message->bytes, message->len) >= 0))
        return;
    message->inbound.wire = wire;
    message->inbound.route = message->topic;
    message->inbound.request = WIRE_READING;
}

void mqtt_broker_take(struct mqtt_broker *broker, struct mqtt_delivery *delivery,
                      const struct mqtt_packet *packet)
{
    const struct wire_ops *wire =
        mqtt_older_wire(broker->source, (const char *)packet->topic.at, packet->topic.len);
    struct mqtt_message *message;
    enum mqtt_refusal refusal;

    if (wire != NULL ? !is_older(packet, &refusal) : !is_native(broker, packet, &refusal)) {
        broker->refused[refusal]++;
        mqtt_client_settle(broker->client, delivery);
        return;
    }
    message = make_message(broker, packet);
    if (message == NULL) { /* not acknowledged: it comes again */
        mqtt_client_restart(broker->client, "out of memory");
        return;
    }
    message->delivery = delivery;
    set_wire(message, wire);
    submit(message);
    update_pause(broker);
}

/* ---- the end of a connection, and of all ---- */

/* Lets go of held messages, but for those that nobody would send again if `spare`. */
static void drop_held(struct mqtt_broker *broker, bool spare)
{
    struct mqtt_message *all = broker->held;
    struct mqtt_message *message;

    broker->held = NULL;
    while ((message = all) != NULL) {
        all = message->next_held;
        if (spare && message->qos == 0)
            hold(message);
        else
            forget(message);
    }
}

void mqtt_broker_orphan(struct mqtt_broker *broker)
{
    for (struct mqtt_message *message = broker->messages; message != NULL; message = message->next)
        message->delivery = NULL;
    drop_held(broker, true);
    update_pause(broker);
}

void mqtt_broker_quiesce(struct mqtt_broker *broker)
{
    uv_timer_stop(&broker->retry);
    drop_held(broker, false);
    update_pause(broker);
}

void mqtt_broker_init(struct mqtt_broker *broker, struct mqtt_source *source, uv_loop_t *loop)
{
    memset(broker, 0, sizeof(*broker));
    broker->source = source;
    uv_timer_init(loop, &broker->retry);
    broker->retry.data = broker;
}
