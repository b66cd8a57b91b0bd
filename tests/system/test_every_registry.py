"""Every command over every kind of registry: one table of commands, and the same words from each."""

import json
import random
import re
import subprocess

import pytest

import nodemcu
import program
from http_client import Connection
from mariadb import MariaDB
from postgres import Postgres
from program import BINARY, environment
from python_device import PythonDevice, senml

SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
SERVERS = {"postgres": Postgres, "mysql": MariaDB}


@pytest.fixture(scope="module", params=SERVERS)
def server(request):
    server = SERVERS[request.param]().start()
    yield server
    server.remove()


# ---- the commands ----

# (command, what else: status, stdin). What is to be the same of each: status, standard output and standard error, but for what changed() takes out.
BEFORE = [
    (["device", "list"], {"status": 1}),  # there is none yet
    (["device", "add", "kitchen", "--kid", "0a0b0c0d", "--secret", "@secret", "--label", "site=home", "--label", "floor=1"], {}),
    (["device", "add", "kitchen"], {"status": 1}),
    (["device", "add", "other", "--kid", "0a0b0c0d", "--secret", "@secret"], {"status": 1}),
    (["device", "add", "shed", "--counter", "--kid", "01020304", "--secret", "@secret", "--alg", "24"], {}),
    (["device", "add", "balcony", "--wire", "cryptojs", "--id", "12FA", "--keys", "@keys", "--allow-reset"], {}),
    (["device", "add", "field", "--wire", "nodemcu", "--topic", "field/up", "--session-topic", "field/session", "--keys", "@nodemcu.keys"],
     {}),
    (["device", "add", "--from", "list.csv", "--out", "credentials", "--dry-run"], {}),
    (["device", "add", "--from", "list.csv"], {"status": None}),
    (["device", "import", "bulla:gate?kid=66666666&secret=%s&alg=10" % SECRET], {}),
    (["device", "import", "bulla:barn?kid=deadbeef&secret=%s&alg=10" % SECRET], {}),
    (["device", "import", "bulla:barn?kid=deadbeef&secret=%s&alg=10" % SECRET], {"status": 1}),
    (["device", "add", "gone", "--kid", "0102030499", "--secret", "@secret"], {}),
    (["device", "remove", "gone"], {}),
    (["device", "add", "gone", "--kid", "0102030499", "--secret", "@secret"], {"status": 1}),
    (["device", "label", "shed", "site=garden", "owner=Ünal"], {}),
    (["device", "label", "shed", "owner-"], {"status": None}),
    (["device", "label", "none", "a=b"], {"status": 1}),
    (["device", "export", "kitchen"], {}),
    (["device", "export", "kitchen", "--format", "header"], {}),
    (["device", "export", "shed", "--format", "header", "--derived"], {}),
    (["device", "export", "shed", "--format", "header"], {"status": 1}),
    (["device", "trust", "shed"], {}),
    (["device", "trust", "shed"], {"status": None}),
    (["device", "trust", "kitchen"], {"status": 1}),
    (["readings"], {}),
    (["events"], {}),
    (["check"], {"status": None}),
]

AFTER = [
    *[(["device", "list", "--format", form], {}) for form in ("table", "json", "csv", "names")],
    (["device", "list", "--label", "site=home", "--format", "names"], {}),
    (["device", "list", "--silent-for", "1h", "--format", "names"], {}),
    *[(["device", "show", name, "--format", form], {}) for name in ("kitchen", "shed", "balcony", "field", "barn") for form in ("table", "json")],
    (["device", "show", "none"], {"status": 1}),
    *[(["readings", "--format", form], {}) for form in ("table", "csv", "jsonl")],
    (["readings", "-n", "2", "--device", "kitchen"], {}),
    (["readings", "--name", "temperature", "--since", "2020-01-01T00:00:00Z", "--until", "2100-01-01T00:00:00Z"], {}),
    (["readings", "--device", "none"], {}),
    *[(["events", "--format", form], {}) for form in ("table", "jsonl")],
    (["events", "--kind", "duplicate"], {}),
    (["open", "--device", "barn", "@message"], {}),
    (["open", "--device", "barn", "--format", "json", "@message"], {}),
    (["device", "upgrade", "balcony", "--kid", "aabbccdd", "--at-once"], {}),
    (["device", "revoke", "shed"], {}),
    (["device", "show", "shed"], {}),
    (["device", "remove", "field"], {}),
    (["device", "remove", "field"], {"status": 1}),
    (["check", "--full"], {"status": None}),
    (["check", "--format", "json"], {"status": None}),
    (["backup", "copy.db"], {}),
    (["backup", "copy.db"], {"status": 1}),
    (["device", "revoke", "kitchen"], {}),
    (["device", "add", "late", "--kid", "77", "--secret", "@secret"], {}),
    (["restore", "copy.db", "--yes"], {}),
    (["restored", "--yes"], {}),
    (["device", "list"], {}),
    (["readings"], {}),
    (["events", "--kind", "challenged"], {}),
    (["sinks"], {"status": None}),
]

# What tells of time, of chance, of places, or of how much a disk holds.
CHANGES = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\d{8}T\d{6}Z", "STAMP"),
    (r'"(created|time|received|received_us|time_us)":\d+', r'"\1":0'),
    (r"\b[0-9a-f]{16}\b", "SESSION"),
    (r"secret=[\w-]{43}", "secret=S"),
    (r"\d+ bytes", "N bytes"),
    (r"-+\n", "-\n"),
    (r", \d+ warnings?", ""),  # each kind has its own things to look at
    (r" +", " "),
]

# Lines of `check` that are about a kind of database alone, and of who holds what.
OWN = re.compile(r"kept as|never put that back|\"check\":|^(ok|warning|problem) +|^ *-> |in use|ready|no bulla database yet|cannot open the database|KEPT")


def changed(text, folder, url):
    text = text.replace(url, "DB").replace(str(folder), "FOLDER")
    for pattern, with_ in CHANGES:
        text = re.sub(pattern, with_, text)
    return [line for line in text.splitlines() if not OWN.search(line)]


def make_files(folder):
    (folder / "secret").write_text(SECRET + "\n")
    (folder / "keys").write_text("passphrase=2B7E151628AED2A6ABF7158809CF4F3C\n")
    nodemcu.key_file(folder, name="nodemcu.keys")
    (folder / "list.csv").write_text("name,kid,label:site\na,0f0f,home\nb,0e0e,home\n")
    for name in ("secret", "keys", "nodemcu.keys"):
        (folder / name).chmod(0o600)


def run_all(bulla, table, input=None):
    """What each command of a table says."""
    said = []
    for command, options in table:
        words = [word if word != "@message" else (bulla.folder / "message").read_text() for word in command]
        done = bulla.run(*words, **{"status": 0, **options}, stdin=subprocess.DEVNULL)
        said.append((command, done.returncode, changed(done.stdout, bulla.folder, bulla.db), changed(done.stderr, bulla.folder, bulla.db)))
    return said


def readings_come(bulla, make_gateway):
    """A gateway serves, and a device sends: then there are contexts, readings and events."""
    gateway = make_gateway(db=bulla.db, env=bulla.env, folder=bulla.folder).start()
    random.seed(1)
    with Connection(gateway.port) as connection:
        for kid, name in (("0a0b0c0d", "kitchen"), ("deadbeef", "barn")):
            device = PythonDevice("bulla:%s?kid=%s&secret=%s&alg=10" % (name, kid, SECRET))
            for value in range(3):
                message = device.send(connection, senml(temperature=20.5 + value, text="wärm ☃", flag=True, count=2**53, data=b"\x00\xff"))
            assert connection.post(message.data).status == 200  # a duplicate
        assert connection.post(b"\xd0\x83nothing").status == 400
    (bulla.folder / "message").write_text(message.data.hex())
    send = bulla("send", "--to", gateway.url, "--credential", "bulla:gate?kid=66666666&secret=%s&alg=10" % SECRET, "humidity=40:%RH")
    assert "stored" in send
    simulated = json.loads(bulla("simulate", "--to", gateway.url, "--devices", "5", "--rate", "10", "--duration", "2", "--seed", "7", "--format", "json",
                                 timeout=120))
    gateway.stop()
    return simulated["lost"] if "lost" in simulated else 0


def play(folder, url, env, make_gateway):
    bulla = program.Commands(folder, url, env)
    make_files(folder)
    said = run_all(bulla, BEFORE)
    said.append(("simulate", readings_come(bulla, make_gateway), [], []))
    return said + run_all(bulla, AFTER)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What a file says."""
    made = []

    def make(*arguments, **options):
        made.append(program.Gateway(options.pop("folder"), *arguments, **options))
        return made[-1]

    folder = tmp_path_factory.mktemp("sqlite")
    try:
        return play(folder, "bulla.db", {"BULLA_KEY": str(folder / "bulla.key")}, make)
    finally:
        for gateway in made:
            gateway.end()


def test_the_same_words_from_each(server, expected, make_gateway, tmp_path):
    url = server.make_database("every_%08x" % random.SystemRandom().randrange(2**32))
    said = play(tmp_path, url, {"BULLA_KEY": str(tmp_path / "bulla.key")}, make_gateway)
    assert [command for command, *_ in said] == [command for command, *_ in expected]
    assert [(got, want) for got, want in zip(said, expected) if got != want] == []


def test_no_command_is_left_out():
    """Each that takes --db is in the table above, or has a test of its own over each kind."""
    elsewhere = {"serve", "tail", "simulate", "migrate"}

    def commands(*above):
        text = subprocess.run([BINARY, *above, "--help"], capture_output=True, text=True, check=True).stdout
        return re.findall(r"(?m)^  ([a-z]+) ", text.partition("Commands:\n")[2].partition("\nOptions:")[0])

    named = [(name,) for name in commands()] + [("device", name) for name in commands("device")]
    there = {tuple(command[:2]) if command[0] == "device" else (command[0],) for command, _ in BEFORE + AFTER}
    for name in named:
        text = subprocess.run([BINARY, *name, "--help"], capture_output=True, text=True, check=True).stdout
        if " --db " in text and name[0] not in elsewhere:
            assert name in there, name
