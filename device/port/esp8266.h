/*
 * A port for the ESP8266, over Espressif's SDK as it stands in its Arduino core (and in the non-OS SDK).
 *
 *     static struct esp8266_port board;
 *
 *     WiFi.mode(WIFI_STA);                             // the radio must be on before randomness is drawn
 *     esp8266_port_init(&board);                       // session contexts, which sleep in RTC memory
 *     esp8266_port_store(&board, 0x3fa, 0x3fb);        // only for a counter context: two sectors of its own
 *     if (bulla_wake(&device, &credential, &board.port) < 0)
 *         stop();
 *
 * Randomness: os_get_random(), which reads the hardware's generator. Its noise comes from the radio, so while
 * Wi-Fi's mode is off (wifi_get_opmode() says NULL_MODE) this port fails instead; so does it where the same 8
 * bytes come twice. It cannot see that the chip was woken without its radio (WAKE_RF_DISABLED, a mode of
 * Wi-Fi set all the same): do not wake it so, or not for a session. Session contexts are the choice for this
 * chip.
 *
 * Sleep: 16 words of RTC memory from ESP8266_PORT_RTC_BLOCK on. They outlive deep sleep and a reset, not the
 * battery. The Arduino core's updater uses the first 32 words of the user's part (blocks 64 to 95): stay
 * behind them.
 *
 * Flash: two 4 KB sectors that nothing else uses, neither file system nor EEPROM emulation nor updates; see
 * flash.h. In the Arduino core's layouts of 4 MB with a file system, 0x3fa lies behind it and 0x3fb is the
 * EEPROM emulation's, which the sketch then must not use. Without a file system updates are laid over 0x3fa.
 *
 * Timer: none here; the application gives board.port.timer a function (in Arduino: one that returns
 * millis()). system_get_time() would not do: it comes round after 71 minutes.
 *
 * Run: on the host over a model of RTC memory and flash that cuts the power at every write (tests/ports),
 * compiled for the lx106 core, also against the headers of Espressif's ESP8266_NONOS_SDK 3.0.4. Not run: on
 * a chip. How much entropy the generator gives was not measured.
 */
#ifndef BULLA_ESP8266_H
#define BULLA_ESP8266_H

#include "flash.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ESP8266_PORT_RTC_BLOCK
#define ESP8266_PORT_RTC_BLOCK 128 /* of 4 bytes; the user's are 64 to 191 */
#endif

/* Members are the port's own, but for `port`, which is for bulla_open(). It must stay where it is. */
struct esp8266_port {
    struct bulla_port port;
    struct flash_slots flash;
    uint16_t sector[2]; /* 0: no store for counters */
};

/* A port for session contexts. */
void esp8266_port_init(struct esp8266_port *esp8266);

/* Adds the store for a counter context: two numbers of sectors, not 0 and not the same. 0 or
 * BULLA_E_ARGUMENT. */
BULLA_MUST_CHECK int esp8266_port_store(struct esp8266_port *esp8266, uint16_t sector_a, uint16_t sector_b);

#ifdef __cplusplus
}
#endif

#endif
