"""Getting credentials in and out: many devices from a table, credential lines, QR codes, NVS tables."""

import csv
import fcntl
import io
import json
import os
import shutil
import sqlite3
import subprocess
import time

import pytest

import program
import reference
from python_device import PythonDevice, senml

BLOCKS = {" ": (0, 0), "\u2580": (1, 0), "\u2584": (0, 1), "\u2588": (1, 1)}


# ---- bulla device export ---------------------------------------------------------------------------------------


def export(bulla, name, *arguments, locale="C.UTF-8", status=0):
    done = subprocess.run(
        [program.BINARY, "device", "export", name, *arguments], cwd=bulla.folder, capture_output=True, timeout=60,
        env={**program.environment({"BULLA_DB": bulla.db}), "LC_ALL": locale})
    assert done.returncode == status, done.stderr
    return done.stdout.decode(), done.stderr.decode()


def modules_of(drawing):
    """The drawing as rows of 1 (drawn) and 0."""
    rows = []
    for line in drawing.splitlines():
        if drawing.isascii():
            rows.append([int(line[at] == "#") for at in range(0, len(line), 2)])
            assert all(line[at] == line[at + 1] for at in range(0, len(line), 2))
        else:
            rows.append([BLOCKS[c][0] for c in line])
            rows.append([BLOCKS[c][1] for c in line])
    return rows


def scan(folder, rows, ground):
    """Draws the modules as a picture, dark where a terminal of this ground is, and has a scanner read it."""
    scale = 4
    picture = bytearray()
    for row in rows:
        line = b"".join((b"\xff" if bool(module) == (ground == "dark") else b"\x00") * scale for module in row)
        picture += line * scale
    path = folder / "code.pgm"
    path.write_bytes(b"P5 %d %d 255\n" % (len(rows[0]) * scale, len(rows) * scale) + bytes(picture))
    done = subprocess.run(["zbarimg", "--quiet", "--raw", path], capture_output=True, timeout=60)
    return done.stdout.decode().rstrip("\n")


needs_scanner = pytest.mark.skipif(not shutil.which("zbarimg"), reason="zbarimg is not installed (zbar-tools)")


@needs_scanner
@pytest.mark.parametrize("options, ground", [([], "dark"), (["--invert"], "light")])
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_a_qr_code_is_the_line(bulla, options, ground, locale):
    line = bulla.add("kitchen")
    drawing, said = export(bulla, "kitchen", "--format", "qr", *options, locale=locale)
    assert said == "" and drawing.isascii() == (locale == "C")
    rows = modules_of(drawing)
    light = ground == "dark"  # what is drawn is light there
    width = len(rows[0])
    rows = rows[:width]  # half a character may be left below
    assert len(rows) == width and all(len(row) == width for row in rows)
    for row in rows[:4] + rows[-4:]:
        assert row == [int(light)] * width
    assert all(row[:4] == row[-4:] == [int(light)] * 4 for row in rows)
    assert scan(bulla.folder, rows, ground) == line
    assert locale == "C" or (width <= 80 and len(drawing.splitlines()) <= 24)


@needs_scanner
@pytest.mark.parametrize("name, arguments", [
    ("x" * 64, ["--counter", "--kid", "0102030405", "--alg", "30"]), ("ä" * 32, []), ("a&b %/\u20ac", ["--alg", "24"]),
])
def test_qr_codes_of_any_name(bulla, name, arguments):
    line = bulla.add(name, *arguments)
    drawing, _ = export(bulla, name, "--format", "qr")
    assert scan(bulla.folder, modules_of(drawing), "dark") == line


@pytest.mark.parametrize("name, arguments", [
    ("kitchen", []), ('a "b", c', ["--counter", "--kid", "0102030405", "--alg", "24"]),
])
def test_nvs(bulla, name, arguments):
    credential = reference.parse_credential(bulla.add(name, *arguments))
    table, said = export(bulla, name, "--format", "nvs")
    assert said == ""
    assert list(csv.reader(io.StringIO(table))) == [
        ["key", "type", "encoding", "value"],
        ["bulla", "namespace", "", ""],
        ["name", "data", "string", name],
        ["kid", "data", "hex2bin", credential.kid.hex()],
        ["secret", "data", "hex2bin", credential.secret.hex()],
        ["alg", "data", "u8", str(credential.alg)],
        ["kind", "data", "u8", "1" if credential.context == "counter" else "0"],
    ]


@pytest.mark.parametrize("first", ["header", "qr", "nvs"])
@pytest.mark.parametrize("then", ["header", "qr", "nvs"])
def test_a_counter_leaves_once_for_a_board(bulla, first, then):
    bulla.add("shed", "--counter")
    assert export(bulla, "shed", "--format", first)[1] == ""
    out, said = export(bulla, "shed", "--format", then, status=1)
    assert out == "" and "exported before" in said and "--again" in said
    out, said = export(bulla, "shed", "--format", then, "--again")
    assert out != "" and "same nonces" in said


@pytest.mark.parametrize("form", ["qr", "nvs"])
def test_a_counter_does_not_leave_after_its_first_message(bulla, connect, make_device, form):
    make_device("shed", "--counter").send(connect(), senml(a=1))
    out, said = export(bulla, "shed", "--format", form, status=1)
    assert out == "" and "messages of it are stored" in said
    make_device("kitchen").send(connect(), senml(a=1))
    for _ in range(2):
        assert export(bulla, "kitchen", "--format", form)[1] == ""


# ---- bulla device add --from -----------------------------------------------------------------------------------

SECRET = "W6_7qqR38dhtY7dUrw3tgOm2MGDG3HInDKYFi-fTcgI"


def table(bulla, text, name="devices.csv"):
    (bulla.folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def devices(bulla):
    if not (bulla.folder / "bulla.db").exists():
        return {}
    return {device["name"]: device for device in json.loads(bulla("device", "list", "--format", "json"))}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "bulla.db-shm"}


def credentials(folder):
    """The files in a folder, read by the reference."""
    found = {}
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600 and path.suffix == ".credential", path
        credential = reference.parse_credential(path.read_text().rstrip("\n"))
        found[credential.name] = credential
    return found


def test_a_table_of_devices(bulla):
    """Quotes, CRLF, a byte order mark, columns in any order, kids given and drawn, labels both ways."""
    name = table(bulla, "\ufeffkid,name,kind,alg,label:room,labels\r\n"
                        "0a1b,\"a \"\"b\"\", c\",counter,24,\"up, left\",floor=1;site=roof\r\n"
                        ",Küche/links,,,,\r\n\r\n,.hidden%,session,30,,x=\r\n")
    out = bulla("device", "add", "--from", name, "--out", "made")
    assert out == "3 devices were added; the credentials are in made\n"
    found, files = devices(bulla), credentials(bulla.folder / "made")
    assert (bulla.folder / "made").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (bulla.folder / "made").iterdir()) == sorted([
        'a "b", c.credential', "Küche%2Flinks.credential", "%2Ehidden%25.credential"])
    assert set(found) == set(files) == {'a "b", c', "Küche/links", ".hidden%"}
    for key, credential in files.items():
        assert (found[key]["kid"], found[key]["alg"], found[key]["kind"]) == (
            credential.kid.hex(), credential.alg, credential.context)
        assert reference.format_credential(credential) == bulla("device", "export", key).strip()
    first = files['a "b", c']
    assert (first.kid, first.alg, first.context) == (b"\x0a\x1b", 24, "counter")
    assert files[".hidden%"].alg == 30 and len({credential.secret for credential in files.values()}) == 3
    shown = json.loads(bulla("device", "show", 'a "b", c', "--format", "json"))
    assert [context["proven"] for context in shown["contexts"]] == [True]
    with sqlite3.connect(bulla.folder / "bulla.db") as db:
        labels = dict(db.execute("SELECT key, value FROM labels l JOIN devices d ON d.id = l.device WHERE d.kid = x'0a1b'"))
    assert labels == {"room": "up, left", "floor": "1", "site": "roof"}


def test_every_problem_names_its_row(bulla):
    bulla.add("taken", "--kid", "01")
    bulla.add("gone", "--kid", "02")
    bulla("device", "remove", "gone")
    (bulla.folder / "made").mkdir()
    (bulla.folder / "made" / "here.credential").write_text("mine")
    name = table(bulla, b"name,kid,alg,kind,labels,label:a\n"
                        b"taken,03,,,,\n"  # 2
                        b"a,01,,,,\n"
                        b"b,02,,,,\n"
                        b"c,0x1,11,timer,nonsense,\n"  # 5
                        b",04,,,,\n"
                        b"d,05\n"  # 7
                        b"a,06,,,,\n"
                        b"e,05,,,,\n"  # 9
                        b"\xff,07,,,a=1,2\n"
                        b"here,08,,,,\n"  # 11
                        b"x\x01,,,,9bad=1,\n"
                        b"f\"g,,,,,\n")  # 13
    before = contents(bulla.folder)
    expected = [
        (2, "name", "already"), (3, "kid", "taken"), (4, "kid", "taken, or was once"), (5, "kid", "not 1 to 5 bytes of hex"),
        (5, "alg", "not 10, 24 or 30"), (5, "kind", "neither session nor counter"), (5, "labels", "key=value"),
        (6, "name", "0 bytes"), (7, None, "2 fields, and the header 6"), (8, "name", "that of row 3"), (9, "kid", "that of row 7"),
        (10, "name", "not UTF-8"), (10, "label:a", "twice"), (11, "name", "is there already"), (12, "name", "control character"),
        (12, "labels", ""), (13, None, "quote"),
    ]
    for extra in ([], ["--dry-run"]):
        said = bulla.run("device", "add", "--from", name, "--out", "made", *extra, status=1).stderr
        lines = said.splitlines()
        for row, column, text in expected:
            where = f"bulla: devices.csv: row {row}" + (f", {column}" if column else "") + ": "
            assert any(line.startswith(where) and text in line for line in lines), (row, column, said)
        assert len(lines) == len(expected) + 1, said
        assert f"{len(expected)} problems; nothing" in lines[-1]
        assert contents(bulla.folder) == before


@pytest.mark.parametrize("text, complaint", [
    ("", "it is empty"), ("\ufeff", "it is empty"), ("name\n", "it names no device"), ("nam,kid\na,01\n", "no such column"),
    ("kid\n01\n", "the column 'name' is missing"), ("name,name\na,b\n", "twice"), ("name;kid\na;01\n", "between commas"),
    ("name,label:a,label:a\nx,1,2\n", "twice"), ("\"name\n", "does not end"),
])
def test_bad_headers(bulla, text, complaint):
    name = table(bulla, text)
    assert complaint in bulla.run("device", "add", "--from", name, "--out", "made", status=1).stderr
    assert [path.name for path in bulla.folder.iterdir()] == ["devices.csv"]


@pytest.mark.parametrize("text", ["name,alg\na,10\nb,11\n", "name\na\na\n", "name\n\"a\n"])
@pytest.mark.parametrize("there", [None, "bulla.db", "made"])
def test_a_refused_table_makes_nothing(bulla, text, there):
    """Neither the database and its key nor the folder, whichever of them is there already."""
    name = table(bulla, text)
    if there == "bulla.db":
        bulla.add("other")
    elif there == "made":
        (bulla.folder / "made").mkdir()
    before = sorted(path.name for path in bulla.folder.iterdir())
    done = bulla.run("device", "add", "--from", name, "--out", "made", status=1)
    assert ": row 3, " in done.stderr or ": row 2: " in done.stderr, done.stderr
    assert done.stderr.endswith("1 problem; nothing was added\n")
    assert sorted(path.name for path in bulla.folder.iterdir()) == before


def test_a_device_that_is_taken_makes_no_folder(bulla):
    bulla.add("a")
    done = bulla.run("device", "add", "--from", table(bulla, "name\na\nb\n"), "--out", "made", status=1)
    assert "row 2, name: there is a device of this name already" in done.stderr
    assert not (bulla.folder / "made").exists() and set(devices(bulla)) == {"a"}


def test_problems_are_bounded(bulla):
    name = table(bulla, "name,kid\n" + "a,zz\n" * 500)
    said = bulla.run("device", "add", "--from", name, "--out", "made", status=1).stderr
    assert len(said.splitlines()) == 101 and "of which the first 100 are told" in said


def test_a_trial_makes_nothing(bulla):
    name = table(bulla, "name,kid,labels\nkitchen,0a,room=1\nshed,,\n")
    out = bulla("device", "add", "--from", name, "--dry-run")
    assert "2 devices would be added; nothing was" in out and "room=1" in out and "(drawn)" in out
    assert [path.name for path in bulla.folder.iterdir()] == ["devices.csv"]
    done = bulla.run("device", "add", "--from", "-", "--dry-run", "--out", "none", input="name\na\n")
    assert "1 device would be added" in done.stdout and not (bulla.folder / "none").exists()


@pytest.mark.parametrize("arguments, complaint", [
    (["--from", "x"], "--out FOLDER"), (["a", "--from", "x", "--out", "y"], "stand in the table"),
    (["--from", "x", "--kid", "01", "--out", "y"], "stand in the table"), (["--from", "x", "--out", "-"], "could not be taken back"),
    (["a", "--dry-run"], "only with --from"), ([], "an argument is missing: NAME"),
])
def test_from_is_used_as_it_is_meant(bulla, arguments, complaint):
    assert complaint in bulla.run("device", "add", *arguments, status=2).stderr


def many(bulla, count):
    return table(bulla, "name,kind\n" + "".join(f"d{i},{'counter' if i % 2 else 'session'}\n" for i in range(count)))


def test_thousands(bulla):
    begun = time.monotonic()
    bulla("device", "add", "--from", many(bulla, 3000), "--out", "made", timeout=120)
    took = time.monotonic() - begun
    files = credentials(bulla.folder / "made")
    assert len(files) == 3000 and len({c.kid for c in files.values()}) == 3000 and set(devices(bulla)) == set(files)
    assert took < 60, took


def test_a_run_that_is_killed_is_ended_by_the_next(bulla, rng, long_run):
    """Killed at any moment: all devices or none are entered, and the same command once more ends with all."""
    name = many(bulla, 400)
    command = [program.BINARY, "device", "add", "--from", name, "--out", "made"]
    environment = program.environment({"BULLA_DB": bulla.db})
    recovered = 0
    for _ in range(12 if long_run else 6):
        process = subprocess.Popen(command, cwd=bulla.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        time.sleep(rng.uniform(0.05, 0.5))
        process.kill()
        process.communicate()
        assert len(devices(bulla)) in (0, 400)
        cut = any(path.name.startswith(".bulla-add.") for path in (bulla.folder / "made").glob(".*"))
        done = bulla.run("device", "add", "--from", name, "--out", "made", status=None)
        if done.returncode:  # the first run had come to its end
            assert not cut
            assert "there is a device of this name already" in done.stderr, done.stderr
        recovered += "were moved to their places" in done.stderr
        left = [path for path in (bulla.folder / "made").iterdir() if path.name.startswith(".bulla-add.")]
        for path in left:  # cut before the devices were entered: told, and left alone
            assert "not in this database" in done.stderr
            shutil.rmtree(path)
        files = credentials(bulla.folder / "made")
        found = devices(bulla)
        assert len(files) == 400 and {n: c.kid.hex() for n, c in files.items()} == {n: d["kid"] for n, d in found.items()}
        shutil.rmtree(bulla.folder / "made")
        for path in bulla.folder.glob("bulla.*"):
            path.unlink()
    print("recovered", recovered)


def test_a_run_cut_between_entering_and_moving(bulla):
    name = many(bulla, 3)
    bulla("device", "add", "--from", name, "--out", "made")
    staging = bulla.folder / "made" / ".bulla-add.abcdef"
    staging.mkdir(mode=0o700)
    for i in (1, 2):
        (bulla.folder / "made" / f"d{i}.credential").rename(staging / f"d{i}.credential")
    (bulla.folder / "made" / "d0.credential").unlink()
    bulla("device", "remove", "d0")
    done = bulla.run("device", "add", "--from", name, "--out", "made")
    assert "2 credentials of an earlier run" in done.stderr and done.stdout.startswith("1 device was added")
    assert set(credentials(bulla.folder / "made")) == {"d0", "d1", "d2"}
    staging.mkdir(mode=0o700)
    line = bulla("device", "export", "d1")
    (staging / "other.credential").write_text(line.replace("d1", "other"))
    name = table(bulla, "name\nnew\n")
    done = bulla.run("device", "add", "--from", name, "--out", "made")
    assert "holds 1 credentials of an earlier run that are not in this database" in done.stderr
    assert (staging / "other.credential").exists() and "new" in devices(bulla)


@pytest.mark.parametrize("left", [["d1", "d3"], []])
def test_a_run_cut_while_it_moves(bulla, left):
    """Some credentials are at their places, some or none aside: the same command ends it, and a later one is another."""
    name = many(bulla, 4)
    bulla("device", "add", "--from", name, "--out", "made")
    staging = bulla.folder / "made" / ".bulla-add.abcdef"
    staging.mkdir(mode=0o700)
    for each in left:
        (bulla.folder / "made" / f"{each}.credential").rename(staging / f"{each}.credential")
    before = devices(bulla)
    done = bulla.run("device", "add", "--from", name, "--out", "made")
    assert done.stdout.startswith("0 devices were added") and not staging.exists()
    assert set(credentials(bulla.folder / "made")) == set(before) == set(devices(bulla))
    done = bulla.run("device", "add", "--from", name, "--out", "made", status=1)
    assert "8 problems; nothing was added" in done.stderr


def test_another_table_is_not_taken_for_the_one_that_was_cut(bulla):
    bulla("device", "add", "--from", table(bulla, "name,kid\na,01\nb,02\n"), "--out", "made")
    (bulla.folder / "made" / ".bulla-add.abcdef").mkdir(mode=0o700)
    done = bulla.run("device", "add", "--from", table(bulla, "name,kid\na,01\nb,03\n"), "--out", "made", status=1)
    assert "row 3, name: there is a device of this name already" in done.stderr and "row 2" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_adds_nothing(bulla):
    (bulla.folder / "small").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=50", "tmpfs", bulla.folder / "small"], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here: " + mounted.stderr.decode())
    try:
        done = bulla.run("device", "add", "--from", many(bulla, 100), "--out", "small/made", status=1)
        assert "No space left on device; nothing was added" in done.stderr
        assert devices(bulla) == {} and list((bulla.folder / "small" / "made").iterdir()) == []
    finally:
        subprocess.run(["umount", bulla.folder / "small"], check=True)


def test_two_runs_in_one_folder(bulla):
    (bulla.folder / "made").mkdir()
    folder = os.open(bulla.folder / "made", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    assert "another run" in bulla.run("device", "add", "--from", many(bulla, 2), "--out", "made", status=1).stderr
    os.close(folder)


# ---- bulla device import ---------------------------------------------------------------------------------------


def line_of(name, kid, context="session", secret=SECRET):
    return f"bulla:{name}?kid={kid}&secret={secret}&alg=10" + ("&context=counter" if context == "counter" else "")


def test_import_of_a_line(bulla):
    done = bulla.run("device", "import", line_of("a", "0a"))
    assert done.stdout == "1 device was imported\n" and "list of processes" in done.stderr and SECRET not in done.stderr
    assert bulla("device", "export", "a").strip() == line_of("a", "0a")
    (bulla.folder / "line").write_text(line_of("b", "0b", "counter") + "\r\n")
    done = bulla.run("device", "import", "@line")
    assert "bulla device trust" in done.stdout and done.stderr == ""
    shown = json.loads(bulla("device", "show", "b", "--format", "json"))
    assert [context["proven"] for context in shown["contexts"]] == [False]


def test_import_is_all_or_nothing(bulla):
    bulla.add("taken", "--kid", "01")
    bulla.add("gone", "--kid", "02")
    bulla("device", "remove", "gone")
    lines = [line_of("ok", "10"), line_of("taken", "11"), line_of("x", "01"), line_of("y", "02"), "nonsense", "",
             line_of("ok", "12"), line_of("z", "10")]
    done = bulla.run("device", "import", "-", input="\n".join(lines), status=1)
    for row, column, text in ((2, "name", "already"), (3, "kid", "taken"), (4, "kid", "was once"), (7, "name", "row 1"), (8, "kid", "row 1")):
        assert f"standard input: row {row}, {column}: " in done.stderr and text in done.stderr, done.stderr
    assert "row 5: not a credential line" in done.stderr and "nothing was imported" in done.stderr
    assert SECRET not in done.stderr and set(devices(bulla)) == {"taken"}
    (bulla.folder / "all").write_text("\n\n".join(line_of(f"d{i}", f"{i:04x}") for i in range(500)) + "\n")
    assert bulla("device", "import", "@all") == "500 devices were imported\n"
    assert len(devices(bulla)) == 501


@pytest.mark.parametrize("text", ["", "\n\n", "hello", line_of("a", "0a")[:-1], line_of("a", "0a") + "x", "bulla:"])
def test_bad_lines(bulla, text):
    done = bulla.run("device", "import", "-", input=text, status=1)
    assert done.stderr.startswith("bulla: ") and SECRET not in done.stderr
    assert list(bulla.folder.iterdir()) == []


def test_what_is_exported_elsewhere_is_imported_and_serves(bulla, gateway, connect):
    """A credential of one registry in another: its device is served there."""
    other = program.Commands(bulla.folder, "other.db")
    line = other.add("kitchen")
    bulla("device", "import", "-", input=line)
    PythonDevice(line).send(connect(), senml(a=1))
    assert bulla.readings()[0]["device"] == "kitchen"
