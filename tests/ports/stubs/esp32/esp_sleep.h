/* Declarations for tests, written from the vendor's public documentation: ESP-IDF's deep sleep. */
#ifndef STUB_ESP_SLEEP_H
#define STUB_ESP_SLEEP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void esp_deep_sleep(uint64_t time_in_us);

#ifdef __cplusplus
}
#endif

#endif
