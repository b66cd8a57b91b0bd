/*
 * A limit to compare with: a subscriber that acknowledges what the broker delivers and publishes a reply of
 * the same size, and neither opens nor stores anything. It runs in a process of its own, as the gateway does.
 */
#ifndef BENCH_MQTT_BARE_H
#define BENCH_MQTT_BARE_H

#include <netinet/in.h>
#include <sys/types.h>

#include "gateway/failure.h"

struct mqtt_bare_options {
    const struct sockaddr_in *broker;
    const char *prefix; /* PREFIX/+/up is subscribed to, at QoS 1 */
    size_t reply_size;  /* bytes */
    uint16_t receive_maximum;
};

/* Starts it, and waits until it is subscribed. Its process, or -1 with the failure. */
MUST_CHECK pid_t mqtt_bare_start(const struct mqtt_bare_options *options, struct failure *failure);
void mqtt_bare_stop(pid_t pid);

#endif
