/*
 * What bulla.c needs from a POSIX host with lua5.1: NodeMCU's macros for tables in flash, made of
 * luaL_register().
 */
#ifndef BULLA_LUA_H
#define BULLA_LUA_H

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>

#include "device/bulla.h"
#include "device/crypto.h"

#define LROT_BEGIN(table, meta, flags) static const luaL_Reg table##_functions[] = {
#define LROT_FUNCENTRY(name, function) {#name, function},
#define LROT_TABENTRY(name, table)     /* luaL_rometatable() below makes the one that is used, __index */
#define LROT_END(table, meta, flags)                                                                         \
    {                                                                                                        \
        NULL, NULL                                                                                           \
    }                                                                                                        \
    }                                                                                                        \
    ;
#define LROT_TABLEREF(table) table##_functions
#define NODEMCU_MODULE(upper, name, table, open)                                                             \
    int luaopen_##table(lua_State *L);                                                                       \
    int luaopen_##table(lua_State *L)                                                                        \
    {                                                                                                        \
        open(L);                                                                                             \
        lua_newtable(L);                                                                                     \
        luaL_register(L, NULL, table##_functions);                                                           \
        return 1;                                                                                            \
    }

static int luaL_rometatable(lua_State *L, const char *type, const luaL_Reg *functions)
{
    luaL_newmetatable(L, type);
    luaL_register(L, NULL, functions);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    return 1;
}

static int bulla_lua_random(void *context, uint8_t *out, size_t len)
{
    ssize_t got;

    (void)context;
    do
        got = getrandom(out, len, 0); /* up to 256 bytes come whole */
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)len ? 0 : -1;
}

static uint32_t bulla_lua_timer(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

#define BULLA_LUA_TIMER bulla_lua_timer

#endif
