#!/usr/bin/python3
"""Writes seeds for the fuzz targets from spec/vectors and tests/vectors. usage: seeds.py DIRECTORY

DIRECTORY/TARGET/NUMBER, for each target.
"""
import base64
import binascii
import json
import pathlib
import sys

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "spec" / "vectors"
CRYPTOJS = VECTORS.parents[1] / "tests" / "vectors" / "cryptojs.json"
# The first byte of fuzz_cryptojs's input picks the request, and what the rest is.
CRYPTOJS_REQUESTS = {"data": 0, "reset": 1, "unsequenced": 2}
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

# Rows of packets as brokers send them, for both versions (each target takes what is of its own).
MQTT = (
    "20020000 9003000101 3007000362756c6869 d000", "20020100 3209000361 2f62000a 6869",
    "20020000 3d0700016100016869 62020001 40020001 50020002 70020002 b0020003", "20020005", "300500036122ff",
    "2003000000 900400010001 3006000161006869 d000 e0018b",
    "2040 0100 3d 1100000e10 12000467772d31 13003c 1c0003623a31 1f00026f6b 210014 22000a 2401 2500 26000161000162"
    "26000161000163 2700001000 2800 2900 2a00",
    "3d4d 001162756c6c612f30613162326333642f7570 1234 35 0101 0200000e10 0300106170706c69636174696f6e2f63626f72 080003722f31"
    "0900027879 0b07 0bffffff7f 230003 2600016b0000 6869",
    "4010 0001 97 0c 1f000466756c6c 2600000000 5003000110 62040001 9200 7003000192", "30080000032300016869",
    "900c0002051f00026e6f00010287 b0060003000011 8f", "e00e9c0c1c0003623a311f0003627965", "20020001",
)
TOPICS = (
    b"bulla/+/up\0bulla/0a1b2c3d/up", b"#\0$SYS/a", b"sport/#\0sport", b"+/+\0/finance", b"$share/g/bulla/+/up\0bulla//up",
    b"a/b\0a/b", b"$share//a\0a", b"a#\0a", b"+a/\xc3\xa9\0\xc3\xa9",
)


BROKERS = [
    b"0mqtt://localhost", b"0mqtts://me%40x@[::1]:99/?ca=/a%20b&cert=c&key=k&client-id=g", b"1mqtt://u:p@h?version=3.1.1",
    b"0mqtt://h?keep-alive=1&session-expiry=0&receive-maximum=8192&version=5&devices=older", b"0bulla/+/up", b"0site/+/+/+/up",
]


# Parcels of the outbox; their sum is put right by the target.
PARCELS = (
    "0101076b69746368656e000801020304050607 08ac028080f281838985060001000174034365 6c09666666666666374000000000",
    "0103026100000180d0acf30e0003000161000000000000000000f03f 0101620000 7f 0301630000 056869 21 c3bc 00000000",
    "0102 03 6200 09 77 0000000000000009 05 02 07 02 06 0000 02 32 027b7d 07 0000 01 00 00 00000000",
)


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
    for text in PARCELS:
        yield "parcel", bytes.fromhex(text)
    for case in malformed["cases"]:
        yield "message", bytes.fromhex(case["message"])
        yield "cbor", bytes.fromhex(case["message"])
    for case in malformed["replies"]:
        yield "reply", bytes.fromhex(case["message"])
    for case in load("credentials.json")["cases"]:
        yield "credential", case["line"].encode("utf-8")
    for case in json.loads(CRYPTOJS.read_text(encoding="utf-8"))["cases"]:
        request, text = CRYPTOJS_REQUESTS[case["request"]], case["text"].encode("utf-8")
        yield "cryptojs", bytes([request]) + case["body"].encode("ascii")
        yield "cryptojs", bytes([request + 3]) + base64.b64encode(text)
        yield "cryptojs", bytes([request + 6]) + text
    yield "cryptojs", bytes([9]) + b"# comment\r\npassphrase=2B7E151628AED2A6ABF7158809CF4F3C\n"
    for text in JSON:
        yield "json", text.encode("utf-8")
    for packets in MQTT:
        yield "mqtt3", bytes.fromhex(packets)
    for text in BROKERS:
        yield "broker", text
    for text in TOPICS:
        yield "topic", text
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
ALSO = {"message": ("anatomy",), "cbor": ("diagnostic",), "mqtt3": ("mqtt5",)}


def main(directory):
    for number, (target, seed) in enumerate(seeds()):
        for name in (target, *ALSO.get(target, ())):
            folder = pathlib.Path(directory) / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:04}").write_bytes(seed)


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
