#include "esp32.h"

#include <string.h>

#include <bootloader_random.h>
#include <esp_random.h>
#include <esp_timer.h>
#include <nvs.h>

#define ESP32_NAMESPACE "bulla"

static const char *const esp32_keys[] = {"ctr_a", "ctr_b"}; /* of BULLA_SLOT_COUNTER_A and _B */

/* ---- callbacks ---- */

static int esp32_random(void *context, uint8_t *out, size_t len)
{
    const struct esp32_port *esp32 = (const struct esp32_port *)context;

    if (esp32->radio_is_on != NULL) {
        if (!esp32->radio_is_on())
            return -1;
        esp_fill_random(out, len);
        return esp32->radio_is_on() ? 0 : -1; /* it was on all the while */
    }
    bootloader_random_enable();
    esp_fill_random(out, len);
    bootloader_random_disable();
    return 0;
}

static int esp32_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    const struct esp32_port *esp32 = (const struct esp32_port *)context;
    nvs_handle_t nvs;
    size_t found = len;
    int good;

    if (slot == BULLA_SLOT_SESSION)
        return retained_load(esp32->retained, out, len);
    if (slot > BULLA_SLOT_COUNTER_B || nvs_open(ESP32_NAMESPACE, NVS_READONLY, &nvs) != ESP_OK)
        return -1;
    good = nvs_get_blob(nvs, esp32_keys[slot], out, &found) == ESP_OK && found == len;
    nvs_close(nvs);
    return good ? 0 : -1;
}

static int esp32_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    const struct esp32_port *esp32 = (const struct esp32_port *)context;
    nvs_handle_t nvs;
    int good;

    if (slot == BULLA_SLOT_SESSION)
        return retained_store(esp32->retained, data, len);
    if (slot > BULLA_SLOT_COUNTER_B || nvs_open(ESP32_NAMESPACE, NVS_READWRITE, &nvs) != ESP_OK)
        return -1;
    good = nvs_set_blob(nvs, esp32_keys[slot], data, len) == ESP_OK && nvs_commit(nvs) == ESP_OK;
    nvs_close(nvs);
    return good ? 0 : -1;
}

static uint32_t esp32_timer(void *context)
{
    (void)context;
    return (uint32_t)((uint64_t)esp_timer_get_time() / 1000u);
}

void esp32_port_init(struct esp32_port *esp32, int (*radio_is_on)(void), struct retained_slot *retained)
{
    memset(esp32, 0, sizeof(*esp32));
    esp32->radio_is_on = radio_is_on;
    esp32->retained = retained;
    esp32->port.random = esp32_random;
    esp32->port.load = esp32_load;
    esp32->port.store = esp32_store;
    esp32->port.timer = esp32_timer;
    esp32->port.context = esp32;
}

/* ---- credential ---- */

static int esp32_read_name(nvs_handle_t nvs, char *name)
{
    size_t size = BULLA_NAME_MAX + 1;
    esp_err_t error;

    if (name == NULL)
        return 0;
    name[0] = '\0';
    error = nvs_get_str(nvs, "name", name, &size);
    return error == ESP_OK || error == ESP_ERR_NVS_NOT_FOUND ? 0 : -1;
}

static int esp32_read_credential(nvs_handle_t nvs, struct bulla_credential *credential)
{
    size_t kid_len = sizeof(credential->kid);
    size_t secret_len = sizeof(credential->secret);

    if (nvs_get_blob(nvs, "kid", credential->kid, &kid_len) != ESP_OK ||
        nvs_get_blob(nvs, "secret", credential->secret, &secret_len) != ESP_OK ||
        nvs_get_u8(nvs, "alg", &credential->alg) != ESP_OK ||
        nvs_get_u8(nvs, "kind", &credential->kind) != ESP_OK)
        return -1;
    credential->kid_len = (uint8_t)kid_len;
    return kid_len >= 1 && kid_len <= BULLA_KID_MAX && secret_len == BULLA_SECRET_SIZE ? 0 : -1;
}

int esp32_port_credential(struct bulla_credential *credential, char *name)
{
    volatile uint8_t *secret = credential->secret;
    nvs_handle_t nvs;
    int error;

    memset(credential, 0, sizeof(*credential));
    if (nvs_open(ESP32_NAMESPACE, NVS_READONLY, &nvs) != ESP_OK)
        return BULLA_E_STORE;
    error = esp32_read_credential(nvs, credential);
    if (error == 0)
        error = esp32_read_name(nvs, name);
    nvs_close(nvs);
    for (size_t i = 0; error != 0 && i < BULLA_SECRET_SIZE; i++)
        secret[i] = 0; /* nothing of half a credential stays */
    return error == 0 ? 0 : BULLA_E_STORE;
}
