"""The manual pages: well formed for both of the formatters there are, complete, and true to the program."""

import re
import shutil
import subprocess

import pytest

from program import BINARY, REPOSITORY

MANUAL = REPOSITORY / "docs" / "man"
PAGES = sorted(MANUAL.glob("*.[1-9]"))
# Lines of any length are read as well; a page of another package need not be installed here.
MANDOC_MAY = re.compile(r"input text line longer than 80 bytes|referenced manual not found|outdated mandoc.db|trailing delimiter: Ss \.\.\.")


def needs(program):
    if shutil.which(program) is None:
        pytest.skip("%s is not installed" % program)


def printed(*words):
    return subprocess.run([BINARY, *words], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_finds_nothing(page):
    needs("mandoc")
    said = subprocess.run(["mandoc", "-T", "lint", page], capture_output=True, text=True).stdout
    assert [line for line in said.splitlines() if not MANDOC_MAY.search(line)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize("width", [80, 120])
def test_groff_finds_nothing(page, width):
    needs("groff")
    said = subprocess.run(
        ["groff", "-mdoc", "-ww", "-Tutf8", "-rLL=%dn" % width, "-K", "utf8", page], capture_output=True, text=True,
    )
    assert said.returncode == 0 and said.stderr == ""
    plain = re.sub(".\b", "", said.stdout)
    assert "NAME" in plain


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_man_shows_it(page):
    needs("man")
    said = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "MANPAGER": "cat", "LANG": "C.UTF-8", "MANWIDTH": "80"})
    assert said.returncode == 0 and said.stderr == "" and "SEE ALSO" in re.sub(".\b", "", said.stdout)


def test_every_key_of_the_configuration_is_told():
    """No more, and no fewer; with the default that the program has."""
    page = (MANUAL / "bulla.conf.5").read_text()
    keys = dict(re.findall(r"(?m)^#?([a-z-]+) = (.*)$", printed("serve", "--print-config")))
    told = re.findall(r"(?m)^\.It Cm ([a-z-]+) No = ", page)
    assert sorted(told) == sorted(keys)
    for key, default in keys.items():
        section = page.partition(".It Cm %s No = " % key)[2].partition("\n.It ")[0]
        assert re.search(r"(?<![\w.])%s(?!\w)" % re.escape(default), section) or default.isupper(), (key, default)


def test_the_package_s_settings_are_the_defaults():
    """What is commented out says what the program does anyway; every key has its line."""
    text = (REPOSITORY / "packaging" / "bulla.conf").read_text()
    defaults = dict(re.findall(r"(?m)^([a-z-]+) = (.*)$", printed("serve", "--print-config")))
    lines = dict(re.findall(r"(?m)^#([a-z-]+) = (.*)$", text))
    assert {key: value for key, value in defaults.items() if key not in ("db", "key")} == lines
    assert re.findall(r"(?m)^([a-z-]+) = ", text) == ["db"]


def test_the_protocol_s_words_are_the_program_s():
    page = (MANUAL / "bulla-protocol.7").read_text()
    refused = subprocess.run([BINARY, "events", "--kind", "?"], capture_output=True, text=True).stderr
    words = re.findall(r"[a-z-]+", refused.partition("is not one of: ")[2].splitlines()[0])
    assert len(words) >= 7
    for word in words:
        own = word in ("reset", "sink-refused")  # an older wire's, and no message's
        assert own or re.search(r"(?m)^\.It Em %s$" % word, page), word
    for status in re.findall(r"(?m)^\| (\d{3})", (REPOSITORY / "spec" / "PROTOCOL.md").read_text()):
        assert re.search(r"(?m)^\.It %s Ta" % status, page), status
    for format_number in (112, 110, 50, 0, 60, 42):
        assert re.search(r"\b%d\b" % format_number, page)


def test_the_pages_name_each_other():
    names = {tuple(page.name.rsplit(".", 1)) for page in PAGES}
    assert {("bulla", "1"), ("bulla.conf", "5"), ("bulla-protocol", "7")} <= names
    for page in PAGES:
        also = page.read_text().partition(".Sh SEE ALSO")[2].partition(".Sh ")[0]
        found = set(re.findall(r"\.Xr (\S+) (\d)", also))
        assert names - {tuple(page.name.rsplit(".", 1))} <= found, page.name


def test_the_order_of_sections():
    """As mdoc(7) has them."""
    order = ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "BROKERS", "SINKS", "KEYS", "RELOADING", "SIGNALS", "ENVIRONMENT", "FILES",
             "EXIT STATUS", "EXAMPLES", "SEE ALSO", "STANDARDS", "CAVEATS", "SECURITY CONSIDERATIONS"]
    for page in PAGES:
        sections = re.findall(r"(?m)^\.Sh (.*)$", page.read_text())
        assert sections == [each for each in order if each in sections], page.name
    assert {"EXIT STATUS", "FILES", "ENVIRONMENT", "SIGNALS", "SEE ALSO"} <= set(
        re.findall(r"(?m)^\.Sh (.*)$", (MANUAL / "bulla.1").read_text()))


def anchors(text):
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"(?m)^#+ (.*)$", text)}


@pytest.mark.parametrize("document", sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]),
                         ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("document", sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md"), REPOSITORY / "spec/README.md"]),
                         ids=lambda path: path.name)
def test_files_are_there(document):
    """Paths in the text, from the root or, as docs/inside.md has them, from gateway/ or device/; NAME and KIND stand for any."""
    for path in re.findall(r"`([\w.*-]+/[\w./*-]*\w\.(?:c|h|py|md|json|yml|conf|cmake|txt)|(?:scripts|bench|tests|fuzz)/[\w./*-]+)`", document.read_text()):
        places = [REPOSITORY, document.parent, REPOSITORY / "gateway", REPOSITORY / "device"]
        pattern = re.sub(r"NAME|KIND", "*", path.rstrip("/"))
        assert any(any(place.glob(pattern)) for place in places), path


def test_every_kind_of_event_is_explained():
    """In docs/operating.md: what it means, and what to do."""
    text = (REPOSITORY / "docs" / "operating.md").read_text()
    refused = subprocess.run([BINARY, "events", "--kind", "?"], capture_output=True, text=True).stderr
    words = re.findall(r"[a-z-]+", refused.partition("is not one of: ")[2].splitlines()[0])
    assert len(words) >= 7
    for word in [*words, "busy"]:
        section = re.search(r"(?ms)^### %s\n(.*?)(?=^##)" % word, text)
        assert section and "*Do*: " in section[1], word
