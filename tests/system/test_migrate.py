"""A registry moves from one database to another: whole, resumable, compared, and safe from replays (`bulla migrate`)."""

import errno
import json
import os
import pty
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

import program
import rich_registry
from cryptojs_device import KEY, CryptoJsDevice, refused, start_crypto_js, taken
from http_client import Connection
from mariadb import MariaDB
from postgres import Postgres
from program import BINARY, SANITIZER, environment
from python_device import PythonDevice, senml

KILLS = 20
KILLS_LONG = 200
TABLES = ["meta", "devices", "tombstones", "labels", "contexts", "gateway_ids", "wires", "wire_hashes", "session_ids", "series", "points",
          "events", "outbox", "sinks", "numbers"]


@pytest.fixture(scope="module")
def server():
    server = Postgres().start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def maria():
    server = MariaDB().start()
    yield server
    server.remove()


class Databases:
    """New databases of each kind, and what the tests do to them from outside."""

    def __init__(self, folder, server, maria):
        self.folder = folder
        self.server = server
        self.maria = maria
        self.count = 0

    def new(self, kind):
        """The URL of one that is empty, or of a file that is not there yet."""
        self.count += 1
        if kind == "sqlite":
            return "t%d.db" % self.count
        return (self.maria if kind == "mysql" else self.server).make_database("m_%08x" % random.SystemRandom().randrange(2**32))

    def run(self, url, sql):
        if "://" in url:
            return self.server.psql(sql, url.split("/")[3].split("?")[0])
        with sqlite3.connect(self.folder / url) as db:
            done = db.execute(sql).fetchall()
        db.close()
        return done


@pytest.fixture
def databases(tmp_path, server, maria):
    return Databases(tmp_path, server, maria)


@pytest.fixture
def bulla(tmp_path):
    return program.Commands(tmp_path)


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    """A folder with a rich registry in bulla.db, which is copied for each test."""
    folder = tmp_path_factory.mktemp("rich")
    rich_registry.make(program.Commands(folder), points=10_000)
    return folder


def copied(folder, tmp_path):
    for name in ("bulla.db", "bulla.key"):
        shutil.copy(folder / name, tmp_path)
    return "bulla.db"


@pytest.fixture
def rich_db(rich, tmp_path):
    return copied(rich, tmp_path)


@pytest.fixture(scope="module")
def long_rich(tmp_path_factory):
    """One that takes so long to move that it can be stopped on the way."""
    folder = tmp_path_factory.mktemp("long")
    rich_registry.make(program.Commands(folder), points=60_000)
    return folder


@pytest.fixture
def long_db(long_rich, tmp_path):
    return copied(long_rich, tmp_path)


def migrate(bulla, source, target, *arguments, **options):
    return bulla.run("migrate", "--from", source, "--to", target, "--key", "bulla.key", *arguments, **options)


def move(bulla, source, target):
    """Moves, and gives what the comparison says, by table."""
    said = json.loads(migrate(bulla, source, target, "--format", "json").stdout)
    assert [table["table"] for table in said["tables"]] == TABLES
    assert all(table["equal"] for table in said["tables"])
    return {table["table"]: table for table in said["tables"]}


def rows_of(path):
    """Everything in a file, as it stands there; but what a move changes on purpose."""
    db = sqlite3.connect(path)
    db.text_factory = bytes
    names = [row[0].decode() for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%'")]
    rows = {name: sorted(db.execute("SELECT * FROM %s" % name).fetchall(), key=repr) for name in names}
    db.close()
    rows["meta"] = [row for row in rows["meta"] if row[0] in (b"keycheck", b"rekey", b"identity", b"floor", b"issued_t")]
    rows["contexts"] = [row[:2] + row[3:] for row in rows["contexts"]]
    rows["sinks"] = sorted(row[:8] for row in rows["sinks"])  # nobody holds one after a move
    rows["session_ids"] = sorted((row[:5] + row[6:] for row in rows["session_ids"]), key=repr)
    return rows


def seen(bulla, db):
    """What people see of a registry."""
    commands = (["readings", "--format", "jsonl", "-n", "all"], ["events", "--format", "jsonl", "-n", "all"], ["device", "list", "--format", "json"])
    said = [bulla(*command, "--db", db) for command in commands]
    return said + [bulla("device", "show", name, "--format", "json", "--db", db) for name in ("kitchen", "küche ☕", "lost", "o'hara \"x\"")]


def unproven(text):
    """What `device show` says of a device whose contexts are no longer proven."""
    return text.replace('"proven":true', '"proven":false')


# ---- pairs ----


@pytest.mark.parametrize("kinds", [("sqlite", "postgres", "sqlite"), ("sqlite", "sqlite"), ("postgres", "postgres", "mysql", "mysql", "sqlite"),
                                   ("sqlite", "mysql", "postgres")],
                         ids="-".join)
def test_everything_arrives(bulla, rich_db, databases, tmp_path, kinds):
    """Through databases of those kinds, one after another: in the end the rows are those of the beginning."""
    before, looked = rows_of(tmp_path / rich_db), seen(bulla, rich_db)
    at, sums = rich_db, []
    if kinds[0] != "sqlite":
        at = databases.new(kinds[0])
        move(bulla, rich_db, at)
    for kind in kinds[1:]:
        to = databases.new(kind)
        sums.append(move(bulla, at, to))
        assert "was moved to" in bulla.run("readings", "--db", at, status=1).stderr
        at = to
        last = seen(bulla, at)
        assert last[:3] == looked[:3]
        assert [unproven(text) for text in last[3:]] == [unproven(text) for text in looked[3:]]
    assert all(s["points"]["rows"] == sums[0]["points"]["rows"] > 10_000 for s in sums)
    if "://" in at:
        bulla("backup", "end.db", "--db", at, "--key", "bulla.key")
        at = "end.db"
    after = rows_of(tmp_path / at)
    assert after.keys() == before.keys()
    for table in before:
        if table == "sqlite_sequence":
            assert all(dict(after[table])[name] >= number for name, number in before[table])
        else:
            assert after[table] == before[table], table
    db = sqlite3.connect(tmp_path / at)
    assert db.execute("SELECT count(*) FROM contexts WHERE proven").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM session_ids WHERE spent = 0").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM sinks WHERE holder != '' OR lease != 0").fetchone() == (0,)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_it_says_what_was_done(bulla, rich_db, databases):
    target = databases.new("postgres")
    done = migrate(bulla, rich_db, target)
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["TABLE", "ROWS", "CHECKSUM", "COMPARED"]
    assert [line.split()[0] for line in lines[1:16]] == TABLES and all(line.split()[3] == "equal" for line in lines[1:16])
    assert "a second" in done.stdout and "--key bulla.key" in done.stdout and "unproven" in done.stdout
    assert "was moved to" in migrate(bulla, rich_db, target, status=1).stderr
    assert "was moved to" in migrate(bulla, rich_db, databases.new("sqlite"), status=1).stderr


def test_the_key_goes_along_where_it_lies_beside_the_file(bulla, rich_db, tmp_path):
    assert "folder" in bulla.run("migrate", "--from", rich_db, "--to", "other/new.db", status=1).stderr
    (tmp_path / "other").mkdir()
    said = bulla("migrate", "--from", rich_db, "--to", "other/new.db")
    assert "put beside it: other/new.key" in said
    assert (tmp_path / "other" / "new.key").read_text() == (tmp_path / "bulla.key").read_text()
    assert (tmp_path / "other" / "new.key").stat().st_mode & 0o777 == 0o600
    assert bulla("device", "export", "kitchen", "--db", "other/new.db").startswith("bulla:kitchen?")


def test_progress(bulla, rich_db, databases, tmp_path):
    """A bar on a terminal; else lines, which a short move has none of."""
    main, other = pty.openpty()
    target = databases.new("postgres")
    process = subprocess.Popen([BINARY, "migrate", "--from", rich_db, "--to", target, "--key", "bulla.key"], cwd=tmp_path, stdout=subprocess.DEVNULL,
                               stderr=other, env=environment())
    os.close(other)
    text = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError as error:
            assert error.errno == errno.EIO
            break
        if not part:
            break
        text += part
    os.close(main)
    assert process.wait(60) == 0
    assert b"copying [" in text and b"comparing [" in text and b"100 %" in text and b"/s" in text
    assert migrate(bulla, target, databases.new("sqlite"), "--quiet").stderr == ""


# ---- refusals ----


def test_refusals(bulla, rich_db, databases, make_gateway, tmp_path):
    postgres = databases.new("postgres")
    assert "--to" in bulla.run("migrate", "--from", rich_db, status=2).stderr
    assert "in use" in migrate(bulla, rich_db, rich_db, status=1).stderr
    gateway = make_gateway().start()
    assert "in use by process %d" % gateway.process.pid in migrate(bulla, rich_db, postgres, status=1).stderr
    gateway.stop()
    gateway = make_gateway("--key", "bulla.key", db=postgres).start()
    assert "in use" in migrate(bulla, rich_db, postgres, status=1).stderr
    gateway.stop()
    assert "not empty" in migrate(bulla, rich_db, postgres, status=1).stderr
    assert "is the path right?" in migrate(bulla, "none.db", databases.new("sqlite"), status=1).stderr
    assert bulla.run("readings", "--db", rich_db).returncode == 0  # nothing was marked by all that


def test_another_key_is_refused(bulla, rich_db, databases, tmp_path):
    (tmp_path / "other.key").write_text("ab" * 32 + "\n")
    (tmp_path / "other.key").chmod(0o600)
    for key in ("other.key", "none.key"):
        done = bulla.run("migrate", "--from", rich_db, "--to", databases.new("postgres"), "--key", key, status=1)
        assert "master key" in done.stderr
    (tmp_path / "new.key").write_text("cd" * 32 + "\n")
    (tmp_path / "new.key").chmod(0o600)
    assert "not the one" in bulla.run("migrate", "--from", rich_db, "--to", "new.db", status=1).stderr
    assert not (tmp_path / "none.key").exists()
    bulla("device", "list", "--db", rich_db)


def start(bulla, source, target, *arguments, **options):
    return subprocess.Popen([BINARY, "migrate", "--from", source, "--to", target, "--key", "bulla.key", *arguments], cwd=bulla.folder,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), **options)


def stand_still(process, there, step=0.005):
    """Lets it run in small steps until there() is true, and leaves it stopped: it does not go on while somebody looks."""
    end = time.monotonic() + 120
    while not there() and process.poll() is None:
        assert time.monotonic() < end, "it does not come so far"
        process.send_signal(signal.SIGCONT)
        time.sleep(step)
        process.send_signal(signal.SIGSTOP)


def half(bulla, databases, source, target, number=signal.SIGINT):
    """Begins a move, and stops it when some of the points have arrived."""
    process = start(bulla, source, target)
    try:
        stand_still(process, lambda: arrived(databases, target) > 0, step=0.02 if "://" in target else 0.005)
        assert process.poll() is None, "it was through before it could be stopped"
    finally:
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=60)
    assert not SANITIZER.search(err), err
    return process.returncode, err


def arrived(databases, target):
    """Points in the target, while it is written to."""
    try:
        if "://" in target:
            return int(databases.run(target, "SELECT count(*) FROM points"))
        db = sqlite3.connect("file:%s?mode=ro" % (databases.folder / target), uri=True)
        try:
            return db.execute("SELECT count(*) FROM %s" % rich_registry.points_table(db)).fetchone()[0]
        finally:
            db.close()
    except (AssertionError, sqlite3.Error):
        return 0  # not there yet


def test_neither_can_be_used_halfway(bulla, long_db, databases):
    """Nobody opens either side; another move does not begin; given up, all is as it was."""
    target = databases.new("postgres")
    status, err = half(bulla, databases, long_db, target)
    assert status == 1 and "stopped" in err and "again to go on" in err
    for command in (["device", "list"], ["readings"], ["events"], ["device", "add", "x"], ["backup", "b.db"], ["restored", "--yes"], ["serve"],
                    ["check"], ["tail", "-n", "0"]):
        done = bulla.run(*command, "--db", target, "--key", "bulla.key", status=1)
        assert "only a part of a registry" in done.stderr + done.stdout, command
    for command in (["device", "list"], ["readings"], ["events"], ["device", "add", "x"], ["backup", "b.db"], ["serve"], ["check"]):
        done = bulla.run(*command, "--db", long_db, status=1)
        assert "is being moved to" in done.stderr + done.stdout, command
    other = databases.new("postgres")
    assert "being moved to" in migrate(bulla, long_db, other, status=1).stderr
    bulla.run("device", "add", "one", "--db", "one.db")
    assert "another registry" in bulla.run("migrate", "--from", "one.db", "--to", target, status=1).stderr
    assert "is deleted" in migrate(bulla, long_db, target, "--abandon").stdout
    assert bulla("device", "list", "--db", long_db).count("\n") == 6
    assert bulla("device", "list", "--db", target).count("\n") == 1
    move(bulla, long_db, target)
    assert "restored" in migrate(bulla, long_db, target, "--abandon", status=1).stderr


def test_the_same_words_for_another_target(bulla, long_db, databases, tmp_path):
    """A path from another folder: what is half filled there, or a copy of it, is never served beside the one that was finished."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    source, key = str(tmp_path / long_db), str(tmp_path / "bulla.key")
    one, two = (program.Commands(tmp_path / name) for name in ("one", "two"))
    words = ["migrate", "--from", source, "--to", "t.db", "--key", key]
    (tmp_path / "t.db").symlink_to("one/t.db")
    process = subprocess.Popen([BINARY, *words], cwd=tmp_path / "one", stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    stand_still(process, lambda: arrived(databases, "t.db") > 0)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    two(*words)
    assert two("device", "list", "--db", "t.db").count("\n") == 6
    assert "another registry" in one.run(*words, status=1).stderr
    assert "only a part" in one.run("device", "list", "--db", "t.db", status=1).stderr


def test_a_copy_of_a_half_filled_target(bulla, long_db, databases, tmp_path):
    """It has the notes of the move that was finished with the other one: all the same it does not go on."""
    half(bulla, databases, long_db, "t.db", signal.SIGKILL)
    with sqlite3.connect(tmp_path / "t.db") as db:  # with what lies in its journal
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    shutil.copy(tmp_path / "t.db", tmp_path / "copy.db")
    move(bulla, long_db, "t.db")
    os.rename(tmp_path / "copy.db", tmp_path / "t.db")
    assert "already" in migrate(bulla, long_db, "t.db", status=1).stderr
    assert "only a part" in bulla.run("device", "list", "--db", "t.db", status=1).stderr


def test_given_up_when_the_target_is_gone(bulla, long_db, databases, tmp_path):
    half(bulla, databases, long_db, "t.db", signal.SIGKILL)
    done = bulla.run("migrate", "--from", long_db, "--to", "typo.db", "--abandon", status=1)
    assert "is being moved to t.db" in done.stderr and "nothing was changed" in done.stderr
    assert "is being moved" in bulla.run("device", "list", "--db", long_db, status=1).stderr
    assert "delete that database" in bulla("migrate", "--from", long_db, "--abandon")
    assert bulla("device", "list", "--db", long_db).count("\n") == 6
    assert "another registry" in migrate(bulla, long_db, "t.db", status=1).stderr  # that move is over
    move(bulla, long_db, databases.new("sqlite"))


def test_a_name_of_two_lines(bulla, long_db, databases, tmp_path):
    half(bulla, databases, long_db, "two\nlines.db", signal.SIGKILL)
    assert "being moved to two?lines.db" in bulla.run("device", "list", "--db", long_db, status=1).stderr
    said = migrate(bulla, long_db, "two\nlines.db").stdout
    assert "--db 'two\nlines.db' --key bulla.key\n" in said  # as a shell takes it


@pytest.mark.parametrize("number, change", enumerate([
    "devices SET alg = 'x' WHERE name = 'kitchen'",
    "devices SET secret = 5 WHERE name = 'kitchen'",
    "contexts SET seen = x'00'",
    "contexts SET id_context = 7 WHERE (device, id_context) = (SELECT device, id_context FROM contexts LIMIT 1)",
    "series SET format = 'x' WHERE id = (SELECT max(id) FROM series)",
    "points SET piv = 1.5",
    "session_ids SET spent = 'x'",
    "sqlite_sequence SET seq = 'x'",
    "meta SET value = 'x' WHERE name = 'floor'",
]))
def test_a_source_with_values_of_wrong_types(bulla, rich_db, databases, number, change):
    databases.run(rich_db, "UPDATE " + change)
    assert "is damaged" in migrate(bulla, rich_db, databases.new(("postgres", "mysql", "sqlite")[number % 3]), status=1).stderr


def test_restored_brings_the_old_one_back(bulla, rich_db, databases):
    move(bulla, rich_db, databases.new("postgres"))
    assert "restored" in bulla.run("readings", "--db", rich_db, status=1).stderr
    bulla("restored", "--yes", "--db", rich_db)
    assert bulla("device", "list", "--db", rich_db).count("\n") == 6


# ---- killed, cut off, full ----


def test_killed_again_and_again(bulla, rich_db, databases, rng, long_run, tmp_path):
    """SIGKILL at any moment, and the same command again: in the end the rows are those of the beginning."""
    before = rows_of(tmp_path / rich_db)
    at, kills, moves, longest = rich_db, 0, 0, 1.0
    while kills < (KILLS_LONG if long_run else KILLS) or "://" in at:
        to = databases.new(("postgres", "sqlite", "mysql", "sqlite")[moves % 4])
        while True:
            process = start(bulla, at, to)
            begun = time.monotonic()
            try:
                process.wait(rng.uniform(0, longest))
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            out, err = process.communicate(timeout=60)
            assert not SANITIZER.search(err), err
            if process.returncode == 0 or "already" in err:  # it was killed when all was done
                break
            assert process.returncode == -signal.SIGKILL, err
            longest = max(longest, 1.5 * (time.monotonic() - begun))
        at = to
        moves += 1
    after = rows_of(tmp_path / at)
    for table in before:
        if table != "sqlite_sequence":
            assert after[table] == before[table], table


def test_the_target_goes_away(bulla, long_db, databases, server):
    target = databases.new("postgres")
    process = start(bulla, long_db, target)
    stand_still(process, lambda: arrived(databases, target) > 0)
    server.kill()
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and target.split("/")[3].split("?")[0] in err, err
    assert "is the server running" in migrate(bulla, long_db, target, status=1).stderr
    server.start()
    move(bulla, long_db, target)


def test_the_disk_is_full(bulla, rich_db, databases, tmp_path):
    """The target's file may not grow any more."""

    def bound():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))

    process = start(bulla, rich_db, "full.db", preexec_fn=bound)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and ("disk" in err) and "full.db" in err, err
    move(bulla, rich_db, "full.db")


# ---- what is compared ----


TAMPER = {
    "devices": "UPDATE devices SET revoked = false WHERE name = 'lost'",
    "contexts": "UPDATE contexts SET top = top - 1 WHERE device = 2 AND top > 5",
    "tombstones": "DELETE FROM tombstones",
    "wire_hashes": "DELETE FROM wire_hashes WHERE hash = '\\x" + "00" * 32 + "'",
    "points": "DELETE FROM points WHERE (time, tx, k) = (SELECT time, tx, k FROM points LIMIT 1)",
    "events": "UPDATE events SET detail = detail || '.' WHERE id = 1000",
    "numbers": "UPDATE numbers SET value = value - 1 WHERE name = 'floor'",
}


@pytest.mark.parametrize("table", TAMPER)
def test_a_row_that_was_changed_is_found(bulla, long_db, databases, table):
    """Stopped before the comparison, then changed from outside."""
    target = databases.new("postgres")
    process = start(bulla, long_db, target)
    try:
        stand_still(process, lambda: noted(databases, target, b"\n%d\n0\n" % len(TABLES)), step=0.02)
    finally:
        process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, "it was through before it could be stopped"
    databases.run(target, TAMPER[table])
    done = migrate(bulla, long_db, target, status=1)
    assert "the rows of %s differ" % table in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line.endswith("DIFFERENT")] == [table]
    assert "only a part" in bulla.run("readings", "--db", target, status=1).stderr
    migrate(bulla, long_db, target, "--abandon")
    move(bulla, long_db, target)


def noted(databases, target, end):
    """Whether the target's note ends so."""
    try:
        text = databases.run(target, "SELECT encode(value, 'hex') FROM meta WHERE name = 'arriving'")
    except AssertionError:
        return False
    return bytes.fromhex(text).endswith(end)


# ---- served afterwards ----


@pytest.mark.parametrize("kind", ["postgres", "mysql", "sqlite"])
def test_devices_prove_themselves_and_nothing_is_stored_twice(bulla, databases, make_gateway, tmp_path, kind):
    """Every message from before is sent again: each is refused. Then the devices go on, and a gateway from before finds
    that the registry has left."""
    devices = [PythonDevice(bulla.add("kitchen")), PythonDevice(bulla.add("shed", "--counter"))]
    gateway = make_gateway().start()
    old = []
    with Connection(gateway.port) as connection:
        for value in range(70):  # more than a window
            old += [device.send(connection, senml(n=value)) for device in devices]
        unsent = [device.seal(senml(n=1000)) for device in devices]  # recorded on the way, and held back
    gateway.stop()
    target = databases.new(kind)
    move(bulla, "bulla.db", target)
    after = make_gateway("--key", "bulla.key", db=target).start()
    with Connection(after.port) as connection:
        for message in [*old, *unsent, *old]:
            assert connection.post(message.data).status in (200, 401, 409)
        assert len(bulla.readings("--db", target, "-n", "all")) == 140
        for device in devices:
            assert connection.post(device.seal(senml(n=2000)).data).status == 401  # not without a challenge
            device.send(connection, senml(n=2001))
        for message in [*old, *unsent]:
            assert connection.post(message.data).status in (200, 401, 409)
    after.stop()
    values = [row["value"] for row in bulla.readings("--db", target, "-n", "all")]
    assert sorted(values) == sorted([*range(70), *range(70), 2001, 2001])
    old_gateway = bulla.run("serve", "--db", "bulla.db", "--listen", "127.0.0.1:0", "--admin", "off", status=1)
    assert "was moved to" in old_gateway.stderr


def test_an_older_wire_goes_on(bulla, databases, make_gateway, tmp_path):
    crypto_js = start_crypto_js()
    try:
        (tmp_path / "keys").write_text("passphrase=%s\n" % KEY)
        (tmp_path / "keys").chmod(0o600)
        bulla("device", "add", "balcony", "--wire", "cryptojs", "--id", "12FA", "--keys", "@keys")
        bulla.add("kitchen")  # so that there is a native one, too
        shed = CryptoJsDevice(crypto_js, make_gateway().start())
        shed.wait_for_route()
        bodies = [shed.data(number, value=number) for number in (1, 2, 3)]
        assert all(taken(shed.post("data", body)) for body in bodies)
        shed.gateway.stop()
        target = databases.new("postgres")
        move(bulla, "bulla.db", target)
        shed.gateway = make_gateway("--key", "bulla.key", db=target).start()
        shed.wait_for_route()
        assert all(refused(shed.post("data", body)) for body in bodies) and shed.number() == 3
        assert taken(shed.post("data", shed.data(4, value=4)))
        assert [row["value"] for row in bulla.readings("--db", target)] == [1, 2, 3, 4]
    finally:
        crypto_js.close()
