#include "gateway/mqtt/code.h"
#include "gateway/mqtt/field.h"

#include <string.h>

/* Writes what follows the fixed header; is called twice, once to count. */
typedef void write_body(struct mqtt_writer *writer, enum mqtt_version version, const void *what);

static int write_packet(uint8_t *out, size_t room, enum mqtt_version version, uint8_t first, write_body *body,
                        const void *what)
{
    struct mqtt_writer writer = {NULL, 0, 0};
    size_t remaining;

    body(&writer, version, what);
    remaining = writer.len;
    if (writer.error != 0)
        return writer.error;
    if (remaining > MQTT_VARIABLE_MAX)
        return MQTT_E_TOO_LONG;
    if (room < 1 + mqtt_variable_size((uint32_t)remaining) + remaining)
        return MQTT_E_ROOM;
    writer = (struct mqtt_writer){out, 0, 0};
    mqtt_put_u8(&writer, first);
    mqtt_put_variable(&writer, (uint32_t)remaining);
    body(&writer, version, what);
    return (int)writer.len;
}

static uint8_t first_byte(enum mqtt_type type, uint8_t flags)
{
    return (uint8_t)(type << 4 | flags);
}

static void put_no_properties(struct mqtt_writer *writer, enum mqtt_version version)
{
    if (version == MQTT_5)
        mqtt_put_variable(writer, 0);
}

/* MQTT-2.2.1-3 */
static void put_id(struct mqtt_writer *writer, uint16_t id)
{
    if (id == 0)
        mqtt_writer_fail(writer, MQTT_E_ID);
    mqtt_put_u16(writer, id);
}

/* ---- CONNECT (3.1) ---- */

enum connect_flag { CLEAN_START = 0x02, WITH_PASSWORD = 0x40, WITH_USER = 0x80 };

/* MQTT-3.1.2-22 and MQTT-3.1.3-7 of 3.1.1, and the values that are none in 5.0. */
static bool is_connect(enum mqtt_version version, const struct mqtt_connect *connect)
{
    if (version == MQTT_5)
        return connect->receive_maximum != 0 && connect->maximum_packet_size != 0;
    return (connect->password == NULL || connect->user != NULL) &&
           (connect->client_id[0] != '\0' || connect->clean_start);
}

static void put_connect_properties(struct mqtt_writer *writer, const struct mqtt_connect *connect)
{
    mqtt_put_variable(writer, 5 + 3 + 5);
    mqtt_put_u8(writer, 0x11);
    mqtt_put_u32(writer, connect->session_expiry);
    mqtt_put_u8(writer, 0x21);
    mqtt_put_u16(writer, connect->receive_maximum);
    mqtt_put_u8(writer, 0x27);
    mqtt_put_u32(writer, connect->maximum_packet_size);
}

static void put_connect(struct mqtt_writer *writer, enum mqtt_version version, const void *what)
{
    const struct mqtt_connect *connect = what;

    if (!is_connect(version, connect))
        mqtt_writer_fail(writer, MQTT_E_VALUE);
    mqtt_put_text(writer, "MQTT");
    mqtt_put_u8(writer, (uint8_t)version);
    mqtt_put_u8(writer, (uint8_t)((connect->clean_start ? CLEAN_START : 0) |
                                  (connect->password != NULL ? WITH_PASSWORD : 0) |
                                  (connect->user != NULL ? WITH_USER : 0)));
    mqtt_put_u16(writer, connect->keep_alive);
    if (version == MQTT_5)
        put_connect_properties(writer, connect);
    mqtt_put_text(writer, connect->client_id);
    if (connect->user != NULL)
        mqtt_put_text(writer, connect->user);
    if (connect->password != NULL)
        mqtt_put_bytes(writer, connect->password, connect->password_len);
}

int mqtt_write_connect(uint8_t *out, size_t room, enum mqtt_version version,
                       const struct mqtt_connect *connect)
{
    return write_packet(out, room, version, first_byte(MQTT_CONNECT, 0), put_connect, connect);
}

/* ---- PUBLISH (3.3) ---- */

static void put_publish_properties(struct mqtt_writer *writer, const char *content_type)
{
    size_t len = content_type == NULL ? 0 : strlen(content_type);

    if (len == 0) {
        mqtt_put_variable(writer, 0);
        return;
    }
    mqtt_put_variable(writer, (uint32_t)(len > UINT16_MAX ? 0 : 3 + len));
    mqtt_put_u8(writer, 0x03);
    mqtt_put_text(writer, content_type);
}

static void put_publish(struct mqtt_writer *writer, enum mqtt_version version, const void *what)
{
    const struct mqtt_publish *publish = what;

    if (publish->qos > 2 || (publish->qos == 0 && publish->dup)) /* MQTT-3.3.1-4, MQTT-3.3.1-2 */
        mqtt_writer_fail(writer, MQTT_E_VALUE);
    if (!mqtt_is_topic(publish->topic, strlen(publish->topic)))
        mqtt_writer_fail(writer, MQTT_E_TEXT);
    mqtt_put_text(writer, publish->topic);
    if (publish->qos > 0)
        put_id(writer, publish->id);
    if (version == MQTT_5)
        put_publish_properties(writer, publish->content_type);
    mqtt_put_span(writer, publish->payload, publish->payload_len);
}

int mqtt_write_publish(uint8_t *out, size_t room, enum mqtt_version version,
                       const struct mqtt_publish *publish)
{
    uint8_t flags = (uint8_t)((publish->dup ? 8 : 0) | (publish->qos & 3) << 1 | (publish->retain ? 1 : 0));

    return write_packet(out, room, version, first_byte(MQTT_PUBLISH, flags), put_publish, publish);
}

/* ---- acknowledgements (3.4 to 3.7) and DISCONNECT (3.14) ---- */

struct answer {
    enum mqtt_type type;
    uint16_t id;
    uint8_t code;
};

static void put_answer(struct mqtt_writer *writer, enum mqtt_version version, const void *what)
{
    const struct answer *answer = what;

    if (version == MQTT_5 && !mqtt_is_client_code(answer->type, answer->code))
        mqtt_writer_fail(writer, MQTT_E_VALUE);
    if (answer->type != MQTT_DISCONNECT)
        put_id(writer, answer->id);
    if (version == MQTT_5 && answer->code != 0)
        mqtt_put_u8(writer, answer->code);
}

int mqtt_write_ack(uint8_t *out, size_t room, enum mqtt_version version, enum mqtt_type type, uint16_t id,
                   uint8_t code)
{
    const struct answer answer = {type, id, code};

    if (type < MQTT_PUBACK || type > MQTT_PUBCOMP)
        return MQTT_E_TYPE;
    return write_packet(out, room, version, first_byte(type, type == MQTT_PUBREL ? 2 : 0), put_answer,
                        &answer);
}

int mqtt_write_disconnect(uint8_t *out, size_t room, enum mqtt_version version, uint8_t code)
{
    const struct answer answer = {MQTT_DISCONNECT, 0, code};

    return write_packet(out, room, version, first_byte(MQTT_DISCONNECT, 0), put_answer, &answer);
}

/* ---- SUBSCRIBE (3.8), UNSUBSCRIBE (3.10) ---- */

struct subscribing {
    uint16_t id;
    const struct mqtt_subscription *subscriptions;
    const char *const *filters;
    size_t count;
};

enum subscription_option { RETAIN_AS_PUBLISHED = 0x08, NO_RETAINED = 0x20 };

static void put_filter(struct mqtt_writer *writer, const char *filter)
{
    if (!mqtt_is_filter(filter, strlen(filter)))
        mqtt_writer_fail(writer, MQTT_E_TEXT);
    mqtt_put_text(writer, filter);
}

/* What both begin with. They have at least one filter (MQTT-3.8.3-2, MQTT-3.10.3-2). */
static void put_subscribing(struct mqtt_writer *writer, enum mqtt_version version,
                            const struct subscribing *subscribing)
{
    if (subscribing->count == 0)
        mqtt_writer_fail(writer, MQTT_E_VALUE);
    if (subscribing->count > MQTT_CODES_MAX)
        mqtt_writer_fail(writer, MQTT_E_TOO_LONG);
    put_id(writer, subscribing->id);
    put_no_properties(writer, version);
}

static void put_subscribe(struct mqtt_writer *writer, enum mqtt_version version, const void *what)
{
    const struct subscribing *subscribing = what;

    put_subscribing(writer, version, subscribing);
    for (size_t i = 0; i < subscribing->count && writer->error == 0; i++) {
        const struct mqtt_subscription *one = &subscribing->subscriptions[i];
        int options =
            (one->retain_as_published ? RETAIN_AS_PUBLISHED : 0) | (one->no_retained ? NO_RETAINED : 0);

        if (one->qos > 2)
            mqtt_writer_fail(writer, MQTT_E_VALUE);
        put_filter(writer, one->filter);
        mqtt_put_u8(writer, (uint8_t)(one->qos | (version == MQTT_5 ? options : 0)));
    }
}

int mqtt_write_subscribe(uint8_t *out, size_t room, enum mqtt_version version, uint16_t id,
                         const struct mqtt_subscription *subscriptions, size_t count)
{
    const struct subscribing subscribing = {id, subscriptions, NULL, count};

    return write_packet(out, room, version, first_byte(MQTT_SUBSCRIBE, 2), put_subscribe, &subscribing);
}

static void put_unsubscribe(struct mqtt_writer *writer, enum mqtt_version version, const void *what)
{
    const struct subscribing *subscribing = what;

    put_subscribing(writer, version, subscribing);
    for (size_t i = 0; i < subscribing->count && writer->error == 0; i++)
        put_filter(writer, subscribing->filters[i]);
}

int mqtt_write_unsubscribe(uint8_t *out, size_t room, enum mqtt_version version, uint16_t id,
                           const char *const *filters, size_t count)
{
    const struct subscribing subscribing = {id, NULL, filters, count};

    return write_packet(out, room, version, first_byte(MQTT_UNSUBSCRIBE, 2), put_unsubscribe, &subscribing);
}

/* ---- PINGREQ (3.12) ---- */

static void put_nothing(struct mqtt_writer *writer, enum mqtt_version version, const void *what)
{
    (void)writer;
    (void)version;
    (void)what;
}

int mqtt_write_ping(uint8_t *out, size_t room)
{
    return write_packet(out, room, MQTT_3_1_1, first_byte(MQTT_PINGREQ, 0), put_nothing, NULL);
}
