/* Declarations for tests, written from the vendor's public documentation: ST's HAL, as much as an STM32F0 and
 * the RNG unit of other families need. */
#ifndef STUB_STM32F0XX_HAL_H
#define STUB_STM32F0XX_HAL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    HAL_OK,
    HAL_ERROR,
    HAL_BUSY,
    HAL_TIMEOUT,
} HAL_StatusTypeDef;

typedef struct {
    uint32_t TypeErase;
    uint32_t PageAddress;
    uint32_t NbPages;
} FLASH_EraseInitTypeDef;

typedef struct {
    uint32_t State;
} RNG_HandleTypeDef;

#define FLASH_TYPEERASE_PAGES      0x00u
#define FLASH_TYPEPROGRAM_HALFWORD 0x01u

HAL_StatusTypeDef HAL_FLASH_Unlock(void);
HAL_StatusTypeDef HAL_FLASH_Lock(void);
HAL_StatusTypeDef HAL_FLASH_Program(uint32_t TypeProgram, uint32_t Address, uint64_t Data);
HAL_StatusTypeDef HAL_FLASHEx_Erase(FLASH_EraseInitTypeDef *pEraseInit, uint32_t *PageError);
HAL_StatusTypeDef HAL_RNG_GenerateRandomNumber(RNG_HandleTypeDef *hrng, uint32_t *random32bit);
uint32_t HAL_GetTick(void);
void HAL_Delay(uint32_t Delay);
HAL_StatusTypeDef HAL_Init(void);

#ifdef __cplusplus
}
#endif

#endif
