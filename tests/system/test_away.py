"""A gateway whose database on a server is not there when it starts: it listens, tells everybody to try again, and goes on alone."""

import collections
import os
import pty
import random
import socket
import subprocess
import threading
import time

import pytest

import program
from http_client import get, health, metrics, post, request, exchange
from mariadb import MariaDB
from mqtt_device import Link
from program import allowed, wait_until
from python_device import PythonDevice, senml
from test_notify import manager  # noqa: F401 (a fixture)
from test_postgres import (bulla, database, env, make_gateway, new_database, own_server, send_until,  # noqa: F401 (fixtures)
                           server)

DEVICES = 4


@pytest.fixture(scope="module")
def maria():
    server = MariaDB().start()
    yield server
    server.remove()


@pytest.fixture
def away(own_server, database, bulla):  # noqa: F811
    """A database with a device in it, on a server that is stopped: its URL, and the device's line."""
    line = bulla.add("a", "--counter")
    own_server.stop()
    return database, line


@pytest.fixture
def silent():
    """The port of a server that takes connections, and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def wait_away(gateway):
    gateway.wait_ready()
    wait_until(lambda: "event=store-away" in gateway.text(), what="a line of the log")


def test_everybody_is_told_to_try_again(away, own_server, tmp_path, env, make_gateway):  # noqa: F811
    url, line = away
    begun = time.time()
    gateway = make_gateway(db=url).start()
    response = post(gateway.port, PythonDevice(line).seal(senml(value=1)).data)
    assert (response.status, response.body) == (503, b"") and int(response.headers["retry-after"]) > 0
    for path in ("/wsn/12FA", "/data/12FA", "/setdata"):  # nobody knows yet whether there are such devices
        assert exchange(gateway.port, request("POST", path, b"x")).status == 503
    assert post(gateway.port, b"no message").status == 400
    wait_away(gateway)
    status, told = health(gateway)
    assert status == 503 and told["status"] == "failing" and begun - 1 <= told["since"] <= time.time()
    assert "postgres" in told["detail"] and "%d" % own_server.port in told["detail"]
    assert metrics(gateway)["bulla_store_up"] == 0
    assert gateway.text().count("event=store-away") == 1
    own_server.start()
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
    assert "event=store-back" in gateway.text() and metrics(gateway)["bulla_store_up"] == 1
    send_until(PythonDevice(line), gateway, 1, collections.Counter())
    assert exchange(gateway.port, request("POST", "/data/12FA", b"x")).status == 404
    assert [row["value"] for row in program.Commands(tmp_path, url, env).readings()] == [1]


def test_devices_that_send_all_the_time(own_server, tmp_path, env, make_gateway):  # noqa: F811
    """Before, while the server comes, and after: each reading is there once."""
    url = own_server.url(new_database(own_server))
    bulla = program.Commands(tmp_path, url, env)  # noqa: F811
    devices = [PythonDevice(bulla.add("d%d" % i, *(["--counter"] if i % 2 else []))) for i in range(DEVICES)]
    own_server.stop()
    gateway = make_gateway("--log-level", "error", db=url).start()
    counted = [collections.Counter() for _ in devices]
    stop = threading.Event()
    sent = [0] * DEVICES

    def live(number):
        while not stop.is_set():
            send_until(devices[number], gateway, sent[number] + 1, counted[number])
            sent[number] += 1

    threads = [threading.Thread(target=live, args=(number,)) for number in range(DEVICES)]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(each[503] > 5 for each in counted), what="refusals")
    assert sent == [0] * DEVICES
    own_server.start()
    wait_until(lambda: min(sent) > 10, 30, "readings of all devices")
    stop.set()
    for thread in threads:
        thread.join()
    stored = collections.defaultdict(list)
    for row in bulla.readings():
        stored[row["device"]].append(row["value"])
    assert stored == {"d%d" % i: list(range(1, sent[i] + 1)) for i in range(DEVICES)}


def test_told_to_end_while_it_waits(away, make_gateway):  # noqa: F811
    gateway = make_gateway(db=away[0]).start()
    wait_away(gateway)
    assert gateway.stop() < allowed(1.5)


def test_told_to_end_during_an_attempt(silent, env, make_gateway):  # noqa: F811
    """It listens at once, and does not wait for a server that says nothing."""
    begun = time.monotonic()
    gateway = make_gateway(db="postgres://bulla@127.0.0.1:%d/x?sslmode=disable" % silent).start()
    assert time.monotonic() - begun < allowed(5)
    assert health(gateway)[0] == 503 and post(gateway.port, b"x" * 40).status in (400, 503)
    assert gateway.stop() < allowed(4)
    assert "event=stopped" in gateway.text()


def test_a_server_that_says_nothing(silent, make_gateway):  # noqa: F811
    """Attempts end by themselves."""
    gateway = make_gateway(db="postgres://bulla@127.0.0.1:%d/x?sslmode=disable&connect_timeout=2" % silent).start()
    wait_until(lambda: "event=store-away" in gateway.text(), what="the end of an attempt")
    assert "timeout expired" in health(gateway)[1]["detail"]
    gateway.stop()


# ---- what is no absence ends it, however late ----


def ends_with(gateway, own_server, text):  # noqa: F811
    wait_away(gateway)
    assert post(gateway.port, b"\0").status == 400
    own_server.start()
    assert gateway.wait() == 1
    assert text in gateway.text(), gateway.text()


def test_a_wrong_password_after_it_waited(away, own_server, make_gateway):  # noqa: F811
    url = own_server.tcp_url(away[0].split("/")[3].split("?")[0], password="gehe1m")
    gateway = make_gateway(db=url).start()
    ends_with(gateway, own_server, "password authentication failed")
    assert "gehe1m" not in gateway.text()


def test_another_master_key_after_it_waited(away, own_server, tmp_path, make_gateway):  # noqa: F811
    other = tmp_path / "other.key"
    other.write_text("ab" * 32 + "\n")
    other.chmod(0o600)
    gateway = make_gateway("--key", str(other), db=away[0]).start()
    ends_with(gateway, own_server, "master key")


def test_a_newer_schema_after_it_waited(away, own_server, make_gateway):  # noqa: F811
    own_server.start()
    own_server.psql("UPDATE bulla_schema SET version = 1000", database=away[0].split("/")[3].split("?")[0])
    own_server.stop()
    gateway = make_gateway(db=away[0]).start()
    ends_with(gateway, own_server, "newer bulla")


def test_what_is_wrong_at_once_is_told_before_it_is_ready(own_server, tmp_path, make_gateway, manager):  # noqa: F811
    """So that whoever starts the service sees it fail."""
    url = own_server.tcp_url("postgres", password="gehe1m")
    gateway = make_gateway(db=url, env={"NOTIFY_SOCKET": str(tmp_path / "notify")}).start(wait=False)
    assert gateway.wait() == 1
    assert "devices on" not in gateway.text() and "READY=1" not in manager.words()


# ---- what else there is ----


def test_what_the_manager_hears(away, own_server, tmp_path, make_gateway, manager):  # noqa: F811
    """It is ready as soon as it listens, and says what it waits for."""
    gateway = make_gateway(db=away[0], env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}).start()
    manager.wait("READY=1")
    manager.wait(r"STATUS=store failing since \S+ cannot reach the database .*")
    assert manager.alive(1) < allowed(0.6)
    begin = len(manager.heard)
    own_server.start()
    manager.wait(r"STATUS=\d+\.\d readings/s.*", begin)
    assert "READY=1" not in manager.words(begin)
    gateway.stop()
    assert "STOPPING=1" in manager.words(begin)


def test_brokers_wait_too(away, own_server, tmp_path, env, make_gateway, mosquitto):  # noqa: F811
    """Nobody is called before the database is there (the client id is made of what it keeps); then all that came is taken."""
    url, line = away
    gateway = make_gateway("--mqtt", mosquitto.url, db=url).start()
    wait_away(gateway)
    told = health(gateway)[1]
    assert [broker["name"] for broker in told["away"]] == ["127.0.0.1:%d" % mosquitto.port]
    assert metrics(gateway)['bulla_mqtt_connections_total{broker="127.0.0.1:%d"}' % mosquitto.port] == 0
    own_server.start()
    wait_until(lambda: health(gateway) == (200, {"status": "ok"}), what="recovery")
    device = PythonDevice(line)
    link = Link(mosquitto, device.credential.kid.hex())
    message = device.seal(senml(value=7))
    assert message.piv in device.open(link.exchange(message.data), message).stored()
    link.close()
    assert [row["value"] for row in program.Commands(tmp_path, url, env).readings()] == [7]


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_a_database_that_a_command_has_alone(request, tmp_path, env, make_gateway, kind):  # noqa: F811
    """It waits until that is through."""
    own = request.getfixturevalue("own_server" if kind == "postgres" else "maria")
    url = own.make_database("alone_%08x" % random.SystemRandom().randrange(2**32))
    program.Commands(tmp_path, url, env).add("a")
    terminal, other = pty.openpty()
    command = subprocess.Popen([program.BINARY, "restored", "--db", url], stdin=other, stdout=other, stderr=other,
                               env=program.environment(env))
    try:
        assert os.read(terminal, 4096)  # it asks
        gateway = make_gateway(db=url).start()
        wait_away(gateway)
        assert "needs it alone" in health(gateway)[1]["detail"]
    finally:
        command.kill()
        command.wait(10)
        os.close(other)
        os.close(terminal)
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")


def test_a_server_that_takes_no_writes(own_server, tmp_path, env, make_gateway):  # noqa: F811
    """At the start, as a standby: it waits as well."""
    name = new_database(own_server)
    url = own_server.url(name)
    line = program.Commands(tmp_path, url, env).add("a", "--counter")
    own_server.psql("ALTER DATABASE %s SET default_transaction_read_only = on" % name)
    gateway = make_gateway(db=url).start()
    wait_away(gateway)
    assert "takes no writes" in health(gateway)[1]["detail"]
    device = PythonDevice(line)
    message = device.seal(senml(value=1))
    assert post(gateway.port, message.data).status == 503
    own_server.psql("SET default_transaction_read_only = off; ALTER DATABASE %s RESET default_transaction_read_only" % name)
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
    assert post(gateway.port, message.data).status == 200


@pytest.mark.skipif("BULLA_RELEASE_BIN" not in os.environ, reason="BULLA_RELEASE_BIN names no build without sanitizers")
def test_from_behind_the_sandbox(away, own_server, make_gateway, monkeypatch):  # noqa: F811
    """By name, over TCP: whatever that takes was loaded before."""
    url, line = away
    monkeypatch.setattr(program, "BINARY", os.environ["BULLA_RELEASE_BIN"])
    own_server.start()
    own_server.psql("ALTER ROLE bulla PASSWORD 'geheim'")
    own_server.stop()
    gateway = make_gateway(db="postgres://bulla@localhost:%d/%s" % (own_server.port, url.split("/")[3].split("?")[0]),
                           env={"PGPASSWORD": "geheim"}).start()
    wait_away(gateway)
    assert not [each for each in gateway.hardening if "step=sandbox" in each], gateway.hardening
    own_server.start()
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
    send_until(PythonDevice(line), gateway, 1, collections.Counter())
