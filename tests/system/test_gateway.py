"""The gateway as its operator meets it: starting, watching, changing, ending."""

import base64
import json
import os
import re
import signal
import socket
import sqlite3
import stat
import struct
import threading
import time

import cbor2
import pytest

import http_client
from http_client import Closed, Connection, get, health, message_request, metrics, outcome, post, request
from program import allowed, wait_until
from python_device import BYTES, CBOR, JSON, SENML, SENML_JSON, TEXT, PythonDevice, reference, senml

# ---- listeners ----


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


def test_ready_lines(gateway):
    """One line for each listener, once it takes connections; port 0 picks a free one."""
    assert gateway.log == [
        "bulla: devices on http://127.0.0.1:%d/d" % gateway.port,
        "bulla: admin on http://127.0.0.1:%d/" % gateway.admin_port,
    ]
    assert gateway.port != gateway.admin_port
    assert http_client.exchange(gateway.port, request("POST", "/d", b"x")).status == 400
    assert get(gateway.admin_port, "/").status == 200


def test_two_gateways_pick_other_ports(make_gateway, tmp_path):
    one, two = make_gateway(db="one.db").start(), make_gateway(db="two.db").start()
    assert len({one.port, one.admin_port, two.port, two.admin_port}) == 4


@needs_ipv6
def test_every_address(make_gateway, make_device, bulla):
    """[::] is both families, and each client is named by its own address."""
    gateway = make_gateway(listen="[::]").start()
    assert gateway.log[0] == "bulla: devices on http://127.0.0.1:%d/d" % gateway.port
    device = make_device("kitchen", "--counter")
    for host in ("127.0.0.1", "::1"):
        with Connection(gateway.port, host) as connection:
            message = device.send(connection, senml(a=1))
            device.check(connection.post(message.data), message)
    rows = wait_until(lambda: len(found := bulla.events("--kind", "duplicate")) == 2 and found)
    assert [row["source"] for row in rows] == ["http 127.0.0.1", "http ::1"]


@needs_ipv6
def test_one_ipv6_address(make_gateway):
    gateway = make_gateway(listen="[::1]").start()
    assert gateway.log[0] == "bulla: devices on http://[::1]:%d/d" % gateway.port
    with Connection(gateway.port, "::1") as connection:
        assert connection.post(b"x").status == 400
    with pytest.raises(ConnectionRefusedError):
        Connection(gateway.port, "127.0.0.1")


def fails(gateway, pattern, status=1):
    """It ends at once, with that status and one line that says why."""
    gateway.start(wait=False)
    assert gateway.wait() == status
    assert not gateway.is_ready()
    assert re.search(pattern, gateway.text()), gateway.log
    if status == 1:
        assert len(gateway.log) == 1 and gateway.log[0].startswith("bulla: "), gateway.log


@pytest.mark.parametrize("taken", ["devices", "admin"])
def test_address_in_use(gateway, make_gateway, taken):
    second = make_gateway(db="second.db")
    second.port = gateway.port if taken == "devices" else 0
    second.admin_port = gateway.admin_port if taken == "admin" else 0
    fails(second, r"cannot listen on 127\.0\.0\.1:%d: .*in use.*another" % (second.port or second.admin_port))
    assert health(gateway)[0] == 200


@pytest.mark.parametrize("listen", ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "::1:0", "[::1:0"])
def test_address_that_is_none(make_gateway, listen):
    fails(make_gateway("--listen", listen), r"--listen: '%s' is no address" % re.escape(listen), 2)


def test_address_of_another_host(make_gateway):
    fails(make_gateway("--listen", "192.0.2.1:0"), r"cannot listen on 192\.0\.2\.1:0: .*this host has no such address")


def test_admin_off(make_gateway, make_device):
    gateway = make_gateway("--admin", "off").start()
    assert gateway.log == ["bulla: devices on http://127.0.0.1:%d/d" % gateway.port]
    with Connection(gateway.port) as connection:
        make_device("kitchen").send(connection, senml(a=1))
    with open("/proc/net/tcp") as table:
        inodes = {line.split()[9] for line in table if line.split()[3] == "0A"}
    folder = "/proc/%d/fd" % gateway.process.pid
    links = [os.readlink("%s/%s" % (folder, name)) for name in os.listdir(folder)]
    assert len([link for link in links if link.startswith("socket:[") and link[8:-1] in inodes]) == 1


# ---- watching ----


def test_health(gateway):
    response = get(gateway.admin_port, "/healthz")
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.body) == {"status": "ok"}


NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)\})? (\S+)" % (NAME, LABEL, LABEL))


def parse_metrics(text):
    """Prometheus' text format 0.0.4, taken strictly: {family: (type, {sample with labels: value})}."""
    assert text.endswith("\n")
    families = {}
    current = helped = None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            helped, _, words = line[7:].partition(" ")
            assert re.fullmatch(NAME, helped) and words and helped not in families, line
            continue
        if line.startswith("# TYPE "):
            current, kind = line[7:].split(" ")
            assert current == helped and kind in ("counter", "gauge", "histogram"), line
            families[current] = (kind, {})
            continue
        found = SAMPLE.fullmatch(line)
        assert found, "not a sample: %r" % line
        kind, samples = families[current]
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        assert found[1] in [current + suffix for suffix in suffixes], line
        assert kind != "counter" or current.endswith("_total"), line
        name = found[1] + ("{%s}" % found[2] if found[2] else "")
        assert name not in samples, line
        samples[name] = float(found[3])
        assert samples[name] >= 0
    for name, (kind, samples) in families.items():
        if kind == "histogram":
            check_histogram(name, samples)
    return families


def check_histogram(name, samples):
    buckets = [(key, value) for key, value in samples.items() if key.startswith(name + "_bucket")]
    bounds = [float(re.search(r'le="([^"]*)"', key)[1]) for key, _ in buckets]
    counts = [value for _, value in buckets]
    assert bounds == sorted(set(bounds)) and bounds[-1] == float("inf")
    assert counts == sorted(counts) and counts[-1] == samples[name + "_count"]
    assert name + "_sum" in samples


def scrape(gateway):
    response = get(gateway.admin_port, "/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = parse_metrics(response.body.decode())
    return {name: value for _, samples in families.values() for name, value in samples.items()}


def every_outcome(port, make_device, bulla):
    """Makes one message of each outcome. The devices by outcome, and how many readings were stored."""
    devices = {word: make_device("of " + word, "--counter") for word in ("duplicate", "stale", "forged", "revoked")}
    devices["challenged"] = make_device("of challenged")
    with Connection(port) as connection:
        for word in ("duplicate", "stale", "forged", "revoked"):
            devices[word].send(connection, senml(a=1, b=2), piv=100)
        bulla("device", "revoke", "of revoked")
        device = devices["duplicate"]
        assert connection.post(device.sealed[100]).status == 200
        device = devices["stale"]
        message = device.seal(senml(a=1), piv=10)
        assert device.check(connection.post(message.data), message, 409).stored() == {100}
        message = bytearray(devices["forged"].seal(senml(a=1), piv=101).data)
        message[-1] ^= 1
        assert connection.post(bytes(message)).status == 401
        message = devices["revoked"].seal(senml(a=1), piv=100)
        wait_until(lambda: connection.post(message.data).status == 401, what="the revocation")
        message = devices["challenged"].seal(senml(a=1))
        assert devices["challenged"].check(connection.post(message.data), message, 401).challenge
        unknown = PythonDevice("bulla:u?kid=00&secret=%s&context=counter" % ("A" * 43))
        assert connection.post(unknown.seal(senml(a=1)).data).status == 401
        assert connection.post(b"\xd0\x83").status == 400
    return 8


def test_metrics(gateway, make_device, bulla):
    first = scrape(gateway)
    words = ("stored", "duplicate", "challenged", "stale", "malformed", "unknown", "revoked", "forged", "busy")
    for word in words:
        assert first['bulla_messages_total{outcome="%s"}' % word] == 0
    readings = every_outcome(gateway.port, make_device, bulla)
    moved = scrape(gateway)
    expected = {"stored": 4, "busy": 0}
    for word in words:
        count = moved['bulla_messages_total{outcome="%s"}' % word]
        if word == "duplicate":  # the revocation was waited for with a message that was stored already
            assert count >= 1
        else:
            assert count == expected.get(word, 1), word
    assert moved["bulla_readings_total"] == readings
    assert moved["bulla_batch_messages_sum"] == 4
    assert 1 <= moved["bulla_batch_messages_count"] <= 4
    assert 0 < moved["bulla_commit_seconds_sum"] < 60
    assert moved["bulla_commit_seconds_count"] == moved["bulla_batch_messages_count"]
    assert moved["bulla_queue_messages"] == 0 and moved["bulla_queue_limit"] == 4096
    assert moved["bulla_store_up"] == 1 and moved["bulla_commit_failures_total"] == 0
    assert moved['bulla_http_responses_total{status="409"}'] == 1
    assert moved['bulla_http_responses_total{status="400"}'] == 1
    assert moved['bulla_http_responses_total{status="401"}'] == 4
    wait_until(lambda: scrape(gateway).get("bulla_devices") == 5, what="the number of devices")
    version = bulla("--version").split()[-1]
    assert moved['bulla_build_info{version="%s"}' % version] == 1


def test_connections_are_counted(gateway):
    connections = [Connection(gateway.port) for _ in range(5)]
    wait_until(lambda: metrics(gateway)["bulla_http_connections"] == 5, what="five connections")
    for connection in connections:
        connection.close()
    wait_until(lambda: metrics(gateway)["bulla_http_connections"] == 0, what="no connections")


PAIR = re.compile(r'([a-z_]+)=(?:"((?:[^"\\\n]|\\["\\]|\\x[0-9a-f]{2})*)"|([^\s"=]*))')


def parse_logfmt(line):
    pairs, at = {}, 0
    while at < len(line):
        found = PAIR.match(line, at)
        assert found and found[1] not in pairs, line
        pairs[found[1]] = found[2] if found[2] is not None else found[3]
        at = found.end()
        assert at == len(line) or line[at] == " ", line
        at += 1
    return pairs


def test_log(gateway, make_device, bulla):
    begun = time.time()
    every_outcome(gateway.port, make_device, bulla)
    gateway.stop(signal.SIGINT)
    lines = [parse_logfmt(line) for line in gateway.log[2:]]
    for line in lines:
        stamp = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{3}Z", line["time"])
        assert stamp and line["level"] in ("error", "warn", "info"), line
        assert abs(time.mktime(time.strptime(stamp[1] + " UTC", "%Y-%m-%dT%H:%M:%S %Z")) - time.timezone - begun) < 3600
    refused = [line for line in lines if line["event"] == "refused"]
    assert {line["kind"] for line in refused} == {
        "duplicate", "challenged", "stale", "malformed", "unknown", "revoked", "forged"
    }
    assert all(line["source"] == "http 127.0.0.1" and line["detail"] for line in refused)
    assert [line for line in refused if line["kind"] == "unknown"][0]["kid"] == "00"
    assert lines[-1]["event"] == "stopping" and lines[-1]["signal"] == "Interrupt"


@pytest.mark.parametrize("level, talks", [("error", False), ("warn", False), ("info", True), ("debug", True)])
def test_log_level(make_gateway, level, talks):
    gateway = make_gateway("--log-level", level).start()
    assert post(gateway.port, b"x").status == 400
    gateway.stop()
    assert any("event=refused" in line for line in gateway.log) == talks
    assert any("event=stopping" in line for line in gateway.log) == talks


def test_log_level_that_is_none(make_gateway):
    fails(make_gateway("--log-level", "loud"), r"loud.*error, warn, info", status=2)


def test_no_secret_in_log_or_journal(make_gateway, make_device, bulla, tmp_path):
    gateway = make_gateway("--log-level", "debug").start()
    device = make_device("kitchen")
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=1))
    gateway.stop()
    secret = device.credential.secret
    wanted = [secret, secret.hex().encode(), base64.urlsafe_b64encode(secret)[:42]]
    files = [path.read_bytes() for path in tmp_path.iterdir()] + [gateway.text().encode()]
    assert not [1 for data in files for form in wanted if form in data]


# ---- the journal ----


def test_events(gateway, make_device, bulla):
    """One of each kind, with the device's name where it is known, where it came from, and why."""
    begun = time.time()
    every_outcome(gateway.port, make_device, bulla)
    kinds = {
        "duplicate": ("of duplicate", r"seq 100 is stored already"),
        "stale": ("of stale", r"seq 10 is below the window \(top 100, lower limit 0\)"),
        "forged": ("of forged", r"does not authenticate"),
        "revoked": ("of revoked", r"revoked"),
        "challenged": ("of challenged", r"seq 0: .*not proven"),
        "unknown": (None, r"no device has this kid"),
        "malformed": (None, r"2 bytes that are not a message"),
    }
    wait_until(lambda: {row["kind"] for row in bulla.events()} == set(kinds), what="all events")
    for kind, (device, detail) in kinds.items():
        rows = bulla.events("--kind", kind)
        row = [row for row in rows if row["device"] == device][0]
        assert set(row) == {"time", "kind", "device", "source", "detail"}
        assert row["source"] == "http 127.0.0.1"
        assert re.search(detail, row["detail"]), row
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", row["time"])
        assert begun - 1 < time.mktime(time.strptime(row["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert {row["kind"] for row in bulla.events("--device", "of stale")} == {"stale"}


def test_events_of_one_device_are_bounded(gateway, make_device, bulla):
    """Ten a second; another device's are not kept out by them. The rest is counted, and told."""
    noisy, quiet = make_device("noisy", "--counter"), make_device("quiet", "--counter")
    with Connection(gateway.port) as connection:
        begun = time.time()
        message = noisy.send(connection, senml(a=1))
        for _ in range(200):
            noisy.check(connection.post(message.data), message)
        message = quiet.send(connection, senml(a=1))
        quiet.check(connection.post(message.data), message)
        seconds = time.time() - begun
        wait_until(lambda: bulla.events("--device", "quiet"), what="the quiet one's event")
        noted = len(bulla.events("--device", "noisy"))
        assert 10 <= noted <= 10 * (seconds + 2)
        assert metrics(gateway)["bulla_events_withheld_total"] == 200 - noted
        time.sleep(1.1)  # the next second's
        message = noisy.seal(senml(a=1), piv=0)
        noisy.check(connection.post(message.data), message)
    last = wait_until(lambda: len(rows := bulla.events("--device", "noisy")) > noted and rows[-1])
    assert last["detail"].startswith("%d more since the last one; " % (200 - noted))


# ---- changes while it runs ----


def changed_within(seconds, change, check):
    """Makes a change, and measures how long it takes to hold."""
    change()
    begun = time.monotonic()
    wait_until(check, what="the change")
    took = time.monotonic() - begun
    assert took < allowed(seconds), "it took %.3f s" % took


def test_changes_hold_within_a_second(gateway, make_device, bulla, connect, tmp_path):
    connection = connect()
    secret = base64.urlsafe_b64encode(os.urandom(32)).decode()[:42] + "A"
    (tmp_path / "secret").write_text(secret)
    device = PythonDevice("bulla:new?kid=0102&secret=%s&context=counter" % secret)
    early = device.seal(senml(a=1))
    assert connection.post(early.data).body == b""

    def stored():
        return device.send(connection, senml(a=2))

    def refused():
        return connection.post(device.seal(senml(a=3)).data).body == b""

    changed_within(
        1,
        lambda: bulla.add("new", "--kid", "0102", "--secret", "@secret", "--counter"),
        lambda: connection.post(early.data).body,
    )
    # An imported secret is not trusted by itself.
    assert device.check(connection.post(early.data), early, 401).challenge
    changed_within(1, lambda: bulla("device", "trust", "new"), lambda: connection.post(early.data).status == 200)
    assert stored()
    changed_within(1, lambda: bulla("device", "revoke", "new"), refused)
    for _ in range(5):
        assert refused()
    other = make_device("other")
    other.send(connection, senml(a=1))
    assert connection.post(other.seal(senml(a=1)).data).status == 200
    changed_within(
        1,
        lambda: bulla("device", "remove", "other"),
        lambda: connection.post(other.seal(senml(a=1)).data).body == b"",
    )
    wait_until(lambda: scrape(gateway)["bulla_devices"] == 1, what="the number of devices")
    assert {row["device"] for row in bulla.readings()} == {"new", "other"}  # readings stay


def test_revoked_under_load(gateway, make_device, bulla):
    """A device that sends without a pause, and whose messages are always in some batch."""
    device = make_device("kitchen", "--counter")
    messages = [device.seal(senml(a=n)) for n in range(3000)]
    statuses = []
    done = threading.Event()

    def send():
        with Connection(gateway.port) as connection:
            for message in messages:
                statuses.append((time.monotonic(), message.piv, connection.post(message.data).status))
                if done.is_set():
                    return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        wait_until(lambda: len(statuses) > 20, what="some load")
        bulla("device", "revoke", "kitchen")
        revoked = time.monotonic()
        wait_until(lambda: statuses[-1][2] == 401, what="the revocation")
    finally:
        done.set()
        thread.join()
    late = [at - revoked for at, _, status in statuses if status == 200 and at > revoked]
    assert not late or max(late) < allowed(1)
    told = [piv for _, piv, status in statuses if status == 200]
    assert [row["seq"] for row in bulla.readings()] == told


def test_added_under_load_of_its_messages(gateway, make_device, bulla):
    """Many devices are added while others send: nobody is disturbed."""
    device = make_device("kitchen", "--counter")
    with Connection(gateway.port) as connection:
        for n in range(10):
            late = make_device("late%d" % n)
            for _ in range(5):
                device.send(connection, senml(a=n))
            late.send(connection, senml(a=n))
    assert outcome(gateway, "stored") == 60 and outcome(gateway, "busy") == 0


# ---- ending, and starting again ----


class Load(threading.Thread):
    """A device that sends without a pause until its connection ends."""

    def __init__(self, gateway, device):
        super().__init__()
        self.port = gateway.port
        self.device = device
        self.messages = [device.seal(senml(a=n)) for n in range(2000)]
        self.answers = {}  # piv: status, of authentic answers

    def run(self):
        try:
            with Connection(self.port) as connection:
                for message in self.messages:
                    response = connection.post(message.data)
                    if response.status == 200:
                        self.device.check(response, message)
                    self.answers[message.piv] = response.status
        except (Closed, OSError):
            pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_end_under_load(gateway, make_device, bulla, number):
    """What was answered 200 is there; it ends within seconds; nothing else is there but one message a connection."""
    loads = [Load(gateway, make_device("d%d" % n, "--counter")) for n in range(6)]
    for load in loads:
        load.start()
    wait_until(lambda: all(len(load.answers) > 10 for load in loads), what="some load")
    assert gateway.stop(number) < 5
    for load in loads:
        load.join(60)
        assert not load.is_alive()
        assert set(load.answers.values()) <= {200, 503}
    for n, load in enumerate(loads):
        stored = [row["seq"] for row in bulla.readings("--device", "d%d" % n)]
        told = [piv for piv, status in load.answers.items() if status == 200]
        assert stored == told, "every reply was sent before the end"
    assert sum(line.count("event=stopping") for line in gateway.log) == 1


def test_end_with_idle_connections(gateway):
    """Connections that wait, and half requests, do not hold it up."""
    connections = [Connection(gateway.port) for _ in range(50)] + [Connection(gateway.admin_port)]
    for connection in connections[:25]:
        connection.send(b"POST /d HTTP/1.1\r\nContent-Le")
    wait_until(lambda: metrics(gateway)["bulla_http_connections"] == 50, what="all connections")
    assert gateway.stop() < allowed(3)
    for connection in connections:
        assert connection.closed_within(30)


def test_signals_while_it_ends(gateway):
    for _ in range(5):
        gateway.process.send_signal(signal.SIGTERM)
        gateway.process.send_signal(signal.SIGINT)
    assert gateway.wait() == 0


def test_restart_keeps_sessions_and_counters(gateway, make_device, bulla):
    """No challenge, no kid context needed, and what was stored before is a duplicate."""
    devices = [make_device("session"), make_device("counter", "--counter")]
    sent = []
    with Connection(gateway.port) as connection:
        for device in devices:
            sent.append(device.send(connection, senml(a=1)))
    for crash in (False, True):
        gateway.kill() if crash else gateway.stop()
        gateway.start()
        with Connection(gateway.port) as connection:
            for device, first in zip(devices, sent):
                again = device.check(connection.post(first.data), first)
                assert first.piv in again.stored()
                message = device.seal(senml(a=2), with_kid_context=False)
                assert device.check(connection.post(message.data), message).stored() >= {first.piv, message.piv}
    assert len(bulla.readings()) == 6
    assert outcome(gateway, "challenged") == 0


def test_new_session_of_a_device(gateway, make_device, bulla):
    """A device that was switched off begins a session; what is left of the old one is still taken, once."""
    device = make_device("kitchen")
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=1))
        left = [device.seal(senml(a=n)) for n in (2, 3)]
        old = device.id_context
        device.boot()
        message = device.send(connection, senml(a=4))
        short = device.seal(senml(a=5), with_kid_context=False)
        device.check(connection.post(short.data), short)
        new, device.id_context = device.id_context, old
        for message in left:
            device.check(connection.post(message.data), message)
            assert message.piv in device.check(connection.post(message.data), message).stored()
    contexts = json.loads(bulla("device", "show", "kitchen", "--format", "json"))["contexts"]
    assert {context["id_context"]: context["closes"] is None for context in contexts} == {
        old.hex(): False, new.hex(): True
    }
    assert [row["value"] for row in bulla.readings()] == [1, 4, 5, 2, 3]


def test_two_gateways_on_one_database(make_gateway, make_device, bulla):
    """A device that reaches now one, now the other: stored once, whoever it asks."""
    gateways = [make_gateway().start() for _ in range(2)]
    device = make_device("kitchen")
    connections = [Connection(gateway.port) for gateway in gateways]
    device.send(connections[0], senml(a=0))
    for n in range(1, 21):
        message = device.seal(senml(a=n))
        device.check(connections[n % 2].post(message.data), message)
        again = device.check(connections[(n + 1) % 2].post(message.data), message)
        assert message.piv in again.stored()
    # Both at the same time.
    for n in range(21, 41):
        message = device.seal(senml(a=n))
        for connection in connections:
            connection.send(message_request(message.data))
        for connection in connections:
            device.check(connection.receive(), message)
    assert [row["value"] for row in bulla.readings()] == list(range(41))
    assert sum(outcome(gateway, "stored") for gateway in gateways) == 41
    for connection in connections:
        connection.close()


# ---- the master key ----


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".db", ".key")}


def test_key_is_made_beside_the_database(gateway, tmp_path):
    assert (tmp_path / "bulla.db").exists()
    for name in ("bulla.key", "bulla.db"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
    key = (tmp_path / "bulla.key").read_text()
    assert re.fullmatch(r"[0-9a-f]{64}\n", key)
    gateway.stop()
    gateway.start()
    assert (tmp_path / "bulla.key").read_text() == key


def test_key_elsewhere(make_gateway, tmp_path, make_device):
    elsewhere = tmp_path / "safe" / "master"
    elsewhere.parent.mkdir()
    gateway = make_gateway("--key", elsewhere).start()
    gateway.stop()
    assert elsewhere.exists() and not (tmp_path / "bulla.key").exists()
    fails(make_gateway(), r"master key .*bulla\.key is missing")


@pytest.mark.parametrize("trouble", ["missing", "wrong", "readable", "group", "damaged", "empty", "folder"])
def test_key_trouble(gateway, make_device, make_gateway, tmp_path, trouble):
    """A clear error, nothing is changed, and with the right key all is as before."""
    device = make_device("kitchen")
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=1))
    gateway.stop()
    key = tmp_path / "bulla.key"
    good = key.read_bytes()
    expected = {
        "missing": (lambda: key.unlink(), r"bulla\.key is missing.*put your copy of it back"),
        "wrong": (lambda: key.write_bytes(b"ab" * 32 + b"\n"), r"bulla\.key is not the one"),
        "readable": (lambda: key.chmod(0o604), r"others may read .*bulla\.key.*604.*chmod 600"),
        "group": (lambda: key.chmod(0o640), r"others may read .*bulla\.key.*640.*chmod 600"),
        "damaged": (lambda: key.write_bytes(good[:-9]), r"bulla\.key is damaged"),
        "empty": (lambda: key.write_bytes(b""), r"bulla\.key is damaged"),
        "folder": (lambda: (key.unlink(), key.mkdir(0o700)), r"bulla\.key is not a file"),
    }
    spoil, pattern = expected[trouble]
    spoil()
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    fails(make_gateway(), pattern)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    if trouble == "folder":
        key.rmdir()
    key.write_bytes(good)
    key.chmod(0o600)
    gateway.start()
    with Connection(gateway.port) as connection:
        message = device.seal(senml(a=2))
        device.check(connection.post(message.data), message)


def make_other_database(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE precious (value)")
    connection.execute("INSERT INTO precious VALUES (42)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("what", ["text", "other database", "folder"])
def test_file_that_is_no_database_of_ours(make_gateway, tmp_path, what):
    path = tmp_path / "bulla.db"
    if what == "text":
        path.write_text("my diary\n" * 1000)
    elif what == "folder":
        path.mkdir()
    else:
        make_other_database(path)
    before = contents(tmp_path) if what != "folder" else {}
    fails(make_gateway(), r"bulla\.db")
    if what != "folder":
        assert contents(tmp_path) == before
    assert not (tmp_path / "bulla.key").exists()


def test_folder_that_is_not_there(make_gateway):
    fails(make_gateway(db="nowhere/bulla.db"), r"nowhere/bulla\.db.*folder")


def test_rows_cannot_be_swapped(gateway, make_device, tmp_path, bulla):
    """A device's sealed secret under another's kid opens nothing, and harms no one else."""
    one, two, three = (make_device(name, "--counter") for name in ("one", "two", "three"))
    gateway.stop()
    database = sqlite3.connect(tmp_path / "bulla.db")
    database.execute(
        "UPDATE devices SET secret = (SELECT secret FROM devices WHERE name = 'one') WHERE name = 'two'"
    )
    database.commit()
    database.close()
    gateway.start()
    with Connection(gateway.port, timeout=30) as connection:
        one.send(connection, senml(a=1))
        impostor = PythonDevice(
            reference.format_credential(
                reference.Credential("two", two.credential.kid, one.credential.secret, 10, "counter")
            )
        )
        for device in (two, impostor):
            response = connection.post(device.seal(senml(a=1)).data)
            assert response.status in (401, 503) and response.body == b"", response
        three.send(connection, senml(a=1))
    assert {row["device"] for row in bulla.readings()} == {"one", "three"}
    assert any("level=error" in line and "two" in line for line in gateway.log), gateway.log


# ---- what is stored ----


def half(value):
    return b"\xf9" + struct.pack(">e", value)


def single(value):
    return b"\xfa" + struct.pack(">f", value)


def double(value):
    return b"\xfb" + struct.pack(">d", value)


FLOATS = [23.4, -23.4, 0.1, 21.7, 5.96e-08, 65504, 0.333, 1.5, 99.9, -0.05]


def test_floats_are_the_decimals_they_were(gateway, make_device, bulla):
    """The shortest decimal that gives the float of that precision."""
    device = make_device("kitchen", "--counter")
    fits_half = [value for value in FLOATS if value != 99.9]
    with Connection(gateway.port) as connection:
        for encode in (half, single, double):
            values = fits_half if encode is half else FLOATS
            records = b"".join(b"\xa2\x00\x61v\x02" + encode(value) for value in values)
            device.send(connection, bytes([0x80 + len(values)]) + records)
            device.send(connection, b"\xa1\x61v" + encode(values[0]), CBOR)
    written = [float(line.partition('"value":')[2].partition(",")[0])
               for line in bulla("readings", "--format", "jsonl").splitlines()]
    expected = [*shortest_halves(fits_half), 23.4, *FLOATS, 23.4, *FLOATS, 23.4]
    assert written == expected
    assert '"value":23.4,' in bulla("readings", "--format", "jsonl")


def shortest_halves(values):
    """The decimal of fewest digits that rounds to the same half, by trying; a whole number is what it is."""
    found = []
    for value in values:
        wanted = half(value)
        texts = ("%.*e" % (digits, struct.unpack(">e", wanted[1:])[0]) for digits in range(8))
        fitting = [float(text) for text in texts if float(text) < 65520 and half(float(text)) == wanted]
        found.append(value if value == int(value) else fitting[0])
    return found


def row(name, value=None, unit=None, **more):
    """What a line of jsonl says, but for device, times and seq."""
    fields = {"name": name, "unit": unit}
    if value is not None:
        fields["value"] = value
    return {**fields, **more}


def data(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


CONTENTS = [
    (SENML, cbor2.dumps([{-2: "hall/", -4: "Cel", 0: "t", 2: 21.5}, {0: "h", 1: "%RH", 2: 40}]),
     [row("hall/t", 21.5, "Cel"), row("hall/h", 40, "%RH")]),
    (SENML, cbor2.dumps([{0: "ok", 4: True}, {0: "s", 3: "hüllo"}, {0: "d", 8: b"\0\1\xff"}]),
     [row("ok", True), row("s", text="hüllo"), row("d", data="AAH_")]),
    (SENML, cbor2.dumps([{-5: 100, 0: "p", 2: 5}, {0: "e", 5: 7, 1: "Wh"}]),
     [row("p", 105), row("e", unit="Wh", sum=7)]),
    (SENML, cbor2.dumps([{"n": "text labels", "v": 1}]), None),
    (SENML, cbor2.dumps([{0: "i", 2: 2**63 - 1}, {0: "j", 2: -(2**63)}]),
     [row("i", 2**63 - 1), row("j", -(2**63))]),
    (SENML_JSON, b'[{"bn":"out/","n":"t","u":"Cel","v":-3.25},{"n":"on","vb":false},{"n":"m","vs":"x"}]',
     [row("out/t", -3.25, "Cel"), row("out/on", False), row("out/m", text="x")]),
    (SENML_JSON, b'[{"n":"d","vd":"AAH_"},{"n":"v","v":0.1}]', [row("d", data="AAH_"), row("v", 0.1)]),
    (JSON, b'{"temperature":23.5,"on":true,"mode":"eco","nothing":null,"n":7}',
     [row("temperature", 23.5), row("on", True), row("mode", text="eco"), row("n", 7)]),
    (TEXT, b"23.5", [row("value", 23.5)]),
    (TEXT, b" -42\n", [row("value", -42)]),
    (TEXT, b"open", [row("value", text="open")]),
    (CBOR, cbor2.dumps({"a": 1, "b": 2.5, "c": "x", "d": b"\1", "e": False}),
     [row("a", 1), row("b", 2.5), row("c", text="x"), row("d", data="AQ"), row("e", False)]),
    (BYTES, b"\xde\xad", [row("", data=data(b"\xde\xad"), format=42)]),
    (11542, b"x", [row("", data=data(b"x"), format=11542)]),
    (65535, b"", [row("", data="", format=65535)]),
    (SENML, b"\xff", [row("", data=data(b"\xff"), format=112, undecoded=True)]),
    (JSON, b'{"a":{"b":1}}', None),
]


def test_contents_of_every_format(gateway, make_device, bulla):
    device = make_device("kitchen", "--counter")
    with Connection(gateway.port) as connection:
        for content_format, content, _ in CONTENTS:
            device.send(connection, content, content_format)
    rows = bulla.readings()
    for piv, (content_format, content, expected) in enumerate(CONTENTS):
        if expected is None:  # it is no reading, and is kept as it came
            expected = [row("", data=data(content), format=content_format, undecoded=True)]
        stored = [line for line in rows if line["seq"] == piv]
        for line in stored:
            assert line["device"] == "kitchen" and line["time"] == line["received"]
        said = [{key: line[key] for key in line if key not in ABOUT} for line in stored]
        assert said == expected, (content_format, content)


ABOUT = ("device", "time", "received", "seq")


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def test_times(gateway, make_device, bulla):
    """Absolute, relative to now (RFC 8428 4.5.3), and with a base."""
    device = make_device("kitchen", "--counter")
    begun = int(time.time())
    pack = [{-3: 1_700_000_000, 0: "a", 2: 1}, {0: "b", 2: 1, 6: 5}, {0: "c", 2: 1, 6: -0.5}]
    with Connection(gateway.port) as connection:
        device.send(connection, cbor2.dumps(pack))
        device.send(connection, cbor2.dumps([{0: "d", 2: 1, 6: -3600}, {0: "e", 2: 1}]))
    times = {line["name"]: line["time"] for line in bulla.readings()}
    assert times["a"][:19] == "2023-11-14T22:13:20"
    assert times["b"][:19] == "2023-11-14T22:13:25"
    assert times["c"][:21] == "2023-11-14T22:13:19.5"
    assert times["d"][:19] in [stamp(begun - 3600 + late) for late in range(10)]
    assert times["e"][:19] in [stamp(begun + late) for late in range(10)]
