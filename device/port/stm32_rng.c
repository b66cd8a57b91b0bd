#include "stm32.h"

#include <string.h>

#include STM32_PORT_HAL

static int stm32_random(void *context, uint8_t *out, size_t len)
{
    const struct stm32_port *stm32 = (const struct stm32_port *)context;
    RNG_HandleTypeDef *rng = (RNG_HandleTypeDef *)stm32->rng;
    uint32_t before = 0;

    if (HAL_RNG_GenerateRandomNumber(rng, &before) != HAL_OK) /* the first word is only compared with */
        return -1;
    while (len > 0) {
        size_t some = len < 4 ? len : 4;
        uint32_t word = before;

        /* Two equal words in a row mean a unit that stands still (FIPS 140-2 4.9.2). */
        if (HAL_RNG_GenerateRandomNumber(rng, &word) != HAL_OK || word == before)
            return -1;
        memcpy(out, &word, some);
        before = word;
        out += some;
        len -= some;
    }
    return 0;
}

void stm32_port_use_rng(struct stm32_port *stm32, void *rng)
{
    stm32->rng = rng;
    stm32->port.random = rng == NULL ? NULL : stm32_random;
}
