"""
The gateway on a real MariaDB: the tests of test_postgres.py and test_kill.py once more, and what is its own. MySQL itself was
not there to be tested: its stand-in is a MariaDB that says that it is MySQL 8.0, with defaults like its.
"""

import collections
import re
import signal
import subprocess

import pytest

import program
from http_client import get, post
from mariadb import MariaDB
from program import wait_until
from python_device import PythonDevice, senml
from test_kill import test_kill_under_load  # noqa: F401 (collected here too, on the fixtures below)
from test_postgres import (bulla, crypto_js, database, env, kills, make_gateway, new_database, own_server,  # noqa: F401 (fixtures, and tests)
                           send_until, shed, test_a_key_must_be_given, test_an_older_wire, test_both_gateways_at_once,
                           test_connections_that_are_ended, test_every_command, test_many_gateways,
                           test_operators_are_heard_everywhere, test_read_only, test_the_server_goes_and_comes_back)


@pytest.fixture(scope="module")
def server():
    """One for all tests that leave it as it is."""
    server = MariaDB().start()
    yield server
    server.remove()
