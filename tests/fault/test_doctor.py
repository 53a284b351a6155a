"""doctor where TLS or the disk is not well; the rest of it is in tests/e2e/test_doctor.py."""
import json
import os
import shutil
import subprocess

import pytest

from test_tls import certificate, configure, tls  # noqa: F401

made_here = pytest.mark.skipif(shutil.which("openssl") is None, reason="SKIPPED LOUDLY: openssl is not here: no certificate was made")


def examine(program, check):
    done = program.run("doctor", "--json", check=check, env={"MEMORY_CONNECTOR_API__ENABLED": "false"})
    assert "CANARY" not in done.stdout + done.stderr
    told = json.loads(done.stdout)
    return told, {(one["group"], one["check"]): one for one in told["checks"]}


# why, how the certificate is made, trusted, result, words of the detail, words of the fix
CASES = [
    ("good", {}, True, "ok", "for 29 more days", None),
    ("soon over", {"days": 5}, True, "warn", "ends in 4 days", "renew"),
    ("tomorrow over", {"days": 2}, True, "warn", "ends in 1 day (", "renew"),
    ("long past", {"is_past": True}, True, "fail", "has expired", "renew"),
    ("nobody trusts it", {}, False, "fail", "self-signed", "http.ca_file"),
    ("of another host", {"host": "lightrag.example"}, True, "fail", "another name", "url"),
]


@made_here
@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("why,how,trusted,result,detail,fix", CASES, ids=[case[0] for case in CASES])
def test_certificates(program, fake, tls, side, why, how, trusted, result, detail, fix):  # noqa: F811
    source, target = fake("memory-api", "--count", "5", "--api-key", "SOURCE-CANARY"), fake("lightrag", "--dialect", "1.5", "--api-key", "TARGET-CANARY")
    server, made = tls(source.url if side == "source" else target.url, **how)
    configure(program, server.url if side == "source" else source.url, server.url if side == "target" else target.url, made if trusted else None)
    told, checks = examine(program, 1 if result == "fail" else 0)
    found = checks[side, "tls"]
    assert found["result"] == result and detail in found["detail"] and (fix is None or fix in found["fix"]), found
    assert ({"source": "target", "target": "source"}[side], "tls") not in checks, "plain http has none"
    assert server.plain == b""
    if result == "fail":
        assert server.received == b"" and checks[side, "key"]["result"] == "skipped"
        program.run("config", "check", "--online", check=69)
    else:
        assert checks[side, "key"]["result"] == "ok" and told["fail"] == 0


@made_here
def test_insecure_is_a_warning(program, fake, tls):  # noqa: F811
    source, target = fake("memory-api", "--count", "5"), fake("lightrag", "--dialect", "1.5")
    server, _ = tls(target.url, is_past=True)
    configure(program, source.url, server.url)
    program.env["MEMORY_CONNECTOR_HTTP__INSECURE"] = "true"
    _, checks = examine(program, 0)
    assert checks["target", "tls"]["result"] == "warn" and "has expired (2020-02-01)" in checks["target", "tls"]["detail"]


def test_tls_where_none_is(program, fake):
    source, target = fake("memory-api", "--count", "5"), fake("lightrag", "--dialect", "1.5")
    configure(program, source.url, target.url.replace("http:", "https:"))
    _, checks = examine(program, 1)
    # "does not speak TLS", or, where the server's reset comes before its answer, what OpenSSL says of that
    assert checks["target", "tls"]["result"] == "fail" and "TLS" in checks["target", "tls"]["detail"] and "http://" in checks["target", "tls"]["fix"]


@pytest.fixture
def disk(program, fake, tmp_path):
    """A small tmpfs for the state."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path], capture_output=True).returncode != 0:
        pytest.skip("SKIPPED LOUDLY: no tmpfs may be mounted here: no disk was full or read-only")
    try:
        program.state = path / "state" / "memory-connector.db"
        program.write_config(fake("memory-api", "--count", "5").url, fake("lightrag", "--dialect", "1.5").url)
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=False)


@pytest.mark.parametrize("is_there", [False, True])
def test_read_only_disk(program, disk, is_there):
    if is_there:
        program.sync("--wait")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    _, checks = examine(program, 1)
    assert checks["state", "folder"]["result"] == "fail" and "ead-only" in checks["state", "folder"]["detail"] and str(disk) in checks["state", "folder"]["detail"]
    assert "state.path" in checks["state", "folder"]["fix"] and checks["state", "fsync"]["result"] == "skipped"


def test_full_disk(program, disk):
    fill = disk / "fill"
    try:
        with open(fill, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        pass
    _, checks = examine(program, 1)
    assert checks["state", "fsync"]["result"] == "fail" and "No space" in checks["state", "fsync"]["detail"] and "room" in checks["state", "fsync"]["fix"]
    assert sorted(path.name for path in disk.iterdir()) == ["fill"], "nothing is left behind"
    fill.unlink()
    assert examine(program, 0)[1]["state", "fsync"]["result"] == "ok"


def test_a_disk_with_less_than_the_reserve(program, disk):
    program.config.write_text(program.config.read_text().replace("disk_reserve: 0", "disk_reserve: 256MiB"))
    _, checks = examine(program, 1)
    assert checks["state", "space"]["result"] == "fail" and "disk_reserve (256 MiB)" in checks["state", "space"]["detail"]
