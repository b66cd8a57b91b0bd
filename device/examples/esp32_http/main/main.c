/*
 * A thermometer on an ESP32 (ESP-IDF 5) that sleeps deeply for ten minutes, wakes, measures, and sends over
 * HTTP until its reading is proven to be stored. Its session sleeps in RTC memory; its credential is in NVS:
 *
 *     bulla device add kitchen
 *     bulla device export kitchen --format nvs > kitchen.csv     # for ESP-IDF's NVS partition generator
 *
 * This component lies in the project's components/bulla. The network's name: idf.py menuconfig.
 */
#include <stdio.h>
#include <string.h>

#include <bulla.h>
#include <port/esp32.h>

#include "esp_attr.h"
#include "esp_event.h"
#include "esp_http_client.h"
#include "esp_netif.h"
#include "esp_sleep.h"
#include "nvs_flash.h"
#include "protocol_examples_common.h"

#define GATEWAY  "http://192.168.1.10:8080/d"
#define SLEEP_US 600000000u
#define ATTEMPTS 6

RTC_NOINIT_ATTR static struct retained_slot saved; /* survives deep sleep */
static struct esp32_port board;
static struct bulla device;

static float measure(void)
{
    return 21.5f; /* your sensor's reading */
}

/* Sends the message once; returns the bytes of the answer, or 0. The status of HTTP means nothing. */
static size_t post(const struct bulla_message *message, uint8_t *answer, size_t size)
{
    esp_http_client_config_t config;
    esp_http_client_handle_t client;
    int len = 0;

    memset(&config, 0, sizeof(config));
    config.url = GATEWAY;
    config.method = HTTP_METHOD_POST;
    config.timeout_ms = 5000;
    client = esp_http_client_init(&config);
    if (client == NULL)
        return 0;
    esp_http_client_set_header(client, "Content-Type", "application/cose; cose-type=\"cose-encrypt0\"");
    if (esp_http_client_open(client, (int)message->size) == ESP_OK &&
        esp_http_client_write(client, (const char *)message->data, (int)message->size) ==
            (int)message->size &&
        esp_http_client_fetch_headers(client) >= 0)
        len = esp_http_client_read_response(client, (char *)answer, (int)size);
    esp_http_client_cleanup(client);
    return len > 0 ? (size_t)len : 0;
}

static int report(float celsius)
{
    static uint8_t buffer[128];
    static uint8_t answer[256];
    struct bulla_message message;
    int error;

    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_float(&message, "temperature", "Cel", celsius);
    error = bulla_seal(&device, &message);
    for (int i = 0; i < ATTEMPTS && error >= 0; i++) {
        size_t len = post(&message, answer, sizeof(answer));
        enum bulla_fate fate = BULLA_WAITING;

        if (len > 0 && bulla_open_reply(&device, answer, len, NULL) == 0) /* else nothing of it is believed */
            fate = bulla_fate(&device, &message);
        if (fate == BULLA_STORED)
            break;
        error = fate == BULLA_WAITING ? bulla_resend(&device, &message) : bulla_seal_again(&device, &message);
    }
    return error;
}

void app_main(void)
{
    struct bulla_credential credential;
    int error = BULLA_E_STORE;

    if (nvs_flash_init() == ESP_OK && esp_netif_init() == ESP_OK &&
        esp_event_loop_create_default() == ESP_OK &&
        example_connect() == ESP_OK) { /* before bulla_wake(): without the radio there is no randomness */
        esp32_port_init(&board, esp32_wifi_is_on, &saved);
        if (esp32_port_credential(&credential, NULL) == 0)
            error = bulla_wake(&device, &credential, &board.port);
        if (error >= 0)
            error = report(measure());
        if (error < 0 || bulla_sleep(&device) < 0) /* safe: the next wake begins a new session */
            printf("%s\n", bulla_strerror(error));
    }
    esp_deep_sleep(SLEEP_US);
}
