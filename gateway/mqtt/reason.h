/*
 * Why a broker said no, in words for a person, with what to do about it.
 */
#ifndef MQTT_REASON_H
#define MQTT_REASON_H

#include <stdint.h>

#include "gateway/mqtt/packet.h"

/* A reason code of 5.0 (2.4). Never NULL. */
const char *mqtt_reason(uint8_t code);

/* A return code of 3.1.1's CONNACK (3.2.2.3), not 0. Never NULL. */
const char *mqtt_return_code(uint8_t code);

#endif
