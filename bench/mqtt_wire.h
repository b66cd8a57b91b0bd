/*
 * As much of MQTT 5 as a load needs, and nothing of the gateway's own codec: what is to be compared with the
 * gateway should not share its costs. Pure; what comes is trusted, except for its lengths.
 */
#ifndef BENCH_MQTT_WIRE_H
#define BENCH_MQTT_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define WIRE_CONNACK 2
#define WIRE_PUBLISH 3
#define WIRE_PUBACK  4
#define WIRE_SUBACK  9

struct wire_packet {
    unsigned type;
    unsigned qos;
    unsigned code; /* CONNACK, and the first one of a SUBACK */
    uint16_t id;
    const uint8_t *topic;
    size_t topic_len;
    const uint8_t *payload;
    size_t payload_len;
};

/* Each returns the packet's size, or 0: no room. */
size_t wire_connect(uint8_t *out, size_t room, const char *client_id, uint16_t receive_maximum);
size_t wire_subscribe(uint8_t *out, size_t room, uint16_t id, const char *filter, unsigned qos);
size_t wire_publish(uint8_t *out, size_t room, unsigned qos, uint16_t id, const void *topic, size_t topic_len,
                    const void *payload, size_t payload_len);
size_t wire_puback(uint8_t *out, size_t room, uint16_t id);

/* Reads the first packet. Its size; 0: not there as a whole; SIZE_MAX: no packet. */
size_t wire_read(struct wire_packet *packet, const uint8_t *bytes, size_t len);

#endif
