"""A real LightRAG that is wiped, replaced by another one, or upgraded: what was said to be there is found out, nothing is sent where it does not belong."""
import shutil

import pytest

from conftest import e2e

QUICK = "  insert: { batch_size: 20 }\n  confirm: { poll_interval: 500ms, kick_interval: 5s, settle: 10s }"


def memories(count):
    return [{"id": f"m{i}", "type": "note", "transcript": f"Memory {i}: Hanna met Emil in Lisbon.", "created_at": "2025-12-18T14:30:00Z"} for i in range(count)]


def delivered(program, fake, server, count):
    source = fake("memory-api", "--count", "0")
    source.control(memories=memories(count))
    program.write_config(source.url, server.url, lightrag=QUICK)
    run = program.sync("--wait", timeout=240)
    assert run["processed"] == count, run
    return source


def check(server, count):
    rows = server.rows()
    assert sorted(row["file_path"] for row in rows) == sorted(f"memory~ctx~m{i}" for i in range(count))
    assert all(row["status"] == "processed" and row["chunks_count"] > 0 for row in rows), rows


@pytest.mark.parametrize("version", ["1.5.7", "1.4.9.9"])
def test_real_wiped(program, real, fake, version):
    server = real(version)
    source = delivered(program, fake, server, 12)
    server.stop()
    for entry in server.folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
    server.start()
    assert server.rows() == []
    source.control(memories=memories(1))  # the source lists hardly anything of it any more
    assert program.json("verify", check=4, timeout=120)["targets"][0]["missing"] == 12
    program.json("verify", "--repair", check=0, timeout=240)
    check(server, 12)


def test_real_other_workspace(program, real, fake):
    """Another server behind the same address: nothing is sent before somebody accepts it."""
    first = real("1.5.7", "--workspace", "home")
    source = delivered(program, fake, first, 5)
    first.stop()
    first.args = ("--workspace", "work")
    first.start()
    source.control(memories=memories(8))
    done = program.run("sync", "--json", timeout=60)
    assert done.returncode == 78 and "--accept-target" in done.stdout + done.stderr, done
    assert first.rows() == []
    program.json("verify", "--accept-target", "--repair", check=0, timeout=240)
    program.sync("--wait", timeout=240)
    check(first, 8)  # what was queued meanwhile, too


def test_real_upgrade(program, real, fake):
    """The same storage under 1.4 and then under 1.5, whose documents have other ids: nothing is sent again."""
    server = real("1.4.9.9")
    source = delivered(program, fake, server, 8)
    server.stop()
    server.version = "1.5.7"
    server.start()
    check(server, 8)
    assert program.sync("--wait", timeout=120)["sent"] == 0
    program.json("verify", check=0, timeout=120)
    listing = memories(9)
    listing[2]["transcript"] = "Memory 2: Hanna met nobody."
    source.control(memories=listing)
    run = program.sync("--wait", timeout=240)
    assert (run["replaced"], run["processed"]) == (1, 2), run
    check(server, 9)


@pytest.mark.parametrize("version", ["1.5.7", "1.4.9.9"])
def test_real_model_refuses_one(program, real, fake, version):
    """One text that the model refuses: the others are processed all the same, it is a dead letter, and a retry sends it once the model is well."""
    server = real(version, "--fail-match", "Zanzibar")
    source = fake("memory-api", "--count", "0")
    listing = memories(8)
    listing[1]["transcript"] = "Zanzibar, said Emil."
    source.control(memories=listing)
    program.write_config(source.url, server.url, lightrag=QUICK, connector="    retry: { max_attempts: 2 }")
    run = program.sync("--wait", timeout=300, check=3)
    assert (run["processed"], run["failed"]) == (7, 1), run
    letters = program.json("dead-letters", "list")["dead_letters"]
    assert [(one["class"], one["memory"]) for one in letters] == [("processing_failed", "m1")]
    server.stop()
    server.args = ()
    server.start()
    program.run("dead-letters", "retry", "--yes", check=0)
    program.sync("--wait", timeout=240)
    check(server, 8)
    assert program.json("dead-letters", "list")["dead_letters"] == []
