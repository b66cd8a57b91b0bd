"""
NodeMCU devices with AES-CBC and HMAC-SHA1: the article's Lua program on lua5.1, the article's Python half as a receiver
and as a sender (PyCryptodome), and what carries their messages to a broker (paho).
"""

import contextlib
import random
import sqlite3
import subprocess
import threading

import paho.mqtt.client as paho
from Cryptodome.Cipher import AES
from Cryptodome.Hash import HMAC, SHA1

from mqtt_peer import Peer
from program import REPOSITORY, wait_until

DEVICE = REPOSITORY / "tests/system/peers/nodemcu_device.lua"
TOPIC, SESSION_TOPIC = "mytopic/readings", "mytopic/sessionID"
ARTICLE = {"ivkey": "2345678901abcdef", "datakey": "0123456789abcdef", "staticiv": "abcdef2345678901", "passphrase": "mypassphrase"}


def key_file(folder, keys=ARTICLE, name="nodemcu.keys"):
    path = folder / name
    path.write_text("".join("%s=%s\n" % pair for pair in keys.items()))
    path.chmod(0o600)
    return "@%s" % path


def new_keys(seed):
    chance = random.Random(seed)
    return {key: "".join(chance.choice("0123456789abcdef") for _ in range(16)) for key in ARTICLE}


def add(bulla, name, *arguments, keys=ARTICLE, topic=TOPIC, session_topic=SESSION_TOPIC):
    return bulla("device", "add", name, "--wire", "nodemcu", "--keys", key_file(bulla.folder, keys, "%s.keys" % name.replace("/", "_")),
                 "--topic", topic, "--session-topic", session_topic, *arguments)


def message(node, data, session, keys=ARTICLE, iv=None, hexadecimal=False):
    """The article's program, in Python."""
    node, data = node.encode(), data.encode() if isinstance(data, str) else data
    iv = (iv or "%8x%8x" % (random.randint(1, 4294967295), random.randint(1, 4294967295))).encode()

    def encrypt(key, text, vector):
        return AES.new(key, AES.MODE_CBC, vector).encrypt(text + bytes(-len(text) % 16)) if text else b""

    ivkey, datakey, staticiv, passphrase = (keys[key].encode() for key in ("ivkey", "datakey", "staticiv", "passphrase"))
    fields = [encrypt(ivkey, iv, staticiv), encrypt(datakey, node, iv), encrypt(datakey, data, iv)]
    if hexadecimal:
        fields = [field.hex().encode() for field in fields]
    mac = HMAC.new(passphrase, node + iv + data + session.encode(), SHA1).hexdigest().encode()
    return b",".join([*fields, mac])


def receive(payload, session, keys=ARTICLE):
    """The article's receiver, for payloads in hex, with the padding taken off before the HMAC: node id and data."""
    fields = [bytes.fromhex(field) for field in payload.decode().split(",")]
    iv = AES.new(keys["ivkey"].encode(), AES.MODE_CBC, keys["staticiv"].encode()).decrypt(fields[0])
    node = AES.new(keys["datakey"].encode(), AES.MODE_CBC, iv).decrypt(fields[1]).rstrip(b"\0")
    data = AES.new(keys["datakey"].encode(), AES.MODE_CBC, iv).decrypt(fields[2]).rstrip(b"\0") if fields[2] else b""
    HMAC.new(keys["passphrase"].encode(), node + iv + data + session.encode(), SHA1).verify(fields[3])
    return node.decode(), data.decode()


class Lua:
    """The article's program, which is told what came and says what it does."""

    def __init__(self, node, form="raw", topic=TOPIC, session_topic=SESSION_TOPIC, keys=ARTICLE):
        words = ["%s=%s" % pair for pair in keys.items()]
        self.process = subprocess.Popen(["lua5.1", DEVICE, topic, session_topic, node, form, *words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.subscription = self.read()

    def read(self):
        line = self.process.stdout.readline().split()
        assert line, self.process.stderr.read()
        return line

    def write(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self, topic, text):
        self.write("message %s %s" % (topic, text))

    def send(self, value):
        """What it publishes: topic, QoS, retain, payload."""
        self.write("adc %s" % value)
        word, topic, qos, retain, payload = self.read()
        assert word == "publish"
        return topic, int(qos), retain == "1", bytes.fromhex(payload)

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0, self.process.stderr.read()


class Board(Peer):
    """A client of a broker that knows the newest session id of its session topic."""

    def __init__(self, broker, session_topic=SESSION_TOPIC, protocol=paho.MQTTv311):
        self.sessions = []
        self.changed = threading.Condition()
        self.session_topic = session_topic
        super().__init__(broker, protocol=protocol, topics=(session_topic,))
        self.client.on_message = self._on_session
        while not self.heard.empty():
            self._on_session(None, None, self.heard.get())

    def _on_session(self, client, context, heard):
        with self.changed:
            self.sessions.append(heard.payload.decode())
            self.changed.notify_all()

    def session(self, other_than=None, seconds=20):
        """The newest one, once it is another than that."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.sessions and self.sessions[-1] != other_than, seconds), "no session id"
            return self.sessions[-1]

    def send(self, payload, topic=TOPIC, qos=2, retain=True, wait=True):
        number = self.publish(topic, payload, qos, retain)
        if wait:
            self.wait_published(number)


def events(bulla, kind=None):
    return [event for event in bulla.events() if kind is None or event["kind"] == kind]


def count_rows(bulla, query, *values):
    """Sooner than by the command line."""
    with contextlib.closing(sqlite3.connect(bulla.folder / "bulla.db", timeout=20)) as db:
        return db.execute("SELECT count(*) FROM %s" % query, values).fetchone()[0]


def is_file(bulla):
    return "://" not in bulla.db


def count_events(bulla, kind):
    return count_rows(bulla, "events WHERE kind = ?", kind) if is_file(bulla) else len(events(bulla, kind))


def count_readings(bulla):
    return count_rows(bulla, "readings") if is_file(bulla) else len(bulla.readings("--limit", "all"))


def wait_events(bulla, kind, count, seconds=20):
    wait_until(lambda: count_events(bulla, kind) >= count, seconds, "%d events %s" % (count, kind))
    found = events(bulla, kind)
    assert len(found) == count, found
    return found


def wait_stored(bulla, count, seconds=20):
    wait_until(lambda: count_readings(bulla) >= count, seconds, "%d readings" % count)


def wait_readings(bulla, count, seconds=20):
    wait_stored(bulla, count, seconds)
    found = bulla.readings()
    assert len(found) == count, found
    return found
