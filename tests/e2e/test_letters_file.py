"""dead-letters export and import: a letter into a file and back, mended by hand or into another state; nothing twice, nothing half done."""
import base64
import json
import signal
import stat
import subprocess

import pytest

from conftest import SLOW, memories

BROKEN = {"id": "", "type": "note", "transcript": "The second about Ana and the \"boat\"."}


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_lines(path, lines):
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))


def export(program, *args):
    path = program.folder / "letters.jsonl"
    program.run("dead-letters", "export", path, "--force", *args, check=0)
    return path, lines_of(path)


def imported(program, path, check=0):
    return program.json("dead-letters", "import", path, check=check)


def counts(**some):
    return {"schema": "memory-connector/dead-letters-import/v1", **dict(queued=0, skipped=0, known=0, added=0, refused=0), **some}


@pytest.fixture
def broken(program, fake):
    """Two memories, an element without an id and one that is no object."""
    source, target = fake("memory-api"), fake("lightrag")
    source.control(memories=[*memories(2), BROKEN, "a plain note"])
    program.write_config(source.url, target.url, lightrag="  confirm: { poll_interval: 20ms, settle: 1s, kick_interval: 1s }")
    program.sync("--wait", check=3)
    source.control(memories=memories(2))
    return source, target


def test_what_an_export_holds(program, broken):
    path, lines = export(program)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [line["schema"] for line in lines] == ["memory-connector/dead-letter/v1"] * 2
    first = lines[0]
    assert (first["class"], first["state"], first["connector"], first["context"], first["words"], first["times"]) == ("malformed", "open", "life", "ctx", "id: empty", 1)
    assert first["memory"] is None and first["http_status"] is None and first["content_bytes"] > 0 and len(first["fingerprint"]) == 32 and first["position"] > 0
    assert "content" not in first and "Ana" not in path.read_text()
    path, lines = export(program, "--show-content")
    assert json.loads(lines[0]["content"]) == BROKEN and json.loads(lines[1]["content"]) == "a plain note"
    shown = program.json("dead-letters", "show", 1, "--show-content", check=0)
    assert shown == lines[0]  # one shape, wherever a letter is told of
    streamed = program.run("dead-letters", "export", "-", "--show-content", check=0).stdout
    assert streamed == path.read_text()
    assert export(program, "--class", "poison")[1] == [] and len(export(program, "life", "--class", "malformed")[1]) == 2
    assert program.json("dead-letters", "export", path, "--force", check=0) == {
        "schema": "memory-connector/dead-letters-export/v1", "file": str(path), "count": 2, "with_content": False}


def test_never_over_a_file(program, broken):
    path = program.folder / "kept.jsonl"
    path.write_text("mine")
    assert "--force" in program.run("dead-letters", "export", path, check=5).stderr
    assert path.read_text() == "mine"
    path.chmod(0o644)
    (program.folder / "kept.jsonl.part").symlink_to(program.folder / "elsewhere")  # a trap in a folder of others
    program.run("dead-letters", "export", path, "--force", check=0)
    assert len(lines_of(path)) == 2 and stat.S_IMODE(path.stat().st_mode) == 0o600 and not (program.folder / "elsewhere").exists()
    assert "is no file" in program.run("dead-letters", "export", program.folder, "--force", check=5).stderr


def test_mended_by_hand(program, broken):
    """As docs/dead-letters.md tells it."""
    source, target = broken
    path, lines = export(program, "--class", "malformed", "--show-content")
    assert imported(program, path) == counts(known=2)  # nobody has mended anything yet
    lines[0]["content"] = json.dumps({**BROKEN, "id": "m7"})
    lines[1]["content"] = {"id": "m8", "transcript": "a plain note", "weight": 12345678901234567890123}
    write_lines(path, lines)
    assert imported(program, path) == counts(queued=2)
    assert program.json("dead-letters", "list", check=0)["dead_letters"] == []
    closed = program.json("dead-letters", "list", "--closed", check=0)["dead_letters"]
    assert [letter["state"] for letter in closed] == ["retried", "retried"]
    assert imported(program, path) == counts(known=2)  # the same file once more
    program.sync("--wait")
    assert imported(program, path) == counts(known=2)  # and when they are delivered
    ledger = target.ledger()
    assert (ledger["processed"], ledger["doubled"], ledger["texts"]) == (4, 0, 4)
    assert "the \"boat\"" in program.run("explain", "m7", "--text", check=0).stdout
    assert program.sync("--wait")["sent"] == 0


def test_mended_while_the_source_goes_on(program, broken):
    """The broken elements are listed for ever: mended once, they are no failure again, and what was made of them is not taken for deleted."""
    source, target = broken
    text = dict(lightrag="  confirm: { poll_interval: 20ms, settle: 1s, kick_interval: 1s }", ingestion=", on_delete: propagate, max_delete_percent: 100")
    program.write_config(source.url, target.url, **text)
    path, lines = export(program, "--show-content")
    for line, name in zip(lines, ("m7", "m8")):
        line["content"] = {"id": name, "transcript": f"mended as {name}"}
    write_lines(path, lines)
    assert imported(program, path) == counts(queued=2)
    source.control(memories=[*memories(2), BROKEN, "a plain note"])
    for _ in range(4):
        run = program.sync("--wait")
        assert (run["result"], run["malformed"], run["unchanged"], run["removed"]) == ("success", 0, 4, 0)
    assert target.ledger()["processed"] == 4
    assert program.json("report", run["run"], check=0)["errors"] == []
    assert [found["count"] for found in program.json("report", 1, check=0)["errors"]] == [2]  # that run did meet them
    closed = program.json("dead-letters", "list", "--closed", check=0)["dead_letters"]
    assert [(letter["state"], letter["memory"], letter["times"]) for letter in closed] == [("retried", "m7", 5), ("retried", "m8", 5)]
    assert imported(program, path) == counts(known=2)
    again, kept = export(program, "--closed", "--show-content")
    assert json.loads(kept[0]["content"]) == BROKEN and imported(program, again) == counts(known=2)
    source.control(memories=[memories(2)[0], BROKEN, "a plain note"])  # every element of the listing can be told: so a deletion can be, too
    for _ in range(3):
        program.sync("--wait")
    assert target.ledger()["processed"] == 3


def test_mended_without_an_open_letter(program, broken):
    """Retried before it was mended, or taken into a state that has never met it: the listing finds it mended all the same."""
    source, target = broken
    path, lines = export(program, "--show-content")
    for line, name in zip(lines, ("m7", "m8")):
        line["content"] = {"id": name, "transcript": f"mended as {name}"}
    write_lines(path, lines)
    source.control(memories=[*memories(2), BROKEN, "a plain note"])
    program.run("dead-letters", "retry", check=0)
    assert imported(program, path) == counts(queued=2)
    assert program.sync("--wait")["malformed"] == 0
    program.state = program.folder / "other" / "memory-connector.db"
    assert imported(program, path) == counts(queued=2)
    assert imported(program, path) == counts(known=2)
    assert program.sync("--wait")["malformed"] == 0
    assert [letter["memory"] for letter in program.json("dead-letters", "list", "--closed", check=0)["dead_letters"]] == ["m7", "m8"]


def test_like_one_from_a_listing(program, broken, fake):
    """Filters, empty ones, known ones and repetitions are judged by the listing's own table."""
    path, lines = export(program, "--show-content")
    same = memories(2)[0]
    write_lines(path, [
        {**lines[0], "content": {"id": "m7", "transcript": " "}},      # no words: skipped, and its letter is closed
        {**lines[1], "content": same},                                  # a memory that is known and unchanged
        {**lines[1], "content": {**same, "transcript": "another"}},     # nobody waits for this one: an old file does not overwrite
        {"schema": lines[0]["schema"], "class": "malformed", "connector": "life", "content": {"id": "m9", "transcript": "by hand"}},
        {"schema": lines[0]["schema"], "class": "malformed", "connector": "life", "content": {"id": "m9", "transcript": "by hand, again"}},
    ])
    done = program.run("dead-letters", "import", path, "--json", check=3)
    assert json.loads(done.stdout) == counts(skipped=1, known=1, queued=1, refused=2)
    assert "line 3: its memory is known here in another revision" in done.stderr and "line 5:" in done.stderr
    assert program.json("explain", "m7", check=0)["state"] == "skipped"
    assert program.json("explain", "m0", check=0)["state"] == "done"


def test_one_bad_line(program, broken):
    path, lines = export(program, "--show-content")
    good = {**lines[0], "content": {**BROKEN, "id": "m7"}}
    bad = [
        ('{"schema": "memory-connector/dead-letter/v1", "class": "malfor\n', "no JSON"),
        ("[]\n", "no object"),
        ({**good, "schema": "another/v1"}, "no line of"),
        ({**good, "class": "odd"}, '"class" is none'),
        ({**good, "state": "odd"}, '"state" is none'),
        ({**good, "connector": "lfe"}, 'did you mean'),
        ({**good, "connector": None}, '"connector" is missing'),
        ({**good, "context": "other"}, 'no context "other"'),
        ({**good, "times": 0}, '"times" is no number'),
        ({**good, "times": "2"}, '"times" is no number'),
        ({**good, "first": "yesterday"}, '"first" is no time'),
        ({**good, "fingerprint": "zz"}, '"fingerprint" is not what'),
        ({**good, "content": 7}, '"content" is no string'),
        ({**good, "content": None, "content_base64": "%"}, '"content_base64" is no base64'),
        ({**good, "memory": "m3"}, "another memory than the one that it names"),
        ({**good, "content": '{"id":"", "type":"\x1b[31m"}'}, "still no memory: "),
        ({**good, "memory": "\x1b[31m", "state": "retried"}, "not known here"),
    ]
    write_lines(path, ["\ufeff", *[line for line, _ in bad], "\r\n", "  \n", {**good, "content": json.dumps(good["content"])}])
    done = program.run("dead-letters", "import", path, "--json", check=3)
    assert json.loads(done.stdout) == counts(queued=1, refused=len(bad))
    told = [line for line in done.stderr.splitlines() if ": line " in line]
    assert len(told) == len(bad) and "\x1b" not in done.stderr and "Ana" not in done.stderr
    for number, (_, why) in enumerate(bad, 1):
        assert f"line {number}: " in told[number - 1] and why in told[number - 1]
    assert [letter["words"] for letter in program.json("dead-letters", "list", check=0)["dead_letters"]] == ["not an object"]


def test_into_another_state(program, broken, fake):
    source, target = broken
    source.control(memories=[*memories(4), BROKEN])
    target.control(fail_match="number 3", fail_times=0)
    program.sync("--wait", check=3, timeout=120)
    program.run("dead-letters", "discard", "--class", "malformed", "--yes", check=0)
    path, lines = export(program, "--closed", "--show-content")
    states = [(line["class"], line["state"], line["memory"]) for line in lines]
    assert ("processing_failed", "open", "m3") in states and states.count(("malformed", "discarded", None)) >= 2
    assert imported(program, path) == counts(known=len(lines))

    program.state = program.folder / "other" / "memory-connector.db"
    assert imported(program, path) == counts(added=len(lines))
    assert imported(program, path) == counts(known=len(lines))
    again = program.json("dead-letters", "list", "--closed", check=0)["dead_letters"]
    assert sorted((line["class"], line["state"], line["memory"], line["first"]) for line in again) == sorted((line["class"], line["state"], line["memory"], line["first"]) for line in lines)
    assert program.json("explain", "m3", check=0)["state"] == "skipped"
    target.control(fail_match="")
    program.sync("--wait")  # the listing brings the memory, which closes its letter; the broken element is there still, and was discarded elsewhere
    assert program.json("dead-letters", "list", check=0)["dead_letters"] == []
    assert (target.ledger()["processed"], target.ledger()["doubled"]) == (4, 0)
    assert imported(program, path) == counts(known=len(lines))  # decided here since: an old file opens nothing again


def test_bytes_that_are_no_text(program, fake):
    source, target = fake("memory-api"), fake("lightrag")
    source.control(raw='{"memories":[{"id":"a\\u0000b","transcript":7,,"x":"\\ud800"}]}')
    program.write_config(source.url, target.url)
    program.sync(check=3)
    path, lines = export(program, "--show-content")
    write_lines(path, [{**lines[0], "content": None, "content_base64": base64.b64encode(b'{"id":"\xff","transcript":"with a byte that is none"}').decode()}])
    assert imported(program, path) == counts(queued=1)
    assert program.json("status", check=0)["connectors"][0]["memories"]["queued"] == 1


def test_while_a_service_holds_the_state(program, broken):
    source, target = broken
    program.write_config(source.url, target.url, text="api: { enable_auth: false, port: 0 }")
    path, lines = export(program)
    with open(program.folder / "serve.log", "wb") as log:
        service = subprocess.Popen(program.command("serve"), stdout=subprocess.PIPE, stderr=log, env=program.env, text=True)
    try:
        assert service.stdout.readline()
        assert export(program)[1] == lines
        said = program.run("dead-letters", "import", path, check=5).stderr
        assert "stop the service" in said and "--lock-wait" in said
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30 * SLOW)
        service.stdout.close()
    assert imported(program, path) == counts(known=2)


def test_files_that_are_none(program, broken):
    assert "there is no such file" in program.run("dead-letters", "import", "nowhere.jsonl", check=1).stderr
    assert "is a folder" in program.run("dead-letters", "import", program.folder, check=1).stderr
    assert "no dead letter in it" in program.run("dead-letters", "import", "-", stdin="\n", check=0).stdout
    assert "wants FILE" in program.run("dead-letters", "export", check=2).stderr
