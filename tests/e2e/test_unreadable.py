"""LightRAG 1.4 answers 500 to every page of its list that holds a document without a source, as an older program left them: what still works, what is told."""
import hashlib

import pytest

from conftest import http, memories

QUICK = "  confirm: { poll_interval: 20ms, settle: 1s }"
LATER, DIFFERENT = 75, 4


@pytest.fixture
def pair(program, fake):
    source = fake("memory-api", "--count", "0")
    target = fake("lightrag", "--dialect", "1.4")
    program.write_config(source.url, target.url, lightrag=QUICK)
    return source, target


def insert_nameless(target, count):
    """Neighbours in the listing; returns their ids."""
    texts = [f"An older program's text {i} of {count}." for i in range(count)]
    for text in texts:
        assert http(target.url + "/documents/text", {"text": text})["status"] == "success"
    return ["doc-" + hashlib.md5(text.encode()).hexdigest() for text in texts]


def leave_behind(target, count):
    """An older program's, and documents with names in front of them, all older than the two minutes that a look-up reaches back."""
    ids = insert_nameless(target, count)
    target.control(age_s=600)
    http(target.url + "/documents/texts", {"texts": [f"somebody's {i}" for i in range(12)], "file_sources": [f"their document {i}" for i in range(12)]})
    assert http(target.url + "/documents/status_counts")["status_counts"]["all"] >= count + 12
    target.control(age_s=600)
    return ids


def delete(target, ids):
    assert http(target.url + "/documents/delete_document", {"doc_ids": ids}, method="DELETE")["status"] == "deletion_started"


def ids_of(target):
    """By name; only while everything can be read."""
    listing = http(target.url + "/documents/paginated", {"page": 1, "page_size": 200})
    return {row["file_path"]: row["id"] for row in listing["documents"]}


def deliver(program, source, target, count, check=0):
    source.control(memories=memories(count))
    return program.sync("--wait", check=check)


def verify(program, *args, check):
    return program.json("verify", *args, check=check)["targets"][0]


def found(result):
    return {kind: result[kind] for kind in ("missing", "stale", "unfinished", "foreign", "unreadable", "unseen") if result[kind]}


def settled(target, ours, others):
    ledger = target.ledger()
    assert (ledger["live"], ledger["processed"], ledger["doubled"]) == (ours + others, ours + others, 0), ledger


def test_verify_tells(program, pair):
    """One nameless row among ours: pages that end before it and begin behind it read all the others."""
    source, target = pair
    deliver(program, source, target, 12)
    insert_nameless(target, 1)
    deliver(program, source, target, 25)
    result = verify(program, check=DIFFERENT)
    assert found(result) == {"unreadable": 1} and not result["complete"] and (result["documents"], result["expected"]) == (25, 25)
    before = target.ledger()["inserts"]
    done = program.run("verify", check=DIFFERENT)
    assert "upgrade to 1.5" in done.stdout and "not everything could be read" in done.stdout and "as it should be" not in done.stdout
    assert "mends it" not in done.stdout
    done = program.run("verify", "--repair", check=DIFFERENT)
    assert "mended" not in done.stdout
    assert target.ledger()["inserts"] == before


@pytest.mark.parametrize("away, expected, repaired", [
    (3, {"unreadable": 12, "unseen": 3}, {"unreadable": 12, "unseen": 3}),  # they may stand among the twelve
    (15, {"unreadable": 12, "missing": 15}, {"unreadable": 12}),             # more than can
])
def test_what_is_not_seen(program, pair, away, expected, repaired):
    source, target = pair
    deliver(program, source, target, 20)
    ids = ids_of(target)
    insert_nameless(target, 12)
    delete(target, [ids[f"memory~ctx~m{i}"] for i in range(away)])
    before = target.ledger()["texts"]
    assert found(verify(program, check=DIFFERENT)) == expected
    verify(program, "--repair", check=DIFFERENT)
    assert target.ledger()["texts"] - before == expected.get("missing", 0)
    assert found(verify(program, check=DIFFERENT)) == repaired
    settled(target, 20 - repaired.get("unseen", 0), 12)


def test_what_is_not_seen_and_newer_than_the_unreadable(program, pair):
    source, target = pair
    leave_behind(target, 12)
    deliver(program, source, target, 20)
    memory = {row["file_path"]: row for row in http(target.url + "/documents/paginated", {"page": 1, "page_size": 32, "sort_field": "created_at"})["documents"]}
    delete(target, [memory["memory~ctx~m4"]["id"]])
    assert found(verify(program, check=DIFFERENT)) == {"missing": 1, "foreign": 12, "unreadable": 12}
    done = program.run("verify", "--repair", check=DIFFERENT)
    assert "mended" in done.stdout and "what could not be read" in done.stdout
    settled(target, 20, 24)


@pytest.mark.parametrize("fault", [{"drop_times": 1, "drop_path": "/documents/texts"}, {"times": 1, "status": 500}], ids=["the answer", "the request"])
@pytest.mark.parametrize("others", [1, 12, 250])
def test_what_was_lost_is_looked_up_and_delivered_once(program, pair, fault, others):
    source, target = pair
    leave_behind(target, others)
    target.control(**fault)
    run = deliver(program, source, target, 25)
    assert (run["processed"], run["result"]) == (25, "success")
    settled(target, 25, others + 12)


def test_the_answer_was_lost_and_others_came_in_just_before(program, pair):
    """Rows that are there are found, also where a page would hold them together with the nameless ones."""
    source, target = pair
    insert_nameless(target, 12)
    target.control(drop_times=1, drop_path="/documents/texts")
    run = deliver(program, source, target, 25)
    assert (run["processed"], run["result"]) == (25, "success")
    settled(target, 25, 12)


def test_lost_where_others_came_in_at_the_same_time(program, pair):
    """Absence cannot be proven: nothing is sent a second time, the words say what to do, and once it is done the rest follows."""
    source, target = pair
    ids = insert_nameless(target, 12)
    target.control(times=1, status=500)
    source.control(memories=memories(25))
    done = program.run("sync", "--wait", check=LATER)
    assert "without a source" in done.stderr + done.stdout and "upgrade LightRAG to 1.5" in done.stderr + done.stdout
    settled(target, 0, 12)
    run = program.sync("--wait", check=LATER)
    assert run["sent"] == 0 and "without a source" in run["error"]
    delete(target, ids)
    run = program.sync("--wait", check=0)
    assert run["processed"] == 25
    settled(target, 25, 0)


@pytest.mark.parametrize("before, between, behind", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (12, 0, 0), (0, 12, 0), (0, 0, 12), (200, 0, 0)])
def test_update_and_forget(program, pair, before, between, behind):
    """Nameless rows that are older or newer than what is to go, or one in the middle of it."""
    source, target = pair
    insert_nameless(target, before)
    target.control(age_s=600)
    deliver(program, source, target, 15)
    insert_nameless(target, between)
    deliver(program, source, target, 30)
    target.control(age_s=600)
    insert_nameless(target, behind)
    listing = memories(30)
    for index in (3, 25):
        listing[index]["transcript"] = "Rewritten."
    source.control(memories=listing)
    run = program.sync("--wait")
    assert (run["replaced"], run["processed"], run["result"]) == (2, 2, "success")
    receipt = program.json("forget", "ctx", "m20", "--yes", check=0)
    assert receipt["gone"] and receipt["deleted_rows"] == 1
    settled(target, 29, before + between + behind)


def test_update_and_forget_beside_many(program, pair):
    """What stood right beside rows that nobody can read may be among them: gone is not proven, and nothing is sent in its place."""
    source, target = pair
    deliver(program, source, target, 15)
    ids = insert_nameless(target, 12)
    deliver(program, source, target, 30)
    done = program.run("forget", "ctx", "m15", "--yes", check=LATER)
    assert "not proven to be gone" in done.stderr and "upgrade LightRAG to 1.5" in done.stderr
    listing = memories(30)
    del listing[15]
    listing[14]["transcript"] = "Rewritten."
    source.control(memories=listing)
    run = program.sync("--wait", check=LATER)
    assert (run["replaced"], run["result"]) == (0, "interrupted") and "without a source" in run["error"]
    settled(target, 28, 12)
    delete(target, ids)
    run = program.sync("--wait")
    assert run["result"] == "success"
    assert program.json("forget", "ctx", "m15", "--yes", check=0)["gone"]
    settled(target, 29, 0)


def test_a_server_full_of_them(program, pair):
    source, target = pair
    deliver(program, source, target, 5)
    insert_nameless(target, 500)
    target.control(age_s=600)
    deliver(program, source, target, 30)
    before = target.ledger()["listings"]
    result = verify(program, check=DIFFERENT)
    assert found(result) == {"unreadable": 500} and result["documents"] == 30
    assert target.ledger()["listings"] - before < 80
