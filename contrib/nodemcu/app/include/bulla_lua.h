/*
 * What bulla.c needs from NodeMCU's firmware for the ESP8266. (contrib/nodemcu/host has its counterpart for
 * lua5.1; the build chooses by its include path.)
 */
#ifndef BULLA_LUA_H
#define BULLA_LUA_H

#include "lauxlib.h"
#include "module.h"
#include "osapi.h"

#include "../bulla/bulla.h"
#include "../bulla/crypto.h"

/* The hardware's random source, which has noise to draw from while Wi-Fi is on. The SDK reports no failure.
 */
static int bulla_lua_random(void *context, uint8_t *out, size_t len)
{
    (void)context;
    os_get_random(out, len);
    return 0;
}

/*
 * None: system_get_time() wraps around after 72 minutes, and what wraps so soon could take an old time for a
 * new one. Without a timer the library believes the time of a reply only if it answers the last message.
 */
#define BULLA_LUA_TIMER NULL

#endif
