"""
A real server: Debian's MariaDB, with its data in a temporary folder, on a unix socket in it and a free port.

As a program it starts one, runs a command with BULLA_TEST_MYSQL set to its URL, and stops it:
mariadb.py [--like-mysql] COMMAND...
--like-mysql: a stand-in for MySQL. It says that it is MySQL 8.0, and has its defaults where they matter.
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
    "innodb_buffer_pool_size": "32M",
    "innodb_log_file_size": "32M",
    "innodb_flush_log_at_trx_commit": 1,
    "max_connections": 60,
    "default_time_zone": "+12:45",  # nothing may depend on it
    "character_set_server": "latin1",  # nor on that
    "collation_server": "latin1_swedish_ci",
    "sql_mode": "",
    "log_warnings": 0,
    "performance_schema": "OFF",
}

LIKE_MYSQL = {
    "version": "8.0.39-standin",
    "sql_mode": "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
                "NO_ENGINE_SUBSTITUTION",
    "character_set_server": "utf8mb4",
    "collation_server": "utf8mb4_general_ci",
    "explicit_defaults_for_timestamp": "ON",
    "innodb_autoinc_lock_mode": 2,
    "transaction_isolation": "REPEATABLE-READ",
    "log_bin": "binlog",
    "binlog_format": "ROW",
    "sync_binlog": 1,
    "server_id": 1,
}


def find_program(name):
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert path, "MariaDB is not installed (%s): scripts/setup test installs it" % name
    return path


class MariaDB:
    """A server, not started yet. Port and data stay the same over restarts. `folder`: where its data goes (a folder of its own)."""

    def __init__(self, like_mysql=False, folder=None, **settings):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="bulla-mariadb-", dir="/tmp"))  # a short path: sockets
        self.data = self.folder / "data"
        self.temporary = self.folder / "tmp"
        self.socket = self.folder / "socket"
        self.port = free_port()
        self.process = None
        self.log_path = self.folder / "log"
        self.log_path.touch()
        self.temporary.mkdir()
        self.user = []  # the server refuses to run as root
        if os.geteuid() == 0:
            user = pwd.getpwnam("mysql")
            self.user = ["--user=mysql"]
            for path in (self.folder, self.temporary, self.log_path):
                os.chown(path, user.pw_uid, user.pw_gid)
        self.settings = dict(SETTINGS, **(LIKE_MYSQL if like_mysql else {}))
        self.settings.update(bind_address="127.0.0.1")
        self.settings.update(settings, port=self.port, socket=self.socket, datadir=self.data, tmpdir=self.temporary,
                             pid_file=self.folder / "pid")
        self.data.mkdir()
        if self.user:
            os.chown(self.data, user.pw_uid, user.pw_gid)
        self.init_path = self.folder / "init.sql"  # at each start; a line is a statement
        self.init_path.write_text("CREATE USER IF NOT EXISTS bulla@localhost;\nGRANT ALL ON `%`.* TO bulla@localhost;\n")
        self.settings["init_file"] = self.init_path
        template.fill("mariadb", self.data, self._make_data)

    def _make_data(self, folder):
        done = subprocess.run([find_program("mariadb-install-db"), "--no-defaults", *self.user, "--datadir=%s" % folder,
                               "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
                               "--innodb-log-file-size=32M", "--tmpdir=%s" % self.temporary],  # in /tmp they delete each other's
                              cwd="/", capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, wait=True, **settings):
        assert self.process is None
        options = ["--%s=%s" % (name.replace("_", "-"), value) for name, value in {**self.settings, **settings}.items()]
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen([find_program("mariadbd"), "--no-defaults", *self.user, *options], cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while self._client("SELECT 1", "").returncode != 0:
            assert self.process.poll() is None and time.monotonic() < end, self.log_path.read_text()
            time.sleep(0.02)

    def _client(self, sql, database):
        return subprocess.run([find_program("mariadb"), "--no-defaults", "--user=root", "--socket=%s" % self.socket, "--batch", "--raw",
                               "--skip-column-names", "--default-character-set=utf8mb4", "--init-command=SET time_zone='+00:00'",
                               "--database=%s" % database], input=sql, capture_output=True, text=True, timeout=60)

    def sql(self, sql, database="bulla"):
        """What statements give, a line a row, columns parted by |."""
        done = self._client(sql, database)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().replace("\t", "|")

    def url(self, database="bulla", user="bulla", options=""):
        """By the unix socket, where the user needs no password and has all rights to databases, but none to the server."""
        return "mysql://%s@/%s?socket=%s%s" % (user, database, self.socket, options)

    def tcp_url(self, database="bulla", user="bulla", password=None, options=""):
        return "mysql://%s%s@127.0.0.1:%d/%s%s" % (user, ":" + password if password else "", self.port, database, options)

    def make_database(self, name="bulla"):
        self.sql("CREATE DATABASE %s" % name, "")
        return self.url(name)

    def make_user(self, name="bulla", password="", rights="ALL", database="bulla"):
        self.sql("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'; GRANT %s ON %s.* TO '%s'@'%%'" % (name, password, rights, database, name), "")

    def end_connections(self, database):
        """Those of the program."""
        for number in self.sql("SELECT id FROM information_schema.processlist WHERE db = '%s'" % database, "").split():
            self._client("KILL CONNECTION %s" % number, "")  # it may have gone by itself

    def stop_writing(self, database, stopped):
        """An operator does, of all databases of the server, and takes it back."""
        self.sql("SET GLOBAL read_only = %d" % stopped, "")

    def stop(self, number=signal.SIGTERM, seconds=60):
        """SIGTERM (as SIGINT, for which this server has no ear) ends every connection; SIGKILL leaves it to the next start to put
        things right."""
        if self.process is None:
            return
        try:
            os.kill(self.process.pid, signal.SIGTERM if number == signal.SIGINT else number)
        except ProcessLookupError:
            pass
        self.process.wait(seconds)
        self.process = None

    def kill(self):
        """As in a power cut but for what the kernel holds."""
        self.stop(signal.SIGKILL)

    def remove(self):
        try:
            self.stop(signal.SIGKILL)  # nothing of it is needed any more
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def main(command):
    like_mysql = command[:1] == ["--like-mysql"]
    server = MariaDB(like_mysql=like_mysql, innodb_flush_log_at_trx_commit=0, **({"sync_binlog": 0} if like_mysql else {}))
    try:
        server.start()
        url = server.make_database()
        return subprocess.run(command[like_mysql:], env={**os.environ, "BULLA_TEST_MYSQL": url}).returncode
    finally:
        server.remove()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped as well
    sys.exit(main(sys.argv[1:]))
