"""The command line, as a person or a script meets it: the real binary in a directory of its own."""

import json
import os
import pathlib
import re
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "spec"))

import reference as r  # noqa: E402

BULLA = pathlib.Path(os.environ.get("BULLA_BIN", ROOT / "build" / "bulla")).resolve()
SECRET = "W6_7qqR38dhtY7dUrw3tgOm2MGDG3HInDKYFi-fTcgI"


class Cli:
    """Runs bulla in a directory of its own."""

    def __init__(self, directory):
        self.directory = directory

    def start(self, *arguments, **options):
        return subprocess.Popen(
            [BULLA, *arguments], cwd=self.directory, env=self.environment(), **options
        )

    def environment(self, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BULLA_")}
        return {**kept, **more}

    def run(self, *arguments, status=0, input=None, env=None, timeout=60):
        done = subprocess.run(
            [BULLA, *arguments], cwd=self.directory, env=self.environment(**(env or {})),
            input=input, capture_output=True, timeout=timeout,
        )
        done.out = done.stdout.decode()
        done.err = done.stderr.decode()
        assert done.returncode == status, (arguments, done.returncode, done.out, done.err)
        return done

    def add(self, name, *options):
        """Adds a device; returns its credential. The line is also in NAME.cred."""
        line = self.run("device", "add", name, *options).out
        (self.directory / (name + ".cred")).write_text(line)
        return r.parse_credential(line.rstrip("\n"))

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--format", "json").out)


class Gateway:
    """What `bulla serve` is in that directory, on a free port."""

    def __init__(self, cli):
        self.process = cli.start("serve", "--listen", "127.0.0.1:0", "--admin", "off", stderr=subprocess.PIPE)
        found = None
        while not found:  # what it warns of comes first
            line = self.process.stderr.readline().decode()
            assert line, "it ended before it was ready"
            found = re.search(r"devices on (http://\S+)", line)
        self.url = found.group(1)
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def close(self):
        self.process.terminate()
        assert self.process.wait(20) == 0


def lines_of(cli, *arguments):
    return [json.loads(line) for line in cli.run(*arguments, "--format", "jsonl").out.splitlines()]
