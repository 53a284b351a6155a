"""state import of what the older Go program kept: taken as TRUSTED, never sent by itself, proven by sync --force. The files are made here as that program makes
them: encoding/json with two spaces in a folder, or a row for each connector in SQLite."""
import fcntl
import json
import os
import pathlib
import sqlite3
import zlib

import pytest

from conftest import memories

QUICK = "  confirm: { poll_interval: 20ms, settle: 1s }"


def failure(memory):
    return {"memory_id": memory, "error_message": f"insertion failed: {memory}", "failed_at": "2025-12-20T09:14:03.120441+01:00", "retryable": True, "retry_count": 0}


def go_state(connector="life", context="ctx", ids=(), failed=(), syncs=17):
    state = {"connector_id": connector, "context_id": context, "last_sync_time": "2025-12-20T09:14:05.871222913+01:00", "processed_ids": {one: True for one in sorted(ids)}}
    state["last_sync_report"] = {
        "connector_id": connector, "context_id": context, "start_time": "2025-12-20T09:14:02.5+01:00", "end_time": "0001-01-01T00:00:00Z", "duration": 0, "status": "partial",
        "total_fetched": len(ids) + len(failed), "total_processed": len(ids), "total_skipped": 0, "total_failed": len(failed), "memories_ingested": sorted(ids),
        "metrics": {"avg_fetch_time_ms": 3, "avg_transform_time_ms": 0, "avg_insert_time_ms": 0, "total_bytes_processed": 0}}
    if failed:
        state["failed_items"] = [failure(one) for one in failed]
    return {**state, "total_sync_count": syncs, "updated_at": "2025-12-20T09:14:05.871223+01:00"}


def write_go_folder(folder, *states):
    folder.mkdir(parents=True, exist_ok=True)
    for state in states:
        (folder / f"{state['connector_id']}.json").write_text(json.dumps(state, indent=2))
    return folder


SCHEMA = """CREATE TABLE IF NOT EXISTS sync_states (connector_id TEXT PRIMARY KEY, context_id TEXT NOT NULL, last_sync_time TIMESTAMP, processed_ids TEXT, last_sync_report TEXT,
 failed_items TEXT, total_sync_count INTEGER DEFAULT 0, updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX IF NOT EXISTS idx_context_id ON sync_states(context_id); CREATE INDEX IF NOT EXISTS idx_updated_at ON sync_states(updated_at);"""


def write_go_database(path, *states, journal="DELETE"):
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA journal_mode={journal}")
    db.executescript(SCHEMA)
    for state in states:
        put_go_row(db, state)
    db.commit()
    return db


def put_go_row(db, state):
    db.execute("INSERT OR REPLACE INTO sync_states VALUES(?,?,?,?,?,?,?,?)", (
        state["connector_id"], state["context_id"], "2025-12-20 09:14:05.871222913 +0100 CET", json.dumps(state["processed_ids"]), json.dumps(state["last_sync_report"]),
        json.dumps(state["failed_items"]) if "failed_items" in state else "", state["total_sync_count"], "2025-12-20 09:14:05.9 +0100 CET"))


def names(first, last):
    return [f"m{i}" for i in range(first, last)]


def contents(folder):
    return {path.name: path.read_bytes() for path in pathlib.Path(folder).iterdir()}


def places(program):
    return program.json("status", check=0)["connectors"][0]["memories"]


@pytest.fixture(params=["json", "sqlite"])
def theirs(request, tmp_path):
    """write(states...) makes a state of the Go program and gives what is imported."""
    def write(*states):
        if request.param == "json":
            return write_go_folder(tmp_path / "data", *states)
        (tmp_path / "data").mkdir()
        write_go_database(tmp_path / "data" / "state.db", *states).close()
        return tmp_path / "data" / "state.db"
    write.kind = request.param
    return write


@pytest.fixture
def pair(program, fake):
    program.source, program.target = fake("memory-api"), fake("lightrag")
    program.source.control(memories=memories(12))
    program.write_config(program.source.url, program.target.url, lightrag=QUICK)
    return program


@pytest.mark.parametrize("backend", ["sqlite", "json"])
def test_the_way_of_a_person(pair, theirs, tmp_path, backend):
    pair.env["MEMORY_CONNECTOR_STATE__BACKEND"] = backend
    pair.state = tmp_path / f"state-{backend}"
    # m8 failed and came through later, as the Go program leaves it; m9 never did; m0 to m7 were accepted
    path = theirs(go_state(ids=names(0, 9), failed=["m8", "m9", "m9"]))
    before = contents(tmp_path / "data")
    done = pair.run("state", "import", path, check=0)
    assert "life, context ctx: 9 trusted" in done.stdout and "1 had failed there" in done.stdout and "history of 17 syncs: not taken over" in done.stdout
    assert "sync --force" in done.stdout and done.stderr == ""
    assert contents(tmp_path / "data") == before  # never written
    assert (places(pair)["trusted"], places(pair)["done"], places(pair)["queued"]) == (9, 0, 0)
    assert "9  trusted: sent by an earlier program, not proven" in pair.run("status", check=0).stdout
    pair.run("state", "check", check=0)

    run = pair.sync("--wait")  # only what they had not delivered
    assert (run["unchanged"], run["new"], run["changed"], run["sent"], run["processed"]) == (9, 3, 0, 3, 3)
    result = pair.json("verify", check=0)["targets"][0]
    assert (result["trusted"], result["expected"], result["documents"], result["missing"], result["findings"]) == (9, 3, 3, 0, [])
    assert "9 trusted" in pair.run("verify", check=0).stdout
    pair.run("verify", "--repair", check=0)
    assert pair.target.ledger()["texts"] == 3

    pair.source.control(memories=memories(12, transcript="Other words about Ana."))  # nobody knows that this is a change
    run = pair.sync("--wait")
    assert (run["unchanged"], run["changed"], run["sent"]) == (9, 3, 3)
    again = pair.json("state", "import", path, check=0)  # a second time: nothing happens
    assert (again["from"], again["trusted"], again["known"], again["failed_items"], again["syncs"]) == (f"go-{theirs.kind}", 0, 9, 1, 17)

    exported = tmp_path / "all.jsonl"
    pair.run("state", "export", exported, check=0)
    old, pair.state = pair.state, tmp_path / "again"
    pair.run("state", "import", exported, check=0)
    assert places(pair)["trusted"] == 9 and pair.sync()["unchanged"] == 12
    pair.run("state", "migrate", tmp_path / "there", check=0)
    pair.state, pair.env["MEMORY_CONNECTOR_STATE__BACKEND"] = tmp_path / "there", "json" if backend == "sqlite" else "sqlite"
    assert places(pair)["trusted"] == 9
    pair.run("state", "check", check=0)

    pair.state, pair.env["MEMORY_CONNECTOR_STATE__BACKEND"] = old, backend
    assert pair.sync("--force", "--dry-run")["changed"] == 12 and places(pair)["trusted"] == 9
    run = pair.sync("--force", "--wait")
    assert (run["changed"], run["sent"], run["processed"], run["unchanged"]) == (12, 12, 12, 0)
    assert (places(pair)["trusted"], places(pair)["done"]) == (0, 12)
    ledger = pair.target.ledger()
    assert (ledger["live"], ledger["doubled"], ledger["lost"]) == (12, 0, 0)
    assert pair.sync("--wait")["unchanged"] == 12 and pair.target.ledger()["texts"] == ledger["texts"]
    result = pair.json("verify", check=0)["targets"][0]
    assert (result["trusted"], result["expected"]) == (0, 12)


def test_one_trusted_memory(pair, tmp_path):
    path = write_go_folder(tmp_path / "data", go_state(ids=names(0, 6)))
    pair.run("state", "import", path, check=0)
    done = pair.run("explain", "ctx", "m1", check=0)
    assert "m1: trusted" in done.stdout and "sync --force" in done.stdout and "000000" not in done.stdout
    told = pair.json("explain", "ctx", "m1", check=0)
    assert (told["revision"], told["doc_id"], told["state"]) == (None, None, "trusted")

    done = pair.run("forget", "ctx", "m1", "--yes", check=3)  # what they sent cannot be found, so that it is gone is not proven
    assert "not proven to be gone" in done.stdout and "delete it there" in done.stdout
    receipt = pair.json("forget", "ctx", "m2", "--yes", check=3)
    assert (receipt["gone"], receipt["was_trusted"], receipt["proven"], receipt["deleted_rows"]) == (False, True, None, 0)
    assert (places(pair)["trusted"], places(pair)["gone"]) == (4, 2)

    assert "1 forgotten" in pair.run("reset", "life", "--memory", "m3", "--yes", check=0).stdout
    run = pair.sync("--wait")  # m1, m2 and m3 are shown, so they are sent
    assert (run["unchanged"], run["sent"], places(pair)["trusted"]) == (3, 9, 3)
    pair.run("reset", "life", "--yes", check=0)
    pair.sync("--wait")
    assert (places(pair)["trusted"], places(pair)["done"]) == (0, 12)
    ledger = pair.target.ledger()
    assert (ledger["live"], ledger["doubled"], ledger["lost"]) == (12, 0, 0)


@pytest.mark.parametrize("on_delete", ["confirm", "propagate"])
def test_what_is_gone_from_the_source_stays_trusted(pair, tmp_path, on_delete):
    pair.write_config(pair.source.url, pair.target.url, lightrag=QUICK, ingestion=f", on_delete: {on_delete}, max_delete_percent: 100")
    pair.run("state", "import", write_go_folder(tmp_path / "data", go_state(ids=names(0, 6) + ["long-ago"])), check=0)
    pair.source.control(memories=memories(12)[3:])
    for _ in range(3):
        run = pair.sync("--wait")
    assert (run["removed"], places(pair)["trusted"], pair.json("dead-letters", "list")["dead_letters"]) == (0, 7, [])


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_an_empty_text_is_not_sent(pair, tmp_path, force):
    pair.run("state", "import", write_go_folder(tmp_path / "data", go_state(ids=names(0, 12))), check=0)
    pair.source.control(memories=memories(12, transcript=""))
    run = pair.sync(*force, "--wait")
    assert (run["unchanged"], run["sent"], places(pair)["trusted"]) == (12, 0, 12)


def test_audits_leave_them_alone(pair, tmp_path):
    """What LightRAG lost of ours is sent again; of theirs nobody knows."""
    pair.run("state", "import", write_go_folder(tmp_path / "data", go_state(ids=names(0, 6))), check=0)
    pair.sync("--wait")
    pair.target.control(wipe=True)
    result = pair.json("verify", "--repair", check=0)["targets"][0]
    assert (result["missing"], result["trusted"]) == (6, 6)
    assert pair.target.ledger()["processed"] == 6 and places(pair)["trusted"] == 6


# ---- Whose connectors they are ----

CONNECTORS = """  - { id: work, context_ids: [a, b], ingestion: { query_range: all } }
  - { id: off, enabled: false, context_id: old }
"""


def test_connectors_are_found_by_their_ids(pair, tmp_path):
    pair.write_config(pair.source.url, pair.target.url, lightrag=QUICK, connector=CONNECTORS)
    path = write_go_folder(
        tmp_path / "data", go_state(ids=["x1", "x2"]), go_state("work", "b", ["w1"]), go_state("off", "old", ["o1"]), go_state("gone-one", "ctx", ["g1", "g2", "g3"]))
    write_go_folder(tmp_path / "more", go_state("work", "c", ["w1"]), go_state("life", "", ["x2", "x3"]))
    done = pair.run("state", "import", path, check=3)
    assert "gone-one: 3 memories left out: no connector of the configuration has this id" in done.stdout and "-c ID" in done.stdout
    told = pair.json("state", "import", path, check=3)
    assert (told["trusted"], told["known"], told["left_out"]) == (0, 4, 3)
    assert [(one["from_connector"], one["connector"], one["context"], one["known"]) for one in told["connectors"]] == [
        ("gone-one", None, None, 0), ("life", "life", "ctx", 2), ("off", "off", "old", 1), ("work", "work", "b", 1)]
    told = pair.json("state", "import", tmp_path / "more", check=3)
    assert (told["trusted"], told["known"], told["left_out"]) == (1, 1, 1)  # without a context: the only one of life
    assert "context c is none of connector work" in told["connectors"][1]["reason"]
    (tmp_path / "more" / "life.json").unlink()
    (tmp_path / "more" / "work.json").write_text(json.dumps(go_state("work", "", ["w1"])))
    assert "connector work has several" in pair.run("state", "import", tmp_path / "more", check=78).stderr
    counts = {one["connector"]: one["memories"]["trusted"] for one in pair.json("status", check=0)["connectors"]}
    assert counts == {"life": 3, "work": 1, "off": 1}


def test_a_connector_of_another_name(pair, tmp_path):
    pair.write_config(pair.source.url, pair.target.url, lightrag=QUICK, connector=CONNECTORS)
    one = write_go_folder(tmp_path / "one", go_state("My old connector", "ctx", ["m1"]))
    assert "nothing was imported" in pair.run("state", "import", one, check=78).stderr and not pair.state.exists()
    assert "My old connector as life, context ctx: 1 trusted" in pair.run("state", "import", one, "-c", "life", check=0).stdout
    assert "did you mean" in pair.run("state", "import", one, "-c", "lif", check=2).stderr
    several = write_go_folder(tmp_path / "several", go_state("life", "ctx", ["m1", "m2"]), go_state("other", "ctx", ["m3"]))
    told = pair.json("state", "import", several, "-c", "life", check=0)  # asked for one: the other is nothing missing
    assert (told["trusted"], told["known"], told["left_out"]) == (1, 1, 1)
    assert "several connectors" in pair.run("state", "import", several, "-c", "work", check=2).stderr
    exported = tmp_path / "all.jsonl"
    pair.run("state", "export", exported, check=0)
    assert "as a whole" in pair.run("state", "import", exported, "-c", "life", check=2).stderr


def test_it_goes_into_a_state_in_use(pair, tmp_path):
    pair.sync("--wait")
    told = pair.json("state", "import", write_go_folder(tmp_path / "data", go_state(ids=["m3", "before"])), check=0)
    assert (told["trusted"], told["known"], places(pair)["done"], places(pair)["trusted"]) == (1, 1, 12, 1)
    lock = pair.state / "lock" if pair.state.is_dir() else pathlib.Path(f"{pair.state}.lock")
    with open(lock) as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as a running service does
        assert "in use" in pair.run("state", "import", tmp_path / "data", check=5).stderr


# ---- Shapes ----

def test_the_design_documents_state(pair, tmp_path):
    path = tmp_path / "memory_sync_state.json"
    path.write_text("\ufeff" + json.dumps({"connectors": {
        "life": {"contexts": {"ctx": {"last_sync_timestamp": "2025-12-18T15:00:00Z", "processed_memory_ids": names(0, 3), "failed_memory_ids": {"m4": "Network timeout", "m1": "x"},
                                      "total_processed": 145, "status": "completed"}}},
        "empty": {}, "": {"contexts": {"ctx": {"processed_memory_ids": ["z"]}}}}}))
    told = pair.json("state", "import", path, check=3)
    assert (told["from"], told["trusted"], told["failed_items"], told["syncs"], told["bad"]) == ("go-json", 3, 1, 1, 2)
    assert pair.sync("--wait")["unchanged"] == 3


BAD_ELEMENTS = {"good": True, "also": True, "not this one": False, "": True, "x" * 9000: True, "what": 7}


def test_bad_elements_are_named_and_the_rest_goes_in(pair, tmp_path):
    folder = tmp_path / "data"
    write_go_folder(folder, {**go_state(), "processed_ids": BAD_ELEMENTS, "failed_items": [failure("f"), {"memory_id": 5}, 7]})
    (folder / "cut.json").write_text(json.dumps(go_state("cut", ids=names(0, 50)))[:400])
    (folder / "empty.json").write_text("")
    (folder / "config.json").write_text('{"server": {"port": 8080}}')
    (folder / "old.json").write_text('{"connector_id": "life", "last_memory_id": "m7", "processed_count": 8}')
    (folder / "bytes.json").write_bytes(b'{"connector_id": "life\xff"}')
    (folder / "life.json.tmp").write_text("a write that did not come to its end")
    done = pair.run("state", "import", folder, check=3)
    for words in ("life.json: the list of processed memories: element 4: an id has 1 to 8192 bytes, this one has 0", "element 5", "element 6 is neither true nor false",
                  "the list of failed memories: element 2 is no id", "element 3 is no id", "cut.json: is cut or no JSON", "at byte 4", "empty.json: is empty: it was cut",
                  "config.json: not a state of the Go program", "old.json: connector life: it says how many memories were processed, and not which", "bytes.json: is cut or no JSON"):
        assert words in done.stderr, (words, done.stderr)
    assert "life, context ctx: 2 trusted" in done.stdout and "left out as damaged: 10\n" in done.stdout and "\x1b" not in done.stderr
    assert places(pair)["trusted"] == 2


def test_many_bad_elements_are_counted(pair, tmp_path):
    path = write_go_folder(tmp_path / "data", {**go_state(), "processed_ids": [5] * 1000 + ["m1", "m1", "m2"]})
    done = pair.run("state", "import", path / "life.json", check=3)
    assert len(done.stderr.splitlines()) == 20 and "left out as damaged: 1000, the first 20" in done.stdout and "2 trusted" in done.stdout


def test_words_of_theirs_are_harmless(pair, tmp_path):
    path = tmp_path / "evil.json"
    path.write_text(json.dumps([go_state("evil\x1b[31m", "ctx", ["m1"]), go_state("life", "c\x1b[31m", ["m1"]), go_state(ids=["m\x1b[31m"])]))
    done = pair.run("state", "import", path, check=3)
    assert "\x1b" not in done.stdout + done.stderr and "1 trusted" in done.stdout


def test_rows_of_sqlite(pair, tmp_path):
    db = write_go_database(tmp_path / "state.db", go_state(ids=names(0, 4)), {**go_state("bad"), "processed_ids": {}})
    db.execute("UPDATE sync_states SET processed_ids='{\"m1\":tr' WHERE connector_id='bad'")
    db.execute("INSERT INTO sync_states(connector_id, context_id, processed_ids) VALUES('', 'ctx', '{\"x\": true}')")
    db.execute("INSERT INTO sync_states(connector_id, context_id, processed_ids, failed_items) VALUES('null', 'ctx', NULL, NULL)")
    db.commit()
    db.close()
    done = pair.run("state", "import", tmp_path / "state.db", check=3)
    assert "connector bad: processed_ids is cut or no JSON" in done.stderr and "row 1: it has no connector_id" in done.stderr
    assert "life, context ctx: 4 trusted" in done.stdout and "null: 0 memories left out" in done.stdout


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_database_with_its_log_beside_it(pair, tmp_path, journal):
    """In WAL mode the newest rows stand only in the log; a program that died in a transaction leaves a journal that is to be rolled back. The files are read and stay
    as they are, to the byte, also the dates."""
    folder = tmp_path / "data"
    folder.mkdir()
    db = write_go_database(folder / "state.db", go_state(ids=names(0, 5)), journal=journal)
    db.execute("PRAGMA cache_spill=ON")
    db.execute("PRAGMA cache_size=1")
    put_go_row(db, go_state(ids=names(0, 7)))
    if journal == "WAL":
        db.commit()
    else:
        db.executemany("INSERT INTO sync_states VALUES(?,'ctx','','','','',0,'')", [(f"filler{i}" * 90,) for i in range(300)])  # spilled into the file, not committed
    there = {path.name for path in folder.iterdir()}
    assert f"state.db-{'wal' if journal == 'WAL' else 'journal'}" in there
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for path in folder.iterdir():
        if not path.name.endswith("-shm"):
            (crashed / path.name).write_bytes(path.read_bytes())
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in crashed.iterdir()}
    os.chmod(crashed, 0o500)
    try:
        told = pair.json("state", "import", crashed / "state.db", check=0)
    finally:
        os.chmod(crashed, 0o700)
    assert told["trusted"] == (7 if journal == "WAL" else 5)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in crashed.iterdir()} == before
    db.close()


def test_no_copy_is_left(pair, tmp_path):
    write_go_database(tmp_path / "state.db", go_state(ids=names(0, 5))).close()
    (tmp_path / "passing").mkdir()
    pair.run("state", "import", tmp_path / "state.db", check=0, env={"TMPDIR": str(tmp_path / "passing")})
    assert list((tmp_path / "passing").iterdir()) == []
    done = pair.run("state", "import", tmp_path / "state.db", check=74, env={"TMPDIR": str(tmp_path / "nowhere")})
    assert "TMPDIR" in done.stderr


# ---- What is not taken ----

def other_database(path, sql):
    db = sqlite3.connect(path)
    db.executescript(sql)
    db.close()


def cut_database(path):
    write_go_database(path, go_state(ids=names(0, 3000)), go_state("more", "ctx", names(0, 3000))).close()
    path.write_bytes(path.read_bytes()[:5000])


REFUSED = [
    ("nothing.json", lambda p: None, 1, "No such file"),
    ("empty.json", lambda p: p.write_text(""), 78, "is empty"),
    ("blank.json", lambda p: p.write_text("  \n"), 78, "not the head of a state"),
    ("cut.json", lambda p: p.write_text(json.dumps(go_state(ids=names(0, 50)))[:500]), 74, "is cut or no JSON"),
    ("other.json", lambda p: p.write_text('{"name": "package", "version": 3}'), 78, "nothing was imported"),
    ("array.json", lambda p: p.write_text("[1, 2]"), 78, "nothing was imported"),
    ("notes.txt", lambda p: p.write_text("hello"), 78, "not the head of a state"),
    ("other.db", lambda p: other_database(p, "CREATE TABLE bookmarks(url TEXT)"), 78, "but not of the Go program"),
    ("counts.db", lambda p: other_database(p, "CREATE TABLE sync_states(connector_id TEXT, last_memory_id TEXT, processed_count INTEGER)"), 78, "and not which"),
    ("none.db", lambda p: other_database(p, SCHEMA), 78, "nothing was imported"),
    ("cut.db", cut_database, 74, "cut or damaged"),
    ("head.db", lambda p: p.write_bytes(b"SQLite format 3\0"), 74, "cut or damaged"),
    ("folder", lambda p: p.mkdir(), 78, "a folder without JSON files"),
    ("bombs.json", lambda p: p.write_text("[" * 200000), 74, "is cut or no JSON"),
]


@pytest.mark.parametrize("name,make,code,words", REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_not_taken_changes_nothing(pair, tmp_path, name, make, code, words):
    make(tmp_path / name)
    done = pair.run("state", "import", tmp_path / name, check=code)
    assert words in done.stderr and name in done.stderr and not pair.state.exists(), done.stderr
    assert pair.json("state", "import", tmp_path / name, check=code)["error"]["message"]


def test_states_of_ours_are_used_not_imported(pair, tmp_path):
    pair.sync("--wait")
    assert "not an export" in pair.run("state", "import", pair.state, check=78).stderr
    pair.run("state", "migrate", tmp_path / "there", check=0)
    assert "not an export" in pair.run("state", "import", tmp_path / "there", check=78).stderr
    exported = tmp_path / "all.jsonl"
    pair.run("state", "export", exported, check=0)
    lines = exported.read_text().splitlines()
    inner = lines[0].split(",", 2)[2][:-1].replace('"schema":7', '"schema":99')
    lines[0] = f'{{"crc":"{zlib.crc32(inner.encode()):08x}","size":{len(inner)},{inner}}}'
    exported.write_text("\n".join(lines) + "\n")
    pair.state = tmp_path / "new"
    assert "newer release" in pair.run("state", "import", exported, check=78).stderr and not pair.state.exists()


@pytest.mark.parametrize("backend", ["sqlite", "json"])
def test_a_state_of_theirs_in_place_of_ours(pair, theirs, backend):
    """state.path that points at what the Go program left: nothing is touched, and the message is the way out."""
    path = theirs(go_state(ids=names(0, 12)))
    before = contents(path if path.is_dir() else path.parent)
    ours, pair.state = pair.state, path
    pair.env["MEMORY_CONNECTOR_STATE__BACKEND"] = backend
    for command in (["sync"], ["status"]):
        done = pair.run(*command, check=78)
        assert f"memory-connector state import {path}" in done.stderr, done.stderr
    assert {name: data for name, data in contents(path if path.is_dir() else path.parent).items() if "lock" not in name} == before
    pair.state = ours.parent / "ours"
    assert pair.json("state", "import", path, check=0)["trusted"] == 12
    assert pair.sync()["sent"] == 0
