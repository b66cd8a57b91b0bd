#include "stm32.h"

#include <string.h>

#include STM32_PORT_HAL

static int stm32_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    const struct stm32_port *stm32 = (const struct stm32_port *)context;

    if (slot == BULLA_SLOT_SESSION)
        return retained_load(stm32->retained, out, len);
    return stm32->page[0] == 0 ? -1 : flash_slots_load(&stm32->flash, slot, out, len);
}

static int stm32_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    const struct stm32_port *stm32 = (const struct stm32_port *)context;

    if (slot == BULLA_SLOT_SESSION)
        return retained_store(stm32->retained, data, len);
    return stm32->page[0] == 0 ? -1 : flash_slots_store(&stm32->flash, slot, data, len);
}

static uint32_t stm32_timer(void *context)
{
    (void)context;
    return HAL_GetTick();
}

void stm32_port_init(struct stm32_port *stm32, struct retained_slot *retained)
{
    memset(stm32, 0, sizeof(*stm32));
    stm32->retained = retained;
    stm32->port.load = stm32_load;
    stm32->port.store = stm32_store;
    stm32->port.timer = stm32_timer;
    stm32->port.context = stm32;
}
