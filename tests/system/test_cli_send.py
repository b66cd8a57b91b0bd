"""`bulla send`, against a gateway that can misbehave."""

import re
import socket
import subprocess
import time

import pytest

from command_line import SECRET, r
from reference_gateway import StandIn


@pytest.fixture
def stand_in(request):
    opened = []

    def make(credential):
        opened.append(StandIn(credential))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


ALGS = ["10", "24", "30"]


@pytest.mark.parametrize("alg", ALGS)
def test_send_answers_the_challenge(cli, stand_in, alg):
    gateway = stand_in(cli.add("kitchen", "--alg", alg))
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "temperature=23.5:Cel", "door=false")
    assert done.out == "stored: seq 1, 2 readings\n" and done.err == ""
    assert gateway.senml() == [[{0: "temperature", 1: "Cel", 2: 23.5}, {0: "door", 4: False}]]
    assert [r.parse_message(m).echo is not None for m in gateway.received] == [False, True]
    assert gateway.paths == [("/d", 'application/cose; cose-type="cose-encrypt0"')] * 2


def test_send_takes_the_credential_three_ways(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    line = (cli.directory / "kitchen.cred").read_bytes()
    cli.run("send", "--to", gateway.url + "/d", "--credential", line.decode().strip(), "a=1")
    cli.run("send", "--to", gateway.url + "/", "--credential", "-", "a=2", input=line)
    cli.run("send", "--to", gateway.url, "--credential", "-", "a=3", input=line.strip() + b"\r\n")
    assert [pack[0][2] for pack in gateway.senml()] == [1, 2, 3]
    assert {path for path, _ in gateway.paths} == {"/d"}


def test_send_values(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    arguments = {
        "i=3": {2: 3}, "n=-7:m": {1: "m", 2: -7}, "big=9223372036854775807": {2: 2**63 - 1}, "f=23.4": {2: 23.4},
        "d=3.141592653589793": {2: 3.141592653589793}, "e=1e3": {2: 1000.0}, "t=true": {4: True},
        "word=hello world": {3: "hello world"}, "colon=a:b": {3: "a:b"}, 'q="23"': {3: "23"}, "nan=nan": {3: "nan"},
        "hex=0x10": {3: "0x10"}, "u=ü": {3: "ü"}, "empty=": {3: ""}, "p=.5:%RH": {1: "%RH", 2: 0.5}, "dash=-": {3: "-"},
    }
    cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", *arguments)
    (pack,) = gateway.senml()
    for (argument, expected), record in zip(arguments.items(), pack, strict=True):
        record = dict(record)
        assert record.pop(0) == argument.partition("=")[0]
        if argument == "f=23.4":  # sent as a single, which is all that was written
            assert record[2] != 23.4 and abs(record[2] - 23.4) < 1e-6
            continue
        assert record == expected, argument


def test_singles_are_sent_where_they_say_all(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=0.1")
    cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=0.123456789")
    assert [content[6:7] for _, content in gateway.contents] == [b"\xfa", b"\xfb"]


@pytest.mark.parametrize("argument, complaint", [
    ("temperature", "not a reading"), ("=5", "not a name"), ("a b=5", "not a name"), ("-a=5", "no such option"),
    ("a=1:", "unit after ':' is missing"), ("a=99999999999999999999", "beyond 64 bits"), ("a=1e999", "too large"),
    ('a="x', "ends with one"), (b"a=\xff", "not UTF-8"),
])
def test_bad_readings(cli, argument, complaint):
    cli.add("kitchen")
    done = cli.run("send", "--to", "http://127.0.0.1:1", "--credential", "@kitchen.cred", "--state", "s", argument, status=2)
    assert complaint in done.err
    assert not (cli.directory / "s").exists()


def test_send_times(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    send = ["send", "--to", gateway.url, "--credential", "@kitchen.cred"]
    cli.run(*send, "--time", "2026-11-21T22:13:05Z", "a=1", "b=2")
    cli.run(*send, "--age", "90", "a=1")
    before = time.time()
    cli.run(*send, "--time", "10m", "a=1")
    first, second, third = gateway.senml()
    assert [record[6] for record in first] == [1795299185] * 2
    assert second[0][6] == -90
    assert abs(third[0][6] - (before - 600)) < 5
    assert "give one" in cli.run(*send, "--time", "10m", "--age", "5", "a=1", status=2).err
    assert "1978" in cli.run(*send, "--time", "1970-01-02", "a=1", status=2).err


def test_send_formats(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    send = ["send", "--to", gateway.url, "--credential", "@kitchen.cred", "--format"]
    cli.run(*send, "json", "temperature=23.40", "n=3", "ok=true", 'say="a\nb"')
    cli.run(*send, "text", "23.4")
    cli.run(*send, "text", "value=-7")
    assert gateway.contents == [
        (50, b'{"temperature":23.4,"n":3,"ok":true,"say":"a\\nb"}'), (0, b"23.4"), (0, b"-7")]
    assert "no units" in cli.run(*send, "json", "a=1:Cel", status=2).err
    assert "once" in cli.run(*send, "json", "a=1", "a=2", status=2).err
    assert "one value" in cli.run(*send, "text", "1", "2", status=2).err
    assert "no name" in cli.run(*send, "text", "temperature=2", status=2).err
    assert "only SenML" in cli.run(*send, "text", "1", "--age", "5", status=2).err


def test_a_saved_session_needs_no_challenge(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    for i in range(3):
        cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "--state", "session", f"a={i}")
    assert [pack[0][2] for pack in gateway.senml()] == [0, 1, 2]
    assert len(gateway.received) == 4 and len(gateway.windows) == 1
    assert r.parse_message(gateway.received[-1]).id_context is None
    assert (cli.directory / "session").stat().st_mode & 0o777 == 0o600


def test_a_session_that_the_gateway_lost_begins_again(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    send = ["send", "--to", gateway.url, "--credential", "@kitchen.cred", "--state", "session"]
    cli.run(*send, "a=1")
    gateway.windows.clear()
    gateway.newest = None
    cli.run(*send, "a=2")  # bare: 401, then with its kid context: challenged, then stored
    assert [pack[0][2] for pack in gateway.senml()] == [1, 2]


def test_a_killed_send_does_not_use_a_session_twice(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    send = ["send", "--to", gateway.url, "--credential", "@kitchen.cred", "--state", "session"]
    cli.run(*send, "a=1")
    gateway.plan = ["silence"] * 100
    child = cli.start(*send, "a=2", stderr=subprocess.DEVNULL)
    while len(gateway.received) < 3:
        time.sleep(0.01)
    child.kill()
    child.wait()
    gateway.plan = []
    cli.run(*send, "a=3")
    sealed = {(m.id_context or "bare", m.piv): m.ciphertext for m in map(r.parse_message, gateway.received)}
    again = {(m.id_context or "bare", m.piv): m.ciphertext for m in map(r.parse_message, reversed(gateway.received))}
    assert sealed == again  # one ciphertext for one number
    assert [pack[0][2] for pack in gateway.senml()] == [1, 3]


def test_counter_state(cli, stand_in):
    gateway = stand_in(cli.add("shed", "--counter"))
    send = ["send", "--to", gateway.url, "--credential", "@shed.cred"]
    assert "--state FILE" in cli.run(*send, "a=1", status=2).err
    assert "--new-state" in cli.run(*send, "--state", "s", "a=1", status=1).err
    assert not (cli.directory / "s").exists()
    assert cli.run(*send, "--state", "s", "--new-state", "a=1").out == "stored: seq 0, 1 reading\n"
    assert "there already" in cli.run(*send, "--state", "s", "--new-state", "a=2", status=1).err
    assert cli.run(*send, "--state", "s", "a=2").out == "stored: seq 65536, 1 reading\n"
    assert len(gateway.received) == 2


def test_counter_state_can_be_made_alone(cli):
    cli.add("shed", "--counter")
    assert cli.run("send", "--credential", "@shed.cred", "--state", "s", "--new-state").out == "made: s\n"
    assert "nothing to send" in cli.run("send", "--credential", "@shed.cred", "--state", "s", status=2).err


def test_a_state_is_used_by_one_process_at_a_time(cli, stand_in):
    gateway = stand_in(cli.add("shed", "--counter"))
    gateway.plan = ["silence"] * 100
    send = ["send", "--to", gateway.url, "--credential", "@shed.cred", "--state", "s"]
    child = cli.start(*send, "--new-state", "a=1", stderr=subprocess.DEVNULL)
    while not gateway.received:
        time.sleep(0.01)
    assert "another process" in cli.run(*send, "a=2", status=1).err
    child.kill()
    child.wait()


def test_states_of_others_are_left_alone(cli):
    cli.add("shed", "--counter")
    cli.add("barn", "--counter")
    cli.run("send", "--credential", "@shed.cred", "--state", "s", "--new-state")
    before = (cli.directory / "s").read_bytes()
    send = ["send", "--to", "http://127.0.0.1:1", "--timeout", "0", "--state"]
    assert "no counter" in cli.run(*send, "s", "--credential", "@barn.cred", "a=1", status=1).err
    assert "not a state file" in cli.run(*send, "shed.cred", "--credential", "@shed.cred", "a=1", status=1).err
    assert (cli.directory / "s").read_bytes() == before


def test_silence_is_answered_with_the_same_bytes(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    gateway.plan = ["silence", "503", "", "lost", "garbage"]
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=1", "--timeout", "120", timeout=120)
    assert "trying again" in done.err
    assert len(gateway.senml()) == 1
    assert len(set(gateway.received)) == 2  # the first, and the one with the challenge
    assert done.out == "stored: seq 1, 1 reading\n"


@pytest.mark.parametrize("trick, complaint", [
    ("silence", "no answer"), ("503", "503"), ("garbage", "not the gateway's"), ("forged", "not the gateway's"),
    ("huge", "longer than any reply"), ("200", "status 200"), ("204", "status 204"), ("lost", "no answer"),
])
def test_nothing_is_believed_without_a_proof(cli, stand_in, trick, complaint):
    gateway = stand_in(cli.add("shed", "--counter"))
    gateway.plan = [trick] * 100
    begun = time.time()
    done = cli.run("send", "--to", gateway.url, "--credential", "@shed.cred", "--state", "s", "--new-state", "a=1",
                   "--timeout", "1", status=1)
    assert complaint in done.err and done.out == ""
    assert "bulla: not known to be stored: " in done.err  # and no more than that
    assert time.time() - begun < 10
    assert len(set(gateway.received)) == 1


@pytest.mark.parametrize("status, complaint", [
    ("401", "does not know this kid, has revoked it, or holds another secret"), ("400", "no message"), ("404", "device listener"),
    ("413", "too large"), ("415", "content type"), ("302", "status 302"), ("page", "device listener"),
])
def test_refusals_are_explained_at_once(cli, stand_in, status, complaint):
    gateway = stand_in(cli.add("kitchen"))
    gateway.plan = [status] * 100
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=1", status=1)
    assert complaint in done.err and done.out == ""
    assert done.err.startswith("bulla: not known to be stored: ")  # anyone can send a status
    assert len(gateway.received) == 1


def test_replies_that_authenticate_say_what_is_not_stored(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    gateway.challenges_only = True
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=1", status=1)
    assert done.err.startswith("bulla: not stored: the gateway challenged or refused it 6 times")
    assert len(gateway.received) == 6


def test_another_secret_is_refused(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    other = re.sub(r"secret=.{43}", "secret=" + SECRET, (cli.directory / "kitchen.cred").read_text())
    done = cli.run("send", "--to", gateway.url, "--credential", "-", "a=1", input=other.encode(), status=1)
    assert "another secret" in done.err


def test_no_gateway(cli):
    cli.add("kitchen")
    send = ["send", "--credential", "@kitchen.cred", "a=1", "--timeout", "0", "--to"]
    assert "is the gateway running" in cli.run(*send, "http://127.0.0.1:1", status=1).err
    assert "only http, https, mqtt and mqtts" in cli.run(*send, "ftp://127.0.0.1", status=1).err
    assert "not a URL" in cli.run(*send, "http://[", status=1).err
    assert "--to is missing" in cli.run("send", "--credential", "@kitchen.cred", "a=1", status=2).err
    assert "--credential is missing" in cli.run("send", "--to", "http://127.0.0.1:1", "a=1", status=2).err
    assert "not a credential line" in cli.run("send", "--to", "http://127.0.0.1:1", "--credential", "bulla:x", "a=1", status=1).err
    assert "nowhere" in cli.run("send", "--to", "http://127.0.0.1:1", "--credential", "@nowhere", "a=1", status=1).err


def test_a_message_that_is_too_long(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "a=" + "x" * 4096, status=1)
    assert "longer than 4096 bytes" in done.err
    assert gateway.received == []


def test_record_and_raw(cli, stand_in):
    gateway = stand_in(cli.add("kitchen"))
    done = cli.run("send", "--to", gateway.url, "--credential", "@kitchen.cred", "--record", "log", "--verbose", "a=1")
    assert "a challenge" in done.err and "sealed seq 1" in done.err
    lines = (cli.directory / "log").read_text().splitlines()
    assert [bytes.fromhex(line) for line in lines] == gateway.received
    (cli.directory / "last").write_bytes(gateway.received[-1])
    replayed = cli.run("send", "--to", gateway.url, "--raw", "last")
    assert re.fullmatch(r"status 200, a reply of \d+ bytes\n", replayed.out)
    again = cli.run("send", "--to", gateway.url, "--raw", "-", input=lines[-1].encode())
    assert again.out.startswith("status 200")
    assert gateway.received[-1] == gateway.received[-2] == gateway.received[-3]
    assert len(gateway.senml()) == 1
    flipped = bytes([*gateway.received[-1][:-1], gateway.received[-1][-1] ^ 1])
    assert cli.run("send", "--to", gateway.url, "--raw", "-", input=flipped, status=1).out == "status 401, empty\n"
    both = cli.run("send", "--to", gateway.url, "--raw", "log", status=1).out.splitlines()
    assert len(both) == 2
    assert "--raw" in cli.run("send", "--to", gateway.url, "--raw", "log", "a=1", status=2).err


def test_raw_waits_no_longer_than_it_is_told(cli):
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, and never answers
        url = "http://127.0.0.1:%d" % mute.getsockname()[1]
        begun = time.time()
        done = cli.run("send", "--to", url, "--raw", "-", "--timeout", "0", input=b"\xd0\x83", status=1, timeout=30)
    assert url in done.err and time.time() - begun < 10
