"""The command line as people use it: help, tables, JSON on success and failure, exit codes, secrets, narrow terminals, closed pipes."""
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time

import pytest

from conftest import memories, wait_until

COMMANDS = ["sync", "list", "status", "history", "report", "dead-letters list", "dead-letters show", "dead-letters retry", "dead-letters discard", "transform",
            "schedule next", "config check", "config convert", "doctor", "demo", "version", "help"]


def on_terminal(program, *args, columns=80, env=None):
    """Runs on a pseudo terminal; gives everything that was shown, and the exit code."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(program.command(*args), stdin=slave, stdout=slave, stderr=slave, env={**program.env, "TERM": "xterm", **(env or {})}, cwd=program.folder)
    os.close(slave)
    shown = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(master)
    return shown.decode(errors="replace").replace("\r\n", "\n"), process.wait(30)


@pytest.fixture
def filled(program, fake, tmp_path):
    """Two runs made: 5 memories done, one malformed, one failed."""
    path = tmp_path / "memories.json"
    odd = {"id": "bad\u001b[31m\u202e", "transcript": "POISONED text", "created_at": "2025-12-18T14:30:00Z"}
    path.write_text(json.dumps({"memories": memories(5) + [odd, {"no": "id"}, {"id": "empty", "transcript": " "}]}))
    source = fake("memory-api", "--file", path)
    target = fake("lightrag", "--dialect", "1.5", "--fail-match", "POISONED")
    program.write_config(source.url, target.url, lightrag="  confirm: { poll_interval: 20ms }",
                         connector="    retry: { max_attempts: 1 }\n    schedule: { type: interval, interval: 1h }\n    description: \"my life\"")
    assert program.run("sync", "--wait", timeout=60).returncode == 3
    program.run("sync")
    program.source, program.target = source, target
    return program


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(program, command):
    for args in (["help", *command.split()], [*command.split(), "--help"], [*command.split(), "-h"]):
        done = program.run(*args, check=0)
        assert done.stdout.startswith("memory-connector " + command.split()[0]), args
        assert max(map(len, done.stdout.splitlines())) < 80, args
    examples = done.stdout.split("Examples:")[1]
    assert examples.count("memory-connector") >= 2


def test_help_and_usage(program):
    whole = program.run("--help", check=0).stdout
    assert max(map(len, whole.splitlines())) < 80
    for command in COMMANDS:
        assert f"  {command} " in whole
    bare = program.run(check=2)
    assert bare.stdout == "" and "Usage" in bare.stderr and "sync" in bare.stderr and bare.stderr.count("\n") < 20  # a few lines, not all
    assert all(f"\n{group}:\n" in whole for group in ("To begin", "See how it stands", "The service", "The state"))
    assert program.run("--version", check=0).stdout.startswith("memory-connector ")
    for args, words in [(["snyc"], 'did you mean "sync"'), (["sync", "--wiat"], "did you mean --wait"), (["frobnicate"], "help\" lists"),
                        (["sync", "-z"], "no option -z"), (["sync", "--limit"], "needs a value"), (["sync", "--limit", "x"], "--limit"), (["dead-letters"], "list, show"),
                        (["report"], "wants RUN"), (["report", "x"], "no run"), (["status", "a", "b"], "too much"), (["list", "--wait"], "does not take --wait"),
                        (["sync", "--range", "year"], "day, week"), (["help", "nothing"], "no command"), (["sync", "--lock-wait", "soon"], "--lock-wait"),
                        (["--log-level", "loud", "list"], "debug, info"), (["--log-format", "xml", "list"], "console nor json"),
                        (["dead-letters", "list", "--class", "odd"], "malformed"), (["dead-letters", "list", "--since", "soon"], "how long ago"),
                        (["dead-letters", "show", "q"], "no dead letter"), (["sync", "--unknowable-thing"], "no option --unknowable-thing")]:
        done = program.run(*args)
        assert done.returncode == 2 and words in done.stderr and done.stdout == "", (args, done)


def test_failure_in_json(program):
    for args, code in [(["snyc"], 2), (["report", "1"], 1), (["--config", "nowhere.yaml", "status"], 78), (["sync"], 78)]:
        done = program.run(*args, "--json", check=code)
        error = json.loads(done.stdout)
        assert error["schema"] == "memory-connector/error/v1" and error["error"]["exit_code"] == code and error["error"]["message"]


def test_version_json(program):
    version = program.json("version", check=0)
    assert version["schema"] == "memory-connector/version/v1" and version["sqlite"].startswith("3.")


def test_reading_commands(filled):
    listed = filled.json("list", check=0)["connectors"][0]
    assert (listed["connector"], listed["state"], listed["backlog"], listed["dead_letters"], listed["schedule"]) == ("life", "idle", 0, 2, "every 1h")
    status = filled.json("status", check=0)["connectors"][0]
    assert status["memories"]["done"] == 5 and status["memories"]["dead"] == 1 and status["memories"]["skipped"] == 1
    assert status["dead_letters"] == {"malformed": 1, "processing_failed": 1} and status["target"]["version"] == "1.5.7"
    runs = filled.json("history", check=0)["runs"]
    assert [run["run"] for run in runs] == [2, 1] and runs[1]["new"] == 6
    assert len(filled.json("history", "life", "--limit", "1")["runs"]) == 1
    report = filled.json("report", "1", check=0)
    assert report["result"] == "partial" and report["fetched"] == 8 and report["gaps"] == []
    assert [(error["class"], error["count"], error["example_memory"]) for error in report["errors"]] == [
        ("malformed", 1, None), ("processing_failed", 1, "bad\u001b[31m\u202e")] and all(error["advice"] for error in report["errors"])
    again = filled.json("report", "2", check=0)
    assert [error["class"] for error in again["errors"]] == ["malformed"]
    assert "1 processing_failed: bad\\x1b[31m" in filled.run("report", "1").stdout
    for args in (["list"], ["status"], ["status", "life"], ["status", "-c", "life"], ["history"], ["history", "--connector-id", "life"], ["report", "1"], ["dead-letters", "list"]):
        done = filled.run(*args, check=0)
        assert done.stdout and done.stderr == "", (args, done.stderr)
    assert "proven" in filled.run("status").stdout
    assert filled.run("status", "lief").returncode == 2
    assert filled.run("report", "99").returncode == 1


def test_nothing_from_outside_reaches_the_terminal_raw(filled):
    for args in (["dead-letters", "list"], ["dead-letters", "show", "1", "--show-content"], ["dead-letters", "show", "2", "--show-content"], ["status"]):
        out = filled.run(*args, check=0).stdout
        assert "\x1b" not in out and "\u202e" not in out, args


def test_dead_letters_are_decided(filled):
    letters = filled.json("dead-letters", "list", check=0)["dead_letters"]
    assert {one["class"] for one in letters} == {"malformed", "processing_failed"}
    assert all(one["advice"] for one in letters)
    assert filled.json("dead-letters", "list", "--class", "malformed")["dead_letters"][0]["memory"] is None
    assert filled.json("dead-letters", "list", "--since", "1h")["dead_letters"]
    assert filled.json("dead-letters", "list", "--since", "2099-01-01T00:00:00Z")["dead_letters"] == []
    shown = filled.json("dead-letters", "show", str(letters[0]["letter"]), "--show-content", check=0)
    assert "content" in shown and filled.run("dead-letters", "show", "99").returncode == 1
    refused = filled.run("dead-letters", "discard", "--class", "malformed", check=2)
    assert "--yes" in refused.stderr
    assert filled.json("dead-letters", "discard", "--class", "malformed", "--yes")["count"] == 1
    assert filled.run("dead-letters", "discard", "--class", "malformed", "--yes").stdout.startswith("No open")
    filled.target.control(fail_match="nothing")
    assert "looked up" in filled.run("dead-letters", "retry", check=0).stdout
    assert filled.json("dead-letters", "list", "--closed")["dead_letters"]


def test_tables_fit_the_terminal(filled):
    for columns in (40, 80, 200):
        for args in (["list"], ["history"], ["dead-letters", "list"]):
            shown, code = on_terminal(filled, *args, columns=columns)
            assert code == 0
            if columns > 40:  # narrower than the columns can be, every cell has a line of its own
                longest = max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in shown.splitlines() if not line.startswith('"'))
                assert longest <= columns, (columns, args, shown)
            else:
                assert "\n\n" in shown or len(shown.splitlines()) >= 6
    shown, _ = on_terminal(filled, "dead-letters", "list", columns=80)
    assert "…" in shown
    assert "…" not in filled.run("dead-letters", "list").stdout  # a pipe gets everything


def test_progress_on_a_terminal_only(program, fake):
    source = fake("memory-api", "--count", "3000", "--size", "300")
    target = fake("lightrag", "--dialect", "1.5")
    target.control(latency_ms=40)
    program.write_config(source.url, target.url)
    shown, code = on_terminal(program, "sync", "--wait", columns=60)
    assert code == 0 and "\rlife: sending " in shown and "3000 processed" in shown
    assert "\x1b" not in program.run("sync").stderr
    shown, code = on_terminal(program, "sync", "--quiet")
    assert code == 0 and shown == ""


def test_json_lines(program, fake):
    source = fake("memory-api", "--count", "20")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    lines = [json.loads(line) for line in program.run("sync", "--wait", "--json-lines", check=0).stdout.splitlines()]
    assert lines[0]["type"] == "run_started" and lines[-1]["type"] == "result" and lines[-2]["type"] == "run_finished"
    assert lines[-1]["runs"][0]["processed"] == 20


def test_canary_secrets_and_transcripts_are_nowhere(program, fake, tmp_path):
    """A11, C15: keys and private words in no output, log or state message, also at debug level and when things fail."""
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": memories(3, transcript="CANARYWORDS here")}))
    source = fake("memory-api", "--file", path, "--api-key", "CANARYKEY1")
    target = fake("lightrag", "--dialect", "1.5", "--api-key", "CANARYKEY2")
    program.write_config(source.url, target.url)
    seen = ""
    env = {"MEMORY_CONNECTOR_MEMORY_API__API_KEY": "CANARYKEY1", "MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY": "CANARYKEY2"}
    for extra in ({}, {"MEMORY_CONNECTOR_MEMORY_API__API_KEY": "CANARYKEYX"}, {"MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY": "CANARYKEYY"}):
        for fault in ({}, {"status": 422, "times": 1}):
            target_fault = dict(fault)
            if target_fault:
                target.control(**target_fault)
            for args in (["--log-level", "debug", "sync", "--wait"], ["--log-format", "json", "--log-level", "debug", "sync", "--json-lines"], ["status", "--json"],
                         ["history", "--json"], ["dead-letters", "list", "--json"], ["config", "check", "--json"], ["list"]):
                done = program.run(*args, env={**env, **extra})
                seen += done.stdout + done.stderr
    assert "CANARY" not in seen
    assert program.run("sync", env=env).returncode == 0
    denied = program.run("sync", env={**env, "MEMORY_CONNECTOR_MEMORY_API__API_KEY": "wrong"}, check=77)
    assert "memory_api.api_key" in denied.stderr
    source.control(memories=memories(4))
    denied = program.run("sync", env={**env, "MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY": "wrong"}, check=77)
    assert "lightrag.api.api_key" in denied.stderr


def test_key_on_the_command_line_is_hidden(program, fake):
    source = fake("memory-api", "--count", "3", "--api-key", "OPENKEY")
    target = fake("lightrag", "--dialect", "1.5")
    target.control(process_delay_ms=60000)
    process = program.start("sync", "--wait", "--memory-url", source.url, "--context-id", "c", "--lightrag-url", target.url, "--api-key", "OPENKEY", "--range", "all")
    wait_until(lambda: target.ledger()["inserts"] > 0)
    assert b"OPENKEY" not in open(f"/proc/{process.pid}/cmdline", "rb").read()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 143 and "can be read by others" in err


def test_without_a_configuration_file(program, fake, tmp_path):
    source = fake("memory-api", "--count", "3", "--api-key", "K1")
    target = fake("lightrag", "--dialect", "1.5", "--api-key", "K2")
    (tmp_path / "key").write_text("K2\n")
    args = ["sync", "--wait", "--memory-url", source.url + "/", "--context-id", "c", "--lightrag-url", target.url, "--lightrag-api-key-file", str(tmp_path / "key"), "--range", "all"]
    done = program.run(*args, env={"MEMORY_API_KEY": "K1"}, check=0)
    assert "3 processed" in done.stdout and "readable by everybody" in done.stderr
    assert program.run("sync", "--memory-url", source.url, check=2).returncode == 2


def test_state_in_use(program, fake):
    """P8: a second writer gets 5, or waits."""
    source = fake("memory-api", "--count", "3")
    target = fake("lightrag", "--dialect", "1.5")
    target.control(process_delay_ms=60000)
    program.write_config(source.url, target.url)
    first = program.start("sync", "--wait")
    wait_until(lambda: target.ledger()["inserts"] > 0)
    second = program.run("sync", check=5)
    assert str(first.pid) in second.stderr
    assert program.json("status", check=0)["connectors"][0]["state"] == "running"  # readers need no lock
    waiting = program.start("sync", "--lock-wait", "20s")
    time.sleep(0.3)
    target.control(process_delay_ms=0)
    assert first.wait(30) == 0 and waiting.wait(30) == 0
    first.communicate()
    waiting.communicate()


def test_unwritable_state(program, fake, tmp_path):
    source = fake("memory-api", "--count", "3")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    program.state = tmp_path / "memories.json" / "state.db"
    (tmp_path / "memories.json").write_text("{}")
    done = program.run("sync", check=74)
    assert str(program.state.parent) in done.stderr and target.ledger()["inserts"] == 0
    program.state = tmp_path / "foreign.db"
    program.state.write_text("this is no database of ours, " * 100)
    done = program.run("sync")
    assert done.returncode in (74, 78) and "foreign.db" in done.stderr
    assert program.state.read_text().startswith("this is no database")  # never reset


def test_disk_reserve(program, fake):
    source = fake("memory-api", "--count", "3")
    target = fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url)
    program.config.write_text(program.config.read_text().replace("disk_reserve: 0", "disk_reserve: 100TiB"))
    done = program.run("sync", check=74)
    assert "disk_reserve" in done.stderr and target.ledger()["inserts"] == 0


def test_full_disk_under_a_redirect(program):
    with open("/dev/full", "w") as full:
        done = subprocess.run(program.command("help"), stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 74 and "standard output" in done.stderr


def test_closed_pipe_is_quiet(program):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(program.command("help"), stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.stderr == "" and done.returncode == 0


def test_transform(program, tmp_path):
    week = memories(2) + [{"id": "x", "transcript": "#tag one", "location_lat": 53.5, "location_lon": 9.9, "audio": True}]
    (tmp_path / "m.json").write_text(json.dumps({"memories": week}))
    done = program.run("transform", "m.json", check=0)
    assert done.stdout.count("[memory://context/") == 3 and "Location: (53.500000, 9.900000)" in done.stdout and "Tags: tag" in done.stdout
    documents = program.json("transform", "-", stdin=json.dumps(week[2]), check=0)["documents"]
    assert documents[0]["name"] == "memory~context~x" and documents[0]["text"].endswith("---")
    assert program.run("transform", "-", stdin='{"memories":[{"id":1},5]}').returncode == 3
    assert program.run("transform", "-", stdin='{"memories":[{"id":1}').returncode == 1
    assert "neither" in program.run("transform", "-", stdin="hello", check=1).stderr
    assert program.run("transform", "nowhere.json").returncode == 1


def test_demo(program):
    done = program.run("demo", check=0, timeout=60)
    assert "20 processed" in done.stdout and "24 unchanged" in done.stdout and "cites memory~demo~" in done.stdout
    assert program.json("demo", check=0, timeout=60)["runs"][0]["processed"] == 20


def test_signal_ends_in_time(program, fake):
    """P13: TERM finishes what is in flight; what is left is taken up."""
    source = fake("memory-api", "--count", "300")
    target = fake("lightrag", "--dialect", "1.5")
    target.control(latency_ms=300)
    program.write_config(source.url, target.url, lightrag="  insert: { batch_size: 20 }")
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        process = program.start("sync", "--wait", "--json")
        wait_until(lambda: target.ledger()["inserts"] > 0)
        time.sleep(0.2)
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == code and json.loads(out)["runs"][0]["result"] == "cancelled"
    target.control(latency_ms=0)
    assert program.sync("--wait")["unprocessed"] == 0
    ledger = target.ledger()
    assert ledger["live"] == ledger["processed"] == 300 and ledger["doubled"] == 0
