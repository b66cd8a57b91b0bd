/*
 * A port for the RP2040, over the Pico SDK.
 *
 *     static struct rp2040_port board;
 *
 *     if (rp2040_port_init(&board, PICO_FLASH_SIZE_BYTES - 8192, PICO_FLASH_SIZE_BYTES - 4096) < 0)
 *         stop();
 *     if (bulla_open(&device, &credential, &board.port) < 0)
 *         stop();
 *
 * Randomness: none. The chip has no random number generator: what there is, the bit of the ring oscillator
 * (ROSC RANDOMBIT), is biased and follows temperature and supply, and pico_rand, which mixes it with timers,
 * does not promise to be fit for cryptography. So random is NULL, session contexts are refused, and the
 * credential must be a counter's.
 *
 * Flash: two 4 KB sectors of its own, given as offsets from the flash's begin; see flash.h. They are written
 * through flash_safe_execute(), which keeps the other core and interrupts off the flash meanwhile: link
 * pico_flash, and on the other core call flash_safe_execute_core_init().
 *
 * Sleep: dormant and sleep modes keep all RAM: a context goes on, nothing is to be saved. Dormant stops the
 * timer: set rp2040.port.timer to NULL then, so that the time in a late reply is not believed.
 *
 * Run: on the host over a model of the flash that cuts the power at every page and erasure (tests/ports);
 * compiled for Cortex-M0, also against the SDK's headers (2.x). Not run: on a chip.
 */
#ifndef BULLA_RP2040_H
#define BULLA_RP2040_H

#include "flash.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Members are the port's own, but for `port`, which is for bulla_open(). It must stay where it is. */
struct rp2040_port {
    struct bulla_port port;
    struct flash_slots flash;
    uint32_t sector[2]; /* offsets */
};

/* Offsets of two sectors, multiples of 4096, not 0, not the same. 0 or BULLA_E_ARGUMENT. */
BULLA_MUST_CHECK int rp2040_port_init(struct rp2040_port *rp2040, uint32_t sector_a, uint32_t sector_b);

#ifdef __cplusplus
}
#endif

#endif
