"""
A database that a gateway's sink writes to: an HTTP server that takes what InfluxDB 1 takes (line protocol), keeps the
points in the order in which they came, and does as it is told: is away, hangs, is slow, refuses some points.
"""

import collections
import gzip
import http.server
import re
import socket
import socketserver
import threading
import time

from ports import free_port

# As it is written: commas, blanks and equals signs are escaped by a backslash.
PART = re.compile(r"((?:\\.|[^,= \\])+)=((?:\\.|\"(?:\\.|[^\"\\])*\"|[^, \\])+)")

Point = collections.namedtuple("Point", "device name time fields")


def unescape(text):
    return re.sub(r"\\(.)", r"\1", text)


def parse(line):
    """One line: measurement,tags fields time."""
    head, rest = re.match(r"((?:\\.|[^ \\])+) (.*)$", line, re.S).groups()
    fields, stamp = rest.rsplit(" ", 1)
    tags = {unescape(key): unescape(value) for key, value in PART.findall(head.split(",", 1)[1])}
    return Point(tags.get("device"), tags.get("name"), int(stamp), dict(PART.findall(fields)))


class SinkStandIn:
    """Port and points stay the same over stop() and start()."""

    def __init__(self):
        self.port = free_port()
        self.lock = threading.Lock()
        self.points = {}  # (device, name, time): fields, in the order of their coming
        self.writes = 0  # that were taken
        self.repeated = 0  # points that were there already
        self.changed = []  # and said something else
        self.delay = 0  # seconds before each answer
        self.hangs = threading.Event()
        self.refuses = lambda point: False
        self.server = None

    @property
    def url(self):
        return "influx://127.0.0.1:%d/bulla" % self.port

    def start(self):
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                status, text = stand_in.take(body.decode())
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            connections = []

            def get_request(self):
                connection, address = super().get_request()
                self.connections.append(connection)
                return connection, address

            def handle_error(self, request, client_address):
                pass  # a gateway that was killed

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.connections = []
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self):
        """Away: nobody listens there, and who is connected is connected no longer."""
        if self.server is None:
            return
        self.server.shutdown()
        self.server.server_close()
        for connection in self.server.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.server = None

    def take(self, text):
        while self.hangs.is_set():
            time.sleep(0.02)
        time.sleep(self.delay)
        points = [parse(line) for line in text.split("\n") if line]
        if any(self.refuses(point) for point in points):
            return 400, b'{"error":"partial write: field type conflict: told to refuse dropped=1"}'
        with self.lock:
            self.writes += 1
            for point in points:
                self._keep(point)
        return 204, b""

    def _keep(self, point):
        key = point[:3]
        if key not in self.points:
            self.points[key] = point.fields
            return
        self.repeated += 1
        if self.points[key] != point.fields:
            self.changed.append((key, self.points[key], point.fields))

    def values(self, field="value"):
        """{device: its values, in the order of their coming}."""
        found = collections.defaultdict(list)
        with self.lock:
            for (device, _, _), fields in self.points.items():
                if field in fields:
                    found[device].append(float(fields[field].rstrip("i")))
        return dict(found)

    def count(self):
        with self.lock:
            return len(self.points)

    def wait(self, count, seconds=30):
        """Until so many points are there."""
        end = time.monotonic() + seconds
        while self.count() < count:
            assert time.monotonic() < end, "%d of %d points came" % (self.count(), count)
            time.sleep(0.02)
