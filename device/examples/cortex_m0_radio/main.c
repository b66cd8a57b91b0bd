/*
 * A thermometer on a Cortex-M0 (STM32F0) over a radio with frames of 60 bytes. Its message takes 55 to 59
 * bytes and goes in one; with a challenge 73, and a reply up to 80: in two. The first byte of a frame is its
 * number, with LAST in the last one; what is put together wrongly does not authenticate. The station passes
 * messages on as they are.
 *
 * No randomness: a counter context (bulla device add shed --counter; bulla device export shed --format header
 * > credential.h). Build with port/stm32.c, port/stm32_flash.c, port/flash.c, port/retained.c and a provider.
 */
#include <string.h>

#include <bulla.h>
#include <port/stm32.h>
#include STM32_PORT_HAL

#include "board.h"
#include "credential.h"

#define LAST     0x80
#define ATTEMPTS 5
#define PAGE_A   0x0800f000u /* STM32F030R8: 1 KB each, left out in the linker script */
#define PAGE_B   0x0800f400u

static struct stm32_port board;
static struct bulla device;

static int send(const uint8_t *data, size_t len)
{
    uint8_t frame[RADIO_FRAME];
    uint8_t number = 0;

    while (len > 0) {
        size_t some = len < RADIO_FRAME - 1 ? len : RADIO_FRAME - 1;

        frame[0] = (uint8_t)(number++ | (some == len ? LAST : 0));
        memcpy(frame + 1, data, some);
        if (radio_send(frame, some + 1) < 0)
            return -1;
        data += some;
        len -= some;
    }
    return 0;
}

/* The bytes of a whole answer, or 0. */
static size_t receive(uint8_t *out, size_t size)
{
    uint8_t frame[RADIO_FRAME];
    size_t used = 0;

    for (uint8_t number = 0;; number++) {
        size_t len = radio_receive(frame, 2000);

        if (len < 2 || (frame[0] & ~LAST) != number || len - 1 > size - used)
            return 0;
        memcpy(out + used, frame + 1, len - 1);
        used += len - 1;
        if ((frame[0] & LAST) != 0)
            return used;
    }
}

/* One reading, until it is proven to be stored or the attempts are used up. */
static void report(float celsius)
{
    uint8_t buffer[128];
    uint8_t answer[128];
    struct bulla_message message;
    int error;

    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_float(&message, "temperature", "Cel", celsius);
    error = bulla_seal(&device, &message);
    for (int i = 0; i < ATTEMPTS && error == 0; i++) {
        size_t len = send(message.data, message.size) == 0 ? receive(answer, sizeof(answer)) : 0;
        enum bulla_fate fate = BULLA_WAITING;

        if (len > 0 && bulla_open_reply(&device, answer, len, NULL) == 0)
            fate = bulla_fate(&device, &message);
        if (fate == BULLA_STORED)
            return;
        error = fate == BULLA_WAITING ? bulla_resend(&device, &message) : bulla_seal_again(&device, &message);
    }
}

int main(void)
{
    HAL_Init();
    stm32_port_init(&board, NULL);
    if (stm32_port_store(&board, PAGE_A, PAGE_B, 1024) < 0)
        return 1;
    if (jumper_is_set()) /* once: nothing is sealed until it is taken away */
        return bulla_provision_counter(&credential, &board.port) < 0;
    if (bulla_open(&device, &credential, &board.port) < 0)
        return 1;
    for (;;) {
        report(sensor_celsius());
        board_sleep(600);
    }
}
