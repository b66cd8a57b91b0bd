"""A gateway in Python over the slow reference (spec/reference.py), which can misbehave as a network does."""

import http.server
import threading
import time

import cbor2

from command_line import r


class StandIn:
    """A gateway over the reference, for one device. `plan`: how the next answers go wrong, one word each."""

    GATEWAY_ID = b"\x01\x02\x03\x04\x05\x06"
    K = b"k" * 32

    def __init__(self, credential):
        self.credential = credential
        self.plan = []
        self.challenges_only = False
        self.received = []
        self.contents = []
        self.windows = {}
        self.newest = None
        self.piv = 0
        self.trusted = credential.context == "counter"
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stand_in.paths.append((self.path, self.headers["Content-Type"]))
                status, answer = stand_in.answer(body)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                if status == 503:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.paths = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, body):
        self.received.append(body)
        trick = self.plan.pop(0) if self.plan else ""
        if trick == "silence":
            return None, b""
        if trick.isdigit():
            return int(trick), b""
        if trick == "page":
            return 404, b"<html>not here</html>"
        if trick == "garbage":
            return 200, b"<html>" * 10
        if trick == "huge":
            return 200, bytes(5000)
        status, reply = self.honest(body, flip=trick == "forged")
        return (None, b"") if trick == "lost" else (status, reply)

    def honest(self, body, flip=False):
        envelope = r.parse_message(body)
        try:
            plaintext = r.open_message(self.credential, envelope, self.newest)
        except r.Refused:
            return 401, b""
        id_context = envelope.id_context or self.newest
        now = int(time.time())
        window = self.windows.get(id_context)
        body = {"time": now}
        status = 200
        if window is None and not self.trusted:
            period = r.challenge_period(now)
            if not self.challenges_only and envelope.echo and r.challenge_proves(self.K, self.credential.kid, id_context, period, envelope.echo) is not None:
                window = r.Window(lower=envelope.piv)
            else:
                body["challenge"] = r.make_challenge(self.K, self.credential.kid, id_context, period)
                status = 401
        if status == 200:
            window = window or r.Window()
            self.windows[id_context] = window
            self.newest = id_context
            outcome = window.offer(envelope.piv)
            if outcome == "new":
                self.contents.append((envelope.content_format, plaintext))
            elif outcome == "stale":
                status = 409
        if window and window.receipt():
            body["top"], body["bits"] = window.receipt()
        sealed = r.seal_reply(self.credential.secret, self.credential.alg, id_context, self.GATEWAY_ID, self.piv,
                              envelope.piv, r.encode_body(body)).data
        self.piv += 1
        return status, bytes([*sealed[:-1], sealed[-1] ^ flip])

    def senml(self):
        return [cbor2.loads(plaintext) for content_format, plaintext in self.contents if content_format == 112]
