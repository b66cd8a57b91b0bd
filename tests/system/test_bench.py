"""What the benchmark measures with: that its load is what devices send, and that it tells when it is not."""

import json
import os
import subprocess

import pytest

import program

LOAD = os.path.join(os.path.dirname(program.BINARY), "bulla-load")


def load(*arguments):
    return subprocess.run([LOAD, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("kind", [[], ["--counter"]])
def test_every_message_is_stored(make_gateway, tmp_path, kind):
    """Sealed ahead of all replies, bare and with the kid context: the gateway takes every one."""
    gateway = make_gateway(db="bench.db").start()
    provisioned = load("provision", "--db", tmp_path / "bench.db", "--devices", 5, *kind)
    assert provisioned.returncode == 0, provisioned.stderr
    for more in ([], ["--kid-context"]):
        done = load("load", "--to", "http://127.0.0.1:%d" % gateway.port, "--db", tmp_path / "bench.db", "--connections", 4,
                    "--count", 200, "--format", "json", *more)
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout.splitlines()[0])
        assert (told["stored"], told["refused"], told["unverified"]) == (200, 0, 0), told
