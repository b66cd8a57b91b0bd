"""The packages of the device library: made twice they are the same bytes; each is unpacked, its manifest read, and its
library and every example compiled from there, with a C and a C++ compiler, against stubs of the vendors' headers.

Cross compilers are used where they are installed; a test that lacks one is skipped and says so.
"""
import configparser
import gzip
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STUBS = ROOT / "tests/ports/stubs"
DIST = ROOT / "scripts/dist"
VERSION = re.search(r"project\(bulla VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
ARCHIVES = {
    "arduino": f"bulla-arduino-{VERSION}.zip",
    "platformio": f"bulla-platformio-{VERSION}.tar.gz",
    "esp-idf": f"bulla-esp-idf-{VERSION}.tar.gz",
    "zephyr": f"bulla-zephyr-{VERSION}.tar.gz",
}
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wundef"]
PAGE = 101  # lines

CREDENTIAL = """/* The credential of the device test. */
#ifndef BULLA_CREDENTIAL_H
#define BULLA_CREDENTIAL_H

#include "bulla.h"

static const struct bulla_credential credential = {
    /* secret */
    {%s},
    /* kid */
    {0x0a, 0x1b, 0x2c, 0x3d},
    4, /* bytes of kid */
    10, /* alg */
    %s,
};

#endif
"""


def run(command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def need(tool):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed: scripts/setup test")
    return tool


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    run([DIST, "--out", out])
    return out


@pytest.fixture(scope="module")
def unpacked(archives, tmp_path_factory):
    """Where each package's files are."""
    found = {}
    for system, name in ARCHIVES.items():
        place = tmp_path_factory.mktemp(system)
        if name.endswith(".zip"):
            with zipfile.ZipFile(archives / name) as archive:
                archive.extractall(place)
        else:
            with tarfile.open(archives / name) as archive:
                archive.extractall(place)
        (found[system],) = place.iterdir()
    return found


@pytest.fixture(scope="module")
def credentials(tmp_path_factory):
    """A folder with credential.h, as bulla device export --format header writes it, for each kind."""
    folders = {}
    for kind in ("SESSION", "COUNTER"):
        folders[kind] = tmp_path_factory.mktemp(kind)
        secret = ", ".join(f"0x{byte:02x}" for byte in range(32))
        (folders[kind] / "credential.h").write_text(CREDENTIAL % (secret, f"BULLA_{kind}"))
    return folders


@pytest.fixture(scope="module")
def headers_only(tmp_path_factory):
    """BearSSL's headers where the ESP8266's core has them, so that a cross compiler takes nothing else of the host's."""
    place = tmp_path_factory.mktemp("include")
    assert pathlib.Path("/usr/include/bearssl/bearssl.h").exists(), "libbearssl-dev is not installed: scripts/setup"
    (place / "bearssl").symlink_to("/usr/include/bearssl")
    return place


# ---- the archives ----


def test_two_runs_give_the_same_bytes(archives, tmp_path):
    run([DIST, "--out", tmp_path], env={"PATH": "/usr/bin:/bin", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"})
    made = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    assert made == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in archives.iterdir()}
    assert sorted(made) == sorted(ARCHIVES.values())


def test_times_of_files_do_not_matter(archives, tmp_path):
    """A copy of the sources, younger, with other permissions, gives the same bytes."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "device", copy / "device", copy_function=shutil.copyfile)
    (copy / "scripts").mkdir()
    for name in ("scripts/dist", "CMakeLists.txt", "LICENSE"):
        shutil.copyfile(ROOT / name, copy / name)
    run(["/usr/bin/python3", copy / "scripts/dist", "--out", tmp_path / "out"])
    for path in archives.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name


def test_who_makes_them_does_not_matter(archives, tmp_path):
    """Another user, another umask, another place to run in."""
    command = f"umask 077 && cd {tmp_path} && exec {DIST} --out out"
    environment = {"PATH": "/usr/bin:/bin", "TZ": "America/St_Johns", "USER": "somebody", "LOGNAME": "somebody", "HOME": "/nowhere",
                   "PYTHONHASHSEED": "7"}
    run(["sh", "-c", command], env=environment)
    for path in archives.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_somebody_left_in_an_example_stays_there(archives, tmp_path):
    """The examples say where credential.h goes: beside them. It is in no archive, nor is what a build leaves."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "device", copy / "device")
    (copy / "scripts").mkdir()
    for name in ("scripts/dist", "CMakeLists.txt", "LICENSE"):
        shutil.copyfile(ROOT / name, copy / name)
    for folder in {path.parent for path in (copy / "device/examples").rglob("*") if path.is_file()}:
        for name in ("credential.h", "sdkconfig", "dependencies.lock", "kitchen.csv"):
            (folder / name).write_text("a secret")
    command = ["/usr/bin/python3", copy / "scripts/dist", "--out", tmp_path / "out"]
    run(command)
    for path in archives.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name
    (copy / "device/credential.h").write_text("a secret")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "holds a secret" in done.stderr


@pytest.mark.parametrize("system", ARCHIVES)
def test_content(unpacked, system):
    names = {path.relative_to(unpacked[system]).as_posix() for path in unpacked[system].rglob("*") if path.is_file()}
    assert {"LICENSE", "bulla.h", "credential.c", "seal.c", "frame.h"} <= names
    assert not [name for name in names if "test" in name or "openssl" in name or "posix" in name]
    assert not [path for path in unpacked[system].rglob("*") if path.is_symlink()]
    assert (unpacked[system] / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_no_links_in_device():
    assert not [path for path in (ROOT / "device").rglob("*") if path.is_symlink()]


def test_gzip_says_no_time(archives):
    for path in archives.glob("*.gz"):
        assert path.read_bytes()[4:8] == bytes(4)
        gzip.decompress(path.read_bytes())


def test_names_differ_in_more_than_case(unpacked):
    """Windows and macOS would take two such for one."""
    for place in unpacked.values():
        names = [path.relative_to(place).as_posix().lower() for path in place.rglob("*")]
        assert len(names) == len(set(names))


def test_manifests_that_differ_are_refused(tmp_path):
    shutil.copytree(ROOT / "device", tmp_path / "device")
    (tmp_path / "scripts").mkdir()
    shutil.copy(DIST, tmp_path / "scripts/dist")
    shutil.copy(ROOT / "LICENSE", tmp_path)
    (tmp_path / "CMakeLists.txt").write_text("project(bulla VERSION 99.1.2 LANGUAGES C)\n")
    done = subprocess.run(["/usr/bin/python3", tmp_path / "scripts/dist"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "set them alike" in done.stderr and not (tmp_path / "dist").exists()


# ---- manifests ----


def test_library_properties(unpacked):
    """Arduino's library specification 1.5: the fields that it requires, and what they may say."""
    text = (unpacked["arduino"] / "library.properties").read_text()
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.read_string("[library]\n" + text)
    fields = parser["library"]
    assert {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url",
            "architectures"} <= set(fields)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9 _.-]{0,62}", fields["name"])
    assert unpacked["arduino"].name == fields["name"]
    assert fields["version"] == VERSION
    assert fields["category"] in ("Display", "Communication", "Signal Input/Output", "Sensors", "Device Control",
                                  "Timing", "Data Storage", "Data Processing", "Other")
    assert set(fields["architectures"].split(",")) == {"esp8266", "esp32", "avr"}
    for name in fields["includes"].split(","):
        assert (unpacked["arduino"] / name).is_file()
    assert not (unpacked["arduino"] / "src").exists()  # flat: the files beside bulla.h are built, folders are not
    for sketch in (unpacked["arduino"] / "examples").iterdir():
        assert (sketch / f"{sketch.name}.ino").is_file()


def test_keywords(unpacked):
    header = (unpacked["arduino"] / "bulla.hpp").read_text() + (unpacked["arduino"] / "bulla.h").read_text()
    for line in (unpacked["arduino"] / "keywords.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            word, kind = line.split("\t")
            assert kind in ("KEYWORD1", "KEYWORD2", "LITERAL1")
            assert re.search(rf"\b{word}\b", header), word
    methods = re.findall(r"^    (?:BULLA_MUST_CHECK )?[\w ]+[ &*](\w+)\([^)]*\)(?: const)?$", header, re.M)
    words = (unpacked["arduino"] / "keywords.txt").read_text()
    assert len(methods) > 15
    for method in methods:
        assert f"{method}\tKEYWORD2" in words, method


def test_library_json(unpacked):
    manifest = json.loads((unpacked["platformio"] / "library.json").read_text())
    assert manifest["version"] == VERSION and manifest["license"] == "Apache-2.0"
    assert re.fullmatch(r"[A-Za-z0-9 _-]{1,50}", manifest["name"]) and len(manifest["description"]) <= 255
    assert manifest["frameworks"] == ["arduino"] and set(manifest["platforms"]) == {"espressif8266", "espressif32", "atmelavr"}
    for name in manifest["headers"]:
        assert (unpacked["platformio"] / name).is_file()
    listed = set()
    for example in manifest["examples"]:
        for name in example["files"]:
            assert (unpacked["platformio"] / example["base"] / name).is_file()
            listed.add(f"{example['base']}/{name}")
    assert listed == {path.relative_to(unpacked["platformio"]).as_posix()
                      for path in (unpacked["platformio"] / "examples").rglob("*") if path.is_file()}
    assert manifest["build"] == {"srcDir": ".", "includeDir": ".", "srcFilter": ["+<*.c>"], "extraScript": "platformio.py"}


@pytest.mark.parametrize("platform", ["atmelavr", "atmelmegaavr", "espressif8266", "espressif32"])
def test_platformio_flags(unpacked, platform):
    """The library's script adds on AVR what the figures are measured with, and nothing elsewhere."""

    class Environment(dict):
        def Append(self, **lists):
            for name, values in lists.items():
                self.setdefault(name, []).extend(values)

    env = Environment(PIOPLATFORM=platform)
    script = (unpacked["platformio"] / json.loads((unpacked["platformio"] / "library.json").read_text())["build"]["extraScript"])
    exec(compile(script.read_text(), str(script), "exec"), {"Import": lambda name: name == "env" or pytest.fail(name), "env": env})
    measured = re.search(r'^avr_flags="(.*)"$', (ROOT / "tests/cores/build").read_text(), re.M).group(1).split()
    assert env.get("CCFLAGS", []) == (measured if platform.startswith("atmel") else [])


CMAKE_TRACE = """cmake_minimum_required(VERSION 3.20)
project(trace LANGUAGES NONE)
%s
include(%s)
"""


def test_idf_component(unpacked, tmp_path):
    """ESP-IDF reads the folder's CMakeLists.txt: it registers the component and goes no further."""
    manifest = (unpacked["esp-idf"] / "idf_component.yml").read_text()
    assert re.search(rf'^version: "{re.escape(VERSION)}"$', manifest, re.M)
    assert re.search(r'^  idf: ">=5\.0,<6\.0"$', manifest, re.M)  # 6 has mbedTLS 4, without mbedtls/ccm.h
    functions = """set(ESP_PLATFORM 1)
function(idf_component_register)
    cmake_parse_arguments(IDF "" "" "SRCS;INCLUDE_DIRS;PRIV_REQUIRES" ${ARGN})
    file(WRITE ${CMAKE_BINARY_DIR}/sources "${IDF_SRCS}")
    file(WRITE ${CMAKE_BINARY_DIR}/rest "${IDF_INCLUDE_DIRS}|${IDF_PRIV_REQUIRES}|${IDF_UNPARSED_ARGUMENTS}")
endfunction()"""
    sources = cmake(tmp_path, functions, unpacked["esp-idf"] / "CMakeLists.txt")
    assert "crypto_mbedtls.c" in sources and "port/esp32.c" in sources
    includes, requires, more = (tmp_path / "build/rest").read_text().split("|")
    assert includes == "." and "nvs_flash" in requires.split(";") and more == ""
    compile_c(unpacked["esp-idf"], sources, [STUBS / "esp32"], tmp_path)


IDF_MBEDTLS = """#define MBEDTLS_AES_C
#define MBEDTLS_CCM_C
#define MBEDTLS_CIPHER_C
#define MBEDTLS_MD_C
#define MBEDTLS_SHA256_C
#include <mbedtls/check_config.h>
"""


@pytest.mark.parametrize("more", ["", "#define MBEDTLS_CHACHA20_C\n#define MBEDTLS_POLY1305_C\n#define MBEDTLS_CHACHAPOLY_C\n"])
def test_mbedtls_as_it_is_configured(tmp_path, more):
    """ESP-IDF's mbedTLS has neither HKDF nor ChaCha20-Poly1305 unless told: what is not there must not be asked for."""
    (tmp_path / "config.h").write_text(more + IDF_MBEDTLS)
    (provider,) = compile_c(ROOT / "device", ["crypto_mbedtls.c"], [tmp_path], tmp_path,
                            flags=["-DMBEDTLS_CONFIG_FILE=<config.h>"])
    asked = re.findall(r"U mbedtls_([a-z0-9]+)_", run(["nm", provider]))
    assert set(asked) == {"ccm", "md"} | ({"chachapoly"} if more else set())


ZEPHYR = """set(CONFIG_BULLA y)
set(CONFIG_SETTINGS y)
set(CONFIG_ENTROPY_HAS_DRIVER y)
set(CONFIG_MBEDTLS y)
%s
function(zephyr_include_directories)
endfunction()
function(zephyr_library)
endfunction()
function(zephyr_library_sources)
    string(REPLACE ";" "\\n" lines "${ARGN}")
    file(APPEND ${CMAKE_BINARY_DIR}/sources "${lines}\\n")
endfunction()
function(zephyr_library_sources_ifdef feature)
    if(${feature})
        zephyr_library_sources(${ARGN})
    endif()
endfunction()
function(zephyr_library_link_libraries_ifdef feature library)
    if(${feature})
        file(APPEND ${CMAKE_BINARY_DIR}/linked "${library}\\n")
    endif()
endfunction()"""
NOT_RANDOM = ["TEST_RANDOM_GENERATOR", "FAKE_ENTROPY_NATIVE_SIM", "FAKE_ENTROPY_NATIVE_POSIX", "FAKE_ENTROPY_NRF_PRNG",
              "ENTROPY_AESC_PRNG", "SOC_RP2040"]


def test_zephyr_module(unpacked, tmp_path):
    module = (unpacked["zephyr"] / "zephyr/module.yml").read_text()
    assert "name: bulla" in module and "cmake: zephyr" in module and "kconfig: zephyr/Kconfig" in module
    assert "config BULLA" in (unpacked["zephyr"] / "zephyr/Kconfig").read_text()
    sources = cmake(tmp_path, ZEPHYR % "", unpacked["zephyr"] / "zephyr/CMakeLists.txt")
    names = {pathlib.Path(source).name for source in sources}
    assert {"zephyr.c", "zephyr_random.c", "zephyr_settings.c", "retained.c", "crypto_psa.c", "seal.c"} <= names
    assert not [name for name in names if name.startswith("crypto_") and name != "crypto_psa.c"]
    # mbedTLS's module is read after this one, or before: no target of it is there to be asked for.
    assert (tmp_path / "build/linked").read_text() == "mbedTLS\n"
    compile_c(unpacked["zephyr"], sources, [STUBS / "zephyr"], tmp_path)


def test_zephyr_with_its_own_cryptography(unpacked, tmp_path):
    assert "config BULLA_TINY" in (unpacked["zephyr"] / "zephyr/Kconfig").read_text()
    sources = cmake(tmp_path, ZEPHYR % "set(CONFIG_BULLA_TINY y)", unpacked["zephyr"] / "zephyr/CMakeLists.txt")
    names = {pathlib.Path(source).name for source in sources}
    assert "crypto_psa.c" not in names
    assert {path.name for path in (ROOT / "device").glob("crypto_tiny*.c")} <= names
    compile_c(unpacked["zephyr"], sources, [STUBS / "zephyr"], tmp_path)


@pytest.mark.parametrize("option", NOT_RANDOM)
def test_zephyr_takes_no_fake_for_randomness(unpacked, tmp_path, option):
    """Zephyr calls these drivers of entropy, and they give the same bytes at every start: the same session, and its nonces."""
    sources = cmake(tmp_path, ZEPHYR % f"set(CONFIG_{option} y)", unpacked["zephyr"] / "zephyr/CMakeLists.txt")
    assert "zephyr_random.c" not in {pathlib.Path(source).name for source in sources}
    refused = subprocess.run(["gcc", "-fsyntax-only", f"-DCONFIG_{option}=1", f"-I{ROOT / 'device'}", f"-I{STUBS / 'zephyr'}",
                              ROOT / "device/port/zephyr_random.c"], capture_output=True, text=True)
    assert refused.returncode != 0 and "not random" in refused.stderr


def cmake(place, functions, script):
    """The sources that a CMakeLists.txt names, run with the functions of its system."""
    (place / "CMakeLists.txt").write_text(CMAKE_TRACE % (functions, script))
    run(["cmake", "-S", place, "-B", place / "build"])
    return [line for line in re.split(r"[;\n]", (place / "build/sources").read_text()) if line]


# ---- compiling ----


def compile_c(library, sources, includes, out, compiler="gcc", flags=()):
    """Compiles a library's C files where they lie; returns the objects."""
    objects = []
    for source in sources:
        path = pathlib.Path(library, source)
        objects.append(out / f"{path.parent.name}_{path.stem}.o")
        run([compiler, *flags, "-std=gnu99", "-Os", *WARNINGS, *[f"-I{place}" for place in (library, *includes)], "-c", path,
             "-o", objects[-1]])
    return objects


BOARDS = {
    "esp8266": ["-DARDUINO=10819", "-DARDUINO_ARCH_ESP8266"],
    "esp32": ["-DARDUINO=10819", "-DARDUINO_ARCH_ESP32"],
    "avr": ["-DARDUINO=10819", "-DARDUINO_ARCH_AVR"],
    "other": ["-DARDUINO=10819", "-DARDUINO_ARCH_SAMD"],
}
SKETCHES = {"esp8266_http": ("esp8266", "SESSION"), "esp8266_mqtt": ("esp8266", "SESSION"),
            "atmega328p_serial": ("avr", "COUNTER")}

# What a sketch may do, on every board: the class as a whole.
CLASS = """
#include <Arduino.h>
#include <bulla.hpp>
#include "credential.h"
static Bulla device;
int use(uint8_t *answer, size_t length, const struct bulla_port &port)
{
    struct bulla_reply reply;
    if (device.begin(credential) < 0 || device.begin(credential, port) < 0 || device.provisionCounter(credential) < 0)
        return -1;
    device.clear();
    device.add("a", "Cel", 1.5f);
    device.add("b", "Cel", 1.5);
    device.add("c", nullptr, 1);
    device.add("d", nullptr, 1u);
    device.add("e", nullptr, 1l);
    device.add("f", nullptr, 1ul);
    device.add("g", nullptr, true);
    device.addText("h", "text");
    device.setAge(3);
    if (device.seal() < 0 || device.openReply(answer, length) < 0 || device.openReply(answer, length, &reply) < 0)
        return -1;
    if (!device.isStored() && device.fate() == BULLA_WAITING && device.again() < 0)
        return -1;
    if (device.sleep() < 0)
        return -1;
    device.end();
    return device.data() != nullptr && device.size() > 0 && device.board().port.timer != nullptr;
}
"""


@pytest.mark.parametrize("system", ["arduino", "platformio", "device"])
@pytest.mark.parametrize("board", BOARDS)
def test_arduino_builds_what_lies_beside_the_header(unpacked, credentials, tmp_path, system, board):
    """As Arduino does: every file of the folder, none below it. `device` is the repository's own folder."""
    library = unpacked.get(system, ROOT / "device")
    sources = sorted(path.name for path in library.glob("*.c"))
    if board in ("avr", "other") and "crypto_tiny.c" not in sources:
        pytest.skip("the provider for these boards, crypto_tiny.c, is not there")
    includes = [STUBS / "arduino", STUBS / board]
    objects = compile_c(library, sources, includes, tmp_path, flags=BOARDS[board])
    (tmp_path / "class.cpp").write_text(CLASS)
    for standard in ("c++11", "c++17"):
        run(["g++", f"-std={standard}", "-fno-exceptions", "-fno-rtti", *WARNINGS, *BOARDS[board], f"-I{library}",
             *[f"-I{place}" for place in includes], f"-I{credentials['SESSION']}", "-c", tmp_path / "class.cpp", "-o",
             tmp_path / "class.o"])
    run(["gcc", "-r", "-nostdlib", *objects, tmp_path / "class.o", "-o", tmp_path / "all.o"])
    missing = {line.split()[-1] for line in run(["nm", "-u", tmp_path / "all.o"]).splitlines()}
    assert not [name for name in missing if name.startswith(("bulla_", "arduino_", "esp32_", "esp8266_port", "retained_",
                                                             "flash_", "avr_port"))], missing
    assert not missing & {"malloc", "free", "_Znwm", "_ZdlPv"}


@pytest.mark.parametrize("system", ["arduino", "platformio", "device"])
@pytest.mark.parametrize("sketch", SKETCHES)
def test_sketches_compile(unpacked, credentials, tmp_path, system, sketch):
    library = unpacked.get(system, ROOT / "device")
    board, kind = SKETCHES[sketch]
    for standard in ("c++11", "c++17"):
        run(["g++", f"-std={standard}", "-fno-exceptions", *WARNINGS, *BOARDS[board], f"-I{library}",
             f"-I{STUBS / 'arduino'}", f"-I{STUBS / board}", f"-I{credentials[kind]}", "-x", "c++", "-c",
             library / f"examples/{sketch}/{sketch}.ino", "-o", tmp_path / "sketch.o"])


def test_sketches_are_all_known(unpacked):
    assert {path.name for path in (unpacked["arduino"] / "examples").iterdir()} == set(SKETCHES)


def test_esp8266_cross(unpacked, credentials, headers_only, tmp_path):
    need("xtensa-lx106-elf-gcc")
    picolibc = ["-isystem", "/usr/lib/xtensa-lx106-elf/include"]
    library = unpacked["arduino"]
    includes = [STUBS / "arduino", STUBS / "esp8266"]
    compile_c(library, sorted(path.name for path in library.glob("*.c")), includes, tmp_path, "xtensa-lx106-elf-gcc",
              [*BOARDS["esp8266"], "-mlongcalls", *picolibc, "-isystem", headers_only])
    for sketch in ("esp8266_http", "esp8266_mqtt"):
        run(["xtensa-lx106-elf-g++", "-std=c++17", "-fno-exceptions", "-fno-rtti", "-mlongcalls", *picolibc, *WARNINGS,
             *BOARDS["esp8266"], f"-I{library}", *[f"-I{place}" for place in includes], f"-I{credentials['SESSION']}",
             "-x", "c++", "-c", library / f"examples/{sketch}/{sketch}.ino", "-o", tmp_path / "sketch.o"])


def test_atmega328p_cross(unpacked, credentials, tmp_path):
    """With avr-libc's own headers."""
    need("avr-gcc")
    library = unpacked["arduino"]
    flags = [*BOARDS["avr"], "-mmcu=atmega328p", "-DF_CPU=16000000UL"]
    compile_c(library, sorted(path.name for path in library.glob("*.c")), [STUBS / "arduino"], tmp_path, "avr-gcc", flags)
    run(["avr-g++", "-std=c++11", "-fno-exceptions", "-fno-rtti", "-Os", *WARNINGS, *flags, f"-I{library}",
         f"-I{STUBS / 'arduino'}", f"-I{credentials['COUNTER']}", "-x", "c++", "-c",
         library / "examples/atmega328p_serial/atmega328p_serial.ino", "-o", tmp_path / "sketch.o"])


# ---- C examples, and what only the repository has ----


@pytest.mark.parametrize("compiler", ["gcc -std=c99", "g++ -std=c++11 -x c++", "arm-none-eabi-gcc -std=c99 -mcpu=cortex-m0 -mthumb",
                                      "arm-none-eabi-g++ -std=c++11 -x c++ -mcpu=cortex-m0 -mthumb"])
def test_radio_example(credentials, tmp_path, compiler):
    command = compiler.split()
    need(command[0])
    run([*command, *WARNINGS, f"-I{ROOT / 'device'}", f"-I{STUBS / 'stm32'}", f"-I{credentials['COUNTER']}",
         "-DSTM32_PORT_HAL=<stm32f0xx_hal.h>", "-c", ROOT / "device/examples/cortex_m0_radio/main.c", "-o", tmp_path / "main.o"])


# What each of these packages has as its example, by its place; whose stubs; the kind of its credential.
EXAMPLES = {"esp-idf": ("esp32_http/main", "esp32", "SESSION"), "zephyr": ("zephyr_serial/src", "zephyr", "COUNTER")}


@pytest.mark.parametrize("compiler", ["gcc -std=c99", "g++ -std=c++11 -x c++"])
@pytest.mark.parametrize("system", EXAMPLES)
def test_examples_of_the_other_packages(unpacked, credentials, tmp_path, system, compiler):
    place, stubs, kind = EXAMPLES[system]
    folder = unpacked[system] / "examples" / place
    command = [*compiler.split(), *WARNINGS, f"-I{unpacked[system]}", f"-I{STUBS / stubs}", f"-I{credentials[kind]}", "-c",
               folder / "main.c", "-o", tmp_path / "main.o"]
    run(command)
    run([*command, "-DPROVISION"])
    undefined = set(re.findall(r"U (bulla_\w+|esp32_port\w*|zephyr_port\w*)", run(["nm", tmp_path / "main.o"])))
    assert {"bulla_seal", "bulla_open_reply", "bulla_seal_again"} <= undefined
    assert len((folder / "main.c").read_text().splitlines()) < PAGE + 1
    assert (folder.parent / "CMakeLists.txt").is_file()


PORTS = {
    "esp8266": ["esp8266.c", "flash.c"], "esp32": ["esp32.c", "esp32_wifi.c", "retained.c"], "avr": ["avr.c"],
    "nrf5x": ["nrf5x.c", "flash.c", "retained.c"], "stm32": ["stm32.c", "stm32_flash.c", "stm32_rng.c", "flash.c"],
    "rp2040": ["rp2040.c", "flash.c"], "zephyr": ["zephyr.c", "zephyr_settings.c", "zephyr_random.c"], "posix": ["posix.c"],
}
CROSS = {
    "esp8266": "xtensa-lx106-elf-gcc -mlongcalls -isystem /usr/lib/xtensa-lx106-elf/include", "avr": "avr-gcc -mmcu=atmega328p",
    "nrf5x": "arm-none-eabi-gcc -mcpu=cortex-m0 -mthumb", "stm32": "arm-none-eabi-gcc -mcpu=cortex-m0 -mthumb",
    "rp2040": "arm-none-eabi-gcc -mcpu=cortex-m0 -mthumb",
}


@pytest.mark.parametrize("port", PORTS)
def test_port_headers_in_cpp(port, tmp_path):
    (tmp_path / "header.cpp").write_text(f'#include <port/{port}.h>\nint main() {{ return 0; }}\n')
    run(["g++", "-std=c++11", "-pedantic", *WARNINGS, f"-I{ROOT / 'device'}", "-c", tmp_path / "header.cpp", "-o",
         tmp_path / "header.o"])


@pytest.mark.parametrize("port", CROSS)
def test_ports_cross(port, tmp_path):
    compiler, *flags = CROSS[port].split()
    need(compiler)
    stubs = [] if port == "avr" else [STUBS / port]  # avr-libc is there itself
    compile_c(ROOT / "device/port", PORTS[port], stubs, tmp_path, compiler, flags)


def test_every_port_says_what_was_run():
    for port in PORTS:
        head = (ROOT / f"device/port/{port}.h").read_text().split("*/")[0]
        assert "Run:" in head and "Not run:" in head, port


def test_every_example_fits_on_a_page():
    for path in (path for path in (ROOT / "device/examples").glob("*/**/*") if path.is_file()):
        assert len(path.read_text().splitlines()) <= PAGE, path
        assert max(map(len, path.read_text().splitlines())) <= 125, path


def test_device_stands_alone():
    for path in (ROOT / "device").rglob("*.[ch]*"):
        assert '#include "device/' not in path.read_text(), path
