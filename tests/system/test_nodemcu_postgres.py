"""Devices of the wire nodemcu end to end over PostgreSQL: tests of test_nodemcu.py, on the fixtures of test_postgres.py."""

from test_nodemcu import (boards, broker, gateway_at, lua, start,  # noqa: F401 (fixtures, and tests that are collected here too)
                          test_a_replay_is_a_duplicate_and_stays_one,
                          test_an_upgrade_closes_the_older_wire, test_gateways_that_share_a_subscription,
                          test_nodes_that_share_a_session_topic, test_the_articles_device_is_heard)
from test_postgres import bulla, database, env, make_gateway, server  # noqa: F401 (fixtures)
