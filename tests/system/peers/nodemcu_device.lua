-- A device as "Practical IoT Cryptography On The Espressif ESP8266" has it, in its words: a reading of the ADC is
-- encrypted with AES-CBC, authenticated with HMAC-SHA1 and the session id that was published last, and published with
-- QoS 2 and retain. What stands around it is nodemcu_shim.lua.
-- usage: nodemcu_device.lua TOPIC SESSION-TOPIC NODE raw|hex [NAME=VALUE...]   (staticiv, ivkey, datakey, passphrase)

dofile((arg[0]:gsub("[^/]*$", "")) .. "nodemcu_shim.lua")

-- the article's
staticiv = "abcdef2345678901"
ivkey = "2345678901abcdef"
datakey = "0123456789abcdef"
passphrase = "mypassphrase"

for i = 5, #arg do
    local name, value = arg[i]:match("^(%a+)=(.*)$")
    _G[name] = value
end

local sessionID

m = mqtt.Client("clientid", 120)
m:on("message", function(client, topic, text) sessionID = text end)
m:connect("", 1883, 0, function(client)
    client:subscribe(arg[2], 0, function(client) end)
end)

loop(function()
    local data = adc.read(0)
    nodeid = node.chipid()

    half1 = node.random(4294967295)
    half2 = node.random(4294967295)
    I = string.format("%8x", half1)
    V = string.format("%8x", half2)
    iv = I .. V

    encrypted_iv = crypto.encrypt("AES-CBC", ivkey, iv, staticiv)
    encrypted_nodeid = crypto.encrypt("AES-CBC", datakey, nodeid, iv)
    encrypted_data = crypto.encrypt("AES-CBC", datakey, data, iv)
    if arg[4] == "hex" then
        encrypted_iv = crypto.toHex(encrypted_iv)
        encrypted_nodeid = crypto.toHex(encrypted_nodeid)
        encrypted_data = crypto.toHex(encrypted_data)
    end
    fullmessage = nodeid .. iv .. data .. sessionID
    hmac = crypto.toHex(crypto.hmac("sha1", fullmessage, passphrase))
    payload = table.concat({encrypted_iv, encrypted_nodeid, encrypted_data, hmac}, ",")

    m:publish(arg[1], payload, 2, 1, function(client) end)
end)
