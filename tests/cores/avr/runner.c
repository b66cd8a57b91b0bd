/*
 * Runs a program for AVR in simavr, its UART on standard input and output. For each pair of marks a line goes
 * to the log: cycles, and the most stack that was taken between them. usage: runner MCU IMAGE LOG
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <simavr/sim_io.h>

#define GPIOR1      0x4a /* addresses in data memory */
#define GPIOR2      0x4b
#define SP_LOW      0x5d
#define FREQUENCY   16000000
#define CYCLES_MOST 20000000000u

struct run {
    avr_t *avr;
    avr_irq_t *input;
    FILE *log;
    int output; /* standard output, which the simulator's own words do not get */
    avr_cycle_count_t begun;
    unsigned stack;  /* pointer at the mark */
    unsigned lowest; /* since then */
    int counting;
    int ready;  /* the UART takes a byte */
    int status; /* -1 while it runs */
};

static unsigned stack_pointer(const avr_t *avr)
{
    return avr->data[SP_LOW] | (unsigned)avr->data[SP_LOW + 1] << 8;
}

static void on_mark(avr_t *avr, avr_io_addr_t address, uint8_t mark, void *context)
{
    struct run *run = context;

    (void)address;
    if (mark == 1) {
        run->counting = 1;
        run->begun = avr->cycle;
        run->stack = run->lowest = stack_pointer(avr);
    } else if (mark == 2 && run->counting) {
        run->counting = 0;
        fprintf(run->log, "%llu %u\n", (unsigned long long)(avr->cycle - run->begun),
                run->stack - run->lowest);
        fflush(run->log);
    } else if (mark == 3) {
        run->status = avr->data[GPIOR2];
    }
}

static void on_output(struct avr_irq_t *irq, uint32_t value, void *context)
{
    uint8_t byte = (uint8_t)value;

    (void)irq;
    if (write(((struct run *)context)->output, &byte, 1) != 1)
        ((struct run *)context)->status = 90;
}

static void on_ready(struct avr_irq_t *irq, uint32_t value, void *context)
{
    (void)irq;
    (void)value;
    ((struct run *)context)->ready = 1;
}

static void on_busy(struct avr_irq_t *irq, uint32_t value, void *context)
{
    (void)irq;
    (void)value;
    ((struct run *)context)->ready = 0;
}

/* Hands the UART one byte if it takes one and the host has one. The program's end is the input's. */
static void feed(struct run *run, int wait)
{
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    uint8_t byte;

    if (!run->ready || poll(&input, 1, wait) <= 0)
        return;
    if (read(STDIN_FILENO, &byte, 1) == 1)
        avr_raise_irq(run->input, byte);
    else
        run->status = 0;
}

static void attach_uart(struct run *run)
{
    uint32_t flags = 0;

    avr_ioctl(run->avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
    flags &= ~(uint32_t)(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
    avr_ioctl(run->avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    run->input = avr_io_getirq(run->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(run->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_output,
                            run);
    avr_irq_register_notify(avr_io_getirq(run->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), on_ready,
                            run);
    avr_irq_register_notify(avr_io_getirq(run->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XOFF), on_busy,
                            run);
}

static int step(struct run *run)
{
    int state = avr_run(run->avr);

    if (run->counting && stack_pointer(run->avr) < run->lowest)
        run->lowest = stack_pointer(run->avr);
    if (state == cpu_Done || state == cpu_Crashed || run->avr->cycle > CYCLES_MOST) {
        fprintf(stderr, "runner: state %d at %x, stack %x, cycle %llu\n", state, (unsigned)run->avr->pc,
                stack_pointer(run->avr), (unsigned long long)run->avr->cycle);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct run run = {.status = -1};
    elf_firmware_t firmware;

    memset(&firmware, 0, sizeof(firmware));
    run.output = dup(STDOUT_FILENO);
    if (run.output < 0 || freopen("/dev/null", "w", stdout) == NULL)
        return 2;
    if (argc != 4 || elf_read_firmware(argv[2], &firmware) != 0)
        return 2;
    run.avr = avr_make_mcu_by_name(argv[1]);
    run.log = fopen(argv[3], "w");
    if (run.avr == NULL || run.log == NULL || avr_init(run.avr) != 0)
        return 2;
    run.avr->log = LOG_ERROR;
    firmware.frequency = FREQUENCY;
    avr_load_firmware(run.avr, &firmware);
    avr_register_io_write(run.avr, GPIOR1, on_mark, &run);
    attach_uart(&run);
    for (unsigned long i = 0; run.status < 0; i++) {
        if (step(&run) < 0)
            return 3;
        if (i % 64 == 0)
            feed(&run, 0);
    }
    fclose(run.log);
    return run.status;
}
