"""An emulated core is the device of a real gateway: what it seals comes out through semihosting (AVR: its UART), goes
over HTTP or through a broker, and the gateway's reply goes back in."""

import re
import time

import pytest

import core
import reference
from core import Device
from mqtt_device import Link

IMAGES = [("lx106", "bearssl_ccm"), ("lx106", "tiny"), ("m0", "bearssl"), ("avr", "tiny")]


@pytest.fixture(params=IMAGES, ids=lambda image: "-".join(image))
def board(request):
    with Device(*request.param) as device:
        device.now = int(time.monotonic() * 1000)
        yield device


def credential_of(line):
    credential = reference.parse_credential(line)
    kind = core.COUNTER if credential.context == "counter" else core.SESSION
    return core.pack_credential(credential.secret, credential.kid, credential.alg, kind)


def test_session(board, gateway, bulla, connect):
    """Challenged, sealed again, stored; then without its kid context; a forged reply is not believed."""
    connection = connect()
    board.open(credential_of(bulla.add("kitchen")))
    message = board.seal_reading("temperature", 23.5, "Cel")
    response = connection.post(message.data)
    assert response.status == 401
    forged = bytearray(response.body)
    forged[-1] ^= 1
    with pytest.raises(core.Refused) as refused:
        board.open_reply(bytes(forged))
    assert refused.value.error == core.E_FORGED and board.fate() == core.WAITING
    reply = board.open_reply(response.body)
    assert reply.challenged and reply.re == message.piv
    assert board.fate() == core.SEAL_AGAIN
    again = board.seal_again()
    response = connection.post(again.data)
    assert response.status == 200
    reply = board.open_reply(response.body)
    assert reply.has_receipt and reply.top == again.piv and board.fate() == core.STORED
    assert abs(reply.time - time.time()) < 60
    short = board.seal_reading("temperature", 24.0, "Cel")
    assert len(short.data) == len(message.data) - 10
    board.open_reply(connection.post(short.data).body)
    assert board.fate() == core.STORED
    assert [(row["name"], row["value"], row["unit"]) for row in bulla.readings()] == [
        ("temperature", 23.5, "Cel"), ("temperature", 24, "Cel")]


def test_through_a_broker(board, mosquitto, make_gateway, bulla):
    """The same over MQTT: what the core seals is published as it is, and the broker's bytes go back into it."""
    make_gateway("--mqtt", mosquitto.url).start()
    line = bulla.add("kitchen")
    link = Link(mosquitto, reference.parse_credential(line).kid.hex())
    board.open(credential_of(line))
    message = board.seal_reading("temperature", 23.5, "Cel")
    challenge = link.exchange(message.data)
    forged = bytearray(challenge)
    forged[-1] ^= 1
    with pytest.raises(core.Refused) as refused:
        board.open_reply(bytes(forged))
    assert refused.value.error == core.E_FORGED and board.fate() == core.WAITING
    assert board.open_reply(challenge).challenged and board.fate() == core.SEAL_AGAIN
    again = board.seal_again()
    reply = board.open_reply(link.exchange(again.data))
    assert reply.has_receipt and reply.top == again.piv and board.fate() == core.STORED
    short = board.seal_reading("temperature", 24.0, "Cel")
    assert len(short.data) == len(message.data) - 10
    lost = link.exchange(short.data)  # which does not reach the core
    assert board.resend().data != short.data  # with its kid context again
    board.open_reply(lost)
    assert board.fate() == core.STORED
    link.close()
    assert [(row["name"], row["value"], row["unit"]) for row in bulla.readings()] == [
        ("temperature", 23.5, "Cel"), ("temperature", 24, "Cel")]


def test_counter_and_silence(board, gateway, bulla, connect):
    """No reply arrives: it is sent again byte for byte, and the second answer is a receipt for the same."""
    connection = connect()
    credential = credential_of(bulla.add("shed", "--counter"))
    board.provision(credential)
    board.open(credential)
    message = board.seal_reading("level", 0.25)
    connection.post(message.data)  # lost on its way back
    again = board.resend()
    assert again == message
    reply = board.open_reply(connection.post(again.data).body)
    assert (reply.top, board.fate()) == (message.piv, core.STORED)
    assert [row["value"] for row in bulla.readings()] == [0.25]


def test_derived_keys(board, gateway, bulla, connect, tmp_path):
    """A board that has no secret, with what `bulla device export --derived` gives it; it reboots in between."""
    connection = connect()
    bulla.add("shed", "--counter")
    header = bulla("device", "export", "shed", "--format", "header", "--derived")
    keys = derived_of(header)
    board.provision_derived(keys)
    for value in (1.5, 2.5):
        board.open_derived(keys)
        message = board.seal_reading("level", value, sealer=True)
        assert connection.post(message.data).status == 200
    assert [row["value"] for row in bulla.readings()] == [1.5, 2.5]
    assert [row["seq"] for row in bulla.readings()] == [0, 65536]


def derived_of(header):
    """The bytes of struct bulla_derived, as C would lay them out."""
    body = re.sub(r"/\*.*?\*/", "", header[header.index("struct bulla_derived"):], flags=re.S)
    key, iv, kid = [bytes(int(byte, 16) for byte in re.findall(r"0x(..)", part)) for part in
                    re.findall(r"\{([^{}]*)\}", body)[:3]]
    kid_len, alg = map(int, re.findall(r"\b(\d+),", body)[-2:])
    assert kid_len == len(kid)
    return core.pack_derived(key, iv, kid, alg)
