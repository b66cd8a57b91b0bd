#!/usr/bin/python3
"""Writes seeds for the fuzz targets from spec/vectors. usage: seeds.py DIRECTORY

DIRECTORY/TARGET/NUMBER, for each target.
"""
import binascii
import json
import pathlib
import sys

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "spec" / "vectors"
# The first byte of fuzz_senml's input picks one of these.
SENML_FORMATS = {112: 0, 60: 1, 0: 2, 42: 3}
JSON = (
    '[{"n":"temperature","u":"Cel","v":23.4}]',
    '[{"bn":"urn:dev:","bt":1.7e9,"bu":"Cel","bv":20,"n":"a","v":1,"t":-5},{"n":"b","vs":"x"},{"n":"c","vb":true}]',
    '[{"n":"d","vd":"aGVsbG8","s":1,"ut":60,"bver":10}]',
    '{"temperature":23.5,"on":true,"state":"idle","none":null,"deep":{"a":[1,2]}}',
    '{"a":-1.5e-3,"b":123456789012345678901234567890,"c":"\\u00fc\\ud83d\\ude00"}',
    "[]", "{}", "21.5", "null",
)
CONFIG = (
    b"[serve]\n# a comment\nlisten = [::]:8620\nidle=30\r\n  queue: 10\n", b"\xef\xbb\xbfkeep = 7", b"[other]\n", b"a = b ; c\nnothing",
    b"a=" + b"x" * 4000,
)
CSV = (
    'name,kid,alg,kind,labels,label:room\r\nkitchen,0a1b2c3d,10,session,a=b;c=d,"ground ""floor"""\r\n',
    "\ufeffname,context\nshed,counter\n\n\"a\nb\",\n", '"x', '"x"y', 'a"b',
)
NODEMCU = VECTORS.parents[1] / "tests" / "vectors" / "nodemcu.json"
KEYS = (
    b"ivkey=2345678901abcdef\ndatakey=0123456789abcdef\nstaticiv=abcdef2345678901\npassphrase=mypassphrase\n",
    b"# hex\r\npassphrase=x\r\nivkey=hex:32333435363738393031616263646566\r\n\r\ndatakey=0123456789abcdef\r\nstaticiv=abcdef2345678901",
)
TEXT = (b"23.4", b"-1e5", b"  7 ", b"nan", b"not a number")


def load(name):
    return json.loads((VECTORS / name).read_text(encoding="ascii"))


def frame_of(message):
    """device/frame.h: COBS(message, CRC-16/CCITT-FALSE), zero."""
    crc = binascii.crc_hqx(message, 0xFFFF).to_bytes(2, "big")
    out, block = bytearray(), bytearray()
    for byte in message + crc + b"\0":
        if byte:
            block.append(byte)
        if not byte or len(block) == 254:
            out += bytes([len(block) + 1]) + block
            block.clear()
    return bytes(out) + b"\0"


def seeds():
    messages, replies, malformed = load("messages.json"), load("replies.json"), load("malformed.json")
    for case in messages["cases"]:
        plaintext = bytes.fromhex(case["plaintext"])
        yield "message", bytes.fromhex(case["message"])
        yield "frame", frame_of(bytes.fromhex(case["message"]))
        yield "cbor", plaintext
        if case["content_format"] in SENML_FORMATS:
            yield "senml", bytes([SENML_FORMATS[case["content_format"]]]) + plaintext
    for case in replies["cases"]:
        yield "reply", bytes.fromhex(case["reply"])
        yield "reply", bytes([case["re"] % 6]) + bytes.fromhex(case["plaintext"])
        yield "message", bytes.fromhex(case["reply"])
        yield "cbor", bytes.fromhex(case["plaintext"])
    for case in malformed["cases"]:
        yield "message", bytes.fromhex(case["message"])
        yield "cbor", bytes.fromhex(case["message"])
    for case in malformed["replies"]:
        yield "reply", bytes.fromhex(case["message"])
    for case in load("credentials.json")["cases"]:
        yield "credential", case["line"].encode("utf-8")
    for text in JSON:
        yield "json", text.encode("utf-8")
    for text in CONFIG:
        yield "config", text
    for text in CSV:
        yield "csv", text.encode("utf-8")
    for case in json.loads(NODEMCU.read_text(encoding="ascii"))["cases"]:
        yield "nodemcu", bytes.fromhex(case["payload"])
    for text in KEYS:
        yield "nodemcu", text
    for text in TEXT:
        yield "senml", bytes([SENML_FORMATS[0]]) + text


# The same bytes, for what explains them.
ALSO = {"message": ("anatomy",), "cbor": ("diagnostic",)}


def main(directory):
    for number, (target, seed) in enumerate(seeds()):
        for name in (target, *ALSO.get(target, ())):
            folder = pathlib.Path(directory) / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:04}").write_bytes(seed)


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
