"""What scripts/device-cost --check holds against README.md's table: a figure that has grown by more than 3 %."""

import re
import subprocess

import pytest

import core
import cost

ROW = {"flash": 1000, "static": 100, "context": 200, "stack": 300, "message": 141, "cost": 10000, "wire": 40}
KEY = ("m0", "tiny", 10, "derived")


def tables(**changes):
    """The table that is measured now, and README's before."""
    return cost.table({KEY: {**ROW, **changes}}), cost.table({KEY: ROW})


def test_the_same_is_no_growth():
    assert cost.grown(*tables()) == []


@pytest.mark.parametrize("name, value", sorted(ROW.items()))
def test_three_percent(name, value):
    assert cost.grown(*tables(**{name: int(value * 1.03)})) == []
    assert cost.grown(*tables(**{name: value // 2})) == []
    complaints = cost.grown(*tables(**{name: int(value * 1.03) + 1}))
    assert complaints and all("Cortex-M0, seals only, derived keys, `tiny`, 10: " in one for one in complaints)
    assert any("is %d, README.md says %d" % (int(value * 1.03) + 1, value) in one for one in complaints)


def test_what_is_not_in_the_table():
    new, _ = tables()
    assert cost.grown(new, cost.table({})) == ["Cortex-M0, seals only, derived keys, `tiny`, 10: not in README.md"]


def rows_of_readme():
    text = cost.README.read_text()
    return text[text.index(cost.BEGIN) + len(cost.BEGIN):text.index(cost.END)]


def test_every_variant_is_in_readme():
    wanted = {(name, *variant): ROW for name in cost.NAMES for variant in cost.variants(name)}
    assert cost.figures(rows_of_readme()).keys() == cost.figures(cost.table(wanted)).keys()


def test_the_check_itself_fails(tmp_path):
    """The command, against a table where one figure is a twentieth lower; its own measuring is left out."""
    rows = rows_of_readme()
    lower = re.sub(r"(\| HKDF, sessions, replies \| `tiny`, 10 \| )([\d,]+)",
                   lambda at: at[1] + format(int(at[2].replace(",", "")) * 20 // 21, ","), rows, count=1)
    assert lower != rows
    for table, status in ((rows, 0), (lower, 1)):
        (tmp_path / "README.md").write_text("# x\n" + cost.BEGIN + table + cost.END + "rest\n")
        program = "import sys, pathlib, cost\ncost.README = pathlib.Path(sys.argv.pop())\ncost.variants = lambda name: []\n" \
                  "cost.table = lambda rows: %r\nsys.exit(cost.main())" % rows
        done = subprocess.run(["/usr/bin/python3", "-B", "-c", program, "--check", tmp_path / "README.md"],
                              cwd=core.REPOSITORY / "tests/cores", capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert ("README.md says" in done.stdout) == (status == 1)
