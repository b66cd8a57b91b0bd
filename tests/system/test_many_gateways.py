"""Three gateways on one PostgreSQL, which share a subscription (MQTT 5) and are called over HTTP as well, while SIGKILL hits them."""

import asyncio
import time

from http_client import message_request, post
from mqtt_device import MqttDevice, drained, fleet
from ports import free_port
from program import allowed
from python_device import PythonDevice, senml
from test_mqtt_kill import KINDS, answered, check_all, check_replies, read_stored, restart_all, tell, until
from test_postgres import bulla, database, env, make_gateway, server  # noqa: F401 (fixtures)

GATEWAYS = 3
KILLS, KILLS_LONG = 24, 200
COPIES = 3  # of each message at the broker, at most
SEEN_WITHIN = 1.0  # seconds


class Sprayer(MqttDevice):
    """Publishes each message several times, some old ones again, and sends it to a gateway over HTTP too."""

    def __init__(self, *arguments, gateways, rng, **options):
        super().__init__(*arguments, **options)
        self.gateways = gateways
        self.rng = rng
        self.calls = set()
        self.counts.update(copies=0, http=0, http_stored=0, again=0)

    def publish(self, piv, now):
        for _ in range(self.rng.randint(1, COPIES)):
            super().publish(piv, now)
            self.counts["copies"] += 1
        old = self.rng.choice([*self.values, piv])
        waiting = self.waiting.get(old)
        super().publish(old, now)  # a duplicate, or one that is under way
        self.counts["again"] += 1
        if waiting is None and old != piv:
            del self.waiting[old]
        call = asyncio.create_task(self.call(self.rng.choice(self.gateways), self.device.sealed[piv]))
        self.calls.add(call)
        call.add_done_callback(self.calls.discard)

    async def call(self, gateway, message):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            try:
                writer.write(message_request(message))
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                body = await asyncio.wait_for(reader.readexactly(length), 20)
            finally:
                writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            return  # it was killed
        self.counts["http"] += 1
        self.counts["http_stored"] += head[9:12] == b"200"
        try:
            assert head[9:12] in (b"200", b"401", b"409", b"503"), head
            if body:
                self.on_reply(body)
        except Exception as error:  # fleet() tells
            self.broken = self.broken or error


def test_a_shared_subscription(bulla, make_mosquitto, make_gateway, rng, long_run):  # noqa: F811
    """Each reading is there once, none of which a receipt tells is missing, and no process uses a number of another's."""
    kills = KILLS_LONG if long_run else KILLS
    began = time.monotonic()
    broker = make_mosquitto(max_queued_messages=0).start()
    gateways = [make_gateway("--mqtt", broker.url, "--mqtt-share", "all", "--log-level", "error") for _ in range(GATEWAYS)]
    for gateway in gateways:
        gateway.port = free_port()  # its client id is made of it, and stays
        gateway.start()
    devices = [Sprayer("d%d" % number, bulla.add("d%d" % number, *kind), gateways=gateways, rng=rng, pause=0.01)
               for number, kind in enumerate(KINDS)]

    def enough(device):
        by_the_broker = len(device.replies) - device.counts["http"]
        return device.counts["told"] > kills and device.counts["http_stored"] > kills / 4 and by_the_broker > kills

    async def trouble():
        await restart_all(rng.choices(gateways, k=kills), rng, lambda: answered(devices) >= kills // 2)
        await until(lambda: all(enough(device) for device in devices))
        await drained(devices)
        await asyncio.gather(*(call for device in devices for call in device.calls))

    asyncio.run(fleet(broker, devices, trouble()))
    for gateway in gateways:
        gateway.stop()
    check_all(devices, read_stored(bulla))
    processes = check_replies(devices)
    tell(devices, began, kills=kills, gateways=processes)


def seen_by_all(gateways, device, wanted):
    """Seconds until every gateway answers its messages with that status."""
    begun = time.monotonic()
    for gateway in gateways:
        while True:
            response = post(gateway.port, device.seal(senml(value=1)).data)
            if (response.status, bool(response.body)) == wanted:
                break
            assert time.monotonic() - begun < 30, response
            time.sleep(0.005)
    return time.monotonic() - begun


def test_what_operators_do_is_seen_everywhere(bulla, make_gateway):  # noqa: F811
    """A device that is added, and one that is revoked, at every gateway within a second of the command's end."""
    gateways = [make_gateway("--log-level", "error").start() for _ in range(GATEWAYS)]
    times = {"new": 0, "revoked": 0}
    for number in range(5):
        device = PythonDevice(bulla.add("a%d" % number, "--counter"))
        times["new"] = max(times["new"], seen_by_all(gateways, device, (200, True)))
        bulla("device", "revoke", "a%d" % number)
        times["revoked"] = max(times["revoked"], seen_by_all(gateways, device, (401, False)))
    print("seen by all after at most: " + ", ".join("%s %.0f ms" % (what, 1000 * seconds) for what, seconds in times.items()))
    assert max(times.values()) < allowed(SEEN_WITHIN)
