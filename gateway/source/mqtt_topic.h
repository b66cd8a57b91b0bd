/*
 * Topics of the MQTT binding (PROTOCOL 8): a device publishes to PREFIX/KID/up and hears on PREFIX/KID/down.
 * The prefix is whatever --mqtt-topic says before its last two levels; the KID of the topic is not believed:
 * a message says itself whose it is.
 */
#ifndef SOURCE_MQTT_TOPIC_H
#define SOURCE_MQTT_TOPIC_H

#include <stdint.h>

#include "device/bulla.h"
#include "gateway/failure.h"

#define MQTT_TOPIC_DEFAULT "bulla/+/up"
#define MQTT_TOPIC_MAX     512 /* bytes of a topic that the gateway answers on; longer ones are refused */
#define MQTT_GROUP_MAX     128 /* bytes of --mqtt-share */

/* What --mqtt-topic may be: a filter that ends in +/up. 0, or -1 with what to give instead. */
MUST_CHECK int mqtt_topic_check(const char *filter, struct failure *failure);

/* What --mqtt-share may be: 0, or -1 with what is wrong with it. */
MUST_CHECK int mqtt_share_check(const char *group, struct failure *failure);

/*
 * The topic of replies: that of the message (zero-terminated, matched by a filter that mqtt_topic_check()
 * takes), with the kid that authenticated and "down" as its last two levels.
 */
void mqtt_topic_down(char out[MQTT_TOPIC_MAX + 2 * BULLA_KID_MAX + 8], const char *up, const uint8_t *kid,
                     size_t kid_len);

/* Printable ASCII of text from outside, cut to `size` bytes with the zero: for the journal. */
void mqtt_topic_show(char *out, size_t size, const char *topic);

#endif
