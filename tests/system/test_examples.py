"""The example sketches, run as they are on the host (tests/ports/arduino_host.cpp), against a real gateway: over HTTP with
deep sleep between, over a broker, and over a serial line with `bulla forward`."""

import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import tty
import urllib.error
import urllib.request

import pytest

import program
from program import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
STUBS = ROOT / "tests/ports/stubs"
ARCH = {"esp8266_http": "ESP8266", "esp8266_mqtt": "ESP8266", "atmega328p_serial": "AVR"}
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """The library as Arduino builds it, for each kind of board; its provider is the host's."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed: scripts/setup")
    made = {}
    for arch in ("ESP8266", "AVR"):
        place = tmp_path_factory.mktemp(arch)
        flags = ["-DARDUINO=10819", f"-DARDUINO_ARCH_{arch}", f"-I{STUBS / 'arduino'}", f"-I{STUBS / 'esp8266'}",
                 f"-I{STUBS / 'avr'}"]
        made[arch] = [place / "crypto_openssl.o"]
        run(["gcc", "-g", "-O1", *WARNINGS, *SANITIZE, "-c", ROOT / "device/crypto_openssl.c", "-o", made[arch][0]])
        for source in sorted((ROOT / "device").glob("*.c")):
            if not source.name.startswith("crypto_"):
                made[arch].append(place / f"{source.stem}.o")
                run(["gcc", "-g", "-O1", *WARNINGS, *SANITIZE, *flags, "-c", source, "-o", made[arch][-1]])
    return made


class Sketch:
    """An example with a device's credential, as a program; what its chip keeps is in files."""

    def __init__(self, folder, name, objects, bulla, *options):
        arch = ARCH[name]
        self.folder = folder
        bulla.add("board", *options)
        (folder / "credential.h").write_text(bulla("device", "export", "board", "--format", "header"))
        run(["g++", "-std=c++17", "-g", "-O1", *SANITIZE, "-DARDUINO=10819", f"-DARDUINO_ARCH_{arch}", f"-I{ROOT / 'device'}",
             f"-I{folder}", *[f"-I{STUBS / stub}" for stub in ("arduino", "esp8266", "avr")],
             "-x", "c++", ROOT / f"device/examples/{name}/{name}.ino", ROOT / "tests/ports/arduino_host.cpp",
             "-x", "none", *objects[arch], "-lcurl", "-lcrypto", "-o", folder / "sketch"])
        self.new_chip()

    def new_chip(self):
        (self.folder / "eeprom").write_bytes(b"\xff" * 1024)
        (self.folder / "rtc").write_bytes(os.urandom(768))

    def start(self, gateway, env=None, **popen):
        variables = {"EEPROM": str(self.folder / "eeprom"), "RTC": str(self.folder / "rtc"), "BULLA_URL": gateway.url}
        return subprocess.Popen([self.folder / "sketch"], env={**os.environ, **variables, **(env or {})}, **popen)

    def boot(self, gateway):
        """Until it sleeps; what it said."""
        process = self.start(gateway, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = process.communicate(timeout=30)[1]
        assert process.returncode == 0, said
        return said.splitlines()


def stop(process):
    process.kill()
    process.wait(30)


def test_deep_sleep_over_http(tmp_path, objects, bulla, gateway):
    sketch = Sketch(tmp_path, "esp8266_http", objects, bulla)
    assert sketch.boot(gateway) == ["status 401", "status 200", "stored"]  # a new session proves itself
    assert sketch.boot(gateway) == ["status 200", "stored"]  # it slept
    assert sketch.boot(gateway) == ["status 200", "stored"]
    (tmp_path / "rtc").write_bytes(os.urandom(768))  # the battery was out
    assert sketch.boot(gateway) == ["status 401", "status 200", "stored"]
    readings = bulla.readings()
    assert len(readings) == 4
    assert {(reading["name"], reading["unit"]) for reading in readings} == {("temperature", "Cel")}
    assert len({reading["value"] for reading in readings}) == 1


def test_http_while_the_gateway_is_away(tmp_path, objects, bulla, gateway):
    sketch = Sketch(tmp_path, "esp8266_http", objects, bulla)
    gateway.stop()
    assert sketch.boot(gateway) == ["status 0"] * 6 + ["not proven to be stored"]
    gateway.start()
    assert sketch.boot(gateway)[-1] == "stored"
    assert len(bulla.readings()) == 1


def test_over_a_broker(tmp_path, objects, bulla, gateway):
    sketch = Sketch(tmp_path, "esp8266_mqtt", objects, bulla)
    kid = json.loads(bulla("device", "show", "board", "--format", "json"))["kid"]
    process = sketch.start(gateway, {"TOPIC_UP": f"bulla/{kid}/up", "TOPIC_DOWN": f"bulla/{kid}/down"},
                           stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(bulla.readings()) >= 3, what="three minutes of readings")
    finally:
        stop(process)
    assert {event["kind"] for event in bulla.events()} <= {"challenged", "duplicate"}  # a slow answer makes it resend


class Line:
    """A board on a serial line, and bulla forward at the other end of it."""

    def __init__(self, sketch, gateway, env=None):
        self.master, slave = pty.openpty()
        tty.setraw(self.master)
        tty.setraw(slave)
        self.board = sketch.start(gateway, env, stdin=self.master, stdout=self.master, stderr=subprocess.DEVNULL)
        self.forward = subprocess.Popen(
            [program.BINARY, "forward", "--serial", os.ttyname(slave), "--to", gateway.url],
            env=program.environment(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.slave = slave

    def cut(self):
        stop(self.board)
        stop(self.forward)
        os.close(self.master)
        os.close(self.slave)


def test_serial_line_behind_bulla_forward(tmp_path, objects, bulla, gateway):
    sketch = Sketch(tmp_path, "atmega328p_serial", objects, bulla, "--counter")

    def power_on(env, count):
        line = Line(sketch, gateway, env)
        try:
            wait_until(lambda: len(bulla.readings()) >= count, what="%d readings" % count)
        finally:
            line.cut()

    def stays_silent(env=None):
        count = len(bulla.readings())
        with pytest.raises(AssertionError, match="did not come true"):
            line = Line(sketch, gateway, env)
            try:
                wait_until(lambda: len(bulla.readings()) > count, 3, "a reading")
            finally:
                line.cut()

    stays_silent({"PROVISION": "stays"})  # a wire left in place could make a counter anew where it was lost
    sketch.new_chip()
    power_on({"PROVISION": "1"}, 2)
    power_on({}, 4)
    highest = max(reading["seq"] for reading in bulla.readings())
    assert highest >= 65536  # it went on above what the first boot had reserved
    assert {event["kind"] for event in bulla.events()} <= {"duplicate"}  # a slow answer makes it resend

    sketch.new_chip()  # an erased EEPROM, and no jumper: it seals nothing
    stays_silent()


# ---- on an emulated ATmega328P ----

AVR_FLAGS = ["-mmcu=atmega328p", "-DF_CPU=16000000UL", "-DARDUINO=10819", "-DARDUINO_ARCH_AVR", "-Os", "-ffunction-sections",
             "-fdata-sections", "-flto"]
AVR_RAM = 2048
AVR_FLASH = 32256  # behind Arduino's boot loader


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    if shutil.which("avr-g++") is None or not pathlib.Path("/usr/include/simavr/sim_avr.h").exists():
        pytest.skip("avr-gcc or libsimavr-dev is not installed: scripts/setup test")
    program_file = tmp_path_factory.mktemp("simavr") / "avr_serial"
    run(["gcc", "-O2", *WARNINGS, ROOT / "tests/ports/avr_serial.c", "-o", program_file, "-lsimavr", "-lelf"])
    return program_file


def build_for_avr(folder, bulla):
    """The serial example as Arduino builds it: every file beside bulla.h, the sketch, a core."""
    bulla.add("board", "--counter")
    (folder / "credential.h").write_text(bulla("device", "export", "board", "--format", "header"))
    includes = [f"-I{ROOT / 'device'}", f"-I{STUBS / 'arduino'}", f"-I{folder}"]
    objects = []
    for source in sorted((ROOT / "device").glob("*.c")):
        objects.append(folder / f"{source.stem}.o")
        run(["avr-gcc", *AVR_FLAGS, *includes, "-std=gnu99", "-c", source, "-o", objects[-1]])
    run(["avr-g++", *AVR_FLAGS, *includes, "-std=c++11", "-fno-exceptions", "-fno-rtti", "-Wl,--gc-sections", "-x", "c++",
         ROOT / "device/examples/atmega328p_serial/atmega328p_serial.ino", ROOT / "tests/ports/arduino_avr.cpp", "-x", "none",
         *objects, "-o", folder / "sketch.elf"])
    sizes = subprocess.run(["avr-size", "-A", folder / "sketch.elf"], capture_output=True, text=True).stdout
    found = {line.split()[0]: int(line.split()[1]) for line in sizes.splitlines() if line.startswith(".")}
    return found[".text"] + found[".data"], found[".data"] + found[".bss"]


def test_serial_example_on_an_emulated_atmega328p(tmp_path, bulla, gateway, simulator):
    flash, ram = build_for_avr(tmp_path, bulla)
    (tmp_path / "eeprom").write_bytes(b"\xff" * 1000)

    def power_on(d2, count):
        """Its line and that of bulla forward are tied together; what the stack took."""
        to_board, from_forward = os.pipe()
        to_forward, from_board = os.pipe()
        board = subprocess.Popen([simulator, tmp_path / "sketch.elf", tmp_path / "eeprom", d2], stdin=to_board,
                                 stdout=from_board, stderr=subprocess.PIPE, text=True)
        forward = subprocess.Popen([program.BINARY, "forward", "--serial", "-", "--to", gateway.url], stdin=to_forward,
                                   stdout=from_forward, stderr=subprocess.DEVNULL, env=program.environment())
        for descriptor in (to_board, from_forward, to_forward, from_board):
            os.close(descriptor)
        try:
            wait_until(lambda: len(bulla.readings()) >= count, 60, "%d readings" % count)
        finally:
            forward.terminate()  # the board's line ends: it writes its EEPROM and goes
            forward.wait(20)
            said = board.communicate(timeout=60)[1]
        assert board.returncode == 0, said
        return int(re.search(r"stack (\d+)", said)[1])

    stack = max(power_on("0", 1), power_on("1", 2))
    print(f"flash {flash}, static RAM {ram}, stack {stack}")
    assert flash <= AVR_FLASH and ram + stack <= AVR_RAM, (flash, ram, stack)
    readings = bulla.readings()
    assert [reading["seq"] >= 65536 for reading in sorted(readings, key=lambda reading: reading["seq"])] == [False, True]
    assert {reading["name"] for reading in readings} == {"temperature"}


# ---- over a radio ----

FRAME = 60
LAST = 0x80
RADIO_FLAGS = ["-g", "-O1", *WARNINGS, *SANITIZE, f"-I{ROOT / 'device'}", f"-I{ROOT}", f"-I{STUBS / 'stm32'}"]


class Radio:
    """The example for Cortex-M0 on the host, and the station at the other end of its radio."""

    def __init__(self, folder, gateway):
        self.folder = folder
        self.gateway = gateway
        self.sizes = []  # of the frames of each message

    def boot(self, spoil=None, **env):
        """Until it sleeps. `spoil` may change the frames of the first reply. Its exit status."""
        board = subprocess.Popen([self.folder / "radio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                 env={**os.environ, "FLASH": str(self.folder / "flash"), **env})
        with board:
            while message := self.receive(board.stdout):
                for frame in self.split(self.post(message), spoil):
                    board.stdin.write(bytes([len(frame)]) + frame)
                spoil = None
        return board.returncode

    def receive(self, air):
        message = b""
        sizes = []
        while head := air.read(1):
            frame = air.read(head[0])
            assert len(frame) == head[0] <= FRAME and frame[0] & ~LAST == len(sizes)
            message += frame[1:]
            sizes.append(len(frame))
            if frame[0] & LAST:
                self.sizes.append(sizes)
                return message
        return None

    def post(self, message):
        request = urllib.request.Request(self.gateway.url, message, {"Content-Type": "application/cose"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as answer:
            return answer.read()

    @staticmethod
    def split(reply, spoil):
        parts = [reply[at:at + FRAME - 1] for at in range(0, len(reply), FRAME - 1)]
        frames = [bytes([i | (LAST if i == len(parts) - 1 else 0)]) + part for i, part in enumerate(parts)]
        return spoil(frames) if spoil else frames


@pytest.fixture(scope="module")
def radio_objects(tmp_path_factory):
    """What does not depend on the credential."""
    place = tmp_path_factory.mktemp("radio")
    sources = [path for path in (ROOT / "device").glob("*.c") if not path.name.startswith(("crypto_", "arduino_"))]
    sources += [ROOT / f"device/port/{name}.c" for name in ("stm32", "stm32_flash", "flash", "retained")]
    sources += [*(ROOT / "device").glob("crypto_tiny*.c"), ROOT / "tests/ports/radio_host.c"]
    for source in sources:
        run(["gcc", "-std=gnu99", *RADIO_FLAGS, "-c", source, "-o", place / f"{source.stem}.o"])
    return sorted(place.glob("*.o"))


def build_radio(folder, bulla, objects, *options):
    bulla.add("board", "--counter", *options)
    (folder / "credential.h").write_text(bulla("device", "export", "board", "--format", "header"))
    (folder / "flash").write_bytes(b"\xff" * 4096)
    run(["gcc", "-std=gnu99", *RADIO_FLAGS, f"-I{folder}", ROOT / "device/examples/cortex_m0_radio/main.c", *objects, "-o",
         folder / "radio"])


def test_over_a_radio(tmp_path, bulla, gateway, radio_objects):
    build_radio(tmp_path, bulla, radio_objects)
    radio = Radio(tmp_path, gateway)
    assert radio.boot() == 1  # a new chip refuses
    assert radio.boot(PROVISION="1") == 0
    assert radio.boot(PROVISION="1") == 1  # the jumper is still there
    for _ in range(4):
        assert radio.boot() == 0
    assert len(bulla.readings()) == 4 and bulla.events() == []  # the start that made the counter sealed nothing
    assert all(len(frames) == 1 and frames[0] <= FRAME for frames in radio.sizes)  # as the example's head says


def test_radio_that_mixes_frames_up(tmp_path, bulla, gateway, radio_objects):
    """A first reply that is lost, doubled, cut or noise: the message is sent again, and stored once."""
    build_radio(tmp_path, bulla, radio_objects)
    radio = Radio(tmp_path, gateway)
    assert radio.boot(PROVISION="1") == 0
    for spoil in (lambda frames: [], lambda frames: [bytes([LAST]) + b"noise"], lambda frames: [bytes([LAST])],
                  lambda frames: [bytes([1 | LAST]) + frames[0][1:]], lambda frames: [frames[0][:-1]]):
        assert radio.boot(spoil) == 0
    assert len(bulla.readings()) == 5
    assert {event["kind"] for event in bulla.events()} == {"duplicate"}


def test_radio_with_a_challenge(tmp_path, bulla, gateway, radio_objects):
    """A message with a challenge takes two frames. The secret is imported, so the context has to prove itself."""
    (tmp_path / "secret").write_text("A" * 43)
    build_radio(tmp_path, bulla, radio_objects, "--secret", "@secret")
    radio = Radio(tmp_path, gateway)
    assert radio.boot(PROVISION="1") == 0
    assert radio.sizes == [] and radio.boot() == 0
    assert [len(frames) for frames in radio.sizes] == [1, 2]
    assert radio.boot() == 0
    assert [len(frames) for frames in radio.sizes] == [1, 2, 1]
    assert len(bulla.readings()) == 2
