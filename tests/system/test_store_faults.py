"""The store fails in every way that it can: nothing is acknowledged, the device is told to try again, and the
gateway goes on by itself when the store does."""

import errno
import os
import re
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
from pathlib import Path

import pytest

import http_client
from http_client import Connection, health, message_request, metrics, outcome
from program import BINARY, Commands, allowed, wait_until
from python_device import PythonDevice, senml

FAULT_SOURCE = Path(__file__).parent / "fault" / "fault.c"


# ---- what fails ----


@pytest.fixture(scope="session")
def fault_library(tmp_path_factory):
    """The library that makes the disk fail: BULLA_FAULT_LIB, or compiled here."""
    if os.environ.get("BULLA_FAULT_LIB"):
        return os.environ["BULLA_FAULT_LIB"]
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("needs a C compiler, or BULLA_FAULT_LIB")
    library = tmp_path_factory.mktemp("fault") / "fault.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library, FAULT_SOURCE, "-ldl"], check=True
    )
    return str(library)


def sanitizer_libraries():
    """A sanitizer's runtime has to come before anything else that is preloaded."""
    needed = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
    return re.findall(r"=> (\S*lib[at]san\.so\S*)", needed)


class Disk:
    """Gives orders to the library in the gateway."""

    def __init__(self, order):
        self.order = order

    def fail(self, what, error=errno.EIO):
        self._write("%s %d" % (what, error))

    def hold(self):
        self._write("hold")

    def heal(self):
        self.order.unlink(missing_ok=True)

    def _write(self, text):
        new = self.order.with_suffix(".new")
        new.write_text(text)
        new.rename(self.order)


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path / "order")
    yield disk
    disk.heal()  # before the gateway is told to end


def start_faulty(make_gateway, fault_library, disk, *arguments):
    gateway = make_gateway(
        *arguments,
        env={
            "LD_PRELOAD": ":".join([*sanitizer_libraries(), fault_library]),
            "BULLA_FAULT_FILES": "/bulla.db",
            "BULLA_FAULT_ORDER": str(disk.order),
        },
    )
    return gateway.start()


@pytest.fixture
def faulty(make_gateway, fault_library, disk):
    """A running gateway on a disk that can be told to fail."""
    return start_faulty(make_gateway, fault_library, disk)


# ---- what is checked ----


def seqs(bulla, name=None):
    return [row["seq"] for row in bulla.readings(*(["--device", name] if name else []))]


def assert_refused(response):
    assert response.status == 503, response
    assert response.body == b""
    assert int(response.headers["retry-after"]) >= 1


def assert_failing(gateway, reason):
    """/healthz says 503, since when and why; so does the metric, and one line of the log."""
    status, body = health(gateway)
    assert status == 503 and body["status"] == "failing", body
    assert re.search(reason, body["detail"]), body
    assert abs(body["since"] - time.time()) < 60
    assert metrics(gateway)["bulla_store_up"] == 0
    wait_until(lambda: "event=store-failing" in gateway.text(), what="the line of the log")
    assert gateway.text().count("event=store-failing") == 1


def assert_well(gateway):
    assert health(gateway) == (200, {"status": "ok"})
    assert metrics(gateway)["bulla_store_up"] == 1


def recover(gateway, bulla, device, message):
    """The same message again is stored, once, and from then on it is a duplicate."""
    with Connection(gateway.port) as connection:
        assert message.piv in device.check(connection.post(message.data), message).stored()
        assert_well(gateway)
        assert message.piv in device.check(connection.post(message.data), message).stored()
    assert seqs(bulla).count(message.piv) == 1
    assert outcome(gateway, "duplicate") == 1


@pytest.mark.parametrize(
    "what, error, reason",
    [
        ("write", errno.EIO, "disk I/O error.*check the disk"),
        ("write", errno.ENOSPC, "full.*make room"),
        ("short", errno.ENOSPC, "full.*make room"),
        ("write", errno.EROFS, "disk I/O error.*check the disk"),
        ("sync", errno.EIO, "disk I/O error.*check the disk"),
    ],
)
def test_disk_fails(faulty, disk, bulla, make_device, what, error, reason):
    device = make_device("kitchen")
    with Connection(faulty.port) as connection:
        first = device.send(connection, senml(a=1))
        disk.fail(what, error)
        message = device.seal(senml(a=2))
        for _ in range(3):
            assert_refused(connection.post(message.data))
            assert_failing(faulty, reason)
        assert outcome(faulty, "busy") == 3
        assert outcome(faulty, "stored") == 1
        assert seqs(bulla) == [first.piv]
        disk.heal()
    recover(faulty, bulla, device, message)
    assert seqs(bulla) == [first.piv, message.piv]


def test_disk_fails_while_session_is_proven(faulty, disk, bulla, make_device):
    """What was to prove the session was not stored, so it is not proven: not for this message, nor another."""
    device = make_device("kitchen")
    with Connection(faulty.port) as connection:
        challenged = device.seal(senml(a=1))
        assert device.check(connection.post(challenged.data), challenged, 401).challenge
        disk.fail("write")
        message = device.seal(senml(a=1))
        assert_refused(connection.post(message.data))
        disk.heal()
        other = device.seal(senml(a=3), echo=False)
        reply = device.check(connection.post(other.data), other, 401)
        assert reply.challenge and reply.stored() == set()
    recover(faulty, bulla, device, message)
    assert seqs(bulla) == [message.piv]


def test_disk_that_cannot_be_read(faulty, disk, bulla, make_device):
    """A device that has to be looked up: not unknown, but to be tried again."""
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1))
    disk.fail("read")
    with Connection(faulty.port) as connection:
        assert_refused(connection.post(message.data))
    disk.heal()
    recover(faulty, bulla, device, message)


def test_nothing_is_acknowledged_before_it_is_durable(faulty, disk, bulla, make_device):
    device = make_device("kitchen", "--counter")
    with Connection(faulty.port) as connection:
        device.send(connection, senml(a=1))
        disk.hold()
        message = device.seal(senml(a=2))
        connection.send(message_request(message.data))
        wait_until(lambda: metrics(faulty)["bulla_queue_messages"] == 1, what="the message in the queue")
        assert connection.silent(0.3), "an answer came before fsync() was through"
        disk.heal()
        assert message.piv in device.check(connection.receive(), message).stored()
    assert seqs(bulla) == [0, 1]


def test_killed_before_it_is_durable(faulty, disk, bulla, make_device):
    """The message was not acknowledged; sent again it is stored once, whatever the crash left."""
    device = make_device("kitchen", "--counter")
    disk.hold()
    message = device.seal(senml(a=2))
    with Connection(faulty.port) as connection:
        connection.send(message_request(message.data))
        wait_until(lambda: metrics(faulty)["bulla_queue_messages"] == 1, what="the message in the queue")
        faulty.kill()
        with pytest.raises(http_client.Closed) as closed:
            connection.receive()
        assert closed.value.raw == b""
    disk.heal()
    faulty.start()
    with Connection(faulty.port) as connection:
        device.check(connection.post(message.data), message)
    assert seqs(bulla) == [message.piv]


def send_twice_while_held(gateway, disk, device, copies):
    """Sends a message, and copies of it while its commit is under way: connections that wait."""
    disk.hold()
    message = device.seal(senml(a=2))
    connections = []
    for count in range(1 + copies):
        connections.append(Connection(gateway.port))
        connections[-1].send(message_request(message.data))
        wait_until(
            lambda: metrics(gateway)["bulla_queue_messages"] == count + 1, what="the messages in the queue"
        )
    for connection in connections:
        assert connection.silent(0.05)
    return message, connections


@pytest.mark.parametrize("kind", ["session", "counter"])
def test_duplicates_share_the_failure(faulty, disk, bulla, make_device, kind):
    device = make_device("kitchen", *(["--counter"] if kind == "counter" else []))
    with Connection(faulty.port) as connection:
        device.send(connection, senml(a=1))
    message, connections = send_twice_while_held(faulty, disk, device, 3)
    disk.fail("sync")
    for connection in connections:
        assert_refused(connection.receive())
        connection.close()
    assert outcome(faulty, "duplicate") == 0 and outcome(faulty, "stored") == 1
    disk.heal()
    recover(faulty, bulla, device, message)
    assert outcome(faulty, "stored") == 2


def test_duplicates_share_the_success(faulty, disk, bulla, make_device):
    device = make_device("kitchen", "--counter")
    message, connections = send_twice_while_held(faulty, disk, device, 3)
    disk.heal()
    for connection in connections:
        assert message.piv in device.check(connection.receive(), message).stored()
        connection.close()
    assert outcome(faulty, "stored") == 1 and outcome(faulty, "duplicate") == 3
    assert seqs(bulla) == [message.piv]


def test_what_gathers_on_a_failing_batch_fails_with_it(faulty, disk, bulla, make_device):
    """Messages that came while the batch was under way: nothing that is not stored is in any receipt."""
    device, other = make_device("kitchen", "--counter"), make_device("shed", "--counter")
    connections = [Connection(faulty.port) for _ in range(6)]
    disk.hold()
    sent = []
    for number, connection in enumerate(connections):
        sender = other if number % 3 == 2 else device
        sent.append((sender, sender.seal(senml(n=number))))
        connection.send(message_request(sent[-1][1].data))
        wait_until(lambda: metrics(faulty)["bulla_queue_messages"] == number + 1, what="the queue")
    disk.fail("sync")
    for connection in connections:
        assert_refused(connection.receive())
    assert seqs(bulla) == []
    disk.heal()
    for connection, (sender, message) in reversed(list(zip(connections, sent))):
        reply = sender.check(connection.post(message.data), message)
        assert reply.stored() == {piv for piv in sender.sealed if piv >= message.piv}
        connection.close()
    assert sorted(seqs(bulla, "kitchen")) == [0, 1, 2, 3]
    assert sorted(seqs(bulla, "shed")) == [0, 1]


def test_end_with_messages_in_the_queue(faulty, disk, bulla, make_device):
    """They are finished: stored, answered, and only then it ends."""
    device = make_device("kitchen", "--counter")
    message, connections = send_twice_while_held(faulty, disk, device, 1)
    others = []
    for number in range(5):
        others.append((device.seal(senml(n=number)), Connection(faulty.port)))
        others[-1][1].send(message_request(others[-1][0].data))
        wait_until(lambda: metrics(faulty)["bulla_queue_messages"] == number + 3, what="the queue")
    late = Connection(faulty.port)
    wait_until(lambda: metrics(faulty)["bulla_http_connections"] == 8, what="the last connection")
    faulty.process.send_signal(signal.SIGTERM)
    wait_until(lambda: any("event=stopping" in line for line in faulty.log), what="the signal")
    assert_refused(late.post(device.seal(senml(a=9)).data))
    assert faulty.process.poll() is None
    disk.heal()
    for sent, connection in [(message, connection) for connection in connections] + others:
        assert sent.piv in device.check(connection.receive(), sent).stored()
        connection.close()
    assert faulty.wait() == 0
    assert "waiting=7" in faulty.text()
    assert sorted(seqs(bulla)) == [0, 1, 2, 3, 4, 5]


def test_queue_full(make_gateway, fault_library, disk, bulla, make_device):
    """What does not fit is told to come again, at once; what fitted is stored."""
    gateway = start_faulty(make_gateway, fault_library, disk, "--queue", 4)
    device = make_device("kitchen", "--counter")
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=1))
    message, connections = send_twice_while_held(gateway, disk, device, 3)
    late = device.seal(senml(a=3))
    with Connection(gateway.port) as connection:
        assert_refused(connection.post(late.data))
        assert connection.post(b"no message").status == 400
        disk.heal()
        for waiting in connections:
            device.check(waiting.receive(), message)
            waiting.close()
        device.check(connection.post(late.data), late)
    assert seqs(bulla) == [0, 1, 2]


def test_health_of_a_store_that_cannot_be_read(faulty, disk, make_device):
    """Every message is refused: that is not well."""
    device = make_device("kitchen", "--counter")
    disk.fail("read")
    with Connection(faulty.port) as connection:
        for _ in range(3):
            assert_refused(connection.post(device.seal(senml(a=1)).data))
    assert health(faulty)[0] == 503


def test_health_recovers_without_messages(faulty, disk, make_device):
    """Who sends no messages to a gateway that is not well must see it get well."""
    device = make_device("kitchen", "--counter")
    with Connection(faulty.port) as connection:
        device.send(connection, senml(a=1))
        disk.fail("write")
        assert_refused(connection.post(device.seal(senml(a=1)).data))
        assert_failing(faulty, "check the disk")
    disk.heal()
    wait_until(lambda: health(faulty)[0] == 200, what="the recovery")  # a probe counts 5 s after a batch that failed


# ---- another program holds the database ----


class Lock:
    """Another program's write lock on the database."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("BEGIN EXCLUSIVE")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.execute("ROLLBACK")
        self.connection.close()


def test_locked(gateway, bulla, tmp_path, make_device):
    device = make_device("kitchen", "--counter")
    with Connection(gateway.port) as connection:
        first = device.send(connection, senml(a=1))
        message = device.seal(senml(a=2))
        with Lock(tmp_path / "bulla.db"):
            begun = time.monotonic()
            assert_refused(connection.post(message.data))
            assert time.monotonic() - begun < allowed(5), "a device waits no longer than that"
            assert_failing(gateway, "locked")
    recover(gateway, bulla, device, message)
    assert seqs(bulla) == [first.piv, message.piv]


def test_duplicate_while_locked(gateway, bulla, tmp_path, make_device):
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=2))
    connections = [Connection(gateway.port) for _ in range(3)]
    with Lock(tmp_path / "bulla.db"):
        for connection in connections:
            connection.send(message_request(message.data))
        for connection in connections:
            assert_refused(connection.receive())
            connection.close()
        assert outcome(gateway, "duplicate") == 0
    recover(gateway, bulla, device, message)


def test_journal_does_not_delay_readings_while_locked(gateway, bulla, tmp_path, make_device):
    """An event that waits to be written, too, does not keep a device waiting for its 503."""
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=2))
    with Lock(tmp_path / "bulla.db"), Connection(gateway.port) as connection:
        assert connection.post(b"no message").status == 400
        begun = time.monotonic()
        assert_refused(connection.post(message.data))
        assert time.monotonic() - begun < allowed(4.5)
    recover(gateway, bulla, device, message)


def test_locked_for_a_moment(gateway, bulla, tmp_path, make_device):
    """Then the message waits, and is stored."""
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=2))
    with Connection(gateway.port) as connection:
        with Lock(tmp_path / "bulla.db"):
            connection.send(message_request(message.data))
            assert connection.silent(0.5)
        device.check(connection.receive(), message)
    assert_well(gateway)
    assert metrics(gateway)["bulla_commit_failures_total"] == 0
    assert seqs(bulla) == [message.piv]


# ---- no room ----


def fill_up(gateway, device, connection):
    """Sends until the store takes no more. What was acknowledged, and what was refused."""
    stored = []
    for _ in range(5000):
        message = device.seal(senml(text="x" * 3000))
        response = connection.post(message.data)
        if response.status == 503:
            assert_refused(response)
            return stored, message
        device.check(response, message)
        stored.append(message.piv)
    raise AssertionError("the store never got full")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "bulla-test", folder], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip("cannot mount a small file system: %s" % done.stderr.strip())
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_disk_full(small_disk, make_gateway):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    bulla = Commands(small_disk)
    gateway = make_gateway(folder=small_disk).start()
    device = PythonDevice(bulla.add("kitchen", "--counter"))
    try:
        with Connection(gateway.port) as connection:
            stored, message = fill_up(gateway, device, connection)
            assert len(stored) > 10
            assert_failing(gateway, "full.*make room")
            assert_refused(connection.post(message.data))
        assert seqs(bulla) == stored
        ballast.unlink()
        recover(gateway, bulla, device, message)
        assert seqs(bulla) == [*stored, message.piv]
    finally:
        gateway.stop()


def test_file_size_limit(gateway, bulla, make_device):
    """A limit on the size of files (ulimit -f) is a store that fails, not the end of the process."""
    device = make_device("kitchen", "--counter")
    process = gateway.process.pid
    resource.prlimit(process, resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    with Connection(gateway.port) as connection:
        stored, message = fill_up(gateway, device, connection)
        assert len(stored) > 10
        assert_failing(gateway, "disk I/O error|full")
    resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    recover(gateway, bulla, device, message)
    assert seqs(bulla) == [*stored, message.piv]


def test_end_while_locked(gateway, bulla, make_device, tmp_path):
    """A gateway that is told to end while the store fails ends, and tells its devices to come again."""
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1))
    with Lock(tmp_path / "bulla.db"), Connection(gateway.port) as connection:
        connection.send(message_request(message.data))
        wait_until(lambda: metrics(gateway)["bulla_queue_messages"] == 1, what="the queue")
        gateway.process.send_signal(signal.SIGTERM)
        assert_refused(connection.receive())
        assert gateway.wait() == 0
    gateway.start()
    recover(gateway, bulla, device, message)


# ---- not ours to write ----


def as_nobody(folder):
    """Runs the gateway as a user that owns nothing."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be someone else")
    for part in [folder, *folder.parents]:
        if not part.stat().st_mode & stat.S_IXOTH and part != Path("/"):
            part.chmod(part.stat().st_mode | stat.S_IXOTH)
    return {"user": 65534, "group": 65534, "extra_groups": []}


@pytest.mark.parametrize("there", [False, True])
def test_folder_that_is_read_only(tmp_path, make_gateway, there):
    """It says so, and ends; nothing is left behind or changed."""
    folder = tmp_path / "folder"
    folder.mkdir()
    if there:
        Commands(folder).add("kitchen")
        for file in folder.iterdir():
            os.chown(file, 65534, 65534)
            file.chmod(0o400 if file.suffix == ".db" else 0o600)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    gateway = make_gateway(folder=folder, **as_nobody(folder))
    gateway.start(wait=False)
    assert gateway.wait() == 1
    assert re.fullmatch(r"bulla: cannot (make|read) the database.*", gateway.text()), gateway.log
    assert "writable" in gateway.text() and "bulla.db" in gateway.text()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
