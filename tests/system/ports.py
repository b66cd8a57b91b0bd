"""Ports of the loopback for servers that tests start, stop and start again."""

import random
import socket
from pathlib import Path


def free_port():
    """
    A port that stays free while its server is dead: below those that the kernel gives to outgoing connections, or a
    client that tries again would get the server's port, and so itself.
    """
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(200):
        port = random.SystemRandom().randrange(10_000, low if low > 12_000 else 65_536)
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")
