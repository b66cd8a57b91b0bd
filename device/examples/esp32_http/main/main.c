/*
 * A thermometer on an ESP32 (ESP-IDF 5) that sleeps deeply for ten minutes, wakes, measures, and sends over
 * HTTP until its reading is proven to be stored. Its session sleeps in RTC memory; its credential is in NVS:
 *
 *     bulla device add kitchen
 *     bulla device export kitchen --format nvs > kitchen.csv     # for ESP-IDF's NVS partition generator
 * This component lies in the project's components/bulla. The network's name: idf.py menuconfig.
 */
#include <bulla.h>
#include <port/esp32.h>
#include <stdio.h>

#include "esp_attr.h"
#include "esp_event.h"
#include "esp_http_client.h"
#include "esp_netif.h"
#include "esp_sleep.h"
#include "esp_timer.h"
#include "nvs_flash.h"
#include "protocol_examples_common.h"

#define GATEWAY     "http://192.168.1.10:8080/d"
#define SLEEP_US    600000000u
#define PATIENCE_US 60000000u /* whatever hangs, a network without addresses for one: it sleeps then */
#define ATTEMPTS    6

RTC_NOINIT_ATTR static struct retained_slot saved; /* survives deep sleep */
static struct esp32_port board;
static struct bulla device;

static void sleep_on(void *unused)
{
    (void)unused;
    esp_deep_sleep(SLEEP_US);
}

/* Sends the message once; returns the bytes of the answer, or 0. The status of HTTP means nothing. */
static size_t post(const struct bulla_message *message, uint8_t *answer, size_t size)
{
    static esp_http_client_config_t config;
    esp_http_client_handle_t client;
    int len = 0;

    config.url = GATEWAY;
    config.method = HTTP_METHOD_POST;
    config.timeout_ms = 5000;
    client = esp_http_client_init(&config);
    if (client == NULL)
        return 0;
    esp_http_client_set_header(client, "Content-Type", "application/cose; cose-type=\"cose-encrypt0\"");
    if (esp_http_client_open(client, (int)message->size) == ESP_OK &&
        esp_http_client_write(client, (const char *)message->data, (int)message->size) > 0 &&
        esp_http_client_fetch_headers(client) >= 0)
        len = esp_http_client_read_response(client, (char *)answer, (int)size);
    esp_http_client_cleanup(client);
    return len > 0 ? (size_t)len : 0;
}

static int report(void)
{
    static uint8_t buffer[128];
    static uint8_t answer[256];
    struct bulla_message message;
    int error;

    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_float(&message, "temperature", "Cel", 21.5f); /* your sensor's reading */
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
    static struct bulla_credential credential; /* gone when the board sleeps, as all of RAM */
    static esp_timer_create_args_t patience;
    esp_timer_handle_t timer;
    int error = BULLA_E_STORE;

    patience.callback = sleep_on;
    if (esp_timer_create(&patience, &timer) == ESP_OK && esp_timer_start_once(timer, PATIENCE_US) == ESP_OK &&
        nvs_flash_init() == ESP_OK && esp_netif_init() == ESP_OK &&
        esp_event_loop_create_default() == ESP_OK &&
        example_connect() == ESP_OK) { /* before bulla_wake(): without the radio there is no randomness */
        esp32_port_init(&board, esp32_wifi_is_on, &saved);
        if (esp32_port_credential(&credential, NULL) == 0)
            error = bulla_wake(&device, &credential, &board.port);
        if (error >= 0 && (error = report()) >= 0)
            error = bulla_sleep(&device); /* where that fails the next wake begins a new session */
        printf("%s\n", bulla_strerror(error));
    }
    sleep_on(NULL);
}
