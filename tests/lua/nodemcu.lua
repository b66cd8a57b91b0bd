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

file = {getcontents = function(name) return name == "credential" and credential or nil end}
adc = {read = function(pin) assert(pin == 0) return 512 end}

-- mqtt: what is published is printed, what the test writes comes as a message.
local client = {}
local on, subscribed
mqtt = {Client = function(id, keepalive) say("client", id, keepalive) return client end}
function client:on(event, callback) assert(event == "message") on = callback end
function client:connect(_, port, secure, connected) assert(port == 1883 and secure == false) self.connected = connected end
function client:subscribe(topic, _, callback) say("subscribe", topic) subscribed = callback end
function client:publish(topic, payload, qos, retain) say("publish", topic, qos, retain, hex(payload)) return true end

-- tmr: the test says when time has passed.
local alarm
tmr = {ALARM_AUTO = 1, create = function() return {alarm = function(_, _, _, callback) alarm = callback end} end}

-- http, node and RTC memory: 128 words in a file.
local post
http = {post = function(url, headers, body, callback) post = callback say("post", url, hex(body)) assert(headers:find("cose")) end}
node = {dsleep = function(time) say("dsleep", time) os.exit(0) end}
local function words() local f = io.open(folder .. "/rtc") local all = f and assert(loadstring(f:read("*a")))() or {} if f then f:close() end return all end
rtcmem = {
  read32 = function(from, count)
    local all, out = words(), {}
    for i = 1, count or 1 do out[i] = all[from + i - 1] or 3735928559 end
    return unpack(out)
  end,
  write32 = function(from, ...)
    local all = words()
    for i, word in ipairs{...} do assert(from + i - 1 < 128) all[from + i - 1] = word end
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
    assert(format == "<" .. ("I4"):rep(#out / 4))
    return table.concat(out)
  end,
  unpack = function(format, data)
    assert(format == "<" .. ("I4"):rep(#data / 4))
    local out = {}
    for i = 1, #data, 4 do
      local a, b, c, d = data:byte(i, i + 3)
      out[#out + 1] = a + b * 256 + c * 65536 + d * 16777216
    end
    out[#out + 1] = #data + 1
    return unpack(out)
  end,
}

dofile(example)
if client.connected then client.connected(client) subscribed(client) end
for line in io.lines() do
  local name, rest = line:match("^(%a+) ?(.*)$")
  if name == "message" then on(client, "topic", unhex(rest)) end
  if name == "tick" then alarm() end
  if name == "answer" then
    local status, body = rest:match("^(%S+) ?(.*)$")
    post(tonumber(status), unhex(body))
  end
  say("done")
end
