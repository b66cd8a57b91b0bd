"""Where backups and restores go wrong: disks that are full, folders that may not be written, names that belong to
something else, file systems without links, and people who say no."""

import contextlib
import errno
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from program import BINARY, SANITIZER, Commands, environment, wait_until
from test_backup import check, files as all_files
from test_hardening import NOBODY, needs_root, open_folder  # noqa: F401 (a fixture)
from test_store_faults import Disk, fault_library, sanitizer_libraries  # noqa: F401 (a fixture)


def faulty(bulla, library, *arguments, **faults):
    """Runs a command under the library that makes the disk fail: BULLA_FAULT_… by keyword."""
    env = environment({
        "BULLA_DB": "bulla.db", "LD_PRELOAD": ":".join([*sanitizer_libraries(), library]),
        **{"BULLA_FAULT_" + name.upper(): str(value) for name, value in faults.items()},
    })
    done = subprocess.run(
        [BINARY, *arguments], cwd=bulla.folder, env=env, capture_output=True, text=True, timeout=60
    )
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


def files(folder):
    """Of all files but what SQLite leaves where a database was only looked at: an empty log, and its index."""
    return {name: data for name, data in all_files(folder).items()
            if not name.endswith("-shm") and (data or not name.endswith("-wal"))}


def names(bulla):
    return bulla("device", "list", "--format", "names").split()


@pytest.fixture
def home(bulla):
    """A database with a backup that lacks its second device."""
    bulla.add("old")
    bulla("backup", "backup.db")
    bulla.add("new")
    return bulla


# ---- disks ----


@pytest.mark.parametrize("what, error, reason", [
    ("write", errno.ENOSPC, "full.*make room"),
    ("short", errno.ENOSPC, "full.*make room"),
    ("write", errno.EIO, "disk I/O error"),
    ("sync", errno.EIO, "disk I/O error|cannot make .* durable"),
])
def test_a_disk_that_fails_changes_nothing(home, tmp_path, fault_library, what, error, reason):  # noqa: F811
    order = tmp_path / "order"
    disk = Disk(order)
    disk.fail(what, error)
    before = files(tmp_path)
    for part, *command in (
        ("/second.db.", "backup", "second.db"),
        ("/backup.db.", "backup", "backup.db", "--force"),
        (".restoring", "restore", "backup.db", "--yes"),
    ):
        refused = faulty(home, fault_library, *command, files=part, order=order)
        assert refused.returncode == 1 and re.search(reason, refused.stderr), (command, refused)
        assert refused.stdout == "" or "in place" not in refused.stdout
        assert files(tmp_path) == before, command
    order.unlink()
    home("restore", "backup.db", "--yes")
    assert names(home) == ["old"]


@needs_root
def test_a_folder_that_may_not_be_written(open_folder):  # noqa: F811
    bulla = Commands(open_folder)
    somebody = {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []}
    bulla.run("device", "add", "old", **somebody)
    bulla.run("backup", "backup.db", **somebody)
    shut = open_folder / "shut"
    shut.mkdir(mode=0o755)  # root's
    refused = bulla.run("backup", "shut/backup.db", status=1, **somebody).stderr
    assert re.search("shut/backup.db: Permission denied.*writable", refused), refused
    assert list(shut.iterdir()) == []

    log = sqlite3.connect(open_folder / "bulla.db", isolation_level=None)  # what SQLite needs stays there
    log.execute("SELECT * FROM devices").fetchall()
    log.close()
    os.chown(open_folder, 0, 0)
    before = files(open_folder)
    refused = bulla.run("restore", "backup.db", "--yes", status=1, **somebody).stderr
    assert re.search("folder.*writable", refused), refused
    assert files(open_folder) == before


def test_a_file_system_without_links(home, tmp_path, fault_library):  # noqa: F811
    """That of a USB stick, say."""
    for _ in range(2):
        done = faulty(home, fault_library, "backup", "second.db", no_links=1)
        assert done.returncode == 0, done
        assert check(tmp_path / "second.db") == 2
        assert not list(tmp_path.glob("second.db.*"))
        (tmp_path / "second.db").unlink()


@needs_root
def test_in_place_of_nothing_by_root(open_folder):  # noqa: F811
    """Everything is its user's who is to serve, the lock too."""
    bulla = Commands(open_folder)
    somebody = {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []}
    bulla.run("device", "add", "old", **somebody)
    bulla.run("backup", "backup.db", **somebody)
    for name in ("bulla.db", "bulla.db-lock"):
        (open_folder / name).unlink()
    bulla("restore", "backup.db", "--yes")
    assert "old" in bulla.run("device", "list", **somebody).stdout


# ---- order ----


def test_the_way_is_free_on_the_disk_first(home, tmp_path, fault_library):  # noqa: F811
    """After a power cut no log is back beside the restored database, and what was kept has its name."""
    trace = tmp_path / "trace"
    assert faulty(home, fault_library, "restore", "backup.db", "--yes", trace=trace).returncode == 0
    steps = trace.read_text().splitlines()
    rename = steps.index("rename %s" % (tmp_path / "bulla.db"))
    ahead = steps[:rename]
    last = max(i for i, step in enumerate(ahead) if step.split()[0] in ("link", "unlink", "rename"))
    assert any(".replaced-" in step for step in ahead[: last + 1]), steps
    assert "sync %s" % tmp_path in ahead[last:], steps
    assert "sync %s" % tmp_path in steps[rename:], steps


# ---- names ----


def test_names_that_belong_to_the_database(home, tmp_path):
    for part in ("", "-wal", "-shm", "-journal", "-lock", ".restoring", ".restoring-wal", ".restoring-journal"):
        for form in ("bulla.db%s", "./bulla.db%s", "../%s/bulla.db%%s" % tmp_path.name):
            refused = home.run("backup", form % part, "--force", status=1).stderr
            assert "database itself" in refused, (part, refused)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "link.db").symlink_to(tmp_path / "bulla.db")
    refused = home.run("backup", "bulla.db-journal", "--db", "other/link.db", "--key", "bulla.key", status=1).stderr
    assert "database itself" in refused
    assert names(home) == ["new", "old"]


def test_the_master_key_is_spared(home, tmp_path):
    key = (tmp_path / "bulla.key").read_bytes()
    (tmp_path / "link").hardlink_to(tmp_path / "bulla.key")
    for name in ("bulla.key", "./bulla.key", "link"):
        assert "master key" in home.run("backup", name, "--force", status=1).stderr
    assert "master key" in home.run("backup", "link", "--force", "--key", "bulla.key", status=1).stderr
    assert (tmp_path / "bulla.key").read_bytes() == key


def test_what_a_dead_restore_left_is_not_restored(home, tmp_path):
    """The next restore removes it: it would remove what it is to read."""
    left = tmp_path / "bulla.db.restoring"
    shutil.copy(tmp_path / "backup.db", left)
    refused = home.run("restore", left.name, "--yes", status=1).stderr
    assert "another name" in refused
    assert left.read_bytes() == (tmp_path / "backup.db").read_bytes()
    left.rename(tmp_path / "left.db")
    home("restore", "left.db", "--yes")
    assert names(home) == ["old"]


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_no_backup_beside_the_log_of_another(home, tmp_path, suffix):
    """Who copied database and log by hand, and now makes a backup of the same name, would get the old state."""
    log = tmp_path / ("second.db" + suffix)
    log.write_bytes(b"of another")
    for arguments in (["second.db"], ["second.db", "--force"]):
        assert str(log.name) in home.run("backup", *arguments, status=1).stderr
    assert not (tmp_path / "second.db").exists() and log.read_bytes() == b"of another"
    log.write_bytes(b"")  # which says nothing
    home("backup", "second.db")


def test_a_log_without_its_database_is_kept(home, tmp_path):
    """Somebody moved a database away and forgot its log, which holds the newest rows."""
    with sqlite3.connect(tmp_path / "bulla.db", isolation_level=None) as held:
        held.execute("BEGIN")
        held.execute("SELECT * FROM devices").fetchall()
        home.add("newest")
        shutil.copy(tmp_path / "bulla.db-wal", tmp_path / "log")
        shutil.copy(tmp_path / "bulla.db", tmp_path / "away.db")
    held.close()
    (tmp_path / "bulla.db").unlink()
    shutil.move(tmp_path / "log", tmp_path / "bulla.db-wal")
    said = home("restore", "backup.db", "--yes", "--discard")
    kept = re.search(r"kept as (\S+-wal);", said)[1]
    assert names(home) == ["old"]
    shutil.move(tmp_path / kept, tmp_path / "away.db-wal")
    assert home("device", "list", "--db", "away.db", "--format", "names").split() == ["new", "newest", "old"]


def test_odd_names(home, tmp_path):
    for name in ("-backup", "two\nlines", "a b%41?mode=rw#x", "ü", "file:x"):
        home("backup", "--", name)
        assert check_named(tmp_path, name) == 2
        home("restore", "--yes", "--", name)
        assert names(home) == ["new", "old"]


def check_named(folder, name):
    shutil.copy(folder / name, folder / "plain.db")
    return check(folder / "plain.db")


def test_a_kid_given_out_since_stays_taken(bulla, tmp_path):
    """Added and removed since the backup: its tombstone stands in what is replaced."""
    bulla.add("old")
    bulla("backup", "backup.db")
    line = bulla.add("gone")
    bulla("device", "remove", "gone")
    kid, secret = re.search(r"kid=(\w+)&secret=([\w-]+)", line).groups()
    again = ("device", "add", "again", "--kid", kid, "--secret", "-")
    assert bulla.run(*again, status=None, input=secret + "\n").returncode != 0
    bulla("restore", "backup.db", "--yes")
    refused = bulla.run(*again, status=None, input=secret + "\n")
    assert refused.returncode != 0 and kid in refused.stderr, refused


# ---- at a terminal ----


def ask(folder, typed, *arguments):
    """Runs a command at a terminal, types when it asks; its exit status and what it showed."""
    process, terminal = pty.fork()
    if process == 0:
        try:
            os.chdir(folder)
            os.execve(BINARY, [BINARY, *arguments], environment({"BULLA_DB": "bulla.db"}))
        finally:
            os._exit(127)
    shown = b""
    end = time.monotonic() + 30
    try:
        while select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
            try:
                part = os.read(terminal, 4096)
            except OSError:  # it is through
                break
            shown += part
            if part == b"":
                break
            if typed is not None and b"Type yes to go on: " in shown:
                os.write(terminal, typed)
                typed = None
        else:
            os.kill(process, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    finally:
        os.close(terminal)
    assert not SANITIZER.search(shown.decode()), shown
    assert typed is None, shown
    return status, shown.decode()


CTRL_C, CTRL_D = b"\x03", b"\x04"


@pytest.mark.parametrize("command", ["restore", "restored"])
def test_who_does_not_say_yes_changes_nothing(home, tmp_path, command):
    arguments = ["restore", "backup.db"] if command == "restore" else ["restored"]
    before = files(tmp_path)
    answers = [b"no\n", b"\n", b"y\n", b"YES\n", b"yes please\n", b" yes\n", CTRL_D]
    for answer in answers + ([CTRL_C] if command == "restore" else []):
        status, shown = ask(tmp_path, answer, *arguments)
        assert status == 1 and "nothing was changed" in shown, (answer, status, shown)
        assert files(tmp_path) == before, answer
    status, shown = ask(tmp_path, b"yes\n", *arguments)
    assert status == 0, shown
    assert ("in place of the database" if command == "restore" else "contexts are unproven") in shown
    assert names(home) == (["old"] if command == "restore" else ["new", "old"])


def sleeps(pid):
    """Whether a process waits for something else than the disk, for a while."""
    for _ in range(15):
        if not re.search(r"\) S ", Path("/proc/%d/stat" % pid).read_text()):
            return False
        time.sleep(0.02)
    return True


def test_a_signal_between_copying_and_replacing_counts(home, tmp_path):
    """--yes asks nothing, but who presses Ctrl-C while the copy is looked at means it. Here it waits for somebody
    to read what it says."""
    before = files(tmp_path)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    process = subprocess.Popen(
        [BINARY, "restore", "backup.db", "--yes"], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True,
        env=environment({"BULLA_DB": "bulla.db"}),
    )
    wait_until(lambda: (tmp_path / "bulla.db.restoring").exists(), what="a copy")
    wait_until(lambda: sleeps(process.pid), what="a line that nobody reads")
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=30)[1]
    os.close(reader)
    os.close(writer)
    assert process.returncode == 1 and "stopped" in err, (process.returncode, err)
    assert files(tmp_path) == before and names(home) == ["new", "old"]


def test_nohup(home):
    """A signal that was ignored stays so."""
    script = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        ["/usr/bin/python3", "-c", script, BINARY, "restore", "backup.db"], cwd=home.folder,
        stdin=(terminal := pty.openpty())[1], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        env=environment({"BULLA_DB": "bulla.db"}),
    )
    shown = b""
    while b"Type yes to go on: " not in shown:
        part = process.stderr.read1(4096)
        assert part != b"", shown
        shown += part
    process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    os.write(terminal[0], b"yes\n")
    assert process.wait(20) == 0
    for end in terminal:
        os.close(end)
    process.stderr.close()
    assert names(home) == ["old"]
