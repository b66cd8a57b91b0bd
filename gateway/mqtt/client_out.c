/* What the client writes: gathered, and sent together. */
#include "gateway/mqtt/client_parts.h"

#include <stdlib.h>
#include <string.h>

#include "device/crypto.h"

#define HARD_LIMIT 4 /* times output_maximum: acknowledgements and the like, which cannot be left out */

/* Room for `len` more bytes behind what gathered, or NULL. */
static uint8_t *make_room(struct output *output, size_t len)
{
    size_t wanted = output->len + len;
    size_t capacity = output->capacity > 0 ? output->capacity : 1024;
    uint8_t *bytes;

    while (capacity < wanted)
        capacity *= 2;
    if (capacity > output->capacity) {
        bytes = realloc(output->bytes, capacity);
        if (bytes == NULL)
            return NULL;
        output->bytes = bytes;
        output->capacity = capacity;
    }
    return output->bytes + output->len;
}

bool client_is_stuck(const struct mqtt_client *client)
{
    return client->output.len > client->options.output_maximum;
}

/* `written`: what a writer of packets returned. What cannot be written breaks the connection. */
static void took(struct mqtt_client *client, int written)
{
    if (written < 0) {
        client_down(client, "a packet cannot be written: %s", mqtt_strerror(written));
        return;
    }
    if (client->stage == CLIENT_UP && (uint32_t)written > client->state.packet_maximum) { /* MQTT-3.2.2-15 */
        client_down(client, "the broker takes packets of at most %u bytes, and one of %d is needed",
                    client->state.packet_maximum, written);
        return;
    }
    client->output.len += (size_t)written;
    if (client->output.len > (size_t)client->options.output_maximum * HARD_LIMIT)
        client_down(client, "the broker does not read what it is sent");
    else
        client_soon(client);
}

/* Room for a small packet; NULL: the connection ended for it. */
static uint8_t *room_for(struct mqtt_client *client, size_t len)
{
    uint8_t *at = make_room(&client->output, len);

    if (at == NULL)
        client_down(client, "out of memory");
    return at;
}

/* ---- packets ---- */

void client_write_connect(struct mqtt_client *client)
{
    const struct mqtt_url *url = &client->url;
    const struct mqtt_connect connect = {
        .client_id = client->client_id,
        .user = url->user[0] != '\0' ? url->user : NULL,
        .password = url->password[0] != '\0' ? (const uint8_t *)url->password : NULL,
        .password_len = strlen(url->password),
        .clean_start = client->options.session_expiry == 0,
        .keep_alive = client->options.keep_alive,
        .session_expiry = client->options.session_expiry,
        .receive_maximum = client->options.receive_maximum,
        .maximum_packet_size = client->options.packet_maximum,
    };
    size_t room = strlen(client->client_id) + strlen(url->user) + strlen(url->password) + 128;
    uint8_t *at = room_for(client, room);

    if (at != NULL)
        took(client, mqtt_write_connect(at, room, client->state.version, &connect));
}

void client_write_ack(struct mqtt_client *client, enum mqtt_type type, uint16_t id, uint8_t code)
{
    uint8_t *at = room_for(client, 16);

    if (at != NULL)
        took(client, mqtt_write_ack(at, 16, client->state.version, type, id, code));
}

void client_write_ping(struct mqtt_client *client)
{
    uint8_t *at = room_for(client, 16);

    if (at != NULL)
        took(client, mqtt_write_ping(at, 16));
}

void client_write_disconnect(struct mqtt_client *client, uint8_t code)
{
    uint8_t *at = make_room(&client->output, 16);
    int written = at != NULL ? mqtt_write_disconnect(at, 16, client->state.version, code) : -1;

    if (written > 0)
        client->output.len += (size_t)written;
}

/* One SUBSCRIBE of what was not asked for yet. */
static void write_subscribe(struct mqtt_client *client)
{
    struct mqtt_subscription asked[MQTT_CODES_MAX];
    uint16_t id = session_new_id(&client->session);
    size_t count = subscriptions_ask(&client->subscriptions, id, asked, MQTT_CODES_MAX);
    size_t room = 64;
    uint8_t *at;

    for (size_t i = 0; i < count; i++)
        room += strlen(asked[i].filter) + 3;
    at = room_for(client, room);
    if (at != NULL)
        took(client, mqtt_write_subscribe(at, room, client->state.version, id, asked, count));
}

void client_write_subscriptions(struct mqtt_client *client)
{
    while (client->stage == CLIENT_UP && subscriptions_want(&client->subscriptions)) {
        write_subscribe(client);
        client->subscribed_at = uv_now(client->loop);
    }
}

void client_write_unsubscribe(struct mqtt_client *client, const char *filter)
{
    size_t room = strlen(filter) + 64;
    uint8_t *at = room_for(client, room);

    if (at != NULL)
        took(client, mqtt_write_unsubscribe(at, room, client->state.version, session_new_id(&client->session),
                                            &filter, 1));
}

void client_acknowledge(struct mqtt_client *client)
{
    uint16_t id;
    int type;

    while (client->stage == CLIENT_UP && session_acknowledge(&client->session, &type, &id)) {
        if (type != 0)
            client_write_ack(client, (enum mqtt_type)type, id, 0);
    }
    client->state.unsettled = client->session.count;
}

/* ---- publications ---- */

/* Writes one; -1 where it is not taken, and the session knows nothing of it then. */
static int write_publish(struct mqtt_client *client, const struct mqtt_publish *publish)
{
    size_t room = strlen(publish->topic) + publish->payload_len + 64 +
                  (publish->content_type != NULL ? strlen(publish->content_type) : 0);
    uint8_t *at = make_room(&client->output, room);
    int written = at != NULL ? mqtt_write_publish(at, room, client->state.version, publish) : -1;

    if (written < 0 || (uint32_t)written > client->state.packet_maximum)
        return -1;
    took(client, written);
    return 0;
}

int mqtt_client_publish(struct mqtt_client *client, const struct mqtt_publish *publish, uint64_t token)
{
    struct mqtt_publish filled = *publish;
    bool taken = client->stage == CLIENT_UP && !client_is_stuck(client) &&
                 publish->qos <= client->state.maximum_qos && (!publish->retain || client->state.retains);

    filled.id = 0;
    if (taken && publish->qos > 0) {
        filled.id = session_publish(&client->session, publish->qos, token, client->publish_limit);
        taken = filled.id != 0;
    }
    if (taken && write_publish(client, &filled) < 0) {
        session_unpublish(&client->session, filled.id);
        taken = false;
    }
    client->state.unsent += !taken;
    return taken ? 0 : -1;
}

/* ---- sending ---- */

void client_send(struct mqtt_client *client)
{
    struct output *output = &client->output;

    if (client->transport == NULL || output->len == 0 || client->stage < CLIENT_GREETING ||
        !transport_send(client->transport, output->bytes, output->len))
        return;
    if (client->stage == CLIENT_GREETING) /* a password may have been in it */
        bulla_wipe(output->bytes, output->len);
    output->len = 0;
    client->said = uv_now(client->loop);
}
