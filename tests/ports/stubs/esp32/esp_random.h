/* Declarations for tests, written from the vendor's public documentation: ESP-IDF's generator. */
#ifndef STUB_ESP_RANDOM_H
#define STUB_ESP_RANDOM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void esp_fill_random(void *buf, size_t len);

#ifdef __cplusplus
}
#endif

#endif
