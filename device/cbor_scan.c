#include "cbor_scan.h"

#include <string.h>

#include "crypto.h"

BULLA_APART uint8_t bulla_scan_byte(struct bulla_scan *scan)
{
    if (scan->left == 0) {
        scan->wrong = 1;
        return 0;
    }
    scan->left--;
    return *scan->at++;
}

BULLA_APART void bulla_scan_step(struct bulla_scan *scan, uint16_t len)
{
    if (len > scan->left) {
        scan->wrong = 1;
        len = 0;
    }
    scan->at += len;
    scan->left = (uint16_t)(scan->left - len);
}

uint16_t bulla_scan_small(const uint8_t argument[BULLA_ARGUMENT_SIZE])
{
    for (uint8_t i = 2; i < BULLA_ARGUMENT_SIZE; i++) {
        if (argument[i] != 0)
            return UINT16_MAX;
    }
    return (uint16_t)(argument[0] | argument[1] << 8);
}

BULLA_APART uint8_t bulla_scan_head(struct bulla_scan *scan, uint8_t argument[BULLA_ARGUMENT_SIZE])
{
    uint8_t info = bulla_scan_byte(scan);
    uint8_t major = info >> 5;
    uint8_t least = 1; /* what its upper half must be in the shortest form; if it is one byte, that */
    uint8_t high = 0;  /* what that is */
    uint8_t width;

    memset(argument, 0, BULLA_ARGUMENT_SIZE);
    info &= 31;
    if (info < 24) {
        argument[0] = info;
        return major;
    }
    if (info == 24)
        least = major == BULLA_CBOR_SIMPLE ? 32 : 24; /* RFC 8949 3.3 */
    else if (major == BULLA_CBOR_SIMPLE)
        least = 0; /* floats */
    width = (uint8_t)(1u << (info & 3));
    for (uint8_t i = width; i-- > 0;) {
        argument[i] = bulla_scan_byte(scan);
        if (i >= width / 2)
            high |= argument[i];
    }
    if (info > 27 || high < least)
        scan->wrong = 1;
    return major;
}

BULLA_APART uint16_t bulla_scan_bytes(struct bulla_scan *scan)
{
    uint8_t argument[BULLA_ARGUMENT_SIZE];
    const uint8_t *begin;

    if (bulla_scan_head(scan, argument) != BULLA_CBOR_BYTES)
        scan->wrong = 1;
    begin = scan->at;
    bulla_scan_step(scan, bulla_scan_small(argument));
    return (uint16_t)(scan->at - begin);
}

void bulla_scan_skip(struct bulla_scan *scan)
{
    uint16_t items = 1; /* to come, in all levels: never more than there are bytes */

    do {
        uint8_t argument[BULLA_ARGUMENT_SIZE];
        uint8_t major = bulla_scan_head(scan, argument);
        uint16_t count = bulla_scan_small(argument);

        items--;
        if (major <= BULLA_CBOR_NINT || major == BULLA_CBOR_SIMPLE)
            continue;
        if (major <= BULLA_CBOR_TEXT) {
            bulla_scan_step(scan, count);
            continue;
        }
        if (major == BULLA_CBOR_TAG)
            count = 1;
        if (count > scan->left) /* every item takes a byte at least */
            scan->wrong = 1;
        items = (uint16_t)(items + count);
        if (major == BULLA_CBOR_MAP)
            items = (uint16_t)(items + count);
    } while (items != 0 && items <= scan->left);
    if (items != 0)
        scan->wrong = 1;
}
