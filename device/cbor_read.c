/* The reader of CBOR: well-formed items, told from deterministic ones where that matters. */
#include "cbor.h"

/* Reads the argument that additional information 24 to 27 announces. */
static uint64_t read_argument(const uint8_t *at, unsigned width)
{
    uint64_t argument = 0;

    for (unsigned i = 0; i < width; i++)
        argument = argument << 8 | at[i];
    return argument;
}

/* The smallest argument that needs additional information 24, 25, 26, 27. */
static const uint64_t least[4] = {24, 0x100, 0x10000, 0x100000000};

int bulla_cbor_next(struct bulla_cbor_reader *reader, struct bulla_cbor_item *item)
{
    const uint8_t *at = reader->at;
    unsigned width;

    if (at == reader->end)
        return -1;
    item->major = (uint8_t)(*at >> 5);
    item->info = *at & 31;
    item->argument = item->info;
    item->shortest = 1;
    item->data = NULL;
    at++;
    if (item->info >= 24 && item->info <= 27) {
        width = 1u << (item->info - 24u);
        if ((size_t)(reader->end - at) < width)
            return -1;
        item->argument = read_argument(at, width);
        if (item->major != BULLA_CBOR_SIMPLE)
            item->shortest = item->argument >= least[item->info - 24];
        else if (item->info == 24 && item->argument < 32) /* RFC 8949 3.3: not well-formed */
            return -1;
        at += width;
    } else if (item->info == 31) { /* indefinite strings, arrays and maps; "break" */
        if (item->major <= BULLA_CBOR_NINT || item->major == BULLA_CBOR_TAG)
            return -1;
    } else if (item->info > 27) {
        return -1;
    }
    if ((item->major == BULLA_CBOR_BYTES || item->major == BULLA_CBOR_TEXT) && item->info != 31) {
        if (item->argument > (uint64_t)(reader->end - at))
            return -1;
        item->data = at;
        at += (size_t)item->argument;
    }
    reader->at = at;
    return 0;
}

int bulla_cbor_expect(struct bulla_cbor_reader *reader, enum bulla_cbor_major major,
                      struct bulla_cbor_item *item)
{
    struct bulla_cbor_reader ahead = *reader;

    if (bulla_cbor_next(&ahead, item) < 0)
        return -1;
    if (item->major != (uint8_t)major || item->info == 31 || !item->shortest)
        return -1;
    *reader = ahead;
    return 0;
}

static int is_break(const struct bulla_cbor_item *item)
{
    return item->major == BULLA_CBOR_SIMPLE && item->info == 31;
}

/* Steps over the chunks of an indefinite string, the break included (RFC 8949 3.2.3). */
static int skip_chunks(struct bulla_cbor_reader *reader, unsigned major)
{
    struct bulla_cbor_item item;

    for (;;) {
        if (bulla_cbor_next(reader, &item) < 0)
            return -1;
        if (is_break(&item))
            return 0;
        if (item.major != major || item.info == 31)
            return -1;
    }
}

static int skip_item(struct bulla_cbor_reader *reader, unsigned depth, int break_allowed);

/* Steps over items until the break; `pairs` is 1 in a map, whose items come in pairs. */
static int skip_to_break(struct bulla_cbor_reader *reader, unsigned depth, int pairs)
{
    for (;;) {
        int got = skip_item(reader, depth, 1);
        if (got != 0)
            return got > 0 ? 0 : -1;
        if (pairs && skip_item(reader, depth, 0) < 0)
            return -1;
    }
}

/* Returns 0, -1, or 1 for a break that was allowed. */
static int skip_item(struct bulla_cbor_reader *reader, unsigned depth, int break_allowed)
{
    struct bulla_cbor_item item;
    uint64_t count = 0;
    int pairs;

    if (depth == 0 || bulla_cbor_next(reader, &item) < 0)
        return -1;
    if (is_break(&item))
        return break_allowed ? 1 : -1;
    pairs = item.major == BULLA_CBOR_MAP;
    if (item.major == BULLA_CBOR_TAG) {
        count = 1;
    } else if (item.major == BULLA_CBOR_ARRAY || pairs) {
        if (item.info == 31)
            return skip_to_break(reader, depth - 1, pairs);
        if (item.argument > (uint64_t)(reader->end - reader->at)) /* every item takes a byte at least */
            return -1;
        count = pairs ? item.argument * 2 : item.argument;
    } else if (item.info == 31) {
        return skip_chunks(reader, item.major);
    }
    for (; count > 0; count--) {
        if (skip_item(reader, depth - 1, 0) < 0)
            return -1;
    }
    return 0;
}

int bulla_cbor_skip(struct bulla_cbor_reader *reader, unsigned depth)
{
    struct bulla_cbor_reader ahead = *reader;

    if (skip_item(&ahead, depth, 0) < 0)
        return -1;
    *reader = ahead;
    return 0;
}
