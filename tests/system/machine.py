"""A machine of its own, to install the package in: files over this machine's own that vanish with it."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ENTER = Path(__file__).parent / "machine" / "enter"
# Commands come from outside of it: they may no more than what runs in it (machine/enter).
WITHOUT = ["setpriv", "--bounding-set", "-sys_time,-sys_module,-sys_boot,-sys_rawio,-syslog"]
FIRST = {"systemd": "systemd", "none": "sleep"}  # the first process, once everything is mounted
READY = {"systemd": "systemctl is-active --quiet machine.target", "none": "true"}


def children(pid):
    return [int(child) for child in Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


class Machine:
    """Commands run in it as root, with no variable of this one's environment."""

    def __init__(self, folder, init):
        self.init = init
        # The name is also its control group's: unique, and short enough for paths of sockets.
        self.folder = Path("/tmp/bulla-machine-%d-%d" % (os.getpid(), time.monotonic_ns()))
        self.folder.mkdir()
        self.log = open(folder / "machine.log", "w+b")
        self.process = subprocess.Popen(
            [ENTER, self.folder, init], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )
        self.pid = None

    def why_not(self):
        """Waits until it runs. None, or why it does not."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.process.poll() is not None:
                self.log.seek(0)
                return self.log.read().decode(errors="replace").strip() or "it ended"
            if self.inside() and self.run(READY[self.init], status=None, timeout=10).returncode == 0:
                return None
            time.sleep(0.05)
        return "it did not start in 30 seconds"

    def inside(self):
        """Before its first process is there, commands would meet this machine's own files."""
        for child in children(self.process.pid):
            if Path("/proc/%d/comm" % child).read_text().strip() == FIRST[self.init]:
                self.pid = child
        return self.pid is not None

    def run(self, script, status=0, input=None, timeout=60):
        """Runs a script of the shell in it, and checks the exit status; None: any."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--ipc", "--uts", "--net", "--root", "--wd",
             *WITHOUT, "env", "-i", "HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "SHELL=/bin/sh",
             "DEBIAN_FRONTEND=noninteractive", "sh", "-c", script],
            input=input, capture_output=True, text=True, timeout=timeout,
        )
        if status is not None:
            assert done.returncode == status, (script, done.returncode, done.stdout, done.stderr)
        return done

    def __call__(self, script, **options):
        return self.run(script, **options).stdout.strip()

    def copy(self, source, target):
        """Copies a file of this machine into it."""
        data = Path(source).read_bytes()
        subprocess.run(
            ["nsenter", "--target", str(self.pid), "--mount", "--root", "--wd", "sh", "-c", 'cat >"$1"', "sh", target],
            input=data, check=True,
        )

    def end(self):
        self.process.kill()  # and with it everything in it
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        for mount in Path("/proc/mounts").read_text().splitlines():
            kind, path = mount.split()[2], mount.split()[1]
            group = Path(path, self.folder.name)
            if kind == "cgroup2" and group.is_dir():
                remove_groups(group)


def remove_groups(group):
    """Control groups are removed from the innermost on, when the last process has gone."""
    for folder, _, _ in os.walk(group, topdown=False):
        end = time.monotonic() + 5
        while time.monotonic() < end:
            try:
                os.rmdir(folder)
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.02)


def start(folder, init):
    """A running machine, or a skipped test that says why there is none."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a machine of its own")
    machine = Machine(folder, init)
    why = machine.why_not()
    if why is not None:
        machine.end()
        pytest.skip("this machine cannot hold another one: %s" % why)
    return machine
