"""bulla simulate through a broker: against gateways and brokers that die, and where it must not add up."""

import json
import signal
import sqlite3
import time

import pytest

from mosquitto import free_port
from program import allowed
from test_simulate import FAULTS, finish, start

HTTP_ONLY = {"stored", "challenged", "refused", "malformed", "stale", "busy", "other"}


@pytest.fixture(autouse=True)
def database(bulla):
    """The registry that simulated devices are entered in."""
    bulla.add("bystander")


@pytest.fixture
def serve(make_gateway, mosquitto):
    gateway = make_gateway("--mqtt", mosquitto.url, "--log-level", "error")
    gateway.port = free_port()
    return gateway.start()


class To:
    """What start() takes for a gateway: where to send, and where the database is."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url


def test_all_faults_add_up(bulla, serve, mosquitto):
    process = start(To(bulla.folder, mosquitto.url), "--devices", "30", "--rate", "80", "--duration", "6", "--seed", "11", *FAULTS)
    result, _ = finish(process)
    assert result["adds_up"] and result["problems"] == [] and result["readings"]["waiting"] == 0
    for name in ("sent", "resent", "lost", "duplicated", "held_back", "replies_lost", "accepted", "challenges", "forged", "malformed",
                 "not_ours", "reboots", "sleeps", "woken", "brown_outs", "lost_stores", "renewed", "attacks"):
        assert result["counts"][name] > 0, name
    assert all(count > 0 for count in result["attacks"].values()), result["attacks"]
    # A broker says of a message that it took it; how the gateway liked it stands in its own journal.
    for whom in ("devices", "attacker"):
        answers = result["answers"][whom]
        assert answers["taken"] > 0 and answers["untaken"] == 0 and not HTTP_ONLY & answers.keys(), answers
    assert {"challenged", "forged", "malformed", "stale", "duplicate"} <= {event["kind"] for event in bulla.events("--limit", "100000")}
    rows = [(row["name"], row["device"], row["value"], row["seq"]) for row in bulla.readings()]
    assert len(rows) == len(set(rows)) == result["found"]["stored"]
    assert [device["name"] for device in json.loads(bulla("device", "list", "-f", "json"))] == ["bystander"]


def test_gateway_and_broker_are_killed_in_the_middle(bulla, serve, mosquitto):
    process = start(To(bulla.folder, mosquitto.url), "--devices", "40", "--rate", "100", "--duration", "8", "--seed", "3", *FAULTS)
    for victim in (serve, mosquitto, serve, mosquitto):
        time.sleep(1.5)
        victim.kill()
        time.sleep(0.3)
        victim.start()
    result, _ = finish(process)
    assert result["adds_up"] and result["readings"]["told"] > 100
    assert result["answers"]["devices"]["silence"] > 0  # while the broker was away


def test_a_database_that_lies(bulla, serve, mosquitto):
    with sqlite3.connect(serve.folder / "bulla.db") as connection:
        connection.execute("CREATE TRIGGER behind_its_back AFTER INSERT ON points WHEN NEW.value % 5 = 0 "
                           "BEGIN DELETE FROM points WHERE time = NEW.time AND n = NEW.n; END")
    process = start(To(bulla.folder, mosquitto.url), "--devices", "10", "--rate", "40", "--duration", "3", "--faults", "none")
    result, _ = finish(process, status=1)
    assert not result["adds_up"] and result["found"]["lost"] > 0


def test_no_gateway_behind_the_broker(bulla, mosquitto):
    process = start(To(bulla.folder, mosquitto.url), "--devices", "3", "--rate", "6", "--duration", "1", "--patience", "3")
    result, _ = finish(process, status=1)
    assert not result["adds_up"] and "no gateway answers these devices" in result["problems"][0]
    done = bulla.run("simulate", "--to", "mqtt://127.0.0.1:%d" % free_port(), status=1, timeout=40)
    assert "connection refused" in done.stderr
    done = bulla.run("simulate", "--to", mosquitto.url, "--devices", "4001", "--connections", "1", status=1)
    assert "give more --connections" in done.stderr


def test_an_interrupt_ends_it_with_the_table(bulla, serve, mosquitto):
    process = start(To(bulla.folder, mosquitto.url), "--devices", "20", "--rate", "40", "--duration", "600", "--seed", "2",
                    "--attack", "0")
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    result, _ = finish(process, seconds=40)
    assert result["adds_up"] and result["readings"]["told"] > 20 and result["seconds"] < allowed(30)
