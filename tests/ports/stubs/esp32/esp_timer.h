/* Declarations for tests, written from the vendor's public documentation: ESP-IDF's timer. */
#ifndef STUB_ESP_TIMER_H
#define STUB_ESP_TIMER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

int64_t esp_timer_get_time(void); /* microseconds since boot */

#ifdef __cplusplus
}
#endif

#endif
