/* Declarations for tests, written from the vendor's public documentation: ESP-IDF's errors. */
#ifndef STUB_ESP_ERR_H
#define STUB_ESP_ERR_H

#include <stdint.h>

typedef int esp_err_t;

#define ESP_OK                   0
#define ESP_FAIL                 (-1)
#define ESP_ERR_NVS_NOT_FOUND    0x1102
#define ESP_ERR_WIFI_NOT_STARTED 0x3002

#endif
