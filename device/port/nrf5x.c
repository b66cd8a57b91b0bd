#include "nrf5x.h"

#include <string.h>

#include <nrf.h>

#define NRF5X_POLLS                                                                                          \
    100000u /* of a register: milliseconds, where a byte takes under 1 (bias correction on)                  \
             */
#define NRF5X_ERASE_MAX 100000000u /* polls; the CPU stands still in most of them */

/* ---- randomness ---- */

static int nrf5x_random_byte(uint8_t *out)
{
    uint32_t polls = 0;

    while (NRF_RNG->EVENTS_VALRDY == 0) {
        if (++polls == NRF5X_POLLS)
            return -1;
    }
    *out = (uint8_t)NRF_RNG->VALUE;
    NRF_RNG->EVENTS_VALRDY = 0;
    return 0;
}

static int nrf5x_random_bytes(uint8_t *out, size_t len)
{
    int error = 0;

    NRF_RNG->CONFIG = RNG_CONFIG_DERCEN_Enabled << RNG_CONFIG_DERCEN_Pos;
    NRF_RNG->EVENTS_VALRDY = 0;
    NRF_RNG->TASKS_START = 1;
    for (size_t i = 0; error == 0 && i < len; i++)
        error = nrf5x_random_byte(&out[i]);
    NRF_RNG->TASKS_STOP = 1;
    return error;
}

static int nrf5x_random(void *context, uint8_t *out, size_t len)
{
    uint8_t other[8];

    (void)context;
    if (len > sizeof(other) || nrf5x_random_bytes(out, len) != 0 || nrf5x_random_bytes(other, len) != 0)
        return -1;
    return memcmp(out, other, len) == 0 ? -1 : 0;
}

/* ---- flash ---- */

static int nrf5x_wait(void)
{
    uint32_t polls = 0;

    while (NRF_NVMC->READY == NVMC_READY_READY_Busy) {
        if (++polls == NRF5X_ERASE_MAX)
            return -1;
    }
    return 0;
}

static volatile uint32_t *nrf5x_at(void *context, unsigned unit, uint32_t offset)
{
    const struct nrf5x_port *nrf5x = (const struct nrf5x_port *)context;

    return (volatile uint32_t *)(uintptr_t)(nrf5x->page[unit] + offset);
}

static int nrf5x_read(void *context, unsigned unit, uint32_t offset, uint8_t *out, size_t len)
{
    const volatile uint32_t *at = nrf5x_at(context, unit, offset);

    for (size_t i = 0; i < len; i += 4) {
        uint32_t word = *at++;

        memcpy(out + i, &word, 4);
    }
    return 0;
}

static int nrf5x_write(void *context, unsigned unit, uint32_t offset, const uint8_t *bytes, size_t len)
{
    volatile uint32_t *at = nrf5x_at(context, unit, offset);
    int error;

    NRF_NVMC->CONFIG = NVMC_CONFIG_WEN_Wen << NVMC_CONFIG_WEN_Pos;
    error = nrf5x_wait();
    for (size_t i = 0; error == 0 && i < len; i += 4) {
        uint32_t word;

        memcpy(&word, bytes + i, 4);
        if (word != 0xffffffffu) { /* which changes nothing, but would count as a write */
            at[i / 4] = word;
            error = nrf5x_wait();
        }
    }
    NRF_NVMC->CONFIG = NVMC_CONFIG_WEN_Ren << NVMC_CONFIG_WEN_Pos;
    return nrf5x_wait() != 0 ? -1 : error;
}

static int nrf5x_erase(void *context, unsigned unit)
{
    const struct nrf5x_port *nrf5x = (const struct nrf5x_port *)context;
    int error;

    NRF_NVMC->CONFIG = NVMC_CONFIG_WEN_Een << NVMC_CONFIG_WEN_Pos;
    error = nrf5x_wait();
    if (error == 0) {
        NRF_NVMC->ERASEPAGE = nrf5x->page[unit];
        error = nrf5x_wait();
    }
    NRF_NVMC->CONFIG = NVMC_CONFIG_WEN_Ren << NVMC_CONFIG_WEN_Pos;
    return nrf5x_wait() != 0 ? -1 : error;
}

/* ---- slots ---- */

static int nrf5x_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    const struct nrf5x_port *nrf5x = (const struct nrf5x_port *)context;

    if (slot == BULLA_SLOT_SESSION)
        return retained_load(nrf5x->retained, out, len);
    return nrf5x->page[0] == 0 ? -1 : flash_slots_load(&nrf5x->flash, slot, out, len);
}

static int nrf5x_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    const struct nrf5x_port *nrf5x = (const struct nrf5x_port *)context;

    if (slot == BULLA_SLOT_SESSION)
        return retained_store(nrf5x->retained, data, len);
    return nrf5x->page[0] == 0 ? -1 : flash_slots_store(&nrf5x->flash, slot, data, len);
}

void nrf5x_port_init(struct nrf5x_port *nrf5x, struct retained_slot *retained)
{
    memset(nrf5x, 0, sizeof(*nrf5x));
    nrf5x->retained = retained;
    nrf5x->port.random = nrf5x_random;
    nrf5x->port.load = nrf5x_load;
    nrf5x->port.store = nrf5x_store;
    nrf5x->port.context = nrf5x;
    nrf5x->flash.read = nrf5x_read;
    nrf5x->flash.write = nrf5x_write;
    nrf5x->flash.erase = nrf5x_erase;
    nrf5x->flash.context = nrf5x;
    nrf5x->flash.unit_size = NRF5X_PORT_PAGE_SIZE;
}

int nrf5x_port_store(struct nrf5x_port *nrf5x, uint32_t page_a, uint32_t page_b)
{
    if (page_a == 0 || page_b == 0 || page_a == page_b || page_a % NRF5X_PORT_PAGE_SIZE != 0 ||
        page_b % NRF5X_PORT_PAGE_SIZE != 0)
        return BULLA_E_ARGUMENT;
    nrf5x->page[0] = page_a;
    nrf5x->page[1] = page_b;
    return 0;
}
