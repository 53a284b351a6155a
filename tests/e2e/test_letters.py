"""Dead letters: grouped by cause, tried again by hand, by the service, and by themselves where another version of LightRAG answers."""
import json
import pathlib
import re
import signal
import subprocess

from conftest import SLOW, memories, wait_until

QUICK = "  confirm: { poll_interval: 20ms, settle: 1s, kick_interval: 1s }"
KEY = "0123456789abcdef0123456789abcdef"


def fail_two(program, fake):
    """Five memories, two of which the model refuses for ever, and an element that is no memory."""
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=[*memories(5), {"id": ""}])
    target.control(fail_match="number 3", fail_times=0)
    program.write_config(source.url, target.url, lightrag=QUICK)
    program.sync("--wait", check=3, timeout=120)
    return source, target


def letters(program):
    return program.json("dead-letters", "list", check=0)


def test_grouped_by_cause(program, fake):
    fail_two(program, fake)
    listed = letters(program)
    assert {group["class"]: group["count"] for group in listed["groups"]} == {"malformed": 1, "processing_failed": 1}
    assert all(group["advice"] and group["first"] and group["last"] for group in listed["groups"])
    words = program.run("dead-letters", "list", check=0).stdout
    assert words.index("1 malformed, the first at") < words.index("1 processing_failed, the first at") < words.index("LETTER")
    assert "then retry." in words
    only = program.json("dead-letters", "list", "--class", "malformed", check=0)
    assert [group["class"] for group in only["groups"]] == ["malformed"]


def test_every_class_has_its_part_in_the_docs(program):
    said = program.run("dead-letters", "list", "--class", "odd", check=2).stderr
    classes = re.search(r"\((.*)\)", said).group(1).split(", ")
    page = (pathlib.Path(__file__).parents[2] / "docs" / "dead-letters.md").read_text()
    parts = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page, re.M | re.S))
    assert len(classes) == 12 and sorted(classes) == sorted(parts)
    for name, part in parts.items():
        assert all(f"**{word}**" in part for word in ("What it means.", "Why.", "What to do.")), name


def test_a_letter_names_its_page(program, fake):
    fail_two(program, fake)
    for letter in letters(program)["dead_letters"]:
        assert f"docs/dead-letters.md#{letter['class']}" in program.run("dead-letters", "show", letter["letter"], check=0).stdout
    assert "docs/dead-letters.md" in program.run("dead-letters", "list", check=0).stdout


def test_another_version_is_given_another_try(program, fake):
    source, target = fail_two(program, fake)
    source.control(memories=memories(5))
    target.control(fail_match="")
    program.sync("--wait")
    program.run("dead-letters", "discard", "--class", "malformed", "--yes", check=0)
    assert [letter["class"] for letter in letters(program)["dead_letters"]] == ["processing_failed"]  # the same version: it waits
    target.control(core_version="1.5.9")
    done = program.run("sync", "--wait", check=0)
    assert "LightRAG 1.5.9 answers where 1.5.7 did: 1 dead letters that another version may cure are tried again" in done.stderr
    assert letters(program)["dead_letters"] == []
    ledger = target.ledger()
    assert (ledger["processed"], ledger["doubled"], ledger["lost"]) == (5, 0, 0)
    assert "answers where" not in program.run("sync", "--wait", check=0).stderr


def broken_listing(program, fake, elements, **config):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=[*memories(1), *elements])
    program.write_config(source.url, target.url, lightrag=QUICK, **config)
    assert program.sync("--wait", check=3)["malformed"] == len(elements)
    return source, target


def test_discarded_stays_discarded(program, fake):
    """The source goes on listing the same bytes: nothing new happens. Other bytes do open a letter."""
    source, _ = broken_listing(program, fake, [{"id": ""}, 5])
    program.run("dead-letters", "discard", "--yes", check=0)
    told = program.run("sync", "--dry-run", check=0)
    assert "malformed" not in told.stdout + told.stderr
    for _ in range(2):
        done = program.run("sync", "--json-lines", check=0)
        assert "item_failed" not in done.stdout and "no memory" not in done.stderr
        last = json.loads(done.stdout.splitlines()[-1])["runs"][0]
        assert (last["result"], last["malformed"], last["unchanged"]) == ("success", 0, 3)
    assert program.json("report", last["run"], check=0)["errors"] == [] and letters(program)["dead_letters"] == []
    closed = program.json("dead-letters", "list", "--closed", check=0)["dead_letters"]
    assert [(letter["state"], letter["times"]) for letter in closed] == [("discarded", 3)] * 2
    assert all(letter["last"] > letter["first"] for letter in closed)
    assert "state      discarded\n" in program.run("dead-letters", "show", 1, check=0).stdout
    source.control(memories=[*memories(1), {"id": ""}, 6])
    assert program.sync(check=3)["malformed"] == 1
    assert [letter["times"] for letter in letters(program)["dead_letters"]] == [1]


def test_retried_opens_again(program, fake):
    broken_listing(program, fake, [{"id": ""}])
    for times in range(2):
        assert program.json("dead-letters", "retry", check=0)["count"] == 1
        assert program.sync(check=3)["malformed"] == 1
        assert [letter["state"] for letter in program.json("dead-letters", "list", "--closed", check=0)["dead_letters"]] == ["retried"] * (times + 1) + ["open"]
    program.run("dead-letters", "discard", "--yes", check=0)
    assert program.sync()["malformed"] == 0  # the last word counts


def test_too_large_ones_that_begin_alike(program, fake):
    """Of a too large element only the first 64 KiB are kept: it is the same one when its length is the same, too."""
    def large(size):
        return {"id": "m9", "transcript": "x" * size}

    source, _ = broken_listing(program, fake, [large(200000)], memory=", max_item_bytes: 128KiB")
    program.run("dead-letters", "discard", "--yes", check=0)
    assert program.sync()["unchanged"] == 2
    source.control(memories=[*memories(1), large(200001)])
    assert program.sync(check=3)["malformed"] == 1


def test_a_discarded_element_proves_no_deletion(program, fake):
    """Nobody knows which memory the broken element was: while it is listed, nothing counts as deleted."""
    source, target = broken_listing(program, fake, [{"id": ""}], ingestion=", on_delete: propagate, max_delete_percent: 100")
    source.control(memories=[*memories(2), {"id": ""}])
    program.sync("--wait", check=3)
    program.run("dead-letters", "discard", "--yes", check=0)
    source.control(memories=[*memories(1), {"id": ""}])
    for _ in range(3):
        program.sync("--wait")
    assert target.ledger()["processed"] == 2
    source.control(memories=memories(1))
    for _ in range(2):
        program.sync("--wait")
    assert target.ledger()["processed"] == 1


def test_once_for_each_version(program, fake):
    source, target = fail_two(program, fake)
    target.control(core_version="1.5.9")
    assert "answers where 1.5.7 did" in program.run("sync", "--wait", check=3, timeout=120).stderr
    assert [group["class"] for group in letters(program)["groups"]] == ["malformed", "processing_failed"]  # in vain
    assert "answers where" not in program.run("sync", "--wait").stderr


def test_while_the_service_holds_the_state(program, fake):
    source, target = fail_two(program, fake)
    target.control(fail_match="")
    text = f"api: {{ api_key: {KEY}, port: %s }}"
    program.write_config(source.url, target.url, lightrag=QUICK, text=text % 0)
    with open(program.folder / "serve.log", "wb") as log:
        service = subprocess.Popen(program.command("serve"), stdout=subprocess.PIPE, stderr=log, env=program.env, text=True)
    try:
        program.write_config(source.url, target.url, lightrag=QUICK, text=text % service.stdout.readline().strip().rsplit(":", 1)[1])
        assert program.json("dead-letters", "retry", "--class", "processing_failed", check=0)["count"] == 1
        wait_until(lambda: target.ledger()["processed"] == 5)
        wait_until(lambda: [group["class"] for group in letters(program)["groups"]] == ["malformed"])
        assert "1 discarded" in program.run("dead-letters", "discard", "--yes", check=0).stdout
        assert letters(program)["groups"] == []
        assert "No open dead letters" in program.run("dead-letters", "retry", check=0).stdout
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30 * SLOW)
        service.stdout.close()
    assert target.ledger()["doubled"] == 0


def test_status_names_the_gaps(program, fake):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=memories(6))
    source.control(cut=400)
    program.write_config(source.url, target.url)
    program.sync(check=3)
    gaps = program.json("status", check=0)["connectors"][0]["open_gaps"]
    assert [gap["context"] for gap in gaps] == ["ctx"] and "broke off" in gaps[0]["words"] and gaps[0]["since"]
    source.control(times=0)
    program.sync()
    assert program.json("status", check=0)["connectors"][0]["open_gaps"] == []
