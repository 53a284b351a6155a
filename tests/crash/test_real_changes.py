"""Changes and deletions at the source against a real LightRAG while either side is killed: in the end its documents equal the source.

A third of the size in CI (MC_REAL_LIGHTRAG=1), all of it by `make soak` (MC_SOAK=1)."""
import os
import random
import re
import subprocess
import time

import pytest

from conftest import e2e

SEED = int(os.environ.get("MC_SEED", "20261123"))
SOAK = bool(os.environ.get("MC_SOAK"))
MEMORIES, UPDATES, DELETIONS, KILLS = (300, 30, 10, 10) if SOAK else (60, 9, 3, 3)
QUICK = "  insert: { batch_size: 20 }\n  confirm: { poll_interval: 500ms, kick_interval: 5s, settle: 10s }"


def memory(index, words="first"):
    return {"id": f"m{index}", "type": "note", "transcript": f"Memory {index}: Hanna met Emil in Lisbon, {words}.", "created_at": "2025-12-18T14:30:00Z"}


def sync(program, timeout=600):
    return program.sync("--wait", timeout=timeout)


def check_equal(program, server, source):
    """One processed row for each memory of the source, in the revision that this state says, and nothing else of ours."""
    rows = server.rows()
    names = [row["file_path"] for row in rows]
    assert sorted(names) == sorted(f"memory~ctx~{one['id']}" for one in source), sorted(names)
    assert all(row["status"] == "processed" and row["chunks_count"] > 0 for row in rows), [row for row in rows if row["status"] != "processed"]
    words = {f"memory~ctx~{one['id']}": one["transcript"] for one in source}
    for row in rows:  # 250 characters of the text stand in a listing: the whole transcript
        assert re.sub(r"\s+", " ", words[row["file_path"]]) in re.sub(r"\s+", " ", row["content_summary"]), row
    verified = program.json("verify", check=0, timeout=120)
    assert verified["targets"][0]["documents"] == len(source)


@pytest.mark.parametrize("version", ["1.5.7", "1.4.9.9"])
def test_real_changes(program, real, fake, version):
    """One of many changed: one delete, one insert. One gone: removed after two listings. forget proves it."""
    source = fake("memory-api", "--count", "0")
    server = real(version)
    program.write_config(source.url, server.url, lightrag=QUICK, ingestion=", on_delete: propagate, max_delete_percent: 50")
    listing = [memory(i) for i in range(12)]
    source.control(memories=listing)
    sync(program)
    listing[3] = memory(3, "second")
    source.control(memories=listing)
    run = sync(program)
    assert (run["changed"], run["replaced"], run["sent"], run["processed"]) == (1, 1, 1, 1), run
    check_equal(program, server, listing)
    del listing[5]
    source.control(memories=listing)
    assert sync(program)["removed"] == 0 and sync(program)["removed"] == 1
    check_equal(program, server, listing)
    receipt = program.json("forget", "ctx", "m7", "--yes", timeout=120, check=0)
    assert receipt["deleted_rows"] == 1
    check_equal(program, server, [one for one in listing if one["id"] != "m7"])


@pytest.mark.parametrize("version", ["1.5.7", "1.4.9.9"])
def test_real_verify_and_repair(program, real, fake, version):
    """What a hand altered is found exactly, and mended; rows of others stay."""
    source = fake("memory-api", "--count", "0")
    server = real(version)
    program.write_config(source.url, server.url, lightrag=QUICK)
    listing = [memory(i) for i in range(10)]
    source.control(memories=listing)
    sync(program)
    rows = {row["file_path"]: row for row in server.rows()}
    other = rows["memory~ctx~m9"]["content_summary"].splitlines()[0].replace("revision ", "revision ")
    other = re.sub(r"revision [0-9a-f]{12}", "revision 0123456789ab", other) + "\nanother text about Hanna"
    delete(server, [rows[f"memory~ctx~m{i}"]["id"] for i in (0, 1, 2, 9)])
    e2e.http(server.url + "/documents/texts", {"texts": ["Somebody's Lisbon.", "Somebody else's Emil.", other],
                                               "file_sources": ["foreign-1", "foreign-2", "memory~ctx~m9"]}, timeout=60)
    idle(server)
    found = program.json("verify", check=4, timeout=120)["targets"][0]
    assert (found["missing"], found["stale"], found["foreign"]) == (3, 1, 2), found
    program.json("verify", "--repair", check=0, timeout=240)
    clean = program.json("verify", check=0, timeout=120)["targets"][0]
    assert clean["foreign"] == 2
    names = [row["file_path"] for row in server.rows()]
    assert sorted(names) == sorted([f"memory~ctx~m{i}" for i in range(10)] + ["foreign-1", "foreign-2"])


def idle(server):
    e2e.wait_until(lambda: not e2e.http(server.url + "/documents/pipeline_status", timeout=60)["busy"], 120, "LightRAG is still busy")
    e2e.wait_until(lambda: all(row["status"] in ("processed", "failed") for row in server.rows()), 120, "LightRAG has unfinished rows")


def delete(server, ids):
    answer = e2e.http(server.url + "/documents/delete_document", {"doc_ids": ids}, method="DELETE", timeout=60)
    assert answer["status"] == "deletion_started", answer
    e2e.wait_until(lambda: not {row["id"] for row in server.rows()} & set(ids), 60, "the delete did not end")
    idle(server)


def test_real_changes_under_kills(program, real, fake):
    """kill -9 of the server and of ours while memories are added, changed and deleted."""
    chance = random.Random(SEED)
    source = fake("memory-api", "--count", "0")
    server = real("1.5.7")
    program.write_config(source.url, server.url, lightrag=QUICK, ingestion=", on_delete: propagate, max_delete_percent: 50")
    listing = [memory(i) for i in range(MEMORIES)]
    source.control(memories=listing)
    killed = {"server": 0, "ours": 0}
    todo = ["server"] * KILLS + ["ours"] * KILLS
    chance.shuffle(todo)
    for step, victim in enumerate(todo):
        process = program.start("sync", "--wait", "--json")
        time.sleep(chance.uniform(0.5, 4))
        if victim == "ours":
            process.kill()
        else:
            server.kill()
            server.start()
        killed[victim] += 1
        try:
            process.communicate(timeout=3 if victim == "server" else 20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        for _ in range(UPDATES // len(todo) + 1):
            index = chance.randrange(len(listing))
            listing[index] = memory(int(listing[index]["id"][1:]), f"step {step}")
        if step % 2 == 1 and MEMORIES - len(listing) < DELETIONS:
            del listing[chance.randrange(len(listing))]
        source.control(memories=listing)
    while MEMORIES - len(listing) < DELETIONS:
        del listing[chance.randrange(len(listing))]
    source.control(memories=listing)
    for _ in range(3):  # two complete listings make a deletion; a run may have met the server's last restart
        run = sync(program)
    assert run["result"] == "success", run
    check_equal(program, server, listing)
    assert sync(program)["sent"] == 0
    print(f"crash: {MEMORIES} memories, {killed['server']} kills of a real LightRAG and {killed['ours']} of ours, {DELETIONS} deletions: equal to the source")
