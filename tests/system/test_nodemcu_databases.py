"""The wire nodemcu over databases on servers: two gateways of one registry behind one broker, one of which is killed."""

import json

import pytest

import program
from mariadb import MariaDB
from mosquitto import free_port
from nodemcu import ARTICLE, Board, add, message
from postgres import Postgres
from program import wait_until

SERVERS = {"postgres": lambda: Postgres(fsync=False), "mysql": MariaDB, "like-mysql": lambda: MariaDB(like_mysql=True)}


@pytest.fixture(params=SERVERS)
def database(request):
    server = SERVERS[request.param]()
    try:
        yield server.start().make_database("bulla_nodemcu")
    finally:
        server.remove()


@pytest.fixture
def env(tmp_path):
    return {"BULLA_KEY": str(tmp_path / "bulla.key")}


@pytest.fixture
def bulla(tmp_path, database, env):
    return program.Commands(tmp_path, database, env)


@pytest.fixture
def broker(make_mosquitto):
    return make_mosquitto(max_inflight_messages=0, max_queued_messages=0).start()


@pytest.fixture
def gateways(tmp_path, database, env, broker):
    """Two that run, and share the broker's messages."""
    made = []
    try:
        for name in ("one", "other"):
            gateway = program.Gateway(tmp_path, "--mqtt", "%s?client-id=%s" % (broker.url, name), "--mqtt-share", "gateways", db=database,
                                      env=env)
            gateway.port, gateway.admin_port = free_port(), free_port()
            made.append(gateway.start())
        yield made
    finally:
        for gateway in made:
            gateway.end()


def wait_readings(bulla, count):
    wait_until(lambda: len(bulla.readings()) >= count, what="%d readings" % count)
    found = bulla.readings()
    assert len(found) == count, found
    return found


def wait_events(bulla, kind, count):
    wait_until(lambda: sum(event["kind"] == kind for event in bulla.events()) >= count, what="%d events %s" % (count, kind))


def test_a_group_at_two_gateways(bulla, broker, gateways):
    """Each message once, whichever gateway has it; its replay is refused, also by one that was killed; nobody's ids are drawn twice."""
    add(bulla, "green")
    board = Board(broker)
    used, sent = set(), []
    try:
        for count in range(1, 13):
            # one that was spent may come late from the other gateway, which sees to it within a second
            wait_until(lambda: board.sessions[-1:] and board.sessions[-1] not in used, what="a session id that is not spent")
            session = board.sessions[-1]
            used.add(session)
            node = "ü" if count % 4 == 0 else str(count % 3)
            sent.append(message(node, str(count), session))
            if count % 4 == 3:
                gateways[count // 4 % 2].kill()
            board.send(sent[-1])  # the broker may keep it for the one that is away
            if count % 4 == 3:
                gateways[count // 4 % 2].start()
            wait_readings(bulla, count)
        for replay in sent[-3:]:
            board.send(replay)
        wait_events(bulla, "duplicate", 3)
        board.send(message("1", "99", session, keys={**ARTICLE, "passphrase": "another one"}))
        wait_events(bulla, "forged", 1)
    finally:
        board.close()
    readings = wait_readings(bulla, 12)
    assert [reading["value"] for reading in readings] == list(range(1, 13))
    assert [reading["device"] for reading in readings] == [
        "green/%s" % ("ü" if count % 4 == 0 else count % 3) for count in range(1, 13)]
    assert {event["kind"] for event in bulla.events()} == {"duplicate", "forged"}
    names = {device["name"] for device in json.loads(bulla("device", "list", "--format", "json"))}
    assert names == {"green", "green/0", "green/1", "green/2", "green/ü"}
    bulla("device", "remove", "green")
    assert json.loads(bulla("device", "list", "--format", "json")) == []
