"""The MQTT source, against a real mosquitto, with devices of Python and paho."""

import signal
import subprocess
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from http_client import health, metrics, outcome, post
from mosquitto import Certificates
from mqtt_peer import Peer, down, send, up
from program import BINARY, allowed, environment, wait_until
from python_device import senml
from test_store_faults import disk, fault_library, start_faulty  # noqa: F401 (fixtures)

PREFIX = "bulla_mqtt_"


@pytest.fixture
def make_peer():
    """Connects clients to a broker, and closes them in the end."""
    made = []

    def make(broker, **options):
        made.append(Peer(broker, **options))
        return made[-1]

    yield make
    for peer in made:
        peer.close()


def connections(gateway):
    return [line for line in gateway.log if " event=mqtt " in line and "state=connected" in line]


def wait_connected(gateway, count=1):
    wait_until(lambda: len(connections(gateway)) >= count, what="the broker's connection")
    wait_until(lambda: sum(value for name, value in metrics(gateway).items() if name.startswith(PREFIX + "connected")) >= 1)
    return gateway


def serve(make_gateway, broker, *arguments, **options):
    """A gateway that takes messages from a broker, connected to it."""
    return wait_connected(make_gateway("--mqtt", broker if isinstance(broker, str) else broker.url, *arguments, **options).start())


def value(gateway, name, **labels):
    """The sum of a metric's samples that have these labels."""
    total = 0
    for sample, number in metrics(gateway).items():
        if sample.split("{")[0] == PREFIX + name and all('%s="%s"' % label in sample for label in labels.items()):
            total += number
    return total


def values(bulla):
    return [reading["value"] for reading in bulla.readings("--limit", "all")]


# ---- a message's way ----


@pytest.mark.parametrize("protocol", [paho.MQTTv5, paho.MQTTv311], ids=["peer of 5", "peer of 3.1.1"])
@pytest.mark.parametrize("version", ["", "?version=3.1.1"], ids=["5", "3.1.1"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_reading_and_its_receipt(mosquitto, make_gateway, make_peer, make_device, bulla, qos, version, protocol):
    gateway = serve(make_gateway, mosquitto.url + version)
    assert "version=%s " % (version[9:] or "5") in connections(gateway)[0]
    peer = make_peer(mosquitto, protocol=protocol)
    device = make_device("kitchen")
    for number in (1, 2, 3):
        send(device, peer, senml(a=number), qos=qos)
    assert values(bulla) == [1, 2, 3]
    assert value(gateway, "received_total", qos=qos) == value(gateway, "received_total") == 4  # one was challenged
    assert value(gateway, "messages_total", outcome="stored") == 3
    assert value(gateway, "messages_total", outcome="challenged") == 1
    wait_until(lambda: value(gateway, "unsettled") == 0)
    assert value(gateway, "waiting") == 0 and value(gateway, "replies_lost_total") == 0


def test_every_outcome(mosquitto, make_gateway, make_peer, make_device, bulla):
    """Who deserves a reply gets one, on the topic of the kid that authenticated; all are acknowledged to the broker."""
    gateway = serve(make_gateway, mosquitto)
    peer = make_peer(mosquitto, topics=("#",), protocol=paho.MQTTv5)
    device, other = make_device("kitchen", "--counter"), make_device("hall")

    def said(topic, data):
        """What is heard of a message: after itself, which everybody hears."""
        peer.publish(topic, data)
        assert peer.hear().payload == data

    def answer():
        heard = peer.hear()
        assert not heard.retain and heard.qos == 0
        assert heard.properties.ContentType.startswith("application/cose")
        return heard

    def outcomes(word, count=1):
        wait_until(lambda: value(gateway, "messages_total", outcome=word) == count, what=word)

    message = device.seal(senml(a=1), piv=100)
    said("bulla/another-name/up", message.data)
    heard = answer()
    assert heard.topic == down(device) and message.piv in device.open(heard.payload, message).stored()
    outcomes("stored")
    said(up(device), message.data)
    assert message.piv in device.open(answer().payload, message).stored()
    outcomes("duplicate")
    old = device.seal(senml(a=2), piv=10)
    said(up(device), old.data)
    assert 10 not in device.open(answer().payload, old).stored()
    outcomes("stale")
    unproven = other.seal(senml(a=1))
    said(up(other), unproven.data)
    heard = answer()
    assert heard.topic == down(other) and other.open(heard.payload, unproven).challenge
    outcomes("challenged")
    forged = bytearray(device.seal(senml(a=3), piv=101).data)
    forged[-1] ^= 1
    said(up(device), bytes(forged))
    outcomes("forged")
    said(up(device), b"not a message")
    outcomes("malformed")
    bulla("device", "revoke", "kitchen")
    last = device.seal(senml(a=4), piv=102)
    wait_until(lambda: post(gateway.port, last.data).status == 401)
    said(up(device), last.data)
    outcomes("revoked")
    bulla("device", "remove", "kitchen")
    wait_until(lambda: (said(up(device), last.data), value(gateway, "messages_total", outcome="unknown"))[1] > 0)
    assert peer.hears_nothing()
    wait_until(lambda: value(gateway, "unsettled") == 0)
    kinds = {event["kind"]: event for event in bulla.events()}
    assert set(kinds) == {"duplicate", "stale", "challenged", "forged", "malformed", "revoked", "unknown"}
    assert kinds["duplicate"]["source"] == "mqtt 127.0.0.1:%d %s" % (mosquitto.port, up(device))
    assert kinds["duplicate"]["device"] == "kitchen"


def test_content_types(mosquitto, make_gateway, make_peer, make_device, bulla):
    gateway = serve(make_gateway, mosquitto)
    peer = make_peer(mosquitto)
    device = make_device("kitchen", "--counter")
    ours = ["application/cose", 'application/cose; cose-type="cose-encrypt0"', "application/octet-stream", None]
    for number, kind in enumerate(ours):
        message = device.seal(senml(a=number))
        peer.publish(up(device), message.data, content_type=kind)
        assert message.piv in device.open(peer.hear().payload, message).stored()
    peer.publish(up(device), device.seal(senml(a=9)).data, content_type="application/json")
    wait_until(lambda: value(gateway, "messages_total", outcome="type") == 1)
    assert peer.hears_nothing(0.2) and values(bulla) == [0, 1, 2, 3]
    wait_until(lambda: value(gateway, "unsettled") == 0)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_messages_that_are_too_long(mosquitto, make_gateway, make_peer, make_device, bulla, version):
    """Refused, acknowledged and counted; also one that is longer than anything that the gateway would read."""
    gateway = serve(make_gateway, mosquitto.url + "?version=" + version)
    peer = make_peer(mosquitto)
    device = make_device("kitchen", "--counter")
    for number, size in enumerate((4097, 100_000)):
        peer.wait_published(peer.publish(up(device), b"x" * size, qos=1 + number))
        wait_until(lambda: value(gateway, "messages_total", outcome="size") == number + 1)
    peer.publish(up(device), b"x" * 3_000_000, qos=1)
    send(device, peer, senml(a=1))
    # With 5.0 the broker knows what the gateway takes, and keeps the rest to itself.
    wait_until(lambda: value(gateway, "messages_total", outcome="size") == (3 if version == "3.1.1" else 2))
    wait_until(lambda: value(gateway, "unsettled") == 0)
    assert value(gateway, "messages_total", outcome="malformed") == 0 and len(connections(gateway)) == 1
    longest = device.seal(b"y" * 4040, 42)
    assert len(longest.data) <= 4096
    peer.publish(up(device), longest.data)
    assert longest.piv in device.open(peer.hear().payload).stored()


def test_a_retained_message_is_a_replay(mosquitto, make_gateway, make_peer, make_device, bulla):
    """With 5.0 it is not even sent; with 3.1.1 the window says what it is, every time."""
    peer = make_peer(mosquitto)
    device = make_device("kitchen", "--counter")
    message = device.seal(senml(a=1))
    gateway = serve(make_gateway, mosquitto)
    peer.wait_published(peer.publish(up(device), message.data, retain=True))
    assert message.piv in device.open(peer.hear().payload).stored()
    gateway.kill()
    wait_connected(gateway.start())
    gateway.stop()
    assert not bulla.events()
    for times in (1, 2):
        gateway = serve(make_gateway, mosquitto.url + "?version=3.1.1&session-expiry=0")
        wait_until(lambda: outcome(gateway, "duplicate") == 1)
        gateway.stop()
    assert values(bulla) == [1]


def test_other_topics(mosquitto, make_gateway, make_peer, make_device, bulla):
    gateway = serve(make_gateway, mosquitto, "--mqtt-topic", "site/+/sensors/+/up")
    peer = make_peer(mosquitto, topics=("site/+/sensors/+/down", "bulla/+/down"))
    device = make_device("kitchen", "--counter")
    kid = device.credential.kid.hex()
    peer.publish("bulla/%s/up" % kid, device.seal(senml(a=1)).data)
    message = device.seal(senml(a=2))
    peer.publish("site/7/sensors/%s/up" % kid, message.data)
    heard = peer.hear()
    assert heard.topic == "site/7/sensors/%s/down" % kid and message.piv in device.open(heard.payload).stored()
    assert values(bulla) == [2] and peer.hears_nothing(0.1)
    # A session that was kept still has what an earlier start subscribed: it is not asked for any more.
    gateway.stop()
    gateway.arguments[-1] = "bulla/+/up"
    wait_connected(gateway.start())
    peer.wait_published(peer.publish("site/7/sensors/%s/up" % kid, device.seal(senml(a=3)).data))
    wait_until(lambda: value(gateway, "messages_total", outcome="topic") == 1)
    wait_until(lambda: value(gateway, "unsettled") == 0)
    assert values(bulla) == [2]


def test_many_devices_at_once(mosquitto, make_gateway, make_peer, make_device, bulla):
    """More messages than a 3.1.1 window, a batch or a read hold: each stored once and answered once."""
    gateway = serve(make_gateway, mosquitto)
    peer = make_peer(mosquitto)
    devices = [make_device("device %d" % i, "--counter") for i in range(20)]
    sealed = {}
    for number in range(50):
        for device in devices:
            message = device.seal(senml(a=number))
            sealed[down(device), message.piv] = device
            peer.publish(up(device), message.data)
    while sealed:
        heard = peer.hear()
        device = next(device for device in devices if down(device) == heard.topic)
        reply = device.open(heard.payload)
        sealed.pop((heard.topic, reply.re))
        assert reply.re in reply.stored()
    assert len(values(bulla)) == 1000
    assert outcome(gateway, "stored") == 1000 and outcome(gateway, "duplicate") == 0


# ---- nothing is acknowledged before it is stored ----


def test_the_store_is_away(mosquitto, make_gateway, make_peer, make_device, bulla, fault_library, disk):  # noqa: F811
    """Nothing is acknowledged, and no more is read than may wait; when it is back, all of it is stored."""
    gateway = wait_connected(start_faulty(make_gateway, fault_library, disk, "--mqtt", mosquitto.url + "?receive-maximum=8"))
    peer = make_peer(mosquitto)
    devices = [make_device("device %d" % i, "--counter") for i in range(3)]
    for device in devices:
        send(device, peer, senml(a=0))
    disk.fail("write")
    messages = []
    for number in range(1, 11):
        for device in devices:
            messages.append((device, device.seal(senml(a=number))))
            peer.publish(up(device), messages[-1][1].data)
    wait_until(lambda: value(gateway, "paused") == 1, what="the pause")
    wait_until(lambda: value(gateway, "messages_total", outcome="busy") >= 8)
    held = value(gateway, "unsettled")
    assert 1 <= held <= 8  # of 30: the first one that was not taken stopped it
    time.sleep(1)
    assert value(gateway, "unsettled") == held == value(gateway, "waiting")
    assert outcome(gateway, "stored") == 3 and peer.hears_nothing(0.1)
    status, body = health(gateway)
    assert status == 503 and "away" not in body
    disk.heal()
    stored = set()
    while len(stored) < 30:
        heard = peer.hear()
        device = next(device for device in devices if down(device) == heard.topic)
        device.open(heard.payload)
        stored = {(device, piv) for device in devices for piv in device.told if piv > 0}
    wait_until(lambda: value(gateway, "unsettled") == 0 and value(gateway, "paused") == 0)
    assert sorted(values(bulla)) == sorted([0] * 3 + 3 * list(range(1, 11)))
    assert outcome(gateway, "stored") == 33 and outcome(gateway, "duplicate") == outcome(gateway, "stale") == 0


@pytest.mark.parametrize("version, qos", [("5", 0), ("5", 1), ("3.1.1", 0), ("3.1.1", 1)])
def test_a_queue_that_is_small(mosquitto, make_gateway, make_peer, make_device, bulla, version, qos):
    """
    Whatever is delivered at a time: what does not fit waits, and nothing is lost, or out of its order. Not with QoS
    2: of a burst of that, mosquitto 2.0.11 forgets some, whoever subscribed (mosquitto_sub got 210 of 400).
    """
    gateway = serve(make_gateway, mosquitto.url + "?version=" + version, "--queue", "4")
    peer = make_peer(mosquitto)
    devices = [make_device("device %d" % i, "--counter") for i in range(4)]
    for number in range(100):
        for device in devices:
            peer.publish(up(device), device.seal(senml(a=number)).data, qos)
    wait_until(lambda: outcome(gateway, "stored") == 400, 30, "the last reading")
    assert outcome(gateway, "busy") > 0 and outcome(gateway, "stale") == 0 and outcome(gateway, "duplicate") == 0
    wait_until(lambda: value(gateway, "unsettled") == 0 and value(gateway, "paused") == 0)


def test_killed_while_the_store_is_away(mosquitto, make_gateway, make_peer, make_device, bulla, fault_library, disk):  # noqa: F811
    """What was not stored was not acknowledged: the broker has it for the next start, and no device sends again."""
    gateway = wait_connected(start_faulty(make_gateway, fault_library, disk, "--mqtt", mosquitto.url + "?client-id=gateway"))
    peer = make_peer(mosquitto)
    device = make_device("kitchen", "--counter")
    send(device, peer, senml(a=0))
    disk.hold()
    for number in range(1, 6):
        peer.wait_published(peer.publish(up(device), device.seal(senml(a=number)).data, qos=1 + number % 2))
    wait_until(lambda: value(gateway, "unsettled") == 5)
    gateway.kill()
    disk.heal()
    wait_connected(gateway.start())
    assert "session=kept" in connections(gateway)[-1]
    wait_until(lambda: len(values(bulla)) == 6)
    assert values(bulla) == list(range(6))
    wait_until(lambda: value(gateway, "unsettled") == 0)


def test_told_to_end_while_the_store_is_away(mosquitto, make_gateway, make_peer, make_device, bulla, fault_library, disk):  # noqa: F811
    gateway = wait_connected(start_faulty(make_gateway, fault_library, disk, "--mqtt", mosquitto.url + "?client-id=gateway"))
    peer = make_peer(mosquitto)
    device = make_device("kitchen", "--counter")
    send(device, peer, senml(a=0))
    disk.fail("write")
    for number in range(1, 6):
        peer.wait_published(peer.publish(up(device), device.seal(senml(a=number)).data))
    wait_until(lambda: value(gateway, "messages_total", outcome="busy") >= 5)
    assert gateway.stop() < allowed(10)
    disk.heal()
    wait_connected(gateway.start())
    wait_until(lambda: len(values(bulla)) == 6)
    assert values(bulla) == list(range(6))


def test_the_end_in_good_order(mosquitto, make_gateway, make_peer, make_device, bulla):
    """DISCONNECT, and everything that was stored is acknowledged: nothing comes twice."""
    gateway = serve(make_gateway, mosquitto.url + "?client-id=gateway")
    peer = make_peer(mosquitto)
    device = make_device("kitchen", "--counter")
    for number in range(200):
        peer.publish(up(device), device.seal(senml(a=number)).data)
    wait_until(lambda: len(values(bulla)) > 0)
    gateway.stop()
    wait_until(lambda: "Client gateway disconnected." in mosquitto.log(), what="the DISCONNECT")
    before = len(values(bulla))
    wait_connected(gateway.start())
    wait_until(lambda: len(values(bulla)) == 200)
    wait_until(lambda: value(gateway, "unsettled") == 0)
    assert outcome(gateway, "duplicate") == 0 and outcome(gateway, "stored") == 200 - before


# ---- connections ----


def test_the_broker_starts_again(make_mosquitto, make_gateway, make_peer, make_device, bulla):
    broker = make_mosquitto().start()
    gateway = serve(make_gateway, broker)
    device = make_device("kitchen", "--counter")
    peer = make_peer(broker)
    send(device, peer, senml(a=1))
    peer.close()
    assert health(gateway) == (200, {"status": "ok"})
    broker.kill()
    wait_until(lambda: "state=away" in gateway.text())
    status, body = health(gateway)
    (away,) = body["away"]
    assert status == 200 and body["status"] == "ok" and away["name"] == "127.0.0.1:%d" % broker.port
    assert abs(away["since"] - time.time()) < 60 and away["detail"]
    assert value(gateway, "connected") == 0
    assert post(gateway.port, device.seal(senml(a=2)).data).status == 200  # others are served meanwhile
    time.sleep(1)
    assert gateway.text().count("state=away") <= 3  # one reason is told once
    broker.start()
    wait_connected(gateway, 2)
    assert health(gateway) == (200, {"status": "ok"}) and value(gateway, "connections_total") == 2
    send(device, make_peer(broker), senml(a=3))
    assert values(bulla) == [1, 2, 3]


def test_a_broker_that_is_not_there_yet(make_mosquitto, make_gateway, make_peer, make_device):
    broker = make_mosquitto()
    gateway = make_gateway("--mqtt", "mqtt://localhost:%d" % broker.port).start()
    wait_until(lambda: "detail=\"connection refused\"" in gateway.text())
    assert "bulla: devices by MQTT from localhost:%d, bulla/+/up" % broker.port in gateway.text()
    broker.start()
    wait_connected(gateway)
    send(make_device("kitchen"), make_peer(broker), senml(a=1))


def test_a_broker_that_stands_still(make_mosquitto, make_gateway, make_peer, make_device):
    broker = make_mosquitto().start()
    gateway = serve(make_gateway, broker.url + "?keep-alive=1")
    broker.freeze()
    wait_until(lambda: "the broker does not answer" in gateway.text())
    broker.freeze(False)
    wait_connected(gateway, 2)
    send(make_device("kitchen"), make_peer(broker), senml(a=1))


def test_several_brokers(make_mosquitto, make_gateway, make_peer, make_device, bulla):
    """Each answers what came by it; one that is away is in nobody's way."""
    brokers = [make_mosquitto().start() for _ in range(3)]
    gateway = make_gateway(*[word for broker in brokers for word in ("--mqtt", broker.url)]).start()
    wait_connected(gateway, 3)
    device = make_device("kitchen", "--counter")
    for number, broker in enumerate(brokers):
        send(device, make_peer(broker), senml(a=number))
    message = device.seal(senml(a=3))
    peers = [make_peer(broker) for broker in brokers]
    for peer in peers:  # the same by all of them
        peer.publish(up(device), message.data)
    for peer in peers:
        assert message.piv in device.open(peer.hear().payload, message).stored()
    brokers[0].kill()
    wait_until(lambda: value(gateway, "connected") == 2)
    send(device, make_peer(brokers[2]), senml(a=4))
    assert values(bulla) == [0, 1, 2, 3, 4]
    assert [away["name"] for away in health(gateway)[1]["away"]] == ["127.0.0.1:%d" % brokers[0].port]


def test_a_broker_that_is_given_twice(mosquitto, make_gateway, make_peer, make_device):
    """Two clients of one id would end each other's connections for ever."""
    gateway = make_gateway("--mqtt", mosquitto.url, "--mqtt", mosquitto.url).start()
    wait_until(lambda: value(gateway, "connected") == 2)
    device = make_device("kitchen", "--counter")
    send(device, make_peer(mosquitto), senml(a=1))
    wait_until(lambda: outcome(gateway, "duplicate") == 1, what="the same by the other connection")
    time.sleep(0.5)
    assert len(connections(gateway)) == 2 and value(gateway, "connected") == 2
    assert outcome(gateway, "stored") == 1 and outcome(gateway, "duplicate") == 1


def test_a_shared_subscription(mosquitto, make_gateway, make_peer, make_device, tmp_path):
    """Two gateways of a group, a registry each: every message goes to one of them."""
    gateways = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        gateways.append(serve(make_gateway, mosquitto, "--mqtt-share", "gateways", folder=tmp_path / name))
    peer = make_peer(mosquitto)
    for number in range(40):
        peer.publish("bulla/0a/up", b"%d" % number)
    wait_until(lambda: sum(outcome(gateway, "malformed") for gateway in gateways) == 40)
    assert all(outcome(gateway, "malformed") > 0 for gateway in gateways)


def test_a_shared_subscription_on_one_registry(mosquitto, make_gateway, make_peer, make_device, bulla):
    """
    Either of two gateways answers any device. One is killed: what the broker has for it waits there, and the device,
    which hears nothing, sends again, to the other one.
    """
    gateways = [serve(make_gateway, mosquitto, "--mqtt-share", "gateways") for _ in range(2)]
    peer = make_peer(mosquitto)
    devices = [make_device("device %d" % i, *(["--counter"] if i % 2 else [])) for i in range(4)]

    def deliver(number):
        for device in devices:
            send(device, peer, senml(a=number))

    for number in range(10):
        deliver(number)
    assert all(outcome(gateway, "stored") > 0 for gateway in gateways)
    gateways[0].kill()
    deliver(10)
    wait_connected(gateways[0].start())
    deliver(11)
    assert sorted(values(bulla)) == sorted(4 * list(range(12)))


def test_one_client_id_twice(mosquitto, make_gateway, tmp_path):
    """They end each other's connections, and the log says what to do."""
    gateways = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        gateways.append(make_gateway("--mqtt", mosquitto.url + "?client-id=same", folder=tmp_path / name).start())
    wait_until(lambda: "wo gateways must not have the same one (client-id=)" in gateways[0].text())


def test_the_client_id_is_the_same_at_every_start(mosquitto, make_gateway, tmp_path):
    def client_id(gateway):
        return connections(gateway)[-1].split("client_id=")[1].split()[0]

    gateway = serve(make_gateway, mosquitto)
    first = client_id(gateway)
    assert first.startswith("bulla-") and len(first) <= 23  # what every broker has to take
    gateway.kill()
    wait_connected(gateway.start())
    assert client_id(gateway) == first and "session=kept" in connections(gateway)[-1]
    assert client_id(serve(make_gateway, mosquitto)) != first  # on another port
    (tmp_path / "other").mkdir()
    assert client_id(serve(make_gateway, mosquitto, folder=tmp_path / "other")) != first


# ---- who may ----


def write_file(tmp_path, text, mode=0o600):
    path = tmp_path / "broker"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_user_and_a_password(make_mosquitto, make_gateway, make_peer, make_device, tmp_path):
    broker = make_mosquitto(users={"gateway": "p=w %41", "device": "d"}).start()
    path = write_file(tmp_path, "%s\nuser = gateway\npassword = p=w %%41\n" % broker.url)
    gateway = serve(make_gateway, "@%s" % path)
    send(make_device("kitchen"), make_peer(broker, user="device", password="d"), senml(a=1))
    gateway.stop()
    url = broker.url.replace("mqtt://", "mqtt://gateway@")
    gateway = make_gateway("--mqtt", url, env={"BULLA_MQTT_PASSWORD": "p=w %41"}).start()
    wait_connected(gateway)
    command = Path("/proc/%d/cmdline" % gateway.process.pid).read_text()
    assert "p=w" not in command and "p=w" not in gateway.text()
    gateway.stop()
    gateway = make_gateway("--mqtt", url, env={"BULLA_MQTT_PASSWORD": "wrong"}).start()
    wait_until(lambda: "this user is not authorised" in gateway.text() or "wrong user or password" in gateway.text())
    assert "password=wrong" not in gateway.text()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


def tls_url(broker, host="localhost", **settings):
    return "mqtts://%s:%d?%s" % (host, broker.port, "&".join("%s=%s" % pair for pair in settings.items()))


def test_tls(make_mosquitto, make_gateway, make_peer, make_device, certificates, bulla):
    broker = make_mosquitto(tls=certificates).start()
    gateway = serve(make_gateway, tls_url(broker, ca=certificates.ca))
    peer = make_peer(broker, tls=certificates)
    device = make_device("kitchen")
    for number in range(3):
        send(device, peer, senml(a=number), qos=number)
    assert values(bulla) == [0, 1, 2]
    for number in range(3, 203):
        peer.publish(up(device), device.seal(senml(a=number)).data)
    wait_until(lambda: len(values(bulla)) == 203)
    broker.stop()
    broker.start()
    wait_connected(gateway, 2)
    send(device, make_peer(broker, tls=certificates), senml(a=1))


def test_tls_to_an_address(make_mosquitto, make_gateway, certificates):
    serve(make_gateway, tls_url(make_mosquitto(tls=certificates).start(), "127.0.0.1", ca=certificates.ca))


def test_tls_with_a_client_certificate(make_mosquitto, make_gateway, make_peer, make_device, certificates, tmp_path):
    broker = make_mosquitto(tls=certificates, require_certificate=True, use_identity_as_username=True).start()
    gateway = serve(make_gateway, tls_url(broker, ca=certificates.ca, cert=certificates.client, key=certificates.client_key))
    send(make_device("kitchen"), make_peer(broker, tls=certificates), senml(a=1))
    gateway.stop()
    both = tmp_path / "both.pem"  # the certificate, and its key behind it
    both.touch(0o600)
    both.write_text(certificates.client.read_text() + certificates.client_key.read_text())
    serve(make_gateway, tls_url(broker, ca=certificates.ca, cert=both)).stop()
    gateway = make_gateway("--mqtt", tls_url(broker, ca=certificates.ca)).start()
    wait_until(lambda: "state=away detail=\"TLS: " in gateway.text() or "state=away detail=\"the broker closed" in gateway.text()
               or "connection reset" in gateway.text())


def test_tls_to_somebody_else(make_mosquitto, make_gateway, certificates, tmp_path):
    """An authority that is not believed, a certificate for another host, a broker without TLS: no password is sent."""
    broker = make_mosquitto(tls=certificates).start()
    gateway = make_gateway("--mqtt", tls_url(broker)).start()
    wait_until(lambda: "certificate is not believed" in gateway.text() and "ca=FILE" in gateway.text())
    gateway.stop()
    other = Certificates(tmp_path / "other")
    gateway = make_gateway("--mqtt", tls_url(broker, ca=other.ca)).start()
    wait_until(lambda: "certificate is not believed" in gateway.text())
    gateway.stop()
    certificate, key = certificates.issue("elsewhere", "elsewhere", "subjectAltName=DNS:elsewhere.example")
    certificates.server, certificates.server_key, kept = certificate, key, (certificates.server, certificates.server_key)
    elsewhere = make_mosquitto(tls=certificates)
    certificates.server, certificates.server_key = kept
    elsewhere.start(wait=False)
    gateway = make_gateway("--mqtt", tls_url(elsewhere, ca=certificates.ca)).start()
    wait_until(lambda: "it is for another host than the URL names" in gateway.text())
    gateway.stop()
    plain = make_mosquitto().start()
    gateway = make_gateway("--mqtt", tls_url(plain)).start()
    wait_until(lambda: "state=away" in gateway.text())
    assert not connections(gateway)


def test_a_renewed_certificate_needs_no_restart(make_mosquitto, make_gateway, tmp_path):
    old, new = Certificates(tmp_path / "old"), Certificates(tmp_path / "new")
    ca = tmp_path / "ca.pem"
    ca.write_text(old.ca.read_text())
    broker = make_mosquitto(tls=old).start()
    gateway = serve(make_gateway, tls_url(broker, ca=ca))
    broker.stop()
    broker.config.write_text(broker.config.read_text().replace(str(old.folder), str(new.folder)))
    broker.tls = new
    broker.start()
    wait_until(lambda: "certificate is not believed" in gateway.text())
    ca.write_text(new.ca.read_text())
    wait_connected(gateway, 2)


# ---- what was said wrongly ----


def refused(tmp_path, *arguments, status=1, env=None):
    done = subprocess.run([BINARY, "serve", "--db", "bulla.db", "--listen", "127.0.0.1:0", "--admin", "off", *map(str, arguments)],
                          cwd=tmp_path, capture_output=True, text=True, timeout=60, env=environment(env))
    assert done.returncode == status, done.stderr
    return done.stderr


def test_settings_that_are_refused(tmp_path, certificates):
    loose = write_file(tmp_path, "mqtt://me:secret@localhost\n", 0o644)
    world = tmp_path / "key.pem"
    world.write_text(certificates.client_key.read_text())
    world.chmod(0o644)
    cases = [
        (["--mqtt", "http://localhost"], 2, "give mqtt://HOST, mqtts://HOST or @FILE"),
        (["--mqtt", "mqtt://me:secret@localhost"], 2, "BULLA_MQTT_PASSWORD"),
        (["--mqtt", "@"], 2, "give @FILE"),
        (["--mqtt", "@missing"], 1, "--mqtt: cannot open missing: No such file or directory"),
        (["--mqtt", "@%s" % loose], 1, "chmod 600"),
        (["--mqtt", "mqtts://localhost?ca=missing.pem"], 1, "ca missing.pem: No such file or directory"),
        (["--mqtt", "mqtts://localhost?ca=%s" % loose], 1, "it has to hold certificates in PEM"),
        (["--mqtt", "mqtts://localhost?cert=%s" % certificates.client], 1, "it has to hold the certificate's key"),
        (["--mqtt", "mqtts://localhost?cert=%s&key=%s" % (certificates.client, certificates.server_key)], 1, "key values mismatch; it has to hold the certificate's key"),
        (["--mqtt", "mqtts://localhost?cert=%s&key=%s" % (certificates.client, world)], 1, "chmod 600"),
        (["--mqtt", "mqtt://localhost", "--mqtt-topic", "bulla/#"], 2, "PREFIX/+/up"),
        (["--mqtt", "mqtt://localhost", "--mqtt-topic", "$share/g/bulla/+/up"], 2, "--mqtt-share"),
        (["--mqtt", "mqtt://localhost", "--mqtt-share", "a/b"], 2, "name of a group"),
        (["--mqtt", "mqtt://localhost?version=3.1.1", "--mqtt-share", "g"], 1, "shared subscriptions need MQTT 5"),
    ]
    for arguments, status, complaint in cases:
        said = refused(tmp_path, *arguments, status=status)
        assert complaint in said and "secret" not in said, (arguments, said)


def test_a_configuration_file(mosquitto, make_gateway, bulla, tmp_path):
    conf = tmp_path / "bulla.conf"
    conf.write_text("mqtt = %s\nmqtt = mqtt://me@localhost:1\nmqtt-topic = a/+/up\n" % mosquitto.url)
    printed = bulla("serve", "--config", conf, "--print-config")
    assert "mqtt = %s\n" % mosquitto.url in printed and "mqtt = mqtt://me@localhost:1\n" in printed
    assert "mqtt-topic = a/+/up\n" in printed and "#mqtt-share = GROUP\n" in printed
    gateway = wait_connected(make_gateway("--config", conf).start())
    conf.write_text("mqtt = %s\n" % mosquitto.url)
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "option=mqtt detail=\"needs a restart\"" in gateway.text())
    assert "option=mqtt-topic detail=\"needs a restart\"" in gateway.text()
    conf.write_text("mqtt = mqtt://me:secret@localhost\n")
    said = bulla.run("serve", "--config", conf, status=2).stderr
    assert "bulla.conf:1: mqtt: a password in a URL" in said and "secret" not in said
