"""The wire `cryptojs`, as devices with the real crypto-js speak it: the article's flow, and all that an attacker may
do with what he recorded."""

import base64
import contextlib
import json
import random
import sqlite3
import statistics
import subprocess
import threading
import time

import pytest

from cryptojs_device import JSON, KEY, PEERS, CryptoJsDevice, refused, start_crypto_js, taken
from http_client import Closed, Connection, exchange, message_request, metrics, request
from program import REPOSITORY, allowed, wait_until
from python_device import PythonDevice, senml
from test_store_faults import Lock, disk, fault_library, start_faulty  # noqa: F401 (fixtures)


@pytest.fixture(scope="session")
def crypto_js():
    peer = start_crypto_js()
    yield peer
    peer.close()


@pytest.fixture
def provision(bulla, tmp_path):
    """Enters a device of this wire: provision("shed", "12FA", KEY, "--allow-reset")."""

    def enter(name="shed", id="12FA", passphrase=KEY, *arguments, status=0):
        keys = tmp_path / ("%s.keys" % name)
        keys.write_text("# of %s\npassphrase=%s\n" % (name, passphrase), encoding="utf-8")
        keys.chmod(0o600)
        return bulla.run("device", "add", name, "--wire", "cryptojs", "--id", id, "--keys", "@%s" % keys,
                         *arguments, status=status)

    return enter


@pytest.fixture
def make_shed(crypto_js, provision, make_gateway):
    """The device "shed" of id 12FA, and a running gateway."""

    def make(*arguments, passphrase=KEY):
        provision("shed", "12FA", passphrase, *arguments)
        return CryptoJsDevice(crypto_js, make_gateway().start(), passphrase=passphrase)

    return make


def values(bulla):
    """What is stored: (device, name, value, seq), oldest first."""
    return [(row["device"], row["name"], row["value"], row["seq"]) for row in bulla.readings()]


def lost(bulla, name="shed"):
    return json.loads(bulla("device", "show", name, "--format", "json"))["lost"]


def reasons(bulla, gateway, count):
    """(kind, device, detail) of the journal's events, once there are so many; oldest first."""
    found = []

    def enough():
        found[:] = bulla.events()
        return len(found) >= count

    wait_until(enough, what="%d events" % count)
    assert len(found) == count, found
    return [(row["kind"], row["device"], row["detail"]) for row in found]


# ---- the article ----


def test_vectors_are_of_the_real_crypto_js(crypto_js):
    """tests/vectors/cryptojs.json, which the unit tests read, is what it makes."""
    assert crypto_js("version") == "4.2.0"
    done = subprocess.run(["node", PEERS / "make_cryptojs_vectors.mjs"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (REPOSITORY / "tests" / "vectors" / "cryptojs.json").read_text(encoding="utf-8")


def test_case_1_asks_for_the_number(make_shed, bulla):
    shed = make_shed()
    assert shed.number() == 0
    for value in (300, 301, 302):
        assert taken(shed.post("data", shed.data(shed.number() + 1, value=value)))
    assert shed.number() == 3
    assert values(bulla) == [("shed", "value", 300, 1), ("shed", "value", 301, 2), ("shed", "value", 302, 3)]
    assert lost(bulla) == 0
    assert metrics(shed.gateway)['bulla_messages_total{outcome="stored"}'] == 3
    assert metrics(shed.gateway)['bulla_messages_total{outcome="answered"}'] == 5


def test_the_program_of_the_documentation(make_shed, bulla):
    shed = make_shed()
    text = (REPOSITORY / "docs" / "older-wires.md").read_text(encoding="utf-8")
    program = text.split("```js\n")[1].split("```")[0]
    assert "localhost:8620" in program and KEY in program
    program = program.replace("localhost:8620", "127.0.0.1:%d" % shed.gateway.port)
    for value in (1, 2):
        done = subprocess.run(["node", "-"], input=program, capture_output=True, text=True, timeout=60,
                              cwd=REPOSITORY / "build-peers")
        assert (done.returncode, done.stdout, done.stderr) == (0, '200 {"success":true}\n', "")
        assert values(bulla) == [("shed", "value", 300, seqn + 1) for seqn in range(value)]


def test_answers_are_never_the_same(make_shed):
    shed = make_shed()
    answers = {shed.ask("GET", "/wsn/12FA").body for _ in range(100)}
    assert len(answers) == 100


@pytest.mark.parametrize("number", [0, 7, 120, 2**53 - 1])
def test_cases_2_and_3_set_the_number(make_shed, bulla, number):
    shed = make_shed("--allow-reset")
    assert taken(shed.post("data", shed.data(121, value=300)))
    assert taken(shed.post("wsn", shed.reset(number)))
    assert shed.number() == number
    assert refused(shed.post("data", shed.data(number, value=1)))
    if number < 2**53 - 1:
        assert taken(shed.post("data", shed.data(number + 1, value=2)))
        assert shed.number() == number + 1
    assert [row[2] for row in values(bulla)] == ([300, 2] if number < 2**53 - 1 else [300])
    assert lost(bulla) == 0


def test_every_member_is_a_reading(make_shed, bulla):
    shed = make_shed()
    data = {"temperature": -3.5, "count": 7, "door": True, "text": "grün \U0001f600", "none": None}
    assert taken(shed.post("data", shed.data(1, **data)))
    assert taken(shed.post("data", shed.seal('{"data":{"a":{"b":1}},"SEQN":2}')))
    rows = bulla("readings", "--format", "csv").splitlines()[1:]
    assert [row.split(",")[3:5] + row.split(",")[6:] for row in rows] == [
        ["temperature", "-3.5", "1", "real"], ["count", "7", "1", "integer"], ["door", "true", "1", "boolean"],
        ["text", "grün \U0001f600", "1", "text"],
        ["", base64.urlsafe_b64encode(b'{"data":{"a":{"b":1}},"SEQN":2}').decode().rstrip("="), "2", "undecoded"]]


def test_gaps_are_lost(make_shed, bulla):
    shed = make_shed()
    for seqn, missing in ((20, 0), (21, 0), (25, 3), (1025, 1002)):
        assert taken(shed.post("data", shed.data(seqn, value=seqn)))
        assert lost(bulla) == missing


def test_lost_messages_are_counted_as_far_as_there_are_numbers(make_shed, bulla, tmp_path):
    """2^63 - 1 of them, as a device may make it that sets its number back and jumps a thousand times."""
    shed = make_shed()
    assert taken(shed.post("data", shed.data(1, value=1)))
    with contextlib.closing(sqlite3.connect(tmp_path / "bulla.db")) as db, db:
        db.execute("UPDATE devices SET lost = 9223372036854775807 - 5")
    assert taken(shed.post("data", shed.data(10, value=1)))
    assert lost(bulla) == 9223372036854775807
    with contextlib.closing(sqlite3.connect(tmp_path / "bulla.db")) as db:
        assert db.execute("SELECT typeof(lost) FROM devices").fetchall() == [("integer",)]


def test_devices_that_set_no_content_type(make_shed):
    shed = make_shed()
    for seqn, headers in enumerate([(), (("Content-Type", "application/x-www-form-urlencoded"),),
                                    (("Content-Type", "text/plain; charset=utf-8"),)], 1):
        assert taken(shed.ask("POST", "/data/12FA", shed.data(seqn, value=1), headers))


# ---- what was recorded is sent again ----


def test_recorded_readings(make_shed, bulla):
    shed = make_shed()
    recorded = [shed.data(seqn, value=seqn) for seqn in (1, 2, 3)]
    for body in recorded:
        assert taken(shed.post("data", body))
    for body in recorded + [shed.data(3, value=99), shed.data(0, value=99)]:
        assert refused(shed.post("data", body))
    assert len(values(bulla)) == 3 and shed.number() == 3
    assert reasons(bulla, shed.gateway, 5) == [("duplicate", "shed", "this ciphertext was accepted before")] * 3 + [
        ("stale", "shed", "SEQN %d is not above 3" % seqn) for seqn in (3, 0)]


def test_a_reset_is_refused_unless_it_is_allowed(make_shed, bulla):
    shed = make_shed()
    assert taken(shed.post("data", shed.data(20, value=1)))
    reset = shed.reset(0)
    assert refused(shed.post("wsn", reset)) and refused(shed.post("wsn", reset))
    assert shed.number() == 20
    assert reasons(bulla, shed.gateway, 2) == [
        ("stale", "shed", "it sets the device's number, which was added without --allow-reset")] * 2


def test_recorded_resets_and_readings_of_before(make_shed, bulla):
    shed = make_shed("--allow-reset")
    old = [shed.data(seqn, value=seqn) for seqn in (5, 6)]
    for body in old:
        assert taken(shed.post("data", body))
    reset = shed.reset(0)
    assert taken(shed.post("wsn", reset))
    for body in old:  # their numbers would do
        assert refused(shed.post("data", body))
    assert refused(shed.post("wsn", reset))
    new = shed.data(1, value=100)
    assert taken(shed.post("data", new))
    assert taken(shed.post("wsn", shed.reset(3)))
    for route, body in (("wsn", reset), ("data", new), ("data", old[0]), ("data", old[1])):
        assert refused(shed.post(route, body))
    assert shed.number() == 3
    assert [row[2] for row in values(bulla)] == [5, 6, 100]
    kinds = [(kind, device) for kind, device, _ in reasons(bulla, shed.gateway, 9)]
    assert kinds == ([("reset", "shed")] + [("duplicate", "shed")] * 3 + [("reset", "shed")]
                     + [("duplicate", "shed")] * 4)


def test_so_many_ciphertexts_are_remembered(make_shed, bulla, tmp_path):
    """From a million on resets are refused; readings go on by their numbers, and what is remembered stays so."""
    shed = make_shed("--allow-reset", "--allow-unsequenced")
    old = shed.data(20, value=20)
    assert taken(shed.post("data", old))
    assert taken(shed.post("wsn", shed.reset(0)))
    with sqlite3.connect(tmp_path / "bulla.db") as db:
        assert db.execute("SELECT hashes FROM wires").fetchall() == [(2,)]
        db.execute("UPDATE wires SET hashes = 999999")
    assert taken(shed.post("wsn", shed.reset(2)))
    assert refused(shed.post("wsn", shed.reset(0)))
    assert refused(shed.post("setdata", shed.raw("300")))
    assert refused(shed.post("data", old))
    for seqn in (3, 4):
        assert taken(shed.post("data", shed.data(seqn, value=seqn)))
    assert refused(shed.post("data", shed.data(4, value=5)))
    assert [row[2] for row in values(bulla)] == [20, 3, 4]
    kinds = [kind for kind, _, _ in reasons(bulla, shed.gateway, 6)]
    assert kinds == ["reset", "reset", "stale", "stale", "duplicate", "stale"]


def test_a_message_for_one_route_is_none_for_another(make_shed, bulla):
    """A reading is no reset, and a reset is no reading."""
    shed = make_shed("--allow-reset", "--allow-unsequenced")
    assert refused(shed.post("wsn", shed.data(7, value=1)))
    assert refused(shed.post("data", shed.reset(7)))
    assert refused(shed.post("setdata", shed.data(7, value=1)))
    assert refused(shed.post("data", shed.raw('{"data":{"value":1},"SEQN":7}')))
    assert shed.number() == 0 and values(bulla) == []


def test_an_answer_is_no_reset(make_shed, bulla):
    """Anybody can ask for the number; what he gets has the form of a reset to it."""
    shed = make_shed("--allow-reset")
    answer = shed.ask("GET", "/wsn/12FA").body.decode("ascii")
    assert taken(shed.post("data", shed.data(20, value=1)))
    assert refused(shed.post("wsn", json.dumps({"msg": answer}).encode()))
    assert shed.number() == 20
    assert reasons(bulla, shed.gateway, 1) == [("forged", "shed", "it is an answer of the gateway, sent back")]


def test_one_pass_phrase_on_two_devices(crypto_js, provision, bulla, make_gateway):
    """Each has its own number. (Nothing in a message says whose it is: `device add` says so.)"""
    provision("shed", "12FA")
    provision("barn", "12FB")
    gateway = make_gateway().start()
    shed, barn = (CryptoJsDevice(crypto_js, gateway, id) for id in ("12FA", "12FB"))
    assert taken(shed.post("data", shed.data(20, value=1)))
    assert barn.number() == 0
    assert taken(barn.post("data", barn.data(1, value=2)))
    assert (shed.number(), barn.number()) == (20, 1)
    assert sorted(values(bulla)) == [("barn", "value", 2, 1), ("shed", "value", 1, 20)]


# ---- crashes ----


def test_restarts(make_shed, bulla):
    shed = make_shed("--allow-reset")
    body, reset = shed.data(20, value=1), shed.reset(5)
    assert taken(shed.post("data", body)) and taken(shed.post("wsn", reset))
    shed.gateway.stop()
    shed.gateway.start()
    assert shed.number() == 5  # at once: the routes are there from the start
    assert refused(shed.post("data", body)) and refused(shed.post("wsn", reset))
    assert taken(shed.post("data", shed.data(6, value=2)))
    assert [row[2] for row in values(bulla)] == [1, 2]


def send_until_taken(shed, body):
    """As a device does. Returns whether a refusal said that it had been stored before."""
    while True:
        try:
            response = shed.post("data", body)
        except (OSError, Closed):
            time.sleep(0.01)
            continue
        if response.status in (200, 401):
            return response.status == 401
        assert response.status == 503


@pytest.mark.parametrize("flags", [(), ("--allow-reset",)])
def test_kills_store_nothing_twice(make_shed, bulla, long_run, rng, flags):
    """SIGKILL while messages come: what was answered 200 is there, and all are there once."""
    shed = make_shed(*flags)
    gateway, rounds = shed.gateway, 40 if long_run else 6
    sent, told, stop = [], [], threading.Event()

    def device():
        seqn = 0
        while not stop.is_set():
            seqn += 1
            sent.append(seqn)
            told.append(not send_until_taken(shed, shed.data(seqn, value=seqn)))

    thread = threading.Thread(target=device)
    thread.start()
    try:
        for _ in range(rounds):
            time.sleep(rng.uniform(0.05, 0.4))
            gateway.kill()
            gateway.start()
        wait_until(lambda: len(told) > 2 * rounds, what="messages between the kills")
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    rows = values(bulla)
    assert [row[2] for row in rows] == sent and [row[3] for row in rows] == sent
    assert shed.number() == sent[-1] and lost(bulla) == 0
    assert sum(told) > rounds


def test_a_store_that_is_locked(make_shed, bulla, tmp_path):
    """503, and to be sent again; whatever the message is."""
    shed = make_shed("--allow-reset")
    body = shed.data(1, value=1)
    shed.wait_for_route()
    with Lock(tmp_path / "bulla.db"):
        for response in (shed.post("data", body), shed.post("wsn", shed.reset(7)), shed.ask("GET", "/wsn/12FA"),
                         shed.ask("POST", "/data/12FB", body)):
            assert (response.status, response.body) == (503, b"") and int(response.headers["retry-after"]) >= 1
    assert taken(shed.post("data", body)) and refused(shed.post("data", body))
    assert shed.number() == 1 and len(values(bulla)) == 1


def test_nothing_is_answered_before_it_is_durable(crypto_js, provision, make_gateway, fault_library, disk, bulla):
    """A kill between the commit's write and its fsync: no answer; sent again it is stored once."""
    provision("shed", "12FA", KEY, "--allow-reset")
    gateway = start_faulty(make_gateway, fault_library, disk)
    shed = CryptoJsDevice(crypto_js, gateway)
    assert taken(shed.post("data", shed.data(1, value=1)))
    for route, body in (("data", shed.data(2, value=2)), ("wsn", shed.reset(1))):
        disk.hold()
        with Connection(gateway.port) as connection:
            connection.send(request("POST", shed.path(route), body, [JSON]))
            wait_until(lambda: metrics(gateway)["bulla_queue_messages"] == 1, what="the message in the queue")
            assert connection.silent(0.3), "an answer came before fsync() was through"
            gateway.kill()
            with pytest.raises(Closed) as closed:
                connection.receive()
            assert closed.value.raw == b""
        disk.heal()
        gateway.start()
        shed.post(route, body)  # what the crash left decides which of the two this is
        assert refused(shed.post(route, body))
    assert [row[2] for row in values(bulla)] == [1, 2]
    assert shed.number() == 1


@pytest.mark.parametrize("flags", [(), ("--allow-reset",), ("--allow-unsequenced",)])
def test_one_message_many_times_at_once(make_shed, bulla, flags):
    shed = make_shed(*flags)
    route, body = "data", shed.data(1, value=1)
    if "--allow-unsequenced" in flags:
        route, body = "setdata", shed.raw("1")
    connections = [Connection(shed.gateway.port) for _ in range(40)]
    for connection in connections:
        connection.send(request("POST", shed.path(route), body, [JSON]))
    answers = [connection.receive() for connection in connections]
    for connection in connections:
        connection.close()
    assert sorted(response.status for response in answers) == [200] + [401] * 39
    assert len(values(bulla)) == 1


def test_a_flood_holds_up_nobody_else(make_shed, make_device, bulla):
    """So many wait, the others are told to come again; native devices do not notice."""
    shed = make_shed()
    kitchen = make_device("kitchen", "--counter")
    shed.wait_for_route()
    body = shed.data(1, value=1)
    flood = [Connection(shed.gateway.port) for _ in range(600)]
    for connection in flood:
        connection.send(request("POST", "/data/12FB", body, [JSON]))
    begun = time.monotonic()
    assert exchange(shed.gateway.port, message_request(kitchen.seal(senml(a=1)).data)).status == 200
    assert time.monotonic() - begun < allowed(5)
    assert {connection.receive().status for connection in flood} <= {401, 503}
    for connection in flood:
        connection.close()
    assert taken(shed.post("data", body))


# ---- the form without numbers ----


def test_the_later_form(make_shed, bulla):
    shed = make_shed("--allow-unsequenced")
    for text in ('{"value":300}', '{"data":{"value":301},"SEQN":700,"msg":"IT WORKS!!"}', "302", "-3.5"):
        assert taken(shed.post("setdata", shed.raw(text)))
        assert taken(shed.ask("POST", "/setdata", shed.raw(text)))
    assert [row[1:3] for row in values(bulla)] == [
        ("value", value) for value in (300, 301, 302, -3.5) for _ in range(2)]
    assert [row[3] for row in values(bulla)] == list(range(1, 9))
    assert shed.number() == 0


def test_an_altered_iv_is_a_duplicate(make_shed, bulla):
    """Changing the IV turns 300 into 900: of a message that has arrived, not once more."""
    shed = make_shed("--allow-unsequenced")
    message = json.loads(shed.raw('{"v":300}'))
    assert taken(shed.post("setdata", json.dumps(message).encode()))
    iv = bytearray(base64.b64decode(message["iv"]))
    was, now = (base64.b64encode(text) for text in (b'{"v":300}', b'{"v":900}'))
    for place, (a, b) in enumerate(zip(was, now)):
        iv[place] ^= a ^ b
    message["iv"] = base64.b64encode(bytes(iv)).decode()
    for _ in range(2):
        assert refused(shed.post("setdata", json.dumps(message).encode()))
        assert refused(shed.ask("POST", "/setdata", json.dumps(message).encode()))
    assert [row[2] for row in values(bulla)] == [300]
    assert reasons(bulla, shed.gateway, 4) == [("duplicate", "shed", "this ciphertext was accepted before")] * 4


def test_setdata_is_of_devices_that_may(crypto_js, provision, bulla, make_gateway):
    provision("shed", "12FA")
    gateway = make_gateway().start()
    shed = CryptoJsDevice(crypto_js, gateway)
    body = shed.raw("300")
    for path in ("/setdata", "/setdata/12FA"):  # nobody may
        assert shed.ask("POST", path, body).status == 404
    provision("barn", "12FB", KEY[::-1], "--allow-unsequenced")
    barn = CryptoJsDevice(crypto_js, gateway, "12FB", KEY[::-1])
    barn.wait_for_route("/setdata")
    assert refused(shed.post("setdata", body))
    assert refused(shed.ask("POST", "/setdata", body))  # the path's device is the barn
    assert taken(shed.ask("POST", "/setdata", barn.raw("301")))
    assert taken(barn.post("setdata", barn.raw("302")))
    provision("sty", "12FC", KEY.lower(), "--allow-unsequenced")
    barn.wait_for_route("/setdata", there=False)  # whose would it be?
    assert taken(barn.post("setdata", barn.raw("303")))
    assert [row[::2] for row in values(bulla)] == [("barn", 301), ("barn", 302), ("barn", 303)]
    kinds = reasons(bulla, gateway, 2)
    assert kinds[0][:2] == ("stale", "shed") and "without --allow-unsequenced" in kinds[0][2]
    assert kinds[1][:2] == ("forged", "barn")


def test_setdata_needs_a_raw_key(provision):
    done = provision("shed", "12FA", "a pass-phrase", "--allow-unsequenced", status=1)
    assert "32 hex digits" in done.stderr
    provision("shed", "12FA", "a pass-phrase", "--allow-reset")


# ---- refusals ----


def flip(body, place):
    """The message with a bit of its ciphertext changed."""
    sealed = bytearray(base64.b64decode(json.loads(body)["msg"]))
    sealed[place] ^= 1
    return json.dumps({"msg": base64.b64encode(bytes(sealed)).decode()}).encode()


def refusals(shed):
    """Everything that is wrong with a message in one way: (kind, device, words of the reason, path, body)."""
    good = shed.data(1000, value=1)
    stranger = CryptoJsDevice(shed.crypto_js, shed.gateway, "12FA", "0" * 32)
    sealed = json.loads(good)["msg"]
    bare = json.dumps({"msg": shed.crypto_js("sealBare", passphrase=KEY, text='{"data":{"v":1},"SEQN":9}')}).encode()
    data = "/data/12FA"
    return [
        ("unknown", None, "no device has this id", "/data/12FB", good),
        ("unknown", None, "no device has this id", "/data/12fa", good),
        ("unknown", None, "no device has this id", "/data/" + "x" * 65, good),
        ("unknown", None, "no device has this id", "/data/%zz", good),
        ("unknown", None, "no device has this id", "/data/12FA%00", good),
        ("malformed", "shed", "its body is not the JSON object", data, b""),
        ("malformed", "shed", "its body is not the JSON object", data, b"\xff\xfe"),
        ("malformed", "shed", "its body is not the JSON object", data, b'{"msg":"%s","id":"12FA"}' % sealed.encode()),
        ("malformed", "shed", "not base64", data, b'{"msg":"%s\\n"}' % sealed.encode()),
        ("malformed", "shed", "the form of a ciphertext", data, b'{"msg":"AAAA"}'),
        ("forged", "shed", "does not open under the device's key", data, stranger.data(1000, value=1)),
        ("forged", "shed", "the padding is wrong", data, flip(good, -17)),  # the last byte of the text, and only that of its block
        ("forged", "shed", "no base64 is in it", data, flip(good, 20)),
        ("forged", "shed", "no base64 is in it", data, bare),
        ("forged", "shed", "not UTF-8", data, shed.seal("ff", encoding="hex")),
        ("forged", "shed", "not JSON", data, shed.seal("{")),
        ("forged", "shed", "not JSON", data, shed.seal('{"data":{"v":1,"v":2},"SEQN":9}')),
        ("forged", "shed", "not what this route takes", data, shed.seal('{"SEQN":9}')),
        ("forged", "shed", "SEQN is not an integer", data, shed.seal('{"data":{"v":1},"SEQN":"9"}')),
        ("stale", "shed", "SEQN 2 is not above 7", data, shed.data(2, value=1)),
        ("stale", "shed", "without --allow-reset", "/wsn/12FA", shed.reset(1)),
    ]


def test_every_refusal_is_the_same_to_the_network(make_shed, bulla):
    """One empty 401, whatever was wrong; and in the journal the reason, with the device's name."""
    shed = make_shed()
    assert taken(shed.post("data", shed.data(7, value=1)))
    cases = refusals(shed)
    answers = set()
    for count, (kind, device, words, path, body) in enumerate(cases, 1):
        response = shed.ask("POST", path, body)
        assert refused(response), (kind, words, response)
        answers.add(response.without_date())
        if count % 8 == 0:
            time.sleep(1)  # the journal takes ten of a kind in a second
    answers.add(shed.ask("GET", "/wsn/12FB").without_date())
    assert len(answers) == 1, answers
    found = reasons(bulla, shed.gateway, len(cases) + 1)
    assert found[-1] == ("unknown", None, "no device has this id")
    for (kind, device, words, _, _), event in zip(cases, found):
        assert event[:2] == (kind, device) and words in event[2], (kind, words, event)
    assert shed.number() == 7 and len(values(bulla)) == 1
    assert KEY not in shed.gateway.text()


def test_refusals_cost_the_same_time(make_shed, long_run):
    """Medians over many, each kind in its turn; the unit tests count the work itself."""
    if not long_run:
        pytest.skip("takes a minute, and time to itself: --long")
    shed = make_shed()
    assert taken(shed.post("data", shed.data(7, value=1)))
    times = {}
    with Connection(shed.gateway.port) as connection:
        for _ in range(1000):
            cases = refusals(shed)
            random.shuffle(cases)
            for kind, _, words, path, body in cases:
                begun = time.perf_counter()
                connection.send(request("POST", path, body, [JSON]))
                assert connection.receive().status == 401
                times.setdefault((kind, words), []).append(time.perf_counter() - begun)
    medians = {case: statistics.median(spent) for case, spent in times.items()}
    print({"%s: %s" % case: "%.0f us" % (1e6 * spent) for case, spent in medians.items()})
    assert max(medians.values()) < 1.3 * min(medians.values()), medians


# ---- routes ----


PATHS = ("/wsn/12FA", "/data/12FA", "/setdata/12FA", "/setdata")


def test_no_device_no_route(crypto_js, make_device, bulla, gateway, provision):
    """Where no device uses the wire its paths are as unknown as any."""
    make_device("kitchen", "--counter")
    shed = CryptoJsDevice(crypto_js, gateway)
    nothing = shed.ask("POST", "/nothing", b"x").without_date()
    for path in PATHS:
        for method in ("GET", "POST", "PUT"):
            assert shed.ask(method, path, b"x").without_date() == nothing
    provision("shed", "12FA", KEY, "--allow-unsequenced")
    shed.wait_for_route()
    assert shed.number() == 0
    bulla("device", "remove", "shed")
    shed.wait_for_route(there=False)
    for path in PATHS:
        assert shed.ask("POST", path, b"x").without_date() == nothing


def test_methods_and_paths(make_shed):
    shed = make_shed("--allow-unsequenced")
    allowed = {"/wsn/12FA": "GET, POST", "/data/12FA": "POST", "/setdata/12FA": "POST", "/setdata": "POST",
               "/data/12FB": "POST", "/d": "POST"}
    for path, allow in allowed.items():
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
            if method not in allow.split(", "):
                response = shed.ask(method, path)
                assert (response.status, response.headers["allow"], response.body) == (405, allow, b"")
    for path in ("/data", "/data/", "/wsn", "/wsn/", "/data/12FA/", "/data/12FA/1", "//data/12FA", "/Data/12FA",
                 "/setdata/", "/%64ata/12FA", "/%64"):
        assert shed.ask("POST", path, b"x").status == 404, path


@pytest.mark.parametrize("id, paths", [
    ("12FA", ("/data/12FA", "/data/%31%32%46%41", "/data/12F%41", "/data/12FA?x=%zz", "/data/12FA?")),
    ("a b/c%d", ("/data/a%20b%2Fc%25d", "/data/a%20b%2fc%25d")),
    ("grün", ("/data/gr%C3%BCn", "/data/gr%c3%bcn")),
    ("x" * 64, ("/data/" + "x" * 64, "/data/" + "%78" * 64)),
])
def test_ids_in_paths(crypto_js, provision, bulla, make_gateway, id, paths):
    provision("shed", id)
    shed = CryptoJsDevice(crypto_js, make_gateway().start(), id)
    for seqn, path in enumerate(paths, 1):
        assert taken(shed.ask("POST", path, shed.data(seqn, value=1))), path
    for path in ("/data/%2512FA", "/data/12FA%", "/data/12FA%4", "/data/12FA%g1", "/data/%00", "/data/12FA%00",
                 "/data/" + "x" * 65, "/data/" + "%78" * 65, "/data/%FF"):
        assert refused(shed.ask("POST", path, shed.data(100, value=1))), path
    assert len(values(bulla)) == len(paths)


@pytest.mark.parametrize("id, words", [("x" * 65, "64 bytes"), (".", "cannot be an id"), ("..", "cannot be an id")])
def test_what_cannot_be_an_id(provision, id, words):
    assert words in provision("shed", id, KEY, status=2).stderr


def test_an_id_is_one_devices(provision):
    provision("shed", "12FA")
    assert "12FA" in provision("barn", "12FA", KEY[::-1], status=1).stderr


def test_long_bodies(make_shed):
    shed = make_shed()
    longest = shed.seal('{"data":{"v":"%s"},"SEQN":1}' % ("x" * 4540))
    assert 8000 < len(longest) <= 8192
    assert taken(shed.post("data", longest))
    for size in (8193, 100_000):
        response = shed.post("data", b"x" * size)
        assert (response.status, response.body) == (413, b"")
    with Connection(shed.gateway.port) as connection:  # without a length
        connection.send(request("POST", "/data/12FA", b"", [("Transfer-Encoding", "chunked")], length=False))
        for _ in range(9):
            connection.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
        connection.send(b"0\r\n\r\n")
        assert connection.receive().status == 413
    assert refused(shed.post("data", b" " * 8192))
    assert shed.ask("GET", "/wsn/12FA", b"x").status == 413


# ---- beside native devices ----


def test_native_devices_have_nothing_to_do_with_it(make_shed, make_device, bulla):
    """Neither reaches the other: not by kid, not by id, not by what either sealed."""
    shed = make_shed("--allow-unsequenced")
    kitchen = make_device("kitchen", "--counter")
    message = kitchen.seal(senml(a=1)).data
    kid = json.loads(bulla("device", "show", "kitchen", "--format", "json"))["kid"]
    shed.wait_for_route()
    for id in (kid, kid.upper(), "kitchen", "shed"):
        assert refused(shed.ask("GET", "/wsn/" + id))
        for path in ("/data/" + id, "/wsn/" + id, "/setdata/" + id):
            assert refused(shed.ask("POST", path, message))
            assert refused(shed.ask("POST", path, shed.data(1, value=1)))
    assert refused(shed.post("data", message))
    for body in (shed.data(1, value=1), shed.raw("300"), base64.b64decode(json.loads(shed.reset(1))["msg"])):
        assert exchange(shed.gateway.port, message_request(body)).status == 400
    assert values(bulla) == []
    assert exchange(shed.gateway.port, message_request(message)).status == 200
    assert taken(shed.post("data", shed.data(1, value=1)))
    assert sorted(row[:2] for row in values(bulla)) == [("kitchen", "a"), ("shed", "value")]


def test_a_revoked_device_is_unknown(make_shed, bulla):
    shed = make_shed()
    assert taken(shed.post("data", shed.data(1, value=1)))
    unknown = shed.ask("GET", "/wsn/12FB").without_date()
    bulla("device", "revoke", "shed")
    for response in (shed.post("data", shed.data(2, value=2)), shed.ask("GET", "/wsn/12FA")):
        assert response.without_date() == unknown
    assert len(values(bulla)) == 1
    assert reasons(bulla, shed.gateway, 3)[1:] == [("revoked", "shed", "the device was revoked")] * 2


def test_a_removed_device_goes_on_where_it_was(make_shed, provision, bulla):
    shed = make_shed("--allow-reset")
    body = shed.data(20, value=1)
    assert taken(shed.post("data", body))
    bulla("device", "remove", "shed")
    shed.wait_for_route(there=False)
    provision("barn", "12FA", KEY, "--allow-reset")
    shed.wait_for_route()
    assert shed.number() == 20
    assert refused(shed.post("data", body))
    assert taken(shed.post("wsn", shed.reset(0)))
    assert refused(shed.post("data", body))
    assert [row[2] for row in values(bulla)] == [1]


def test_what_came_before_a_device_could_reset_stays_a_duplicate(make_shed, provision, bulla):
    """Added without --allow-reset first, as one is that turns out to forget its number."""
    shed = make_shed()
    old = [shed.data(seqn, value=seqn) for seqn in (1, 2, 3)]
    for body in old:
        assert taken(shed.post("data", body))
    bulla("device", "remove", "shed")
    shed.wait_for_route(there=False)
    provision("shed", "12FA", KEY, "--allow-reset")
    shed.wait_for_route()
    assert taken(shed.post("wsn", shed.reset(0)))
    for body in old:
        assert refused(shed.post("data", body))
    assert [kind for kind, _, _ in reasons(bulla, shed.gateway, 4)] == ["reset"] + ["duplicate"] * 3


def test_an_upgrade_keeps_one_history(make_shed, bulla):
    """Both wires, until the first native message; from then on only that."""
    shed = make_shed()
    assert taken(shed.post("data", shed.data(1, value=1)))
    native = PythonDevice(bulla("device", "upgrade", "shed", "--counter").strip())
    assert taken(shed.post("data", shed.data(2, value=2)))
    assert exchange(shed.gateway.port, message_request(native.seal(senml(value=3)).data)).status == 200
    shed.wait_for_route(there=False)
    assert [row[:3] for row in values(bulla)] == [("shed", "value", value) for value in (1, 2, 3)]
    assert exchange(shed.gateway.port, message_request(native.seal(senml(value=4)).data)).status == 200
    assert len(values(bulla)) == 4


def test_what_it_does_not_protect_against_is_said(provision, bulla):
    said = provision("shed", "12FA", KEY, "--allow-reset").stderr
    assert "not authenticated" in said and "held back" in said
    assert "300 becomes 900" not in said
    assert "300 becomes 900" in provision("barn", "12FB", KEY, "--allow-unsequenced").stderr
    shown = bulla("device", "show", "barn")
    assert "300 becomes 900" in shown and "12FB" in shown and KEY not in shown
