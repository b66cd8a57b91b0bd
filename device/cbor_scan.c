#include "cbor_scan.h"

#include <string.h>

#define INDEFINITE 31     /* additional information */
#define NO_END     0xffff /* items left in a container of indefinite length, less those that were read: odd */

uint16_t bulla_scan_small(const struct bulla_scan_head *head)
{
    uint8_t high = 0;

    for (uint8_t i = 2; i < BULLA_NUMBER_SIZE; i++)
        high |= head->number[i];
    if (high != 0)
        return UINT16_MAX;
    return (uint16_t)(head->number[0] | head->number[1] << 8);
}

/* Reads the argument's bytes, the most significant first, of which the first half says whether they are the
 * fewest. */
static int read_argument(struct bulla_cbor_reader *reader, struct bulla_scan_head *head)
{
    uint8_t width = (uint8_t)(1u << (head->info - 24u));
    uint8_t high = 0;
    uint8_t i = width;

    if (head->info > 27 || (size_t)(reader->end - reader->at) < width)
        return -1;
    while (i > 0) {
        uint8_t byte = *reader->at++;

        head->number[--i] = byte;
        if (2 * i >= width)
            high |= byte;
    }
    if (width == 1)
        high = head->number[0] >= 24;
    head->shortest = high != 0;
    return 0;
}

/* Any well-formed head. */
static int read_head(struct bulla_cbor_reader *reader, struct bulla_scan_head *head)
{
    memset(head, 0, sizeof(*head));
    if (reader->at == reader->end)
        return -1;
    head->major = *reader->at >> 5;
    head->info = *reader->at++ & 31;
    if (head->info < 24) {
        head->number[0] = head->info;
        head->shortest = 1;
        return 0;
    }
    if (head->info == INDEFINITE) /* strings, arrays and maps; "break" */
        return head->major <= BULLA_CBOR_NINT || head->major == BULLA_CBOR_TAG ? -1 : 0;
    if (read_argument(reader, head) < 0)
        return -1;
    return head->major == BULLA_CBOR_SIMPLE && head->info == 24 && head->number[0] < 32 ? -1 : 0;
}

int bulla_scan_expect(struct bulla_cbor_reader *reader, uint8_t major, struct bulla_scan_head *head)
{
    return read_head(reader, head) < 0 || head->major != major || !head->shortest ? -1 : 0;
}

/* Whether that many bytes, or items of a byte at least, can be there. */
static int has_room(const struct bulla_cbor_reader *reader, uint16_t len)
{
    return len != UINT16_MAX && (size_t)(reader->end - reader->at) >= len;
}

int bulla_scan_bytes(struct bulla_cbor_reader *reader, uint16_t least, uint16_t most)
{
    struct bulla_scan_head head;
    uint16_t len;

    if (bulla_scan_expect(reader, BULLA_CBOR_BYTES, &head) < 0)
        return -1;
    len = bulla_scan_small(&head);
    if (len < least || len > most || !has_room(reader, len))
        return -1;
    reader->at += len;
    return len;
}

/* The containers that are open, the outermost first: item 0 is the whole. */
struct levels {
    uint16_t left[BULLA_SCAN_DEPTH + 1]; /* items still to come */
    uint8_t major[BULLA_SCAN_DEPTH + 1]; /* of an indefinite one; else BULLA_CBOR_UINT */
    uint8_t depth;
};

/* Ends an indefinite container: a map after a whole pair. */
static int end_level(struct levels *levels)
{
    uint8_t major = levels->major[levels->depth];

    if (major == BULLA_CBOR_UINT || (major == BULLA_CBOR_MAP && levels->left[levels->depth] % 2 == 0))
        return -1;
    levels->left[levels->depth] = 0;
    return 0;
}

static int begin_level(struct levels *levels, uint8_t major, uint16_t items)
{
    uint8_t most = BULLA_SCAN_DEPTH;

    if (major != BULLA_CBOR_BYTES && major != BULLA_CBOR_TEXT) /* chunks are no level */
        most--;
    if (levels->depth >= most)
        return -1;
    levels->depth++;
    levels->left[levels->depth] = items;
    levels->major[levels->depth] = items == NO_END ? major : BULLA_CBOR_UINT;
    return 0;
}

/* Takes in one head, and the bytes of a string. */
static int step(struct bulla_cbor_reader *reader, struct levels *levels)
{
    struct bulla_scan_head head;
    uint8_t within = levels->major[levels->depth];
    uint16_t len;

    if (read_head(reader, &head) < 0)
        return -1;
    if (head.major == BULLA_CBOR_SIMPLE && head.info == INDEFINITE)
        return end_level(levels);
    if ((within == BULLA_CBOR_BYTES || within == BULLA_CBOR_TEXT) &&
        (head.major != within || head.info == INDEFINITE)) /* RFC 8949 3.2.3: what its chunks are */
        return -1;
    levels->left[levels->depth]--;
    if (head.info == INDEFINITE)
        return begin_level(levels, head.major, NO_END);
    if (head.major <= BULLA_CBOR_NINT || head.major == BULLA_CBOR_SIMPLE)
        return 0;
    if (head.major == BULLA_CBOR_TAG)
        return begin_level(levels, head.major, 1);
    len = bulla_scan_small(&head);
    if (!has_room(reader, len))
        return -1;
    if (head.major == BULLA_CBOR_MAP)
        len = (uint16_t)(len * 2);
    if (head.major <= BULLA_CBOR_TEXT)
        reader->at += len;
    else if (len > 0)
        return begin_level(levels, head.major, len);
    return 0;
}

int bulla_scan_skip(struct bulla_cbor_reader *reader)
{
    struct levels levels;

    levels.depth = 0;
    levels.left[0] = 1;
    levels.major[0] = BULLA_CBOR_UINT;
    do {
        if (step(reader, &levels) < 0)
            return -1;
        while (levels.depth > 0 && levels.left[levels.depth] == 0)
            levels.depth--;
    } while (levels.depth > 0 || levels.left[0] > 0);
    return 0;
}
