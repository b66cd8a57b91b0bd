/* Declarations for tests, written from the vendor's public documentation: ESP-IDF's network interfaces. */
#ifndef STUB_ESP_NETIF_H
#define STUB_ESP_NETIF_H

#include "esp_err.h"

#ifdef __cplusplus
extern "C" {
#endif

esp_err_t esp_netif_init(void);

#ifdef __cplusplus
}
#endif

#endif
