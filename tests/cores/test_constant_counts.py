"""What `tiny` executes does not depend on keys or data: the same number of instructions (AVR: cycles) for random ones,
on each core. And the emulator's counting would tell if it did."""

import os

import pytest

import core
from core import Device, Refused

ROUNDS = 40
CORES = list(core.PROVIDERS)


@pytest.fixture(params=CORES)
def counted(request, tmp_path):
    """A device, and what reads its counts."""
    path = tmp_path / "counts"
    with Device(request.param, "tiny", counts=path) as device:
        yield device, lambda: [int(line.split()[0]) for line in path.read_text().splitlines()]


def extremes(size):
    """Random bytes, and those that a branch would most likely be about."""
    return [os.urandom(size) for _ in range(ROUNDS)] + [bytes(size), b"\xff" * size, b"\x80" * size]


@pytest.mark.parametrize("alg", [10, 30])
def test_sealing_and_opening(counted, alg):
    device, counts = counted
    sealed = []
    for key, nonce, aad, text in zip(*map(extremes, (16, 13, 18, 27))):
        sealed.append((key, nonce, aad, device.aead(b"C", alg, key, nonce, aad, text)))
    assert len(set(counts())) == 1 and len(counts()) == ROUNDS + 3
    for key, nonce, aad, text in sealed:
        device.aead(b"c", alg, key, nonce, aad, text)
    opened = counts()[ROUNDS + 3:]
    assert len(set(opened)) == 1 and len(opened) == ROUNDS + 3
    for at, (key, nonce, aad, text) in enumerate(sealed):  # a wrong tag, at every place
        damaged = bytearray(text)
        damaged[-1 - at % 8] ^= 1 << at % 8
        with pytest.raises(Refused):
            device.aead(b"c", alg, key, nonce, aad, bytes(damaged))
    refused = counts()[2 * (ROUNDS + 3):]
    assert len(set(refused)) == 1
    assert abs(refused[0] - opened[0]) <= 4  # the result is no secret: 0 or BULLA_E_FORGED is loaded


def test_hkdf(counted):
    device, counts = counted
    for secret, info in zip(extremes(32), extremes(32)):
        device.hkdf(secret, info)
    assert len(set(counts())) == 1 and len(counts()) == ROUNDS + 3


def test_the_count_tells(counted):
    """Another length is another count."""
    device, counts = counted
    for size in (16, 17, 33):
        device.aead(b"C", 10, bytes(16), bytes(13), b"", bytes(size))
    assert len(set(counts())) == 3
