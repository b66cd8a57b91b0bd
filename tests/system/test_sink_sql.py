"""SQL databases as sinks, driven alone: their tables, who may use them, and what is no sink."""

import errno
import json
import os
import signal
import sqlite3
import threading
import time

import pytest

from mariadb import MariaDB
from postgres import Postgres
from program import allowed, wait_until
from sinks import FIRST, Writer, point, refusal
from test_store_faults import Disk, fault_library, sanitizer_libraries  # noqa: F401 (a fixture)


@pytest.fixture(scope="module")
def server():
    postgres = Postgres(fsync=False)
    try:
        yield postgres.start()
    finally:
        postgres.remove()


@pytest.fixture
def database(server):
    server.psql("DROP DATABASE IF EXISTS sink WITH (FORCE)")
    server.make_database("sink")
    return lambda sql: server.psql(sql, "sink")


PLAIN = "SELECT device, to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), name, value, unit, text " \
        "FROM bulla_readings_plain ORDER BY time"


def test_what_people_see(server, database, tmp_path):
    """The plain view: device, time, name, value, unit, as psql, sqlite3 and Grafana ask for it."""
    points = [point(23.4, unit="Cel", piv=0, time=FIRST), point("open", "text", name="door", piv=1, time=FIRST + 1),
              point(True, "boolean", name="on", piv=2, time=FIRST + 2), point(7, "integer", name="count", piv=3, time=FIRST + 3)]
    with Writer(server.url("sink")) as writer:
        writer.written(points)
    assert database(PLAIN).split("\n") == [
        "kitchen|2023-11-14T22:13:20.000000|temperature|23.4|Cel|", "kitchen|2023-11-14T22:13:20.000001|door|||open",
        "kitchen|2023-11-14T22:13:20.000002|on|1||", "kitchen|2023-11-14T22:13:20.000003|count|7||"]
    with Writer("sqlite:sink.db", folder=tmp_path) as writer:
        writer.written(points + [point(1.5, piv=4, time=-1)])
    rows = sqlite3.connect(tmp_path / "sink.db").execute("SELECT * FROM bulla_readings_plain ORDER BY time").fetchall()
    assert rows == [("kitchen", "1969-12-31T23:59:59.999999Z", "temperature", 1.5, None, None),
                    ("kitchen", "2023-11-14T22:13:20.000000Z", "temperature", 23.4, "Cel", None),
                    ("kitchen", "2023-11-14T22:13:20.000001Z", "door", None, None, "open"),
                    ("kitchen", "2023-11-14T22:13:20.000002Z", "on", 1.0, None, None),
                    ("kitchen", "2023-11-14T22:13:20.000003Z", "count", 7.0, None, None)]


def test_a_newer_table_is_refused(server, database, tmp_path):
    with Writer(server.url("sink")) as writer:
        writer.written([point()])
    database("UPDATE bulla_readings_schema SET version = 99")
    with Writer(server.url("sink")) as writer:
        assert "newer bulla" in writer.away([point(piv=1)])
    path = tmp_path / "sink.db"
    with Writer("sqlite:%s" % path) as writer:
        writer.written([point()])
    changed = sqlite3.connect(path)
    changed.execute("PRAGMA user_version = 99")
    changed.close()
    with Writer("sqlite:%s" % path) as writer:
        assert "newer bulla" in writer.away([point(piv=1)])


def test_a_role_that_may_only_insert(server, database):
    """Once the table is there, no more than INSERT is needed; without it, the reason is told and nothing is lost."""
    with Writer(server.url("sink")) as writer:
        writer.written([point()])
    database("DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN PASSWORD 'secret'")
    url = server.tcp_url("sink", user="writer")
    env = {"PGPASSWORD": "secret"}
    with Writer(url, env=env) as writer:
        why = writer.away([point(piv=1)])
        assert "rights" in why and "secret" not in why
        database("GRANT INSERT ON bulla_readings TO writer; GRANT SELECT ON bulla_readings_schema TO writer")
        wait_written(writer, [point(piv=1)])
        database("REVOKE INSERT ON bulla_readings FROM writer")
        writer.away([point(piv=2)])
        database("GRANT INSERT ON bulla_readings TO writer")
        wait_written(writer, [point(piv=2)])
    with Writer(url, env={"PGPASSWORD": "wr0ng"}) as writer:
        why = writer.away([point()])
        assert "password" in why and "wr0ng" not in why
    assert database("SELECT count(*) FROM bulla_readings") == "3"


def wait_written(writer, points, seconds=30):
    end = time.monotonic() + seconds
    while (answer := writer.write(points))["result"] != "written":
        assert time.monotonic() < end, answer
        time.sleep(0.05)


def test_a_password_in_a_file(server, database, tmp_path):
    database("DROP ROLE IF EXISTS owner; CREATE ROLE owner SUPERUSER LOGIN PASSWORD 'p w&x=%'")
    file = tmp_path / "sink"
    file.write_text("%s\npassword = p w&x=%%\n" % server.tcp_url("sink", user="owner"))
    file.chmod(0o600)
    with Writer("@sink", folder=tmp_path) as writer:
        assert writer.name == "postgres://127.0.0.1:%d/sink" % server.port
        writer.written([point()])
    file.write_text(server.tcp_url("sink", user="owner", password="p%20w%26x%3D%25") + "\n")
    with Writer("@sink", folder=tmp_path) as writer:
        writer.written([point(piv=1)])
    for typed in (server.tcp_url("sink", user="owner", password="s3cret"), server.tcp_url("sink") + "?password=s3cret"):
        said = refusal(typed)
        assert "can be read by every user" in said and "s3cret" not in said
    file.write_text("%s\npasswort = s3cret\n" % server.tcp_url("sink"))
    assert "'passwort' is no key" in refusal("@sink", tmp_path) and "s3cret" not in refusal("@sink", tmp_path)


def test_a_server_that_takes_no_writes(server, database):
    """A standby, or one that was told to be read only: away until it takes them again."""
    with Writer(server.url("sink")) as writer:
        writer.written([point()])
    database("ALTER DATABASE sink SET default_transaction_read_only = on")
    with Writer(server.url("sink")) as writer:
        assert "read only" in writer.away([point(piv=1)])
        server.psql("ALTER DATABASE sink SET default_transaction_read_only = off")
        server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'sink'")
        wait_written(writer, [point(piv=1)])
    assert database("SELECT count(*) FROM bulla_readings") == "2"


def test_a_rule_of_somebodys_own(server, database):
    """A constraint or a trigger that the operator has put there refuses for ever what it refuses, and nothing else."""
    with Writer(server.url("sink"), halve=True) as writer:
        writer.written([point(piv=0)])
        database("ALTER TABLE bulla_readings ADD CONSTRAINT warm CHECK (value > 0)")
        refused = writer.written([point(float(piv - 5), piv=piv) for piv in range(1, 11)])
    assert [place for place, _ in refused] == [0, 1, 2, 3, 4] and "warm" in refused[0][1]
    assert database("SELECT count(*) FROM bulla_readings") == "6"


def test_a_table_that_is_dropped(server, database):
    with Writer(server.url("sink")) as writer:
        writer.written([point()])
        database("DROP TABLE bulla_readings CASCADE; DROP TABLE bulla_readings_schema")
        writer.away([point(piv=1)])
        wait_written(writer, [point(piv=1)])
    assert database("SELECT seq FROM bulla_readings") == "1"


def test_something_else_has_the_name(server, database):
    database("CREATE TABLE bulla_readings (x int)")
    with Writer(server.url("sink")) as writer:
        assert "something else lies under this name" in writer.away([point()])
    assert database("SELECT count(*) FROM bulla_readings") == "0"


def test_timescale(server, database):
    """TimescaleDB is not in Debian: a function of its name stands in, and is asked for the hypertable."""
    database("CREATE TABLE asked (relation text, column_name text);"
             "CREATE FUNCTION create_hypertable(relation regclass, time_column_name name) RETURNS void LANGUAGE sql AS "
             "'INSERT INTO asked VALUES (relation::text, time_column_name::text)'")
    for piv in range(2):
        with Writer(server.url("sink")) as writer:
            writer.written([point(piv=piv)])
    assert database("SELECT * FROM asked") == "bulla_readings|time"
    assert database("SELECT count(*) FROM bulla_readings") == "2"
    # What a hypertable demands: each unique index has the time in it.
    assert database("SELECT count(*) FROM pg_index i WHERE i.indrelid = 'bulla_readings'::regclass AND i.indisunique AND NOT "
                    "(SELECT attnum FROM pg_attribute WHERE attrelid = i.indrelid AND attname = 'time') = ANY(i.indkey)") == "0"


def test_a_query_by_device_and_time_has_an_index(server, database):
    with Writer(server.url("sink")) as writer:
        writer.written([point(float(piv), piv=piv, time=FIRST + piv, device="d%d" % (piv % 10)) for piv in range(5000)])
    plan = database("ANALYZE bulla_readings; SET enable_seqscan = off; EXPLAIN SELECT * FROM bulla_readings WHERE device = 'd1' "
                    "AND time > '2023-11-14'")
    assert "bulla_readings_pkey" in plan
    plan = database("SET enable_seqscan = off; EXPLAIN SELECT * FROM bulla_readings WHERE time > '2123-11-14'")
    assert "bulla_readings_time" in plan


def test_the_registry_itself(server, database, bulla, tmp_path):
    """A registry and a sink can share a database of PostgreSQL, and never a file of SQLite."""
    bulla.add("kitchen")
    with Writer("sqlite:bulla.db", folder=tmp_path) as writer:
        assert "a database of another kind" in writer.away([point()])
    assert "kitchen" in bulla("device", "list")
    (tmp_path / "text").write_text("this is no database, but a text that is long enough to be looked at" * 20)
    with Writer("sqlite:text", folder=tmp_path) as writer:
        assert "this file is no database" in writer.away([point()])
    with Writer("sqlite:none/there.db", folder=tmp_path) as writer:
        assert "is its folder there" in writer.away([point()])
        (tmp_path / "none").mkdir()
        wait_written(writer, [point()])
    assert "give sqlite:PATH" in refusal("sqlite:")


def test_a_full_disk(tmp_path, fault_library):  # noqa: F811
    """SQLite's: nothing of a batch is there, and it goes on when there is room."""
    order = tmp_path / "order"
    disk = Disk(order)
    env = {"LD_PRELOAD": " ".join([*sanitizer_libraries(), fault_library]), "BULLA_FAULT_FILES": "sink.db", "BULLA_FAULT_ORDER": str(order)}
    with Writer("sqlite:sink.db", folder=tmp_path, env=env) as writer:
        writer.written([point()])
        for error, words in ((errno.ENOSPC, "make room on the disk"), (errno.EIO, "see the kernel's log")):
            disk.fail("write", error)
            assert words in writer.away([point(float(piv), piv=piv) for piv in range(1, 500)])
            order.unlink()
        wait_written(writer, [point(piv=1)])
    assert sqlite3.connect(tmp_path / "sink.db").execute("SELECT seq FROM bulla_readings").fetchall() == [(0,), (1,)]


def test_a_file_that_somebody_holds(tmp_path):
    """Another program writes for a while: it is waited for, then told, then it goes on."""
    with Writer("sqlite:sink.db", folder=tmp_path) as writer:
        writer.written([point()])
        holder = sqlite3.connect(tmp_path / "sink.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        assert "another program holds it" in writer.away([point(piv=1)])
        assert 4 < time.monotonic() - begun < allowed(8)
        holder.execute("COMMIT")
        writer.written([point(piv=1)])


class Held(threading.Thread):
    """A statement that holds the table until it is ended, or much too long."""

    def __init__(self, run, sql, is_held, end):
        super().__init__()
        self.statement, self.end = (run, sql), (run, end)
        self.start()
        wait_until(is_held, what="the lock")

    def run(self):
        run, sql = self.statement
        try:
            run(sql)
        except AssertionError:  # it was ended
            pass

    def release(self):
        run, sql = self.end
        run(sql)
        self.join()


def end_while_it_waits(writer, is_waited_for):
    """Tells the writer to end when its INSERT waits for the table. How long it takes."""
    ended = []

    def end():
        wait_until(is_waited_for, what="the INSERT")
        ended.append(time.monotonic())
        os.kill(writer.process.pid, signal.SIGUSR1)

    ending = threading.Thread(target=end)
    ending.start()
    writer.away([point(piv=1)])
    now = time.monotonic()
    ending.join()
    return now - ended[0]


def test_a_gateway_that_ends_does_not_wait(server, database):
    """interrupt(): an INSERT that waits for a lock ends at once."""
    def is_waited_for():
        return database("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1"

    with Writer(server.url("sink")) as writer:
        writer.written([point()])
        held = Held(database, "BEGIN; LOCK TABLE bulla_readings; SELECT pg_sleep(60); COMMIT",
                    lambda: database("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1",
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        try:
            took = end_while_it_waits(writer, is_waited_for)
            assert took < allowed(1)  # its own lock_timeout is 2 s
            assert "being stopped" in writer.away([point(piv=1)])
            wait_until(lambda: not is_waited_for(), what="the end of the INSERT")  # which the server has still
        finally:
            held.release()
    assert json.loads(database("SELECT json_agg(seq) FROM bulla_readings")) == [0]


# ---- MariaDB ----


@pytest.fixture(scope="module")
def maria():
    mariadb = MariaDB(innodb_flush_log_at_trx_commit=2)
    try:
        yield mariadb.start()
    finally:
        mariadb.remove()


@pytest.fixture
def empty(maria):
    maria.sql("DROP DATABASE IF EXISTS sink", "")
    maria.make_database("sink")
    return lambda sql: maria.sql(sql, "sink")


def test_mysql_for_people(maria, empty):
    with Writer(maria.url("sink")) as writer:
        assert writer.name == "mysql:///sink?socket=%s" % str(maria.socket).replace("/", "%2F")
        writer.written([point(23.4, unit="Cel", piv=0), point("offen 🌡", "text", name="Tür", piv=1, time=FIRST + 1)])
    assert empty("SELECT * FROM bulla_readings_plain ORDER BY time").split("\n") == [
        "kitchen|2023-11-14 22:13:20.000000|temperature|23.4|Cel|NULL",
        "kitchen|2023-11-14 22:13:20.000001|Tür|NULL|NULL|offen 🌡"]
    empty("INSERT INTO bulla_readings_schema VALUES (99)")
    with Writer(maria.url("sink")) as writer:
        assert "newer bulla" in writer.away([point(piv=1)])


def test_mysql_rights_and_passwords(maria, empty, tmp_path):
    with Writer(maria.url("sink")) as writer:
        writer.written([point()])
    empty("CREATE OR REPLACE USER writer@'%' IDENTIFIED BY 'p w&:@x'")
    empty("GRANT SELECT ON sink.bulla_readings_schema TO writer@'%'")
    file = tmp_path / "sink"
    file.write_text("%s\npassword = p w&:@x\n" % maria.tcp_url("sink", user="writer"))
    file.chmod(0o600)
    with Writer("@sink", folder=tmp_path) as writer:
        assert writer.name == "mysql://127.0.0.1:%d/sink" % maria.port
        assert "the user lacks rights" in writer.away([point(piv=1)])
        empty("GRANT SELECT, INSERT, UPDATE ON sink.bulla_readings TO writer@'%'")
        wait_written(writer, [point(piv=1)])
        empty("SET GLOBAL read_only = 1")
        assert "takes no writes now" in writer.away([point(piv=2)])
        empty("SET GLOBAL read_only = 0")
        wait_written(writer, [point(piv=2)])
    file.write_text("%s\npassword = wr0ng\n" % maria.tcp_url("sink", user="writer"))
    with Writer("@sink", folder=tmp_path) as writer:
        assert "wr0ng" not in writer.away([point()])
    said = refusal(maria.tcp_url("sink", user="writer", password="s3cret"))
    assert "can be read by every user" in said and "s3cret" not in said
    assert empty("SELECT COUNT(*) FROM bulla_readings") == "3"


def test_mysql_rules_and_tables(maria, empty):
    with Writer(maria.url("sink"), halve=True) as writer:
        writer.written([point(piv=0)])
        empty("ALTER TABLE bulla_readings ADD CONSTRAINT warm CHECK (value > 0)")
        refused = writer.written([point(float(piv - 5), piv=piv) for piv in range(1, 11)])
        assert [place for place, _ in refused] == [0, 1, 2, 3, 4] and "warm" in refused[0][1]
        empty("DROP TABLE bulla_readings, bulla_readings_schema")
        writer.away([point(piv=1)])
        wait_written(writer, [point(piv=1)])
    assert empty("SELECT seq FROM bulla_readings") == "1"


def test_mysql_does_not_wait_for_an_end(maria, empty):
    """interrupt(): an INSERT that waits for a lock ends at once."""
    with Writer(maria.url("sink")) as writer:
        writer.written([point()])
        processes = "SELECT %s FROM information_schema.processlist WHERE %s"

        def is_waited_for():
            return empty(processes % ("count(*)", "state LIKE 'Waiting for table%'")) == "1"

        held = Held(empty, "LOCK TABLES bulla_readings WRITE; SELECT SLEEP(60); UNLOCK TABLES",
                    lambda: empty(processes % ("1", "state = 'User sleep'")) == "1",
                    "SET @sleeps = (" + processes % ("id", "state = 'User sleep'") + "); KILL @sleeps")
        try:
            took = end_while_it_waits(writer, is_waited_for)
            assert took < allowed(1)
            assert "being stopped" in writer.away([point(piv=1)])
        finally:
            held.release()
