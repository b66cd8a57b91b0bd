"""The bulla protocol, sections 1 to 5, carried out slowly.

This module exists to be read beside PROTOCOL.md and to write the test vectors. It shares no code with the C
library or the gateway, keeps no state but a replay window in the form of a set, and is not meant to be fast or
to resist side channels: never use it with a secret that matters.

"PROTOCOL n" is a section of PROTOCOL.md. Needs cbor2 (to encode; messages are parsed here) and cryptography (for
the AEADs only).
"""

import base64
import hashlib
import hmac
import io
import re as regex
import unicodedata
from dataclasses import dataclass
from typing import Optional

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, ChaCha20Poly1305

MAX_MESSAGE = 4096
MAX_PIV = 2**40 - 1
KID_CONTEXT_LENGTH = 8
CHALLENGE_LENGTH = 8
GATEWAY_ID_LENGTH = 6


class Refused(Exception):
    """A message or credential that is not taken; the text says why."""


class Malformed(Refused):
    """PROTOCOL 4.1: not exactly the form of section 3 (or, for a reply, of section 5)."""


class Forged(Refused):
    """PROTOCOL 4.2 and 4.3: well formed, but not sealed with this credential."""


class BadCredential(Refused):
    """PROTOCOL 1: not a credential line."""


# ---- PROTOCOL 1: algorithms and credentials ----------------------------------------------------------------


@dataclass(frozen=True)
class Algorithm:
    """RFC 9053 sections 4.2 and 4.3."""

    key_length: int
    nonce_length: int
    tag_length: int

    def aead(self, key):
        if self.key_length == 32:
            return ChaCha20Poly1305(key)
        return AESCCM(key, tag_length=self.tag_length)


ALGORITHMS = {
    10: Algorithm(16, 13, 8),  # AES-CCM-16-64-128
    30: Algorithm(16, 13, 16),  # AES-CCM-16-128-128
    24: Algorithm(32, 12, 16),  # ChaCha20/Poly1305
}


@dataclass(frozen=True)
class Credential:
    name: str
    kid: bytes
    secret: bytes
    alg: int = 10
    context: str = "session"  # or "counter"


def format_credential(credential):
    """PROTOCOL 1, text form. A session is the default and is not written."""
    name = "".join(
        chr(b) if UNRESERVED.match(chr(b)) else "%%%02X" % b for b in credential.name.encode("utf-8")
    )
    secret = base64.urlsafe_b64encode(credential.secret).rstrip(b"=").decode("ascii")
    line = "bulla:%s?kid=%s&secret=%s&alg=%d" % (name, credential.kid.hex(), secret, credential.alg)
    return line + ("&context=counter" if credential.context == "counter" else "")


UNRESERVED = regex.compile(r"[A-Za-z0-9._~-]")  # RFC 3986 section 2.3


def parse_credential(line):
    """PROTOCOL 1, text form. Parameters may stand in any order, each at most once; unknown ones are refused."""
    scheme, colon, rest = line.partition(":")
    if scheme != "bulla" or not colon:
        raise BadCredential("does not begin with bulla:")
    name, question, query = rest.partition("?")
    if not question:
        raise BadCredential("no parameters")
    parameters = {}
    for part in query.split("&"):
        key, equals, value = part.partition("=")
        if not equals or key not in ("kid", "secret", "alg", "context"):
            raise BadCredential("unknown parameter")
        if key in parameters:
            raise BadCredential("parameter given twice")
        parameters[key] = value
    if "kid" not in parameters or "secret" not in parameters:
        raise BadCredential("kid or secret missing")
    alg = parameters.get("alg", "10")
    if alg not in ("10", "24", "30"):
        raise BadCredential("unknown alg")
    context = parameters.get("context", "session")
    if context not in ("session", "counter"):
        raise BadCredential("unknown context")
    return Credential(
        parse_name(name), parse_kid(parameters["kid"]), parse_secret(parameters["secret"]), int(alg), context
    )


def parse_name(text):
    """1 to 64 bytes of UTF-8 without control characters, once RFC 3986 percent escapes are undone."""
    raw = bytearray()
    while text:
        if UNRESERVED.match(text):
            raw.append(ord(text[0]))
            text = text[1:]
        elif regex.match(r"%[0-9A-Fa-f]{2}", text):
            raw.append(int(text[1:3], 16))
            text = text[3:]
        else:
            raise BadCredential("bad percent escape" if text[0] == "%" else "name has an unescaped character")
    if not 1 <= len(raw) <= 64:
        raise BadCredential("name is not 1 to 64 bytes")
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadCredential("name is not UTF-8") from None
    if any(unicodedata.category(c) == "Cc" for c in name):
        raise BadCredential("name has a control character")
    return name


def parse_kid(text):
    """1 to 5 bytes; hexadecimal digits of either case are read, lower case is written."""
    if not regex.fullmatch(r"([0-9A-Fa-f]{2}){1,5}", text):
        raise BadCredential("kid is not 1 to 5 bytes of hexadecimal")
    return bytes.fromhex(text)


def parse_secret(text):
    """32 bytes in RFC 4648 base64url without padding; the two bits left over must be zero."""
    if "=" in text:
        raise BadCredential("secret has padding")
    if not regex.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise BadCredential("secret is not base64url")
    if len(text) != 43:
        raise BadCredential("secret is not 32 bytes")
    secret = base64.urlsafe_b64decode(text + "=")
    if base64.urlsafe_b64encode(secret).decode("ascii") != text + "=":
        raise BadCredential("secret has bits left over")
    return secret


# ---- PROTOCOL 2: keys and nonces ---------------------------------------------------------------------------


def hkdf_sha256(salt, ikm, info, length):
    """RFC 5869. An empty salt is the same as 32 zero bytes, since HMAC pads its key with zeros."""
    prk = hmac.new(salt, ikm, hashlib.sha256).digest()
    output, block, counter = b"", b"", 1
    while len(output) < length:
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        output += block
        counter += 1
    return output[:length]


def key_info(id, id_context, alg, type, length):
    """The info array of RFC 8613 section 3.2.1."""
    return cbor2.dumps([id, id_context, alg, type, length])


def derive_key(secret, id, id_context, alg, salt=b""):
    """The key of the sender with this id (RFC 8613 section 3.2.1)."""
    length = ALGORITHMS[alg].key_length
    return hkdf_sha256(salt, secret, key_info(id, id_context, alg, "Key", length), length)


def derive_common_iv(secret, id_context, alg, salt=b""):
    """The Common IV, from the empty id (RFC 8613 section 3.2.1)."""
    length = ALGORITHMS[alg].nonce_length
    return hkdf_sha256(salt, secret, key_info(b"", id_context, alg, "IV", length), length)


def make_nonce(common_iv, id, piv):
    """RFC 8613 section 5.2: size of the id, id, piv, each padded on the left, xor the Common IV."""
    id_length = len(common_iv) - 6
    if len(id) > id_length or not 0 <= piv <= MAX_PIV:
        raise ValueError("id or piv too long for a nonce")
    plain = bytes([len(id)]) + id.rjust(id_length, b"\0") + piv.to_bytes(5, "big")
    return bytes(a ^ b for a, b in zip(plain, common_iv))


def encode_piv(piv):
    """PROTOCOL 3, header 6: the fewest bytes, zero as one zero byte."""
    return piv.to_bytes(max(1, (piv.bit_length() + 7) // 8), "big")


# ---- PROTOCOL 3 and 5: sealing -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Sealed:
    """What went into an envelope on the way, for the vectors, and the envelope itself."""

    protected: bytes
    aad: bytes
    nonce: bytes
    data: bytes


def enc_structure(protected):
    """RFC 9052 section 5.3, with an empty external AAD."""
    return cbor2.dumps(["Encrypt0", protected, b""])


def seal(secret, alg, sender_id, id_context, piv, protected, unprotected, plaintext):
    """A COSE_Encrypt0 over headers that the caller has encoded. It may be asked to seal nonsense, for the tests."""
    aad = enc_structure(protected)
    nonce = make_nonce(derive_common_iv(secret, id_context, alg), sender_id, piv)
    key = derive_key(secret, sender_id, id_context, alg)
    ciphertext = ALGORITHMS[alg].aead(key).encrypt(nonce, plaintext, aad)
    data = b"\xd0\x83" + cbor2.dumps(protected) + unprotected + cbor2.dumps(ciphertext)
    return Sealed(protected, aad, nonce, data)


def seal_message(secret, alg, kid, id_context, piv, content_format, plaintext,
                 with_kid_context=True, re=None, echo=None):
    """PROTOCOL 3: device to gateway. id_context is None in a counter context."""
    if not 1 <= len(kid) <= 5 or not 0 <= content_format <= 65535:
        raise ValueError("kid or content format out of range")
    protected = {1: alg, 3: content_format}
    if re is not None:
        protected["re"] = re
    if echo is not None:
        protected["echo"] = echo
    unprotected = {4: kid, 6: encode_piv(piv)}
    if id_context is not None and with_kid_context:
        unprotected[10] = id_context
    sealed = seal(secret, alg, kid, id_context, piv, cbor2.dumps(protected), cbor2.dumps(unprotected), plaintext)
    if len(sealed.data) > MAX_MESSAGE:
        raise ValueError("the message would be over %d bytes" % MAX_MESSAGE)
    return sealed


def seal_reply(secret, alg, id_context, gateway_id, gateway_piv, re, plaintext):
    """PROTOCOL 5: gateway to device, in the context of the message that it answers."""
    if len(gateway_id) != GATEWAY_ID_LENGTH:
        raise ValueError("a gateway id is %d bytes" % GATEWAY_ID_LENGTH)
    protected = cbor2.dumps({1: alg, 3: 60, "re": re})
    unprotected = cbor2.dumps({4: gateway_id, 6: encode_piv(gateway_piv)})
    return seal(secret, alg, gateway_id, id_context, gateway_piv, protected, unprotected, plaintext)


# ---- PROTOCOL 3, 4.1 and 5: parsing ------------------------------------------------------------------------

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG = range(7)
MAJOR_NAMES = ("an unsigned integer", "a negative integer", "a byte string", "text", "an array", "a map", "a tag")


class Reader:
    """Deterministic CBOR (RFC 8949 section 4.2.1), read one head at a time."""

    def __init__(self, data, where):
        self.data = data
        self.where = where

    def take(self, count):
        if count > len(self.data):
            raise Malformed("%s is truncated" % self.where)
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def head(self):
        """The major type and the argument of the next item."""
        initial = self.take(1)[0]
        major, additional = initial >> 5, initial & 31
        if additional < 24:
            return major, additional
        if additional == 31:
            raise Malformed("indefinite length")
        if additional > 27:
            raise Malformed("reserved additional information")
        argument = int.from_bytes(self.take(1 << (additional - 24)), "big")
        if major <= TAG and argument < (24, 1 << 8, 1 << 16, 1 << 32)[additional - 24]:
            raise Malformed("not in the shortest form")
        return major, argument

    def expect(self, major, what):
        found, argument = self.head()
        if found != major:
            raise Malformed("%s is not %s" % (what, MAJOR_NAMES[major]))
        return argument

    def unsigned(self, what):
        return self.expect(UNSIGNED, what)

    def bytes(self, what, shortest=0, longest=MAX_MESSAGE):
        value = self.take(self.expect(BYTES, what))
        if not shortest <= len(value) <= longest:
            raise Malformed("%s has the wrong length" % what)
        return value

    def end(self):
        if self.data:
            raise Malformed("bytes after the end of %s" % self.where)


def read_alg(reader):
    """Any integer: another alg than the credential's is forged, not malformed (PROTOCOL 3)."""
    major, argument = reader.head()
    if major not in (UNSIGNED, NEGATIVE):
        raise Malformed("alg is not an integer")
    return argument if major == UNSIGNED else -1 - argument


def read_content_format(reader):
    value = reader.unsigned("content type")
    if value > 65535:
        raise Malformed("content type is over 65535")
    return value


def read_reply_content_format(reader):
    value = reader.unsigned("content type")
    if value != 60:
        raise Malformed("content type of a reply is not 60")
    return value


def read_piv(reader):
    value = reader.bytes("piv", 1, 5)
    if len(value) > 1 and value[0] == 0:
        raise Malformed("piv has a leading zero")
    return int.from_bytes(value, "big")


# The headers of each kind of envelope: the order in which they stand, their names, how each is read.
MESSAGE_PROTECTED = {
    1: ("alg", read_alg),
    3: ("content type", read_content_format),
    "re": ("re", lambda reader: reader.unsigned("re")),
    "echo": ("echo", lambda reader: reader.bytes("echo", CHALLENGE_LENGTH, CHALLENGE_LENGTH)),
}
MESSAGE_UNPROTECTED = {
    4: ("kid", lambda reader: reader.bytes("kid", 1, 5)),
    6: ("piv", read_piv),
    10: ("kid context", lambda reader: reader.bytes("kid context", KID_CONTEXT_LENGTH, KID_CONTEXT_LENGTH)),
}
REPLY_PROTECTED = {
    1: ("alg", read_alg),
    3: ("content type", read_reply_content_format),
    "re": ("re", lambda reader: reader.unsigned("re")),
}
REPLY_UNPROTECTED = {
    4: ("gateway id", lambda reader: reader.bytes("gateway id", GATEWAY_ID_LENGTH, GATEWAY_ID_LENGTH)),
    6: ("piv", read_piv),
}


def read_label(reader):
    """A header's key: an integer or text. Anything else is returned as None, which no header has."""
    major, argument = reader.head()
    if major == UNSIGNED:
        return argument
    if major == TEXT:
        return reader.take(argument).decode("utf-8", "replace")
    return None


def read_headers(reader, table, required):
    """PROTOCOL 3: keys stand in this order, each at most once, nothing else."""
    order = list(table)
    headers = {}
    for _ in range(reader.expect(MAP, reader.where)):
        label = read_label(reader)
        if label not in table:
            raise Malformed("unknown header")
        if label in headers:
            raise Malformed("%s given twice" % table[label][0])
        if any(order.index(label) < order.index(earlier) for earlier in headers):
            raise Malformed("%s out of order" % table[label][0])
        headers[label] = table[label][1](reader)
    for label in required:
        if label not in headers:
            raise Malformed("%s missing" % table[label][0])
    return headers


@dataclass(frozen=True)
class Envelope:
    """A parsed message or reply. Nothing in it is authentic yet."""

    alg: int
    content_format: int
    re: Optional[int]
    echo: Optional[bytes]
    kid: bytes
    piv: int
    id_context: Optional[bytes]
    protected: bytes
    ciphertext: bytes


def parse_envelope(data, protected_table, protected_required, unprotected_table):
    if len(data) > MAX_MESSAGE:
        raise Malformed("too large")
    outer = Reader(data, "the message")
    if outer.expect(TAG, "the message") != 16:
        raise Malformed("the tag is not 16")
    if outer.expect(ARRAY, "the content") != 3:
        raise Malformed("the array is not of 3")
    protected = outer.bytes("protected")
    if not protected:
        raise Malformed("protected is empty")
    inner = Reader(protected, "protected")
    p = read_headers(inner, protected_table, protected_required)
    inner.end()
    outer.where = "unprotected"
    u = read_headers(outer, unprotected_table, (4, 6))
    outer.where = "the message"
    ciphertext = outer.bytes("ciphertext")
    outer.end()
    return Envelope(p[1], p[3], p.get("re"), p.get("echo"), u[4], u[6], u.get(10), protected, ciphertext)


def parse_message(data):
    """PROTOCOL 3 and 4.1."""
    return parse_envelope(data, MESSAGE_PROTECTED, (1, 3), MESSAGE_UNPROTECTED)


def parse_reply(data):
    """PROTOCOL 5: the same strictness for the other direction."""
    return parse_envelope(data, REPLY_PROTECTED, (1, 3, "re"), REPLY_UNPROTECTED)


# ---- PROTOCOL 4.2, 4.3 and 5: opening ----------------------------------------------------------------------


def open_envelope(secret, alg, id_context, envelope):
    """The plaintext, or Forged. The sender is the one that the envelope names."""
    if envelope.alg != alg:
        raise Forged("another alg")
    if len(envelope.ciphertext) < ALGORITHMS[alg].tag_length:
        raise Forged("no room for the tag")
    nonce = make_nonce(derive_common_iv(secret, id_context, alg), envelope.kid, envelope.piv)
    aead = ALGORITHMS[alg].aead(derive_key(secret, envelope.kid, id_context, alg))
    try:
        return aead.decrypt(nonce, envelope.ciphertext, enc_structure(envelope.protected))
    except InvalidTag:
        raise Forged("the tag does not fit") from None


def open_message(credential, envelope, newest_session=None):
    """PROTOCOL 4.2 and 4.3. newest_session: the device's newest proven id_context, for a message without one."""
    if envelope.kid != credential.kid:
        raise Forged("another kid")
    id_context = envelope.id_context
    if credential.context == "counter" and id_context is not None:
        raise Forged("kid context in a message of a counter device")
    if credential.context == "session" and id_context is None:
        id_context = newest_session
        if id_context is None:
            raise Forged("no kid context and no proven session")
    return open_envelope(credential.secret, credential.alg, id_context, envelope)


def open_reply(secret, alg, id_context, recent_pivs, envelope):
    """PROTOCOL 5. recent_pivs: those of the last 16 messages sealed in this context."""
    if envelope.re not in recent_pivs:
        raise Forged("answers no message of this context")
    return open_envelope(secret, alg, id_context, envelope)


REPLY_KEYS = {"top": 0, "bits": 1, "time": 2, "challenge": 3}


def encode_body(body, extra=()):
    """PROTOCOL 5: the map of a reply. extra: pairs of a key above 3 and its encoded value, keys rising."""
    pairs = [(key, cbor2.dumps(body[name])) for name, key in REPLY_KEYS.items() if name in body] + list(extra)
    return bytes([0xA0 + len(pairs)]) + b"".join(cbor2.dumps(key) + value for key, value in pairs)


def decode_body(plaintext):
    """PROTOCOL 5: the keys of a receipt and a challenge by name; unknown keys are skipped."""
    stream = io.BytesIO(plaintext)
    body = cbor2.CBORDecoder(stream).decode()
    if not isinstance(body, dict) or stream.read(1):
        raise Malformed("the body of a reply is not one map")
    return {name: body[key] for name, key in REPLY_KEYS.items() if key in body}


# ---- PROTOCOL 4.4: challenges ------------------------------------------------------------------------------


def challenge_period(unix_time, floor=None):
    """T. floor: F, the highest T of any row that has gone; T is never taken below F + 2."""
    period = unix_time // 256
    return period if floor is None else max(period, floor + 2)


def make_challenge(k, kid, id_context, period):
    """The first 8 bytes of HMAC-SHA-256(K, CBOR [kid, id_context or null, T])."""
    return hmac.new(k, cbor2.dumps([kid, id_context, period]), hashlib.sha256).digest()[:CHALLENGE_LENGTH]


def challenge_proves(k, kid, id_context, period, echo):
    """The T under which the echo proves the context, or None: T-1, T and T+1 are accepted."""
    for t in (period - 1, period, period + 1):
        if t >= 0 and hmac.compare_digest(make_challenge(k, kid, id_context, t), echo):
            return t
    return None


# ---- PROTOCOL 4.5: the replay window -----------------------------------------------------------------------


class Window:
    """64 numbers, top-63 to top, above a lower limit. An oracle: it remembers all that was ever stored."""

    def __init__(self, lower=0, stored=()):
        self.lower = lower
        self.stored = set(stored)

    def judge(self, piv):
        """new, duplicate or stale; changes nothing. What is stored below the lower limit stays a duplicate."""
        if self.stored and piv < max(self.stored) - 63:
            return "stale"
        if piv in self.stored:
            return "duplicate"
        return "stale" if piv < self.lower else "new"

    def offer(self, piv):
        """Judges and, if it is new, stores."""
        outcome = self.judge(piv)
        if outcome == "new":
            self.stored.add(piv)
        return outcome

    def receipt(self):
        """Keys 0 and 1 of PROTOCOL 5, or None where nothing is stored: bit i is piv top-1-i, i from 0 to 62."""
        if not self.stored:
            return None
        top = max(self.stored)
        return top, sum(1 << i for i in range(63) if top - 1 - i in self.stored)
