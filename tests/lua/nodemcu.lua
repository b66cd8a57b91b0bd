-- As much of NodeMCU as the examples use, for tests/system/test_lua.py: runs one of them against a broker that speaks
-- lines of text with the test. usage: nodemcu.lua EXAMPLE CREDENTIAL FOLDER
local example, credential, folder = arg[1], arg[2], arg[3]
_G.bulla = require "bulla"

local function say(...)
  print(table.concat({...}, " "))
  io.flush()
end

local function hex(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function unhex(digits)
  return (digits:gsub("..", function(two) return string.char(tonumber(two, 16)) end))
end

file = {getcontents = function(name) return name == "credential" and credential .. "\n" or nil end}
adc = {read = function(pin) assert(pin == 0) return 512 end}

-- mqtt: what is published is printed, what the test writes comes as a message.
local client = {}
local on, subscribed
mqtt = {Client = function(id, keepalive) say("client", id, keepalive) return client end}
function client:on(event, callback) assert(event == "message") on = callback end
function client:connect(_, port, secure, connected) assert(port == 1883 and secure == false) self.connected = connected end
function client:subscribe(topic, _, callback) say("subscribe", topic) subscribed = callback end
function client:publish(topic, payload, qos, retain) say("publish", topic, qos, retain, hex(payload)) return true end

-- tmr: the test says when a minute has passed, or all patience; what is shorter passes by itself.
local alarm, patience
local soon = {}
tmr = {ALARM_AUTO = 1, ALARM_SINGLE = 0, create = function()
  local timer = {}
  function timer:unregister() self.over = true end
  function timer:alarm(time, mode, callback)
    local function ring()
      if self.over then return end
      callback(self)
      if mode == tmr.ALARM_AUTO then soon[#soon + 1] = ring end
    end
    if time == 60000 then alarm = function() callback(self) end
    elseif time == 30000 then patience = function() callback(self) end
    else soon[#soon + 1] = ring end
    return true
  end
  return timer
end}
local asked = 0
wifi = {sta = {getip = function() asked = asked + 1 return asked > 2 and "192.168.1.7" or nil end}} -- it takes a while

-- net: a request that is sent is printed, what the test answers comes in two pieces, and the line is closed.
local line
net = {TCP = 1, createConnection = function(kind, secure)
  assert(kind == 1 and secure == 0)
  local connection, on = {}, {}
  function connection:on(event, callback) on[event] = callback end
  function connection:connect(port, host)
    line, connection.to = on, ("http://%s:%d"):format(host, port)
    on.connection(connection)
  end
  function connection:send(request)
    local path, headers, sent = request:match("^POST (%S+) HTTP/1.1\r\n(.-\r\n)\r\n(.*)$")
    assert(headers:find("cose", 1, true) and headers:find("Connection: close\r\n", 1, true))
    assert(tonumber(headers:match("Content%-Length: (%d+)\r\n")) == #sent)
    say("post", connection.to .. path, hex(sent))
  end
  return connection
end}

-- node and RTC memory: 128 words in a file, of 32 bits with a sign, as the firmware gives and takes them.
node = {dsleep = function(time) say("dsleep", time) os.exit(0) end}
local function words() local f = io.open(folder .. "/rtc") local all = f and assert(loadstring(f:read("*a")))() or {} if f then f:close() end return all end
rtcmem = {
  read32 = function(from, count)
    local all, out = words(), {}
    for i = 1, count or 1 do out[i] = all[from + i - 1] or -559038737 end
    return unpack(out)
  end,
  write32 = function(from, ...)
    local all = words()
    for i, word in ipairs{...} do
      assert(from + i - 1 < 128 and word >= -2147483648 and word <= 2147483647)
      all[from + i - 1] = word
    end
    local f = assert(io.open(folder .. "/rtc", "w"))
    f:write("return {")
    for i, word in pairs(all) do f:write(("[%d]=%.0f,"):format(i, word)) end
    f:write("}")
    f:close()
  end,
}
struct = {
  pack = function(format, ...)
    local out = {}
    for i = 1, select("#", ...) do
      local word = select(i, ...)
      for byte = 0, 3 do out[#out + 1] = string.char(math.floor(word / 256 ^ byte) % 256) end
    end
    assert(format == "<" .. ("i4"):rep(#out / 4))
    return table.concat(out)
  end,
  unpack = function(format, data)
    assert(format == "<" .. ("i4"):rep(#data / 4))
    local out = {}
    for i = 1, #data, 4 do
      local a, b, c, d = data:byte(i, i + 3)
      out[#out + 1] = a + b * 256 + c * 65536 + (d < 128 and d or d - 256) * 16777216
    end
    out[#out + 1] = #data + 1
    return unpack(out)
  end,
}

dofile(example)
if client.connected then client.connected(client) subscribed(client) end
local function settle()
  while #soon > 0 do table.remove(soon, 1)() end
end
settle()
for read in io.lines() do
  local name, rest = read:match("^(%a+) ?(.*)$")
  if name == "message" then on(client, "topic", unhex(rest)) end
  if name == "tick" then alarm() end
  if name == "answer" then
    local status, digits = rest:match("^(%S+) ?(.*)$")
    local body = unhex(digits)
    if status ~= "-1" then
      line.receive(nil, ("HTTP/1.1 %s X\r\nContent-Length: %d\r\n\r\n"):format(status, #body) .. body:sub(1, 7))
      line.receive(nil, body:sub(8))
    end
    line.disconnection(nil, 0)
  end
  if name == "late" then patience() end
  settle()
  say("done")
end
