#include "gateway/decode/decoder.h"

#include <stdbool.h>

/* The content-formats that are decoded (PROTOCOL 3). All others, 42 among them, are stored as they came. */
static const struct {
    uint16_t content_format;
    enum decoder_result (*decode)(const uint8_t *plaintext, size_t len, int64_t received,
                                  struct readings *readings);
} decoders[] = {
    {112, decode_senml_cbor}, {110, decode_senml_json}, {60, decode_flat_cbor},
    {50, decode_flat_json},   {0, decode_text},
};

#define DECODERS (sizeof(decoders) / sizeof(decoders[0]))

static size_t decoder_of(uint16_t content_format)
{
    size_t i = 0;

    while (i < DECODERS && decoders[i].content_format != content_format)
        i++;
    return i;
}

/* At least one, so that nothing authentic is thrown away (PROTOCOL 4.6); and not more than a batch can hold.
 */
static bool is_bounded(const struct readings *readings, size_t before)
{
    size_t count = readings->count - before;
    size_t bytes = 0;

    for (size_t i = before; i < readings->count; i++)
        bytes += readings->items[i].name_len + readings->items[i].unit_len;
    return count > 0 && count <= DECODE_READINGS_MAX && bytes <= DECODE_NAMES_MAX;
}

int decode(uint16_t content_format, const uint8_t *plaintext, size_t len, int64_t received,
           struct readings *readings)
{
    size_t decoder = decoder_of(content_format);
    struct reading whole = {
        .name = "",
        .unit = "",
        .type = READING_PAYLOAD,
        .format = content_format,
        .time = received,
        .value.bytes = {plaintext, len},
    };
    size_t before = readings->count;

    if (decoder < DECODERS) {
        enum decoder_result result = decoders[decoder].decode(plaintext, len, received, readings);
        if (result == DECODED && is_bounded(readings, before))
            return 0;
        readings->count = before;
        if (result == OUT_OF_MEMORY)
            return -1;
        whole.type = READING_UNDECODED;
    }
    return readings_append(readings, &whole) == DECODED ? 0 : -1;
}
