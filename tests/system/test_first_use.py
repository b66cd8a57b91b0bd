"""What goes wrong when somebody begins: each says what, names what it is about, and says what to do."""

import os
import shutil
import socket
import subprocess
import tempfile

import pytest

import program
from http_client import Connection
from mariadb import MariaDB
from ports import free_port
from postgres import Postgres
from program import wait_until
from python_device import senml

PORT = free_port()  # nobody listens there

# Arguments, and what standard error must have. There is a device kitchen in bulla.db, and its credential in k.credential.
SEND = ["send", "--timeout", "0", "--credential", "@k.credential", "a=1", "--to"]
WRONG = [
    (["readings", "--db", "none.db"], "cannot open the database ./none.db: No such file or directory; is the path right? --db or BULLA_DB "
                                      "says it; 'bulla serve' or 'bulla device add' makes a new one"),
    (["device", "list", "--db", "sqlite://none.db"], '"sqlite://none.db" may mean sqlite:none.db, in this folder, or sqlite:/none.db, from '
                                                     'the root: give one of these'),
    (["serve", "--db", "sqlite://none.db"], "give one of these"),
    (["device", "list", "--db", "influx://localhost/house"], "InfluxDB takes readings alone, as a sink (bulla serve --sink)"),
    (["device", "list", "--db", "influxs://localhost/house"], "as a sink"),
    (["device", "list", "--db", "postgre://localhost/x"], 'unknown kind of store "postgre:"; known are sqlite:, postgres:, mysql:'),
    (["device", "list", "--db", "postgres://u:sesame@localhost/x?sslmod=require"],
     "cannot be read: what stands behind its ? is no option of PostgreSQL's; it looks like postgres://"),
    (["device", "list", "--db", "postgres://localhost:%d/x" % PORT], "Connection refused; is the server running, and the URL right?"),
    (["device", "list", "--db", "mysql://127.0.0.1:%d/x" % PORT], "is the server running, and the URL right?"),
    (["device", "list", "--db", "mysql://localhost:%d/x" % PORT], "is the server running, and the URL right?"),
    (["device", "list", "--db", "mysql://localhost/x?socket=/nowhere/socket"],
     "through socket '/nowhere/socket': No such file or directory; is the server running, and the URL right?"),
    (["send", "--credential", "@none", "a=1", "--to", "http://localhost"],
     "cannot read none: No such file or directory"),
    ([*SEND, "http://127.0.0.1:%d" % PORT], "no answer from http://127.0.0.1:%d/d: " % PORT),
    (["device", "add", "shed", "--out", "none/shed"], "cannot make none/shed: No such file or directory; is the folder there and writable?"),
    (["device", "add", "shed", "--key", "folder"], "the master key folder is not a file; give the file that it is in"),
    (["serve", "--listen", "127.0.0.1:65536"], "'127.0.0.1:65536' is no address; give HOST:PORT, or [HOST]:PORT for IPv6, with a port up to"),
]


@pytest.fixture
def begun(bulla, tmp_path):
    bulla("device", "add", "kitchen", "--out", "k.credential")
    (tmp_path / "folder").mkdir()
    return bulla


def test_each_says_what_to_do(begun):
    for arguments, words in WRONG:
        done = begun.run(*arguments, status=None)
        assert done.returncode != 0 and words in done.stderr and done.stdout == "", (arguments, done.stderr)
        assert "sesame" not in done.stderr and "report it" not in done.stderr, done.stderr
        assert done.stderr.count("server running") <= 1, done.stderr
    assert begun("device", "list", "--format", "names") == "kitchen\n"


def test_help_names_every_kind_of_database(bulla):
    def words(*command):
        return " ".join(bulla(*command, "--help").split())

    assert "a file, or postgres://USER@HOST/NAME, mysql://USER@HOST/NAME" in words("device", "list")
    assert "influx://HOST/DATABASE, postgres://USER@HOST/NAME, mysql://USER@HOST/NAME or sqlite:FILE" in words("serve")


@pytest.mark.parametrize("command", [["readings"], ["readings", "--format", "csv"], ["events"], ["events", "--format", "jsonl"]])
def test_a_device_that_is_not_there(begun, gateway, command):
    """A name that is mistyped gives nothing: it says why. One that was removed has readings all the same."""
    said = begun.run(*command, "--device", "kitchn").stderr
    assert said == "bulla: kitchn: no device has this name, and nothing of one is here; 'bulla device list' shows them\n"
    assert begun.run(*command, "--device", "kitchen").stderr == begun.run(*command).stderr == ""


def test_a_device_that_was_removed(bulla, gateway, make_device):
    with Connection(gateway.port) as connection:
        make_device("shed").send(connection, senml(a=1))
    bulla("device", "remove", "shed")
    for command in ("readings", "events"):
        done = bulla.run(command, "--device", "shed")
        assert done.stderr == "" and "shed" in done.stdout


def test_databases_that_are_not_on_the_server(bulla):
    for kind, words in ((Postgres, "createdb makes a new one"), (MariaDB, "CREATE DATABASE makes a new one")):
        server = kind().start()
        try:
            said = bulla.run("device", "list", "--db", server.url("house"), status=1).stderr
            assert "is its name right? On the server, " + words in said and "password" not in said, said
        finally:
            server.remove()


def test_a_full_disk(begun, tmp_path):
    """Commands that only read need room, too, where no gateway runs: for what they share."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True).returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    try:
        shutil.copy(tmp_path / "bulla.db", small)
        shutil.copy(tmp_path / "bulla.key", small)
        with open(small / "filling", "wb") as filling, pytest.raises(OSError):
            filling.write(bytes(2 << 20))
            filling.flush()
        for command in (["readings"], ["device", "add", "shed"], ["serve", "--listen", "127.0.0.1:0", "--admin", "off"]):
            said = begun.run(*command, "--db", small / "bulla.db", status=1).stderr
            assert "make room on the disk (%s/bulla.db)" % small in said, said
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_users_database():
    """As after the package was installed: the registry is its user's."""
    with tempfile.TemporaryDirectory(prefix="bulla-") as folder:  # pytest's own are closed to others
        os.chmod(folder, 0o755)
        program.Commands(folder).add("kitchen")
        done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program.BINARY, "device", "list"],
                              cwd=folder, capture_output=True, text=True, timeout=60, env=program.environment({"BULLA_DB": "bulla.db"}))
    assert done.returncode == 1
    assert "Permission denied; the database belongs to user 0: run this as that user, with sudo -u '#0'\n" in done.stderr


def test_tls_to_a_broker_without(begun, make_gateway, make_mosquitto):
    broker = make_mosquitto().start()
    gateway = make_gateway("--mqtt", broker.url.replace("mqtt:", "mqtts:")).start()
    wait_until(lambda: "state=away" in gateway.text(), 15)
    assert "TLS: the broker closed the connection; does it speak TLS on this port?" in gateway.text()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = "mqtts://127.0.0.1:%d" % listener.getsockname()[1]
        process = subprocess.Popen([program.BINARY, *SEND, url], cwd=begun.folder, stderr=subprocess.PIPE, text=True,
                                   env=program.environment())
        listener.accept()[0].close()
        assert "does it speak TLS on this port?" in process.communicate(timeout=30)[1]


def test_a_broker_that_refuses(begun, make_mosquitto):
    broker = make_mosquitto(users={"gateway": "secret"}).start()
    said = begun.run(*SEND, broker.url, status=1).stderr
    assert "this user is not authorised" in said and "it is there, and says no" in said and "is the broker running" not in said
