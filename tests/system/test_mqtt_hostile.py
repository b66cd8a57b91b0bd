"""
Brokers that lie: what they send is refused with a line in the log that names broker and reason, the gateway comes back
with growing pauses, and once the broker is good again an honest device's reading is stored, once.
"""

import os
import re
import threading
import time
from dataclasses import dataclass, field

import pytest

import lying_broker as mqtt
from http_client import Connection
from lying_broker import Gone, LyingBroker, packet, properties
from program import Commands, Gateway, wait_until
from python_device import TEXT, PythonDevice, reference, senml
from test_store_faults import disk, fault_library, start_faulty  # noqa: F401

BOTH = (4, 5)
CLOSED = "closed the connection|connection reset|broken pipe"
TOPIC = "bulla/0a1b2c3d/up"


@dataclass
class Case:
    lie: object  # what the broker does on the first connections
    says: str  # in the log's line about that broker; None: nothing is wrong with it
    versions: tuple = BOTH
    times: int = 2  # so many of them
    query: dict = field(default_factory=dict)


CASES = {}


def lie(says, versions=BOTH, times=2, **query):
    def register(function):
        CASES[function.__name__] = Case(function, says, versions, times, query)
        return function

    return register


# ---- before the connection stands ----


@lie(CLOSED)
def closes_at_once(link):
    raise Gone()


@lie(CLOSED)
def closes_after_connect(link):
    link.connect()


@lie("not MQTT|where none of its kind")
def answers_in_http(link):
    link.connect()
    link.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    link.closed()


@lie("not MQTT")
def sends_noise(link):
    link.connect()
    link.send(bytes(range(255, 0, -1)) * 4)
    link.closed()


@lie(CLOSED)
def closes_within_connack(link):
    link.connect()
    link.send(packet(mqtt.CONNACK, b"\0\0\0")[:2])


@lie("does not answer", (5,), times=1)  # it takes ten seconds
def never_ends_connack(link):
    link.connect()
    link.send(packet(mqtt.CONNACK, b"\0\0\0")[:3])
    link.closed()


@lie("not MQTT")
def connack_with_reserved_flags(link):
    link.connect()
    link.connack(present=2)
    link.closed()


@lie("not MQTT")
def connack_that_refuses_and_remembers(link):
    link.connect()
    link.connack(0x87 if link.is_5() else 5, present=True)
    link.closed()


@lie("where none of its kind")
def publishes_before_connack(link):
    link.connect()
    link.publish(TOPIC, b"x")
    link.closed()


@lie("not MQTT", (5,))
def receive_maximum_of_zero(link):
    link.connect()
    link.connack(inside=b"\x21\0\0")
    link.closed()


@lie("not MQTT", (5,))
def maximum_packet_size_of_zero(link):
    link.connect()
    link.connack(inside=b"\x27\0\0\0\0")
    link.closed()


@lie("not MQTT", (5,))
def property_given_twice(link):
    link.connect()
    link.connack(inside=b"\x22\0\x01\x22\0\x01")
    link.closed()


@lie("not MQTT", (5,))
def authentication_that_nobody_asked_for(link):
    link.connect()
    link.send(packet(mqtt.AUTH, b"\x18" + properties(b"\x15\0\x01x")))
    link.closed()


@lie("session that was not asked for", session_expiry=0)
def keeps_a_session_that_nobody_asked_for(link):
    link.connect()
    link.connack(present=True)
    link.closed()


@lie("at most 16 bytes", (5,))
def takes_no_packet_of_use(link):
    link.connect()
    link.connack(inside=b"\x27\0\0\0\x10")
    assert mqtt.SUBSCRIBE not in link.closed()


# ---- lengths ----


@lie("not MQTT")
def length_of_five_bytes(link):
    link.accept()
    link.send(b"\x30\xff\xff\xff\xff\x01")
    link.closed()


@lie("more than are taken|" + CLOSED)
def longest_packet_and_nothing_of_it(link):
    link.accept()
    link.send(b"\x30\xff\xff\xff\x7f\x00\x01a")
    time.sleep(0.3)


@lie("more than are taken")
def longest_acknowledgement(link):
    link.accept()
    link.send(b"\x90\xff\xff\xff\x7f\x00\x01")
    link.closed()


@lie(CLOSED)
def closes_within_a_packet(link):
    link.accept()
    whole = link.publication(TOPIC, b"x" * 100, 1, 1)
    link.send(whole[: len(whole) // 2])


@lie("not MQTT")
def topic_beyond_the_packet(link):
    link.accept()
    link.send(packet(mqtt.PUBLISH, b"\xff\xffabc"))
    link.closed()


@lie("not MQTT", (5,))
def properties_beyond_the_packet(link):
    link.accept()
    link.send(packet(mqtt.PUBLISH, b"\0\1a\x7f\1\1"))
    link.closed()


@lie("not MQTT")
def too_short_acknowledgement(link):
    link.accept()
    link.send(packet(mqtt.PUBACK, b"\1"))
    link.closed()


# ---- packets that may not stand there ----


@lie("where none of its kind")
def connack_twice(link):
    link.accept()
    link.connack()
    link.closed()


@lie("not MQTT")
def sends_what_clients_send(link):
    link.accept()
    link.send(packet(mqtt.SUBSCRIBE, b"\0\1\0\0\1a\1"))
    link.closed()


@lie("not MQTT")
def pings(link):
    link.accept()
    link.send(packet(mqtt.PINGREQ))
    link.closed()


@lie("not MQTT")
def wrong_flags(link):
    link.accept()
    link.send(packet(mqtt.PUBREL, b"\0\1", flags=0))
    link.closed()


@lie("not MQTT", (4,))
def disconnects_in_a_version_that_has_no_such_thing(link):
    link.accept()
    link.send(packet(mqtt.DISCONNECT))
    link.closed()


@lie("not MQTT")
def identifier_of_zero(link):
    link.accept()
    link.publish(TOPIC, b"x", 1, 0)
    link.closed()


@lie("not MQTT")
def quality_of_service_3(link):
    link.accept()
    link.publish(TOPIC, b"x", 3, 1)
    link.closed()


@lie("not MQTT")
def topic_with_a_wildcard(link):
    link.accept()
    link.publish("bulla/+/up", b"x", 1, 1)
    link.closed()


@lie("not MQTT")
def topic_that_is_no_text(link):
    link.accept()
    link.publish(b"bulla/\xed\xa0\x80/up", b"x", 1, 1)
    link.closed()


@lie("not MQTT|topic alias")
def no_topic(link):
    link.accept()
    link.publish("", b"x", 1, 1)
    link.closed()


@lie("topic alias", (5,))
def topic_alias_that_was_not_allowed(link):
    link.accept()
    link.publish(TOPIC, b"x", 1, 1, inside=b"\x23\0\x01")
    link.closed()


@lie("not MQTT", (5,))
def topic_alias_of_zero(link):
    link.accept()
    link.publish(TOPIC, b"x", 1, 1, inside=b"\x23\0\0")
    link.closed()


# ---- subscriptions ----


@lie("refused the subscription")
def refuses_the_subscription(link):
    link.connect()
    link.connack()
    link.subscribed(granted=0x87 if link.is_5() else 0x80)
    link.closed()


@lie("not asked for")
def answers_another_subscription(link):
    link.connect()
    link.connack()
    got = link.expect(mqtt.SUBSCRIBE)
    link.send(packet(mqtt.SUBACK, (got.id + 1).to_bytes(2, "big") + (b"\0" if link.is_5() else b"") + b"\0"))
    link.closed()


@lie("not asked for")
def answers_more_subscriptions_than_there_are(link):
    link.connect()
    link.connack()
    got = link.expect(mqtt.SUBSCRIBE)
    link.send(packet(mqtt.SUBACK, got.body[:2] + (b"\0" if link.is_5() else b"") + b"\1\1\1\1\1\1\1\1"))
    link.closed()


@lie("does not answer", keep_alive=1)
def never_answers_the_subscription(link):
    link.connect()
    link.connack()
    while True:
        got = link.read()
        if got.kind == mqtt.PINGREQ:
            link.answer(got)


@lie("does not answer", keep_alive=1)
def says_nothing_any_more(link):
    link.accept()
    link.closed()


@lie("does not answer", (5,))
def says_nothing_within_a_keep_alive_of_its_own(link):
    link.accept(inside=b"\x13\0\1")
    link.closed()


@lie("does not answer", (5,), keep_alive=1)
def asks_for_no_keep_alive_and_says_nothing(link):
    link.accept(inside=b"\x13\0\0")
    link.closed()


# ---- refusals ----

RETURN_CODES = {1: "version", 2: "client id", 3: "not available", 4: "user or password", 5: "not authori[sz]ed"}
REASON_CODES = {
    0x80: "does not tell", 0x81: "malformed", 0x82: "protocol", 0x83: "of its own", 0x84: "version", 0x85: "client id",
    0x86: "user or password", 0x87: "not authori[sz]ed", 0x88: "not available", 0x89: "busy", 0x8A: "banned",
    0x8C: "authentication", 0x90: "topic", 0x95: "longer", 0x97: "quota", 0x99: "payload", 0x9A: "retained", 0x9B: "quality",
    0x9C: "another server", 0x9D: "moved", 0x9F: "too fast",
}
DISCONNECTS = {
    0x8B: "shutting down", 0x8D: "for too long", 0x8E: "took this client id over", 0x93: "more messages", 0x98: "administrator",
    0xA0: "longest time",
}


def refusal(code):
    def refuse(link):
        link.connect()
        link.connack(code)
        link.closed()

    return refuse


def disconnection(code):
    def disconnect(link):
        link.accept()
        link.send(packet(mqtt.DISCONNECT, bytes([code])))
        link.closed()

    return disconnect


CASES.update(("refuses_with_return_code_%d" % code, Case(refusal(code), words, (4,))) for code, words in RETURN_CODES.items())
CASES.update(("refuses_with_reason_%02x" % code, Case(refusal(code), words, (5,))) for code, words in REASON_CODES.items())
CASES.update(("ends_with_reason_%02x" % code, Case(disconnection(code), words, (5,))) for code, words in DISCONNECTS.items())


# ---- acknowledgements that mean nothing: the connection stays ----


@lie(None)
def acknowledges_what_was_never_sent(link):
    link.accept()
    for id in (1, 2, 3, 65535):
        for kind in (mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBREL, mqtt.PUBCOMP):
            link.acknowledge(kind, id)
    for id in (1, 2, 3, 65535):
        assert link.expect(mqtt.PUBREL).id == id  # 4.3.3: PUBREC is answered whatever it is for
        released = link.expect(mqtt.PUBCOMP)
        assert (released.id, released.code) == (id, 0x92 if link.is_5() else 0)
    link.go_on()


@lie(None)
def sends_byte_by_byte(link):
    link.connect()
    for byte in packet(mqtt.CONNACK, b"\0\0" + (b"\0" if link.is_5() else b"")):
        link.send(bytes([byte]))
        time.sleep(0.002)
    link.subscribed()
    for byte in link.publication(TOPIC, b"nothing", 1, 7):
        link.send(bytes([byte]))
        time.sleep(0.002)
    assert link.expect(mqtt.PUBACK).id == 7
    link.go_on()


# ---- all of them, side by side, on one gateway for each version ----


BROKERS_MAX = 16  # that one gateway takes


class Side:
    """A gateway with a broker for each of some cases, and a device. The first connections are lied to, the others are not."""

    def __init__(self, folder, version, cases):
        folder.mkdir()
        self.cases = cases
        self.commands = Commands(folder)
        self.device = PythonDevice(self.commands.add("honest", "--counter"))
        self.readings = 0
        self.brokers, arguments = {}, []
        for name, case in cases.items():
            self.brokers[name] = broker = LyingBroker(self.turns(case))
            arguments += ["--mqtt", broker.url(version="5" if version == 5 else "3.1.1", **case.query)]
        self.gateway = Gateway(folder, *arguments).start()

    @staticmethod
    def turns(case):
        def behave(link):
            if len(link.broker.links) <= case.times:
                case.lie(link)
            else:
                link.serve()

        return behave

    def lines(self, broker):
        """What the log says of a broker."""
        return [line for line in self.gateway.log if broker.name in line and " event=mqtt " in line]

    def close(self):
        try:
            self.gateway.end()
        finally:
            for broker in self.brokers.values():
                broker.close()


@pytest.fixture(scope="module")
def sides_of(tmp_path_factory):
    """sides_of(version): all of its cases, begun at once, for most of the time is waiting. Of one version at a time."""
    made, begun = [], []

    def get(version):
        if version not in begun:
            begun.append(version)
            end()
            folder = tmp_path_factory.mktemp("sides")
            cases = [(name, case) for name, case in CASES.items() if version in case.versions]
            for at in range(0, len(cases), BROKERS_MAX):
                made.append(Side(folder / str(at), version, dict(cases[at : at + BROKERS_MAX])))
        return made

    def end():
        while made:
            made.pop().close()

    yield get
    end()


def up(device):
    return "bulla/%s/up" % device.credential.kid.hex()


def reply_to(broker, device, message):
    """Passes over replies to other messages."""
    while True:
        data = broker.reply("bulla/%s/down" % device.credential.kid.hex()).payload
        if reference.parse_reply(data).re == message.piv:
            return device.open(data, message)


def honest(broker, device, qos=1, **values):
    """A reading of an honest device goes in through a good broker, with a challenge first if there is one."""
    for _ in range(2):
        message = device.seal(senml(**values))
        broker.deliver(up(device), message.data, qos)
        reply = reply_to(broker, device, message)
        if not reply.challenge:
            assert message.piv in reply.stored()
            device.challenge = None
            return message
    raise AssertionError("challenged twice")


EACH = [(version, name) for version in BOTH for name, case in CASES.items() if version in case.versions]


@pytest.mark.parametrize("version, name", EACH)
def test_what_it_does_is_told_and_outlived(sides_of, version, name):
    side = next(side for side in sides_of(version) if name in side.cases)
    case, broker = side.cases[name], side.brokers[name]
    if case.says:
        wait_until(lambda: len(broker.opened) > case.times, 60, "another connection")
        said = [line for line in side.lines(broker) if "state=away" in line]
        assert said and all(re.search(case.says, line) for line in said), side.lines(broker)
    honest(broker, side.device, a=1)
    side.readings += 1
    assert broker.errors == []
    assert len(side.commands.readings()) == side.readings
    if case.says is None:
        assert len(broker.opened) == 1, side.lines(broker)
    side.gateway.check_clean()


# ---- one broker ----


@pytest.fixture
def make_broker():
    made = []

    def make(*arguments, **options):
        made.append(LyingBroker(*arguments, **options))
        return made[-1]

    yield make
    for broker in made:
        broker.close()
    assert [error for broker in made for error in broker.errors] == []


@pytest.fixture(params=["3.1.1", "5"])
def version(request):
    return request.param


def test_the_pauses_grow(make_gateway, make_broker, version):
    """250 ms, then twice as long each time, less what chance takes away: at most a half."""
    broker = make_broker(lambda link: link.connect())
    gateway = make_gateway("--mqtt", broker.url(version=version)).start()
    wait_until(lambda: len(broker.opened) >= 5, 30, "five connections")
    pauses = [b - a for a, b in zip(broker.opened, broker.opened[1:5])]
    for i, pause in enumerate(pauses):
        assert pause >= 0.9 * 0.125 * 2**i, pauses
    assert pauses[3] <= 10, pauses
    assert sum(" event=mqtt " in line for line in gateway.log) == 1, gateway.log  # the same is not told again
    gateway.check_clean()


def taken(broker):
    """The identifiers of what the gateway took, in the order of PUBACKs and PUBRECs."""
    return [id for kind, id, _ in broker.acknowledged if kind != mqtt.PUBCOMP]


def settle(broker):
    """Waits for the last acknowledgement, and forgets all."""
    wait_until(lambda: broker.last_id in taken(broker), what="the acknowledgement")
    time.sleep(0.05)  # of QoS 2: PUBCOMP
    broker.acknowledged.clear()


@pytest.mark.parametrize("seconds, told", ((60, True), (86400, False)))
def test_a_broker_that_keeps_the_session_for_less(make_gateway, make_broker, seconds, told):
    """Its word counts, so the operator is told what it means."""
    broker = make_broker()
    broker.behave = lambda link: (link.accept(inside=b"\x11" + seconds.to_bytes(4, "big")), link.go_on())
    gateway = make_gateway("--mqtt", broker.url(version=5)).start()
    assert broker.good.wait(20)
    wait_until(lambda: any("state=connected" in line for line in gateway.log), 10, "the connection")
    if told:
        wait_until(lambda: any("state=short-session" in line for line in gateway.log), 10, "the warning")
    lines = [line for line in gateway.log if "state=short-session" in line]
    assert len(lines) == told
    assert all("broker=%s " % broker.name in line and "for 60 s only" in line and "86400 s were asked" in line for line in lines)


@pytest.mark.parametrize("qos", (1, 2))
def test_what_comes_twice_is_stored_once(make_gateway, make_broker, make_device, bulla, version, qos):
    """With the same identifier, with others, with and without DUP; on one connection, and on the next."""
    broker, device = make_broker(), make_device("kitchen", "--counter")
    make_gateway("--mqtt", broker.url(version=version)).start()
    honest(broker, device, qos, a=1)
    message = device.seal(senml(a=2))
    settle(broker)
    given = [broker.deliver(up(device), message.data, qos) for _ in range(3)]
    wait_until(lambda: taken(broker) == given, what="the acknowledgements")
    broker.link.publish(up(device), message.data, qos, broker.last_id, dup=True)
    wait_until(lambda: taken(broker) == given + given[-1:], what="the acknowledgement")
    broker.be_good()
    broker.deliver(up(device), message.data, qos, dup=True)
    honest(broker, device, qos, a=3)
    assert [reading["value"] for reading in bulla.readings()] == [1, 2, 3]


def test_what_comes_in_another_order_is_stored_once(make_gateway, make_broker, make_device, bulla, version, rng):
    broker, device = make_broker(), make_device("kitchen", "--counter")
    make_gateway("--mqtt", broker.url(version=version)).start()
    honest(broker, device, a=0)
    messages = [device.seal(senml(a=n)) for n in range(1, 61)]  # fewer than the window is wide
    rng.shuffle(messages)
    for message in messages + rng.sample(messages, 20):
        broker.deliver(up(device), message.data, rng.choice((0, 1, 2)))
    honest(broker, device, a=61)
    assert sorted(reading["value"] for reading in bulla.readings()) == list(range(62))


def test_acknowledgements_keep_their_order(make_gateway, make_broker, make_device, bulla, version):
    """4.6; and far more deliveries at once than the receive maximum: nothing is lost, nothing is stored twice."""
    broker, device = make_broker(), make_device("kitchen", "--counter")
    make_gateway("--mqtt", broker.url(version=version, receive_maximum=5)).start()
    honest(broker, device, a=0)
    settle(broker)
    messages = [device.seal(senml(a=n)) for n in range(1, 301)]
    link, whole = broker.link, []
    for n, message in enumerate(messages):
        whole.append(link.publication(up(device), message.data, 1 + n % 2, 1000 + n))
        if n % 7 == 0:  # these are answered at once, but not before those that wait for the store
            whole.append(link.publication(up(device), b"nothing", 1 + n % 2, 5000 + n))
    link.send(*whole)
    order = [1000 + n + add for n in range(300) for add in ((0, 4000) if n % 7 == 0 else (0,))]
    wait_until(lambda: len(taken(broker)) == len(order), 30, "the acknowledgements")
    assert taken(broker) == order
    assert all(code == 0 for _, _, code in broker.acknowledged)
    assert sorted(reading["value"] for reading in bulla.readings()) == list(range(301))


class Script:
    """What a broker does, step by step, on connections that the test holds itself."""

    def __init__(self, broker):
        self.broker = broker
        self.links = []
        self.count = 0
        broker.behave = self.hold

    def hold(self, link):
        self.links.append(link)
        wait_until(lambda: link.connection.fileno() < 0, 60, "the test's end")

    def next(self, present=False):
        """The next connection, accepted and subscribed."""
        self.count += 1
        wait_until(lambda: len(self.links) == self.count, 30, "a connection")
        self.links[-1].accept(present)
        return self.links[-1]


def take_acknowledgement(link, kind, id, code=0):
    got = link.expect(kind)
    assert (got.id, got.code) == (id, code if link.is_5() else 0), got


def test_quality_of_service_2_done_wrong(make_gateway, make_broker, make_device, bulla, version):
    """
    An identifier twice before its PUBREL, on one connection and on the next: also where it is another message, as it is
    after a broker died and came back with an earlier state, each is stored before it is acknowledged.
    """
    broker, device = make_broker(), make_device("kitchen", "--counter")
    make_gateway("--mqtt", broker.url(version=version)).start()
    honest(broker, device, a=0)
    script = Script(broker)
    broker.cut()
    link = script.next()
    messages = [device.seal(senml(a=n)) for n in range(1, 4)]

    link.publish(up(device), messages[0].data, 2, 7)
    take_acknowledgement(link, mqtt.PUBREC, 7)
    link.publish(up(device), messages[0].data, 2, 7, dup=True)
    take_acknowledgement(link, mqtt.PUBREC, 7)
    link.connection.close()

    link = script.next(present=True)
    link.publish(up(device), messages[1].data, 2, 7)
    take_acknowledgement(link, mqtt.PUBREC, 7)
    assert [reading["value"] for reading in bulla.readings()] == [0, 1, 2]
    for code in (0, 0x92, 0x92):
        link.acknowledge(mqtt.PUBREL, 7)
        take_acknowledgement(link, mqtt.PUBCOMP, 7, code)
    link.publish(up(device), messages[1].data, 2, 7)  # its identifier is free again
    take_acknowledgement(link, mqtt.PUBREC, 7)
    link.connection.close()

    link = script.next(present=False)  # and now nothing is known of it
    link.publish(up(device), messages[2].data, 2, 7)
    take_acknowledgement(link, mqtt.PUBREC, 7)
    link.acknowledge(mqtt.PUBREL, 7)
    take_acknowledgement(link, mqtt.PUBCOMP, 7)
    link.connection.close()
    broker.be_good()
    honest(broker, device, a=4)
    assert [reading["value"] for reading in bulla.readings()] == [0, 1, 2, 3, 4]
    wait_until(lambda: [event["kind"] for event in bulla.events()].count("duplicate") == 2)


def test_what_is_not_settled_is_delivered_again(make_gateway, make_broker, make_device, bulla, version, fault_library, disk):
    """The store holds; the connection ends before anything was acknowledged: the next one brings it again, stored once."""
    broker, device = make_broker(), make_device("kitchen", "--counter")
    gateway = start_faulty(make_gateway, fault_library, disk, "--mqtt", broker.url(version=version))
    honest(broker, device, a=0)
    settle(broker)
    messages = [device.seal(senml(a=n)) for n in range(1, 21)]
    disk.hold()
    for n, message in enumerate(messages):
        broker.link.publish(up(device), message.data, 1 + n % 2, 100 + n)
    time.sleep(0.5)
    assert broker.acknowledged == []
    broker.be_good(present=True)
    assert broker.good.wait(20)
    for n, message in enumerate(messages):
        broker.link.publish(up(device), message.data, 1 + n % 2, 100 + n, dup=True)
    time.sleep(0.5)
    assert broker.acknowledged == []
    disk.heal()
    wait_until(lambda: len({id for _, id, _ in broker.acknowledged}) == 20, what="the acknowledgements")
    honest(broker, device, a=21)
    assert sorted(reading["value"] for reading in bulla.readings()) == list(range(22))
    gateway.check_clean()


def test_packets_longer_than_what_is_taken(make_gateway, make_broker, make_device, bulla, version):
    """They are acknowledged and dropped: the broker would deliver them for ever."""
    broker, device = make_broker(), make_device("kitchen", "--counter")
    gateway = make_gateway("--mqtt", broker.url(version=version)).start()
    honest(broker, device, a=1)
    settle(broker)
    before = gateway.memory()
    for qos in (0, 1, 2):
        broker.deliver(up(device), os.urandom(5_000), qos)
        broker.deliver(up(device), os.urandom(300_000), qos)
    broker.deliver(up(device), os.urandom(30_000_000), 1)
    wait_until(lambda: len(broker.acknowledged) >= 7, 30, "the acknowledgements")
    honest(broker, device, a=2)
    assert len(broker.opened) == 1
    assert gateway.memory() - before < 20e6
    assert len(bulla.readings()) == 2


# ---- memory ----


@pytest.mark.parametrize("version", ("5",))  # it takes eight seconds
def test_a_broker_that_does_not_read(make_gateway, make_broker, make_device, bulla, version):
    """It sends what is answered, and never takes an answer: the gateway stops reading, and ends the connection."""
    broker, device = make_broker(), make_device("kitchen", "--counter")
    gateway = make_gateway("--mqtt", broker.url(version=version, keep_alive=2)).start()
    message = honest(broker, device, a=1)

    def deaf(link):
        link.accept()
        again = link.publication(up(device), message.data) * 100
        for _ in range(20_000):  # some 200 MB
            link.send(again)

    broker.behave = deaf
    before = gateway.memory()
    count = len(broker.opened)
    broker.cut()
    peak = 0

    def reconnected():
        nonlocal peak
        peak = max(peak, gateway.memory())
        return len(broker.opened) >= count + 2

    wait_until(reconnected, 60, "a new connection")
    assert any("does not read" in line for line in gateway.log), gateway.log
    assert peak - before < 40e6, (before, peak)
    broker.be_good()
    honest(broker, device, a=2)
    assert [reading["value"] for reading in bulla.readings()] == [1, 2]
    gateway.check_clean()


def test_what_a_broker_kept_comes_in_one_burst(make_gateway, make_broker, make_device, bulla, version):
    """One device's messages of an hour, to a gateway that was killed and knows nothing of it: all are stored, in order."""
    broker, device = make_broker(), make_device("kitchen", "--counter")
    gateway = make_gateway("--mqtt", broker.url(version=version)).start()
    honest(broker, device, a=0)
    for turn in range(3):
        gateway.kill()
        broker.good.clear()
        messages = [device.seal(senml(a=turn * 400 + n)) for n in range(1, 401)]
        gateway.start()
        assert broker.good.wait(20)
        for n in range(0, 400, 50):
            broker.link.send(*(broker.link.publication(up(device), message.data, 1, 1 + n + k)
                               for k, message in enumerate(messages[n : n + 50])))
        wait_until(lambda: len(bulla.readings()) == 1 + 400 * (turn + 1), what="all readings")
    assert [reading["value"] for reading in bulla.readings()] == list(range(1201))


@pytest.mark.parametrize("version, qos", (("3.1.1", 0), ("5", 1)))
def test_a_flood_while_the_store_stands(make_gateway, make_broker, make_device, bulla, version, fault_library, disk, qos):
    """The gateway stops reading; what waits is bounded. Once the store goes on everything is stored, once."""
    broker, device = make_broker(), make_device("kitchen", "--counter")
    gateway = start_faulty(make_gateway, fault_library, disk, "--mqtt", broker.url(version=version))
    honest(broker, device, a=1)
    messages = [device.seal(b"%04d" % n + b"x" * 3900, TEXT).data for n in range(2_000)]
    link, sent = broker.link, []
    disk.hold()
    before = gateway.memory()

    def flood():
        for turn in range(5):  # some 40 MB
            for n, data in enumerate(messages):
                link.publish(up(device), data, qos, 1 + n)
            sent.append(turn)

    sender = threading.Thread(target=flood, daemon=True)
    sender.start()
    peak = 0
    for _ in range(40):
        peak = max(peak, gateway.memory())
        time.sleep(0.05)
    assert sent == [] or len(sent) < 5, "nothing held the broker back"
    assert peak - before < 60e6, (before, peak)
    disk.heal()
    sender.join(120)
    assert len(sent) == 5
    honest(broker, device, a=2)
    assert len(bulla.readings("--device", "kitchen")) == 2_002
    assert gateway.memory() - before < 60e6
    assert len(broker.opened) == 1
    gateway.check_clean()


@pytest.mark.parametrize("version, qos", (("3.1.1", 1), ("5", 0)))
def test_a_flood_leaves_time_for_others(make_gateway, make_broker, make_device, bulla, version, qos):
    """A broker sends forged messages, duplicates and noise as fast as it can; devices elsewhere are served meanwhile."""
    good, bad = make_broker(), make_broker()
    device, other = make_device("kitchen", "--counter"), make_device("shed", "--counter")
    gateway = make_gateway("--mqtt", good.url(version=version), "--mqtt", bad.url(version=version)).start()
    message = honest(bad, device, a=0)
    forged = message.data[:-1] + bytes([message.data[-1] ^ 1])
    sent = 0

    def flood(link):
        nonlocal sent
        link.accept()
        end = time.monotonic() + 4
        whole = b"".join(link.publication(up(device), data, qos, 1 + n)
                         for n, data in enumerate([message.data, forged, b"noise", b""] * 500))
        link.ignore()
        while time.monotonic() < end:
            link.send(whole)
            sent += 2_000

    bad.behave = flood
    count = len(bad.opened)
    before = gateway.memory()
    bad.cut()
    wait_until(lambda: sent > 0, what="the flood")
    slowest, begun = 0, time.monotonic()
    with Connection(gateway.port, timeout=20) as connection:
        while time.monotonic() < begun + 3:
            then = time.monotonic()
            device.send(connection, senml(a=1))
            honest(good, other, a=1)
            slowest = max(slowest, time.monotonic() - then)
    print("slowest %.3f s, %d messages sent" % (slowest, sent))
    assert slowest < 5
    assert gateway.memory() - before < 60e6
    assert len(bad.opened) == count + 1
    stored = len(bulla.readings("--device", "shed"))
    assert stored >= 2
    assert len(gateway.log) < 5_000
    gateway.check_clean()
