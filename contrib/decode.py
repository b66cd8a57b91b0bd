#!/usr/bin/env python3
"""Opens sealed messages with nothing but the credential (spec/PROTOCOL.md). Only the gateway can tell a replay.
usage: decode.py CREDENTIAL|@FILE [ID_CONTEXT] < message    as it is, or lines of hex; prints a line of JSON for each
ID_CONTEXT, in hex, is for messages of a session that leave it out; the first ones of that session show it."""
import base64, cbor2, json, sys
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SIZES = {10: (16, 13, 8), 30: (16, 13, 16), 24: (32, 12, 16)}  # by alg: bytes of key, nonce and tag
FORM = {1: (int, range(-(2**64), 2**64)), 3: (int, range(2**16)), "re": (int, range(2**64)), "echo": (bytes, [8]),
        4: (bytes, range(1, 6)), 6: (bytes, range(1, 6)), 10: (bytes, [8])}  # headers: type, and values or lengths
DECODERS = {112: cbor2.loads, 60: cbor2.loads, 110: json.loads, 50: json.loads, 0: bytes.decode}

def parse_credential(line):  # PROTOCOL 1
    given = {"kid": "", "secret": "", **dict(part.split("=") for part in line.strip().partition("?")[2].split("&"))}
    kid, secret = bytes.fromhex(given["kid"]), base64.urlsafe_b64decode(given["secret"] + "=")
    alg, context = int(given.get("alg", 10)), given.get("context", "session")
    known = alg in SIZES and context in ("session", "counter")
    if line[:6] != "bulla:" or len(kid) not in range(1, 6) or len(secret) != 32 or not known:
        raise ValueError("not a credential line")
    return kid, secret, alg, context

def parse(data):  # PROTOCOL 3: what is well formed is, byte for byte, what its own parts make in their order
    protected, unprotected, ciphertext = cbor2.loads(data).value
    given = {**unprotected, **cbor2.loads(protected)}
    headers, rest = ({key: given[key] for key in keys if key in given} for keys in ((1, 3, "re", "echo"), (4, 6, 10)))
    again = cbor2.dumps(cbor2.CBORTag(16, [cbor2.dumps(headers), rest, ciphertext]))
    fit = [type(value) is FORM[key][0] and (value if type(value) is int else len(value)) in FORM[key][1]
           for key, value in given.items()] + [key in given for key in (1, 3, 4, 6)]
    fit += [again == data, len(data) <= 4096, type(ciphertext) is bytes, given[6] == b"\0" or given[6][0] != 0]
    return (protected, given, ciphertext) if all(fit) else None

def open_message(line, data, session=None):
    """What a message says, as a dict: its "content", and that decoded as "value". ValueError if it is refused."""
    kid, secret, alg, context = parse_credential(line)
    try: protected, headers, ciphertext = parse(data)
    except Exception: raise ValueError("malformed") from None
    piv, id_context = headers[6], headers.get(10, session if context == "session" else None)
    if (headers[4], headers[1], id_context is None) != (kid, alg, context == "counter"):
        raise ValueError("forged: another kid, alg or kind of context; or a session's, and ID_CONTEXT is needed")
    key, iv = (HKDF(SHA256(), size, None, cbor2.dumps([sender, id_context, alg, kind, size])).derive(secret)
               for sender, kind, size in ((kid, "Key", SIZES[alg][0]), (b"", "IV", SIZES[alg][1])))  # RFC 8613 3.2.1
    number = bytes([len(kid)]) + kid.rjust(len(iv) - 6, b"\0") + piv.rjust(5, b"\0")  # RFC 8613 5.2
    nonce, aad = bytes(a ^ b for a, b in zip(number, iv)), cbor2.dumps(["Encrypt0", protected, b""])
    try: content = (ChaCha20Poly1305(key) if alg == 24 else AESCCM(key, SIZES[alg][2])).decrypt(nonce, ciphertext, aad)
    except Exception: raise ValueError("forged: it does not authenticate") from None
    try: value = DECODERS.get(headers[3], bytes)(content)
    except Exception: value = content  # authentic, but not of the format that it says
    return {"kid": kid, "piv": int.from_bytes(piv, "big"), "id_context": id_context, "re": headers.get("re"),
            "format": headers[3], "content": content, "value": value}

if __name__ == "__main__":
    line, *session = sys.argv[1:3] or sys.exit(__doc__)
    line, data = open(line[1:]).read() if line[0] == "@" else line, sys.stdin.buffer.read()
    options = {"allow_nan": False, "default": lambda value: value.hex() if type(value) is bytes else str(value)}
    for message in [data] if data[:1] == b"\xd0" else map(bytes.fromhex, data.decode().split()):
        said = open_message(line, message, *map(bytes.fromhex, session))
        try: print(json.dumps(said, **options))
        except Exception: print(json.dumps({**said, "value": said["content"]}, **options))  # JSON lacks words for it
