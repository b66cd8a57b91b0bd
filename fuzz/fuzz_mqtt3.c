/*
 * What an MQTT broker sends, version 3.1.1.
 */
#include "fuzz/mqtt_packets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_stream(MQTT_3_1_1, data, size);
    return 0;
}
