"""The reference against facts that do not come from it, and the committed vectors against the reference.

Run with: python3 -m pytest tests/vectors
"""

import json
import pathlib
import subprocess
import sys

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import hmac as library_hmac
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = ROOT / "spec"
COSE = ROOT.parent / "shared" / "vectors" / "cose"
sys.path.insert(0, str(SPEC))

import reference as r  # noqa: E402

h = bytes.fromhex


def load(name):
    return json.loads((SPEC / "vectors" / name).read_text(encoding="ascii"))


def cases(name, part="cases"):
    return [pytest.param(case, id=case["name"]) for case in load(name)[part]]


def optional(text):
    return None if text is None else h(text)


# ---- facts from elsewhere ----------------------------------------------------------------------------------

# RFC 8613 appendix C.1.1, C.2.1 and C.3.1: salt, id context, sender id, recipient id; then the three info arrays,
# sender key, recipient key, Common IV, and the nonces of both with piv 0. The secret is the same in all.
RFC8613_SECRET = h("0102030405060708090a0b0c0d0e0f10")
RFC8613 = {
    "C.1.1": (
        "9e7ca92223786340", None, "", "01",
        "8540f60a634b657910", "854101f60a634b657910", "8540f60a6249560d",
        "f0910ed7295e6ad4b54fc793154302ff", "ffb14e093c94c9cac9471648b4f98710", "4622d4dd6d944168eefb54987c",
        "4622d4dd6d944168eefb54987c", "4722d4dd6d944169eefb54987c",
    ),
    "C.2.1": (
        "", None, "00", "01",
        "854100f60a634b657910", "854101f60a634b657910", "8540f60a6249560d",
        "321b26943253c7ffb6003b0b64d74041", "e57b5635815177cd679ab4bcec9d7dda", "be35ae297d2dace910c52e99f9",
        "bf35ae297d2dace910c52e99f9", "bf35ae297d2dace810c52e99f9",
    ),
    "C.3.1": (
        "9e7ca92223786340", "37cbf3210017a2d3", "", "01",
        "85404837cbf3210017a2d30a634b657910", "8541014837cbf3210017a2d30a634b657910",
        "85404837cbf3210017a2d30a6249560d",
        "af2a1300a5e95788b356336eeecd2b92", "e39a0c7c77b43f03b4b39ab9a268699f", "2ca58fb85ff1b81c0b7181b85e",
        "2ca58fb85ff1b81c0b7181b85e", "2da58fb85ff1b81d0b7181b85e",
    ),
}


@pytest.mark.parametrize("section", RFC8613)
def test_rfc8613_key_derivation(section):
    salt, id_context, sender, recipient, *figures = RFC8613[section]
    salt, id_context, sender, recipient = h(salt), optional(id_context), h(sender), h(recipient)
    common_iv = r.derive_common_iv(RFC8613_SECRET, id_context, 10, salt)
    made = (
        r.key_info(sender, id_context, 10, "Key", 16),
        r.key_info(recipient, id_context, 10, "Key", 16),
        r.key_info(b"", id_context, 10, "IV", 13),
        r.derive_key(RFC8613_SECRET, sender, id_context, 10, salt),
        r.derive_key(RFC8613_SECRET, recipient, id_context, 10, salt),
        common_iv,
        r.make_nonce(common_iv, sender, 0),
        r.make_nonce(common_iv, recipient, 0),
    )
    assert [value.hex() for value in made] == figures


@pytest.mark.parametrize("key, common_iv, id, nonce, aad, ciphertext", [
    pytest.param("f0910ed7295e6ad4b54fc793154302ff", "4622d4dd6d944168eefb54987c", "", "4622d4dd6d944168eefb549868",
                 "8368456e63727970743040488501810a40411440", "612f1092f1776f1c1668b3825e", id="C.4"),
    pytest.param("321b26943253c7ffb6003b0b64d74041", "be35ae297d2dace910c52e99f9", "00", "bf35ae297d2dace910c52e99ed",
                 "8368456e63727970743040498501810a4100411440", "4ed339a5a379b0b8bc731fffb0", id="C.5"),
    pytest.param("af2a1300a5e95788b356336eeecd2b92", "2ca58fb85ff1b81c0b7181b85e", "", "2ca58fb85ff1b81c0b7181b84a",
                 "8368456e63727970743040488501810a40411440", "72cd7273fd331ac45cffbe55c3", id="C.6"),
])
def test_rfc8613_nonce_and_aead(key, common_iv, id, nonce, aad, ciphertext):
    """RFC 8613 appendix C.4, C.5 and C.6: piv 20, alg 10."""
    assert r.make_nonce(h(common_iv), h(id), 20).hex() == nonce
    assert r.ALGORITHMS[10].aead(h(key)).encrypt(h(nonce), h("01b3747631"), h(aad)).hex() == ciphertext


def test_rfc5869_hkdf():
    """RFC 5869 appendix A.1 (with a salt) and A.3 (without)."""
    ikm = b"\x0b" * 22
    assert r.hkdf_sha256(bytes(range(13)), ikm, bytes(range(0xF0, 0xFA)), 42).hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    assert r.hkdf_sha256(b"", ikm, b"", 42).hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")


# RFC 9053 tables 5 and 6: AES-CCM by COSE number: nonce length and tag length.
COSE_CCM = {10: (13, 8), 11: (13, 8), 12: (7, 8), 13: (7, 8), 30: (13, 16), 31: (13, 16), 32: (7, 16), 33: (7, 16)}


@pytest.mark.parametrize("name", ["aes-ccm-enc-%02d.json" % i for i in range(1, 9)] + ["chacha-poly-enc-01.json"])
def test_cose_working_group(name):
    """The working group's examples, through a decoder of its own; where the algorithm is ours, through ours too."""
    path = COSE / name
    if not path.exists():
        pytest.skip("the COSE working group's examples are not at ../shared/vectors/cose")
    example = json.loads(path.read_text())
    plaintext, key = example["input"]["plaintext"].encode(), h(example["intermediates"]["CEK_hex"])
    tagged = cbor2.loads(h(example["output"]["cbor"]))
    assert tagged.tag == 16
    protected, unprotected, ciphertext = tagged.value
    alg, nonce = cbor2.loads(protected)[1], unprotected[5]
    aad = cbor2.dumps(["Encrypt0", protected, b""])
    assert aad == r.enc_structure(protected)
    # The ChaCha20 example shows an AAD that begins "Encrypt1", but its ciphertext was made with "Encrypt0".
    assert aad == h(example["intermediates"]["AAD_hex"]).replace(b"Encrypt1", b"Encrypt0")
    if alg == 24:
        aead = ChaCha20Poly1305(key)
    else:
        nonce_length, tag_length = COSE_CCM[alg]
        assert len(nonce) == nonce_length
        aead = AESCCM(key, tag_length=tag_length)
    assert aead.decrypt(nonce, ciphertext, aad) == plaintext
    if alg in r.ALGORITHMS:
        ours = r.ALGORITHMS[alg]
        assert (len(key), len(nonce)) == (ours.key_length, ours.nonce_length)
        assert ours.aead(key).encrypt(nonce, plaintext, r.enc_structure(protected)) == ciphertext


# ---- the vectors -------------------------------------------------------------------------------------------


def test_vectors_are_what_is_made():
    made = subprocess.run([sys.executable, str(SPEC / "make_vectors.py"), "--check"], stdout=subprocess.PIPE)
    assert made.returncode == 0, made.stdout.decode()


@pytest.mark.parametrize("name", sorted(path.name for path in (SPEC / "vectors").glob("*.json")))
def test_names_are_unique(name):
    content = load(name)
    assert content["source"]
    for part in (value for value in content.values() if isinstance(value, list)):
        assert len({case["name"] for case in part}) == len(part)


def library_hkdf(secret, info, length):
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=info).derive(secret)


def independent_open(case, id, data):
    """Opens as any COSE library would: Context IV is the nonce for piv 0, xor the Partial IV padded to its length."""
    tagged = cbor2.loads(data)
    assert tagged.tag == 16
    protected, unprotected, ciphertext = tagged.value
    headers = cbor2.loads(protected)
    alg, id_context = headers[1], optional(case["id_context"])
    key_length, nonce_length = (32, 12) if alg == 24 else (16, 13)
    key = library_hkdf(h(case["secret"]), cbor2.dumps([id, id_context, alg, "Key", key_length]), key_length)
    common_iv = library_hkdf(h(case["secret"]), cbor2.dumps([b"", id_context, alg, "IV", nonce_length]), nonce_length)
    context_iv = bytearray(common_iv)
    context_iv[0] ^= len(id)
    for i, byte in enumerate(reversed(id)):
        context_iv[nonce_length - 6 - i] ^= byte
    nonce = bytes(a ^ b for a, b in zip(context_iv, unprotected[6].rjust(nonce_length, b"\0")))
    assert nonce.hex() == case["nonce"]
    aead = ChaCha20Poly1305(key) if alg == 24 else AESCCM(key, tag_length=COSE_CCM[alg][1])
    aad = cbor2.dumps(["Encrypt0", protected, b""])
    return headers, unprotected, aead.decrypt(nonce, ciphertext, aad)


@pytest.mark.parametrize("case", cases("keys.json"))
def test_keys(case):
    id, id_context, alg = h(case["id"]), optional(case["id_context"]), case["alg"]
    key, iv = h(case["key"]), h(case["iv"])
    assert library_hkdf(h(case["secret"]), cbor2.dumps([id, id_context, alg, "Key", len(key)]), len(key)) == key
    assert library_hkdf(h(case["secret"]), cbor2.dumps([b"", id_context, alg, "IV", len(iv)]), len(iv)) == iv
    difference = int(case["nonce"], 16) ^ int(case["iv"], 16)
    assert difference == case["piv"] | int(case["id"], 16) << 40 | len(id) << 8 * (len(iv) - 1)


@pytest.mark.parametrize("case", cases("messages.json"))
def test_messages(case):
    data, kid = h(case["message"]), h(case["kid"])
    headers, unprotected, plaintext = independent_open(case, kid, data)
    assert plaintext.hex() == case["plaintext"]
    expected = {1: case["alg"], 3: case["content_format"], "re": case["re"], "echo": optional(case["echo"])}
    assert list(headers.items()) == [(key, value) for key, value in expected.items() if value is not None]
    expected = [(4, kid), (6, r.encode_piv(case["piv"]))]
    if case["with_kid_context"]:
        expected.append((10, h(case["id_context"])))
    assert list(unprotected.items()) == expected

    envelope = r.parse_message(data)
    assert (envelope.piv, envelope.re, envelope.echo) == (case["piv"], case["re"], optional(case["echo"]))
    assert envelope.protected.hex() == case["protected"] and r.enc_structure(envelope.protected).hex() == case["aad"]
    assert r.open_message(credential_of(case), envelope, optional(case["id_context"])) == plaintext


def credential_of(case):
    context = "counter" if case["id_context"] is None else "session"
    return r.Credential("sensor", h(case["kid"]), h(case["secret"]), case["alg"], context)


def test_the_example_of_the_protocol():
    """PROTOCOL 3: d0 83 46 a2010a031870 a2 04 43...... 06 41.. 51, 9 bytes of SenML, 8 bytes of tag: 36 in all."""
    case = load("messages.json")["cases"][0]
    data = h(case["message"])
    assert len(data) == 36
    assert data[:12] == h("d08346a2010a031870a20443") and data[15:17] == h("0641") and data[18] == 0x51
    assert cbor2.loads(h(case["plaintext"])) == [{0: "t", 2: 21.5}] and len(case["plaintext"]) == 2 * 9


def test_sizes_of_messages():
    sizes = [len(case["message"]) // 2 for case in load("messages.json")["cases"]]
    assert max(sizes) == 4096
    with pytest.raises(ValueError):
        r.seal_message(bytes(32), 10, b"k", None, 0, 42, bytes(4096))
    with pytest.raises(ValueError):
        r.seal_message(bytes(32), 10, b"k", None, 2**40, 42, b"")


@pytest.mark.parametrize("case", cases("replies.json"))
def test_replies(case):
    data, gateway = h(case["reply"]), h(case["gateway_id"])
    headers, unprotected, plaintext = independent_open(case, gateway, data)
    assert plaintext.hex() == case["plaintext"]
    assert list(headers.items()) == [(1, case["alg"]), (3, 60), ("re", case["re"])]
    assert list(unprotected.items()) == [(4, gateway), (6, r.encode_piv(case["gateway_piv"]))]
    body = cbor2.loads(plaintext)
    assert list(body) == sorted(body) and 2 in body and (0 in body) == (1 in body)
    for key, value in case["extra"].items():
        assert body[int(key)] == cbor2.loads(h(value))

    envelope = r.parse_reply(data)
    id_context = optional(case["id_context"])
    assert r.open_reply(h(case["secret"]), case["alg"], id_context, {case["re"]}, envelope) == plaintext
    with pytest.raises(r.Forged):
        r.open_reply(h(case["secret"]), case["alg"], id_context, {case["re"] + 1}, envelope)
    decoded = r.decode_body(plaintext)
    assert {k: v.hex() if isinstance(v, bytes) else v for k, v in decoded.items()} == case["body"]


def flips(data):
    """Every bit; of a long message every bit of its ends and one of each byte between."""
    for i in range(8 * len(data)):
        if len(data) < 400 or i < 800 or i > 8 * len(data) - 200 or i % 9 == 0:
            yield data[:i // 8] + bytes([data[i // 8] ^ 1 << i % 8]) + data[i // 8 + 1:]


def refused(action):
    try:
        action()
    except r.Refused:
        return True
    return False


@pytest.mark.parametrize("case", cases("messages.json"))
def test_every_flipped_bit_of_a_message(case):
    secret, id_context, credential = h(case["secret"]), optional(case["id_context"]), credential_of(case)
    for data in flips(h(case["message"])):
        assert refused(lambda: r.open_message(credential, r.parse_message(data), id_context)), data.hex()

        def as_the_kid_it_names():
            envelope = r.parse_message(data)
            r.open_envelope(secret, case["alg"], envelope.id_context or id_context, envelope)

        assert refused(as_the_kid_it_names), data.hex()


@pytest.mark.parametrize("case", cases("replies.json"))
def test_every_flipped_bit_of_a_reply(case):
    secret, id_context = h(case["secret"]), optional(case["id_context"])
    for data in flips(h(case["reply"])):
        assert refused(lambda: r.open_envelope(secret, case["alg"], id_context, r.parse_reply(data))), data.hex()


def test_neither_direction_parses_as_the_other():
    for case in load("messages.json")["cases"]:
        assert refused(lambda: r.parse_reply(h(case["message"])))
    for case in load("replies.json")["cases"]:
        assert refused(lambda: r.parse_message(h(case["reply"])))


@pytest.mark.parametrize("case", cases("challenges.json"))
def test_challenges(case):
    k, kid, id_context, period = h(case["K"]), h(case["kid"]), optional(case["id_context"]), case["T"]
    mac = library_hmac.HMAC(k, hashes.SHA256())
    mac.update(cbor2.dumps([kid, id_context, period]))
    challenge = h(case["challenge"])
    assert mac.finalize()[:8] == challenge
    for now in range(max(0, period - 3), period + 4):
        proven = r.challenge_proves(k, kid, id_context, now, challenge)
        assert proven == (period if abs(now - period) <= 1 else None)


def test_challenge_period():
    assert [r.challenge_period(t) for t in (0, 255, 256, 1700000000)] == [0, 0, 1, 6640625]
    assert [r.challenge_period(256 * 10, floor) for floor in (None, 7, 8, 9, 20)] == [10, 10, 10, 11, 22]


@pytest.mark.parametrize("case", cases("malformed.json"))
def test_malformed_messages(case):
    with pytest.raises(r.Malformed, match="^%s$" % case["reason"]):
        r.parse_message(h(case["message"]))


@pytest.mark.parametrize("case", cases("malformed.json", "replies"))
def test_malformed_replies(case):
    with pytest.raises(r.Malformed, match="^%s$" % case["reason"]):
        r.parse_reply(h(case["message"]))


def test_malformed_are_near_good_ones():
    content = load("malformed.json")
    secret, id_context = h(content["secret"]), h(content["id_context"])
    r.open_envelope(secret, content["alg"], id_context, r.parse_message(h(content["good"])))
    r.open_envelope(secret, content["alg"], id_context, r.parse_reply(h(content["good_reply"])))
    assert len(content["cases"]) >= 40


@pytest.mark.parametrize("case", cases("forged.json"))
def test_forged_messages(case):
    content = load("forged.json")
    credential = r.Credential("sensor", h(content["kid"]), h(content["secret"]), content["alg"], case["context"])
    envelope = r.parse_message(h(case["message"]))
    with pytest.raises(r.Forged, match="^%s$" % case["reason"]):
        r.open_message(credential, envelope, optional(case["newest_session"]))


@pytest.mark.parametrize("case", cases("credentials.json"))
def test_credentials(case):
    if "reason" in case:
        with pytest.raises(r.BadCredential, match="^%s$" % case["reason"]):
            r.parse_credential(case["line"])
        return
    fields = case["fields"]
    credential = r.parse_credential(case["line"])
    assert credential == r.Credential(
        fields["name"], h(fields["kid"]), h(fields["secret"]), fields["alg"], fields["context"])
    assert fields["name"].encode("utf-8") == h(fields["name_bytes"])
    assert r.format_credential(credential) == case["formatted"]
    assert r.parse_credential(case["formatted"]) == credential


def judged_by_bitmap(lower, stored, pivs):
    """The window once more, in another way: a top and a bitmap, bit 0 the top."""
    top, bitmap, outcomes = None, 0, []

    def put(piv):
        nonlocal top, bitmap
        if top is None or piv > top:
            bitmap = (bitmap << min(piv - top, 64) & 2**64 - 1 if top is not None else 0) | 1
            top = piv
        else:
            bitmap |= 1 << (top - piv)

    for piv in sorted(stored):
        put(piv)
    for piv in pivs:
        below = top is not None and top - piv > 63
        if not below and top is not None and piv <= top and bitmap >> (top - piv) & 1:
            outcomes.append("duplicate")
        elif below or piv < lower:
            outcomes.append("stale")
        else:
            outcomes.append("new")
            put(piv)
    return outcomes, top, None if top is None else bitmap >> 1


@pytest.mark.parametrize("case", cases("window.json") + cases("window.json", "restored"))
def test_windows(case):
    pivs = [step["piv"] for step in case["steps"]]
    outcomes, top, bits = judged_by_bitmap(case["lower"], case.get("stored", []), pivs)
    assert outcomes == [step["outcome"] for step in case["steps"]]
    assert (top, bits) == (case["top"], case["bits"])


def test_windows_meet_every_outcome():
    for case in load("window.json")["cases"]:
        if "long walk" in case["name"]:
            outcomes = [step["outcome"] for step in case["steps"]]
            assert all(outcomes.count(outcome) >= 10 for outcome in ("new", "duplicate", "stale"))
