/* Declarations for tests, written from the vendor's public documentation: flash of the non-OS SDK. */
#ifndef STUB_SPI_FLASH_H
#define STUB_SPI_FLASH_H

#include "c_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    SPI_FLASH_RESULT_OK,
    SPI_FLASH_RESULT_ERR,
    SPI_FLASH_RESULT_TIMEOUT,
} SpiFlashOpResult;

SpiFlashOpResult spi_flash_erase_sector(uint16 sec);
SpiFlashOpResult spi_flash_write(uint32 des_addr, uint32 *src_addr, uint32 size);
SpiFlashOpResult spi_flash_read(uint32 src_addr, uint32 *des_addr, uint32 size);

#ifdef __cplusplus
}
#endif

#endif
