"""The command line, as a person or a script meets it: the real binary, its output, its exit codes.

`bulla send` is tried against a gateway written in Python over the slow reference, which can misbehave as a network
does; everything that needs stored data runs the real gateway.

Run with: BULLA_BIN=build/bulla /usr/bin/python3 -m pytest tests/system/test_cli.py
"""

import base64
import csv
import datetime
import http.server
import io
import json
import os
import pathlib
import pty
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

import cbor2
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "spec"))

import reference as r  # noqa: E402

BULLA = pathlib.Path(os.environ.get("BULLA_BIN", ROOT / "build" / "bulla")).resolve()
SECRET = "W6_7qqR38dhtY7dUrw3tgOm2MGDG3HInDKYFi-fTcgI"


class Cli:
    """Runs bulla in a directory of its own."""

    def __init__(self, directory):
        self.directory = directory

    def start(self, *arguments, **options):
        return subprocess.Popen(
            [BULLA, *arguments], cwd=self.directory, env=self.environment(), **options
        )

    def environment(self, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BULLA_")}
        return {**kept, **more}

    def run(self, *arguments, status=0, input=None, env=None, timeout=60):
        done = subprocess.run(
            [BULLA, *arguments], cwd=self.directory, env=self.environment(**(env or {})),
            input=input, capture_output=True, timeout=timeout,
        )
        done.out = done.stdout.decode()
        done.err = done.stderr.decode()
        assert done.returncode == status, (arguments, done.returncode, done.out, done.err)
        return done

    def add(self, name, *options):
        """Adds a device; returns its credential. The line is also in NAME.cred."""
        line = self.run("device", "add", name, *options).out
        (self.directory / (name + ".cred")).write_text(line)
        return r.parse_credential(line.rstrip("\n"))

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--format", "json").out)


@pytest.fixture
def cli(tmp_path):
    return Cli(tmp_path)


# ---- help, options, exit codes -------------------------------------------------------------------------------


def commands():
    """Every command's words, read from --help."""
    def below(words):
        out = subprocess.run([BULLA, *words, "--help"], capture_output=True, check=True).stdout.decode()
        found = out.partition("\nCommands:\n")[2].partition("\nOptions:\n")[0]
        for name in re.findall(r"^  (\S+)", found, re.MULTILINE):
            yield [*words, name]
            yield from below([*words, name])
    return list(below([]))


def option_names(words):
    out = subprocess.run([BULLA, *words, "--help"], capture_output=True, check=True).stdout.decode()
    return re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", out.partition("\nOptions:\n")[2], re.MULTILINE)


def test_the_commands_are_there():
    words = [" ".join(each) for each in commands()]
    assert words == [
        "serve", "device", "device add", "device import", "device list", "device show", "device revoke", "device remove",
        "device trust", "device export", "device label", "device upgrade", "send", "forward", "readings", "tail", "events", "open",
        "sinks", "sinks list", "sinks forget", "check", "backup", "restore", "restored", "migrate", "simulate", "help", "completion",
    ]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help(cli, words):
    done = cli.run(*words, "--help")
    assert done.err == ""
    assert done.out.startswith("Usage: bulla " + " ".join(words))
    assert "\nExample:\n  bulla " in done.out or "\nExample:\n  source " in done.out
    before_example = done.out.partition("\nExample:\n")[0]
    assert max(len(line) for line in before_example.splitlines()) <= 80
    assert cli.run("help", *words).out == done.out
    if words not in (["device"], ["sinks"]):
        assert cli.run(*words, "no", "such", "--nonsense", "-h").out == done.out


def test_help_shows_defaults_and_variables(cli):
    out = cli.run("serve", "--help").out
    for text in ("[::]:8620", "127.0.0.1:8621", "BULLA_DB", "BULLA_KEY", "bulla.db"):
        assert text in out


def test_version(cli):
    assert re.fullmatch(r"bulla \d+\.\d+\.\d+\n", cli.run("--version").out)


@pytest.mark.parametrize("words, suggestion", [
    (["devcie", "list"], "did you mean 'device'?"),
    (["reading"], "did you mean 'readings'?"),
    (["device", "lst"], "did you mean 'list'?"),
    (["device", "exp"], "did you mean 'export'?"),
    (["xyzzy"], "lists them"),
    (["--db", "x.db", "device"], "options come after the command"),
    ([], "say which command"),
    (["device"], "say which command"),
])
def test_unknown_commands(cli, words, suggestion):
    done = cli.run(*words, status=2)
    assert suggestion in done.err
    assert done.out == ""


@pytest.mark.parametrize("words, complaint", [
    (["readings", "--nonsense"], "--nonsense: there is no such option"),
    (["readings", "-x"], "-x: there is no such option"),
    (["readings", "--limit"], "--limit: its argument is missing"),
    (["readings", "--limit", "0"], "neither a number above 0 nor 'all'"),
    (["readings", "--limit", "-3"], "neither"),
    (["readings", "--limit", "1x"], "neither"),
    (["readings", "--format", "xml"], "is not one of: table, csv, jsonl"),
    (["readings", "--since", "yesterday"], "is not a time"),
    (["readings", "--since", "2026-02-30"], "is not a time"),
    (["readings", "--db="], "it is empty"),
    (["readings", "more"], "more: one argument too many"),
    (["events", "--kind", "stored"], "malformed, unknown, revoked, forged, challenged, duplicate, stale"),
    (["device", "add"], "an argument is missing: NAME"),
    (["device", "add", "a", "b"], "b: one argument too many"),
    (["device", "add", "a", "--counter=yes"], "it takes no argument"),
    (["device", "add", "a", "--alg", "11"], "is not one of: 10, 24, 30"),
    (["device", "export", "a", "--format", "png"], "uri, header, json, qr, nvs"),
    (["serve", "--queue", "0"], "is not a number from 1"),
    (["serve", "--log-level", "loud"], "error, warn, info, debug"),
    (["completion", "tcsh"], "bash, zsh and fish"),
])
def test_usage_errors(cli, words, complaint):
    done = cli.run(*words, status=2)
    assert complaint in done.err
    assert done.err.startswith("bulla: ")
    assert f"bulla {words[0]}" in done.err and "--help" in done.err
    assert done.out == ""
    assert list(cli.directory.iterdir()) == []


def test_options_stand_anywhere(cli):
    cli.add("kitchen", "--db", "x.db")
    assert (cli.directory / "x.db").exists()
    expected = cli.run("device", "export", "kitchen", "--db=x.db", "--format=json").out
    assert cli.run("device", "export", "--format", "json", "--db", "x.db", "kitchen").out == expected
    assert cli.run("device", "export", "-fjson", "kitchen", "--db", "x.db").out == expected
    assert cli.run("device", "export", "-f", "json", "--db", "x.db", "--", "kitchen").out == expected
    assert cli.run("device", "export", "kitchen", "--format", "uri", "-f", "json", env={"BULLA_DB": "x.db"}).out == expected


def test_the_option_outweighs_the_variable(cli):
    cli.add("kitchen", "--db", "x.db")
    cli.run("device", "show", "kitchen", "--db", "x.db", env={"BULLA_DB": "none.db"})
    assert "none.db" in cli.run("device", "list", env={"BULLA_DB": "none.db"}, status=1).err


def test_names_that_look_like_options(cli):
    cli.run("device", "add", "--", "--counter")
    assert cli.json("device", "list")[0]["name"] == "--counter"


def test_errors_do_not_control_the_terminal(cli):
    done = cli.run("device", "\x1b[2J\u202e", status=2)
    assert "\x1b" not in done.err and "\u202e" not in done.err
    assert "\\x1b[2J\\u202e" in done.err


# ---- device --------------------------------------------------------------------------------------------------


def test_add_prints_the_credential_and_nothing_else(cli):
    done = cli.run("device", "add", "kitchen")
    assert done.err == ""
    assert done.out.count("\n") == 1 and done.out.endswith("\n")
    credential = r.parse_credential(done.out[:-1])
    assert r.format_credential(credential) == done.out[:-1]
    assert (credential.name, credential.alg, credential.context) == ("kitchen", 10, "session")
    assert len(credential.kid) == 4


def test_add_into_a_file(cli):
    path = cli.directory / "kitchen.credential"
    done = cli.run("device", "add", "kitchen", "--out", path.name)
    assert done.out == "" and done.err == ""
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == cli.run("device", "export", "kitchen").out


def test_add_leaves_files_alone(cli):
    cli.add("kitchen")
    (cli.directory / "there").write_text("before")
    (cli.directory / "link").symlink_to("nowhere")
    for path, complaint in (("there", "is there already"), ("link", "is there already"), ("no/folder", "No such file")):
        done = cli.run("device", "add", "shed", "--out", path, status=1)
        assert done.out == "" and path + ": " in done.err and complaint in done.err
    assert (cli.directory / "there").read_text() == "before"
    assert not (cli.directory / "nowhere").exists()
    assert [d["name"] for d in cli.json("device", "list")] == ["kitchen"]
    cli.run("device", "add", "kitchen", "--out", "new", status=1)
    assert not (cli.directory / "new").exists()  # nothing was added, so nothing is left


def test_add_options(cli):
    credential = cli.add("shed", "--counter", "--kid", "A1B2", "--alg", "24")
    assert (credential.kid, credential.alg, credential.context) == (b"\xa1\xb2", 24, "counter")
    shown = cli.json("device", "show", "shed")
    assert (shown["kid"], shown["alg"], shown["kind"]) == ("a1b2", 24, "counter")
    assert [c["proven"] for c in shown["contexts"]] == [True]


def test_list_of_names(cli):
    cli.run("device", "add", "one kitchen")
    cli.run("device", "add", "\u00fcber|attic")
    assert sorted(cli.run("device", "list", "--format", "names").out.splitlines()) == ["one kitchen", "\u00fcber|attic"]


def test_every_secret_and_kid_is_new(cli):
    credentials = [cli.add(f"d{i}") for i in range(20)]
    assert len({c.secret for c in credentials}) == 20
    assert len({c.kid for c in credentials}) == 20


@pytest.mark.parametrize("name", ["Küche", "a b", "100%", "a&b=c?d", "x" * 64, "ä" * 32, "*/ #", '"\\'])
def test_names(cli, name):
    line = cli.run("device", "add", name).out
    assert r.parse_credential(line[:-1]).name == name
    assert cli.json("device", "show", name)["name"] == name
    exported = json.loads(cli.run("device", "export", name, "--format", "json").out)
    assert exported["name"] == name


@pytest.mark.parametrize("name", ["", "x" * 65, "ä" * 33, "a\nb", "a\x7f", "a\u0085", b"a\xff", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_bad_names(cli, name):
    assert "name" in cli.run("device", "add", name, status=2).err
    assert list(cli.directory.iterdir()) == []


def test_names_and_kids_are_taken_once(cli):
    cli.add("a", "--kid", "01")
    done = cli.run("device", "add", "a", status=1)
    assert "already" in done.err and "choose another name, or take it out with 'bulla device remove'" in done.err
    assert "taken" in cli.run("device", "add", "b", "--kid", "01", status=1).err
    done = cli.run("device", "remove", "a")
    assert "readings stay" in done.out and "01 is not given out again" in done.out
    assert "taken" in cli.run("device", "add", "b", "--kid", "01", status=1).err
    cli.add("a", "--kid", "02")
    assert [d["kid"] for d in cli.json("device", "list")] == ["02"]


@pytest.mark.parametrize("kid", ["0", "", "zz", "010203040506", "0x01"])
def test_bad_kids(cli, kid):
    cli.run("device", "add", "a", "--kid", kid, status=2)


def test_import(cli):
    assert cli.run("device", "add", "a", "--secret", "-", input=SECRET.encode() + b"\n").out.count(SECRET) == 1
    (cli.directory / "secret").write_text(SECRET)
    credential = cli.add("b", "--secret", "@secret", "--counter", "--kid", "0b")
    assert r.format_credential(credential).count(SECRET) == 1
    assert [c["proven"] for c in cli.json("device", "show", "b")["contexts"]] == [False]


@pytest.mark.parametrize("text", ["", "abc", SECRET[:-1], SECRET + "A", SECRET[:-1] + "J", SECRET[:-1] + "+", SECRET + "&alg=24"])
def test_bad_imports(cli, text):
    assert "43 characters" in cli.run("device", "add", "a", "--secret", "-", input=text.encode(), status=1).err
    assert text == "" or text not in cli.run("device", "add", "a", "--secret", "-", input=text.encode(), status=1).err


def test_a_secret_is_not_taken_from_the_command_line(cli):
    done = cli.run("device", "add", "a", "--secret", SECRET, status=2)
    assert "@FILE" in done.err and SECRET not in done.err
    done = cli.run("device", "add", "a", "--secret", "@nowhere", status=1)
    assert "nowhere: No such file" in done.err


def test_list_and_show_never_tell_a_secret(cli):
    credential = cli.add("kitchen")
    text = base64.urlsafe_b64encode(credential.secret).decode().rstrip("=")
    for words in (["list"], ["list", "--format", "json"], ["show", "kitchen"], ["show", "kitchen", "--format=json"]):
        out = cli.run("device", *words).out
        assert text not in out and credential.secret.hex() not in out
    assert text not in (cli.directory / "bulla.db").read_bytes().decode("latin-1")
    assert credential.secret not in (cli.directory / "bulla.db").read_bytes()


def test_list(cli):
    assert cli.run("device", "list", "--db", "none.db", status=1).err.startswith("bulla: ")
    assert not (cli.directory / "none.db").exists()
    cli.add("kitchen")
    cli.add("shed", "--counter")
    cli.run("device", "revoke", "shed")
    found = cli.json("device", "list")
    assert [list(d) for d in found] == [["name", "kid", "alg", "kind", "wire", "revoked", "created", "last_seen", "lost",
                                        "labels"]] * 2
    assert {d["name"]: (d["kind"], d["revoked"]) for d in found} == {
        "kitchen": ("session", False), "shed": ("counter", True)}
    created = datetime.datetime.fromisoformat(found[0]["created"].replace("Z", "+00:00"))
    assert abs(time.time() - created.timestamp()) < 100
    lines = cli.run("device", "list").out.splitlines()
    assert lines[0].split() == ["NAME", "KID", "ALG", "KIND", "WIRE", "STATE", "CREATED", "LAST", "SEEN", "LOST", "LABELS"]
    assert all(line.index(word) == lines[0].index("STATE") for line, word in zip(lines[1:], ("active", "revoked")))


def test_an_empty_list_is_json(cli):
    cli.add("a")
    cli.run("device", "remove", "a")
    assert cli.json("device", "list") == []


@pytest.mark.parametrize("words", [["show"], ["revoke"], ["remove"], ["trust"], ["export"]])
def test_devices_that_are_not_there(cli, words):
    cli.add("a")
    done = cli.run("device", *words, "b", status=1)
    assert "bulla: b: no device has this name; 'bulla device list' shows them" in done.err
    assert done.out == ""


def test_revoke(cli):
    cli.add("a")
    assert "a is revoked" in cli.run("device", "revoke", "a").out
    assert "before" in cli.run("device", "revoke", "a").out
    assert cli.json("device", "show", "a")["revoked"] is True


def test_changes_in_json(cli):
    cli.run("device", "add", "a", "--counter", "--kid", "0a", "--secret", "-", input=SECRET.encode())
    for words, done in (("trust", "trusted"), ("trust", "nothing"), ("revoke", "revoked"), ("revoke", "nothing"),
                        ("remove", "removed")):
        assert cli.json("device", words, "a") == {"name": "a", "kid": "0a", "done": done}


def test_a_name_does_not_control_the_terminal(cli):
    name = "a\u202eb"
    cli.run("device", "add", name, "--counter", "--kid", "0a", "--secret", "-", input=SECRET.encode())
    cli.run("device", "export", name, "--format", "header")
    for words in (["export"], ["show"], ["list"], ["trust"], ["revoke"], ["remove"]):
        done = cli.run("device", *words, *([name] if words != ["list"] else []))
        assert "a\\u202eb" in done.out + done.err
        assert "\u202e" not in done.out + done.err


def test_trust(cli):
    cli.run("device", "add", "a", "--counter", "--secret", "-", input=SECRET.encode())
    assert "may open once" in cli.run("device", "trust", "a").out
    assert "already" in cli.run("device", "trust", "a").out
    assert [c["proven"] for c in cli.json("device", "show", "a")["contexts"]] == [True]
    cli.add("b")
    assert "only a counter device" in cli.run("device", "trust", "b", status=1).err


# ---- device export -------------------------------------------------------------------------------------------

PROGRAM = r"""
#include <stdio.h>
#include "credential.h"
int main(void) {
    for (int i = 0; i < 32; i++) printf("%02x", credential.secret[i]);
    printf(" ");
    for (int i = 0; i < credential.kid_len; i++) printf("%02x", credential.kid[i]);
    printf(" %d %d\n", credential.alg, credential.kind == BULLA_COUNTER);
    return 0;
}
"""


@pytest.mark.parametrize("compiler, suffix", [
    (["gcc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"], "c"),
    (["g++", "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror"], "cpp"),
])
@pytest.mark.parametrize("name, options", [
    ("kitchen", []), ("*/ #error \\", ["--counter", "--kid", "0102030405", "--alg", "24"]), ("k1", ["--kid", "07", "--alg", "30"]),
])
def test_the_header_is_the_credential(cli, compiler, suffix, name, options):
    if not shutil.which(compiler[0]):
        pytest.skip(compiler[0] + " is not installed")
    credential = r.parse_credential(cli.run("device", "add", name, *options).out[:-1])
    (cli.directory / "credential.h").write_text(cli.run("device", "export", name, "--format", "header").out)
    (cli.directory / ("main." + suffix)).write_text(PROGRAM)
    subprocess.run([*compiler, "-I", ROOT / "device", "main." + suffix, "-o", "main"], cwd=cli.directory, check=True)
    out = subprocess.run([cli.directory / "main"], capture_output=True, check=True).stdout.decode().split()
    assert out == [credential.secret.hex(), credential.kid.hex(), str(credential.alg), str(int(credential.context == "counter"))]


def test_the_example_in_the_readme_compiles(cli):
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    example = re.search(r"^```c\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL).group(1)
    cli.run("device", "add", "kitchen", "--out", "kitchen.credential")
    (cli.directory / "kitchen.h").write_text(cli.run("device", "export", "kitchen", "--format", "header").out)
    declarations = "extern const struct bulla_port port;\nsize_t post(const void *data, size_t size, void *answer);\nint report(void);\n"
    (cli.directory / "main.c").write_text('#include "kitchen.h"\n' + declarations + "int report(void)\n{\n" + example + "}\n")
    subprocess.run(["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-I", ROOT / "device", "-c", "main.c"],
                   cwd=cli.directory, check=True)


def test_export_as_line_and_json(cli):
    line = cli.run("device", "add", "Küche", "--counter", "--alg", "30").out
    assert cli.run("device", "export", "Küche").out == line
    credential = r.parse_credential(line[:-1])
    assert json.loads(cli.run("device", "export", "Küche", "--format", "json").out) == {
        "name": "Küche", "kid": credential.kid.hex(), "alg": 30, "context": "counter",
        "secret": base64.urlsafe_b64encode(credential.secret).decode().rstrip("="),
    }


def test_a_counter_header_leaves_once(cli):
    cli.add("shed", "--counter")
    first = cli.run("device", "export", "shed", "--format", "header")
    assert first.err == "" and "bulla_provision_counter" in first.out
    done = cli.run("device", "export", "shed", "--format", "header", status=1)
    assert done.out == "" and "exported before" in done.err and "--again" in done.err
    again = cli.run("device", "export", "shed", "--format", "header", "--again")
    assert again.out == first.out and "same nonces" in again.err
    assert "no other" in cli.run("device", "export", "shed").err


def test_derived_keys_leave_once(cli):
    """The reference's keys, in C that compiles; no secret is in it."""
    credential = r.parse_credential(cli.run("device", "add", "shed", "--counter").out[:-1])
    done = cli.run("device", "export", "shed", "--format", "header", "--derived")
    found = bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})", done.out))
    key = r.derive_key(credential.secret, credential.kid, None, 10)
    assert found == key + r.derive_common_iv(credential.secret, None, 10) + credential.kid
    assert credential.secret[:4] not in found and "bulla_provision_derived" in done.out
    (cli.directory / "shed.h").write_text(done.out)
    (cli.directory / "main.c").write_text(
        '#include "shed.h"\nint main(void)\n{\n    return derived.kid_len == %d && derived.alg == 10 ? 0 : 1;\n}\n'
        % len(credential.kid))
    for compiler, standard in (("gcc", "c99"), ("g++", "c++11")):
        subprocess.run([compiler, "-x", "c" if compiler == "gcc" else "c++", "-std=" + standard, "-Wall", "-Wextra",
                        "-Werror", "-I", ROOT / "device", "main.c", "-o", "main"], cwd=cli.directory, check=True)
        subprocess.run(["./main"], cwd=cli.directory, check=True)
    again = cli.run("device", "export", "shed", "--format", "header", "--derived", status=1)
    assert again.out == "" and "exported before" in again.err


def test_derived_keys_are_of_counters(cli):
    cli.add("kitchen")
    cli.add("shed", "--counter")
    done = cli.run("device", "export", "kitchen", "--format", "header", "--derived", status=1)
    assert done.out == "" and "session context" in done.err and "--counter" in done.err
    assert "--format header" in cli.run("device", "export", "shed", "--derived", status=1).err
    assert cli.run("device", "export", "shed", "--format", "header").err == ""  # it has not left yet


def test_a_session_header_leaves_any_time(cli):
    cli.add("kitchen")
    for _ in range(2):
        assert cli.run("device", "export", "kitchen", "--format", "header").err == ""


# ---- the master key ------------------------------------------------------------------------------------------


def test_the_master_key(cli):
    cli.add("kitchen", "--db", "x.db", "--key", "my.key")
    key = (cli.directory / "my.key").read_bytes()
    assert (cli.directory / "my.key").stat().st_mode & 0o777 == 0o600
    cli.run("device", "export", "kitchen", "--db", "x.db", "--key", "my.key")
    cli.run("device", "export", "kitchen", "--db", "x.db", env={"BULLA_KEY": "my.key"})
    cli.run("device", "list", "--db", "x.db")
    assert "key" in cli.run("device", "export", "kitchen", "--db", "x.db", status=1).err
    cli.add("other", "--db", "y.db", "--key", "your.key")
    done = cli.run("device", "add", "late", "--db", "x.db", "--key", "your.key", status=1)
    assert done.out == "" and "key" in done.err
    assert (cli.directory / "my.key").read_bytes() == key


# ---- send, against a gateway that can misbehave --------------------------------------------------------------


class StandIn:
    """A gateway over the reference, for one device. `plan`: how the next answers go wrong, one word each."""

    GATEWAY_ID = b"\x01\x02\x03\x04\x05\x06"
    K = b"k" * 32

    def __init__(self, credential):
        self.credential = credential
        self.plan = []
        self.challenges_only = False
        self.received = []
        self.contents = []
        self.windows = {}
        self.newest = None
        self.piv = 0
        self.trusted = credential.context == "counter"
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stand_in.paths.append((self.path, self.headers["Content-Type"]))
                status, answer = stand_in.answer(body)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                if status == 503:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.paths = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, body):
        self.received.append(body)
        trick = self.plan.pop(0) if self.plan else ""
        if trick == "silence":
            return None, b""
        if trick.isdigit():
            return int(trick), b""
        if trick == "page":
            return 404, b"<html>not here</html>"
        if trick == "garbage":
            return 200, b"<html>" * 10
        if trick == "huge":
            return 200, bytes(5000)
        status, reply = self.honest(body, flip=trick == "forged")
        return (None, b"") if trick == "lost" else (status, reply)

    def honest(self, body, flip=False):
        envelope = r.parse_message(body)
        try:
            plaintext = r.open_message(self.credential, envelope, self.newest)
        except r.Refused:
            return 401, b""
        id_context = envelope.id_context or self.newest
        now = int(time.time())
        window = self.windows.get(id_context)
        body = {"time": now}
        status = 200
        if window is None and not self.trusted:
            period = r.challenge_period(now)
            if not self.challenges_only and envelope.echo and r.challenge_proves(self.K, self.credential.kid, id_context, period, envelope.echo) is not None:
                window = r.Window(lower=envelope.piv)
            else:
                body["challenge"] = r.make_challenge(self.K, self.credential.kid, id_context, period)
                status = 401
        if status == 200:
            window = window or r.Window()
            self.windows[id_context] = window
            self.newest = id_context
            outcome = window.offer(envelope.piv)
            if outcome == "new":
                self.contents.append((envelope.content_format, plaintext))
            elif outcome == "stale":
                status = 409
        if window and window.receipt():
            body["top"], body["bits"] = window.receipt()
        sealed = r.seal_reply(self.credential.secret, self.credential.alg, id_context, self.GATEWAY_ID, self.piv,
                              envelope.piv, r.encode_body(body)).data
        self.piv += 1
        return status, bytes([*sealed[:-1], sealed[-1] ^ flip])

    def senml(self):
        return [cbor2.loads(plaintext) for content_format, plaintext in self.contents if content_format == 112]


@pytest.fixture
def stand_in(request):
    opened = []

    def make(credential):
        opened.append(StandIn(credential))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


ALGS = ["10", "24", "30"]


@pytest.mark.parametrize("alg", ALGS)
def test_send_answers_the_challenge(cli, stand_in, alg):
    gateway = stand_in(cli.add("kitchen", "--alg", alg))
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "temperature=23.5:Cel", "door=false")
    assert done.out == "stored: seq 1, 2 readings\n" and done.err == ""
    assert gateway.senml() == [[{0: "temperature", 1: "Cel", 2: 23.5}, {0: "door", 4: False}]]
    assert [r.parse_message(m).echo is not None for m in gateway.received] == [False, True]
    assert gateway.paths == [("/d", 'application/cose; cose-type="cose-encrypt0"')] * 2


def test_send_takes_the_credential_three_ways(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    line = (cli.directory / "kitchen.cred").read_bytes()
    cli.run("send", "--to", gateway.url + "/d", "--credential", line.decode().strip(), "a=1")
    cli.run("send", "--to", gateway.url + "/", "--credential", "-", "a=2", input=line)
    cli.run("send", "--to", gateway.url, "--credential", "-", "a=3", input=line.strip() + b"\r\n")
    assert [pack[0][2] for pack in gateway.senml()] == [1, 2, 3]
    assert {path for path, _ in gateway.paths} == {"/d"}


def test_send_values(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    arguments = {
        "i=3": {2: 3}, "n=-7:m": {1: "m", 2: -7}, "big=9223372036854775807": {2: 2**63 - 1}, "f=23.4": {2: 23.4},
        "d=3.141592653589793": {2: 3.141592653589793}, "e=1e3": {2: 1000.0}, "t=true": {4: True},
        "word=hello world": {3: "hello world"}, "colon=a:b": {3: "a:b"}, 'q="23"': {3: "23"}, "nan=nan": {3: "nan"},
        "hex=0x10": {3: "0x10"}, "u=ü": {3: "ü"}, "empty=": {3: ""}, "p=.5:%RH": {1: "%RH", 2: 0.5}, "dash=-": {3: "-"},
    }
    cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", *arguments)
    (pack,) = gateway.senml()
    for (argument, expected), record in zip(arguments.items(), pack, strict=True):
        record = dict(record)
        assert record.pop(0) == argument.partition("=")[0]
        if argument == "f=23.4":  # sent as a single, which is all that was written
            assert record[2] != 23.4 and abs(record[2] - 23.4) < 1e-6
            continue
        assert record == expected, argument


def test_singles_are_sent_where_they_say_all(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=0.1")
    cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=0.123456789")
    assert [content[6:7] for _, content in gateway.contents] == [b"\xfa", b"\xfb"]


@pytest.mark.parametrize("argument, complaint", [
    ("temperature", "not a reading"), ("=5", "not a name"), ("a b=5", "not a name"), ("-a=5", "no such option"),
    ("a=1:", "unit after ':' is missing"), ("a=99999999999999999999", "beyond 64 bits"), ("a=1e999", "too large"),
    ('a="x', "ends with one"), (b"a=\xff", "not UTF-8"),
])
def test_bad_readings(cli, argument, complaint):
    cli.add("kitchen")
    done = cli.run("send", "--to", "http://127.0.0.1:1", "--credential", "@kitchen.cred", "--state", "s", argument, status=2)
    assert complaint in done.err
    assert not (cli.directory / "s").exists()


def test_send_times(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    send = ["send", "--to", gateway.url, "--credential", "@kitchen.cred"]
    cli.run(*send, "--time", "2026-11-21T22:13:05Z", "a=1", "b=2")
    cli.run(*send, "--age", "90", "a=1")
    before = time.time()
    cli.run(*send, "--time", "10m", "a=1")
    first, second, third = gateway.senml()
    assert [record[6] for record in first] == [1795299185] * 2
    assert second[0][6] == -90
    assert abs(third[0][6] - (before - 600)) < 5
    assert "give one" in cli.run(*send, "--time", "10m", "--age", "5", "a=1", status=2).err
    assert "1978" in cli.run(*send, "--time", "1970-01-02", "a=1", status=2).err


def test_send_formats(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    send = ["send", "--to", gateway.url, "--credential", "@kitchen.cred", "--format"]
    cli.run(*send, "json", "temperature=23.40", "n=3", "ok=true", 'say="a\nb"')
    cli.run(*send, "text", "23.4")
    cli.run(*send, "text", "value=-7")
    assert gateway.contents == [
        (50, b'{"temperature":23.4,"n":3,"ok":true,"say":"a\\nb"}'), (0, b"23.4"), (0, b"-7")]
    assert "no units" in cli.run(*send, "json", "a=1:Cel", status=2).err
    assert "once" in cli.run(*send, "json", "a=1", "a=2", status=2).err
    assert "one value" in cli.run(*send, "text", "1", "2", status=2).err
    assert "no name" in cli.run(*send, "text", "temperature=2", status=2).err
    assert "only SenML" in cli.run(*send, "text", "1", "--age", "5", status=2).err


def test_a_saved_session_needs_no_challenge(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    for i in range(3):
        cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "--state", "session", f"a={i}")
    assert [pack[0][2] for pack in gateway.senml()] == [0, 1, 2]
    assert len(gateway.received) == 4 and len(gateway.windows) == 1
    assert r.parse_message(gateway.received[-1]).id_context is None
    assert (cli.directory / "session").stat().st_mode & 0o777 == 0o600


def test_a_session_that_the_gateway_lost_begins_again(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    send = ["send", "--to", gateway.url, "--credential", "@kitchen.cred", "--state", "session"]
    cli.run(*send, "a=1")
    gateway.windows.clear()
    gateway.newest = None
    cli.run(*send, "a=2")  # bare: 401, then with its kid context: challenged, then stored
    assert [pack[0][2] for pack in gateway.senml()] == [1, 2]


def test_a_killed_send_does_not_use_a_session_twice(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    send = ["send", "--to", gateway.url, "--credential", "@kitchen.cred", "--state", "session"]
    cli.run(*send, "a=1")
    gateway.plan = ["silence"] * 100
    child = cli.start(*send, "a=2", stderr=subprocess.DEVNULL)
    while len(gateway.received) < 3:
        time.sleep(0.01)
    child.kill()
    child.wait()
    gateway.plan = []
    cli.run(*send, "a=3")
    sealed = {(m.id_context or "bare", m.piv): m.ciphertext for m in map(r.parse_message, gateway.received)}
    again = {(m.id_context or "bare", m.piv): m.ciphertext for m in map(r.parse_message, reversed(gateway.received))}
    assert sealed == again  # one ciphertext for one number
    assert [pack[0][2] for pack in gateway.senml()] == [1, 3]


def test_counter_state(cli, stand_in):
    gateway = stand_in(cli.add("shed", "--counter"))
    send = ["send", "--to", gateway.url, "--credential", "@shed.cred"]
    assert "--state FILE" in cli.run(*send, "a=1", status=2).err
    assert "--new-state" in cli.run(*send, "--state", "s", "a=1", status=1).err
    assert not (cli.directory / "s").exists()
    assert cli.run(*send, "--state", "s", "--new-state", "a=1").out == "stored: seq 0, 1 reading\n"
    assert "there already" in cli.run(*send, "--state", "s", "--new-state", "a=2", status=1).err
    assert cli.run(*send, "--state", "s", "a=2").out == "stored: seq 65536, 1 reading\n"
    assert len(gateway.received) == 2


def test_counter_state_can_be_made_alone(cli):
    cli.add("shed", "--counter")
    assert cli.run("send", "--credential", "@shed.cred", "--state", "s", "--new-state").out == "made: s\n"
    assert "nothing to send" in cli.run("send", "--credential", "@shed.cred", "--state", "s", status=2).err


def test_a_state_is_used_by_one_process_at_a_time(cli, stand_in):
    gateway = stand_in(cli.add("shed", "--counter"))
    gateway.plan = ["silence"] * 100
    send = ["send", "--to", gateway.url, "--credential", "@shed.cred", "--state", "s"]
    child = cli.start(*send, "--new-state", "a=1", stderr=subprocess.DEVNULL)
    while not gateway.received:
        time.sleep(0.01)
    assert "another process" in cli.run(*send, "a=2", status=1).err
    child.kill()
    child.wait()


def test_states_of_others_are_left_alone(cli):
    cli.add("shed", "--counter")
    cli.add("barn", "--counter")
    cli.run("send", "--credential", "@shed.cred", "--state", "s", "--new-state")
    before = (cli.directory / "s").read_bytes()
    send = ["send", "--to", "http://127.0.0.1:1", "--timeout", "0", "--state"]
    assert "no counter" in cli.run(*send, "s", "--credential", "@barn.cred", "a=1", status=1).err
    assert "not a state file" in cli.run(*send, "shed.cred", "--credential", "@shed.cred", "a=1", status=1).err
    assert (cli.directory / "s").read_bytes() == before


def test_silence_is_answered_with_the_same_bytes(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    gateway.plan = ["silence", "503", "", "lost", "garbage"]
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=1", "--timeout", "120", timeout=120)
    assert "trying again" in done.err
    assert len(gateway.senml()) == 1
    assert len(set(gateway.received)) == 2  # the first, and the one with the challenge
    assert done.out == "stored: seq 1, 1 reading\n"


@pytest.mark.parametrize("trick, complaint", [
    ("silence", "no answer"), ("503", "503"), ("garbage", "not the gateway's"), ("forged", "not the gateway's"),
    ("huge", "longer than any reply"), ("200", "status 200"), ("204", "status 204"), ("lost", "no answer"),
])
def test_nothing_is_believed_without_a_proof(cli, stand_in, trick, complaint):
    gateway = stand_in(cli.add("shed", "--counter"))
    gateway.plan = [trick] * 100
    begun = time.time()
    done = cli.run("send", "--to", gateway.url, "--credential", "@shed.cred", "--state", "s", "--new-state", "a=1",
                   "--timeout", "1", status=1)
    assert complaint in done.err and done.out == ""
    assert "bulla: not known to be stored: " in done.err  # and no more than that
    assert time.time() - begun < 10
    assert len(set(gateway.received)) == 1


@pytest.mark.parametrize("status, complaint", [
    ("401", "does not know this kid, has revoked it, or holds another secret"), ("400", "no message"), ("404", "device listener"),
    ("413", "too large"), ("415", "content type"), ("302", "status 302"), ("page", "device listener"),
])
def test_refusals_are_explained_at_once(cli, stand_in, status, complaint):
    gateway = stand_in(cli.add("kitchen"))
    gateway.plan = [status] * 100
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=1", status=1)
    assert complaint in done.err and done.out == ""
    assert done.err.startswith("bulla: not known to be stored: ")  # anyone can send a status
    assert len(gateway.received) == 1


def test_replies_that_authenticate_say_what_is_not_stored(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    gateway.challenges_only = True
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=1", status=1)
    assert done.err.startswith("bulla: not stored: the gateway challenged or refused it 6 times")
    assert len(gateway.received) == 6


def test_another_secret_is_refused(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    other = re.sub(r"secret=.{43}", "secret=" + SECRET, (cli.directory / "kitchen.cred").read_text())
    done = cli.run("send", "--to", gateway.url, "--credential", "-", "a=1", input=other.encode(), status=1)
    assert "another secret" in done.err


def test_no_gateway(cli):
    cli.add("kitchen")
    send = ["send", "--credential", "@kitchen.cred", "a=1", "--timeout", "0", "--to"]
    assert "is the gateway running" in cli.run(*send, "http://127.0.0.1:1", status=1).err
    assert "only http, https, mqtt and mqtts" in cli.run(*send, "ftp://127.0.0.1", status=1).err
    assert "not a URL" in cli.run(*send, "http://[", status=1).err
    assert "--to is missing" in cli.run("send", "--credential", "@kitchen.cred", "a=1", status=2).err
    assert "--credential is missing" in cli.run("send", "--to", "http://127.0.0.1:1", "a=1", status=2).err
    assert "not a credential line" in cli.run("send", "--to", "http://127.0.0.1:1", "--credential", "bulla:x", "a=1", status=1).err
    assert "nowhere" in cli.run("send", "--to", "http://127.0.0.1:1", "--credential", "@nowhere", "a=1", status=1).err


def test_a_message_that_is_too_long(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=" + "x" * 4096, status=1)
    assert "longer than 4096 bytes" in done.err
    assert gateway.received == []


def test_record_and_raw(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "--record", "log", "--verbose", "a=1")
    assert "a challenge" in done.err and "sealed seq 1" in done.err
    lines = (cli.directory / "log").read_text().splitlines()
    assert [bytes.fromhex(line) for line in lines] == gateway.received
    (cli.directory / "last").write_bytes(gateway.received[-1])
    replayed = cli.run("send", "--to", gateway.url, "--raw", "last")
    assert re.fullmatch(r"status 200, a reply of \d+ bytes\n", replayed.out)
    again = cli.run("send", "--to", gateway.url, "--raw", "-", input=lines[-1].encode())
    assert again.out.startswith("status 200")
    assert gateway.received[-1] == gateway.received[-2] == gateway.received[-3]
    assert len(gateway.senml()) == 1
    flipped = bytes([*gateway.received[-1][:-1], gateway.received[-1][-1] ^ 1])
    assert cli.run("send", "--to", gateway.url, "--raw", "-", input=flipped, status=1).out == "status 401, empty\n"
    both = cli.run("send", "--to", gateway.url, "--raw", "log", status=1).out.splitlines()
    assert len(both) == 2
    assert "--raw" in cli.run("send", "--to", gateway.url, "--raw", "log", "a=1", status=2).err


def test_raw_waits_no_longer_than_it_is_told(cli):
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, and never answers
        url = "http://127.0.0.1:%d" % mute.getsockname()[1]
        begun = time.time()
        done = cli.run("send", "--to", url, "--raw", "-", "--timeout", "0", input=b"\xd0\x83", status=1, timeout=30)
    assert url in done.err and time.time() - begun < 10


# ---- with the real gateway -----------------------------------------------------------------------------------


class Gateway:
    def __init__(self, cli):
        self.process = cli.start("serve", "--listen", "127.0.0.1:0", "--admin", "off", stderr=subprocess.PIPE)
        found = None
        while not found:  # what it warns of comes first
            line = self.process.stderr.readline().decode()
            assert line, "it ended before it was ready"
            found = re.search(r"devices on (http://\S+)", line)
        self.url = found.group(1)
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def close(self):
        self.process.terminate()
        assert self.process.wait(20) == 0


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A database with readings of every type and some events, made by the real gateway."""
    cli = Cli(tmp_path_factory.mktemp("served"))
    cli.add("kitchen")
    cli.add("shed", "--counter")
    cli.add("gone")
    gateway = Gateway(cli)
    send = ["send", "--to", gateway.url, "--timeout", "10"]
    kitchen = [*send, "--credential", "@kitchen.cred", "--state", "kitchen.state"]
    for i in range(5):
        cli.run(*kitchen, "--time", f"2026-01-0{i + 1}T00:00:00Z", f"temperature={20 + i / 10}:Cel")
    cli.run(*kitchen, "--time", "2026-01-06", "count=3", "door=true", "note=a,b\r\n\"c\" \x1b[31m\u202eü", "pi=3.141592653589793")
    cli.run(*kitchen, "--format", "json", "temperature=23.4")
    cli.run(*kitchen, "--format", "text", "not a number at all {")
    shed = [*send, "--credential", "@shed.cred", "--state", "shed.state"]
    cli.run(*shed, "--new-state", "--time", "2026-01-07", "level=0.5", "--record", "log")
    cli.run("send", "--to", gateway.url, "--raw", "log")
    message = bytearray(bytes.fromhex((cli.directory / "log").read_text()))
    message[-1] ^= 1
    cli.run("send", "--to", gateway.url, "--raw", "-", input=bytes(message), status=1)
    cli.run("send", "--to", gateway.url, "--raw", "-", input=b"\xd0\x00", status=1)
    cli.run("device", "revoke", "gone")
    time.sleep(1.5)
    cli.run(*send, "--credential", "@gone.cred", "a=1", status=1)
    gateway.close()
    return cli


def lines_of(cli, *arguments):
    return [json.loads(line) for line in cli.run(*arguments, "--format", "jsonl").out.splitlines()]


def test_jsonl(served):
    found = lines_of(served, "readings")
    first = found[0]
    assert list(first) == ["device", "time", "received", "name", "value", "unit", "seq"]
    assert (first["device"], first["time"], first["name"], first["value"], first["unit"], first["seq"]) == (
        "kitchen", "2026-01-01T00:00:00Z", "temperature", 20, "Cel", 1)
    assert [f["value"] for f in found[:5]] == [20, 20.1, 20.2, 20.3, 20.4]
    by_name = {f["name"]: f for f in found}
    assert by_name["count"]["value"] == 3 and by_name["count"]["unit"] is None
    assert by_name["door"]["value"] is True
    assert by_name["note"]["text"] == "a,b\r\n\"c\" \x1b[31m\u202eü" and "value" not in by_name["note"]
    assert by_name["pi"]["value"] == 3.141592653589793
    undecoded = [f for f in found if f.get("undecoded")]
    for each in undecoded:
        assert each["format"] == 0 and base64.urlsafe_b64decode(each["data"] + "==") == b"not a number at all {"
    for each in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z", each["received"])


def test_jsonl_keeps_controls_escaped(served):
    out = served.run("readings", "--format", "jsonl").out
    assert "\x1b" not in out and "\u202e" not in out


def test_csv(served):
    out = served.run("readings", "--format", "csv").stdout.decode()
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert list(rows[0]) == ["device", "time", "received", "name", "value", "unit", "seq", "type"]
    by_name = {row["name"]: row for row in rows}
    assert by_name["note"]["value"] == "a,b\r\n\"c\" \x1b[31m\u202eü" and by_name["note"]["type"] == "text"
    assert by_name["door"]["value"] == "true" and by_name["count"]["type"] == "integer"
    assert len(rows) == len(lines_of(served, "readings"))


def test_the_table(served):
    out = served.run("readings").out
    assert "\x1b" not in out and "\u202e" not in out and "\\x1b[31m\\u202e" in out
    lines = out.splitlines()
    assert lines[0].split() == ["DEVICE", "TIME", "NAME", "VALUE", "UNIT", "SEQ"]
    seq = lines[0].rindex("SEQ") + len("SEQ")
    assert all(len(line) == seq for line in lines)


def on_a_terminal(cli, *arguments):
    """What a terminal receives."""
    master, slave = pty.openpty()
    child = cli.start(*arguments, stdout=slave)
    os.close(slave)
    out = b""
    while True:
        try:
            got = os.read(master, 65536)
        except OSError:
            break
        if not got:
            break
        out += got
    os.close(master)
    assert child.wait() == 0
    return out.decode()


@pytest.mark.parametrize("format", ["table", "csv", "jsonl"])
def test_a_terminal_is_not_controlled(served, format):
    out = on_a_terminal(served, "readings", "--format", format)
    assert "\x1b" not in out and "\u202e" not in out


def test_filters(served):
    readings = lambda *more: lines_of(served, "readings", *more)  # noqa: E731
    assert {f["device"] for f in readings("--device", "shed")} == {"shed"}
    assert readings("--device", "nobody") == []
    assert [f["value"] for f in readings("--name", "temperature", "--until", "2026-01-03")] == [20, 20.1]
    assert [f["value"] for f in readings("--name=temperature", "--since=2026-01-03", "--until=2026-01-05T00:00:00Z")] == [20.2, 20.3]
    assert [f["value"] for f in readings("--name", "temperature", "--until", "2026-02-01", "--limit", "2")] == [20.3, 20.4]
    assert readings("--until", "0") == [] and len(readings("--since", "0")) == len(readings())
    assert {f["name"] for f in readings("--since", "1h")} >= {"temperature"}
    assert len(readings("--limit", "all")) == len(readings())


def test_events(served):
    found = lines_of(served, "events")
    assert all(list(e) == ["time", "kind", "device", "source", "detail"] for e in found)
    kinds = {e["kind"]: e for e in found}
    assert {"challenged", "duplicate", "forged", "malformed", "revoked"} <= set(kinds)
    assert kinds["duplicate"]["device"] == "shed" and kinds["malformed"]["device"] is None
    assert kinds["revoked"]["device"] == "gone"
    assert {e["kind"] for e in lines_of(served, "events", "--kind", "forged")} == {"forged"}
    assert {e["device"] for e in lines_of(served, "events", "--device", "gone")} == {"gone"}
    assert len(lines_of(served, "events", "--limit", "1")) == 1
    table = served.run("events").out.splitlines()
    assert table[0].split() == ["TIME", "KIND", "DEVICE", "SOURCE", "DETAIL"] and len(table) == len(found) + 1


def test_show_with_contexts(served):
    shown = served.json("device", "show", "shed")
    assert shown["last_seen"] is not None
    (context,) = shown["contexts"]
    assert context == {"id_context": None, "proven": True, "top": 0, "bits": "0000000000000001", "lower": 0, "closes": None}
    (session,) = served.json("device", "show", "kitchen")["contexts"]
    assert re.fullmatch("[0-9a-f]{16}", session["id_context"]) and session["proven"] is True
    assert served.run("device", "show", "kitchen").out.startswith("name       kitchen\n")


def test_a_header_does_not_leave_after_the_first_message(served):
    done = served.run("device", "export", "shed", "--format", "header", status=1)
    assert "messages of it are stored" in done.err and done.out == ""


# ---- writes that fail ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [
    ["readings", "--format", "jsonl"], ["readings", "--format", "csv"], ["readings"], ["events"], ["device", "list"],
    ["device", "show", "kitchen"], ["device", "export", "kitchen"], ["open", "00"], ["check", "--db", "none"],
    ["--help"], ["--version"], ["completion", "bash"],
])
def test_a_full_disk(served, words):
    with open("/dev/full", "w") as full:
        child = served.start(*words, stdout=full, stderr=subprocess.PIPE)
        err = child.communicate()[1].decode()
    assert child.returncode == 1
    assert "No space left on device" in err or "Input/output error" in err


def test_a_credential_that_could_not_be_printed(cli):
    with open("/dev/full", "w") as full:
        child = cli.start("device", "add", "kitchen", stdout=full, stderr=subprocess.PIPE)
        err = child.communicate()[1].decode()
    assert child.returncode == 1 and "bulla device export" in err
    cli.run("device", "export", "kitchen")


def test_numbers_arrive_as_they_were_written(cli):
    cli.add("kitchen")
    gateway = Gateway(cli)
    numbers = ["23.4", "23.0625", "21.0625", "0.1", "0.10000000149011612", "23.399999618530273", "1e-7", "-40.05", "1013.25",
               "3.141592653589793", "1e300", "5e-324", "0.333251953125", "65504.5", "16777217", "9007199254740993", "1.5e9"]
    numbers += [str(i / 16) for i in range(-880, 2000, 37)] + [str(i / 100) for i in range(-4000, 8500, 421)]
    cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", *[f"n{i}={n}" for i, n in enumerate(numbers)])
    gateway.close()
    found = {f["name"]: f["value"] for f in lines_of(cli, "readings")}
    assert [found[f"n{i}"] for i in range(len(numbers))] == [json.loads(n) for n in numbers]


def test_a_reader_that_goes_away(cli):
    cli.add("kitchen")
    gateway = Gateway(cli)
    many = [f"n{i}={i}" for i in range(350)]
    for _ in range(12):  # more than a pipe and the program's buffer hold
        cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "--state", "state", *many)
    gateway.close()
    child = cli.start("readings", "--format", "jsonl", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.readline()
    child.stdout.close()
    assert child.wait(30) == 1
    assert child.stderr.read() == b""


# ---- completion and the manual -------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_well_formed(cli, shell):
    script = cli.run("completion", shell).stdout
    if not shutil.which(shell):
        pytest.skip(shell + " is not installed")
    subprocess.run([shell, "-n"], input=script, check=True)


def complete(cli, *words):
    """What bash offers for the last word."""
    script = """
        source <("$BULLA" completion bash)
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bulla 2>/dev/null; printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "-c", script, "-", "bulla", *words], cwd=cli.directory, capture_output=True,
                          env={**os.environ, "BULLA": str(BULLA)}, check=True)
    return done.stdout.decode().split()


def test_completion(cli):
    assert complete(cli, "dev") == ["device"]
    assert complete(cli, "device", "re") == ["revoke", "remove"]
    assert complete(cli, "device", "export", "kitchen", "--fo") == ["--format"]
    assert complete(cli, "device", "export", "--format", "")[:2] == ["uri", "header"]
    assert complete(cli, "device", "export", "--format", "=", "h") == ["header"]
    assert complete(cli, "events", "-k", "mal") == ["malformed"]
    (cli.directory / "kitchen.cred").touch()
    assert complete(cli, "send", "--credential", "@kit") == ["@kitchen.cred"]
    assert complete(cli, "readings", "--db", "kit") == ["kitchen.cred"]


MANUAL = ROOT / "docs" / "man" / "bulla.1"


def test_the_manual_has_every_command_and_option():
    text = MANUAL.read_text().replace("\\-", "-")
    for words in commands():
        section = re.search(r"^\.(?:Ss|SS) \"?bulla " + " ".join(words) + r"\b.*?(?=^\.(?:Ss|SS|Sh|SH) )", text, re.MULTILINE | re.DOTALL)
        assert section or words == ["device"], words
        for option in option_names(words):
            if option != "--help" and section:
                assert re.search(r"Fl -?" + option[1:] + r"\b|" + option + r"\b", section.group()) or option in (
                    "--db", "--key"), (words, option)


def test_the_manual_is_well_formed():
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", MANUAL], capture_output=True)
    assert done.stdout.decode() == ""
