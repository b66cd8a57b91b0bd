/*
 * Frames of a serial line: any bytes are read without leaving the buffer, and what is read is written and
 * read again as it was; any message comes through, whatever came before it.
 */
#include "require.h"

#include <string.h>

#include "device/frame.h"

#define CAPACITY 300

static void check_written(const uint8_t *message, size_t len)
{
    static uint8_t out[BULLA_FRAME_SIZE(BULLA_MESSAGE_MAX)];
    static uint8_t in[BULLA_MESSAGE_MAX + BULLA_FRAME_CRC_SIZE];
    struct bulla_frame frame;
    int size = bulla_frame_encode(out, sizeof(out), message, len);

    require(size > (int)len && (size_t)size <= BULLA_FRAME_SIZE(len));
    require(out[size - 1] == 0 && memchr(out, 0, (size_t)size - 1) == NULL);
    bulla_frame_begin(&frame, in, len + BULLA_FRAME_CRC_SIZE);
    require(bulla_frame_take(&frame, 0) == 0);
    for (int i = 0; i < size - 1; i++)
        require(bulla_frame_take(&frame, out[i]) == 0);
    require(bulla_frame_take(&frame, 0) == (int)len);
    require(memcmp(in, message, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t buffer[CAPACITY + 1];
    struct bulla_frame frame;

    buffer[CAPACITY] = 0x5a;
    bulla_frame_begin(&frame, buffer, CAPACITY);
    for (size_t i = 0; i < size; i++) {
        int len = bulla_frame_take(&frame, data[i]);

        require(data[i] == 0 || len == 0);
        require(len <= CAPACITY - BULLA_FRAME_CRC_SIZE && (len >= 0 || len == BULLA_E_MALFORMED));
        if (len > 0)
            check_written(buffer, (size_t)len);
    }
    require(buffer[CAPACITY] == 0x5a);
    if (size > 0 && size <= BULLA_MESSAGE_MAX)
        check_written(data, size);
    return 0;
}
