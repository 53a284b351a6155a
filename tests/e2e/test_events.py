"""Events as they happen, health, and who is told what: the running service from outside."""
import json
import re
import socket
import time

import pytest

from api import FULL, READER, Service
from conftest import SLOW, http, memories, wait_until

KEYS = f"api: {{ port: 0, api_key: {FULL}, read_only_key: {READER} }}\n"
MANUAL = "    schedule: { type: manual }\n"


@pytest.fixture
def serving(program, fake):
    program.source, program.target = fake("memory-api"), fake("lightrag")
    program.source.control(memories=memories(6))
    started = []

    def start(text=KEYS, connector=MANUAL, args=()):
        program.write_config(program.source.url, program.target.url, text=text, connector=connector)
        started.append(Service(program, *args).start())
        return started[-1]

    yield start
    for one in started:
        one.stop(kill=True)


class Stream:
    """GET /api/v1/events by hand: head, then events one by one."""

    def __init__(self, service, query="", headers="", source=None, key=FULL):
        self.sock = socket.create_connection((service.host, service.port), timeout=20 * SLOW, source_address=(source, 0) if source else None)
        self.sock.sendall(f"GET /api/v1/events{query} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n{headers}\r\n".encode())
        self.file = self.sock.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline().strip()):
            name, value = line.decode().split(":", 1)
            self.headers[name.lower()] = value.strip()
        self.text = b""
        self.comments, self.retry, self.last_id = 0, None, None

    def line(self):
        while b"\n" not in self.text:
            size = int(self.file.readline() or b"0", 16)
            if size == 0:
                raise EOFError
            self.text += self.file.read(size)
            assert self.file.readline() == b"\r\n"
        line, self.text = self.text.split(b"\n", 1)
        return line.decode()

    def event(self):
        """(id, kind, data): exactly as a browser reads the lines."""
        kind, data = "message", None
        while True:
            line = self.line()
            if not line:
                if data is not None:
                    return self.last_id, kind, json.loads(data)
                kind = "message"
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not name:
                self.comments += 1
            elif name == "event":
                kind = value
            elif name == "data":
                data = value if data is None else data + "\n" + value
            elif name == "id":
                self.last_id = int(value)
            elif name == "retry":
                self.retry = int(value)
            else:
                raise AssertionError(line)

    def until(self, kind):
        found = []
        while not found or found[-1][1] != kind:
            found.append(self.event())
        return found

    def close(self):
        self.file.close()
        self.sock.close()


def test_a_run_is_told_as_it_goes(serving):
    service = serving()
    stream = Stream(service)
    assert stream.status == 200 and stream.headers["content-type"] == "text/event-stream" and stream.headers["cache-control"] == "no-store"
    service.post("connectors/life/trigger", status=202)
    told = stream.until("run.finished")
    assert stream.retry == 3000
    kinds = [kind for _, kind, _ in told]
    assert kinds[0] == "run.started" and set(kinds) <= {"run.started", "run.progress", "run.finished", "connector.changed", "notice"}, kinds
    ids = [number for number, _, _ in told]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert all(data["type"] == kind and data["time"].endswith("Z") for _, kind, data in told)
    assert told[-1][2]["connector"] == "life" and told[-1][2]["report"]["new"] == 6
    stream.close()


def test_a_letter_names_its_context(serving, program):
    service = serving()
    program.source.control(memories=[{"id": ""}])
    stream = Stream(service)
    service.post("connectors/life/trigger", status=202)
    letters = [data["letter"] for _, kind, data in stream.until("run.finished") if kind == "item.failed"]
    assert [(letter["connector"], letter["context"], letter["class"]) for letter in letters] == [("life", "ctx", "malformed")]
    stream.close()


def test_nothing_is_lost_by_coming_back(serving):
    service = serving()
    stream = Stream(service)
    service.post("connectors/life/trigger", status=202)
    told = stream.until("run.finished")
    stream.close()
    for number, _, _ in told[:-1]:
        for again in (Stream(service, headers=f"Last-Event-ID: {number}\r\n"), Stream(service, f"?last_event_id={number}")):
            assert [event[0] for event in again.until("run.finished")] == list(range(number + 1, told[-1][0] + 1))
            again.close()
    # who has seen nothing yet goes on from where it began
    idle = Stream(service)
    assert idle.line() == "retry: 3000"
    begun = int(idle.line().removeprefix("id: "))
    idle.close()
    assert begun >= told[-1][0]


@pytest.mark.parametrize("last", [0, 17, 2**52], ids=["nothing", "of another life", "of the future"])
def test_what_was_overwritten_is_missed(serving, last):
    service = serving()
    service.post("connectors/life/trigger", status=202)
    service.settled()
    stream = Stream(service, headers=f"Last-Event-ID: {last}\r\n")
    assert stream.event()[1] == "missed"
    assert stream.until("run.finished")[0][1] in ("run.started", "notice")  # then all that is kept
    stream.close()


def test_numbers_grow_across_restarts(serving, program):
    service = serving()
    stream = Stream(service)
    service.post("connectors/life/trigger", status=202)
    last = stream.until("run.finished")[-1][0]
    stream.close()
    service.stop(kill=True)
    service.start()
    stream = Stream(service, headers=f"Last-Event-ID: {last}\r\n")
    assert stream.event()[1] == "missed"
    service.post("connectors/life/trigger", status=202)
    assert all(number > last for number, _, _ in stream.until("run.finished"))
    stream.close()


def test_only_of_one_connector(serving, program):
    service = serving(connector=MANUAL + "  - { id: other, context_id: second, schedule: { type: manual } }\n")
    stream = Stream(service, "?connector=other")
    for name in ("life", "other"):
        service.post(f"connectors/{name}/trigger", status=202)
    assert {data["connector"] for _, _, data in stream.until("run.finished")} == {"other"}
    stream.close()


def test_what_is_refused(serving):
    service = serving()
    for headers, query, key, status in [("", "", "wrong-key-00000000000000", 401), ("Last-Event-ID: x\r\n", "", FULL, 400), ("", "?last_event_id=x", FULL, 400),
                                        ("", "?from=1", FULL, 400)]:
        stream = Stream(service, query, headers, key=key)
        assert (stream.status, stream.headers["content-type"]) == (status, "application/problem+json"), (headers, query)
        stream.close()
    stream = Stream(service, key=READER)  # reading is enough
    assert stream.status == 200
    stream.close()


def test_there_are_sixty_four_at_most(serving):
    service = serving()
    streams = [Stream(service, source=f"127.0.0.{2 + i // 32}") for i in range(64)]
    assert [s.status for s in streams] == [200] * 64
    late = Stream(service, source="127.0.0.9")
    assert late.status == 503 and late.headers["retry-after"] == "3"
    late.close()
    own = Stream(service, source="127.0.0.2")  # half of the connections of one address are left for questions
    assert own.status == 503
    own.close()
    service.post("connectors/life/trigger", status=202)
    for stream in streams:
        stream.until("run.finished")
        stream.close()

    def is_free():
        stream = Stream(service, source="127.0.0.9")
        stream.close()
        return stream.status == 200
    wait_until(is_free)


def test_streams_end_with_the_service(serving):
    service = serving()
    stream = Stream(service)
    begin = time.monotonic()
    assert service.stop() == 0
    with pytest.raises(EOFError):
        stream.until("never")
    assert time.monotonic() - begin < 15 * SLOW
    stream.close()


# ---- Health ----

def test_health(serving, program):
    service = serving()
    for path in ("/health", "/api/v1/health", "/livez", "/readyz"):
        assert service.ask("GET", path, key=None).status == 200
        assert service.ask("HEAD", path, key=None).status == 200
    found = service.get("health", key=None)
    assert found["status"] == "healthy" and re.fullmatch(r"\d+\.\d+\.\d+.*", found["version"]) and found["active_runs"] == 0 and found["last_error"] is None
    assert found["components"]["state"] == {"status": "ok"} and found["components"]["scheduler"] == {"status": "ok"}
    assert [s["name"] for s in found["components"]["sources"]] == ["default"] == [t["name"] for t in found["components"]["targets"]]
    service.post("connectors/life/trigger", status=202)
    service.settled()
    wait_until(lambda: service.get("health", key=None)["components"]["targets"][0]["status"] == "ok")

    program.source.stop()
    service.post("connectors/life/trigger", status=202)
    wait_until(lambda: service.get("health", key=None)["status"] == "degraded")
    found = service.get("health", key=None)
    assert found["components"]["sources"] == [{"name": "default", "status": "unreachable"}] and found["last_error"].startswith("life: ")
    assert FULL not in json.dumps(found) and str(program.folder) not in json.dumps(found)
    program.source.stop = lambda: None


def test_health_says_that_nothing_runs_by_schedule(serving):
    assert serving(args=("--api-only",)).get("health", key=None)["components"]["scheduler"] == {"status": "off"}
