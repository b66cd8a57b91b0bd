"""
A device at a broker, in Python: MQTT 3.1.1 of its own, so that a test sees every acknowledgement, and the reference's
cryptography. It shares no code with the program under test.

    device = MqttDevice("kitchen", credential_line)
    await fleet(broker, [device], during())
"""

import asyncio
import socket
import struct
import time

from python_device import PythonDevice, senml

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK = 2, 3, 4, 5, 6, 7, 9
RESEND = 0.5  # seconds without an answer, after which a message is sent again
TICK = 0.01


# ---- packets ----

def packet(first, body):
    length, rest = b"", len(body)
    while True:
        length += bytes([rest & 127 | (128 if rest > 127 else 0)])
        rest >>= 7
        if rest == 0:
            return bytes([first]) + length + body


def text(value):
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def connect_packet(client_id, clean=True, keep_alive=0):
    return packet(0x10, text("MQTT") + bytes([4, 2 if clean else 0]) + struct.pack(">H", keep_alive) + text(client_id))


def subscribe_packet(number, topic, qos=1):
    return packet(0x82, struct.pack(">H", number) + text(topic) + bytes([qos]))


def publish_packet(topic, payload, qos=0, number=0, retain=False, dup=False):
    return packet(0x30 | qos << 1 | retain | dup << 3, text(topic) + (struct.pack(">H", number) if qos else b"") + payload)


def acknowledgement(kind, number):
    return packet(kind << 4 | (2 if kind == PUBREL else 0), struct.pack(">H", number))


def split_packet(data):
    """(type, flags, body, rest), or None if the first packet is not whole."""
    length, shift = 0, 0
    for at in range(1, 5):
        if len(data) <= at:
            return None
        length |= (data[at] & 127) << shift
        shift += 7
        if data[at] < 128:
            end = at + 1 + length
            return None if len(data) < end else (data[0] >> 4, data[0] & 15, data[at + 1:end], data[end:])
    raise AssertionError("no remaining length: %r" % data[:5])


def split_publish(flags, body):
    """(topic, number, payload)"""
    length = struct.unpack(">H", body[:2])[0]
    topic, rest = body[2:2 + length].decode(), body[2 + length:]
    if flags >> 1 & 3 == 0:
        return topic, 0, rest
    return topic, struct.unpack(">H", rest[:2])[0], rest[2:]


# ---- somebody's connection ----

class Link:
    """A device's connection that waits: exchange() publishes a message at QoS 1, and returns the reply."""

    def __init__(self, broker, kid, seconds=30):
        self.kid = kid
        self.number = 1
        self.data = b""
        self.socket = socket.create_connection(("127.0.0.1", broker.port), seconds)
        self.socket.sendall(connect_packet("link-" + kid) + subscribe_packet(1, "bulla/%s/down" % kid))
        assert self.next_packet()[0] == CONNACK and self.next_packet()[0] == SUBACK

    def next_packet(self):
        while (split := split_packet(self.data)) is None:
            got = self.socket.recv(65536)
            assert got, "the broker closed the connection"
            self.data += got
        kind, flags, body, self.data = split
        return kind, flags, body

    def exchange(self, message):
        """The reply; the broker's acknowledgement may come before or after it."""
        self.number += 1
        self.socket.sendall(publish_packet("bulla/%s/up" % self.kid, message, 1, self.number))
        reply, acknowledged = None, False
        while reply is None or not acknowledged:
            kind, flags, body = self.next_packet()
            if kind == PUBACK:
                acknowledged = True
            elif kind == PUBLISH:
                topic, number, reply = split_publish(flags, body)
                assert topic == "bulla/%s/down" % self.kid and not flags & 1
                if number:
                    self.socket.sendall(acknowledgement(PUBACK, number))
        return reply

    def close(self):
        self.socket.close()


# ---- devices ----

class MqttDevice(asyncio.Protocol):
    """
    Seals distinct values, publishes them at that QoS, and resends and reseals as PROTOCOL 3 says until an authentic reply
    says that each is stored. With resends=False it sends once whatever happens: what the broker acknowledged stands in
    `acknowledged`.
    """

    def __init__(self, name, line, window=4, pause=0, qos=1):
        self.name = name
        self.qos = qos
        self.device = PythonDevice(line)
        self.kid = self.device.credential.kid.hex()
        self.window = window  # messages without an answer
        self.pause = pause  # seconds between two new messages
        self.next_at = 0
        self.resends = True
        self.draws = True  # takes new readings
        self.values = {}  # piv: value
        self.drawn = 0
        self.waiting = {}  # piv: when it was sent
        self.proven = False
        self.acknowledged = set()  # pivs that the broker acknowledged
        self.replies = []  # (gateway id, its piv)
        self.counts = {"sent": 0, "resent": 0, "resealed": 0, "connections": 0, "told": 0}
        self.transport = None
        self.up = False
        self.data = b""
        self.number = 0
        self.numbers = {}  # of a publication: its piv
        self.broken = None  # what must not happen, and did

    # -- the connection

    async def run(self, port):
        """Stays connected until it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self.lost = loop.create_future()
                try:
                    await loop.create_connection(lambda: self, "127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                await self.lost
                await asyncio.sleep(0.02)
        finally:
            if self.transport is not None:
                self.transport.abort()

    def connection_made(self, transport):
        self.transport, self.data, self.numbers = transport, b"", {}
        self.counts["connections"] += 1
        transport.write(connect_packet("device-" + self.kid) + subscribe_packet(1, "bulla/%s/down" % self.kid))

    def connection_lost(self, reason):
        self.up = False
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data):
        self.data += data
        while True:
            split = split_packet(self.data)
            if split is None:
                return
            kind, flags, body, self.data = split
            try:
                self.on_packet(kind, flags, body)
            except Exception as error:  # asyncio would only log it
                self.broken = self.broken or error
                raise

    def on_packet(self, kind, flags, body):
        if kind == CONNACK:
            assert body[1] == 0, "the broker refuses the device: %d" % body[1]
        elif kind == SUBACK:
            assert body[2] < 128, "the broker refuses the device's subscription"
            self.up = True
            for piv in self.waiting:
                self.waiting[piv] = 0  # it may have been lost with the last connection
        elif kind in (PUBACK, PUBCOMP):
            piv = self.numbers.pop(struct.unpack(">H", body[:2])[0])
            self.acknowledged.add(piv)
            if not self.resends:
                self.waiting.pop(piv, None)
        elif kind == PUBREC:
            self.transport.write(acknowledgement(PUBREL, struct.unpack(">H", body[:2])[0]))
        elif kind == PUBLISH:
            topic, number, payload = split_publish(flags, body)
            assert topic == "bulla/%s/down" % self.kid and not flags & 1, (topic, flags)
            if number:
                self.transport.write(acknowledgement(PUBACK, number))
            self.on_reply(payload)

    # -- messages

    def publish(self, piv, now):
        if self.qos > 0:
            self.number = self.number % 65535 + 1
            self.numbers[self.number] = piv
        self.waiting[piv] = now
        self.counts["sent"] += 1
        self.transport.write(publish_packet("bulla/%s/up" % self.kid, self.device.sealed[piv], self.qos, self.number))

    def seal(self, value, now):
        message = self.device.seal(senml(value=value, name=self.name), echo=not self.proven)
        self.values[message.piv] = value
        self.publish(message.piv, now)

    def pump(self, now):
        """Sends what is due."""
        if not self.up:
            return
        if self.resends:
            for piv in [piv for piv, sent in self.waiting.items() if now - sent > RESEND]:
                self.counts["resent"] += 1
                self.publish(piv, now)
        while self.draws and len(self.waiting) < (self.window if self.proven else 1) and now >= self.next_at:
            self.next_at = now + self.pause
            self.drawn += 1
            self.seal(self.drawn, now)

    def reseal(self, piv):
        value = self.values.pop(piv)
        del self.waiting[piv]
        self.counts["resealed"] += 1
        self.seal(value, time.monotonic())

    def on_reply(self, payload):
        reply = self.device.open(payload)
        self.replies.append((reply.gateway_id, reply.gateway_piv))
        stored = reply.stored()
        unknown = {piv for piv in stored if piv not in self.values}
        assert not unknown, "%s was told that %s are stored, which are not to be" % (self.name, unknown)
        for piv in stored & self.waiting.keys():
            del self.waiting[piv]
        self.counts["told"] = len(self.device.told)
        self.proven = self.proven or bool(stored)
        if reply.re in self.waiting and (reply.challenge or stored):  # answered, and not stored
            if stored:
                self.device.piv = max(self.device.piv, max(stored) + 1)
            self.proven = self.proven and not reply.challenge
            self.reseal(reply.re)


async def fleet(broker, devices, during):
    """Runs the devices at the broker for as long as the coroutine `during` takes. What it returns."""
    tasks = [asyncio.create_task(device.run(broker.port)) for device in devices]

    async def tick():
        while True:
            now = time.monotonic()
            for device in devices:
                device.pump(now)
            await asyncio.sleep(TICK)

    tasks.append(asyncio.create_task(tick()))
    try:
        return await during
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        for result in ended:
            assert isinstance(result, asyncio.CancelledError), result
        for device in devices:
            assert device.broken is None, (device.name, device.broken)


async def drained(devices, seconds=60):
    """Takes no new readings, and waits until all that were taken are told stored."""
    for device in devices:
        device.draws = False
    end = time.monotonic() + seconds
    while any(device.waiting for device in devices):
        left = {device.name: sorted(device.waiting) for device in devices if device.waiting}
        assert time.monotonic() < end, "these got no proof in %g s: %s" % (seconds, left)
        await asyncio.sleep(0.05)
