"""Ports of the loopback for servers that tests start, stop and start again."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

TAKEN = Path(tempfile.gettempdir()) / ("bulla-test-ports-%d" % os.getuid())
held = []  # locks of this process, which are its ports' as long as it lives


def take(port):
    """Whether the port is this process's now, among all that test here: its server may be dead for a while."""
    TAKEN.mkdir(mode=0o700, exist_ok=True)
    lock = open(TAKEN / str(port), "w", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    held.append(lock)
    return True


def free_port():
    """
    A port that stays free while its server is dead: below those that the kernel gives to outgoing connections, or a
    client that tries again would get the server's port, and so itself.
    """
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(200):
        port = random.SystemRandom().randrange(10_000, low if low > 12_000 else 65_536)
        if not take(port):
            continue
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")
