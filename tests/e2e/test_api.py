"""The management API as a person with curl meets it: what is read, what is told to a connector, and what is refused."""
import json
import time
import urllib.parse

import pytest

from api import FULL, READER, Service
from conftest import memories, wait_until

KEYS = f"api: {{ api_key: {FULL}, read_only_key: {READER}, rate_limit: {{ enabled: false }} }}"
MANUAL = "    schedule: { type: manual }"


@pytest.fixture
def pair(fake, tmp_path):
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": memories(20) + [{"id": "a/b c~ü", "transcript": "Words of a memory with an odd name.", "created_at": "2025-12-18T14:30:00Z"}, 17]}))
    return fake("memory-api", "--file", path), fake("lightrag")


@pytest.fixture
def service(program, pair):
    program.write_config(pair[0].url, pair[1].url, connector=MANUAL, lightrag="  confirm: { poll_interval: 50ms }", text=KEYS)
    running = Service(program).start()
    yield running
    code = running.stop()
    assert code in (0, None), running.words()


def synced(service):
    service.post("connectors/life/trigger", status=202)
    return service.settled()


def test_a_run_from_trigger_to_report(service, pair):
    answer = service.ask("POST", "connectors/life/trigger")
    assert answer.status == 202
    where = answer.headers["location"]
    assert where == f"/api/v1/connectors/life/runs/{answer.json['run']}"
    status = service.settled()
    assert status["memories"]["done"] == 21 and status["dead_letters"] == {"malformed": 1}
    assert status["last_run"]["trigger"] == "api"
    wait_until(lambda: service.get("connectors/life/status")["target"]["reachable"])
    assert service.get("connectors/life/status")["target"]["dialect"] == "1.5"
    report = service.get(where)
    assert (report["fetched"], report["new"], report["processed"], report["malformed"]) == (22, 21, 21, 1)
    assert pair[1].ledger()["processed"] == 21
    assert report.pop("gaps") == [] and [(error["class"], error["count"]) for error in report.pop("errors")] == [("malformed", 1)]
    assert report == service.get("runs")["runs"][0] == service.get("connectors/life/history")["runs"][0]
    assert service.ask("GET", "connectors/life/runs/77").slug() == "unknown-run"
    assert service.ask("GET", "connectors/life/runs/x").slug() == "unknown-run"
    same = service.program.json("status", "life")["connectors"][0]  # the command without a service: the same shape
    assert same["last_run"] == status["last_run"] and same["memories"] == status["memories"]


def test_only_one_run_at_a_time(service, pair):
    pair[1].control(latency_ms=3000)
    first = service.post("connectors/life/trigger", status=202)
    second = service.ask("POST", "connectors/life/trigger")
    assert second.status == 409 and second.slug() == "run-in-progress"
    assert second.headers["location"] == f"/api/v1/connectors/life/runs/{first['run']}"
    assert service.get("connectors/life/status")["current_run"]["run"] == first["run"]
    assert service.get("connectors?state=running")["connectors"][0]["connector"] == "life"
    assert service.post("connectors/life/cancel")["cancelled"] is True
    wait_until(lambda: service.get("connectors/life/status")["current_run"] is None)
    assert service.post("connectors/life/cancel") == {"connector": "life", "cancelled": False, "run": None}


def test_a_pause_lasts_over_a_restart(program, pair):
    program.write_config(pair[0].url, pair[1].url, connector="    schedule: { type: interval, interval: 1h }", text=KEYS)
    service = Service(program).start()
    try:
        wait_until(lambda: service.get("connectors/life/status")["next_run"])
        for _ in range(2):  # idempotent
            plan = service.post("connectors/life/pause", {"reason": "on holiday", "until": "2036-01-01T00:00:00+01:00"})
            assert plan["paused"] and plan["reason"] == "on holiday" and plan["paused_until"] == "2035-12-31T23:00:00Z"
        service.stop(kill=True)
        service.start()
        wait_until(lambda: service.get("connectors/life/status")["state"] == "paused")
        status = service.get("connectors/life/status")
        assert (status["reason"], status["paused_until"]) == ("on holiday", "2035-12-31T23:00:00Z")
        for _ in range(2):
            assert service.post("connectors/life/resume")["paused"] is False
        for reason in ("ü" * 251, "€" * 100):  # as it is kept it has at most 255 bytes
            assert service.ask("POST", "connectors/life/pause", {"reason": reason}).problem()["errors"][0]["pointer"] == "/reason"
        late = service.ask("POST", "connectors/life/pause", {"until": "2020-01-01T00:00:00Z"})
        assert late.status == 400 and late.problem()["errors"][0]["pointer"] == "/until"
    finally:
        service.stop()


def test_memories_and_pages(service):
    synced(service)
    seen, path = [], "connectors/life/memories?limit=4"
    for _ in range(6):
        answer = service.ask("GET", path)
        page = answer.json
        seen += [m["memory"] for m in page["memories"]]
        if page["next_cursor"] is None:
            assert "link" not in answer.headers
            break
        assert answer.headers["link"].endswith('; rel="next"')
        path = answer.headers["link"].split(">")[0][1:]
    assert len(seen) == 21 and len(set(seen)) == 21
    one = service.get("connectors/life/memories/a%2Fb%20c~%C3%BC")
    assert one["memory"] == "a/b c~ü" and one["status"] == "done" and one["batch"]["state"] == "closed" and one["dead_letters"] == []
    assert one["document"].startswith("memory~ctx~a%2Fb")
    assert service.ask("GET", "connectors/life/memories/nobody").slug() == "unknown-memory"
    assert [m["memory"] for m in service.get("connectors/life/memories?q=m1&limit=200")["memories"]] == ["m1"] + [f"m1{i}" for i in range(10)]
    assert service.get("connectors/life/memories?status=dead")["memories"] == []
    assert len(service.get("connectors/life/memories?status=done&limit=200")["memories"]) == 21
    assert "Ana" not in json.dumps(service.get("connectors/life/memories?limit=200")), "texts are not for whoever may look at the service"


def test_cursors_fit_one_list_only(service):
    synced(service)
    cursor = service.get("connectors/life/memories?limit=2")["next_cursor"]
    assert service.get(f"connectors/life/memories?limit=200&cursor={cursor}")["next_cursor"] is None, "a page may be longer than the one before"
    for path in (f"connectors/life/memories?status=done&cursor={cursor}", f"connectors/life/history?cursor={cursor}", f"runs?cursor={cursor}",
                 f"connectors/life/memories?cursor={cursor}A", f"connectors/life/memories?cursor={cursor[:-1]}", "connectors?cursor=AAAA", "connectors?cursor=%F0%9F%98%80"):
        assert service.ask("GET", path).slug() == "bad-cursor", path


def test_the_way_back(service, pair):
    synced(service)
    wait_until(lambda: pair[1].ledger()["processed"] == 21)
    found = service.get("resolve?name=memory~ctx~m7")
    assert (found["kind"], [one["memory"] for one in found["memories"]]) == ("document name", ["m7"])
    only = found["memories"][0]
    for name in (only["doc_id"], only["address"], "m7"):
        assert service.get("resolve?name=" + urllib.parse.quote(name, safe=""))["memories"] == found["memories"]
    assert service.ask("GET", "resolve?name=nothing").slug() == "unknown-memory"
    assert service.ask("GET", "resolve").status == 400
    assert service.ask("GET", "resolve?name=a&entity=b").status == 400
    behind = service.get("resolve?entity=Ana")["targets"]
    assert [target["found"] for target in behind] == [True] and len(behind[0]["memories"]) >= 20
    assert service.get("resolve?entity=Nobody%20at%20all")["targets"][0]["found"] is False
    pair[1].stop()
    assert service.ask("GET", "resolve?entity=Ana").status == 503
    assert service.get("resolve?name=m7")["memories"]  # that needs no server


def test_dead_letters(service, pair):
    pair[1].control(fail_match="number 7 ")
    synced(service)
    letters = service.get("connectors/life/dead-letters")["dead_letters"]
    assert {one["class"] for one in letters} >= {"malformed"} and all(one["advice"] for one in letters)
    assert service.get("connectors/life/dead-letters?class=malformed")["dead_letters"][0]["memory"] is None
    for wrong in ({}, {"all": True, "class": "malformed"}, {"all": False}):
        assert service.ask("POST", "connectors/life/dead-letters/retry", wrong).slug() == "invalid", wrong
    assert service.ask("POST", "connectors/life/dead-letters/retry").slug() == "bad-request"
    assert service.ask("POST", "connectors/life/dead-letters/retry", {"class": "nonsense"}).problem()["errors"][0]["pointer"] == "/class"
    assert service.post("connectors/life/dead-letters/discard", {"class": "malformed"}) == {"connector": "life", "discarded": 1}
    assert service.get("connectors/life/dead-letters?class=malformed")["dead_letters"] == []
    closed = service.get("connectors/life/dead-letters?class=malformed&closed=true")["dead_letters"]
    assert [one["state"] for one in closed] == ["discarded"]


def test_reset_brings_it_all_again_and_doubles_nothing(service, pair):
    synced(service)
    assert service.ask("POST", "connectors/life/reset", {}).slug() == "invalid"
    assert service.post("connectors/life/reset", {"memory": "m3"})["forgotten"] == 1
    assert service.post("connectors/life/reset", {"memory": "nobody"})["forgotten"] == 0
    assert service.post("connectors/life/reset", {"all": True})["forgotten"] == 21
    service.post("connectors/life/trigger", {"range": "all", "limit": 100}, status=202)
    time.sleep(0.2)
    assert service.settled()["memories"]["done"] == 21
    assert pair[1].ledger()["doubled"] == 0


# ---- Who may, and what is refused ----

def test_keys(service):
    for key in (FULL, READER):
        assert service.get("runs", key=key)
        assert service.ask("GET", "runs", key=None, headers={"Authorization": f"Bearer {key}"}).status == 200
        assert service.ask("GET", "runs", key=None, headers={"Authorization": f"bearer   {key}"}).status == 200
    missing = service.ask("GET", "runs", key=None)
    wrong = service.ask("GET", "runs", key=FULL + "x")
    for answer in (missing, wrong):
        assert answer.status == 401 and answer.slug() == "key-required" and answer.headers["www-authenticate"].startswith("Bearer")
    hide = lambda answer: {k: v for k, v in answer.json.items() if k != "request_id"}
    assert hide(missing) == hide(wrong), "nothing says which it was"
    assert service.ask("POST", "connectors/life/trigger", key=READER).slug() == "read-only-key"
    assert service.ask("POST", "connectors/life/trigger", key=None).status == 401
    for key in (FULL[:-1], FULL.upper(), "", " "):
        assert service.ask("GET", "runs", key=key).status in (401, 429)
    assert service.ask("GET", "openapi.json", key=None).status == 200


def test_what_every_answer_has(service):
    for path, status in (("runs", 200), ("nope", 404), ("connectors/x/status", 404)):
        answer = service.ask("GET", path, headers={"X-Request-Id": "mine-1.2"})
        assert answer.status == status and answer.headers["x-request-id"] == "mine-1.2"
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"] and "access-control-allow-origin" not in answer.headers
    for bad in ("two words", "a\tb", "x" * 65, "<script>"):
        assert service.ask("GET", "runs", headers={"X-Request-Id": bad}).headers["x-request-id"] != bad
    head = service.ask("HEAD", "runs")
    assert head.status == 200 and head.raw == b"" and int(head.headers["content-length"]) == len(service.ask("GET", "runs").raw)
    root = service.ask("GET", "/", key=None)
    assert root.status == 307 and root.headers["location"] == "/api/v1/openapi.json"


@pytest.mark.parametrize("method, path, status, allow", [
    ("DELETE", "runs", 405, "GET, HEAD"), ("PUT", "connectors/life/trigger", 405, "POST"), ("TRACE", "runs", 405, "GET, HEAD"), ("CONNECT", "/x", 404, None),
    ("OPTIONS", "runs", 405, "GET, HEAD"), ("GET", "connectors/life/trigger", 405, "POST"), ("BREW", "runs", 405, "GET, HEAD"),
    ("GET", "/api/v1", 404, None), ("GET", "/api/v1/", 404, None), ("GET", "/api/v2/runs", 404, None), ("GET", "runs/", 404, None), ("GET", "/api/v1//runs", 404, None),
    ("GET", "/api/v1/../v1/runs", 404, None), ("GET", "/api/v1/%72uns", 200, None), ("GET", "/api/v1/runs%00", 404, None), ("GET", "/api/v1/runs%2f", 404, None),
    ("GET", "connectors/..%2f..%2fetc%2fpasswd", 404, None), ("GET", "connectors/%2e%2e", 404, None), ("GET", "connectors/../../runs", 404, None),
    ("GET", "connectors/life%00x", 404, None), ("GET", "connectors/" + "a" * 65, 404, None), ("GET", "connectors/%ff%fe", 404, None),
    ("GET", "runs%", 400, None), ("GET", "runs%zz", 400, None), ("GET", "runs?limit=%", 400, None), ("GET", "runs?limit=1&limit=2", 400, None),
    ("GET", "runs?limit=0", 400, None), ("GET", "runs?limit=201", 400, None), ("GET", "runs?limit=-1", 400, None), ("GET", "runs?limit=1e2", 400, None),
    ("GET", "runs?limit=", 400, None), ("GET", "runs?limit=99999999999999999999", 400, None), ("GET", "runs?unknown=1", 400, None), ("GET", "runs?result=nice", 400, None),
])
def test_paths_methods_parameters(service, method, path, status, allow):
    answer = service.ask(method, path)
    assert answer.status == status, (answer.status, answer.raw)
    if status >= 400:
        answer.problem()
    assert answer.headers.get("allow") == allow


BAD_BODIES = [
    (b"{", 400, None), (b"", 400, None), (b"[]", 400, ""), (b"null", 400, ""), (b'"x"', 400, ""), (b"{'memory':1}", 400, None), (b'{"memory":"m1",}', 400, None),
    (b'{"memory":"m1"}x', 400, None), (b'{"memory":"m1","memory":"m2"}', 400, "/memory"), (b'{"memory":1}', 400, "/memory"), (b'{"all":"true"}', 400, "/all"),
    (b'{"memory":"a\\u0000b"}', 400, "/memory"), (b'{"memory":"\\ud800"}', 400, None), (b'{"memory":"\xff"}', 400, None), (b'{"all":1e999}', 400, None),
    (b'{"a~b/c":1}', 400, "/a~0b~1c"), (b'{"x":' + b"[" * 40 + b"]" * 40 + b"}", 400, None), (b'{"x":' * 100000 + b"1" + b"}" * 100000, 400, None),
    (b"{" + b",".join(b'"k%d":1' % i for i in range(60000)) + b"}", 400, ""), (b'{"x":[' + b"1," * 500000 + b"1]}", 400, "/x"), (b"\xef\xbb\xbf{}", 400, None),
]


@pytest.mark.parametrize("body, status, pointer", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_bodies(service, body, status, pointer):
    answer = service.ask("POST", "connectors/life/reset", body, headers={"Content-Type": "application/json"})
    assert answer.status == status, (answer.status, answer.raw[:300])
    if pointer is not None:
        assert pointer in [one["pointer"] for one in answer.problem()["errors"]]


def test_media_types(service):
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "application/json5", "application/merge-patch+json"):
        answer = service.ask("POST", "connectors/life/reset", b'{"all":true}', headers={"Content-Type": kind})
        assert answer.status == 415 and answer.slug() == "unsupported-media-type" and answer.headers["accept"] == "application/json", kind
    for kind in ("application/json", "Application/JSON; charset=utf-8"):
        assert service.ask("POST", "connectors/life/reset", b'{"memory":"x"}', headers={"Content-Type": kind}).status == 200
    assert service.ask("GET", "runs", b"{}").status == 400, "a GET has no body here"


def test_too_much(service):
    body = b'{"memory":"' + b"x" * (1 << 20) + b'"}'
    waiting = service.raw(b"POST /api/v1/connectors/life/reset HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                          b"Expect: 100-continue\r\n\r\n" % (FULL.encode(), len(body)))
    assert waiting.startswith(b"HTTP/1.1 413") and b"body-too-large" in waiting, "before a byte of it is read"
    head = b"POST /api/v1/connectors/life/reset HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\nContent-Type: application/json\r\n" % FULL.encode()
    chunked = service.raw(head + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert chunked.startswith(b"HTTP/1.1 413") and b"body-too-large" in chunked
    assert service.ask("GET", "runs?cursor=" + "A" * 8200).slug() == "target-too-long"
    assert service.ask("GET", "runs", headers={f"X-{i}": "1" for i in range(70)}).slug() == "head-too-large"


@pytest.mark.parametrize("headers, status", [
    ({"Host": "attacker.example.org"}, 421), ({"Host": "attacker.example.org:9622"}, 421), ({"Host": "localhost.example.org"}, 421), ({"Host": "127.0.0.1.example.org"}, 421),
    ({"Host": "localhost:1"}, 200), ({"Host": "[::1]"}, 200), ({"Host": "LOCALHOST"}, 200), ({"Host": ""}, 421),
])
def test_names_of_strangers(service, headers, status):
    for path in ("runs", "openapi.json", "/", "nope"):
        answer = service.ask("GET", path, headers=headers)
        assert (answer.status == 421) == (status == 421), (path, answer.status)


def test_pages_of_strangers(service):
    for headers in ({"Origin": "https://evil.example.org"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = service.ask("POST", "connectors/life/resume", headers=headers)
        assert answer.status == 403 and answer.slug() == "origin-not-allowed", headers
        read = service.ask("GET", "runs", headers=headers)
        assert read.status == 200 and "access-control-allow-origin" not in read.headers
    own = service.ask("POST", "connectors/life/resume", headers={"Origin": service.url})
    assert own.status == 200
    preflight = service.ask("OPTIONS", "connectors/life/resume", key=None, headers={"Origin": "https://evil.example.org", "Access-Control-Request-Method": "POST"})
    assert preflight.status == 405 and "access-control-allow-origin" not in preflight.headers


def test_pages_that_are_listed(program, pair):
    text = KEYS[:-1] + ", cors: { enabled: true, origins: [ https://app.example.org ] } }"
    program.write_config(pair[0].url, pair[1].url, connector=MANUAL, text=text)
    service = Service(program).start()
    try:
        origin = {"Origin": "https://app.example.org"}
        for path, status in (("runs", 200), ("nope", 404)):
            answer = service.ask("GET", path, headers=origin)
            assert answer.status == status and answer.headers["access-control-allow-origin"] == origin["Origin"] and answer.headers["vary"] == "Origin"
            assert "access-control-allow-credentials" not in answer.headers
        assert service.ask("POST", "connectors/life/resume", headers=origin).status == 200
        preflight = service.ask("OPTIONS", "connectors/life", key=None, headers={**origin, "Access-Control-Request-Method": "PATCH"})
        assert preflight.status == 204 and "PATCH" in preflight.headers["access-control-allow-methods"] and "X-API-Key" in preflight.headers["access-control-allow-headers"]
        assert preflight.headers["access-control-allow-origin"] == origin["Origin"]
        for other in ("https://app.example.org.evil.example", "http://app.example.org", "https://APP.example.org", "null"):
            answer = service.ask("GET", "runs", headers={"Origin": other})
            assert "access-control-allow-origin" not in answer.headers and answer.headers["vary"] == "Origin", other
            assert service.ask("OPTIONS", "runs", key=None, headers={"Origin": other, "Access-Control-Request-Method": "GET"}).status == 403
            assert service.ask("POST", "connectors/life/resume", headers={"Origin": other}).status == 403
    finally:
        service.stop()


def test_entity_tags(service):
    answer = service.ask("GET", "connectors/life")
    tag = answer.headers["etag"]
    for known in (tag, f'"x", {tag}', "*", "W/" + tag):
        again = service.ask("GET", "connectors/life", headers={"If-None-Match": known})
        assert again.status == 304 and again.raw == b"" and again.headers["etag"] == tag, known
    assert service.ask("GET", "connectors/life", headers={"If-None-Match": '"x"'}).status == 200
    document = service.ask("GET", "openapi.json")
    assert service.ask("GET", "openapi.json", headers={"If-None-Match": document.headers["etag"]}).status == 304


def test_without_a_state_that_can_be_read(service):
    """What needs the state says so, the rest goes on; and once it can be read again, all is well."""
    synced(service)
    state = service.program.state
    hidden = state.with_name("hidden.db")
    state.rename(hidden)
    service_dead = service.ask("GET", "connectors/life/memories/m1")
    assert service_dead.status in (200, 503), "connections that are open go on"
    assert service.get("openapi.json")["openapi"].startswith("3.1")
    hidden.rename(state)
    assert service.get("connectors/life/memories/m1")["status"] == "done"


@pytest.mark.parametrize("text, words", [
    ("api: { enable_auth: true }", "api_key"), ("api: { enable_auth: false, host: 0.0.0.0 }", "enable_auth"), ("api: { api_key: same, read_only_key: same }", "the same"),
    ("api: { api_key: k, host: not-an-address }", "not-an-address"),
])
def test_a_start_that_is_not_safe(program, pair, text, words):
    program.write_config(pair[0].url, pair[1].url, text=text)
    done = program.run("serve", "--port", "0")
    assert done.returncode == 78 and words in done.stderr
