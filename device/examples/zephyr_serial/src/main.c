/*
 * A thermometer on a Zephyr board, on the serial port of a host that runs `bulla forward --serial DEV --to
 * URL`. Its counter lies in the settings, so no randomness is asked of the board:
 *
 *     bulla device add shed --counter
 *     bulla device export shed --format header > src/credential.h     # not in version control
 *
 * The line is the board's shell UART, not its console. PROVISION is defined for the one build that makes the
 * counter, and does nothing else.
 */
#include <bulla.h>
#include <frame.h>
#include <port/zephyr.h>

#include <zephyr/device.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>

#include "credential.h"

#define ATTEMPTS  5
#define PERIOD_MS 600000
#define ANSWER_MS 3000

static const struct device *const line = DEVICE_DT_GET(DT_CHOSEN(zephyr_shell_uart));
static struct zephyr_port board;
static struct bulla device;

static float measure(void)
{
    return 21.5f; /* your sensor's reading */
}

static void put(void *context, uint8_t byte)
{
    (void)context;
    uart_poll_out(line, byte);
}

/* The bytes of a whole answer, or 0. */
static size_t receive(uint8_t *out, size_t size)
{
    struct bulla_frame frame;
    uint32_t since = k_uptime_get_32();

    bulla_frame_begin(&frame, out, size);
    while (k_uptime_get_32() - since < ANSWER_MS) {
        unsigned char byte;
        int len = uart_poll_in(line, &byte) == 0 ? bulla_frame_take(&frame, byte) : 0;

        if (len > 0)
            return (size_t)len;
    }
    return 0;
}

/* One reading, until it is proven to be stored or the attempts are used up. */
static void report(float celsius)
{
    static uint8_t buffer[128];
    static uint8_t answer[160];
    struct bulla_message message;
    int error;

    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_float(&message, "temperature", "Cel", celsius);
    error = bulla_seal(&device, &message);
    for (int i = 0; i < ATTEMPTS && error >= 0; i++) {
        size_t len =
            bulla_frame_put(message.data, message.size, put, NULL) == 0 ? receive(answer, sizeof(answer)) : 0;
        enum bulla_fate fate = BULLA_WAITING;

        if (len > 0 && bulla_open_reply(&device, answer, len, NULL) == 0) /* else nothing of it is believed */
            fate = bulla_fate(&device, &message);
        if (fate == BULLA_STORED)
            return;
        error = fate == BULLA_WAITING ? bulla_resend(&device, &message) : bulla_seal_again(&device, &message);
    }
}

int main(void)
{
    zephyr_port_init(&board, NULL);
    if (!device_is_ready(line) || zephyr_port_use_settings(&board) < 0)
        return 1;
#if defined(PROVISION)
    return bulla_provision_counter(&credential, &board.port) < 0;
#endif
    if (bulla_open(&device, &credential, &board.port) < 0)
        return 1; /* no counter: the settings were erased, or it was never made */
    for (;;) {
        report(measure());
        k_msleep(PERIOD_MS);
    }
}
