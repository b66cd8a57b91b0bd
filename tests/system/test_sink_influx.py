"""
InfluxDB as a sink, driven alone (sink/writer.c): what goes in comes out of the real influxd by /query; what its statuses
mean; servers that lie, hang, or are none.
"""

import base64
import gzip
import os
import signal
import socket
import struct
import threading
import time

import pytest

from influx import Influx
from influx2 import Influx2, server_context
from line_protocol import parse
from lying_influx import GOOD, LyingInflux
from mosquitto import Certificates
from program import allowed
from sinks import FIRST, Writer, base64url, point, refusal

SECONDS_MOST = 30  # that a write takes (SINK_WRITE_SECONDS)


@pytest.fixture(scope="module")
def server():
    influx = Influx()
    try:
        yield influx.start()
    finally:
        influx.remove()


@pytest.fixture
def database(server):
    """An empty database of the running server."""
    server.drop_database()
    server.make_database()
    return server


@pytest.fixture
def make_server():
    made = []

    def make(*arguments, kind=Influx, **options):
        made.append(kind(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.remove() if isinstance(one, Influx) else one.stop()


@pytest.fixture
def lying():
    made = []

    def make(script):
        made.append(LyingInflux(script))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


def part_of(device_id, context, piv, index):
    """The part of a microsecond of a point's time, reckoned here once more."""
    spread = 0xcbf29ce484222325
    for byte in device_id.to_bytes(8, "little") + bytes.fromhex(context):
        spread = (spread ^ byte) * 0x100000001b3 % 2**64
    return (spread % 1000 + piv % 1000 * 27 + index) % 1000


# ---- what goes in comes out ----

PICTURES = str.maketrans({**{code: chr(0x2400 + code) for code in range(32)}, 0x7f: chr(0x2421)})

NAMES = ["a b", "a,b", "a=b", 'a"b', "'", "#", "C:\\dir", "a\\\\b", ",device=evil value=1", "café", "🌡", "\u202e", "a" * 4000,
         "a\nb", "a\tb", "\x00", "\x7f", "time", "device", "SELECT * FROM x; --", "%s%n", "../..", "\u0000"]

# A backslash in front of what is escaped, or at the end, becomes a wide one: there is no escape for it.
WIDE = {"a\\": "a＼", "\\": "＼", "a\\\\": "a\\＼", "a\\,b": "a＼,b", "a\\ b": "a＼ b", "a\\=b": "a＼=b", "\\,\\,": "＼,＼,"}

TEXTS = ["", "open", 'say "x"', "\\", '\\"', "C:\\new\\", "a\nb\r\n\tc", "a,b=c d", "NaN", "-Infinity", "🌡 café", "x" * 65536,
         '"' * 65536, "i=1\nevil,device=x value=1 1\n", "\x01\x7f"]

DOUBLES = [0.1, 1 / 3, -1.5, 1e22, 1e23, 5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 0.30000000000000004, 1e15 + 1,
           9007199254740993.0, 0.0]

INTEGERS = [0, -1, 2**53 + 1, 2**63 - 1, -2**63]

TIMES = [FIRST, FIRST + 1, 0, -1, 1, -9223372036854775, 9223372036854774]


def test_what_goes_in_comes_out(database):
    points = []
    expected = []

    def put(value, **options):
        fields = options.pop("fields")
        points.append(point(value, piv=len(points), **options))
        made = points[-1]
        tags = {tag: made[tag] for tag in ("device", "name", "unit") if made.get(tag)}
        time = made["time"] * 1000 + part_of(1, made["context"], made["piv"], made["index"])
        expected.append({**tags, **fields, "seq": made["piv"], "time": time})

    for number in DOUBLES:
        put(number, fields={"value": number})
        put(number, type="sum", name="total", unit="J", fields={"sum": number})
    for number in INTEGERS:
        put(number, type="integer", name="i", fields={"value": float(number), "integer": number})
    for flag in (True, False):
        put(flag, type="boolean", name="b", fields={"boolean": flag})
    for text in TEXTS:
        put(text, type="text", name="t", fields={"text": text})
    for data in (b"", b"\xfb\xff\x00", bytes(range(256)), b"\x00" * 49152):
        put(data, type="data", name="d", fields={"data": base64url(data)})
        put(data, type="payload", name="", format=60, fields={"payload": base64url(data), "format": 60})
        put(data, type="undecoded", name="", format=112, fields={"undecoded": base64url(data), "format": 112})
    put(b"\xff\xfe", type="text", name="no text", fields={"data": base64url(b"\xff\xfe")})
    for name in NAMES:
        for key in ("name", "unit"):
            put(1.0, **{key: name}, fields={"value": 1.0})
            expected[-1][key] = name.translate(PICTURES)
    for name, shown in WIDE.items():
        put(1.0, name=name, fields={"value": 1.0})
        expected[-1]["name"] = shown
    put(1.0, name=b"\xff\xc3(", fields={"value": 1.0})
    expected[-1]["name"] = "\ufffd\ufffd("
    put(1.0, device='de v,i=c"e\\', fields={"value": 1.0})
    expected[-1]["device"] = 'de v,i=c"e＼'
    for time in TIMES:
        put(1.0, time=time, name="t", fields={"value": 1.0})
    with Writer(database.url()) as writer:
        writer.written(points)

    def key(row):
        return sorted(row.items(), key=str)

    assert sorted(map(key, database.rows()), key=str) == sorted(map(key, expected), key=str)


def test_writing_twice_changes_nothing(database):
    points = [point(float(piv), piv=piv, index=index, time=FIRST + piv // 7) for piv in range(40) for index in range(5)]
    with Writer(database.url()) as writer:
        writer.written(points)
        before = database.rows()
        writer.written(points)
        writer.written(points[70:140])
    with Writer(database.url()) as writer:
        writer.written(points[::-1])
    assert database.rows() == before and len(before) == len(points)


def test_one_time_many_readings(database):
    """Of one microsecond: each of its own message, several of one message, and those of other contexts."""
    points = [point(float(piv), piv=piv) for piv in range(1000)]
    points += [point(float(index), piv=5, index=index, name="n") for index in range(1000)]
    points += [point(0.5, name="c", context=context, device_id=device) for device in (1, 2) for context in ("", SESSIONS[0], SESSIONS[1])]
    with Writer(database.url()) as writer:
        writer.written(points)
    assert len(database.rows()) == len(points)


SESSIONS = ["0102030405060708", "f1f2f3f4f5f6f7f8"]


def test_other_measurement_and_policy(database):
    database.command('CREATE RETENTION POLICY "one week" ON bulla DURATION 7d REPLICATION 1')
    now = time.time_ns() // 1000
    with Writer(database.url(options="?measurement=m.1&rp=one%20week")) as writer:
        assert writer.name == database.url(options="?rp=one%20week&measurement=m.1")
        writer.written([point(2.5, time=now)])
    assert [row["value"] for row in database.rows('SELECT * FROM "one week"."m.1"')] == [2.5]
    assert database.rows() == []


# ---- what is refused for ever ----


def test_what_never_fits_is_skipped(database):
    """The rest of the batch is there, and each that is not is named by its place, with the reason."""
    points = [point(float(piv), piv=piv) for piv in range(20)]
    points[3] = point(1.0, piv=3, time=9223372036854775)
    points[7] = point("x" * 65537, "text", piv=7)
    points[11] = point(b"x" * 49153, "data", piv=11)
    points[13] = point(1.0, piv=13, time=-2**63)
    points[19] = point(1.0, piv=19, name="n" * 65001)
    with Writer(database.url(), halve=True) as writer:
        refused = dict(writer.written(points))
    assert sorted(refused) == [3, 7, 11, 13, 19]
    assert "1677-09-21 to 2262-04-11" in refused[3] and "1677-09-21 to 2262-04-11" in refused[13]
    assert "65537 bytes" in refused[7] and "64 KiB" in refused[7] and "49153 bytes" in refused[11]
    assert "names" in refused[19]
    assert sorted(row["seq"] for row in database.rows()) == [piv for piv in range(20) if piv not in refused]


def test_a_field_of_another_type(database):
    """Somebody else's points are in the measurement: what clashes with them is refused, what does not is written."""
    assert database.write('readings,device=other text=1 %d000' % FIRST)[0] == 204
    points = [point(1.0, piv=0), point("open", "text", piv=1), point(2.0, piv=2)]
    with Writer(database.url(), halve=True) as writer:
        refused = writer.written(points)
        assert [place for place, _ in refused] == [1] and "field type conflict" in refused[0][1]
    assert sorted(row["value"] for row in database.rows() if "value" in row) == [1.0, 2.0]


def test_older_than_the_policy_keeps(database):
    """"partial write": the server writes what it can, and drops what it would delete at once."""
    database.command('CREATE RETENTION POLICY day ON bulla DURATION 1d REPLICATION 1 SHARD DURATION 1h DEFAULT')
    now = time.time_ns() // 1000
    points = [point(float(piv), piv=piv, time=now - (3 * 86_400_000_000 if piv in (4, 5) else piv)) for piv in range(9)]
    with Writer(database.url(), halve=True) as writer:
        refused = dict(writer.written(points))
    assert sorted(refused) == [4, 5] and "beyond retention policy" in refused[4]
    assert {row["seq"] for row in database.rows()} == set(range(9)) - {4, 5}


def test_a_body_that_is_too_large(make_server):
    server = make_server(http={"max_body_size": 3000}).start()
    url = server.make_database()
    points = [point(os.urandom(500), "data", piv=piv) for piv in range(20)] + [point(os.urandom(8000), "data", piv=20)]
    with Writer(url, halve=True) as writer:
        refused = writer.written(points)
    assert [place for place, _ in refused] == [20] and "max-body-size" in refused[0][1]
    assert len(server.rows()) == 20


# ---- what the operator can mend: nothing is lost, and it goes on by itself ----


def test_away_and_back(make_server):
    server = make_server().start()
    url = server.make_database()
    with Writer(url) as writer:
        writer.written([point(piv=0)])
        server.kill()
        begun = time.monotonic()
        assert "is the server running? It is tried again" in writer.away([point(piv=1)])
        assert time.monotonic() - begun < allowed(2)
        server.start()
        writer.written([point(piv=1)])
        server.stop()
        server.start()  # the connection that was kept is dead
        writer.written([point(piv=2)])
        server.drop_database()
        why = writer.away([point(piv=3)])
        assert """influx -execute 'CREATE DATABASE "bulla"'""" in why and "not found" in why
        server.make_database()
        writer.written([point(piv=3)])
    assert [row["seq"] for row in server.rows()] == [3]


def test_a_policy_that_is_not_there(database):
    with Writer(database.url(options="?rp=none")) as writer:
        assert "retention policy not found: none" in writer.away([point()])
        database.command("CREATE RETENTION POLICY none ON bulla DURATION INF REPLICATION 1")
        writer.written([point()])


@pytest.mark.parametrize("limit, there", [("max_values_per_tag", 6), ("max_series_per_database", 1)])
def test_a_full_database(make_server, limit, there):
    """Nothing is dropped: it is tried until the operator has raised the limit."""
    server = make_server(data={limit: 5, "index_version": "inmem"}).start()
    url = server.make_database()
    points = [point(piv=piv, name="n%d" % piv) for piv in range(8)]
    with Writer(url, halve=True) as writer:
        writer.written(points[:there])  # a batch is held against what is there before it
        why = writer.away(points)
        assert limit.replace("_", "-") in why and "raise it in influxdb.conf" in why
        server.stop()
        server.start(data={limit: 100})
        assert writer.written(points) == []
    assert len(server.rows()) == 8


def test_who_may_write(make_server, tmp_path):
    """Wrong passwords and missing rights are told, without the password."""
    server = make_server(user="root", password="r00t", http={"auth_enabled": True}).start()
    server.user = None
    server.command("CREATE USER root WITH PASSWORD 'r00t' WITH ALL PRIVILEGES")
    server.user = "root"
    server.make_database()
    server.command("CREATE USER gateway WITH PASSWORD 'p w:x\"1'")
    file = tmp_path / "sink"

    def writer(password, user="gateway"):
        file.write_text("%s\nuser = %s\npassword = %s\n" % (server.url(), user, password))
        file.chmod(0o600)
        return Writer("@%s" % file)

    with writer("wr0ng") as sink:
        why = sink.away([point()])
        assert "401" in why and "check user and password" in why and "wr0ng" not in why
        assert sink.name == server.url()
    with writer('p w:x"1') as sink:
        why = sink.away([point()])
        assert "403" in why and "not authorized to write" in why and "p w:x" not in why
        server.command("GRANT READ ON bulla TO gateway")
        assert "403" in sink.away([point()])
        server.command("GRANT WRITE ON bulla TO gateway")
        sink.written([point()])
        server.command("REVOKE ALL ON bulla FROM gateway")
        assert "403" in sink.away([point(piv=1)])
    with Writer(server.url(user="gateway"), env={"BULLA_INFLUX_PASSWORD": 'p w:x"1'}) as sink:
        assert "403" in sink.away([point()])
    with Writer(server.url()) as sink:
        assert "401" in sink.away([point()])


def test_addresses_that_are_none(tmp_path):
    """The command line's, and a file that others may read."""
    file = tmp_path / "sink"
    file.write_text("influx://h/db\ntoken = secret\n")
    file.chmod(0o644)
    assert "chmod 600" in refusal("@sink", tmp_path) and "secret" not in refusal("@sink", tmp_path)
    file.chmod(0o600)
    file.write_text("influx://h/db\ntocken = secret\n")
    assert "'tocken' is no key" in refusal("@sink", tmp_path)
    assert "password in a URL can be read" in refusal("influx://me:secret@h/db")
    assert "no database" in refusal("influx://h")
    assert "a user and no password" in refusal("influx://me@h/db")
    assert "cannot open" in refusal("influxs://h/db?ca=/nonexistent")
    assert "certificates in PEM" in refusal("influxs://h/db?ca=%s" % file)
    file.unlink()


# ---- InfluxDB 2 ----


def test_version_2(make_server, tmp_path):
    server = make_server(kind=Influx2).start()
    (tmp_path / "sink").write_text("%s\ntoken = %s\n" % (server.url(), server.token))
    (tmp_path / "sink").chmod(0o600)
    points = [point(1.5, unit="Cel", piv=0), point('a "b"\n\\', "text", name="a,b =c\\", piv=1), point(7, "integer", piv=2),
              point(True, "boolean", piv=3), point(b"\xff", "data", piv=4)]
    with Writer("@sink", tmp_path) as writer:
        assert writer.name == server.url()
        writer.written(points)
        writer.written(points)
    path, headers, body = server.requests[0]
    assert path == "/api/v2/write?org=my%20org&bucket=my%2Fbucket&precision=ns"
    assert headers["Authorization"] == "Token " + server.token and headers["Content-Encoding"] == "gzip"
    assert [tags.get("unit") for _, tags, _, _ in parse(gzip.decompress(body))] == ["Cel", None, None, None, None]
    rows = server.rows()
    assert len(rows) == 5
    assert {"device": "kitchen", "name": "temperature", "unit": "Cel", "value": 1.5, "seq": 0} in [
        {key: value for key, value in row.items() if key != "time"} for row in rows]
    assert {row.get("text") for row in rows} == {None, 'a "b"\n\\'} and "a,b =c＼" in {row["name"] for row in rows}
    with Writer(server.url(), env={"BULLA_INFLUX_TOKEN": server.token}) as writer:
        writer.written(points)
    assert server.rows() == rows


def test_version_2_refuses(make_server):
    server = make_server(kind=Influx2, least=FIRST * 1000).start()
    with Writer(server.url(), env={"BULLA_INFLUX_TOKEN": "wr0ng"}) as writer:
        why = writer.away([point()])
        assert "unauthorized access" in why and "token" in why and "wr0ng" not in why
    with Writer(server.url(), halve=True, env={"BULLA_INFLUX_TOKEN": server.token}) as writer:
        refused = writer.written([point(piv=0), point(piv=1, time=FIRST - 5), point(piv=2)])
        assert [place for place, _ in refused] == [1] and "retention policy" in refused[0][1]
        assert {row["seq"] for row in server.rows()} == {0, 2}
        server.bucket = "other"
        why = writer.away([point(piv=3)])
        assert "influx bucket create -n my/bucket -o my org" in why
        server.next = [(503, "unavailable", "busy", ()), (500, "internal error", "disk", ())]
        assert "busy" in writer.away([point(piv=3)]) and "disk" in writer.away([point(piv=3)])


def test_a_server_that_asks_for_time(make_server):
    """Retry-After: until then it is not asked again."""
    server = make_server(kind=Influx2).start()
    with Writer(server.url(), env={"BULLA_INFLUX_TOKEN": server.token}) as writer:
        server.next = [(429, "too many requests", "slow down", (("Retry-After", "1"),))]
        begun = time.monotonic()
        why = writer.away([point()])
        assert "429" in why and "slow down" in why
        while writer.write([point()])["result"] == "away":
            assert time.monotonic() - begun < 30
            time.sleep(0.01)
        assert 0.9 < time.monotonic() - begun < allowed(2)
    assert len(server.requests) == 2


# ---- TLS ----


def test_tls(make_server, certificates, tmp_path):
    """The real server: its certificate has to be believed, and be for its name."""
    server = make_server(http={"https_enabled": True, "https_certificate": str(certificates.server),
                               "https_private_key": str(certificates.server_key)}).start()
    url = server.make_database()
    with Writer("%s?ca=%s" % (url, certificates.ca)) as writer:
        assert writer.name == url
        writer.written([point()])
    with Writer(url) as writer:
        assert "certificate is not believed" in writer.away([point(piv=1)])
    other = Certificates(tmp_path / "other")
    with Writer("%s?ca=%s" % (url, other.ca)) as writer:
        assert "certificate is not believed" in writer.away([point(piv=1)])
    with Writer(url.replace("influxs", "influx")) as writer:
        assert "HTTPS" in writer.away([point(piv=1)])
    assert len(server.rows()) == 1


def test_tls_of_both_sides(make_server, certificates, tmp_path):
    """A server that asks for a certificate; names that do not fit."""
    context = server_context(certificates.server, certificates.server_key, certificates.ca)
    server = make_server(kind=Influx2, tls=context).start()
    env = {"BULLA_INFLUX_TOKEN": server.token}
    own = "&ca=%s&cert=%s&key=%s" % (certificates.ca, certificates.client, certificates.client_key)
    with Writer(server.url(own), env=env) as writer:
        writer.written([point()])
    with Writer(server.url(own, host="localhost"), env=env) as writer:
        writer.written([point(piv=1)])
    with Writer(server.url("&ca=%s" % certificates.ca), env=env) as writer:
        writer.away([point(piv=2)])
    elsewhere, elsewhere_key = certificates.issue("elsewhere", "elsewhere", "subjectAltName=DNS:elsewhere", "extendedKeyUsage=serverAuth")
    wrong = make_server(kind=Influx2, tls=server_context(elsewhere, elsewhere_key)).start()
    with Writer(wrong.url("&ca=%s" % certificates.ca), env=env) as writer:
        assert "certificate is not believed" in writer.away([point()])
    assert len(server.rows()) == 2 and wrong.requests == []
    both = tmp_path / "both.pem"
    both.write_text(certificates.client.read_text() + certificates.client_key.read_text())
    assert "chmod 600" in refusal(server.url("&cert=%s" % both), env=env)
    both.chmod(0o600)
    with Writer(server.url("&ca=%s&cert=%s" % (certificates.ca, both)), env=env) as writer:
        writer.written([point(piv=3)])
    assert "not that of the certificate" in refusal(
        server.url("&cert=%s&key=%s" % (certificates.client, certificates.server_key)), env=env)


# ---- servers that lie, hang, or are none ----


def answer_once(data, then=lambda link: None):
    def script(link):
        link.request()
        link.send(data)
        then(link)

    return script


NONE_OF_INFLUX = {
    "nothing": b"",
    "garbage": bytes(range(256)) * 40,
    "an old protocol": b"204 No Content\r\n\r\n",
    "half a head": b"HTTP/1.1 204 No Cont",
    "half an answer": b"HTTP/1.1 500 x\r\nContent-Length: 100\r\n\r\nhalf",
    "a page": b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>welcome!\n",
    "another status": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a status that is none": b"HTTP/1.1 20x\r\n\r\n",
    "a huge head": b"HTTP/1.1 204 x\r\n" + b"X: %s\r\n" % (b"y" * 1000) * 200 + b"\r\n",
    "a huge line": b"HTTP/1.1 204 x\r\nX: " + b"y" * 300_000 + b"\r\n\r\n",
    "no end of heads": b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    "a huge body": b"HTTP/1.1 200 x\r\nContent-Length: 99999999\r\n\r\n" + b"z" * 1_000_000,
    "a body that unpacks": b"HTTP/1.1 500 x\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"0" * 10_000_000),
    "a chunk that is none": b"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "binary words": b"HTTP/1.1 500 x\r\nConnection: close\r\n\r\n\x1b[2J\x00\xff\n\r",
}


@pytest.mark.parametrize("what", NONE_OF_INFLUX)
def test_what_is_no_influxdb(lying, what):
    """Nothing counts as written, nothing as refused for ever, and what is said of it is one short line."""
    server = lying(answer_once(NONE_OF_INFLUX[what]))
    with Writer(server.url()) as writer:
        for _ in range(2):
            begun = time.monotonic()
            why = writer.away([point()])
            assert time.monotonic() - begun < 30
            assert 10 < len(why) < 320 and why.isprintable(), why
        assert memory_of(writer) < 400_000_000  # with a sanitizer's shadow


def memory_of(writer):
    with open("/proc/%d/statm" % writer.process.pid) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_refusal_that_does_not_end(lying):
    """A body without an end behind a refusal: its beginning counts."""
    endless = b"HTTP/1.1 400 Bad Request\r\n\r\n" + b'{"error":"unable to parse \'' + b"x" * 1_000_000
    server = lying(answer_once(endless))
    with Writer(server.url()) as writer:
        assert len(writer.refused([point()])) < 320


def test_redirects_are_not_followed(lying, make_server):
    """Or a token would be told to whoever is named there."""
    other = make_server(kind=Influx2).start()
    server = lying(answer_once(b"HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:%d/write?db=bulla\r\nContent-Length: 0\r\n\r\n" % other.port))
    with Writer(server.url()) as writer:
        assert "307" in writer.away([point()])
    assert other.requests == []


def test_what_is_secret_is_not_repeated(lying, tmp_path):
    """A server that sends back what it was sent."""
    basic = base64.b64encode(b"me:s3cret")

    def script(link):
        head = link.request()
        assert b"Authorization: Basic " + basic in head
        link.send(b"HTTP/1.1 500 x\r\nConnection: close\r\n\r\n" + head + b"\npassword s3cret")

    server = lying(script)
    (tmp_path / "sink").write_text(server.url() + "\nuser = me\npassword = s3cret\n")
    (tmp_path / "sink").chmod(0o600)
    with Writer("@sink", tmp_path) as writer:
        why = writer.away([point()])
        assert "s3cret" not in why and basic.decode() not in why and "secret" in why
    assert len(server.links) == 1


def test_a_connection_is_kept(lying):
    served = []

    def script(link):
        while link.request():
            served.append(link)
            link.send(GOOD)

    server = lying(script)
    with Writer(server.url()) as writer:
        for piv in range(10):
            writer.written([point(piv=piv)])
    assert len(served) == 10 and len(server.links) == 1


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_ends_after_each_answer(lying, reset):
    was_read, ended = threading.Semaphore(0), threading.Semaphore(0)

    def script(link):
        link.request()
        link.send(GOOD)
        was_read.acquire()
        if reset:
            link.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.connection.close()
        ended.release()

    server = lying(script)
    with Writer(server.url()) as writer:
        for piv in range(5):
            writer.written([point(piv=piv)])
            was_read.release()
            assert ended.acquire(timeout=30)
    assert len(server.links) == 5


def test_an_answer_before_the_request_was_read(lying):
    """A proxy that does not read what is too large for it."""
    def script(link):
        link.connection.recv(100)
        link.send(b"HTTP/1.1 413 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        link.wait_closed()

    server = lying(script)
    with Writer(server.url(), halve=True) as writer:
        answer = writer.write([point(os.urandom(30_000), "data", piv=piv) for piv in range(150)])
        assert answer["result"] == "away" or len(answer["refused"]) == 150, answer


def hang(link):
    link.request()
    link.wait_closed()


def drip(link):
    link.request()
    while True:
        link.send(b"H" if not hasattr(link, "begun") else b"X")
        link.begun = True
        time.sleep(0.05)


def never_read(link):
    link.wait_closed_event = threading.Event()
    link.wait_closed_event.wait(SECONDS_MOST + 5)


@pytest.mark.parametrize("script", [hang, never_read])
def test_a_gateway_that_ends_does_not_wait(lying, script):
    """interrupt(): a write that waits ends at once, and so does each later one."""
    server = lying(script)
    with Writer(server.url()) as writer:
        threading.Timer(0.5, os.kill, (writer.process.pid, signal.SIGUSR1)).start()
        begun = time.monotonic()
        assert "being stopped" in writer.away([point(os.urandom(40_000), "data", piv=piv) for piv in range(100)])
        assert 0.4 < time.monotonic() - begun < allowed(3)
        assert "being stopped" in writer.away([point()])
    for link in server.links:
        if hasattr(link, "wait_closed_event"):
            link.wait_closed_event.set()


def test_long_waits(lying, long_run):
    """A server that never answers, or byte by byte: a write is over in 30 s."""
    if not long_run:
        pytest.skip("takes a minute: --long")
    for script in (hang, drip):
        server = lying(script)
        with Writer(server.url()) as writer:
            begun = time.monotonic()
            writer.away([point()])
            assert time.monotonic() - begun < SECONDS_MOST + 2


def test_many_pieces(database):
    """A batch of several megabytes goes in several requests, over one connection, within bounded memory."""
    points = [point(os.urandom(3000), "data", piv=piv, time=FIRST + piv) for piv in range(1500)]
    with Writer(database.url()) as writer:
        writer.written(points)
    rows = {row["seq"]: row["data"] for row in database.rows()}
    assert rows == {made["piv"]: base64url(bytes.fromhex(made["value_hex"])) for made in points}
