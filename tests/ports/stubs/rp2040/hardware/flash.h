/* Declarations for tests, written from the vendor's public documentation: flash of the Pico SDK. */
#ifndef STUB_HARDWARE_FLASH_H
#define STUB_HARDWARE_FLASH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FLASH_PAGE_SIZE   (1u << 8)
#define FLASH_SECTOR_SIZE (1u << 12)

void flash_range_erase(uint32_t flash_offs, size_t count);
void flash_range_program(uint32_t flash_offs, const uint8_t *data, size_t count);

#ifdef __cplusplus
}
#endif

#endif
