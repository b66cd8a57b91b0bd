-- A reading by plain HTTP, and deep sleep until the next one. The session sleeps in RTC memory, so only the first
-- message after power-on is challenged. Needs the modules adc, bulla, file, http, node, rtcmem, struct and wifi.

local GATEWAY = "http://192.168.1.2:8620/d"
local MINUTES = 5
local HEADERS = 'Content-Type: application/cose; cose-type="cose-encrypt0"\r\n'

-- A store in RTC memory, which lasts through deep sleep, for one session: its length and 14 words, from word 64 on.
-- (A counter would have to be in flash: two files, each read back.)
local store = {
  load = function(slot)
    local size = rtcmem.read32(64)
    if slot == "session" and size == 56 then
      return struct.pack("<I4I4I4I4I4I4I4I4I4I4I4I4I4I4", rtcmem.read32(65, 14))
    end
  end,
  store = function(slot, data)
    if slot ~= "session" or #data ~= 56 then return false end
    rtcmem.write32(64, #data, struct.unpack("<I4I4I4I4I4I4I4I4I4I4I4I4I4I4", data))
    return true
  end,
}

local device = assert(bulla.device(file.getcontents("credential"), {store = store}))

local function sleep()
  device:sleep() -- where that fails the next start is a new session: one challenge more
  node.dsleep(MINUTES * 60 * 1000000)
end

local function post(sealed, attempts)
  http.post(GATEWAY, HEADERS, sealed, function(status, body)
    local fate = body and #body > 0 and device:open(body) or "waiting"
    if fate == "stored" or attempts == 0 then
      sleep()
    elseif fate == "again" then
      post(assert(device:again()), attempts - 1)
    else
      post(assert(device:resend()), attempts - 1)
    end
  end)
end

post(assert(device:seal{adc = adc.read(0)}), 5)
