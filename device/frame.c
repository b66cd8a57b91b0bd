#include "frame.h"

#define BLOCK 254u /* bytes without a zero that one COBS code covers */

enum frame_state {
    FRAME_BEGUN = 1,    /* a code was read */
    FRAME_ZERO_DUE = 2, /* a zero stands behind this block, if another block follows */
    FRAME_TOO_LONG = 4,
};

static uint16_t crc16(const uint8_t *bytes, size_t len)
{
    uint16_t crc = 0xffff;

    while (len-- > 0) {
        crc = (uint16_t)(crc ^ (uint16_t)((uint16_t)*bytes++ << 8));
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (uint16_t)((crc & 0x8000u) != 0 ? (uint16_t)(crc << 1) ^ 0x1021u : (uint16_t)(crc << 1));
    }
    return crc;
}

/* ---- writing ---- */

/* A message with its CRC behind it, as one row of bytes. */
struct content {
    const uint8_t *message;
    size_t len;
    uint8_t crc[BULLA_FRAME_CRC_SIZE];
};

static uint8_t byte_at(const struct content *content, size_t i)
{
    return i < content->len ? content->message[i] : content->crc[i - content->len];
}

int bulla_frame_put(const void *message, size_t len, void (*put)(void *context, uint8_t byte), void *context)
{
    struct content content = {(const uint8_t *)message, len, {0, 0}};
    size_t end = len + BULLA_FRAME_CRC_SIZE;
    size_t at = 0;
    uint16_t crc;

    if (len == 0 || len > BULLA_MESSAGE_MAX)
        return BULLA_E_ARGUMENT;
    crc = crc16(content.message, len);
    content.crc[0] = (uint8_t)(crc >> 8);
    content.crc[1] = (uint8_t)crc;
    for (;;) {
        unsigned run = 0;

        while (run < BLOCK && at + run < end && byte_at(&content, at + run) != 0)
            run++;
        put(context, (uint8_t)(run + 1));
        for (unsigned i = 0; i < run; i++)
            put(context, byte_at(&content, at + i));
        at += run;
        if (at == end)
            break;
        if (run < BLOCK)
            at++; /* the zero, which the code stands for; it may be the last byte: then an empty block follows
                   */
    }
    put(context, 0);
    return 0;
}

static void put_byte(void *context, uint8_t byte)
{
    uint8_t **at = (uint8_t **)context;

    *(*at)++ = byte;
}

int bulla_frame_encode(uint8_t *out, size_t size, const void *message, size_t len)
{
    uint8_t *at = out;
    int error;

    if (len == 0 || len > BULLA_MESSAGE_MAX)
        return BULLA_E_ARGUMENT;
    if (size < BULLA_FRAME_SIZE(len))
        return BULLA_E_SPACE;
    error = bulla_frame_put(message, len, put_byte, &at);
    return error < 0 ? error : (int)(at - out);
}

/* ---- reading ---- */

void bulla_frame_begin(struct bulla_frame *frame, void *buffer, size_t size)
{
    frame->buffer = (uint8_t *)buffer;
    frame->capacity = size;
    frame->used = 0;
    frame->left = 0;
    frame->state = 0;
}

static void append(struct bulla_frame *frame, uint8_t byte)
{
    if (frame->used < frame->capacity)
        frame->buffer[frame->used++] = byte;
    else
        frame->state |= FRAME_TOO_LONG;
}

/* The zero: is what was read a whole frame? */
static int finish(struct bulla_frame *frame)
{
    size_t len = frame->used;
    int whole = frame->left == 0 && (frame->state & FRAME_TOO_LONG) == 0;
    int begun = (frame->state & FRAME_BEGUN) != 0;
    uint16_t crc;

    bulla_frame_begin(frame, frame->buffer, frame->capacity);
    if (!begun)
        return 0;
    if (!whole || len <= BULLA_FRAME_CRC_SIZE || len > BULLA_MESSAGE_MAX + BULLA_FRAME_CRC_SIZE)
        return BULLA_E_MALFORMED;
    len -= BULLA_FRAME_CRC_SIZE;
    crc = crc16(frame->buffer, len);
    if (frame->buffer[len] != (uint8_t)(crc >> 8) || frame->buffer[len + 1] != (uint8_t)crc)
        return BULLA_E_MALFORMED;
    return (int)len;
}

int bulla_frame_take(struct bulla_frame *frame, uint8_t byte)
{
    if (byte == 0)
        return finish(frame);
    if (frame->left > 0) {
        append(frame, byte);
        frame->left--;
        return 0;
    }
    if ((frame->state & FRAME_ZERO_DUE) != 0)
        append(frame, 0);
    frame->left = (uint8_t)(byte - 1);
    frame->state =
        (uint8_t)((frame->state & FRAME_TOO_LONG) | FRAME_BEGUN | (byte <= BLOCK ? FRAME_ZERO_DUE : 0));
    return 0;
}
