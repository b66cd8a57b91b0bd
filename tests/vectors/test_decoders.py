"""The decoders of contrib/, by the vectors: they open what was sealed, and refuse all that is malformed or forged."""

import base64
import json
import pathlib
import shutil
import subprocess
import sys

import cbor2
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "contrib"), str(ROOT / "spec")]

import decode  # noqa: E402
import reference  # noqa: E402

NODE = shutil.which("node")
KID = "0a1b2c3d"
CHACHA = 24


def load(name):
    return json.loads((ROOT / "spec" / "vectors" / (name + ".json")).read_text(encoding="ascii"))


def line_of(secret, kid, alg, context):
    text = base64.urlsafe_b64encode(bytes.fromhex(secret)).rstrip(b"=").decode()
    line = "bulla:shed?kid=%s&secret=%s&alg=%d" % (kid, text, alg)
    return line + "&context=counter" if context == "counter" else line


def sealed_cases():
    for case in load("messages")["cases"]:
        context = "session" if case["id_context"] else "counter"
        yield case, (line_of(case["secret"], case["kid"], case["alg"], context), case["message"], case["id_context"])


def malformed_cases():
    vectors = load("malformed")
    line = line_of(vectors["secret"], KID, vectors["alg"], "session")
    for case in vectors["cases"]:
        yield case, (line, case["message"], vectors["id_context"])


def forged_cases():
    vectors = load("forged")
    for case in vectors["cases"]:
        line = line_of(vectors["secret"], vectors["kid"], vectors["alg"], case["context"])
        yield case, (line, case["message"], case.get("newest_session"))


# Contents that are not in the vectors: what JSON cannot say is written as decode_lines.mjs writes it.
CONTENTS = {
    "f97e00": {"number": "NaN"}, "f9fc00": {"number": "-Infinity"}, "f90001": 2**-24, "f90000": 0, "f93c00": 1,
    "f97bff": 65504, "fa47c35000": 100000, "fb3ff199999999999a": 1.1, "1bffffffffffffffff": {"number": str(2**64 - 1)},
    "3bffffffffffffffff": {"number": str(-(2**64))}, "3a00010000": -65537, "1b001fffffffffffff": 2**53 - 1,
    "9f01820203ff": [1, [2, 3]], "bf616101ff": {"map": ["a", 1]}, "5f42010243030405ff": {"bytes": "0102030405"},
    "7f657374726561646d696e67ff": "streaming", "c11a514b67b0": {"tag": 1, "value": 1363896240}, "f6": None,
    "f5": True, "a201020304": {"map": [1, 2, 3, 4]}, "80": [], "a0": {"map": []}, "40": {"bytes": ""}, "60": "",
}
NOT_CBOR = ["", "18", "ff", "1c", "1f", "9f", "bf61", "6180", "0000", "81" * 4000, "5bffffffffffffffff00", "bb8000000000000000"]


def content_cases(contents):
    secret = bytes(range(32))
    for piv, content in enumerate(contents):
        sealed = reference.seal_message(secret, 10, bytes.fromhex(KID), None, piv, 60, bytes.fromhex(content))
        yield content, (line_of(secret.hex(), KID, 10, "counter"), sealed.data.hex(), None)


def in_python(line, message, id_context):
    return decode.open_message(line, bytes.fromhex(message), id_context and bytes.fromhex(id_context))


@pytest.fixture(scope="module")
def in_javascript():
    """Opens many messages in one process."""
    if NODE is None:
        pytest.skip("there is no node (Debian: nodejs)")

    def run(requests):
        text = "".join(json.dumps(request) + "\n" for request in requests)
        done = subprocess.run([NODE, ROOT / "tests/vectors/decode_lines.mjs"], input=text, capture_output=True,
                              text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(requests)
        return answers

    return run


def plain(value):
    """A value as decode_lines.mjs writes it."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, dict):
        return {"map": [plain(each) for pair in value.items() for each in pair]}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def expected_value(case):
    content = bytes.fromhex(case["plaintext"])
    try:
        return DECODERS.get(case["content_format"], plain)(content)
    except (ValueError, cbor2.CBORDecodeError):
        return plain(content)


DECODERS = {112: lambda content: plain(cbor2.loads(content)), 60: lambda content: plain(cbor2.loads(content)),
            110: json.loads, 50: json.loads, 0: bytes.decode}


def test_python_opens_what_was_sealed():
    for case, request in sealed_cases():
        said = in_python(*request)
        assert said["content"].hex() == case["plaintext"], case["name"]
        assert (said["kid"].hex(), said["piv"], said["format"], said["re"]) == (
            case["kid"], case["piv"], case["content_format"], case["re"]), case["name"]
        assert (said["id_context"] and said["id_context"].hex()) == case["id_context"]
        value = said["value"] if case["content_format"] in (110, 50) else plain(said["value"])
        assert value == expected_value(case), case["name"]


@pytest.mark.parametrize("cases, reason", [(malformed_cases, "malformed"), (forged_cases, "forged")])
def test_python_refuses(cases, reason):
    for case, request in cases():
        with pytest.raises(ValueError, match=reason):
            in_python(*request)
            pytest.fail("taken: " + case["name"])


def test_python_refuses_every_changed_bit():
    _, (line, message, id_context) = next(iter(forged_cases()))
    good = bytes.fromhex(load("forged")["good"])
    assert in_python(line, good.hex(), id_context)["piv"] == 5
    for bit in range(8 * len(good)):
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError):
            in_python(line, changed.hex(), id_context)


def test_javascript_opens_what_was_sealed(in_javascript):
    cases = list(sealed_cases())
    for (case, _), said in zip(cases, in_javascript([request for _, request in cases])):
        if case["alg"] == CHACHA:
            assert "decode.py" in said["refused"], case["name"]
            continue
        assert "refused" not in said, (case["name"], said)
        assert said["content"] == {"bytes": case["plaintext"]}, case["name"]
        re = case["re"] if case["re"] is None or case["re"] < 2**53 else {"number": str(case["re"])}
        assert (said["kid"], said["piv"], said["format"], said["re"], said["id_context"]) == (
            case["kid"], case["piv"], case["content_format"], re, case["id_context"]), case["name"]
        assert said["value"] == expected_value(case), case["name"]


@pytest.mark.parametrize("cases, reason", [(malformed_cases, "malformed"), (forged_cases, "")])
def test_javascript_refuses(in_javascript, cases, reason):
    cases = list(cases())
    for (case, _), said in zip(cases, in_javascript([request for _, request in cases])):
        assert said.get("refused", "").startswith(("malformed", reason or "forged")), (case["name"], said)
        assert not said["unexpected"], (case["name"], said)


def test_javascript_refuses_every_changed_bit(in_javascript):
    _, (line, message, id_context) = next(iter(forged_cases()))
    good = bytes.fromhex(load("forged")["good"])
    changed = [good.hex()]
    for bit in range(8 * len(good)):
        each = bytearray(good)
        each[bit // 8] ^= 1 << bit % 8
        changed.append(each.hex())
    said = in_javascript([(line, each, id_context) for each in changed])
    assert said[0]["piv"] == 5
    assert all("refused" in each and not each["unexpected"] for each in said[1:])


def test_javascript_decodes_cbor(in_javascript):
    cases = list(content_cases(CONTENTS))
    for (content, _), said in zip(cases, in_javascript([request for _, request in cases])):
        assert said["value"] == CONTENTS[content], content


def test_content_that_is_not_cbor_stays_bytes(in_javascript):
    cases = list(content_cases(NOT_CBOR))
    for (content, request), said in zip(cases, in_javascript([request for _, request in cases])):
        assert said["value"] == said["content"] == {"bytes": content}, content
        assert in_python(*request)["content"].hex() == content


@pytest.mark.parametrize("program", [[sys.executable, "contrib/decode.py"], ["node", "contrib/decode.mjs"]])
def test_command_lines(tmp_path, program):
    if shutil.which(program[0]) is None:
        pytest.skip("there is no node (Debian: nodejs)")
    vectors = load("messages")["cases"]
    with_context = next(case for case in vectors if case["with_kid_context"] and case["alg"] == 10)
    without = next(case for case in vectors if case["id_context"] and not case["with_kid_context"])

    def run(case, input, *arguments):
        credential = tmp_path / "credential"
        context = "session" if case["id_context"] else "counter"
        credential.write_text(line_of(case["secret"], case["kid"], case["alg"], context) + "\n")
        return subprocess.run([*program, "@%s" % credential, *arguments], cwd=ROOT, input=input, capture_output=True,
                              timeout=60)

    done = run(with_context, bytes.fromhex(with_context["message"]))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["content"] == with_context["plaintext"]
    done = run(without, (without["message"] + "\n").encode() * 2, without["id_context"])
    assert done.returncode == 0, done.stderr
    assert [json.loads(each)["piv"] for each in done.stdout.splitlines()] == [without["piv"]] * 2
    done = run(without, bytes.fromhex(without["message"]))
    assert done.returncode != 0 and b"ID_CONTEXT is needed" in done.stderr
    assert subprocess.run(program, cwd=ROOT, input=b"", capture_output=True, timeout=60).returncode != 0


# What JSON has no words for, or only after a fashion: keys that are bytes, lists and maps, two keys of one text, a value in
# itself, numbers that are none, depth, dates and other tags.
UNSPEAKABLE = ["a1410102", "a1810102", "a1a001", "a2010261310a", "d81c81d81d00", "f97e00", "81f97c00", "81" * 900 + "00", "f7",
               "e0", "c11a514b67b0", "c249010000000000000000", "d9010283010203", "bf616101ff", "fb7e37e43c8800759c"]


@pytest.mark.parametrize("program", [[sys.executable, "contrib/decode.py"], ["node", "contrib/decode.mjs"]])
def test_the_command_says_all_that_is_authentic(program):
    """One message that cannot be shown must not keep the next ones back."""
    if shutil.which(program[0]) is None:
        pytest.skip("there is no node (Debian: nodejs)")
    requests = [request for _, request in content_cases(UNSPEAKABLE)]
    done = subprocess.run([*program, requests[0][0]], cwd=ROOT, input="\n".join(request[1] for request in requests).encode(),
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr[-500:]
    said = [json.loads(each, parse_constant=pytest.fail) for each in done.stdout.splitlines()]
    assert [each["content"] for each in said] == UNSPEAKABLE


@pytest.mark.parametrize("line", [
    "", "bulla:x", "bulla:x?kid=01", "http:x?kid=01&secret=" + "A" * 43, "bulla:x?kid=&secret=" + "A" * 43,
    "bulla:x?kid=010203040506&secret=" + "A" * 43, "bulla:x?kid=01&secret=AAAA",
    "bulla:x?kid=01&secret=" + "A" * 43 + "&alg=11", "bulla:x?kid=01&secret=" + "A" * 43 + "&context=else",
])
def test_what_is_no_credential(in_javascript, line):
    with pytest.raises(ValueError):
        decode.parse_credential(line)
    assert "refused" in in_javascript([(line, load("forged")["good"], None)])[0]


@pytest.mark.parametrize("name, most", [("decode.py", 60), ("decode.mjs", 60)])
def test_decoders_stay_short(name, most):
    lines = (ROOT / "contrib" / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= most
    assert max(map(len, lines)) <= 120
