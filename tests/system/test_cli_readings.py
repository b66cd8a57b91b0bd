"""What is stored, as commands list it; and writes that fail."""

import base64
import csv
import io
import json
import os
import pty
import re
import subprocess
import time

import pytest

from command_line import Cli, Gateway, lines_of


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
