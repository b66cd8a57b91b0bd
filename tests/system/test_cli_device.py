"""`bulla device`: what it prints, keeps, refuses, and lets out."""

import base64
import datetime
import json
import re
import shutil
import subprocess
import time

import pytest

from command_line import ROOT, SECRET, r


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
