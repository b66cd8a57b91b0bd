"""TLS and passwords on the way to PostgreSQL: who is believed, and that nothing secret is told anywhere."""

import collections
import os
import signal
from pathlib import Path

import pytest

import program
from http_client import get
from mosquitto import Certificates
from postgres import Postgres
from program import wait_until
from python_device import PythonDevice
from test_postgres import new_database, send_until

PASSWORD = "g3heim-Passwort"
WRONG = "f4lsch-Passwort"

RULES = """
local all bulla trust
hostssl all certified 127.0.0.1/32 cert
hostssl all all 127.0.0.1/32 scram-sha-256
"""


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("tls"), name="certified")


@pytest.fixture(scope="module")
def server(tls):
    server = Postgres(ssl="on")
    for name, source in (("server.crt", tls.server), ("server.key", tls.server_key), ("ca.crt", tls.ca)):
        target = server.data / name
        target.write_bytes(Path(source).read_bytes())
        target.chmod(0o600)
        status = server.data.stat()
        os.chown(target, status.st_uid, status.st_gid)
    server.settings["ssl_ca_file"] = "ca.crt"
    (server.data / "pg_hba.conf").write_text(RULES)
    server.start()
    for role in ("worded", "certified"):
        server.psql("CREATE ROLE %s LOGIN SUPERUSER PASSWORD '%s'" % (role, PASSWORD))
    yield server
    server.remove()


class Place:
    """A database on the server, and how a gateway gets there."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        self.name = new_database(server)
        self.gateways = []
        self.env = {"BULLA_KEY": str(folder / "bulla.key"), "HOME": str(folder)}

    def url(self, user, host="localhost", **options):
        return "postgres://%s@%s:%d/%s?%s" % (user, host, self.server.port, self.name,
                                              "&".join("%s=%s" % each for each in options.items()))

    def serve(self, url, **env):
        gateway = program.Gateway(self.folder, db=url, env={**self.env, **env}).start(wait=False)
        self.gateways.append(gateway)
        return gateway

    def serves(self, url, **env):
        """It gets there: with TLS, and a reading is stored."""
        for gateway in self.gateways:
            gateway.end()
        gateway = self.serve(url, **env)
        gateway.wait_ready()
        wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="the database")
        line = program.Commands(self.folder, self.server.url(self.name), self.env).add("d%d" % len(self.gateways), "--counter")
        send_until(PythonDevice(line), gateway, 1, collections.Counter())
        assert self.server.psql("SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)"
                                " WHERE a.datname = '%s' AND s.ssl AND a.application_name = 'bulla'" % self.name) == "1"
        return gateway

    def refused(self, url, text, **env):
        """It is no absence: the gateway ends, and says why."""
        gateway = self.serve(url, **env)
        assert gateway.wait() == 1
        assert text in gateway.text() and "devices on" not in gateway.text(), gateway.text()
        return gateway


@pytest.fixture
def place(server, tmp_path):
    place = Place(server, tmp_path)
    yield place
    for gateway in place.gateways:
        gateway.end()


@pytest.fixture
def passwords(place):
    """The file of passwords, as PGPASSFILE names it."""
    path = place.folder / "passwords"
    path.write_text("localhost:%d:%s:worded:%s\n" % (place.server.port, place.name, PASSWORD))
    path.chmod(0o600)
    return str(path)


def test_verified_by_name(place, tls, passwords):
    place.serves(place.url("worded", sslmode="verify-full", sslrootcert=tls.ca), PGPASSFILE=passwords)
    place.serves(place.url("worded", sslmode="verify-full"), PGPASSFILE=passwords, PGSSLROOTCERT=str(tls.ca))


def test_another_authority(place, tmp_path, passwords):
    other = Certificates(tmp_path / "other")
    place.refused(place.url("worded", sslmode="verify-full", sslrootcert=other.ca), "certificate verify failed", PGPASSFILE=passwords)
    place.refused(place.url("worded", sslmode="verify-full", sslrootcert=tmp_path / "none"), "root certificate file",
                  PGPASSFILE=passwords)


def test_another_name(place, tls, tmp_path):
    """The certificate is for localhost and 127.0.0.1; the same server by another name."""
    url = place.url("worded", host="db.example", hostaddr="127.0.0.1", sslmode="verify-full", sslrootcert=tls.ca)
    place.refused(url, "does not match host name", PGPASSWORD=PASSWORD)


def test_a_client_certificate(place, tls):
    url = place.url("certified", sslmode="verify-full", sslrootcert=tls.ca, sslcert=tls.client, sslkey=tls.client_key)
    place.serves(url)
    place.refused(place.url("certified", sslmode="verify-full", sslrootcert=tls.ca), "certificate")
    place.refused(url.replace("certified@", "worded@"), "no password supplied")


def test_without_tls(place, passwords):
    """The server wants it."""
    place.refused(place.url("worded", sslmode="disable"), "no pg_hba.conf entry", PGPASSFILE=passwords)


def test_a_service_file(place, tls):
    path = place.folder / "services"
    path.write_text("[readings]\nhost=localhost\nport=%d\ndbname=%s\nuser=worded\npassword=%s\nsslmode=verify-full\nsslrootcert=%s\n" % (
        place.server.port, place.name, PASSWORD, tls.ca))
    path.chmod(0o600)
    place.serves("postgres://?service=readings", PGSERVICEFILE=str(path))


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().decode(errors="replace")
        except OSError:
            continue


def test_nothing_secret_is_told(place, tls, passwords):
    """Not while it works, nor when the password is wrong or the server gone; neither by commands."""
    url = place.url("worded", sslmode="verify-full", sslrootcert=tls.ca)
    said = []
    gateway = place.serves(url, PGPASSFILE=passwords)
    gateway.process.send_signal(signal.SIGHUP)
    said += [get(gateway.admin_port, path).raw.decode() for path in ("/", "/healthz", "/metrics")]
    said += command_lines()
    place.server.psql("ALTER ROLE worded PASSWORD 'another'")
    place.server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bulla'")
    try:
        wait_until(lambda: get(gateway.admin_port, "/healthz").status == 503, what="trouble")
        wait_until(lambda: "authentication failed" in get(gateway.admin_port, "/healthz").raw.decode(), what="its reason")
        said += [get(gateway.admin_port, path).raw.decode() for path in ("/healthz", "/metrics")]
        commands = program.Commands(place.folder, url, {**place.env, "PGPASSFILE": passwords})
        for arguments in (("check",), ("device", "list"), ("readings",), ("serve", "--print-config")):
            done = commands.run(*arguments, status=None)
            said += [done.stdout, done.stderr]
    finally:
        place.server.psql("ALTER ROLE worded PASSWORD '%s'" % PASSWORD)
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
    for spelling in (url.replace("worded@", "worded:%s@" % WRONG), url + "&password=" + WRONG,
                     url + "&sslpassword=%s&password=%s" % (WRONG, WRONG),
                     "postgres:host=localhost port=%d dbname=%s user=worded password='%s'" % (place.server.port, place.name, WRONG)):
        wrong = program.Commands(place.folder, spelling, place.env)
        for arguments in (("check",), ("device", "list"), ("serve", "--print-config")):
            done = wrong.run(*arguments, status=None)
            said += [done.stdout, done.stderr]
        said.append(place.refused(spelling, "password authentication failed").text())
    said.append(gateway.text())
    for text in said:
        assert PASSWORD not in text and WRONG not in text, text


@pytest.mark.skipif("BULLA_RELEASE_BIN" not in os.environ, reason="BULLA_RELEASE_BIN names no build without sanitizers")
def test_from_behind_the_sandbox(place, tls, passwords, monkeypatch):
    monkeypatch.setattr(program, "BINARY", os.environ["BULLA_RELEASE_BIN"])
    gateway = place.serves(place.url("certified", sslmode="verify-full", sslrootcert=tls.ca, sslcert=tls.client,
                                     sslkey=tls.client_key))
    assert not [each for each in gateway.hardening if "step=sandbox" in each], gateway.hardening
    place.serves(place.url("worded", sslmode="verify-full", sslrootcert=tls.ca), PGPASSFILE=passwords)
