"""The port for AVR in simavr: the library and the port as an ATmega328P runs them, its EEPROM, power that goes at any
cycle. (test_port_avr.c cuts within a byte.)"""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = [path for path in sorted((ROOT / "device").glob("*.c"))
           if not path.name.startswith(("crypto_", "arduino_", "credential"))]


def run(command, timeout=120):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if shutil.which("avr-gcc") is None or not pathlib.Path("/usr/include/simavr/sim_avr.h").exists():
        pytest.skip("avr-gcc or libsimavr-dev is not installed: scripts/setup test")
    place = tmp_path_factory.mktemp("avr")
    done = run(["avr-gcc", "-mmcu=atmega328p", "-DF_CPU=16000000UL", "-std=gnu99", "-Os", "-Wall", "-Wextra", "-Werror",
                "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", f"-I{ROOT}", HERE / "avr_counter.c",
                ROOT / "device/port/avr.c", *LIBRARY, "-o", place / "counter.elf"])
    assert done.returncode == 0, done.stderr
    done = run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", HERE / "avr_runner.c", "-o", place / "runner", "-lsimavr", "-lelf"])
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.parametrize("seed", [1, 2])
def test_counter_over_cuts(built, seed):
    done = run([built / "runner", built / "counter.elf", 60, seed], timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"60 boots, (\d+) opened, (\d+) sealed", done.stdout)
    assert int(found[1]) >= 55 and int(found[2]) > 30, done.stdout
