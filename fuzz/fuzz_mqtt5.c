/*
 * What an MQTT broker sends, version 5.0.
 */
#include "fuzz/mqtt_packets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_stream(MQTT_5, data, size);
    return 0;
}
