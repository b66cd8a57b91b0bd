"""
The databases that bench/run compares: each starts a server of its own with its data in a folder (or takes one by its
URL), counts what lies in it with its own client, and says how fast it takes rows in bulk into an empty copy of the table that
the gateway writes to: transactions of BULK_ROWS rows, as durable as the gateway's; and how fast in commits as small as the gateway's.
"""

import http.client
import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(ROOT, "tests", "system"))  # they start the servers for the tests, too

BULK_ROWS = 5000
SERIES = 1000


class Missing(Exception):
    """It is not installed on this machine."""


def bulk_rows(batch, count):
    """Readings as the gateway would store them: (microseconds, series, piv, value, place)."""
    first = batch * count
    return [((first + i) * 20, (first + i) % SERIES + 1, first + i, (first + i) % 100_000 / 1000, i + 1)
            for i in range(count)]


def clock_time(microseconds):
    return f"2026-01-01 00:{microseconds // 60_000_000 % 60:02}:{microseconds % 60_000_000 / 1e6:09.6f}Z"


def run_client(command, lines):
    """Feeds a script, an iterable of texts, to a database's own client; the lines that it prints."""
    done = subprocess.run([str(word) for word in command], input="".join(lines), stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split("\n")


class Kind:
    """What the kinds have in common: no server, and nothing else to tell the gateway."""

    pid = None
    options = ()

    def written(self):
        """How many readings a sink has taken; None: it is none."""
        return None

    def stop(self):
        pass


class Sqlite(Kind):
    name = "SQLite"

    def __init__(self, folder):
        self.folder = folder
        self.url = os.path.join(folder, "bench.db")

    def version(self):
        return sqlite3.sqlite_version

    def _ask(self, sql):
        database = sqlite3.connect(f"file:{self.url}?mode=ro", uri=True)
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def count(self):
        return self._ask("SELECT count(*) FROM points")[0][0]

    def bulk(self, batches):
        """{how: rows a second}"""
        return {"inserts": self.commits(batches, BULK_ROWS)}

    def commits(self, batches, count):
        """Rows a second in that many transactions of so many rows."""
        path = os.path.join(self.folder, "bulk.db")
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        for (sql,) in self._ask("SELECT sql FROM sqlite_master WHERE tbl_name = 'points' AND sql IS NOT NULL"
                                " ORDER BY type DESC"):
            database.execute(sql)
        spent = sum(self._insert(database, batch, count) for batch in range(batches))
        database.close()
        os.unlink(path)
        return batches * count / spent

    @staticmethod
    def _insert(database, batch, count):
        rows = [(at, series, piv, value) for at, series, piv, value, _ in bulk_rows(batch, count)]
        begun = time.perf_counter()
        database.execute("BEGIN")
        database.executemany("INSERT INTO points (time, n, series, value, piv, delay) VALUES (?, 0, ?, ?, ?, 0)",
                             [(at, series, value, piv) for at, series, piv, value in rows])
        database.execute("COMMIT")
        return time.perf_counter() - begun


class Postgres(Kind):
    """With the server's own defaults, where tests have others."""

    name = "PostgreSQL"
    defaults = {"shared_buffers": "128MB", "wal_level": "replica", "max_wal_senders": 10, "max_connections": 100,
                "autovacuum": "on"}

    def __init__(self, folder, url=None):
        self.server = None
        self.url = url
        self.client = "psql"
        if url is None:
            self._start(folder)

    def _start(self, folder):
        import postgres  # pylint: disable=import-outside-toplevel
        try:
            programs = postgres.find_programs()
        except AssertionError as error:
            raise Missing("PostgreSQL") from error
        self.client = programs / "psql"
        self.server = postgres.Postgres(data=os.path.join(folder, "data"), **self.defaults).start()
        self.url = self.server.make_database()

    @property
    def pid(self):
        return self.server.process.pid if self.server else None

    def _ask(self, *lines):
        return run_client([self.client, "-XAtq", "-v", "ON_ERROR_STOP=1", self.url], lines)

    def version(self):
        return self._ask("SHOW server_version")[0].split()[0]

    def count(self):
        return int(self._ask("SELECT count(*) FROM points")[0])

    def bulk(self, batches):
        return {"COPY": self._bulk(batches, BULK_ROWS, self._copy),
                "multi-row INSERT": self.commits(batches, BULK_ROWS)}

    def commits(self, batches, count):
        return self._bulk(batches, count, self._insert)

    def _bulk(self, batches, count, write):
        """Rows a second, by the server's clock. Each statement commits."""
        clock = "SELECT extract(epoch FROM clock_timestamp());\n"
        script = ["CREATE TABLE bulk (LIKE points INCLUDING ALL);\n", clock]
        for batch in range(batches):
            script += write(bulk_rows(batch, count), batch)
        lines = self._ask(*script, clock, "DROP TABLE bulk;\n")
        return batches * count / (float(lines[1]) - float(lines[0]))

    columns = "bulk (time, tx, series, piv, received, number, k)"

    def _copy(self, rows, batch):
        yield f"COPY {self.columns} FROM STDIN;\n"
        for at, series, piv, value, place in rows:
            when = clock_time(at)
            yield f"{when}\t{batch}\t{series}\t{piv}\t{when}\t{value}\t{place}\n"
        yield "\\.\n"

    def _insert(self, rows, batch):
        yield f"INSERT INTO {self.columns} VALUES\n"
        for i, (at, series, piv, value, place) in enumerate(rows):
            when = f"'{clock_time(at)}'"
            comma = "" if i == 0 else ","
            yield f"{comma}({when},{batch},{series},{piv},{when},{value},{place})\n"
        yield ";\n"

    def stop(self):
        if self.server:
            self.server.remove()


class MariaDb(Kind):
    """With the server's own defaults, where tests have others. Or a MySQL, by its URL."""

    name = "MariaDB"
    defaults = {"innodb_buffer_pool_size": "128M", "innodb_log_file_size": "96M", "max_connections": 151}

    def __init__(self, folder, url=None):
        self.folder = folder
        self.server = None
        self.url = url
        self.client = ["mariadb"]
        if url is None:
            self._start(folder)
        else:
            self._take(urllib.parse.urlsplit(url))

    def _start(self, folder):
        import mariadb  # pylint: disable=import-outside-toplevel
        try:
            self.client = [mariadb.find_program("mariadb"), "--no-defaults", "--user=root", "--database=bulla"]
            mariadb.find_program("mariadbd")
        except AssertionError as error:
            raise Missing("MariaDB") from error
        self.server = mariadb.MariaDB(folder=folder, **self.defaults).start()
        self.client.append(f"--socket={self.server.socket}")
        self.url = self.server.make_database()

    def _take(self, url):
        """The client reads the same option files as the gateway. A password is not given as an argument."""
        options = dict(urllib.parse.parse_qsl(url.query))
        said = {"user": url.username, "host": url.hostname, "port": url.port, "database": url.path.lstrip("/"),
                "socket": options.get("socket")}
        self.client += [f"--{name}={urllib.parse.unquote(str(value))}" for name, value in said.items() if value]
        if url.password:
            os.environ["MYSQL_PWD"] = urllib.parse.unquote(url.password)

    @property
    def pid(self):
        return self.server.process.pid if self.server else None

    def _ask(self, *lines):
        return run_client([*self.client, "--batch", "--skip-column-names", "--local-infile=1",
                           "--init-command=SET time_zone = '+00:00'"], lines)

    def version(self):
        return self._ask("SELECT VERSION();\n")[0].split("-")[0]

    def count(self):
        return int(self._ask("SELECT COUNT(*) FROM points;\n")[0])

    def bulk(self, batches):
        return {"LOAD DATA": self._bulk(batches, BULK_ROWS, self._load),
                "multi-row INSERT": self.commits(batches, BULK_ROWS)}

    def commits(self, batches, count):
        return self._bulk(batches, count, self._insert)

    def _bulk(self, batches, count, write):
        """Rows a second, by the server's clock. Each statement commits."""
        clock = "SELECT UNIX_TIMESTAMP(NOW(6));\n"
        script = ["CREATE TABLE bulk LIKE points;\n", clock]
        for batch in range(batches):
            script += write(bulk_rows(batch, count), batch)
        lines = self._ask(*script, clock, "DROP TABLE bulk;\n")
        return batches * count / (float(lines[1]) - float(lines[0]))

    columns = "bulk (time, beyond, n, series, piv, received, number)"

    @staticmethod
    def _values(rows):
        for at, series, piv, value, _ in rows:
            yield f"{clock_time(at)[:-1]}", "0", str(piv), str(series), str(piv), str(at), str(value)

    def _load(self, rows, batch):
        path = os.path.join(self.folder, f"bulk-{batch}")
        with open(path, "w", encoding="ascii") as file:
            file.writelines("\t".join(row) + "\n" for row in self._values(rows))
        yield f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {self.columns.replace(' ', ' CHARACTER SET ascii ', 1)};\n"

    def _insert(self, rows, _):
        values = [f"('{row[0]}',{','.join(row[1:])})" for row in self._values(rows)]
        yield f"INSERT INTO {self.columns} VALUES\n" + ",\n".join(values) + ";\n"

    def stop(self):
        if self.server:
            self.server.remove()


class InfluxDb(Kind):
    """As a sink of a gateway whose registry is SQLite, with the server's own defaults (every write is synced)."""

    name = "InfluxDB"

    def __init__(self, folder):
        import influx  # pylint: disable=import-outside-toplevel
        self.registry = Sqlite(folder)
        self.url = self.registry.url
        data = os.path.join(folder, "influx")
        os.mkdir(data)
        try:
            self.server = influx.Influx(folder=data)
        except AssertionError as error:
            raise Missing("InfluxDB") from error
        self.server.start()
        self.options = ["--sink", self.server.make_database()]

    @property
    def pid(self):
        return self.server.process.pid

    def version(self):
        return self._ask("SHOW DIAGNOSTICS", "build")["Version"].partition("~")[0]

    def _ask(self, query, series):
        for found in self.server.command(query, "bulla", "GET"):
            if found["name"] == series:
                return dict(zip(found["columns"], found["values"][0]))
        return {}

    def count(self):
        return self._ask("SELECT count(seq) FROM readings", "readings").get("count", 0)

    def written(self):
        """How many points it has taken since its start: cheaper than to count what is there."""
        said = json.loads(self.server.request("GET", "/debug/vars")[1])
        return sum(part["values"].get("pointsWrittenOK", 0) for name, part in said.items() if name.startswith("httpd"))

    def bulk(self, batches):
        return {"POST": self.commits(batches, BULK_ROWS)}

    def commits(self, batches, count):
        self.server.make_database("bulk")
        bodies = ["\n".join(f"readings,device=device-{series},name=temperature,unit=Cel seq={piv}i,value={value}"
                            f" {1_767_225_600_000_000_000 + at * 1000}" for at, series, piv, value, _ in bulk_rows(batch, count))
                  for batch in range(batches)]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        begun = time.perf_counter()
        for body in bodies:
            connection.request("POST", "/write?db=bulk", body)
            response = connection.getresponse()
            response.read()
            if response.status != 204:
                sys.exit(f"InfluxDB answered {response.status} to lines in bulk")
        spent = time.perf_counter() - begun
        connection.close()
        self.server.drop_database("bulk")
        return batches * count / spent

    def stop(self):
        self.server.remove()


# By the URL's scheme, in the order of the table. Each is measured beside SQLite, which comes first.
KINDS = {"sqlite": Sqlite, "postgres": Postgres, "mysql": MariaDb, "influx": InfluxDb}


def scheme_of(url):
    scheme = url.partition(":")[0]
    return {"postgresql": "postgres", "mariadb": "mysql"}.get(scheme, scheme)
