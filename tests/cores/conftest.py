"""Builds what the tests of the cores run, or skips them where a compiler is missing."""

import fcntl
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system"), str(HERE.parents[1] / "spec")]

import core  # noqa: E402


def _build():
    done = subprocess.run([HERE / "build", core.FOLDER], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session", autouse=True)
def images():
    """Built once, by the first of several workers; the others wait for it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        _build()
        return
    folder = Path(core.FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "built-for", "a+", encoding="ascii") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        mark.seek(0)
        if mark.read() != run:
            _build()
            mark.truncate(0)
            mark.write(run)
            mark.flush()


@pytest.fixture(params=core.IMAGES, ids=lambda image: "-".join(image))
def image(request):
    """Every core with every provider that is built for it."""
    return request.param


@pytest.fixture(params=[image for image in core.IMAGES if image[1] in ("tiny", "bearssl")],
                ids=lambda image: "-".join(image))
def main_image(request):
    """Every core; one table-free provider and one small."""
    return request.param


def _system_fixtures():
    """The system tests' gateway and commands."""
    spec = importlib.util.spec_from_file_location("system_fixtures", HERE.parent / "system" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_system = _system_fixtures()
bulla, make_gateway, gateway, connect = _system.bulla, _system.make_gateway, _system.gateway, _system.connect
make_mosquitto, mosquitto = _system.make_mosquitto, _system.mosquitto
