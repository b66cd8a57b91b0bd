"""
A network of its own for a test: this thread, and what it starts, are in it until leave(). It has the loopback, and a
link with an address on it that swallows whatever is sent there, without a word back.
"""

import ctypes
import os
import shutil
import subprocess

CLONE_NEWNET = 0x40000000
HERE, SWALLOWS = "192.0.2.1", "192.0.2.9"  # RFC 5737: for documentation, so nobody's
# Frames for a station that nobody is go over the link and are dropped at its other end; no ARP asks for it.
COMMANDS = [
    "link set lo up",
    "link add near type veth peer name far",
    "address add %s/24 dev near" % HERE,
    "link set near up",
    "link set far up",
    "neighbour add %s lladdr 02:00:00:00:00:09 dev near nud permanent" % SWALLOWS,
]


class Namespace:
    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.former = None

    def enter(self):
        """None, or why not."""
        ip = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if ip is None:
            return "there is no ip (iproute2)"
        self.former = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        if self.libc.unshare(CLONE_NEWNET) != 0:
            why = os.strerror(ctypes.get_errno())
            os.close(self.former)
            self.former = None
            return "a network of its own needs root: %s" % why
        for command in COMMANDS:
            done = subprocess.run([ip, *command.split()], capture_output=True, text=True, timeout=20)
            if done.returncode != 0:
                self.leave()
                return "ip %s: %s" % (command, done.stderr.strip())
        return None

    def leave(self):
        """It vanishes with the last that is in it."""
        if self.former is not None:
            assert self.libc.setns(self.former, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            os.close(self.former)
            self.former = None
