-- "Practical IoT Cryptography On The Espressif ESP8266" encrypts a reading with AES-CBC, authenticates it with HMAC and
-- publishes it by MQTT. This is its program with all of that replaced. Its own lines stand after "--|", each above what
-- takes its place here.
--
-- It needs the modules adc, bulla, file, mqtt, tmr and wifi in the firmware, and the device's credential line, as
-- "bulla device add kitchen" prints it, in the file "credential" on the board.

local BROKER = "192.168.1.2"

local line = assert(file.getcontents("credential"), "put the credential line into the file credential"):match("%S+")
local kid = line:match("kid=(%x+)"):lower()

--| staticiv = "abcdef2345678901"
--| ivkey = "2345678901abcdef"
--| datakey = "0123456789abcdef"
--| passphrase = "mypassphrase"
--| nodeid = node.chipid()
-- One secret, drawn by the gateway, from which both sides derive their keys; the kid names the device. None of it is
-- the same on two boards. The session's id comes from the hardware's random source, and Wi-Fi has to be on for that.
local device = assert(bulla.device(line))

local m

local function publish(sealed)
--| m:publish("yourMQTTtopic", payload, 2, 1, function(client) p = "Sent" print(p) end)
  -- Not retained: a broker that hands old messages to newcomers would only make duplicates. That the broker has the
  -- message proves nothing; the gateway's reply does.
  m:publish("bulla/" .. kid .. "/up", sealed, 1, 0)
end

local function send()
--| data =
  local data = adc.read(0)
--| half1 = node.random(4294967295)
--| half2 = node.random(4294967295)
--| I = string.format("%8x", half1)
--| V = string.format("%8x", half2)
--| iv = I .. V
  -- The nonce is the session's id and a number that rises; the module keeps it, and it cannot be set from here.
--| encrypted_iv = crypto.encrypt("AES-CBC", ivkey, iv, staticiv)
--| encrypted_nodeid = crypto.encrypt("AES-CBC", datakey, nodeid,iv)
--| encrypted_data = crypto.encrypt("AES-CBC", datakey, data,iv)
--| fullmessage = nodeid .. iv .. data .. sessionID
--| hmac = crypto.toHex(crypto.hmac("sha1", fullmessage, passphrase))
--| payload = table.concat({encrypted_iv, encrypted_nodeid, encrypted_data, hmac}, ",")
  publish(assert(device:seal{adc = data}))
end

--| m = mqtt.Client("clientid", 120)
m = mqtt.Client("bulla-" .. kid, 120)

--| m:on("message", function(client, topic, sessionID) end)
-- What comes back is not a session ID that anybody could have sent, but a sealed reply. It says what is stored, or
-- challenges the device to prove that it is alive now; then the reading is sealed again, with the answer in it.
m:on("message", function(client, topic, reply)
  local fate, time = device:open(reply)
  if fate == nil then
    print("not a reply of the gateway: " .. time)
  elseif fate == "stored" then
    print("stored", time)
  elseif fate == "again" then
    publish(assert(device:again()))
  end
end)

--| m:connect("", 1883, 0,
--| client:subscribe("mytopic/sessionID", 0,
--| function(client) print("subscribe success") end
--| function(client, reason)
--| print("failed reason: " .. reason)
m:connect(BROKER, 1883, false,
  function(client)
    client:subscribe("bulla/" .. kid .. "/down", 1, function() send() end)
  end,
  function(client, reason)
    print("failed reason: " .. reason)
  end)

-- Every minute a reading. One that has had no reply yet is sent again first, byte for byte.
tmr.create():alarm(60000, tmr.ALARM_AUTO, function()
  if device:fate() == "waiting" then
    publish(assert(device:resend()))
  else
    send()
  end
end)

-- The receiving side's code (splitting at commas, three crypto.decrypt, comparing the HMAC, drawing a new session ID) is
-- the gateway: bulla serve.
