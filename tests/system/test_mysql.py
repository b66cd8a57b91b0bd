"""
The gateway on a real MariaDB: the tests of test_postgres.py and test_kill.py once more, and what is its own. MySQL itself was
not there to be tested: its stand-in is a MariaDB that says that it is MySQL 8.0, with defaults like its.
"""

import collections
import os
import pwd
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

import program
from http_client import get, health, post
from mariadb import MariaDB
from mosquitto import Certificates
from program import wait_until
from python_device import PythonDevice, senml
from test_kill import test_kill_under_load  # noqa: F401 (collected here too, on the fixtures below)
from test_postgres import (bulla, crypto_js, database, env, kills, make_gateway, name_of, new_database,  # noqa: F401 (fixtures, and tests)
                           own_server, send_until, shed, test_a_key_must_be_given, test_an_older_wire,
                           test_both_gateways_at_once, test_connections_that_are_ended, test_every_command, test_many_gateways,
                           test_operators_are_heard_everywhere, test_read_only, test_the_server_goes_and_comes_back)
from test_postgres_trouble import Load, check_silence, fill, make_devices, need, run

PASSWORD = "g3heim-Passwort"
ROOM = 224 << 20  # bytes of the small disk: a server's data alone takes some 100 MiB


@pytest.fixture(scope="module")
def server():
    """One for all tests that leave it as it is."""
    server = MariaDB().start()
    yield server
    server.remove()


# ---- who is let in ----


@pytest.fixture
def user(server, database):  # noqa: F811
    """Of the database alone, with a password and over TCP: the name of both."""
    name = name_of(database)
    server.make_user(name, PASSWORD, database=name)
    return name


def test_passwords(server, user, tmp_path, env):  # noqa: F811
    """From the environment or an option file; a wrong one is refused at once, and none is told."""
    url = server.tcp_url(user, user)
    program.Commands(tmp_path, url, {**env, "BULLA_MYSQL_PASSWORD": PASSWORD}).add("a")
    options = tmp_path / "options.cnf"
    options.write_text("[client]\npassword=another\n[bulla]\nuser=%s\npassword=%s\nport=%d\n" % (user, PASSWORD, server.port))
    options.chmod(0o600)
    from_file = program.Commands(tmp_path, "mysql://127.0.0.1/%s?option-file=%s" % (user, options), env)
    assert from_file("device", "list", "--format", "names").split() == ["a"]
    wrong = program.Commands(tmp_path, server.tcp_url(user, user, "gehe1m"), env)
    refused = wrong.run("device", "list", status=1)
    assert "Access denied" in refused.stderr and "gehe1m" not in refused.stderr
    gateway = program.Gateway(tmp_path, db=wrong.db, env=env).start(wait=False)
    assert gateway.wait() == 1
    assert "gehe1m" not in gateway.text() and "BULLA_MYSQL_PASSWORD" in gateway.text()
    shown = wrong("serve", "--print-config", "--db", wrong.db)
    assert "gehe1m" not in shown and "***" in shown


def test_a_database_that_is_not_there(server, tmp_path, env):  # noqa: F811
    nowhere = program.Commands(tmp_path, server.url("t_nowhere"), env)
    assert re.search("Unknown database|check the URL", nowhere.run("device", "add", "x", status=1).stderr)


def test_a_newer_schema(server, bulla):  # noqa: F811
    bulla.add("a")
    server.sql("UPDATE bulla_schema SET version = 4711", name_of(bulla.db))
    refused = bulla.run("device", "list", status=1)
    assert "newer bulla" in refused.stderr and "4711" in refused.stderr


def test_rights_of_every_day(server, bulla, user, tmp_path, env):  # noqa: F811
    """Once the tables are made, a gateway needs neither to make nor to change any."""
    line = bulla.add("a", "--counter")
    server.sql("REVOKE ALL ON %s.* FROM '%s'@'%%'; GRANT SELECT, INSERT, UPDATE, DELETE ON %s.* TO '%s'@'%%'" % (user, user, user, user), "")
    gateway = program.Gateway(tmp_path, db=server.tcp_url(user, user), env={**env, "BULLA_MYSQL_PASSWORD": PASSWORD}).start()
    try:
        send_until(PythonDevice(line), gateway, 1, collections.Counter())
    finally:
        gateway.end()
    assert [row["value"] for row in bulla.readings()] == [1]


# ---- TLS ----


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("tls"), name="certified")


@pytest.fixture(scope="module")
def tls_server(tls):
    server = MariaDB(innodb_flush_log_at_trx_commit=0, bind_address="127.0.0.1,127.0.0.2")  # noqa: F811
    for name, source in (("ssl_cert", tls.server), ("ssl_key", tls.server_key), ("ssl_ca", tls.ca)):
        target = server.folder / name
        shutil.copy(source, target)
        status = server.folder.stat()
        os.chown(target, status.st_uid, status.st_gid)
        server.settings[name] = target
    server.start()
    server.make_database("bulla")
    server.make_user("worded", PASSWORD)
    server.make_user("certified", "")
    server.sql("ALTER USER 'worded'@'%' REQUIRE SSL; ALTER USER 'certified'@'%' REQUIRE X509", "")
    yield server
    server.remove()


def test_tls(tls, tls_server, tmp_path, env):
    """Whom a connection is made with, as the URL wants it; every other one is refused, and a file is not read by the server."""
    other = Certificates(tmp_path / "other")
    env = {**env, "BULLA_MYSQL_PASSWORD": PASSWORD}

    def commands(options, host="127.0.0.1", user="worded"):
        return program.Commands(tmp_path, "mysql://%s@%s:%d/bulla%s" % (user, host, tls_server.port, options), env)

    def list_devices(*arguments, **options):
        return commands(*arguments, **options)("device", "list", "--format", "names").split()

    def refused(*arguments, **options):
        return commands(*arguments, **options).run("device", "list", status=1).stderr

    verified = "?ssl-mode=verify_identity&ssl-ca=%s" % tls.ca
    commands(verified).add("a")
    for options in ("?ssl-ca=%s" % tls.ca, "?ssl-mode=VERIFY_CA&ssl-ca=%s" % tls.ca, "?ssl-mode=required"):
        assert list_devices(options) == ["a"]
    assert list_devices(verified, host="localhost") == ["a"]
    check = commands(verified).run("check", status=None)
    assert re.search(r"ok +transport +TLS", check.stdout), check.stdout
    for options in ("?ssl-mode=verify_identity&ssl-ca=%s" % other.ca, "?ssl-mode=verify_ca&ssl-ca=%s" % other.ca,
                    "?ssl-ca=%s" % (tmp_path / "none")):
        assert re.search("certificate|TLS|SSL", refused(options))
    assert list_devices("?ssl-mode=verify_ca&ssl-ca=%s" % tls.ca, host="127.0.0.2") == ["a"]
    assert re.search("certificate|TLS|SSL", refused(verified, host="127.0.0.2")), "it is not for that address"
    assert "Access denied" in refused("?ssl-mode=disabled")
    del env["BULLA_MYSQL_PASSWORD"]
    certified = verified + "&ssl-cert=%s&ssl-key=%s" % (tls.client, tls.client_key)
    assert list_devices(certified, user="certified") == ["a"]
    assert "Access denied" in refused(verified, user="certified")


def test_a_server_without_tls(server, user, tmp_path, env):  # noqa: F811
    commands = program.Commands(tmp_path, server.tcp_url(user, user, options="?ssl-mode=required"),
                                {**env, "BULLA_MYSQL_PASSWORD": PASSWORD})
    assert re.search("TLS|SSL|encrypted", commands.run("device", "add", "a", status=1).stderr)


# ---- trouble ----


def test_away_at_the_start(own_server, tmp_path, env, make_gateway):  # noqa: F811
    url = own_server.url(new_database(own_server))
    bulla = program.Commands(tmp_path, url, env)  # noqa: F811
    device = PythonDevice(bulla.add("a", "--counter"))
    own_server.stop()
    gateway = make_gateway(db=url).start()
    message = device.seal(senml(value=1))
    assert post(gateway.port, message.data).status == 503
    wait_until(lambda: "event=store-away" in gateway.text(), what="a line of the log")
    status, told = health(gateway)
    assert status == 503 and "mysql" in told["detail"]
    own_server.start()
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
    assert post(gateway.port, message.data).status == 200
    assert [row["value"] for row in bulla.readings()] == [1]


def test_no_writes_at_the_start(own_server, tmp_path, env, make_gateway):  # noqa: F811
    """A replica, or a server that an operator has stopped: the gateway waits, and says why."""
    url = own_server.url(new_database(own_server))
    bulla = program.Commands(tmp_path, url, env)  # noqa: F811
    device = PythonDevice(bulla.add("a", "--counter"))
    own_server.stop_writing(name_of(url), True)
    try:
        gateway = make_gateway(db=url).start()
        wait_until(lambda: "event=store-away" in gateway.text(), what="a line of the log")
        assert "takes no writes" in health(gateway)[1]["detail"]
    finally:
        own_server.stop_writing(name_of(url), False)
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
    send_until(device, gateway, 1, collections.Counter())


def test_restarts_under_load(own_server, tmp_path, env, make_gateway):  # noqa: F811
    """The server is stopped, killed and started again under load: each reading is there once."""
    url = own_server.url(new_database(own_server))
    bulla = program.Commands(tmp_path, url, env)  # noqa: F811
    gateway_lines = make_devices(bulla)
    gateway = make_gateway("--log-level", "error", db=url).start()
    load = Load(gateway, gateway_lines)
    try:
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
            before = list(load.sent)
            wait_until(lambda: min(now - then for now, then in zip(load.sent, before)) > 3, 30, "readings")
            own_server.stop(number)
            own_server.start()
        before = list(load.sent)
        wait_until(lambda: min(now - then for now, then in zip(load.sent, before)) > 3, 30, "readings afterwards")
    finally:
        load.stop()
    load.check(bulla)


def test_a_paused_server(server, bulla, make_gateway):  # noqa: F811
    lines = make_devices(bulla)
    gateway = make_gateway("--log-level", "error").start()
    load = Load(gateway, lines)
    try:
        check_silence(gateway, load, lambda: os.kill(server.process.pid, signal.SIGSTOP),
                      lambda: os.kill(server.process.pid, signal.SIGCONT), "mysql")
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
        load.stop()
    load.check(bulla)


@pytest.fixture
def small_server():
    """All of a server's data on a disk of ROOM bytes."""
    folder = Path(tempfile.mkdtemp(prefix="bulla-small-", dir="/tmp"))
    server = None  # noqa: F811
    try:
        need("mount", "-t", "tmpfs", "-o", "size=%d,mode=0755" % ROOM, "tmpfs", folder)
        place = folder / "server"
        place.mkdir()
        os.chown(place, pwd.getpwnam("mysql").pw_uid, -1)
        server = MariaDB(folder=place, innodb_flush_log_at_trx_commit=1)
        server.start()
        server.make_database()
        yield server, folder
    finally:
        if server is not None:
            server.remove()
        run("umount", folder)
        folder.rmdir()


def test_a_full_disk(small_server, tmp_path, env, make_gateway):  # noqa: F811
    """It runs full under load; as soon as there is room it goes on, without anybody doing anything else."""
    server, folder = small_server  # noqa: F811
    url = server.url()
    bulla = program.Commands(tmp_path, url, env)  # noqa: F811
    lines = make_devices(bulla)
    gateway = make_gateway("--log-level", "error", db=url).start()
    load = Load(gateway, lines)
    try:
        wait_until(lambda: min(load.sent) > 3, what="readings before")
        fill(folder, 64 << 10)
        wait_until(lambda: load.refusals() > 20, 90, "the disk to be full")
        status, told = health(gateway)
        assert status == 503 and "disk" in told["detail"] and "mysql" in told["detail"], told
        before = list(load.sent)
        time.sleep(0.5)
        assert load.sent == before
        (folder / "filler").unlink()
        begun = time.monotonic()
        wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
        wait_until(lambda: min(now - then for now, then in zip(load.sent, before)) > 3, what="readings afterwards")
        print("went on after %.1f s" % (time.monotonic() - begun))
    finally:
        (folder / "filler").unlink(missing_ok=True)
        load.stop()
    load.check(bulla)
    gateway.stop()


@pytest.mark.skipif("BULLA_RELEASE_BIN" not in os.environ, reason="BULLA_RELEASE_BIN names no build without sanitizers")
def test_the_sandbox_lets_it_connect(own_server, tmp_path, env, make_gateway, monkeypatch):  # noqa: F811
    """By name and over TCP, from behind the filter of system calls, where no code can be loaded any more: the ways to log in are there."""
    name = new_database(own_server)
    own_server.sql("INSTALL SONAME 'auth_ed25519'; CREATE USER '%s'@'%%' IDENTIFIED VIA ed25519 USING PASSWORD('%s');"
                   " GRANT ALL ON %s.* TO '%s'@'%%'" % (name, PASSWORD, name, name), "")
    device = PythonDevice(program.Commands(tmp_path, own_server.url(name), env).add("a", "--counter"))
    own_server.stop()
    monkeypatch.setattr(program, "BINARY", os.environ["BULLA_RELEASE_BIN"])
    gateway = make_gateway(db="mysql://%s@localhost:%d/%s" % (name, own_server.port, name), env={"BULLA_MYSQL_PASSWORD": PASSWORD}).start()
    assert not [line for line in gateway.hardening if "step=sandbox" in line], gateway.hardening
    message = device.seal(senml(value=1))
    assert post(gateway.port, message.data).status == 503
    own_server.start()
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
    assert post(gateway.port, message.data).status == 200
