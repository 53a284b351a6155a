"""--json of every command keeps its shape: the names of members, their types and nesting, in a golden file each (tests/fixtures/json).

The commands come from the program itself, so a new one without a scenario here and a golden file fails. Values that differ from run to run are given as
their type; what programs decide by (the words of "schema", "kind", "state", "result", "class" ...) as themselves. After a change that is meant:

    MC_GOLDEN=write python3 -m pytest tests/e2e/test_json_golden.py

and read the difference: members are only ever added to a v1."""
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from conftest import SLOW, http, memories, wait_until

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "json"
WORDS = {"schema", "kind", "state", "result", "class", "type", "coverage", "trigger", "exit_code", "origin", "shell", "name", "command", "source", "path", "range",
         "strategy", "timezone", "valid", "is_sound", "dry_run"}  # said as they are, where they are short
KEY = "0123456789abcdef0123456789abcdef"
PATH = re.compile(r"/|\.(yaml|db|jsonl|json)\b")
QUICK = "  confirm: { poll_interval: 20ms, settle: 1s, kick_interval: 1s }"
ONCE = "    retry: { max_attempts: 1 }"


# ---- Shapes ----

def scalar(key, value):
    if value is None:
        return "null"
    if key in WORDS and not (isinstance(value, str) and (len(value) > 40 or PATH.search(value)) and key != "schema"):
        return value
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value):
        return "time"
    return "string"


def merge(a, b):
    """One shape for all elements of a list: members are united, what differs is said beside each other."""
    if a == b:
        return a
    if isinstance(a, dict) and isinstance(b, dict):
        return {key: merge(a[key], b[key]) if key in a and key in b else optional(a.get(key, b.get(key))) for key in sorted({*a, *b})}
    if isinstance(a, list) and isinstance(b, list):
        return [merge(a[0], b[0])] if a and b else a or b
    both = {part for side in (a, b) for part in (str(side).split(" | ") if not isinstance(side, (dict, list)) else [json.dumps(side, sort_keys=True)])}
    return " | ".join(sorted(both))


def optional(shape):
    return {"?": shape} if not (isinstance(shape, dict) and "?" in shape) else shape


def shape(value, key=""):
    if isinstance(value, dict):
        return {name: shape(inner, name) for name, inner in value.items()}
    if not isinstance(value, list):
        return scalar(key, value)
    whole = []
    for element in value:
        whole = [merge(whole[0], shape(element))] if whole else [shape(element)]
    return whole


def test_shapes_tell_a_difference():
    one = shape({"a": [{"x": 1, "t": "2026-01-31T08:00:00Z"}, {"x": None}], "state": "done"})
    assert one == {"a": [{"t": {"?": "time"}, "x": "null | number"}], "state": "done"}
    assert shape({"a": [{"x": 2.5, "t": "2027-01-31T08:00:00Z"}, {"x": None}], "state": "done"}) == one
    for other in ({"a": [{"x": 1}, {"x": None}], "state": "done"}, {"a": [], "state": "done"}, {"a": [{"x": "1", "t": "2026-01-31T08:00:00Z"}, {"x": None}], "state": "done"}):
        assert shape(other) != one


# ---- The world in which every command has something to say ----

class World:
    def __init__(self, program, fake):
        self.program = program
        self.source, self.target = fake("memory-api"), fake("lightrag")
        self.source.control(memories=[*memories(6), {"id": "empty", "transcript": ""}, {"id": ""}])
        self.target.control(fail_match="number 3", fail_times=0)
        program.write_config(self.source.url, self.target.url, lightrag=QUICK, connector=ONCE)

    def synced(self):
        self.program.run("sync", "--wait", check=3)
        return self

    def at(self, name):
        return self.program.folder / name


def with_service(world, what):
    """what(program) while the service holds the state."""
    text = f"api: {{ api_key: {KEY}, port: %s }}"
    world.synced()
    world.program.write_config(world.source.url, world.target.url, lightrag=QUICK, connector=ONCE, text=text % 0)
    with open(world.at("serve.log"), "wb") as log:
        service = subprocess.Popen(world.program.command("serve"), stdout=subprocess.PIPE, stderr=log, env=world.program.env, text=True)
    try:
        world.program.write_config(world.source.url, world.target.url, lightrag=QUICK, connector=ONCE, text=text % service.stdout.readline().strip().rsplit(":", 1)[1])
        return what(world.program)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30 * SLOW)
        service.stdout.close()


def said(*args, code=0):
    """A command in a world that has been synced once."""
    return lambda world: one_object(world.synced().program.run(*args, "--json", check=code))


def asked(*args, code=0, first=None):
    """A command that asks the service."""
    def run(world):
        def ask(program):
            if first:
                program.run(*first, check=0)
            return one_object(program.run(*args, "--json", check=code))
        return with_service(world, ask)
    return run


def one_object(done):
    document = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1 and done.stdout.endswith("\n")
    return document


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def config_schema(world):
    """A document of its own: JSON Schema has its own word for what it is."""
    document = one_object(world.program.run("config", "schema", "--json", check=0))
    assert document["$schema"].startswith("https://json-schema.org/")
    return {"$schema": document["$schema"], "title": document["title"], "type": document["type"]}


def config_show(world):
    document = one_object(world.program.run("config", "show", "--json", check=0))
    assert len(document["settings"]) > 80
    return {**document, "settings": [setting for setting in document["settings"] if setting["path"] == "connectors.0.id"]}


def exported(world):
    world.synced()
    document = one_object(world.program.run("dead-letters", "export", "letters.jsonl", "--json", check=0))
    return [document, *lines(world.program.run("dead-letters", "export", "-", "--json", "--show-content", check=0))]


def imported(world):
    exported(world)
    return one_object(world.program.run("dead-letters", "import", "letters.jsonl", "--json", check=0))


def decided(*args):
    return lambda world: one_object(world.synced().program.run("dead-letters", *args, "--json", check=0))


def state_import(world):
    world.synced().program.run("state", "export", "all.jsonl", check=0)
    world.program.state = world.at("other") / "memory-connector.db"
    return one_object(world.program.run("state", "import", "all.jsonl", "--json", check=0))


def sync(world):
    first = one_object(world.program.run("sync", "--wait", "--json", check=3))
    streamed = lines(world.program.run("sync", "--json-lines", check=3))
    assert streamed[-1]["type"] == "result" and all("type" in line for line in streamed)
    started = [line for line in streamed if line["type"] == "run_started"]
    failed = [line for line in streamed if line["type"] == "item_failed"]
    assert {line["context"] for line in failed} == {"ctx"}
    return {"--json": first, "--json-lines": {"run_started": started[0], "item_failed": failed[0], "result": streamed[-1]}}


def tail(world):
    def follow(program):
        process = program.start("tail", "--json-lines", "--limit", "12")
        try:  # it may not follow yet when the first run begins
            wait_until(lambda: program.run("trigger", "life", "--wait").returncode == 3 and process.poll() is not None, message="tail does not follow")
            out, _ = process.communicate(timeout=60 * SLOW)
        finally:
            process.kill()
        return out
    events = [json.loads(line) for line in with_service(world, follow).splitlines()]  # the first may be of a run under way
    return {"--json-lines": next(event for event in events if event["type"] == "run.started")}


def transform(world):
    (world.at("memories.json")).write_text(json.dumps({"memories": [*memories(2), {"id": ""}]}))
    return one_object(world.program.run("transform", "memories.json", "--json", check=3))


def help_(world):
    document = one_object(world.program.run("help", "--json", check=0))
    one = one_object(world.program.run("help", "sync", "--json", check=0))
    assert one == one_object(world.program.run("sync", "--help", "--json", check=0)) and [command["command"] for command in one["commands"]] == ["sync"]
    assert document == one_object(world.program.run("--help", "--json", check=0))
    return {**document, "commands": [{**command, "command": "string"} for command in document["commands"]]}


def verify(world):
    document = one_object(world.synced().program.run("explain", "m1", "--json", check=0))
    http(world.target.url + "/documents/delete_document", {"doc_ids": [document["doc_id"]]}, method="DELETE")
    wait_until(lambda: world.target.ledger()["live"] < 6)
    return one_object(world.program.run("verify", "--json", check=4))


def convert(world):
    old = "lightrag: { url: 'http://localhost:9621', max_retries: 3 }\nmemory_api: { url: 'http://127.0.0.1:8080', api_key: '${KEY}' }\nconnectors: [{ id: life, context_id: ctx }]\n"
    world.at("old.yaml").write_text(old)
    return one_object(world.program.run("config", "convert", "old.yaml", "--json", check=0))


def version(world):
    document = one_object(world.program.run("version", "--json", check=0))
    assert document == one_object(world.program.run("--version", "--json", check=0))
    return {**document, "commit": "none where it was built from an archive"}


SCENARIOS = {
    "sync": sync,
    "serve": lambda world: one_object(world.program.run("serve", "--json", check=78)),  # it serves, or says why not
    "trigger": asked("trigger", "life", "--wait", code=3),
    "pause": asked("pause", "life", "--reason", "golden", "--until", "2h"),
    "resume": asked("resume", "life", first=["pause", "life"]),
    "cancel": asked("cancel", "life"),
    "tail": tail,
    "health": asked("health"),
    "list": said("list"),
    "status": said("status"),
    "history": said("history"),
    "report": said("report", 1),
    "dead-letters list": said("dead-letters", "list"),
    "dead-letters show": said("dead-letters", "show", 1, "--show-content"),
    "dead-letters retry": decided("retry", "--class", "processing_failed"),
    "dead-letters discard": decided("discard", "--yes"),
    "dead-letters export": exported,
    "dead-letters import": imported,
    "explain": said("explain", "m3", "--text"),
    "resolve": lambda world: [said("resolve", "m1")(world), one_object(world.program.run("resolve", "--entity", "Ana", "--json", check=0))],
    "verify": verify,
    "forget": said("forget", "ctx", "m1", "--yes"),
    "reset": said("reset", "life", "--memory", "m1", "--yes"),
    "state check": said("state", "check"),
    "state repair": said("state", "repair", "--yes"),
    "state export": said("state", "export", "all.jsonl"),
    "state import": state_import,
    "state migrate": said("state", "migrate", "elsewhere"),
    "state cleanup": said("state", "cleanup", "--dry-run"),
    "transform": transform,
    "schedule next": lambda world: one_object(world.program.run("schedule", "next", "30 2 * * *", "--tz", "Europe/Berlin", "--json", check=0)),
    "init": lambda world: [one_object(world.program.run("init", "new.yaml", "--json", check=0)), one_object(world.program.run("init", "-", "--json", check=0))],
    "config check": lambda world: [one_object(world.program.run("config", "check", *more, "--json", check=0)) for more in ([], ["--online"])],
    "config show": config_show,
    "config schema": config_schema,
    "config convert": convert,
    "doctor": lambda world: one_object(world.program.run("doctor", "--json", check=0)),
    "demo": lambda world: one_object(world.program.run("demo", "--json", check=0)),
    "completion": lambda world: one_object(world.program.run("completion", "bash", "--json", check=0)),
    "version": version,
    "help": help_,
}


def compare(name, document):
    path = FOLDER / f"{name.replace(' ', '-')}.json"
    got = shape(document)
    if os.environ.get("MC_GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(json.dumps(got, indent=1, sort_keys=True) + "\n")
    assert path.exists(), f"no golden file: MC_GOLDEN=write makes {path.name}"
    assert got == json.loads(path.read_text()), f"another shape than {path.name}: is that meant? (MC_GOLDEN=write)"


def test_every_command_has_one(program):
    known = {command["command"] for command in program.json("help", check=0)["commands"]}
    assert known == set(SCENARIOS), "a scenario in this file, and a golden file, for every command of the program"
    assert {path.stem for path in FOLDER.glob("*.json")} == {name.replace(" ", "-") for name in SCENARIOS} | {"error"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_shape(name, program, fake):
    compare(name, SCENARIOS[name](World(program, fake)))


# ---- Failures: an object all the same ----

FAILURES = [
    ("no such command", ["odd"], 2), ("no command", [], 2), ("no such part of a command", ["state", "odd"], 2), ("no such option", ["list", "--odd"], 2),
    ("an option without its value", ["history", "--limit"], 2), ("an option of another command", ["list", "--wait"], 2), ("a word too many", ["list", "more"], 2),
    ("a word too few", ["report"], 2), ("a value out of range", ["history", "--limit", "0"], 2), ("no such connector", ["status", "odd"], 2),
    ("no such log level", ["list", "--log-level", "odd"], 2), ("no such run", ["report", "99"], 1), ("no such letter", ["dead-letters", "show", "99"], 1),
    ("no such class", ["dead-letters", "list", "--class", "odd"], 2), ("no such file", ["dead-letters", "import", "nowhere"], 1), ("nobody to ask", ["forget", "ctx", "m1"], 2),
    ("no such memory", ["explain", "odd"], 1), ("no state yet", ["state", "check"], 1), ("no such schedule", ["schedule", "next", "odd"], 2),
    ("no service", ["health"], 69), ("no such file to read", ["transform", "nowhere"], 1), ("no such shell", ["completion", "odd"], 2), ("no such help", ["help", "odd"], 2),
    ("no such configuration", ["config", "show", "--config", "nowhere"], 78), ("a bad configuration", ["config", "check", "--config", "bad.yaml"], 78),
    ("a file that is there", ["init", "bad.yaml"], 5), ("no Memory API", ["sync"], 69),
]


@pytest.mark.parametrize("why, args, code", FAILURES, ids=[row[0] for row in FAILURES])
def test_failures_are_objects(why, args, code, program):
    program.write_config("http://127.0.0.1:9", "http://127.0.0.1:9", text="api: { port: 1 }")
    (program.folder / "bad.yaml").write_text("memory_api: { odd: 1 }\n")
    document = one_object(program.run("--json", *args, check=code))
    assert document["schema"].startswith("memory-connector/") and document["error"]["exit_code"] == code and document["error"]["message"], why
    if document["schema"] == "memory-connector/error/v1":
        compare("error", {**document, "error": {**document["error"], "kind": "string", "exit_code": 0}})
