/*
 * Options that name MQTT brokers and topics: parsers that say what is wrong where it was said.
 */
#ifndef BROKERS_H
#define BROKERS_H

#include "cli/options.h"

option_parser option_broker;     /* struct option_strings: a URL, or @FILE, which is read only later */
option_parser option_mqtt_topic; /* const char *: PREFIX/+/up */
option_parser option_mqtt_share; /* const char * */

#endif
