"""Looking after the state: check, repair, export, import, migrate, cleanup, with either backend."""
import json
import os
import shutil
import sqlite3
import subprocess

import pytest

from conftest import memories


@pytest.fixture
def ready(program, fake):
    program.source = fake("memory-api", "--count", "40")
    program.target = fake("lightrag")
    program.write_config(program.source.url, program.target.url, lightrag="  confirm: { poll_interval: 20ms, settle: 1s }")
    program.env.setdefault("MEMORY_CONNECTOR_STATE__BACKEND", "sqlite")
    program.env["MEMORY_CONNECTOR_STATE__KEEP_TEXTS"] = "all"
    program.sync("--wait")
    return program


def other(program):
    return "json" if program.env["MEMORY_CONNECTOR_STATE__BACKEND"] == "sqlite" else "sqlite"


def lines(path):
    """What an export says, but for when it was made and when the state was last opened."""
    return sorted(json.dumps(json.loads(line)["rows"]) for line in path.read_text().splitlines()[1:-1] if '"opened_ms"' not in line)


def test_there_and_back_loses_nothing(ready, tmp_path):
    before, after, back = (tmp_path / name for name in ("before.jsonl", "after.jsonl", "back.jsonl"))
    ready.run("state", "export", before, check=0)
    assert before.stat().st_mode & 0o777 == 0o600
    there = tmp_path / "there"
    answer = ready.json("state", "migrate", there, check=0)
    assert (answer["to"], answer["backend"]) == (str(there), other(ready)) and answer["rows"] > 40
    first = ready.env["MEMORY_CONNECTOR_STATE__BACKEND"]
    ready.state, ready.env["MEMORY_CONNECTOR_STATE__BACKEND"] = there, other(ready)
    ready.run("state", "check", check=0)
    ready.run("state", "export", after, check=0)
    assert lines(before) == lines(after) and len(lines(before)) > 80
    run = ready.sync("--wait")  # and it is used: nothing is sent again
    assert (run["unchanged"], run["sent"]) == (40, 0)
    ready.run("state", "export", after, "--force", check=0)
    ready.run("state", "migrate", tmp_path / "again", "--to", first, check=0)
    ready.state, ready.env["MEMORY_CONNECTOR_STATE__BACKEND"] = tmp_path / "again", first
    ready.run("state", "export", back, check=0)
    assert lines(after) == lines(back)
    assert "neither sqlite nor json" in ready.run("state", "migrate", tmp_path / "x", "--to", "oracle", check=2).stderr
    assert "is there already" in ready.run("state", "export", back, check=5).stderr


def test_an_import_with_a_bad_line(ready, tmp_path):
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    ready.run("state", "export", good, check=0)
    text = good.read_bytes()
    at = text.index(b'["put","memories"') + 60
    bad.write_bytes(text[:at] + bytes([text[at] ^ 1]) + text[at + 1:])
    done = ready.run("state", "import", bad, check=5)
    assert "there" in done.stderr  # nothing is overwritten
    ready.state = tmp_path / "new" / "state"
    done = ready.run("state", "import", bad, check=3)
    offset = text.rindex(b"\n", 0, at) + 1
    assert f"byte {offset}: the line is cut or altered; left out" in done.stderr and "1 were left out" in done.stdout
    ready.run("state", "check", check=0)
    run = ready.sync("--wait")  # the missing one is fetched again, and found at the server
    assert (run["unchanged"], run["new"]) == (39, 1)
    assert ready.target.ledger()["processed"] == 40
    for cut in (0, 10, len(text) // 2):
        ready.state = tmp_path / f"cut{cut}" / "state"
        bad.write_bytes(text[:cut])
        done = ready.run("state", "import", bad)
        assert done.returncode in (3, 78), done.stderr
        assert done.returncode == 3 or not ready.state.exists()


def test_an_import_from_a_pipe(ready, tmp_path):
    text = ready.run("state", "export", "-", check=0).stdout
    ready.state = tmp_path / "piped" / "state"
    ready.run("state", "import", "-", stdin=text, check=0)
    assert ready.sync()["unchanged"] == 40


@pytest.mark.skipif("MC_STATE_BACKEND" in os.environ, reason="looks into SQLite's file")
def test_repair_in_place(ready):
    db = sqlite3.connect(ready.state)
    db.execute("UPDATE counts SET value=value+5")
    db.execute("DELETE FROM texts WHERE seq=7")
    db.execute("UPDATE memories SET state=2, batch=999 WHERE seq=9")
    db.commit()
    db.close()
    done = ready.run("state", "check", check=4)
    assert "counters" in done.stdout and "in a batch that is closed or not there: 1" in done.stdout and "state repair" in done.stdout
    names = {finding["name"]: finding["count"] for finding in ready.json("state", "check", check=4)["findings"]}
    assert names["text_sizes"] == 1 and names["flying_without_batch"] == 1 and names["counters"] > 0
    before = ready.state.read_bytes()
    ready.run("state", "repair", "--dry-run", check=0)
    assert ready.state.read_bytes() == before
    ready.run("state", "repair", check=2)  # asks, and there is no terminal
    done = ready.run("state", "repair", "--yes", check=0)
    assert "mended" in done.stdout
    ready.run("state", "check", check=0)
    run = ready.sync("--wait")
    assert (run["new"], run["unchanged"]) == (1, 39) and ready.target.ledger()["processed"] == 40


def damage(program):
    if program.state.is_dir():
        path = next(program.state.glob("snapshot-*"))
        if path.stat().st_size < 2000:  # everything is in the journal
            path = next(program.state.glob("journal-*"))
        where = path.stat().st_size // 2
        size = 1
    else:
        path, where, size = program.state, 4096 * 6, 4096 * 3
    content = bytearray(path.read_bytes())
    for i in range(where, min(where + size, len(content))):
        content[i] ^= 0x15
    path.write_bytes(content)


def test_what_is_left_of_a_damaged_state_is_saved(ready):
    damage(ready)
    done = ready.run("state", "check")
    assert done.returncode in (4, 74) and "damaged" in done.stdout + done.stderr
    done = ready.run("state", "repair", "--dry-run", check=0)
    assert "would be saved" in done.stdout
    done = ready.run("state", "repair", "--yes", check=0)
    assert "saved:" in done.stdout and "is kept" in done.stdout
    ready.run("state", "check", check=0)
    ready.sync("--wait")
    assert ready.target.ledger()["processed"] == 40
    ready.run("verify", check=0)


def in_two_days(command, env):
    """What command does when it is two days later. A sanitizer wants to be the first library and is not, which does no harm here."""
    if not shutil.which("faketime"):
        pytest.skip("no faketime here")
    env = {**env, "ASAN_OPTIONS": env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    return subprocess.run(["faketime", "-f", "+2d", *command], capture_output=True, text=True, env=env)


def test_cleanup_removes_what_ended_long_ago_and_nothing_else(ready):
    ready.source.control(memories=memories(40) + [{"transcript": "without an id"}])
    ready.sync(check=3)
    ready.run("dead-letters", "discard", "--class", "malformed", "--yes", check=0)
    ready.source.control(memories=memories(40) + [{"transcript": "another without an id"}])
    ready.sync(check=3)
    assert ready.json("state", "cleanup", check=0)["dead_letters"] == 0  # nothing is 90 days old
    later = {"MEMORY_CONNECTOR_STATE__CLEANUP__RETENTION_DAYS": "1"}
    command = ready.command("state", "cleanup", "--json")
    would = json.loads(in_two_days([*command, "--dry-run"], {**ready.env, **later}).stdout)
    did = json.loads(in_two_days(command, {**ready.env, **later}).stdout)
    assert (would["dead_letters"], did["dead_letters"], did["runs"]) == (1, 1, 0)  # the open one stays, so do the last runs
    letters = ready.json("dead-letters", "list", "--closed")["dead_letters"]
    assert len(letters) == 1 and letters[0]["state"] == "open"
    assert ready.json("status")["connectors"][0]["memories"]["done"] == 80
    ready.run("state", "check", check=0)


def test_the_service_cleans_up_by_itself(ready):
    ready.source.control(memories=memories(3) + [{"transcript": "without an id"}])
    ready.sync(check=3)
    ready.run("dead-letters", "discard", "--class", "malformed", "--yes", check=0)
    cleanup = {"MEMORY_CONNECTOR_STATE__CLEANUP__RETENTION_DAYS": "1", "MEMORY_CONNECTOR_STATE__CLEANUP__CLEANUP_CRON": "* * * * * *", "MEMORY_CONNECTOR_API__ENABLED": "false"}
    done = in_two_days(["timeout", "-s", "TERM", "9", *ready.command("--log-level", "info", "serve")], {**ready.env, **cleanup})
    assert "cleaned up: 0 old runs, 1 dead letters" in done.stderr, done.stderr
    assert done.returncode in (0, 124)
    assert ready.json("dead-letters", "list", "--closed")["dead_letters"] == []
    done = ready.run("config", "check", env={"MEMORY_CONNECTOR_STATE__CLEANUP__CLEANUP_CRON": "0 25 * * *"}, check=78)
    assert "cleanup_cron" in done.stderr and "hour" in done.stderr


def test_what_is_not_there(program):
    program.write_config("http://127.0.0.1:9", "http://127.0.0.1:9")
    for words in (["check"], ["repair", "--yes"], ["export", "-"], ["migrate", "elsewhere"], ["cleanup"]):
        done = program.run("state", *words, check=1)
        assert "there is none yet" in done.stderr
    assert "No such file" in program.run("state", "import", "nothing.jsonl", check=1).stderr
