/*
 * The board's port where Arduino builds: `struct arduino_port` and arduino_port_init() are those of the
 * board's own port (port/esp8266.h, port/esp32.h, port/avr.h), chosen by the core. On other boards the port
 * offers nothing, so no context opens: hand Bulla::begin() a port of your own there.
 */
#ifndef BULLA_ARDUINO_PORT_H
#define BULLA_ARDUINO_PORT_H

#include "bulla.h"

#if defined(ARDUINO_ARCH_ESP8266)
#include "port/esp8266.h"
#define arduino_port esp8266_port
#elif defined(ARDUINO_ARCH_ESP32)
#include "port/esp32.h"
#define arduino_port esp32_port
#elif defined(ARDUINO_ARCH_AVR)
#include "port/avr.h"
#define arduino_port avr_port
#else
struct arduino_port {
    struct bulla_port port;
};
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Initialises the port; its timer is millis(). Wi-Fi must be on before an ESP's context is opened. */
void arduino_port_init(struct arduino_port *arduino);

#ifdef __cplusplus
}
#endif

#endif
