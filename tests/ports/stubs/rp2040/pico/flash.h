/* Declarations for tests, written from the vendor's public documentation: flash access of the Pico SDK that
 * the other core cannot disturb. */
#ifndef STUB_PICO_FLASH_H
#define STUB_PICO_FLASH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pico_error_codes {
    PICO_OK = 0,
    PICO_ERROR_TIMEOUT = -1,
};

int flash_safe_execute(void (*func)(void *), void *param, uint32_t enter_exit_timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
