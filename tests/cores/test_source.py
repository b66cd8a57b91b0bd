"""Source packages are fetched once, whole, however many ask for one at the same time."""

import os
import subprocess

import core

TOOLS = {
    "apt-get": """
case "$*" in
indextargets*) echo "http://mirror.example/debian bookworm main Debian" ;;
*source*) : >pile_1.dsc ;;
esac
""",
    "dpkg-source": """
for last; do :; done
mkdir "$last"
for name in 1 2 3 4 5 6; do sleep 0.1; echo $name >"$last/$name" || exit 1; done
echo unpacked >>"$COUNT"
""",
}


def test_many_at_once(tmp_path):
    for name, lines in TOOLS.items():
        tool = tmp_path / name
        tool.write_text("#!/bin/sh\n" + lines)
        tool.chmod(0o755)
    environment = dict(os.environ, PATH="%s:%s" % (tmp_path, os.environ["PATH"]), COUNT=str(tmp_path / "count"))
    command = [core.REPOSITORY / "tests/cores/source", "pile", tmp_path / "folder"]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert sorted(os.listdir(printed.strip())) == ["1", "2", "3", "4", "5", "6"]
    assert (tmp_path / "count").read_text().split() == ["unpacked"]
