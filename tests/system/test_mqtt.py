"""The MQTT source, against a real mosquitto, with devices of Python and paho."""

import pytest

from mqtt_peer import Peer, send
from program import wait_until
from python_device import senml


@pytest.fixture
def make_peer():
    """Connects clients to a broker, and closes them in the end."""
    made = []

    def make(broker, **options):
        made.append(Peer(broker, **options))
        return made[-1]

    yield make
    for peer in made:
        peer.close()


def connections(gateway):
    return [line for line in gateway.log if " event=mqtt " in line and "state=connected" in line]


def wait_connected(gateway, count=1):
    wait_until(lambda: len(connections(gateway)) >= count, 20, "the broker's connection")


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_reading_and_its_receipt(mosquitto, make_gateway, make_peer, make_device, bulla, qos):
    gateway = make_gateway("--mqtt", mosquitto.url).start()
    wait_connected(gateway)
    peer = make_peer(mosquitto)
    device = make_device("kitchen")
    for value in (1, 2, 3):
        send(device, peer, senml(a=value), qos=qos)
    assert [reading["value"] for reading in bulla.readings()] == [1, 2, 3]
