/*
 * A device in Lua (5.1): the device library as a module of NodeMCU's firmware, or of lua5.1.
 *
 *     device = assert(bulla.device("bulla:kitchen?kid=…&secret=…&alg=10"))
 *     sealed = assert(device:seal{temperature = {23.4, "Cel"}, door = false})   -- a string of bytes; send it
 *     fate, time = device:open(reply)   -- "stored": done; "again": send device:again(); "waiting":
 * device:resend()
 *
 * bulla.device(credential [, options]) opens a context. Options: `buffer`, bytes for a message (default 256);
 * `store`, a table of two functions: load(slot) gives back the string that store(slot, string) kept (anything
 * but false and nil from store() means that it is durable). Slots are "counter_a", "counter_b" and "session".
 * With a store a session that slept is woken (and true comes second), without one each start is a new
 * session. A counter credential needs one, and bulla.provision(credential, store) once, ever.
 *
 * device:seal(readings [, options]): readings are name = value or name = {value, unit}, in any order, or a
 * list of {name, value, unit}, in its order, and before those with a name. Values are numbers, booleans and
 * strings. Options: `age`, seconds ago, or `time`, Unix seconds. It takes the place of the message before,
 * which can then not be sent again. device:resend() gives the same message, device:again() seals it again;
 * device:fate() says which of them is due. device:sleep() saves the session in the store. device:close()
 * wipes the device, as its collection does.
 *
 * What failed is nil and the reason; what was called wrongly is a Lua error. Lua's errors are longjmp():
 * nothing here may raise one while a secret is on the stack, so the store's functions run protected.
 */
#include <bulla_lua.h>

#include <stddef.h>
#include <string.h>

#define TYPE           "bulla.device"
#define BUFFER_DEFAULT 256
#define BUFFER_LEAST   (BULLA_HEADROOM + BULLA_TAG_MAX + 1)
#define DIGITS         6 /* decimal digits that a single keeps */

struct device {
    struct bulla bulla;
    struct bulla_port port;
    struct bulla_message message;
    lua_State *L;   /* of the call under way, for the store's functions */
    int store;      /* reference to the store's table, or LUA_NOREF */
    uint8_t open;   /* 0: closed */
    uint8_t held;   /* the buffer holds a sealed message */
    uint8_t inside; /* a call is under way: the store's functions must not begin another */
    size_t size;
    uint8_t buffer[];
};

static int push_failure(lua_State *L, int error)
{
    lua_pushnil(L);
    lua_pushstring(L, bulla_strerror(error));
    return 2;
}

/* ---- store: functions in Lua ---- */

static const char *const slot_names[] = {[BULLA_SLOT_COUNTER_A] = "counter_a",
                                         [BULLA_SLOT_COUNTER_B] = "counter_b",
                                         [BULLA_SLOT_SESSION] = "session"};

struct store_call {
    struct device *device;
    enum bulla_slot slot;
    const uint8_t *data; /* NULL: load */
    uint8_t *out;
    size_t len;
    int done;
};

/* Runs protected: what it raises, memory included, is a store that failed. */
static int call_store(lua_State *L)
{
    struct store_call *call = lua_touserdata(L, 1);
    const char *loaded;
    size_t len;

    lua_rawgeti(L, LUA_REGISTRYINDEX, call->device->store);
    lua_getfield(L, -1, call->data != NULL ? "store" : "load");
    lua_pushstring(L, slot_names[call->slot]);
    if (call->data != NULL) {
        lua_pushlstring(L, (const char *)call->data, call->len);
        lua_call(L, 2, 1);
        call->done = lua_toboolean(L, -1);
        return 0;
    }
    lua_call(L, 1, 1);
    loaded = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    if (loaded != NULL && len == call->len) {
        memcpy(call->out, loaded, len);
        call->done = 1;
    }
    return 0;
}

static int protect(struct store_call *call)
{
    lua_State *L = call->device->L;

    if (lua_cpcall(L, call_store, call) != 0) {
        lua_pop(L, 1);
        return -1;
    }
    return call->done ? 0 : -1;
}

static int port_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    struct store_call call = {.device = context, .slot = slot, .out = out, .len = len};

    return protect(&call);
}

static int port_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    struct store_call call = {.device = context, .slot = slot, .data = data, .len = len};

    return protect(&call);
}

static int is_store(lua_State *L, int index)
{
    int functions = 0;

    if (!lua_istable(L, index))
        return 0;
    lua_getfield(L, index, "load");
    functions += lua_isfunction(L, -1);
    lua_getfield(L, index, "store");
    functions += lua_isfunction(L, -1);
    lua_pop(L, 2);
    return functions == 2;
}

/* ---- devices ---- */

/* Pushes a device that is closed; from here on its collection wipes it. */
static struct device *push_device(lua_State *L, size_t size)
{
    struct device *device = lua_newuserdata(L, sizeof(*device) + size);

    memset(device, 0, sizeof(*device) + size);
    device->size = size;
    device->store = LUA_NOREF;
    luaL_getmetatable(L, TYPE);
    lua_setmetatable(L, -2);
    return device;
}

/* Gives the device its port. `store`: the index of its table, or 0. */
static void set_port(lua_State *L, struct device *device, int store)
{
    device->L = L;
    device->port.random = bulla_lua_random;
    device->port.timer = BULLA_LUA_TIMER;
    device->port.context = device;
    if (store == 0)
        return;
    lua_pushvalue(L, store);
    device->store = luaL_ref(L, LUA_REGISTRYINDEX);
    device->port.load = port_load;
    device->port.store = port_store;
}

/* From here to `inside = 0` the functions of the store may run, on this thread's stack. What the arguments'
 * metamethods ran before may have been another thread, which is gone. */
static void begin_work(lua_State *L, struct device *device)
{
    device->L = L;
    device->inside = 1;
}

static struct device *enter(lua_State *L)
{
    struct device *device = luaL_checkudata(L, 1, TYPE);

    if (!device->open)
        luaL_error(L, "the device is closed");
    if (device->inside)
        luaL_error(L, "the device is at work: a function of its store must not call it");
    return device;
}

/* Reads an option that may be left out: its field is pushed, and true returned if it is there. */
static int push_option(lua_State *L, int index, const char *name)
{
    if (lua_isnoneornil(L, index))
        lua_pushnil(L);
    else
        lua_getfield(L, index, name);
    return !lua_isnil(L, -1);
}

static size_t check_buffer(lua_State *L, int options)
{
    lua_Number size = BUFFER_DEFAULT;

    if (push_option(L, options, "buffer")) {
        if (!lua_isnumber(L, -1))
            return (size_t)luaL_argerror(L, options, "buffer is a number of bytes");
        size = lua_tonumber(L, -1);
    }
    lua_pop(L, 1);
    if (!(size >= BUFFER_LEAST && size <= BULLA_MESSAGE_MAX))
        return (size_t)luaL_argerror(L, options, "buffer has to be 83 to 4096 bytes");
    return (size_t)size;
}

/* The index of the store that the options bring, which is left on the stack, or 0. */
static int check_store(lua_State *L, int options)
{
    if (!push_option(L, options, "store"))
        return 0;
    if (!is_store(L, lua_gettop(L)))
        luaL_argerror(L, options, "store is a table of two functions, load and store");
    return lua_gettop(L);
}

/* Opens the context. Nothing in here raises an error of Lua: the secret is on the stack. Returns as
 * bulla_wake() does.
 */
static int open_context(struct device *device, const char *line, size_t len)
{
    struct bulla_credential credential;
    int error = bulla_credential_parse(&credential, NULL, line, len);

    begin_work(device->L, device);
    if (error == 0)
        error = bulla_wake(&device->bulla, &credential, &device->port);
    device->inside = 0;
    bulla_wipe(&credential, sizeof(credential));
    device->open = error >= 0;
    return error;
}

static int push_opening_failure(lua_State *L, int error)
{
    if (error != BULLA_E_MALFORMED)
        return push_failure(L, error);
    lua_pushnil(L);
    lua_pushliteral(L, "not a credential line, as 'bulla device add' prints it");
    return 2;
}

static int bulla_device_new(lua_State *L)
{
    size_t len;
    const char *line = luaL_checklstring(L, 1, &len);
    struct device *device;
    int store;
    int woken;

    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    device = push_device(L, check_buffer(L, 2));
    store = check_store(L, 2);
    set_port(L, device, store);
    woken = open_context(device, line, len);
    if (woken < 0)
        return push_opening_failure(L, woken);
    lua_pushvalue(L, 3);
    lua_pushboolean(L, woken);
    return 2;
}

/* Makes the counter. As open_context(), it raises nothing. */
static int provision(struct device *device, const char *line, size_t len)
{
    struct bulla_credential credential;
    int error = bulla_credential_parse(&credential, NULL, line, len);

    if (error == 0)
        error = bulla_provision_counter(&credential, &device->port);
    bulla_wipe(&credential, sizeof(credential));
    return error;
}

static int bulla_provision(lua_State *L)
{
    size_t len;
    const char *line = luaL_checklstring(L, 1, &len);
    struct device *device;
    int error;

    luaL_argcheck(L, is_store(L, 2), 2, "store is a table of two functions, load and store");
    device = push_device(L, 0);
    set_port(L, device, 2);
    error = provision(device, line, len);
    if (error < 0)
        return push_opening_failure(L, error);
    lua_pushboolean(L, 1);
    return 1;
}

static void close_device(lua_State *L, struct device *device)
{
    bulla_close(&device->bulla);
    luaL_unref(L, LUA_REGISTRYINDEX, device->store);
    device->store = LUA_NOREF;
    bulla_wipe(device->buffer, device->size);
    device->open = 0;
    device->held = 0;
}

static int bulla_device_close(lua_State *L)
{
    struct device *device = luaL_checkudata(L, 1, TYPE);

    if (device->inside)
        return luaL_error(L, "the device is at work: a function of its store must not close it");
    close_device(L, device);
    return 0;
}

/* Lua's own collection never finds a device at work, but __gc can be called by its name. */
static int bulla_device_gc(lua_State *L)
{
    struct device *device = luaL_checkudata(L, 1, TYPE);

    if (!device->inside)
        close_device(L, device);
    return 0;
}

/* ---- readings ---- */

/* Bytes that follow the first one of a character in UTF-8 (RFC 3629), or -1. */
static int followers(uint8_t first)
{
    return first < 0x80 ? 0 : first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : -1;
}

/* What is no UTF-8 would make the whole message undecodable. `text` is zero-terminated. */
static int is_utf8(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;

    while (*at != 0) {
        int more = followers(*at);

        if (more < 0 || (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
            (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
            return 0;
        for (at++; more > 0; more--)
            if ((*at++ & 0xc0) != 0x80)
                return 0;
    }
    return 1;
}

static const char *check_text(lua_State *L, int index, const char *what)
{
    size_t len;
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &len) : NULL;

    if (text == NULL)
        luaL_error(L, "%s has to be a string, and is a %s", what, luaL_typename(L, index));
    if (strlen(text) != len)
        luaL_error(L, "%s holds a zero byte", what);
    if (!is_utf8(text))
        luaL_error(L, "%s is not UTF-8", what);
    return text;
}

/* Is it a decimal of at most DIGITS digits, so that a single says it as well as a double does? */
static int is_short(double value)
{
    double scale = 1;

    for (int decimals = 0; decimals <= DIGITS; decimals++, scale *= 10) {
        double scaled = value * scale;

        if (!(scaled > -1e6 && scaled < 1e6))
            return 0;
        if ((double)(int32_t)(scaled + (scaled < 0 ? -0.5 : 0.5)) / scale == value)
            return 1;
    }
    return 0;
}

static void add_number(struct bulla_message *message, const char *name, const char *unit, double value)
{
    if (value >= -9007199254740992.0 && value <= 9007199254740992.0 && (double)(int64_t)value == value)
        bulla_add_integer(message, name, unit, (int64_t)value);
    else if (is_short(value))
        bulla_add_float(message, name, unit, (float)value);
    else
        bulla_add_double(message, name, unit, value);
}

/* Adds the value at an index of the stack. */
static void add_value(lua_State *L, struct bulla_message *message, const char *name, int value,
                      const char *unit)
{
    switch (lua_type(L, value)) {
    case LUA_TNUMBER:
        add_number(message, name, unit, (double)lua_tonumber(L, value));
        break;
    case LUA_TBOOLEAN:
        bulla_add_boolean(message, name, lua_toboolean(L, value));
        break;
    case LUA_TSTRING:
        bulla_add_text(message, name, check_text(L, value, "a reading"));
        break;
    default:
        luaL_error(L, "reading '%s' has to be a number, a boolean or a string, and is a %s", name,
                   luaL_typename(L, value));
    }
}

static const char *check_unit(lua_State *L, int index)
{
    return lua_isnil(L, index) ? NULL : check_text(L, index, "a unit");
}

/* name = value, or name = {value, unit}; the value is at the stack's top. */
static void add_named(lua_State *L, struct bulla_message *message, const char *name)
{
    int value = lua_gettop(L);

    if (lua_istable(L, value)) {
        lua_rawgeti(L, value, 1);
        lua_rawgeti(L, value, 2);
        add_value(L, message, name, value + 1, check_unit(L, value + 2));
        lua_pop(L, 2);
    } else {
        add_value(L, message, name, value, NULL);
    }
}

/* An entry of a list: {name, value, unit}. */
static void add_listed(lua_State *L, struct bulla_message *message)
{
    int entry = lua_gettop(L);

    if (!lua_istable(L, entry))
        luaL_error(L, "a list of readings holds tables: {name, value, unit}");
    for (int i = 1; i <= 3; i++)
        lua_rawgeti(L, entry, i);
    add_value(L, message, check_text(L, entry + 1, "a name"), entry + 2, check_unit(L, entry + 3));
    lua_pop(L, 3);
}

struct moment {
    double time; /* Unix seconds */
    double age;  /* seconds */
    uint8_t has_time;
    uint8_t has_age;
};

static struct moment check_moment(lua_State *L, int options)
{
    struct moment moment = {0};

    if (!lua_isnoneornil(L, options))
        luaL_checktype(L, options, LUA_TTABLE);
    moment.has_time = (uint8_t)push_option(L, options, "time");
    moment.time = lua_isnumber(L, -1) ? (double)lua_tonumber(L, -1) : -1;
    moment.has_age = (uint8_t)push_option(L, options, "age");
    moment.age = lua_isnumber(L, -1) ? (double)lua_tonumber(L, -1) : -1;
    lua_pop(L, 2);
    luaL_argcheck(L, !(moment.has_time && moment.has_age), options, "time and age exclude each other");
    luaL_argcheck(L, !moment.has_time || (moment.time >= 268435456.0 && moment.time < 9007199254740992.0),
                  options, "time is in Unix seconds");
    luaL_argcheck(L, !moment.has_age || (moment.age >= 0 && moment.age <= 4294967295.0), options,
                  "age is in seconds, at least 0");
    return moment;
}

static void set_moment(struct bulla_message *message, const struct moment *moment)
{
    if (moment->has_time)
        bulla_set_time(message, (int64_t)moment->time);
    if (moment->has_age)
        bulla_set_age(message, (uint32_t)moment->age);
}

static void add_readings(lua_State *L, struct bulla_message *message, const struct moment *moment)
{
    size_t listed = lua_objlen(L, 2);

    for (size_t i = 1; i <= listed; i++) {
        lua_rawgeti(L, 2, (int)i);
        add_listed(L, message);
        set_moment(message, moment);
        lua_pop(L, 1);
    }
    for (lua_pushnil(L); lua_next(L, 2) != 0; lua_pop(L, 1)) {
        if (listed > 0 && lua_type(L, -2) == LUA_TNUMBER)
            continue;
        add_named(L, message, check_text(L, -2, "a name"));
        set_moment(message, moment);
    }
}

/* ---- messages ---- */

/* The sealed message as a string, or what went wrong. If memory is out for the string, resend() still has it.
 */
static int push_message(lua_State *L, struct device *device, int error)
{
    if (error < 0)
        return push_failure(L, error);
    device->held = 1;
    lua_pushlstring(L, (const char *)device->message.data, device->message.size);
    return 1;
}

static int bulla_device_seal(lua_State *L)
{
    struct device *device = enter(L);
    struct moment moment;
    int error;

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    lua_pushnil(L);
    luaL_argcheck(L, lua_next(L, 2) != 0, 2, "there is no reading in it");
    lua_settop(L, 3);
    moment = check_moment(L, 3);
    device->held = 0;
    bulla_begin(&device->message, device->buffer, device->size);
    add_readings(L, &device->message, &moment);
    begin_work(L, device);
    error = bulla_seal(&device->bulla, &device->message);
    device->inside = 0;
    return push_message(L, device, error);
}

static int bulla_device_resend(lua_State *L)
{
    struct device *device = enter(L);

    return push_message(L, device,
                        device->held ? bulla_resend(&device->bulla, &device->message) : BULLA_E_STATE);
}

static int bulla_device_again(lua_State *L)
{
    struct device *device = enter(L);
    int error = BULLA_E_STATE;

    begin_work(L, device);
    if (device->held)
        error = bulla_seal_again(&device->bulla, &device->message);
    device->inside = 0;
    return push_message(L, device, error);
}

static int push_fate(lua_State *L, const struct device *device)
{
    static const char *const words[] = {[BULLA_WAITING] = "waiting",
                                        [BULLA_STORED] = "stored",
                                        [BULLA_SEAL_AGAIN] = "again",
                                        [BULLA_FORGOTTEN] = "again"};

    if (device->held)
        lua_pushstring(L, words[bulla_fate(&device->bulla, &device->message)]);
    else
        lua_pushnil(L);
    return 1;
}

static int bulla_device_fate(lua_State *L)
{
    return push_fate(L, enter(L));
}

/* Opens a copy, as it is opened in place. Returns the fate of the message that was sealed last, and the time.
 */
static int bulla_device_open(lua_State *L)
{
    struct device *device = enter(L);
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    struct bulla_reply reply;
    void *copy;
    int error;

    if (len > BULLA_MESSAGE_MAX)
        return push_failure(L, BULLA_E_MALFORMED);
    copy = lua_newuserdata(L, len > 0 ? len : 1);
    memcpy(copy, bytes, len);
    begin_work(L, device);
    error = bulla_open_reply(&device->bulla, copy, len, &reply);
    device->inside = 0;
    bulla_wipe(copy, len);
    if (error < 0)
        return push_failure(L, error);
    push_fate(L, device);
    if (!reply.has_time)
        return 1;
    lua_pushnumber(L, (lua_Number)reply.time);
    return 2;
}

static int bulla_device_sleep(lua_State *L)
{
    struct device *device = enter(L);
    int error = BULLA_E_UNSAFE;

    begin_work(L, device);
    if (device->port.store != NULL)
        error = bulla_sleep(&device->bulla);
    device->inside = 0;
    if (error < 0)
        return push_failure(L, error);
    lua_pushboolean(L, 1);
    return 1;
}

/* clang-format off */
LROT_BEGIN(bulla_methods, NULL, LROT_MASK_GC_INDEX)
  LROT_FUNCENTRY( __gc, bulla_device_gc )
  LROT_TABENTRY(  __index, bulla_methods )
  LROT_FUNCENTRY( again, bulla_device_again )
  LROT_FUNCENTRY( close, bulla_device_close )
  LROT_FUNCENTRY( fate, bulla_device_fate )
  LROT_FUNCENTRY( open, bulla_device_open )
  LROT_FUNCENTRY( resend, bulla_device_resend )
  LROT_FUNCENTRY( seal, bulla_device_seal )
  LROT_FUNCENTRY( sleep, bulla_device_sleep )
LROT_END(bulla_methods, NULL, LROT_MASK_GC_INDEX)

LROT_BEGIN(bulla, NULL, 0)
  LROT_FUNCENTRY( device, bulla_device_new )
  LROT_FUNCENTRY( provision, bulla_provision )
LROT_END(bulla, NULL, 0)
/* clang-format on */

static int open_module(lua_State *L)
{
    luaL_rometatable(L, TYPE, LROT_TABLEREF(bulla_methods));
    return 1;
}

NODEMCU_MODULE(BULLA, "bulla", bulla, open_module);
