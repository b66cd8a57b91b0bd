/*
 * The properties of packets that a broker sends (2.2.2).
 */
#ifndef MQTT_PROPERTY_H
#define MQTT_PROPERTY_H

#include "gateway/mqtt/field.h"

/* What holds where CONNACK says nothing (3.2.2.3). */
void mqtt_properties_default(struct mqtt_properties *properties);

/* Reads the length and the properties behind it, which must be ones of that packet. */
void mqtt_get_properties(struct mqtt_reader *reader, enum mqtt_type type, struct mqtt_properties *properties);

#endif
