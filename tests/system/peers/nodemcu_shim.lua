-- NodeMCU's modules as far as nodemcu_device.lua uses them, on lua5.1: crypto by openssl(1), node's random numbers by
-- /dev/urandom, and mqtt as lines to and from whoever runs this program. Written from NodeMCU's documentation.
--
--   in:   message TOPIC TEXT     a message has come           adc TEXT          what is read next, and then sent
--   out:  subscribe TOPIC QOS    publish TOPIC QOS RETAIN HEX

local function hex(text)
    return (text:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

-- A program's output for this input. io.popen goes one way only, so the input stands in the command.
local function run(command, input)
    local escaped = input:gsub(".", function(c) return string.format("\\%03o", c:byte()) end)
    local pipe = assert(io.popen("printf '" .. escaped .. "' | " .. command, "r"))
    local output = pipe:read("*a")
    pipe:close()
    return output
end

crypto = {}

-- "zero-pads to the block size"; any key or text may be a number, as luaL_checklstring() takes it.
function crypto.encrypt(algorithm, key, plain, iv)
    assert(algorithm == "AES-CBC" and #key == 16 and #iv == 16)
    plain = tostring(plain)
    plain = plain .. string.rep("\0", -#plain % 16)
    if #plain == 0 then return "" end
    local cipher = run("openssl enc -aes-128-cbc -nopad -K " .. hex(key) .. " -iv " .. hex(iv), plain)
    assert(#cipher == #plain)
    return cipher
end

function crypto.hmac(algorithm, text, key)
    assert(algorithm == "sha1")
    local digest = run("openssl dgst -sha1 -binary -mac HMAC -macopt hexkey:" .. hex(key), text)
    assert(#digest == 20)
    return digest
end

function crypto.toHex(binary)
    return hex(binary)
end

node = {}

function node.chipid()
    return tonumber(arg[3]) or arg[3]
end

-- 1 to the limit.
function node.random(limit)
    local source = assert(io.open("/dev/urandom", "rb"))
    local a, b, c, d = source:read(4):byte(1, 4)
    source:close()
    return (a * 16777216 + b * 65536 + c * 256 + d) % limit + 1
end

adc = {value = nil}

function adc.read(_)
    return adc.value
end

local function say(...)
    print(table.concat({...}, " "))
    io.stdout:flush()
end

mqtt = {}

function mqtt.Client(_, _)
    local client = {handlers = {}}

    function client:connect(_, _, _, connected)
        connected(self)
    end

    function client:subscribe(topic, qos, done)
        say("subscribe", topic, qos)
        done(self)
    end

    function client:on(event, handler)
        self.handlers[event] = handler
    end

    function client:publish(topic, payload, qos, retain, done)
        say("publish", topic, qos, retain, hex(payload))
        done(self)
    end

    mqtt.client = client
    return client
end

-- The loop that a NodeMCU has below its programs.
function loop(send)
    for line in io.lines() do
        local topic, text = line:match("^message (%S+) (%S+)$")
        if topic then
            mqtt.client.handlers.message(mqtt.client, topic, text)
        else
            adc.value = assert(line:match("^adc (.*)$"))
            adc.value = tonumber(adc.value) or adc.value
            send()
        end
    end
end
