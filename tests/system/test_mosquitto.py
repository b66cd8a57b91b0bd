"""The broker that other tests stand on does what they take for granted."""

import subprocess

from mosquitto import Certificates, find_program


def client(name, broker, *arguments, status=0):
    """Runs mosquitto_pub or mosquitto_sub; what it prints."""
    done = subprocess.run([find_program("mosquitto_" + name), "-h", "127.0.0.1", "-p", str(broker.port), *map(str, arguments)],
                          capture_output=True, text=True, timeout=30)
    assert (done.returncode == 0) == (status == 0), (done.returncode, done.stdout, done.stderr)
    return done.stdout


def publish_for_later(broker, *arguments):
    """A session that is away, and a message for it."""
    client("sub", broker, "-i", "later", "-c", "-q", "1", "-t", "a/b", "-E", *arguments)
    client("pub", broker, "-q", "1", "-t", "a/b", "-m", "kept", *arguments)


def take(broker, *arguments):
    return client("sub", broker, "-i", "later", "-c", "-q", "1", "-t", "a/b", "-C", "1", "-W", "5", *arguments).strip()


def test_it_keeps_its_port_and_what_it_saved(make_mosquitto):
    broker = make_mosquitto(persistence=True).start()
    port = broker.port
    publish_for_later(broker)
    broker.save()
    broker.kill()
    broker.start()
    assert broker.port == port
    assert take(broker) == "kept"
    publish_for_later(broker)
    broker.stop()
    broker.start()
    assert take(broker) == "kept"


def test_without_persistence_a_kill_forgets(mosquitto):
    publish_for_later(mosquitto)
    mosquitto.kill()
    mosquitto.start()
    client("sub", mosquitto, "-i", "later", "-c", "-q", "1", "-t", "a/b", "-C", "1", "-W", "1", status=27)


def test_passwords_and_access(make_mosquitto):
    broker = make_mosquitto(users={"gateway": "one", "device": "two"}, acl="user gateway\ntopic read a/b\nuser device\n"
                            "topic write a/b\n").start()
    client("pub", broker, "-t", "a/b", "-m", "x", status=5)
    client("pub", broker, "-t", "a/b", "-m", "x", "-u", "device", "-P", "wrong", status=5)
    publish = ["-t", "a/b", "-m", "x", "-q", "1", "-u", "device", "-P", "two"]
    client("sub", broker, "-i", "later", "-c", "-q", "1", "-t", "a/b", "-E", "-u", "gateway", "-P", "one")
    client("pub", broker, *publish)
    assert take(broker, "-u", "gateway", "-P", "one") == "x"


def test_tls_with_and_without_a_client_certificate(tmp_path, make_mosquitto):
    ours, other = Certificates(tmp_path / "ours"), Certificates(tmp_path / "other")
    open_to_all = make_mosquitto(tls=ours).start()
    client("pub", open_to_all, "-t", "a", "-m", "x", "-q", "1", "--cafile", ours.ca)
    client("pub", open_to_all, "-t", "a", "-m", "x", "-q", "1", "--cafile", other.ca, status=8)
    client("pub", open_to_all, "-t", "a", "-m", "x", "-q", "1", status=8)
    closed = make_mosquitto(tls=ours, require_certificate=True, use_identity_as_username=True).start()
    client("pub", closed, "-t", "a", "-m", "x", "-q", "1", "--cafile", ours.ca, "--cert", ours.client, "--key", ours.client_key)
    client("pub", closed, "-t", "a", "-m", "x", "-q", "1", "--cafile", ours.ca, status=8)
    client("pub", closed, "-t", "a", "-m", "x", "-q", "1", "--cafile", ours.ca, "--cert", other.client, "--key",
           other.client_key, status=8)
