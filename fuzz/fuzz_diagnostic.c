/*
 * The printer of diagnostic notation over any bytes: it shows exactly what is well-formed CBOR, tells where
 * the rest stops, and prints nothing that controls a terminal.
 */
#include "require.h"

#include <stdio.h>
#include <string.h>

#include "cli/diagnostic.h"
#include "device/cbor.h"

#define ROOM (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[ROOM];
    struct bulla_cbor_reader reader = {data, data + size};
    struct diagnostic_stop stop = {0, NULL};
    int formed = bulla_cbor_skip(&reader, DIAGNOSTIC_DEPTH) == 0;
    FILE *out = fmemopen(text, sizeof(text), "w");
    long taken;
    long len;

    require(out != NULL);
    taken = diagnostic_print(out, data, size, &stop);
    len = ftell(out);
    fclose(out);
    require(formed == (taken >= 0));
    if (formed)
        require(taken == reader.at - data && len > 0);
    else
        require(stop.why != NULL && stop.at <= size);
    for (long i = 0; i < len; i++)
        require((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
    return 0;
}
