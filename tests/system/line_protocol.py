"""
InfluxDB's line protocol, read strictly by the rules of its documentation: what is not exactly right is an error. A
point is (measurement, {tag: value}, {field: value}, nanoseconds).
"""

import re


class Wrong(ValueError):
    """What a server answers 400 to."""


LEAST, MOST = -9223372036854775806, 9223372036854775806
NUMBER = re.compile(rb"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
INTEGER = re.compile(rb"-?\d+i")


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def rest(self):
        return self.data[self.at:]

    def peek(self):
        return self.data[self.at:self.at + 1]

    def take(self, expected):
        if self.peek() != expected:
            raise Wrong("%r is missing before %r" % (expected, self.rest()[:20]))
        self.at += 1

    def word(self, ends, escaped):
        """Up to one of the ends; a backslash before one of the escaped is an escape, before others itself."""
        word = b""
        while True:
            byte = self.peek()
            if byte == b"" or byte in ends:
                break
            if byte == b"\n":
                raise Wrong("a line ends in the middle")
            if byte == b"\\" and self.data[self.at + 1:self.at + 2] in escaped:
                self.at += 1
                byte = self.peek()
            elif byte in escaped:
                raise Wrong("%r is not escaped" % byte)
            word += byte
            self.at += 1
        if not word:
            raise Wrong("something is empty before %r" % self.rest()[:20])
        if word.endswith(b"\\"):
            raise Wrong("a backslash stands before an end")
        try:
            return word.decode()
        except UnicodeDecodeError:
            raise Wrong("%r is no UTF-8" % word) from None

    def quoted(self):
        self.take(b'"')
        text = b""
        while self.peek() != b'"':
            if self.peek() == b"":
                raise Wrong("a text does not end")
            if self.peek() == b"\\" and self.data[self.at + 1:self.at + 2] in (b'"', b"\\"):
                self.at += 1
            text += self.peek()
            self.at += 1
        self.at += 1
        if len(text) > 65536:
            raise Wrong("a text is too long")
        return text.decode()

    def value(self):
        if self.peek() == b'"':
            return self.quoted()
        word = re.match(rb"[^, \n]*", self.rest())[0]
        self.at += len(word)
        if word in (b"true", b"false"):
            return word == b"true"
        if INTEGER.fullmatch(word):
            number = int(word[:-1])
            if not -2**63 <= number < 2**63:
                raise Wrong("%r is out of range" % word)
            return number
        if NUMBER.fullmatch(word):
            return float(word)
        raise Wrong("%r is no value" % word)

    def pairs(self, take_value):
        found = {}
        while True:
            key = self.word((b"=",), (b",", b"=", b" "))
            self.take(b"=")
            if key in found:
                raise Wrong("%r is there twice" % key)
            found[key] = take_value()
            if self.peek() != b",":
                return found
            self.take(b",")

    def point(self):
        measurement = self.word((b",", b" "), (b",", b" "))
        tags = {}
        if self.peek() == b",":
            self.take(b",")
            tags = self.pairs(lambda: self.word((b",", b" "), (b",", b"=", b" ")))
            if list(tags) != sorted(tags):
                raise Wrong("tags are not sorted")
        self.take(b" ")
        fields = self.pairs(self.value)
        self.take(b" ")
        time = re.match(rb"-?\d+", self.rest())
        if not time or not LEAST <= int(time[0]) <= MOST:
            raise Wrong("%r is no time" % self.rest()[:30])
        self.at += len(time[0])
        self.take(b"\n")
        return measurement, tags, fields, int(time[0])


def parse(data):
    """The points of a body."""
    reader = Reader(data)
    points = []
    while reader.rest():
        points.append(reader.point())
    return points
