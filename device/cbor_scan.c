#include "cbor_scan.h"

#include <string.h>

#include "crypto.h"

BULLA_APART uint8_t bulla_scan_byte(struct bulla_scan *scan)
{
    if (scan->at == scan->end) {
        scan->wrong = 1;
        return 0;
    }
    return *scan->at++;
}

BULLA_APART uint8_t bulla_scan_number(struct bulla_scan *scan, uint8_t *to, uint8_t len, uint8_t high)
{
    uint8_t found = 0;

    while (len > 0) {
        uint8_t byte = bulla_scan_byte(scan);

        to[--len] = byte;
        if (len >= high)
            found |= byte;
    }
    return found;
}

BULLA_APART void bulla_scan_match(struct bulla_scan *scan)
{
    uint8_t byte;

    while ((byte = (uint8_t)*scan->form++) != 0) {
        if (bulla_scan_byte(scan) != byte)
            scan->wrong = 1;
    }
}

static uint16_t left(const struct bulla_scan *scan)
{
    return (uint16_t)(scan->end - scan->at);
}

BULLA_APART void bulla_scan_step(struct bulla_scan *scan, uint16_t len)
{
    if (len > left(scan))
        scan->wrong = 1;
    else
        scan->at += len;
}

BULLA_APART uint16_t bulla_scan_small(const struct bulla_scan *scan)
{
    for (uint8_t i = 2; i < BULLA_ARGUMENT_SIZE; i++) {
        if (scan->argument[i] != 0)
            return UINT16_MAX;
    }
    return (uint16_t)(scan->argument[0] | scan->argument[1] << 8);
}

BULLA_APART uint8_t bulla_scan_item(struct bulla_scan *scan)
{
    uint8_t info = bulla_scan_byte(scan);
    uint8_t major = info >> 5;
    uint8_t least = 1; /* what the upper half must be in the shortest form; if it is one byte, that */
    uint8_t width;

    memset(scan->argument, 0, BULLA_ARGUMENT_SIZE);
    info &= BULLA_CBOR_INFO;
    if (info < 24) {
        scan->argument[0] = info;
    } else {
        if (info == 24)
            least = major == BULLA_CBOR_SIMPLE ? 32 : 24; /* RFC 8949 3.3 */
        else if (major == BULLA_CBOR_SIMPLE)
            least = 0; /* floats */
        width = (uint8_t)(1u << (info & 3));
        if (info > 27 || bulla_scan_number(scan, scan->argument, width, width / 2) < least)
            scan->wrong = 1;
    }
    if (major == BULLA_CBOR_BYTES || major == BULLA_CBOR_TEXT)
        bulla_scan_step(scan, bulla_scan_small(scan));
    return major;
}

BULLA_APART uint16_t bulla_scan_expect(struct bulla_scan *scan, uint8_t major)
{
    if (bulla_scan_item(scan) != major)
        scan->wrong = 1;
    return bulla_scan_small(scan);
}

void bulla_scan_skip(struct bulla_scan *scan)
{
    uint16_t items = 1; /* to come, in all levels: never more than there are bytes */

    do {
        uint8_t major = bulla_scan_item(scan);
        uint16_t count = bulla_scan_small(scan);

        items--;
        if (major <= BULLA_CBOR_TEXT || major == BULLA_CBOR_SIMPLE)
            continue;
        if (major == BULLA_CBOR_TAG)
            count = 1;
        if (count > left(scan)) /* every item takes a byte at least */
            scan->wrong = 1;
        items = (uint16_t)(items + count);
        if (major == BULLA_CBOR_MAP)
            items = (uint16_t)(items + count);
    } while (items != 0 && items <= left(scan));
    if (items != 0)
        scan->wrong = 1;
}
