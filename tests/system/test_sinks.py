"""
Readings go to other databases (--sink): all that is stored and nothing else, in its order, each sink at its own pace;
whatever happens to the sink, or to the gateway.
"""

import asyncio
import json
import signal
import time
import urllib.error
import urllib.request

import pytest

import test_kill
from http_client import Connection
from postgres import Postgres
from program import Commands, allowed, wait_until
from python_device import senml
from sink_stand_in import SinkStandIn

KILLS = 20
KILLS_LONG = 200


@pytest.fixture
def make_sink():
    made = []

    def make():
        made.append(SinkStandIn())
        return made[-1]

    yield make
    for sink in made:
        sink.hangs.clear()
        sink.stop()


@pytest.fixture
def sink(make_sink):
    return make_sink().start()


def send(gateway, device, values, **more):
    """Sends a reading in a message each; the statuses."""
    with Connection(gateway.port) as connection:
        for value in values:
            device.send(connection, senml(value=value, **more))


def numbers(sink, device="kitchen"):
    return sink.values().get(device, [])


def get(gateway, path):
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (gateway.admin_port, path), timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def health(gateway):
    status, body = get(gateway, "/healthz")
    return status, json.loads(body)


def metric(gateway, name, sink):
    for line in get(gateway, "/metrics")[1].splitlines():
        if line.startswith('%s{sink="%s"} ' % (name, sink.url)):
            return float(line.rpartition(" ")[2])
    return None


def listed(bulla):
    return {row["sink"]: row for row in bulla.lines("sinks", "list")}


def test_readings_go_there(bulla, make_gateway, make_device, sink):
    gateway = make_gateway("--sink", sink.url).start()
    kitchen = make_device("kitchen")
    send(gateway, kitchen, range(20))
    sink.wait(20)
    assert numbers(sink) == list(range(20))
    wait_until(lambda: metric(gateway, "bulla_sink_behind_readings", sink) == 0)
    assert metric(gateway, "bulla_sink_written_readings_total", sink) == 20
    assert metric(gateway, "bulla_sink_up", sink) == 1
    assert health(gateway) == (200, {"status": "ok", "sinks": [{"name": sink.url, "status": "ok"}]})
    gateway.stop()
    assert bulla.readings() == []
    assert "readings go to %s" % sink.url in bulla.run("readings").stderr
    assert sink.repeated == 0
    row = listed(bulla)[sink.url]
    assert (row["behind"], row["bytes"], row["gateway"]) == (0, 0, None) and row["confirmed"]


def test_one_that_is_away_gets_what_it_missed(make_gateway, make_device, make_sink):
    """Over a restart, too; it does not hold up the start."""
    sink = make_sink()
    gateway = make_gateway("--sink", sink.url).start()
    kitchen = make_device("kitchen")
    send(gateway, kitchen, range(100))
    wait_until(lambda: health(gateway)[1]["sinks"][0]["status"] == "away")
    status, told = health(gateway)
    assert status == 200 and told["status"] == "ok" and told["sinks"][0]["since"] > time.time() - 60
    assert metric(gateway, "bulla_sink_up", sink) == 0
    gateway.stop()
    gateway.start()
    send(gateway, kitchen, range(100, 150))
    wait_until(lambda: metric(gateway, "bulla_sink_behind_readings", sink) == 150)
    sink.start()
    sink.wait(150, seconds=30)
    assert numbers(sink) == list(range(150))
    assert sink.repeated == 0 and sink.count() == 150
    wait_until(lambda: "event=sink-back" in gateway.text())
    wait_until(lambda: "event=sink-away" in gateway.text())


def test_one_that_hangs_slows_no_other(make_gateway, make_device, make_sink):
    good, bad = make_sink().start(), make_sink().start()
    bad.hangs.set()
    gateway = make_gateway("--sink", bad.url, "--sink", good.url).start()
    kitchen = make_device("kitchen")
    begun = time.monotonic()
    for number in range(10):
        send(gateway, kitchen, range(10 * number, 10 * number + 10))
        good.wait(10 * number + 10)
    assert time.monotonic() - begun < allowed(8)
    assert numbers(good) == list(range(100)) and bad.count() == 0
    assert gateway.stop() < allowed(10)  # what hangs is given up
    gateway.start()
    bad.hangs.clear()
    bad.wait(100)
    assert numbers(bad) == list(range(100)) and good.count() == 100


def test_too_much_that_waits(bulla, make_gateway, make_device, make_sink):
    """Devices are told to come again, and are served again; nothing that a device was told is lost."""
    sink = make_sink()
    gateway = make_gateway("--sink", sink.url, "--sink-keep-size", "64K").start()
    kitchen = make_device("kitchen")
    told = []
    refused = None
    with Connection(gateway.port) as connection:
        kitchen.send(connection, senml(value=0))
        told.append(0)
        end = time.monotonic() + 30
        while refused is None:
            assert time.monotonic() < end
            message = kitchen.seal(senml(value=len(told), text="x" * 2000))
            response = connection.post(message.data)
            if response.status == 503:
                refused = message
            else:
                kitchen.check(response, message)
                told.append(len(told))
        wait_until(lambda: health(gateway)[0] == 503)
        full = health(gateway)[1]
        assert full["status"] == "full" and full["full"]["sink"] == sink.url and full["full"]["bytes"] >= 65536
        sink.start()
        wait_until(lambda: health(gateway)[0] == 200, 70)  # pauses grow to a minute
        kitchen.check(connection.post(refused.data), refused)
        told.append(len(told))
    sink.wait(2 * len(told) - 1)
    assert numbers(sink) == told
    wait_until(lambda: "event=sinks-room" in gateway.text())
    assert gateway.text().count("event=sinks-full") == gateway.text().count("event=sinks-room") == 1


def test_what_is_too_old(make_gateway, make_device, make_sink):
    sink = make_sink()
    gateway = make_gateway("--sink", sink.url, "--sink-keep-age", "1s").start()
    kitchen = make_device("kitchen")
    send(gateway, kitchen, range(5))
    wait_until(lambda: metric(gateway, "bulla_sink_lost_readings_total", sink) == 5)
    wait_until(lambda: "event=sink-lost" in gateway.text())
    sink.start()
    send(gateway, kitchen, [77])
    wait_until(lambda: 77 in numbers(sink) or metric(gateway, "bulla_sink_lost_readings_total", sink) == 6)
    assert not set(numbers(sink)) & set(range(5))


def test_options_change_while_it_runs(bulla, make_gateway, make_device, make_sink):
    """SIGHUP: how much may wait, and for how long; other sinks need a restart."""
    sink = make_sink()
    conf = bulla.folder / "bulla.conf"
    conf.write_text("[serve]\nsink = %s\nsink-keep-age = 1h\n" % sink.url)
    gateway = make_gateway("--config", str(conf)).start()
    send(gateway, make_device("kitchen"), range(5))
    conf.write_text("[serve]\nsink = influx://127.0.0.1:1/x\nsink-keep-age = 1s\nsink-keep-size = 2G\n")
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: metric(gateway, "bulla_sink_lost_readings_total", sink) == 5, 30)
    assert "bulla_sinks_bytes_limit %d" % (2 << 30) in get(gateway, "/metrics")[1]
    assert 'option=sink detail="needs a restart"' in gateway.text()


def test_what_is_never_taken(bulla, make_gateway, make_device, sink):
    sink.refuses = lambda point: point.fields.get("value") in ("3", "8")
    gateway = make_gateway("--sink", sink.url).start()
    kitchen = make_device("kitchen")
    send(gateway, kitchen, range(12))
    sink.wait(10)
    assert numbers(sink) == [value for value in range(12) if value not in (3, 8)]
    wait_until(lambda: metric(gateway, "bulla_sink_refused_readings_total", sink) == 2)
    wait_until(lambda: len(bulla.events("--kind", "sink-refused")) == 2)
    event = bulla.events("--kind", "sink-refused")[0]
    assert event["device"] == "kitchen" and event["source"] == sink.url and "told to refuse" in event["detail"]
    wait_until(lambda: "event=sink-refused" in gateway.text() and "device=kitchen" in gateway.text())
    gateway.stop()
    assert listed(bulla)[sink.url]["refused"] == 2


def test_one_that_comes_later_and_one_that_goes(bulla, make_gateway, make_device, make_sink):
    """A new one gets what is stored from then on; one that is not used any more holds its rows until it is forgotten."""
    old, new = make_sink(), make_sink().start()
    kitchen = make_device("kitchen")
    gateway = make_gateway("--sink", old.url).start()
    send(gateway, kitchen, range(10))
    refused = bulla.run("sinks", "forget", old.url, "--yes", status=1)
    assert "a gateway" in refused.stderr
    gateway.stop()
    gateway = make_gateway("--sink", new.url).start()
    wait_until(lambda: 'event=sink-unused sink=%s' % old.url in gateway.text())
    send(gateway, kitchen, range(10, 20))
    new.wait(10)
    assert numbers(new) == list(range(10, 20))
    assert listed(bulla)[old.url]["behind"] == 20
    assert "does not" not in bulla("sinks", "list") and old.url in bulla("sinks", "list")
    assert bulla("sinks", "list", "--format", "csv").count("\n") == 3
    assert "10" not in bulla.run("sinks", "forget", "influx://h/none", status=1).stdout
    bulla.run("sinks", "forget", old.url, status=1)  # not without a word
    bulla("sinks", "forget", old.url, "--yes")
    assert set(listed(bulla)) == {new.url}
    import sqlite3  # pylint: disable=import-outside-toplevel
    with sqlite3.connect(bulla.folder / "bulla.db") as database:
        wait_until(lambda: database.execute("SELECT count(*) FROM outbox").fetchone() == (0,), what="rows that nobody waits for to go")
    gateway.stop()


def test_both_ways(bulla, make_gateway, make_device, sink):
    gateway = make_gateway("--sink", sink.url, "--keep-here").start()
    send(gateway, make_device("kitchen"), range(10))
    sink.wait(10)
    assert [row["value"] for row in bulla.readings()] == numbers(sink) == list(range(10))


def test_options(bulla, make_gateway, sink):
    for arguments, reason in ((("--sink", "http://h/db"), "unknown kind of sink"), (("--sink", "@"), "no file"),
                              (("--sink", "influx://a:secret@h/db"), ""), (("--sink", "@/nonexistent"), "cannot open"),
                              (("--sink", sink.url, "--sink", sink.url), "given twice"),
                              (("--sink-keep-size", "5"), "no size"), (("--sink-keep-size", "9X"), "no size"),
                              (("--sink-keep-age", "5"), "30d")):
        refused = bulla.run("serve", *arguments, "--listen", "127.0.0.1:0", status=None)
        assert refused.returncode != 0 and reason in refused.stderr, (arguments, refused.stderr)
        assert "secret" not in refused.stderr
    secret = bulla.folder / "sink"
    secret.write_text(sink.url + "\n")
    secret.chmod(0o644)
    assert "chmod" in bulla.run("serve", "--sink", "@%s" % secret, "--listen", "127.0.0.1:0", status=1).stderr
    secret.chmod(0o600)
    gateway = make_gateway("--sink", "@%s" % secret).start()
    assert health(gateway)[1]["sinks"][0]["name"] == sink.url


# ---- killed ----


async def load(senders, gateways, seconds):
    """One connection a device, so that its numbers are stored in their order; then a gateway is killed."""

    async def lane(sender, number):
        while all(gateway.process.poll() is None for gateway in gateways):
            await sender.lane(gateways[number % len(gateways)].port, [])
            await asyncio.sleep(0.003)

    tasks = [asyncio.create_task(lane(sender, number)) for number, sender in enumerate(senders)]
    await asyncio.sleep(seconds)
    for gateway in gateways:
        gateway.process.kill()
    await asyncio.gather(*tasks)


def check_sink(sink, bulla, senders):
    """What the database holds (--keep-here) is there, each device's in its order, and nothing else."""
    stored = {sender.name: [row["value"] for row in bulla.readings("--device", sender.name, "--name", "value")]
              for sender in senders}
    wait_until(lambda: sum(map(len, sink.values().values())) >= sum(map(len, stored.values())), 60)
    assert sink.changed == []
    for sender in senders:
        came = numbers(sink, sender.name)
        assert len(came) == len(set(came)) and sorted(came) == sorted(stored[sender.name]), sender.name
        assert came == sorted(came), sender.name  # values rise with the numbers
        told = {sender.values[piv] for piv in sender.device.told if piv in sender.values}
        assert told <= set(came), sender.name


@pytest.fixture
def kills(long_run):
    return KILLS_LONG if long_run else KILLS


def test_kill_under_load(bulla, make_gateway, sink, rng, kills):
    senders = [test_kill.Sender(name, bulla.add(name, *kind))
               for name, kind in (("a", ()), ("b", ("--counter",)), ("c", ("--alg", "24")))]
    gateway = make_gateway("--sink", sink.url, "--keep-here", "--log-level", "error")
    for _ in test_kill.rounds(kills, lambda: sink.count() > 10 * kills and all(sender.proven for sender in senders)):
        gateway.start()
        asyncio.run(load(senders, [gateway], rng.uniform(0, 0.5)))
        gateway.kill()
    gateway.start()
    check_sink(sink, bulla, senders)
    gateway.stop()
    print("%d kills, %d points, %d of them again" % (kills, sink.count(), sink.repeated))


@pytest.mark.parametrize("ends", ["SIGTERM"])
def test_the_end_loses_nothing(bulla, make_gateway, sink, rng, ends):
    """Ended in good order, again and again, while the sink is slow: none is missing, and none comes twice."""
    sender = test_kill.Sender("a", bulla.add("a"))
    sink.delay = 0.05
    gateway = make_gateway("--sink", sink.url, "--keep-here", "--log-level", "error")
    for _ in range(5):
        gateway.start()

        async def run():
            task = asyncio.create_task(sender.lane(gateway.port, []))
            await asyncio.sleep(rng.uniform(0.1, 0.4))
            gateway.process.send_signal(15)
            await task

        asyncio.run(run())
        assert gateway.wait() == 0
    gateway.start()
    check_sink(sink, bulla, [sender])
    assert sink.repeated == 0


@pytest.fixture
def server():
    server = Postgres().start()
    yield server
    server.remove()


def test_two_gateways_on_one_server(server, tmp_path, make_gateway, sink, rng, long_run):
    """PostgreSQL; one of them writes to the sink at a time, and either may be killed."""
    url = server.make_database()
    key = ("--key", str(tmp_path / "bulla.key"))
    bulla = Commands(tmp_path, db=url, env={"BULLA_KEY": str(tmp_path / "bulla.key")})
    senders = [test_kill.Sender(name, bulla.add(name)) for name in ("a", "b", "c", "d")]
    gateways = [make_gateway("--sink", sink.url, "--keep-here", "--log-level", "error", *key, db=url) for _ in range(2)]
    for gateway in gateways:
        gateway.start()
    for _ in range(40 if long_run else 8):
        asyncio.run(load_two(senders, gateways, rng))
    check_sink(sink, bulla, senders)
    for gateway in gateways:
        gateway.stop()
    print("%d points, %d of them again" % (sink.count(), sink.repeated))


async def load_two(senders, gateways, rng):
    """Each device sends to one of the two; one is killed, and started anew."""
    victim = rng.choice(gateways)
    over = time.monotonic() + rng.uniform(0.2, 1.5)

    async def lane(sender, number):
        while time.monotonic() < over:
            gateway = gateways[number % 2]
            if gateway is victim and gateway.process.poll() is not None:
                return
            task = asyncio.create_task(sender.lane(gateway.port, []))
            done, _ = await asyncio.wait([task], timeout=max(0, over - time.monotonic()))
            if not done:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                for piv in list(sender.flying):  # its answer is not waited for: it is sent again
                    sender.waiting.append(sender.flying.pop(piv))

    tasks = [asyncio.create_task(lane(sender, number)) for number, sender in enumerate(senders)]
    await asyncio.sleep(max(0, over - time.monotonic()) / 2)
    victim.process.kill()
    await asyncio.gather(*tasks)
    victim.kill()
    victim.start()
