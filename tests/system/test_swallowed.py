"""
Whoever is to be reached is at an address that swallows packets, as behind a firewall that drops them: it is given up in
time, with words that say who and why; and what can be reached is served meanwhile.
"""

import json
import re
import sqlite3
import subprocess
import time

import pytest

import mqtt_peer
from http_client import Connection, get, health, post
from namespace import SWALLOWS, Namespace
from program import BINARY, SANITIZER, environment, wait_until
from python_device import PythonDevice, senml

SLACK = 4  # seconds, on a busy machine
# What it is called, within how many seconds it is given up, and why.
AWAY = {
    "%s:1883" % SWALLOWS: (10, "no answer within 10 s"),
    "influx://%s:8086/house" % SWALLOWS: (5, "the server does not answer in time"),
    "influxs://%s:8086/house" % SWALLOWS: (5, "the server does not answer in time"),
    "postgres://%s/house" % SWALLOWS: (5, "timeout expired"),
    "mysql://%s/house" % SWALLOWS: (5, "it did not answer for 5 s"),
}


@pytest.fixture(scope="module", autouse=True)
def network():
    namespace = Namespace()
    why = namespace.enter()
    if why is not None:
        pytest.skip(why)
    yield
    namespace.leave()


def away(gateway):
    """Name: why, as far as it is known."""
    told = health(gateway)[1]
    return {each["name"]: each.get("detail", "") for each in told.get("away", []) + told.get("sinks", []) if each.get("status") != "ok"}


def test_brokers_and_sinks(bulla, make_gateway, make_device, make_mosquitto, tmp_path):
    """Devices are served by HTTP and by another broker, and another sink gets their readings, all the time."""
    broker = make_mosquitto().start()
    sinks = [name for name in AWAY if "://" in name]
    urls = [url if "influx" in url else url.replace("://", "://me@") for url in sinks] + ["sqlite:%s" % (tmp_path / "archive.db")]
    gateway = make_gateway("--mqtt", "mqtt://%s" % SWALLOWS, "--mqtt", broker.url, *(word for url in urls for word in ("--sink", url)))
    begun = time.monotonic()
    gateway.start()
    assert time.monotonic() - begun < SLACK  # none of them holds up the start
    by_http, by_mqtt, peer = make_device("by-http"), make_device("by-mqtt"), mqtt_peer.Peer(broker)
    known, slowest, sent = {}, 0, 0
    try:
        with Connection(gateway.port) as connection:
            while len(known) < len(AWAY):
                before = time.monotonic()
                by_http.send(connection, senml(value=sent))
                mqtt_peer.send(by_mqtt, peer, senml(value=sent))
                slowest, sent = max(slowest, time.monotonic() - before), sent + 1
                for name, why in away(gateway).items():
                    if AWAY[name][1] in why:
                        known.setdefault(name, time.monotonic() - begun)
                assert time.monotonic() - begun < 10 + 2 * SLACK, (known, away(gateway))
                time.sleep(0.1)
    finally:
        peer.close()
    print("known after", known, "s; slowest pair of readings", slowest, "s")
    assert slowest < 2
    for name, (seconds, why) in AWAY.items():
        assert seconds - 1 < known[name] < seconds + 2 * SLACK, (name, known[name])
        told = [line for line in gateway.log if re.search(r"(broker|sink)=%s " % re.escape(name), line) and "away" in line]
        assert len(told) == 1 and why in told[0], gateway.log
    assert sorted(away(gateway)) == sorted(AWAY)

    def archived():
        with sqlite3.connect(tmp_path / "archive.db") as db:
            return db.execute("SELECT count(*) FROM bulla_readings").fetchone()[0]

    wait_until(lambda: archived() == 2 * sent, what="all readings are in the archive")
    assert gateway.stop() < 8  # what hangs is given up


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_the_registry(make_gateway, tmp_path, kind):
    """Everybody is told to try again, from the start on."""
    url = "%s://me@%s/house" % (kind, SWALLOWS)
    gateway = make_gateway("--key", tmp_path / "key", db=url)
    begun = time.monotonic()
    gateway.start()
    assert time.monotonic() - begun < SLACK
    device = PythonDevice("bulla:kitchen?kid=0a0b0c0d&secret=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&alg=10")
    while "event=store-away" not in gateway.text():
        before = time.monotonic()
        assert post(gateway.port, device.seal(senml(value=1)).data).status == 503
        assert get(gateway.admin_port, "/healthz").status == 503
        assert time.monotonic() - before < 2
        assert time.monotonic() - begun < 5 + 2 * SLACK
        time.sleep(0.1)
    assert time.monotonic() - begun > 4
    status, told = health(gateway)
    assert (status, told["status"]) == (503, "failing")
    assert "%s %s/house" % (kind, SWALLOWS) in told["detail"] and AWAY["%s://%s/house" % (kind, SWALLOWS)][1] in told["detail"]
    assert gateway.stop() < 8


def test_commands(bulla, tmp_path):
    """Each gives up, and says who does not answer."""
    (tmp_path / "credential").write_text(bulla.add("kitchen"))
    (tmp_path / "credential").chmod(0o600)
    send = ["send", "--credential", "@credential", "--timeout", "5", "a=1", "--to"]
    commands = [  # seconds, who and why
        (["device", "list", "--db", "postgres://me@%s/house" % SWALLOWS], 5, "postgres %s/house" % SWALLOWS, "timeout expired"),
        (["device", "list", "--db", "mysql://me@%s/house" % SWALLOWS], 5, "mysql %s/house" % SWALLOWS, "it did not answer for 5 s"),
        (["readings", "--db", "mysql://me@%s/house?connect-timeout=2" % SWALLOWS], 2, "mysql %s/house" % SWALLOWS, "for 2 s"),
        (["device", "list", "--db", "postgres://me@%s/house?connect_timeout=2" % SWALLOWS], 2, SWALLOWS, "timeout expired"),
        ([*send, "http://%s:8620" % SWALLOWS], 5, "http://%s:8620" % SWALLOWS, "timed out"),
        ([*send, "mqtt://%s" % SWALLOWS], 5, "mqtt://%s:1883" % SWALLOWS, "is the broker running"),
    ]
    begun = time.monotonic()
    running = [subprocess.Popen([BINARY, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=environment({"BULLA_DB": "bulla.db"})) for words, _, _, _ in commands]
    took = {}
    try:
        while len(took) < len(running):
            for number, process in enumerate(running):
                if number not in took and process.poll() is not None:
                    took[number] = time.monotonic() - begun
            assert time.monotonic() - begun < 10 + 2 * SLACK, took
            time.sleep(0.02)
    finally:
        said = []
        for process in running:
            process.kill()
            said.append(process.communicate())
    for number, (words, seconds, who, why) in enumerate(commands):
        out, error = said[number]
        assert not SANITIZER.search(error), error
        assert running[number].returncode == 1 and out == "" and who in error and why in error, (words, said[number])
        assert seconds - 1 < took[number] < seconds + SLACK, (words, took[number])
