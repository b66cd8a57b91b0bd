/*
 * A device's topics at a broker (PROTOCOL 8, MQTT): it publishes on bulla/KID/up, and replies come on
 * bulla/KID/down.
 */
#ifndef DEVICE_TOPIC_H
#define DEVICE_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/bulla.h"

#define DEVICE_TOPIC_SIZE (6 + 2 * BULLA_KID_MAX + 6) /* bytes, with the terminating zero */

/* Whether that is a broker's address: mqtt://, mqtts://, or @FILE with one. */
bool is_broker(const char *to);

/* Writes the topic for a kid of 1 to BULLA_KID_MAX bytes; `direction` is "up" or "down". */
void device_topic(char out[DEVICE_TOPIC_SIZE], const uint8_t *kid, size_t kid_len, const char *direction);

/* The kid that a topic of replies names. Its length, or 0: it is none. */
size_t device_topic_kid(uint8_t kid[BULLA_KID_MAX], const uint8_t *topic, size_t len);

#endif
