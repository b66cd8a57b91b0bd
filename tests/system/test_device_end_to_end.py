"""Devices against the real gateway: `bulla send`, which is the C library, and the reference in Python."""

import json
import re
import signal
import sqlite3
import subprocess
import time

import cbor2
import pytest

from http_client import Connection, message_request, metrics, outcome
from program import BINARY, SANITIZER, environment, wait_until
from python_device import BYTES, CBOR, TEXT, PythonDevice, reference, senml

ALGORITHMS = [10, 24, 30]
KIDS = ["07", "0102", "0a1b2c", "0a1b2c3d", "ffffffffff"]
KINDS = ["session", "counter"]


def kind_options(kind):
    return ["--counter"] if kind == "counter" else []


@pytest.fixture
def credential(bulla, tmp_path):
    """Provisions a device; the argument that `bulla send` takes."""

    def make(name, *arguments):
        (tmp_path / (name + ".cred")).write_text(bulla.add(name, *arguments) + "\n")
        return "@%s.cred" % name

    return make


@pytest.fixture
def send(bulla, gateway):
    """Runs `bulla send` against the gateway."""

    def run(credential, *arguments, **options):
        return bulla.run("send", "--to", gateway.url, "--credential", credential, *arguments, **options)

    return run


def recorded(folder):
    """True once a message was sealed: it is recorded after that, in a file that is made before."""
    path = folder / "record"
    return path.exists() and path.read_text().endswith("\n")


def values(bulla, name):
    return [(row["seq"], row["name"], row["value"]) for row in bulla.readings("--device", name)]


def show(bulla, name):
    return json.loads(bulla("device", "show", name, "--format", "json"))


# ---- both devices, every algorithm, every length of kid ----


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("kind", KINDS)
def test_python_device(gateway, make_device, bulla, alg, kind):
    with Connection(gateway.port) as connection:
        for kid in KIDS:
            device = make_device("k" + kid, "--kid", kid, "--alg", alg, *kind_options(kind))
            assert (device.credential.kid.hex(), device.credential.alg) == (kid, alg)
            sent = [device.send(connection, senml(a=n)).piv for n in range(3)]
            message = device.seal(senml(a=3), with_kid_context=False)
            reply = device.check(connection.post(message.data), message)
            assert reply.stored() == {*sent, message.piv}
            assert len(reply.gateway_id) == 6 and abs(reply.body["time"] - time.time()) < 5
            assert [value for _, _, value in values(bulla, "k" + kid)] == [0, 1, 2, 3]
    challenged = len(KIDS) if kind == "session" else 0
    assert outcome(gateway, "challenged") == challenged
    assert outcome(gateway, "stored") == 4 * len(KIDS)


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("kind", KINDS)
def test_c_device(gateway, credential, send, bulla, alg, kind):
    for kid in KIDS:
        line = credential(kid, "--kid", kid, "--alg", alg, *kind_options(kind))
        state = ["--state", kid + ".state"]
        first = send(line, *state, *(["--new-state"] if kind == "counter" else []), "a=1", "b=2.5:Cel")
        second = send(line, *state, "a=2", "b=3.5:Cel")
        numbers = [int(re.fullmatch(r"stored: seq (\d+), 2 readings\n", done.stdout)[1]) for done in (first, second)]
        assert values(bulla, kid) == [
            (numbers[0], "a", 1), (numbers[0], "b", 2.5), (numbers[1], "a", 2), (numbers[1], "b", 3.5)
        ]
    assert outcome(gateway, "challenged") == (len(KIDS) if kind == "session" else 0)
    assert outcome(gateway, "duplicate") == outcome(gateway, "stale") == 0


# ---- the C device's session and counter ----


def test_session_without_state(gateway, credential, send, bulla):
    """Each call is a power-on: a session of its own, challenged once; the gateway knows which is the newest."""
    line = credential("kitchen")
    for n in range(3):
        send(line, "a=%d" % n)
    assert values(bulla, "kitchen") == [(1, "a", 0), (1, "a", 1), (1, "a", 2)]
    contexts = show(bulla, "kitchen")["contexts"]
    assert len({context["id_context"] for context in contexts}) == 3
    assert sorted(context["closes"] is None for context in contexts) == [False, False, True]
    assert outcome(gateway, "challenged") == 3


def test_session_with_state(gateway, credential, send, bulla, tmp_path):
    """One session over many calls; the blob is good once."""
    line = credential("kitchen")
    for n in range(4):
        send(line, "--state", "s", "a=%d" % n)
    assert values(bulla, "kitchen") == [(1, "a", 0), (2, "a", 1), (3, "a", 2), (4, "a", 3)]
    assert outcome(gateway, "challenged") == 1
    assert len(show(bulla, "kitchen")["contexts"]) == 1


def test_session_that_was_cut_off(gateway, credential, send, bulla, tmp_path):
    """The blob is destroyed before anything is sealed: who loses power after that begins a new session."""
    line = credential("kitchen")
    send(line, "--state", "s", "a=0")
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        process = start_send(tmp_path, gateway, line, "--state", "s", "--record", "record", "a=1")
        wait_until(lambda: recorded(tmp_path), what="the sealed message")
        process.kill()
        process.communicate()
    finally:
        gateway.process.send_signal(signal.SIGCONT)
    send(line, "--state", "s", "a=2")
    contexts = show(bulla, "kitchen")["contexts"]
    assert len(contexts) == 2
    stored = [(seq, value) for seq, _, value in values(bulla, "kitchen")]
    assert stored in ([(1, 0), (2, 1), (1, 2)], [(1, 0), (1, 2)])
    assert outcome(gateway, "challenged") == 2


def test_counter_reserves_ahead(gateway, credential, send, bulla, tmp_path):
    """Each call is a boot: it goes on above what was reserved, without a challenge."""
    line = credential("shed", "--counter")
    send(line, "--state", "s", "--new-state", "a=0")
    send(line, "--state", "s", "a=1")
    send(line, "--state", "s", "a=2")
    assert values(bulla, "shed") == [(0, "a", 0), (65536, "a", 1), (131072, "a", 2)]
    assert outcome(gateway, "challenged") == 0


def test_counter_far_up(gateway, make_device, bulla):
    """Jumps over 2^32, up to the last number there is."""
    device = make_device("shed", "--counter")
    numbers = [0, 63, 64, 128, 2**16, 2**32 - 1, 2**32, 2**32 + 64, 2**39, 2**40 - 1]
    with Connection(gateway.port) as connection:
        for n, piv in enumerate(numbers):
            message = device.seal(senml(a=n), piv=piv)
            assert piv in device.check(connection.post(message.data), message).stored()
            device.check(connection.post(message.data), message)
        message = device.seal(senml(a=99), piv=2**40 - 64)
        assert message.piv in device.check(connection.post(message.data), message).stored()
        message = device.seal(senml(a=99), piv=2**40 - 65)
        assert message.piv not in device.check(connection.post(message.data), message, 409).stored()
    assert [seq for seq, _, _ in values(bulla, "shed")] == [*numbers, 2**40 - 64]


def test_counter_that_lost_its_state(gateway, credential, send, bulla, tmp_path):
    """It refuses; made anew by hand, its numbers are used already, and nothing is overwritten."""
    line = credential("shed", "--counter")
    send(line, "--state", "s", "--new-state", "a=0")
    done = send(line, "--state", "other", "a=1", status=1)
    assert "new credential" in done.stderr
    assert not (tmp_path / "other").exists()
    assert values(bulla, "shed") == [(0, "a", 0)]


# ---- challenges ----


def test_challenge_is_for_one_session_of_one_device(gateway, make_device, bulla, connect):
    """Nobody else's challenge, no challenge of another session, proves anything."""
    connection = connect()
    one, two = make_device("one"), make_device("two")
    for device in (one, two):
        message = device.seal(senml(a=1))
        device.check(connection.post(message.data), message, 401)
    one.challenge, two.challenge = two.challenge, one.challenge
    for device in (one, two):
        foreign = device.challenge
        message = device.seal(senml(a=2))
        assert device.check(connection.post(message.data), message, 401).challenge != foreign
    own = one.challenge
    one.boot()
    one.challenge = own
    message = one.seal(senml(a=3))
    assert one.check(connection.post(message.data), message, 401).challenge != own
    assert bulla.readings() == []
    rows = wait_until(lambda: len(found := bulla.events("--kind", "challenged")) == 5 and found)
    invalid = ["challenge is not valid" in row["detail"] for row in rows]
    assert invalid == [False, False, True, True, True]


def test_challenge_holds_over_a_restart(gateway, make_device, bulla):
    """Nothing is stored for it, and the next process knows it."""
    device = make_device("kitchen")
    message = device.seal(senml(a=1))
    with Connection(gateway.port) as connection:
        device.check(connection.post(message.data), message, 401)
    gateway.kill()
    gateway.start()
    message = device.seal(senml(a=1))
    with Connection(gateway.port) as connection:
        assert device.check(connection.post(message.data), message).stored() == {message.piv}
    assert outcome(gateway, "challenged") == 0


def test_proof_is_the_lower_limit(gateway, make_device, bulla, connect):
    """What was sealed before the proof, and not stored, is stale for ever: also after a restart."""
    connection = connect()
    device = make_device("kitchen")
    before = [device.seal(senml(a=n)) for n in range(3)]
    device.check(connection.post(before[0].data), before[0], 401)
    proof = device.seal(senml(a=3))
    device.check(connection.post(proof.data), proof)
    for _ in range(2):
        with Connection(gateway.port) as connection:
            for message in before:
                assert device.check(connection.post(message.data), message, 409).stored() == {proof.piv}
        gateway.stop()
        gateway.start()
    assert [row["value"] for row in bulla.readings()] == [3]
    context, = show(bulla, "kitchen")["contexts"]
    assert (context["lower"], context["top"]) == (3, 3)


def test_imported_counter_is_challenged_once(gateway, bulla, tmp_path, connect):
    line = "bulla:x?kid=0a&secret=%s&alg=10&context=counter" % ("A" * 43)
    (tmp_path / "secret").write_text("A" * 43)
    bulla.add("shed", "--kid", "0a", "--counter", "--secret", "@secret")
    device = PythonDevice(line, piv=500)
    connection = connect()
    assert device.send(connection, senml(a=1)).piv == 501
    assert device.send(connection, senml(a=2)).piv == 502
    old = device.seal(senml(a=3), piv=499)
    device.check(connection.post(old.data), old, 409)
    assert outcome(gateway, "challenged") == 1


# ---- resending ----


def start_send(tmp_path, gateway, credential, *arguments):
    return subprocess.Popen(
        [BINARY, "send", "--to", gateway.url, "--credential", credential, *arguments], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )


def finish(process, seconds=40):
    out, err = process.communicate(timeout=seconds)
    assert not SANITIZER.search(err), err
    assert process.returncode == 0, (out, err)
    return out, err


@pytest.mark.parametrize("kind", KINDS)
def test_gateway_that_is_not_there_yet(make_gateway, credential, bulla, tmp_path, kind):
    """The device sends again until somebody answers."""
    gateway = make_gateway().start()
    line = credential("kitchen", *kind_options(kind))
    gateway.stop()
    state = ["--state", "s", "--new-state"] if kind == "counter" else []
    process = start_send(tmp_path, gateway, line, *state, "--record", "record", "a=1")
    wait_until(lambda: recorded(tmp_path), what="the first try")
    gateway.start()
    finish(process)
    assert [value for _, _, value in values(bulla, "kitchen")] == [1]
    lines = (tmp_path / "record").read_text().splitlines()
    assert len(lines) == len(set(lines)) == (1 if kind == "counter" else 2)


def test_gateway_that_hangs(gateway, credential, bulla, tmp_path):
    """It takes the connection and says nothing; once it goes on, the message is stored once."""
    line = credential("shed", "--counter")
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        process = start_send(tmp_path, gateway, line, "--state", "s", "--new-state", "--timeout", "60", "a=1")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
    finally:
        gateway.process.send_signal(signal.SIGCONT)
    finish(process)
    assert values(bulla, "shed") == [(0, "a", 1)]


def test_gateway_killed_before_it_answers(gateway, make_device, bulla):
    """The reply was lost: the same bytes again are stored or a duplicate, and there once."""
    device = make_device("kitchen", "--counter")
    for n in range(5):
        message = device.seal(senml(a=n))
        with Connection(gateway.port) as connection:
            connection.send(message_request(message.data))
            gateway.kill()
        gateway.start()
        with Connection(gateway.port) as connection:
            assert message.piv in device.check(connection.post(message.data), message).stored()
    assert values(bulla, "kitchen") == [(n, "a", n) for n in range(5)]


def test_store_that_is_down_for_a_while(gateway, credential, bulla, tmp_path):
    """503 proves nothing: the device waits as it is told, sends again, and it is stored once."""
    line = credential("shed", "--counter")
    lock = sqlite3.connect(tmp_path / "bulla.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    process = start_send(
        tmp_path, gateway, line, "--state", "s", "--new-state", "--record", "record", "--verbose", "a=1"
    )
    wait_until(lambda: outcome(gateway, "busy") > 0, what="the first 503")
    lock.execute("ROLLBACK")
    lock.close()
    _, err = finish(process)
    assert "status 503, empty" in err and err.count("sealed seq") == 1
    assert values(bulla, "shed") == [(0, "a", 1)]
    assert len((tmp_path / "record").read_text().splitlines()) == 1


def test_resend_puts_the_kid_context_in(gateway, make_device, bulla, connect):
    """A message that went out short, to a gateway for which another session is the newest, is stored in its own."""
    connection = connect()
    device = make_device("kitchen")
    device.send(connection, senml(a=1))
    short = device.seal(senml(a=2), with_kid_context=False)
    full = reference.seal_message(
        device.credential.secret, 10, device.credential.kid, device.id_context, short.piv, 112, senml(a=2)
    ).data
    old = device.id_context
    device.boot()
    device.send(connection, senml(a=3))
    device.id_context = old
    assert connection.post(short.data).body == b""  # another session's key: forged
    device.sealed[short.piv] = full
    assert short.piv in device.open(connection.post(full).body).stored()
    assert sorted(value for _, _, value in values(bulla, "kitchen")) == [1, 2, 3]


# ---- replays ----


@pytest.mark.parametrize("kind", KINDS)
def test_replayed_recording(gateway, credential, send, bulla, tmp_path, kind):
    """What somebody recorded, sent again: a receipt for what is stored, nothing for anybody else."""
    line = credential("kitchen", *kind_options(kind))
    state = ["--state", "s", *(["--new-state"] if kind == "counter" else [])]
    send(line, *state, "--record", "record", "a=1")
    send(line, "--state", "s", "--record", "record", "a=2")
    before = bulla.readings()
    assert len((tmp_path / "record").read_text().splitlines()) == {"session": 3, "counter": 2}[kind]
    for _ in range(2):
        done = bulla.run("send", "--to", gateway.url, "--raw", "record", status=None)
        statuses = [line.partition(",")[0] for line in done.stdout.splitlines()]
        # The session's first message was challenged; now its number is below the lower limit. The counter's
        # second one left the first far behind.
        assert statuses == {
            "session": ["status 409", "status 200", "status 200"], "counter": ["status 409", "status 200"]
        }[kind]
        assert done.returncode == 1
        gateway.kill()
        gateway.start()
    assert bulla.readings() == before


def test_recording_of_a_duplicate_alone(gateway, credential, send, bulla, tmp_path):
    line = credential("shed", "--counter")
    send(line, "--state", "s", "--new-state", "--record", "record", "a=1")
    for _ in range(3):
        done = bulla.run("send", "--to", gateway.url, "--raw", "record")
        assert re.fullmatch(r"status 200, a reply of \d+ bytes\n", done.stdout)
    assert outcome(gateway, "duplicate") == 3
    assert len(bulla.readings()) == 1
    rows = wait_until(lambda: len(found := bulla.events("--kind", "duplicate")) == 3 and found)
    assert {row["device"] for row in rows} == {"shed"}


def test_recording_with_a_bit_flipped(gateway, credential, send, bulla, tmp_path):
    line = credential("shed", "--counter")
    send(line, "--state", "s", "--new-state", "--record", "record", "a=1")
    message = bytearray.fromhex((tmp_path / "record").read_text())
    message[-3] ^= 16
    (tmp_path / "flipped").write_text(message.hex() + "\n")
    done = bulla.run("send", "--to", gateway.url, "--raw", "flipped", status=1)
    assert done.stdout == "status 401, empty\n"
    rows = wait_until(lambda: bulla.events("--kind", "forged"), what="the event")
    assert rows[0]["device"] == "shed"


def test_whole_old_session_replayed(gateway, make_device, bulla):
    """All that a device ever sent, in order and backwards, before and after a restart: nothing is stored again."""
    device = make_device("kitchen")
    recorded = []
    with Connection(gateway.port) as connection:
        for boot in range(2):
            for n in range(100):
                recorded.append((device.id_context, device.send(connection, senml(a=n, boot=boot)).data))
            device.boot()
    before = bulla.readings()
    assert len(before) == 400
    for restart in range(2):
        with Connection(gateway.port) as connection:
            for order in (1, -1):
                for _, data in recorded[::order]:
                    assert connection.post(data).status in (200, 409)
        assert outcome(gateway, "stored") == (0 if restart else 200)
        gateway.stop()
        gateway.start()
    assert bulla.readings() == before


def test_device_while_its_old_sessions_are_replayed(gateway, make_device, bulla):
    """Replays of sessions that were never proven do not keep a real device from proving its own."""
    device = make_device("kitchen")
    replays = []
    for _ in range(30):
        device.boot()
        replays.append(message_request(device.seal(senml(a=0)).data))
    device.boot()
    with Connection(gateway.port) as attacker, Connection(gateway.port) as connection:
        for n in range(10):
            attacker.send(b"".join(replays))
            message = device.seal(senml(a=n))
            response = connection.post(message.data)
            if response.status == 401:
                assert n == 0, "the session is proven"
                device.open(response.body, message)
                attacker.send(b"".join(replays))
                message = device.seal(senml(a=n))
                response = connection.post(message.data)
            assert response.status == 200
            for _ in replays if n else replays * 2:
                assert attacker.receive().status == 401
    assert [value for _, _, value in values(bulla, "kitchen")] == list(range(10))


# ---- what the C device sends ----


def test_values_of_the_c_device(gateway, credential, send, bulla):
    line = credential("kitchen", "--counter")
    send(line, "--state", "s", "--new-state", "t=23.4:Cel", "n=-7", "on=true", "off=false", 's="12"', "w=wörter",
         "big=9007199254740993", "small=1e-7", "pi=3.141592653589793")
    found = {row["name"]: row.get("value", row.get("text")) for row in bulla.readings()}
    assert found == {
        "t": 23.4, "n": -7, "on": True, "off": False, "s": "12", "w": "wörter", "big": 9007199254740993,
        "small": 1e-7, "pi": 3.141592653589793,
    }
    assert {row["name"]: row["unit"] for row in bulla.readings()}["t"] == "Cel"
    send(line, "--state", "s", "--format", "json", "a=1.5", "b=x")
    send(line, "--state", "s", "--format", "text", "value=42")
    assert [(row["name"], row.get("value", row.get("text"))) for row in bulla.readings()[-3:]] == [
        ("a", 1.5), ("b", "x"), ("value", 42)
    ]


def test_times_of_the_c_device(gateway, credential, send, bulla):
    line = credential("kitchen", "--counter")
    send(line, "--state", "s", "--new-state", "--time", "2024-05-06T07:08:09Z", "a=1")
    begun = time.time()
    send(line, "--state", "s", "--age", "3600", "b=1")
    first, second = bulla.readings()
    assert first["time"] == "2024-05-06T07:08:09Z"
    at = time.mktime(time.strptime(second["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert abs(begun - 3600 - at) < 10


def test_many_devices_at_once(gateway, credential, bulla, tmp_path):
    """Processes of their own, all at the same time."""
    lines = {n: credential("d%d" % n, *kind_options(KINDS[n % 2])) for n in range(12)}
    processes = [
        start_send(tmp_path, gateway, line, "--state", "%d.state" % n,
                   *(["--new-state"] if n % 2 else []), "n=%d" % n)
        for n, line in lines.items()
    ]
    for process in processes:
        finish(process)
    assert sorted((row["device"], row["value"]) for row in bulla.readings()) == sorted(
        ("d%d" % n, n) for n in range(12)
    )
    wait_until(lambda: metrics(gateway)["bulla_devices"] == 12, what="the number of devices")


# ---- messages of every size, from the reference ----


def test_contents_of_every_size(gateway, make_device, bulla, connect):
    """0 bytes to the most there is room for; heads of CBOR change their size at 24, 256."""
    device = make_device("kitchen", "--counter")
    connection = connect()
    sizes = [0, 1, 7, 8, 14, 15, 16, 17, 22, 23, 24, 240, 247, 248, 255, 256, 257, 1000, 4000, 4040]
    for size in sizes:
        device.send(connection, bytes(size), BYTES)
    rows = bulla.readings()
    assert [(row["seq"], len(row["data"])) for row in rows] == [
        (piv, -(-size * 8 // 6)) for piv, size in enumerate(sizes)
    ]
    assert all(row["format"] == 42 and "undecoded" not in row for row in rows)
    device.send(connection, cbor2.dumps({"x" * 300: 1}), CBOR)  # a name that long is none
    device.send(connection, b"x" * 3000, TEXT)
    assert [sorted(set(row) - {"device", "time", "received", "unit", "seq"}) for row in bulla.readings()[-2:]] == [
        ["data", "format", "name", "undecoded"], ["name", "text"]
    ]
