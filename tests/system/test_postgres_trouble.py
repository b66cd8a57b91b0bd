"""PostgreSQL in trouble under load: full, paused, a standby, behind a cable that is cut. Nothing acknowledged is lost, and all goes on alone."""

import collections
import os
import pwd
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

import program
from http_client import get, health, post
from postgres import Postgres
from program import allowed, wait_until
from python_device import PythonDevice, senml
from test_postgres import (bulla, database, env, make_gateway, new_database, send_until, server)  # noqa: F401 (fixtures)

DEVICES = 4
ROOM = 24 << 20  # bytes of the small disk


def run(*command):
    """What root's tool says is wrong, or None."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30)
    return None if done.returncode == 0 else "%s: %s" % (" ".join(map(str, command)), done.stderr.strip())


def need(*command):
    """Skips the test where this machine does not let it do that."""
    wrong = run(*command) if os.geteuid() == 0 else "it needs root"
    if wrong:
        pytest.skip("%s cannot be done here: %s" % (command[0], wrong))


class Load:
    """Devices that send all the time, each reading until it is stored."""

    def __init__(self, gateway, lines):
        self.gateway = gateway
        self.devices = [PythonDevice(line) for line in lines]
        self.counted = [collections.Counter() for _ in lines]
        self.sent = [0] * len(lines)
        self.going = threading.Event()
        self.going.set()
        self.wrong = []
        self.threads = [threading.Thread(target=self._live, args=(number,)) for number in range(len(lines))]
        for thread in self.threads:
            thread.start()

    def _live(self, number):
        try:
            while self.going.is_set():
                send_until(self.devices[number], self.gateway, self.sent[number] + 1, self.counted[number], seconds=90)
                self.sent[number] += 1
        except BaseException as error:  # for stop()
            self.wrong.append(error)

    def refusals(self):
        return min(each[503] for each in self.counted)

    def stop(self):
        self.going.clear()
        for thread in self.threads:
            thread.join()
        if self.wrong:
            raise self.wrong[0]

    def check(self, bulla):  # noqa: F811
        """Each reading is there, once, in its order."""
        stored = collections.defaultdict(list)
        for row in bulla.readings("--limit", "all"):
            stored[row["device"]].append(row["value"])
        assert stored == {"d%d" % i: list(range(1, sent + 1)) for i, sent in enumerate(self.sent)}


def make_devices(bulla):  # noqa: F811
    return [bulla.add("d%d" % i, *(["--counter"] if i % 2 else [])) for i in range(DEVICES)]


# ---- full ----


@pytest.fixture
def small_disk(server):  # noqa: F811
    """The folder of a disk of ROOM bytes that the server may use."""
    folder = Path(tempfile.mkdtemp(prefix="bulla-small-", dir="/tmp"))
    try:
        need("mount", "-t", "tmpfs", "-o", "size=%d,mode=0777" % ROOM, "tmpfs", folder)
        yield folder
        server.psql("DROP DATABASE IF EXISTS small WITH (FORCE)")
        server.psql("DROP TABLESPACE IF EXISTS small")
    finally:
        run("umount", folder)
        folder.rmdir()


def fill(folder, leave):
    """A file that leaves so many bytes of the disk."""
    state = os.statvfs(folder)
    with open(folder / "filler", "wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, state.f_bavail * state.f_frsize - leave)


def test_a_full_disk(server, small_disk, tmp_path, env, make_gateway):  # noqa: F811
    """It runs full under load; as soon as there is room it goes on, without anybody doing anything else."""
    data = small_disk / "data"
    data.mkdir()
    os.chown(data, pwd.getpwnam("postgres").pw_uid, -1)
    server.psql("CREATE TABLESPACE small LOCATION '%s'" % data)
    server.psql("CREATE DATABASE small TABLESPACE small")
    url = server.url("small")
    bulla = program.Commands(tmp_path, url, env)  # noqa: F811
    lines = make_devices(bulla)
    gateway = make_gateway("--log-level", "error", db=url).start()
    load = Load(gateway, lines)
    try:
        wait_until(lambda: min(load.sent) > 3, what="readings before")
        fill(small_disk, 64 << 10)
        wait_until(lambda: load.refusals() > 20, 60, "the disk to be full")
        begun = time.monotonic()
        since = set()
        while time.monotonic() < begun + 2:
            status, told = health(gateway)
            assert status == 503 and "make room" in told["detail"] and "postgres" in told["detail"], told
            since.add(told["since"])
            time.sleep(0.05)
        assert len(since) == 1, "it is the same trouble all the time"
        before = list(load.sent)
        time.sleep(0.5)
        assert load.sent == before
        (small_disk / "filler").unlink()
        begun = time.monotonic()
        wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
        wait_until(lambda: min(now - then for now, then in zip(load.sent, before)) > 3, what="readings afterwards")
        print("went on after %.1f s" % (time.monotonic() - begun))
    finally:
        (small_disk / "filler").unlink(missing_ok=True)
        load.stop()
    load.check(bulla)
    gateway.stop()


# ---- paused, and cut off ----


def pause(server, number):  # noqa: F811
    """SIGSTOP and SIGCONT, for the server and all of its processes."""
    pid = server.process.pid
    children = Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
    for each in (pid, *map(int, children)):
        try:
            os.kill(each, number)
        except ProcessLookupError:
            pass


def check_silence(gateway, load, begin, end, kind="postgres"):
    """A server that says nothing any more: what is waited for it is bounded, and told; and it goes on alone."""
    wait_until(lambda: min(load.sent) > 3, what="readings before")
    begun, at = time.monotonic(), time.time()
    begin()
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 503, 60, "trouble at /healthz")
    silent = time.monotonic() - begun
    status, told = health(gateway)
    assert status == 503 and at - allowed(2) <= told["since"] <= at + allowed(2), (told, at)
    assert kind in told["detail"], told
    wait_until(lambda: load.refusals() > 0, what="refusals")
    before = list(load.sent)
    end()
    begun = time.monotonic()
    wait_until(lambda: min(now - then for now, then in zip(load.sent, before)) > 3, 30, "readings afterwards")
    assert health(gateway)[0] == 200
    print("given up after %.1f s, went on after %.1f s" % (silent, time.monotonic() - begun))
    assert 12 < silent < allowed(22)


def test_a_paused_server(server, bulla, make_gateway):  # noqa: F811
    lines = make_devices(bulla)
    gateway = make_gateway("--log-level", "error").start()
    load = Load(gateway, lines)
    try:
        check_silence(gateway, load, lambda: pause(server, signal.SIGSTOP), lambda: pause(server, signal.SIGCONT))
    finally:
        pause(server, signal.SIGCONT)
        load.stop()
    load.check(bulla)


@pytest.fixture
def cable():
    """A network of its own behind a cable: its name. cable.cut(True), cable.cut(False)."""
    mark = "b%07x" % random.SystemRandom().randrange(2**28)
    net = random.SystemRandom().randrange(256)

    class Cable:
        name = mark
        address = "10.213.%d.2" % net

        def cut(self, cut):
            wrong = run("ip", "-n", mark, "link", "set", mark + "i", "down" if cut else "up")
            assert not wrong, wrong

    need("ip", "netns", "add", mark)
    try:
        need("ip", "link", "add", mark + "o", "type", "veth", "peer", "name", mark + "i")
        need("ip", "link", "set", mark + "i", "netns", mark)
        need("ip", "addr", "add", "10.213.%d.1/24" % net, "dev", mark + "o")
        need("ip", "link", "set", mark + "o", "up")
        need("ip", "-n", mark, "addr", "add", "10.213.%d.2/24" % net, "dev", mark + "i")
        need("ip", "-n", mark, "link", "set", mark + "i", "up")
        yield Cable()
    finally:
        run("ip", "link", "del", mark + "o")
        run("ip", "netns", "del", mark)


def test_a_cable_that_is_cut(cable, tmp_path, env, make_gateway):  # noqa: F811
    server = Postgres()  # noqa: F811
    server.before = ["ip", "netns", "exec", cable.name, *server.before]
    with open(server.data / "pg_hba.conf", "a") as rules:
        rules.write("host all all 10.213.0.0/16 trust\n")
    server.settings["listen_addresses"] = cable.address
    try:
        server.start()
        server.make_database("bulla")
        url = "postgres://bulla@%s:%d/bulla" % (cable.address, server.port)
        bulla = program.Commands(tmp_path, url, env)  # noqa: F811
        lines = make_devices(bulla)
        gateway = make_gateway("--log-level", "error", db=url).start()
        load = Load(gateway, lines)
        try:
            check_silence(gateway, load, lambda: cable.cut(True), lambda: cable.cut(False))
        finally:
            cable.cut(False)
            load.stop()
        load.check(bulla)
        gateway.stop()
    finally:
        server.remove()


# ---- a standby takes over ----


def test_a_standby_takes_over(tmp_path, env, make_gateway):  # noqa: F811
    """
    With a synchronous standby, and both in the URL: the first server is killed, nothing is stored while there is only a
    standby, which takes no writes; once it is promoted the gateway goes on there. What was acknowledged is there.
    """
    first = Postgres(wal_level="replica", max_wal_senders=4, synchronous_standby_names="*", synchronous_commit="local")
    second = Postgres(wal_level="replica", max_wal_senders=4)
    try:
        first.start()
        first.make_database("bulla")
        shutil.rmtree(second.data)
        second.run("pg_basebackup", "-d", first.url("postgres"), "-D", second.data, "-R", "-c", "fast", "--no-sync")
        second.start(wait=False)
        second.wait_ready()
        wait_until(lambda: first.psql("SELECT sync_state FROM pg_stat_replication") == "sync", what="the standby")
        url = "postgres://bulla@/bulla?host=%s,%s&port=%d,%d&target_session_attrs=read-write" % (
            first.folder, second.folder, first.port, second.port)
        bulla = program.Commands(tmp_path, first.url("bulla"), env)  # noqa: F811
        lines = make_devices(bulla)
        first.psql("ALTER DATABASE bulla SET synchronous_commit = on")
        standby = make_gateway(db=second.url("bulla")).start()
        wait_until(lambda: "event=store-away" in standby.text(), what="a line of the log")
        assert "takes no writes" in health(standby)[1]["detail"]
        gateway = make_gateway("--log-level", "error", db=url).start()
        load = Load(gateway, lines)
        try:
            wait_until(lambda: min(load.sent) > 3, what="readings before")
            first.kill()
            wait_until(lambda: load.refusals() > 5, what="refusals")
            assert health(gateway)[0] == 503
            before = list(load.sent)
            second.psql("SELECT pg_promote()")
            begun = time.monotonic()
            wait_until(lambda: min(now - then for now, then in zip(load.sent, before)) > 3, 30, "readings afterwards")
            print("went on after %.1f s" % (time.monotonic() - begun))
        finally:
            load.stop()
        load.check(program.Commands(tmp_path, second.url("bulla"), env))
        wait_until(lambda: get(standby.admin_port, "/healthz").status == 200, what="the gateway that had waited")
        response = post(standby.port, load.devices[1].seal(senml(value=1)).data)
        assert response.status in (200, 401)
        gateway.stop()
        standby.stop()
    finally:
        first.remove()
        second.remove()
