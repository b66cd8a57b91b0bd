/* ATmega328P in simavr: the UART for bytes; marks and the end by general purpose I/O registers, which the
 * runner watches. */
#include "tests/cores/core.h"

#include <avr/io.h>

#define MARK_BEGIN 1
#define MARK_END   2
#define MARK_STOP  3 /* and the status in GPIOR2 */

static void uart_on(void)
{
    UCSR0B = 1 << RXEN0 | 1 << TXEN0;
}

void core_write(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    uart_on();
    while (len-- > 0) {
        while ((UCSR0A & 1 << UDRE0) == 0)
            ;
        UDR0 = *at++;
    }
}

/* The runner ends the program where there is no more. */
void core_read(void *bytes, size_t len)
{
    uint8_t *at = bytes;

    uart_on();
    while (len-- > 0) {
        while ((UCSR0A & 1 << RXC0) == 0)
            ;
        *at++ = UDR0;
    }
}

void core_stop(int status)
{
    GPIOR2 = (uint8_t)status;
    GPIOR1 = MARK_STOP;
    for (;;)
        ;
}

void core_begin(void)
{
    GPIOR1 = MARK_BEGIN;
}

void core_end(void)
{
    GPIOR1 = MARK_END;
}

/* The runner follows the stack pointer by itself: painting would miss what is reserved and not written. */
size_t core_stack_of(void (*work)(void))
{
    work();
    return 0;
}
