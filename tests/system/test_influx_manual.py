"""docs/influx.md: its commands make what is needed and no more, and what it asks for Grafana gives readings."""

import re

from influx import Influx
from postgres import Postgres
from program import REPOSITORY
from sinks import FIRST, Writer, point


def test_the_page():
    page = (REPOSITORY / "docs/influx.md").read_text()
    commands = re.findall(r"influx -execute (['\"])(.*?)\1\n", page)
    assert len(commands) == 3
    server = Influx()
    try:
        server.start()
        for _, command in commands:
            server.command(command.replace("…", "geheim"))
        server.command("CREATE USER admin WITH PASSWORD 'admin' WITH ALL PRIVILEGES")
        server.stop()
        server.user, server.password = "admin", "admin"
        server.start(http={"auth_enabled": True})
        with Writer(server.url("house", user="gateway"), env={"BULLA_INFLUX_PASSWORD": "geheim"}) as writer:
            writer.written([point(20.0, unit="Cel"), point(30.0, unit="Cel", piv=1, time=FIRST + 1)])
        query = re.search(r"(SELECT mean.*)\n", page)[1].replace("$timeFilter", "time > '2023-01-01' AND time < '2024-01-01'")
        series = server.command(query.replace("$__interval", "1h"), "house")
        assert [each["tags"] for each in series] == [{"device": "kitchen"}] and 25.0 in [value for _, value in series[0]["values"]]
        line = re.search(r"    (readings,device=.*)\n", page)[1]
        assert server.write(line.encode(), "house")[0] == 204
    finally:
        server.remove()


def test_a_flat_table():
    page = (REPOSITORY / "docs/influx.md").read_text()
    server = Postgres(fsync=False)
    try:
        server.start()
        server.make_database("house")
        with Writer(server.url("house")) as writer:
            writer.written([point(20.0)])
        query = re.search(r"    (SELECT \$__time.*)\n", page)[1].replace("$__time(time)", "time").replace("$__timeFilter(time)", "time > '2023-01-01'")
        assert server.psql(query, "house").endswith("|kitchen|20")
        columns = server.psql("SELECT column_name FROM information_schema.columns WHERE table_name = 'bulla_readings'", "house").split("\n")
        assert all("`%s`" % column in page for column in columns), columns
    finally:
        server.remove()
