"""
The gateway and the database that its readings go to are killed at random under load, each as often as the other: every
reading that a device was told of is in InfluxDB, once, and none other is. A second sink, which nobody kills, has the same.
"""

import asyncio
import collections
import os
import socket
import sqlite3
import threading
import time
from pathlib import Path

import pytest

import program
from http_client import Connection
from influx import Influx
from influx2 import Influx2, server_context
from mariadb import MariaDB
from mosquitto import Certificates
from postgres import Postgres
from program import allowed, wait_until
from python_device import senml
from test_kill import Sender, load, rounds

KILLS = 12
KILLS_LONG = 150
KINDS = [(), ("--counter",), ("--alg", "24"), ("--alg", "30", "--counter")]


@pytest.fixture
def influx():
    server = Influx()
    try:
        server.start()
        server.make_database()
        yield server
    finally:
        server.remove()


class Killer(threading.Thread):
    """Kills a server again and again, and starts it after a while, until it is told to end."""

    def __init__(self, server, rng):
        super().__init__(daemon=True)
        self.server = server
        self.rng = rng
        self.ending = threading.Event()
        self.kills = 0
        self.error = None

    def run(self):
        try:
            while not self.ending.wait(self.rng.uniform(0.1, 0.8)):
                self.server.kill()
                self.kills += 1
                self.ending.wait(self.rng.uniform(0, 0.4))
                self.server.start(wait=False)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def end(self):
        self.ending.set()
        self.join(30)
        assert self.error is None, self.error
        self.server.wait_ready()


def messages_of(rows):
    """{device: {piv: [what its readings say]}} of (device, piv, name, what)."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for device, piv, name, what in sorted(rows, key=repr):
        found[device][piv].append((name, what))
    return found


def in_influx(server):
    return messages_of((row["device"], row["seq"], row["name"], row.get("text", row.get("value"))) for row in server.rows())


def in_archive(path):
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as database:
        return messages_of(database.execute("SELECT device, seq, name, coalesce(text, value) FROM bulla_readings").fetchall())


def check(senders, found):
    for sender in senders:
        for piv, readings in found[sender.name].items():
            assert piv in sender.values, "%s: piv %d is there, but was never to be" % (sender.name, piv)
            assert readings == [("name", sender.name), ("value", sender.values[piv])], (sender.name, piv, readings)


def missing(senders, found):
    return {(sender.name, piv) for sender in senders for piv in sender.device.told - set(found[sender.name])}


def test_both_are_killed(bulla, make_gateway, rng, long_run, influx, tmp_path):
    names = ["d%d" % i for i in range(len(KINDS))]
    senders = [Sender(name, bulla.add(name, *kind)) for name, kind in zip(names, KINDS)]
    gateway = make_gateway("--sink", influx.url(), "--sink", "sqlite:archive.db", "--log-level", "error").start()
    gateway.kill()
    replies = []
    kills = KILLS_LONG if long_run else KILLS
    killer = Killer(influx, rng)
    killer.start()
    for _ in rounds(kills, lambda: all(sender.counted[200] > kills for sender in senders)):
        gateway.start(wait=rng.random() < 2 / 3)
        asyncio.run(load(senders, gateway, rng.uniform(0.1, 0.7), replies))
        gateway.kill()
    wait_until(lambda: killer.kills >= kills, 60, "as many kills of the database")
    killer.end()
    gateway.start()
    wait_until(lambda: not missing(senders, in_influx(influx)), 60, "that all readings are in InfluxDB")
    wait_until(lambda: not missing(senders, in_archive(tmp_path / "archive.db")), 60, "that all readings are in the archive")
    gateway.stop()
    found = in_influx(influx)
    check(senders, found)
    assert found == in_archive(tmp_path / "archive.db")
    assert bulla.readings() == []
    told = sum(len(sender.device.told) for sender in senders)
    print("%d and %d kills, %d messages told of, %d there" % (kills, killer.kills, told, sum(map(len, found.values()))))


def test_an_hour_away(bulla, make_gateway, influx):
    """What was stored while the database was away comes when it is back: all of it, and in the order of its numbers."""
    sender = Sender("kitchen", bulla.add("kitchen", "--counter"))
    gateway = make_gateway("--sink", influx.url()).start()
    influx.kill()
    begun = time.monotonic()
    replies = []
    asyncio.run(load([sender], gateway, 1.5, replies))
    gateway.kill()
    gateway.start()
    assert sender.device.told and time.monotonic() - begun < allowed(20)
    influx.start()
    wait_until(lambda: not missing([sender], in_influx(influx)), 60, "that all readings are in InfluxDB")
    check([sender], in_influx(influx))


def name_of_this_machine():
    """A name that the system has to look up, of an address that servers of tests listen on."""
    try:
        if socket.gethostbyname(socket.gethostname()) == "127.0.0.1":
            return socket.gethostname()
    except OSError:
        pass
    return "localhost"


@pytest.mark.skipif("BULLA_RELEASE_BIN" not in os.environ, reason="BULLA_RELEASE_BIN names no build without sanitizers")
def test_from_behind_the_sandbox(bulla, make_gateway, make_device, influx, tmp_path, monkeypatch):
    """By name, and with TLS: whatever that takes is carried out, and was loaded before. Databases that come back are found again."""
    monkeypatch.setattr(program, "BINARY", Path(os.environ["BULLA_RELEASE_BIN"]))
    certificates = Certificates(tmp_path / "certificates")
    secure = Influx2(tls=server_context(certificates.server, certificates.server_key, certificates.ca)).start()
    options = "&ca=%s&cert=%s&key=%s" % (certificates.ca, certificates.client, certificates.client_key)
    postgres = Postgres(fsync=False).start()
    mariadb = MariaDB().start()
    try:
        postgres.make_database("sink")
        postgres.psql("ALTER ROLE bulla PASSWORD 'geheim'")
        mariadb.make_database("sink")
        mariadb.make_user("gateway", "geheim", database="sink")
        host = name_of_this_machine()  # libcurl knows localhost by itself
        urls = [influx.url().replace("127.0.0.1", host), secure.url(options, host="localhost"),
                postgres.tcp_url("sink").replace("127.0.0.1", "localhost"), mariadb.tcp_url("sink", user="gateway"),
                "sqlite:archive.db"]
        gateway = make_gateway(*(word for url in urls for word in ("--sink", url)),
                               env={"PGPASSWORD": "geheim", "BULLA_MYSQL_PASSWORD": "geheim", "BULLA_INFLUX_TOKEN": secure.token}).start()
        assert not [each for each in gateway.hardening if "step=sandbox" in each], gateway.hardening
        kitchen = make_device("kitchen")

        counts = [lambda: len(influx.rows()), lambda: len(secure.rows()),
                  lambda: int(postgres.psql("SELECT count(*) FROM bulla_readings", "sink")),
                  lambda: int(mariadb.sql("SELECT COUNT(*) FROM bulla_readings", "sink")),
                  lambda: sqlite3.connect(tmp_path / "archive.db").execute("SELECT count(*) FROM bulla_readings").fetchone()[0]]

        def there():
            try:
                return [count() for count in counts]
            except (AssertionError, sqlite3.Error):
                return None  # a table is not there yet

        for number in range(2):
            with Connection(gateway.port) as connection:
                for value in range(10):
                    kitchen.send(connection, senml(value=value))
            time.sleep(0.2)
            wait_until(lambda: there() == [10 * (number + 1)] * 5, what="the readings in all sinks")
            if number == 0:
                for server in (influx, postgres, mariadb):
                    server.kill()
                    server.start()
                secure.stop()
                secure.start()
        gateway.stop()
    finally:
        print(gateway.text())
        secure.stop()
        postgres.remove()
        mariadb.remove()
