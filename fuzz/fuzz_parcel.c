/*
 * Parcels of the outbox: any bytes are read without leaving them, and what is read is written and read again
 * as it was. The sum is put right first, or next to nothing would get past it.
 */
#include "require.h"

#include <string.h>

#include "gateway/sink/parcel.h"

static struct sink_point points[PARCEL_POINTS_MAX];
static struct sink_point again[PARCEL_POINTS_MAX];

static void sign(uint8_t *parcel, size_t len)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len - 4; i++) {
        crc ^= parcel[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    for (size_t i = 0; i < 4; i++)
        parcel[len - 4 + i] = (uint8_t)(~crc >> (8 * i));
}

static void same(const struct sink_point *a, const struct sink_point *b)
{
    require(strcmp(a->device, b->device) == 0 && a->device_id == b->device_id && a->piv == b->piv);
    require(a->context_len == b->context_len && memcmp(a->context, b->context, a->context_len) == 0);
    require(a->received == b->received && a->reading.time == b->reading.time);
    require(a->reading.type == b->reading.type && a->reading.name_len == b->reading.name_len);
    require(memcmp(a->reading.name, b->reading.name, a->reading.name_len) == 0);
    require(a->reading.unit_len == b->reading.unit_len);
}

/* As one message each: their places in a message are lost. */
static void write_again(int count)
{
    static struct parcels parcels;
    struct failure failure;

    parcels_begin(&parcels);
    for (int i = 0; i < count; i++) {
        const struct parcel_message message = {points[i].device_id,   points[i].device, points[i].context,
                                               points[i].context_len, points[i].piv,    points[i].received};
        require(parcels_add(&parcels, &message, &points[i].reading, 1, &failure) == 0);
    }
    require(parcels_end(&parcels, &failure) == 0);
    require(parcels.count == 1);
    require(parcel_read(parcels.bytes + parcels.items[0].at, parcels.items[0].len, again) == count);
    for (int i = 0; i < count; i++)
        same(&points[i], &again[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;
    int count;

    if (size < 4)
        return 0;
    copy = malloc(size);
    require(copy != NULL);
    memcpy(copy, data, size);
    sign(copy, size);
    count = parcel_read(copy, size, points);
    require(count == -1 || (count > 0 && (size_t)count <= size));
    if (count > 0)
        write_again(count);
    free(copy);
    return 0;
}
