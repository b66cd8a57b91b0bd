"""A device in Python, made from the reference: it shares no code with the program under test."""

import os
import sys
from dataclasses import dataclass

import cbor2

from program import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "spec"))
import reference  # noqa: E402

SENML, SENML_JSON, JSON, TEXT, CBOR, BYTES = 112, 110, 50, 0, 60, 42


def senml(**values):
    """A pack of SenML in CBOR, a record for each value."""
    fields = {bool: 4, str: 3, bytes: 8}
    return cbor2.dumps([{0: name, fields.get(type(value), 2): value} for name, value in values.items()])


@dataclass(frozen=True)
class Message:
    piv: int
    data: bytes


@dataclass(frozen=True)
class Reply:
    """An authentic reply."""

    re: int
    gateway_id: bytes
    gateway_piv: int
    body: dict

    @property
    def challenge(self):
        return self.body.get("challenge")

    def stored(self):
        """The numbers that the receipt in it covers."""
        if "top" not in self.body:
            return set()
        top, bits = self.body["top"], self.body["bits"]
        return {top} | {top - 1 - i for i in range(63) if bits >> i & 1}


class PythonDevice:
    """One board: one credential, one context since power-on."""

    def __init__(self, line, piv=0):
        self.credential = reference.parse_credential(line)
        self.boot(piv)

    def boot(self, piv=0):
        """A new session; for a counter, `piv` is where its store says that it goes on."""
        self.id_context = os.urandom(8) if self.credential.context == "session" else None
        self.piv = piv
        self.challenge = None
        self.sealed = {}  # by piv
        self.told = set()  # pivs that an authentic reply said are stored

    def seal(self, plaintext, content_format=SENML, echo=True, with_kid_context=True, piv=None):
        """Seals with the next number (or, to make trouble, another)."""
        credential = self.credential
        if piv is None:
            piv = self.piv
            self.piv += 1
        data = reference.seal_message(
            credential.secret, credential.alg, credential.kid, self.id_context, piv, content_format, plaintext,
            with_kid_context=with_kid_context, echo=self.challenge if echo else None,
        ).data
        self.sealed[piv] = data
        return Message(piv, data)

    def open(self, data, message=None):
        """Opens a reply; anything that is not authentic, or answers another message, raises."""
        credential = self.credential
        envelope = reference.parse_reply(data)
        pivs = [message.piv] if message else list(self.sealed)
        plaintext = reference.open_reply(credential.secret, credential.alg, self.id_context, pivs, envelope)
        reply = Reply(envelope.re, envelope.kid, envelope.piv, reference.decode_body(plaintext))
        assert "time" in reply.body
        if reply.challenge:
            self.challenge = reply.challenge
        self.told |= reply.stored()
        return reply

    def send(self, connection, plaintext, content_format=SENML, **options):
        """Seals, sends, and answers one challenge. The message that was stored."""
        message = self.seal(plaintext, content_format, **options)
        response = connection.post(message.data)
        if response.status == 401:
            assert self.open(response.body, message).challenge
            message = self.seal(plaintext, content_format, **options)
            response = connection.post(message.data)
        assert response.status == 200, response
        assert message.piv in self.open(response.body, message).stored()
        self.challenge = None
        return message

    def check(self, response, message, status=200):
        """Checks status and reply of an answer to a message."""
        assert response.status == status, response
        return self.open(response.body, message)
