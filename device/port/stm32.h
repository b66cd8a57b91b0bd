/*
 * A port for STM32 microcontrollers, over ST's HAL.
 *
 *     static struct stm32_port board;
 *
 *     stm32_port_init(&board, NULL);
 *     // F0, F1, F3, for a counter context: two pages of flash of its own
 *     if (stm32_port_store(&board, 0x0801f000, 0x0801f800, 2048) < 0)
 *         stop();
 *     // families with an RNG unit, for a session context
 *     stm32_port_use_rng(&board, &hrng);
 *
 * Randomness: stm32_port_init() gives none, so session contexts are refused. F0, F1 and F3 have no RNG
 * unit: they use a counter context; the 96-bit unique id is no secret, and noise of the ADC is not measured
 * here. F2, F4, F7, H7, L4, L0x2, G4, WB and others have one: add stm32_rng.c and call stm32_port_use_rng();
 * the HAL reports the unit's seed and clock errors, and then the draw fails.
 *
 * Flash: stm32_flash.c, for F0, F1 and F3, whose HAL erases by page address and writes half-words; see
 * flash.h. Flash is rated for 10,000 erasures there. On families with another flash unit use a session
 * context, or fill in struct flash_slots (flash.h) with three functions; where the flash has an
 * error-correcting code (L4, G4, H7), set `once`.
 *
 * Sleep: `retained` in backup RAM, or in RAM that Standby keeps, holds a sleeping session. Stop mode keeps
 * all RAM: there a context simply goes on.
 *
 * Timer: HAL_GetTick(). It stands still in Stop mode, and the time in a late reply is believed then: after
 * waking the application moves it on (uwTick), or sets board.port.timer to NULL.
 *
 * Run: on the host over a model of the HAL that cuts the power at every write and erasure (tests/ports);
 * compiled for Cortex-M0, also against ST's HAL for the F0 (but for stm32_rng.c: no F0 has the unit).
 * Not run: on a chip.
 */
#ifndef BULLA_STM32_H
#define BULLA_STM32_H

#include "flash.h"
#include "retained.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef STM32_PORT_HAL
#define STM32_PORT_HAL "stm32f0xx_hal.h" /* the family's HAL header */
#endif

/* Members are the port's own, but for `port`, which is for bulla_open(). It must stay where it is. */
struct stm32_port {
    struct bulla_port port;
    struct flash_slots flash;
    struct retained_slot *retained;
    void *rng;        /* an RNG_HandleTypeDef */
    uint32_t page[2]; /* addresses */
};

/* A port without randomness and without a store for counters. `retained` keeps a sleeping session, or is
 * NULL. */
void stm32_port_init(struct stm32_port *stm32, struct retained_slot *retained);

/* Adds the store for a counter context: addresses of two pages of `page_size` bytes, aligned, not 0, not the
 * same. 0 or BULLA_E_ARGUMENT. */
BULLA_MUST_CHECK int stm32_port_store(struct stm32_port *stm32, uint32_t page_a, uint32_t page_b,
                                      uint32_t page_size);

/* Adds the RNG unit: an RNG_HandleTypeDef after HAL_RNG_Init(). */
void stm32_port_use_rng(struct stm32_port *stm32, void *rng);

#ifdef __cplusplus
}
#endif

#endif
