"""
A stand-in for InfluxDB 2, of which Debian has no package: /api/v2/write alone, as its documentation has it. It checks
token, organisation, bucket, precision and compression, reads lines strictly, and keeps points as the real one does: one
of each series and time, whose fields are those written last.
"""

import gzip
import http.server
import json
import ssl
import threading
import urllib.parse

from line_protocol import Wrong, parse
from ports import free_port


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def answer(self, status, code=None, message=None, headers=()):
        body = json.dumps({"code": code, "message": message}, separators=(",", ":")).encode() if code else b""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server.influx
        if server.server is None:  # stopped, and this connection was kept
            self.close_connection = True
            return None
        server.requests.append((self.path, dict(self.headers), body))
        url = urllib.parse.urlsplit(self.path)
        arguments = dict(urllib.parse.parse_qsl(url.query, strict_parsing=True))
        if server.next:
            return self.answer(*server.next.pop(0))
        if self.headers["Authorization"] != "Token " + server.token:
            return self.answer(401, "unauthorized", "unauthorized access")
        if url.path != "/api/v2/write":
            return self.answer(404, "not found", "path not found")
        if arguments.get("org") != server.org or arguments.get("bucket") != server.bucket:
            return self.answer(404, "not found", 'bucket "%s" not found' % arguments.get("bucket"))
        if arguments.get("precision") != "ns" or self.headers["Content-Encoding"] != "gzip":
            return self.answer(400, "invalid", "precision, or encoding")
        try:
            points = parse(gzip.decompress(body))
        except Wrong as wrong:
            return self.answer(400, "invalid", "unable to parse: %s" % wrong)
        old = [point for point in points if point[3] < server.least]
        server.store(point for point in points if point[3] >= server.least)
        if old:
            return self.answer(422, "unprocessable entity", "failure writing points to database: partial write: points beyond "
                               "retention policy dropped=%d" % len(old))
        return self.answer(204)


class Influx2:
    def __init__(self, org="my org", bucket="my/bucket", token="secret-token_1==", least=-2**63, tls=None):
        """least: points before it are beyond the bucket's retention. tls: an SSLContext."""
        self.org, self.bucket, self.token, self.least = org, bucket, token, least
        self.port = free_port()
        self.tls = tls
        self.points = {}  # (measurement, tags, nanoseconds): fields
        self.requests = []
        self.next = []  # answers to be given instead: (status, code, message, headers)
        self.server = None

    def store(self, points):
        for measurement, tags, fields, time in points:
            self.points.setdefault((measurement, tuple(tags.items()), time), {}).update(fields)

    def start(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.server.influx = self
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def url(self, options="", host="127.0.0.1"):
        return "influx%s://%s:%d/?org=%s&bucket=%s%s" % ("s" if self.tls else "", host, self.port,
                                                         urllib.parse.quote(self.org, safe=""),
                                                         urllib.parse.quote(self.bucket, safe=""), options)

    def rows(self):
        """As those of influx.py: a dictionary each."""
        return [dict(tags, time=time, **fields) for (_, tags, time), fields in self.points.items()]

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


def server_context(certificate, key, ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca)
    return context
