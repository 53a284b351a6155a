"""What changes or goes at the source, and what the server loses: the graph follows, nothing is lost or doubled on the way."""
import pytest

from conftest import memories, http

QUICK = "  confirm: { poll_interval: 20ms, settle: 1s }"


@pytest.fixture(params=["1.5", "1.4"])
def pair(request, program, fake):
    source = fake("memory-api", "--count", "0")
    target = fake("lightrag", "--dialect", request.param)
    source.control(memories=memories(20))
    program.write_config(source.url, target.url, lightrag=QUICK)
    return source, target


def rows(target):
    listing = http(target.url + "/documents/paginated", {"page": 1, "page_size": 200})
    return {row["file_path"]: row for row in listing["documents"]}


def settled(target, count):
    ledger = target.ledger()
    assert (ledger["live"], ledger["processed"], ledger["doubled"], ledger["torn"]) == (count, count, 0, 0), ledger
    return ledger


def deletes(target):
    return target.ledger()["requests"].get("DELETE /documents/delete_document", 0)


def changed(count, which, words="Rewritten."):
    listing = memories(count)
    for index in which:
        listing[index]["transcript"] = words
    return listing


def test_one_changed_of_many_is_one_delete_and_one_insert(program, pair):
    source, target = pair
    source.control(memories=memories(300))
    program.sync("--wait")
    before = target.ledger()
    source.control(memories=changed(300, [77]))
    run = program.sync("--wait")
    assert (run["changed"], run["replaced"], run["sent"], run["processed"], run["result"]) == (1, 1, 1, 1, "success")
    after = settled(target, 300)
    assert (deletes(target), after["inserts"] - before["inserts"], after["texts"] - before["texts"]) == (1, 1, 1)
    assert program.sync("--wait")["changed"] == 0
    assert deletes(target) == 1


def test_all_changed(program, pair):
    source, target = pair
    program.sync("--wait")
    old = {name: row["content_summary"] for name, row in rows(target).items()}
    source.control(memories=memories(20, transcript="All changed."))
    run = program.sync("--wait")
    assert (run["changed"], run["replaced"], run["processed"]) == (20, 20, 20)
    settled(target, 20)
    new = {name: row["content_summary"] for name, row in rows(target).items()}
    assert old.keys() == new.keys() and all(old[name] != new[name] for name in old)


def test_changed_while_it_is_in_flight(program, pair):
    """The newer revision waits beside the one in flight, over a restart of ours, and is sent when that is settled."""
    source, target = pair
    target.control(process_delay_ms=3_600_000)
    run = program.sync()
    assert (run["stored"], run["processed"]) == (20, 0)
    source.control(memories=changed(20, [3, 4]))
    run = program.sync()
    assert (run["changed"], run["sent"]) == (2, 0)
    source.control(memories=changed(20, [3]))  # the second one is as it was
    program.sync()
    target.control(process_delay_ms=0)
    run = program.sync("--wait")
    assert run["replaced"] == 1
    settled(target, 20)
    assert program.sync("--wait")["changed"] == 0


def test_a_refused_revision_is_followed_by_a_mended_one(program, pair):
    source, target = pair
    target.control(fail_match="BROKEN")
    program.write_config(source.url, target.url, lightrag=QUICK, connector="    retry: { max_attempts: 1 }")
    source.control(memories=changed(20, [5], "BROKEN words"))
    run = program.sync("--wait", check=3)
    assert (run["processed"], run["failed"]) == (19, 1)
    source.control(memories=changed(20, [5], "Mended words"))
    run = program.sync("--wait")
    assert run["processed"] >= 1
    settled(target, 20)
    assert program.json("dead-letters", "list")["dead_letters"] == []


@pytest.mark.parametrize("fault", [{"lost_deletes": 1}, {"drop_times": 1, "drop_path": "/documents/delete_document"}, {"times": 2, "status": 503, "path": "/documents/delete_document"},
                                   {"delete_delay_ms": 300}])
def test_deletes_that_go_wrong(program, pair, fault):
    source, target = pair
    program.sync("--wait")
    target.control(**fault)
    source.control(memories=changed(20, [0, 7, 19]))
    run = program.sync("--wait")
    assert run["replaced"] == 3
    settled(target, 20)


def test_killed_between_delete_and_insert(program, pair):
    source, target = pair
    program.sync("--wait")
    source.control(memories=memories(20, transcript="All changed."))
    target.control(delete_delay_ms=100)
    running = program.start("sync", "--wait")
    for _ in range(400):
        if deletes(target) > 0:
            break
    running.kill()
    running.communicate()
    target.control(delete_delay_ms=0)
    program.sync("--wait")
    settled(target, 20)
    assert program.sync("--wait")["sent"] == 0


def test_a_busy_server_does_not_hold_a_sync_for_ever(program, pair):
    """Without --wait the run ends when only a removal is left that waits for an idle moment; the next one goes on with it."""
    source, target = pair
    program.sync("--wait")
    target.control(process_delay_ms=3_600_000)
    source.control(memories=memories(22))
    assert program.sync()["unprocessed"] == 2
    source.control(memories=changed(22, [1]))
    run = program.sync()
    assert (run["result"], run["changed"], run["replaced"], run["unremoved"]) == ("success", 1, 0, 1)
    target.control(process_delay_ms=0)
    run = program.sync("--wait")
    assert (run["replaced"], run["unremoved"]) == (1, 0)
    settled(target, 22)


# ---- Deletions ----

def test_absence_is_no_deletion_by_default(program, pair):
    source, target = pair
    program.sync("--wait")
    source.control(memories=memories(15))
    for _ in range(3):
        assert program.sync("--wait")["removed"] == 0
    settled(target, 20)


def test_propagated_after_two_complete_listings(program, pair):
    source, target = pair
    program.write_config(source.url, target.url, lightrag=QUICK, ingestion=", on_delete: propagate")
    program.sync("--wait")
    source.control(memories=memories(18))
    assert program.sync("--wait")["removed"] == 0
    assert program.sync("--wait")["removed"] == 2
    settled(target, 18)
    assert program.sync("--wait")["removed"] == 0
    source.control(memories=memories(20))  # back again: sent again
    run = program.sync("--wait")
    assert (run["changed"], run["processed"]) == (2, 2)
    settled(target, 20)


def test_a_flapping_list_deletes_nothing(program, pair):
    source, target = pair
    program.write_config(source.url, target.url, lightrag=QUICK, ingestion=", on_delete: propagate, max_delete_percent: 100")
    program.sync("--wait")
    for _ in range(3):
        source.control(memories=memories(10))
        assert program.sync("--wait")["removed"] == 0
        source.control(memories=memories(20))
        assert program.sync("--wait")["removed"] == 0
    source.control(memories=[])
    for _ in range(3):  # an empty list proves nothing
        assert program.sync("--wait")["removed"] == 0
    source.control(memories=memories(10))
    program.sync("--wait", "--range", "week")
    program.sync("--wait", "--range", "week")  # a shorter range proves nothing
    settled(target, 20)


def test_too_many_at_once(program, pair):
    source, target = pair
    program.write_config(source.url, target.url, lightrag=QUICK, ingestion=", on_delete: propagate, max_delete_percent: 10")
    program.sync("--wait")
    source.control(memories=memories(15))
    program.sync("--wait")
    assert program.sync("--wait")["removed"] == 0
    letters = program.json("dead-letters", "list")["dead_letters"]
    assert [one["class"] for one in letters] == ["deletion"] and "max_delete_percent" in str(letters[0])
    settled(target, 20)
    program.write_config(source.url, target.url, lightrag=QUICK, ingestion=", on_delete: propagate, max_delete_percent: 25")
    assert program.sync("--wait")["removed"] == 5
    settled(target, 15)
    assert program.json("dead-letters", "list")["dead_letters"] == []


def test_confirm_asks_once(program, pair):
    source, target = pair
    program.write_config(source.url, target.url, lightrag=QUICK, ingestion=", on_delete: confirm")
    program.sync("--wait")
    source.control(memories=memories(19))
    for _ in range(4):
        assert program.sync("--wait")["removed"] == 0
    letters = program.json("dead-letters", "list")["dead_letters"]
    assert [(one["class"], one["memory"]) for one in letters] == [("deletion", "m19")]
    receipt = program.json("forget", "ctx", "m19", "--yes")
    assert receipt["gone"] and receipt["deleted_rows"] == 1
    settled(target, 19)
    assert program.json("dead-letters", "list")["dead_letters"] == []
    assert program.sync("--wait")["sent"] == 0


# ---- What the server lost ----

def test_wiped_server_is_filled_again(program, pair):
    source, target = pair
    program.sync("--wait")
    target.control(wipe=True)
    source.control(memories=memories(1))  # the source lists hardly any of them now
    found = program.json("verify", check=4)
    assert found["targets"][0]["missing"] == 20
    mended = program.json("verify", "--repair", check=0)
    assert mended["targets"][0]["missing"] == 20
    assert program.json("verify", check=0)["targets"][0]["missing"] == 0
    settled(target, 20)


def test_verify_finds_what_a_hand_altered(program, pair):
    source, target = pair
    program.sync("--wait")
    before = rows(target)
    names = sorted(before)
    http(target.url + "/documents/delete_document", {"doc_ids": [before[name]["id"] for name in names[:3]]}, method="DELETE")
    http(target.url + "/documents/texts", {"texts": ["somebody's", "somebody else's"], "file_sources": ["foreign-1", "foreign-2"]})
    http(target.url + "/documents/delete_document", {"doc_ids": [before[names[5]]["id"]]}, method="DELETE")
    other = before[names[5]]["content_summary"].replace("revision ", "revision 0", 1)[:60]
    head = before[names[5]]["content_summary"].split("revision ")[0] + "revision 0123456789ab]\nanother text"
    assert other and http(target.url + "/documents/texts", {"texts": [head], "file_sources": [names[5]]})["status"] == "success"
    one = program.json("verify", check=4)["targets"][0]
    assert (one["missing"], one["stale"], one["foreign"]) == (3, 1, 2), one
    program.json("verify", "--repair", check=0)
    clean = program.json("verify", check=0)["targets"][0]
    assert (clean["missing"], clean["stale"], clean["foreign"]) == (0, 0, 2)
    after = rows(target)
    assert {"foreign-1", "foreign-2"} <= after.keys() and len(after) == 22


def test_audit_by_itself_after_a_restart_of_the_server(program, fake, tmp_path):
    """A server that comes back without its storage is noticed by the next sync that meets the gap, and filled again."""
    source = fake("memory-api", "--count", "20")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url, lightrag="  confirm: { poll_interval: 20ms, audit_interval: 1s }")
    program.sync("--wait")
    target.control(wipe=True)
    import time
    time.sleep(1.2)
    program.sync("--wait")
    settled(target, 20)


def test_another_server_behind_the_same_address(program, pair):
    source, target = pair
    program.sync("--wait")
    target.control(wipe=True, workspace="other")
    source.control(memories=memories(25))
    done = program.run("sync", "--json")
    assert done.returncode == 78 and "--accept-target" in done.stdout + done.stderr
    assert target.ledger()["inserts"] == 0 or target.ledger()["live"] == 0
    program.json("verify", "--accept-target", "--repair", check=0)
    program.sync("--wait")
    settled(target, 25)


def test_a_wrong_key_says_nothing_of_the_workspace(program, pair):
    """Who comes without the key is not told; with it the server is no other one."""
    source, target = pair
    target.control(workspace="theirs", api_key="secret")
    program.run("sync", check=77)
    text = program.config.read_text()
    program.config.write_text(text.replace("api: { url:", "api: { api_key: secret, url:"))
    program.sync("--wait")
    settled(target, 20)
    program.config.write_text(text)
    program.run("verify", check=77)
    target.control(workspace="another")  # what it was told before is kept meanwhile
    program.config.write_text(text.replace("api: { url:", "api: { api_key: secret, url:"))
    program.run("verify", check=78)


# ---- Coverage ----

def test_a_cut_listing_is_widened(program, fake):
    source = fake("memory-api", "--count", "100")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    program.config.write_text(program.config.read_text().replace("query_limit: 100000", "query_limit: 10"))
    run = program.sync("--wait")
    assert (run["processed"], run["coverage"]) == (100, "complete")


def test_ten_thousand_behind_a_limit_of_ten(program, fake):
    source = fake("memory-api", "--count", "10000", "--size", "120")
    target = fake("lightrag", "--dialect", "1.5", "--lean")
    program.write_config(source.url, target.url)
    program.config.write_text(program.config.read_text().replace("query_limit: 100000", "query_limit: 10"))
    run = program.sync("--wait", timeout=120)
    assert (run["processed"], run["coverage"]) == (10000, "complete")
    assert target.ledger()["doubled"] == 0


def test_a_gap_stays_named_until_it_is_closed(program, fake):
    source = fake("memory-api", "--count", "100")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url, ingestion=", auto_widen: false")
    program.config.write_text(program.config.read_text().replace("query_limit: 100000", "query_limit: 10"))
    run = program.sync("--wait", check=3)
    assert (run["processed"], run["coverage"]) == (10, "gap")
    assert [one["class"] for one in program.json("dead-letters", "list")["dead_letters"]] == ["source_gap"]
    run = program.sync("--wait", "--limit", "1000")
    assert (run["processed"], run["coverage"]) == (90, "complete")
    assert program.json("dead-letters", "list")["dead_letters"] == []


def test_backfill(program, fake):
    source = fake("memory-api", "--count", "100")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    program.config.write_text(program.config.read_text().replace("query_range: all", "query_range: day"))
    run = program.sync("--wait", "--backfill")
    assert (run["processed"], run["coverage"]) == (100, "complete")


def test_reset_brings_everything_again_and_doubles_nothing(program, fake):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=memories(6))
    program.write_config(source.url, target.url)
    program.sync("--wait")
    assert program.run("reset", "life", check=2).stderr  # nobody said yes
    assert program.json("reset", "life", "--yes", check=0)["forgotten"] == 6
    assert program.json("status", check=0)["connectors"][0]["memories"]["done"] == 0
    program.sync("--wait")
    assert program.json("status", check=0)["connectors"][0]["memories"]["done"] == 6
    assert "1 forgotten" in program.run("reset", "life", "--memory", "m3", "--yes", check=0).stdout
    run = program.sync("--wait")
    assert (run["unchanged"], run["changed"] + run["new"]) == (5, 1)
    ledger = target.ledger()
    assert (ledger["live"], ledger["doubled"], ledger["lost"]) == (6, 0, 0)
    assert "knows no memory" in program.run("reset", "life", "--memory", "m99", "--yes", check=1).stderr
    assert program.run("reset", "--yes", check=2).stderr


@pytest.mark.parametrize("dialect", ["1.5", "1.4"])
@pytest.mark.parametrize("on_update", ["replace", "keep"])
def test_force_sends_what_is_unchanged_once_more(program, fake, dialect, on_update):
    source, target = fake("memory-api"), fake("lightrag", "--dialect", dialect)
    source.control(memories=memories(6))
    program.write_config(source.url, target.url, ingestion=f", on_update: {on_update}", lightrag="  confirm: { poll_interval: 20ms, settle: 1s }")
    program.sync("--wait")
    assert target.ledger()["texts"] == 6
    run = program.sync("--force", "--wait")
    assert (run["changed"], run["replaced"], run["sent"], run["unchanged"]) == (6, 6, 6, 0)
    ledger = target.ledger()
    assert (ledger["texts"], ledger["live"], ledger["doubled"], ledger["lost"]) == (12, 6, 0, 0)
    assert program.sync("--wait")["unchanged"] == 6
    assert target.ledger()["texts"] == 12
    dry = program.sync("--force", "--dry-run")
    assert (dry["changed"], target.ledger()["texts"]) == (6, 12)


@pytest.mark.parametrize("comes_between", ["nothing", "syncs in vain"])
def test_deleted_at_the_source_after_a_reset(program, pair, comes_between):
    """What a reset forgets stays in LightRAG: it is not "nowhere", and goes when the source deletes it."""
    source, target = pair
    program.write_config(source.url, target.url, lightrag=QUICK, ingestion=", on_delete: propagate, max_delete_percent: 100")
    program.sync("--wait")
    assert program.json("reset", "life", "--yes", check=0)["forgotten"] == 20
    if comes_between != "nothing":  # queued again, it cannot be sent, and both listings come before it could
        target.control(api_key="another")
        program.run("sync", check=77)
        source.control(memories=memories(15))
        program.run("sync", check=77)
        program.run("sync", check=77)
        target.control(api_key="")
    source.control(memories=memories(15))
    program.sync("--wait")
    program.sync("--wait")
    settled(target, 15)
