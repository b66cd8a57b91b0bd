"""TLS and passwords on the way to MariaDB: who is believed, whatever option files say, and that nothing secret is told anywhere."""

import os
from pathlib import Path

import pytest

import program
from mariadb import MariaDB
from mosquitto import Certificates
from test_postgres import new_database

PASSWORD = "g3heim@Passw/ort"
IN_URL = "g3heim%40Passw%2fort"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    tls = Certificates(tmp_path_factory.mktemp("tls"), name="certified")
    tls.server, tls.server_key = tls.issue("named", "localhost", "subjectAltName=DNS:localhost", "extendedKeyUsage=serverAuth")
    return tls


@pytest.fixture(scope="module")
def server(tls):
    """Its certificate is for localhost: by its address it goes by another name."""
    server = MariaDB()
    for name, source in (("server.crt", tls.server), ("server.key", tls.server_key), ("ca.crt", tls.ca)):
        target = server.data / name
        target.write_bytes(Path(source).read_bytes())
        target.chmod(0o600)
        status = server.data.stat()
        os.chown(target, status.st_uid, status.st_gid)
    server.settings.update(ssl_ca=server.data / "ca.crt", ssl_cert=server.data / "server.crt", ssl_key=server.data / "server.key")
    server.start()
    server.sql("CREATE USER worded@'%%' IDENTIFIED BY '%s'; GRANT ALL ON *.* TO worded@'%%';"
               "CREATE USER certified@'%%' REQUIRE SUBJECT '/CN=certified'; GRANT ALL ON *.* TO certified@'%%'" % PASSWORD, "")
    yield server
    server.remove()


class Place:
    """A database with a registry in it, and how one gets there."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        self.name = new_database(server)
        self.env = {"BULLA_KEY": str(folder / "bulla.key"), "HOME": str(folder)}
        program.Commands(folder, server.url(self.name), self.env).add("d")

    def look(self, user="worded", host="localhost", status=0, env=None, **options):
        """What `bulla check` says, which nothing secret is in."""
        url = "mysql://%s@%s:%d/%s?%s" % (user, host, self.server.port, self.name,
                                          "&".join("%s=%s" % (name.replace("_", "-"), value) for name, value in options.items()))
        env = {"BULLA_MYSQL_PASSWORD": PASSWORD} if env is None else env
        done = program.Commands(self.folder, url, {**self.env, **env}).run("check", status=status)
        said = done.stdout + done.stderr
        assert PASSWORD not in said and IN_URL not in said, said
        return said

    def reached(self, **options):
        said = self.look(**options)
        assert "TLSv1.3" in said and "ok       database" in said, said

    def refused(self, text, **options):
        said = self.look(status=1, **options)
        assert text in said and "ok       database" not in said, said

    def say_in_file(self, text):
        (self.folder / ".my.cnf").write_text("[client]\n%s\n" % text)


@pytest.fixture
def place(server, tmp_path):
    return Place(server, tmp_path)


def test_who_is_believed(place, tls, tmp_path):
    other = Certificates(tmp_path / "other")
    place.reached(ssl_mode="verify_identity", ssl_ca=tls.ca)
    place.reached(ssl_ca=tls.ca)
    place.reached(host="127.0.0.1", ssl_mode="verify_ca", ssl_ca=tls.ca)
    place.reached(host="127.0.0.1", ssl_mode="required")
    place.refused("TLS/SSL error", host="127.0.0.1", ssl_mode="verify_identity", ssl_ca=tls.ca)
    place.refused("TLS/SSL error", ssl_mode="verify_identity", ssl_ca=other.ca)
    place.refused("TLS/SSL error", ssl_mode="verify_ca", ssl_ca=other.ca)
    place.refused("TLS/SSL error", ssl_mode="verify_identity")
    place.refused("needs ssl-ca=FILE", ssl_mode="verify_ca")


def test_option_files_overrule_nothing(place, tls, tmp_path):
    """What the URL says of TLS; what it leaves out is theirs to say."""
    other = Certificates(tmp_path / "other")
    place.say_in_file("ssl-verify-server-cert=0")
    place.refused("says otherwise than the URL", ssl_mode="verify_identity")
    place.refused("says otherwise than the URL", host="127.0.0.1", ssl_mode="verify_identity", ssl_ca=tls.ca)
    place.say_in_file("ssl-ca=%s" % tls.ca)
    place.refused("says otherwise than the URL", ssl_mode="verify_identity", ssl_ca=other.ca)
    place.reached(ssl_mode="verify_identity")
    place.say_in_file("ssl-enforce=0")
    place.refused("is not encrypted", ssl_mode="required")
    place.say_in_file("ssl-verify-server-cert\nssl-ca=%s" % other.ca)
    place.refused("TLS/SSL error")


def test_a_client_certificate(place, tls):
    place.reached(user="certified", env={}, ssl_mode="verify_identity", ssl_ca=tls.ca, ssl_cert=tls.client, ssl_key=tls.client_key)
    place.refused("Access denied", user="certified", env={}, ssl_mode="verify_identity", ssl_ca=tls.ca)


def test_where_passwords_are_taken_from(place, tls):
    file = place.folder / "options"
    file.write_text("[bulla]\npassword=\"%s\"\n" % PASSWORD)
    file.chmod(0o600)
    place.reached(env={}, ssl_ca=tls.ca, option_file=file)
    place.reached(user="worded:" + IN_URL, env={}, ssl_ca=tls.ca)
    place.refused("Access denied", env={}, ssl_ca=tls.ca)
    place.refused("Access denied", env={"BULLA_MYSQL_PASSWORD": PASSWORD + "x"}, ssl_ca=tls.ca)
    place.refused("Access denied", user="worded:%sx" % IN_URL, env={}, ssl_ca=tls.ca)


def test_a_server_without_tls(place, tls):
    place.server.stop()
    place.server.start(ssl=0)
    try:
        place.refused("SSL is required", ssl_mode="verify_identity", ssl_ca=tls.ca)  # before a password is sent
        for mode in ("required", "verify_ca"):
            place.refused("is not encrypted", ssl_mode=mode, ssl_ca=tls.ca)
        assert "TLS" not in place.look(ssl_mode="disabled")
    finally:
        place.server.stop()
        place.server.start()
