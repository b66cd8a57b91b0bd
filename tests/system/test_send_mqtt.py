"""bulla send, and bulla forward, through a broker."""

import json
import os
import socket
import subprocess
import threading
import time

import pytest

import program
from mosquitto import Certificates, find_program, free_port
from mqtt_device import connect_packet, publish_packet, split_packet, split_publish, subscribe_packet
from test_forward import frame, uncobs

TIMEOUT = ["--timeout", "4"]


@pytest.fixture
def serve(make_gateway, mosquitto):
    """A gateway at the broker."""
    return make_gateway("--mqtt", mosquitto.url).start()


@pytest.fixture
def kitchen(bulla, tmp_path):
    """A device, its credential in a file."""
    (tmp_path / "kitchen.cred").write_text(bulla.add("kitchen"))
    return ["--credential", "@kitchen.cred"]


def kid_of(bulla):
    return json.loads(bulla("device", "list", "-f", "json"))[0]["kid"]


def stored(bulla):
    return [(row["device"], row["name"], row["value"]) for row in bulla.readings()]


@pytest.mark.parametrize("query", ["", "?version=3.1.1", "?version=5"])
def test_a_reading_goes_through_a_broker(bulla, mosquitto, serve, kitchen, query):
    done = bulla.run("send", "--verbose", "--to", mosquitto.url + query, *kitchen, "temperature=23.5:Cel")
    assert done.stdout == "stored: seq 1, 1 reading\n"
    assert "an authentic reply to seq 0: a challenge" in done.stderr and "status" not in done.stderr
    assert stored(bulla) == [("kitchen", "temperature", 23.5)]


def test_a_session_and_a_counter_go_on(bulla, mosquitto, serve, kitchen, tmp_path):
    for number in range(3):
        done = bulla("send", "--to", mosquitto.url, *kitchen, "--state", "s", "a=%d" % number)
        assert done == "stored: seq %d, 1 reading\n" % (number + 1)
    (tmp_path / "shed.cred").write_text(bulla.add("shed", "--counter"))
    shed = ["--credential", "@shed.cred", "--state", "c"]
    bulla("send", *shed, "--new-state", "--to", mosquitto.url, "a=1")
    bulla("send", *shed, "--to", mosquitto.url, "a=2")
    assert [row[2] for row in stored(bulla)] == [0, 1, 2, 1, 2]


def test_tls_a_certificate_a_password_and_an_access_list(bulla, make_mosquitto, make_gateway, kitchen, tmp_path):
    kid = kid_of(bulla)
    certificates = Certificates(tmp_path / "certificates")
    broker = make_mosquitto(tls=certificates, require_certificate=True, users={"gateway": "one", "kitchen": "two"}, acl=(
        "user gateway\ntopic read bulla/+/up\ntopic write bulla/+/down\n"
        "user kitchen\ntopic write bulla/%s/up\ntopic read bulla/%s/down\n" % (kid, kid))).start()

    def write(name, user, password):
        path = tmp_path / name
        path.write_text("mqtts://%s@localhost:%d\nca = %s\ncert = %s\nkey = %s\npassword = %s\n" % (
            user, broker.port, certificates.ca, certificates.client, certificates.client_key, password))
        path.chmod(0o600)
        return "@%s" % path

    make_gateway("--mqtt", write("gateway.url", "gateway", "one")).start()
    bulla("send", "--to", write("kitchen.url", "kitchen", "two"), *kitchen, "a=1")
    assert stored(bulla) == [("kitchen", "a", 1)]
    done = bulla.run("send", *TIMEOUT, "--to", write("wrong.url", "kitchen", "three"), *kitchen, "a=2", status=1)
    assert "refused the connection" in done.stderr and "three" not in done.stderr
    (tmp_path / "other.cred").write_text(bulla.add("other"))
    done = bulla.run("send", *TIMEOUT, "--to", "@kitchen.url", "--credential", "@other.cred", "a=3", status=1)
    assert "access list" in done.stderr or "no gateway answered" in done.stderr
    assert len(stored(bulla)) == 1


def test_nobody_is_there(bulla, make_mosquitto, kitchen):
    away = "mqtt://127.0.0.1:%d" % free_port()
    done = bulla.run("send", *TIMEOUT, "--to", away, *kitchen, "a=1", status=1)
    assert "%s: connection refused; trying again for 4 s" % away in done.stderr
    assert "no answer from %s: connection refused; is the broker running" % away in done.stderr
    broker = make_mosquitto().start()
    done = bulla.run("send", *TIMEOUT, "--to", broker.url, *kitchen, "a=1", status=1)
    assert "no gateway listens at the broker; start 'bulla serve --mqtt' there" in done.stderr
    done = bulla.run("send", *TIMEOUT, "--to", broker.url + "?version=3.1.1", *kitchen, "a=1", status=1)
    assert "the broker took the message, and no gateway answered; is 'bulla serve --mqtt' at this broker?" in done.stderr
    assert "mqtt://" in bulla.run("send", "--to", "mqtt://", *kitchen, "a=1", status=1).stderr


def test_a_broker_that_takes_less_than_others(bulla, make_mosquitto, make_gateway, kitchen):
    """Quality of service 0 alone is enough: only the reply counts. What is too long for it is said at once."""
    broker = make_mosquitto(max_qos=0, max_packet_size=200).start()
    make_gateway("--mqtt", broker.url).start()
    bulla("send", "--to", broker.url, *kitchen, "a=1")
    assert stored(bulla) == [("kitchen", "a", 1)]
    begun = time.monotonic()
    done = bulla.run("send", *TIMEOUT, "--to", broker.url, *kitchen, "b=" + "x" * 150, status=1)
    assert "the broker takes packets of at most 200 bytes, and the message alone has 1" in done.stderr
    assert time.monotonic() - begun < program.allowed(15)
    bulla("send", "--to", broker.url, *kitchen, "c=1")


def test_who_is_not_known_gets_no_answer(bulla, mosquitto, serve, kitchen):
    bulla("device", "revoke", "kitchen")
    done = bulla.run("send", *TIMEOUT, "--to", mosquitto.url, *kitchen, "a=1", status=1)
    assert "'bulla events' there says so" in done.stderr
    assert [event["kind"] for event in bulla.events()][-1] == "revoked"


def test_a_broker_that_comes_late(bulla, make_mosquitto, make_gateway, kitchen):
    broker = make_mosquitto()
    gateway = make_gateway("--mqtt", broker.url).start()
    timer = threading.Timer(1.5, broker.start)
    timer.start()
    try:
        bulla("send", "--to", broker.url, *kitchen, "a=1")
    finally:
        timer.join()
    assert stored(bulla) == [("kitchen", "a", 1)]
    gateway.stop()


class Meddler(threading.Thread):
    """Somebody at the broker: at each of the device's messages he publishes replies of his own, before the gateway does."""

    def __init__(self, broker, kid):
        super().__init__(daemon=True)
        self.kid = kid
        self.socket = socket.create_connection(("127.0.0.1", broker.port))
        self.seen = []
        self.ready = threading.Event()
        self.socket.sendall(connect_packet("meddler") + subscribe_packet(1, "bulla/%s/up" % kid, 0) +
                            subscribe_packet(2, "bulla/%s/down" % kid, 0))
        self.start()
        assert self.ready.wait(30)

    def forge(self, message):
        """Replies that name the message, and open with no key; and what is none at all."""
        piv = message[message.index(b"\x06") + 1:][:2]
        forged = bytes.fromhex("d08348a3010a03183c6272651800" + "a2044601020304050606" + "4100" + "50") + os.urandom(16)
        return [b"", b"nonsense", message, forged, piv + os.urandom(40)]

    def run(self):
        data, answers = b"", 0
        while True:
            got = self.socket.recv(65536)
            if not got:
                return
            data += got
            while (split := split_packet(data)) is not None:
                kind, flags, body, data = split
                answers += kind == 9
                if answers == 2:
                    self.ready.set()
                if kind != 3:
                    continue
                topic, _, payload = split_publish(flags, body)
                if topic.endswith("/up"):
                    self.seen.append(payload)
                    for reply in self.forge(payload):
                        self.socket.sendall(publish_packet("bulla/%s/down" % self.kid, reply))

    def stop(self):
        self.socket.shutdown(2)
        self.join(30)
        self.socket.close()


def test_what_others_publish_is_no_reply(bulla, mosquitto, serve, kitchen):
    kid = kid_of(bulla)
    meddler = Meddler(mosquitto, kid)
    done = bulla.run("send", "--verbose", "--to", mosquitto.url, *kitchen, "a=1")
    assert stored(bulla) == [("kitchen", "a", 1)]
    assert len(meddler.seen) == 2, "what was forged made it send again"
    serve.stop()
    done = bulla.run("send", *TIMEOUT, "--to", mosquitto.url, *kitchen, "a=2", status=1)
    assert "not known to be stored" in done.stderr
    meddler.stop()


def test_what_the_broker_kept_is_no_reply(bulla, mosquitto, serve, kitchen):
    kid = kid_of(bulla)
    subprocess.run([find_program("mosquitto_pub"), "-h", "127.0.0.1", "-p", str(mosquitto.port), "-t", "bulla/%s/down" % kid,
                    "-r", "-m", "kept"], check=True, timeout=20)
    for query in ("", "?version=3.1.1"):
        bulla("send", "--to", mosquitto.url + query, *kitchen, "a=1")
    assert len(stored(bulla)) == 2


def test_recorded_messages_go_again(bulla, mosquitto, serve, kitchen, tmp_path):
    bulla("send", "--to", mosquitto.url, *kitchen, "--record", "log", "a=1")
    done = bulla.run("send", "--raw", "log", "--to", mosquitto.url)
    assert done.stdout.count("a reply of ") == 2 and "status" not in done.stdout
    assert len(stored(bulla)) == 1
    (tmp_path / "garbage").write_bytes(b"\xd0\x83garbage")
    done = bulla.run("send", "--raw", "garbage", "--to", mosquitto.url, status=1)
    assert "name no device" in done.stderr


def test_a_line_is_forwarded_to_a_broker(bulla, mosquitto, serve, make_device):
    device = make_device("attic")
    first = device.seal(b"\x81\xa2\x00aa\x02\x01")
    process = subprocess.Popen([program.BINARY, "forward", "--serial", "-", "--to", mosquitto.url, "--timeout", "5"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=program.environment())

    def exchange(message):
        process.stdin.write(frame(message.data))
        process.stdin.flush()
        data = b""
        while not data.strip(b"\0") or not data.endswith(b"\0"):
            data += process.stdout.read(1)
        return device.open(uncobs(data.strip(b"\0"))[:-2], message)

    assert exchange(first).challenge
    second = device.seal(b"\x81\xa2\x00aa\x02\x01")
    assert second.piv in exchange(second).stored()
    process.stdin.close()
    assert process.wait(20) == 0
    error = process.stderr.read().decode()
    assert "messages=2 replies=2" in error and not program.SANITIZER.search(error), error
    process.stdout.close()
    process.stderr.close()
    assert stored(bulla) == [("attic", "a", 1)]
