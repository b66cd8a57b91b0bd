"""docs/metrics.md says all that /metrics prints, and nothing else."""

import re

from http_client import Connection, get
from program import REPOSITORY, wait_until
from test_gateway import every_outcome, parse_metrics

DOCUMENT = REPOSITORY / "docs" / "metrics.md"


def rows(columns):
    """The cells of the document's tables that have so many columns."""
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == columns:
            yield cells


def names(cell):
    return set(re.findall(r"`([^`]+)`", cell))


def documented():
    """{metric: (type, labels)}"""
    found = {}
    for metric, kind, labels, meaning, _ in rows(5):
        (name,) = names(metric)
        assert name not in found and meaning, name
        found[name] = (kind, names(labels))
    return found


def labels_of(sample):
    return re.findall(r'[{,]([a-z_]+)="([^"]*)"', sample)


def printed(gateway):
    """{metric: (type, labels)}, and the values of its labels {(metric, label): values}."""
    families = parse_metrics(get(gateway.admin_port, "/metrics").body.decode())
    kinds, found = {}, {}
    for name, (kind, samples) in families.items():
        assert samples, "%s has no sample" % name
        of_all = {frozenset(label for label, _ in labels_of(sample)) - {"le"} for sample in samples}
        assert len(of_all) == 1, "samples of %s differ in their labels" % name
        kinds[name] = (kind, set(of_all.pop()))
        for sample in samples:
            for label, value in labels_of(sample):
                found.setdefault((name, label), set()).add(value)
    return kinds, found


NOBODY = "mqtt://127.0.0.1:1"  # a broker that is away has metrics, too
NO_SINK = "influx://127.0.0.1:1/bulla"  # and so has a sink


def test_every_metric_is_documented(make_gateway, make_device, bulla):
    gateway = make_gateway("--mqtt", NOBODY, "--sink", NO_SINK, "--keep-here").start()
    every_outcome(gateway.port, make_device, bulla)
    with Connection(gateway.port) as connection:
        assert connection.post(b"x" * 5000).status == 413
    wait_until(lambda: "bulla_devices" in printed(gateway)[0], what="the number of devices")
    kinds, values = printed(gateway)
    assert kinds == documented()
    assert values["bulla_messages_total", "outcome"] == {names(row[0]).pop() for row in rows(3)}


def test_the_expressions_name_metrics_that_are_there(gateway):
    """Prometheus adds _bucket, _sum and _count to a histogram's name."""
    text = DOCUMENT.read_text()
    known = set(documented())
    known |= {name + suffix for name, (kind, _) in documented().items() if kind == "histogram"
              for suffix in ("_bucket", "_sum", "_count")}
    assert set(re.findall(r"\bbulla_[a-z_]+", text)) <= known
