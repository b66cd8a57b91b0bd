"""docs/databases.md: the rights that it names for MariaDB are enough, and what it asks gives readings."""

import re
import subprocess

import pytest

import program
from http_client import post
from mariadb import MariaDB, find_program
from program import REPOSITORY
from python_device import PythonDevice, senml

MACROS = {"$__timeFilter(time)": "time BETWEEN FROM_UNIXTIME(0) AND FROM_UNIXTIME(2000000000)"}


@pytest.fixture
def server():
    server = MariaDB().start()
    yield server
    server.remove()


def statements():
    """The lines of SQL in the section about MariaDB."""
    text = (REPOSITORY / "docs/databases.md").read_text().split("\n## MariaDB and MySQL\n")[1].split("\n## ")[0]
    return [line.strip() for line in re.findall(r"^    ((?:CREATE|GRANT|SELECT) .*)$", text, re.MULTILINE)]


def ask(server, user, sql):
    """What a statement gives to a person of that name."""
    done = subprocess.run([find_program("mariadb"), "--no-defaults", "--user=%s" % user, "--socket=%s" % server.socket, "--batch",
                           "--skip-column-names", "--init-command=SET time_zone='+00:00'", "readings"],
                          input=sql, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rights_and_questions(server, tmp_path):
    found = statements()
    of_grafana = next(i for i, sql in enumerate(found) if "grafana" in sql)
    setup, people = found[:of_grafana], found[of_grafana:]
    assert [sql.split()[0] for sql in setup] == ["CREATE", "CREATE", "GRANT"]
    for sql in setup:
        server.sql(sql.replace("bulla@", "tester@").replace("'…'", "'geheim'"), "")
    url = server.tcp_url("readings", "tester")
    env = {"BULLA_KEY": str(tmp_path / "key"), "BULLA_MYSQL_PASSWORD": "geheim"}
    bulla = program.Commands(tmp_path, url, env)
    device = PythonDevice(bulla("device", "add", "kitchen", "--counter").strip())
    # from now on rows are all that it changes
    server.sql("REVOKE CREATE, ALTER, INDEX, DROP, CREATE VIEW ON readings.* FROM tester@'%'", "")
    gateway = program.Gateway(tmp_path, db=url, env=env).start()
    try:
        assert post(gateway.port, device.seal(senml(temperature=21.5)).data).status == 200
    finally:
        gateway.end()
    assert [row["value"] for row in bulla.readings()] == [21.5]
    for sql in people:
        if not sql.startswith("SELECT"):
            server.sql(sql.replace("'%'", "localhost").replace(" IDENTIFIED BY '…'", ""), "")
    assert server.sql("SELECT COUNT(*) FROM information_schema.table_privileges WHERE grantee LIKE '%grafana%'", "") == "3"
    questions = [sql for sql in people if sql.startswith("SELECT")]
    assert len(questions) == 2
    for sql in questions:
        for macro, meaning in MACROS.items():
            sql = sql.replace(macro, meaning)
        rows = ask(server, "grafana", sql).splitlines()
        assert len(rows) == 1 and rows[0].endswith("21.5"), sql
