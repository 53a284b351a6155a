"""The way back: a name that LightRAG shows, an entity of its graph, a track, to the memory; and the life of one memory."""
import hashlib
import json

import pytest

from conftest import http, memories

QUICK = "  confirm: { poll_interval: 20ms, settle: 1s }"


@pytest.fixture(params=["1.5", "1.4"])
def ready(request, program, fake):
    """20 memories, delivered and proven."""
    source = fake("memory-api", "--count", "0")
    target = fake("lightrag", "--dialect", request.param)
    target.dialect = request.param
    source.control(memories=memories(20))
    program.write_config(source.url, target.url, lightrag=QUICK)
    program.sync("--wait")
    return source, target


def rows(target):
    return {row["file_path"]: row for row in http(target.url + "/documents/paginated", {"page": 1, "page_size": 200})["documents"]}


def test_every_name_leads_back(program, ready):
    source, target = ready
    row = rows(target)["memory~ctx~m7"]
    for name, kind in (("m7", "memory id"), ("memory~ctx~m7", "document name"), (row["id"], "doc id"), ("memory://ctx/m7", "address")):
        found = program.json("resolve", name, check=0)
        assert found["schema"] == "memory-connector/resolve/v1" and found["kind"] == kind, (name, found)
        assert [(one["memory"], one["doc_id"], one["state"]) for one in found["memories"]] == [("m7", row["id"], "done")], name
        assert program.json("explain", name, check=0)["memory"] == "m7", name
    assert program.json("resolve", row["id"] + "-chunk-000", check=0)["memories"][0]["memory"] == "m7"
    tracked = program.json("resolve", row["track_id"], check=0)
    assert tracked["kind"] == "track id" and {one["memory"] for one in tracked["memories"]} == {f"m{i}" for i in range(20)}
    assert program.json("explain", "ctx", "m7", check=0)["batch"]["track"] == row["track_id"]


def test_the_text_only_when_asked_and_exactly(program, ready):
    source, target = ready
    private = "Memory number 7 about Ana"
    for arguments in (("explain", "m7"), ("explain", "m7", "--json"), ("resolve", "m7")):
        assert private not in program.run(*arguments, check=0).stdout
    text = program.json("explain", "m7", "--text", check=0)["text"]
    assert private in text
    row = rows(target)["memory~ctx~m7"]
    assert row["content_length"] == len(text) and row["content_summary"] == text[:250] + ("..." if len(text) > 250 else "")
    assert program.run("explain", "m7", "--text", check=0).stdout.endswith("\n" + text if text.endswith("\n") else text + "\n")


def test_the_life_in_words(program, ready):
    source, target = ready
    said = program.run("explain", "m7", check=0).stdout
    for words in ("memory m7: done", "connector life", "context ctx", target.url, "memory://ctx/m7", "memory~ctx~m7", "first seen", "track", "closed",
                  "it is in the graph", "--text"):
        assert words in said, (words, said)


def test_a_dead_letter_with_its_story(program, fake):
    source, target = fake("memory-api", "--count", "0"), fake("lightrag")
    source.control(memories=memories(3))
    target.control(fail_match="number 1 ")
    program.write_config(source.url, target.url, lightrag=QUICK, connector="    retry: { max_attempts: 1 }")
    program.sync("--wait", check=3)
    life = program.json("explain", "m1", check=0)
    assert life["state"] == "dead" and [(one["class"], one["state"]) for one in life["dead_letters"]] == [("processing_failed", "open")]
    said = program.run("explain", "m1", check=0).stdout
    assert "processing_failed" in said and "dead-letters retry" in said and "model or quota" in said
    program.run("dead-letters", "discard", "--id", "m1", "--yes", check=0)
    assert [one["state"] for one in program.json("explain", "m1", check=0)["dead_letters"]] == ["discarded"]


def test_what_waits_says_for_what(program, fake):
    source, target = fake("memory-api", "--count", "0"), fake("lightrag")
    source.control(memories=memories(2))
    program.write_config(source.url, "http://127.0.0.1:9", lightrag=QUICK)
    program.run("sync")
    life = program.json("explain", "m0", check=0)
    assert life["state"] in ("queued", "flying") and life["next"] and life["text_bytes"] > 0 and "text" not in life
    source.control(memories=memories(1, transcript="") )
    assert program.json("explain", "m1", check=0)["first_seen"] == life["first_seen"]


def test_first_seen_stays_through_revisions(program, ready):
    source, target = ready
    before = program.json("explain", "m3", check=0)
    source.control(memories=memories(20, type="photo"))
    program.sync("--wait")
    after = program.json("explain", "m3", check=0)
    assert after["revision"] != before["revision"] and after["first_seen"] == before["first_seen"] and after["since"] > before["since"]


def test_the_same_id_in_two_contexts(program, fake):
    source, target = fake("memory-api", "--count", "0"), fake("lightrag")
    source.control(memories=memories(2))
    program.write_config(source.url, target.url, lightrag=QUICK)
    text = program.config.read_text().replace("context_id: ctx", "context_ids: [ctx, other]")
    program.config.write_text(text)
    program.sync("--wait")
    assert len(program.json("resolve", "m1", check=0)["memories"]) == 2
    done = program.run("explain", "m1", check=2)
    assert "memory~ctx~m1" in done.stderr and "memory~other~m1" in done.stderr
    assert program.json("explain", "other", "m1", check=0)["document"] == "memory~other~m1"
    assert program.json("explain", "memory~other~m1", check=0)["context"] == "other"


def test_names_that_were_shortened_or_encoded(program, fake):
    source, target = fake("memory-api", "--count", "0"), fake("lightrag")
    odd = ["x" * 300, "a b/..%2f", "\u001b[2Jx", "émile~1"]
    source.control(memories=[{"id": one, "type": "note", "transcript": f"Words of Ana {i}.", "created_at": "2025-12-18T14:30:00Z"} for i, one in enumerate(odd)])
    program.write_config(source.url, target.url, lightrag=QUICK)
    program.sync("--wait")
    for name, row in rows(target).items():
        by_name, by_id = program.json("resolve", name, check=0)["memories"], program.json("resolve", row["id"], check=0)["memories"]
        assert by_name == by_id and len(by_name) == 1 and by_name[0]["memory"] in odd
        assert program.json("resolve", by_name[0]["address"], check=0)["memories"] == by_name
        assert "\u001b" not in program.run("explain", name, check=0).stdout + program.run("resolve", name, check=0).stdout
    assert len(rows(target)) == len(odd)


@pytest.mark.parametrize("what, words", [
    ("nobody", "nothing here is called"), ("doc-" + "0" * 32, "nothing here is called"), ("memory~ctx~nobody", "nothing here is called"),
    ("memory://ctx", "no address"), ("memory://ctx/a...b", "shortened"), ("dup-" + "0" * 32, "original_doc_id")])
def test_what_is_unknown_is_said_so(program, ready, what, words):
    for command in ("resolve", "explain"):
        done = program.run(command, what)
        assert done.returncode in (1, 2) and words in done.stderr and done.stdout == "", done
        assert program.run(command, what, "--json").stdout.startswith('{"schema":"memory-connector/error/v1"')


def test_without_a_state(program, fake):
    program.write_config("http://127.0.0.1:9", "http://127.0.0.1:9")
    for arguments in (("resolve", "x"), ("explain", "x"), ("resolve", "--entity", "x")):
        assert "no state yet" in program.run(*arguments, check=1).stderr
    assert program.run("resolve", check=2).returncode == 2 and program.run("resolve", "x", "--entity", "y").returncode == 2


# ---- The graph ----

def test_the_memories_behind_an_entity(program, ready):
    source, target = ready
    for name in ("Ana", "ana"):
        found = program.json("resolve", "--entity", name, check=0)
        one = found["targets"][0]
        assert found["schema"] == "memory-connector/resolve-entity/v1" and (one["entity"], one["found"], one["cut"], one["other_documents"]) == ("Ana", True, False, 0)
        assert {memory["memory"] for memory in one["memories"]} == {f"m{i}" for i in range(20)}
    said = program.run("resolve", "--entity", "Ana", "-c", "life", check=0).stdout
    assert "entity Ana" in said and "20 memories" in said and "memory~ctx~m19" in said


def test_documents_of_others_are_counted(program, ready):
    source, target = ready
    http(target.url + "/documents/texts", {"texts": ["Ana was here."], "file_sources": ["their document"]})
    program.run("verify")
    one = program.json("resolve", "--entity", "Ana", check=0)["targets"][0]
    assert one["other_documents"] == 1 and one["foreign"] == ["their document"] and len(one["memories"]) == 20
    said = program.run("resolve", "--entity", "Ana", check=0).stdout
    assert "20 memories, 1 foreign document\n" in said and "(no memory here made them): their document\n" in said


def test_two_servers_each_with_its_own(program, fake):
    """The same memories at two servers, and more of them at one: each server's entity leads to what lies there, and each name to all of its places."""
    source, first, second = fake("memory-api", "--count", "0"), fake("lightrag"), fake("lightrag", "--dialect", "1.4")
    source.control(memories=memories(5))
    program.write_config(source.url, first.url, lightrag=QUICK, text=f"targets: {{ other: {{ api: {{ url: {second.url} }}, confirm: {{ poll_interval: 20ms, settle: 1s }} }} }}")
    program.config.write_text(program.config.read_text().replace("connectors:", "connectors:\n  - { id: twin, context_id: ctx, target: other, ingestion: { query_range: all, query_limit: 1000 } }"))
    program.run("sync", "--all", "--wait", check=0)
    source.control(memories=memories(8))
    program.run("sync", "twin", "--wait", check=0)
    at = {one["target"]: one for one in program.json("resolve", "--entity", "Ana", check=0)["targets"]}
    assert {name: (len(one["memories"]), one["other_documents"]) for name, one in at.items()} == {"default": (5, 0), "other": (8, 0)}
    assert all(memory["target"] == name for name, one in at.items() for memory in one["memories"])
    places = {one["target"]: one["doc_id"] for one in program.json("resolve", "memory~ctx~m1", check=0)["memories"]}
    assert set(places) == {"default", "other"} and places["default"] == rows(first)["memory~ctx~m1"]["id"] and places["other"] == rows(second)["memory~ctx~m1"]["id"]
    assert [one["target"] for one in program.json("resolve", places["other"], check=0)["memories"]] == ["other"]


def test_two_servers_of_1_4(program, fake):
    """1.4 names a document by its text: each of the servers is looked through."""
    source, first, second = fake("memory-api", "--count", "0"), fake("lightrag", "--dialect", "1.4"), fake("lightrag", "--dialect", "1.4")
    source.control(memories=memories(3))
    program.write_config(source.url, first.url, lightrag=QUICK, text=f"targets: {{ other: {{ api: {{ url: {second.url} }}, confirm: {{ poll_interval: 20ms, settle: 1s }} }} }}")
    program.config.write_text(program.config.read_text().replace("connectors:", "connectors:\n  - { id: twin, context_id: other, target: other, ingestion: { query_range: all, query_limit: 1000 } }"))
    program.run("sync", "--all", "--wait", check=0)
    for target, context in ((first, "ctx"), (second, "other")):
        found = program.json("resolve", rows(target)[f"memory~{context}~m1"]["id"], check=0)["memories"]
        assert [(one["context"], one["memory"]) for one in found] == [(context, "m1")]


@pytest.mark.parametrize("dialect, steps", [("1.5", ((75, 75, False), (120, 120, False), (230, 200, True))), ("1.4", ((100, 100, False), (120, 100, True)))])
def test_a_server_that_cut_its_list(program, fake, dialect, steps):
    """1.5 keeps 75 names and 200 chunks of an entity: the chunks tell of the others, up to 200. The chunks of 1.4 tell nothing."""
    source, target = fake("memory-api", "--count", "0"), fake("lightrag", "--dialect", dialect)
    program.write_config(source.url, target.url, lightrag=QUICK)
    for count, there, is_cut in steps:
        source.control(memories=memories(count))
        program.sync("--wait")
        one = program.json("resolve", "--entity", "Ana", check=0)["targets"][0]
        assert (len(one["memories"]), one["cut"], one["other_documents"]) == (there, is_cut, 0), count
        assert ("cut its list" in program.run("resolve", "--entity", "Ana", check=0).stdout) == is_cut


def test_an_entity_that_is_not_there(program, ready):
    done = program.run("resolve", "--entity", "Nobody Ever", check=1)
    assert "no entity" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("status, code", [(401, 77), (403, 77), (503, 75), (500, 69), (404, 78)])
def test_a_server_that_does_not_answer_the_question(program, ready, status, code):
    source, target = ready
    target.control(path="/graph/label/search", status=status, times=1)
    done = program.run("resolve", "--entity", "Ana")
    assert done.returncode == code, (done.returncode, done.stderr)
    target.stop()
    target.stop = lambda: None
    assert program.run("resolve", "--entity", "Ana").returncode == 69
    assert program.run("resolve", "m1", check=0)  # what the state knows needs no server


# ---- The documents that programs read ----

def test_the_json_of_a_life(program, fake):
    """Every member, in its order, with its value: what programs may rely on."""
    source, target = fake("memory-api", "--count", "0"), fake("lightrag")
    source.control(memories=memories(2))
    target.control(fail_match="number 1 ")
    program.write_config(source.url, target.url, lightrag=QUICK, connector="    retry: { max_attempts: 1 }")
    program.sync("--wait", check=3)
    life = program.json("explain", "ctx", "m1", "--text", check=0)
    track, text = life["batch"]["track"], life["text"]
    for where, keys in ((life, ("revision", "first_seen", "since")), (life["batch"], ("opened", "sent", "changed")), (life["dead_letters"][0], ("first", "last"))):
        for key in keys:
            assert where[key], key
            where[key] = "*"
    assert track.startswith("insert_") and text.startswith("[memory://ctx/m1 revision ") and life["dead_letters"][0]["words"]
    words = life["dead_letters"][0]["words"]
    letter = {key: life["dead_letters"][0][key] for key in ("letter", "class", "state", "memory", "context", "connector", "times")}
    assert letter == {"letter": 1, "class": "processing_failed", "state": "open", "memory": "m1", "context": "ctx", "connector": "life", "times": 1}, words
    life["dead_letters"] = []
    assert json.dumps(life) == json.dumps({
        "schema": "memory-connector/explain/v1", "memory": "m1", "context": "ctx", "connector": "life", "source": "default", "target": "default", "target_url": target.url,
        "target_version": "1.5.7", "address": "memory://ctx/m1", "document": "memory~ctx~m1", "doc_id": "doc-" + hashlib.md5(b"memory~ctx~m1").hexdigest(), "state": "dead",
        "revision": "*", "first_seen": "*", "since": "*", "text_bytes": len(text.encode()), "attempts": 1, "newer_revision": None, "absent_since": None,
        "batch": {"batch": 1, "state": "closed", "track": track, "members": 0, "strikes": 0, "opened": "*", "sent": "*", "changed": "*"}, "dead_letters": [],
        "next": life["next"], "not_before": None, "text": text})
