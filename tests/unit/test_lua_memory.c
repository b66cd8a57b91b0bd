/*
 * The Lua module when memory runs out: each allocation of a device's life fails once. Nothing crashes,
 * nothing leaks, and no block is given back with the device's secret in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "support.h"

int luaopen_bulla(lua_State *L);

/* What the credential of the script below stands for. */
static uint8_t secret[32];

static const char script[] =
    "local line = ...\n"
    "local slots = {}\n"
    "local store = {load = function(slot) return slots[slot] end,\n"
    "               store = function(slot, data) slots[slot] = data return true end}\n"
    "local device = assert(bulla.device(line, {store = store, buffer = 200}))\n"
    "assert(device:seal{temperature = {23.4, 'Cel'}, door = false, text = 'open'})\n"
    "assert(device:seal({{'a', 1, 'm'}, {'b', 2}}, {age = 3}))\n"
    "assert(device:resend())\n"
    "assert(device:open('x') == nil)\n"
    "assert(device:fate() == 'waiting')\n"
    "assert(device:sleep())\n"
    "device:close()\n"
    "device = assert(bulla.device(line, {store = store}))\n"
    "assert(device:seal{temperature = 1})\n"
    "line = line .. '&context=counter'\n"
    "slots = {}\n"
    "assert(bulla.provision(line, store))\n"
    "device = assert(bulla.device(line, {store = store}))\n"
    "assert(device:seal{temperature = 1})\n"
    "return true\n";

struct memory {
    size_t blocks;
    unsigned long allocations;
    unsigned long fail_at; /* 0: never */
    unsigned found;        /* blocks given back with the secret in them */
};

static void look(struct memory *memory, const uint8_t *block, size_t size)
{
    for (size_t i = 0; i + sizeof(secret) <= size; i++)
        memory->found += memcmp(block + i, secret, sizeof(secret)) == 0;
}

/* Blocks always move, so that nothing of an old one is missed. */
static void *allocate(void *context, void *old, size_t old_size, size_t size)
{
    struct memory *memory = context;
    uint8_t *block = NULL;

    if (size > old_size || (size > 0 && old == NULL)) {
        if (++memory->allocations == memory->fail_at)
            return NULL;
    }
    if (size > 0) {
        block = malloc(size);
        assert_non_null(block);
        memory->blocks++;
        if (old != NULL)
            memcpy(block, old, size < old_size ? size : old_size);
    }
    if (old != NULL) {
        look(memory, old, old_size);
        memory->blocks--;
        free(old);
    }
    return block;
}

static int run_script(lua_State *L)
{
    static const char line[] =
        "bulla:shed?kid=0a1b2c3d&secret=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&alg=10";

    luaL_openlibs(L);
    luaopen_bulla(L);
    lua_setglobal(L, "bulla");
    if (luaL_loadstring(L, script) != 0)
        return lua_error(L);
    lua_pushstring(L, line);
    lua_call(L, 1, 1);
    return lua_toboolean(L, -1) ? 0 : luaL_error(L, "the script gave nothing");
}

/* Returns Lua's status: 0 or an error. */
static int run(struct memory *memory, unsigned long fail_at)
{
    lua_State *L;
    int status;

    memset(memory, 0, sizeof(*memory));
    memory->fail_at = fail_at;
    L = lua_newstate(allocate, memory);
    if (L == NULL)
        return LUA_ERRMEM;
    status = lua_cpcall(L, run_script, NULL);
    if (status != 0 && fail_at == 0)
        fail_msg("%s", lua_tostring(L, -1));
    lua_close(L);
    return status;
}

static void test_every_allocation_fails(void **state)
{
    struct memory memory;
    unsigned long all;
    unsigned failed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)i;
    assert_int_equal(run(&memory, 0), 0);
    assert_int_equal(memory.found, 0);
    assert_int_equal(memory.blocks, 0);
    all = memory.allocations;
    assert_true(all > 100);
    for (unsigned long i = 1; i <= all; i++) {
        failed += run(&memory, i) != 0;
        assert_int_equal(memory.found, 0);
        assert_int_equal(memory.blocks, 0);
    }
    assert_true(failed > all / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails),
    };

    return cmocka_run_group_tests_name("Lua", tests, NULL, NULL);
}
