"""The gateway as a service: what it tells the manager that started it, and where it finds its master key then."""

import os
import signal
import socket
import time

import pytest

from program import allowed, wait_until


@pytest.fixture
def manager(tmp_path):
    """The socket that a service manager listens at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        yield listening


def hear(manager):
    """The next word, but for what is only shown to people."""
    while (words := manager.recv(500)).startswith(b"STATUS="):
        pass
    return words


def test_it_says_when_it_is_ready_and_when_it_stops(make_gateway, manager, tmp_path):
    gateway = make_gateway(env={"NOTIFY_SOCKET": str(tmp_path / "notify")}).start()
    assert hear(manager) == b"READY=1"
    socket.create_connection(("127.0.0.1", gateway.port), 5).close()
    gateway.stop()
    assert hear(manager) == b"STOPPING=1"
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):  # no watchdog was asked for
        manager.recv(100)


def test_it_is_not_ready_if_it_cannot_listen(make_gateway, manager, gateway, tmp_path):
    """Neither where the devices' listener is there already and the administrator's is not to be had."""
    taken = "127.0.0.1:%d" % gateway.admin_port
    second = make_gateway("--admin", taken, env={"NOTIFY_SOCKET": str(tmp_path / "notify")}).start(wait=False)
    assert second.wait() == 1
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


def test_the_watchdog(make_gateway, manager, tmp_path):
    """It is told as long as the loop turns, and no longer."""
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
    gateway = make_gateway(env=environment).start()
    assert hear(manager) == b"READY=1"
    begun = time.monotonic()
    for _ in range(5):
        assert hear(manager) == b"WATCHDOG=1"
    assert 0.4 < time.monotonic() - begun < allowed(5)

    gateway.process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: silent(manager), what="silence")
    finally:
        gateway.process.send_signal(signal.SIGCONT)
    assert hear(manager) == b"WATCHDOG=1"


def silent(manager):
    """True if nothing comes for twice the watchdog's time."""
    manager.settimeout(0.4)
    try:
        hear(manager)
        return False
    except TimeoutError:
        return True
    finally:
        manager.settimeout(30)


def test_a_manager_that_does_not_read(make_gateway, manager, tmp_path):
    """Its socket's queue fills up; the gateway does not wait for it."""
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000"}
    gateway = make_gateway(env=environment).start()
    time.sleep(1)  # hundreds of words, and a queue holds some ten
    assert gateway.stop() < allowed(10)


def test_the_key_is_a_credential(make_gateway, bulla, tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    environment = {"CREDENTIALS_DIRECTORY": str(credentials)}

    gateway = make_gateway(env=environment).start()  # the folder has none: the key is made beside the database
    gateway.stop()
    assert not list(credentials.iterdir())
    bulla("device", "add", "kitchen", "--out", "kitchen.credential")

    (tmp_path / "bulla.key").rename(credentials / "bulla.key")
    failed = make_gateway().start(wait=False)
    assert failed.wait() == 1 and "the master key" in failed.text() and "is missing" in failed.text()

    gateway = make_gateway(env=environment).start()
    bulla("send", "--to", gateway.url, "--credential", "@kitchen.credential", "temperature=23.5:Cel")
    assert [reading["value"] for reading in bulla.readings()] == [23.5]
    assert not (tmp_path / "bulla.key").exists()


def test_an_option_outweighs_the_credential(make_gateway, bulla, tmp_path):
    bulla("device", "add", "kitchen", "--key", "other.key")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "bulla.key").write_text("00" * 32 + "\n")
    os.chmod(tmp_path / "credentials" / "bulla.key", 0o600)
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    failed = make_gateway(env=environment).start(wait=False)
    assert failed.wait() == 1 and "is not the one" in failed.text()
    make_gateway("--key", "other.key", env=environment).start().stop()
