/*
 * Runs a firmware of an ATmega328P in simavr with its serial line on standard input and output, at 9600 baud,
 * and its EEPROM in a file. usage: avr_serial FIRMWARE EEPROM-FILE LEVEL-OF-D2 Ends, and writes the EEPROM,
 * when standard input ends. Says then on standard error how deep the stack went.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simavr/avr_eeprom.h>
#include <simavr/avr_ioport.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

#define EEPROM_SIZE   1000      /* of 1024; simavr 1.6 takes no whole one */
#define CYCLES_A_BYTE 16667     /* 10 bits at 9600 baud */
#define WIRE_CYCLES   32000000u /* two seconds: then a wire at ground is taken away */

static uint8_t eeprom[EEPROM_SIZE];
static int line_out; /* standard output; what simavr says goes to standard error */

static void on_byte(struct avr_irq_t *irq, uint32_t value, void *param)
{
    uint8_t byte = (uint8_t)value;

    (void)irq, (void)param;
    if (write(line_out, &byte, 1) != 1)
        exit(1);
}

static void move_file(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    size_t done = 0;

    if (file)
        done = mode[0] == 'r' ? fread(eeprom, 1, EEPROM_SIZE, file) : fwrite(eeprom, 1, EEPROM_SIZE, file);
    if (!file || fclose(file) != 0 || done != EEPROM_SIZE) {
        fprintf(stderr, "%s: not an EEPROM\n", path);
        exit(1);
    }
}

/* Passes the next byte on, if there is one. 0 at the end. */
static int feed(avr_t *avr)
{
    struct pollfd line = {.fd = 0, .events = POLLIN};
    uint8_t byte;

    if (poll(&line, 1, 0) <= 0)
        return 1;
    if (read(0, &byte, 1) != 1)
        return 0;
    avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT), byte);
    return 1;
}

static unsigned stack_pointer(const avr_t *avr)
{
    return (unsigned)(avr->data[R_SPL] | avr->data[R_SPH] << 8);
}

int main(int argc, char **argv)
{
    static elf_firmware_t firmware;
    avr_eeprom_desc_t all = {.ee = eeprom, .offset = 0, .size = EEPROM_SIZE};
    avr_t *avr;
    uint64_t next = CYCLES_A_BYTE;
    unsigned lowest = 0xffff;
    uint32_t flags = 0;
    avr_irq_t *d2;

    line_out = dup(1);
    dup2(2, 1);
    avr = avr_make_mcu_by_name("atmega328p");
    if (line_out < 0 || argc != 4 || !avr || elf_read_firmware(argv[1], &firmware) != 0)
        return 2;
    avr_init(avr);
    avr_load_firmware(avr, &firmware);
    avr->frequency = 16000000;
    avr->log = LOG_NONE;
    move_file(argv[2], "r");
    avr_ioctl(avr, AVR_IOCTL_EEPROM_SET, &all);
    avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
    flags &= (uint32_t)~AVR_UART_FLAG_STDIO;
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_byte, NULL);
    d2 = avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('D'), 2);
    avr_raise_irq(d2, (uint32_t)atoi(argv[3]));
    for (;;) {
        int state = avr_run(avr);
        if (state == cpu_Crashed || state == cpu_Done) {
            fprintf(stderr, "the firmware crashed\n");
            return 1;
        }
        if (avr->cycle > 1000 && stack_pointer(avr) < lowest)
            lowest = stack_pointer(avr);
        if (avr->cycle > WIRE_CYCLES && d2->value == 0)
            avr_raise_irq(d2, 1);
        if (avr->cycle < next)
            continue;
        next = avr->cycle + CYCLES_A_BYTE;
        if (!feed(avr))
            break;
    }
    avr_ioctl(avr, AVR_IOCTL_EEPROM_GET, &all);
    move_file(argv[2], "w");
    fprintf(stderr, "stack %u\n", 0x8ffu - lowest);
    return 0;
}
