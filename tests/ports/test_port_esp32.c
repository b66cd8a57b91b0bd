/*
 * The port for the ESP32 over a model of ESP-IDF: NVS, the generator and what its noise depends on.
 */
#include "support.h"

#include <string.h>

#include "device/port/esp32.h"
#include "port_suite.h"
#include "power.h"

#include <bootloader_random.h>
#include <esp_random.h>
#include <esp_timer.h>
#include <esp_wifi.h>
#include <nvs.h>

#define ENTRIES 8

struct entry {
    char key[16];
    size_t len;
    uint8_t bytes[BULLA_NAME_MAX + 1];
};

static struct entry entries[ENTRIES];
static struct entry staged; /* until the commit */
static int open_handles;
static int wifi;
static int wifi_goes;
static int bracket; /* bootloader_random_enable() is in force */
static int brackets;
static int64_t now;
static struct retained_slot saved;
static struct esp32_port board;

/* ---- ESP-IDF ---- */

void bootloader_random_enable(void)
{
    assert_false(bracket || wifi);
    bracket = 1;
    brackets++;
}

void bootloader_random_disable(void)
{
    assert_true(bracket);
    bracket = 0;
}

/* Without a source of noise it gives the same numbers every time, and does not say so. */
void esp_fill_random(void *buf, size_t len)
{
    if (wifi || bracket)
        test_fill(&power_seed, buf, len);
    else
        memset(buf, 0x11, len);
    if (wifi_goes)
        wifi = 0;
}

int64_t esp_timer_get_time(void)
{
    return now;
}

esp_err_t esp_wifi_get_max_tx_power(int8_t *power)
{
    if (!wifi)
        return ESP_ERR_WIFI_NOT_STARTED;
    *power = 80;
    return ESP_OK;
}

esp_err_t nvs_open(const char *namespace_name, nvs_open_mode_t open_mode, nvs_handle_t *out_handle)
{
    assert_string_equal(namespace_name, "bulla");
    if (open_mode == NVS_READONLY && entries[0].len == 0)
        return ESP_ERR_NVS_NOT_FOUND; /* the namespace was never written */
    *out_handle = 7;
    open_handles++;
    return ESP_OK;
}

void nvs_close(nvs_handle_t handle)
{
    assert_int_equal(handle, 7);
    open_handles--;
}

static struct entry *find(const char *key)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        if (entries[i].len > 0 && strcmp(entries[i].key, key) == 0)
            return &entries[i];
    }
    return NULL;
}

static esp_err_t get(const char *key, void *out, size_t *length)
{
    const struct entry *entry = find(key);

    if (entry == NULL)
        return ESP_ERR_NVS_NOT_FOUND;
    if (*length < entry->len)
        return ESP_FAIL;
    memcpy(out, entry->bytes, entry->len);
    *length = entry->len;
    return ESP_OK;
}

esp_err_t nvs_get_blob(nvs_handle_t handle, const char *key, void *out_value, size_t *length)
{
    assert_int_equal(handle, 7);
    return get(key, out_value, length);
}

esp_err_t nvs_get_str(nvs_handle_t handle, const char *key, char *out_value, size_t *length)
{
    return nvs_get_blob(handle, key, out_value, length);
}

esp_err_t nvs_get_u8(nvs_handle_t handle, const char *key, uint8_t *out_value)
{
    size_t length = 1;

    return nvs_get_blob(handle, key, out_value, &length);
}

static void put(const char *key, const void *value, size_t len)
{
    struct entry *entry = find(key);

    for (size_t i = 0; entry == NULL && i < ENTRIES; i++)
        entry = entries[i].len == 0 ? &entries[i] : NULL;
    assert_non_null(entry);
    strcpy(entry->key, key);
    entry->len = len;
    memcpy(entry->bytes, value, len);
}

esp_err_t nvs_set_blob(nvs_handle_t handle, const char *key, const void *value, size_t length)
{
    assert_int_equal(handle, 7);
    assert_true(strlen(key) <= 15 && length <= sizeof(staged.bytes));
    strcpy(staged.key, key);
    staged.len = length;
    memcpy(staged.bytes, value, length);
    return ESP_OK;
}

/* A cut leaves the old entry or the new one. */
esp_err_t nvs_commit(nvs_handle_t handle)
{
    int cut = power_step();

    assert_int_equal(handle, 7);
    if (!cut || test_below(&power_seed, 2) == 0)
        put(staged.key, staged.bytes, staged.len);
    if (cut)
        power_off();
    return ESP_OK;
}

/* ---- the chip ---- */

static struct bulla_port *boot(void)
{
    memset(&board, 0xaa, sizeof(board));
    open_handles = 0;
    wifi = 1;
    esp32_port_init(&board, esp32_wifi_is_on, &saved);
    return &board.port;
}

static void battery_out(void)
{
    test_fill(&power_seed, (uint8_t *)&saved, sizeof(saved));
}

static void make_new(void)
{
    memset(entries, 0, sizeof(entries));
    battery_out();
}

static void rot(enum bulla_slot slot)
{
    struct entry *entry = find(slot == BULLA_SLOT_COUNTER_A ? "ctr_a" : "ctr_b");

    if (entry != NULL)
        entry->bytes[test_below(&power_seed, entry->len)] ^= (uint8_t)(1 << test_below(&power_seed, 8));
}

static int radio_that_is_off(void)
{
    return 0;
}

static int break_it;

static void break_random(int broken)
{
    break_it = broken;
}

static struct bulla_port *boot_or_break(void)
{
    struct bulla_port *port = boot();

    if (break_it)
        board.radio_is_on = radio_that_is_off;
    return port;
}

static void set_clock(uint32_t milliseconds)
{
    now = (int64_t)milliseconds * 1000 + (milliseconds < 1000 ? (int64_t)1000 << 32 : 0);
}

/* ---- of this port alone ---- */

static int draw(uint8_t out[8])
{
    return board.port.random(board.port.context, out, 8);
}

static void test_no_noise_no_randomness(void **state)
{
    uint8_t out[8];

    (void)state;
    boot();
    assert_int_equal(draw(out), 0);
    wifi = 0; /* it is stopped */
    assert_int_not_equal(draw(out), 0);
    wifi = 1;
    wifi_goes = 1; /* it is stopped while numbers are drawn */
    assert_int_not_equal(draw(out), 0);
    wifi_goes = 0;
    assert_int_equal(brackets, 0);
}

static void test_without_a_radio_it_is_bracketed(void **state)
{
    uint8_t first[8];
    uint8_t second[8];

    (void)state;
    wifi = 0;
    esp32_port_init(&board, NULL, NULL);
    assert_int_equal(draw(first), 0);
    assert_int_equal(draw(second), 0);
    assert_memory_not_equal(first, second, 8);
    assert_true(brackets == 2 && !bracket);
}

static void test_credential(void **state)
{
    static const uint8_t kind = BULLA_COUNTER;
    static const uint8_t alg = 30;
    static const uint8_t blank[BULLA_SECRET_SIZE];
    uint8_t secret[BULLA_SECRET_SIZE];
    struct bulla_credential credential;
    char name[BULLA_NAME_MAX + 1];

    (void)state;
    make_new();
    memset(secret, 0x42, sizeof(secret));
    assert_int_equal(esp32_port_credential(&credential, name), BULLA_E_STORE);
    put("kid", "\x01\x02\x03\x04", 4);
    put("secret", secret, sizeof(secret));
    put("alg", &alg, 1);
    assert_int_equal(esp32_port_credential(&credential, name), BULLA_E_STORE); /* no kind */
    assert_memory_equal(credential.secret, blank, sizeof(blank));
    put("kind", &kind, 1);
    assert_int_equal(esp32_port_credential(&credential, name), 0);
    assert_string_equal(name, "");
    put("name", "shed", 5);
    assert_int_equal(esp32_port_credential(&credential, name), 0);
    assert_string_equal(name, "shed");
    assert_int_equal(esp32_port_credential(&credential, NULL), 0);
    assert_memory_equal(credential.secret, secret, sizeof(secret));
    assert_memory_equal(credential.kid, "\x01\x02\x03\x04", 4);
    assert_true(credential.kid_len == 4 && credential.alg == 30 && credential.kind == BULLA_COUNTER);
    put("secret", secret, sizeof(secret) - 1);
    assert_int_equal(esp32_port_credential(&credential, NULL), BULLA_E_STORE);
    assert_memory_equal(credential.secret, blank, sizeof(blank));
    assert_int_equal(open_handles, 0);
}

int main(void)
{
    const struct port_model model = {
        .name = "esp32",
        .boot = boot_or_break,
        .make_new = make_new,
        .rot = rot,
        .battery_out = battery_out,
        .break_random = break_random,
        .set_clock = set_clock,
        .extra = {{"test_no_noise_no_randomness", test_no_noise_no_randomness},
                  {"test_without_a_radio_it_is_bracketed", test_without_a_radio_it_is_bracketed},
                  {"test_credential", test_credential}},
    };

    return port_suite(&model);
}
