"""
bulla tail: each reading once, soon, also under load; it ends as it should, and idles when nothing comes. That it has begun is seen by
what it prints of before: whatever is stored afterwards comes.
"""

import json
import os
import signal
import subprocess
import threading
import time

import cbor2
import pytest

import program
from http_client import Connection
from program import wait_until
from python_device import PythonDevice, senml
from sink_stand_in import SinkStandIn


class Tail:
    """A running `bulla tail`; its lines come in the background, each with the moment of its arrival."""

    def __init__(self, folder, *arguments):
        self.lines = []
        self.times = []
        self.process = subprocess.Popen(
            [program.BINARY, "tail", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=program.environment({"BULLA_DB": "bulla.db"}))
        self.told = ""  # on standard error
        self.readers = [threading.Thread(target=read, daemon=True) for read in (self._read, self._hear)]
        for reader in self.readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.times.append(time.monotonic())
            self.lines.append(line.rstrip("\r\n"))

    def _hear(self):
        for line in self.process.stderr:
            self.told += line

    def wait(self, count, seconds=30):
        wait_until(lambda: len(self.lines) >= count, seconds, "%d lines" % count)

    def stop(self, number=signal.SIGINT):
        self.process.send_signal(number)
        status = self.process.wait(30)
        for reader in self.readers:
            reader.join(30)
        assert not program.SANITIZER.search(self.told), self.told
        return status, self.told

    def seconds_of_cpu(self):
        fields = open("/proc/%d/stat" % self.process.pid).read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def tail(bulla):
    made = []

    def start(*arguments):
        made.append(Tail(bulla.folder, *arguments))
        return made[-1]

    yield start
    for each in made:
        each.process.kill()
        each.process.wait()


def test_it_begins_with_the_newest_and_goes_on(bulla, make_device, connect, tail):
    device, connection = make_device("kitchen"), connect()
    for i in range(5):
        device.send(connection, senml(a=i))
    lines = tail("--lines", "2", "--format", "jsonl")
    lines.wait(2)
    begun = time.monotonic()
    device.send(connection, cbor2.dumps([{0: "late", 2: 7, 6: -7200}]))  # taken two hours ago
    device.send(connection, senml(b="x"))
    lines.wait(4)
    assert lines.times[-1] - begun < 1.5
    assert [(r["name"], r.get("value", r.get("text"))) for r in map(json.loads, lines.lines)] == [
        ("a", 3), ("a", 4), ("late", 7), ("b", "x")]
    assert lines.stop() == (0, "")


def test_latency(bulla, make_device, connect, tail):
    device, connection = make_device("kitchen"), connect()
    device.send(connection, senml(a=0))
    lines = tail("--lines", "1", "--format", "jsonl")
    lines.wait(1)
    delays = []
    for i in range(10):
        device.send(connection, senml(a=i))
        stored = time.monotonic()
        lines.wait(i + 2)
        delays.append(lines.times[i + 1] - stored)
    print("delays", sorted(delays))
    assert sorted(delays)[2] < 0.5  # of readings that each just missed a look; the others, a busy machine may keep waiting


def test_formats_and_filters(bulla, make_device, connect, tail):
    connection = connect()
    kitchen, shed = make_device("kitchen"), make_device("sh\u202eed")
    kitchen.send(connection, cbor2.dumps([{0: "a", 2: 0}]))
    shed.send(connection, senml(b=0))
    csv, named, other = tail("--format", "csv", "-n", "0"), tail("--name", "a"), tail("-d", "sh\u202eed", "-f", "text")
    for each in (csv, named, other):
        each.wait(1)
    kitchen.send(connection, cbor2.dumps([{0: "a", 1: "Cel", 2: 1.5}]))
    kitchen.send(connection, senml(b=2))
    shed.send(connection, senml(a="\x1b[2J"))
    csv.wait(4)
    named.wait(3)
    other.wait(2)
    time.sleep(0.5)
    assert csv.lines[0] == "device,time,received,name,value,unit,seq,type"
    assert [line.split(",")[3] for line in csv.lines[1:]] == ["a", "b", "a"]
    assert named.lines[1].split()[1:] == ["kitchen", "a", "1.5", "Cel"] and len(named.lines) == 3
    assert other.lines[1:] == named.lines[2:] and "\\u202e" in other.lines[1] and "\\x1b[2J" in other.lines[1]
    for each in (csv, named):
        assert each.stop(signal.SIGTERM) == (0, "")


def test_each_once_while_readings_pour_in(bulla, gateway, tail, long_run):
    """Eight senders, a third of their readings late by hours; nothing is lost and nothing comes twice."""
    rounds = 2000 if long_run else 150
    devices = [PythonDevice(bulla.add(f"d{i}")) for i in range(8)]
    with Connection(gateway.port) as connection:
        devices[0].send(connection, senml(first=1))
    lines = tail("--format", "jsonl", "--lines", "1")
    lines.wait(1)
    failures = []

    def send(number):
        try:
            with Connection(gateway.port) as connection:
                for i in range(rounds):
                    records = [{0: "n", 2: i}]
                    if i % 3 == 0:
                        records += [{0: "late", 2: i, 6: -7200 - number}, {0: "old", 2: i, 6: -86400 * (i + 1)}]
                    devices[number].send(connection, cbor2.dumps(records))
        except Exception as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert not failures, failures
    stored = sorted(map(json.dumps, bulla.readings("--limit", "all")))
    assert len(stored) == 1 + 8 * (rounds + 2 * ((rounds + 2) // 3))
    lines.wait(len(stored), 60)
    time.sleep(1)
    assert sorted(json.dumps(json.loads(line)) for line in lines.lines) == stored
    assert lines.stop() == (0, "")


def test_it_idles(bulla, make_device, connect, tail):
    make_device("kitchen").send(connect(), senml(a=1))
    lines = tail()
    lines.wait(1)
    time.sleep(0.5)
    before = lines.seconds_of_cpu()
    time.sleep(2)
    used = lines.seconds_of_cpu() - before
    print("seconds of CPU in 2 s:", used)
    assert used < 0.2


def test_it_ends_when_nobody_reads(bulla, make_device, connect):
    make_device("kitchen").send(connect(), senml(a=1))
    process = subprocess.Popen([program.BINARY, "tail"], cwd=bulla.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=program.environment({"BULLA_DB": "bulla.db"}))
    assert process.stdout.readline()
    process.stdout.close()
    process.wait(30)
    assert process.stderr.read() == b""
    process.stderr.close()


def test_it_outlives_a_restart_of_the_gateway_and_a_busy_database(bulla, gateway, make_device, tail):
    import sqlite3

    device = make_device("kitchen")
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=0))
        lines = tail("--format", "jsonl", "--lines", "1")
        lines.wait(1)
        device.send(connection, senml(a=1))
    lines.wait(2)
    gateway.stop()
    db = sqlite3.connect(bulla.folder / "bulla.db", isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    time.sleep(1)
    db.execute("ROLLBACK")
    db.close()
    gateway.start()
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=2))
    lines.wait(3)
    assert [json.loads(line)["value"] for line in lines.lines] == [0, 1, 2]
    assert lines.stop() == (0, "")


@pytest.fixture
def sink():
    sink = SinkStandIn().start()
    yield sink
    sink.stop()


def send(gateway, device, **values):
    with Connection(gateway.port) as connection:
        device.send(connection, senml(**values))


def test_readings_that_go_to_sinks_alone(bulla, make_gateway, make_device, sink, tail):
    """It says why nothing comes and where readings are, at the start; without what is secret in the sink's URL."""
    (bulla.folder / "archive.sink").write_text("%s\npassword = sesame\n" % sink.url.replace("://", "://user@"))
    (bulla.folder / "archive.sink").chmod(0o600)
    gateway = make_gateway("--sink", "@archive.sink").start()
    send(gateway, make_device("kitchen"), a=1)
    sink.wait(1)
    lines = tail("--format", "jsonl")
    wait_until(lambda: lines.told.endswith("\n"), what="it says so")
    send(gateway, make_device("shed"), a=2)
    sink.wait(2)
    time.sleep(3)
    said = "bulla: there are none here; readings go to %s (bulla serve --sink), and stay here too only with --keep-here\n" % sink.url
    assert lines.stop() == (0, said) and lines.lines == []
    assert bulla.run("readings", "--format", "csv").stderr == said


def test_readings_that_go_to_sinks_from_some_day_on(bulla, gateway, make_gateway, make_device, sink, tail):
    """Older ones are here: it says so when the first one goes out that does not come."""
    kitchen = make_device("kitchen")
    with Connection(gateway.port) as connection:
        kitchen.send(connection, senml(a=1))
    gateway.stop()
    gateway = make_gateway("--sink", sink.url).start()
    time.sleep(3)
    lines = tail("--format", "jsonl")
    lines.wait(1)
    time.sleep(3)
    assert lines.told == ""
    send(gateway, kitchen, a=2)
    sink.wait(1)
    wait_until(lambda: lines.told.endswith("\n"), what="it says so")
    status, said = lines.stop()
    assert said.startswith("bulla: readings come, and are not kept here; readings go to %s (" % sink.url) and said.count("\n") == 1
    assert status == 0 and len(lines.lines) == 1


def test_readings_that_go_to_sinks_and_are_kept_here(bulla, make_gateway, make_device, sink, tail):
    """Nothing is said, whatever is selected: readings come here."""
    gateway = make_gateway("--sink", sink.url, "--keep-here").start()
    kitchen, shed = make_device("kitchen"), make_device("shed")
    with Connection(gateway.port) as connection:
        for device in (kitchen, shed):
            device.send(connection, cbor2.dumps([{0: "a", 2: 1, 6: -7200}]))
    every, one = tail(), tail("--device", "shed")
    every.wait(2)
    one.wait(1)
    time.sleep(2)
    send(gateway, kitchen, a=2)
    every.wait(3)
    sink.wait(3)
    time.sleep(3)
    assert every.stop() == (0, "") and one.stop() == (0, "")


def test_there_must_be_a_database(bulla):
    assert "is the path right" in bulla.run("tail", status=1).stderr
