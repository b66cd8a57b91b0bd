"""
A registry that is rich in everything, in SQLite: devices of each kind, also revoked and removed ones, labels, older wires
with nodes, tombstones and session ids, every type of reading, odd names, early and late times, empty and long values.
"""

import os
import sqlite3
import struct

EARLY = -(2**62)  # microseconds since 1970: long before the first time that PostgreSQL has
LATE = 2**62
NAMES = ["temperature", "", "it's \"quoted\"", "naïve ☃ 🌡", "a\x00b", "x" * 900, "tab\there", "100 %"]


def points_table(db):
    """What SQLite's table of readings is called by the schema that it has."""
    return "points" if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'points' AND type = 'table'").fetchone() else "readings"


def values():
    """(type, value) of series: what SQLite keeps for each."""
    yield from (("real", v) for v in (23.4, -0.0, 0.0, 5e-324, 1.7976931348623157e308, 1 / 3))
    yield from (("integer", v) for v in (0, 2**63 - 1, -(2**63)))
    yield from (("boolean", v) for v in (0, 1))
    yield from (("text", v) for v in ("", "NaN", "-Infinity", "ein Text", "snow ☃ 🎿", "zero\x00inside", "t" * 100_000))
    yield from (("data", v) for v in (b"", b"\x00\xff" * 10, os.urandom(2**20)))
    yield ("sum", 1e9)
    yield from (("payload", v) for v in (b"", os.urandom(4000)))
    yield ("undecoded", b"\xff\x00not CBOR")


def enter_devices(bulla):
    bulla("device", "add", "kitchen", "--label", "site=home", "--label", "floor=")
    for name in ("küche ☕", "o'hara \"x\"", "shed", "gone", "lost"):
        bulla("device", "add", name, *(["--counter"] if name == "shed" else []))
    bulla("device", "label", "shed", "site=garden", "owner=Ünal")
    bulla("device", "revoke", "lost")
    bulla("device", "remove", "gone")


def enter_wires(db, device):
    """Rows of older wires, as far as what they keep is concerned."""
    columns = "device, grp, wire, route, session_topic, node, reading_name, flags, lifetime, grace, keys, number, stored, hashes, seen, closed"
    rows = [
        (0, 0, "cryptojs", "12FA", "", "", "", 1, 0, 0, b"", 77, 5, 3, 1_600_000_000_000_000, 1),  # a tombstone
        (0, 0, "nodemcu", "field/up", "field/sessions", "", "", 0, 600, 60, b"", 2**63 - 1, 9, 0, 0, 2),
        (device, 0, "cryptojs", "34", "", "7", "moisture", 3, 0, 0, b"", 2**40, 1, 2, 5, 2),
    ]
    for row in rows:
        db.execute("INSERT INTO wires (%s) VALUES (%s)" % (columns, ", ".join("?" * 16)), row)
    first = db.execute("SELECT min(id) FROM wires").fetchone()[0]
    db.executemany("INSERT INTO wire_hashes VALUES (?, ?)", [(first, os.urandom(32)) for _ in range(3)])
    db.executemany("INSERT INTO wire_hashes VALUES (?, ?)", [(first + 2, bytes(32)), (first + 2, os.urandom(32))])
    for topic in ("field/sessions", "other/☃"):
        for i, (retired, spent, hash) in enumerate(((0, 0, None), (1_700_000_000, 0, None), (0, 1, os.urandom(32)), (5, 2, None))):
            db.execute("INSERT INTO session_ids (topic, id, issued, retired, spent, hash) VALUES (?, ?, ?, ?, ?, ?)",
                       (topic, "%032x" % (i + hash_of(topic)), 1_700_000_000 + i, retired, spent, hash))


def hash_of(text):
    return sum(text.encode()) << 64


def enter_contexts(db, device):
    top = 2**40 - 1
    for i in range(5):
        proven = i % 2
        db.execute("INSERT INTO contexts (device, id_context, proven, proven_t, closes_at, top, bits, lower, seen, rank)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   (device, struct.pack(">Q", i), proven, 6_640_000 + i if proven else 0, 1_700_000_000 if i == 3 else 0, top - i, -1 if i else 2**62, i,
                    1_700_000_000_000_000 + i, i))


def enter_points(db, device, name, points):
    """Series of every type under every name, and then `points` of plain ones, some of them of one microsecond."""
    table = points_table(db)
    series = []
    for at, odd in enumerate(NAMES):
        for kind, value in list(values()) if at == 0 else [("real", 1.5), ("integer", 3)]:
            key = (device, odd, "Cel" if at % 2 else "", kind, 42 if kind in ("payload", "undecoded") else 0)
            if key not in [k for k, _ in series]:
                series.append((key, None))
                db.execute("INSERT INTO series (device, name, unit, type, format, device_name, first, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                           (*key, name, -(2**63), 2**63 - 1))
            number = db.execute("SELECT id FROM series WHERE device = ? AND name = ? AND unit = ? AND type = ? AND format = ?", key).fetchone()[0]
            times = (EARLY, EARLY + 1, 0, 1_700_000_000_000_000 + at, LATE)
            for time in times[-1:] if isinstance(value, (bytes, str)) and len(value) > 10_000 else times:
                put(db, table, time, number, value, 2**40 - 1, 1_700_000_000_000_123)
    plain = [row[0] for row in db.execute("SELECT id FROM series WHERE type = 'real'")]
    db.executemany("INSERT INTO %s (time, n, series, value, piv, delay) VALUES (?, ?, ?, ?, ?, ?)" % table,
                   ((1_750_000_000_000_000 + i // 3, i % 3, plain[i % len(plain)], i / 7, i, 1000) for i in range(points)))


def put(db, table, time, series, value, piv, received):
    n = db.execute("SELECT coalesce(max(n) + 1, 0) FROM %s WHERE time = ?" % table, (time,)).fetchone()[0]
    db.execute("INSERT INTO %s (time, n, series, value, piv, delay) VALUES (?, ?, ?, ?, ?, ?)" % table,
               (time, n, series, value, piv, wrap(received - time)))


def wrap(number):
    """As 64 bits with a sign."""
    return (number + 2**63) % 2**64 - 2**63


def enter_events(db, device, name):
    for authentic in (0, 1):
        for i in range(300):
            db.execute("INSERT INTO events (authentic, id, time, kind, device, device_name, source, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                       (authentic, 1000 + i, 1_700_000_000_000_000 + i, "duplicate" if i % 2 else "forged", device if authentic else 0,
                        name if authentic else "", "http 127.0.0.1", "seq %d ☃" % i))


def enter_sinks(db):
    """Two sinks that have not confirmed all of it, one of them held by a gateway that is not there any more."""
    for n in range(7, 12):
        db.execute("INSERT INTO outbox (n, received, points, all_points, all_bytes, parcel) VALUES (?, ?, ?, ?, ?, ?)",
                   (n, 1_700_000_000_000_000 + n, 3, 3 * n, 100 * n, os.urandom(100)))
    db.execute("INSERT INTO sinks (name, n, points, bytes, added, confirmed, lost, refused, holder, lease) VALUES"
               " ('influx://db:8086/field', 6, 18, 600, 1700000000, 1700000005, 4, 1, 'aabbccddeeff', 1900000000),"
               " ('postgres://db/ö', 9, 27, 900, 1700000001, 0, 0, 0, '', 0)")


def make(bulla, points=1000):
    """Fills the (SQLite) database of `bulla`, which is not there yet."""
    enter_devices(bulla)
    db = sqlite3.connect(bulla.folder / bulla.db)
    db.execute("UPDATE meta SET value = 6640009 WHERE name = 'floor'")
    db.execute("INSERT OR REPLACE INTO meta VALUES ('issued_t', 6640123)")
    for name in ("rekey",):
        db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, os.urandom(60)))
    device, name = db.execute("SELECT id, name FROM devices WHERE name = 'küche ☕'").fetchone()
    enter_contexts(db, device)
    enter_wires(db, device)
    enter_points(db, device, name, points)
    enter_events(db, device, name)
    enter_sinks(db)
    db.executemany("INSERT INTO gateway_ids VALUES (?, ?)", [(os.urandom(6), 1_700_000_000 + i) for i in range(20)])
    db.execute("UPDATE sqlite_sequence SET seq = seq + 1000 WHERE name IN ('devices', 'series')")  # some went
    db.commit()
    db.close()
