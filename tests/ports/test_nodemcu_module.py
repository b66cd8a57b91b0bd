"""NodeMCU's module laid out as contrib/nodemcu/README.md says, against declarations of the firmware's API: its random source
fails where the radio is off."""
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
STUBS = ROOT / "tests/ports/stubs"

PROGRAM = """
#include <lua.h>
#include "bulla_lua.h"

static uint8 mode;
static int result;

uint8 wifi_get_opmode(void)
{
    return mode;
}

int os_get_random(unsigned char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = (unsigned char)(i + 1);
    return result;
}

/* 0 where it gives bytes while the radio is on and the SDK says so, and only then. */
int main(void)
{
    uint8_t bytes[8] = {0};

    if (bulla_lua_random(NULL, bytes, 8) == 0)
        return 1;
    mode = STATION_MODE;
    if (bulla_lua_random(NULL, bytes, 8) != 0 || bytes[7] != 8)
        return 2;
    result = -1;
    return bulla_lua_random(NULL, bytes, 8) == 0 ? 3 : BULLA_LUA_TIMER != NULL;
}
"""


def test_randomness_needs_the_radio(tmp_path):
    shutil.copytree(ROOT / "contrib/nodemcu/app", tmp_path / "app")
    for header in (ROOT / "device").glob("*.h"):
        shutil.copy(header, tmp_path / "app/bulla")
    (tmp_path / "module.h").write_text("")
    (tmp_path / "main.c").write_text(PROGRAM)
    done = subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{tmp_path / 'app/include'}", f"-I{tmp_path}",
                           f"-I{STUBS / 'esp8266'}", "-I/usr/include/lua5.1", tmp_path / "main.c", "-o", tmp_path / "main"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([tmp_path / "main"], timeout=10).returncode == 0
