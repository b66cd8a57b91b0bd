/* Declarations for tests, written from the vendor's public documentation: ESP-IDF's events. */
#ifndef STUB_ESP_EVENT_H
#define STUB_ESP_EVENT_H

#include "esp_err.h"

#ifdef __cplusplus
extern "C" {
#endif

esp_err_t esp_event_loop_create_default(void);

#ifdef __cplusplus
}
#endif

#endif
