/* Declarations for tests, written from the vendor's public documentation: what ESP-IDF's examples connect
 * with. */
#ifndef STUB_PROTOCOL_EXAMPLES_COMMON_H
#define STUB_PROTOCOL_EXAMPLES_COMMON_H

#include "esp_err.h"

#ifdef __cplusplus
extern "C" {
#endif

esp_err_t example_connect(void);

#ifdef __cplusplus
}
#endif

#endif
