"""bulla open and bulla check: what they say of messages and of a gateway's surroundings, good and bad."""

import base64
import json
import sqlite3

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
        done = program.subprocess.run([program.BINARY, "open", "-c", line], stdin=file, capture_output=True, text=True)
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
