"""bulla forward, between a device on a pseudo-terminal and a real gateway; the line and the gateway fail at will."""

import binascii
import os
import pty
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

import program
from program import allowed, wait_until
from python_device import BYTES, senml


def crc(data):
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "big")


def cobs(data):
    out = bytearray()
    for run in data.split(b"\0"):
        while len(run) >= 254:
            out += b"\xff" + run[:254]
            run = run[254:]
        out += bytes([len(run) + 1]) + run
    return bytes(out)


def uncobs(data):
    out = bytearray()
    at = 0
    while at < len(data):
        code = data[at]
        assert code != 0 and at + code <= len(data)
        out += data[at + 1:at + code]
        at += code
        if code < 255 and at < len(data):
            out += b"\0"
    return bytes(out)


def frame(message):
    return cobs(message + crc(message)) + b"\0"


@pytest.mark.parametrize("length", [1, 2, 252, 253, 254, 255, 506, 507, 508, 4096])
def test_the_frames_of_this_test_are_right(length):
    for data in (bytes(length), b"\1" * length, os.urandom(length)):
        assert uncobs(cobs(data)) == data and 0 not in cobs(data)


class Serial:
    """The device's end of a line, at a path that stays the same when it is unplugged and plugged in again."""

    def __init__(self, path):
        self.path = path
        self.master = self.slave = None
        self.received = b""

    def plug(self):
        self.master, self.slave = pty.openpty()
        os.symlink(os.ttyname(self.slave), self.path)
        return self

    def unplug(self):
        if self.master is not None:
            os.unlink(self.path)
            os.close(self.slave)
            os.close(self.master)
            self.master = None

    def write(self, data):
        while data:
            data = data[os.write(self.master, data):]

    def _more(self, seconds):
        if not select.select([self.master], [], [], max(seconds, 0))[0]:
            return False
        self.received += os.read(self.master, 4096)
        return True

    def read_frame(self, seconds=30):
        """The next message that came whole, or None."""
        end = time.monotonic() + seconds
        while True:
            while b"\0" in self.received:
                found, _, self.received = self.received.partition(b"\0")
                if found:
                    data = uncobs(found)
                    assert crc(data[:-2]) == data[-2:]
                    return data[:-2]
            if not self._more(end - time.monotonic()):
                return None

    def silent(self, seconds):
        return not self.received and not self._more(seconds)

    def exchange(self, message, seconds=30):
        self.write(frame(message.data))
        return self.read_frame(seconds)

    def send(self, device, plaintext, content_format=112, attempts=20, seconds=30):
        """As a device does: resends after silence, answers a challenge. The message that a receipt covers."""
        message = device.seal(plaintext, content_format)
        for _ in range(attempts):
            reply = self.exchange(message, seconds)
            if reply is None:
                continue
            opened = device.open(reply)
            if message.piv in opened.stored():
                return message
            if opened.re == message.piv:
                message = device.seal(plaintext, content_format)
        raise AssertionError("not stored after %d attempts" % attempts)


class Forward:
    def __init__(self, serial, to, *arguments, **options):
        self.log = []
        self.process = subprocess.Popen(
            [program.BINARY, "forward", "--serial", str(serial), "--to", to, *arguments],
            stderr=subprocess.PIPE, text=False, env=program.environment(), **options)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line.decode().rstrip("\n"))

    def logged(self, event, seconds=30):
        return wait_until(lambda: [line for line in self.log if " event=%s" % event in line], seconds, event)

    def stop(self, number=signal.SIGTERM, seconds=60):
        self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds=60):
        """Its exit status."""
        status = self.process.wait(seconds)
        self.reader.join(seconds)
        text = "\n".join(self.log)
        assert not program.SANITIZER.search(text), text
        return status

    def counts(self):
        last = self.log[-1].partition(" event=forwarded ")[2]
        return {name: int(value) for name, value in (each.split("=") for each in last.split())}


@pytest.fixture
def serial(tmp_path):
    line = Serial(str(tmp_path / "tty")).plug()
    yield line
    line.unplug()


@pytest.fixture
def make_forward():
    made = []

    def make(*arguments, **options):
        made.append(Forward(*arguments, **options))
        return made[-1]

    yield make
    for forward in made:
        if forward.process.poll() is None:
            forward.process.kill()
            forward.process.wait()


@pytest.fixture
def forward(serial, gateway, make_forward):
    forward = make_forward(serial.path, gateway.url)
    forward.logged("line_open")
    return forward


def test_a_device_on_a_serial_line(bulla, forward, serial, make_device):
    device = make_device("kitchen")
    for value in range(5):
        serial.send(device, senml(temperature=value))
    assert [each["value"] for each in bulla.readings()] == [0, 1, 2, 3, 4]
    assert forward.stop() == 0
    assert forward.counts() == {"messages": 6, "replies": 6, "bad_frames": 0, "line_opened": 1}  # one challenge


@pytest.mark.parametrize("context", [(), ("--counter",)])
def test_messages_of_every_length(bulla, forward, serial, make_device, context):
    device = make_device("kitchen", "--alg", "30", *context)
    serial.send(device, b"\0" * 4000, BYTES)
    for length in (0, 1, 200, 215, 230, 254, 255, 480, 508, 1000):
        serial.send(device, os.urandom(length), BYTES)
    head = len(device.seal(b"", BYTES).data)
    for length in (4096 - head - 3, 4096 - head - 2):
        message = device.seal(bytes(length), BYTES)
        assert len(message.data) in (4095, 4096)
        assert message.piv in device.open(serial.exchange(message)).stored()


def test_noise_on_the_line(bulla, forward, serial, make_device, rng):
    device = make_device("kitchen")
    begun = time.monotonic()
    serial.send(device, senml(temperature=0))
    sent = 1
    for _ in range(12):
        message = device.seal(senml(temperature=sent))
        whole = frame(message.data)
        at = rng.randrange(len(whole) - 1)
        damaged = rng.choice([
            whole[:at] + b"\0",  # cut
            whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1:],  # one bit
            whole[:at] + whole[at + 1:],  # a byte lost
            whole[:at] + rng.randbytes(3) + whole[at:],  # bytes invented
            rng.randbytes(rng.randrange(1, 300)) + b"\0",  # nothing but noise
        ])
        serial.write(damaged + b"\0")
        while serial.read_frame(0.2):  # what of the noise was a frame after all was refused by the gateway
            pass
        while (reply := serial.exchange(message, 5)) is None:
            pass
        assert message.piv in device.open(reply).stored()
        sent += 1
    assert [each["value"] for each in bulla.readings()] == list(range(sent))
    assert forward.logged("bad_frame")
    assert forward.stop() == 0
    assert forward.counts()["bad_frames"] >= 5
    assert len(forward.logged("bad_frame")) <= 1 + (time.monotonic() - begun) / 10  # not a line for each


def test_a_frame_that_stops_is_given_up(forward, serial, make_device):
    device = make_device("kitchen")
    message = device.seal(senml(temperature=1))
    serial.write(frame(message.data)[:20])
    forward.logged("bad_frame")
    assert device.open(serial.exchange(message)).challenge  # without a zero before it


def test_frames_that_are_too_long(forward, serial, gateway, make_device):
    device = make_device("kitchen")
    for length in (4097, 5000, 100_000):
        serial.write(frame(os.urandom(length)))
        serial.send(device, senml(temperature=1))
    assert forward.stop() == 0
    assert forward.counts() == {"messages": 4, "replies": 4, "bad_frames": 3, "line_opened": 1}


def test_what_the_gateway_refuses_is_answered_by_silence(forward, serial, gateway, make_device):
    device = make_device("kitchen")
    good = device.seal(senml(temperature=1)).data
    for data in (b"hello", good[:-1], good[:-1] + bytes([good[-1] ^ 1]), b"\0" * 40):
        serial.write(frame(data))
    assert serial.silent(0.7)
    serial.send(device, senml(temperature=2))
    assert forward.stop() == 0
    assert forward.counts()["messages"] == 6


def test_the_gateway_goes_and_comes_back(bulla, forward, serial, gateway, make_device):
    device = make_device("kitchen")
    serial.send(device, senml(temperature=1))
    gateway.kill()
    message = device.seal(senml(temperature=2))
    for _ in range(3):
        assert serial.exchange(message, 0.4) is None
    forward.logged("gateway_away")
    gateway.start()
    reply = device.open(serial.exchange(message))
    assert message.piv in reply.stored()
    forward.logged("gateway_back")
    assert [each["value"] for each in bulla.readings()] == [1, 2]
    assert len(forward.logged("gateway_away")) == 1


@pytest.mark.parametrize("half", [False, True])
def test_the_line_is_unplugged(bulla, forward, serial, make_device, half):
    device = make_device("kitchen")
    serial.send(device, senml(temperature=1))
    if half:
        serial.write(frame(device.seal(senml(temperature=9)).data)[:15])
        time.sleep(0.1)
    serial.unplug()
    forward.logged("line_gone")
    forward.logged("line_waiting")
    serial.received = b""
    serial.plug()
    wait_until(lambda: len(forward.logged("line_open")) == 2, what="a second line")
    serial.send(device, senml(temperature=2))
    assert forward.stop() == 0
    assert forward.counts()["line_opened"] == 2 and forward.counts()["bad_frames"] == 0
    assert [each["value"] for each in bulla.readings()] == [1, 2]


def test_the_line_is_unplugged_while_the_gateway_thinks(tmp_path, serial, make_forward):
    with Hanging() as hanging:
        forward = make_forward(serial.path, hanging.url, "--timeout", "1")
        forward.logged("line_open")
        serial.write(frame(b"x" * 30))
        hanging.accepted.wait(30)
        serial.unplug()
        forward.logged("line_gone")
        serial.plug()
        wait_until(lambda: len(forward.logged("line_open")) == 2, what="a second line")
        assert forward.stop() == 0


def test_a_line_that_comes_later(gateway, tmp_path, make_forward, make_device):
    serial = Serial(str(tmp_path / "later"))
    forward = make_forward(serial.path, gateway.url)
    forward.logged("line_waiting")
    serial.plug()
    forward.logged("line_open")
    serial.send(make_device("kitchen"), senml(temperature=1))
    assert forward.stop(signal.SIGINT) == 0
    serial.unplug()


def test_a_signal_ends_it_while_it_waits_for_a_line(tmp_path, make_forward):
    forward = make_forward(tmp_path / "none", "http://127.0.0.1:9")
    forward.logged("line_waiting")
    assert forward.stop() == 0
    assert forward.counts()["line_opened"] == 0


class Hanging:
    """A server that takes connections; it says nothing, or always the same."""

    def __init__(self, answer=None):
        self.answer = answer
        self.accepted = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.connections = []

    def _serve(self):
        try:
            while True:
                connection = self.socket.accept()[0]
                self.connections.append(connection)
                self.accepted.set()
                if self.answer:
                    connection.recv(65536)
                    connection.sendall(self.answer)
                    connection.close()
        except OSError:
            pass

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.connections:
            connection.close()


def test_a_signal_ends_it_while_the_gateway_hangs(serial, make_forward):
    with Hanging() as hanging:
        forward = make_forward(serial.path, hanging.url, "--timeout", "60")
        forward.logged("line_open")
        serial.write(frame(b"x" * 30))
        assert hanging.accepted.wait(30)
        begun = time.monotonic()
        assert forward.stop() == 0
        assert time.monotonic() - begun < allowed(5)
        assert serial.silent(0.1)


def answer(body):
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("body", [b"<html>a page</html>", b"\xd0\x83" + b"x" * 4095, b"\xd0", b""])
def test_what_is_no_reply_does_not_reach_the_line(serial, make_forward, body):
    with Hanging(answer(body)) as server:
        forward = make_forward(serial.path, server.url, "--verbose")
        forward.logged("line_open")
        serial.write(frame(b"x" * 30))
        forward.logged("message")
        assert serial.silent(0.3)
        assert forward.stop() == 0
        assert forward.counts()["replies"] == 0


def test_standard_input_and_output(gateway, make_device, make_forward):
    device = make_device("kitchen")
    message = device.seal(senml(temperature=1))
    forward = make_forward("-", gateway.url, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    forward.process.stdin.write(frame(message.data))
    forward.process.stdin.close()
    out = forward.process.stdout.read()
    assert forward.wait() == 0
    assert out[:1] == b"\0" == out[-1:]
    data = uncobs(out[1:-1])
    assert crc(data[:-2]) == data[-2:]
    assert device.open(data[:-2], message).challenge


def test_only_one_reads_a_line(forward, serial, gateway, bulla):
    done = bulla.run("forward", "--serial", serial.path, "--to", gateway.url, status=1)
    assert "another process" in done.stderr


@pytest.mark.parametrize("arguments, status, text", [
    (("--to", "http://127.0.0.1:1"), 2, "--serial is missing"),
    (("--serial", "-"), 2, "--to is missing"),
    (("--serial", "-", "--to", "ftp://x"), 1, "only http, https, mqtt and mqtts"),
    (("--serial", "-", "--to", "http://x", "--baud", "12345"), 2, "--baud"),
    (("--serial", "/dev/null", "--to", "http://127.0.0.1:1"), 1, "not a serial line"),
    (("--serial", "/", "--to", "http://127.0.0.1:1"), 1, "/: "),
])
def test_what_it_refuses(bulla, arguments, status, text):
    done = bulla.run("forward", *arguments, status=status)
    assert text in done.stderr
