/* Declarations for tests, written from the vendor's public documentation: ESP-IDF's Wi-Fi. */
#ifndef STUB_ESP_WIFI_H
#define STUB_ESP_WIFI_H

#include "esp_err.h"

#ifdef __cplusplus
extern "C" {
#endif

esp_err_t esp_wifi_get_max_tx_power(int8_t *power);

#ifdef __cplusplus
}
#endif

#endif
