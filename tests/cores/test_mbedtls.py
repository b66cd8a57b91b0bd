"""The provider crypto_mbedtls.c on the ESP8266's core: spec/vectors, with as much heap as its head says."""

import subprocess

import pytest

import core
from test_vectors_on_cores import *  # noqa: F401,F403  the same tests, of another image

core.ALGS["mbedtls"] = [10, 24, 30]


@pytest.fixture(scope="module", autouse=True)
def mbedtls():
    done = subprocess.run([core.REPOSITORY / "tests/cores/mbedtls", core.FOLDER], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


@pytest.fixture
def image():
    return "lx106", "mbedtls"


main_image = image
