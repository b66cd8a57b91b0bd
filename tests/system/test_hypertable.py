"""The store's points as a hypertable of TimescaleDB, of which there is a stand-in (timescale.py)."""

import collections
import json
import re
import subprocess
import time

import cbor2
import pytest

import program
import timescale
from http_client import Connection, health
from program import wait_until
from python_device import PythonDevice
from test_kill import test_kill_under_load  # noqa: F401 (collected here too, on the fixtures below)
from test_postgres import bulla, env, kills, make_gateway, new_database, send_until, server  # noqa: F401 (fixtures)

DAY = 86400
WEIRD = (-9 * 10**12, -25 * 10**8, 4102444800, 9 * 10**12)  # seconds, below 2**28 from now: none of them gets a chunk


@pytest.fixture
def name(server):  # noqa: F811
    return new_database(server)


@pytest.fixture
def database(server, name):  # noqa: F811
    """The URL of an empty database with the extension in it."""
    timescale.install(server, name)
    return server.url(name)


def chunks(server, name):  # noqa: F811
    """How many rows each chunk has, and the table itself."""
    assert server.psql("SELECT count(*) FROM ONLY points", name) == "0"
    return [int(line) for line in server.psql(
        "SELECT (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || chunk, false, true, '')))[1]"
        " FROM ts.chunks ORDER BY number", name).splitlines()]


def at(seconds, value):
    """SenML of a reading of that time."""
    return cbor2.dumps([{0: "value", 2: value, 6: seconds}])


def test_a_new_database(server, name, bulla, make_gateway):  # noqa: F811
    """Readings of several weeks, and of times that are none: all are read back as they came, and chunks are few."""
    gateway = make_gateway().start()
    now = int(time.time())
    times = [now - week * 7 * DAY for week in range(4)] + list(WEIRD)
    device = PythonDevice(bulla.add("a", "--counter"))
    with Connection(gateway.port) as connection:
        for value, seconds in enumerate(times):
            device.send(connection, at(seconds, value))
    rows = {row["value"]: row["time"] for row in bulla.readings()}
    assert sorted(rows) == list(range(len(times)))
    for value in range(4):
        assert rows[value].startswith(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(times[value]))), rows
    assert rows[5].startswith("194") and rows[6].startswith("2100-01-01T00:00:00"), rows
    assert sorted(chunks(server, name)) == [1, 1, 1, 1, len(WEIRD)]
    assert [row["value"] for row in bulla.readings("--since", "10d")] == [1, 0]


def test_readings_that_are_there_already(server, env, tmp_path, make_gateway):  # noqa: F811
    """The extension comes later: points is made a hypertable at a start at which nobody else has the database open."""
    name = new_database(server)
    url = server.url(name)
    bulla = program.Commands(tmp_path, url, env)  # noqa: F811
    device = PythonDevice(bulla.add("a", "--counter"))
    first, second = make_gateway(db=url).start(), make_gateway(db=url).start()
    times = [int(time.time()) - 20 * DAY, int(time.time()), *WEIRD]
    with Connection(first.port) as connection:
        for value, seconds in enumerate(times):
            device.send(connection, at(seconds, value))
    before = sorted((row["value"], row["time"]) for row in bulla.readings())
    timescale.install(server, name)
    second.stop()
    second.start()
    wait_until(lambda: health(second)[0] == 200, what="the database")
    assert "only at a start" in second.text()
    assert server.psql("SELECT count(*) FROM ts.tables", name) == "0"
    for gateway in (first, second):
        gateway.stop()
    first.start()
    wait_until(lambda: health(first)[0] == 200, what="the database")
    assert "only at a start" not in first.text()
    assert sorted((row["value"], row["time"]) for row in bulla.readings()) == before
    assert sorted(chunks(server, name)) == [1, 1, len(WEIRD)]
    second.start()
    wait_until(lambda: health(second)[0] == 200, what="the database")
    for gateway in (first, second):
        for value in (100, 101):
            send_until(device, gateway, value, collections.Counter())
    assert sum(chunks(server, name)) == len(times) + 4


def test_old_readings_go(server, name, bulla, make_gateway):  # noqa: F811
    """--keep, by the same deletes."""
    gateway = make_gateway("--keep", "10").start()
    device = PythonDevice(bulla.add("a", "--counter"))
    now = int(time.time())
    with Connection(gateway.port) as connection:
        for value, days in enumerate((40, 30, 20, 9, 1, 0)):
            device.send(connection, at(now - days * DAY, value))
    wait_until(lambda: sorted(row["value"] for row in bulla.readings()) == [3, 4, 5], what="old ones to go")
    assert re.search(r"\b3\b", bulla("readings", "--format", "csv"))


def test_following(bulla, make_gateway):  # noqa: F811
    """bulla tail finds what is new in whatever chunk."""
    gateway = make_gateway().start()
    device = PythonDevice(bulla.add("a", "--counter"))
    send_until(device, gateway, 0, collections.Counter())
    tail = subprocess.Popen([program.BINARY, "tail", "--format", "jsonl", "--lines", "0"], cwd=bulla.folder, text=True,
                            stdout=subprocess.PIPE, env=program.environment({"BULLA_DB": bulla.db, **bulla.env}))
    try:
        time.sleep(1)
        with Connection(gateway.port) as connection:
            for value, days in ((1, 0), (2, 30), (3, 60)):
                device.send(connection, at(int(time.time()) - days * DAY, value))
        assert sorted(json.loads(tail.stdout.readline())["value"] for _ in range(3)) == [1, 2, 3]
    finally:
        tail.terminate()
        tail.wait(10)
        tail.stdout.close()


