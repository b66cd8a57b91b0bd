/*
 * Frames on a serial line: one sealed message, or one reply, in each. The line may lose, change and invent
 * bytes: what a frame brings is judged by the message's own tag, and the check here only spares that work.
 *
 *     frame = COBS(message, CRC-16 of the message, high byte first), 0x00
 *
 * COBS (Cheshire and Baker, 1999) leaves no zero byte but the one that ends the frame, so a reader that comes
 * in the middle is right again after the next zero. The CRC is CRC-16/CCITT-FALSE: polynomial 0x1021, begun
 * with 0xffff, not reflected ("123456789" gives 0x29b1). A zero by itself is an empty frame and means
 * nothing: a writer may send one first, to end what noise has begun.
 *
 * Pure: no allocation, no clock, no input or output of its own. C99 and C++.
 */
#ifndef BULLA_FRAME_H
#define BULLA_FRAME_H

#include "bulla.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BULLA_FRAME_CRC_SIZE 2

/* Bytes that the frame of a message of `len` bytes takes at most, with the zero that ends it. */
#define BULLA_FRAME_SIZE(len) ((len) + BULLA_FRAME_CRC_SIZE + ((len) + BULLA_FRAME_CRC_SIZE) / 254 + 2)

/*
 * Hands the frame of a message (1 to BULLA_MESSAGE_MAX bytes) to `put`, byte by byte, so that no second
 * buffer is needed. Returns 0, or BULLA_E_ARGUMENT for another length, and then nothing was put.
 */
BULLA_MUST_CHECK int bulla_frame_put(const void *message, size_t len,
                                     void (*put)(void *context, uint8_t byte), void *context);

/*
 * Writes the frame of a message to `out`. Returns its bytes, or BULLA_E_ARGUMENT as above, or BULLA_E_SPACE
 * if `size` is less than BULLA_FRAME_SIZE(len).
 */
BULLA_MUST_CHECK int bulla_frame_encode(uint8_t *out, size_t size, const void *message, size_t len);

/* Reads frames out of a stream of bytes. Members are the library's own. */
struct bulla_frame {
    uint8_t *buffer;
    size_t capacity;
    size_t used;
    uint8_t left;  /* bytes until the next COBS code */
    uint8_t state; /* bits: a code was read, a zero is due, the frame is too long */
};

/*
 * Begins to read frames into `buffer`, which must stay. It takes messages of up to `size` less
 * BULLA_FRAME_CRC_SIZE bytes.
 */
void bulla_frame_begin(struct bulla_frame *frame, void *buffer, size_t size);

/*
 * Takes the next byte of the line. Returns 0 when more is needed; the length of the message (at least 1) that
 * it completes, which then stands at the begin of the buffer until the next call; or BULLA_E_MALFORMED when
 * it ends a frame that is damaged, or too long for the buffer. After each of them the next frame may follow.
 */
BULLA_MUST_CHECK int bulla_frame_take(struct bulla_frame *frame, uint8_t byte);

#ifdef __cplusplus
}
#endif

#endif
