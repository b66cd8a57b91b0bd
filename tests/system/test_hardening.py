"""What the gateway gives up: who it is, what it may call, what it leaves in memory. The sandbox stands only in builds
without sanitizers: BULLA_RELEASE_BIN names one (scripts/test builds it)."""

import errno
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

import program
from http_client import Connection, get, health, outcome, post
from mosquitto import Certificates
from mqtt_peer import Peer, send
from program import wait_until
from python_device import PythonDevice, senml
from test_store_faults import Disk, fault_library  # noqa: F401 (a fixture)

NOBODY = pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def status(gateway):
    """Of every thread: the fields of /proc/PID/task/TID/status."""
    found = []
    for task in Path("/proc/%d/task" % gateway.process.pid).iterdir():
        found.append(dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines()))
    return found


@pytest.fixture
def open_folder(tmp_path):
    """A folder of nobody's, whose way other users may go."""
    folder = Path("/tmp") / ("bulla-%d-%s" % (os.getpid(), tmp_path.name))
    folder.mkdir(mode=0o755)
    os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


# ---- every build ----


def test_no_new_privileges_and_no_cores(gateway):
    for task in status(gateway):
        assert task["NoNewPrivs"].strip() == "1"
    limits = Path("/proc/%d/limits" % gateway.process.pid).read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)


@needs_root
def test_root_is_warned(gateway):
    assert [line for line in gateway.hardening if "level=warn" in line and "step=user" in line and "--user" in line]


@needs_root
def test_root_becomes_another_for_good(make_gateway, open_folder):
    """In every thread, with every one of its ids, without groups of root's and without capabilities."""
    gateway = make_gateway("--user", "nobody", folder=open_folder).start()
    wait_until(lambda: len(status(gateway)) > 1, what="the store's thread")
    for task in status(gateway):
        assert task["Uid"].split() == [str(NOBODY.pw_uid)] * 4
        assert task["Gid"].split() == [str(NOBODY.pw_gid)] * 4
        assert set(task["Groups"].split()) <= {str(NOBODY.pw_gid)}
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(task[kind], 16) == 0, kind
    assert not [line for line in gateway.hardening if "step=user" in line]
    for path in open_folder.iterdir():  # the database was opened by nobody, too
        assert path.stat().st_uid == NOBODY.pw_uid, path
    assert post(gateway.port, b"x").status == 400


@needs_root
@pytest.mark.skipif(int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 81,
                    reason="everybody may listen on port 81 here")
def test_a_port_that_is_roots(open_folder):
    done = program.Commands(open_folder).run("serve", "--listen", "127.0.0.1:81", "--admin", "off", status=1,
                                             user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[])
    assert "Permission denied; a port below 1024 is root's: start it as root with --user NAME" in done.stderr


@needs_root
def test_a_port_below_1024(make_gateway, open_folder):
    with socket.socket() as probe:
        for port in range(1000, 900, -1):
            try:
                probe.bind(("127.0.0.1", port))
                break
            except OSError:
                continue
        else:
            pytest.skip("no port below 1024 is free")
    gateway = make_gateway("--user", "nobody", folder=open_folder)
    gateway.port = port
    gateway.start()
    assert gateway.port == port and post(port, b"x").status == 400
    for task in status(gateway):
        assert int(task["CapEff"], 16) == 0 and int(task["CapPrm"], 16) == 0


@needs_root
@pytest.mark.parametrize("user, complaint", [
    ("root", "that is root, and gives nothing up"), ("not-a-user-here", "there is no such user"),
])
def test_users_that_are_refused(make_gateway, tmp_path, user, complaint):
    gateway = make_gateway("--user", user).start(wait=False)
    assert gateway.wait() == 1 and complaint in gateway.text()
    assert not (tmp_path / "bulla.db").exists()


@needs_root
def test_only_root_becomes_another(make_gateway, open_folder):
    def refused(user):
        gateway = make_gateway("--user", user, folder=open_folder, user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[])
        return gateway.start(wait=False)

    gateway = refused("daemon")
    assert gateway.wait() == 1 and "only root can become somebody else" in gateway.text()
    gateway = refused("nobody")  # who it is already
    gateway.wait_ready()
    gateway.stop()


@needs_root
def test_a_folder_that_the_user_may_not_write(make_gateway, tmp_path):
    os.chmod(tmp_path, 0o700)
    gateway = make_gateway("--user", "nobody").start(wait=False)
    assert gateway.wait() == 1
    assert not (tmp_path / "bulla.db").exists()


@needs_root
def test_a_file_that_only_root_may_read(make_gateway, open_folder):
    """It is read before root is given up, and cannot be read anew: that is said, and changes nothing."""
    conf = open_folder / "bulla.conf"
    conf.write_text("user = nobody\nlog-level = info\n")
    conf.chmod(0o600)
    gateway = make_gateway("--config", conf, folder=open_folder).start()
    assert status(gateway)[0]["Uid"].split() == [str(NOBODY.pw_uid)] * 4
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: re.search(r"level=error event=reload .*Permission denied", gateway.text()), what="the log's line")
    conf.chmod(0o644)
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "event=reloaded changes=0" in gateway.text(), what="the reload")


# ---- the build that is installed ----


@pytest.fixture
def release(monkeypatch):
    path = os.environ.get("BULLA_RELEASE_BIN")
    if not path:
        pytest.skip("BULLA_RELEASE_BIN names no build without sanitizers, which have no sandbox")
    monkeypatch.setattr(program, "BINARY", Path(path).resolve())


def check_nothing_refused(gateways, also=frozenset()):
    """By the kernel's log, which names what a filter refuses, and clone3 (435) at each start: see the filter."""
    done = subprocess.run(["dmesg"], capture_output=True, text=True)
    for pid in gateways:
        calls = set(re.findall(r"type=1326 .* pid=%d .* syscall=(\d+) " % pid, done.stdout))
        assert calls <= {"435"} | also, calls
        if os.uname().machine == "x86_64" and not calls:
            pytest.skip("all worked, but the kernel's log, which would name refused calls, cannot be read")


def check_sandbox(gateway):
    tasks = wait_until(lambda: len(found := status(gateway)) > 1 and found, what="the store's thread")
    for task in tasks:
        assert task["Seccomp"].strip() == "2" and task["NoNewPrivs"].strip() == "1"


def test_every_thread_stands_behind_the_filter(release, make_gateway):
    gateway = make_gateway("--log-level", "debug").start()
    check_sandbox(gateway)
    assert [line for line in gateway.hardening if "level=debug" in line and "step=sandbox" in line]
    assert not [line for line in gateway.hardening if "level=warn" in line and "step=user" not in line]


def test_the_sandbox_can_be_left_out(release, make_gateway):
    gateway = make_gateway("--sandbox", "off").start()
    assert {task["Seccomp"].strip() for task in status(gateway)} <= {"0", status_of_self()}
    assert [line for line in gateway.hardening if "level=warn" in line and "step=sandbox" in line]


def status_of_self():
    return re.search(r"Seccomp:\t(\d)", Path("/proc/self/status").read_text())[1]


@needs_root
def test_nobody_looks_into_it(release, make_gateway, open_folder):
    """Not even the user that it runs as: what is in /proc belongs to root, and that user may not trace it."""
    gateway = make_gateway("--user", "nobody", folder=open_folder).start()
    pid = gateway.process.pid
    assert Path("/proc/%d/mem" % pid).stat().st_uid == 0
    look = "import sys\ntry: open('/proc/%d/environ').read()\nexcept PermissionError: sys.exit(7)" % pid
    done = subprocess.run(["/usr/bin/python3", "-c", look], user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[])
    assert done.returncode == 7
    assert int(status(gateway)[0]["VmLck"].split()[0]) > 0


@needs_root
def test_keys_that_cannot_be_locked(release, make_gateway, open_folder):
    gateway = make_gateway("--user", "nobody", folder=open_folder, preexec_fn=no_locked_memory).start()
    device = PythonDevice(program.Commands(open_folder).add("kitchen"))
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=1))  # a device's keys are in memory now
    wait_until(lambda: [line for line in gateway.hardening if "step=locked-memory" in line and "ulimit -l" in line])


def no_locked_memory():
    import resource
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))


def test_all_that_a_gateway_does(release, make_gateway, make_device, bulla, tmp_path):
    """Send, read beside it, scrape, reload, change devices, kill, start again, end: nothing of it is refused."""
    conf = tmp_path / "bulla.conf"
    conf.write_text("log-level = debug\n")
    gateway = make_gateway("--config", conf).start()
    pids = [gateway.process.pid]
    check_sandbox(gateway)
    devices = [make_device("device %d" % i, *(["--counter"] if i % 2 else [])) for i in range(6)]

    def send(device, times):
        with Connection(gateway.port) as connection:
            for i in range(times):
                device.send(connection, senml(a=i))

    threads = [threading.Thread(target=send, args=(device, 60)) for device in devices]
    for thread in threads:
        thread.start()
    for _ in range(5):
        bulla.readings()
        gateway.process.send_signal(signal.SIGHUP)
        assert get(gateway.admin_port, "/metrics").status == 200
    for thread in threads:
        thread.join()
    assert gateway.text().count("event=reloaded") >= 1
    bulla("device", "revoke", "device 0")
    message = devices[0].seal(senml(a=1))
    wait_until(lambda: post(gateway.port, message.data).status == 401, what="the revocation")
    gateway.kill()
    gateway.start()
    pids.append(gateway.process.pid)
    check_sandbox(gateway)
    send(devices[1], 10)
    assert outcome(gateway, "stored") == 10
    gateway.stop()
    assert len(bulla.readings("--limit", "all")) == 370
    check_nothing_refused(pids)


def test_a_gateway_that_calls_brokers(release, make_gateway, make_device, make_mosquitto, bulla, tmp_path):
    """Names are looked up, TLS is spoken, and a broker that was away comes back: inside the sandbox."""
    certificates = Certificates(tmp_path / "certificates")
    plain, tls = make_mosquitto().start(), make_mosquitto(tls=certificates).start()
    gateway = make_gateway("--mqtt", "mqtt://localhost:%d" % plain.port,
                           "--mqtt", "mqtts://localhost:%d?ca=%s" % (tls.port, certificates.ca)).start()
    check_sandbox(gateway)

    def connected(count):
        wait_until(lambda: gateway.text().count("state=connected") >= count, 30, "the brokers' connections")

    def deliver(broker, **options):
        peer = Peer(broker, **options)
        send(device, peer, senml(a=1))
        peer.close()

    connected(2)
    device = make_device("kitchen")
    deliver(plain)
    deliver(tls, tls=certificates)
    for broker in (plain, tls):
        broker.kill()
    wait_until(lambda: gateway.text().count("state=away") >= 2, what="the end of the connections")
    for broker in (plain, tls):
        broker.start()
    connected(4)
    deliver(plain)
    deliver(tls, tls=certificates)
    check_sandbox(gateway)
    pid = gateway.process.pid
    gateway.stop()
    assert len(bulla.readings()) == 4
    check_nothing_refused([pid], also={"41"})  # glibc asks netlink for addresses, and does without


@needs_root
def test_files_of_brokers_are_the_user_s(release, make_gateway, make_mosquitto, open_folder, tmp_path):
    """They are read as whom root becomes: root's own are refused, with what is the matter."""
    broker = make_mosquitto(users={"gateway": "g"}).start()
    path = open_folder / "broker"
    path.write_text("%s\nuser = gateway\npassword = g\n" % broker.url)
    path.chmod(0o600)
    gateway = make_gateway("--user", "nobody", "--mqtt", "@%s" % path, folder=open_folder).start(wait=False)
    assert gateway.wait() == 1 and "--mqtt: cannot open %s: Permission denied" % path in gateway.text()
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    gateway.start()
    wait_until(lambda: "state=connected" in gateway.text(), what="the broker's connection")
    for task in status(gateway):
        assert int(task["CapEff"], 16) == 0 and task["Uid"].split() == [str(NOBODY.pw_uid)] * 4


def test_a_full_disk(release, make_gateway, make_device, fault_library, tmp_path):  # noqa: F811
    """The filter stands in nobody's way when writing fails, and when it goes on."""
    disk = Disk(tmp_path / "order")
    environment = {
        "LD_PRELOAD": fault_library, "BULLA_FAULT_FILES": "bulla.db", "BULLA_FAULT_ORDER": str(disk.order),
    }
    gateway = make_gateway(env=environment).start()
    check_sandbox(gateway)
    device = make_device("kitchen", "--counter")
    with Connection(gateway.port) as connection:
        device.send(connection, senml(a=1))
        disk.fail("write", 28)
        message = device.seal(senml(a=2))
        assert connection.post(message.data).status == 503
        assert health(gateway)[0] == 503
        disk.heal()
        wait_until(lambda: health(gateway)[0] == 200, what="recovery")
        device.check(connection.post(message.data), message)
    check_nothing_refused([gateway.process.pid])


def test_an_abort_ends_it(release, make_gateway):
    """Without a core, and without the filter in its way."""
    gateway = make_gateway().start()
    gateway.process.send_signal(signal.SIGABRT)
    assert gateway.wait() == -signal.SIGABRT
    assert not list(gateway.folder.glob("core*"))


@pytest.fixture
def probe_library(tmp_path):
    """The library that tries what an intruder would: BULLA_PROBE_LIB, or compiled here."""
    if os.environ.get("BULLA_PROBE_LIB"):
        return os.environ["BULLA_PROBE_LIB"]
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("needs a C compiler, or BULLA_PROBE_LIB")
    library = tmp_path / "probe.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library, Path(__file__).parent / "probe" / "probe.c"], check=True)
    return str(library)


@pytest.mark.parametrize("calls", [False, True], ids=["", "and brokers are called"])
def test_what_an_intruder_would_call_is_refused(release, make_gateway, probe_library, tmp_path, calls):
    """From a thread that was there before the filter: it stands around all of them. The last test, because the
    kernel's log leaves lines out behind so many, and others read it."""
    out = tmp_path / "probe"
    arguments = ["--mqtt", "mqtt://127.0.0.1:1"] if calls else []
    gateway = make_gateway(*arguments, env={"LD_PRELOAD": probe_library, "BULLA_PROBE": str(out)}).start()
    wait_until(out.exists, what="the intruder's report")
    results = dict(line.rsplit(" ", 1) for line in out.read_text().splitlines())
    assert len(results) > 40
    for name, error in results.items():
        expected = 0 if name.startswith("allowed: ") else errno.EPERM
        if calls:
            expected = {"socket AF_INET": 0, "socket AF_INET6": 0, "socketpair": 0, "connect": errno.EBADF}.get(name, expected)
        assert int(error) == expected, (name, os.strerror(int(error)))
    assert health(gateway)[0] == 200
