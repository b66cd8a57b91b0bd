/*
 * The board of examples/cortex_m0_radio on the host: the radio is standard input and output, each frame
 * behind a byte with its length; flash is a file. It sleeps once, and is gone then.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/mman.h>

#include <stm32f0xx_hal.h>

#include "device/examples/cortex_m0_radio/board.h"

#define FLASH_AT   0x0800f000u
#define FLASH_SIZE 4096u /* at least a page of the host */
#define PAGE_SIZE  1024u

static uint8_t *flash;

HAL_StatusTypeDef HAL_Init(void)
{
    int fd = open(getenv("FLASH"), O_RDWR);

    flash = mmap((void *)(uintptr_t)FLASH_AT, FLASH_SIZE, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    if (fd < 0 || flash != (uint8_t *)(uintptr_t)FLASH_AT)
        abort();
    return HAL_OK;
}

HAL_StatusTypeDef HAL_FLASH_Unlock(void)
{
    return HAL_OK;
}

HAL_StatusTypeDef HAL_FLASH_Lock(void)
{
    return HAL_OK;
}

HAL_StatusTypeDef HAL_FLASH_Program(uint32_t TypeProgram, uint32_t Address, uint64_t Data)
{
    if (TypeProgram != FLASH_TYPEPROGRAM_HALFWORD || Address < FLASH_AT ||
        Address - FLASH_AT > FLASH_SIZE - 2)
        return HAL_ERROR;
    flash[Address - FLASH_AT] &= (uint8_t)Data;
    flash[Address - FLASH_AT + 1] &= (uint8_t)(Data >> 8);
    return HAL_OK;
}

HAL_StatusTypeDef HAL_FLASHEx_Erase(FLASH_EraseInitTypeDef *pEraseInit, uint32_t *PageError)
{
    *PageError = 0xffffffffu;
    for (uint32_t i = 0; i < PAGE_SIZE; i++)
        flash[pEraseInit->PageAddress - FLASH_AT + i] = 0xff;
    return HAL_OK;
}

uint32_t HAL_GetTick(void)
{
    static uint32_t now;

    return ++now;
}

int radio_send(const uint8_t *frame, size_t len)
{
    uint8_t head = (uint8_t)len;

    if (len < 1 || len > RADIO_FRAME)
        abort();
    return write(1, &head, 1) == 1 && write(1, frame, len) == (ssize_t)len ? 0 : -1;
}

static int read_all(uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t got = read(0, out, len);
        if (got <= 0)
            return -1;
        out += got;
        len -= (size_t)got;
    }
    return 0;
}

size_t radio_receive(uint8_t frame[RADIO_FRAME], uint32_t milliseconds)
{
    struct pollfd air = {0, POLLIN, 0};
    uint8_t len;

    if (poll(&air, 1, (int)milliseconds) <= 0 || read_all(&len, 1) < 0 || len > RADIO_FRAME ||
        read_all(frame, len) < 0)
        return 0;
    return len;
}

float sensor_celsius(void)
{
    return 23.4f;
}

int jumper_is_set(void)
{
    return getenv("PROVISION") != NULL;
}

void board_sleep(uint32_t seconds)
{
    exit(seconds > 0 ? 0 : 2);
}
