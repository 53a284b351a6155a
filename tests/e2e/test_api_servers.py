"""Connectors that bring their own servers along (api.allow_inline_endpoints): where they may lead, what becomes of their keys, and what of a server that
nobody names any more."""
import json
import socket

import pytest

from api import FULL, READER, Service
from conftest import http, memories, wait_until

SOURCE_KEY, TARGET_KEY, NEW_KEY = "canary-of-the-source-1", "canary-of-the-target-2", "canary-of-the-target-3"
MANUAL = "    schedule: { type: manual }"
INGESTION = {"query_range": "all", "query_limit": 1000}
FAST = {"confirm": {"poll_interval": "50ms"}}


def keys(allowed="true", networks="[127.0.0.1]"):
    return f"api: {{ api_key: {FULL}, read_only_key: {READER}, rate_limit: {{ enabled: false }}, allow_inline_endpoints: {allowed}, inline_networks: {networks} }}"


@pytest.fixture
def pair(fake, tmp_path):
    return fake("memory-api", "--count", 0), fake("lightrag")


@pytest.fixture
def own(fake, tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"memories": memories(7)}))
    return fake("memory-api", "--file", path, "--api-key", SOURCE_KEY), fake("lightrag", "--api-key", TARGET_KEY)


@pytest.fixture
def serve(program, pair):
    running = []

    def start(text):
        program.write_config(pair[0].url, pair[1].url, connector=MANUAL, lightrag="  confirm: { poll_interval: 50ms }", text=text)
        running.append(Service(program).start())
        return running[-1]

    yield start
    for service in running:
        code = service.stop()
        assert code in (0, None), service.words()


def brought(own, name="own", **more):
    return {"id": name, "context_id": "its", "ingestion": INGESTION, "memory_api": {"url": own[0].url, "api_key": SOURCE_KEY},
            "lightrag": {"api": {"url": own[1].url, "api_key": TARGET_KEY}, **FAST}, **more}


def refused(answer, pointer):
    assert answer.status == 400, (answer.status, answer.raw)
    told = answer.problem()["errors"]
    assert [error["pointer"] for error in told] == [pointer], told
    return told[0]["detail"] if "detail" in told[0] else json.dumps(told[0])


def hits(server):
    return sum(server.ledger()["requests"].values()) if isinstance(server.ledger()["requests"], dict) else server.ledger()["requests"]


def synced(service, name="own"):
    service.post(f"connectors/{name}/trigger", status=202)
    return service.settled(name)


def test_they_are_refused_unless_allowed(serve, own):
    service = serve(keys(allowed="false"))
    body = brought(own)
    told = service.ask("POST", "connectors", body).problem()["errors"]
    assert sorted(error["pointer"] for error in told) == ["/lightrag", "/memory_api"]
    assert "allow_inline_endpoints" in told[0]["detail"]
    assert service.get("connectors")["connectors"][0]["connector"] == "life" and hits(own[0]) == hits(own[1]) == 0


def test_it_runs_and_is_there_after_a_crash(serve, own, pair):
    service = serve(keys())
    made = service.ask("POST", "connectors", brought(own, schedule={"type": "interval", "interval": "1s"}))
    assert made.status == 201, made.raw
    assert made.json["memory_api"]["api_key"] == made.json["lightrag"]["api"]["api_key"] == "***"
    assert made.json["memory_api"]["timeout"] == "30s" and made.json["lightrag"]["insert"]["batch_size"] == 100, "defaults are told, too"
    assert service.settled("own")["memories"]["done"] == 7 and own[1].ledger()["processed"] == 7
    status = service.get("connectors/own/status")
    wait_until(lambda: service.get("connectors/own/status")["target"]["reachable"])
    assert status["source"]["name"] == made.json["source"] and status["source"]["name"].startswith("inline-")
    for kill in (True, False):
        service.stop(kill=kill)
        service.start()
        before = service.get("connectors/own/history?limit=1")["runs"][0]["run"]
        wait_until(lambda: service.get("connectors/own/history?limit=1")["runs"][0]["run"] > before + 1)
        assert service.ask("GET", "connectors/own").json == made.json
    tested = service.post("connectors/own/test")
    assert tested["ok"] and tested["source"]["name"] == made.json["source"] and tested["target"]["name"] == made.json["target"]
    assert [target["found"] for target in service.get("resolve?entity=Ana")["targets"]] == [False, True]
    names = [one["name"] for one in service.get("health")["components"]["targets"]]
    assert names == ["default", made.json["target"]]
    assert f'target="{made.json["target"]}"' in service.ask("GET", "/metrics").raw.decode()
    assert own[1].ledger()["doubled"] == 0 and hits(pair[0]) == 0


def test_what_is_shown_may_come_back(serve, own):
    service = serve(keys())
    shown = service.ask("POST", "connectors", brought(own)).json
    again = service.ask("PUT", "connectors/own", {**shown, "description": "changed"})
    assert again.status == 200, again.raw
    assert again.json == {**shown, "description": "changed"}
    assert synced(service)["memories"]["done"] == 7, "*** kept the keys"
    assert service.ask("PATCH", "connectors/own", {"description": "once more"}).status == 200
    own[1].control(api_key=NEW_KEY)
    assert not service.post("connectors/own/test")["ok"]
    assert service.ask("PATCH", "connectors/own", {"lightrag": {"api": {"api_key": NEW_KEY}}}).json["lightrag"]["api"]["api_key"] == "***"
    assert service.post("connectors/own/test")["ok"]
    assert synced(service)["memories"]["done"] == 7
    wait_until(lambda: service.get("connectors/own/status")["target"]["reachable"])


def test_a_stored_key_is_never_sent_to_another_address(serve, own, fake):
    service = serve(keys())
    thief = fake("memory-api", "--count", 1), fake("lightrag")
    shown = service.ask("POST", "connectors", brought(own)).json
    assert "given for another address" in refused(service.ask("PATCH", "connectors/own", {"memory_api": {"url": thief[0].url}}), "/memory_api/api_key")
    shown["lightrag"]["api"]["url"] = thief[1].url
    refused(service.ask("PUT", "connectors/own", shown), "/lightrag/api/api_key")
    refused(service.ask("POST", "connectors", brought(own, name="new", memory_api={"url": own[0].url, "api_key": "***"})), "/memory_api/api_key")
    moved = service.ask("PATCH", "connectors/own", {"memory_api": {"url": thief[0].url, "api_key": None}})
    assert moved.status == 200 and moved.json["memory_api"]["api_key"] == "" and moved.json["source"] != shown["source"]
    assert hits(thief[0]) == hits(thief[1]) == 0
    assert "null: default" in refused(service.ask("PATCH", "connectors/own", {"lightrag": None}), "/target"), "what it shows as target was that one's name"
    assert service.ask("PATCH", "connectors/own", {"memory_api": None, "source": None, "lightrag": None, "target": "default"}).json["target"] == "default"


@pytest.mark.parametrize("change, pointer", [
    ({"memory_api": {"api_key": "x"}}, "/memory_api/url"),
    ({"memory_api": {"url": "ftp://example.org"}}, "/memory_api/url"),
    ({"memory_api": {"url": "http://ana:secret@example.org"}}, "/memory_api/url"),
    ({"memory_api": {"url": "http://10.1.2.3:80"}}, "/memory_api/url"),
    ({"memory_api": {"url": "http://[::1]:80"}}, "/memory_api/url"),
    ({"memory_api": {"url": "http://0x7f.2:80"}}, "/memory_api/url"),
    ({"memory_api": {"url": "http://example.org", "api_key": "a\r\nX-Evil: b"}}, "/memory_api/api_key"),
    ({"memory_api": {"url": "http://example.org", "api_key_file": "/etc/passwd"}}, "/memory_api/api_key_file"),
    ({"memory_api": {"url": "http://example.org", "proxy": "http://10.0.0.1"}}, "/memory_api/proxy"),
    ({"memory_api": {"url": "http://example.org"}, "source": "elsewhere"}, "/source"),
    ({"lightrag": {}}, "/lightrag/api/url"),
    ({"lightrag": {"api": {"url": "http://example.org", "username": "ana"}}}, "/lightrag/api/password"),
    ({"lightrag": {"api": {"url": "http://example.org"}, "confirm": {"settle": "soon"}}}, "/lightrag/confirm/settle"),
    ({"lightrag": {"api": {"url": "http://example.org", "timeout": "0s"}}}, "/lightrag/api/timeout"),
    ({"source": "inline-0123456789abcdef"}, "/source"),
])
def test_what_is_no_server(serve, change, pointer):
    service = serve(keys())
    refused(service.ask("POST", "connectors", {"id": "odd", "context_id": "x", **change}), pointer)


def test_one_of_the_configuration_is_named(serve, pair):
    service = serve(keys())
    assert '"default"' in refused(service.ask("POST", "connectors", {"id": "twin", "context_id": "x", "memory_api": {"url": pair[0].url}}), "/memory_api/url")
    refused(service.ask("POST", "connectors", {"id": "twin", "context_id": "x", "lightrag": {"api": {"url": pair[1].url + "/"}}}), "/lightrag/api/url")


def test_two_connectors_never_carry_the_same(serve, own):
    service = serve(keys())
    assert service.ask("POST", "connectors", brought(own)).status == 201
    assert service.ask("POST", "connectors", brought(own, name="second")).status == 409
    assert service.ask("POST", "connectors", brought(own, name="second", context_id="another")).status == 201, "the same servers, something else"
    assert synced(service)["memories"]["done"] == synced(service, "second")["memories"]["done"] == 7
    assert own[1].ledger()["doubled"] == 0


def a_name_for_this_machine():
    """One that is not literal and leads to a loopback address."""
    for name in ("ip6-localhost", "localhost.localdomain", "localhost4", socket.gethostname()):
        try:
            addresses = {info[4][0] for info in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)}
        except OSError:
            continue
        return name, addresses
    return None, set()


def test_the_address_is_judged_when_it_connects(serve, own):
    """The words of a URL say little: a name leads where its name server says, at the moment of the connection."""
    name, addresses = a_name_for_this_machine()
    if name is None:
        pytest.skip("SKIPPED LOUDLY: no name of this machine is known but localhost")
    service = serve(keys(networks="[]"))
    ports = [one.url.rsplit(":", 1)[1] for one in own]
    body = brought(own, memory_api={"url": f"http://{name}:{ports[0]}"}, lightrag={"api": {"url": f"http://{name}:{ports[1]}"}})
    assert service.ask("POST", "connectors", body).status == 201
    tested = service.post("connectors/own/test")
    assert not tested["ok"] and "not public" in tested["source"]["message"] and "not public" in tested["target"]["message"], (tested, addresses)
    service.post("connectors/own/trigger", status=202)
    wait_until(lambda: service.get("connectors/own/history")["runs"] and service.get("connectors/own/history")["runs"][0]["result"] == "failed")
    assert "not public" in service.get("connectors/own/history")["runs"][0]["error"]
    assert hits(own[0]) == hits(own[1]) == 0


def test_a_server_that_nobody_names_is_followed_to_the_end(serve, own):
    service = serve(keys())
    own[1].control(process_delay_ms=400)
    target = service.ask("POST", "connectors", brought(own)).json["target"]
    service.post("connectors/own/trigger", status=202)
    wait_until(lambda: own[1].ledger()["rows"] == 7 and service.get("connectors/own/status")["current_run"] is None)
    assert own[1].ledger()["processed"] < 7
    assert service.ask("DELETE", "connectors/own").status == 204
    targets = lambda: [one["name"] for one in service.get("health")["components"]["targets"]]
    assert target in targets()
    wait_until(lambda: target not in targets(), message="the place of the target never became free")
    assert own[1].ledger()["processed"] == 7
    asked = hits(own[1])
    assert service.ask("POST", "connectors", brought(own)).json["target"] == target, "the same connector, the same server, the same name"
    status = synced(service)
    assert status["memories"]["done"] == 7 and hits(own[1]) > asked
    report = service.get("connectors/own/history")["runs"][0]
    assert (report["fetched"], report["unchanged"], report["new"]) == (7, 7, 0), "what it had carried is known"
    assert own[1].ledger()["doubled"] == 0 and own[1].ledger()["inserts"] == 1


def test_its_key_changes_while_memories_are_on_their_way(serve, own):
    service = serve(keys())
    own[1].control(process_delay_ms=300)
    service.ask("POST", "connectors", brought(own))
    service.post("connectors/own/trigger", status=202)
    wait_until(lambda: own[1].ledger()["rows"] == 7 and service.get("connectors/own/status")["current_run"] is None)
    own[1].control(api_key=NEW_KEY)
    assert service.ask("PATCH", "connectors/own", {"lightrag": {"api": {"api_key": NEW_KEY}}}).status == 200
    wait_until(lambda: service.get("connectors/own/status")["memories"]["done"] == 7)
    assert own[1].ledger()["doubled"] == 0


@pytest.mark.parametrize("change", [{"context_id": "other"}, {"enabled": False}])
def test_what_another_carries_now_is_not_put_back(serve, fake, change):
    """Two connectors, two names of one server: what the first one sent once must not replace what the second one sends of the same context now."""
    source, target = fake("memory-api", "--count", 0), fake("lightrag")
    source.control(memories=memories(3))
    service = serve(keys())
    body = {"context_id": "its", "ingestion": INGESTION, "memory_api": {"url": source.url},
            "lightrag": {"api": {"url": target.url}, "confirm": {"poll_interval": "50ms", "audit_interval": "1s"}}}
    first = service.ask("POST", "connectors", {"id": "first", **body}).json["target"]
    assert synced(service, "first")["memories"]["done"] == 3
    assert service.ask("PATCH", "connectors/first", change).status == 200
    source.control(memories=memories(3, transcript="Rewritten."))
    second = service.ask("POST", "connectors", {"id": "second", **body}).json["target"]
    assert synced(service, "second")["memories"]["done"] == 3
    audits = lambda name: service.words().count(f"target {name}: audit: ")
    before = audits(first), audits(second)
    wait_until(lambda: audits(first) > before[0] + 1 and audits(second) > before[1] + 1, seconds=60)
    assert "stale" not in service.words() and f"target {first}: deleting" not in service.words()
    assert target.ledger()["deleted"] == 3 and target.ledger()["live"] == 3 and target.ledger()["inserts"] <= 7


@pytest.mark.parametrize("dialect", ["1.5", "1.4"])
def test_what_is_left_unsent_is_not_sent_behind_its_successor(serve, fake, dialect):
    source, target = fake("memory-api", "--count", 0), fake("lightrag", "--dialect", dialect)
    source.control(memories=memories(5, transcript="As it was."))
    service = serve(keys())
    body = {"context_id": "its", "ingestion": INGESTION, "memory_api": {"url": source.url},
            "lightrag": {"api": {"url": target.url}, "confirm": {"poll_interval": "50ms", "settle": "1s"}}}
    target.control(times=1000, status=503)
    left = service.ask("POST", "connectors", {"id": "one", **body}).json["target"]
    service.post("connectors/one/trigger", status=202)
    waiting = lambda: service.get("connectors/one/status")["memories"]
    wait_until(lambda: waiting()["queued"] + waiting()["sending"] == 5)
    service.post("connectors/one/cancel")
    wait_until(lambda: service.ask("DELETE", "connectors/one").status == 204)
    targets = lambda: [one["name"] for one in service.get("health")["components"]["targets"]]
    assert left in targets(), "it still has something to send"
    source.control(memories=memories(5, transcript="As it is."))
    assert service.ask("POST", "connectors", {"id": "two", **body}).status == 201
    assert left not in targets()
    target.control(times=0)
    assert synced(service, "two")["memories"]["done"] == 5
    rows = http(target.url + "/documents/paginated", {"page": 1, "page_size": 200})["documents"]
    assert len(rows) == 5 and all("As it is." in row["content_summary"] for row in rows), rows
    assert target.ledger()["deleted"] == 0 and target.ledger()["doubled"] == 0


def test_two_at_one_server_are_no_orphans_to_each_other(serve, own):
    service = serve(keys())
    often = {"confirm": {"poll_interval": "50ms", "audit_interval": "1s"}}
    names = []
    for name in ("first", "second"):
        body = brought(own, name=name, context_id=f"of {name}")
        body["lightrag"].update(often)
        names.append(service.ask("POST", "connectors", body).json["target"])
        assert synced(service, name)["memories"]["done"] == 7
    told = lambda name: f"target {name}: audit: all 7 memories are there, 7 rows of others" in service.words()
    wait_until(lambda: all(map(told, names)), seconds=60)
    assert "orphan" not in service.words() and own[1].ledger()["deletes"] == 0


def at(number, **more):
    return {"id": f"c{number:03}", "context_id": f"x{number}", "lightrag": {"api": {"url": f"http://127.0.0.1:{number + 1}"}}, **more}


def test_no_more_than_there_is_room_for(serve, program):
    service = serve(keys())
    for number in range(256):
        assert service.ask("POST", "connectors", at(number, enabled=number % 2 == 0, memory_api={"url": f"http://127.0.0.1:{number + 1}"})).status == 201
    last = service.ask("POST", "connectors", at(300))
    assert last.status == 409 and "256" in last.problem()["detail"]
    assert service.ask("POST", "connectors", {"id": "named", "context_id": "last"}).status == 201
    assert service.ask("PATCH", "connectors/c009", {"description": "changed"}).status == 200, "it keeps its own places"
    moved = service.ask("PATCH", "connectors/c009", {"memory_api": {"url": "http://127.0.0.1:600"}})
    assert moved.status == 200 and moved.json["memory_api"]["url"] == "http://127.0.0.1:600"
    assert service.ask("DELETE", "connectors/c007").status == 204
    wait_until(lambda: service.ask("POST", "connectors", at(300)).status == 201)
    # One is made while another one is left out; then both want a place.
    service.stop()
    text = program.config.read_text()
    program.config.write_text(text + "\ntargets: { more: { api: { url: 'http://127.0.0.1:6' } } }\n")
    service.start()
    assert service.ask("GET", "connectors/c005").status == 404
    assert service.ask("POST", "connectors", at(301)).status == 201
    service.stop()
    program.config.write_text(text)
    service.start()
    assert service.ask("GET", "connectors/c005").status == 200 and service.ask("GET", "connectors/c301").status == 404
    assert "c301: this connector is left out" in service.words()


def test_a_server_that_is_gone_for_good_holds_no_place(serve, own, fake):
    """Its memories wait for it as long as there is room; then somebody else's do."""
    service = serve(keys())
    own[1].stop()
    for number in range(256):
        assert service.ask("POST", "connectors", at(number)).status == 201
    assert service.ask("DELETE", "connectors/c000").status == 204
    gone = service.ask("POST", "connectors", brought(own, name="gone"))
    if gone.status == 409:
        wait_until(lambda: service.ask("POST", "connectors", brought(own, name="gone")).status == 201)
    service.post("connectors/gone/trigger", status=202)
    wait_until(lambda: service.get("connectors/gone/status")["memories"]["queued"] == 7 and service.get("connectors/gone/status")["current_run"] is None)
    assert service.ask("DELETE", "connectors/gone").status == 204
    assert service.ask("POST", "connectors", at(300)).status == 201
    assert "makes room" in service.words()


def test_a_server_that_does_not_answer_spoils_no_search(serve, own, fake):
    """One of many strangers' servers is always down."""
    service = serve(keys())
    dead = fake("lightrag")
    assert service.ask("POST", "connectors", brought(own)).status == 201
    assert service.ask("POST", "connectors", {"id": "dead", "context_id": "x", "lightrag": {"api": {"url": dead.url}}}).status == 201
    assert synced(service)["memories"]["done"] == 7
    dead.stop()
    found = service.get("resolve?entity=Ana", key=READER)["targets"]
    assert [(one["found"], len(one["memories"]), "error" in one) for one in found] == [(False, 0, False), (False, 0, True), (True, 7, False)]
    assert "cannot be reached" in found[1]["error"]


def test_its_keys_are_told_to_nobody_else(serve, own, program):
    service = serve(keys() + "\nlogging: { level: debug }")
    answers = [service.ask("POST", "connectors", brought(own)).raw]
    synced(service)
    own[1].control(api_key=NEW_KEY)
    for path in ("connectors", "connectors/own", "connectors/own/status", "connectors/own/history", "health", "openapi.json", "/metrics"):
        answers.append(service.ask("GET", path).raw)
    answers.append(service.ask("POST", "connectors/own/test").raw)
    answers.append(service.ask("PATCH", "connectors/own", {"lightrag": {"api": {"api_key": TARGET_KEY, "url": "http://10.0.0.1"}}}).raw)
    answers.append(service.ask("PATCH", "connectors/own", {"lightrag": {"api": {"api_key": TARGET_KEY, "timeout": "nonsense"}}}).raw)
    service.stop()
    told = b"".join(answers).decode() + service.words()
    for command in (["status"], ["history"], ["config", "show"], ["report", "own"]):
        done = program.run(*command)
        told += done.stdout + done.stderr
    assert "canary" not in told


def test_who_is_left_out_is_told_by_its_own_fault(serve, own, program):
    """A warning about another part of the configuration stands before it, and is not the reason."""
    service = serve(keys() + "\nsources: { far: { url: 'http://far.example.org', api_key: k } }\ntargets: { other: { api: { url: 'http://127.0.0.1:1' } } }")
    assert service.ask("POST", "connectors", brought(own)).status == 201
    assert service.ask("POST", "connectors", {"id": "named", "context_id": "its", "target": "other"}).status == 201
    service.stop()
    program.config.write_text(program.config.read_text().replace("allow_inline_endpoints: true", "allow_inline_endpoints: false").replace("{ other:", "{ another:"))
    service.start()
    assert "is left out: /memory_api: is not allowed here" in service.words()
    assert 'is left out: /target: there is no target "other"' in service.words(), service.words()
    assert [row["connector"] for row in service.get("connectors")["connectors"]] == ["life"]
