/*
 * A port for nRF51 and nRF52 chips, over their registers (nrf.h of the MDK). For firmware without a
 * SoftDevice: one that is enabled owns the generator and the flash, and faults what touches them; give struct
 * bulla_port functions over sd_rand_application_vector_get() and sd_flash_write() then.
 *
 *     // in RAM that System OFF keeps powered, and that start-up code leaves alone
 *     __attribute__((section(".noinit"))) static struct retained_slot saved;
 *     static struct nrf5x_port board;
 *
 *     nrf5x_port_init(&board, &saved);
 *     if (nrf5x_port_store(&board, page_a, page_b) < 0) // only for a counter context: two pages of its own
 *         stop();
 *
 * Randomness: the RNG peripheral, with its bias correction on (without it the vendor promises no uniformity).
 * It is given some milliseconds for a byte; if it does not answer, or gives the same 8 bytes twice, the draw
 * fails. Session contexts are the choice for these chips.
 *
 * Flash: see flash.h. Between erasures a word is written at most twice, and 512 bytes at most 151 times: the
 * chips allow 2, and the nRF52832 allows 181 (later ones more). The CPU stands still while a page is erased
 * (about 22 ms on an nRF51, 85 ms on an nRF52).
 *
 * Timer: none here, the chips have no clock of milliseconds by themselves; give board.port.timer a function,
 * or leave it.
 *
 * Run: on the host over a model of both peripherals that cuts the power at every access (tests/ports);
 * compiled for Cortex-M0 and M4, also against the vendor's MDK (nRF51422, nRF52832, nRF52840). Not run: on a
 * chip.
 */
#ifndef BULLA_NRF5X_H
#define BULLA_NRF5X_H

#include "flash.h"
#include "retained.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef NRF5X_PORT_PAGE_SIZE
#define NRF5X_PORT_PAGE_SIZE 4096u /* nRF52; 1024u on an nRF51 */
#endif

/* Members are the port's own, but for `port`, which is for bulla_open(). It must stay where it is. */
struct nrf5x_port {
    struct bulla_port port;
    struct flash_slots flash;
    struct retained_slot *retained;
    uint32_t page[2]; /* addresses; 0: no store for counters */
};

/* A port for session contexts. `retained` keeps a sleeping session, or is NULL. */
void nrf5x_port_init(struct nrf5x_port *nrf5x, struct retained_slot *retained);

/* Adds the store for a counter context: addresses of two pages, aligned, not 0, not the same. 0 or
 * BULLA_E_ARGUMENT. */
BULLA_MUST_CHECK int nrf5x_port_store(struct nrf5x_port *nrf5x, uint32_t page_a, uint32_t page_b);

#ifdef __cplusplus
}
#endif

#endif
