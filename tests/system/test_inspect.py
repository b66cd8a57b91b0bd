"""bulla open and bulla check: what they say of messages and of a gateway's surroundings, good and bad."""

import base64
import contextlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import cbor2
import pytest

import program
import reference
from python_device import JSON, SENML, PythonDevice, senml

VECTORS = program.REPOSITORY / "spec" / "vectors"


def load(name):
    return json.loads((VECTORS / name).read_text())


def line_of(case, kid, context=None):
    """A credential line for a case of the vectors."""
    context = context or ("session" if case["id_context"] else "counter")
    return reference.format_credential(reference.Credential(
        "vector", bytes.fromhex(kid), bytes.fromhex(case["secret"]), case["alg"], context))


def secrets_of(line):
    """All ways in which the secret of a line could be printed."""
    secret = reference.parse_credential(line).secret
    return [secret.hex(), base64.urlsafe_b64encode(secret).decode().rstrip("="), line]


def explain(bulla, message, *arguments, status=0):
    """What `bulla open --format json` says of the bytes of a message; they go in as hex."""
    return json.loads(bulla("open", "--format", "json", *arguments, input=message.hex(), status=status))


# ---- bulla open ----------------------------------------------------------------------------------------------


def test_every_vector_opens(bulla):
    """A sample of all: kinds, algorithms, numbers, content types; and every reply."""
    for case in load("messages.json")["cases"][::7]:
        context = ["--id-context", case["id_context"]] if case["id_context"] else []
        line = line_of(case, case["kid"])
        said = explain(bulla, bytes.fromhex(case["message"]), "--credential", line, *context)
        assert (said["authentic"], said["malformed"], said["why"]) == (True, None, None), case["name"]
        assert said["plaintext"] == case["plaintext"] and said["session"] == case["id_context"]
        for key, name in (("alg", "alg"), ("kid", "kid"), ("piv", "piv"), ("content_type", "content_format"),
                          ("re", "re"), ("echo", "echo")):
            assert said[key] == case[name], (case["name"], key)
        assert said["kid_context"] == (case["id_context"] if case["with_kid_context"] else None)
    for case in load("replies.json")["cases"]:
        context = ["--id-context", case["id_context"]] if case["id_context"] else []
        said = explain(bulla, bytes.fromhex(case["reply"]), "--credential", line_of(case, "0a1b2c3d"), *context)
        assert (said["direction"], said["authentic"]) == ("reply", True), case["name"]
        assert (said["plaintext"], said["kid"], said["piv"], said["re"]) == (
            case["plaintext"], case["gateway_id"], case["gateway_piv"], case["re"])


def test_malformed_messages_are_explained_as_far_as_they_go(bulla):
    good = load("malformed.json")["good"]
    out = bulla("open", good[:60], status=1)
    assert "malformed      byte 29: " in out and "ciphertext" in out
    assert "kid            0a1b2c3d" in out and "kid context    a6f98870aad9c4c2" in out
    said = explain(bulla, bytes.fromhex("d08345a2010a0318a2410741ff"), status=1)
    assert said["malformed"]["offset"] == 7 and said["alg"] == 10 and said["authentic"] is None
    done = bulla.run("open", input="GET / HTTP/1.1", status=1)
    assert "malformed" in done.stdout and "byte 0" in done.stdout and done.stderr == ""


def test_forged_vectors_do_not_open(bulla):
    forged = load("forged.json")
    for case in forged["cases"]:
        line = line_of({**forged, **case}, forged["kid"], case["context"])
        known = ["--id-context", case["newest_session"]] if case.get("newest_session") else []
        said = explain(bulla, bytes.fromhex(case["message"]), "--credential", line, *known, status=1)
        assert said["authentic"] is False and said["why"], case["name"]


def test_a_message_may_come_in_any_form(bulla):
    case = load("messages.json")["cases"][1]
    message = case["message"]
    line = line_of(case, case["kid"])
    (bulla.folder / "credential").write_text(line + "\n")
    said = bulla("open", message, "--credential", line)
    assert "[{0: \"t\", 2: 21.5}]" in said and "authentic      yes: sealed by vector" in said
    assert said.splitlines()[-1].split()[0] == "vector" and "21.5" in said.splitlines()[-1]
    header = said.partition("plaintext")[0]
    wrapped = "\n".join(message[at:at + 30] for at in range(0, len(message), 30)) + "\n"
    for argument, given in ((message.upper(), None), (" ".join(message[at:at + 2] for at in range(0, len(message), 2)), None),
                            (None, message), (None, message + "\r\n"), ("-", wrapped)):
        done = bulla("open", *([argument] if argument else []), "--credential", "@credential", input=given)
        assert done.partition("plaintext")[0] == header
    (bulla.folder / "message").write_bytes(bytes.fromhex(message))
    with open(bulla.folder / "message") as file:
        done = subprocess.run([program.BINARY, "open", "-c", line], stdin=file, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.partition("plaintext")[0] == header
    assert "several messages" in bulla.run("open", input=f"{message}\n{message}\n", status=1).stderr
    assert "odd number" in bulla.run("open", message[:-1], status=1).stderr
    assert "empty" in bulla.run("open", input="", status=1).stderr
    assert "not a message in hex" in bulla.run("open", "hello", status=2).stderr
    assert "cannot be both" in bulla.run("open", "--credential", "-", status=2, input="").stderr
    assert "not both" in bulla.run("open", message, "-c", line, "-d", "k", status=2).stderr
    assert "8 bytes" in bulla.run("open", message, "-c", line, "--id-context", "00", status=2).stderr
    assert bulla("open", message, "--credential", "-", input=line).partition("plaintext")[0] == header


@pytest.mark.parametrize("given, why", [
    (dict(kid="0a1b2d"), "another device's"),
    (dict(alg=30), "algorithm 10, and the credential says 30"),
    (dict(context="counter"), "it names a session, but the credential is of a counter"),
    (dict(secret="00" * 32), "changed on its way, or sealed with another secret"),
])
def test_why_a_message_is_refused(bulla, given, why):
    case = next(c for c in load("messages.json")["cases"] if c["name"] == "AES-CCM-16-64-128, session, kid of 3")
    line = line_of({**case, **given}, given.get("kid", case["kid"]), given.get("context"))
    said = explain(bulla, bytes.fromhex(case["message"]), "--credential", line, status=1)
    assert said["authentic"] is False and why in said["why"]
    assert said["opened"] == ("secret" not in given) and ("plaintext" in said) == said["opened"]
    text = bulla("open", case["message"], "--credential", line, status=1)
    assert why in text
    for secret in secrets_of(line):
        assert secret not in text and secret not in json.dumps(said)


def test_the_other_kind_is_told(bulla):
    case = next(c for c in load("messages.json")["cases"] if c["name"] == "AES-CCM-16-64-128, counter, kid of 3")
    said = explain(bulla, bytes.fromhex(case["message"]), "--credential", line_of(case, case["kid"], "session"), status=1)
    assert said["opened"] and "sealed in a counter context" in said["why"]


def test_a_session_that_is_not_named_is_asked_for(bulla):
    message = load("messages.json")["cases"][0]
    reply = load("replies.json")["cases"][0]
    for case, data, kid in ((message, message["message"], message["kid"]), (reply, reply["reply"], "0a1b2c3d")):
        said = explain(bulla, bytes.fromhex(data), "--credential", line_of(case, kid), status=1)
        assert "--id-context HEX" in said["why"] and not said["opened"]
        done = explain(bulla, bytes.fromhex(data), "--credential", line_of(case, kid), "--id-context", case["id_context"])
        assert done["authentic"]


def dump(folder):
    with sqlite3.connect(folder / "bulla.db") as db:
        return list(db.iterdump())


def test_with_the_registry(bulla, gateway, make_device, connect):
    """Messages and replies of a running gateway, both ways; the registry is as it was afterwards."""
    device = make_device("kitchen")
    counter = make_device("shed", "--counter")
    connection = connect()
    stored = device.send(connection, senml(temperature=23.5))
    bare = device.seal(cbor2.dumps([{0: "a", 2: 1}, {0: "b", 3: "x"}]), with_kid_context=False)
    reply = connection.post(bare.data).body
    ticks = counter.seal(b'{"a": 1}', content_format=JSON)
    answer = connection.post(ticks.data).body
    before = dump(bulla.folder)
    said = explain(bulla, stored.data, "--device", "kitchen")
    assert said["authentic"] and said["readings"][0]["name"] == "temperature" and said["readings"][0]["value"] == 23.5
    said = explain(bulla, bare.data, "--device", "kitchen")  # the registry knows its session
    assert said["authentic"] and said["session"] == device.id_context.hex()
    assert said["diagnostic"] == '[{0: "a", 2: 1}, {0: "b", 3: "x"}]' and len(said["readings"]) == 2
    said = explain(bulla, reply, "--device", "kitchen")
    assert said["direction"] == "reply" and said["authentic"] and said["re"] == bare.piv
    assert f"message {bare.piv}, which is stored" in bulla("open", reply.hex(), "--device", "kitchen")
    said = explain(bulla, ticks.data, "--device", "shed")
    assert said["authentic"] and said["text"] == '{"a": 1}' and said["session"] is None
    assert explain(bulla, answer, "--device", "shed")["authentic"]
    assert not explain(bulla, answer, "--device", "kitchen", status=1)["authentic"]
    assert "another device's" in explain(bulla, ticks.data, "--device", "kitchen", status=1)["why"]
    assert dump(bulla.folder) == before
    bulla("device", "revoke", "kitchen")
    assert explain(bulla, stored.data, "--device", "kitchen")["revoked"]
    assert "revoked" in bulla("open", stored.data.hex(), "--device", "kitchen")
    assert "no device has this name" in bulla.run("open", stored.data.hex(), "--device", "cellar", status=1).stderr


def test_what_is_in_a_message_does_not_control_the_terminal(bulla):
    device = PythonDevice(bulla.add("kitchen"))
    for plaintext, form in ((b"\x1b[2J\xc2\x9b\xe2\x80\xae\n\xff", 0), (cbor2.dumps("\x1b[2J\u202e"), 60), (b"\x1b]0;x\x07", 110)):
        message = device.seal(plaintext, content_format=form)
        out = bulla("open", message.data.hex(), "--device", "kitchen", "--id-context", device.id_context.hex())
        assert not any(ord(c) < 32 and c != "\n" or ord(c) in (0x7F, 0x9B, 0x202E) for c in out), out


def test_what_is_no_cbor_is_told(bulla):
    device = PythonDevice(bulla.add("kitchen"))
    message = device.seal(bytes.fromhex("8201fc"), content_format=SENML)
    said = explain(bulla, message.data, "--device", "kitchen")
    assert said["diagnostic"].startswith("[1,  / byte 2: ") and said["readings"][0]["undecoded"]


def test_a_recorded_line(bulla, gateway):
    (bulla.folder / "k.cred").write_text(bulla.add("kitchen"))
    bulla("send", "--to", gateway.url, "--credential", "@k.cred", "--record", "sent", "temperature=23.5:Cel")
    last = (bulla.folder / "sent").read_text().splitlines()[-1]
    out = bulla("open", "--credential", "@k.cred", input=last + "\n")
    assert '[{0: "temperature", 1: "Cel", 2: 23.5}]' in out and "yes: sealed by kitchen" in out


def test_open_says_when_there_is_no_key(bulla):
    bulla.add("kitchen")
    (bulla.folder / "bulla.key").unlink()
    assert "master key" in bulla.run("open", "d083", "--device", "kitchen", status=1).stderr


# ---- bulla check ---------------------------------------------------------------------------------------------


def check(bulla, *arguments, status=0, **options):
    """The lines of `bulla check`, by what they are about: lists of (verdict, text, advice)."""
    lines = {}
    for line in json.loads(bulla("check", "--format", "json", *arguments, status=status, **options)):
        assert list(line) == ["check", "verdict", "text", "advice"]
        lines.setdefault(line["check"], []).append((line["verdict"], line["text"], line["advice"]))
    return lines


def verdict(lines, name):
    """The worst one."""
    return max((line[0] for line in lines[name]), key=["ok", "warning", "problem"].index)


def change(bulla, sql, *values):
    with sqlite3.connect(bulla.folder / "bulla.db") as db:
        db.execute(sql, values)
    db.close()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "bulla.db-shm"}


def test_a_sound_gateway(bulla, make_device, gateway, connect):
    make_device("kitchen").send(connect(), senml(a=1))
    before = contents(bulla.folder)
    lines = check(bulla)
    for name in ("database", "integrity", "permissions", "disk", "devices", "limits", "memory"):
        assert verdict(lines, name) == "ok", lines[name]
    assert verdict(lines, "key") == "warning" and "lies beside it" in lines["key"][0][1]
    assert "1 in the registry" in lines["devices"][0][1]
    assert contents(bulla.folder) == before
    text = bulla("check", "--full")
    assert text.splitlines()[-1].startswith("0 problems, ") and "\n                      -> " in text
    gateway.stop()
    (bulla.folder / "keys").mkdir()
    (bulla.folder / "bulla.key").rename(bulla.folder / "keys" / "k")
    before = contents(bulla.folder / "keys"), sorted(path.name for path in bulla.folder.iterdir())
    lines = check(bulla, "--key", "keys/k")
    assert lines["key"] == [("ok", "keys/k fits the database", None)]
    assert (contents(bulla.folder / "keys"), sorted(path.name for path in bulla.folder.iterdir())) == before


def test_a_new_database_has_no_key_yet(bulla):
    bulla.add("a")
    change(bulla, "DELETE FROM meta WHERE name = 'keycheck'")
    (bulla.folder / "bulla.key").unlink()
    assert "is made when" in check(bulla)["key"][0][1]
    assert not (bulla.folder / "bulla.key").exists()


def damaged(folder):
    """The pages at which tables begin, but for the one that says where that is."""
    path = folder / "bulla.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        pages = [row[0] for row in db.execute("SELECT rootpage FROM sqlite_schema WHERE type = 'table'")]
    data = bytearray(path.read_bytes())
    for page in pages:
        data[(page - 1) * 4096:(page - 1) * 4096 + 8] = b"\xa5" * 8
    path.write_bytes(data)


@pytest.mark.parametrize("break_it, name, text", [
    (lambda folder: (folder / "bulla.db").unlink(), "database", "No such file"),
    (lambda folder: ((folder / "bulla.db").unlink(), (folder / "bulla.db").mkdir()), "database", "not a file"),
    (lambda folder: (folder / "bulla.db").write_bytes(b""), "database", "empty file"),
    (lambda folder: (folder / "bulla.db").write_bytes(b"x" * 5000), "database", "not a database"),
    (damaged, "integrity", ""),
    (lambda folder: (folder / "bulla.db").write_bytes((folder / "bulla.db").read_bytes()[:12288]), "database", "malformed"),
    (lambda folder: (folder / "bulla.key").unlink(), "key", "No such file"),
    (lambda folder: (folder / "bulla.key").write_text("00" * 32 + "\n"), "key", "not the one"),
    (lambda folder: (folder / "bulla.key").write_text("hello\n"), "key", "damaged"),
    (lambda folder: (folder / "bulla.key").chmod(0o644), "key", "its mode is 644"),
    (lambda folder: (folder / "bulla.db").chmod(0o666), "permissions", "others may write to it"),
    (lambda folder: folder.chmod(0o777), "permissions", "everybody may write to the folder"),
])
def test_what_is_broken_is_told(bulla, break_it, name, text):
    bulla.add("kitchen")
    break_it(bulla.folder)
    lines = check(bulla, status=1)
    problems = [line for line in lines[name] if line[0] == "problem"]
    assert problems and text in problems[0][1], lines
    assert problems[0][2] or "docs/gateway.md" in problems[0][1] or "type: " in problems[0][1], problems
    assert "clock" in lines and "memory" in lines  # the rest is looked at all the same
    bulla.folder.chmod(0o700)


@pytest.mark.parametrize("sql, text", [
    ("PRAGMA application_id = 7", "another program"), ("PRAGMA user_version = 999", "newer bulla"),
])
def test_databases_of_others(bulla, sql, text):
    bulla.add("kitchen")
    change(bulla, sql)
    before = contents(bulla.folder)
    assert text in check(bulla, status=1)["database"][0][1]
    assert contents(bulla.folder) == before


def test_a_readable_database_is_a_warning(bulla):
    bulla.add("kitchen")
    (bulla.folder / "bulla.db").chmod(0o644)
    lines = check(bulla)
    assert verdict(lines, "permissions") == "warning" and lines["permissions"][0][2] == "chmod 600 the file"


def test_devices_that_need_looking_after(bulla, make_device, gateway, connect):
    connection = connect()
    for name in ("far", "near", "quiet", "late"):
        make_device(name, "--counter").send(connection, senml(a=1))
    bulla("device", "add", "imported", "--counter", "--secret", "-", input="W6_7qqR38dhtY7dUrw3tgOm2MGDG3HInDKYFi-fTcgI")
    bulla.add("new")
    bulla.add("forgotten")
    bulla.add("gone")
    bulla("device", "revoke", "gone")
    gateway.stop()
    of = "WHERE device = (SELECT id FROM devices WHERE name = ?)"
    change(bulla, f"UPDATE contexts SET top = 1099511627775 - 4294967295 {of}", "far")
    change(bulla, f"UPDATE contexts SET top = 1099511627775 - 1048575 {of}", "near")
    change(bulla, f"UPDATE contexts SET seen = seen - 86401000000 {of}", "quiet")
    change(bulla, "UPDATE devices SET created = created - 86402 WHERE name IN ('forgotten', 'gone')")
    lines = check(bulla, status=1)["devices"]
    assert [line[:2] for line in lines] == [
        ("ok", "8 in the registry, 1 of them revoked"),
        ("warning", "1 not heard for a day or more: quiet"),
        ("warning", "1 never heard since they were added: forgotten"),
        ("warning", "1 with a counter that is not proven: imported"),
        ("warning", "1 with few sequence numbers left: far"),
        ("problem", "1 with hardly any sequence numbers left: near"),
    ]
    for i in range(6):
        bulla.add(f"old{i}")
    change(bulla, "UPDATE devices SET created = created - 86402 WHERE name LIKE 'old%'")
    assert "7 never heard since they were added: forgotten, old0, old1, old2, …" in str(check(bulla, status=1)["devices"])


def test_the_clock(bulla, make_device, gateway, connect):
    make_device("kitchen").send(connect(), senml(a=1))
    gateway.stop()
    change(bulla, "UPDATE contexts SET seen = seen + 3600000000")
    lines = check(bulla, status=1)["clock"]
    assert lines[0][0] == "problem" and "a reading was received at" in lines[0][1]
    change(bulla, "UPDATE contexts SET seen = seen - 3600000000")
    assert all(line[0] != "problem" for line in check(bulla)["clock"])
    change(bulla, "UPDATE meta SET value = value + 100 WHERE name = 'issued_t'")
    lines = check(bulla, status=1)["clock"]
    assert lines[0][0] == "problem" and "a challenge was made at" in lines[0][1]


def test_the_limits(bulla):
    bulla.add("kitchen")
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))  # noqa: E731
    lines = check(bulla, preexec_fn=limit)["limits"]
    assert lines[0][0] == "warning" and "may open 512 files, and 10000 connections need 10128" in lines[0][1]
    assert verdict(check(bulla, "--max-connections", "384", preexec_fn=limit), "limits") == "ok"


def test_a_large_log(bulla):
    bulla.add("kitchen")
    with open(bulla.folder / "bulla.db-wal", "wb") as log:
        log.truncate(300 << 20)
    (bulla.folder / "bulla.db-wal").chmod(0o600)
    assert "300 MiB" in check(bulla)["log"][0][1]


def test_memory_that_a_restart_empties(bulla):
    folder = Path("/dev/shm")
    if subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True).stdout.strip() != b"tmpfs":
        pytest.skip("/dev/shm is no tmpfs here")
    with tempfile.TemporaryDirectory(dir=folder) as name:
        bulla("device", "add", "a", "--db", f"{name}/bulla.db")
        assert "tmpfs" in str(check(bulla, "--db", f"{name}/bulla.db", status=1)["file system"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_files_of_several_users(bulla):
    bulla.add("kitchen")
    os.chown(bulla.folder / "bulla.db", 65534, -1)
    lines = check(bulla, status=1)
    assert "may not make files in its folder" in str(lines["permissions"])
    assert "belongs to user 0, and the database to user 65534" in str(lines["key"])
    os.chown(bulla.folder, 65534, -1)
    os.chown(bulla.folder / "bulla.key", 65534, -1)
    assert verdict(check(bulla), "permissions") == "ok"
    (bulla.folder / "bulla.db-wal").touch(mode=0o600)
    assert "a command was run as another user" in str(check(bulla, status=1)["permissions"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run it as another user")
def test_as_the_wrong_user(bulla):
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        shutil.copy(program.BINARY, f"{name}/bulla")
        bulla("device", "add", "a", "--db", f"{name}/bulla.db")
        done = subprocess.run([f"{name}/bulla", "check", "--db", f"{name}/bulla.db", "--format", "json"], user=65534, group=65534,
                              extra_groups=[], capture_output=True, text=True, cwd="/", env=program.environment())
        assert done.returncode == 1, done
        lines = json.loads(done.stdout)
        assert any("who runs this, may not write to it" in line["text"] for line in lines), lines
        assert any(line["check"] == "key" and line["verdict"] == "problem" for line in lines), lines


def test_an_older_schema_is_brought_up_to_date_by_others(bulla):
    bulla.add("kitchen")
    with sqlite3.connect(bulla.folder / "bulla.db") as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
    change(bulla, f"PRAGMA user_version = {version - 1}")
    before = contents(bulla.folder)
    lines = check(bulla)
    assert verdict(lines, "database") == "warning" and "older bulla" in lines["database"][0][1]
    assert contents(bulla.folder) == before
