"""The Lua module and its examples, in lua5.1, with a real gateway; what it seals is also opened by contrib/decode.py."""

import os
import re
import shutil
import subprocess
import sys

import pytest

import program
from http_client import post
from program import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "contrib"))
import decode  # noqa: E402

MODULE = program.BINARY.parent / "contrib" / "bulla.so"
EXAMPLES = REPOSITORY / "contrib" / "nodemcu" / "example"

pytestmark = [
    pytest.mark.skipif(shutil.which("lua5.1") is None, reason="there is no lua5.1"),
    pytest.mark.skipif(not MODULE.exists(), reason="the Lua module is not built beside the program (BULLA_TESTS)"),
]


def lua_environment():
    env = program.environment({"LUA_CPATH": str(MODULE.parent / "?.so")})
    linked = subprocess.run(["ldd", MODULE], capture_output=True, text=True, check=True).stdout
    sanitizer = re.search(r"libasan\S* => (\S+)", linked)
    if sanitizer:
        env["LD_PRELOAD"] = sanitizer[1]
    return env


class Lua:
    """A Lua program that is spoken with in lines."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(["lua5.1", *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=lua_environment())

    def write(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def read(self):
        line = self.process.stdout.readline().rstrip("\n")
        assert line, self.process.stderr.read()
        return line

    def ask(self, *words):
        self.write(" ".join(words))
        return self.read()

    def end(self):
        """Its exit status, when it was told that there is no more."""
        _, errors = self.process.communicate(timeout=30)
        assert not program.SANITIZER.search(errors), errors
        return self.process.returncode


class Device(Lua):
    def __init__(self, credential, folder=None):
        super().__init__(REPOSITORY / "tests/lua/device.lua", credential, *([folder] if folder else []))

    def seal(self, readings):
        return bytes.fromhex(self.ask("seal", readings))

    def exchange(self, gateway, message):
        """Posts a message; what the device says of the reply."""
        response = post(gateway.port, message)
        return self.ask("open", response.body.hex())


@pytest.fixture
def start():
    made = []

    def start_one(kind, *arguments):
        made.append(kind(*arguments))
        return made[-1]

    yield start_one
    for lua in made:
        if lua.process.poll() is None:
            assert lua.end() == 0


@pytest.mark.parametrize("alg", ["10", "30", "24"])
def test_readings_reach_the_gateway(bulla, gateway, start, alg):
    line = bulla.add("kitchen", "--alg", alg)
    device = start(Device, line)
    assert device.ask("start") == "new"
    first = device.seal("{temperature = {23.4, 'Cel'}, door = false, state = 'open', count = 7, precise = 1234.5678}")
    said = decode.open_message(line, first)
    by_name = {each[0]: each for each in said["value"]}
    assert by_name["temperature"] == {0: "temperature", 1: "Cel", 2: pytest.approx(23.4)}
    assert by_name["door"] == {0: "door", 4: False} and by_name["state"] == {0: "state", 3: "open"}
    assert by_name["count"] == {0: "count", 2: 7} and by_name["precise"] == {0: "precise", 2: 1234.5678}
    assert device.exchange(gateway, first).startswith("again ")
    assert device.ask("fate") == "again"
    again = bytes.fromhex(device.ask("again"))
    fate, time = device.exchange(gateway, again).split()
    assert fate == "stored" and int(time) > 1_700_000_000
    assert {each["name"]: each.get("value", each.get("text")) for each in bulla.readings()} == {
        "temperature": 23.4, "door": False, "state": "open", "count": 7, "precise": 1234.5678}
    second = device.seal("{{'b', 1, '%RH'}, {'a', 2}}")
    assert [each[0] for each in decode.open_message(line, second, said["id_context"])["value"]] == ["b", "a"]
    assert device.exchange(gateway, second).startswith("stored ")
    assert device.exchange(gateway, second).startswith("stored")  # a duplicate's receipt


def test_silence_is_answered_by_the_same_bytes(bulla, gateway, start):
    device = start(Device, bulla.add("kitchen"))
    device.ask("start")
    sealed = device.seal("{a = 1}")
    assert bytes.fromhex(device.ask("resend")) == sealed
    assert device.ask("fate") == "waiting"
    for reply in (b"", b"\xd0\x83", os.urandom(60)):
        assert device.ask("open", reply.hex()).startswith("nil ")
    assert bytes.fromhex(device.ask("resend")) == sealed
    other = start(Device, bulla.add("other"))
    other.ask("start")
    reply = post(gateway.port, sealed).body
    other.seal("{a = 1}")
    assert other.ask("open", reply.hex()) == "nil it does not authenticate"
    assert device.ask("open", reply.hex()).startswith("again")


def test_a_counter_over_restarts(bulla, gateway, start, tmp_path):
    line = bulla.add("shed", "--counter")
    pivs = []
    for boot in range(3):
        device = start(Device, line, tmp_path)
        assert boot > 0 or device.ask("provision") == "true"
        assert device.ask("start") == "new"
        for value in range(2):
            message = device.seal("{a = %d}" % value)
            pivs.append(decode.open_message(line, message)["piv"])
            assert device.exchange(gateway, message).startswith("stored ")
    assert pivs == [0, 1, 65536, 65537, 131072, 131073]
    assert len(bulla.readings()) == 6


def test_a_session_over_deep_sleep(bulla, gateway, start, tmp_path):
    line = bulla.add("kitchen")
    device = start(Device, line, tmp_path)
    assert device.ask("start") == "new"
    assert device.exchange(gateway, device.seal("{a = 1}")).startswith("again")
    assert device.exchange(gateway, bytes.fromhex(device.ask("again"))).startswith("stored")
    assert device.ask("sleep") == "true"
    device = start(Device, line, tmp_path)
    assert device.ask("start") == "woken"
    assert device.exchange(gateway, device.seal("{a = 2}")).startswith("stored")


def test_the_article(bulla, gateway, start, tmp_path):
    """Its MQTT is carried by hand: what it publishes is posted, the reply is its message."""
    line = bulla.add("kitchen")
    kid = re.search("kid=([0-9a-f]+)", line)[1]
    example = start(Lua, REPOSITORY / "tests/lua/nodemcu.lua", EXAMPLES / "article.lua", line, tmp_path)
    assert example.read() == "client bulla-%s 120" % kid
    assert example.read() == "subscribe bulla/%s/down" % kid

    def published():
        word, topic, qos, retain, payload = example.read().split()
        assert (word, topic, qos, retain) == ("publish", "bulla/%s/up" % kid, "1", "0")
        return bytes.fromhex(payload)

    first = published()
    example.write("tick")  # no reply yet: the same bytes
    assert published() == first and example.read() == "done"
    example.write("message " + os.urandom(40).hex())
    assert example.read().startswith("not a reply of the gateway: ") and example.read() == "done"
    example.write("message " + post(gateway.port, first).body.hex())
    second = published()
    assert second != first and example.read() == "done"
    example.write("message " + post(gateway.port, second).body.hex())
    assert example.read().startswith("stored\t1") and example.read() == "done"
    example.write("tick")  # the next reading
    third = published()
    assert third not in (first, second) and post(gateway.port, third).status == 200
    assert [each["value"] for each in bulla.readings()] == [512, 512]


def test_the_article_is_replaced_line_by_line():
    """Each line of the article's program that did something stands in the example, above what replaces it."""
    text = (EXAMPLES / "article.lua").read_text()
    for line in ("staticiv =", "ivkey =", "datakey =", "passphrase =", "nodeid = node.chipid()", "half1 =", "half2 =", "I =",
                 "V =", "iv = I .. V", "encrypted_iv =", "encrypted_nodeid =", "encrypted_data =", "fullmessage =", "hmac =",
                 "payload =", "m:publish(", "m = mqtt.Client(", "m:on(", "m:connect(", "client:subscribe("):
        assert "\n--| " + line in text, line


SILENCES = {"silence": "answer -1", "late": "late"}


def test_http_and_deep_sleep(bulla, gateway, start, tmp_path):
    line = bulla.add("kitchen")

    def run(*expected):
        example = start(Lua, REPOSITORY / "tests/lua/nodemcu.lua", EXAMPLES / "http.lua", line, tmp_path)
        statuses = []
        while True:
            word, *rest = example.read().split()
            if word == "dsleep":
                break
            if word == "post":
                said = expected[len(statuses)] if len(statuses) < len(expected) else None
                if said in SILENCES:
                    statuses.append(said)
                    example.write(SILENCES[said])
                    continue
                response = post(gateway.port, bytes.fromhex(rest[1]))
                statuses.append(response.status)
                example.write("answer %d %s" % (response.status, response.body.hex()))
        assert rest == ["300000000"]
        assert tuple(statuses) == expected

    run(401, 200)
    run(200)  # the session slept
    run("silence", "silence", 200)
    run("late")  # nothing came, not even an end: it sleeps all the same
    (tmp_path / "rtc").unlink()  # the power was cut
    run(401, 200)
    assert [each["value"] for each in bulla.readings()] == [512] * 4
