"""What anybody on the network may send: a clear status, no crash, bounded memory, and honest devices are served."""

import base64
import json
import re
import resource
import socket
import threading
import time
from pathlib import Path

import cbor2
import pytest

from http_client import COSE, Connection, exchange, get, message_request, metrics, outcome, request
from program import REPOSITORY, allowed, wait_until
from python_device import BYTES, CBOR, JSON, SENML, SENML_JSON, PythonDevice, reference, senml

VECTORS = REPOSITORY / "spec" / "vectors"


def vectors(name):
    return json.loads((VECTORS / name).read_text())


@pytest.fixture
def honest(gateway, make_device):
    """A device that has to be served, whatever else goes on: call it for one reading."""
    device = make_device("honest", "--counter")

    def reading():
        with Connection(gateway.port, timeout=30) as connection:
            return device.send(connection, senml(a=1))

    reading()
    yield reading
    reading()
    gateway.check_clean()


# ---- messages ----


def assert_empty(response, status):
    assert (response.status, response.body) == (status, b""), response


def test_malformed_messages(gateway, honest, connect, bulla):
    """Every one of the vectors; all of them on one connection."""
    connection = connect()
    cases = vectors("malformed.json")["cases"]
    small = [case for case in cases if len(case["message"]) <= 2 * 4096]
    assert len(small) > 50
    for case in cases:
        message = bytes.fromhex(case["message"])
        if len(message) > 4096:
            with Connection(gateway.port) as another:
                assert_empty(another.post(message), 413)
        else:
            assert_empty(connection.post(message), 400)
    assert outcome(gateway, "malformed") == len(small)
    assert len(bulla.readings()) == 1


def import_vector_device(bulla, tmp_path, forged, name, *arguments):
    secret = reference.format_credential(
        reference.Credential("x", b"x", bytes.fromhex(forged["secret"]))
    ).partition("secret=")[2][:43]
    (tmp_path / "secret").write_text(secret)
    return bulla.add(name, "--kid", forged["kid"], "--secret", "@secret", *arguments)


def forged_groups():
    """The vectors by the kind of context, and the newest proven session, that the device has."""
    groups = {}
    for case in vectors("forged.json")["cases"]:
        groups.setdefault((case["context"], case["newest_session"]), []).append(case)
    return groups


@pytest.mark.parametrize("context, newest_session", forged_groups())
def test_forged_messages(gateway, bulla, tmp_path, connect, context, newest_session):
    kind = ["--counter"] if context == "counter" else []
    device = PythonDevice(import_vector_device(bulla, tmp_path, vectors("forged.json"), "kitchen", *kind))
    connection = connect()
    if newest_session:
        device.id_context = bytes.fromhex(newest_session)
    if newest_session or kind:
        device.send(connection, senml(a=1), piv=1000)
    cases = forged_groups()[context, newest_session]
    answers = set()
    for case in cases:
        response = connection.post(bytes.fromhex(case["message"]))
        assert_empty(response, 401)
        answers.add(response.without_date())
    assert len(answers) == 1
    # For the reference another kid is forged; a gateway knows no device of that kid.
    unknown = len([case for case in cases if case["reason"] == "another kid"])
    assert outcome(gateway, "unknown") == unknown
    assert outcome(gateway, "forged") == len(cases) - unknown


def test_refusals_look_the_same(gateway, bulla, make_device, connect):
    """Unknown, revoked, removed, forged: to the network there is no difference but the date."""
    devices = {name: make_device(name, "--counter") for name in ("forged", "revoked", "removed")}
    for device in devices.values():
        device.send(connect(), senml(a=1))
    bulla("device", "revoke", "revoked")
    bulla("device", "remove", "removed")
    unknown = PythonDevice("bulla:u?kid=01020304&secret=%s&context=counter" % ("A" * 43))
    wait_until(lambda: connect().post(devices["removed"].sealed[0]).status == 401, what="the removal")
    connection = connect()
    answers = set()
    for _ in range(3):
        for device in [*devices.values(), unknown]:
            message = device.seal(senml(a=2)).data
            if device is devices["forged"]:
                message = message[:-1] + bytes([message[-1] ^ 1])
            response = connection.post(message)
            assert_empty(response, 401)
            answers.add(response.without_date())
    assert len(answers) == 1, answers
    for word in ("unknown", "revoked", "forged"):
        assert outcome(gateway, word) >= 3


def test_truncated_and_flipped(gateway, honest, make_device, connect, bulla):
    """Every prefix of a message, and every bit of it flipped: nothing gets in."""
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1)).data
    connection = connect()
    for length in range(len(message)):
        assert_empty(connection.post(message[:length]), 400)
    for bit in range(8 * len(message)):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        response = connection.post(bytes(flipped))
        assert response.status in (400, 401) and response.body == b"", (bit, response)
    assert bulla.readings("--device", "kitchen") == []
    assert connection.post(message).status == 200


def nested(depth, inner=b"\x01"):
    return b"\x81" * depth + inner


HOSTILE_CONTENTS = {
    "nested arrays": nested(3500),
    "nested maps": b"\xa1\x61a" * 1000 + b"\x01",
    "nested tags": b"\xc1" * 3500 + b"\x01",
    "nested in a record": b"\x81\xa2\x00\x61t\x02" + nested(3000),
    "nested under an unknown label": b"\x81\xa3\x00\x61t\x02\x01\x18\x63" + nested(3000, b""),
    "indefinite nested": b"\x9f" * 3500,
    "array of 2^64-1": b"\x9b" + b"\xff" * 8,
    "map of 2^64-1": b"\xbb" + b"\xff" * 8,
    "array of 2^32": b"\x9a\xff\xff\xff\xff",
    "text of 2^64-1": b"\x81\xa2\x00\x7b" + b"\xff" * 8 + b"a",
    "bytes of 2^63": b"\x81\xa2\x00\x61a\x08\x5b\x80" + bytes(7),
    "text not UTF-8": b"\x81\xa2\x00\x61\xff\x02\x01",
    "name not allowed": senml(**{"_a b": 1}),
    "no records": b"\x80",
    "no value": cbor2.dumps([{0: "a"}]),
    "label twice": b"\x81\xa3\x00\x61a\x02\x01\x02\x02",
    "bytes after the end": senml(a=1) + b"\x00",
    "break alone": b"\xff",
    "reserved": b"\x81\xa2\x00\x61a\x02\xfc",
    "nothing": b"",
    "version 11": cbor2.dumps([{-1: 11, 0: "a", 2: 1}]),
    "field that must be understood": cbor2.dumps([{0: "a", 2: 1, "b_": 1}]),
}


@pytest.mark.parametrize("content_format", [SENML, CBOR])
def test_hostile_cbor_of_a_real_device(gateway, bulla, make_device, connect, content_format):
    """It is authentic, so it is stored as it came; and the message after it is decoded as ever."""
    device = make_device("kitchen", "--counter")
    connection = connect()
    sent = {}
    for name, content in HOSTILE_CONTENTS.items():
        sent[device.send(connection, content, content_format).piv] = content
    last = device.send(connection, cbor2.dumps({"b": 7}), CBOR)
    rows = bulla.readings()
    assert rows[-1]["seq"] == last.piv and rows[-1]["name"] == "b"
    decoded = [row for row in rows[:-1] if not row.get("undecoded")]
    # {"a": 1} is no SenML, and what is no SenML may be good CBOR; but none of these is a flat map.
    assert decoded == []
    assert {row["seq"]: row["data"] for row in rows[:-1]} == {piv: base64url(data) for piv, data in sent.items()}
    assert metrics(gateway)["bulla_undecoded_total"] == len(sent)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


HOSTILE_JSON = {
    "nested arrays": b"[" * 3500,
    "nested closed": b"[" * 1700 + b"]" * 1700,
    "nested objects": b'{"a":' * 600 + b"1" + b"}" * 700,
    "truncated": b'[{"n":"a","v":1}',
    "number too long": b'[{"n":"a","v":1e999999}]',
    "not UTF-8": b'[{"n":"\xff","v":1}]',
    "lone surrogate": b'[{"n":"\\ud800","v":1}]',
    "zero in a name": b'[{"n":"a\\u0000","v":1}]',
    "key twice": b'{"a":1,"a":2}',
    "a word": b"true",
    "nothing": b"",
}


@pytest.mark.parametrize("content_format", [SENML_JSON, JSON])
def test_hostile_json_of_a_real_device(gateway, bulla, make_device, connect, content_format):
    device = make_device("kitchen", "--counter")
    connection = connect()
    sent = {device.send(connection, text, content_format).piv: text for text in HOSTILE_JSON.values()}
    rows = bulla.readings()
    assert {row["seq"] for row in rows} == set(sent)
    assert all(row["undecoded"] and row["data"] == base64url(sent[row["seq"]]) for row in rows), rows


def test_largest_message(gateway, bulla, make_device, connect):
    """4,096 bytes are taken, one more is not: neither with its length told, nor in chunks."""
    device = make_device("kitchen", "--counter")
    overhead = len(device.seal(b"x" * 3000, BYTES).data) - 3000
    exact = device.seal(b"x" * (4096 - overhead), BYTES)
    assert len(exact.data) == 4096
    device.check(connect().post(exact.data), exact)
    exact = device.seal(b"y" * (4096 - overhead), BYTES)
    device.check(exchange(gateway.port, chunked(exact.data, 1000)), exact)
    long = exact.data + b"\0"
    assert_empty(connect().post(long), 413)
    assert_empty(exchange(gateway.port, chunked(long, 1000)), 413)
    assert_empty(exchange(gateway.port, chunked(long, 5000)), 413)
    assert len(bulla.readings()) == 2


# ---- HTTP ----


def chunked(body, size, headers=()):
    """A request whose body comes in chunks."""
    head = request(headers=[("Content-Type", COSE), ("Transfer-Encoding", "chunked"), *headers], length=False)
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


TYPES = {
    COSE: 200,
    "application/cose": 200,
    "APPLICATION/COSE": 200,
    "application/octet-stream": 200,
    "application/octet-stream;x=y": 200,
    "application/json": 415,
    "application/cose-key": 415,
    "application/cos": 415,
    "text/plain": 415,
    "x": 415,
}


def test_content_types(gateway, make_device, connect):
    device = make_device("kitchen", "--counter")
    connection = connect()
    for content_type, status in TYPES.items():
        message = device.seal(senml(a=1))
        connection.send(request(body=message.data, headers=[("Content-Type", content_type)]))
        response = connection.receive()
        assert response.status == status, (content_type, response)
        assert (response.body == b"") == (status == 415)
    message = device.seal(senml(a=1))
    connection.send(request(body=message.data))
    reply = connection.receive()
    assert reply.status == 200 and reply.headers["content-type"].startswith("application/cose")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "X"])
def test_other_methods(gateway, honest, connect, method):
    connection = connect()
    for _ in range(2):  # the connection goes on
        connection.send(request(method, "/d"))
        response = connection.receive()
        assert_empty(response, 405)
        assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "/D", "/d/", "/dd", "/metrics", "/healthz", "*", "//d"])
def test_other_paths(gateway, honest, path):
    """Nothing else is there: what is for the administrator is not for devices."""
    for method in ("GET", "POST"):
        assert_empty(exchange(gateway.port, request(method, path)), 404)


def test_administrator_takes_no_messages(gateway, make_device):
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1))
    assert exchange(gateway.admin_port, message_request(message.data)).status == 404
    assert exchange(gateway.admin_port, request("POST", "/metrics", b"x")).status == 405
    assert get(gateway.admin_port, "/nothing").status == 404
    assert outcome(gateway, "stored") == 0


def test_expect_continue(gateway, make_device, connect):
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1))
    connection = connect()
    whole = message_request(message.data, [("Expect", "100-continue")])
    head = whole[:-len(message.data)]
    connection.send(head)
    assert connection.receive().status == 100
    connection.send(message.data)
    device.check(connection.receive(), message)
    # What is too long is refused before it is sent.
    connection.send(request(body=b"", length=False, headers=[("Content-Length", "4097"), ("Expect", "100-continue")]))
    assert_empty(connection.receive(), 413)


def test_http_1_0(gateway, make_device, connect):
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1))
    connection = connect()
    connection.send(request(body=message.data, version="HTTP/1.0"))
    device.check(connection.receive(), message)
    assert connection.closed_within(30)


def test_keep_alive_and_pipelining(gateway, make_device, connect):
    """Requests one behind the other are answered in their order."""
    device = make_device("kitchen", "--counter")
    connection = connect()
    messages = [device.seal(senml(a=n)) for n in range(20)]
    connection.send(b"".join(message_request(message.data) for message in messages))
    for message in messages:
        assert device.check(connection.receive(), message).re == message.piv


BROKEN = {
    "no such version": b"POST /d HTTP/9.9\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"POST /d\r\n\r\n",
    "no colon": b"POST /d HTTP/1.1\r\nHost\r\n\r\n",
    "length negative": b"POST /d HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length a word": b"POST /d HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    "length over 2^64": b"POST /d HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "length 2^64-1": b"POST /d HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n",
    "chunk size a word": b"POST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "chunk size over 2^64": b"POST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n" % (b"f" * 20),
    "huge header": b"POST /d HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"POST /d HTTP/1.1\r\n" + b"".join(b"X%d: x\r\n" % i for i in range(5000)) + b"\r\n",
    "huge path": b"POST /" + b"d" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "many cookies": b"POST /d HTTP/1.1\r\nHost: x\r\nCookie: " + b"a=b; " * 900 + b"\r\n\r\n",
    "many arguments": b"POST /d?" + b"a=b&" * 1000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_requests(gateway, honest, connect, case):
    """A status of the 400s (505 for a version), or the end of the connection; never a status of success."""
    connection = connect()
    try:
        connection.send(BROKEN[case])
        connection.closed_within(0.5)
    except (BrokenPipeError, ConnectionResetError):
        pass
    answer = connection.rest
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505")), answer


GARBAGE = {
    "zeros": bytes(20_000),
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "line ends": b"\r\n" * 5000,
    "high bytes": b"\xff" * 20_000,
    "a reply": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "headers without end": b"POST /d HTTP/1.1\r\n" + b"X: y\r\n" * 100,
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage(gateway, honest, make_device, connect, case):
    """Alone, and behind a good request, which is answered."""
    alone = connect()
    try:
        alone.send(GARBAGE[case])
    except (BrokenPipeError, ConnectionResetError):
        pass
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1))
    connection = connect()
    try:
        connection.send(message_request(message.data) + GARBAGE[case])
    except (BrokenPipeError, ConnectionResetError):
        pass
    device.check(connection.receive(), message)
    connection.closed_within(0.2)
    assert b" 200 " not in connection.rest


def test_lengths_that_lie(gateway, honest, make_device, connect, bulla):
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1)).data

    def lie(length):
        return request(body=b"", length=False, headers=[("Content-Length", str(length))]) + message

    # Too short: the beginning of a message is malformed, the rest is no request.
    connection = connect()
    connection.send(lie(len(message) - 1))
    assert_empty(connection.receive(), 400)
    # Too long: there is no answer, whatever comes then.
    connection = connect()
    connection.send(lie(len(message) + 1))
    assert connection.silent(0.2)
    connection.close()
    # A length beside chunks does not count.
    connection = connect()
    connection.send(chunked(message, 10, [("Content-Length", "3")]))
    assert connection.receive().status in (200, 400, 413)
    # Two lengths.
    connection = connect()
    connection.send(request(length=False, headers=[("Content-Length", "5"), ("Content-Length", "3000")]) + b"abcde")
    connection.closed_within(0.2)
    assert b" 200 " not in connection.rest
    assert len(bulla.readings("--device", "kitchen")) <= 1


def test_refused_bodies_are_not_taken_without_end(gateway, honest, connect):
    """A body that is refused already is read up to a bound only."""
    for head in (
        request("GET", "/d", headers=[("Content-Length", "1000000000")], length=False),
        request("POST", "/x", headers=[("Content-Length", "1000000000")], length=False),
        request(headers=[("Transfer-Encoding", "chunked")], length=False) + b"3b9aca00\r\n",
        request(headers=[("Content-Length", "1000000000")], length=False),
    ):
        connection = connect()
        connection.send(head)
        sent = 0
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while sent < 100_000_000:
                connection.send(bytes(65536))
                sent += 65536


# ---- connections ----


def test_half_requests(make_gateway, make_device):
    """A request cut at every byte, by an end and by a reset of the connection: nothing of it stays."""
    gateway = make_gateway("--idle", 2).start()
    device = make_device("kitchen", "--counter")
    whole = message_request(device.seal(senml(a=1)).data)
    for length in range(0, len(whole), 3):
        for end in ("close", "reset"):
            connection = Connection(gateway.port)
            connection.send(whole[:length])
            getattr(connection, end)()
    wait_until(lambda: metrics(gateway)["bulla_http_connections"] == 0, what="the end of all connections")
    assert outcome(gateway, "stored") == 0
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=1))


def test_half_closed(gateway, make_device, connect):
    """A client that has said all gets its answer."""
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1))
    connection = connect()
    connection.send(message_request(message.data))
    connection.socket.shutdown(socket.SHUT_WR)
    device.check(connection.receive(), message)


def test_reset_while_the_reply_is_pending(gateway, honest, make_device, bulla):
    """The message is stored all the same; sent again it is a duplicate."""
    devices = [make_device("d%d" % n, "--counter") for n in range(4)]
    messages = []
    for device in devices:
        for _ in range(60):
            message = device.seal(senml(a=1))
            connection = Connection(gateway.port)
            connection.send(message_request(message.data))
            connection.reset()
            messages.append((device, message))
    wait_until(lambda: metrics(gateway)["bulla_http_connections"] == 0, what="the end of all connections")
    assert metrics(gateway)["bulla_queue_messages"] == 0
    for device, message in messages:  # some requests were lost with their connection
        with Connection(gateway.port) as connection:
            device.check(connection.post(message.data), message)
    for n, device in enumerate(devices):
        assert sorted(row["seq"] for row in bulla.readings("--device", "d%d" % n)) == list(range(60))


def test_slow_clients(make_gateway, bulla, make_device):
    """One byte after the other: answered in the end; who stops is closed after --idle."""
    gateway = make_gateway("--idle", 2).start()
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1))
    whole = message_request(message.data)
    slow = Connection(gateway.port)
    stopped = Connection(gateway.port)
    stopped.send(whole[:30])
    silent = Connection(gateway.port)
    begun = time.monotonic()
    for i in range(len(whole)):
        slow.send(whole[i:i + 1])
        time.sleep(0.001 if i % 20 else 0.5)  # far longer than --idle in all
    assert time.monotonic() - begun > 3
    device.check(slow.receive(), message)
    assert stopped.closed_within(30) and silent.closed_within(30)
    slow.close()


def test_one_byte_a_second(make_gateway, bulla, make_device):
    """A hundred of them take nothing from an honest device."""
    gateway = make_gateway("--idle", 5).start()
    device = make_device("kitchen", "--counter")
    whole = message_request(b"x" * 100)
    slow = [Connection(gateway.port) for _ in range(100)]
    for second in range(4):
        for connection in slow:
            connection.send(whole[second:second + 1])
        begun = time.monotonic()
        with Connection(gateway.port) as connection:
            device.send(connection, senml(a=second))
        assert time.monotonic() - begun < allowed(5)
        time.sleep(max(0, 1 - (time.monotonic() - begun)))
    assert metrics(gateway)["bulla_http_connections"] >= 100
    for connection in slow:
        connection.close()


def test_endless_requests_do_not_hold_the_service(make_gateway, make_device):
    """All connections taken by somebody who sends a byte now and then: they are cut, and a device gets through."""
    gateway = make_gateway("--idle", 1, "--max-connections", 20).start()
    device = make_device("kitchen", "--counter")
    drips = [Connection(gateway.port) for _ in range(20)]
    begun = time.monotonic()
    cut = set()
    while len(cut) < len(drips) and time.monotonic() - begun < allowed(20):
        for connection in drips:
            try:
                connection.send(b"P" if time.monotonic() - begun < 0.3 else b"x")
            except OSError:
                cut.add(connection)
        time.sleep(0.5)
    assert len(cut) == len(drips), "cut within --idle and ten seconds more"
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=1))


def test_connection_limit(make_gateway, make_device):
    """Beyond --max-connections the others wait until one is free; then they are accepted."""
    gateway = make_gateway("--max-connections", 8, "--idle", 1).start()
    device = make_device("kitchen", "--counter")
    idle = [Connection(gateway.port) for _ in range(30)]
    wait_until(lambda: metrics(gateway)["bulla_http_connections"] == 8, what="the limit")
    with Connection(gateway.port, timeout=30) as connection:
        device.send(connection, senml(a=1))
    # The administrator's listener has a limit of its own.
    idle += [Connection(gateway.admin_port) for _ in range(200)]
    for connection in idle:
        connection.close()
    assert metrics(gateway)["bulla_store_up"] == 1


def test_descriptors_run_out(make_gateway, make_device):
    """Fewer than the connections that are allowed: some are kept for the rest, and when some are free again, all goes on."""
    limit = 64
    gateway = make_gateway(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
    gateway.start()
    device = make_device("kitchen", "--counter")
    descriptors = Path("/proc/%d/fd" % gateway.process.pid)
    idle = [Connection(gateway.port) for _ in range(2 * limit)]
    wait_until(lambda: metrics(gateway)["bulla_http_connections"] == limit / 2, what="the limit")
    assert "event=descriptors" in gateway.text()
    for connection in idle:
        connection.close()
    with Connection(gateway.port, timeout=30) as connection:
        device.send(connection, senml(a=1))
    wait_until(lambda: metrics(gateway)["bulla_http_connections"] == 0, what="the end of all connections")
    assert len(list(descriptors.iterdir())) < limit / 2


IDLE = 10_000


def test_idle_connections(make_gateway, make_device):
    """Ten thousand: an honest device gets its answer, memory stays bounded, and comes back."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < IDLE + 200:
        pytest.skip("needs %d descriptors, the system allows %d" % (IDLE + 200, hard))
    gateway = make_gateway("--max-connections", IDLE + 100, "--idle", 600).start()
    device = make_device("kitchen", "--counter")
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=0))
    peaks = []
    for wave in range(2):
        before = gateway.memory()
        idle = []
        try:
            for number in range(IDLE):
                idle.append(Connection(gateway.port))
                if number % 3 == 1:
                    idle[-1].send(b"POST /d HT")
                elif number % 3 == 2:
                    idle[-1].send(request(length=False, headers=[("Content-Length", "4000")]) + b"x" * 100)
            wait_until(lambda: metrics(gateway)["bulla_http_connections"] == IDLE, 30, "all connections")
            peaks.append(gateway.memory())
            for number in range(20):
                begun = time.monotonic()
                with Connection(gateway.port, timeout=30) as connection:
                    device.send(connection, senml(a=number))
                assert time.monotonic() - begun < allowed(10)
            print("wave %d: %d MiB before, %d MiB with all" % (wave, before >> 20, peaks[-1] >> 20))
        finally:
            for connection in idle:
                connection.close()
        wait_until(lambda: metrics(gateway)["bulla_http_connections"] == 0, 30, "the end of all connections")
    assert peaks[0] - before < IDLE * 20_000
    assert peaks[1] < peaks[0] * 1.3, "memory grows from wave to wave: %s" % peaks
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=1))


def test_flood_of_refusals(make_gateway, bulla, make_device):
    """Forgeries at full speed: the journal and the log stay bounded, and an honest device is served."""
    gateway = make_gateway().start()
    target = make_device("target")
    honest = make_device("honest", "--counter")
    forged = []
    for _ in range(200):
        target.boot()
        message = bytearray(target.seal(senml(a=1)).data)
        message[-1] ^= 1
        forged.append(message_request(bytes(message)))
    unknown = [data.replace(target.credential.kid, b"\0\0\0\0") for data in forged]
    stop = threading.Event()

    def flood(requests):
        with Connection(gateway.port) as connection:
            while not stop.is_set():
                connection.send(b"".join(requests))
                for _ in requests:
                    assert connection.receive().status == 401

    threads = [threading.Thread(target=flood, args=(requests,)) for requests in (forged, unknown)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: outcome(gateway, "forged") > 400, 30, "the flood")
        before = gateway.memory()
        for number in range(30):
            with Connection(gateway.port, timeout=5) as connection:
                honest.send(connection, senml(a=number))
        wait_until(lambda: outcome(gateway, "forged") > 2000, 60, "the flood")
        assert gateway.memory() - before < 32 << 20
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    seconds = time.monotonic() - begun
    refused = outcome(gateway, "forged") + outcome(gateway, "unknown")
    wait_until(lambda: len(bulla.events("--kind", "forged")) >= 10, what="the journal")
    for kind in ("forged", "unknown"):
        assert 10 <= len(bulla.events("--kind", kind)) <= 10 * (seconds + 2)
    assert metrics(gateway)["bulla_events_withheld_total"] >= refused - 20 * (seconds + 2)
    assert len(gateway.log) < 20 * (seconds + 2) + 10


def test_log_is_not_for_the_network(make_gateway, make_device):
    """What clients do wrong in HTTP does not fill the log, whose lines are all of one form."""
    gateway = make_gateway().start()
    before = len(gateway.log)
    for data in list(BROKEN.values()) * 3:
        try:
            with Connection(gateway.port) as connection:
                connection.send(data)
                connection.closed_within(0.05)
        except (BrokenPipeError, ConnectionResetError):
            pass
    gateway.stop()
    assert all(line.startswith("time=") for line in gateway.log[before:]), gateway.log
    others = [line for line in gateway.log[before:] if not re.search("kind=malformed|event=stopping", line)]
    assert others == []
