"""What a service manager hears of a gateway that works, fails, hangs and is told to read its options anew."""

import os
import re
import signal
import socket
import threading
import time

import pytest

from http_client import Connection, health, message_request, metrics
from program import wait_until
from python_device import senml
from test_store_faults import Disk, fault_library, sanitizer_libraries  # noqa: F401 (a fixture)

WATCHDOG = 600_000  # microseconds


class Manager:
    """The manager's end: every word with the time it came."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.heard = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                words = self.socket.recv(4096).decode()
            except OSError:
                return
            self.heard.append((time.monotonic(), words))

    def words(self, begin=0):
        return [words for _, words in self.heard[begin:]]

    def wait(self, pattern, begin=0, seconds=30):
        return wait_until(
            lambda: next((found for words in self.words(begin) if (found := re.fullmatch(pattern, words, re.S))), None),
            seconds, "%r" % pattern,
        )

    def alive(self, seconds):
        """The longest silence of the watchdog within so many seconds from now."""
        begun = time.monotonic()
        time.sleep(seconds)
        times = [begun] + [at for at, words in self.heard if words == "WATCHDOG=1" and at > begun] + [time.monotonic()]
        return max(after - before for before, after in zip(times, times[1:]))


@pytest.fixture
def manager(tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path / "order")
    yield disk
    disk.heal()  # before the gateway is told to end


@pytest.fixture
def watched(make_gateway, fault_library, disk, manager, tmp_path):  # noqa: F811
    """A gateway with a manager, a watchdog and a disk that fails on demand."""
    return make_gateway(env={
        "LD_PRELOAD": ":".join([*sanitizer_libraries(), fault_library]), "BULLA_FAULT_FILES": "/bulla.db",
        "BULLA_FAULT_ORDER": str(disk.order), "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": str(WATCHDOG),
    }).start()


def test_a_gateway_that_works(watched, manager, make_device):
    device = make_device("kitchen", "--counter")
    with Connection(watched.port) as connection:
        for i in range(10):
            device.send(connection, senml(a=i))
    found = manager.wait(r"STATUS=(\d+\.\d) readings/s, (\d+) messages wait for the store")
    assert 0.5 < float(found[1]) < 20 and found[2] == "0"
    assert manager.alive(1.5) < WATCHDOG / 1e6


def test_reload_is_told(make_gateway, manager, tmp_path):
    (tmp_path / "bulla.conf").write_text("")
    gateway = make_gateway("--config", "bulla.conf", env={"NOTIFY_SOCKET": str(tmp_path / "notify")}).start()
    manager.wait("READY=1")
    for text in ("", "nonsense"):  # an error too is an end of reloading
        (tmp_path / "bulla.conf").write_text(text)
        begin, before = len(manager.heard), time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        gateway.process.send_signal(signal.SIGHUP)
        found = manager.wait(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", begin)
        assert before <= int(found[1]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        manager.wait("READY=1", begin)
        words = [each for each in manager.words(begin) if not each.startswith("STATUS=")]
        assert [each.split("\n")[0] for each in words] == ["RELOADING=1", "READY=1"]


def test_a_full_disk_is_not_a_reason_to_end(watched, manager, disk, make_device):
    """It answers 503, says so, and recovers alone: the watchdog goes on."""
    device = make_device("kitchen", "--counter")
    with Connection(watched.port) as connection:
        device.send(connection, senml(a=1))
        disk.fail("write", 28)
        message = device.seal(senml(a=2))
        assert connection.post(message.data).status == 503
        begin = len(manager.heard)
        manager.wait(r"STATUS=store failing since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: .*")
        assert manager.alive(2.5) < WATCHDOG / 1e6
        assert health(watched)[0] == 503
        disk.heal()
        manager.wait(r"STATUS=\d+\.\d readings/s.*", begin)
        device.check(connection.post(message.data), message)


def test_a_slow_disk_is_not_a_reason_to_end(watched, manager, disk, make_device):
    """An fsync that takes nearly as long as the manager waits."""
    device = make_device("kitchen", "--counter")
    with Connection(watched.port) as connection:
        for _ in range(3):
            disk.hold()
            answer = threading.Thread(target=device.send, args=(connection, senml(a=1)))
            answer.start()
            silence = manager.alive(WATCHDOG / 1e6 * 0.7)
            disk.heal()
            answer.join()
            assert silence < WATCHDOG / 1e6
    assert "store-hanging" not in watched.text()


def test_a_store_that_hangs(watched, manager, disk, make_device):
    """The loop still turns and answers, and yet the watchdog falls silent; when the store moves again, so does it."""
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1))
    disk.hold()
    with Connection(watched.port) as connection:
        connection.send(message_request(message.data))
        wait_until(lambda: "event=store-hanging" in watched.text(), what="the line of the log")
        assert manager.alive(2.5) > 2.4  # nothing at all: a manager would have ended it
        code, body = health(watched)  # the loop turns
        assert code == 503 and body["status"] == "hanging"
        assert metrics(watched)["bulla_store_up"] == 0
        begin = len(manager.heard)
        disk.heal()
        device.check(connection.receive(), message)
        manager.wait("WATCHDOG=1", begin)
    wait_until(lambda: "event=store-moving" in watched.text(), what="the line of the log")
    assert health(watched)[0] == 200 and metrics(watched)["bulla_store_up"] == 1


def test_a_process_that_stands_still(watched, manager):
    manager.wait("WATCHDOG=1")
    os.kill(watched.process.pid, signal.SIGSTOP)
    time.sleep(0.1)
    try:
        assert manager.alive(1.5) > 1.4
    finally:
        os.kill(watched.process.pid, signal.SIGCONT)
    begin = len(manager.heard)
    manager.wait("WATCHDOG=1", begin)


def test_nobody_listens_any_more(watched, manager, tmp_path):
    """The manager's socket goes away: the gateway does not mind."""
    manager.wait("READY=1")
    manager.socket.close()
    os.unlink(tmp_path / "notify")
    time.sleep(1)
    assert health(watched)[0] == 200
