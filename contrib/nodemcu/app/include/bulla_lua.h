/*
 * What bulla.c needs from NodeMCU's firmware for the ESP8266. (contrib/nodemcu/host has its counterpart for
 * lua5.1; the build chooses by its include path.)
 */
#ifndef BULLA_LUA_H
#define BULLA_LUA_H

#include "lauxlib.h"
#include "module.h"
#include "osapi.h"
#include "user_interface.h"

#include "../bulla/bulla.h"
#include "../bulla/crypto.h"

/* The hardware's random source: its noise comes from the radio, so while Wi-Fi's mode is off it fails. */
static int bulla_lua_random(void *context, uint8_t *out, size_t len)
{
    (void)context;
    return wifi_get_opmode() != NULL_MODE && os_get_random(out, len) == 0 ? 0 : -1;
}

/*
 * None: system_get_time() wraps around after 72 minutes, and what wraps so soon could take an old time for a
 * new one. Without a timer the library believes the time of a reply only if it answers the last message.
 */
#define BULLA_LUA_TIMER NULL

#endif
