"""
A database server's empty data, made once for many tests: a server's own program takes seconds for it, a copy does not. Where
BULLA_TEST_TEMPLATES names a folder, it is kept there, and whoever made that removes it; else it is made each time.
"""

import fcntl
import os
import subprocess
from pathlib import Path


def fill(name, folder, make):
    """Makes what make(folder) makes. Its owner must be able to write to the folder, which is there and empty."""
    place = os.environ.get("BULLA_TEST_TEMPLATES")
    if not place:
        make(folder)
        return
    template = Path(place) / name
    Path(place).mkdir(parents=True, exist_ok=True)
    with open(template.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            make(folder)
            unfinished = template.with_suffix(".new")
            subprocess.run(["rm", "-rf", unfinished], check=True)
            subprocess.run(["cp", "-a", folder, unfinished], check=True)
            unfinished.rename(template)
            return
    subprocess.run(["cp", "-a", "%s/." % template, folder], check=True)
