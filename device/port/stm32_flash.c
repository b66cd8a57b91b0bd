#include "stm32.h"

#include <string.h>

#include STM32_PORT_HAL

static int stm32_read(void *context, unsigned unit, uint32_t offset, uint8_t *out, size_t len)
{
    const struct stm32_port *stm32 = (const struct stm32_port *)context;

    memcpy(out, (const void *)(uintptr_t)(stm32->page[unit] + offset), len);
    return 0;
}

static int stm32_write(void *context, unsigned unit, uint32_t offset, const uint8_t *bytes, size_t len)
{
    const struct stm32_port *stm32 = (const struct stm32_port *)context;
    uint32_t at = stm32->page[unit] + offset;
    int error = HAL_FLASH_Unlock() == HAL_OK ? 0 : -1;

    for (size_t i = 0; error == 0 && i < len; i += 2) {
        uint16_t half = (uint16_t)(bytes[i] | bytes[i + 1] << 8);

        if (HAL_FLASH_Program(FLASH_TYPEPROGRAM_HALFWORD, at + (uint32_t)i, half) != HAL_OK)
            error = -1;
    }
    return HAL_FLASH_Lock() == HAL_OK ? error : -1;
}

static int stm32_erase(void *context, unsigned unit)
{
    const struct stm32_port *stm32 = (const struct stm32_port *)context;
    FLASH_EraseInitTypeDef what;
    uint32_t fault = 0;
    int error;

    memset(&what, 0, sizeof(what));
    what.TypeErase = FLASH_TYPEERASE_PAGES;
    what.PageAddress = stm32->page[unit];
    what.NbPages = 1;
    error = HAL_FLASH_Unlock() == HAL_OK && HAL_FLASHEx_Erase(&what, &fault) == HAL_OK ? 0 : -1;
    return HAL_FLASH_Lock() == HAL_OK ? error : -1;
}

int stm32_port_store(struct stm32_port *stm32, uint32_t page_a, uint32_t page_b, uint32_t page_size)
{
    if (page_a == 0 || page_b == 0 || page_a == page_b || page_size < FLASH_CELL_SIZE ||
        page_a % page_size != 0 || page_b % page_size != 0)
        return BULLA_E_ARGUMENT;
    stm32->page[0] = page_a;
    stm32->page[1] = page_b;
    stm32->flash.read = stm32_read;
    stm32->flash.write = stm32_write;
    stm32->flash.erase = stm32_erase;
    stm32->flash.context = stm32;
    stm32->flash.unit_size = page_size;
    return 0;
}
