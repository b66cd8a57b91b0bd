"""Sinks of gateways whose registry is a MariaDB: what waits for them is in its outbox, and any gateway empties it."""

import sqlite3

import pytest

import program
from http_client import post
from mariadb import MariaDB
from program import wait_until
from python_device import PythonDevice, senml

COUNT = 40


@pytest.fixture
def server():
    server = MariaDB().start()
    yield server
    server.remove()


def archived(path):
    if not path.exists():
        return []
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as db:
        return [value for (value,) in db.execute("SELECT value FROM bulla_readings ORDER BY seq")]


def test_two_gateways_and_two_sinks(server, tmp_path):
    """A gateway is killed while readings wait: each of them is in each sink once, and then nothing waits any more."""
    registry, other = server.make_database("registry"), server.make_database("other")
    env = {"BULLA_KEY": str(tmp_path / "key")}
    archive = tmp_path / "archive.db"
    bulla = program.Commands(tmp_path, registry, env)
    device = PythonDevice(bulla("device", "add", "kitchen", "--counter").strip())
    gateways = [program.Gateway(tmp_path, "--sink", "sqlite:%s" % archive, "--sink", other, db=registry, env=env).start() for _ in range(2)]
    try:
        for value in range(COUNT):
            gateway = gateways[value % 2]
            if value in (11, 24):
                gateways[1 - value % 2].kill()
            assert post(gateway.port, device.seal(senml(temperature=value)).data).status == 200
            if value in (11, 24):
                gateways[1 - value % 2].start()
        wait_until(lambda: len(archived(archive)) >= COUNT, 40, "all are in the archive")
        wait_until(lambda: server.sql("SELECT COUNT(*) FROM bulla_readings", "other") == str(COUNT), 40, "all are in the other database")
        assert archived(archive) == list(range(COUNT))
        assert server.sql("SELECT GROUP_CONCAT(value ORDER BY seq) FROM bulla_readings", "other") == ",".join(map(str, range(COUNT)))
        assert server.sql("SELECT COUNT(*) FROM points", "registry") == "0"
        wait_until(lambda: server.sql("SELECT COUNT(*) FROM outbox", "registry") == "0", 40, "the outbox is empty")
        assert server.sql("SELECT COUNT(*), MIN(s.n) = MAX(e.n), MAX(s.lost), MAX(s.refused) FROM sinks s, outbox_end e",
                          "registry") == "2|1|0|0"
    finally:
        for gateway in gateways:
            gateway.end()
