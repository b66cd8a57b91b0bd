"""bulla simulate against real gateways, and against worlds in which it must not add up."""

import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import program

FAULTS = ["--loss", "0.2", "--duplicate", "0.2", "--reorder", "0.1", "--reboot", "0.1", "--sleep", "0.2", "--brown-out", "0.1",
          "--lost-store", "0.05", "--attack", "0.3", "--counters", "0.5"]


@pytest.fixture
def simulate(bulla, gateway):
    """Runs a simulation against the gateway; its JSON."""

    def run(*arguments, status=0, to=None, **options):
        done = bulla.run("simulate", "--to", to or gateway.url, "--format", "json", *arguments, status=status, **options)
        return json.loads(done.stdout)

    return run


def start(gateway, *arguments, **options):
    return subprocess.Popen(
        [program.BINARY, "simulate", "--to", gateway.url, "--format", "json", *map(str, arguments)], cwd=gateway.folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=program.environment({"BULLA_DB": "bulla.db"}),
        **options)


def finish(process, status=0, seconds=120):
    out, err = process.communicate(timeout=seconds)
    assert not program.SANITIZER.search(err), err
    assert process.returncode == status, (process.returncode, out, err)
    return json.loads(out), err


@pytest.fixture(autouse=True)
def database(bulla):
    """The registry that simulated devices are entered in."""
    bulla.add("bystander")


def values(bulla):
    return [(row["name"], row["device"], row["value"], row["seq"]) for row in bulla.readings()]


def test_all_faults_add_up(bulla, simulate):
    result = simulate("--devices", "30", "--rate", "80", "--duration", "6", "--seed", "11", *FAULTS)
    assert result["adds_up"] and result["problems"] == []
    assert result["readings"]["waiting"] == 0
    for name in ("sent", "resent", "lost", "duplicated", "held_back", "replies_lost", "accepted", "forged", "malformed",
                 "not_ours", "reboots", "sleeps", "woken", "brown_outs", "lost_stores", "renewed", "attacks"):
        assert result["counts"][name] > 0, name
    assert all(count > 0 for count in result["attacks"].values()), result["attacks"]
    for kind in ("stored", "challenged", "refused", "malformed", "stale"):
        assert result["answers"]["attacker"][kind] > 0, kind
    assert result["answers"]["devices"]["malformed"] == result["answers"]["devices"]["other"] == 0
    # Looked at without the program's own books: what is there, once, and as much as it says.
    rows = values(bulla)
    assert len(rows) == len(set(rows)) == result["found"]["stored"]
    assert len({row[2] for row in rows}) == result["found"]["stored"] - result["found"]["repeated"]
    assert result["readings"]["told"] + result["found"]["unheard"] == result["found"]["stored"]
    # And nothing of it is left in the registry.
    assert [device["name"] for device in json.loads(bulla("device", "list", "-f", "json"))] == ["bystander"]


def test_a_seed_sends_the_same_again(bulla, simulate):
    arguments = ["--devices", "20", "--rate", "60", "--duration", "2"]
    first = simulate(*arguments, "--seed", "5", *FAULTS)
    again = simulate(*arguments, "--seed", "5", *FAULTS)
    other = simulate(*arguments, "--seed", "6", *FAULTS)
    for result in (first, again, other):
        del result["seconds"]
        # Where a bit of a reply is flipped depends on its length, and that on the gateway's own numbers.
        result["counts"]["refused"] = sum(result["counts"].pop(kind) for kind in ("forged", "malformed", "not_ours"))
    assert first == again
    assert first["counts"] != other["counts"]
    # No key and no session came again with the seed.
    names = {row[0] for row in values(bulla)}
    assert len(names) == 3


def test_devices_whose_turn_never_comes_are_not_waited_for(simulate):
    result = simulate("--devices", "300", "--rate", "3", "--duration", "2", "--faults", "none")
    assert 0 < result["readings"]["told"] < 30
    assert result["seconds"] < program.allowed(20)  # the last one's turn would come in the 100th second


def test_no_faults(simulate):
    result = simulate("--devices", "5", "--rate", "20", "--duration", "2", "--faults", "none", "--counters", "0")
    counts = result["counts"]
    assert result["readings"]["told"] == result["found"]["stored"] == result["readings"]["sealed"] > 0
    assert result["readings"]["again"] == 5  # each session is challenged once
    assert counts["lost"] == counts["duplicated"] == counts["attacks"] == counts["reboots"] == 0


def test_the_gateway_is_killed_in_the_middle(bulla, make_gateway):
    gateway = make_gateway("--log-level", "error").start()
    process = start(gateway, "--devices", "40", "--rate", "100", "--duration", "5", "--seed", "3", *FAULTS)
    for _ in range(2):
        time.sleep(1.5)
        gateway.kill()
        time.sleep(0.5)
        gateway.start()
    result, _ = finish(process)
    assert result["adds_up"]
    assert result["answers"]["devices"]["silence"] > 0


@pytest.mark.parametrize("trigger, problem", [
    ("WHEN NEW.value % 5 = 0 BEGIN DELETE FROM points WHERE time = NEW.time AND n = NEW.n; END", "lost"),
    ("WHEN NEW.n < 1000 AND NEW.value % 5 = 0 BEGIN INSERT INTO points VALUES "
     "(NEW.time, NEW.n + 1000, NEW.series, NEW.value, NEW.piv, NEW.delay); END", "twice"),
    ("WHEN NEW.value % 5 = 0 BEGIN UPDATE points SET value = NEW.value + 1000000 "
     "WHERE time = NEW.time AND n = NEW.n; END", "strange"),
], ids=["lost", "twice", "strange"])
def test_a_database_that_lies(bulla, gateway, simulate, trigger, problem):
    with sqlite3.connect(gateway.folder / "bulla.db") as database:
        database.execute("CREATE TRIGGER behind_its_back AFTER INSERT ON points " + trigger)
    result = simulate("--devices", "10", "--rate", "40", "--duration", "3", "--faults", "none", status=1)
    assert not result["adds_up"]
    assert result["found"][problem] > 0
    assert result["problems"]


@pytest.mark.parametrize("status, body", [(200, b""), (200, b"stored, trust me"), (200, bytes(60)), (401, b"\xd0\x83")])
def test_a_server_that_only_says_so(bulla, status, body):
    class Liar(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = lambda self: self.send_error(405)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        done = bulla.run("simulate", "--to", "http://127.0.0.1:%d" % server.server_port, "--devices", "3", "--rate", "6",
                         "--duration", "1", "--patience", "3", "--faults", "none", "-f", "json", status=1)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    result = json.loads(done.stdout)
    assert result["readings"]["sealed"] > 0
    assert result["readings"]["told"] == 0 == result["found"]["stored"]
    assert result["readings"]["waiting"] == result["readings"]["sealed"]
    assert "it does not add up" in done.stderr


def test_given_credentials(bulla, gateway, simulate, tmp_path):
    lines = [bulla.add("given%d" % i) for i in range(6)]
    path = tmp_path / "credentials"
    path.write_text("\n".join(lines) + "\n")
    for seed in (1, 1):  # twice with the same seed: sessions come from elsewhere
        result = simulate("--credentials", path, "--devices", "6", "--rate", "30", "--duration", "3", "--seed", seed, *FAULTS[:-2])
        assert result["adds_up"] and result["found"] is None
        assert result["readings"]["told"] > 0
    rows = values(bulla)
    assert len(rows) == len(set(rows)) and {row[1] for row in rows} <= {"given%d" % i for i in range(6)}
    assert len(json.loads(bulla("device", "list", "-f", "json"))) == 7  # it removes only what it entered


def test_given_credentials_are_refused(bulla, gateway, tmp_path):
    path = tmp_path / "credentials"
    path.write_text(bulla.add("counts", "--counter") + "\n")
    refused = [(path, "is a counter device's")]
    for name, text, what in [("empty", "", "it has no lines"), ("text", "hello\n", "line 1 is not a credential line"),
                             ("long", "x" * 1000, "line 1 is not a credential line")]:
        other = tmp_path / name
        other.write_text(text)
        refused.append((other, what))
    refused.append((tmp_path / "nowhere", "No such file"))
    for file, what in refused:
        done = bulla.run("simulate", "--to", gateway.url, "--credentials", file, status=1)
        assert what in done.stderr and done.stdout == ""


@pytest.mark.parametrize("arguments, status, what", [
    (["--to", "http://127.0.0.1:1"], 1, "start the gateway first"),
    (["--to", "ADMIN"], 1, "no device listener under this path"),
    (["--to", "gopher://x"], 1, "only http, https, mqtt and mqtts"),
    (["--to", "URL", "--db", "nowhere.db"], 1, "nowhere.db"),
    (["--to", "URL", "--key", "nowhere.key"], 1, "nowhere.key"),
    ([], 2, "--to"),
    (["--to", "URL", "--rate", "0"], 2, "--rate"),
    (["--to", "URL", "--loss", "1.5"], 2, "not a number from 0 to 1"),
    (["--to", "URL", "--loss", "nan"], 2, "not a number"),
    (["--to", "URL", "--seed", "1.5"], 2, "whole number"),
    (["--to", "URL", "--devices", "1", "--rate", "1000000", "--duration", "86400"], 2, "--devices"),
])
def test_errors(bulla, gateway, arguments, status, what):
    words = {"URL": gateway.url, "ADMIN": "http://127.0.0.1:%d" % gateway.admin_port}
    done = bulla.run("simulate", *[words.get(word, word) for word in arguments], status=status)
    assert what in done.stderr and done.stdout == ""


def test_another_database(bulla, gateway):
    """The devices are entered where the gateway does not look."""
    bulla.run("device", "add", "elsewhere", "--db", "other.db")
    done = bulla.run("simulate", "--to", gateway.url, "--db", "other.db", "--devices", "3", "--rate", "6", "--duration", "1",
                     "--patience", "2", "--faults", "none", status=1)
    assert "knows none of these devices" in done.stderr and "--db" in done.stderr


def test_names_that_are_taken(bulla, gateway):
    arguments = ["--devices", "3", "--rate", "5", "--duration", "1", "--faults", "none", "--prefix", "mine"]
    bulla("simulate", "--to", gateway.url, *arguments, "--keep")
    names = {device["name"] for device in json.loads(bulla("device", "list", "-f", "json"))}
    assert names == {"bystander", "mine-000000", "mine-000001", "mine-000002"}
    done = bulla.run("simulate", "--to", gateway.url, *arguments, status=1)
    assert "mine-000000" in done.stderr
    assert len(json.loads(bulla("device", "list", "-f", "json"))) == 4


def test_an_interrupt_ends_it_with_the_table(bulla, gateway):
    process = start(gateway, "--devices", "20", "--rate", "40", "--duration", "600", "--seed", "2", "--attack", "0")
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    result, err = finish(process, seconds=40)
    assert result["adds_up"] and result["readings"]["told"] > 20
    assert result["seconds"] < program.allowed(30)
    assert json.loads(bulla("device", "list", "-f", "json"))[0]["name"] == "bystander"


def test_progress_is_told_on_standard_error(bulla, gateway):
    done = bulla.run("simulate", "--to", gateway.url, "--devices", "10", "--rate", "20", "--duration", "5.5", "--faults", "none")
    assert "readings, " in done.stderr and "told stored" in done.stderr and "left" in done.stderr
    assert "\r" not in done.stderr
    assert "It adds up" in done.stdout and "told stored" in done.stdout


def peak(gateway, *arguments, seconds):
    """The result, and the most memory that the simulation took, in bytes."""
    process = start(gateway, *arguments)
    out = []
    reader = threading.Thread(target=lambda: out.append(process.stdout.read()))
    errors = threading.Thread(target=process.stderr.read)
    reader.start()
    errors.start()
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    reader.join()
    errors.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, out
    return json.loads(out[0]), usage.ru_maxrss * 1024


def test_memory_is_bounded(bulla, gateway, long_run):
    """What a device takes: measured between a small fleet and a large one."""
    count = 100_000 if long_run else 20_000
    rest = ["--duration", "5", "--rate", "400", "--seed", "1", "--keep"]
    small, before = peak(gateway, "--devices", "500", "--prefix", "small", *rest, seconds=120)
    large, after = peak(gateway, "--devices", count, *rest, seconds=1200)
    assert small["adds_up"] and large["adds_up"]
    assert large["devices"] == count
    each = (after - before) / (count - 500)
    print("%d bytes a device, %.0f MB in all" % (each, after / 1e6))
    assert each < 2500
