"""
A real server: Debian's InfluxDB 1.6, with its data in a temporary folder, on a free port.

As a program it starts one, runs a command with BULLA_TEST_INFLUX set to HOST:PORT, and stops it:
influx.py COMMAND...
"""

import base64
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

from ports import free_port

CONFIGURATION = """
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "%(folder)s/meta"
logging-enabled = false
[data]
dir = "%(folder)s/data"
wal-dir = "%(folder)s/wal"
query-log-enabled = false
%(data)s
[retention]
enabled = false
[shard-precreation]
enabled = false
[monitor]
store-enabled = false
[subscriber]
enabled = false
[continuous_queries]
enabled = false
[logging]
level = "warn"
suppress-logo = true
[http]
bind-address = "127.0.0.1:%(port)d"
log-enabled = false
%(http)s
"""

REALS = {"value", "sum"}  # JSON does not tell a double that is whole from an integer


def lines_of(settings):
    return "\n".join("%s = %s" % (name.replace("_", "-"), json.dumps(value)) for name, value in settings.items())


class Influx:
    """
    A server, not started yet. Port and data stay the same over restarts. data, http: settings of these sections of
    its configuration. user, password: an administrator's, where it asks for them (auth_enabled). folder: where its
    data goes, which is removed in the end.
    """

    def __init__(self, data=None, http=None, user=None, password=None, folder=None):
        program = shutil.which("influxd")
        assert program, "InfluxDB is not installed: scripts/setup test installs it"
        self.program = program
        self.folder = Path(folder or tempfile.mkdtemp(prefix="bulla-influx-", dir="/tmp"))
        self.port = free_port()
        self.process = None
        self.log_path = self.folder / "log"
        self.user = user
        self.password = password
        self.data = data or {}
        self.http = dict(http or {})
        self.tls = self.http.get("https_enabled", False)

    def start(self, wait=True, data=None, http=None):
        """data, http: settings from now on, instead of those before or besides them."""
        assert self.process is None
        self.data.update(data or {})
        self.http.update(http or {})
        configuration = self.folder / "influxdb.conf"
        configuration.write_text(CONFIGURATION % {"folder": self.folder, "port": self.port, "data": lines_of(self.data),
                                                  "http": lines_of(self.http)})
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen([self.program, "run", "-config", configuration], cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            env={name: value for name, value in os.environ.items()
                                                 if not name.startswith("INFLUXDB_")})
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds
        while True:
            try:
                if self.request("GET", "/ping")[0] == 204:
                    return
            except (OSError, http.client.HTTPException):
                pass
            assert self.process.poll() is None and time.monotonic() < end, self.log_path.read_text()
            time.sleep(0.02)

    def request(self, method, path, body=None, headers=None, timeout=20):
        """(status, body) of a request, with the administrator's password where there is one."""
        headers = dict(headers or {})
        if self.user:
            secret = base64.b64encode(("%s:%s" % (self.user, self.password)).encode()).decode()
            headers["Authorization"] = "Basic " + secret
        if self.tls:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout,
                                                     context=ssl._create_unverified_context())
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def command(self, query, database=None, method="POST"):
        """What a statement gives: a list of series, each with its columns and values."""
        arguments = {"q": query, "epoch": "ns"}
        if database:
            arguments["db"] = database
        status, body = self.request(method, "/query?" + urllib.parse.urlencode(arguments))
        answer = json.loads(body)
        assert status == 200 and "error" not in answer, answer
        result = answer["results"][0]
        assert "error" not in result, result
        return result.get("series", [])

    def rows(self, query="SELECT * FROM readings", database="bulla"):
        """The rows of all series, each a dictionary; what has no value is left out."""
        found = []
        for series in self.command(query, database, "GET"):
            for values in series["values"]:
                row = dict(zip(series["columns"], values), **series.get("tags", {}))
                found.append({name: float(value) if name in REALS else value for name, value in row.items()
                              if value is not None})
        return found

    def write(self, lines, database="bulla"):
        return self.request("POST", "/write?" + urllib.parse.urlencode({"db": database}), lines)

    def make_database(self, name="bulla"):
        self.command('CREATE DATABASE "%s"' % name)
        return self.url(name)

    def drop_database(self, name="bulla"):
        self.command('DROP DATABASE "%s"' % name)

    def url(self, database="bulla", user=None, options=""):
        return "influx%s://%s127.0.0.1:%d/%s%s" % ("s" if self.tls else "", user + "@" if user else "", self.port,
                                                   urllib.parse.quote(database, safe=""), options)

    def stop(self, number=signal.SIGTERM, seconds=30):
        if self.process is None:
            return
        self.process.send_signal(number)
        self.process.wait(seconds)
        self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def remove(self):
        try:
            self.kill()  # nothing of it is needed any more
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def main(command):
    server = Influx()
    try:
        server.start()
        server.make_database()
        address = "127.0.0.1:%d" % server.port
        return subprocess.run(command, env={**os.environ, "BULLA_TEST_INFLUX": address}).returncode
    finally:
        server.remove()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped as well
    sys.exit(main(sys.argv[1:]))
