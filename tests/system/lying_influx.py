"""
A stand-in for an InfluxDB that does what it should not: what it does on each connection is a function of the test's,
which gets a Link.
"""

import socket
import threading

from ports import free_port

PATIENCE = 40  # seconds that a link waits for the sink


class Link:
    def __init__(self, connection):
        self.connection = connection
        connection.settimeout(PATIENCE)
        self.buffer = b""

    def request(self):
        """The next request whole: its head, b"" where the sink has closed the connection."""
        while b"\r\n\r\n" not in self.buffer:
            more = self.connection.recv(65536)
            if not more:
                return b""
            self.buffer += more
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(self.buffer) < length:
            self.buffer += self.connection.recv(65536)
        self.buffer = self.buffer[length:]
        return head

    def send(self, data):
        self.connection.sendall(data)

    def wait_closed(self):
        """Until the sink has closed the connection."""
        try:
            while self.connection.recv(65536):
                pass
        except ConnectionError:
            pass


GOOD = b"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.6.7\r\n\r\n"


class LyingInflux:
    def __init__(self, script):
        self.script = script
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.listener.getsockname()[1]
        self.links = []
        self.errors = []
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, options=""):
        return "influx://127.0.0.1:%d/bulla%s" % (self.port, options)

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.links.append(Link(connection))
            threading.Thread(target=self._serve, args=(self.links[-1],), daemon=True).start()

    def _serve(self, link):
        try:
            self.script(link)
        except (ConnectionError, OSError):
            pass
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(error)
        finally:
            link.connection.close()

    def stop(self):
        self.listener.close()
        for link in self.links:
            link.connection.close()
        assert not self.errors, self.errors
