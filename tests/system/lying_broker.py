"""
A stand-in for an MQTT broker that does what it should not: what it does on each connection is a function of the test's.
Its codec is its own (MQTT 3.1.1 and 5.0), and strict with what the gateway sends.
"""

import queue
import socket
import struct
import threading
import time
from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = range(1, 12)
PINGREQ, PINGRESP, DISCONNECT, AUTH = range(12, 16)
FLAGS = {PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2}
PATIENCE = 30  # seconds that a link waits for the gateway


class Gone(Exception):
    """The gateway closed the connection."""


class Broken(AssertionError):
    """The gateway sent what MQTT forbids."""


# ---- writing ----


def number(value):
    """A variable byte integer."""
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def packet(kind, body=b"", flags=None):
    return bytes([kind << 4 | (FLAGS.get(kind, 0) if flags is None else flags)]) + number(len(body)) + body


def properties(data=b""):
    return number(len(data)) + data


# ---- reading ----


class Fields:
    """Reads the fields of a packet, one after the other."""

    def __init__(self, data):
        self.data = data

    def take(self, size):
        if size > len(self.data):
            raise Broken("a packet of the gateway ends early")
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def byte(self):
        return self.take(1)[0]

    def short(self):
        return struct.unpack(">H", self.take(2))[0]

    def text(self):
        return self.take(self.short())

    def number(self):
        value = 0
        for place in range(4):
            byte = self.byte()
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return value
        raise Broken("a variable byte integer of five bytes")

    SIZES = {1: 1, 2: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2, 0x27: 4}
    TEXTS = (3, 8, 9, 0x12, 0x15, 0x16, 0x1A, 0x1F)

    def properties(self):
        """{identifier: number, or bytes}."""
        inside, found = Fields(self.take(self.number())), {}
        while inside.data:
            kind = inside.byte()
            if kind in found:
                raise Broken("property %d twice" % kind)
            if kind in self.SIZES:
                found[kind] = int.from_bytes(inside.take(self.SIZES[kind]), "big")
            elif kind in self.TEXTS:
                found[kind] = inside.text()
            else:
                raise Broken("property %d" % kind)
        return found


@dataclass
class Packet:
    kind: int
    flags: int
    body: bytes

    @property
    def id(self):
        return struct.unpack(">H", self.body[:2])[0]

    @property
    def code(self):
        return self.body[2] if len(self.body) > 2 else 0


@dataclass
class Message:
    """What the gateway published."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Link:
    """A connection of the gateway's, from the broker's side."""

    def __init__(self, broker, connection):
        self.broker = broker
        self.connection = connection
        self.version = None
        self.buffer = b""
        self.begun = time.monotonic()
        self.lock = threading.Lock()
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # -- bytes --

    def send(self, *parts):
        try:
            with self.lock:
                self.connection.sendall(b"".join(parts))
        except (OSError, ValueError) as error:
            raise Gone() from error

    def _receive(self):
        try:
            data = self.connection.recv(65536)
        except TimeoutError:
            raise
        except OSError as error:
            raise Gone() from error
        if not data:
            raise Gone()
        self.buffer += data

    def read(self):
        """The next packet; Gone where the gateway closed."""
        while True:
            size = self._size()
            if size and len(self.buffer) >= size[0] + size[1]:
                whole, self.buffer = self.buffer[:sum(size)], self.buffer[sum(size):]
                return self._check(Packet(whole[0] >> 4, whole[0] & 15, whole[size[0]:]))
            self._receive()

    def _size(self):
        """(of the fixed header, of what follows)."""
        for place in range(1, 5):
            if len(self.buffer) <= place:
                return None
            if self.buffer[place] < 0x80:
                fields = Fields(self.buffer[1:])
                return place + 1, fields.number()
        raise Broken("the gateway's remaining length")

    @staticmethod
    def _check(got):
        if got.kind in (0, CONNACK, SUBACK, UNSUBACK, PINGRESP, AUTH):
            raise Broken("the gateway sent a packet of type %d" % got.kind)
        if got.kind != PUBLISH and got.flags != FLAGS.get(got.kind, 0):
            raise Broken("the gateway sent flags %d with type %d" % (got.flags, got.kind))
        if got.kind in (PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE) and got.id == 0:
            raise Broken("the gateway sent packet identifier 0")
        return got

    def expect(self, kind):
        """The next packet of that type; pings are answered meanwhile, publications kept."""
        while True:
            got = self.read()
            if got.kind == kind:
                return got
            self.answer(got)

    def closed(self, seconds=PATIENCE):
        """Reads until the gateway closes the connection; what it sent until then, by types."""
        end, kinds = time.monotonic() + seconds, []
        while True:
            self.connection.settimeout(max(0.01, end - time.monotonic()))
            try:
                kinds.append(self.read().kind)
            except Gone:
                return kinds
            except TimeoutError:
                raise Broken("the gateway keeps a connection that it should have closed") from None

    def ignore(self):
        """Takes whatever the gateway sends from now on, and looks at none of it."""

        def forget():
            try:
                while self.connection.recv(1 << 20):
                    pass
            except OSError:
                pass

        threading.Thread(target=forget, daemon=True).start()

    # -- the broker's part, done well --

    def is_5(self):
        return self.version == 5

    def connect(self):
        """Reads CONNECT."""
        got = self.read()
        if got.kind != CONNECT:
            raise Broken("the first packet is not CONNECT")
        fields = Fields(got.body)
        if fields.text() != b"MQTT":
            raise Broken("another protocol")
        self.version = fields.byte()
        self.flags = fields.byte()
        self.keep_alive = fields.short()
        self.asked = fields.properties() if self.is_5() else {}
        self.client_id = fields.text().decode()
        if self.flags & 0x3D:
            raise Broken("flags of CONNECT: %02x" % self.flags)
        return self

    def connack(self, code=0, present=False, inside=b""):
        self.send(packet(CONNACK, bytes([present, code]) + (properties(inside) if self.is_5() else b"")))

    def accept(self, present=False, inside=b"", granted=None):
        """The connection stands, and what is to be subscribed is: the filters."""
        self.connect()
        self.connack(0, present, inside)
        return self.subscribed(granted)

    def subscribed(self, granted=None):
        got = self.expect(SUBSCRIBE)
        filters = self.filters(got)
        codes = bytes(qos if granted is None else granted for _, qos in filters)
        self.send(packet(SUBACK, got.body[:2] + (properties() if self.is_5() else b"") + codes))
        return [name for name, _ in filters]

    def filters(self, subscribe):
        fields, found = Fields(subscribe.body), []
        fields.short()
        if self.is_5():
            fields.properties()
        while fields.data:
            found.append((fields.text().decode(), fields.byte() & 3))
        if not found:
            raise Broken("SUBSCRIBE without a filter")
        return found

    def publish(self, topic, payload, qos=0, id=1, dup=False, retain=False, inside=b""):
        self.send(self.publication(topic, payload, qos, id, dup, retain, inside))

    def publication(self, topic, payload, qos=0, id=1, dup=False, retain=False, inside=b""):
        body = text(topic) + (struct.pack(">H", id) if qos else b"") + (properties(inside) if self.is_5() else b"")
        return packet(PUBLISH, body + payload, dup << 3 | qos << 1 | retain)

    def acknowledge(self, kind, id, code=None):
        self.send(packet(kind, struct.pack(">H", id) + (b"" if code is None else bytes([code]))))

    def answer(self, got):
        """What a good broker does with a packet."""
        if got.kind == PINGREQ:
            self.send(packet(PINGRESP))
        elif got.kind == PUBLISH:
            self._take(got)
        elif got.kind == PUBREC:
            self.acknowledge(PUBREL, got.id)
        elif got.kind == PUBREL:
            self.acknowledge(PUBCOMP, got.id)
        elif got.kind == DISCONNECT:
            raise Gone()
        if got.kind in (PUBACK, PUBREC, PUBCOMP):
            self.broker.acknowledged.append((got.kind, got.id, got.code))

    def _take(self, got):
        fields, qos = Fields(got.body), got.flags >> 1 & 3
        topic = fields.text().decode()
        id = fields.short() if qos else 0
        if self.is_5():
            fields.properties()
        if "+" in topic or "#" in topic or not topic or qos == 3 or (qos and not id):
            raise Broken("a publication of the gateway: %r" % got)
        self.broker.messages.put(Message(topic, fields.data, qos, bool(got.flags & 1)))
        if qos:
            self.acknowledge(PUBACK if qos == 1 else PUBREC, id)

    def serve(self, present=False):
        """A good broker, until the gateway or the test ends it. Publications are handed over by broker.deliver()."""
        self.accept(present)
        self.go_on()

    def go_on(self):
        self.broker.good.set()
        self.broker.link = self
        while True:
            try:
                got = self.read()
            except TimeoutError:
                continue
            self.answer(got)


class LyingBroker:
    """
    A broker on a free port of the loopback. behave(link) is what it does on the next connections; an exception of it
    other than Gone is kept in `errors`. Set `behave` to Link.serve for a good broker.
    """

    def __init__(self, behave=Link.serve, keep=False):
        self.behave = behave
        self.errors = []
        self.acknowledged = []  # (type, identifier, code) of what a good link got
        self.messages = queue.Queue()  # that the gateway published
        self.opened = []  # when each connection came, monotonic seconds
        self.good = threading.Event()
        self.link = None
        self.links = []
        self.last_id = 0
        self.closing = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.listener.getsockname()[1]
        self.name = "127.0.0.1:%d" % self.port
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def url(self, **query):
        given = "&".join("%s=%s" % (key.replace("_", "-"), value) for key, value in query.items())
        return "mqtt://%s%s" % (self.name, "?" + given if given else "")

    def _run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.opened.append(time.monotonic())
            link = Link(self, connection)
            self.links.append(link)
            threading.Thread(target=self._behave, args=(link,), daemon=True).start()

    def _behave(self, link):
        try:
            self.behave(link)
        except Gone:
            pass
        except Exception as error:  # noqa: BLE001: the test looks at it
            if not self.closing:
                self.errors.append("%s: %r" % (self.name, error))
        link.connection.close()

    def be_good(self, present=False):
        """From now on a good broker, on new connections. deliver() waits for one."""
        self.good.clear()
        self.behave = lambda link: link.serve(present)
        self.cut()

    def cut(self):
        """Ends all connections."""
        for link in self.links:
            try:
                link.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def deliver(self, topic, payload, qos=1, **options):
        """Publishes on the good link; the identifier."""
        assert self.good.wait(70), "the gateway did not come back to %s" % self.name
        self.last_id = self.last_id % 60000 + 1
        self.link.publish(topic, payload, qos, self.last_id, **options)
        return self.last_id

    def reply(self, topic, seconds=30):
        """The next publication of the gateway on that topic."""
        end = time.monotonic() + seconds
        while True:
            message = self.messages.get(timeout=max(0.01, end - time.monotonic()))
            if message.topic == topic:
                assert not message.retain
                return message

    def close(self):
        self.closing = True
        self.listener.close()
        for link in self.links:
            link.connection.close()
