"""Options from a file: what counts, what is refused, and what SIGHUP changes in a gateway that runs."""

import re
import signal
import threading
import time

import cbor2
import pytest

from http_client import Connection, health, metrics
from program import wait_until
from python_device import senml


def write(folder, text, name="bulla.conf"):
    path = folder / name
    path.write_text(text)
    return path


def print_config(bulla, *arguments, **options):
    return bulla("serve", "--print-config", *arguments, **options)


def values(text):
    return dict(line.split(" = ", 1) for line in text.splitlines() if re.match(r"[a-z]", line))


def bad_request(gateway):
    """Makes a line of level debug, if those are wanted."""
    with Connection(gateway.port) as connection:
        connection.send(b"POST /d HTTP/1.1\r\nContent-Length: x\r\n\r\n")
        connection.closed_within(5)


# ---- what counts ----


def test_the_file_is_read(make_gateway, make_device, tmp_path):
    conf = write(tmp_path, "# of the laboratory\n[serve]\nqueue = 17\n  log-level = debug\nadmin = off\n")
    gateway = make_gateway("--config", conf, "--admin", "127.0.0.1:0").start()  # the argument outweighs
    assert health(gateway)[0] == 200
    bad_request(gateway)
    wait_until(lambda: "level=debug" in gateway.text(), what="a line of level debug")


def test_the_order_of_weight(bulla, tmp_path):
    conf = write(tmp_path, "db = file.db\nkey = file.key\nidle = 7\nqueue = 8\n")
    text = print_config(bulla, "--config", conf, "--queue", "9")
    found = values(text)
    assert found["db"] == "bulla.db"  # BULLA_DB, which every test sets
    assert (found["key"], found["idle"], found["queue"], found["max-connections"]) == ("file.key", "7", "9", "10000")
    for key, origin in {
        "db": "the environment, BULLA_DB", "key": "%s, line 2" % conf, "queue": "the command line", "listen": "the default",
    }.items():
        assert re.search(r"# from %s\n%s = " % (re.escape(origin), key), text), key


def test_no_file_is_read_unasked(bulla, tmp_path):
    write(tmp_path, "idle = 7\n")
    assert values(print_config(bulla))["idle"] == "30"


def test_what_is_printed_is_read_again(bulla, tmp_path):
    """All that --help lists is in it, and nothing is lost on the way."""
    arguments = ["--idle", "7", "--key", "a = b ; c # d.key", "--admin", "off", "--log-level", "warn"]
    first = print_config(bulla, *arguments)
    second = print_config(bulla, "--config", write(tmp_path, first))
    assert values(second) == values(first)
    assert values(first)["key"] == "a = b ; c # d.key"
    typed = {"config", "print-config", "help"}
    options = set(re.findall(r"^ +(?:-\w, +)?--([a-z-]+)", bulla("serve", "--help"), re.M)) - typed
    assert options == set(re.findall(r"^#?([a-z-]+) = ", first, re.M))


def test_a_value_that_a_file_cannot_hold(bulla):
    done = bulla.run("serve", "--print-config", "--key", " blank", status=1)
    assert "key: its value has blanks around it" in done.stderr


# ---- what is refused ----


@pytest.mark.parametrize("text, complaint", [
    ("[serve]\nidel = 7\n", ":2: idel: there is no such key"),
    ("idle = 7\nidle = 8\n", ":2: idle: line 1 says it already"),
    ("idle = soon\n", ":1: idle: 'soon' is not a number from 1 to 86400"),
    ("idle =\n", ":1: idle: '' is not a number"),
    ("log-level = loud\n", ":1: log-level: 'loud' is not one of: error, warn, info, debug"),
    ("\n[gateway]\nidle = 7\n", ":2: [gateway]: there is no such section; the only one is [serve]"),
    ("[serve]\nidle\n", ":2: this is neither 'key = value' nor a comment"),
    ("idle = 7\0\n", ":1: there is a zero byte"),
    ("db = %s\n" % ("x" * 5000), ":1: this line has 5005 bytes; it may have 4000"),
    ("config = other.conf\n", ":1: config: this can only be said on the command line"),
    ("listen = nowhere\n", ":1: listen: 'nowhere' is no address; give HOST:PORT, or [HOST]:PORT for IPv6, with a port up to 65535\n"),
    ("[serve]\nlisten = ::1:8620\n", ":2: listen: '::1:8620' is no address"),
    ("\n\nadmin = 127.0.0.1:99999\n", ":3: admin: '127.0.0.1:99999' is no address; give HOST:PORT, or [HOST]:PORT for IPv6, with a port up to 65535, or off\n"),
    ("listen = off\n", ":1: listen: 'off' is no address"),
    ("print-config = yes\n", ":1: print-config: this can only be said on the command line"),
])
def test_errors_name_file_and_line(bulla, tmp_path, text, complaint):
    conf = write(tmp_path, text)
    done = bulla.run("serve", "--config", conf, status=2)
    assert done.stderr.startswith("bulla: %s%s" % (conf, complaint)), done.stderr
    assert not (tmp_path / "bulla.db").exists()


def test_what_is_no_file(bulla, tmp_path):
    for path, complaint in [(tmp_path, "a folder"), (tmp_path / "none", "No such file"), ("/dev/zero", "plain file")]:
        assert complaint in bulla.run("serve", "--config", path, status=2).stderr


# ---- SIGHUP ----


def reload(gateway, expected="event=reloaded"):
    """Sends SIGHUP; the lines that it was answered with."""
    before = len(gateway.log)
    gateway.process.send_signal(signal.SIGHUP)
    return wait_until(lambda: any(expected in line for line in gateway.log[before:]) and gateway.log[before:])


def test_what_can_change_does(make_gateway, tmp_path):
    conf = write(tmp_path, "log-level = info\n")
    gateway = make_gateway("--config", conf).start()
    bad_request(gateway)
    assert "level=debug" not in gateway.text()
    write(tmp_path, "log-level = debug\n")
    assert any("option=log-level detail=changed" in line for line in reload(gateway))
    bad_request(gateway)
    wait_until(lambda: "level=debug" in gateway.text(), what="a line of level debug")
    assert not any("option=" in line for line in reload(gateway))  # nothing changed since


def test_what_cannot_change_is_told_each_time(make_gateway, tmp_path):
    conf = write(tmp_path, "")
    gateway = make_gateway("--config", conf).start()
    write(tmp_path, "queue = 5\nkey = other.key\n")
    for _ in range(2):
        lines = reload(gateway)
        told = [re.search(r"option=(\S+) detail=\"needs a restart\"", line)[1] for line in lines if "option=" in line]
        assert sorted(told) == ["key", "queue"]
    assert health(gateway)[0] == 200


def test_arguments_outweigh_the_file_at_reload_too(make_gateway, tmp_path):
    conf = write(tmp_path, "")
    gateway = make_gateway("--config", conf, "--log-level", "info").start()
    write(tmp_path, "log-level = debug\n")
    assert not any("option=" in line for line in reload(gateway))


@pytest.mark.parametrize("text", ["log-level = debug\nidel = 7\n", "log-level = debug\n[x]\n", "log-level = debug\nlisten = here\n", None])
def test_an_error_changes_nothing(make_gateway, tmp_path, text):
    conf = write(tmp_path, "log-level = info\n")
    gateway = make_gateway("--config", conf).start()
    conf.unlink()
    if text:
        write(tmp_path, text)
    lines = reload(gateway, "event=reload ")
    assert re.search(r"level=error event=reload detail=\"?%s" % re.escape(str(conf)), lines[0]), lines
    bad_request(gateway)
    assert health(gateway)[0] == 200
    assert "level=debug" not in gateway.text()


def test_without_a_file_nothing_happens(gateway):
    assert "started without --config" in reload(gateway, "level=error event=reload")[0]
    assert health(gateway)[0] == 200


def test_no_request_is_lost(make_gateway, make_device, bulla, tmp_path):
    """Devices send without a pause while the file changes under the gateway, now and then to a wrong one."""
    conf = write(tmp_path, "")
    gateway = make_gateway("--config", conf).start()
    devices = [make_device("device %d" % i, "--counter") for i in range(4)]
    sent = [0] * len(devices)
    ended = threading.Event()
    errors = []

    def send(i):
        try:
            with Connection(gateway.port) as connection:
                while not ended.is_set():
                    devices[i].send(connection, senml(a=sent[i]))
                    sent[i] += 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=send, args=(i,)) for i in range(len(devices))]
    for thread in threads:
        thread.start()
    for i in range(30):
        write(tmp_path, ["log-level = debug\n", "log-level = info\nqueue = 9\n", "nonsense\n"][i % 3])
        reload(gateway, "level=error event=reload" if i % 3 == 2 else "event=reloaded")
    begun = sum(sent)
    wait_until(lambda: sum(sent) > begun + 50 or errors, what="more readings")
    ended.set()
    for thread in threads:
        thread.join()
    assert not errors
    gateway.stop()
    assert len(bulla.readings("--limit", "all")) == sum(sent)


# ---- retention ----

DAY = 86400


def at(days_ago, count=1):
    """SenML: readings of that many days ago, a hundredth of a second apart."""
    first = {-3: time.time() - days_ago * DAY, -2: "old-%g" % days_ago, 2: 0}
    return cbor2.dumps([first, *({6: i / 100, 2: i} for i in range(1, count))])


def names(bulla):
    return {row["name"] for row in bulla.readings("--limit", "all")}


def test_nothing_is_deleted_unasked(gateway, make_device, bulla):
    device = make_device("kitchen", "--counter")
    with Connection(gateway.port) as connection:
        device.send(connection, at(20000))
        time.sleep(1)
        device.send(connection, at(1))
    assert len(names(bulla)) == 2


def test_old_readings_go_and_younger_stay(make_gateway, make_device, bulla):
    """Also those that were there before, and those that come too late; what is older than DAYS, not a whole day more."""
    gateway = make_gateway("--keep", "forever").start()
    device = make_device("kitchen", "--counter")
    with Connection(gateway.port) as connection:
        for days in (1, 6.99, 7.01, 30, 3000):
            device.send(connection, at(days, 20))
    assert len(bulla.readings("--limit", "all")) == 100
    gateway.stop()
    gateway = make_gateway("--keep", "7").start()
    wait_until(lambda: names(bulla) == {"old-1", "old-6.99"}, what="the end of old readings")
    with Connection(gateway.port) as connection:
        device.send(connection, at(10))
        device.send(connection, at(2))
    wait_until(lambda: names(bulla) == {"old-1", "old-6.99", "old-2"}, 30, "the end of an old reading")
    assert len(bulla.readings("--limit", "all")) == 41


def test_keep_changes_at_reload(make_gateway, make_device, bulla, tmp_path):
    conf = write(tmp_path, "keep = forever\n")
    gateway = make_gateway("--config", conf).start()
    device = make_device("kitchen", "--counter")
    with Connection(gateway.port) as connection:
        device.send(connection, at(5))
        device.send(connection, at(1))
    assert len(names(bulla)) == 2
    write(tmp_path, "keep = 3\n")
    assert any("option=keep detail=changed" in line for line in reload(gateway))
    wait_until(lambda: names(bulla) == {"old-1"}, what="the end of an old reading")


def test_ingestion_does_not_wait_for_deletion(make_gateway, make_device, bulla):
    """Tens of thousands of old readings go while a device sends; no answer takes long for it."""
    gateway = make_gateway().start()
    old, new = make_device("old", "--counter"), make_device("new", "--counter")
    with Connection(gateway.port) as connection:
        for _ in range(150):
            old.send(connection, at(100, 200))
    gateway.stop()
    assert "old-100" in names_quick(bulla)
    gateway = make_gateway("--keep", "10").start()
    slowest, sent = 0, 0
    with Connection(gateway.port) as connection:
        while sent < 100 or "old-100" in names_quick(bulla):
            begun = time.monotonic()
            new.send(connection, at(0))
            slowest = max(slowest, time.monotonic() - begun)
            sent += 1
            assert sent < 5000, "old readings are still there"
    assert slowest < 2
    assert metrics(gateway)["bulla_expired_total"] >= 30_000
    assert len(bulla.readings("--limit", "all")) == sent


def names_quick(bulla):
    return {row["name"] for row in bulla.readings("--limit", "1", "--until", "30d")}


@pytest.mark.parametrize("days", ["-1", "seven", "36501", "1.5", "for ever"])
def test_days_that_are_none(bulla, days):
    assert "is neither 'forever' nor a number of days" in bulla.run("serve", "--keep=%s" % days, status=2).stderr
