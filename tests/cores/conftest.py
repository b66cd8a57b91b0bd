"""Builds what the tests of the cores run, or skips them where a compiler is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system"), str(HERE.parents[1] / "spec")]

import core  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def images():
    done = subprocess.run([HERE / "build", core.FOLDER], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


@pytest.fixture(params=core.IMAGES, ids=lambda image: "-".join(image))
def image(request):
    """Every core with every provider that is built for it."""
    return request.param


@pytest.fixture(params=[image for image in core.IMAGES if image[1] in ("tiny", "bearssl")],
                ids=lambda image: "-".join(image))
def main_image(request):
    """Every core; one table-free provider and one small."""
    return request.param
