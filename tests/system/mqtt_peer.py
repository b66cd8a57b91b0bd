"""A device's end of MQTT: paho as an independent client, and a device over it."""

import queue
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from python_device import SENML


class Peer:
    """A client of a broker; what it hears is in `heard`, in order."""

    def __init__(self, broker, protocol=paho.MQTTv5, user=None, password=None, topics=("bulla/+/down",), tls=None, host="127.0.0.1"):
        self.heard = queue.Queue()
        self.acknowledged = threading.Condition()
        self.published = set()
        self.subscribed = threading.Event()
        self.topics = topics
        clean = {} if protocol == paho.MQTTv5 else {"clean_session": True}
        self.client = paho.Client(protocol=protocol, **clean)
        self.client.max_inflight_messages_set(0)
        if user:
            self.client.username_pw_set(user, password)
        if tls:
            self.client.tls_set(ca_certs=str(tls.ca), certfile=str(tls.client), keyfile=str(tls.client_key))
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = lambda client, context, message: self.heard.put(message)
        self.client.on_publish = self._on_publish
        self.client.connect(host, broker.port)
        self.client.loop_start()
        assert self.subscribed.wait(20), "the peer did not get to subscribe"

    def _on_connect(self, client, context, flags, code, properties=None):
        assert code == 0, code
        client.subscribe([(topic, 2) for topic in self.topics])

    def _on_publish(self, client, context, number):
        with self.acknowledged:
            self.published.add(number)
            self.acknowledged.notify_all()

    def publish(self, topic, data, qos=1, retain=False, content_type=None):
        properties = None
        if content_type is not None:
            properties = Properties(PacketTypes.PUBLISH)
            properties.ContentType = content_type
        info = self.client.publish(topic, data, qos, retain, **({"properties": properties} if properties else {}))
        assert info.rc == 0, info
        return info.mid

    def wait_published(self, number, seconds=20):
        with self.acknowledged:
            assert self.acknowledged.wait_for(lambda: number in self.published, seconds), "no acknowledgement of the broker"

    def hear(self, seconds=30):
        return self.heard.get(timeout=seconds)

    def hears_nothing(self, seconds=0.5):
        try:
            return self.heard.get(timeout=seconds) is None
        except queue.Empty:
            return True

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def up(device):
    return "bulla/%s/up" % device.credential.kid.hex()


def down(device):
    return "bulla/%s/down" % device.credential.kid.hex()


def send(device, peer, plaintext, content_format=SENML, qos=1, seconds=20, **options):
    """Seals and publishes, resends what gets no answer, and answers challenges. The message that was stored."""
    message = device.seal(plaintext, content_format, **options)
    deadline = time.monotonic() + seconds
    peer.publish(up(device), message.data, qos)
    while True:
        assert time.monotonic() < deadline, "no receipt"
        try:
            heard = peer.hear(2)
        except queue.Empty:
            peer.publish(up(device), message.data, qos)
            continue
        assert heard.topic.endswith("/down") and not heard.retain
        if heard.topic != down(device):
            continue  # another device's that was slow
        try:
            reply = device.open(heard.payload)
        except Exception:
            if message.piv in device.told:
                raise
            continue
        if message.piv in reply.stored():
            device.challenge = None
            return message
        if reply.re == message.piv and reply.challenge:
            message = device.seal(plaintext, content_format, **options)
            peer.publish(up(device), message.data, qos)
