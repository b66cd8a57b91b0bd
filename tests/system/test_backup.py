"""Backups of a database that is served from, and their way back: by the real program, killed at every step."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from http_client import Connection
from program import BINARY, SANITIZER, environment, wait_until
from python_device import PythonDevice, senml
from test_store_faults import fault_library, sanitizer_libraries  # noqa: F401


def check(path):
    with sqlite3.connect("file:%s?mode=ro&immutable=1" % path, uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return db.execute("SELECT count(*) FROM devices").fetchone()[0]


def values(path):
    with sqlite3.connect("file:%s?mode=ro&immutable=1" % path, uri=True) as db:
        return {row[0] for row in db.execute("SELECT value FROM readings")}


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# ---- backup ----


def load(line, port, acknowledged, stop, first):
    """Sends readings one after another until told to stop; notes the value of each that is acknowledged."""
    device = PythonDevice(line)
    with Connection(port) as connection:
        value = first
        while not stop.is_set():
            device.send(connection, senml(n=value))
            acknowledged.append(value)
            value += 1


def test_what_was_acknowledged_is_in_it(bulla, gateway, tmp_path):
    lines = [bulla.add("device%d" % i) for i in range(4)]
    stop = threading.Event()
    acknowledged = [[] for _ in lines]
    threads = [
        threading.Thread(target=load, args=(line, gateway.port, acknowledged[i], stop, i * 1000000))
        for i, line in enumerate(lines)
    ]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: all(acknowledged), what="a reading of each")
        for number in range(3):
            before = {value for values_ in acknowledged for value in list(values_)}
            said = bulla("backup", "backup%d.db" % number)
            assert "does not contain the master key" in said
            copy = tmp_path / ("backup%d.db" % number)
            assert copy.stat().st_mode & 0o777 == 0o600
            assert check(copy) == 4
            assert before <= values(copy)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    after = {value for values_ in acknowledged for value in values_}
    assert len(after) > len(before)  # the gateway went on meanwhile
    with sqlite3.connect(copy) as db:
        assert db.execute("SELECT count(*) FROM contexts WHERE proven").fetchone()[0] == 0
        key = db.execute("SELECT value FROM meta WHERE name = 'challenge'").fetchone()[0]
    with sqlite3.connect(tmp_path / "bulla.db") as db:
        assert db.execute("SELECT count(*) FROM contexts WHERE proven").fetchone()[0] == 4
        assert db.execute("SELECT value FROM meta WHERE name = 'challenge'").fetchone()[0] != key


def test_refusals_of_a_backup(bulla, tmp_path):
    bulla.add("kitchen")
    (tmp_path / "there").write_text("mine")
    assert "--force" in bulla.run("backup", "there", status=1).stderr
    assert (tmp_path / "there").read_text() == "mine"
    for name in ("bulla.db", "bulla.db-lock", "./bulla.db"):
        assert "database itself" in bulla.run("backup", name, "--force", status=1).stderr
    os.link(tmp_path / "bulla.db", tmp_path / "link")
    assert "database itself" in bulla.run("backup", "link", "--force", status=1).stderr
    (tmp_path / "link").unlink()
    assert "folder" in bulla.run("backup", "nowhere/x", status=1).stderr
    assert "not a file" in bulla.run("backup", ".", "--force", status=1).stderr
    assert "not the one" in bulla.run("backup", "x", "--key", other_key(tmp_path), status=1).stderr
    assert not (tmp_path / "x").exists()
    bulla("backup", "there", "--force")
    assert check(tmp_path / "there") == 1
    assert sorted(path.name for path in tmp_path.glob("there*")) == ["there"]


def other_key(tmp_path):
    path = tmp_path / "other.key"
    path.write_text("ab" * 32 + "\n")
    path.chmod(0o600)
    return path


# ---- restore ----


def test_restore_and_go_on(bulla, make_gateway, tmp_path):
    kitchen = PythonDevice(bulla.add("kitchen"))
    shed = PythonDevice(bulla.add("shed", "--counter"))
    gateway = make_gateway().start()
    with Connection(gateway.port) as connection:
        recorded = [kitchen.send(connection, senml(n=1)), shed.send(connection, senml(n=2))]
        bulla("backup", "backup.db")
        recorded += [kitchen.send(connection, senml(n=3)), shed.send(connection, senml(n=4))]
    bulla("device", "revoke", "shed")
    bulla.add("new")
    refused = bulla.run("restore", "backup.db", "--yes", status=1).stderr
    assert "in use by process %d" % gateway.process.pid in refused and "serve" in refused
    refused = bulla.run("restored", "--yes", status=1).stderr
    assert "in use by process %d" % gateway.process.pid in refused
    gateway.stop()

    before = files(tmp_path)
    assert "--yes" in bulla.run("restore", "backup.db", status=1, stdin=subprocess.DEVNULL).stderr
    assert files(tmp_path) == before
    said = bulla("restore", "backup.db", "--yes")
    assert re.search(r"revoked since.*\n.*\n  shed\n", said) and re.search(r"added since.*\n.*\n  new\n", said), said
    kept = re.search(r"kept as (\S+);", said)[1]
    assert values(kept) == {1, 2, 3, 4} and values(tmp_path / "bulla.db") == {1, 2}

    gateway.start()
    with Connection(gateway.port) as connection:
        for message in recorded[2:]:
            assert connection.post(message.data).status == 401
        for device, value in ((kitchen, 5), (shed, 6)):
            device.send(connection, senml(n=value))
        for message in recorded:
            assert connection.post(message.data).status in (200, 409)  # a duplicate, or stale
    assert sorted(reading["value"] for reading in bulla.readings()) == [1, 2, 5, 6]


def test_refusals_of_a_restore(bulla, tmp_path):
    bulla.add("kitchen")
    bulla("backup", "backup.db")
    whole = (tmp_path / "backup.db").read_bytes()
    (tmp_path / "short.db").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.db").write_text("not a database\n" * 200)
    (tmp_path / "empty.db").touch()
    damaged = bytearray(whole)
    damaged[5 * 4096 : 8 * 4096] = bytes(3 * 4096)
    (tmp_path / "damaged.db").write_bytes(damaged)
    with sqlite3.connect(tmp_path / "recipes.db") as db:
        db.execute("CREATE TABLE recipes (name)")
    shutil.copy(tmp_path / "backup.db", tmp_path / "newer.db")
    with sqlite3.connect(tmp_path / "newer.db") as db:
        db.execute("PRAGMA user_version = 4711")
    other_key(tmp_path)
    cases = [
        (["short.db"], "damaged|malformed"),
        (["text.db"], "not a database"),
        (["empty.db"], "empty"),
        (["damaged.db"], "damaged|malformed"),
        (["recipes.db"], "another program"),
        (["newer.db"], "version 4711"),
        (["nowhere.db"], "No such file"),
        (["."], "not a file"),
        (["bulla.db"], "database itself.*restored"),
        (["backup.db", "--key", "other.key"], "not the one"),
        (["backup.db", "--key", "no.key"], "missing"),
        (["backup.db", "--db", "recipes.db", "--key", "bulla.key"], "another program"),
        (["backup.db", "--db", "nowhere/bulla.db", "--key", "bulla.key"], "folder"),
    ]
    bulla.run("restore", "recipes.db", "--yes", status=1)
    (tmp_path / "recipes.db-lock").touch()
    before = files(tmp_path)
    for arguments, reason in cases:
        refused = bulla.run("restore", *arguments, "--yes", status=1).stderr
        assert re.search(reason, refused, re.S), (arguments, refused)
        assert files(tmp_path) == before, arguments
    assert "kitchen" in bulla("device", "list")


def test_a_damaged_database_is_replaced_and_kept(bulla, tmp_path):
    bulla.add("kitchen")
    bulla("backup", "backup.db")
    database = tmp_path / "bulla.db"
    log = b"a log that belongs to the damaged one"
    database.write_bytes(b"\0" * 8192)
    (tmp_path / "bulla.db-wal").write_bytes(log)
    said = bulla("restore", "backup.db", "--yes", "--discard")
    assert "cannot be compared" in said
    kept = re.search(r"kept as (\S+);", said)[1]
    with open(kept, "rb") as file:
        assert file.read() == b"\0" * 8192
    with open(kept + "-wal", "rb") as file:
        assert file.read() == log
    assert check(database) == 1 and not (tmp_path / "bulla.db-wal").exists()
    assert "kitchen" in bulla("device", "list")


def test_in_place_of_nothing(bulla, tmp_path):
    bulla.add("kitchen")
    bulla("backup", "backup.db")
    for name in ("bulla.db", "bulla.db-lock"):
        (tmp_path / name).unlink()
    assert "kept" not in bulla("restore", "backup.db", "--yes")
    assert "kitchen" in bulla("device", "list")


def test_a_lock_goes_with_its_process(bulla, make_gateway):
    bulla.add("kitchen")
    bulla("backup", "backup.db")
    gateway = make_gateway().start()
    gateway.kill()
    bulla("restore", "backup.db", "--yes", "--discard")


# ---- killed ----


def run_killed(folder, fault_library, number, *arguments):  # noqa: F811
    env = environment({
        "BULLA_DB": "bulla.db",
        "BULLA_FAULT_FILES": str(folder),
        "BULLA_FAULT_KILL": str(number),
        "LD_PRELOAD": ":".join([*sanitizer_libraries(), fault_library]),
    })
    done = subprocess.run(
        [BINARY, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )
    assert not SANITIZER.search(done.stderr), done.stderr
    return done.returncode


def test_restore_killed_at_every_step(bulla, tmp_path, fault_library, rng, long_run):  # noqa: F811
    """Old or new, whole; and what the dead one leaves behind is in nobody's way."""
    home = tmp_path / "home"
    home.mkdir()
    origin = type(bulla)(home)
    origin.add("old")
    origin("backup", "backup.db")
    origin.add("new")
    log = sqlite3.connect(home / "bulla.db", isolation_level=None)  # the last change stands in the log only
    log.execute("BEGIN")
    log.execute("SELECT * FROM devices").fetchall()
    origin("device", "label", "new", "site=log")
    assert (home / "bulla.db-wal").stat().st_size > 0
    seen = set()
    step = 1 if long_run else 6
    number = rng.randrange(step)
    while True:
        number += step
        folder = tmp_path / "run"
        shutil.copytree(home, folder)
        for name in ("bulla.db-shm",):
            (folder / name).unlink(missing_ok=True)
        status = run_killed(folder, fault_library, number, "restore", "backup.db", "--yes")
        there = type(bulla)(folder)
        names = there("device", "list", "--format", "names").split()
        assert names in (["old"], ["new", "old"]), (number, names)
        if len(names) == 2:
            assert '"site":"log"' in there("device", "show", "new", "--format", "json")
        seen.add(len(names))
        assert check(folder / "bulla.db") == len(names)
        if status == 0:
            break
        assert status == -signal.SIGKILL, status
        there("restore", "backup.db", "--yes")
        assert there("device", "list", "--format", "names").split() == ["old"]
        assert not list(folder.glob("*.restoring*"))
        shutil.rmtree(folder)
    log.close()
    assert seen == {1, 2} and number > 20, (seen, number)


def test_backup_killed_at_every_step(bulla, tmp_path, fault_library, rng, long_run):  # noqa: F811
    bulla.add("kitchen")
    (tmp_path / "backup.db").write_text("the one before")
    step = 1 if long_run else 8
    number = rng.randrange(step) + 1
    while run_killed(tmp_path, fault_library, number, "backup", "backup.db", "--force") != 0:
        number += step
        content = (tmp_path / "backup.db").read_bytes()
        assert content == b"the one before" or check(tmp_path / "backup.db") == 1
    assert number > 10
    assert check(tmp_path / "backup.db") == 1
    assert "kitchen" in bulla("device", "list")


# ---- restored, trust, labels ----


def test_restored(bulla, make_gateway, tmp_path):
    shed = PythonDevice(bulla.add("shed", "--counter"))
    gateway = make_gateway().start()
    with Connection(gateway.port) as connection:
        shed.send(connection, senml(n=1))
        gateway.stop()
        shutil.copy(tmp_path / "bulla.db", tmp_path / "copy")
        gateway.start()
    with Connection(gateway.port) as connection:
        since = [shed.send(connection, senml(n=2)), shed.send(connection, senml(n=3))]
    gateway.stop()
    shutil.move(tmp_path / "copy", tmp_path / "bulla.db")
    assert "--yes" in bulla.run("restored", status=1, stdin=subprocess.DEVNULL).stderr
    assert "1 contexts" in bulla("restored", "--yes")
    gateway.start()
    with Connection(gateway.port) as connection:
        for message in since:
            assert connection.post(message.data).status == 401
        assert "may open once" in bulla("device", "trust", "shed", "--above", since[0].piv)
        wait_until(lambda: connection.post(since[1].data).status == 200, what="trust")
        assert connection.post(since[0].data).status == 409
        assert "nothing changed" in bulla("device", "trust", "shed")
    assert sorted(reading["value"] for reading in bulla.readings()) == [1, 3]


def test_labels_and_lists(bulla, make_gateway):
    bulla.add("a", "--label", "site=roof", "--label", "note=two words")
    bulla.add("b", "--label", "site=cellar")
    line = bulla.add("c")
    assert "twice" in bulla.run("device", "add", "d", "--label", "k=1", "--label", "k=2", status=2).stderr
    for label in ("9=x", "k", "a-b=c", "=x", "k=\n"):
        assert bulla.run("device", "add", "d", "--label", label, status=2).stderr
    assert "labelled" in bulla("device", "label", "a", "floor=2", "note-")
    assert "nothing changed" in bulla("device", "label", "a", "floor=2", "note-")
    listed = {row["name"]: row for row in json.loads(bulla("device", "list", "--format", "json"))}
    assert listed["a"]["labels"] == {"floor": "2", "site": "roof"} and listed["c"]["labels"] == {}
    names = lambda *options: bulla("device", "list", "--format", "names", *options).split()  # noqa: E731
    assert names("--label", "site") == ["a", "b"] and names("--label", "site=roof") == ["a"]
    assert names("--label", "site", "--label", "floor=2") == ["a"] and names("--label", "site=x") == []
    assert "floor=2 site=roof" in bulla("device", "show", "a")
    assert json.loads(bulla("device", "show", "a", "--format", "json"))["labels"] == {"floor": "2", "site": "roof"}

    device = PythonDevice(line)
    gateway = make_gateway().start()
    with Connection(gateway.port) as connection:
        device.send(connection, senml(n=1))
        device.piv += 70
        device.send(connection, senml(n=2))
        device.piv += 70
        device.send(connection, senml(n=3))
    shown = json.loads(bulla("device", "show", "c", "--format", "json"))
    assert shown["lost"] == 70 + 71 - 64, shown
    rows = bulla("device", "list", "--format", "csv").split("\n")
    assert rows[0].startswith("name,kid,") and re.search(r",77,\{\}", rows[3]), rows
    assert '"{""floor"":""2"",""site"":""roof""}"' in rows[1]
    time.sleep(1.1)
    assert names("--silent-for", "1s") == ["a", "b", "c"]
    assert names("--silent-for", "1h") == []
