/*
 * The port for Zephyr over a model of its settings and its generator.
 */
#include "support.h"

#include <errno.h>
#include <string.h>

#include "device/port/zephyr.h"
#include "port_suite.h"
#include "power.h"

#include <zephyr/kernel.h>
#include <zephyr/random/random.h>
#include <zephyr/settings/settings.h>

struct setting {
    size_t len;
    uint8_t bytes[BULLA_SLOT_SIZE];
};

static struct setting settings[2];
static int started;
static int generator_fails;
static int settings_fail;
static uint32_t uptime;
static struct retained_slot saved;
static struct zephyr_port board;

/* ---- Zephyr ---- */

uint32_t k_uptime_get_32(void)
{
    return uptime;
}

int sys_csrand_get(void *dst, size_t len)
{
    if (generator_fails)
        return -EIO;
    test_fill(&power_seed, dst, len);
    return 0;
}

int settings_subsys_init(void)
{
    started = !settings_fail;
    return started ? 0 : -EIO;
}

static struct setting *find(const char *name)
{
    assert_true(started);
    assert_true(strcmp(name, "bulla/a") == 0 || strcmp(name, "bulla/b") == 0);
    return &settings[name[6] - 'a'];
}

/* A cut leaves the old value or the new one. */
int settings_save_one(const char *name, const void *value, size_t val_len)
{
    struct setting *setting = find(name);
    int cut = power_step();

    assert_true(val_len <= sizeof(setting->bytes));
    if (!cut || test_below(&power_seed, 2) == 0) {
        setting->len = val_len;
        memcpy(setting->bytes, value, val_len);
    }
    if (cut)
        power_off();
    return 0;
}

static ssize_t read_setting(void *cb_arg, void *data, size_t len)
{
    const struct setting *setting = cb_arg;

    len = len < setting->len ? len : setting->len;
    memcpy(data, setting->bytes, len);
    return (ssize_t)len;
}

int settings_load_subtree_direct(const char *subtree, settings_load_direct_cb cb, void *param)
{
    struct setting *setting = find(subtree);
    struct setting below = {sizeof(below.bytes), {0}};

    if (setting->len > 0)
        assert_int_equal(cb(NULL, setting->len, read_setting, setting, param), 0);
    return cb("below", below.len, read_setting, &below, param);
}

/* ---- the board ---- */

static struct bulla_port *boot(void)
{
    memset(&board, 0xaa, sizeof(board));
    started = 0;
    zephyr_port_init(&board, &saved);
    assert_null(board.port.random);
    zephyr_port_use_random(&board);
    assert_int_equal(zephyr_port_use_settings(&board), 0);
    return &board.port;
}

static void battery_out(void)
{
    test_fill(&power_seed, (uint8_t *)&saved, sizeof(saved));
}

static void make_new(void)
{
    memset(settings, 0, sizeof(settings));
    battery_out();
}

static void rot(enum bulla_slot slot)
{
    struct setting *setting = &settings[slot];

    if (setting->len > 0)
        setting->bytes[test_below(&power_seed, setting->len)] ^= (uint8_t)(1 << test_below(&power_seed, 8));
}

static void break_random(int broken)
{
    generator_fails = broken;
}

static void set_clock(uint32_t milliseconds)
{
    uptime = milliseconds;
}

/* ---- of this port alone ---- */

static void test_nothing_is_offered_that_was_not_asked_for(void **state)
{
    struct bulla_credential credential = {.kid = {1}, .kid_len = 1, .alg = 10, .kind = BULLA_SESSION};
    struct bulla device;
    uint8_t record[BULLA_COUNTER_SIZE] = {0};

    (void)state;
    zephyr_port_init(&board, NULL);
    assert_int_equal(bulla_open(&device, &credential, &board.port), BULLA_E_UNSAFE);
    assert_int_not_equal(board.port.store(board.port.context, BULLA_SLOT_COUNTER_A, record, sizeof(record)),
                         0);
    assert_int_not_equal(board.port.load(board.port.context, BULLA_SLOT_COUNTER_A, record, sizeof(record)),
                         0);
    settings_fail = 1;
    assert_int_equal(zephyr_port_use_settings(&board), BULLA_E_STORE);
    settings_fail = 0;
}

int main(void)
{
    const struct port_model model = {
        .name = "zephyr",
        .boot = boot,
        .make_new = make_new,
        .rot = rot,
        .battery_out = battery_out,
        .break_random = break_random,
        .set_clock = set_clock,
        .extra = {{"test_nothing_is_offered_that_was_not_asked_for",
                   test_nothing_is_offered_that_was_not_asked_for}},
    };

    return port_suite(&model);
}
