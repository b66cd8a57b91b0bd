"""
Every kind of sink with its server, for tests that all of them have to pass. A Kind is started once for a module; each
test has a database of its own (url), which rows() reads as anybody would: by the server's own client.
"""

import base64
import json
import os
import shutil
import sqlite3
import tempfile
import urllib.parse

from influx import Influx
from influx2 import Influx2
from mariadb import MariaDB
from postgres import Postgres

# Names that InfluxDB's tags can not hold as they are (gateway/sink/influx_line.h).
PICTURES = str.maketrans({**{code: chr(0x2400 + code) for code in range(32)}, 0x7f: chr(0x2421)})


class Kind:
    is_server = True
    env = None
    least_time, most_time = -2**63, 2**63 - 1
    text_most = 16 << 20

    def name_of(self, name):
        """As it is shown."""
        return name.replace("\0", "\ufffd")

    def unit_of(self, unit):
        return self.name_of(unit) or None

    def begin(self):
        """An empty database."""
        raise NotImplementedError

    def rows(self):
        """Sorted tuples: device, name, unit, type, value, seq, microseconds."""
        return sorted(self.read(), key=repr)


class InfluxKind(Kind):
    least_time, most_time = -9223372036854775, 9223372036854774
    text_most = 65536
    TYPES = {"value": "real", "integer": "integer", "boolean": "boolean", "text": "text", "data": "data", "sum": "sum",
             "payload": "payload", "undecoded": "undecoded"}

    def name_of(self, name):
        shown = name.translate(PICTURES)
        made = ""
        for at, character in enumerate(name):
            escaped = character == "\\" and (at + 1 == len(name) or name[at + 1] in ",= ")
            made += "＼" if escaped else shown[at]
        return made

    def read(self):
        for row in self.points():
            kind = "integer" if "integer" in row else next(type for field, type in self.TYPES.items() if field in row)
            value = row["value" if kind == "real" else kind]
            if kind in ("data", "payload", "undecoded"):
                value = value.encode()
            yield row["device"], row.get("name", ""), row.get("unit"), kind, value, row["seq"], row["time"] // 1000

    def value_of(self, type, value):
        if type in ("data", "payload", "undecoded"):
            return base64.urlsafe_b64encode(value).rstrip(b"=")
        return value


class Influx1Kind(InfluxKind):
    name = "influx"

    def start(self):
        self.server = Influx().start()

    def begin(self):
        self.server.drop_database()
        self.url = self.server.make_database()

    def points(self):
        return self.server.rows()

    def drop(self):
        self.server.drop_database()

    def make_again(self):
        self.server.make_database()

    def go(self):
        self.server.kill()

    def come_back(self):
        self.server.start()

    def remove(self):
        self.server.remove()


class Influx2Kind(InfluxKind):
    name = "influx2"

    def start(self):
        self.server = Influx2().start()
        self.env = {"BULLA_INFLUX_TOKEN": self.server.token}
        self.url = self.server.url()

    def begin(self):
        self.server.points.clear()
        self.server.bucket = "my/bucket"

    def points(self):
        return self.server.rows()

    def drop(self):
        self.server.points.clear()
        self.server.bucket = "gone"

    def make_again(self):
        self.server.bucket = "my/bucket"

    def go(self):
        self.server.stop()

    def come_back(self):
        self.server.start()

    def remove(self):
        self.server.stop()


class SqlKind(Kind):
    def value_of(self, type, value):
        return value

    @staticmethod
    def tuple_of(row):
        """A row of the flat table as a dictionary; data are bytes."""
        kind = row["type"]
        if kind == "integer":
            value = row["integer"]
            assert row["value"] == float(value)
        elif kind == "boolean":
            assert row["value"] in (0, 1)
            value = row["value"] == 1
        elif kind in ("real", "sum"):
            value = float(row["value"])
        elif kind == "text" and row["text"] is not None:
            value = row["text"]
        else:
            value = row["data"]
            kind = "data" if kind == "text" else kind
        present = {name for name in ("value", "integer", "text", "data") if row[name] is not None}
        assert len(present) == 1 or present == {"value", "integer"}, row
        assert (row["format"] is not None) == (kind in ("payload", "undecoded"))
        return row["device"], row["name"], row["unit"], kind, value, row["seq"], row["time"]


class PostgresKind(SqlKind):
    name = "postgres"

    def start(self):
        self.server = Postgres(fsync=False).start()  # or each kill has all databases' files synced at the next start
        self.number = 0

    def begin(self):
        self.number += 1
        self.database = "sink%d" % self.number
        self.make_again()
        self.url = self.server.url(self.database)

    def make_again(self):
        self.server.make_database(self.database)

    def drop(self):
        self.server.psql("DROP DATABASE %s WITH (FORCE)" % self.database)

    def read(self):
        lines = self.server.psql(
            "SELECT json_build_object('device', device, 'name', name, 'unit', unit, 'type', type, 'value', value, 'integer', "
            "\"integer\", 'text', text, 'data', encode(data, 'hex'), 'format', format, 'seq', seq, 'time', "
            "coalesce(far, (extract(epoch FROM time) * 1000000)::bigint)) FROM bulla_readings", self.database)
        for line in lines.split("\n") if lines else []:
            row = json.loads(line)
            row["data"] = bytes.fromhex(row["data"]) if row["data"] is not None else None
            yield self.tuple_of(row)

    def go(self):
        self.server.kill()

    def come_back(self):
        self.server.start()

    def remove(self):
        self.server.remove()


class MysqlKind(SqlKind):
    name = "mysql"
    like_mysql = False

    def start(self):
        self.server = MariaDB(like_mysql=self.like_mysql, innodb_flush_log_at_trx_commit=2).start()
        self.number = 0

    def begin(self):
        self.number += 1
        self.database = "sink%d" % self.number
        self.make_again()
        self.url = self.server.url(self.database)

    def make_again(self):
        self.server.make_database(self.database)

    def drop(self):
        self.server.sql("DROP DATABASE %s" % self.database, "")

    def read(self):
        lines = self.server.sql(
            "SELECT JSON_OBJECT('device', device, 'name', HEX(name), 'unit', HEX(unit), 'type', type, 'value', CAST(value AS CHAR), "
            "'integer', `integer`, 'text', HEX(text), 'data', HEX(data), 'format', format, 'seq', seq, 'time', "
            "IF(far != 0, far, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', time))) FROM bulla_readings", self.database)
        for line in lines.split("\n") if lines else []:
            row = json.loads(line)
            for name in ("name", "unit", "text"):
                row[name] = bytes.fromhex(row[name]).decode() if row[name] is not None else None
            row["data"] = bytes.fromhex(row["data"]) if row["data"] is not None else None
            row["value"] = float(row["value"]) if row["value"] is not None else None
            yield self.tuple_of(row)

    def go(self):
        self.server.kill()

    def come_back(self):
        self.server.start()

    def remove(self):
        self.server.remove()


class MysqlStandInKind(MysqlKind):
    """MySQL's own server is not in Debian: a MariaDB that says that it is MySQL 8.0, with its defaults."""
    name = "mysql8"
    like_mysql = True


class SqliteKind(SqlKind):
    name = "sqlite"
    is_server = False

    def start(self):
        self.folder = tempfile.mkdtemp(prefix="bulla-sink-")
        self.number = 0

    def begin(self):
        self.number += 1
        self.path = os.path.join(self.folder, "sink%d.db" % self.number)
        self.url = "sqlite:" + self.path

    def read(self):
        database = sqlite3.connect("file:%s?mode=ro" % urllib.parse.quote(self.path), uri=True)
        database.row_factory = sqlite3.Row
        try:
            for row in database.execute("SELECT * FROM bulla_readings").fetchall():
                yield self.tuple_of(dict(row))
        finally:
            database.close()

    def go(self):
        os.rename(self.folder, self.folder + ".away")

    def come_back(self):
        os.rename(self.folder + ".away", self.folder)

    def drop(self):
        for end in ("", "-wal", "-shm"):
            os.unlink(self.path + end)

    def make_again(self):
        pass

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.folder + ".away", ignore_errors=True)


KINDS = {kind.name: kind for kind in (Influx1Kind, Influx2Kind, PostgresKind, MysqlKind, MysqlStandInKind, SqliteKind)}
