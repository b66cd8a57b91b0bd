#include "esp32.h"

#include <esp_wifi.h>

/* The maximum power can be asked for only while Wi-Fi is started: otherwise it says that it is not. */
int esp32_wifi_is_on(void)
{
    int8_t power;

    return esp_wifi_get_max_tx_power(&power) == ESP_OK;
}
