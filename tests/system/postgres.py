"""
A real server: Debian's PostgreSQL, with its data in a temporary folder, on a unix socket in it and a free port.

As a program it starts one, runs a command with BULLA_TEST_POSTGRES set to its URL, and stops it:
postgres.py COMMAND...
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import template
from ports import free_port

SETTINGS = {
    "max_connections": 60,
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "autovacuum": "off",  # or runs differ
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "timezone": "Pacific/Chatham",  # nothing may depend on it
    "lc_messages": "C.UTF-8",
}


def find_programs():
    """The folder of the newest server's programs, which stand in nobody's PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    assert found, "PostgreSQL is not installed: scripts/setup test installs it"
    return found[-1].parent


class Postgres:
    """
    A server, not started yet. Port and data stay the same over restarts. fsync=False: a kill of the server may
    then lose what it has confirmed only if the machine goes down as well, which it does not in these tests; it is
    on all the same unless a test says that it does not kill. data: a folder elsewhere, which is made and removed.
    """

    def __init__(self, fsync=True, data=None, **settings):
        self.programs = find_programs()
        self.folder = Path(tempfile.mkdtemp(prefix="bulla-postgres-", dir="/tmp"))  # a short path: sockets
        self.data = Path(data or self.folder / "data")
        self.data.mkdir()
        self.port = free_port()
        self.process = None
        self.log_path = self.folder / "log"
        self.log_path.touch()
        self.before = []  # the server refuses to run as root
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self.before = ["setpriv", "--reuid=%d" % user.pw_uid, "--regid=%d" % user.pw_gid, "--clear-groups", "--"]
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            os.chown(self.data, user.pw_uid, user.pw_gid)
        self.settings = {**SETTINGS, "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder,
                         "fsync": "on" if fsync else "off", "full_page_writes": "on" if fsync else "off", **settings}
        template.fill("postgres", self.data, self._make_data)

    def _make_data(self, folder):
        self.run("initdb", "--pgdata", folder, "--username", "bulla", "--auth-local", "trust", "--auth-host", "scram-sha-256",
                 "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")

    def run(self, program, *arguments):
        """One of the server's programs, as its user."""
        done = subprocess.run([*self.before, self.programs / program, *map(str, arguments)], cwd="/", capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, wait=True, **settings):
        assert self.process is None
        options = [word for name, value in {**self.settings, **settings}.items() for word in ("-c", "%s=%s" % (name, value))]
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen([*self.before, self.programs / "postgres", "-D", self.data, *options], cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds
        while True:
            done = subprocess.run([self.programs / "psql", "-XAtq", self.url("postgres"), "-c", "SELECT 1"], capture_output=True,
                                  timeout=20)
            if done.returncode == 0:
                return
            assert self.process.poll() is None and time.monotonic() < end, self.log_path.read_text()
            time.sleep(0.02)

    def url(self, database="bulla", user="bulla", options=""):
        """By the unix socket, where the user is trusted."""
        return "postgres://%s@/%s?host=%s&port=%d%s" % (user, database, self.folder, self.port, options)

    def tcp_url(self, database="bulla", user="bulla", password=None):
        return "postgres://%s%s@127.0.0.1:%d/%s" % (user, ":" + password if password else "", self.port, database)

    def psql(self, sql, database="postgres"):
        """What a statement gives, a line a row, columns parted by |."""
        done = subprocess.run([self.programs / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.url(database), "-c", sql],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def make_database(self, name="bulla"):
        self.psql("CREATE DATABASE %s" % name)
        return self.url(name)

    def end_connections(self, database):
        """Those of the program."""
        self.psql("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'bulla'"
                  " AND datname = '%s'" % database)

    def stop_writing(self, database, stopped):
        """An operator does, and takes it back."""
        self.psql("SET default_transaction_read_only = off; ALTER DATABASE %s SET default_transaction_read_only = %s"
                  % (database, "on" if stopped else "off"))
        self.end_connections(database)

    def stop(self, number=signal.SIGINT, seconds=30):
        """SIGINT ends every connection; SIGQUIT and SIGKILL leave it to the next start to put things right."""
        if self.process is None:
            return
        workers = []
        if number == signal.SIGKILL:  # they would go on for a moment, and one of them might even commit
            pid = self.process.pid
            workers = [int(word) for word in Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]
        for pid in [self.process.pid, *workers]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        self.process.wait(seconds)
        self.process = None

    def kill(self):
        """The server and all of its processes go, as in a power cut but for what the kernel holds."""
        self.stop(signal.SIGKILL)

    def remove(self):
        try:
            self.stop(signal.SIGQUIT)  # nothing of it is needed any more
        finally:
            if self.process is not None:
                self.process.kill()
                self.process.wait(10)
            for folder in (self.data, self.folder):
                shutil.rmtree(folder, ignore_errors=True)


def main(command):
    server = Postgres(fsync=False)
    try:
        server.start()
        url = server.make_database()
        return subprocess.run(command, env={**os.environ, "BULLA_TEST_POSTGRES": url}).returncode
    finally:
        server.remove()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped as well
    sys.exit(main(sys.argv[1:]))
