"""A running service and a small client of its management API, for the tests of it."""
import http.client
import json
import re
import select
import socket
import subprocess
import time
import urllib.parse

from conftest import SLOW

FULL = "full-key-0123456789abcdef"
READER = "read-key-0123456789abcdef"


def check(value, schema, document, where="answer"):
    """Is value what the schema says? JSON Schema as far as our document uses it; whatever else stands there is an error, too."""
    known = {"$ref", "type", "format", "enum", "anyOf", "items", "properties", "required", "additionalProperties", "description", "minimum", "maximum",
             "minLength", "maxLength", "pattern", "default", "examples", "readOnly", "writeOnly", "oneOf", "title", "minItems", "maxItems", "uniqueItems", "const"}
    assert set(schema) <= known, f"{where}: the check does not know {set(schema) - known}"
    if "$ref" in schema:
        return check(value, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], document, where)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            faults = []
            for one in schema[several]:
                try:
                    return check(value, one, document, where)
                except AssertionError as fault:
                    faults.append(str(fault))
            raise AssertionError(f"{where}: {value!r} is none of {faults}")
    names = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = [k for k in kinds if isinstance(value, names[k]) and not (isinstance(value, bool) and k in ("integer", "number"))]
    assert fits or not kinds, f"{where}: {value!r} is no {kinds}"
    assert "enum" not in schema or value in schema["enum"], f"{where}: {value!r} is none of {schema['enum']}"
    if isinstance(value, str) and schema.get("format") == "date-time":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", value), f"{where}: {value!r} is no time"
    if isinstance(value, dict):
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name in schema.get("required", []):
            assert name in value, f"{where}: {name} is missing"
        for name, member in value.items():
            assert name in properties or more, f"{where}: {name} does not stand in the document"
            if name in properties or isinstance(more, dict):
                check(member, properties.get(name, more), document, f"{where}.{name}")
    if isinstance(value, list) and "items" in schema:
        for i, element in enumerate(value):
            check(element, schema["items"], document, f"{where}[{i}]")
    return True


def operation(document, method, path):
    parts = urllib.parse.urlsplit(path).path.split("/")
    for pattern, operations in document["paths"].items():
        pieces = pattern.split("/")
        if len(pieces) == len(parts) and all(a == b or a.startswith("{") and b for a, b in zip(pieces, parts)):
            return operations.get(method.lower())
    return None


class Answer:
    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def json(self):
        return json.loads(self.raw)

    def problem(self):
        assert self.headers["content-type"] == "application/problem+json", (self.status, self.headers, self.raw)
        found = self.json
        assert found["status"] == self.status and found["request_id"] == self.headers["x-request-id"] and found["detail"] and found["title"]
        return found

    def slug(self):
        return self.problem()["type"].rsplit(":", 1)[1]


class Service:
    """serve on a free port, with a configuration of its own; stopped at the end of the test."""

    def __init__(self, program, *args):
        self.program = program
        self.args = args
        self.process = None
        self.known = None

    def start(self):
        self.log = open(self.program.folder / "serve.log", "ab")
        self.process = subprocess.Popen(self.program.command("serve", "--port", "0", *self.args), stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env=self.program.env, cwd=self.program.folder)
        ready, _, _ = select.select([self.process.stdout], [], [], 20 * SLOW)
        assert ready, "the service did not start"
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), self.words()
        self.host, self.port = urllib.parse.urlsplit(self.url).hostname, urllib.parse.urlsplit(self.url).port
        return self

    def words(self):
        return (self.program.folder / "serve.log").read_text(errors="replace")

    def stop(self, kill=False):
        if self.process is None:
            return None
        (self.process.kill if kill else self.process.terminate)()
        code = self.process.wait(40 * SLOW)
        self.process.stdout.close()
        self.log.close()
        self.process = None
        return code

    def ask(self, method, path, body=None, key=FULL, headers=None, source=None, timeout=30):
        """body: bytes as they are, anything else as JSON. source: the address to come from."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout * SLOW, source_address=(source, 0) if source else None)
        sent = {**({"X-API-Key": key} if key else {}), **({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path if path.startswith("/") else "/api/v1/" + path, data, {k: v for k, v in sent.items() if v is not None})
            reply = connection.getresponse()
            answer = Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()
        self.compare(method, path if path.startswith("/") else "/api/v1/" + path, answer)
        return answer

    def compare(self, method, path, answer):
        """Every answer of every test is what the OpenAPI document says."""
        document = self.document()
        found = operation(document, method, path)
        if found is None or method == "HEAD":
            return
        said = found["responses"].get(str(answer.status), found["responses"]["default"] if answer.status >= 400 else None)
        assert said is not None, f"{method} {path}: {answer.status} does not stand in the document"
        kinds = said.get("content", {})
        assert bool(kinds) == bool(answer.raw), f"{method} {path}: {answer.status} {'has no' if kinds else 'has a'} body"
        kind = answer.headers.get("content-type", "").split(";")[0]
        assert not kinds or kind in kinds, f"{method} {path}: {answer.status} is {kind}"
        if kinds and kind.endswith("json"):
            check(answer.json, kinds[kind]["schema"], document, f"{method} {path}: {answer.status}")

    def document(self):
        if self.known is None:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=30 * SLOW)
            connection.request("GET", "/api/v1/openapi.json")
            self.known = json.loads(connection.getresponse().read())
            connection.close()
        return self.known

    def get(self, path, status=200, **kw):
        answer = self.ask("GET", path, **kw)
        assert answer.status == status, (path, answer.status, answer.raw)
        return answer.json

    def post(self, path, body=None, status=200, **kw):
        answer = self.ask("POST", path, body, **kw)
        assert answer.status == status, (path, answer.status, answer.raw)
        return answer.json

    def raw(self, request, source=None, wait=10, until=None):
        """Bytes by hand; what comes back until the server closes or until stands in it."""
        with socket.create_connection((self.host, self.port), timeout=wait * SLOW, source_address=(source, 0) if source else None) as sock:
            got = b""
            try:
                sock.sendall(request)
                while until is None or until not in got:
                    piece = sock.recv(65536)
                    if not piece:
                        break
                    got += piece
            except (TimeoutError, ConnectionError):
                pass
            return got

    def settled(self, connector="life", seconds=30):
        """Waits until a run is over and nothing is on its way."""
        end = time.monotonic() + seconds * SLOW
        while time.monotonic() < end:
            status = self.get(f"connectors/{connector}/status")
            memories = status["memories"]
            if status["last_run"] and status["state"] not in ("running", "waiting") and not sum(memories[k] for k in ("queued", "sending", "accepted", "stored", "removing")):
                return status
            time.sleep(0.05)
        raise AssertionError(f"not settled: {status}")
