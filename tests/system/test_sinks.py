"""Readings go to other databases (--sink): all that is stored, in its order, each at its own pace."""

import json
import time

import pytest

from http_client import Connection
from program import wait_until
from python_device import PythonDevice, senml
from sink_stand_in import SinkStandIn


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


def send(gateway, device, values, name="value"):
    """Sends a reading in a message each."""
    with Connection(gateway.port) as connection:
        for value in values:
            device.send(connection, senml(**{name: value}))


def numbers(sink, device="kitchen"):
    return sink.values().get(device, [])


def test_readings_go_there(bulla, make_gateway, make_device, sink):
    gateway = make_gateway("--sink", sink.url).start()
    kitchen = make_device("kitchen")
    send(gateway, kitchen, range(20))
    sink.wait(20)
    assert numbers(sink) == list(range(20))
    gateway.stop()
    assert bulla.readings() == []
    assert sink.repeated == 0
