"""
The part of bench/run that compares databases: a server of each kind, a gateway on each, measured in turn, and one table. The
gateway's rates stand beside SQLite's and beside what the same server takes in bulk, and in bare commits of about as many rows as
the gateway's have, taken in the same repetition.
"""

import os
import statistics
import sys
import threading
import time

from database_kinds import BULK_ROWS, KINDS, Missing, scheme_of

CONNECTIONS = (32, 128, 512)
LABELS = (
    ("  receipts/s meanwhile", "receipts_per_second", 1, "{:,.0f}"),
    ("  latency p50, ms", "p50_us", 1e-3, "{:.2f}"),
    ("  latency p99, ms", "p99_us", 1e-3, "{:.2f}"),
    ("  gateway CPU, µs a reading", "cpu_us", 1, "{:.1f}"),
    ("  database CPU, µs a reading", "database_us", 1, "{:.1f}"),
    ("  generator CPU, µs a reading", "generator_us", 1, "{:.1f}"),
)


def processor_seconds(pid):
    """Of a process, the children that it has, and those that it had."""
    total = 0
    tick = os.sysconf("SC_CLK_TCK")
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        children = file.read().split()
    for process, fields in [(pid, 4), *((child, 2) for child in children)]:
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
                total += sum(map(int, file.read().rpartition(")")[2].split()[11:11 + fields])) / tick
        except FileNotFoundError:
            pass  # it has just ended
    return total


class Arrival:
    """When a sink has everything that is about to be sent to it; no thread runs where there is no sink."""

    def __init__(self, kind, expected):
        self.kind = kind
        self.at = None
        before = kind.written()
        self.target = None if before is None else before + expected
        self.thread = threading.Thread(target=self._watch, daemon=True)
        if self.target is not None:
            self.thread.start()

    def _watch(self):
        while self.kind.written() < self.target:
            time.sleep(0.02)
        self.at = time.monotonic()

    def note(self, line):
        """In a sink's line the readings count when they are there; the rate of the receipts stands beside it."""
        if self.target is None:
            return
        self.thread.join(60)
        if self.at is None:
            sys.exit(f"{self.kind.name}: not everything has come within a minute")
        line["receipts_per_second"] = line["per_second"]
        line["per_second"] = line["done"] / (self.at - line["begun"])


class Contender:
    """A database, the gateway on it, and what was acknowledged."""

    def __init__(self, kind, bench):
        self.kind = kind
        self.bench = bench
        self.repetitions = []  # of {connections: line}
        self.bulks = []  # of {how: rows a second}, parallel
        self.commits = []  # of {connections: rows a second}, parallel
        self.version = ""
        self.before = 0
        self.acknowledged = 0

    def start(self):
        self.version = self.kind.version()
        self.bench.provision_devices()
        self.before = self.kind.count()
        self.bench.start(*self.kind.options)

    def load(self, connections, count, number):
        """Each device proves itself by a reading of its own before the clock runs."""
        pid = self.kind.pid
        spent = processor_seconds(pid) if pid else 0
        arrival = Arrival(self.kind, self.bench.devices + count)
        line = self.bench.load_tool("load", *self.bench.common(), "--connections", connections, "--count", count, "--prefix",
                                    self.bench.prefix(number, connections))[0]
        self.acknowledged += int(line["stored"]) + self.bench.devices
        arrival.note(line)
        if pid:
            line["database_us"] = (processor_seconds(pid) - spent) * 1e6 / (line["stored"] + self.bench.devices)
        self.repetitions[number][connections] = line

    def check(self):
        """What was acknowledged is there, once."""
        there = self.kind.count() - self.before
        if there != self.acknowledged:
            sys.exit(f"{self.kind.name}: {self.acknowledged} readings were acknowledged, {there} are there")


# ---- measuring ----


def prepare(arguments, folder, make_bench):
    """A contender for each kind that is to be measured, and what is missing here."""
    contenders, missing = [], []
    for scheme, kind in KINDS.items():
        url = arguments.db if arguments.db and scheme == scheme_of(arguments.db) else None
        if arguments.db and url is None and scheme != "sqlite":
            continue
        place = os.path.join(folder, scheme)
        os.mkdir(place, 0o755)  # a server runs as another user
        try:
            made = kind(place, url) if url else kind(place)
        except Missing as error:
            missing.append(str(error))
            continue
        contenders.append(Contender(made, make_bench(place, made.url, os.path.join(place, "key"))))
    return contenders, missing


def measure(arguments, folder, make_bench):
    """All of it: the contenders, with what was measured, and what is missing."""
    if arguments.db and scheme_of(arguments.db) not in KINDS:
        sys.exit(f"--db takes the URL of a server: {', '.join(scheme + '://…' for scheme in KINDS if scheme != 'sqlite')}")
    os.chmod(folder, 0o711)
    contenders, missing = prepare(arguments, folder, make_bench)
    try:
        for contender in contenders:
            contender.start()
        for number in range(arguments.repeat):
            repeat(contenders, number, arguments)
        for contender in contenders:
            contender.check()
    finally:
        for contender in contenders:
            contender.bench.stop()
            contender.kind.stop()
    return contenders, missing


def rows_a_commit(connections):
    """A batch gathers while the one before it is stored: half of what is under way."""
    return connections // 2


def repeat(contenders, number, arguments):
    """Everything once, the databases in turn at each number of connections."""
    for contender in contenders:
        contender.repetitions.append({})
    for connections in CONNECTIONS:
        for contender in contenders:
            contender.load(connections, arguments.count // 4, number)
    for contender in contenders:
        contender.bulks.append(contender.kind.bulk(4 if arguments.quick else 20))
        contender.commits.append({connections: contender.kind.commits(50 if arguments.quick else 200, rows_a_commit(connections))
                                  for connections in CONNECTIONS})


# ---- telling ----


def row(label, values, form):
    return f"{label:34}" + "".join(f"{form.format(value):>12}" for value in values)


def median(contender, connections, name):
    return statistics.median(repetition[connections][name] for repetition in contender.repetitions)


def ratios(contender, other):
    """Of the rates to another one's, medians; other: by repetition and connections."""
    return [statistics.median(repetition[connections]["per_second"] / other(number, connections)
                              for number, repetition in enumerate(contender.repetitions)) for connections in CONNECTIONS]


def print_contender(contender, first):
    name = f"{contender.kind.name} {contender.version}, readings/s"
    print()
    print(row(name, [median(contender, connections, "per_second") for connections in CONNECTIONS], "{:,.0f}"))
    if contender is not first:
        print(row(f"  of {first.kind.name}'s",
                  ratios(contender, lambda number, at: first.repetitions[number][at]["per_second"]), "{:.3f}"))
    rates = [statistics.median(commits[connections] for commits in contender.commits) for connections in CONNECTIONS]
    print(row("  its bare commits, rows/s", rates, "{:,.0f}"))
    print(row("  of those", ratios(contender, lambda number, at: contender.commits[number][at]), "{:.3f}"))
    for how in contender.bulks[0]:
        rate = statistics.median(bulk[how] for bulk in contender.bulks)
        print(row(f"  of {how}, {rate:,.0f}/s", ratios(contender, lambda number, _: contender.bulks[number][how]), "{:.3f}"))
    for label, key, scale, form in LABELS:
        if key in contender.repetitions[0][CONNECTIONS[0]]:
            print(row(label, [median(contender, connections, key) * scale for connections in CONNECTIONS], form))
    print(f"  all {contender.acknowledged:,} that were acknowledged are there, once")


def print_table(contenders, missing):
    print()
    print(f"databases: over HTTP, a reading a request, durable; their rates in bulk: {BULK_ROWS:,} rows a transaction;"
          f" bare commits: {', '.join(str(rows_a_commit(connections)) for connections in CONNECTIONS)} rows each")
    print(row("connections", CONNECTIONS, "{}"))
    for contender in contenders:
        print_contender(contender, contenders[0])
    for name in missing:
        print(f"\n{name} is not installed here: scripts/setup test installs it")


def document(contenders, missing):
    """The same for programs."""
    return {"missing": missing,
            **{contender.kind.name: {"version": contender.version, "acknowledged": contender.acknowledged,
                                     "repetitions": [list(repetition.values()) for repetition in contender.repetitions],
                                     "bulk": contender.bulks, "commits": contender.commits} for contender in contenders}}
