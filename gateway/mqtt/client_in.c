/* What the broker sends, packet by packet. */
#include "gateway/mqtt/client_parts.h"

#include <string.h>

#include "gateway/mqtt/reason.h"

#define LENGTH_MOST 268435460 /* bytes of a packet, with all of its header (2.1.4) */

/* ---- packets ---- */

static void on_connack(struct mqtt_client *client, const struct mqtt_packet *packet)
{
    if (packet->code != 0)
        client_refused(client, packet);
    else
        client_up(client, packet);
}

/* Takes its place among the deliveries: NULL where there is nothing to be handed over. */
static struct mqtt_delivery *arrive(struct mqtt_client *client, uint8_t qos, uint16_t id)
{
    struct mqtt_delivery *delivery = session_arrive(&client->session, qos, id);

    client->state.received[qos]++;
    client->state.unsettled = client->session.count;
    return delivery;
}

static void on_publish(struct mqtt_client *client, const struct mqtt_packet *packet)
{
    struct mqtt_delivery *delivery;

    if (packet->topic.len == 0 || packet->properties.topic_alias != 0) { /* we allow none (3.1.2.11.5) */
        client_down(client, "the broker used a topic alias, which is not allowed");
        return;
    }
    delivery = arrive(client, packet->qos, packet->id);
    if (delivery != NULL)
        client->options.handlers->on_message(client->options.context, delivery, packet);
}

static void on_pubrel(struct mqtt_client *client, const struct mqtt_packet *packet)
{
    bool known = session_release(&client->session, packet->id);

    client_write_ack(client, MQTT_PUBCOMP, packet->id, known ? 0 : 0x92);
}

/* PUBACK, PUBREC, PUBCOMP: of ours. What is not known is of an earlier connection. */
static void on_published(struct mqtt_client *client, const struct mqtt_packet *packet)
{
    uint64_t token;
    int done = session_published(&client->session, packet->type, packet->id, packet->code, &token);

    if (done == 0)
        client_write_ack(client, MQTT_PUBREL, packet->id, 0);
    else if (done < 0 && packet->type == MQTT_PUBREC && packet->code < 128)
        client_write_ack(client, MQTT_PUBREL, packet->id, 0x92);
    if (done > 0 && client->options.handlers->on_published != NULL)
        client->options.handlers->on_published(client->options.context, token, packet->code);
}

static void tell_refused(const struct mqtt_client *client, const char *filter, const char *why)
{
    char name[2 * sizeof(client->name)];
    char shown[256];
    char detail[256];

    log_line(client->options.log, LOG_LEVEL_WARN, "mqtt",
             "broker=%s state=subscription-refused filter=%s detail=%s",
             log_quote(name, sizeof(name), client->name), log_quote(shown, sizeof(shown), filter),
             log_quote(detail, sizeof(detail), why));
}

static void on_suback(struct mqtt_client *client, const struct mqtt_packet *packet)
{
    const struct subscription *refused;
    uint8_t code = 0;
    int result = subscriptions_answer(&client->subscriptions, packet, &refused, &code);
    const char *why =
        client->state.version == MQTT_5 ? mqtt_reason(code) : "this user may not read it, by its access list";

    if (result < 0) {
        client_down(client, "the broker answered a subscription that was not asked for");
        return;
    }
    if (result > 0 && !refused->wanted.is_optional) {
        client_down(client, "the broker refused the subscription %.80s: %s", refused->wanted.filter, why);
        return;
    }
    if (result > 0)
        tell_refused(client, refused->wanted.filter, why);
    if (!subscriptions_wait(&client->subscriptions))
        client->subscribed_at = 0;
}

static void on_pingresp(struct mqtt_client *client, const struct mqtt_packet *packet)
{
    (void)packet;
    client->pinged_at = 0;
}

static void on_disconnect(struct mqtt_client *client, const struct mqtt_packet *packet)
{
    client_down(client, "the broker ended the connection: %s", mqtt_reason(packet->code));
}

static void on_nothing(struct mqtt_client *client, const struct mqtt_packet *packet)
{
    (void)client, (void)packet;
}

static void (*const takers[])(struct mqtt_client *client, const struct mqtt_packet *packet) = {
    [MQTT_PUBLISH] = on_publish,  [MQTT_PUBACK] = on_published,  [MQTT_PUBREC] = on_published,
    [MQTT_PUBREL] = on_pubrel,    [MQTT_PUBCOMP] = on_published, [MQTT_SUBACK] = on_suback,
    [MQTT_UNSUBACK] = on_nothing, [MQTT_PINGRESP] = on_pingresp, [MQTT_DISCONNECT] = on_disconnect,
    [MQTT_AUTH] = NULL, /* we ask for no such authentication */
};

static void take(struct mqtt_client *client, const struct mqtt_packet *packet)
{
    bool greeting = client->stage == CLIENT_GREETING;

    if (greeting && packet->type == MQTT_CONNACK)
        on_connack(client, packet);
    else if (greeting || (size_t)packet->type >= sizeof(takers) / sizeof(takers[0]) ||
             takers[packet->type] == NULL)
        client_down(client, "the broker sent a packet (type %d) where none of its kind may stand",
                    packet->type);
    else
        takers[packet->type](client, packet);
}

/* ---- bytes ---- */

/*
 * A server of 3.1.1 answers a CONNECT of 5.0 in its own form (3.1.1 3.2.2.3), which is shorter than any
 * of 5.0: by code 1 that it does not know this version, by another one what else it has against us.
 */
static bool is_old_connack(const struct mqtt_client *client, const uint8_t *bytes, size_t size)
{
    return client->stage == CLIENT_GREETING && client->state.version == MQTT_5 && size == 4 &&
           bytes[0] == MQTT_CONNACK << 4;
}

static void take_old_connack(struct mqtt_client *client, struct mqtt_packet *packet)
{
    if (packet->code == 1) {
        packet->code = 0x84;
        client_refused(client, packet);
    } else if (packet->code == 0) {
        client_down(client, "the broker answered in 3.1.1 what was asked in 5; say version=3.1.1");
    } else {
        client_down(client, "the broker refused the connection: %s", mqtt_return_code(packet->code));
    }
}

static void take_bytes(struct mqtt_client *client, const uint8_t *bytes, size_t size)
{
    struct mqtt_packet packet;
    bool old = is_old_connack(client, bytes, size);
    int error = mqtt_packet_read(&packet, old ? MQTT_3_1_1 : client->state.version, bytes, size);

    if (error < 0)
        client_down(client, "the broker sent what is not MQTT: %s", mqtt_strerror(error));
    else if (old)
        take_old_connack(client, &packet);
    else
        take(client, &packet);
}

/*
 * A message that is longer than the input: its header (2.1, 3.3.2), as far as acknowledging it takes. Returns
 * 1; 0 more bytes are needed; -1 it is none.
 */
static int read_long_header(const uint8_t *bytes, size_t len, uint8_t *qos, uint16_t *id)
{
    size_t at = 1;
    size_t topic;

    *qos = bytes[0] >> 1 & 3;
    *id = 0;
    if (bytes[0] >> 4 != MQTT_PUBLISH || *qos == 3)
        return -1;
    while (at < len && bytes[at] >= 128)
        at++;
    at++;
    if (len < at + 2)
        return 0;
    topic = (size_t)bytes[at] << 8 | bytes[at + 1];
    at += 2 + topic;
    if (*qos == 0)
        return 1;
    if (len < at + 2)
        return 0;
    *id = (uint16_t)(bytes[at] << 8 | bytes[at + 1]);
    return *id != 0 ? 1 : -1;
}

/* Acknowledges a message that is too long, as any that is settled, and drops its bytes. What of the input it
 * took; 0: more are needed. */
static size_t skip(struct mqtt_client *client, const uint8_t *bytes, size_t len, size_t size)
{
    struct mqtt_delivery *delivery;
    uint8_t qos;
    uint16_t id;
    int read = client->stage == CLIENT_UP ? read_long_header(bytes, len, &qos, &id) : -1;

    if (read < 0 || (read == 0 && len == client->options.packet_maximum)) {
        client_down(client, "the broker sent a packet of %zu bytes, more than are taken", size);
        return 0;
    }
    if (read == 0)
        return 0;
    client->skipping = size - len;
    client->state.oversize++;
    delivery = arrive(client, qos, id);
    if (delivery != NULL)
        mqtt_client_settle(client, delivery);
    return len;
}

/* The first packet of the input. How many bytes it took; 0: it is not whole, or the connection ended. */
static size_t take_first(struct mqtt_client *client, const uint8_t *bytes, size_t len)
{
    size_t size = 0;
    int known = mqtt_packet_size(bytes, len, LENGTH_MOST, &size);

    if (known < 0) {
        client_down(client, "the broker sent what is not MQTT: %s", mqtt_strerror(known));
        return 0;
    }
    if (known == 0)
        return 0;
    if (size > client->options.packet_maximum)
        return skip(client, bytes, len, size);
    if (len < size)
        return 0;
    take_bytes(client, bytes, size);
    return size;
}

bool client_is_paused(const struct mqtt_client *client)
{
    return client->pause_asked || session_is_full(&client->session) || client_is_stuck(client);
}

static bool is_connected(const struct mqtt_client *client)
{
    return client->stage == CLIENT_GREETING || client->stage == CLIENT_UP;
}

void client_process(struct mqtt_client *client)
{
    size_t at = 0;
    size_t taken = 1;

    if (client->processing)
        return;
    client->processing = true;
    while (is_connected(client) && at < client->input_len && taken > 0 && !client_is_paused(client)) {
        taken = take_first(client, client->input + at, client->input_len - at);
        at += taken;
        client_acknowledge(client);
    }
    client->processing = false;
    if (!is_connected(client))
        return; /* and what came is forgotten */
    client->input_len -= at;
    memmove(client->input, client->input + at, client->input_len);
}

size_t client_room(void *context, uint8_t **at)
{
    struct mqtt_client *client = context;

    *at = client->input + client->input_len;
    if (!is_connected(client) || client_is_paused(client))
        return 0;
    return client->options.packet_maximum - client->input_len;
}

void client_bytes(void *context, size_t len)
{
    struct mqtt_client *client = context;
    size_t skipped = len < client->skipping ? len : client->skipping;

    client->heard = uv_now(client->loop);
    client->skipping -= skipped; /* nothing else is in the input then */
    memmove(client->input, client->input + skipped, len - skipped);
    client->input_len = skipped > 0 ? len - skipped : client->input_len + len;
    client_process(client);
    if (is_connected(client) && client_is_paused(client))
        client_soon(client); /* to stop reading, and to say so */
}
