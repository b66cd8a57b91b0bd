"""The wire nodemcu: the article's devices, a real mosquitto, and the gateway."""

import contextlib
import json
import random
import shutil
import sqlite3
import time
import urllib.request

import paho.mqtt.client as paho
import pytest

import mqtt_peer
import nodemcu
from mosquitto import free_port
from nodemcu import SESSION_TOPIC, TOPIC, Board, Lua, add, events, message, new_keys, wait_events, wait_readings, wait_stored
from program import wait_until
from python_device import PythonDevice, senml

needs_lua = pytest.mark.skipif(shutil.which("lua5.1") is None, reason="there is no lua5.1")


@pytest.fixture
def broker(make_mosquitto):
    return make_mosquitto(max_inflight_messages=0, max_queued_messages=0).start()


@pytest.fixture
def boards(broker):
    made = []

    def make(*arguments, **options):
        made.append(Board(broker, *arguments, **options))
        return made[-1]

    yield make
    for board in made:
        board.close()


@pytest.fixture
def gateway_at(make_gateway):
    """Makes gateways whose ports nobody gets while they are away (mosquitto.free_port())."""

    def make(*arguments, **options):
        gateway = make_gateway(*arguments, **options)
        gateway.port, gateway.admin_port = free_port(), free_port()
        return gateway

    return make


@pytest.fixture
def start(gateway_at, broker):
    """A gateway that is connected to the broker."""

    def start_one(*arguments):
        return gateway_at("--mqtt", broker.url, *arguments).start()

    return start_one


@pytest.fixture
def lua():
    made = []

    def make(*arguments, **options):
        made.append(Lua(*arguments, **options))
        return made[-1]

    yield make
    for device in made:
        device.end()


def metric(gateway, outcome):
    """Messages of all brokers with that outcome."""
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % gateway.admin_port, timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(line.split()[-1]) for line in lines
               if line.startswith("bulla_mqtt_messages_total") and 'outcome="%s"' % outcome in line)


# ---- the article's own words ----


@needs_lua
@pytest.mark.parametrize("data", ["512", "21.5", "dry", ""])
def test_the_article_and_its_receiver_agree(lua, data):
    """lua5.1 and PyCryptodome, without the gateway: what the others are measured by."""
    session = "%032x" % random.getrandbits(128)
    device = lua("1234567", "hex")
    device.hear(SESSION_TOPIC, session)
    topic, qos, retain, payload = device.send(data)
    assert (topic, qos, retain) == (TOPIC, 2, True)
    assert nodemcu.receive(payload, session) == ("1234567", data)
    with pytest.raises(ValueError):
        nodemcu.receive(payload, session[:-1] + "g")


@needs_lua
@pytest.mark.parametrize("form", ["raw", "hex"])
@pytest.mark.parametrize("protocol", [paho.MQTTv311, paho.MQTTv5])
def test_the_articles_device_is_heard(bulla, start, boards, lua, form, protocol):
    add(bulla, "kitchen", "--node", "1234567")
    start()
    board, device = boards(protocol=protocol), lua("1234567", form)
    assert device.subscription == ["subscribe", SESSION_TOPIC, "0"]
    session = None
    for count, value in enumerate(("512", "21.5", "dry, 21°C", "-3"), 1):
        session = board.session(other_than=session)
        device.hear(SESSION_TOPIC, session)
        topic, qos, retain, payload = device.send(value)
        board.send(payload, topic, qos, retain)
        wait_readings(bulla, count)
    readings = bulla.readings()
    assert [reading.get("value", reading.get("text")) for reading in readings] == [512, 21.5, "dry, 21°C", -3]
    assert {(reading["device"], reading["name"]) for reading in readings} == {("kitchen", "value")}
    assert [reading["seq"] for reading in readings] == [1, 2, 3, 4]
    assert events(bulla) == []


# ---- what is stored, and what is not ----


def test_the_reading_has_the_name_that_was_given(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7", "--reading-name", "moisture")
    start()
    board = boards()
    board.send(message("7", "512", board.session()))
    assert wait_readings(bulla, 1)[0]["name"] == "moisture"


def test_data_that_is_no_text_is_stored_as_it_came(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7")
    start()
    board = boards()
    board.send(message("7", b"\xff\xfe", board.session()))
    reading = wait_readings(bulla, 1)[0]
    assert reading["undecoded"] and reading["name"] == ""


def test_quality_of_service_and_retain_do_not_matter(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7")
    start()
    board = boards()
    session = None
    for count, (qos, retain) in enumerate([(0, False), (0, True), (1, False), (1, True), (2, False), (2, True)], 1):
        session = board.session(other_than=session)
        board.send(message("7", str(count), session, hexadecimal=count % 2 == 0), qos=qos, retain=retain)
        wait_readings(bulla, count)
    assert [reading["value"] for reading in bulla.readings()] == [1, 2, 3, 4, 5, 6]


def test_a_replay_is_a_duplicate_and_stays_one(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7")
    gateway = start()
    board = boards()
    session = board.session()
    first = message("7", "512", session)
    board.send(first)
    wait_readings(bulla, 1)
    board.send(first)
    event = wait_events(bulla, "duplicate", 1)[0]
    assert event["device"] == "kitchen" and "stored already" in event["detail"] and TOPIC in event["source"]
    gateway.stop()
    gateway.start()
    board.send(first)
    wait_events(bulla, "duplicate", 2)
    # in hex it is the same message
    head, tail = first[:-41], first[-41:]
    fields = head[:16], head[17:33], head[34:50]
    assert b",".join(fields) == head
    board.send(b",".join(field.hex().upper().encode() for field in fields) + tail)
    wait_events(bulla, "duplicate", 3)
    assert len(bulla.readings()) == 1


def test_after_64_further_ones_a_replay_is_forged(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7")
    start()
    board = boards()
    session, sent = None, []
    for count in range(1, 66):
        session = board.session(other_than=session)
        sent.append(message("7", str(count), session))
        board.send(sent[-1], wait=False)
    wait_readings(bulla, 65)
    board.send(sent[1])
    assert wait_events(bulla, "duplicate", 1)[0]["device"] == "kitchen"
    board.send(sent[0])  # 64 were spent after its id
    wait_events(bulla, "forged", 1)
    assert [reading["value"] for reading in wait_readings(bulla, 65)] == list(range(1, 66))


def test_another_message_under_a_spent_id_is_stale(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7")
    add(bulla, "cellar", "--node", "8")
    start()
    board = boards()
    session = board.session()
    board.send(message("7", "1", session))
    wait_readings(bulla, 1)
    board.send(message("7", "2", session))
    board.send(message("8", "3", session))
    found = wait_events(bulla, "stale", 2)
    assert sorted(event["device"] for event in found) == ["cellar", "kitchen"]
    assert all("spent its session id" in event["detail"] for event in found)
    session = board.session(other_than=session)
    board.send(message("8", "4", session))
    assert [(reading["device"], reading["value"]) for reading in wait_readings(bulla, 2)] == [("kitchen", 1), ("cellar", 4)]


def test_what_is_forged_is_refused_and_spends_nothing(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7")
    start()
    board = boards()
    session = board.session()
    good = message("7", "512", session)
    board.send(good[:-1] + (b"0" if good[-1:] != b"0" else b"1"))
    board.send(message("7", "512", "%032x" % 1))
    board.send(message("7", "512", session, keys=nodemcu.new_keys(1)))
    assert {event["device"] for event in wait_events(bulla, "forged", 3)} == {"kitchen"}  # it has the topic for itself
    board.send(message("8", "512", session))
    unknown = wait_events(bulla, "unknown", 1)[0]
    assert unknown["device"] == "kitchen" and "node id" in unknown["detail"]
    for malformed in (b"", b"hello", b"1,2,3,4", good + b"\n", good[1:], b"," * 100, bytes(4096)):
        board.send(malformed)
    wait_events(bulla, "malformed", 7)
    board.send(good)  # the id is still there
    assert wait_readings(bulla, 1)[0]["value"] == 512


def test_what_is_too_long_is_refused_before_it_is_opened(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7")
    gateway = start()
    board = boards()
    board.send(bytes(4097))
    wait_until(lambda: metric(gateway, "size") == 1, what="the refusal")
    board.send(message("7", "x" * 3900, board.session()))
    assert len(wait_readings(bulla, 1)[0]["text"]) == 3900


# ---- session ids ----


def test_session_ids_are_drawn_and_retained(bulla, start, boards, broker):
    add(bulla, "kitchen", "--node", "7")
    gateway = start()
    board = boards()
    first = board.session()
    assert len(first) == 32 and set(first) <= set("0123456789abcdef")
    late = boards()
    assert late.session() == first  # it was retained
    gateway.stop()
    gateway.start()
    wait_until(lambda: len(board.sessions) == 2, what="the session id of the new connection")
    assert board.sessions[-1] == first  # and it is in the registry
    board.send(message("7", "1", first))
    assert board.session(other_than=first) != first
    wait_readings(bulla, 1)


def test_a_broker_that_lost_it_is_told_again(bulla, start, boards, broker):
    add(bulla, "kitchen", "--node", "7")
    gateway = start()
    first = boards().session()
    broker.kill()  # without persistence nothing is retained
    broker.start()
    wait_until(lambda: sum("state=connected" in line for line in gateway.log) == 2, what="the new connection")
    board = boards()
    assert board.session() == first
    board.send(message("7", "1", first))
    wait_readings(bulla, 1)


def test_all_brokers_have_it(bulla, gateway_at, make_mosquitto):
    brokers = [make_mosquitto().start() for _ in range(2)]
    add(bulla, "kitchen", "--node", "7")
    gateway_at(*(word for broker in brokers for word in ("--mqtt", broker.url))).start()
    one, other = (Board(broker) for broker in brokers)
    try:
        session = one.session()
        assert other.session() == session
        one.send(message("7", "1", session))
        after = one.session(other_than=session)
        assert other.session(other_than=session) == after
        other.send(message("7", "2", after))
        assert [reading["value"] for reading in wait_readings(bulla, 2)] == [1, 2]
    finally:
        one.close()
        other.close()


def age(bulla, column, seconds):
    """Session ids as if they were older; the gateway that reads them is started afterwards."""
    with sqlite3.connect(bulla.folder / "bulla.db") as db:
        assert db.execute("UPDATE session_ids SET %s = %s - ? WHERE %s > 0" % (column, column, column), (seconds,)).rowcount > 0
    db.close()


def test_an_id_ends_with_its_lifetime_and_its_grace(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7", "--session-lifetime", "20", "--session-grace", "10")
    gateway = start()
    board = boards()
    first = board.session()
    gateway.stop()
    age(bulla, "issued", 17)
    gateway.start()
    second = board.session(other_than=first)  # in 3 seconds
    board.send(message("7", "1", first))
    wait_readings(bulla, 1)  # in its grace time
    assert board.session() == second
    gateway.stop()
    age(bulla, "issued", 21)
    gateway.start()
    third = board.session(other_than=second)
    gateway.stop()
    age(bulla, "retired", 11)
    gateway.start()
    board.send(message("7", "2", second))
    assert "expired" in wait_events(bulla, "forged", 1)[0]["detail"]
    board.send(message("7", "3", third))
    wait_readings(bulla, 2)


def test_nodes_that_share_a_session_topic(bulla, start, boards):
    """Each takes the newest id; one that comes second with the same has spent nothing, and goes on with the next."""
    for number in range(5):
        add(bulla, "node%d" % number, "--node", str(number), keys=nodemcu.new_keys(number), topic="nodes/%d" % number)
    start()
    board = boards()
    session = None
    for count in range(1, 26):
        session = board.session(other_than=session)
        number = count % 5
        board.send(message(str(number), str(count), session, keys=nodemcu.new_keys(number)), topic="nodes/%d" % number)
    readings = wait_readings(bulla, 25)
    assert all(reading["device"] == "node%d" % (reading["value"] % 5) for reading in readings)


def test_gateways_that_share_a_subscription(bulla, gateway_at, broker, boards):
    """One registry, one broker: each message goes to one of them, and both publish the same ids."""
    add(bulla, "kitchen", "--node", "7")
    for name in ("one", "other"):
        gateway_at("--mqtt", "%s?client-id=%s" % (broker.url, name), "--mqtt-share", "gateways").start()
    board = boards()
    used = set()
    for count in range(1, 11):
        # one that was spent may come late from the other gateway, which sees to it within a second
        wait_until(lambda: board.sessions[-1:] and board.sessions[-1] not in used, what="a session id that is not spent")
        session = board.sessions[-1]
        used.add(session)
        board.send(message("7", str(count), session))
        wait_stored(bulla, count)
    assert [reading["value"] for reading in wait_readings(bulla, 10)] == list(range(1, 11))
    assert events(bulla) == []


def test_a_topic_is_no_session_topic(bulla):
    """Session ids would come back as messages, and with --strict spend the next ones, for ever."""
    add(bulla, "a", "--node", "7", "--strict", topic="x", session_topic="y")
    keys = nodemcu.key_file(bulla.folder)
    for topic, session_topic in (("y", "x"), ("y", "z"), ("z", "x"), ("z", "z")):
        done = bulla.run("device", "add", "b", "--wire", "nodemcu", "--keys", keys, "--topic", topic, "--session-topic", session_topic,
                         status=None)
        assert done.returncode in (1, 2) and "session" in done.stderr, done.stderr
    assert len(json.loads(bulla("device", "list", "--format", "json"))) == 1


def test_strict_spends_whatever_comes(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7", "--strict")
    start()
    board = boards()
    first = board.session()
    board.send(b"nothing of the kind")
    second = board.session(other_than=first)
    board.send(message("7", "1", first))
    event = wait_events(bulla, "stale", 1)[0]
    assert event["device"] == "kitchen" and "void" in event["detail"]
    third = board.session(other_than=second)
    board.send(message("7", "2", third))
    assert wait_readings(bulla, 1)[0]["value"] == 2
    board.session(other_than=third)


# ---- groups, and many devices ----


def test_a_groups_nodes_are_devices_of_their_own(bulla, start, boards):
    add(bulla, "green")
    start()
    board = boards()
    session = None
    for count, node in enumerate(("1234567", "7654321", "1234567"), 1):
        session = board.session(other_than=session)
        last = message(node, str(count), session)
        board.send(last)
        wait_readings(bulla, count)
    assert [(reading["device"], reading["value"]) for reading in bulla.readings()] == [
        ("green/1234567", 1), ("green/7654321", 2), ("green/1234567", 3)]
    names = {device["name"] for device in json.loads(bulla("device", "list", "--format", "json"))}
    assert {"green/1234567", "green/7654321"} <= names
    board.send(last)
    assert wait_events(bulla, "duplicate", 1)[0]["device"] == "green/1234567"
    session = board.session(other_than=session)
    for node in ("a\x07b", "x" * 63, "x" * 60, ""):  # no plain text; longer than an id, than a name; none
        board.send(message(node, "1", session))
    wait_events(bulla, "malformed", 4)
    board.send(message("ü", "4", session))
    assert wait_readings(bulla, 4)[3]["device"] == "green/ü"


def test_64_devices_on_one_topic(bulla, start, boards):
    keys = {number: nodemcu.new_keys(number) for number in range(64)}
    for number in range(64):
        add(bulla, "n%d" % number, "--node", "node%d" % number, keys=keys[number])
    start()
    board = boards()
    session = None
    for count, number in enumerate((0, 31, 63, 63, 7), 1):
        session = board.session(other_than=session)
        board.send(message("node%d" % number, str(number), session, keys=keys[number], hexadecimal=count % 2 == 0))
        wait_readings(bulla, count)
    assert [(reading["device"], reading["value"]) for reading in bulla.readings()] == [
        ("n%d" % number, number) for number in (0, 31, 63, 63, 7)]
    board.send(message("node5", "1", board.session(other_than=session), keys=keys[6]))  # the one's keys, the other's id
    assert "node id" in wait_events(bulla, "unknown", 1)[0]["detail"]
    done = bulla.run("device", "add", "n64", "--wire", "nodemcu", "--keys", nodemcu.key_file(bulla.folder), "--topic", TOPIC,
                     "--session-topic", SESSION_TOPIC, status=None)
    assert done.returncode != 0 and "64" in done.stderr, done.stderr


def test_devices_come_and_go_while_it_runs(bulla, start, boards):
    start()
    board = boards("other/sessions")
    add(bulla, "late", "--node", "7", topic="other/data", session_topic="other/sessions")
    session = board.session()
    board.send(message("7", "1", session), topic="other/data")
    wait_readings(bulla, 1)
    bulla("device", "revoke", "late")
    session = board.session(other_than=session)
    board.send(message("7", "2", session), topic="other/data")
    assert wait_events(bulla, "revoked", 1)[0]["device"] == "late"
    assert len(bulla.readings()) == 1


# ---- retained messages ----


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_what_the_broker_retained_is_ignored(bulla, gateway_at, broker, boards, protocol):
    add(bulla, "kitchen", "--node", "7")
    gateway = gateway_at("--mqtt", "%s?version=%s" % (broker.url, protocol)).start()
    board = boards()
    session = board.session()
    gateway.stop()
    kept = message("7", "1", session)
    board.send(kept, retain=True)  # nobody hears it but the broker, which keeps it
    with sqlite3.connect(bulla.folder / "bulla.db") as db:
        assert db.execute("SELECT count(*) FROM readings").fetchone() == (0,)
    gateway = gateway_at("--mqtt", "%s?version=%s&client-id=another" % (broker.url, protocol)).start()
    wait_until(lambda: metric(gateway, "retained") == 1, what="the retained message")
    assert bulla.readings() == [] and events(bulla) == []
    board.send(message("7", "2", board.session(), hexadecimal=True), retain=True)  # at once, with retain: heard
    assert wait_readings(bulla, 1)[0]["value"] == 2
    assert metric(gateway, "retained") == 1


# ---- what an operator does ----


def test_a_restored_registry_takes_no_id_from_before(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7")
    gateway = start()
    board = boards()
    session = board.session()
    gateway.stop()
    bulla("restored", "--yes")
    gateway.start()
    after = board.session(other_than=session)
    board.send(message("7", "1", session))
    assert "void" in wait_events(bulla, "stale", 1)[0]["detail"]
    board.send(message("7", "2", after))
    assert wait_readings(bulla, 1)[0]["value"] == 2


def test_an_upgrade_closes_the_older_wire(bulla, start, boards, broker):
    add(bulla, "kitchen", "--node", "7")
    start()
    board = boards()
    session = board.session()
    device = PythonDevice(bulla("device", "upgrade", "kitchen").strip())
    board.send(message("7", "1", session))  # still taken
    wait_readings(bulla, 1)
    peer = mqtt_peer.Peer(broker)
    try:
        mqtt_peer.send(device, peer, senml(value=2))
    finally:
        peer.close()
    board.send(message("7", "3", board.session()))
    time.sleep(1.5)  # longer than it takes to leave the topic
    board.send(message("7", "4", board.session()))
    time.sleep(0.2)
    assert [(reading["device"], reading["value"]) for reading in bulla.readings()] == [("kitchen", 1), ("kitchen", 2)]


def test_a_broker_that_takes_no_session_ids_serves_native_devices(bulla, gateway_at, make_mosquitto, make_device):
    """By its access list: it is told once a connection, and the connection stays."""
    broker = make_mosquitto(users={"gateway": "secret", "device": "secret"},
                            acl="user gateway\ntopic readwrite bulla/#\nuser device\ntopic readwrite #\n").start()
    add(bulla, "kitchen", "--node", "7")
    gateway = gateway_at("--mqtt", broker.url.replace("://", "://gateway@"), env={"BULLA_MQTT_PASSWORD": "secret"}).start()
    wait_until(lambda: any("state=older-wire-refused" in line for line in gateway.log), what="the warning")
    peer = mqtt_peer.Peer(broker, user="device", password="secret")
    try:
        mqtt_peer.send(make_device("native"), peer, senml(a=1))
    finally:
        peer.close()
    assert len(wait_readings(bulla, 1)) == 1
    assert sum("state=connected" in line for line in gateway.log) == 1
    assert sum("state=older-wire-refused" in line for line in gateway.log) == 1


def test_a_broker_that_retains_nothing_is_told(bulla, gateway_at, make_mosquitto):
    broker = make_mosquitto(retain_available=False).start()
    add(bulla, "kitchen", "--node", "7")
    gateway = gateway_at("--mqtt", broker.url).start()
    wait_until(lambda: any("state=older-wire-refused" in line for line in gateway.log), what="the warning")
    time.sleep(0.5)
    assert sum("retain_available true" in line for line in gateway.log) == 1
    assert sum("state=connected" in line for line in gateway.log) == 1


def test_a_broker_that_takes_quality_of_service_0_only(bulla, gateway_at, make_mosquitto):
    broker = make_mosquitto(max_qos=0).start()
    add(bulla, "kitchen", "--node", "7")
    gateway_at("--mqtt", broker.url).start()
    board = Board(broker)
    board.send(message("7", "1", board.session()), qos=0)
    assert len(wait_readings(bulla, 1)) == 1
    board.close()


# ---- attacks, and failures ----


def test_a_flood_of_forgeries_does_not_silence_the_device(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7")
    start()
    board, attacker = boards(), boards()
    chance = random.Random(5)
    session = None
    for count in range(1, 6):
        for _ in range(200):
            attacker.send(message("7", "0", "%032x" % chance.getrandbits(128)), qos=1, retain=False, wait=False)
        session = board.session(other_than=session)
        board.send(message("7", str(count), session))
        wait_readings(bulla, count)
    assert [reading["value"] for reading in bulla.readings()] == [1, 2, 3, 4, 5]


def spend_session_ids(bulla):
    """The dearest forgeries: each is held against all of them, for each device of the topic."""
    with contextlib.closing(sqlite3.connect(bulla.folder / "bulla.db")) as db, db:
        db.executemany("INSERT INTO session_ids (topic, id, issued, spent) VALUES (?, ?, ?, ?)",
                       [(SESSION_TOPIC, "%032x" % number, int(time.time()), number) for number in range(1, 65)])


def natives_during_a_flood(gateway, attacker, peer, device, forgeries):
    """How long each of some native readings takes, and how many of the forgeries have been judged by then."""
    before, took = metric(gateway, "forged"), []
    for forgery in forgeries:
        attacker.send(forgery, qos=1, retain=False, wait=False)
    wait_until(lambda: metric(gateway, "forged") > before, what="the first forgery is judged")
    for value in range(5):
        begun = time.monotonic()
        mqtt_peer.send(device, peer, senml(a=value))
        took.append(time.monotonic() - begun)
    return max(took), metric(gateway, "forged") - before


def test_a_flood_on_an_older_topic_and_native_devices(bulla, gateway_at, broker, boards, make_device):
    """With a connection of its own it does not hold them up; and what a former process subscribed is heard once."""
    for number in range(32):
        add(bulla, "d%d" % number, "--node", str(number), keys=new_keys(number))
    native, peer, board, attacker = make_device("native"), mqtt_peer.Peer(broker), boards(), boards()
    count = 600
    forgeries = [message("7", "0", "%032x" % number) for number in range(1000, 1000 + count)]
    gateway = gateway_at("--mqtt", broker.url).start()
    board.session()
    spend_session_ids(bulla)
    try:
        mqtt_peer.send(native, peer, senml(a=1))
        together, judged = natives_during_a_flood(gateway, attacker, peer, native, forgeries)
        assert judged > count / 2  # they came behind them
        gateway.stop()
        gateway.arguments = ["--mqtt", broker.url + "?devices=native", "--mqtt", broker.url + "?devices=older"]
        gateway.start()
        wait_until(lambda: sum("state=connected" in line for line in gateway.log) == 2, what="both connections")
        mqtt_peer.send(native, peer, senml(a=1))
        apart, judged = natives_during_a_flood(gateway, attacker, peer, native, forgeries)
        print("together %.3f s, apart %.3f s, after %d of %d forgeries" % (together, apart, judged, count))
        assert judged < count and apart < together / 2
        wait_until(lambda: metric(gateway, "forged") == count, 60, "all are judged")
        board.send(message("7", "7", board.session(), keys=new_keys(7)))
        wait_until(lambda: metric(gateway, "stored") == 7, what="the board's reading is stored")
        time.sleep(0.5)
        assert metric(gateway, "duplicate") == metric(gateway, "stale") == 0 and metric(gateway, "forged") == count
        assert metric(gateway, "topic") == 0
    finally:
        peer.close()


def test_a_false_session_id_opens_nothing(bulla, start, boards):
    """Anybody may publish one; the device that takes it is refused, until it hears the right one again."""
    add(bulla, "kitchen", "--node", "7")
    start()
    board = boards()
    session = board.session()
    board.publish(SESSION_TOPIC, "0" * 32, qos=1, retain=True)
    board.session(other_than=session)
    board.send(message("7", "1", "0" * 32))
    wait_events(bulla, "forged", 1)
    board.send(message("7", "2", session))
    assert wait_readings(bulla, 1)[0]["value"] == 2
    assert board.session(other_than="0" * 32) != session


def test_native_devices_are_not_touched(bulla, gateway_at, broker, boards, make_device):
    """A topic that both have: each message is of the wire whose form it has."""
    add(bulla, "kitchen", "--node", "7", topic="shared/x/up")
    gateway = gateway_at("--mqtt", broker.url, "--mqtt-topic", "shared/+/up").start()
    wait_until(lambda: any("state=connected" in line for line in gateway.log), what="the connection")
    device, board = make_device("native"), boards()
    peer = mqtt_peer.Peer(broker, topics=("shared/+/down",))
    try:
        sealed = device.seal(senml(a=1), mqtt_peer.SENML)
        peer.publish("shared/x/up", sealed.data)
        reply = device.open(peer.hear().payload)  # it is challenged: so it was opened
        assert reply.challenge
        sealed = device.seal(senml(a=1), mqtt_peer.SENML)
        peer.publish("shared/x/up", sealed.data)
        assert sealed.piv in device.open(peer.hear().payload).stored()
        board.send(message("7", "2", board.session()), topic="shared/x/up")
        assert [(reading["device"], reading["value"]) for reading in wait_readings(bulla, 2)] == [("native", 1), ("kitchen", 2)]
    finally:
        peer.close()
    for topic in ("bulla/0a1b2c3d/up", "a/+/b", "a/#", "$SYS/x"):
        done = bulla.run("device", "add", "x", "--wire", "nodemcu", "--keys", nodemcu.key_file(bulla.folder), "--topic", topic,
                         "--session-topic", "s", status=2)
        assert "--topic" in done.stderr


def test_a_gateway_that_is_killed_stores_nothing_twice(bulla, gateway_at, broker, boards, rng, long_run):
    """Killed at any moment, between store and publish too: the device goes on with what it is told."""
    add(bulla, "kitchen", "--node", "7")
    gateway = gateway_at("--mqtt", broker.url).start()
    board = boards()
    session, sent = None, {}
    for count in range(1, 31 if long_run else 11):
        session = board.session(other_than=session)
        sent[count] = message("7", str(count), session)
        board.send(sent[count], wait=False)
        if count % 2:
            time.sleep(rng.random() * 0.02)
        else:
            wait_stored(bulla, count)  # the id is spent, and perhaps nobody was told of the next one
        gateway.kill()
        gateway.start()
        wait_stored(bulla, count)
    board.session(other_than=session)
    for payload in sent.values():
        board.send(payload)
    wait_until(lambda: len(events(bulla, "duplicate")) >= len(sent), what="the duplicates")
    assert [reading["value"] for reading in bulla.readings()] == list(sent)


def test_what_came_while_it_was_away_is_stored(bulla, gateway_at, broker, boards):
    """The broker keeps it for the session of the gateway, and it is no retained message."""
    add(bulla, "kitchen", "--node", "7")
    gateway = gateway_at("--mqtt", broker.url).start()
    board = boards()
    session = board.session()
    gateway.stop()
    board.send(message("7", "1", session))
    gateway.start()
    assert wait_readings(bulla, 1)[0]["value"] == 1
    board.send(message("7", "2", board.session(other_than=session)))
    wait_readings(bulla, 2)


def test_a_store_that_is_busy_delays_and_loses_nothing(bulla, start, boards):
    add(bulla, "kitchen", "--node", "7")
    start()
    board = boards()
    session = board.session()
    db = sqlite3.connect(bulla.folder / "bulla.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    board.send(message("7", "1", session), wait=True)
    time.sleep(0.5)
    assert bulla.readings() == []
    db.execute("ROLLBACK")
    db.close()
    wait_readings(bulla, 1)
    board.send(message("7", "2", board.session(other_than=session)))
    wait_readings(bulla, 2)
