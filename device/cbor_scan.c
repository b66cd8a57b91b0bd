#include "cbor_scan.h"

#include <string.h>

#include "crypto.h"

uint16_t bulla_scan_small(const uint8_t argument[BULLA_ARGUMENT_SIZE])
{
    uint8_t high = 0;

    for (uint8_t i = 2; i < BULLA_ARGUMENT_SIZE; i++)
        high |= argument[i];
    if (high != 0)
        return UINT16_MAX;
    return (uint16_t)(argument[0] | argument[1] << 8);
}

BULLA_APART int bulla_scan_head(struct bulla_cbor_reader *reader, uint8_t argument[BULLA_ARGUMENT_SIZE])
{
    uint8_t major;
    uint8_t info;
    uint8_t width;
    uint8_t high = 0;  /* what the upper half of its bytes says; of one byte, that */
    uint8_t least = 1; /* and must be, in the shortest form */

    memset(argument, 0, BULLA_ARGUMENT_SIZE);
    if (reader->at == reader->end)
        return -1;
    major = *reader->at >> 5;
    info = *reader->at++ & 31;
    if (info < 24) {
        argument[0] = info;
        return major;
    }
    width = (uint8_t)(1u << (info & 3));
    if (info > 27 || (size_t)(reader->end - reader->at) < width)
        return -1;
    if (info == 24)
        least = major == BULLA_CBOR_SIMPLE ? 32 : 24; /* RFC 8949 3.3 */
    else if (major == BULLA_CBOR_SIMPLE)
        least = 0; /* floats */
    for (uint8_t i = width; i-- > 0;) {
        argument[i] = *reader->at++;
        if (i >= width / 2)
            high |= argument[i];
    }
    return high < least ? -1 : major;
}

/* Whether that many bytes, or items of a byte at least, can be there. */
static int has_room(const struct bulla_cbor_reader *reader, uint16_t len)
{
    return len != UINT16_MAX && (size_t)(reader->end - reader->at) >= len;
}

int bulla_scan_bytes(struct bulla_cbor_reader *reader, uint16_t least, uint16_t most)
{
    uint8_t argument[BULLA_ARGUMENT_SIZE];
    uint16_t len;

    if (bulla_scan_head(reader, argument) != BULLA_CBOR_BYTES)
        return -1;
    len = bulla_scan_small(argument);
    if (len < least || len > most || !has_room(reader, len))
        return -1;
    reader->at += len;
    return len;
}

int bulla_scan_skip(struct bulla_cbor_reader *reader)
{
    uint16_t left = 1; /* items to come, in all levels: never more than there are bytes */

    do {
        uint8_t argument[BULLA_ARGUMENT_SIZE];
        int major = bulla_scan_head(reader, argument);
        uint16_t count = bulla_scan_small(argument);

        if (major < 0)
            return -1;
        left--;
        if (major <= BULLA_CBOR_NINT || major == BULLA_CBOR_SIMPLE)
            continue;
        if (major == BULLA_CBOR_TAG)
            count = 1;
        if (!has_room(reader, count))
            return -1;
        if (major <= BULLA_CBOR_TEXT) {
            reader->at += count;
            continue;
        }
        if (major == BULLA_CBOR_MAP)
            left = (uint16_t)(left + count);
        left = (uint16_t)(left + count);
        if (!has_room(reader, left))
            return -1;
    } while (left > 0);
    return 0;
}
