"""The program under test: its commands, and a running gateway."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
SANITIZER = re.compile(r"(AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:)")
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:quarantine_size_mb=4",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def find_binary():
    """BULLA_BIN, or the newest one that was built in the repository."""
    if os.environ.get("BULLA_BIN"):
        return Path(os.environ["BULLA_BIN"]).resolve()
    built = sorted(REPOSITORY.glob("build*/bulla"), key=lambda path: path.stat().st_mtime)
    if not built:
        raise FileNotFoundError("no build*/bulla in the repository: build it, or set BULLA_BIN")
    return built[-1]


BINARY = find_binary()


def wait_until(condition, seconds=30, what="the condition"):
    """
    Polls until condition() is true, and returns what it returned. The time is for a machine that has much else to do: what is
    promised to come soon is measured by the test.
    """
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, "%s did not come true in %g s" % (what, seconds)
        time.sleep(0.002)


def allowed(seconds):
    """How long what is promised within so many seconds may take here and now: longer where other processes wait for the machine too."""
    load, _, _, processes, _ = Path("/proc/loadavg").read_text(encoding="ascii").split()
    running = int(processes.partition("/")[0])
    return seconds * max(1, max(float(load), running) / os.cpu_count())


def environment(extra=None):
    env = {name: value for name, value in os.environ.items() if not name.startswith("BULLA_")}
    env.update(SANITIZER_OPTIONS)
    env.update(extra or {})
    return env


class Commands:
    """Runs commands in a folder, on its database. env: what is in their environment besides."""

    def __init__(self, folder, db="bulla.db", env=None):
        self.folder = Path(folder)
        self.db = db
        self.env = env or {}

    def run(self, *arguments, status=0, input=None, timeout=120, **options):
        """Runs `bulla ARGUMENTS` and checks the exit status; None: any."""
        done = subprocess.run(
            [BINARY, *map(str, arguments)], cwd=self.folder, input=input, capture_output=True, text=True,
            timeout=timeout, env=environment({"BULLA_DB": self.db, **self.env}), **options,
        )
        assert not SANITIZER.search(done.stderr), done.stderr
        if status is not None:
            assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def __call__(self, *arguments, **options):
        return self.run(*arguments, **options).stdout

    def lines(self, *arguments):
        return [json.loads(line) for line in self(*arguments, "--format", "jsonl").splitlines()]

    def readings(self, *arguments):
        return self.lines("readings", *arguments)

    def events(self, *arguments):
        return self.lines("events", *arguments)

    def add(self, name, *arguments):
        """Adds a device; its credential line."""
        return self("device", "add", name, *arguments).strip()


class Gateway:
    """
    A gateway process in a folder, on its database. Ports are free ones, and stay the same over restarts. It writes its log to a
    file: what it wrote before it answered somebody is there to be read once the answer is.
    """

    def __init__(self, folder, *arguments, db="bulla.db", env=None, listen="127.0.0.1", **popen):
        self.folder = Path(folder)
        self.db = db
        self.listen = listen
        self.arguments = [str(argument) for argument in arguments]
        self.env = env
        self.popen = popen
        self.process = None
        self.port = free_port()
        self.admin_port = free_port()
        self.output = None
        self._forget_log()

    def _forget_log(self):
        self._read = 0  # bytes of its output
        self._begun = b""  # a line whose end is not there yet
        self._log = []
        self._hardening = []
        self._listeners = 0

    def start(self, wait=True):
        assert self.process is None
        command = [BINARY, "serve", "--db", self.db, "--listen", "%s:%d" % (self.listen, self.port)]
        if "--admin" not in self.arguments:
            command += ["--admin", "127.0.0.1:%d" % self.admin_port]
        self._forget_log()
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command + self.arguments, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self.output, env=environment(self.env), **self.popen,
        )
        if wait:
            self.wait_ready()
        return self

    def _look(self):
        """Reads on."""
        while self.output and (more := os.pread(self.output.fileno(), 1 << 20, self._read)):
            self._read += len(more)
            *lines, self._begun = (self._begun + more).split(b"\n")
            for line in lines:
                self._take(line.decode())

    def _take(self, line):
        if " event=hardening " in line:
            self._hardening.append(line)
            return
        self._log.append(line)
        found = re.fullmatch(r"bulla: (devices|admin) on http://(.*):(\d+)/d?", line)
        if found and found[1] == "devices":
            self.port = int(found[3])
        elif found:
            self.admin_port = int(found[3])
        self._listeners += found is not None

    @property
    def log(self):
        """Lines of standard error of the process that runs, or ran last, but for those in `hardening`."""
        self._look()
        return self._log

    @property
    def hardening(self):
        """What it says of its rights, which depends on who runs the tests, and on the build."""
        self._look()
        return self._hardening

    def is_ready(self):
        """Whether it has said that it listens."""
        self._look()
        return self._listeners >= (1 if "--admin" in self.arguments and "off" in self.arguments else 2)

    def wait_ready(self, seconds=60):
        wait_until(lambda: self.is_ready() or self.process.poll() is not None, seconds, "readiness")
        assert self.is_ready(), self.log

    def text(self):
        return "\n".join(self.log)

    def check_clean(self):
        assert not SANITIZER.search(self.text()), self.text()

    def _reap(self, seconds):
        status = self.process.wait(seconds)
        self.process = None
        self._look()
        self.output.close()
        self.output = None
        if self._begun:
            self._take(self._begun.decode())
        self.check_clean()
        return status

    def wait(self, seconds=60):
        """The exit status of a process that ends by itself."""
        return self._reap(seconds)

    def stop(self, number=signal.SIGTERM, seconds=60):
        """Tells it to end, and expects that it does so in good order. Returns how long it took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        status = self._reap(seconds)
        assert status == 0, (status, self.log)
        return time.monotonic() - begun

    def kill(self):
        self.process.kill()
        assert self._reap(60) == -signal.SIGKILL, self.log

    def end(self):
        """For the fixture: stops it if the test has not."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.stop()
        else:
            assert self._reap(60) == 0, self.log

    @property
    def url(self):
        return "http://127.0.0.1:%d/d" % self.port

    def memory(self):
        """Resident bytes."""
        pages = int(Path("/proc/%d/statm" % self.process.pid).read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
