#!/usr/bin/env python3
"""Writes vectors/*.json from reference.py. The same bytes every time: fixed inputs, no clock, no random source.

    make_vectors.py           write the files
    make_vectors.py --check   exit 1 if a file is not what would be written
"""

import base64
import hashlib
import json
import pathlib
import sys

import cbor2

import reference as r

VECTORS = pathlib.Path(__file__).resolve().parent / "vectors"
SOURCE = "bulla, spec/make_vectors.py; PROTOCOL.md section %s"


def fixed(label, length):
    """Bytes that look random and are the same every time."""
    output, counter = b"", 0
    while len(output) < length:
        output += hashlib.sha256(b"bulla vector %s %d" % (label.encode(), counter)).digest()
        counter += 1
    return output[:length]


SECRET = fixed("secret", 32)
SESSION = fixed("id_context", 8)
GATEWAY = fixed("gateway", 6)
KIDS = [bytes.fromhex(kid) for kid in ("07", "0102", "0a1b2c", "0a1b2c3d", "00ff00ff01")]
PIVS = [0, 1, 255, 256, 65535, 65536, 2**32, r.MAX_PIV]
ALG_NAMES = {10: "AES-CCM-16-64-128", 30: "AES-CCM-16-128-128", 24: "ChaCha20/Poly1305"}


def hex_or_null(value):
    return None if value is None else value.hex()


# ---- keys.json ---------------------------------------------------------------------------------------------


def key_case(name, id, id_context, alg, piv):
    iv = r.derive_common_iv(SECRET, id_context, alg)
    return {
        "name": name,
        "secret": SECRET.hex(),
        "id": id.hex(),
        "id_context": hex_or_null(id_context),
        "alg": alg,
        "key": r.derive_key(SECRET, id, id_context, alg).hex(),
        "iv": iv.hex(),
        "piv": piv,
        "nonce": r.make_nonce(iv, id, piv).hex(),
    }


def keys():
    cases = []
    for alg, alg_name in ALG_NAMES.items():
        for kind, id_context in (("session", SESSION), ("counter", None)):
            for id in KIDS + [GATEWAY]:
                who = "gateway" if len(id) == 6 else "kid of %d" % len(id)
                for piv in (0, 255, 256, 2**32, r.MAX_PIV):
                    cases.append(key_case("%s, %s, %s, piv %d" % (alg_name, kind, who, piv), id, id_context, alg, piv))
    return {"source": SOURCE % "2", "cases": cases}


# ---- messages.json -----------------------------------------------------------------------------------------


def temperature(value=21.5):
    """One temperature in SenML+CBOR (RFC 8428 section 6): [{0 (name): "t", 2 (value): a half float}]."""
    encoded = cbor2.dumps(value, canonical=True)
    assert encoded[0] == 0xF9
    return bytes.fromhex("81a200617402") + encoded


def message_case(name, alg=10, kid=KIDS[3], id_context=SESSION, piv=5, with_kid_context=True,
                 content_format=112, re=None, echo=None, plaintext=None):
    plaintext = temperature() if plaintext is None else plaintext
    with_kid_context = with_kid_context and id_context is not None
    sealed = r.seal_message(SECRET, alg, kid, id_context, piv, content_format, plaintext, with_kid_context, re, echo)
    return {
        "name": name,
        "secret": SECRET.hex(),
        "alg": alg,
        "kid": kid.hex(),
        "id_context": hex_or_null(id_context),
        "piv": piv,
        "with_kid_context": with_kid_context,
        "content_format": content_format,
        "re": re,
        "echo": hex_or_null(echo),
        "plaintext": plaintext.hex(),
        "protected": sealed.protected.hex(),
        "aad": sealed.aad.hex(),
        "nonce": sealed.nonce.hex(),
        "message": sealed.data.hex(),
    }


def messages():
    echo = fixed("echo", 8)
    example = message_case("the example of PROTOCOL 3: 36 bytes", kid=KIDS[2], with_kid_context=False)
    assert len(example["message"]) == 2 * 36
    cases = [example]
    contexts = (("counter", None, False), ("session", SESSION, True), ("session, kid context left out", SESSION, False))
    for alg, alg_name in ALG_NAMES.items():
        for kind, id_context, sent in contexts:
            for kid in KIDS:
                cases.append(message_case("%s, %s, kid of %d" % (alg_name, kind, len(kid)), alg, kid, id_context,
                                          with_kid_context=sent))
        for piv in PIVS:
            cases.append(message_case("%s, piv %d" % (alg_name, piv), alg, piv=piv))
    for piv in PIVS:
        cases.append(message_case("counter, piv %d" % piv, id_context=None, piv=piv))
    formats = {112: temperature(), 110: b'[{"n":"t","v":21.5}]', 50: b'{"t":21.5}', 0: b"21.5", 60: cbor2.dumps({"t": 21}),
               42: bytes.fromhex("00ff10"), 23: b"x", 24: b"x", 255: b"x", 256: b"x", 65535: b"x"}
    for content_format, plaintext in formats.items():
        cases.append(message_case("content format %d" % content_format, content_format=content_format,
                                  plaintext=plaintext))
    cases.append(message_case("SenML that is not well formed", plaintext=bytes.fromhex("81a200")))
    for re in (0, 1, 23, 24, 255, 256, 65535, 65536, 1700000000, 2**32, 2**40, 2**64 - 1):
        cases.append(message_case("re %d" % re, re=re))
    for alg, alg_name in ALG_NAMES.items():
        cases.append(message_case("%s, echo" % alg_name, alg, echo=echo))
        cases.append(message_case("%s, re and echo" % alg_name, alg, re=1700000000, echo=echo))
        cases.append(message_case("%s, counter, re and echo" % alg_name, alg, id_context=None, re=2**40, echo=echo))
        cases.append(message_case("%s, empty plaintext" % alg_name, alg, content_format=42, plaintext=b""))
        tag = r.ALGORITHMS[alg].tag_length
        for length in (23, 24, 255, 256):
            cases.append(message_case("%s, ciphertext of %d bytes" % (alg_name, length), alg, content_format=42,
                                      plaintext=fixed("long", length - tag)))
        cases.append(biggest(alg, "%s, the biggest message: 4096 bytes" % alg_name, 4096))
        cases.append(biggest(alg, "%s, 4095 bytes" % alg_name, 4095))
    return {"source": SOURCE % "3", "cases": cases}


def biggest(alg, name, size):
    frame = len(message_case("", alg, content_format=42, plaintext=bytes(300))["message"]) // 2 - 300
    case = message_case(name, alg, content_format=42, plaintext=fixed("biggest", size - frame))
    assert len(case["message"]) == 2 * size
    return case


# ---- replies.json ------------------------------------------------------------------------------------------


def reply_case(name, body, extra=None, alg=10, id_context=SESSION, gateway_piv=0, re=5):
    """extra: key to its encoded value, as the file has it."""
    extra = extra or {}
    plaintext = r.encode_body(body, [(int(key), bytes.fromhex(value)) for key, value in extra.items()])
    sealed = r.seal_reply(SECRET, alg, id_context, GATEWAY, gateway_piv, re, plaintext)
    shown = {key: value.hex() if isinstance(value, bytes) else value for key, value in body.items()}
    return {
        "name": name,
        "secret": SECRET.hex(),
        "alg": alg,
        "id_context": hex_or_null(id_context),
        "gateway_id": GATEWAY.hex(),
        "gateway_piv": gateway_piv,
        "re": re,
        "body": shown,
        "extra": extra,
        "plaintext": plaintext.hex(),
        "protected": sealed.protected.hex(),
        "nonce": sealed.nonce.hex(),
        "reply": sealed.data.hex(),
    }


def replies():
    now = 1700000000
    challenge = fixed("challenge", 8)
    command = cbor2.dumps([1, 0, b"\0"]).hex()
    rekey = cbor2.dumps(fixed("rekey", 16)).hex()
    nested = cbor2.dumps({"a": [1, {2: [b"", "", None, -1]}], "b": {}}).hex()
    cases = []
    for alg, alg_name in ALG_NAMES.items():
        for kind, id_context in (("session", SESSION), ("counter", None)):
            def add(what, body, extra=None, **more):
                cases.append(reply_case("%s, %s, %s" % (alg_name, kind, what), body, extra, alg, id_context, **more))

            add("receipt", {"top": 5, "bits": 31, "time": now})
            add("challenge", {"time": now, "challenge": challenge})
            add("receipt and challenge", {"top": 4, "bits": 15, "time": now, "challenge": challenge})
            add("command, rekey and an unknown key", {"top": 5, "bits": 0, "time": now},
                {"4": command, "5": rekey, "99": nested})
    cases += [
        reply_case("the first message stored", {"top": 0, "bits": 0, "time": now}, re=0),
        reply_case("all 63 bits", {"top": 100, "bits": 2**63 - 1, "time": now}, re=100),
        reply_case("only the lowest number of the window", {"top": 63, "bits": 2**62, "time": now}, re=0),
        reply_case("only the number below the top", {"top": 63, "bits": 1, "time": now}, re=62),
        reply_case("the top is the last piv", {"top": r.MAX_PIV, "bits": 1, "time": now}, re=r.MAX_PIV),
        reply_case("top above re", {"top": 2**32, "bits": 2**40, "time": now}, re=2**32 - 41),
        reply_case("nothing stored, no challenge", {"time": now}),
        reply_case("time of more than 32 bits", {"top": 5, "bits": 0, "time": 2**32}),
        reply_case("command alone", {"time": now}, {"4": command}),
        reply_case("rekey alone", {"time": now}, {"5": rekey}),
        reply_case("challenge and unknown key", {"time": now, "challenge": challenge}, {"99": nested}),
        reply_case("unknown keys of every size", {"top": 5, "bits": 0, "time": now},
                   {"6": "f6", "23": "20", "24": "f93c00", "255": "c101", "256": "80", "65536": "a0",
                    "4294967296": "fb3ff199999999999a"}),
    ]
    for piv in PIVS:
        cases.append(reply_case("gateway piv %d" % piv, {"top": 5, "bits": 0, "time": now}, gateway_piv=piv))
    for re in PIVS + [23, 24]:
        cases.append(reply_case("re %d" % re, {"top": re, "bits": 0, "time": now}, re=re))
    return {"source": SOURCE % "5", "cases": cases}


# ---- challenges.json ---------------------------------------------------------------------------------------


def challenges():
    cases = []
    for label in ("K", "another K"):
        k = fixed(label, 32)
        for kind, id_context in (("session", SESSION), ("counter", None)):
            for kid in KIDS:
                for period in (0, 23, 24, 255, 256, 65535, 65536, 1700000000 // 256, 2**32, 2**40):
                    cases.append({
                        "name": "%s, %s, kid of %d, T %d" % (label, kind, len(kid), period),
                        "K": k.hex(),
                        "kid": kid.hex(),
                        "id_context": hex_or_null(id_context),
                        "T": period,
                        "challenge": r.make_challenge(k, kid, id_context, period).hex(),
                    })
    return {"source": SOURCE % "4.4", "cases": cases}


# ---- malformed.json ----------------------------------------------------------------------------------------

# A good message in pieces of hexadecimal; each case changes one. The tag is always computed over the protected
# header that is sent, so that no case is refused merely because it does not open.
PROTECTED = {"map": "a2", "alg": "010a", "type": "031870", "re": "", "echo": "", "after": ""}
UNPROTECTED = {"map": "a3", "kid": "04440a1b2c3d", "piv": "064105", "context": "0a48" + SESSION.hex(), "after": ""}
REPLY_PROTECTED = {"map": "a3", "alg": "010a", "type": "03183c", "re": "62726505", "echo": "", "after": ""}
REPLY_UNPROTECTED = {"map": "a2", "kid": "0446" + GATEWAY.hex(), "piv": "064100", "context": "", "after": ""}


def byte_string(data, width=None):
    """A CBOR byte string, its length in so many bytes where a width is given (0: in the initial byte)."""
    if width is None:
        return cbor2.dumps(data)
    return bytes([0x58 + {1: 0, 2: 1, 4: 2, 8: 3}[width]]) + len(data).to_bytes(width, "big") + data


def bent(p=None, u=None, head="d083", protected=None, protected_item=None, ciphertext_item=None, tail="", reply=False):
    """A message with something wrong: pieces of the maps replaced, or whole items."""
    p = dict(REPLY_PROTECTED if reply else PROTECTED, **(p or {}))
    u = dict(REPLY_UNPROTECTED if reply else UNPROTECTED, **(u or {}))
    if protected is None:
        protected = bytes.fromhex("".join(p.values()))
    sender, piv = (GATEWAY, 0) if reply else (KIDS[3], 5)
    plaintext = r.encode_body({"top": 5, "bits": 0, "time": 1700000000}) if reply else temperature()
    sealed = r.seal(SECRET, 10, sender, SESSION, piv, protected, b"", plaintext)
    ciphertext = cbor2.loads(sealed.data[2 + len(cbor2.dumps(protected)):])
    parts = [bytes.fromhex(head), (protected_item or byte_string)(protected), bytes.fromhex("".join(u.values())),
             (ciphertext_item or byte_string)(ciphertext), bytes.fromhex(tail)]
    return b"".join(parts)


def forms():
    """Name and bytes of messages, each wrong in one way."""
    good = bent()
    kid, piv, context = UNPROTECTED["kid"], UNPROTECTED["piv"], UNPROTECTED["context"]
    alg, type = PROTECTED["alg"], PROTECTED["type"]
    echo = "646563686f48" + fixed("echo", 8).hex()
    context_bytes, echo_bytes = SESSION.hex(), fixed("echo", 8).hex()

    yield "empty", b""
    yield "no tag", good[1:]
    yield "tag 17", bent(head="d183")
    yield "tag 96", bent(head="d86083")
    yield "tag 16 twice", bent(head="d0d083")
    yield "tag 16 in two bytes", bent(head="d81083")
    yield "tag 16 in three bytes", bent(head="d9001083")
    yield "tag that contains another: 55799", bent(head="d9d9f7d083")
    yield "no array but a map", bent(head="d0a3")
    yield "array of 2, protected missing", bytes.fromhex("d082") + good[3 + good[2] - 0x40:]
    yield "array of 2, ciphertext after it", bent(head="d082")
    yield "array of 4", bent(head="d084", tail="40")
    yield "array of 3 and head of 4", bent(head="d084")
    yield "array length in two bytes", bent(head="d09803")
    yield "array of indefinite length", bent(head="d09f", tail="ff")
    yield "array of 0", bytes.fromhex("d080")

    yield "protected is text", bent(protected_item=lambda b: bytes([0x60 + len(b)]) + b)
    yield "protected is a bare map", bent(protected_item=lambda b: b)
    yield "protected is null", bent(protected_item=lambda b: b"\xf6")
    yield "protected is an empty byte string", bent(protected=b"")
    yield "protected is an empty map", bent(protected=b"\xa0")
    yield "protected holds an array", bent(p={"map": "84"})
    yield "protected of indefinite length", bent(protected_item=lambda b: b"\x5f" + byte_string(b) + b"\xff")
    yield "protected with its length in two bytes", bent(protected_item=lambda b: byte_string(b, 1))
    yield "protected with its length in nine bytes", bent(protected_item=lambda b: byte_string(b, 8))
    yield "protected longer than the message", bytes.fromhex("d0835901ff") + good[3:]
    yield "protected of 2^64-1 bytes", bytes.fromhex("d0835bffffffffffffffff") + good[3:]
    yield "protected map of indefinite length", bent(p={"map": "bf", "after": "ff"})
    yield "protected map with its size in two bytes", bent(p={"map": "b802"})
    yield "protected map says 3 and has 2", bent(p={"map": "a3"})
    yield "protected map says 1 and has 2", bent(p={"map": "a1"})
    yield "protected map says 2^64-1", bent(p={"map": "bbffffffffffffffff"})
    yield "a byte after the protected map", bent(p={"after": "00"})
    yield "the protected map twice", bent(p={"after": "a0"})
    yield "the end of the protected map cut off", bent(p={"type": "0318"})

    yield "alg missing", bent(p={"map": "a1", "alg": ""})
    yield "content type missing", bent(p={"map": "a1", "type": ""})
    yield "content type before alg", bent(p={"alg": type, "type": alg})
    yield "alg twice", bent(p={"map": "a3", "alg": alg + alg})
    yield "content type twice", bent(p={"map": "a3", "type": type + type})
    yield "re twice", bent(p={"map": "a4", "re": "62726501" + "62726501"})
    yield "echo twice", bent(p={"map": "a4", "echo": echo + echo})
    yield "echo before re", bent(p={"map": "a4", "re": echo, "echo": "62726501"})
    yield "re before alg", bent(p={"map": "a3", "alg": "62726501" + alg})
    yield "re before content type", bent(p={"map": "a3", "alg": alg + "62726501"})
    yield "header 2 (crit) in protected", bent(p={"map": "a3", "alg": alg + "0281" + "03"})
    yield "header 5 (IV) in protected", bent(p={"map": "a3", "after": "054d" + "00" * 13})
    yield "kid in protected", bent(p={"map": "a3", "type": type + kid})
    yield "negative header in protected", bent(p={"map": "a3", "after": "2000"})
    yield "unknown text header in protected", bent(p={"map": "a3", "after": "6178" + "00"})
    yield "RE in upper case", bent(p={"map": "a3", "re": "625245" + "01"})
    yield "re as a byte string for a key", bent(p={"map": "a3", "re": "427265" + "01"})
    yield "text key of indefinite length", bent(p={"map": "a3", "re": "7f627265ff" + "01"})
    yield "text key with its length in two bytes", bent(p={"map": "a3", "re": "78027265" + "01"})
    yield "key 1 in two bytes", bent(p={"alg": "18010a"})
    yield "key 3 in two bytes", bent(p={"type": "18031870"})
    yield "alg is text", bent(p={"alg": "01624343"})
    yield "alg is a byte string", bent(p={"alg": "01410a"})
    yield "alg is null", bent(p={"alg": "01f6"})
    yield "alg is a half float", bent(p={"alg": "01f94900"})
    yield "alg 10 in two bytes", bent(p={"alg": "01180a"})
    yield "alg 10 in nine bytes", bent(p={"alg": "011b000000000000000a"})
    yield "content type 112 in three bytes", bent(p={"type": "03190070"})
    yield "content type is text", bent(p={"type": "036a746578742f706c61696e"})
    yield "content type is negative", bent(p={"type": "0320"})
    yield "content type 65536", bent(p={"type": "031a00010000"})
    yield "content type 2^64-1", bent(p={"type": "031bffffffffffffffff"})
    yield "content type is a bignum", bent(p={"type": "03c24170"})
    yield "re is negative", bent(p={"map": "a3", "re": "62726520"})
    yield "re is a byte string", bent(p={"map": "a3", "re": "6272654101"})
    yield "re is null", bent(p={"map": "a3", "re": "627265f6"})
    yield "re 1 in two bytes", bent(p={"map": "a3", "re": "6272651801"})
    yield "re 65536 in nine bytes", bent(p={"map": "a3", "re": "6272651b0000000000010000"})
    yield "echo is empty", bent(p={"map": "a3", "echo": "646563686f40"})
    yield "echo of 7 bytes", bent(p={"map": "a3", "echo": "646563686f47" + echo_bytes[:14]})
    yield "echo of 9 bytes", bent(p={"map": "a3", "echo": "646563686f49" + echo_bytes + "00"})
    yield "echo is text", bent(p={"map": "a3", "echo": "646563686f68" + b"12345678".hex()})
    yield "echo with its length in two bytes", bent(p={"map": "a3", "echo": "646563686f5808" + echo_bytes})
    yield "echo is null", bent(p={"map": "a3", "echo": "646563686ff6"})

    yield "unprotected is empty", bent(u={"map": "a0", "kid": "", "piv": "", "context": ""})
    yield "unprotected is a byte string", bent(u={"map": "52a3"})
    yield "unprotected is an array", bent(u={"map": "86"})
    yield "unprotected map of indefinite length", bent(u={"map": "bf", "after": "ff"})
    yield "unprotected map with its size in two bytes", bent(u={"map": "b803"})
    yield "unprotected map says 4 and has 3", bent(u={"map": "a4"})
    yield "unprotected map says 2 and has 3", bent(u={"map": "a2"})
    yield "kid missing", bent(u={"map": "a2", "kid": ""})
    yield "piv missing", bent(u={"map": "a2", "piv": ""})
    yield "piv before kid", bent(u={"kid": piv, "piv": kid})
    yield "kid context before piv", bent(u={"piv": context, "context": piv})
    yield "kid context first", bent(u={"kid": context + kid, "context": ""})
    yield "kid twice", bent(u={"map": "a4", "kid": kid + kid})
    yield "piv twice", bent(u={"map": "a4", "piv": piv + piv})
    yield "kid context twice", bent(u={"map": "a4", "context": context + context})
    yield "alg in unprotected", bent(u={"map": "a4", "kid": alg + kid})
    yield "header 5 (IV) in unprotected", bent(u={"map": "a4", "kid": kid + "0540"})
    yield "header 11 in unprotected", bent(u={"map": "a4", "after": "0b40"})
    yield "text header in unprotected", bent(u={"map": "a4", "after": "617800"})
    yield "key 4 in two bytes", bent(u={"kid": "1804" + kid[2:]})
    yield "key 10 in two bytes", bent(u={"context": "180a" + context[2:]})
    yield "kid is empty", bent(u={"kid": "0440"})
    yield "kid of 6 bytes", bent(u={"kid": "04460a1b2c3d4e5f"})
    yield "kid is text", bent(u={"kid": "046461626364"})
    yield "kid is an integer", bent(u={"kid": "041a0a1b2c3d"})
    yield "kid with its length in two bytes", bent(u={"kid": "0458040a1b2c3d"})
    yield "kid of indefinite length", bent(u={"kid": "045f440a1b2c3dff"})
    yield "piv is empty", bent(u={"piv": "0640"})
    yield "piv of 6 bytes", bent(u={"piv": "0646010000000005"})
    yield "piv of 6 bytes, the first zero", bent(u={"piv": "0646000000000005"})
    yield "piv with a leading zero", bent(u={"piv": "06420005"})
    yield "piv of 5 bytes with a leading zero", bent(u={"piv": "06450000000005"})
    yield "piv zero in two bytes", bent(u={"piv": "06420000"})
    yield "piv is an integer", bent(u={"piv": "0605"})
    yield "piv is text", bent(u={"piv": "066105"})
    yield "piv with its length in two bytes", bent(u={"piv": "06580105"})
    yield "kid context is empty", bent(u={"context": "0a40"})
    yield "kid context of 7 bytes", bent(u={"context": "0a47" + context_bytes[:14]})
    yield "kid context of 9 bytes", bent(u={"context": "0a49" + context_bytes + "00"})
    yield "kid context is text", bent(u={"context": "0a68" + b"12345678".hex()})
    yield "kid context is null", bent(u={"context": "0af6"})
    yield "kid context with its length in two bytes", bent(u={"context": "0a5808" + context_bytes})

    yield "ciphertext missing", good[:-18]
    yield "ciphertext is text", bent(ciphertext_item=lambda b: bytes([0x60 + len(b)]) + b)
    yield "ciphertext is null (detached)", bent(ciphertext_item=lambda b: b"\xf6")
    yield "ciphertext with its length in two bytes", bent(ciphertext_item=lambda b: byte_string(b, 1))
    yield "ciphertext with its length in three bytes", bent(ciphertext_item=lambda b: byte_string(b, 2))
    yield "ciphertext with its length in five bytes", bent(ciphertext_item=lambda b: byte_string(b, 4))
    yield "ciphertext of indefinite length", bent(ciphertext_item=lambda b: b"\x5f" + byte_string(b) + b"\xff")
    yield "ciphertext of 2^64-1 bytes", bent(ciphertext_item=lambda b: b"\x5b" + b"\xff" * 8 + b)
    yield "reserved additional information 28", bent(ciphertext_item=lambda b: b"\x5c" + b)
    yield "reserved additional information 30", bent(ciphertext_item=lambda b: b"\x5e" + b)
    yield "a byte after the end", good + b"\0"
    yield "a break after the end", good + b"\xff"
    yield "the message twice", good + good
    for length in range(1, len(good)):
        yield "cut after %d bytes" % length, good[:length]
    yield "4097 bytes", oversized()


def oversized():
    protected = bytes.fromhex("a2010a03182a")
    unprotected = bytes.fromhex("".join(UNPROTECTED.values()))
    empty = len(r.seal(SECRET, 10, KIDS[3], SESSION, 5, protected, unprotected, bytes(300)).data) - 300
    data = r.seal(SECRET, 10, KIDS[3], SESSION, 5, protected, unprotected, fixed("biggest", 4097 - empty)).data
    assert len(data) == 4097
    return data


def reply_forms():
    """The same for replies."""
    good = bent(reply=True)
    yield "tag 17", bent(reply=True, head="d183")
    yield "gateway id of 5 bytes", bent(reply=True, u={"kid": "0445" + GATEWAY.hex()[:10]})
    yield "gateway id of 7 bytes", bent(reply=True, u={"kid": "0447" + GATEWAY.hex() + "00"})
    yield "gateway id is empty", bent(reply=True, u={"kid": "0440"})
    yield "gateway id is text", bent(reply=True, u={"kid": "0466" + b"123456".hex()})
    yield "gateway id missing", bent(reply=True, u={"map": "a1", "kid": ""})
    yield "piv missing", bent(reply=True, u={"map": "a1", "piv": ""})
    yield "piv is empty", bent(reply=True, u={"piv": "0640"})
    yield "piv of 6 bytes", bent(reply=True, u={"piv": "0646010000000000"})
    yield "piv with a leading zero", bent(reply=True, u={"piv": "06420001"})
    yield "kid context", bent(reply=True, u={"map": "a3", "context": UNPROTECTED["context"]})
    yield "piv before gateway id", bent(reply=True, u={"kid": "064100", "piv": "0446" + GATEWAY.hex()})
    yield "alg missing", bent(reply=True, p={"map": "a2", "alg": ""})
    yield "content type missing", bent(reply=True, p={"map": "a2", "type": ""})
    yield "content type 112", bent(reply=True, p={"type": "031870"})
    yield "re missing", bent(reply=True, p={"map": "a2", "re": ""})
    yield "re is negative", bent(reply=True, p={"re": "62726524"})
    yield "re is a byte string", bent(reply=True, p={"re": "6272654105"})
    yield "re 5 in two bytes", bent(reply=True, p={"re": "6272651805"})
    yield "re twice", bent(reply=True, p={"map": "a4", "re": "6272650562726505"})
    yield "re first", bent(reply=True, p={"alg": "62726505" + "010a", "re": ""})
    yield "echo", bent(reply=True, p={"map": "a4", "echo": "646563686f48" + fixed("echo", 8).hex()})
    yield "unknown header in protected", bent(reply=True, p={"map": "a4", "after": "617800"})
    yield "a byte after the protected map", bent(reply=True, p={"after": "00"})
    yield "a byte after the end", good + b"\0"
    for length in range(len(good)):
        yield "cut after %d bytes" % length, good[:length]


def malformed_cases(forms, parse):
    cases = []
    for name, message in forms:
        try:
            parse(message)
        except r.Malformed as reason:
            cases.append({"name": name, "message": message.hex(), "reason": str(reason)})
        else:
            raise AssertionError("%s is well formed" % name)
    return cases


def malformed():
    for parse, good in ((r.parse_message, bent()), (r.parse_reply, bent(reply=True))):
        r.open_envelope(SECRET, 10, SESSION, parse(good))
    return {
        "source": SOURCE % "3, 4.1 and 5",
        "secret": SECRET.hex(),
        "alg": 10,
        "id_context": SESSION.hex(),
        "good": bent().hex(),
        "cases": malformed_cases(forms(), r.parse_message),
        "good_reply": bent(reply=True).hex(),
        "replies": malformed_cases(reply_forms(), r.parse_reply),
    }


# ---- forged.json -------------------------------------------------------------------------------------------


def forged_cases():
    """Name, context kind of the credential, newest proven session, message."""
    good = bent()
    for alg in (0, 1, 11, 24, 30, 31, 255, 65536, 2**64 - 1, -1, -7, -25, -2**64):
        encoded = cbor2.dumps(alg) if alg != -2**64 else bytes.fromhex("3bffffffffffffffff")
        yield "alg %d, the tag fits otherwise" % alg, "session", SESSION, bent(p={"alg": "01" + encoded.hex()})
    for alg in (30, 24):
        sealed = r.seal_message(SECRET, alg, KIDS[3], SESSION, 5, 112, temperature())
        yield "sealed with the keys of alg %d" % alg, "session", SESSION, sealed.data
    yield "no ciphertext", "session", SESSION, bent(ciphertext_item=lambda b: b"\x40")
    yield "ciphertext of 1 byte", "session", SESSION, bent(ciphertext_item=lambda b: byte_string(b[:1]))
    yield "ciphertext of 7 bytes", "session", SESSION, bent(ciphertext_item=lambda b: byte_string(b[:7]))
    yield "ciphertext of 8 bytes", "session", SESSION, bent(ciphertext_item=lambda b: byte_string(b[:8]))
    yield "ciphertext shorter by a byte", "session", SESSION, bent(ciphertext_item=lambda b: byte_string(b[:-1]))
    yield "ciphertext longer by a byte", "session", SESSION, bent(ciphertext_item=lambda b: byte_string(b + b"\0"))
    yield "last bit of the tag", "session", SESSION, good[:-1] + bytes([good[-1] ^ 1])
    yield "another content type than was sealed", "session", SESSION, good.replace(b"\x03\x18\x70", b"\x03\x18\x2a", 1)
    yield "another piv than was sealed", "session", SESSION, bent(u={"piv": "064106"})
    yield "another kid context than was sealed", "session", SESSION, bent(u={"context": "0a48" + bytes(8).hex()})
    yield "another kid", "session", SESSION, bent(u={"kid": "04440a1b2c3e"})
    yield "kid with a byte more", "session", SESSION, bent(u={"kid": "04450a1b2c3d00"})
    yield "kid context, sent to a counter credential", "counter", None, good
    yield "no kid context and no proven session", "session", None, bent(u={"map": "a2", "context": ""})
    yield "no kid context and another session", "session", bytes(8), bent(u={"map": "a2", "context": ""})
    yield "no kid context, sent to a counter credential", "counter", None, bent(u={"map": "a2", "context": ""})
    sealed = r.seal_message(SECRET, 10, KIDS[3], None, 5, 112, temperature())
    yield "sealed as counter, sent to a session credential", "session", SESSION, sealed.data
    sealed = r.seal_message(fixed("another secret", 32), 10, KIDS[3], SESSION, 5, 112, temperature())
    yield "another secret", "session", SESSION, sealed.data


def forged():
    cases = []
    for name, context, newest_session, message in forged_cases():
        credential = r.Credential("sensor", KIDS[3], SECRET, 10, context)
        try:
            r.open_message(credential, r.parse_message(message), newest_session)
        except r.Forged as reason:
            cases.append({"name": name, "context": context, "newest_session": hex_or_null(newest_session),
                          "message": message.hex(), "reason": str(reason)})
        else:
            raise AssertionError("%s opens" % name)
    return {"source": SOURCE % "3, 4.2 and 4.3", "secret": SECRET.hex(), "alg": 10, "kid": KIDS[3].hex(),
            "good": bent().hex(), "cases": cases}


# ---- credentials.json --------------------------------------------------------------------------------------


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


SECRET_TEXT = base64url(SECRET)


def good_lines():
    s = "&secret=" + SECRET_TEXT
    yield "session", "bulla:kitchen?kid=0a1b2c3d%s&alg=10" % s
    yield "counter", "bulla:shed?kid=11223344%s&alg=10&context=counter" % s
    yield "alg left out", "bulla:kitchen?kid=0a1b2c3d%s" % s
    yield "alg left out, counter", "bulla:kitchen?kid=0a1b2c3d%s&context=counter" % s
    yield "alg 30", "bulla:kitchen?kid=0a1b2c3d%s&alg=30" % s
    yield "alg 24", "bulla:kitchen?kid=0a1b2c3d%s&alg=24" % s
    yield "context=session", "bulla:kitchen?kid=0a1b2c3d%s&alg=10&context=session" % s
    yield "another order", "bulla:kitchen?context=counter&alg=30%s&kid=0a1b2c3d" % s
    yield "kid of 1 byte", "bulla:k?kid=00%s&alg=10" % s
    yield "kid of 5 bytes", "bulla:k?kid=00ff00ff01%s&alg=10" % s
    yield "kid in upper case", "bulla:k?kid=0A1B2C3D%s&alg=10" % s
    yield "secret of zeros", "bulla:k?kid=0a1b2c3d&secret=%s&alg=10" % base64url(bytes(32))
    yield "secret of ones", "bulla:k?kid=0a1b2c3d&secret=%s&alg=10" % base64url(b"\xff" * 32)
    yield "secret with - and _", "bulla:k?kid=0a1b2c3d&secret=%s&alg=10" % base64url(bytes.fromhex("fbefbefbefbe") + SECRET[6:])
    yield "unreserved characters in the name", "bulla:Az09-._~?kid=0a1b2c3d%s&alg=10" % s
    yield "space in the name", "bulla:living%%20room?kid=0a1b2c3d%s&alg=10" % s
    yield "name with all that ends a name", "bulla:%%3F%%26%%3D%%25%%2F%%3A%%23%%2B?kid=0a1b2c3d%s&alg=10" % s
    yield "name not in ASCII", "bulla:K%%C3%%BChlschrank%%20%%E2%%84%%83%%20%%F0%%9F%%8C%%A1?kid=0a1b2c3d%s&alg=10" % s
    yield "escapes in lower case", "bulla:k%%c3%%bchl?kid=0a1b2c3d%s&alg=10" % s
    yield "an unreserved character escaped", "bulla:%%6bitchen?kid=0a1b2c3d%s&alg=10" % s
    yield "name of 64 bytes", "bulla:%s?kid=0a1b2c3d%s&alg=10" % ("n" * 64, s)
    yield "name of 64 bytes, all escaped", "bulla:%s?kid=0a1b2c3d%s&alg=10" % ("%C3%BC" * 32, s)


def bad_lines():
    s = "&secret=" + SECRET_TEXT
    good = "bulla:kitchen?kid=0a1b2c3d%s&alg=10" % s
    yield "empty", ""
    yield "the scheme alone", "bulla:"
    yield "another scheme", "http:kitchen?kid=0a1b2c3d%s&alg=10" % s
    yield "scheme in upper case", "BULLA" + good[5:]
    yield "no colon", "bulla" + good[6:]
    yield "a space before", " " + good
    yield "a space after", good + " "
    yield "a newline after", good + "\n"
    yield "name missing", "bulla:?kid=0a1b2c3d%s&alg=10" % s
    yield "no parameters", "bulla:kitchen"
    yield "nothing after the question mark", "bulla:kitchen?"
    yield "kid missing", "bulla:kitchen?secret=%s&alg=10" % SECRET_TEXT
    yield "secret missing", "bulla:kitchen?kid=0a1b2c3d&alg=10"
    yield "kid empty", "bulla:kitchen?kid=%s&alg=10" % s
    yield "kid of 6 bytes", "bulla:kitchen?kid=0a1b2c3d4e5f%s&alg=10" % s
    yield "kid of half a byte", "bulla:kitchen?kid=0a1b2c3%s&alg=10" % s
    yield "kid not hexadecimal", "bulla:kitchen?kid=0a1b2c3g%s&alg=10" % s
    yield "kid with 0x", "bulla:kitchen?kid=0x1b2c3d%s&alg=10" % s
    yield "kid with a sign", "bulla:kitchen?kid=+a1b%s&alg=10" % s
    yield "secret empty", "bulla:kitchen?kid=0a1b2c3d&secret=&alg=10"
    yield "secret of 31 bytes", "bulla:kitchen?kid=0a1b2c3d&secret=%s&alg=10" % base64url(SECRET[:31])
    yield "secret of 33 bytes", "bulla:kitchen?kid=0a1b2c3d&secret=%s&alg=10" % base64url(SECRET + b"\0")
    yield "secret of 16 bytes", "bulla:kitchen?kid=0a1b2c3d&secret=%s&alg=10" % base64url(SECRET[:16])
    yield "secret with padding", "bulla:kitchen?kid=0a1b2c3d%s=&alg=10" % s
    yield "secret with + of plain base64", "bulla:kitchen?kid=0a1b2c3d&secret=+%s&alg=10" % SECRET_TEXT[1:]
    yield "secret with / of plain base64", "bulla:kitchen?kid=0a1b2c3d&secret=/%s&alg=10" % SECRET_TEXT[1:]
    yield "secret with a space", "bulla:kitchen?kid=0a1b2c3d&secret= %s&alg=10" % SECRET_TEXT[1:]
    yield "secret with an escape", "bulla:kitchen?kid=0a1b2c3d&secret=%%41%s&alg=10" % SECRET_TEXT[3:]
    yield "secret with bits left over", "bulla:kitchen?kid=0a1b2c3d&secret=%sB&alg=10" % base64url(bytes(32))[:-1]
    yield "alg unknown", "bulla:kitchen?kid=0a1b2c3d%s&alg=1" % s
    yield "alg empty", "bulla:kitchen?kid=0a1b2c3d%s&alg=" % s
    yield "alg with a leading zero", "bulla:kitchen?kid=0a1b2c3d%s&alg=010" % s
    yield "alg with a sign", "bulla:kitchen?kid=0a1b2c3d%s&alg=+10" % s
    yield "alg and 2^32", "bulla:kitchen?kid=0a1b2c3d%s&alg=4294967306" % s
    yield "alg by name", "bulla:kitchen?kid=0a1b2c3d%s&alg=AES-CCM-16-64-128" % s
    yield "context unknown", good + "&context=clock"
    yield "context empty", good + "&context="
    yield "context in upper case", good + "&context=Counter"
    yield "kid twice", good + "&kid=0a1b2c3d"
    yield "secret twice", good + s
    yield "alg twice", good + "&alg=10"
    yield "context twice", good + "&context=counter&context=counter"
    yield "unknown parameter", good + "&colour=red"
    yield "parameter in upper case", "bulla:kitchen?KID=0a1b2c3d%s&alg=10" % s
    yield "parameter without a value", good + "&context"
    yield "empty parameter", good + "&"
    yield "two ampersands", "bulla:kitchen?kid=0a1b2c3d&%s&alg=10" % s
    yield "second question mark", "bulla:kitchen??kid=0a1b2c3d%s&alg=10" % s
    yield "fragment", good + "#1"
    yield "escape cut off", "bulla:kitchen%%2?kid=0a1b2c3d%s&alg=10" % s
    yield "escape not hexadecimal", "bulla:kit%%zzchen?kid=0a1b2c3d%s&alg=10" % s
    yield "lone percent sign", "bulla:100%%?kid=0a1b2c3d%s&alg=10" % s
    yield "space in the name, not escaped", "bulla:living room?kid=0a1b2c3d%s&alg=10" % s
    yield "slash in the name", "bulla://kitchen?kid=0a1b2c3d%s&alg=10" % s
    yield "plus in the name", "bulla:living+room?kid=0a1b2c3d%s&alg=10" % s
    yield "UTF-8 not escaped", "bulla:k\u00fchl?kid=0a1b2c3d%s&alg=10" % s
    yield "name of 65 bytes", "bulla:%s?kid=0a1b2c3d%s&alg=10" % ("n" * 65, s)
    yield "name of 66 bytes in 33 characters", "bulla:%s?kid=0a1b2c3d%s&alg=10" % ("%C3%BC" * 33, s)
    yield "NUL in the name", "bulla:kit%%00chen?kid=0a1b2c3d%s&alg=10" % s
    yield "newline in the name", "bulla:kit%%0Achen?kid=0a1b2c3d%s&alg=10" % s
    yield "escape character in the name", "bulla:%%1B%%5B2J?kid=0a1b2c3d%s&alg=10" % s
    yield "DEL in the name", "bulla:kit%%7Fchen?kid=0a1b2c3d%s&alg=10" % s
    yield "C1 control character in the name", "bulla:%%C2%%9B2J?kid=0a1b2c3d%s&alg=10" % s
    yield "name not UTF-8", "bulla:%%FF?kid=0a1b2c3d%s&alg=10" % s
    yield "name with an overlong form", "bulla:%%C1%%81?kid=0a1b2c3d%s&alg=10" % s
    yield "name with a surrogate", "bulla:%%ED%%A0%%80?kid=0a1b2c3d%s&alg=10" % s
    yield "name above U+10FFFF", "bulla:%%F4%%90%%80%%80?kid=0a1b2c3d%s&alg=10" % s
    yield "name with UTF-8 cut off", "bulla:k%%C3?kid=0a1b2c3d%s&alg=10" % s


def credentials():
    cases = []
    for name, line in good_lines():
        c = r.parse_credential(line)
        cases.append({
            "name": name,
            "line": line,
            "fields": {"name": c.name, "name_bytes": c.name.encode("utf-8").hex(), "kid": c.kid.hex(),
                       "secret": c.secret.hex(), "alg": c.alg, "context": c.context},
            "formatted": r.format_credential(c),
        })
    for name, line in bad_lines():
        try:
            r.parse_credential(line)
        except r.BadCredential as reason:
            cases.append({"name": name, "line": line, "reason": str(reason)})
        else:
            raise AssertionError("%s is a good line" % name)
    return {"source": SOURCE % "1", "cases": cases}


# ---- window.json -------------------------------------------------------------------------------------------

WINDOWS = [
    ("in order", 0, list(range(70))),
    ("each twice", 0, [p for p in range(10) for _ in range(2)]),
    ("begins at zero, then zero again", 0, [0, 0, 1, 0, 1]),
    ("begins in the middle", 0, [100, 99, 37, 36, 100, 37]),
    ("jump of 1", 0, [10, 11, 10, 9, 11]),
    ("jump of 63", 0, [0, 63, 0, 1, 62, 63]),
    ("jump of 64", 0, [0, 64, 0, 1, 1, 64]),
    ("jump of 65", 0, [0, 65, 0, 1, 2, 2, 65]),
    ("jump of 127, 128 and 129", 0, [0, 127, 64, 63, 255, 192, 191, 384, 321, 320]),
    ("jump of 2^32 - 1", 0, [0, 2**32 - 1, 0, 2**32 - 64, 2**32 - 65, 2**32 - 1]),
    ("jump of 2^32", 0, [0, 2**32, 0, 2**32 - 63, 2**32 - 64, 2**32]),
    ("jump of 2^32 + 1", 5, [5, 2**32 + 6, 5, 6, 2**32 + 5, 2**32 + 6]),
    ("jump of 2^33 + 64", 0, [7, 2**33 + 71, 7, 2**33 + 8, 2**33 + 7]),
    ("up to the last piv", 0, [0, 2**40 - 2, 2**40 - 1, 2**40 - 1, 2**40 - 64, 2**40 - 65, 0]),
    ("edge: top-63 is new", 0, [200, 137, 137]),
    ("edge: top-64 is stale", 0, [200, 136, 136]),
    ("edge moves by one", 0, [200, 137, 201, 137, 138]),
    ("duplicate turns stale as it leaves", 0, [0, 63, 0, 64, 0]),
    ("backwards through the whole window", 0, list(range(63, -1, -1)) + [0, 31, 63]),
    ("backwards past its end", 0, [500] + list(range(445, 432, -1))),
    ("every other one, then those between", 0, list(range(0, 64, 2)) + list(range(1, 64, 2)) + [64, 0, 1]),
    ("lower limit at the first message", 1000, [1000, 999, 937, 1000, 1001, 999]),
    ("lower limit above what comes first", 1000, [999, 0, 1000, 999]),
    ("lower limit inside the window", 1000, [1010, 1000, 999, 1000, 1063, 1000, 1064, 1000, 1001]),
    ("lower limit below the window", 10, [1000, 937, 936, 10, 9]),
    ("lower limit of 1", 1, [0, 1, 0, 1]),
    ("lower limit of the last piv", 2**40 - 1, [2**40 - 2, 2**40 - 1, 2**40 - 1, 0]),
    ("lower limit above 2^32", 2**32 + 5, [5, 2**32 + 4, 2**32 + 5, 2**32 + 68, 2**32 + 5, 2**32 + 69, 2**32 + 5]),
]

# A window that came back from a backup, was proven again and so has a lower limit: what it held stays known.
RESTORED = [
    ("stored below the lower limit is a duplicate", [90, 95, 96], 100, [100, 96, 95, 94, 90, 99, 100, 101]),
    ("and stale once out of the window", [36, 37], 100, [100, 37, 36, 101, 37]),
    ("the window is not emptied by a lower limit", [10, 11, 12], 20, [12, 13, 19, 20, 12, 13]),
    ("a lower limit at the restored top + 1", [0, 1, 2, 3], 4, [3, 4, 0, 5]),
    ("far above the restored window", [5, 6], 2**32, [2**32, 5, 6, 2**32 - 1]),
]


def random_walk(label, count=400):
    """A long sequence that stays about the window's edges."""
    steps, top = [], 200
    noise = fixed(label, 2 * count)
    for a, b in zip(noise[::2], noise[1::2]):
        piv = top + (a % 4) * (b % 3) if a < 64 else max(0, top - b % 70)
        top = max(top, piv)
        steps.append(piv)
    return steps


def window_case(name, lower, pivs, stored=None):
    window = r.Window(lower, stored or ())
    case = {"name": name, "lower": lower}
    if stored is not None:
        case["stored"] = stored
    case["steps"] = [{"piv": piv, "outcome": window.offer(piv)} for piv in pivs]
    case["top"], case["bits"] = window.receipt() or (None, None)
    return case


def numbered(cases):
    return [dict(case, name="%d: %s" % (i, case["name"])) for i, case in enumerate(cases, 1)]


def windows():
    cases = [window_case(*w) for w in WINDOWS]
    cases += [window_case("long walk %d" % i, lower, random_walk("walk %d" % i))
              for i, lower in enumerate((0, 0, 190, 230), 1)]
    restored = [window_case(name, lower, pivs, stored) for name, stored, lower, pivs in RESTORED]
    return {"source": SOURCE % "4.5 and 5", "cases": numbered(cases), "restored": numbered(restored)}


# ---- the files ---------------------------------------------------------------------------------------------

FILES = {
    "keys.json": keys,
    "messages.json": messages,
    "replies.json": replies,
    "challenges.json": challenges,
    "malformed.json": malformed,
    "forged.json": forged,
    "credentials.json": credentials,
    "window.json": windows,
}


def render(content):
    return json.dumps(content, indent=1).encode("ascii") + b"\n"


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.stderr.write(__doc__)
        return 2
    differ = []
    for name, make in FILES.items():
        path, content = VECTORS / name, render(make())
        if not arguments:
            path.write_bytes(content)
        elif not path.exists() or path.read_bytes() != content:
            differ.append(name)
    differ += [path.name for path in VECTORS.glob("*") if path.name not in FILES]
    if differ:
        print("not what make_vectors.py makes: " + ", ".join(sorted(differ)))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
