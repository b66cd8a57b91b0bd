"""The Debian package: built, looked at by lintian, and installed in a machine of its own that systemd runs."""

import gzip
import os
import re
import resource
import shutil
import subprocess
import time

import pytest

import machine as machines
from program import BINARY, REPOSITORY, wait_until

FOLDER = REPOSITORY / "build-package"
STATE = "/var/lib/bulla"
INSTALL = "dpkg --no-triggers --install "  # triggers would make the index of all manual pages anew
REMOVE = "dpkg --no-triggers --remove bulla"
PURGE = "dpkg --no-triggers --purge bulla"
SECURE = 15  # of 100: what `systemd-analyze security` may find exposed


def output(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def needs(program):
    if shutil.which(program) is None:
        pytest.skip("%s is not installed" % program)


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The package, built as scripts/package builds it."""
    needs("dpkg-shlibdeps")
    return REPOSITORY / output(REPOSITORY / "scripts" / "package", FOLDER).strip()


@pytest.fixture(scope="session")
def unpacked(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    output("dpkg-deb", "-x", package, folder)
    return folder


@pytest.fixture(scope="session")
def newer(package, tmp_path_factory):
    """The same package under a higher version."""
    folder = tmp_path_factory.mktemp("newer")
    output("dpkg-deb", "-R", package, folder / "tree")
    control = folder / "tree" / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^Version: .*", "Version: 99.0-1", control.read_text()))
    output("dpkg-deb", "--root-owner-group", "-b", folder / "tree", folder / "newer.deb")
    return folder / "newer.deb"


@pytest.fixture
def machine(tmp_path):
    running = machines.start(tmp_path, "systemd")
    yield running
    running.end()


@pytest.fixture
def installed(machine, package):
    machine.copy(package, "/root/bulla.deb")
    machine(INSTALL + "/root/bulla.deb")
    return machine


# ---- the file ------------------------------------------------------------------------------------------------


def test_lintian_is_content(package):
    needs("lintian")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning,info,pedantic", "-EI", "--pedantic", "--no-tag-display-limit", package],
        capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr


def test_what_is_in_it(package):
    lines = [line.split() for line in output("dpkg-deb", "-c", package).splitlines()]
    assert {line[1] for line in lines} == {"root/root"}
    modes = {line[5].removeprefix("."): line[0] for line in lines}
    assert {mode for path, mode in modes.items() if path.endswith("/")} == {"drwxr-xr-x"}
    files = {path: mode for path, mode in modes.items() if not path.endswith("/")}
    assert files.pop("/usr/bin/bulla") == "-rwxr-xr-x"
    assert set(files.values()) == {"-rw-r--r--"}
    for path in (
        "/etc/bulla/bulla.conf", "/lib/systemd/system/bulla.service", "/usr/lib/sysusers.d/bulla.conf",
        "/usr/lib/tmpfiles.d/bulla.conf", "/usr/share/bash-completion/completions/bulla",
        "/usr/share/zsh/vendor-completions/_bulla", "/usr/share/fish/vendor_completions.d/bulla.fish",
        "/usr/share/doc/bulla/copyright", "/usr/share/doc/bulla/changelog.gz",
        "/usr/share/doc/bulla/changelog.Debian.gz",
    ):
        assert path in files
    pages = {path.stem for folder in ("man1", "man5", "man7") for path in (REPOSITORY / "docs" / "man").glob("*." + folder[3:])}
    assert {path.split("/")[-1].split(".")[0] for path in files if "/man/" in path} == {page.split(".")[0] for page in pages}


def test_what_it_says_of_itself(package, unpacked):
    fields = {field: output("dpkg-deb", "-f", package, field).strip() for field in ("Version", "Depends")}
    version = output(unpacked / "usr/bin/bulla", "--version").split()[1]
    assert fields["Version"] == version + "-1"
    changelog = gzip.decompress((unpacked / "usr/share/doc/bulla/changelog.Debian.gz").read_bytes()).decode()
    assert changelog.startswith("bulla (%s-1) " % version)
    for library in ("libc6", "libuv1", "libmicrohttpd12", "libsqlite3-0", "libssl3", "libjansson4", "libcurl4"):
        assert re.search(r"\b%s\b" % re.escape(library), fields["Depends"])
    conffiles = output("dpkg-deb", "-I", package, "conffiles").split()
    assert conffiles == ["/etc/bulla/bulla.conf"]


def test_the_program_is_hardened(unpacked):
    program = unpacked / "usr/bin/bulla"
    dynamic = output("readelf", "-dW", program)
    assert "BIND_NOW" in dynamic and "PIE" in dynamic
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic
    headers = output("readelf", "-lW", program)
    assert "GNU_RELRO" in headers
    assert re.search(r"GNU_STACK .* RW ", headers)
    symbols = output("nm", "-D", program)
    assert "__stack_chk_fail" in symbols and "__snprintf_chk" in symbols
    assert "Build ID" in output("readelf", "-n", program)
    assert "no symbols" in subprocess.run(["nm", program], capture_output=True, text=True).stderr


def test_the_same_sources_give_the_same_bytes(package, tmp_path):
    before = package.read_bytes()
    time.sleep(1.1)  # a clock that got in would show
    output("cmake", "-E", "touch", FOLDER / "bulla", REPOSITORY / "docs/man/bulla.1")
    again = output(REPOSITORY / "scripts" / "package", FOLDER).strip()
    assert (REPOSITORY / again).read_bytes() == before


def test_the_unit_leaves_little_open(unpacked):
    needs("systemd-analyze")
    unit = unpacked / "lib/systemd/system/bulla.service"
    report = output("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=%d" % SECURE, unit)
    exposed = float(re.search(r"Overall exposure level for bulla.service: ([0-9.]+)", report)[1])
    print("exposure %.1f" % exposed)
    assert exposed * 10 <= SECURE


# ---- installed -----------------------------------------------------------------------------------------------


def shows(machine, *properties):
    lines = machine("systemctl show bulla.service -p " + ",".join(properties)).splitlines()
    return dict(line.split("=", 1) for line in lines)


def listing(machine, folder=STATE):
    """Who owns what, and with which mode."""
    return {
        path: (mode, owner) for mode, owner, path in
        (line.split() for line in machine("find %s -printf '%%#m %%u:%%g %%p\\n'" % folder).splitlines())
    }


def send(machine, value, name="kitchen"):
    machine("bulla send --to http://127.0.0.1:8620 --credential @/root/%s.credential temperature=%s:Cel" % (name, value))


def values(machine):
    return [float(line.split(",")[4]) for line in
            machine("bulla readings --db %s/bulla.db --format csv" % STATE).splitlines()[1:]]


def add_device(machine, name="kitchen"):
    machine("bulla device add {0} --db {1}/bulla.db --out /root/{0}.credential".format(name, STATE))


def test_an_installed_gateway_works(installed):
    shown = shows(installed, "ActiveState", "SubState", "Type", "UnitFileState", "User", "NRestarts")
    assert shown == {"ActiveState": "active", "SubState": "running", "Type": "notify", "UnitFileState": "enabled",
                     "User": "bulla", "NRestarts": "0"}
    assert installed("getent passwd bulla").split(":")[5:] == [STATE, "/usr/sbin/nologin"]
    assert '"ok"' in installed("curl -fsS http://127.0.0.1:8621/healthz")
    assert listing(installed)[STATE] == ("0700", "bulla:bulla")

    add_device(installed)
    send(installed, 23.5)
    assert values(installed) == [23.5]
    files = listing(installed)
    assert {name: owner for name, (_, owner) in files.items()} == dict.fromkeys(files, "bulla:bulla")
    assert {mode for name, (mode, _) in files.items() if name != STATE} == {"0600"}
    assert {STATE + "/bulla.db", STATE + "/bulla.key"} <= set(files)
    assert installed("runuser -u nobody -- ls %s" % STATE, status=2) == ""

    installed("systemctl stop bulla")
    assert shows(installed, "Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}


@pytest.mark.parametrize("who", ["", "runuser -u bulla -- "], ids=["root", "bulla"])
def test_a_command_may_be_first(machine, package, who):
    """What root makes before the gateway ever ran must not shut the gateway out."""
    machine.copy(package, "/root/bulla.deb")
    machine("mkdir -p /etc/systemd/system && ln -s /dev/null /etc/systemd/system/bulla.service")
    machine(INSTALL + "/root/bulla.deb")
    machine(who + "bulla device add kitchen --db %s/bulla.db > /root/kitchen.credential" % STATE)
    assert {owner for _, owner in listing(machine).values()} == {"bulla:bulla"}
    machine("rm /etc/systemd/system/bulla.service && systemctl daemon-reload && systemctl start bulla")
    send(machine, 1)
    assert values(machine) == [1]


def test_it_is_shut_in(installed):
    pid = shows(installed, "MainPID")["MainPID"]
    status = dict(line.split(":\t", 1) for line in installed("cat /proc/%s/status" % pid).splitlines() if ":\t" in line)
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    limits = installed("cat /proc/%s/limits" % pid)
    assert re.search(r"Max core file size +0 +0 ", limits)
    files = min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # or what this machine allows
    assert re.search(r"Max open files +%d +%d " % (files, files), limits)
    assert "level=warn" not in installed("journalctl -u bulla -o cat")
    within = "nsenter -t %s -m -- " % pid
    for folder in ("/", "/etc", "/usr", "/var", "/var/lib"):
        done = installed.run(within + "touch %s/written" % folder, status=None)
        assert done.returncode != 0 and "Read-only" in done.stderr, folder
    installed(within + "touch %s/written" % STATE)
    assert installed(within + "find /root /home -mindepth 1") == ""
    assert "sda" not in installed(within + "ls /dev") and "vda" not in installed(within + "ls /dev")


def test_settings_are_read_anew(installed):
    pid = shows(installed, "MainPID")
    installed("sed -i 's/^#*log-level.*/log-level = debug/' /etc/bulla/bulla.conf && systemctl reload bulla")
    wait_until(lambda: "log-level" in installed("journalctl -u bulla -o cat"), what="the reload's line")
    assert shows(installed, "MainPID", "ActiveState") == {**pid, "ActiveState": "active"}


def test_wrong_settings_are_said_and_not_tried_again(installed):
    installed("echo 'nonsense = 1' >> /etc/bulla/bulla.conf && systemctl restart bulla", status=1)
    assert shows(installed, "ActiveState", "ExecMainStatus") == {"ActiveState": "failed", "ExecMainStatus": "2"}
    assert re.search(r"/etc/bulla/bulla.conf:\d+: .*nonsense", installed("journalctl -u bulla -o cat"))


def drop_in(machine, text):
    machine("mkdir -p /etc/systemd/system/bulla.service.d")
    machine("cat > /etc/systemd/system/bulla.service.d/test.conf", input="[Service]\n%s\n" % text)
    machine("systemctl daemon-reload")


def test_a_gateway_that_hangs_is_started_anew(installed):
    drop_in(installed, "WatchdogSec=1s\nLimitCORE=0")
    installed("systemctl restart bulla")
    add_device(installed)
    send(installed, 1)
    time.sleep(2.2)  # longer than the watchdog waits
    before = shows(installed, "MainPID", "NRestarts")
    assert before["NRestarts"] == "0"
    installed("kill -STOP " + before["MainPID"])
    wait_until(lambda: shows(installed, "NRestarts", "ActiveState") == {"NRestarts": "1", "ActiveState": "active"}, 20,
               "a restart by the watchdog")
    assert shows(installed, "MainPID")["MainPID"] != before["MainPID"]
    send(installed, 2)
    assert values(installed) == [1, 2]


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_the_key_as_a_credential(installed, encrypted):
    """As docs/operating.md moves it."""
    add_device(installed)
    send(installed, 1)
    installed("systemctl stop bulla")
    if encrypted:
        installed("mkdir -p -m 700 /etc/credstore.encrypted")
        drop_in(installed, "LoadCredentialEncrypted=bulla.key")
        installed("systemd-creds --with-key=host encrypt --name=bulla.key %s/bulla.key /etc/credstore.encrypted/bulla.key" % STATE)
    else:
        installed("install -D -m 600 %s/bulla.key /etc/credstore/bulla.key" % STATE)
        installed("chmod 700 /etc/credstore")
    installed("rm %s/bulla.key && systemctl start bulla" % STATE)
    send(installed, 2)
    assert values(installed) == [1, 2]
    assert STATE + "/bulla.key" not in listing(installed)
    # A command that needs the key gets it the same way.
    installed("systemd-run --quiet --wait --pipe --collect -p User=bulla -p %s=bulla.key:%s "
              "bulla device add shed --db %s/bulla.db > /root/shed.credential"
              % (("LoadCredentialEncrypted", "/etc/credstore.encrypted/bulla.key", STATE) if encrypted else
                 ("LoadCredential", "/etc/credstore/bulla.key", STATE)))
    send(installed, 3, "shed")
    assert values(installed) == [1, 2, 3]


def test_a_backup_is_put_back(installed):
    """By root, as docs/operating.md says; the gateway's own user can open what comes of it."""
    add_device(installed)
    send(installed, 1)
    installed("bulla backup --db %s/bulla.db /root/monday.db" % STATE)
    send(installed, 2)
    assert "in use" in installed.run("bulla restore --yes --db %s/bulla.db /root/monday.db" % STATE, status=1).stderr
    installed("systemctl stop bulla && bulla restore --yes --db %s/bulla.db /root/monday.db" % STATE)
    assert {owner for _, owner in listing(installed).values()} == {"bulla:bulla"}
    installed("systemctl start bulla")
    send(installed, 3)
    assert values(installed) == [1, 3]
    installed("systemctl stop bulla && bulla restored --yes --db %s/bulla.db && systemctl start bulla" % STATE)
    send(installed, 4)
    assert values(installed) == [1, 3, 4]


# ---- its life ------------------------------------------------------------------------------------------------


def test_an_upgrade_keeps_everything(installed, newer):
    add_device(installed)
    send(installed, 1)
    installed("echo '# mine' >> /etc/bulla/bulla.conf")
    key = installed("sha256sum %s/bulla.key" % STATE)
    before = shows(installed, "MainPID")
    installed.copy(newer, "/root/newer.deb")
    installed(INSTALL + "/root/newer.deb")
    assert installed("dpkg-query -W -f '${Version} ${db:Status-Status}' bulla") == "99.0-1 installed"
    assert shows(installed, "MainPID") != before  # the new program runs
    assert shows(installed, "ActiveState") == {"ActiveState": "active"}
    send(installed, 2)
    assert values(installed) == [1, 2]
    assert installed("tail -n 1 /etc/bulla/bulla.conf") == "# mine"
    assert installed("sha256sum %s/bulla.key" % STATE) == key


def test_what_the_administrator_switched_off_stays_off(installed, newer):
    installed("systemctl disable --now bulla")
    installed.copy(newer, "/root/newer.deb")
    installed(INSTALL + "/root/newer.deb")
    assert shows(installed, "UnitFileState", "ActiveState") == {"UnitFileState": "disabled", "ActiveState": "inactive"}


def test_removed_and_purged_the_data_stays(installed):
    add_device(installed)
    send(installed, 1)
    installed("systemctl stop bulla")
    before = listing(installed)
    sums = installed("sha256sum %s/*" % STATE)
    installed("systemctl start bulla")
    installed(REMOVE)
    assert installed("systemctl is-active bulla", status=None) in ("inactive", "unknown")
    assert installed("ls /etc/bulla") == "bulla.conf"
    assert listing(installed) == before and installed("sha256sum %s/bulla.key" % STATE) in sums
    told = installed(PURGE)
    assert "rm -r /var/lib/bulla" in told  # how to delete them, where that is wanted
    assert installed("ls -d /etc/bulla 2>&1", status=2) != ""
    assert listing(installed) == before
    assert installed("systemctl list-unit-files --no-legend | grep bulla", status=1) == ""
    installed(PURGE, status=None)  # purging what is gone is no error of the scripts
    installed(INSTALL + "/root/bulla.deb")
    send(installed, 2)
    assert values(installed) == [1, 2]


def test_its_scripts_may_run_twice(installed):
    for words in ("configure", "configure 0.1.0-1", "abort-remove", "abort-upgrade 0.1.0-1"):
        for _ in range(2):
            installed("/var/lib/dpkg/info/bulla.postinst " + words)
    installed("/var/lib/dpkg/info/bulla.postinst nonsense", status=1)
    for _ in range(2):
        installed("/var/lib/dpkg/info/bulla.prerm upgrade 99")
        installed("/var/lib/dpkg/info/bulla.prerm remove")
    for words in ("remove", "purge"):
        for _ in range(2):
            installed("/var/lib/dpkg/info/bulla.postrm " + words)
    installed(INSTALL + "/root/bulla.deb")
    assert shows(installed, "ActiveState") == {"ActiveState": "active"}


def test_where_no_systemd_runs(tmp_path, package):
    """In a container, say: it installs, and the unit's line starts it as the user that it is meant for."""
    machine = machines.start(tmp_path, "none")
    try:
        machine.copy(package, "/root/bulla.deb")
        machine(INSTALL + "/root/bulla.deb")
        assert listing(machine)[STATE] == ("0700", "bulla:bulla")
        line = machine("sed -n 's/^ExecStart=//p' /lib/systemd/system/bulla.service")
        machine("STATE_DIRECTORY=%s setsid runuser -u bulla -- sh -c '%s' >/root/log 2>&1 </dev/null &" % (STATE, line))
        wait_until(lambda: "admin on" in machine("cat /root/log"), what="readiness")
        add_device(machine)
        send(machine, 1)
        assert values(machine) == [1]
        machine(REMOVE + " && " + PURGE)
        assert STATE + "/bulla.key" in listing(machine)
    finally:
        machine.end()


def test_installed_from_source(package, tmp_path):
    """Into a folder of its own, without root; an administrator's settings are left as they are."""
    output("cmake", "--install", FOLDER, "--prefix", tmp_path)
    unit = (tmp_path / "lib/systemd/system/bulla.service").read_text()
    assert "\nExecStart=%s/bin/bulla serve" % tmp_path in unit
    assert output(tmp_path / "bin/bulla", "--version") == output(BINARY, "--version")
    settings = tmp_path / "etc/bulla/bulla.conf"
    settings.write_text("mine")
    output("cmake", "--install", FOLDER, "--prefix", tmp_path)
    assert settings.read_text() == "mine"


def test_the_manual_is_found(installed):
    needs("man")
    installed("mandb --quiet", status=None)
    for page in sorted((REPOSITORY / "docs" / "man").glob("*.[157]")):
        name, section = page.name.rsplit(".", 1)
        assert installed("man -w %s %s" % (section, name)) == "/usr/share/man/man%s/%s.gz" % (section, page.name)
        assert name in installed("man -P cat %s %s" % (section, name)).splitlines()[0].lower()
        assert installed("whatis -s %s %s" % (section, name)).startswith(name)
