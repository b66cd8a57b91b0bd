/*
 * What the board brings for main.c: its radio, its sensor, a jumper.
 */
#ifndef EXAMPLE_BOARD_H
#define EXAMPLE_BOARD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RADIO_FRAME 60 /* bytes that one frame carries (RFM69; 32 on an nRF24, 51 or more with LoRa) */

/* Sends a frame of 1 to RADIO_FRAME bytes. 0 or -1. */
int radio_send(const uint8_t *frame, size_t len);

/* Waits for a frame, at most so many milliseconds. Returns its bytes, or 0. */
size_t radio_receive(uint8_t frame[RADIO_FRAME], uint32_t milliseconds);

float sensor_celsius(void);

/* 1 while the jumper for making the counter is set. */
int jumper_is_set(void);

/* Stop mode, which keeps all RAM, so that the context goes on. Moves uwTick on by the time slept (stm32.h).
 */
void board_sleep(uint32_t seconds);

#ifdef __cplusplus
}
#endif

#endif
