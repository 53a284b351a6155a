"""S11: TLS that does not hold, against a real TLS server in front of the fakes; certificates are made by openssl for each run. A certificate that is not
trusted is said so, no key and no memory leaves, and it is never tried over plain http."""
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from conftest import QUICK, e2e, whole

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="SKIPPED LOUDLY: openssl is not here: no certificate was made")


def certificate(folder, name, *, host="127.0.0.1", is_past=False, days=30):
    key, made = folder / f"{name}.key", folder / f"{name}.pem"
    alt = f"IP:{host}" if host[0].isdigit() else f"DNS:{host}"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", made, "-subj", f"/CN={host}",
                    "-addext", f"subjectAltName={alt}", "-days", str(days)], check=True, capture_output=True)
    if is_past:  # openssl req knows only days from now on
        request = folder / f"{name}.csr"
        subprocess.run(["openssl", "req", "-new", "-key", key, "-out", request, "-subj", f"/CN={host}"], check=True, capture_output=True)
        (folder / "index.txt").write_text("")
        (folder / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=x\n"
                                       f"[p]\ncommonName=supplied\n[x]\nsubjectAltName={alt}\nbasicConstraints=CA:TRUE\n")
        subprocess.run(["openssl", "ca", "-batch", "-selfsign", "-config", folder / "ca.cnf", "-keyfile", key, "-in", request, "-out", made, "-notext",
                        "-startdate", "20200101000000Z", "-enddate", "20200201000000Z"], check=True, capture_output=True)
    return key, made


class TlsServer:
    """TLS on this side, a fake's plain HTTP on the other; keeps what came out of the TLS, and what came as plain bytes."""

    def __init__(self, url, key, made):
        self.upstream = tuple(url.split("//")[1].split(":"))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(made, key)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self.connections, self.received, self.plain = 0, b"", b""
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        first = client.recv(1, socket.MSG_PEEK)
        if first[:1] != b"\x16":  # not the begin of a TLS handshake
            self.plain += client.recv(65536) if first else b""
            client.close()
            return
        try:
            inside = self.context.wrap_socket(client, server_side=True)
        except (ssl.SSLError, OSError):
            client.close()
            return
        server = socket.create_connection((self.upstream[0], int(self.upstream[1])))
        back = threading.Thread(target=self.copy, args=(server, inside), daemon=True)
        back.start()
        self.copy(inside, server, True)

    def copy(self, source, to, is_kept=False):
        try:
            while got := source.recv(65536):
                if is_kept:
                    self.received += got
                to.sendall(got)
        except (OSError, ValueError):
            pass
        for one in (source, to):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def stop(self):
        self.listener.close()


@pytest.fixture
def tls(tmp_path):
    started = []

    def start(url, **how):
        key, made = certificate(tmp_path, f"c{len(started)}", **how)
        started.append(TlsServer(url, key, made))
        return started[-1], made

    yield start
    for one in started:
        one.stop()


CASES = [
    ({}, False, "self-signed", "nobody trusts it"),
    ({"is_past": True}, True, "expired", "trusted, but long past"),
    ({"host": "lightrag.example"}, True, "another name", "trusted, but of another host"),
]


def configure(program, source, target, ca=None):
    program.write_config(source, target, lightrag=QUICK, memory=", api_key: SOURCE-CANARY", text=f"http: {{ ca_file: {ca} }}" if ca else "")
    program.config.write_text(program.config.read_text().replace(f"url: {target} }}", f"url: {target}, api_key: TARGET-CANARY }}"))


@pytest.mark.parametrize("how,trusted,words,why", CASES, ids=[case[2] for case in CASES])
@pytest.mark.parametrize("side", ["source", "target"])
def test_refused_certificate(program, fake, tls, side, how, trusted, words, why):
    source, target = fake("memory-api", "--count", "5", "--api-key", "SOURCE-CANARY"), fake("lightrag", "--dialect", "1.5", "--api-key", "TARGET-CANARY")
    server, made = tls(source.url if side == "source" else target.url, **how)
    configure(program, server.url if side == "source" else source.url, server.url if side == "target" else target.url, made if trusted else None)
    done = program.run("sync", timeout=120, check=69)
    assert words in done.stderr and f"127.0.0.1:{server.port}" in done.stderr, done.stderr
    assert server.connections >= 1 and server.plain == b"" and server.received == b"", "something left"
    assert "CANARY" not in done.stdout + done.stderr
    assert target.ledger()["inserts"] == 0
    # the remedy: a certificate that holds
    configure(program, source.url, target.url)
    whole_of(program, target, 5)


def whole_of(program, target, count):
    assert program.sync("--wait")["processed"] == count
    whole(program, target, count)


def test_trusted_certificates(program, fake, tls, tmp_path):
    """ca_file works for both sides, and the keys arrive, inside."""
    source, target = fake("memory-api", "--count", "5", "--api-key", "SOURCE-CANARY"), fake("lightrag", "--dialect", "1.5", "--api-key", "TARGET-CANARY")
    (one, first), (two, second) = tls(source.url), tls(target.url)
    (tmp_path / "both.pem").write_text(first.read_text() + second.read_text())
    configure(program, one.url, two.url, tmp_path / "both.pem")
    whole_of(program, target, 5)
    assert b"SOURCE-CANARY" in one.received and b"TARGET-CANARY" in two.received and one.plain == two.plain == b""


def test_tls_where_none_is(program, fake):
    """https to a server that speaks plain http: it says so and tries nothing else."""
    source, target = fake("memory-api", "--count", "5"), fake("lightrag", "--dialect", "1.5")
    configure(program, source.url.replace("http:", "https:"), target.url)
    done = program.run("sync", check=69)
    assert "does not speak TLS" in done.stderr and source.ledger()["listings"] == 0, done.stderr


def test_ca_file_that_is_none(program, fake, tls, tmp_path):
    source, target = fake("memory-api", "--count", "5"), fake("lightrag", "--dialect", "1.5")
    server, _ = tls(target.url)
    for name, text in (("missing.pem", None), ("empty.pem", ""), ("words.pem", "no certificate")):
        if text is not None:
            (tmp_path / name).write_text(text)
        configure(program, source.url, server.url, tmp_path / name)
        done = program.run("sync", timeout=120)
        assert done.returncode in (69, 78) and ("CA file" in done.stderr or name in done.stderr), (name, done.stderr)
        assert server.received == b"" and server.plain == b""
