-- A device for tests/system/test_lua.py: a line of hex in, a line of answers out. usage: device.lua CREDENTIAL [STORE]
local bulla = require "bulla"

local function hex(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function unhex(digits)
  return (digits:gsub("..", function(two) return string.char(tonumber(two, 16)) end))
end

-- A slot is a file.
local folder = arg[2]
local store = folder and {
  load = function(slot)
    local file = io.open(folder .. "/" .. slot, "rb")
    if not file then return nil end
    local data = file:read("*a")
    file:close()
    return data
  end,
  store = function(slot, data)
    local file = assert(io.open(folder .. "/" .. slot, "wb"))
    file:write(data)
    return file:close()
  end,
}

local device
local commands = {
  provision = function() return tostring(bulla.provision(arg[1], store)) end,
  start = function()
    local woken
    device, woken = bulla.device(arg[1], {store = store, buffer = 1024})
    return device and (woken and "woken" or "new") or "failed " .. woken
  end,
  seal = function(text) return hex(assert(device:seal(assert(loadstring("return " .. text))()))) end,
  resend = function() return hex(assert(device:resend())) end,
  again = function() return hex(assert(device:again())) end,
  fate = function() return tostring(device:fate()) end,
  sleep = function() return tostring(device:sleep()) end,
  open = function(digits)
    local fate, time = device:open(unhex(digits))
    return tostring(fate) .. " " .. tostring(time)
  end,
}

for line in io.lines() do
  local name, rest = line:match("^(%a+) ?(.*)$")
  print(commands[name](rest))
  io.flush()
end
