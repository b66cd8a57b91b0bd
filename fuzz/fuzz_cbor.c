/*
 * The CBOR reader over any bytes: it stays inside them, fails without moving, and what it reads in the
 * shortest form the writer writes again.
 */
#include "require.h"

#include <string.h>

#include "device/cbor.h"
#include "device/cbor_scan.h"

#define DEPTH      8
#define SCAN_MAX   2000 /* nesting and all: the host's reader recurses */
#define PREFIX_MAX 200
#define OUT_MAX    8192

/* Writes one head again, with its string, where the writer could have written it. 0 if it could not. */
static int rewrite(struct bulla_cbor_writer *writer, const struct bulla_cbor_item *item)
{
    enum bulla_cbor_major major = (enum bulla_cbor_major)item->major;

    if (!item->shortest || item->info == 31 || (major == BULLA_CBOR_SIMPLE && item->info > 24))
        return 0;
    bulla_cbor_head(writer, major, item->argument);
    if (major == BULLA_CBOR_BYTES || major == BULLA_CBOR_TEXT)
        bulla_cbor_raw(writer, item->data, (size_t)item->argument);
    return 1;
}

/* Every head, one after the other. */
static void walk(const uint8_t *data, size_t size)
{
    static uint8_t out[OUT_MAX];
    struct bulla_cbor_reader reader = {data, data + size};
    struct bulla_cbor_item item;

    for (;;) {
        const uint8_t *before = reader.at;
        struct bulla_cbor_writer writer = {out, sizeof(out), 0, 0};

        if (bulla_cbor_next(&reader, &item) < 0) {
            require(reader.at == before);
            return;
        }
        require(reader.at > before && reader.at <= reader.end);
        if (item.data != NULL)
            require(item.data > before && item.data + item.argument == reader.at);
        if (rewrite(&writer, &item) && !writer.overflow) {
            require(writer.used == (size_t)(reader.at - before));
            require(memcmp(out, before, writer.used) == 0);
        }
    }
}

static void check_expect(const uint8_t *data, size_t size)
{
    unsigned taken = 0;

    for (unsigned major = BULLA_CBOR_UINT; major <= BULLA_CBOR_SIMPLE; major++) {
        struct bulla_cbor_reader reader = {data, data + size};
        struct bulla_cbor_item item;

        if (bulla_cbor_expect(&reader, (enum bulla_cbor_major)major, &item) < 0) {
            require(reader.at == data);
            continue;
        }
        require(item.major == major && item.shortest && item.info != 31);
        taken++;
    }
    require(taken <= 1);
}

/* Whether all heads are of definite lengths, in the shortest form. */
static int is_deterministic(const uint8_t *data, const uint8_t *end)
{
    struct bulla_cbor_reader reader = {data, end};
    struct bulla_cbor_item item;

    while (reader.at < end) {
        require(bulla_cbor_next(&reader, &item) == 0);
        if (item.info == 31 || !item.shortest)
            return 0;
    }
    return 1;
}

/* The device's reader steps over what the host's does, where that is deterministic. */
static void check_scan(const uint8_t *data, size_t size)
{
    struct bulla_cbor_reader reader = {data, data + size};
    struct bulla_scan scan = {.at = data, .end = data + size};
    int found = bulla_cbor_skip(&reader, SCAN_MAX);

    if (found == 0 && !is_deterministic(data, reader.at))
        found = -1;
    bulla_scan_skip(&scan);
    require(scan.end == data + size && scan.at <= scan.end);
    require(scan.wrong == (found < 0));
    require(found < 0 || scan.at == reader.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bulla_cbor_reader reader = {data, data + size};
    struct bulla_cbor_reader deeper = reader;
    size_t len;

    if (size == 0)
        return 0;
    walk(data, size);
    check_expect(data, size);
    if (size <= SCAN_MAX)
        check_scan(data, size);
    if (bulla_cbor_skip(&reader, DEPTH) < 0) {
        require(reader.at == data);
        return 0;
    }
    len = (size_t)(reader.at - data);
    require(len > 0 && len <= size);
    require(bulla_cbor_skip(&deeper, 2 * DEPTH) == 0 && deeper.at == reader.at);
    for (size_t cut = 0; cut < len && cut < PREFIX_MAX; cut++) { /* no item begins another one */
        struct bulla_cbor_reader shorter = {data, data + cut};

        require(bulla_cbor_skip(&shorter, DEPTH) < 0);
    }
    return 0;
}
