"""The gateway on a real PostgreSQL: killed under load, with a server that goes and comes back, and many gateways at once."""

import asyncio
import collections
import os
import random
import re
import signal
import time

import pytest

import program
from cryptojs_device import KEY, CryptoJsDevice, refused, start_crypto_js, taken
from http_client import Connection, get, message_request, post
from postgres import Postgres
from program import allowed, wait_until
from python_device import PythonDevice, senml
from test_kill import test_kill_under_load  # noqa: F401 (collected here too, on the fixtures below)

KILLS = 8
KILLS_LONG = 200


@pytest.fixture(scope="module")
def server():
    """One for all tests that leave it as it is."""
    server = Postgres().start()
    yield server
    server.remove()


@pytest.fixture
def own_server(server):
    """The server, for a test that stops and kills it: it runs again for the next one."""
    yield server
    if server.process is None:
        server.start()


def new_database(server):
    name = "t_%08x" % random.SystemRandom().randrange(2**32)
    server.make_database(name)
    return name


def name_of(url):
    """The name of a database that new_database() made."""
    return re.search(r"/(t_\w+)\?", url)[1]


@pytest.fixture
def database(server):
    """The URL of an empty database."""
    return server.url(new_database(server))


@pytest.fixture
def env(tmp_path):
    return {"BULLA_KEY": str(tmp_path / "bulla.key")}


@pytest.fixture
def bulla(tmp_path, database, env):
    return program.Commands(tmp_path, database, env)


@pytest.fixture
def make_gateway(tmp_path, database, env):
    made = []

    def make(*arguments, folder=tmp_path, db=database, **options):
        made.append(program.Gateway(folder, *arguments, db=db, env={**env, **options.pop("env", {})}, **options))
        return made[-1]

    yield make
    try:
        for gateway in made:
            gateway.end()
    finally:
        for gateway in made:
            if gateway.process is not None:
                gateway.process.kill()


@pytest.fixture
def kills(long_run):
    return KILLS_LONG if long_run else KILLS


# ---- commands ----


def test_every_command(server, bulla, make_gateway):
    """What works on a file works on a server too."""
    line = bulla.add("kitchen", "--label", "site=roof")
    gateway = make_gateway().start()
    with Connection(gateway.port) as connection:
        device = PythonDevice(line)
        device.send(connection, senml(temperature=21.5, text="wärm 🌡️", flag=True, count=2**53))
    assert [(row["name"], row.get("value", row.get("text"))) for row in bulla.readings()] == [
        ("temperature", 21.5), ("text", "wärm 🌡️"), ("flag", True), ("count", 2**53)]
    assert bulla("device", "list", "--label", "site=roof", "--format", "names").split() == ["kitchen"]
    assert bulla.events()[0]["kind"] == "challenged"
    assert "kitchen" in bulla("device", "show", "kitchen")
    assert "a whole copy, checked" in bulla("backup", "copy.db")
    assert "in use by" in bulla.run("restored", "--yes", status=1).stderr
    gateway.stop()
    assert "1 contexts are unproven" in bulla("restored", "--yes")
    bulla("device", "revoke", "kitchen")
    bulla("device", "remove", "kitchen")
    check = bulla.run("check", status=None)
    assert re.search(r"ok +durability", check.stdout) and re.search(r"ok +key", check.stdout), check.stdout


def test_a_key_must_be_given(bulla):
    bulla.env = {}
    assert "--key" in bulla.run("device", "add", "x", status=1).stderr


def test_passwords(server, tmp_path, env):
    """With PGPASSFILE over TCP; a wrong one is refused at once, and no password is told."""
    name = new_database(server)
    server.psql("CREATE ROLE %s LOGIN PASSWORD 'geheim'" % name)
    server.psql("ALTER DATABASE %s OWNER TO %s" % (name, name))
    passwords = tmp_path / "pgpass"
    passwords.write_text("127.0.0.1:%d:%s:%s:geheim\n" % (server.port, name, name))
    passwords.chmod(0o600)
    right = program.Commands(tmp_path, server.tcp_url(name, name), {**env, "PGPASSFILE": str(passwords)})
    right.add("a")
    wrong = program.Commands(tmp_path, server.tcp_url(name, name, "gehe1m"), env)
    refused = wrong.run("device", "list", status=1)
    assert "password authentication failed" in refused.stderr and "gehe1m" not in refused.stderr
    gateway = program.Gateway(tmp_path, db=wrong.db, env=env).start(wait=False)
    assert gateway.wait() == 1
    assert "gehe1m" not in gateway.text() and "PGPASSFILE" in gateway.text()
    shown = wrong("serve", "--print-config", "--db", wrong.db)
    assert "gehe1m" not in shown and "***" in shown


# ---- a server that is away ----


def send_until(device, gateway, value, statuses, seconds=30):
    """Sends the same message again and again until it is stored. Which statuses came on the way."""
    end = time.monotonic() + seconds
    message = device.seal(senml(value=value))
    while True:
        response = post(gateway.port, message.data)
        statuses[response.status] += 1
        if response.status == 200:
            assert message.piv in device.open(response.body, message).stored()
            return
        assert response.status in (503, 401), response
        if response.status == 401:
            assert device.open(response.body, message).challenge
            message = device.seal(senml(value=value))
        assert time.monotonic() < end, statuses
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_server_goes_and_comes_back(own_server, tmp_path, env, make_gateway, number):
    """Nothing is acknowledged meanwhile, /healthz says so, and it goes on by itself."""
    url = own_server.url(new_database(own_server))
    bulla = program.Commands(tmp_path, url, env)
    device = PythonDevice(bulla.add("a", "--counter"))
    gateway = make_gateway(db=url).start()
    statuses = collections.Counter()
    send_until(device, gateway, 1, statuses)
    assert statuses == {200: 1}
    own_server.stop(number)
    message = device.seal(senml(value=2))
    for _ in range(5):
        assert post(gateway.port, message.data).status == 503
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 503, what="trouble at /healthz")
    own_server.start()
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
    response = post(gateway.port, message.data)
    assert response.status == 200 and message.piv in device.open(response.body, message).stored()
    assert [row["value"] for row in bulla.readings()] == [1, 2]


def test_connections_that_are_ended(server, bulla, make_gateway):
    """By an operator, again and again: each reading is there once, and a device hears nothing worse than 503."""
    device = PythonDevice(bulla.add("a", "--counter"))
    gateway = make_gateway("--log-level", "error").start()
    statuses = collections.Counter()
    for value in range(1, 121):
        send_until(device, gateway, value, statuses)
        if value % 20 == 10:
            server.end_connections(name_of(bulla.db))
    assert statuses[200] == 120, statuses
    assert [row["value"] for row in bulla.readings()] == list(range(1, 121))


def test_read_only(server, bulla, make_gateway):
    """An operator stops all writing: nothing is stored, and it is said why; and takes it back."""
    device = PythonDevice(bulla.add("a", "--counter"))
    gateway = make_gateway().start()
    server.stop_writing(name_of(bulla.db), True)
    message = device.seal(senml(value=1))
    for _ in range(3):
        assert post(gateway.port, message.data).status == 503
    wait_until(lambda: "takes no writes" in gateway.text(), what="the reason in the log")
    assert re.search(r"problem +writing", bulla.run("check", status=None).stdout)
    server.stop_writing(name_of(bulla.db), False)
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
    assert post(gateway.port, message.data).status == 200
    assert [row["value"] for row in bulla.readings()] == [1]


@pytest.mark.skipif("BULLA_RELEASE_BIN" not in os.environ, reason="BULLA_RELEASE_BIN names no build without sanitizers")
def test_the_sandbox_lets_it_connect_again(own_server, tmp_path, env, make_gateway, monkeypatch):
    """By name and over TCP, from behind the filter of system calls."""
    url = own_server.url(new_database(own_server))
    own_server.psql("ALTER ROLE bulla PASSWORD 'geheim'")
    name = name_of(url)
    device = PythonDevice(program.Commands(tmp_path, url, env).add("a", "--counter"))
    monkeypatch.setattr(program, "BINARY", os.environ["BULLA_RELEASE_BIN"])
    gateway = make_gateway(db="postgres://bulla@localhost:%d/%s" % (own_server.port, name), env={"PGPASSWORD": "geheim"}).start()
    assert not [line for line in gateway.hardening if "step=sandbox" in line], gateway.hardening
    statuses = collections.Counter()
    send_until(device, gateway, 1, statuses)
    own_server.stop(signal.SIGQUIT)
    message = device.seal(senml(value=2))
    assert post(gateway.port, message.data).status == 503
    own_server.start()
    wait_until(lambda: get(gateway.admin_port, "/healthz").status == 200, what="recovery")
    assert post(gateway.port, message.data).status == 200


# ---- many gateways ----

GATEWAYS = 3
DEVICES = 8
SECONDS = 6
SECONDS_LONG = 120


class Sprayer:
    """A device whose every message is sent to all gateways, and old ones again."""

    def __init__(self, name, line):
        self.name = name
        self.device = PythonDevice(line)
        self.values = {}  # piv: what the message says
        self.counted = collections.Counter()

    async def post(self, gateway, message):
        """What one gateway answers; None: it is gone."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            try:
                writer.write(message_request(message.data))
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                return int(head[9:12]), await asyncio.wait_for(reader.readexactly(length), 20)
            finally:
                writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            return None

    def take(self, message, answer, replies):
        """Notes an answer. True: it says that the message is stored; False: challenged; None: says nothing."""
        if answer is None:
            return None
        status, body = answer
        self.counted[status] += 1
        if status == 503:
            return None
        reply = self.device.open(body, message)
        replies.append((reply.gateway_id, reply.gateway_piv))
        if status == 200:
            assert message.piv in reply.stored(), (self.name, message.piv, reply)
            return True
        assert status == 401 and reply.challenge, (self.name, status)
        return False

    async def tell(self, gateways, rng, value, replies):
        """Brings a reading home, whatever it takes."""
        message = self.device.seal(senml(value=value, name=self.name))
        self.values[message.piv] = value
        while True:
            order = rng.sample(gateways, len(gateways))
            said = [self.take(message, answer, replies)
                    for answer in await asyncio.gather(*(self.post(gateway, message) for gateway in order))]
            if True in said:
                return
            if False in said:
                del self.values[message.piv]  # that one is told not to be stored
                message = self.device.seal(senml(value=value, name=self.name))
                self.values[message.piv] = value
            else:
                await asyncio.sleep(0.02)

    async def live(self, gateways, rng, end, replies):
        value = 0
        while time.monotonic() < end or self.counted[200] <= 20:
            value += 1
            await self.tell(gateways, rng, value, replies)
            self.device.challenge = None
            for piv in rng.sample(range(max(0, self.device.piv - 20), self.device.piv), min(3, self.device.piv)):
                if piv in self.values:  # once more, to somebody
                    old = type("Old", (), {"piv": piv, "data": self.device.sealed[piv]})
                    assert self.take(old, await self.post(rng.choice(gateways), old), replies) is not False


async def kill_at_random(gateways, rng, end, counted):
    while time.monotonic() < end or counted["kills"] < 5:
        await asyncio.sleep(rng.uniform(0.1, 0.6))
        gateway = rng.choice(gateways)
        gateway.kill()
        counted["kills"] += 1
        gateway.start(wait=False)


def test_many_gateways(server, bulla, make_gateway, rng, long_run):
    """
    Three gateways on one database, every message sprayed at all of them, and SIGKILL at random: each reading is there
    once, none that a receipt tells of is missing, and no process uses a number of another's.
    """
    kinds = [(), ("--counter",), ("--alg", "24"), ("--alg", "30", "--counter")]
    sprayers = [Sprayer("d%d" % i, bulla.add("d%d" % i, *kinds[i % len(kinds)])) for i in range(DEVICES)]
    gateways = [make_gateway("--log-level", "error").start() for _ in range(GATEWAYS)]
    replies = []
    counted = collections.Counter()

    async def run():
        end = time.monotonic() + (SECONDS_LONG if long_run else SECONDS)
        await asyncio.gather(*(sprayer.live(gateways, random.Random(rng.random()), end, replies) for sprayer in sprayers),
                             kill_at_random(gateways, rng, end - 2, counted))

    asyncio.run(run())
    stored = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in bulla.readings():
        stored[row["device"]][row["seq"]].append(row["value"] if row["name"] == "value" else row["text"])
    for sprayer in sprayers:
        there = stored[sprayer.name]
        for piv, values in there.items():
            assert piv in sprayer.values and values == [sprayer.values[piv], sprayer.name], (sprayer.name, piv, values)
        assert not sprayer.device.told - set(there), "%s was told of what is not there" % sprayer.name
        assert set(sprayer.values) == set(there)
        assert sprayer.counted[200] > 20, sprayer.counted
    assert len(set(replies)) == len(replies)
    assert counted["kills"] >= 5
    print("%d kills, %d readings, %d replies" % (counted["kills"], sum(map(len, stored.values())), len(replies)))


def test_operators_are_heard_everywhere(bulla, make_gateway):
    """A new device is known, and a revoked one unknown, at every gateway within a second."""
    gateways = [make_gateway().start() for _ in range(2)]
    device = PythonDevice(bulla.add("a", "--counter"))
    for gateway in gateways:
        send_until(device, gateway, 1, collections.Counter(), seconds=allowed(1))
    bulla("device", "revoke", "a")
    begun = time.monotonic()
    for gateway in gateways:
        wait_until(lambda: (response := post(gateway.port, device.seal(senml(value=2)).data)).status == 401 and not response.body)
    assert time.monotonic() - begun < allowed(1)


# ---- older wires ----


@pytest.fixture(scope="module")
def crypto_js():
    peer = start_crypto_js()
    yield peer
    peer.close()


@pytest.fixture
def shed(crypto_js, bulla, tmp_path):
    """A device of the wire cryptojs in the registry."""
    keys = tmp_path / "keys"
    keys.write_text("passphrase=%s\n" % KEY)
    keys.chmod(0o600)
    bulla("device", "add", "shed", "--wire", "cryptojs", "--id", "12FA", "--keys", "@%s" % keys)
    return CryptoJsDevice(crypto_js, None)


def test_an_older_wire(shed, bulla, make_gateway):
    """Two gateways judge by the same rows: data is taken once by either, and an upgrade is true at both."""
    gateways = [make_gateway().start() for _ in range(2)]
    for shed.gateway in gateways:
        shed.wait_for_route()
    shed.gateway = gateways[0]
    recorded = [shed.data(number, value=number) for number in (1, 2, 3)]
    for number, body in enumerate(recorded):
        shed.gateway = gateways[number % 2]
        assert taken(shed.post("data", body))
        for shed.gateway in gateways:
            assert refused(shed.post("data", body))
            assert shed.number() == number + 1
    forged = CryptoJsDevice(shed.crypto_js, gateways[0], passphrase=KEY[::-1])
    assert refused(forged.post("data", forged.data(9, value=9)))
    gateways[0].kill()
    gateways[0].start()
    shed.gateway = gateways[0]
    assert refused(shed.post("data", recorded[2]))
    native = PythonDevice(bulla("device", "upgrade", "shed", "--counter").strip())
    assert taken(shed.post("data", shed.data(4, value=4)))
    send_until(native, gateways[1], 5, collections.Counter(), seconds=30)
    for shed.gateway in gateways:
        assert not taken(shed.post("data", shed.data(6, value=6)))
        shed.wait_for_route(there=False)
    send_until(native, gateways[0], 7, collections.Counter(), seconds=30)
    assert [(row["device"], row["value"]) for row in bulla.readings()] == [("shed", value) for value in (1, 2, 3, 4, 5, 7)]
    assert "cryptojs" in bulla("device", "show", "shed")


def test_both_gateways_at_once(shed, bulla, make_gateway):
    """The same message at two gateways at the same moment, again and again: one of them takes it."""
    gateways = [make_gateway().start() for _ in range(2)]
    devices = [CryptoJsDevice(shed.crypto_js, gateway) for gateway in gateways]
    for device in devices:
        device.wait_for_route()

    async def both(body):
        return await asyncio.gather(*(asyncio.to_thread(device.post, "data", body) for device in devices))

    for number in range(1, 31):
        answers = asyncio.run(both(shed.data(number, value=number)))
        assert sorted(answer.status for answer in answers) == [200, 401], number
    assert [row["value"] for row in bulla.readings()] == list(range(1, 31))
