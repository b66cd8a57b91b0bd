-- The module, from Lua alone: what it takes and refuses. usage: LUA_CPATH=…/?.so lua5.1 bulla_test.lua
-- (tests/system/test_lua.py lets it talk with a gateway; tests/unit/test_lua_memory.c takes its memory away.)
local bulla = require "bulla"

local SECRET = "W6_7qqR38dhtY7dUrw3tgOm2MGDG3HInDKYFi-fTcgI"
local SESSION = "bulla:kitchen?kid=0a1b2c3d&secret=" .. SECRET .. "&alg=10"
local COUNTER = SESSION .. "&context=counter"

local function equal(got, expected)
  if got ~= expected then
    error(("got %s, expected %s"):format(tostring(got), tostring(expected)), 2)
  end
end

-- The call raises an error with that text in it.
local function raises(text, f, ...)
  local ok, message = pcall(f, ...)
  if ok or not tostring(message):find(text, 1, true) then
    error(("expected an error with '%s', got %s"):format(text, tostring(message)), 2)
  end
end

-- The call gives nil and that text.
local function fails(text, result, message)
  if result ~= nil or not tostring(message):find(text, 1, true) then
    error(("expected nil and '%s', got %s, %s"):format(text, tostring(result), tostring(message)), 2)
  end
end

local function memory()
  local slots = {}
  return {
    slots = slots,
    load = function(slot) return slots[slot] end,
    store = function(slot, data) slots[slot] = data return true end,
  }
end

local tests = {}

function tests.a_message_has_the_form_of_the_protocol()
  local device = assert(bulla.device(SESSION))
  local sealed = assert(device:seal{temperature = 23.4})
  equal(sealed:sub(1, 16), "\208\131\70\162\1\10\3\24\112\163\4\68\10\27\44\61") -- d083 46a2010a031870 a3 0444 kid
  equal(sealed:sub(17, 21), "\6\65\0\10\72")
  equal(#sealed, 60)
  equal(device:fate(), "waiting")
  equal(device:resend(), sealed)
end

function tests.two_sessions_differ()
  local one, other = assert(bulla.device(SESSION)), assert(bulla.device(SESSION))
  local first, second = one:seal{a = 1}, other:seal{a = 1}
  assert(first ~= second and #first == #second)
  assert(one:seal{a = 1} ~= first)
end

function tests.values_and_units()
  local device = assert(bulla.device(SESSION))
  local base = #device:seal{a = 0}
  equal(#device:seal{a = 23}, base)
  equal(#device:seal{a = 24}, base + 1)
  equal(#device:seal{a = -2 ^ 53}, base + 8)
  equal(#device:seal{a = 2 ^ 60}, base + 8)
  equal(#device:seal{a = 1.5}, base + 2)
  equal(#device:seal{a = 23.4}, base + 4)
  equal(#device:seal{a = -0.001}, base + 4)
  equal(#device:seal{a = math.pi}, base + 8)
  equal(#device:seal{a = 1e300}, base + 8)
  equal(#device:seal{a = 1234.567}, base + 8) -- seven digits are too many for a single
  equal(#device:seal{a = 0 / 0}, base + 2)
  equal(#device:seal{a = -1 / 0}, base + 2)
  equal(#device:seal{a = true}, base)
  equal(#device:seal{a = "text"}, base + 4)
  equal(#device:seal{a = "\226\130\172 \240\159\166\137 \237\159\191 \195\188"}, base + 16)
  equal(#device:seal{a = {0, "Cel"}}, base + 5)
  equal(#device:seal{a = {0}}, base)
  equal(#device:seal{{"a", 0, "Cel"}}, base + 5)
  equal(#device:seal({a = 0}, {age = 10}), base + 2)
  equal(#device:seal({a = 0}, {time = 1700000000}), base + 6)
end

function tests.what_is_no_reading()
  local device = assert(bulla.device(SESSION))
  raises("no reading", device.seal, device, {})
  raises("table expected", device.seal, device)
  raises("table expected", device.seal, device, 23.4)
  raises("has to be a number, a boolean or a string", device.seal, device, {a = print})
  raises("has to be a number, a boolean or a string", device.seal, device, {a = {}})
  raises("has to be a number, a boolean or a string", device.seal, device, {{"a"}})
  raises("a list of readings holds tables", device.seal, device, {1, 2})
  raises("a name has to be a string", device.seal, device, {{1, 2}})
  raises("a name has to be a string", device.seal, device, {[true] = 2})
  raises("a name has to be a string", device.seal, device, {[1.5] = 2})
  raises("a unit has to be a string", device.seal, device, {a = {1, 2}})
  raises("zero byte", device.seal, device, {["a\0b"] = 1})
  raises("zero byte", device.seal, device, {a = "b\0c"})
  for _, text in ipairs{"\255", "\128", "a\192\128", "\224\159\191", "\237\160\128", "\240\143\191\191", "\244\144\128\128",
    "\195", "\226\130", "\195(", "\245\128\128\128"} do
    raises("not UTF-8", device.seal, device, {a = text})
  end
  raises("time and age", device.seal, device, {a = 1}, {time = 1700000000, age = 1})
  raises("age is in seconds", device.seal, device, {a = 1}, {age = -1})
  raises("age is in seconds", device.seal, device, {a = 1}, {age = "old"})
  raises("age is in seconds", device.seal, device, {a = 1}, {age = 0 / 0})
  raises("Unix seconds", device.seal, device, {a = 1}, {time = 5})
  raises("table expected", device.seal, device, {a = 1}, 5)
  fails("out of range", device:seal{["not a name!"] = 1})
  fails("buffer is too small", device:seal{a = ("x"):rep(300)})
  equal(device:fate(), nil)
  fails("state", device:resend())
  fails("state", device:again())
  assert(device:seal{a = 1})
end

function tests.buffers()
  raises("83 to 4096", bulla.device, SESSION, {buffer = 82})
  raises("83 to 4096", bulla.device, SESSION, {buffer = 4097})
  raises("83 to 4096", bulla.device, SESSION, {buffer = 0 / 0})
  raises("number of bytes", bulla.device, SESSION, {buffer = "many"})
  local device = assert(bulla.device(SESSION, {buffer = 4096}))
  assert(device:seal{a = ("x"):rep(3900)})
  device = assert(bulla.device(SESSION, {buffer = 100}))
  assert(device:seal{a = 1})
end

function tests.credentials()
  raises("string expected", bulla.device)
  raises("table expected", bulla.device, SESSION, 1)
  for _, line in ipairs{"", "bulla:x", SESSION .. "&more=1", SESSION .. "\n", SESSION:sub(1, -2) .. "1", "\0"} do
    fails("not a credential line", bulla.device(line))
  end
  fails("store", bulla.device(COUNTER))
end

function tests.replies_that_are_none()
  local device = assert(bulla.device(SESSION))
  local sealed = device:seal{a = 1}
  fails("not a message", device:open(""))
  fails("not a message", device:open(("x"):rep(5000)))
  fails("not a message", device:open(sealed))
  raises("string expected", device.open, device)
  equal(device:fate(), "waiting")
  fails("state", device:again()) -- while it waits it is resent
  equal(device:resend(), sealed)
end

function tests.a_counter_is_made_once_and_goes_on()
  local store = memory()
  fails("provision it, once", bulla.device(COUNTER, {store = store}))
  equal(bulla.provision(COUNTER, store), true)
  fails("already", bulla.provision(COUNTER, store))
  local device, woken = assert(bulla.device(COUNTER, {store = store}))
  equal(woken, false)
  local sealed = assert(device:seal{a = 1})
  equal(sealed:sub(17, 18), "\6\65")
  device = assert(bulla.device(COUNTER, {store = store})) -- as after a reset
  local later = assert(device:seal{a = 1})
  equal(later:sub(17, 21), "\6\67\1\0\0") -- 65,536
  raises("two functions", bulla.provision, COUNTER)
  raises("two functions", bulla.provision, COUNTER, {load = print})
  fails("out of range", bulla.provision(SESSION, store))
  fails("not a credential line", bulla.provision("x", store))
end

function tests.a_store_that_fails()
  local store = memory()
  assert(bulla.provision(COUNTER, store))
  local work = store.store
  for _, broken in ipairs{
    function() error("worn out") end, function() return false end, function() end, function() return true end,
    function(slot) store.slots[slot] = ("x"):rep(16) return true end,
    function() error(setmetatable({}, {__tostring = error})) end, function() coroutine.yield() end,
  } do
    local again = assert(bulla.device(COUNTER, {store = store}))
    store.store = broken
    fails("store failed", again:seal{a = 1})
    store.store = work
    store.slots.counter_a, store.slots.counter_b = nil, nil
    assert(bulla.provision(COUNTER, store))
  end
  store.load = function() error("no flash") end
  fails("provision it, once", bulla.device(COUNTER, {store = store}))
  store.load = function() return 5 end
  fails("provision it, once", bulla.device(COUNTER, {store = store}))
  raises("two functions", bulla.device, COUNTER, {store = {load = print}})
  raises("two functions", bulla.device, COUNTER, {store = 1})
end

function tests.a_store_that_calls_the_device()
  local store, device = memory(), nil
  local work, seen = store.store, {}
  assert(bulla.provision(COUNTER, store))
  store.store = function(slot, data)
    if device then
      for _, call in ipairs{"seal", "resend", "again", "fate", "open", "sleep", "close"} do
        seen[#seen + 1] = select(2, pcall(device[call], device, {a = 1}))
      end
    end
    return work(slot, data)
  end
  device = assert(bulla.device(COUNTER, {store = store}))
  assert(device:seal{a = 1})
  assert(#seen >= 7)
  for _, message in ipairs(seen) do
    assert(message:find("at work", 1, true), message)
  end
end

function tests.a_store_that_collects_the_device()
  local store, device = memory(), nil
  local work, called = store.store, 0
  store.store = function(slot, data)
    called = called + 1
    device.__gc(device)
    return work(slot, data)
  end
  device = assert(bulla.device(SESSION, {store = store}))
  assert(device:seal{a = 1})
  equal(device:sleep(), true)
  assert(device:seal{a = 1})
  equal(called, 2)
  device.__gc(device)
  raises("closed", device.seal, device, {a = 1})
end

-- What the store does runs in the thread that called, whichever called in between.
function tests.another_thread_in_the_middle()
  local store = memory()
  local work, threads = store.store, {}
  store.store = function(slot, data)
    threads[#threads + 1] = coroutine.running() or "main"
    return work(slot, data)
  end
  local device = assert(bulla.device(SESSION, {store = store}))
  assert(device:seal{a = 1})
  equal(device:sleep(), true)
  local options = setmetatable({}, {__index = function()
    coroutine.wrap(function() device:fate() end)()
    collectgarbage() collectgarbage()
  end})
  assert(device:seal({a = 1}, options))
  equal(#threads, 2)
  equal(threads[1], "main")
  equal(threads[2], "main")
  local own = coroutine.create(function() equal(device:sleep(), true) end)
  assert(coroutine.resume(own))
  equal(threads[3], own)
end

function tests.a_session_sleeps_and_wakes_once()
  local store = memory()
  local device, woken = assert(bulla.device(SESSION, {store = store}))
  equal(woken, false)
  local sealed = assert(device:seal{a = 1})
  equal(device:sleep(), true)
  local saved = store.slots.session
  device, woken = bulla.device(SESSION, {store = store})
  equal(woken, true)
  local next = assert(device:seal{a = 1})
  equal(next:sub(22, 29), sealed:sub(22, 29)) -- the same session
  equal(next:sub(17, 19), "\6\65\1") -- the next number
  assert(store.slots.session ~= saved)
  device, woken = bulla.device(SESSION, {store = store})
  equal(woken, false)
  device = assert(bulla.device(SESSION))
  fails("store", device:sleep())
end

function tests.closing()
  local device = assert(bulla.device(SESSION, {store = memory()}))
  assert(device:seal{a = 1})
  device:close()
  device:close()
  for _, call in ipairs{"seal", "resend", "again", "fate", "open", "sleep"} do
    raises("closed", device[call], device, {a = 1})
  end
  raises("bulla.device expected", device.seal, {}, {a = 1})
  raises("bulla.device expected", device.close, io.stdout)
  raises("bulla.device expected", device.__gc, nil)
end

function tests.collection()
  local stores = setmetatable({}, {__mode = "k"})
  for i = 1, 200 do
    local kept = memory()
    stores[kept] = true
    assert(assert(bulla.device(SESSION, {store = kept})):seal{i = i})
  end
  collectgarbage() collectgarbage()
  equal(next(stores), nil) -- nothing holds a store any more
end

function tests.many_messages()
  local device = assert(bulla.device(SESSION))
  for i = 0, 300 do
    local sealed = assert(device:seal{i = i})
    equal(sealed:sub(17, 18), i < 256 and "\6\65" or "\6\66")
  end
end

local names = {}
for name in pairs(tests) do names[#names + 1] = name end
table.sort(names)
local failed = 0
for _, name in ipairs(names) do
  local ok, message = xpcall(tests[name], debug.traceback)
  if not ok then
    failed = failed + 1
    print(("FAILED %s: %s"):format(name, message))
  end
end
print(("%d passed, %d failed"):format(#names - failed, failed))
os.exit(failed == 0 and 0 or 1)
