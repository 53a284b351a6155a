"""The main job through the real binary: rows S1 to S14, L1 to L9 of the failure table (docs/reliability.md) that need real sockets."""
import json
import signal
import time

import pytest

from conftest import SLOW, Fake, http, memories, wait_until

DIALECTS = ["1.5", "1.4"]


@pytest.fixture(params=DIALECTS)
def pair(request, fake, program, tmp_path):
    """A Memory API with 20 memories, a LightRAG of each dialect, and a configuration."""
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": memories(20)}))
    source = fake("memory-api", "--file", path)
    target = fake("lightrag", "--dialect", request.param)
    program.write_config(source.url, target.url, lightrag="  insert: { batch_size: 7 }\n  confirm: { settle: 1s, poll_interval: 50ms }")
    target.dialect = request.param
    return source, target


def settled(target, count):
    ledger = target.ledger()
    assert ledger["doubled"] == 0
    assert ledger["live"] == ledger["processed"] == count, ledger
    return ledger


def test_once_and_proven(program, pair):
    source, target = pair
    run = program.sync("--wait")
    assert (run["fetched"], run["new"], run["stored"], run["processed"], run["result"]) == (20, 20, 20, 20, "success")
    first = settled(target, 20)
    again = program.sync("--wait")
    assert (again["unchanged"], again["sent"]) == (20, 0)
    assert settled(target, 20)["inserts"] == first["inserts"]


def test_changed_memory_is_counted_and_waits(program, pair):
    source, target = pair
    program.write_config(source.url, target.url, ingestion=", on_update: keep")
    program.sync("--wait")
    source.control(memories=memories(20, transcript="All changed."))
    run = program.sync("--wait")
    assert (run["changed"], run["sent"]) == (20, 0)


def test_without_wait_it_ends_when_stored(program, pair):
    source, target = pair
    target.control(process_delay_ms=60000)
    run = program.sync()
    assert (run["stored"], run["processed"], run["unprocessed"]) == (20, 0, 20)
    target.control(process_delay_ms=0)
    run = program.sync("--wait")
    assert run["processed"] == 20
    settled(target, 20)


@pytest.mark.parametrize("every", range(1, 6))
def test_lost_answers(program, pair, every):
    """L6: the answer of every Nth insert is dropped after it was taken."""
    source, target = pair
    if every == 1:
        # every answer lost: only a change for the better lets a sync end; looked up all the same, nothing doubled
        target.control(drop_every=1)
        run = program.sync("--wait")
    else:
        target.control(drop_every=every)
        run = program.sync("--wait")
    assert run["processed"] == 20
    settled(target, 20)
    assert program.sync()["sent"] == 0


def test_interrupted_rows_are_kicked(program, pair):
    """L2: rows that nobody works on after a restart."""
    source, target = pair
    target.control(process_delay_ms=3600000)
    program.sync()
    target.control(restart=True, process_delay_ms=0)
    run = program.sync("--wait", timeout=60)
    assert run["processed"] == 20
    assert target.ledger()["kicks"] >= 1
    settled(target, 20)


NEVER = "  confirm: { kick: never, kick_interval: 1s, poll_interval: 20ms, settle: 1s }"


def test_a_pipeline_that_nobody_may_wake(program, fake):
    """Restarted with documents stored, and confirm.kick is never: a sync that waits ends with the remedy, and nothing is taken for lost or done."""
    source, target = fake("memory-api", "--count", "20"), fake("lightrag")
    program.write_config(source.url, target.url, lightrag=NEVER)
    target.control(process_delay_ms=3600000)
    program.sync()
    target.control(restart=True, process_delay_ms=0)
    for _ in range(2):
        done = program.run("sync", "--wait", "--json", check=75)
        run = json.loads(done.stdout)["runs"][0]
        assert (run["result"], run["unprocessed"], run["unsent"], run["failed"]) == ("interrupted", 20, 0, 0)
        assert "confirm.kick is never: set it to auto, or press Scan/Retry" in run["error"] and "leaves 20 stored memories" in run["error"]
    assert program.sync()["result"] == "success"  # who does not wait is not held up
    assert program.json("status", check=0)["connectors"][0]["memories"]["stored"] == 20 and target.ledger()["kicks"] == 0
    http(target.url + "/documents/reprocess_failed", {}, "POST")
    assert program.sync("--wait")["processed"] == 20
    settled(target, 20)


def test_a_full_house_that_nobody_may_wake(program, fake):
    """What is stored leaves no room for what is queued: that waits for the same person, and so does a sync without --wait."""
    source, target = fake("memory-api", "--count", "20"), fake("lightrag")
    program.write_config(source.url, target.url, lightrag=NEVER + "\n  insert: { batch_size: 5, max_unfinished: 10 }")
    target.control(process_delay_ms=3600000)
    process = program.start("sync", "--json")
    wait_until(lambda: target.ledger()["texts"] == 10)
    target.control(restart=True)
    output, _ = process.communicate(timeout=60 * SLOW)
    run = json.loads(output)["runs"][0]
    assert process.returncode == 75 and (run["stored"], run["unsent"]) == (10, 10) and "confirm.kick" in run["error"]


def test_a_slow_pipeline_is_waited_for(program, fake):
    """Busy for longer than the patience with one that stands still: at work."""
    source, target = fake("memory-api", "--count", "2"), fake("lightrag")
    program.write_config(source.url, target.url, lightrag=NEVER.replace("20ms", "100ms"))
    target.control(process_delay_ms=3000)
    assert program.sync("--wait")["processed"] == 2


def test_known_names_are_looked_up(program, pair, tmp_path):
    """L4: a new state against a server that has everything: nothing doubled, done by look-up."""
    source, target = pair
    program.sync("--wait")
    program.state = tmp_path / "other" / "state.db"
    run = program.sync("--wait")
    assert run["processed"] == 20
    settled(target, 20)


def test_processing_failure_ends_as_dead_letter(program, fake, tmp_path):
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": memories(3) + memories(1, id="bad", transcript="This one is POISONED.")}))
    source = fake("memory-api", "--file", path)
    target = fake("lightrag", "--dialect", "1.5", "--fail-match", "POISONED")
    program.write_config(source.url, target.url, lightrag="  confirm: { poll_interval: 20ms }", connector="    retry: { max_attempts: 2, max_backoff_seconds: 1 }")
    run = program.sync("--wait", check=3)
    assert (run["processed"], run["failed"], run["result"]) == (3, 1, "partial")
    letters = program.json("dead-letters", "list")["dead_letters"]
    assert [(one["class"], one["memory"]) for one in letters] == [("processing_failed", "bad")]
    assert "stub failure" in letters[0]["words"]
    # the cause is gone: retry looks it up and takes it to the end
    target.control(fail_match="nothing like it", fail_times=0)
    assert program.json("dead-letters", "retry")["count"] == 1
    assert program.json("dead-letters", "list")["dead_letters"] == []


def test_500_for_one_document(program, fake, tmp_path):
    """L9: a document that answers 500 alone is found, others go on; nobody else is blamed."""
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": memories(6) + memories(1, id="bad", transcript="EXPLODES here")}))
    source = fake("memory-api", "--file", path)
    target = fake("lightrag", "--dialect", "1.5")
    target.control(error_match="EXPLODES")
    program.write_config(source.url, target.url, lightrag="  confirm: { poll_interval: 20ms }")
    run = program.json("sync", "--wait", timeout=120)["runs"][0]
    assert run["processed"] == 6
    letters = program.json("dead-letters", "list")["dead_letters"]
    assert [(one["memory"], one["class"]) for one in letters] == [("bad", "poison")]


def test_rejected_document_only(program, fake, tmp_path):
    """L8: 422 names the culprit, its neighbours go on at once, and its text is nowhere in the output."""
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": memories(5)}))
    source = fake("memory-api", "--file", path)
    target = fake("lightrag", "--dialect", "1.5")
    target.control(status=422, times=1)
    program.write_config(source.url, target.url)
    run = program.sync("--wait")
    assert run["processed"] == 5  # an unnamed refusal is halved; the halves pass


@pytest.mark.parametrize("status", [429, 503])
def test_not_now(program, pair, status):
    """L7: waits as long as it is told, blames nobody."""
    source, target = pair
    target.control(status=status, times=1, retry_after="1")
    started = time.monotonic()
    run = program.sync("--wait")
    assert time.monotonic() - started >= 1
    assert (run["processed"], run["failed"]) == (20, 0)


def test_not_now_for_long_ends_with_75(program, pair):
    source, target = pair
    target.control(status=429, times=1000, retry_after="3600")
    done = program.run("sync", "--json")
    assert done.returncode == 75
    run = json.loads(done.stdout)["runs"][0]
    assert run["result"] == "interrupted" and run["unsent"] + run["unstored"] == 20
    target.control(times=0)


@pytest.mark.parametrize("fault", [{"word": "partial_success", "times": 2}, {"html": True, "status": 200, "times": 2}])
def test_answers_that_are_no_receipt(program, pair, fault):
    """L5: an unknown word or HTML with 200 is never done; it is looked up."""
    source, target = pair
    target.control(**fault)
    run = program.sync("--wait", timeout=90)
    assert run["processed"] == 20
    settled(target, 20)


def test_lightrag_down(program, pair):
    source, target = pair
    target.stop()
    target.stop = lambda: None
    done = program.run("sync", "--json", timeout=90)
    assert done.returncode == 69
    run = json.loads(done.stdout)["runs"][0]
    assert run["fetched"] == 20 and run["unsent"] == 20 and run["result"] == "interrupted"
    assert "cannot be reached" in done.stderr


def test_concurrency(program, fake, tmp_path):
    source = fake("memory-api", "--count", "400")
    target = fake("lightrag", "--dialect", "1.5")
    target.control(latency_ms=30)
    program.write_config(source.url, target.url, lightrag="  insert: { batch_size: 10 }")
    program.config.write_text(program.config.read_text().replace("query_limit: 100000", "query_limit: 100000, max_concurrency: 4"))
    assert program.sync("--wait")["processed"] == 400
    ledger = target.ledger()
    assert 2 <= ledger["max_in_flight"] <= 4
    assert ledger["doubled"] == 0 and ledger["texts"] == 400


# ---- the source

def test_cut_at_every_byte(program, fake, tmp_path):
    """S2: every whole element is delivered, one gap, exit 3."""
    few = memories(20)
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": few}))
    source = fake("memory-api", "--file", path)
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    whole = http(source.url + "/memory/ctx?limit=1000&range=all")
    size = len(json.dumps(whole, separators=(",", ":")).encode())
    for number, cut in enumerate(range(1, size, 97)):
        program.state = tmp_path / f"state{number}" / "state.db"
        source.control(**{"cut" if number % 2 else "cut_chunked": cut})
        done = program.run("sync", "--dry-run" if number % 8 else "--wait", "--json")
        run = json.loads(done.stdout)["runs"][0]
        text = json.dumps(whole, separators=(",", ":"))[:cut]
        assert run["fetched"] == text.count('Z"}'), (cut, run)
        assert done.returncode == (69 if cut == 0 else 3), (cut, done.stderr)
        if not number % 8:
            gaps = [one for one in program.json("dead-letters", "list")["dead_letters"] if one["class"] == "source_gap"]
            assert len(gaps) == 1
            assert [(gap["letter"], gap["context"], gap["open"]) for gap in program.json("report", "1")["gaps"]] == [(gaps[0]["letter"], "ctx", True)]
            program.run("sync", "--json")
            gaps = [one for one in program.json("dead-letters", "list")["dead_letters"] if one["class"] == "source_gap"]
            assert len(gaps) == 1 and gaps[0]["times"] == 2  # one gap, met twice
            source.control(times=0)
            program.sync()
            assert program.json("dead-letters", "list")["dead_letters"] == []  # closed by a whole listing
            assert [gap["open"] for gap in program.json("report", "1")["gaps"]] == [False]


def test_malformed_element_among_good_ones(program, fake, tmp_path):
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": [memories(1)[0], {"transcript": "no id, SECRETWORD"}, {"id": "", "transcript": "x"}, 5, {"id": "z", "transcript": "fine"}]}))
    source = fake("memory-api", "--file", path)
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    run = program.sync("--wait", check=3)
    assert (run["new"], run["malformed"], run["processed"]) == (2, 3, 2)
    again = program.sync("--wait", check=3)
    letters = program.json("dead-letters", "list")
    assert len(letters["dead_letters"]) == 3 and {one["times"] for one in letters["dead_letters"]} == {2}
    assert "SECRETWORD" not in json.dumps(letters)
    shown = program.run("dead-letters", "show", str(letters["dead_letters"][0]["letter"]), "--show-content", check=0).stdout
    assert "SECRETWORD" in shown


@pytest.mark.parametrize("fault,code,words", [
    ({"status": 401}, 77, "api_key"), ({"status": 403}, 77, "api_key"), ({"status": 404}, 78, "does not know context"),
    ({"status": 500}, 69, "HTTP 500"), ({"html": True}, 69, "not JSON"), ({"redirect": "http://127.0.0.1:1/x"}, 69, "redirects to"),
    ({"raw": '{"data":{"memories":[]}}'}, 69, "no \"memories\""),
])
def test_source_refuses(program, fake, fault, code, words, tmp_path):
    source = fake("memory-api", "--count", "5")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    source.control(**fault)
    done = program.run("sync", check=code)
    assert words in done.stderr
    assert source.ledger()["listings"] == 1  # S8, S9: no retry
    assert target.ledger()["inserts"] == 0


def test_source_retry_after_is_honoured(program, fake):
    source = fake("memory-api", "--count", "5")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    program.config.write_text(program.config.read_text().replace("max_retries: 0", "max_retries: 3"))
    source.control(status=429, retry_after="2", times=1)
    started = time.monotonic()
    assert program.sync("--wait")["processed"] == 5
    assert time.monotonic() - started >= 2


def test_null_and_empty_listings(program, fake):
    source = fake("memory-api", "--count", "5")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    for raw in ('{"memories":null}', '{"memories":[]}', '\ufeff{"count":0,"memories":[]}'):
        source.control(raw=raw)
        assert program.sync()["fetched"] == 0


def test_stalled_listing_does_not_hang(program, fake):
    source = fake("memory-api", "--count", "5", "--size", "300")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url, memory=", timeout: 1s")
    source.control(stall=700)
    run = program.sync("--wait", check=3, timeout=30)
    assert run["coverage"] == "partial" and run["processed"] == run["new"] >= 1


def test_two_contexts_never_mix(program, fake, tmp_path):
    """S5: the same id in two contexts is two documents."""
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"contexts": {"a": {"memories": memories(3)}, "b": {"memories": memories(3)}}}))
    source = fake("memory-api", "--file", path)
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    program.config.write_text(program.config.read_text().replace("context_id: ctx", "context_ids: [a, b]"))
    assert program.sync("--wait")["processed"] == 6
    assert settled(target, 6)["texts"] == 6


def test_odd_ids(program, fake, tmp_path):
    """S6."""
    ids = ["/", "..", "%2F", "a/b", "a\\b", "quote\"'", "line\nbreak", "tab\t", "\u0000nul", "emoji 🎈", "שלום", "x.[native].md", "~", "a~b", "é", "e\u0301",
           "x" * 4000, "x" * 3999 + "y", " lead", "trail ", "A", "a", "--", "%", "<SEP>", "[1]", "'; DROP TABLE memories; --"]
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": [{"id": one, "transcript": f"words {n}"} for n, one in enumerate(ids)]}))
    source = fake("memory-api", "--file", path)
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    assert program.sync("--wait")["processed"] == len(ids)
    settled(target, len(ids))
    assert program.sync()["unchanged"] == len(ids)


def test_limit_and_max_items(program, fake):
    source = fake("memory-api", "--count", "50")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    run = program.sync("--wait", "--limit", "10")
    assert run["processed"] == 10 and run["coverage"] == "limited"
    run = program.sync("--wait", "--max-items", "25")
    assert run["fetched"] == 25 and run["processed"] == 15


def test_dry_run_writes_and_sends_nothing(program, pair):
    source, target = pair
    run = program.sync("--dry-run")
    assert run["new"] == 20 and run["run"] == 0
    assert not program.state.exists() and target.ledger()["inserts"] == 0


def test_time_zone_changes_nothing(program, pair):
    source, target = pair
    program.env["TZ"] = "Pacific/Apia"
    program.sync("--wait")
    program.env["TZ"] = "America/St_Johns"
    assert program.sync()["unchanged"] == 20
