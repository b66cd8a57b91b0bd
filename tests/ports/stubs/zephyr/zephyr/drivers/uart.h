/* Declarations for tests, written from the vendor's public documentation: Zephyr's UART. */
#ifndef STUB_ZEPHYR_UART_H
#define STUB_ZEPHYR_UART_H

#include <zephyr/device.h>

#ifdef __cplusplus
extern "C" {
#endif

void uart_poll_out(const struct device *dev, unsigned char out_char);
int uart_poll_in(const struct device *dev, unsigned char *p_char);

#ifdef __cplusplus
}
#endif

#endif
