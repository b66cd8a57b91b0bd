"""Completion in the shells themselves: a person types the beginning of a word and presses Tab."""

import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import termios
import time

import pytest

from program import BINARY, environment

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"],
             "bind 'set enable-bracketed-paste off'; source <(bulla completion bash)"),
    "zsh": (["zsh", "-f", "-i"],
            "autoload -U compinit; compinit -u -D; source <(bulla completion zsh)"),
    "fish": (["fish", "--no-config", "--private", "-i"], "bulla completion fish | source"),
}


class Shell:
    """An interactive shell at a terminal of its own, in the folder of the test."""

    def __init__(self, name, folder):
        words, prepare = SHELLS[name]
        if shutil.which(name) is None:
            pytest.skip(name + " is not installed")
        (folder / "bin").mkdir()
        (folder / "bin" / "bulla").symlink_to(BINARY)
        (folder / "home").mkdir()
        env = environment({
            "PATH": "%s:%s" % (folder / "bin", os.environ["PATH"]), "HOME": str(folder / "home"), "TERM": "dumb",
            "LANG": "C.UTF-8", "BULLA_DB": "bulla.db",
        })
        self.terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            words, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.count = 0
        self.type(prepare)

    def type(self, text):
        """Types a line, presses Enter, and returns what the shell shows until the command is done."""
        self.count += 1
        end = "done-%d-" % self.count
        time.sleep(0.05)
        for part in re.split("(\t)", text):
            os.write(self.terminal, part.encode())
            if part == "\t":
                self.settle()
        os.write(self.terminal, b"\n")
        # The quotes keep what is typed from being taken for what is printed.
        os.write(self.terminal, b"echo done-'%d'-\n" % self.count)
        return self.read_until(end)

    def settle(self):
        """Waits until the shell has completed the word: it has shown something, and shows no more."""
        self.shown = getattr(self, "shown", b"")
        end = time.monotonic() + 10
        quiet = 0.4
        while time.monotonic() < end and select.select([self.terminal], [], [], quiet)[0]:
            self.shown += os.read(self.terminal, 4096)

    def read_until(self, mark):
        self.shown = getattr(self, "shown", b"")
        end = time.monotonic() + 30
        while mark.encode() not in self.shown:
            assert time.monotonic() < end, self.shown.decode(errors="replace")
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.shown += os.read(self.terminal, 4096)
        text, self.shown = self.shown.decode(errors="replace"), b""
        return text

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.fixture
def make_shell(tmp_path):
    made = []

    def make(name):
        made.append(Shell(name, tmp_path))
        return made[-1]

    yield make
    for shell in made:
        shell.end()


@pytest.mark.parametrize("name", list(SHELLS))
def test_what_tab_gives(name, make_shell, bulla, tmp_path):
    for device in ("kitchen", "attic window"):
        (tmp_path / (device.split()[0] + ".credential")).write_text(bulla("device", "add", device))
    (tmp_path / "other.db").unlink(missing_ok=True)
    bulla("device", "add", "elsewhere", "--db", "other.db")
    shell = make_shell(name)

    # commands, an option, one of its words
    assert '"name":"kitchen"' in shell.type("bulla dev\tli\t--form\t" + ("" if name == "zsh" else " ") + "js\t")
    # a device's name; one with a space is quoted as the shell wants it
    assert re.search(r"name +kitchen", shell.type("bulla device show kit\t"))
    assert re.search(r"name +attic window", shell.type("bulla device show att\t"))
    # of the database that the line names
    assert re.search(r"name +elsewhere", shell.type("bulla device show --db other.db els\t"))
    # an option's argument that is a device's name: the readings of none other are asked for
    assert "no device has this name" not in shell.type("bulla readings --device kit\t")
    assert "Usage: bulla device export" in shell.type("bulla help dev\texpo\t")


@pytest.mark.parametrize("name", list(SHELLS))
def test_it_is_quiet_without_a_database(name, make_shell):
    """Nor is one made."""
    shell = make_shell(name)
    shown = shell.type("bulla device show kit\t")
    assert shown.count("cannot open the database") == 1  # the command's own, not the completion's
    assert "bulla.db" not in shell.type("ls")


# ---- what is offered, of everything --------------------------------------------------------------------------


def offered(shell, folder, line):
    """What the shell would offer for the end of the line."""
    if shutil.which(shell) is None:
        pytest.skip(shell + " is not installed")
    env = environment({"PATH": "%s:%s" % (BINARY.parent, os.environ["PATH"]), "HOME": str(folder), "BULLA_DB": "bulla.db"})
    if shell == "fish":
        script = "%s completion fish | source; complete -C '%s'" % (BINARY, line)
        out = subprocess.run(["fish", "--no-config", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=True).stdout
        return [each.split("\t")[0] for each in out.splitlines()]
    script = "source <(%s completion bash); COMP_WORDS=(%s''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); " \
             "compopt() { :; }; _bulla; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (BINARY, line)
    out = subprocess.run(["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=True).stdout
    return out.splitlines()


def tables():
    """Every command with its options, as --help prints them: (words, [(option, argument or None)])."""
    def below(words):
        out = subprocess.run([BINARY, *words, "--help"], capture_output=True, text=True, check=True).stdout
        options = re.findall(r"^  (?:-\w, |    )--([a-z-]+)(?: (\S+))?", out.partition("\nOptions:\n")[2].partition("\nExample")[0], re.M)
        commands = out.partition("\nCommands:\n")[2].partition("\nOptions:\n")[0]
        yield words, [(name, argument or None) for name, argument in options if name not in ("help", "version")]
        for name in re.findall(r"^  (\S+)", commands, re.M):
            yield from below([*words, name])
    return list(below([]))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_in_the_script(shell):
    script = subprocess.run([BINARY, "completion", shell], capture_output=True, text=True, check=True).stdout
    for words, options in tables():
        path = " ".join(["bulla", *words])
        for option, argument in options:
            if shell == "bash":
                level = re.search(r"^ *(?:\*\) case \$at in\n)? *'%s'\) .*words='(.*)' ;;$" % re.escape(path), script, re.M)
                assert "--%s " % option in level[1], (path, option)
                assert not argument or "'%s --%s'" % (path, option) in script, (path, option)
            elif shell == "zsh":
                level = script.partition("\n    '%s')\n" % path)[2].partition(" ;;\n")[0]
                assert re.search(r"--%s(=?)\b" % option, level), (path, option)
                assert bool(argument) == bool(re.search(r"--%s=" % option, level)), (path, option)
            else:
                found = [line for line in script.splitlines()
                         if "'__bulla_at \"%s\"'" % path in line and " -l %s " % option in line + " "]
                assert len(found) == 1, (path, option)
                assert bool(argument) == (" -x" in found[0] or " -r" in found[0]), (path, option)


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_help_offers_commands(shell, tmp_path):
    commands = {words[0] for words, _ in tables() if len(words) == 1}
    assert commands <= set(offered(shell, tmp_path, "bulla help "))
    assert {"add", "list", "show"} <= set(offered(shell, tmp_path, "bulla help device "))


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_every_device_option_offers_devices(shell, bulla, tmp_path):
    bulla("device", "add", "kitchen")
    tried = 0
    for words, options in tables():
        for option, _ in options:
            if option == "device":
                tried += 1
                assert offered(shell, tmp_path, "bulla %s --device " % " ".join(words)) == ["kitchen"], words
    assert tried >= 2


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize("command", ["show", "revoke", "remove", "trust", "label", "export"])
def test_device_commands_offer_devices(shell, command, bulla, tmp_path):
    bulla("device", "add", "kitchen")
    bulla("device", "add", "o'brien $(id)")
    names = ["kitchen", "o'brien $(id)"] if shell == "fish" else ["kitchen", r"o\'brien\ \$\(id\)"]
    assert set(names) <= set(offered(shell, tmp_path, "bulla device %s " % command))
