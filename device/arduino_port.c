/*
 * Arduino builds every file that lies beside this one, and none in the folders below: so this one takes in
 * the board's port. Elsewhere it is empty, and the build takes the port that it wants.
 */
#include "arduino_port.h"

#if defined(ARDUINO)

#include <string.h>

#include <Arduino.h>

static uint32_t arduino_timer(void *context)
{
    (void)context;
    return (uint32_t)millis();
}

#if defined(ARDUINO_ARCH_ESP8266)

#include "port/esp8266.c"
#include "port/flash.c"

void arduino_port_init(struct arduino_port *arduino)
{
    esp8266_port_init(arduino);
    arduino->port.timer = arduino_timer;
}

#elif defined(ARDUINO_ARCH_ESP32)

#include "port/esp32.c"
#include "port/esp32_wifi.c"
#include "port/retained.c"

RTC_NOINIT_ATTR static struct retained_slot arduino_retained; /* over deep sleep */

void arduino_port_init(struct arduino_port *arduino)
{
    esp32_port_init(arduino, esp32_wifi_is_on, &arduino_retained);
    arduino->port.timer = arduino_timer;
}

#elif defined(ARDUINO_ARCH_AVR)

#include "port/avr.c"

void arduino_port_init(struct arduino_port *arduino)
{
    avr_port_init(arduino, 0);
    arduino->port.timer = arduino_timer;
}

#else

void arduino_port_init(struct arduino_port *arduino)
{
    memset(arduino, 0, sizeof(*arduino));
    arduino->port.timer = arduino_timer;
}

#endif

#endif
