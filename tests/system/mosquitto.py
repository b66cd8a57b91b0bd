"""A real broker: Debian's mosquitto, on a port of the loopback, with a configuration of its own in a folder."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from ports import free_port
from program import wait_until

# "bulla-probe", MQTT 3.1.1, a clean session: the least that a broker answers.
PROBE = bytes.fromhex("1017 0004 4d515454 04 02 003c 000b") + b"bulla-probe"


def find_program(name):
    """mosquitto itself stands where only root's PATH looks."""
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin")
    assert found, "%s is not installed: scripts/setup test installs it" % name
    return found


class Certificates:
    """
    An authority (`ca`), a broker's certificate for localhost and 127.0.0.1 (`server`, `server_key`) and a client's
    for `name` (`client`, `client_key`): PEM files in the folder.
    """

    def __init__(self, folder, name="gateway"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.ca_key = self.folder / "ca.pem", self.folder / "ca.key"
        self._openssl("req", "-x509", *self._new_key(self.ca_key), "-out", self.ca, "-days", "2", "-subj", "/CN=test authority",
                      "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.server, self.server_key = self.issue("server", "localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                                                  "extendedKeyUsage=serverAuth")
        self.client, self.client_key = self.issue("client", name, "extendedKeyUsage=clientAuth")

    def issue(self, file, name, *extensions):
        """Another certificate of this authority: its paths."""
        certificate, key = self.folder / (file + ".pem"), self.folder / (file + ".key")
        request, config = self.folder / (file + ".csr"), self.folder / (file + ".ext")
        config.write_text("\n".join(("basicConstraints=CA:FALSE", *extensions)) + "\n")
        self._openssl("req", *self._new_key(key), "-out", request, "-subj", "/CN=" + name)
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-days", "2",
                      "-extfile", config, "-out", certificate)
        return certificate, key

    @staticmethod
    def _new_key(path):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-keyout", path

    @staticmethod
    def _openssl(*arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr


class Mosquitto:
    """
    A broker, not started yet. Its port stays the same over restarts; with persistence=True so does what it saved
    (on a SIGKILL that is what it had saved until then: give autosave_interval and autosave_on_changes).

    users: {name: password}; others are refused then. acl: the text of an ACL file. tls: Certificates; the broker
    then speaks TLS only, and with require_certificate=True takes only clients with a certificate of that authority.
    Everything else is a line of mosquitto.conf(5): Mosquitto(folder, max_inflight_messages=20).
    """

    def __init__(self, folder, persistence=False, users=None, acl=None, tls=None, **settings):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.users = users or {}
        self.tls = tls
        self.process = None
        self.log_path = self.folder / "mosquitto.log"
        self.config = self.folder / "mosquitto.conf"
        self.settings = {"set_tcp_nodelay": True, **settings}
        self._write_config(persistence, acl)

    def _write_config(self, persistence, acl):
        lines = {"persistence": persistence, "log_dest": "stderr", "log_timestamp_format": "%H:%M:%S"}
        if os.geteuid() == 0:
            lines["user"] = "root"  # or it gives up the rights to the test's folder
        if persistence:
            state = self.folder / "state"
            state.mkdir(exist_ok=True)
            lines["persistence_location"] = "%s/" % state
        lines["allow_anonymous"] = not self.users and not self.settings.get("use_identity_as_username", False)
        if self.users:
            lines["password_file"] = self._write_passwords()
        if acl is not None:
            lines["acl_file"] = self.folder / "acl"
            lines["acl_file"].write_text(acl)
        lines.update(self.settings)
        lines["listener"] = "%d 127.0.0.1" % self.port
        listener = {"require_certificate", "use_identity_as_username"} & lines.keys()
        after = {name: lines.pop(name) for name in sorted(listener)}
        if self.tls:
            lines.update(cafile=self.tls.ca, certfile=self.tls.server, keyfile=self.tls.server_key)
        lines.update(after)
        words = {True: "true", False: "false"}
        self.config.write_text("".join("%s %s\n" % (name, words.get(value, value) if isinstance(value, bool) else value)
                                       for name, value in lines.items()))

    def _write_passwords(self):
        path = self.folder / "passwords"
        path.unlink(missing_ok=True)
        for name, password in self.users.items():
            new = [] if path.exists() else ["-c"]
            subprocess.run([find_program("mosquitto_passwd"), "-b", *new, path, name, password], check=True, timeout=30,
                           capture_output=True)
        return path

    @property
    def url(self):
        return "%s://127.0.0.1:%d" % ("mqtts" if self.tls else "mqtt", self.port)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self, wait=True):
        """A broker that is killed may leave its port taken for a moment by what it accepted: it is tried again."""
        assert self.process is None
        deadline = time.monotonic() + 10
        while True:
            with open(self.log_path, "a") as log:
                self.process = subprocess.Popen([find_program("mosquitto"), "-c", self.config], cwd=self.folder,
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            if not wait:
                return self
            wait_until(lambda: self.process.poll() is not None or self.answers(), what="mosquitto's answer")
            if self.process.poll() is None:
                return self
            self.process = None
            assert "in use" in self.log() and time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def answers(self):
        """Whether it answers a CONNECT, be it with a refusal."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as plain:
                with self._wrap(plain) as connection:
                    connection.sendall(PROBE)
                    return connection.recv(1) == b"\x20"
        except OSError:
            return False

    def _wrap(self, plain):
        if not self.tls:
            return plain
        context = ssl.create_default_context(cafile=self.tls.ca)
        context.load_cert_chain(self.tls.client, self.tls.client_key)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        assert self.process.wait(20) == -signal.SIGKILL, self.log()
        self.process = None

    def stop(self):
        """SIGTERM, after which it saves what it has to."""
        self.process.terminate()
        status = self.process.wait(20)
        self.process = None
        assert status == 0, (status, self.log())

    def save(self):
        """Makes it write its state to the disk."""
        path = self.folder / "state" / "mosquitto.db"
        before = path.stat().st_mtime_ns if path.exists() else 0
        self.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: path.exists() and path.stat().st_mtime_ns != before, what="mosquitto's database")

    def freeze(self, frozen=True):
        """It neither reads nor writes, and its connections stay: SIGSTOP and SIGCONT."""
        self.process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def end(self):
        """For the fixture: stops it if the test has not."""
        if self.process is not None and self.process.poll() is None:
            self.freeze(False)
            self.stop()
