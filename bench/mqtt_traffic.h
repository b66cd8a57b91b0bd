/*
 * MQTT as devices speak it: QoS 1 up, the reply from the device's own topic, one message of a device under
 * way. Devices share the connections evenly; with as many connections as devices each has its own. One
 * thread, epoll.
 */
#ifndef BENCH_MQTT_TRAFFIC_H
#define BENCH_MQTT_TRAFFIC_H

#include <netinet/in.h>

#include "bench/exchange.h"
#include "bench/fleet.h"

struct mqtt_connection;
struct mqtt_device;

struct mqtt_traffic {
    int epoll;
    const char *prefix;
    struct mqtt_connection *connections;
    unsigned count;
    struct mqtt_device *devices;
    unsigned device_count;
    struct exchange *exchanges; /* of the run */
    size_t left;                /* exchanges that are not complete */
    uint32_t *following;        /* by exchange: the same device's next one, or none */
    /* of the last run */
    uint64_t span;      /* nanoseconds */
    uint64_t processor; /* nanoseconds of this process */
    uint64_t reply_bytes;
};

/*
 * Connects and subscribes: devices publish on PREFIX/KID/up and listen on PREFIX/KID/down. Returns 0, or -1
 * with the failure; mqtt_traffic_close() serves after both. The prefix lasts as long as the traffic.
 */
MUST_CHECK int mqtt_traffic_open(struct mqtt_traffic *traffic, const struct sockaddr_in *address,
                                 const char *prefix, const struct fleet *fleet, unsigned connections,
                                 struct failure *failure);
void mqtt_traffic_close(struct mqtt_traffic *traffic);

/*
 * Every device sends its exchanges in their order, each when the one before was answered: acknowledged by the
 * broker and replied to. Returns 0, or -1 if a connection failed or a reply did not come.
 */
MUST_CHECK int mqtt_traffic_run(struct mqtt_traffic *traffic, struct exchange *exchanges, size_t count,
                                struct failure *failure);

/* The same for a fleet. It lasts as long as the traffic. */
struct way mqtt_traffic_way(struct mqtt_traffic *traffic);

#endif
