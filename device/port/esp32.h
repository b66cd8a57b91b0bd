/*
 * A port for the ESP32 family, over ESP-IDF (also where it lies under the Arduino core).
 *
 *     RTC_NOINIT_ATTR static struct retained_slot saved;  // survives deep sleep
 *     static struct esp32_port board;
 *
 *     esp32_port_init(&board, esp32_wifi_is_on, &saved);  // Wi-Fi is started before the context is opened
 *     if (esp32_port_credential(&credential, NULL) < 0)   // from NVS: bulla device export --format nvs
 *         stop();
 *     if (bulla_wake(&device, &credential, &board.port) < 0)
 *         stop();
 *
 * Randomness: esp_fill_random() gives noise only while the radio is on or bootloader_random_enable() is in
 * force, and says nothing when neither is. So this port asks `radio_is_on` at every draw, and fails if it
 * says no. Without a radio (NULL) it brackets every draw with bootloader_random_enable() and _disable(): then
 * nothing else may use the radio, the ADC or I2S at that moment, which only the application can know.
 *
 * Counters: blobs "ctr_a" and "ctr_b" in NVS' namespace "bulla". NVS writes a new entry before it drops the
 * old one and spreads the wear. nvs_flash_init() must have been called; nvs_flash_erase() erases the counter:
 * the board then needs a new credential. With NVS encryption both lie encrypted.
 *
 * Run: on the host over models of NVS and of the generator (tests/ports); compiled against the headers of
 * ESP-IDF 5.5. Not run: on a chip, and not compiled by Espressif's compiler, which Debian does not have.
 */
#ifndef BULLA_ESP32_H
#define BULLA_ESP32_H

#include "retained.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Members are the port's own, but for `port`, which is for bulla_open(). It must stay where it is. */
struct esp32_port {
    struct bulla_port port;
    int (*radio_is_on)(void);
    struct retained_slot *retained;
};

/*
 * `radio_is_on` says whether Wi-Fi or Bluetooth is started: esp32_wifi_is_on, a function of your own for
 * Bluetooth, or NULL for a board that never uses the radio, the ADC or I2S when a context is opened or begins
 * anew. `retained` keeps a sleeping session, or is NULL.
 */
void esp32_port_init(struct esp32_port *esp32, int (*radio_is_on)(void), struct retained_slot *retained);

/* 1 while Wi-Fi is started. In a file of its own, so that it costs nothing where it is not used. */
int esp32_wifi_is_on(void);

/*
 * Reads the credential from NVS' namespace "bulla": blobs "kid" and "secret", u8 "alg" and "kind" (0 session,
 * 1 counter), and, unless `name` is NULL, string "name" into it (BULLA_NAME_MAX + 1 bytes; empty if there is
 * none). Wipe the credential after bulla_open(). Returns 0, or BULLA_E_STORE if there is none, or no whole
 * one.
 */
BULLA_MUST_CHECK int esp32_port_credential(struct bulla_credential *credential, char *name);

#ifdef __cplusplus
}
#endif

#endif
