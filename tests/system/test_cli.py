"""The command line: help, options and exit codes, completion and the manual page."""

import os
import re
import shutil
import subprocess

import pytest

from command_line import BULLA, ROOT


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
