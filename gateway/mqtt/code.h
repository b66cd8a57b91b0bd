/*
 * Reason codes (2.4), and 3.1.1's return codes.
 */
#ifndef MQTT_CODE_H
#define MQTT_CODE_H

#include "gateway/mqtt/packet.h"

/* Whether a packet of that type, from a server, may carry this code. */
bool mqtt_is_server_code(enum mqtt_version version, enum mqtt_type type, uint8_t code);
/* ... and from a client, with 5.0. */
bool mqtt_is_client_code(enum mqtt_type type, uint8_t code);

#endif
