"""Connectors made, changed and deleted over HTTP: durable, on their schedules, with all mistakes told at once."""
import json
import threading
import time

import pytest

from api import FULL, READER, Service
from conftest import memories, wait_until

KEYS = f"api: {{ api_key: {FULL}, read_only_key: {READER}, rate_limit: {{ enabled: false }} }}"
MANUAL = "    schedule: { type: manual }"
FAST = {"schedule": {"type": "interval", "interval": "1s"}, "ingestion": {"query_range": "all", "query_limit": 1000}}


@pytest.fixture
def pair(fake, tmp_path):
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": memories(12)}))
    return fake("memory-api", "--file", path), fake("lightrag")


@pytest.fixture
def service(program, pair):
    program.write_config(pair[0].url, pair[1].url, connector=MANUAL, lightrag="  confirm: { poll_interval: 50ms }\ntargets: { other: { api: { url: " + pair[1].url + " } } }", text=KEYS)
    running = Service(program).start()
    yield running
    code = running.stop()
    assert code in (0, None), running.words()


def test_made_by_api_it_runs_and_is_there_after_a_crash(service, pair):
    made = service.ask("POST", "connectors", {"id": "made", "context_id": "made-ctx", "description": "made by a test", **FAST})
    assert made.status == 201, made.raw
    assert made.headers["location"] == "/api/v1/connectors/made" and made.json["managed_by"] == "api"
    assert made.json["ingestion"]["query_limit"] == 1000 and made.json["schedule"]["catch_up"] == "1h", "defaults are told, too"
    again = service.ask("GET", "connectors/made")
    assert again.headers["etag"] == made.headers["etag"] and again.json == made.json
    assert service.settled("made")["memories"]["done"] == 12
    assert service.get("connectors/made/status")["last_run"]["trigger"] == "schedule"
    assert pair[1].ledger()["processed"] == 12
    service.post("connectors/made/pause", {"reason": "enough"})
    wait_until(lambda: service.get("connectors/made/status")["current_run"] is None)
    runs = service.get("connectors/made/history?limit=200")["runs"]
    for kill in (True, False):
        service.stop(kill=kill)
        service.start()
        wait_until(lambda: service.get("connectors/made/status")["state"] == "paused")
        after = service.ask("GET", "connectors/made")
        assert after.json == made.json and after.headers["etag"] == made.headers["etag"]
        assert [r for r in service.get("connectors/made/history?limit=200")["runs"] if r["result"] != "skipped"][-1] == runs[-1]
    service.post("connectors/made/resume")
    wait_until(lambda: service.get("connectors/made/history")["runs"][0]["run"] > runs[0]["run"])
    assert pair[1].ledger()["doubled"] == 0


def test_changed_and_deleted(service):
    first = service.ask("POST", "connectors", {"id": "c1", "context_id": "x1"})
    body = first.json
    body["description"] = "changed"
    second = service.ask("PUT", "connectors/c1", body, headers={"If-Match": first.headers["etag"]})  # what GET shows may come back
    assert second.status == 200 and second.json["description"] == "changed" and second.headers["etag"] != first.headers["etag"]
    for method, sent in (("PUT", body), ("PATCH", {"enabled": False}), ("DELETE", None)):
        stale = service.ask(method, "connectors/c1", sent, headers={"If-Match": first.headers["etag"]})
        assert stale.status == 412 and stale.slug() == "precondition-failed" and stale.headers["etag"] == second.headers["etag"], method
        weak = service.ask(method, "connectors/c1", sent, headers={"If-Match": "W/" + second.headers["etag"]})
        assert weak.status == 412, "a weak tag is good for no change"
    patched = service.ask("PATCH", "connectors/c1", {"schedule": {"type": "cron", "cron": "0 9,17 * * 1-5", "timezone": "Europe/Berlin"}, "enabled": False},
                          headers={"Content-Type": "application/merge-patch+json", "If-Match": f'"other", {second.headers["etag"]}'})
    assert patched.status == 200 and patched.json["schedule"]["cron"] == "0 9,17 * * 1-5" and patched.json["description"] == "changed"
    assert service.get("connectors/c1/status")["state"] == "disabled"
    back = service.ask("PATCH", "connectors/c1", {"description": None, "schedule": None, "enabled": None})
    assert back.json["description"] == "" and back.json["schedule"]["type"] == "manual" and back.json["enabled"] is True
    assert service.ask("DELETE", "connectors/c1", headers={"If-Match": "*"}).status == 204
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert service.ask(method, "connectors/c1", {"id": "c1", "context_id": "x"} if method in ("PUT", "PATCH") else None).slug() == "unknown-connector"
    assert service.ask("POST", "connectors", {"id": "c1", "context_id": "x1"}).status == 201, "the name is free again"


def test_what_the_file_has_only_the_file_changes(service):
    shown = service.get("connectors/life")
    assert shown["managed_by"] == "file" and shown["context_id"] == "ctx" and shown["ingestion"]["query_limit"] == 100000
    for method, body in (("PUT", shown), ("PATCH", {"enabled": False}), ("DELETE", None)):
        answer = service.ask(method, "connectors/life", body)
        assert answer.status == 409 and answer.slug() == "managed-by-file" and "file" in answer.json["detail"], method
    assert service.get("connectors?managed_by=file")["connectors"][0]["connector"] == "life"


def test_all_mistakes_at_once(service):
    wrong = {"id": "b", "context_id": "x", "target": "othr", "source": "nowhere", "nonsense": 1, "a.b/c": 2, "enabled": "yes", "context_ids": [1],
             "schedule": {"type": "cron", "cron": "61 * * * *", "timzone": "UTC"}, "ingestion": {"query_limit": 0, "query_range": "decade", "auto_widen": None},
             "transformation": 7, "retry": {"max_attempts": 1.5}, "description": {"en": "x"}}
    answer = service.ask("POST", "connectors", wrong)
    assert answer.status == 400 and answer.slug() == "invalid"
    pointers = {one["pointer"]: one["detail"] for one in answer.json["errors"]}
    for pointer in ("/nonsense", "/a.b~1c", "/enabled", "/context_ids/0", "/schedule/timzone", "/ingestion/query_limit", "/ingestion/query_range", "/transformation",
                    "/retry/max_attempts", "/description", "/target", "/source"):
        assert pointer in pointers, (pointer, pointers)
    assert "timezone" in pointers["/schedule/timzone"] and "other" in pointers["/target"], "the nearest name is offered"
    assert service.ask("GET", "connectors/b").status == 404


@pytest.mark.parametrize("body, status, pointer", [
    ({"context_id": "x"}, 400, "/id"), ({"id": "b"}, 400, None), ({"id": "../x", "context_id": "x"}, 400, "/id"), ({"id": ".x", "context_id": "x"}, 400, "/id"),
    ({"id": "x" * 65, "context_id": "x"}, 400, "/id"), ({"id": "", "context_id": "x"}, 400, "/id"), ({"id": "a b", "context_id": "x"}, 400, "/id"),
    ({"id": 5, "context_id": "x"}, 400, "/id"), ({"id": "b", "context_id": "x\0y"}, 400, "/context_id"), ({"id": "b", "context_ids": ["x", "x"]}, 400, "/context_ids"),
    ({"id": "b", "context_id": "x", "context_ids": ["y"]}, 400, "/context_ids"),
    ({"id": "b", "context_id": "x", "schedule": {"type": "cron"}}, 400, "/schedule/cron"), ({"id": "b", "context_id": "x", "schedule": {"type": "cron", "cron": "* * *"}}, 400, "/schedule/cron"),
    ({"id": "b", "context_id": "x", "schedule": {"type": "cron", "cron": "0 0 31 2 *"}}, 400, "/schedule/cron"),
    ({"id": "b", "context_id": "x", "schedule": {"type": "cron", "cron": "*/10 0 9 * * MON-FRI"}}, 201, None),
    ({"id": "b", "context_id": "x", "schedule": {"type": "cron", "cron": "CRON_TZ=Europe/Berlin 0 9 * * *"}}, 201, None),
    ({"id": "b", "context_id": "x", "schedule": {"type": "cron", "cron": "@daily", "timezone": "Europe/Atlantis"}}, 400, "/schedule/timezone"),
    ({"id": "b", "context_id": "x", "schedule": {"type": "cron", "cron": "@daily", "timezone": "../../etc/passwd"}}, 400, "/schedule/timezone"),
    ({"id": "b", "context_id": "x", "schedule": {"type": "interval", "interval": "1e9h"}}, 400, "/schedule/interval"),
    ({"id": "b", "context_id": "x", "schedule": {"type": "interval", "interval": -5}}, 400, "/schedule/interval"),
    ({"id": "b", "context_id": "x", "schedule": {"type": "interval", "interval": 90}}, 201, None),
    ({"id": "b", "context_id": "x", "source": "http://user:secret@127.0.0.1/"}, 400, "/source"), ({"id": "b", "context_id": "x", "target": "http://169.254.169.254/"}, 400, "/target"),
    ({"id": "b", "context_id": "x", "target": {"url": "http://127.0.0.1"}}, 400, "/target"), ({"id": "b", "context_id": "x", "api_key": "k"}, 400, "/api_key"),
    ({"id": "b", "context_id": "x", "memory_api": {"url": "http://127.0.0.1"}}, 400, "/memory_api"), ({"id": "b", "context_id": "x", "managed_by": "file"}, 201, None),
    ({"id": "b", "context_id": "x", "transformation": {"include_audio": True}}, 400, "/transformation/include_audio"),
    ({"id": "b", "context_id": "${HOME}"}, 201, None), ({"id": "life", "context_id": "x"}, 409, None), ({"id": "b", "context_id": "ctx"}, 409, None),
    ({"id": "b", "context_id": "ctx", "enabled": False}, 201, None),
    ({"id": "b", "context_id": "ctx", "target": "other"}, 409, None),  # two names of one server
], ids=range(33))
def test_connectors_that_are_made(service, body, status, pointer):
    answer = service.ask("POST", "connectors", body)
    assert answer.status == status, (answer.status, answer.raw)
    if status == 400:
        assert pointer is None or pointer in [one["pointer"] for one in answer.json["errors"]], answer.json
        assert "secret" not in service.words()
    if status == 409:
        assert answer.slug() == "conflict"
    if status == 201:
        assert answer.json["context_id"] == body["context_id"] and answer.json["managed_by"] == "api", "a variable means itself here"


def test_an_id_stays(service):
    service.post("connectors", {"id": "c1", "context_id": "x1"}, status=201)
    for method in ("PUT", "PATCH"):
        answer = service.ask(method, "connectors/c1", {"id": "c2", "context_id": "x1"})
        assert answer.status == 400 and answer.problem()["errors"][0]["pointer"] == "/id"
    assert [c["connector"] for c in service.get("connectors?q=c")["connectors"]] == ["c1"]


def test_races_for_one_connector(service):
    """Everybody who is told 200 changed what he had read; a lost update shows as a lower count."""
    service.post("connectors", {"id": "c1", "context_id": "x1", "description": "0"}, status=201)
    won = []

    def count():
        for _ in range(10):
            before = service.ask("GET", "connectors/c1")
            after = service.ask("PATCH", "connectors/c1", {"description": str(int(before.json["description"]) + 1)}, headers={"If-Match": before.headers["etag"]})
            assert after.status in (200, 412), after.raw
            won.append(after.status == 200)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(won) == 40 and int(service.get("connectors/c1")["description"]) == sum(won) > 0


def test_a_run_under_way_keeps_its_settings(service, pair):
    pair[1].control(latency_ms=3000)
    service.post("connectors", {"id": "c1", "context_id": "x1"}, status=201)
    run = service.post("connectors/c1/trigger", status=202)["run"]
    for method, body in (("PUT", {"id": "c1", "context_id": "x2"}), ("PATCH", {"description": "x"}), ("DELETE", None)):
        answer = service.ask(method, "connectors/c1", body)
        assert answer.status == 409 and answer.slug() == "run-in-progress" and answer.headers["location"].endswith(f"/runs/{run}"), (method, answer.raw)
    service.post("connectors/c1/cancel")


def test_what_a_deleted_one_carried_is_not_doubled(service, pair):
    service.post("connectors", {"id": "c1", "context_id": "x1", **FAST}, status=201)
    service.settled("c1")
    service.post("connectors/c1/pause")
    service.settled("c1")
    wait_until(lambda: service.ask("DELETE", "connectors/c1").status == 204)
    service.post("connectors", {"id": "c2", "context_id": "x1", **FAST}, status=201)
    assert service.settled("c2")["last_run"]["unchanged"] == 12
    ledger = pair[1].ledger()
    assert ledger["doubled"] == 0 and ledger["processed"] == 12


def test_do_both_servers_answer(service, pair):
    good = service.post("connectors/life/test")
    assert good["ok"] and good["source"]["ok"] and good["target"]["version"].startswith("1.5")
    pair[1].stop()
    bad = service.post("connectors/life/test")
    assert not bad["ok"] and bad["source"]["ok"] and not bad["target"]["ok"] and bad["target"]["message"]


def test_very_many(service):
    """Ten thousand by POST (a tenth of them here) slow nobody down, and all are listed once."""
    def make(start):
        for i in range(start, start + 250):
            answer = service.ask("POST", "connectors", {"id": f"n{i:04}", "context_id": f"n{i}", "schedule": {"type": "interval", "interval": "1h"}})
            assert answer.status == 201, answer.raw

    threads = [threading.Thread(target=make, args=(k * 250,)) for k in range(4)]
    for one in threads:
        one.start()
    worst = 0
    while any(one.is_alive() for one in threads):
        begin = time.monotonic()
        service.get("connectors/life/status")
        worst = max(worst, time.monotonic() - begin)
        time.sleep(0.01)
    assert worst < 5
    seen, path = [], "connectors?limit=200"
    while path:
        page = service.ask("GET", path)
        seen += [c["connector"] for c in page.json["connectors"]]
        path = page.headers["link"].split(">")[0][1:] if "link" in page.headers else None
    assert seen == ["life"] + [f"n{i:04}" for i in range(1000)]


def test_what_no_longer_fits_the_file_is_left_out(service, program, pair):
    service.post("connectors", {"id": "c1", "context_id": "x1", "target": "other"}, status=201)
    service.post("connectors", {"id": "c2", "context_id": "x2"}, status=201)
    service.stop()
    program.write_config(pair[0].url, pair[1].url, connector=MANUAL, text=KEYS)
    service.start()
    assert [c["connector"] for c in service.get("connectors")["connectors"]] == ["c2", "life"]
    assert "c1" in service.words() and "left out" in service.words()
