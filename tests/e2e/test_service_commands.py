"""The commands that ask the running service: trigger, pause, resume, cancel."""
import json
import subprocess
import signal

import pytest

from conftest import SLOW, http, memories, wait_until

KEY = "0123456789abcdef0123456789abcdef"


class Service:
    def __init__(self, program, *args):
        self.program = program
        self.log = open(program.folder / "serve.log", "ab")
        self.process = subprocess.Popen(program.command("serve", *args), stdout=subprocess.PIPE, stderr=self.log, env=program.env, cwd=program.folder, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), (program.folder / "serve.log").read_text()

    def get(self, path, **kw):
        return http(self.url + "/api/v1" + path, headers={"X-API-Key": KEY}, **kw)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(30 * SLOW)
        self.process.stdout.close()
        self.log.close()
        return code


@pytest.fixture
def service(program, fake):
    """A service on a free port, and the program's configuration pointing at it."""
    program.source, program.target = fake("memory-api"), fake("lightrag")
    program.source.control(memories=memories(8))
    started = []

    def start(connector="", *args):
        text = f"api: {{ api_key: {KEY}, port: %s }}\n"
        program.write_config(program.source.url, program.target.url, text=text % 0, connector=connector)
        started.append(Service(program, *args))
        program.write_config(program.source.url, program.target.url, text=text % started[-1].url.rsplit(":", 1)[1], connector=connector)
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def test_trigger(program, service):
    service()
    done = program.run("trigger", "life", "--wait", check=0)
    assert done.stdout.startswith("life: success: 8 fetched, 8 new"), done.stdout
    report = program.json("trigger", "life", "--wait", check=0)
    assert (report["schema"], report["new"], report["unchanged"]) == ("memory-connector/report/v1", 0, 8)
    forced = program.json("trigger", "life", "--force", "--wait", check=0)
    assert (forced["changed"], forced["unchanged"]) == (8, 0)
    wait_until(lambda: program.target.ledger()["texts"] == 16 and program.target.ledger()["live"] == 8)
    started = program.json("trigger", "life", check=0)
    assert started["run"] == 4 or started["waiting"]
    wait_until(lambda: len(program.json("history", check=0)["runs"]) == 4)
    runs = program.json("history", check=0)["runs"]
    assert {run["trigger"] for run in runs} == {"api"}
    assert program.target.ledger()["doubled"] == 0


def test_a_pipeline_that_nobody_may_wake(program, fake):
    """What waits for the service's sync ends, too, when only a person can wake LightRAG; the service goes on with it."""
    source, target = fake("memory-api", "--count", "4"), fake("lightrag")
    text, never = f"api: {{ api_key: {KEY}, port: %s }}\n", "  confirm: { kick: never, kick_interval: 1s, poll_interval: 20ms, settle: 1s }"
    target.control(process_delay_ms=3600000)
    program.write_config(source.url, target.url, text=text % 0, lightrag=never)
    serving = Service(program)
    try:
        program.write_config(source.url, target.url, text=text % serving.url.rsplit(":", 1)[1], lightrag=never)
        program.run("sync", check=0)
        assert serving.get("/connectors/life/status")["target"]["stalled"] is None
        target.control(restart=True, process_delay_ms=0)
        said = program.run("sync", "--wait", check=75).stderr
        assert "press Scan/Retry in LightRAG's web UI" in said and "4 memories wait, the service goes on with them" in said
        http(target.url + "/documents/reprocess_failed", {}, "POST")
        program.run("sync", "--wait", check=0)
        wait_until(lambda: serving.get("/connectors/life/status")["target"]["stalled"] is None)
        assert target.ledger()["processed"] == 4
    finally:
        serving.end()


def test_what_a_trigger_may_say(program, service):
    service()
    assert program.run("trigger", "life", "--range", "century", check=2).stderr
    assert "life" in program.run("trigger", "lief", check=2).stderr
    assert "wants a connector" in program.run("trigger", check=2).stderr
    report = program.json("trigger", "life", "--wait", "--dry-run", check=0)
    assert (report["fetched"], report["new"], report["sent"]) == (8, 8, 0)
    assert program.target.ledger()["texts"] == 0
    report = program.json("trigger", "life", "--wait", "--limit", "3", check=0)
    assert report["fetched"] == 3


def test_a_run_under_way_is_told_and_can_be_cancelled(program, service):
    service()
    program.source.control(stall=100)
    program.run("trigger", "life", check=0)
    wait_until(lambda: program.json("list", check=0)["connectors"][0]["state"] == "running")
    assert "under way" in program.run("trigger", "life", check=5).stderr
    assert program.json("cancel", "life", check=0)["cancelled"] is True
    wait_until(lambda: program.json("list", check=0)["connectors"][0]["state"] == "idle")
    assert program.json("history", check=0)["runs"][0]["result"] == "cancelled"
    assert program.json("cancel", "life", check=0)["cancelled"] is False
    assert "no run is under way" in program.run("cancel", "life", check=0).stdout


def test_pause_and_resume(program, service):
    every_second = "    schedule: { type: interval, interval: 1s }\n"
    running = service(every_second)
    wait_until(lambda: program.target.ledger()["processed"] == 8)
    done = program.run("pause", "life", "--reason", "holiday\x1b[31m", "--until", "2h", check=0)
    assert "paused" in done.stdout and "\x1b" not in done.stdout
    status = running.get("/connectors/life/status")
    assert status["state"] in ("paused", "running") and status["paused_until"]
    running.end(signal.SIGKILL)
    running = service(every_second)
    wait_until(lambda: running.get("/connectors/life/status")["state"] == "paused")
    program.source.control(upsert=memories(9))
    assert "runs on its schedule" in program.run("resume", "life", check=0).stdout
    wait_until(lambda: program.target.ledger()["processed"] == 9)
    assert running.end() == 0
    assert program.target.ledger()["doubled"] == 0
    assert "neither a time" in program.run("pause", "life", "--until", "soon", check=2).stderr


def test_a_sync_is_handed_over(program, service):
    """The service holds the state: sync asks it, and tells the same."""
    running = service()
    result = program.json("sync", "--wait", check=0)
    assert result["by_service"] and result["runs"][0]["new"] == 8
    assert program.target.ledger()["processed"] == 8
    program.source.control(upsert=memories(9))
    done = program.run("sync", check=0)
    assert "9 fetched, 1 new" in done.stdout and "of the service" in done.stdout
    done = program.run("sync", "--max-items", "2", check=5)  # that is not for the service
    assert str(running.process.pid) in done.stderr
    program.source.control(status=500)
    assert program.run("sync", check=1).stderr


def test_without_a_service(program, fake):
    program.write_config(fake("memory-api").url, fake("lightrag").url, text="api: { port: 1, api_key: 0123456789abcdef }")
    for command in ("trigger", "pause", "resume", "cancel"):
        done = program.run(command, "life", check=69)
        assert "memory-connector serve" in done.stderr and "http://127.0.0.1:1" in done.stderr
        assert json.loads(program.run(command, "life", "--json", check=69).stdout)["error"]["kind"] == "unreachable"


def test_another_server_at_that_port(program, fake):
    source = fake("memory-api")
    program.write_config(source.url, fake("lightrag").url, text=f"api: {{ port: {source.url.rsplit(':', 1)[1]}, api_key: 0123456789abcdef }}")
    assert program.run("resume", "life").returncode != 0


def test_a_wrong_key(program, service):
    running = service()
    port = running.url.rsplit(":", 1)[1]
    program.write_config(program.source.url, program.target.url, text=f"api: {{ port: {port}, api_key: another-key-0123456789 }}")
    done = program.run("trigger", "life", check=77)
    assert "another key" in done.stderr and KEY not in done.stderr + done.stdout


def test_list_and_status_tell_the_plan(program, service):
    running = service("    schedule: { type: interval, interval: 1h }\n")
    first = program.json("list", check=0)["connectors"][0]
    assert first["state"] == "idle" and first["next_run"]
    program.run("pause", "life", "--reason", "holiday", "--until", "2h", check=0)
    listed, status = program.json("list", check=0)["connectors"][0], program.json("status", check=0)["connectors"][0]
    assert listed["state"] == status["state"] == "paused" and status["reason"] == "holiday" and status["paused_until"] and status["next_run"] > status["paused_until"]
    assert "paused until" in program.run("status", check=0).stdout
    assert running.end() == 0
    assert program.json("list", check=0)["connectors"][0]["state"] == "paused"  # also while nobody serves


def test_dead_letters_of_connectors_made_by_api(program, service):
    """They stand in no configuration file, and are decided about like the others."""
    program.source.control(memories=memories(2) + [17])
    running = service()
    http(running.url + "/api/v1/connectors", {"id": "made", "context_id": "another", "ingestion": {"query_range": "all"}}, headers={"X-API-Key": KEY})
    for name in ("life", "made"):
        program.run("trigger", name, "--wait", check=3)
    assert [running.get(f"/connectors/{name}/status")["dead_letters"] for name in ("life", "made")] == [{"malformed": 1}] * 2
    assert program.json("dead-letters", "discard", "--class", "malformed", "--yes", check=0)["count"] == 2
    assert [running.get(f"/connectors/{name}/status")["dead_letters"] for name in ("life", "made")] == [{}] * 2


def test_connectors_made_by_api_are_shown_like_the_others(program, service):
    running = service()
    http(running.url + "/api/v1/connectors", {"id": "made", "context_id": "another", "description": "made by a test", "ingestion": {"query_range": "all"},
                                              "schedule": {"type": "interval", "interval": "1d"}}, headers={"X-API-Key": KEY})
    rows = {row["connector"]: row for row in program.json("list", check=0)["connectors"]}
    assert [row["managed_by"] for row in rows.values()] == ["file", "api"]
    shown = next(row for row in running.get("/connectors")["connectors"] if row["connector"] == "made")
    assert {**shown, "next_run": None} == {**rows["made"], "next_run": None}, "the same row as the service's"
    for command in (["trigger", "made", "--wait"], ["history", "made"], ["status", "made"], ["status"], ["dead-letters", "list", "-c", "made"]):
        program.run(*command, check=0)
    assert program.json("status", "made")["connectors"][0]["memories"]["done"] == 8
    assert [run["connector"] for run in program.json("history", "made")["runs"]] == ["made"]
    assert program.run("list", check=0).stdout.splitlines()[2].split()[:3] == ["made", "idle", "another"]
    running.end()
    assert program.json("status", "made")["connectors"][0]["memories"]["done"] == 8, "also without a service"
    done = program.run("sync", "made")
    assert done.returncode == 2 and "was made by API" in done.stderr, done.stderr
    assert "there is no connector" in program.run("status", "nobody").stderr


def test_a_sync_that_was_handed_over_waits_for_nobody_who_refuses_the_key(program, service):
    program.target.control(process_delay_ms=2000)
    service()
    waiting = program.start("sync", "--wait")
    wait_until(lambda: program.target.ledger()["rows"] == 8)
    program.target.control(api_key="another-one")
    said = waiting.communicate(timeout=60 * SLOW)
    assert waiting.returncode == 77 and "wait, the service goes on with them" in said[1], (waiting.returncode, said)
