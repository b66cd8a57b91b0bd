"""A device on an emulated core, and all that is around it: its random source, its store, its timer. The other end of
device.c."""

import os
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("BULLA_CORES", REPOSITORY / "build-cores"))
PROVIDERS = {
    "lx106": ["tiny", "bearssl", "bearssl_ccm", "bearssl_chacha"],
    "m0": ["tiny", "bearssl", "bearssl_ccm", "bearssl_chacha"],
    "m3": ["tiny", "bearssl", "bearssl_ccm", "bearssl_chacha"],
    "avr": ["tiny"],
}
ALGS = {"tiny": [10, 30], "bearssl": [10, 24, 30], "bearssl_ccm": [10, 30], "bearssl_chacha": [24]}
IMAGES = [(core, provider) for core in PROVIDERS for provider in PROVIDERS[core]]
PREFIX = {"lx106": "xtensa-lx106-elf-", "m0": "arm-none-eabi-", "m3": "arm-none-eabi-"}

E_ARGUMENT, E_UNSAFE, E_RANDOM, E_STORE, E_NO_COUNTER, E_PROVISIONED = -1, -2, -3, -4, -5, -6
E_EXHAUSTED, E_SPACE, E_STATE, E_MALFORMED, E_FORGED, E_NOT_OURS = -7, -8, -9, -10, -11, -12
WAITING, STORED, SEAL_AGAIN, FORGOTTEN = range(4)
SESSION, COUNTER = 0, 1


class PowerCut(Exception):
    """The power went at a write."""


@dataclass
class Flash:
    """The store of a board. It outlives the process that plays the board."""

    slots: dict = field(default_factory=dict)
    writes: int = 0
    cut_at: int = 0  # the power goes at this write, counted from 1; 0: never
    cut_leaves: str = "old"  # what is then in the slot: old, torn, new
    fails: bool = False

    def load(self, slot, size):
        data = self.slots.get(slot)
        return data if data is not None and len(data) == size else None

    def store(self, slot, data):
        self.writes += 1
        if self.fails:
            return False
        cut = self.writes == self.cut_at
        if not cut or self.cut_leaves == "new":
            self.slots[slot] = data
        elif self.cut_leaves == "torn":
            self.slots[slot] = data[: len(data) // 2] + os.urandom(len(data) - len(data) // 2)
        if cut:
            raise PowerCut()
        return True


@dataclass(frozen=True)
class Message:
    piv: int
    data: bytes


@dataclass(frozen=True)
class Reply:
    re: int
    top: int
    bits: int
    time: int
    has_receipt: bool
    has_time: bool
    challenged: bool


class Refused(Exception):
    """A function of the library returned an error."""

    def __init__(self, error):
        super().__init__("error %d" % error)
        self.error = error


def pack_credential(secret, kid, alg, kind):
    return secret + kid.ljust(5, b"\0") + bytes([len(kid), alg, kind])


def pack_derived(key, common_iv, kid, alg):
    return key.ljust(32, b"\0") + common_iv.ljust(13, b"\0") + kid.ljust(6, b"\0") + bytes([len(kid), alg])


def emulator(core, image, counts=None):
    """The command that runs an image; counts between its marks go to that file."""
    if core.startswith("avr"):
        return [FOLDER / "runner", "atmega1284p" if core == "avr_big" else "atmega328p", image, counts or "/dev/null"]
    command = ["qemu-system-xtensa", "-M", "sim", "-cpu", "lx106", "-semihosting"]
    if core != "lx106":
        command = ["qemu-system-arm", "-M", "microbit" if core == "m0" else "mps2-an385", "-semihosting"]
    if counts:
        command += ["-plugin", "%s,begin=%s,end=%s,log=%s" % (FOLDER / "count.so", *marks(core, image), counts)]
    return [*command, "-display", "none", "-serial", "none", "-monitor", "none", "-kernel", image]


def marks(core, image):
    """The addresses of core_begin and core_end."""
    names = subprocess.run([PREFIX[core] + "nm", image], capture_output=True, text=True, check=True).stdout
    found = {line.split()[2]: int(line.split()[0], 16) for line in names.splitlines()}
    return ["0x%x" % (found[name] & ~1 if core != "lx106" else found[name]) for name in ("core_begin", "core_end")]


class Device:
    """A board whose power is on."""

    def __init__(self, core, provider, flash=None, counts=None, seconds=300):
        self.flash = flash if flash is not None else Flash()
        self.random = os.urandom
        self.now = 0
        self.counts = counts
        image = FOLDER / core / ("device_%s.elf" % provider)
        self.process = subprocess.Popen(
            ["timeout", str(seconds), *map(str, emulator(core, image, counts))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.end(check=exception[0] is None)

    def end(self, check=True):
        """Turns the power off. What the program said on its end must have been nothing."""
        if self.process.stdin.closed:
            return
        self.process.stdin.close()
        if not check:
            self.process.terminate()
        self.process.stdout.close()
        said = self.process.stderr.read().decode()
        self.process.stderr.close()
        self.process.wait(20)
        assert not check or not said, said

    def cut(self):
        self.end(check=False)

    # ---- the wire ----

    def _read(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise AssertionError("the core stopped with status %s: %s" % (
                self.process.wait(20), self.process.stderr.read().decode()))
        return data

    def _write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def _serve(self, letter):
        slot, size = self._read(2)
        if letter == b"?":
            data = self.random(size) if self.random else None
            self._write(b"\1" if data is None else b"\0" + data)
        elif letter == b"<":
            data = self.flash.load(slot, size)
            self._write(b"\1" if data is None else b"\0" + data)
        elif letter == b">":
            data = self._read(size)
            try:
                self._write(b"\0" if self.flash.store(slot, data) else b"\1")
            except PowerCut:
                self.cut()
                raise
        else:
            assert letter == b"@", letter
            self._write(struct.pack("<I", self.now & 0xFFFFFFFF))

    def command(self, data):
        """Sends a command and serves what it asks for. Returns its result, or raises Refused."""
        self._write(data)
        while (letter := self._read(1)) != b"!":
            self._serve(letter)
        result = struct.unpack("b", self._read(1))[0]
        if result < 0:
            raise Refused(result)
        return result

    def _message(self, data):
        self.command(data)
        piv, size = struct.unpack("<QH", self._read(10))
        return Message(piv, self._read(size))

    # ---- commands ----

    def room(self):
        self.command(b"I")
        return struct.unpack("<H", self._read(2))[0]

    def provision(self, credential):
        return self.command(b"P" + credential)

    def open(self, credential):
        return self.command(b"O" + credential)

    def wake(self, credential):
        return self.command(b"W" + credential)

    def provision_derived(self, derived):
        return self.command(b"p" + derived)

    def open_derived(self, derived):
        return self.command(b"o" + derived)

    def set_next(self, piv, sealer=False):
        self.command((b"n" if sealer else b"N") + struct.pack("<Q", piv))

    def set_flags(self, flags, challenge=bytes(8)):
        self.command(b"X" + bytes([flags]) + challenge)

    def seal(self, content, content_format, sealer=False):
        head = struct.pack("<HH", content_format, len(content))
        return self._message((b"m" if sealer else b"M") + head + content)

    def seal_reading(self, name, value, unit="", sealer=False):
        texts = b"".join(bytes([len(text)]) + text.encode() for text in (name, unit))
        return self._message((b"t" if sealer else b"T") + texts + struct.pack("<f", value))

    def open_reply(self, data):
        self.command(b"A" + struct.pack("<H", len(data)) + data)
        return Reply(*struct.unpack("<QQQQ???", self._read(35)))

    def fate(self):
        return self.command(b"F")

    def resend(self):
        return self._message(b"R")

    def seal_again(self):
        return self._message(b"G")

    def sleep(self):
        return self.command(b"Z")

    def aead(self, letter, alg, key, nonce, aad, text):
        head = bytes([alg]) + key.ljust(32, b"\0") + nonce.ljust(13, b"\0") + struct.pack("<BH", len(aad), len(text))
        self.command(letter + head + aad + text)
        return self._read(struct.unpack("<H", self._read(2))[0])

    def hkdf(self, secret, info):
        self.command(b"K" + secret + info)
        return self._read(32)
