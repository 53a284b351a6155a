"""kill -9 of ours at every durable step and at random; kill -9 of the server. Afterwards: 0 lost, 0 doubled, and the run after sends nothing.

MC_CRASHES: how many random kills (30; 200 by make soak)."""
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
import zlib

import pytest

import e2e_conftest as e2e

CRASHES = int(os.environ.get("MC_CRASHES", "30"))
SEED = int(os.environ.get("MC_SEED", "1"))
COUNT = 30


@pytest.fixture(params=["1.5", "1.4"])
def pair(request, fake, program, tmp_path):
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": e2e.memories(COUNT)}))
    source = fake("memory-api", "--file", path)
    target = fake("lightrag", "--dialect", request.param, "--store-delay-ms", "5", "--process-delay-ms", "1")
    program.write_config(source.url, target.url, lightrag="  insert: { batch_size: 4 }\n  confirm: { settle: 1s, poll_interval: 20ms }")
    return source, target


def fresh(program, target, number):
    target.control(wipe=True)
    program.state = program.folder / f"state{number}" / "memory-connector.db"


def settle(program, target, count=COUNT):
    run = program.sync("--wait", timeout=120)
    assert run["result"] == "success", run
    ledger = target.ledger()
    assert ledger["doubled"] == 0 and ledger["live"] == ledger["processed"] == count, ledger
    inserts = ledger["inserts"]
    again = program.sync("--wait")
    assert (again["sent"], again["unchanged"]) == (0, count)
    assert target.ledger()["inserts"] == inserts


@pytest.mark.skipif(shutil.which("strace") is None, reason="SKIPPED LOUDLY: strace is not here")
@pytest.mark.parametrize("call", ["fdatasync", "pwrite64", "sendto"])
def test_killed_at_every_step(program, pair, call):
    """The program is killed when it enters its Nth call, for every N of a whole run (pwrite64 in steps, there are hundreds)."""
    source, target = pair
    step = {"fdatasync": 1, "sendto": 1, "pwrite64": 9}[call]
    number = kills = 0
    for number in range(1, 2000, step):
        fresh(program, target, number)
        strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
        done = subprocess.run(strace + program.command("sync", "--wait", "--json"), capture_output=True, text=True, env=program.env, cwd=program.folder, timeout=120)
        if done.returncode == 0:
            break
        kills += 1
        settle(program, target)
    print(f"crash: {call}: {kills} kills")
    assert done.returncode == 0 and kills >= 5


def test_killed_at_random(program, pair):
    source, target = pair
    chance = random.Random(SEED)
    for number in range(CRASHES):
        fresh(program, target, number)
        for _ in range(chance.choice([1, 1, 2, 3])):
            process = program.start("sync", "--wait")
            try:
                process.communicate(timeout=chance.uniform(0.002, 0.12))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
        settle(program, target)


def test_terminated_at_random(program, pair):
    """SIGTERM ends with 143 in time and loses nothing."""
    source, target = pair
    chance = random.Random(SEED + 1)
    target.control(latency_ms=20)
    for number in range(CRASHES // 3):
        fresh(program, target, number)
        process = program.start("sync", "--wait")
        time.sleep(chance.uniform(0.02, 0.15))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=35)
        assert process.returncode in (143, 0, -15), process.returncode
        settle(program, target)


def test_server_loses_what_it_accepted(program, pair):
    """L1: 200 is no delivery. Ours is killed too, so that nothing is known but what is on the disk."""
    source, target = pair
    fresh(program, target, 0)
    target.control(store_delay_ms=600000)
    process = program.start("sync", "--wait", "--json")
    e2e.wait_until(lambda: target.ledger()["texts"] >= 4)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    target.control(restart=True, store_delay_ms=0)
    settle(program, target)
    assert target.ledger()["lost"] >= 4


# ---- a real LightRAG

def check_real(server, program, count):
    rows = server.rows()
    names = [row["file_path"] for row in rows if not row["id"].startswith("dup-")]
    assert len(names) == len(set(names)) == count, f"{len(names)} rows, {len(set(names))} names"
    assert all(row["status"] == "processed" for row in rows if not row["id"].startswith("dup-"))


def test_ours_killed_against_real(program, fake, real, tmp_path):
    source = fake("memory-api", "--count", "40", "--size", "300")
    server = real("1.5.7")
    program.write_config(source.url, server.url, lightrag="  insert: { batch_size: 5 }\n  confirm: { poll_interval: 200ms }")
    chance = random.Random(SEED)
    kills = 0
    for _ in range(20 if os.environ.get("MC_SOAK") else 8):
        process = program.start("sync", "--wait")
        try:
            process.communicate(timeout=chance.uniform(0.05, 1.5))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
    run = program.sync("--wait", timeout=300)
    assert run["result"] == "success"
    check_real(server, program, 40)
    assert program.sync("--wait")["sent"] == 0
    print(f"crash: {kills} kills of ours against a real LightRAG")


def test_real_server_killed(program, fake, real, tmp_path):
    """A real 1.5.7 killed -9 while it works: all processed in the end, without a human hand."""
    count = 200 if os.environ.get("MC_SOAK") else 80
    source = fake("memory-api", "--count", str(count), "--size", "300")
    server = real("1.5.7")
    program.write_config(source.url, server.url, lightrag="  insert: { batch_size: 10 }\n  confirm: { poll_interval: 500ms, kick_interval: 5s }")
    chance = random.Random(SEED)
    process = None
    for _ in range(5):
        if process is None or process.poll() is not None:
            process = program.start("sync", "--wait", "--json")
        time.sleep(chance.uniform(1, 4))
        server.kill()
        server.start()
    try:
        process.communicate(timeout=400)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    run = program.sync("--wait", timeout=400)
    assert run["result"] == "success", run
    check_real(server, program, count)


@pytest.mark.parametrize("version", ["1.5.7", "1.4.9.9"])
def test_real_main_job(program, real, fake, version, tmp_path):
    """Both real versions: once and proven; a new state finds everything by look-up."""
    source = fake("memory-api", "--file", str(e2e.ROOT / "examples" / "memories" / "week.json"))
    server = real(version)
    program.write_config(source.url, server.url)
    run = program.sync("--wait", timeout=240)
    assert (run["new"], run["processed"]) == (20, 20)
    check_real(server, program, 20)
    program.state = tmp_path / "again" / "state.db"
    run = program.sync("--wait", timeout=240)
    assert run["processed"] == 20 and run["failed"] == 0
    check_real(server, program, 20)


# ---- the JSON state, and the upgrade of an older state

def without(path, sql):
    """A state of SQLite as an older release left it."""
    db = sqlite3.connect(path)
    db.executescript(sql)
    db.close()


TO_VERSION_3 = ("DROP INDEX letters_decided; DROP TABLE alerts; DROP INDEX letters_seq; ALTER TABLE memories DROP COLUMN first_ms; ALTER TABLE runs DROP COLUMN filtered; PRAGMA user_version=3")


def as_version_5(folder):
    """A JSON state likewise: version 6 only adds a table, which is empty, version 7 an index."""
    for path in folder.glob("*.jsonl"):
        head, rest = path.read_bytes().split(b"\n", 1)
        inside = head[head.index(b",", head.index(b'"size"')) + 1:-1].replace(b'"schema":7', b'"schema":5')
        path.write_bytes(b'{"crc":"%08x","size":%d,%s}\n' % (zlib.crc32(inside), len(inside), inside) + rest)


@pytest.mark.skipif(shutil.which("strace") is None, reason="SKIPPED LOUDLY: strace is not here")
@pytest.mark.parametrize("backend, calls", [("sqlite", {"fdatasync": 1, "fsync": 1, "pwrite64": 3, "rename": 1, "unlink": 1}),
                                            ("json", {"fsync": 1, "write": 3, "rename": 1, "link": 1, "unlink": 1, "openat": 5})])
def test_killed_inside_the_upgrade(program, fake, backend, calls):
    """P7: an older state is upgraded at the next start, whenever the one before was killed; nothing is sent again, and the backup is the old state."""
    if "MC_STATE_BACKEND" in os.environ:
        pytest.skip("the backend is given from outside")
    source, target = fake("memory-api", "--count", "20"), fake("lightrag")
    program.write_config(source.url, target.url, lightrag="  confirm: { settle: 1s, poll_interval: 20ms }")
    program.env["MEMORY_CONNECTOR_STATE__BACKEND"] = backend
    program.sync("--wait")
    old = program.folder / "old"
    if backend == "sqlite":
        without(program.state, TO_VERSION_3)
    else:
        as_version_5(program.state)
    shutil.copytree(program.state.parent if backend == "sqlite" else program.state, old)
    kills = 0
    for call, step in calls.items():
        for number in range(1, 2000, step):
            home = program.folder / f"{call}{number}"
            shutil.copytree(old, home)
            program.state = home / program.state.name if backend == "sqlite" else home
            strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
            done = subprocess.run(strace + program.command("sync", "--wait", "--json"), capture_output=True, text=True, env=program.env, cwd=program.folder, timeout=120)
            kills += done.returncode != 0
            run = program.sync("--wait")
            assert (run["unchanged"], run["sent"], run["new"]) == (20, 0, 0), (call, number, run)
            program.run("state", "check", check=0)
            backups = sorted(home.glob("*.backup"))
            assert backups, (call, number)
            if backend == "sqlite":
                db = sqlite3.connect(backups[0])
                assert db.execute("PRAGMA user_version").fetchone() == (3,) and db.execute("SELECT count(*) FROM memories WHERE state=3").fetchone() == (20,)
                db.close()
            else:
                assert {path.name: path.read_bytes() for path in backups} == {path.name + ".schema-5.backup": path.read_bytes() for path in old.glob("*.jsonl")}
            if done.returncode == 0:
                break
    print(f"crash: upgrade of {backend}: {kills} kills")
    assert kills >= 10 and target.ledger()["inserts"] >= 1


@pytest.mark.skipif(shutil.which("strace") is None, reason="SKIPPED LOUDLY: strace is not here")
@pytest.mark.parametrize("call, step", [("fsync", 1), ("write", 2), ("rename", 1), ("unlink", 1), ("openat", 4)])
def test_json_state_killed_at_every_step(program, fake, call, step):
    """P1 for the folder of text files, with enough in it that a new generation begins at the end of the run."""
    if "MC_STATE_BACKEND" in os.environ:
        pytest.skip("the backend is given from outside")
    source, target = fake("memory-api", "--count", str(COUNT), "--size", "12000"), fake("lightrag", "--process-delay-ms", "1")
    program.write_config(source.url, target.url, lightrag="  insert: { batch_size: 4 }\n  confirm: { settle: 1s, poll_interval: 20ms }")
    program.env["MEMORY_CONNECTOR_STATE__BACKEND"] = "json"
    kills = generations = 0
    for number in range(1, 3000, step):
        fresh(program, target, number)
        strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
        done = subprocess.run(strace + program.command("sync", "--wait", "--json"), capture_output=True, text=True, env=program.env, cwd=program.folder, timeout=120)
        generations += (program.state / "snapshot-000002.jsonl").exists()
        if done.returncode == 0:
            break
        kills += 1
        settle(program, target)
        program.run("state", "check", check=0)
    print(f"crash: json: {call}: {kills} kills")
    assert done.returncode == 0 and kills >= 1 and generations >= 1
