-- A reading by plain HTTP, and deep sleep until the next one. The session sleeps in RTC memory, so only the first
-- message after power-on is challenged. Needs the modules adc, bulla, file, net, node, rtcmem, struct, tmr and wifi; the
-- network's name and password were given once, by wifi.sta.config(). (Not the module http: what it posts ends at its first
-- zero byte, and a sealed message has some.)

local HOST, PORT = "192.168.1.2", 8620
local MINUTES = 5
local PATIENCE = 30000 -- milliseconds: whatever hangs, the board sleeps then
local HEAD = "POST /d HTTP/1.1\r\nHost: " .. HOST .. "\r\nConnection: close\r\n" ..
  'Content-Type: application/cose; cose-type="cose-encrypt0"\r\nContent-Length: '

-- A store in RTC memory, which lasts through deep sleep, for one session: its length, from word 64 on, and 14 words.
-- (A counter would have to be in flash: two files, each read back.)
local WORDS = "<" .. ("i4"):rep(14)
local store = {
  load = function(slot)
    local size = rtcmem.read32(64)
    if slot == "session" and size == 56 then
      return struct.pack(WORDS, rtcmem.read32(65, 14))
    end
  end,
  store = function(slot, data)
    if slot ~= "session" or #data ~= 56 then return false end
    rtcmem.write32(64, #data, struct.unpack(WORDS, data)) -- and one word more: where unpack() ended
    return true
  end,
}

local device

local function sleep()
  if device then device:sleep() end -- where that fails the next start is a new session: one challenge more
  node.dsleep(MINUTES * 60 * 1000000)
end

local function body(answer)
  local _, last = answer:find("\r\n\r\n", 1, true)
  return last and answer:sub(last + 1) or ""
end

local function post(sealed)
  local connection, answer = net.createConnection(net.TCP, 0), ""
  connection:on("connection", function(it) it:send(HEAD .. #sealed .. "\r\n\r\n" .. sealed) end)
  connection:on("receive", function(_, data) answer = answer .. data end)
  connection:on("disconnection", function() -- also where none came about
    local fate = device:open(body(answer)) or "waiting"
    local next = fate == "again" and device:again() or fate == "waiting" and device:resend()
    if not next then return sleep() end -- stored, or nothing more to be done
    tmr.create():alarm(1000, tmr.ALARM_SINGLE, function() post(next) end)
  end)
  connection:connect(PORT, HOST)
end

tmr.create():alarm(PATIENCE, tmr.ALARM_SINGLE, sleep)
tmr.create():alarm(200, tmr.ALARM_AUTO, function(timer)
  if not wifi.sta.getip() then return end -- and the radio is on: without it there is no randomness
  timer:unregister()
  device = assert(bulla.device(file.getcontents("credential"):match("%S+"), {store = store}))
  post(assert(device:seal{adc = adc.read(0)}))
end)
