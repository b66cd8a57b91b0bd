"""HTTP over bare sockets, so that tests can say anything, and see every byte of the answer."""

import json
import re
import socket
import time
from dataclasses import dataclass, field

COSE = 'application/cose; cose-type="cose-encrypt0"'


@dataclass
class Response:
    status: int
    headers: dict  # names in lower case
    body: bytes
    raw: bytes = field(repr=False)

    def without_date(self):
        return re.sub(rb"\r\nDate: [^\r]*", b"", self.raw)


class Closed(Exception):
    """The connection ended before a whole response came; what came before stands in `raw`."""

    def __init__(self, raw):
        super().__init__("closed after %r" % raw)
        self.raw = raw


def request(method="POST", path="/d", body=b"", headers=(), version="HTTP/1.1", length=True):
    """The bytes of a request."""
    lines = ["%s %s %s" % (method, path, version), "Host: gateway"]
    lines += ["%s: %s" % header for header in headers]
    if length and (body or method == "POST"):
        lines.append("Content-Length: %d" % len(body))
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def message_request(body, headers=()):
    """The bytes of a device's request."""
    return request(body=body, headers=[("Content-Type", COSE), *headers])


class Connection:
    def __init__(self, port, host="127.0.0.1", timeout=30):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(self.rest)
        self.rest += data

    def receive(self):
        """The next response; one of status 100 is one, too."""
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, _ = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.[01] (\d{3}) ?(.*)", first)
        assert found, "not a response: %r" % self.rest
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon and name.lower() not in headers, "bad header %r" % line
            headers[name.lower()] = value.strip()
        end = len(head) + 4 + int(headers.get("content-length", 0))
        while len(self.rest) < end:
            self._more()
        raw, self.rest = self.rest[:end], self.rest[end:]
        return Response(int(found[1]), headers, raw[len(head) + 4:], raw)

    def post(self, body, headers=()):
        self.send(message_request(body, headers))
        return self.receive()

    def silent(self, seconds=0.0):
        """True if nothing has come from the other end."""
        if self.rest:
            return False
        self.socket.settimeout(seconds or 0.001)
        try:
            data = self.socket.recv(65536)
        except (TimeoutError, BlockingIOError):
            return True
        finally:
            self.socket.settimeout(30)
        assert data, "the connection was closed"
        self.rest += data
        return False

    def closed_within(self, seconds):
        """True if the other end closes, whatever it sends before that."""
        end = time.monotonic() + seconds
        try:
            while True:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self.socket.settimeout(left)
                data = self.socket.recv(65536)
                if not data:
                    return True
                self.rest += data
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True

    def reset(self):
        """Ends the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def post(port, body, headers=()):
    with Connection(port) as connection:
        return connection.post(body, headers)


def exchange(port, data):
    """Sends bytes on a connection of their own; the response."""
    with Connection(port) as connection:
        connection.send(data)
        return connection.receive()


def get(port, path):
    return exchange(port, request("GET", path))


def health(gateway):
    response = get(gateway.admin_port, "/healthz")
    return response.status, json.loads(response.body)


def metrics(gateway):
    """/metrics: samples by name with labels, as written: bulla_messages_total{outcome="stored"}."""
    response = get(gateway.admin_port, "/metrics")
    assert response.status == 200
    samples = {}
    for line in response.body.decode().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            samples[name] = float(value)
    return samples


def outcome(gateway, word):
    return metrics(gateway)['bulla_messages_total{outcome="%s"}' % word]
