"""
What holds of every kind of sink: the same tests, the same expectations. The real InfluxDB 1.6, PostgreSQL and
MariaDB, and SQLite; InfluxDB 2 and MySQL are stand-ins (influx2.py, mariadb.py).
"""

import json
import os
import signal
import time

import pytest

from program import allowed
from sink_kinds import KINDS
from sinks import FIRST, SESSION, Writer, point

REAL_SERVERS = ["influx", "postgres", "mysql", "mysql8"]

OLDER = b"w".hex() + (7).to_bytes(8, "big").hex()


@pytest.fixture(scope="module", params=KINDS)
def started(request):
    kind = KINDS[request.param]()
    kind.start()
    yield kind
    kind.remove()


@pytest.fixture
def kind(started):
    started.begin()
    return started


def open_writer(kind, **options):
    return Writer(kind.url, env=kind.env, **options)


def expected(kind, points):
    """What rows() gives of points."""
    rows = []
    for made in points:
        value = bytes.fromhex(made["value_hex"]) if "value_hex" in made else made["value"]
        type = made["type"]
        if type == "text" and isinstance(value, bytes):
            type = "data"
        rows.append((made["device"], kind.name_of(made.get("name", "")), kind.unit_of(made.get("unit", "")), type,
                     kind.value_of(type, value), made["piv"], made["time"]))
    return sorted(rows, key=repr)


DOUBLES = [0.1, 1 / 3, -1.5, 1e22, 1e23, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 2.2250738585072014e-308,
           0.30000000000000004, 9007199254740993.0, 0.0, 23.4]
INTEGERS = [0, 1, -1, 2**53 + 1, 2**63 - 1, -2**63]
TEXTS = ["", "open", "it's", 'say "x"', "\\", '\\"', "C:\\new\\", "a\nb\r\n\tc", "a,b=c d", "NaN", "Infinity", "-Infinity", "NULL",
         "🌡 café \u202e", "'; DROP TABLE bulla_readings; --", "$1 %s %n ${x}", "x" * 65536, "\x01\x1f\x7f", "é" * 10_000]
NAMES = ["temperature", "a b", "a,b", "a=b", 'a"b', "it's", "C:\\dir", "a\\", "\\", "a\\,b", "a\\ b", "a\nb", "\x00", "a\x00b", "é🌡",
         "'; DROP TABLE bulla_readings; --", "n" * 4000, "SELECT", " ", "\t"]
DATA = [b"", b"\x00", b"\xff\xfe", bytes(range(256)), b"\\x00", b"x" * 40_000]


def test_values(kind):
    points = [point(value, time=FIRST + number) for number, value in enumerate(DOUBLES)]
    points += [point(value, "sum", name="total", unit="J") for value in DOUBLES]
    points += [point(value, "integer", name="i") for value in INTEGERS]
    points += [point(value, "boolean", name="b") for value in (True, False)]
    points += [point(value, "text", name="t") for value in TEXTS]
    points += [point(value, "data", name="d") for value in DATA]
    points += [point(value, "payload", name="", format=65535) for value in DATA]
    points += [point(value, "undecoded", name="", format=0) for value in DATA]
    points += [point(value, "text", name="no text") for value in (b"\xff\xfe", b"a\x00b")]
    for piv, made in enumerate(points):
        made["piv"] = piv
    with open_writer(kind) as writer:
        writer.written(points)
    assert kind.rows() == expected(kind, points)


def test_names(kind):
    points = []
    for name in NAMES:
        points.append(point(1.5, name=name, piv=len(points)))
        points.append(point(1.5, unit=name, piv=len(points)))
    for device in ("d,e=v i\"c'e", "ä" * 32, "d" * 64, "a'b", "back\\slash"):
        points.append(point(1.5, device=device, piv=len(points)))
    with open_writer(kind) as writer:
        writer.written(points)
    assert kind.rows() == expected(kind, points)


TIMES = [0, 1, -1, -1_000_001, FIRST, FIRST + 1, FIRST + 999_999, -9223372036854775, 9223372036854774, 951_782_400_000_000,
         1_583_020_799_999_999, -2_208_988_800_000_001]
FAR_TIMES = [9223372036854775, -9223372036854776, 253_402_300_799_999_999, 253_402_300_800_000_000, -62_135_596_800_000_001,
             -210_866_803_200_000_000, -210_866_803_200_000_001, 2**63 - 2, -2**63, 2**63 - 1]


def test_microseconds(kind):
    """Whatever the time zones of this machine and of the server are."""
    points = [point(float(number), time=time, piv=number) for number, time in enumerate(TIMES)]
    for zone in ("UTC", "Pacific/Chatham", "America/St_Johns"):
        with Writer(kind.url, env={**(kind.env or {}), "TZ": zone}) as writer:
            writer.written(points)
    assert kind.rows() == expected(kind, points)


def test_far_times(kind):
    """They are there, exactly, or refused for ever by name; the others are written."""
    points = [point(float(number), time=time, piv=number) for number, time in enumerate(FAR_TIMES)]
    points.insert(3, point(0.5, piv=99))
    with open_writer(kind, halve=True) as writer:
        refused = dict(writer.written(points))
    fits = [made for made in points if kind.least_time <= made["time"] <= kind.most_time]
    assert len(refused) == len(points) - len(fits) and all("time" in why for why in refused.values())
    assert kind.rows() == expected(kind, fits)


def test_long_texts(kind):
    points = [point("x" * 65537, "text", piv=0), point(b"x" * 200_000, "data", piv=1), point(1.0, piv=2)]
    with open_writer(kind, halve=True) as writer:
        refused = dict(writer.written(points))
    if kind.text_most < 65537:
        assert sorted(refused) == [0, 1] and "65537 bytes" in refused[0] and "200000 bytes" in refused[1]
        points = points[2:]
    else:
        assert refused == {}
    assert kind.rows() == expected(kind, points)


def test_writing_again_changes_nothing(kind, rng):
    points = [point(float(piv * 10 + index), piv=piv, index=index, name="n%d" % (index % 3), time=FIRST + piv)
              for piv in range(60) for index in range(5)]
    with open_writer(kind) as writer:
        for _ in range(6):  # in any parts, and in any order
            part = rng.sample(points, 120)
            writer.written(part)
        writer.written(points)
    before = kind.rows()
    assert before == expected(kind, points)
    with open_writer(kind) as writer:
        for piv in range(0, 300, 50):
            writer.written(points[piv:piv + 100])
    assert kind.rows() == before


def test_one_time_many_readings(kind):
    """Readings of one microsecond do not overwrite each other: of one message, of others, of other contexts and devices."""
    points = [point(float(piv), piv=piv) for piv in range(37)]
    points += [point(float(index), piv=40, index=index, name="n") for index in range(27)]
    points += [point(1.0, name="c", piv=100, context=context, device_id=device) for context, device in
               (("", 1), ("", 2), (SESSION, 1), (OLDER, 1), (SESSION[::-1], 1))]
    with open_writer(kind) as writer:
        writer.written(points)
    assert kind.rows() == expected(kind, points)


def test_large_numbers_of_messages(kind):
    points = [point(1.0, piv=piv, time=FIRST + number) for number, piv in enumerate((0, 2**32, 2**40 - 1, 2**63 - 1))]
    with open_writer(kind) as writer:
        writer.written(points)
    assert kind.rows() == expected(kind, points)


def test_a_large_batch(kind):
    points = [point(number * 0.1, piv=number, name="n%d" % (number % 50), time=FIRST + number, device="d%d" % (number % 20))
              for number in range(2048 if kind.name == "influx2" else 8192)]
    with open_writer(kind) as writer:
        writer.written(points)
    assert kind.rows() == expected(kind, points)


# ---- a database that is not there ----


def written_in_time(writer, points, seconds=30):
    """It recovers by itself."""
    end = time.monotonic() + seconds
    while (answer := writer.write(points))["result"] == "away":
        assert time.monotonic() < end, answer
        time.sleep(0.05)
    assert answer["result"] == "written", answer


def test_away_and_back(kind):
    points = [point(float(piv), piv=piv, time=FIRST + piv) for piv in range(30)]
    with open_writer(kind) as writer:
        writer.written(points[:10])
        kind.go()
        for _ in range(3):
            begun = time.monotonic()
            assert len(writer.away(points[10:20])) > 20
            assert time.monotonic() - begun < allowed(5)
        kind.come_back()
        written_in_time(writer, points[10:20])
        writer.written(points[20:])
    assert kind.rows() == expected(kind, points)


def test_away_at_the_start(kind):
    kind.go()
    with open_writer(kind) as writer:
        writer.away([point()])
        kind.come_back()
        written_in_time(writer, [point()])
    assert kind.rows() == expected(kind, [point()])


def test_dropped_while_it_runs(kind):
    """Nothing counts as written that is not there any more; and it goes on where there is a database again."""
    with open_writer(kind) as writer:
        writer.written([point()])
        kind.drop()
        if kind.is_server:
            writer.away([point(piv=1)])
        kind.make_again()
        written_in_time(writer, [point(piv=1)])
    assert kind.rows() == expected(kind, [point(piv=1)])


@pytest.mark.parametrize("started", REAL_SERVERS, indirect=True)
def test_killed_again_and_again(kind):
    """Whatever was said to be written is there."""
    points = [point(float(piv), piv=piv, time=FIRST + piv) for piv in range(2000)]
    with open_writer(kind) as writer:
        for kill in range(5):
            part = points[kill * 400:(kill + 1) * 400]
            for at in range(0, 400, 40):
                if at == 200:
                    kind.go()
                    kind.come_back()
                written_in_time(writer, part[at:at + 40])
    assert kind.rows() == expected(kind, points)


def test_a_writer_that_is_killed(kind, rng):
    """In the middle of a batch: written again, it is all there, once."""
    points = [point(float(piv), piv=piv, time=FIRST + piv) for piv in range(2000)]
    for _ in range(3):
        writer = open_writer(kind)
        writer.process.stdin.write(json.dumps(points) + "\n")
        writer.process.stdin.flush()
        time.sleep(rng.uniform(0, 0.2))
        os.kill(writer.process.pid, signal.SIGKILL)
        writer.process.wait(20)
        for stream in (writer.process.stdin, writer.process.stdout, writer.process.stderr):
            stream.close()
    with open_writer(kind) as writer:
        written_in_time(writer, points)
    assert kind.rows() == expected(kind, points)


def test_two_writers_at_once(kind):
    """Two gateways that write the same: each point once."""
    points = [point(float(piv), piv=piv, time=FIRST + piv) for piv in range(3000)]
    with open_writer(kind) as one, open_writer(kind) as other:
        for at in range(0, 3000, 300):
            line = json.dumps(points[at:at + 300]) + "\n"
            for writer in (one, other):
                writer.process.stdin.write(line)
                writer.process.stdin.flush()
            for writer in (one, other):
                answer = json.loads(writer.process.stdout.readline())
                if answer["result"] != "written":
                    assert answer["result"] == "away", answer
                    written_in_time(writer, points[at:at + 300])
    assert kind.rows() == expected(kind, points)


def test_what_it_is_called(kind):
    """The name has no user, and leads to the same database."""
    with open_writer(kind) as writer:
        assert writer.name.startswith(kind.url.partition(":")[0] + ":")
        assert "@" not in writer.name
        assert len(writer.name) < 256
