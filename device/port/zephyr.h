/*
 * A port for Zephyr, whatever the board.
 *
 *     static struct zephyr_port board;
 *
 *     zephyr_port_init(&board, NULL);
 *     zephyr_port_use_random(&board);                  // where CONFIG_ENTROPY_HAS_DRIVER: session contexts
 *     if (zephyr_port_use_settings(&board) < 0)        // CONFIG_SETTINGS: counter contexts
 *         stop();
 *
 * Randomness: sys_csrand_get(), which reports failure. zephyr_random.c is built only where the board has an
 * entropy driver (CONFIG_ENTROPY_HAS_DRIVER); without it a program that asks for it does not link. Nor does
 * it where that driver is a fake: of native_sim, of the nRF PRNG, the test generator, and the RP2040's
 * (rp2040.h); zephyr_random.c names them. On an ESP32 the driver has noise only while the radio is on: nobody
 * tells here.
 *
 * Counters: settings "bulla/a" and "bulla/b", whatever store is behind them (NVS, ZMS, FCB, a file). These
 * write the new value before they drop the old one. Erasing the settings' partition erases the counter: the
 * board then needs a new credential.
 *
 * Timer: k_uptime_get_32().
 *
 * Run: on the host over a model of the settings and of the generator (tests/ports). Not run: in Zephyr's
 * build, which Debian does not have; its declarations were compared with Zephyr's own.
 */
#ifndef BULLA_ZEPHYR_H
#define BULLA_ZEPHYR_H

#include "retained.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Members are the port's own, but for `port`, which is for bulla_open(). It must stay where it is. */
struct zephyr_port {
    struct bulla_port port;
    struct retained_slot *retained;
};

/* A port without randomness and without a store for counters. `retained` (a __noinit variable) keeps a
 * sleeping session where RAM is kept, or is NULL. */
void zephyr_port_init(struct zephyr_port *zephyr, struct retained_slot *retained);

/* Adds randomness. */
void zephyr_port_use_random(struct zephyr_port *zephyr);

/* Adds the store for a counter context; starts the settings subsystem. 0 or BULLA_E_STORE. */
BULLA_MUST_CHECK int zephyr_port_use_settings(struct zephyr_port *zephyr);

#ifdef __cplusplus
}
#endif

#endif
