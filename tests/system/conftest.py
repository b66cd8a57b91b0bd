"""Fixtures of the system tests: commands, gateways and devices, each test in a folder of its own."""

import os
import random
import resource
import signal

import pytest

import program
from command_line import Cli
from http_client import Connection
from mosquitto import Mosquitto
from python_device import PythonDevice

DESCRIPTORS = 20_000


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="runs more rounds: minutes instead of seconds")
    parser.addoption("--seed", type=int, help="seed of tests that draw at random (default: another each time)")


# Files that take longest, which begin first: a worker has a file to itself, and would end long after the others.
LONGEST = ("test_migrate", "test_simulate", "test_postgres", "test_mysql", "test_package", "test_mqtt_kill", "test_every_registry",
           "test_kill", "test_backup_servers", "test_backup", "test_mqtt_hostile", "test_cli_send", "test_away", "test_gateway",
           "test_postgres_trouble", "test_many_gateways", "test_sinks", "test_mqtt", "test_hostile", "test_nodemcu_databases",
           "test_nodemcu", "test_cryptojs", "test_examples", "test_completion")


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_report_header(config):
    return "bulla: %s" % program.BINARY


@pytest.fixture(scope="session", autouse=True)
def interrupts():
    """Whoever runs the tests in the background has Ctrl-C ignored, and what the tests start would have it so too."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def descriptors():
    """Some tests hold many connections: as many as the system allows (for root, what is needed)."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if os.geteuid() == 0 and hard < DESCRIPTORS:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
            return
        except (OSError, ValueError):
            pass
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture
def cli(tmp_path):
    return Cli(tmp_path)


@pytest.fixture
def long_run(request):
    return request.config.getoption("--long") or os.environ.get("BULLA_LONG") == "1"


@pytest.fixture
def rng(request):
    """A source of chance that can be repeated: its seed is printed where a test fails."""
    seed = request.config.getoption("--seed")
    if seed is None:
        seed = random.SystemRandom().randrange(2**32)
    print("seed: --seed %d" % seed)
    return random.Random(seed)


@pytest.fixture
def bulla(tmp_path):
    """Runs commands: bulla("device", "list")."""
    return program.Commands(tmp_path)


@pytest.fixture
def make_gateway(tmp_path):
    """Makes gateways (not started yet) that the test's end stops."""
    made = []

    def make(*arguments, folder=tmp_path, **options):
        made.append(program.Gateway(folder, *arguments, **options))
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
def gateway(make_gateway):
    """A running gateway."""
    return make_gateway().start()


@pytest.fixture
def make_mosquitto(tmp_path):
    """Makes brokers (not started yet; each in a folder of its own) that the test's end stops."""
    made = []

    def make(**options):
        made.append(Mosquitto(tmp_path / ("mosquitto-%d" % len(made)), **options))
        return made[-1]

    yield make
    try:
        for broker in made:
            broker.end()
    finally:
        for broker in made:
            if broker.process is not None:
                broker.process.kill()


@pytest.fixture
def mosquitto(make_mosquitto):
    """A running broker that takes anybody."""
    return make_mosquitto().start()


@pytest.fixture
def connect(gateway):
    """Opens connections to the gateway's device listener, and closes them in the end."""
    opened = []

    def open_one(**options):
        opened.append(Connection(gateway.port, **options))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def make_device(bulla):
    """Provisions a device: make_device("kitchen", "--counter")."""

    def make(name, *arguments):
        return PythonDevice(bulla.add(name, *arguments))

    return make
