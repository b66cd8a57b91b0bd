"""The vectors of the wire nodemcu are what PyCryptodome makes."""

import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("Cryptodome", reason="there is no python3-pycryptodome")


def test_the_vectors_are_what_their_program_writes():
    program = pathlib.Path(__file__).with_name("make_nodemcu.py")
    assert subprocess.run([sys.executable, program, "--check"], timeout=120).returncode == 0
