/*
 * What holds of whatever an MQTT broker sends: a row of packets is cut off one by one, as the client does it,
 * and read. What is accepted lies in the packet's own bytes and is what packet.h promises.
 */
#ifndef FUZZ_MQTT_PACKETS_H
#define FUZZ_MQTT_PACKETS_H

#include "fuzz/require.h"
#include "gateway/mqtt/packet.h"

#include <string.h>

#define PACKET_LIMIT 4096

static inline void require_inside(struct mqtt_bytes bytes, const uint8_t *from, size_t len)
{
    require(bytes.at == NULL
                ? bytes.len == 0
                : bytes.at >= from && bytes.at <= from + len && bytes.len <= (size_t)(from + len - bytes.at));
}

static inline void require_ids(const struct mqtt_packet *packet)
{
    int has_id = packet->type != MQTT_CONNACK && packet->type < MQTT_PINGREQ &&
                 (packet->type != MQTT_PUBLISH || packet->qos > 0);

    require((packet->id != 0) == has_id);
    require(packet->qos <= 2 && !(packet->qos == 0 && packet->dup));
    require(packet->code_count <= MQTT_CODES_MAX);
}

static inline void require_publish(const struct mqtt_packet *packet, enum mqtt_version version)
{
    require(version == MQTT_5 || packet->properties.topic_alias == 0);
    require(mqtt_is_topic((const char *)packet->topic.at, packet->topic.len) ||
            (packet->topic.len == 0 && packet->properties.topic_alias > 0));
}

/* A message that is read and written again is read as the same. */
static inline void require_same(const struct mqtt_packet *packet, enum mqtt_version version)
{
    static uint8_t out[PACKET_LIMIT + 16];
    char topic[PACKET_LIMIT];
    struct mqtt_packet again;
    struct mqtt_publish publish = {
        .topic = topic,
        .payload = packet->payload.at,
        .payload_len = packet->payload.len,
        .id = packet->id,
        .qos = packet->qos,
        .retain = packet->retain,
        .dup = packet->dup,
    };
    int size;

    memcpy(topic, packet->topic.at, packet->topic.len);
    topic[packet->topic.len] = '\0';
    size = mqtt_write_publish(out, sizeof(out), version, &publish);
    require(size > 0 && mqtt_packet_read(&again, version, out, (size_t)size) == 0);
    require(again.topic.len == packet->topic.len && again.payload.len == packet->payload.len);
    require(memcmp(again.topic.at, packet->topic.at, again.topic.len) == 0);
    require(memcmp(again.payload.at, packet->payload.at, again.payload.len) == 0);
    require(again.id == packet->id && again.qos == packet->qos && again.retain == packet->retain &&
            again.dup == packet->dup);
}

static inline void require_packet(const struct mqtt_packet *packet, enum mqtt_version version,
                                  const uint8_t *bytes, size_t len)
{
    const struct mqtt_properties *known = &packet->properties;

    require_inside(packet->topic, bytes, len);
    require_inside(packet->payload, bytes, len);
    require_inside(known->client_id, bytes, len);
    require_inside(known->content_type, bytes, len);
    require_inside(known->reason, bytes, len);
    require_inside(known->other_server, bytes, len);
    require_ids(packet);
    if (packet->type == MQTT_PUBLISH) {
        require_publish(packet, version);
        if (packet->topic.len > 0)
            require_same(packet, version);
    }
    if (packet->type == MQTT_CONNACK) {
        require(known->receive_maximum > 0 && known->maximum_packet_size > 0 && known->maximum_qos <= 2);
        require(!packet->session_present || packet->code == 0);
    }
}

/* The packets of a stream, up to the first that is not one. Each lies in memory of its own. */
static inline void read_stream(enum mqtt_version version, const uint8_t *data, size_t size)
{
    size_t len;

    while (mqtt_packet_size(data, size, PACKET_LIMIT, &len) == 1 && len <= size) {
        uint8_t *bytes = malloc(len);
        struct mqtt_packet packet;
        int error;

        require(bytes != NULL && len >= 2 && len <= PACKET_LIMIT);
        memcpy(bytes, data, len);
        error = mqtt_packet_read(&packet, version, bytes, len);
        if (error == 0)
            require_packet(&packet, version, bytes, len);
        else
            require(error < 0 && error > MQTT_E_ROOM);
        require(mqtt_packet_read(&packet, version, bytes, len - 1) < 0);
        free(bytes);
        if (error != 0)
            return;
        data += len;
        size -= len;
    }
}

#endif
