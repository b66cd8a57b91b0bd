"""Alerts and the dashboard: well formed, tried against series made for them, and about metrics that there are."""

import json
import re
import shutil
import subprocess
import urllib.request

import pytest

from program import REPOSITORY, wait_until

PROMETHEUS = REPOSITORY / "packaging" / "prometheus"
RULES = PROMETHEUS / "bulla.rules.yml"
DASHBOARD = json.loads((REPOSITORY / "packaging" / "grafana" / "bulla.json").read_text())
OPERATING = REPOSITORY / "docs" / "operating.md"
METRIC = re.compile(r"\bbulla_[a-z_]+\b")


def promtool(*words):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run(["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def scraped(make_gateway, bulla):
    """What a gateway counts that has answered a device, and knows a broker."""
    gateway = make_gateway("--mqtt", "mqtt://127.0.0.1:1", "--sink", "influx://127.0.0.1:1/bulla").start()
    bulla("device", "add", "kitchen", "--out", "kitchen.credential")
    bulla("send", "--to", gateway.url, "--credential", "@kitchen.credential", "temperature=23.5:Cel")

    def scrape():
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % gateway.admin_port, timeout=10) as answer:
            return answer.read().decode()

    return wait_until(lambda: "\nbulla_devices " in scrape() and scrape(), what="the devices' count")


def expressions(panel):
    return [target["expr"] for target in panel["targets"]]


def alerts():
    return re.findall(r"- alert: (\w+)", RULES.read_text())


def test_the_rules_are_well_formed():
    assert "%d rules found" % len(alerts()) in promtool("check", "rules", RULES.name)


def test_the_rules_do_what_they_say():
    assert "SUCCESS" in promtool("test", "rules", "bulla.rules.test.yml")
    tried = (PROMETHEUS / "bulla.rules.test.yml").read_text()
    for alert in alerts():
        assert "name: %s is raised" % alert in tried and "name: %s is not raised" % alert in tried


def test_every_alert_says_what_to_do():
    """And where it is told at length: a heading of docs/operating.md."""
    headings = re.findall(r"(?m)^#+ (.*)$", OPERATING.read_text())
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for block in re.split(r"- alert: ", RULES.read_text())[1:]:
        name = block.split()[0]
        assert "summary:" in block and "description:" in block and "severity:" in block, name
        anchor = re.search(r"runbook: docs/operating\.md#(\S+)", block)[1]
        assert anchor in anchors, (name, anchor)


def known(name, scraped):
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return re.search(r"(?m)^# TYPE (%s|%s) " % (name, base), scraped) and re.search(r"(?m)^%s[{ ]" % name, scraped)


def test_every_metric_is_there(scraped):
    """In the rules and in the dashboard; and of words that tell outcomes apart there are no others."""
    texts = re.findall(r"expr: (?:>-\n)?((?:.|\n)*?)(?=\n        (?:for|labels):)", RULES.read_text())
    assert len(texts) == len(alerts())
    for panel in DASHBOARD["panels"]:
        texts += expressions(panel)
    names = {name for text in texts for name in METRIC.findall(text)}
    assert {name for name in names if not known(name, scraped)} == set()
    outcomes = set(re.findall(r'bulla_messages_total{outcome="(\w+)"}', scraped))
    for text in texts:
        for words in re.findall(r'outcome[=!]~?"([a-z|]+)"', text):
            assert set(words.split("|")) <= outcomes


def test_every_metric_is_shown(scraped):
    """What the gateway counts has its place in the dashboard."""
    shown = " ".join(text for panel in DASHBOARD["panels"] for text in expressions(panel)) + json.dumps(DASHBOARD)
    for name in re.findall(r"(?m)^# TYPE (bulla_\w+) ", scraped):
        assert name in shown, name


def test_the_dashboard_is_well_formed(tmp_path):
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource", "instance"}
    assert DASHBOARD.get("id") is None  # Grafana gives it one
    taken = set()
    for panel in DASHBOARD["panels"]:
        assert panel["title"] and panel["description"] and panel["targets"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken
        taken |= cells
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for text in expressions(panel):
            assert set(re.findall(r"\$(\w+)", text)) <= {"instance", "__rate_interval"}


def test_prometheus_reads_every_expression(tmp_path):
    """Those of the dashboard, as rules, with Grafana's variables filled in."""
    lines = ["groups:", "  - name: dashboard", "    rules:"]
    for panel in DASHBOARD["panels"]:
        for number, text in enumerate(expressions(panel)):
            text = text.replace("$__rate_interval", "5m").replace("$instance", ".*")
            lines += ["      - record: panel_%d_%d" % (panel["id"], number), "        expr: %s" % json.dumps(text)]
    (tmp_path / "dashboard.yml").write_text("\n".join(lines) + "\n")
    promtool("check", "rules", str(tmp_path / "dashboard.yml"))
