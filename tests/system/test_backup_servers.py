"""Backups of a registry on a server, while gateways serve, and their way back: the same files, the same words."""

import os
import re
import signal
import sqlite3
import subprocess
import threading

import pytest

import program
import rich_registry
from http_client import Connection
from program import BINARY, environment, wait_until
from python_device import PythonDevice, senml
from test_backup import check, load, other_key, values
from test_migrate import Databases, maria, rows_of, server  # noqa: F401


@pytest.fixture
def databases(tmp_path, server, maria):  # noqa: F811
    return Databases(tmp_path, server, maria)


@pytest.fixture(params=["postgres", "mysql"])
def bulla(request, tmp_path, databases):
    """Commands on a registry that is on a server."""
    (tmp_path / "temporary").mkdir()
    return program.Commands(tmp_path, databases.new(request.param),
                            {"BULLA_KEY": str(tmp_path / "bulla.key"), "TMPDIR": str(tmp_path / "temporary")})


@pytest.fixture
def start(bulla, make_gateway):
    return lambda: make_gateway(db=bulla.db, env=bulla.env).start()


def test_what_was_acknowledged_is_in_it(bulla, start, tmp_path):
    gateway = start()
    lines = [bulla.add("device%d" % i) for i in range(3)]
    stop = threading.Event()
    acknowledged = [[] for _ in lines]
    threads = [threading.Thread(target=load, args=(line, gateway.port, acknowledged[i], stop, i * 1000000)) for i, line in enumerate(lines)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: all(acknowledged), what="a reading of each")
        for number in range(3):
            before = {value for list_ in acknowledged for value in list(list_)}
            assert "does not contain the master key" in bulla("backup", "backup%d.db" % number)
            copy = tmp_path / ("backup%d.db" % number)
            assert copy.stat().st_mode & 0o777 == 0o600
            assert check(copy) == 3
            assert before <= values(copy)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sum(map(len, acknowledged)) > len(before)
    db = sqlite3.connect(copy)
    assert db.execute("SELECT count(*) FROM contexts WHERE proven").fetchone() == (0,)
    db.close()
    assert sorted(path.name for path in tmp_path.glob("backup2*")) == ["backup2.db"]
    # It is a database as any other: commands can look into it.
    assert len(bulla.readings("--db", "backup2.db", "-n", "all")) >= len(before)


def test_refusals(bulla, start, tmp_path):
    bulla.add("kitchen")
    (tmp_path / "there").write_text("mine")
    assert "--force" in bulla.run("backup", "there", status=1).stderr
    assert "folder" in bulla.run("backup", "nowhere/x", status=1).stderr
    assert "not the one" in bulla.run("backup", "x", "--key", other_key(tmp_path), status=1).stderr
    assert not (tmp_path / "x").exists()
    bulla("backup", "there", "--force")
    gateway = start()
    assert "in use" in bulla.run("restore", "there", "--yes", status=1).stderr
    gateway.stop()
    assert "not the one" in bulla.run("restore", "there", "--yes", "--key", other_key(tmp_path), status=1).stderr
    (tmp_path / "junk").write_bytes(os.urandom(5000))
    assert "no database" in bulla.run("restore", "junk", "--yes", status=1).stderr
    assert "--yes" in bulla.run("restore", "there", status=1, stdin=subprocess.DEVNULL).stderr
    assert bulla("device", "list").count("\n") == 2


@pytest.mark.parametrize("discard", [True, False])
def test_restore_and_go_on(bulla, start, tmp_path, discard):
    kitchen = PythonDevice(bulla.add("kitchen"))
    shed = PythonDevice(bulla.add("shed", "--counter"))
    bulla.add("old")
    gateway = start()
    with Connection(gateway.port) as connection:
        recorded = [kitchen.send(connection, senml(n=1)), shed.send(connection, senml(n=2))]
        bulla("backup", "backup.db")
        recorded += [kitchen.send(connection, senml(n=3)), shed.send(connection, senml(n=4))]
    bulla("device", "revoke", "shed")
    bulla("device", "remove", "old")
    bulla.add("new")
    gateway.stop()
    said = bulla("restore", "backup.db", "--yes", *(["--discard"] if discard else []))
    for what, name in (("revoked", "shed"), ("removed", "old"), ("added", "new")):
        assert re.search(r"%s since.*\n.*\n  %s\n" % (what, name), said), said
    kept = re.search(r"kept as (\S+),", said)
    assert (kept is None) == discard
    if kept:
        with sqlite3.connect(tmp_path / kept[1]) as db:  # nor does it know the key of what took its place
            assert db.execute("SELECT count(*) FROM meta WHERE name = 'challenge'").fetchone() == (0,)
        db.close()
        assert values(tmp_path / kept[1]) == {1, 2, 3, 4}
    assert {row["value"] for row in bulla.readings()} == {1, 2}
    gateway = start()
    with Connection(gateway.port) as connection:
        for message in recorded[2:]:
            assert connection.post(message.data).status == 401
        for message in recorded[:2]:
            assert connection.post(message.data).status in (200, 401)
        kitchen.send(connection, senml(n=5))
    assert sorted(row["value"] for row in bulla.readings()) == [1, 2, 5]
    gateway.stop()
    assert os.listdir(tmp_path / "temporary") == []


def test_a_backup_goes_back_anywhere(bulla, databases, tmp_path):
    """From a file into a server, from there into another one, and back into a file: with everything in it."""
    source = program.Commands(tmp_path, "rich.db", bulla.env)
    rich_registry.make(source, points=2000)
    source("backup", "first.db")
    bulla("restore", "first.db", "--yes")
    bulla("backup", "second.db")
    other = program.Commands(tmp_path, databases.new("postgres"), bulla.env)
    other("restore", "second.db", "--yes")
    other("backup", "third.db")
    last = program.Commands(tmp_path, "last.db", bulla.env)
    last("restore", "third.db", "--yes")
    before, after = rows_of(tmp_path / "first.db"), rows_of(tmp_path / "last.db")
    for table in before:
        if table != "sqlite_sequence":
            assert after[table] == before[table], table


def test_killed_at_any_moment(bulla, databases, rng, tmp_path):
    """The old or the new is there, whole."""
    source = program.Commands(tmp_path, "rich.db", bulla.env)
    rich_registry.make(source, points=5000)
    source("backup", "rich-backup.db")
    bulla.add("kitchen")
    bulla("backup", "small.db")
    seen = set()
    for _ in range(5):
        command = [BINARY, "restore", "rich-backup.db", "--yes", "--discard"]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   env=environment({"BULLA_DB": bulla.db, **bulla.env}))
        try:
            process.wait(rng.uniform(0, 3))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        devices = wait_until(lambda: bulla.run("device", "list", "--format", "names", status=None).stdout.split("\n"))
        seen.add(len(devices))
        assert devices == ["kitchen", ""] or (len(devices) == 6 and len(bulla.readings("-n", "all")) > 5000), devices
        if len(devices) == 6:
            bulla("restore", "small.db", "--yes", "--discard")


def is_scratch(path):
    return re.fullmatch(r"bulla-restore\.[A-Za-z0-9]{6}", path.name) is not None


@pytest.fixture
def begin(bulla, tmp_path):
    """Begins a restore; the process, and its folder for what is temporary, once there is something in it."""
    made = []

    def start(registry, number):
        before = set((tmp_path / "temporary").iterdir())
        process = subprocess.Popen([BINARY, "restore", "rich-backup.db", "--yes", "--discard"], cwd=tmp_path, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=environment({"BULLA_DB": registry, **bulla.env}))
        made.append(process)
        try:
            while not any(any(path.iterdir()) for path in set((tmp_path / "temporary").iterdir()) - before):
                assert process.poll() is None
        finally:
            process.send_signal(number)
        (mine,) = set((tmp_path / "temporary").iterdir()) - before
        assert is_scratch(mine) and mine.stat().st_mode & 0o777 == 0o700
        return process, mine

    yield start
    for process in made:
        process.kill()
        process.communicate()


def test_what_a_killed_one_leaves(bulla, begin, databases, tmp_path):
    """The next one removes it; but not what another one uses that runs meanwhile, nor what is not of its making."""
    temporary = tmp_path / "temporary"
    source = program.Commands(tmp_path, "rich.db", bulla.env)
    rich_registry.make(source, points=3000)
    source("backup", "rich-backup.db")
    killed, left = begin(bulla.db, signal.SIGKILL)
    killed.wait(20)
    assert any(left.iterdir())
    stopped, used = begin(databases.new("postgres"), signal.SIGSTOP)
    assert not left.exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("mine")
    (temporary / "bulla-restore.aaaaaa").symlink_to(tmp_path / "mine")
    for name in ("bulla-restore.open01", "bulla-restore.longername", "bulla-restore", "other.aaaaaa"):
        (temporary / name).mkdir()
    for name in ("bulla-restore.longername", "bulla-restore", "other.aaaaaa"):
        (temporary / name).chmod(0o700)
    kept = set(temporary.iterdir())
    held = sorted(path.name for path in used.iterdir())
    wait_until(lambda: bulla.run("restore", "rich-backup.db", "--yes", "--discard", status=None).returncode == 0, what="a restore")
    assert set(temporary.iterdir()) == kept and sorted(path.name for path in used.iterdir()) == held
    assert (tmp_path / "mine/file").read_text() == "mine"
    stopped.send_signal(signal.SIGCONT)
    said, error = stopped.communicate(timeout=60)
    assert stopped.returncode == 0 and "in place of the database" in said, error
    assert set(temporary.iterdir()) == kept - {used}


def test_nowhere_for_what_is_temporary(bulla, tmp_path):
    bulla.add("kitchen")
    bulla("backup", "backup.db")
    bulla.env["TMPDIR"] = str(tmp_path / "none")
    said = bulla.run("restore", "backup.db", "--yes", status=1).stderr
    assert "in %s: No such file or directory; TMPDIR names another place" % (tmp_path / "none") in said
