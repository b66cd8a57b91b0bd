"""What a device costs, on each core: builds, runs and measures. scripts/device-cost is the command."""

import re
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "spec")]

import core  # noqa: E402
import reference  # noqa: E402

README = core.REPOSITORY / "README.md"
BEGIN, END = "<!-- device cost -->\n", "<!-- end of device cost -->\n"
TOLERANCE = 0.03
NAMES = {"lx106": "lx106 (ESP8266)", "m0": "Cortex-M0", "m3": "Cortex-M3", "avr": "ATmega328P",
         "avr_arduino": "ATmega328P, Arduino's flags",
         "avr_big": "ATmega1284P"}
MODES = {"derived": "seals only, derived keys", "provision": "makes the counter, once",
         "session": "HKDF, sessions, replies", "whole": "and seals or sends again what was lost",
         "both": "and counters", "sleep": "and deep sleep", "old": "3 × AES-CBC + HMAC-SHA1 + hex"}
ROM = ("memcpy", "memmove", "memset", "memcmp", "strlen")  # in the ESP8266's boot ROM
PREFIX = {**core.PREFIX, "avr": "avr-", "avr_arduino": "avr-", "avr_big": "avr-"}
KID = b"\x0a\x1b\x2c"  # of cost.c's derived keys
SECRET, ID_CONTEXT = bytes(range(32)), bytes(range(8))
BUFFER = {mode: 139 if mode == "old" else 107 for mode in MODES}  # what one reading needs: 66 + 9 + 16, or 139; and some


def variants(name):
    """(provider, alg, mode) of a core."""
    found = [("tiny", 10, mode) for mode in MODES if mode != "old"]
    if name == "avr_arduino":
        return [("tiny", 10, mode) for mode in ("derived", "session", "whole")]
    if name == "avr_big":
        return [("bearssl", 10, "old")]
    if name != "avr":
        for provider, alg in (("bearssl_ccm", 10), ("bearssl", 10), ("bearssl_chacha", 24)):
            found += [(provider, alg, mode) for mode in ("derived", "session", "whole")]
        found.append(("bearssl", 10, "old"))
    return found


def counter(kid):
    """A fresh counter's record, as it stands in the store."""
    record = b"\xb1" + bytes(11)
    return record + struct.pack("<I", zlib.crc32(kid + record))


def values(alg, mode):
    """cost_values.h."""
    reply = reference.seal_reply(SECRET, alg, ID_CONTEXT, b"gate00", 0, 0, b"\xa1\x02\x1a\x65\x53\xf1\x00")
    reply = getattr(reply, "data", reply)
    texts = {"COST_SECRET": SECRET, "COST_ID_CONTEXT": ID_CONTEXT, "COST_REPLY": reply,
             "COST_COUNTER": counter(KID)}
    lines = ["#define %s {%s}" % (name, ", ".join(map(str, data))) for name, data in texts.items()]
    return "\n".join(lines + ["#define COST_ALG %d" % alg, "#define COST_BUFFER %d" % BUFFER[mode]]) + "\n"


def build(name, provider, alg, mode):
    """Builds the image, and the one without anything. Returns both."""
    folder = core.FOLDER / "cost" / ("%s-%s-%d-%s" % (name, provider, alg, mode))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cost_values.h").write_text(values(alg, mode))
    images = []
    for what in (mode, "nothing"):
        sources = ["cost.c"] + (["cost_old.c"] if what == "old" else [])
        script = ". tests/cores/build; cores_out=%s; bearssl=$cores_out/bearssl; link_image %s %s %s %s -I%s -DCOST_%s" % (
            core.FOLDER, name, provider, folder / (what + ".elf"),
            " ".join(str(HERE / source) for source in sources), folder, what.upper())
        subprocess.run(["bash", "-c", script], cwd=core.REPOSITORY, check=True)
        images.append(folder / (what + ".elf"))
    return images


def sections(name, image):
    out = subprocess.run([PREFIX[name] + "size", "-A", "-d", image], capture_output=True, text=True, check=True).stdout
    return {line.split()[0]: int(line.split()[1]) for line in out.splitlines() if re.match(r"\.\w", line)}


def symbol_size(name, image, symbol):
    out = subprocess.run([PREFIX[name] + "nm", "-S", image], capture_output=True, text=True, check=True).stdout
    return next((int(line.split()[1], 16) for line in out.splitlines() if line.endswith(" " + symbol)), 0)


def measure(variant):
    """A row of the table: figures by column."""
    name, provider, alg, mode = variant
    image, empty = build(name, provider, alg, mode)
    used, unused = sections(name, image), sections(name, empty)
    grown = {section: used.get(section, 0) - unused.get(section, 0) for section in used.keys() | unused.keys()}
    counts = image.with_suffix(".counts")
    command = list(map(str, core.emulator(name, image, counts)))
    with subprocess.Popen(["timeout", "300", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        report = process.stdout.read()  # its input stays open: the end of it would end the program
    assert process.returncode == 0 and len(report) == 4 and report[3] == 0, (variant, report)
    lines = [list(map(int, line.split())) for line in counts.read_text().splitlines()]
    context = 0 if mode == "old" else symbol_size(name, image, "cost_context")
    ram = grown.get(".data", 0) + grown.get(".bss", 0) + (grown.get(".rodata", 0) if name == "lx106" else 0)
    static = ram - (context if mode != "old" else 0) + symbol_size(name, empty, "cost_context")
    in_rom = sum(symbol_size(name, image, symbol) - symbol_size(name, empty, symbol) for symbol in ROM)
    return {
        "flash": sum(grown.get(section, 0) for section in (".text", ".rodata", ".data")) -
        (in_rom if name == "lx106" else 0),
        "static": max(static, 0),
        "context": context,
        "stack": lines[0][1] if name.startswith("avr") else report[0] | report[1] << 8,
        "message": symbol_size(name, image, "cost_message") + BUFFER[mode],
        "cost": lines[1][0],
        "wire": report[2],
    }


def table(rows):
    lines = ["| core | what | provider, alg | flash | RAM: static + context + stack | message and its buffer | "
             "a reading costs | bytes sent |", "|---|---|---|---|---|---|---|---|"]
    for (name, provider, alg, mode), r in rows.items():
        what = "`%s`" % provider if mode == "old" else "`%s`, %d" % (provider, alg)
        lines.append("| %s | %s | %s | %s | %d + %d + %d = %s | %d | %s %s | %d |" % (
            NAMES[name], MODES[mode], what, format(r["flash"], ","), r["static"], r["context"], r["stack"],
            format(r["static"] + r["context"] + r["stack"], ","), r["message"], format(r["cost"], ","),
            "cycles" if name.startswith("avr") else "instr.", r["wire"]))
    return "\n".join(lines) + "\n"


def figures(text):
    """The numbers of a table's rows: by core, what, provider."""
    found = {}
    for line in text.splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        found[tuple(cells[:3])] = [int(number.replace(",", "")) for cell in cells[3:] for number in
                                   re.findall(r"[\d,]+", cell)]
    return found


def grown(new, old):
    """What has grown by more than 3 %, or is missing in the table."""
    complaints = []
    for row, numbers in figures(new).items():
        before = figures(old).get(row)
        if before is None or len(before) != len(numbers):
            complaints.append("%s: not in README.md" % ", ".join(row))
            continue
        names = ("flash", "static RAM", "context", "stack", "RAM", "message", "cost", "bytes sent")
        complaints += ["%s: %s is %d, README.md says %d" % (", ".join(row), what, now, then)
                       for what, now, then in zip(names, numbers, before) if now > then * (1 + TOLERANCE)]
    return complaints


def main():
    wanted = [(name, *variant) for name in NAMES for variant in variants(name)]
    with ThreadPoolExecutor(2) as pool:
        rows = dict(zip(wanted, pool.map(measure, wanted)))
    new = table(rows)
    head, _, rest = README.read_text().partition(BEGIN)
    old, _, tail = rest.partition(END)
    if sys.argv[1:] == ["--check"]:
        complaints = grown(new, old)
        print("\n".join(complaints) or "no figure of README.md's table has grown by more than 3 %")
        return 1 if complaints else 0
    print(new, end="")
    if sys.argv[1:] == ["--write"]:
        assert rest, "README.md has no place for the table"
        README.write_text(head + BEGIN + new + END + tail)
    return 0


if __name__ == "__main__":
    sys.exit(main())
