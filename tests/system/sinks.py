"""Sinks driven alone, without a gateway (sink/writer.c), and the points that they are given."""

import base64
import json
import os
import subprocess
import threading

from program import BINARY, SANITIZER, environment

WRITER = os.environ.get("BULLA_SINK_WRITER") or BINARY.parent / "tests/system/bulla_sink_writer"

FIRST = 1_700_000_000_000_000  # microseconds since 1970
SESSION = "0102030405060708"


def point(value=1.0, type="real", name="temperature", unit="", device="kitchen", piv=0, index=0, time=FIRST, context=SESSION,
          device_id=1, format=0):
    """A reading as sinks take it. Bytes are a value of their own (and names, too): not JSON's."""
    made = {"device": device, "device_id": device_id, "context": context, "piv": piv, "index": index, "received": min(time + 1000, 2**63 - 1),
            "time": time, "type": type, "format": format}
    for key, content in (("name", name), ("unit", unit), ("value", value)):
        made[key + "_hex" if isinstance(content, bytes) else key] = content.hex() if isinstance(content, bytes) else content
    return made


def base64url(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Writer:
    """A sink that is open. halve: what is refused is halved, as the gateway does it."""

    def __init__(self, url, folder=None, halve=False, env=None):
        command = [WRITER, str(url)] + ["halve"] * halve
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=environment(env))
        self.errors = []
        self.reader = threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)
        self.reader.start()
        first = self.process.stdout.readline()
        self.name = json.loads(first)["name"] if first else None

    def write(self, points):
        """{"result": "written", "away" or "refused", "why": words, "refused": [[index, words]]}"""
        self.process.stdin.write(json.dumps(points) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def written(self, points):
        answer = self.write(points)
        assert answer["result"] == "written", answer
        return answer["refused"]

    def away(self, points):
        """The words why."""
        answer = self.write(points)
        assert answer["result"] == "away", answer
        return answer["why"]

    def refused(self, points):
        answer = self.write(points)
        assert answer["result"] == "refused", answer
        return answer["why"]

    def close(self):
        """Its exit status, and what it said on standard error."""
        self.process.stdin.close()
        status = self.process.wait(60)
        self.reader.join(60)
        self.process.stdout.close()
        self.process.stderr.close()
        said = "".join(self.errors)
        assert not SANITIZER.search(said), said
        return status, said

    def __enter__(self):
        assert self.name, self.close()
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        status, said = self.close()
        assert kind is not None or (status, said) == (0, ""), (status, said)


def refusal(url, folder=None, env=None):
    """Why a URL is none."""
    writer = Writer(url, folder, env=env)
    status, said = writer.close()
    assert status == 1, (url, writer.name, said)
    return said
