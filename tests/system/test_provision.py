"""Getting credentials in and out: many devices from a table, credential lines, QR codes, NVS tables."""

import csv
import io
import os
import shutil
import subprocess

import pytest

import program
import reference
from python_device import senml

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
