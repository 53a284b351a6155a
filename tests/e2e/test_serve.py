"""The service without its API: schedules, stops, crashes, the lock, the service manager."""
import os
import signal
import socket
import subprocess
import time

import pytest

from conftest import SLOW, memories, wait_until

EVERY_SECOND = "    schedule: { type: interval, interval: 1s }\n"


@pytest.fixture
def serve(program):
    started = []

    def start(*args, env=None):
        with open(program.folder / "serve.log", "ab") as log:  # a file: nobody has to read along
            started.append(subprocess.Popen(program.command("serve", "--scheduler-only", *args), stdout=log, stderr=log, env={**program.env, **(env or {})},
                                            cwd=program.folder))
        return started[-1]

    yield start
    for one in started:
        if one.poll() is None:
            one.kill()
        one.wait(20)


def log_of(program):
    return (program.folder / "serve.log").read_text()


def history(program):
    return program.json("history", "--limit", "200", check=0)["runs"]


def stop(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(30 * SLOW)


def test_connectors_run_on_their_schedule(program, fake, serve):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=memories(15))
    program.write_config(source.url, target.url, connector=EVERY_SECOND)
    service = serve()
    wait_until(lambda: target.ledger()["processed"] == 15)
    source.control(upsert=memories(18))
    wait_until(lambda: target.ledger()["processed"] == 18)
    assert stop(service) == 0
    ledger = target.ledger()
    assert (ledger["doubled"], ledger["lost"], ledger["texts"]) == (0, 0, 18)
    runs = history(program)
    assert len(runs) >= 2 and all(run["trigger"] == "schedule" for run in runs)
    assert sum(run["new"] for run in runs) == 18


def test_a_crash_and_a_stop_go_on_where_they_were(program, fake, serve):
    """kill -9 in a run; while the service is down ticks are missed: one run makes up for them, the others are told."""
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=memories(10))
    program.write_config(source.url, target.url, connector=EVERY_SECOND)
    source.control(stall=200)
    service = serve()
    wait_until(lambda: any(run["result"] == "running" for run in history(program)) if program.state.exists() else False)
    service.kill()
    service.wait(20)
    source.control(times=0)
    time.sleep(3)
    service = serve()
    wait_until(lambda: target.ledger()["processed"] == 10)
    assert stop(service) == 0
    runs = history(program)
    assert sum(run["result"] == "interrupted" for run in runs) == 1
    missed = [run for run in runs if run["result"] == "skipped"]
    assert missed and all("did not take place" in run["error"] for run in missed)
    assert target.ledger()["doubled"] == 0


def test_a_run_that_is_longer_than_its_interval(program, fake, serve):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=memories(5))
    source.control(latency_ms=2500)
    program.write_config(source.url, target.url, connector=EVERY_SECOND)
    service = serve()
    wait_until(lambda: sum(run["result"] == "success" for run in (history(program) if program.state.exists() else [])) >= 2)
    assert stop(service) == 0
    missed = [run for run in history(program) if run["result"] == "skipped"]
    assert missed and "still under way" in missed[0]["error"]


def test_only_one_writes(program, fake, serve):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=memories(1))
    program.write_config(source.url, target.url)
    service = serve()
    wait_until(lambda: "serving 1 connector" in log_of(program))
    done = program.run("sync", check=5)
    assert str(service.pid) in done.stderr
    assert program.json("status", check=0)["connectors"]  # readers need no lock
    second = serve()
    assert second.wait(20 * SLOW) == 5
    assert stop(service) == 0
    program.sync()


def test_stopping_waits_for_what_is_in_flight(program, fake, serve):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=memories(5))
    target.control(latency_ms=1500)
    program.write_config(source.url, target.url, connector=EVERY_SECOND)
    service = serve()
    wait_until(lambda: target.ledger()["requests"].get("POST /documents/texts", 0) >= 1)
    assert stop(service) == 0
    target.control(latency_ms=0)
    program.sync("--wait")
    ledger = target.ledger()
    assert (ledger["texts"], ledger["doubled"], ledger["lost"]) == (5, 0, 0)


def test_a_target_that_is_away_comes_back(program, fake, serve):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=memories(5))
    target.control(times=3, status=503)
    program.write_config(source.url, target.url, connector=EVERY_SECOND)
    service = serve()
    wait_until(lambda: target.ledger()["processed"] == 5, seconds=60)
    assert stop(service) == 0


def test_the_service_manager_is_told(program, fake, serve):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=memories(1))
    program.write_config(source.url, target.url)
    path = str(program.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(20 * SLOW)
        service = serve(env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"})
        first = listener.recv(1000).decode()
        assert first.startswith("READY=1\n") and "1 connector" in first
        assert listener.recv(1000) == b"WATCHDOG=1"
        assert listener.recv(1000) == b"WATCHDOG=1"
        assert stop(service) == 0
        words = b""
        while words != b"STOPPING=1":
            words = listener.recv(1000)


def test_nothing_runs_where_nothing_is_scheduled(program, fake, serve):
    source, target = fake("memory-api"), fake("lightrag")
    program.write_config(source.url, target.url, connector="    enabled: false\n" + EVERY_SECOND)
    service = serve()
    wait_until(lambda: "serving 1 connector" in log_of(program))
    time.sleep(1.5)
    assert stop(service) == 0
    assert history(program) == []
    assert source.ledger()["listings"] == 0


def test_an_idle_service_costs_nothing(program, fake, serve):
    """Counted, not timed: a thousandth of the processor at most, 24 MB."""
    source, target = fake("memory-api"), fake("lightrag")
    program.write_config(source.url, target.url)
    service = serve()
    wait_until(lambda: "serving 1 connector" in log_of(program))
    with open(f"/proc/{service.pid}/status") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    with open(f"/proc/{service.pid}/maps") as maps:
        is_sanitized = any("libasan" in line or "libtsan" in line for line in maps)
    assert is_sanitized or resident < 24 * 1024
    assert stop(service) == 0


def test_the_log_goes_into_a_file_that_can_be_moved(program, fake, serve):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=memories(2))
    path = program.folder / "mc.log"
    program.write_config(source.url, target.url, connector=EVERY_SECOND, text=f"logging: {{ file: {{ enabled: true, path: {path} }}, console: {{ enabled: false }} }}")
    service = serve()
    wait_until(lambda: path.exists() and "run 1: success" in path.read_text())
    path.rename(str(path) + ".old")
    service.send_signal(signal.SIGHUP)
    wait_until(lambda: path.exists() and "run " in path.read_text())
    assert stop(service) == 0
    assert log_of(program) == "" and oct(path.stat().st_mode & 0o777) == "0o600"


def test_the_journal_gets_priorities(program, fake):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(status=401)
    program.write_config(source.url, target.url)
    with open(program.folder / "journal", "wb") as journal:
        facts = os.fstat(journal.fileno())
        done = subprocess.run(program.command("sync"), stdout=subprocess.DEVNULL, stderr=journal,
                              env={**program.env, "JOURNAL_STREAM": f"{facts.st_dev}:{facts.st_ino}"}, timeout=60 * SLOW)
    assert done.returncode == 77
    assert (program.folder / "journal").read_text().startswith("<3>source life: ")
