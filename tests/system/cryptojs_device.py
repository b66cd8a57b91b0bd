"""Devices with the real crypto-js (tests/system/peers), and what they say over HTTP."""

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from http_client import Connection, request
from program import wait_until

PEERS = Path(__file__).with_name("peers")
KEY = "2B7E151628AED2A6ABF7158809CF4F3C"  # the article's
JSON = ("Content-Type", "application/json")


class CryptoJs:
    """A node process that seals and opens with crypto-js."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["node", PEERS / "cryptojs.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, action, **arguments):
        self.process.stdin.write(json.dumps({"do": action, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "crypto-js ended: %s %s" % (action, arguments)
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0
        self.process.stdout.close()


def start_crypto_js():
    """Installs the peers' packages where they are not, and starts it; skips the test where that cannot be."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip("crypto-js: there is no %s (Debian: nodejs, npm)" % tool)
    done = subprocess.run([PEERS / "install"], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip("crypto-js: npm ci failed: %s" % done.stderr.strip()[:200])
    return CryptoJs()


class CryptoJsDevice:
    """A device of the article: what it seals, and its requests. `gateway` may be started anew meanwhile."""

    def __init__(self, crypto_js, gateway, id="12FA", passphrase=KEY):
        self.crypto_js = crypto_js
        self.gateway = gateway
        self.id = id
        self.passphrase = passphrase

    # ---- what it seals ----

    def seal(self, text, **how):
        """A request's body of a text."""
        return json.dumps({"msg": self.crypto_js("seal", passphrase=self.passphrase, text=text, **how)}).encode()

    def data(self, seqn, **values):
        return self.seal(json.dumps({"data": values, "SEQN": seqn}))

    def reset(self, seqn):
        return self.seal(json.dumps({"SEQN": seqn}))

    def raw(self, text, **how):
        """The later form: {"data":…,"iv":…}."""
        return json.dumps(self.crypto_js("sealRaw", key=self.passphrase, text=text, **how)).encode()

    # ---- what it asks ----

    def path(self, route):
        return "/%s/%s" % (route, quote(self.id, safe=""))

    def ask(self, method, path, body=b"", headers=(JSON,)):
        with Connection(self.gateway.port) as connection:
            connection.send(request(method, path, body, headers))
            return connection.receive()

    def post(self, route, body):
        return self.ask("POST", self.path(route), body)

    def number(self):
        """What GET /wsn/ID says, decrypted."""
        response = self.ask("GET", self.path("wsn"), headers=())
        assert response.status == 200 and response.headers["content-type"] == "text/plain"
        opened = self.crypto_js("open", passphrase=self.passphrase, sealed=response.body.decode("ascii"))
        answer = json.loads(opened)
        assert list(answer) == ["SEQN"], opened
        return answer["SEQN"]

    def wait_for_route(self, path=None, there=True):
        """Until the gateway has noticed that a device was added, or taken away."""
        path = path or self.path("data")
        wait_until(lambda: (self.ask("GET", path).status != 404) == there, what="%s is there: %s" % (path, there))


def taken(response):
    """Whether a response says that a message was stored."""
    if response.status != 200:
        return False
    assert response.body == b'{"success":true}' and response.headers["content-type"] == "application/json"
    return True


def refused(response):
    """Whether it is the one refusal of all."""
    assert "content-type" not in response.headers
    return (response.status, response.body) == (401, b"")
