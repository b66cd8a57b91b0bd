"""
Gateway and broker are killed at random moments under load. The promise is by receipt: no reading with a sealed
receipt is missing, none is stored twice, and devices resend or reseal the rest until all are there.
"""

import asyncio
import collections
import time

from mosquitto import free_port
from mqtt_device import MqttDevice, drained, fleet

KINDS = [(), (), ("--counter",), ("--counter",), ("--alg", "24"), ("--alg", "30"), ("--alg", "24", "--counter"), ()]
GATEWAY_KILLS, BROKER_KILLS = 50, 10
GATEWAY_KILLS_LONG, BROKER_KILLS_LONG = 300, 60
ALIVE = 0.4  # seconds at most from when a process is ready to its end


def make_devices(bulla, qualities=(1,)):
    """A device of each kind; they publish at these qualities of service, in turn."""
    return [MqttDevice("d%d" % number, bulla.add("d%d" % number, *kind), qos=qualities[number % len(qualities)])
            for number, kind in enumerate(KINDS)]


def make_pair(make_mosquitto, make_gateway, *arguments, **settings):
    """A broker, and a gateway whose address, and so whose client id, stays the same over its restarts."""
    broker = make_mosquitto(**settings).start()
    gateway = make_gateway("--mqtt", broker.url, "--log-level", "error", *arguments)
    gateway.port = free_port()
    return broker, gateway


async def restart(process, alive):
    """It is killed, and starts again."""
    await asyncio.sleep(alive)
    await asyncio.to_thread(process.kill)
    await asyncio.to_thread(process.start)


async def restart_all(victims, rng, enough, seconds=180):
    """Each in turn; and where much else is done on the machine, and little happens between, the last one until it was enough."""
    for victim in victims:
        await restart(victim, rng.uniform(0, ALIVE))
    end = time.monotonic() + seconds
    while not enough():
        assert time.monotonic() < end, "too little has happened between %d restarts and more" % len(victims)
        await restart(victims[-1], 2 * ALIVE)


def answered(devices):
    """How many gateway processes have."""
    return len({gateway_id for device in devices for gateway_id, _ in device.replies})


async def until(enough, seconds=180):
    """Where much else is done on the machine, and little happened until now, it goes on until it was enough."""
    end = time.monotonic() + seconds
    while not enough():
        assert time.monotonic() < end, "too little has happened in the last %d s" % seconds
        await asyncio.sleep(0.05)


def read_stored(bulla):
    """What the database holds: {device: {piv: [values]}}."""
    stored = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in bulla.readings():
        stored[row["device"]][row["seq"]].append(row["value"] if row["name"] == "value" else row["text"])
    return stored


def check_message(device, piv, values):
    assert piv in device.values, "%s: piv %d is stored, but was never to be" % (device.name, piv)
    assert values == [device.values[piv], device.name], (device.name, piv, values)


def check_all(devices, stored):
    """Every message that is stored is there once, as it was sealed; all that was told is; and every reading, once."""
    for device in devices:
        for piv, values in stored[device.name].items():
            check_message(device, piv, values)
        lost = device.device.told - set(stored[device.name])
        assert not lost, "%s was told that these are stored, and they are not: %s" % (device.name, sorted(lost))
        readings = sorted(values[0] for values in stored[device.name].values())
        assert readings == list(range(1, device.drawn + 1)), "%s: readings are missing or there twice" % device.name


def check_replies(devices):
    """No gateway process took another's id or used a number twice. How many of them answered."""
    replies = [reply for device in devices for reply in device.replies]
    assert len(set(replies)) == len(replies)
    return answered(devices)


def tell(devices, began, **more):
    counts = collections.Counter()
    for device in devices:
        counts.update(device.counts)
    counts.update(more)
    print("%.1f s: %s" % (time.monotonic() - began, ", ".join("%s %d" % item for item in counts.items())))


def test_gateway_and_broker_are_killed(bulla, make_mosquitto, make_gateway, rng, long_run):
    kills = GATEWAY_KILLS_LONG if long_run else GATEWAY_KILLS
    broker_kills = BROKER_KILLS_LONG if long_run else BROKER_KILLS
    began = time.monotonic()
    devices = make_devices(bulla, qualities=(1, 0, 2))
    # It saves at every change; what it lost all the same, devices send again.
    broker, gateway = make_pair(make_mosquitto, make_gateway, persistence=True, autosave_on_changes=True, autosave_interval=50,
                                max_queued_messages=0)
    gateway.start()
    victims = rng.sample([gateway] * (kills - 1) + [broker] * (broker_kills - 1), kills + broker_kills - 2) + [gateway]

    async def trouble():
        await restart_all(victims, rng, lambda: answered(devices) >= kills // 2)
        await restart_all([broker], rng, lambda: all(device.counts["connections"] > broker_kills for device in devices))
        await until(lambda: all(device.counts["told"] > kills for device in devices))
        await drained(devices)

    asyncio.run(fleet(broker, devices, trouble()))
    gateway.stop()
    check_all(devices, read_stored(bulla))
    gateways = check_replies(devices)
    tell(devices, began, kills=kills, broker_kills=broker_kills, gateways=gateways)


def acknowledged(device):
    """What it published last under these numbers, and the broker has taken."""
    return {piv for piv in device.acknowledged if piv in device.values}


def test_what_the_broker_acknowledged_is_stored(bulla, make_mosquitto, make_gateway, rng, long_run):
    """
    The gateway alone is killed. Its session at the broker outlives it, and drops nothing (max_queued_messages 0): devices
    that are proven send every message once, at QoS 1, and what the broker acknowledged is stored in the end.
    """
    kills = 100 if long_run else 20
    began = time.monotonic()
    devices = make_devices(bulla)
    broker, gateway = make_pair(make_mosquitto, make_gateway, max_queued_messages=0)
    gateway.start()

    async def prove():
        while not all(device.proven for device in devices):
            await asyncio.sleep(0.02)
        await drained(devices)

    async def trouble():
        for device in devices:
            device.resends, device.draws, device.window, device.pause = False, True, 1000, 0.01
        await restart_all([gateway] * kills, rng, lambda: answered(devices) >= kills // 2)
        await until(lambda: all(len(acknowledged(device)) > 2 * kills for device in devices))
        for device in devices:
            device.draws = False
        await asyncio.sleep(0.5)  # the last acknowledgements

    asyncio.run(fleet(broker, devices, prove()))
    asyncio.run(fleet(broker, devices, trouble()))
    expected = {device.name: acknowledged(device) for device in devices}
    end = time.monotonic() + 60
    while True:
        stored = read_stored(bulla)
        missing = {name: sorted(pivs - set(stored[name])) for name, pivs in expected.items() if pivs - set(stored[name])}
        if not missing:
            break
        assert time.monotonic() < end, "the broker acknowledged these, and they are not stored: %s" % missing
        time.sleep(0.2)
    gateway.stop()
    for device in devices:
        for piv, values in read_stored(bulla)[device.name].items():
            check_message(device, piv, values)
    check_replies(devices)
    tell(devices, began, kills=kills, acknowledged=sum(map(len, expected.values())))


def test_two_gateways_share_a_subscription(bulla, make_mosquitto, make_gateway, rng, long_run):
    """Each message goes to one of two gateways on one database, and either may die at any time."""
    kills = 100 if long_run else 16
    began = time.monotonic()
    devices = make_devices(bulla)
    broker, first = make_pair(make_mosquitto, make_gateway, "--mqtt-share", "pair", max_queued_messages=0)
    second = make_gateway("--mqtt", broker.url, "--log-level", "error", "--mqtt-share", "pair")
    second.port = free_port()
    for gateway in (first, second):
        gateway.start()

    async def trouble():
        await restart_all(rng.choices((first, second), k=kills), rng, lambda: answered(devices) >= kills // 2)
        await drained(devices)

    asyncio.run(fleet(broker, devices, trouble()))
    first.stop()
    second.stop()
    check_all(devices, read_stored(bulla))
    gateways = check_replies(devices)
    tell(devices, began, kills=kills, gateways=gateways)
