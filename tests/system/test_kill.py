"""The gateway is killed at random moments under load: nothing acknowledged is lost, nothing is stored twice.

Every device sends distinct readings over several connections. It counts as told what an authentic reply says is
stored; a message that got no reply is sent again, byte for byte, to the next gateway on the same database.
"""

import asyncio
import collections
import time

import pytest

from http_client import Connection, message_request
from program import Commands
from python_device import PythonDevice, senml

KILLS = 50
KILLS_LONG = 500
ALIVE = 0.35  # seconds at most from the start of a process, or from when it is ready, to its end
KINDS = [(), (), ("--counter",), ("--counter",), ("--alg", "24"), ("--alg", "30"), ("--alg", "24", "--counter"), ()]
LANES = 3  # connections of one device
SPREAD = 40  # a device seals nothing new while a message that far back waits for its answer


class Sender:
    """A device under load: what it sealed, what waits for an answer, what it was told."""

    def __init__(self, name, line):
        self.name = name
        self.device = PythonDevice(line)
        self.values = {}  # piv: what the message says
        self.drawn = 0
        self.waiting = collections.deque()  # messages to send (again)
        self.flying = {}  # piv: messages sent, without an answer yet
        self.proven = False
        self.counted = collections.Counter()

    def next_message(self):
        if self.waiting:
            return self.waiting.popleft()
        pending = list(self.flying)
        if pending and (self.device.piv - min(pending) >= SPREAD or not self.proven):
            return None
        self.drawn += 1
        message = self.device.seal(senml(value=self.drawn, name=self.name), echo=not self.proven)
        self.values[message.piv] = self.drawn
        return message

    def take(self, message, status, body, replies):
        """An answer came."""
        self.counted[status] += 1
        if status == 503:
            self.waiting.append(message)
            return
        reply = self.device.open(body, message)
        replies.append((reply.gateway_id, reply.gateway_piv))
        if status == 200:
            assert message.piv in reply.stored() and reply.challenge is None
            self.proven = True
            return
        assert status == 401 and reply.challenge, (self.name, status, reply)
        assert not self.proven, "%s was challenged though its context is proven" % self.name
        assert message.piv not in self.device.told
        del self.values[message.piv]

    async def lane(self, port, replies):
        """Sends on one connection until the gateway is gone."""
        message = None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                while True:
                    message = self.next_message()
                    if message is None:
                        await asyncio.sleep(0.002)
                        continue
                    self.flying[message.piv] = message
                    writer.write(message_request(message.data))
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                    body = await reader.readexactly(length)
                    del self.flying[message.piv]
                    self.take(message, int(head[9:12]), body, replies)
                    message = None
            finally:
                writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            if message:
                del self.flying[message.piv]
                self.waiting.append(message)


async def load(senders, gateway, seconds, replies):
    """Drives all senders until the gateway has been killed after that time."""

    async def lanes(sender):
        while gateway.process.poll() is None:
            await sender.lane(gateway.port, replies)
            await asyncio.sleep(0.003)  # refused: it does not listen yet

    tasks = [asyncio.create_task(lanes(sender)) for sender in senders for _ in range(LANES)]
    await asyncio.sleep(seconds)
    gateway.process.kill()
    await asyncio.gather(*tasks)


def rounds(least, enough):
    """Numbers of rounds: so many; and where much else is done on the machine, and little happens in a round, until it was enough."""
    number, end = 0, None
    while number < least or not enough():
        yield number
        number += 1
        if number == least:
            end = time.monotonic() + 180
        assert number <= least or time.monotonic() < end, "after %d rounds, too little has happened in them" % number


def read_stored(bulla, since):
    """What the database holds: {device: {piv: [values]}}; each message must be there whole."""
    stored = collections.defaultdict(lambda: collections.defaultdict(list))
    rows = bulla.readings("--since", "%d" % since)
    for row in rows:
        stored[row["device"]][row["seq"]].append(row["value"] if row["name"] == "value" else row["text"])
    return stored


def check_stored(sender, stored, since_piv):
    """Told is stored, once; stored is what was sealed."""
    for piv, values in stored.items():
        assert piv in sender.values, "%s: piv %d is stored, but was never to be" % (sender.name, piv)
        assert values == [sender.values[piv], sender.name], (sender.name, piv, values)
    lost = {piv for piv in sender.device.told if piv >= since_piv} - set(stored)
    assert not lost, "%s was told that these are stored, but they are not: %s" % (sender.name, sorted(lost))


async def resend(sender, gateway, piv):
    """A stored message again, byte for byte: a duplicate, whose reply is a receipt."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(message_request(sender.device.sealed[piv]))
    writer.write_eof()
    data = await reader.read()
    writer.close()
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), data
    reply = sender.device.open(body)
    assert reply.re == piv and piv in reply.stored()


@pytest.fixture
def kills(long_run):
    return KILLS_LONG if long_run else KILLS


def test_kill_under_load(bulla, make_gateway, rng, kills):
    names = ["d%d" % i for i in range(len(KINDS))]
    senders = [Sender(name, bulla.add(name, *kind)) for name, kind in zip(names, KINDS)]
    gateway = make_gateway("--log-level", "error")
    gateway.start()  # to have a port
    gateway.kill()
    replies = []
    gateways = []
    resent = 0
    begun = time.time() - 2
    for number in rounds(kills, lambda: resent > 0 and all(sender.counted[200] > kills for sender in senders)):
        since = time.time() - 2
        since_piv = {sender.name: sender.device.piv for sender in senders}  # older ones are looked at in the end
        first = len(replies)
        gateway.start(wait=rng.random() < 2 / 3)  # the others may be killed before they are ready
        asyncio.run(load(senders, gateway, rng.uniform(0, ALIVE), replies))
        gateway.kill()
        gateways.append({gateway_id for gateway_id, _ in replies[first:]})
        stored = read_stored(bulla, since)
        for sender in senders:
            check_stored(sender, stored[sender.name], since_piv[sender.name])
            assert not sender.flying

        # Stored stays stored for the next process.
        chosen = rng.choice(senders)
        last = max(chosen.device.told, default=0)
        recent = [piv for piv in chosen.device.told if piv > last - 30]
        if recent and (rng.random() < 0.3 or number >= kills - 1):
            gateway.start()
            asyncio.run(resend(chosen, gateway, rng.choice(recent)))
            gateway.kill()
            resent += 1

    gateway.start()
    stored = read_stored(bulla, begun)
    for sender in senders:
        check_stored(sender, stored[sender.name], 0)
        assert sender.proven, (sender.name, sender.counted)
    # No process ever takes another's id, and none uses a number twice.
    assert len(set(replies)) == len(replies)
    assert sum(len(ids) for ids in gateways) == len(set().union(*gateways))
    assert all(len(ids) <= 1 for ids in gateways)
    print("%d kills, %d answers, %d resent" % (len(gateways), len(replies), resent))


def test_kill_at_first_start(tmp_path, make_gateway, rng):
    """Database and master key are made as a whole or not at all: the next start finds its way."""
    unready = 0
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        gateway = make_gateway(folder=folder)
        gateway.start(wait=False)
        time.sleep(rng.uniform(0, 0.05))
        unready += not gateway.is_ready()
        gateway.kill()
        line = Commands(folder).add("first")
        gateway.start()
        with Connection(gateway.port) as connection:
            PythonDevice(line).send(connection, senml(value=number))
        gateway.stop()
        assert [row["value"] for row in Commands(folder).readings()] == [number]
    assert unready > 0, "every process was ready before it was killed: nothing was tested"
