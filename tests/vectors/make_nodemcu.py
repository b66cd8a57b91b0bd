#!/usr/bin/python3
"""Writes nodemcu.json: messages of the wire nodemcu (docs/older-wires.md), made by PyCryptodome (python3-pycryptodome)
alone. What is random comes from one seed: the same bytes every time.

    make_nodemcu.py           write the file
    make_nodemcu.py --check   exit 1 if the file is not what would be written
"""
import json
import pathlib
import random
import sys

from Cryptodome.Cipher import AES
from Cryptodome.Hash import HMAC, SHA1

ARTICLE = {"ivkey": b"2345678901abcdef", "datakey": b"0123456789abcdef", "staticiv": b"abcdef2345678901", "passphrase": b"mypassphrase"}
chance = random.Random(20261122)


def draw(size):
    return bytes(chance.randrange(256) for _ in range(size))


def draw_iv():
    """string.format("%8x", node.random(4294967295)), twice."""
    return b"".join(b"%8x" % chance.randint(1, 4294967295) for _ in range(2))


def draw_id():
    return draw(16).hex()


def padded(text):
    return text + bytes(-len(text) % 16)


def encrypt(key, iv, text):
    return AES.new(key, AES.MODE_CBC, iv).encrypt(padded(text)) if text else b""


def fields(keys, iv, node, data):
    return encrypt(keys["ivkey"], keys["staticiv"], iv), encrypt(keys["datakey"], iv, node), encrypt(keys["datakey"], iv, data)


def hmac(keys, iv, node, data, session):
    return HMAC.new(keys["passphrase"], node + iv + data + session.encode(), SHA1).hexdigest().encode()


RAW, LOWER, UPPER, MIXED = (lambda b: b, lambda b: b.hex().encode(), lambda b: b.hex().upper().encode(),
                            lambda b: bytes(c if i % 2 else ord(chr(c).upper()) for i, c in enumerate(b.hex().encode())))


def case(name, node, data, keys=ARTICLE, forms=(RAW, RAW, RAW), iv=None, hmac_form=lambda h: h, splits=1):
    iv = iv or draw_iv()
    session = draw_id()
    written = [form(field) for form, field in zip(forms, fields(keys, iv, node, data))]
    payload = b",".join([*written, hmac_form(hmac(keys, iv, node, data, session))])
    return {"name": name, "keys": {key: value.hex() for key, value in keys.items()}, "session": session, "payload": payload.hex(),
            "iv": iv.hex(), "node": node.hex(), "data": data.hex(), "splits": splits}


def with_commas(name, node, data, wanted, **options):
    """Draws IVs until there are commas at these places of node id's and data's ciphertexts."""
    while True:
        iv = draw_iv()
        if all(encrypt(ARTICLE["datakey"], iv, {"node": node, "data": data}[which])[at] == ord(",") for which, at in wanted):
            return case(name, node, data, iv=iv, **options)


def cases():
    yield case("the article's keys, raw", b"1234567", b"512")
    yield case("in lower-case hex", b"1234567", b"512", forms=(LOWER, LOWER, LOWER))
    yield case("in upper-case hex, the HMAC too", b"1234567", b"512", forms=(UPPER, UPPER, UPPER), hmac_form=bytes.upper)
    yield case("in hex of both cases", b"1234567", b"512", forms=(MIXED, MIXED, MIXED))
    for number in range(8):
        forms = [LOWER if number >> bit & 1 else RAW for bit in range(3)]
        yield case(f"hex or raw by field, {number}", b"9876543", b"17.25", forms=forms)
    yield case("an IV with spaces", b"1234567", b"512", iv=b"     1a2   9f00d")
    yield case("no data", b"1234567", b"")
    yield case("no data, in hex", b"1234567", b"", forms=(LOWER, LOWER, LOWER))
    for size in (1, 15, 16, 17, 31, 32, 33, 47, 48, 62, 64):
        yield case(f"a node id of {size} bytes", b"n" * size, b"1")
    for size in (15, 16, 17, 32, 100, 1000, 3000):
        yield case(f"data of {size} bytes", b"1234567", b"x" * size)
    yield case("text", b"kitchen", "21,5 °C, dry".encode())
    yield case("data that ends with spaces", b"1234567", b"7  ")
    for size in (1, 63, 64, 65, 255):
        yield case(f"a pass-phrase of {size} bytes", b"1234567", b"512", keys={**ARTICLE, "passphrase": b"p" * size})
    yield case("keys of any bytes", b"1234567", b"512", keys={**{key: draw(16) for key in ARTICLE}, "passphrase": b"two words, \xc3\xbc"})

    data = b"a text of more than three blocks, for all places"
    yield with_commas("a comma that ends a second block", b"1234567", data, [("data", 15)], splits=2)
    yield with_commas("a comma that ends a third block", b"1234567", data, [("data", 31)], splits=2)
    yield with_commas("commas that end two blocks", b"1234567", data, [("data", 15), ("data", 31)], splits=3)
    yield with_commas("a comma in a long node id", b"a node id of so many bytes", data, [("node", 16)], splits=2)
    yield with_commas("a comma first", b"1234567", data, [("node", 0), ("data", 0)], splits=1)
    yield with_commas("a comma last", b"1234567", b"512", [("node", 15), ("data", 15)], splits=2)
    yield case("a zero byte in the node id", b"1234567\0x", b"512")
    yield case("a zero byte in the data", b"1234567", b"512\0x")


def main(arguments):
    path = pathlib.Path(__file__).with_name("nodemcu.json")
    text = '{"cases": [\n' + ",\n".join(json.dumps(each) for each in cases()) + "\n]}\n"
    if arguments == ["--check"]:
        return 0 if path.read_text(encoding="ascii") == text else 1
    if arguments:
        print(__doc__)
        return 2
    path.write_text(text, encoding="ascii")
    return 0


sys.exit(main(sys.argv[1:]))
