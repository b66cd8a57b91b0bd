"""Devices on older wires as an operator sees them: added, shown, upgraded, removed; and a gateway that is killed while
their messages are stored."""

import base64
import contextlib
import http.client
import json
import os
import sqlite3

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import MD5, Hash

from program import REPOSITORY, wait_until
from python_device import PythonDevice, senml
from http_client import Connection
from test_store_faults import fault_library, sanitizer_libraries  # noqa: F401

RAW = "2B7E151628AED2A6ABF7158809CF4F3C"
NODEMCU = "ivkey=2345678901abcdef\ndatakey=0123456789abcdef\nstaticiv=abcdef2345678901\npassphrase=mypassphrase\n"


# ---- what a CryptoJS device does ----


def key_and_iv(passphrase, salt):
    """OpenSSL's EVP_BytesToKey, as CryptoJS has it: MD5, once."""
    made, block = b"", b""
    while len(made) < 48:
        digest = Hash(MD5())
        digest.update(block + passphrase + salt)
        block = digest.finalize()
        made += block
    return made[:32], made[32:48]


def cbc(key, iv, text):
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    padding = 16 - len(text) % 16
    return encryptor.update(text + bytes([padding]) * padding) + encryptor.finalize()


def sealed(value, passphrase=RAW):
    salt = os.urandom(8)
    key, iv = key_and_iv(passphrase.encode(), salt)
    text = base64.b64encode(json.dumps(value).encode())
    message = base64.b64encode(b"Salted__" + salt + cbc(key, iv, text)).decode()
    return json.dumps({"msg": message}).encode()


def unsequenced(value, raw=RAW):
    iv = os.urandom(16)
    data = cbc(bytes.fromhex(raw), iv, base64.b64encode(json.dumps(value).encode()))
    return json.dumps({"data": base64.b64encode(data).decode(), "iv": base64.b64encode(iv).decode()}).encode()


def post(port, path, body):
    """The status, or None if the gateway died over it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


# ---- adding ----


@pytest.fixture
def keys(bulla):
    """Key files, as options name them."""
    (bulla.folder / "c.keys").write_text("passphrase=%s\n" % RAW)
    (bulla.folder / "n.keys").write_text(NODEMCU)
    for name in ("c.keys", "n.keys"):
        (bulla.folder / name).chmod(0o600)
    return {"cryptojs": "@c.keys", "nodemcu": "@n.keys"}


CRYPTOJS = ("--wire", "cryptojs", "--keys", "@c.keys")
TOPICS = ("--wire", "nodemcu", "--keys", "@n.keys", "--topic", "green/data", "--session-topic", "green/sessionID")


def show(bulla, name):
    return json.loads(bulla("device", "show", name, "--format", "json"))


def test_what_is_added_says_what_it_lacks(bulla, keys):
    done = bulla.run("device", "add", "balcony", *CRYPTOJS, "--id", "12FA", "--label", "site=home")
    assert done.stdout == ""
    assert done.stderr.startswith("bulla: balcony is added. Its wire, cryptojs, protects less")
    lines = done.stderr.splitlines()[1:]
    assert len(lines) >= 3 and all(line.startswith("  - ") for line in lines)
    device = show(bulla, "balcony")
    assert device["kid"] is None and device["alg"] is None and device["wire"] == "cryptojs"
    assert device["labels"] == {"site": "home"}
    older = device["older_wire"]
    assert (older["route"], older["open"], older["allow_reset"], older["number"]) == ("12FA", True, False, 0)
    assert older["weaknesses"] == [line[4:] for line in lines]  # one text, in all places
    table = bulla("device", "show", "balcony")
    assert all(each in table for each in older["weaknesses"]) and "12FA" in table


def test_the_document_has_the_same_words(bulla, keys):
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA", "--allow-reset", "--allow-unsequenced")
    bulla("device", "add", "field", *TOPICS)
    document = (REPOSITORY / "docs" / "older-wires.md").read_text()
    for name in ("balcony", "field"):
        weaknesses = show(bulla, name)["older_wire"]["weaknesses"]
        section = document.partition("\n### %s\n" % show(bulla, name)["wire"])[2].partition("\n##")[0]
        assert [line[2:] for line in section.splitlines() if line.startswith("- ")] == weaknesses


def test_what_is_allowed_weakens(bulla, keys):
    plain = bulla.run("device", "add", "a", *CRYPTOJS, "--id", "A").stderr
    reset = bulla.run("device", "add", "b", *CRYPTOJS, "--id", "B", "--allow-reset").stderr
    both = bulla.run("device", "add", "c", *CRYPTOJS, "--id", "C", "--allow-reset", "--allow-unsequenced").stderr
    assert [len(text.splitlines()) for text in (reset, both)] == [len(plain.splitlines()) + 1, len(plain.splitlines()) + 2]
    assert "--allow-reset" in reset and "--allow-unsequenced" in both
    assert show(bulla, "c")["older_wire"]["allow_unsequenced"]
    assert "resets, messages without a number" in bulla("device", "show", "c")


def test_a_group_and_a_node(bulla, keys):
    bulla("device", "add", "field", *TOPICS)
    bulla("device", "add", "shed", *TOPICS, "--node", "7", "--reading-name", "moisture")
    field, shed = show(bulla, "field")["older_wire"], show(bulla, "shed")["older_wire"]
    assert field["group"] and field["nodes"] == 0 and field["node"] is None
    assert (field["session_lifetime"], field["session_grace"], field["strict"]) == (600, 30, False)
    assert not shed["group"] and shed["node"] == "7" and shed["reading_name"] == "moisture"
    assert "a group, of 0 nodes" in bulla("device", "show", "field")
    done = bulla.run("device", "add", "other", *TOPICS, "--strict", status=1)
    assert "must be the same" in done.stderr
    done = bulla.run("device", "upgrade", "field", status=1)
    assert "field/ID" in done.stderr


def test_keys_are_never_told(bulla, keys):
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA")
    bulla("device", "add", "field", *TOPICS)
    database = (bulla.folder / "bulla.db").read_bytes() + (bulla.folder / "bulla.db-wal").read_bytes() \
        if (bulla.folder / "bulla.db-wal").exists() else (bulla.folder / "bulla.db").read_bytes()
    secrets = [RAW, "mypassphrase", "0123456789abcdef", "2345678901abcdef", "abcdef2345678901"]
    for secret in secrets:
        assert secret.encode() not in database and bytes.fromhex(RAW) not in database
    for words in (["list"], ["list", "--format", "json"], ["show", "balcony"], ["show", "field", "--format", "json"]):
        out = bulla("device", *words)
        assert not any(secret in out for secret in secrets)


@pytest.mark.parametrize("arguments, words", [
    (("--keys", "passphrase=x", "--wire", "cryptojs", "--id", "A"), "give @FILE or -"),
    (("--wire", "cryptojs", "--id", "A"), "give --keys @FILE too"),
    ((*CRYPTOJS,), "give --id too"),
    ((*CRYPTOJS, "--id", "A", "--topic", "t"), "not --topic"),
    ((*CRYPTOJS, "--id", "A", "--session-topic", "t"), "no session ids"),
    ((*CRYPTOJS, "--id", "A", "--session-lifetime", "60"), "no session ids"),
    ((*CRYPTOJS, "--id", "A", "--strict"), "no session ids"),
    ((*CRYPTOJS, "--id", "A", "--node", "7"), "no node ids"),
    ((*CRYPTOJS, "--id", "A" * 300), "give 1 to 255"),
    ((*CRYPTOJS, "--id", "A", "--number", "-1"), "is not a number from 0 to 9007199254740991"),
    ((*TOPICS, "--number", "5"), "no numbers"),
    (("--number", "5"), "give --wire too"),
    ((*CRYPTOJS, "--id", "A\nB"), "not plain text"),
    ((*CRYPTOJS, "--id", "A", "--counter"), "native credentials"),
    ((*CRYPTOJS, "--id", "A", "--out", "f"), "native credentials"),
    (("--wire", "morse", "--keys", "@c.keys", "--id", "A"), "nodemcu, cryptojs"),
    (("--id", "A"), "give --wire too"),
    (("--keys", "@c.keys"), "give --wire too"),
    (TOPICS[:-2], "give --session-topic too"),
    ((*TOPICS[:-2], "--session-topic", "green/data"), "must be another"),
    ((*TOPICS, "--id", "A"), "not --id"),
    ((*TOPICS, "--allow-reset"), "of another wire"),
    ((*TOPICS, "--session-lifetime", "9"), "10"),
])
def test_misuse(bulla, keys, arguments, words):
    done = bulla.run("device", "add", "a", *arguments, status=2)
    assert words in done.stderr, done.stderr
    assert not (bulla.folder / "bulla.db").exists()


def test_a_table_is_native(bulla, keys):
    (bulla.folder / "t.csv").write_text("name\na\n")
    done = bulla.run("device", "add", "--from", "t.csv", "--wire", "cryptojs", "--out", "f", status=2)
    assert "--from" in done.stderr


@pytest.mark.parametrize("text", ["", "passphrase=\n", "secret=x\n", "passphrase=a\npassphrase=b\n", "x" * 5000])
def test_a_bad_key_file(bulla, text):
    (bulla.folder / "bad.keys").write_text(text)
    done = bulla.run("device", "add", "a", "--wire", "cryptojs", "--keys", "@bad.keys", "--id", "A", status=1)
    assert not (bulla.folder / "bulla.db").exists() and done.stderr.startswith("bulla: ")


def test_keys_from_standard_input(bulla):
    bulla.run("device", "add", "a", "--wire", "cryptojs", "--keys", "-", "--id", "A", input="passphrase=%s\n" % RAW)
    assert show(bulla, "a")["wire"] == "cryptojs"


# ---- the other commands ----


def test_lists(bulla, keys):
    bulla.add("kitchen", "--kid", "0a0b")
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA")
    found = {each["name"]: each for each in json.loads(bulla("device", "list", "--format", "json"))}
    assert (found["kitchen"]["wire"], found["balcony"]["wire"]) == ("native", "cryptojs")
    assert found["balcony"]["kid"] is None and found["balcony"]["kind"] is None
    rows = [line.split(",") for line in bulla("device", "list", "--format", "csv").splitlines()]
    assert rows[0][-1] == "wire" and [row[-1] for row in rows[1:]] == ["cryptojs", "native"]
    assert rows[1][1:4] == ["", "", ""]
    head, balcony, kitchen = bulla("device", "list").splitlines()
    assert balcony[head.index("WIRE"):].startswith("cryptojs") and kitchen[head.index("WIRE"):].startswith("native")


@pytest.mark.parametrize("words", [("export", "balcony"), ("trust", "balcony"), ("export", "balcony", "--format", "qr")])
def test_what_needs_a_credential(bulla, keys, words):
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA")
    done = bulla.run("device", *words, status=1)
    assert "device upgrade" in done.stderr


def test_revoke_label_remove(bulla, keys):
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA")
    bulla("device", "label", "balcony", "floor=2")
    assert json.loads(bulla("device", "revoke", "balcony", "--format", "json")) == {
        "name": "balcony", "kid": None, "done": "revoked"}
    assert "has" in bulla.run("device", "add", "second", *CRYPTOJS, "--id", "12FA", status=1).stderr
    assert "nodes" in bulla("device", "remove", "balcony")
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA")
    lines = json.loads(bulla.run("check", "--format", "json", status=None).stdout)
    assert any("1 in the registry" in json.dumps(line) for line in lines)


# ---- messages, upgrades, restores ----


def test_an_upgrade_keeps_the_history(bulla, keys, make_gateway):
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA", "--label", "site=home")
    gateway = make_gateway().start()
    wait_until(lambda: post(gateway.port, "/data/12FA", sealed({"data": {"value": 300}, "SEQN": 5})) == 200)
    line = bulla("device", "upgrade", "balcony", "--kid", "0a0b0c0d").strip()
    assert line.startswith("bulla:balcony?kid=0a0b0c0d&")
    assert post(gateway.port, "/data/12FA", sealed({"data": {"value": 301}, "SEQN": 7})) == 200
    assert "already" in bulla.run("device", "upgrade", "balcony", status=1).stderr
    assert json.loads(bulla("device", "list", "--format", "json"))[0]["wire"] == "cryptojs"
    device = PythonDevice(line)
    with Connection(gateway.port) as connection:
        first = device.seal(senml(value=302), echo=True)
        device.open(connection.post(first.data).body, first)
        second = device.seal(senml(value=303), echo=True)
        assert connection.post(second.data).status == 200
    wait_until(lambda: post(gateway.port, "/data/12FA", sealed({"data": {"value": 304}, "SEQN": 9})) in (401, 404))
    assert [each["value"] for each in bulla.readings("--device", "balcony")] == [300, 301, 303]
    device = show(bulla, "balcony")
    assert device["wire"] == "native" and device["labels"] == {"site": "home"} and device["lost"] == 1
    assert not device["older_wire"]["open"] and device["older_wire"]["weaknesses"] == []
    assert "closed since" in bulla("device", "show", "balcony")
    assert "closed" in bulla.run("device", "upgrade", "balcony", status=1).stderr


def test_an_upgrade_at_once(bulla, keys, make_gateway):
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA")
    bulla("device", "upgrade", "balcony", "--out", "balcony.credential")
    assert (bulla.folder / "balcony.credential").read_text().startswith("bulla:balcony?")
    assert "closed" in bulla.run("device", "upgrade", "balcony", "--at-once").stderr
    assert not show(bulla, "balcony")["older_wire"]["open"]
    assert bulla("device", "export", "balcony").startswith("bulla:balcony?")
    gateway = make_gateway().start()
    assert post(gateway.port, "/data/12FA", sealed({"data": {"value": 1}, "SEQN": 5})) == 404  # a wire that nobody uses
    assert "native wire" in bulla.run("device", "upgrade", bulla.add("k") and "k", status=1).stderr


def test_a_removed_device_goes_on_at_its_number(bulla, keys, make_gateway):
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA")
    gateway = make_gateway().start()
    message = sealed({"data": {"value": 300}, "SEQN": 5})
    wait_until(lambda: post(gateway.port, "/data/12FA", message) == 200)
    bulla("device", "remove", "balcony")
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA")
    assert show(bulla, "balcony")["older_wire"]["number"] == 5
    wait_until(lambda: post(gateway.port, "/data/12FA", message) == 401)
    assert post(gateway.port, "/data/12FA", sealed({"data": {"value": 301}, "SEQN": 6})) == 200
    assert sorted(each["value"] for each in bulla.readings()) == [300, 301]


def test_a_device_goes_on_where_another_server_had_it(bulla, keys, make_gateway):
    """What was recorded on its way to that server opens nothing here."""
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA", "--number", "120")
    gateway = make_gateway().start()
    recorded = [sealed({"data": {"value": number}, "SEQN": number}) for number in (119, 120)]
    for message in recorded:
        wait_until(lambda: post(gateway.port, "/data/12FA", message) == 401)
    assert post(gateway.port, "/data/12FA", sealed({"data": {"value": 300}, "SEQN": 123})) == 200
    assert [each["value"] for each in bulla.readings()] == [300]
    assert show(bulla, "balcony")["lost"] == 2
    bulla("device", "remove", "balcony")
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA", "--number", "50")
    assert show(bulla, "balcony")["older_wire"]["number"] == 123  # a removed device's, which is higher


def test_a_backup_says_what_it_means(bulla, keys):
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA")
    bulla("device", "add", "field", *TOPICS)
    with sqlite3.connect(bulla.folder / "bulla.db") as db:
        db.execute("INSERT INTO session_ids (topic, id, issued) VALUES ('green/sessionID', ?, 1)", ("0" * 32,))
    db.close()
    bulla("backup", "backup.db")
    db = sqlite3.connect(bulla.folder / "backup.db")
    assert db.execute("SELECT count(*) FROM session_ids WHERE spent = 0").fetchone() == (0,)
    db.close()
    bulla.add("kitchen")
    said = bulla("restore", "backup.db", "--yes")
    assert "1 devices on wires with numbers" in said and "may open once each" in said and "ids are void" in said
    assert "kitchen" in said and "balcony" not in said  # only what was added since is forgotten
    assert "may open once each" in bulla("restored", "--yes")
    bulla("device", "remove", "balcony")
    assert "balcony" in bulla("restore", "backup.db", "--yes")  # comes back


def test_a_restore_takes_over_what_was_accepted(bulla, keys, make_gateway):
    """From the database that it replaces, as long as that can be read."""
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "A")
    bulla("device", "add", "cellar", *CRYPTOJS, "--id", "B", "--allow-unsequenced")
    bulla("backup", "backup.db")
    gateway = make_gateway().start()
    numbered, plain = sealed({"data": {"value": 1}, "SEQN": 5}), unsequenced({"value": 2})
    assert post_when_there(gateway, "/data/A", numbered) == 200
    assert post_when_there(gateway, "/setdata/B", plain) == 200
    gateway.stop()
    bulla("restore", "backup.db", "--yes")
    assert bulla.readings() == []
    assert show(bulla, "balcony")["older_wire"]["number"] == 5
    assert show(bulla, "cellar")["older_wire"]["remembered"] == 1
    gateway.start()
    assert post_when_there(gateway, "/data/A", numbered) == 401
    assert post_when_there(gateway, "/setdata/B", plain) == 401
    assert post(gateway.port, "/data/A", sealed({"data": {"value": 3}, "SEQN": 6})) == 200
    assert [each["value"] for each in bulla.readings()] == [3]


def test_a_restore_that_forgets_a_device_remembers_its_id(bulla, keys, make_gateway):
    """Added after the backup: whoever has the id again goes on behind what was accepted."""
    bulla.add("kitchen")
    bulla("backup", "backup.db")
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "A", "--allow-reset")
    gateway = make_gateway().start()
    old = sealed({"data": {"value": 1}, "SEQN": 5})
    assert post_when_there(gateway, "/data/A", old) == 200
    gateway.stop()
    bulla("restore", "backup.db", "--yes")
    assert bulla("device", "list", "--format", "names").split() == ["kitchen"]
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "A", "--allow-reset")
    assert show(bulla, "balcony")["older_wire"]["number"] == 5
    gateway.start()
    assert post_when_there(gateway, "/data/A", old) == 401
    assert post(gateway.port, "/wsn/A", sealed({"SEQN": 0})) == 200
    assert post(gateway.port, "/data/A", old) == 401
    assert bulla.readings() == []


def test_a_restore_takes_over_the_number_where_no_more_ciphertexts_are_remembered(bulla, keys, make_gateway):
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "A", "--allow-reset")
    with contextlib.closing(sqlite3.connect(bulla.folder / "bulla.db")) as db, db:
        db.execute("UPDATE wires SET hashes = 1000000")
    bulla("backup", "backup.db")
    gateway = make_gateway().start()
    old = sealed({"data": {"value": 1}, "SEQN": 5})
    assert post_when_there(gateway, "/data/A", old) == 200
    gateway.stop()
    bulla("restore", "backup.db", "--yes")
    assert show(bulla, "balcony")["older_wire"]["number"] == 5
    gateway.start()
    assert post_when_there(gateway, "/data/A", old) == 401
    assert bulla.readings() == []


def test_a_restore_opens_no_older_wire_that_an_upgrade_closed(bulla, keys):
    for name, arguments in (("balcony", (*CRYPTOJS, "--id", "A")), ("field", (*TOPICS, "--node", "7"))):
        bulla("device", "add", name, *arguments)
        bulla("device", "upgrade", name)
        bulla("backup", "%s.db" % name)
        assert show(bulla, name)["older_wire"]["open"]
        bulla("device", "upgrade", name, "--at-once")
        bulla("restore", "%s.db" % name, "--yes")
        assert not show(bulla, name)["older_wire"]["open"]


def test_killed_at_every_write(bulla, keys, make_gateway, fault_library):  # noqa: F811
    """Before, in and behind the commit: what was answered is there, what is sent again is not stored twice."""
    bulla("device", "add", "balcony", *CRYPTOJS, "--id", "12FA", "--allow-unsequenced")
    number, killed = 0, 0
    kill = 1
    while True:
        number += 1
        messages = [("/data/12FA", sealed({"data": {"value": 2 * number}, "SEQN": number})),
                    ("/setdata/12FA", unsequenced({"value": 2 * number + 1}))]
        gateway = make_gateway(env={
            "LD_PRELOAD": ":".join([*sanitizer_libraries(), fault_library]), "BULLA_FAULT_FILES": "bulla.db",
            "BULLA_FAULT_KILL": str(kill),
        }).start(wait=False)
        wait_until(lambda: gateway.is_ready() or gateway.process.poll() is not None)
        answers = []
        for path, message in messages:
            if gateway.process.poll() is None:
                answers.append(post_when_there(gateway, path, message))
        survived = gateway.process.poll() is None
        gateway.kill() if survived else gateway._reap(20)
        killed += not survived
        again = make_gateway().start()
        for i, (path, message) in enumerate(messages):
            before = i < len(answers) and answers[i] == 200
            assert post_when_there(again, path, message) in ((401,) if before else (200, 401))
        again.stop()
        values = [each["value"] for each in bulla.readings()]
        assert sorted(values) == list(range(2, 2 * number + 2)), (kill, answers, values)
        if survived:
            break
        kill += 1
    assert killed >= 8  # it was the commits that were cut


def post_when_there(gateway, path, message):
    """The gateway has no such path until it has read its registry."""
    found = []

    def answered():
        found.append(post(gateway.port, path, message) if gateway.process.poll() is None else None)
        return found[-1] != 404

    wait_until(answered)
    return found[-1]
