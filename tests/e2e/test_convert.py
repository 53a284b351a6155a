"""config convert: configurations of the Go program and of its design documents, turned into ours."""
import json
import re

import pytest

from conftest import ROOT
from test_cli import on_terminal

FIXTURES = ROOT / "tests" / "fixtures" / "convert"
SECRET = "sk-open-in-the-file"
ZONE = {"TZ": "Europe/Berlin"}


@pytest.fixture
def converted(program):
    """Converts a text, and holds the result against config check, with no variable set."""
    def convert(text, name="old.yaml"):
        (program.folder / name).write_text(text)
        done = program.run("config", "convert", name, env=ZONE, check=0)
        fresh = program.folder / "fresh.yaml"
        fresh.write_text(done.stdout)
        fresh.chmod(0o600)
        program.config = fresh
        (program.folder / "logs").mkdir(exist_ok=True)
        return done

    def settings():
        program.run("config", "check", check=0)
        return {s["path"]: s["value"] for s in program.json("config", "show", check=0)["settings"]}

    convert.settings = settings
    convert.program = program
    return convert


@pytest.mark.parametrize("shape", ["go", "design"])
def test_golden(converted, shape):
    done = converted((FIXTURES / f"{shape}.yaml").read_text(), f"{shape}.yaml")
    converted.settings()
    for suffix, text in [("yaml", done.stdout), ("txt", done.stderr)]:
        golden = FIXTURES / f"{shape}.converted.{suffix}"
        assert golden.read_text() == text, f"cd {FIXTURES} && TZ=Europe/Berlin memory-connector config convert {shape}.yaml > {shape}.converted.yaml 2> {shape}.converted.txt"
    assert SECRET not in done.stderr and max(map(len, done.stdout.splitlines())) <= 120
    again = converted.program.run("config", "convert", converted.program.config, check=0)
    assert again.stdout == done.stdout and "already" in again.stderr


def test_what_the_goldens_come_to(converted):
    converted((FIXTURES / "go.yaml").read_text())
    go = converted.settings()
    assert go["connectors[0].context_id"] == "107677460544181387647" and go["connectors[0].schedule.interval"] == "6h"
    assert (go["connectors[1].schedule.cron"], go["connectors[1].schedule.timezone"]) == ("0 30 21 * * 1-5", "Europe/Berlin")
    assert go["connectors[1].ingestion.max_concurrency"] == "16" and go["connectors[1].transformation.strategy"] == "rich"
    assert [go[f"connectors[{i}].enabled"] for i in range(3)] == ["true", "true", "false"]
    assert (go["logging.file.path"], go["logging.console.enabled"], go["logging.level"]) == ("./logs/connector.log", "false", "info")
    converted((FIXTURES / "design.yaml").read_text())
    design = converted.settings()
    assert design["connectors[0].ingestion.max_concurrency"] == "16" and design["connectors[0].retry.max_attempts"] == "5"
    assert (design["logging.level"], design["logging.components.engine"], design["logging.components.target"]) == ("warn", "error", "debug")
    assert (design["state.backend"], design["state.path"]) == ("sqlite", "/var/lib/memory-connector/memory-connector.db")
    assert design["monitoring.alerts.enabled"] == "false" and design["memory_api.api_key"] == "***"


# a piece of an old file, what it comes to (path: value; None: its default), and a word that is said about it
PIECES = [
    ("server: { host: 127.0.0.1, port: 9000 }", {"api.host": "127.0.0.1", "api.port": "9000"}, None),
    ("Server: { Port: 9000 }", {"api.port": "9000"}, None),
    ("server: { host: 0.0.0.0 }", {"api.host": "0.0.0.0", "api.api_key": ""}, "CONNECTOR_API_KEY"),
    ("server: { port: 99999 }", {"api.port": "65535"}, "99999 is out of range: 65535 is written"),
    ("lightrag: { url: 'http://x:1', timeout: 5000 }", {"lightrag.api.url": "http://x:1", "lightrag.api.timeout": "1h"}, "5000"),
    ("lightrag: { url: 'http://x:1', max_retries: 3 }", {}, "lightrag.max_retries: what could not be sent stays in the queue"),
    ("lightrag: { url: 'http://joe:hidden@x:1/a?b' }", {"lightrag.api.url": "http://x:1/a"}, "an account or a query has no place"),
    ("lightrag: { url: '' }", {"lightrag.api.url": "http://localhost:9621"}, "is empty"),
    ("memory_api: { retry_delay: 2, timeout: 0, max_retries: 0 }", {"memory_api.timeout": "30s", "memory_api.max_retries": "3"}, "0 meant 3"),
    ("storage: { type: json, path: ./data }", {"state.backend": "json", "state.path": "./data/memory-connector-state"}, "state import"),
    ("storage: { type: json, path: /d/ }", {"state.path": "/d/memory-connector-state"}, None),
    ("storage: { type: sqlite, path: ./data/state.db }", {"state.backend": "sqlite", "state.path": "./data/memory-connector.db"}, "state stays where it is"),
    ("storage: { type: sqlite, path: s.db }", {"state.path": "./memory-connector.db"}, None),
    ("storage: { type: mongo }", {"state.backend": "sqlite"}, '"mongo" is not one of'),
    ("logging: { output_path: stdout, level: warn }", {"logging.level": "warn", "logging.file.enabled": "false"}, "standard error"),
    ("logging: { output_path: stderr, level: fatal }", {"logging.level": "error"}, "gravest"),
    ("logging: { file: ./x.log, level: WARNING }", {"logging.file.enabled": "true", "logging.file.path": "./x.log", "logging.level": "warn"}, None),
    ("logging: { file: { enabled: yes } }", {"logging.file.enabled": "false"}, "logging.file.enabled: false is written"),
    ("lightrag: { mode: direct, direct: { working_dir: x } }", {"lightrag.mode": "api"}, "start lightrag-server"),
    ("api: { enable_auth: no, host: 10.1.2.3 }", {"api.enable_auth": "false"}, "refuses to listen"),
    ("api: { cors: { enabled: yes, origins: ['*'] } }", {"api.cors.enabled": "false"}, "no origin"),
    ("api: { cors: { enabled: yes, origins: ['*', 'http://a', 5.5, 'http://b/'] } }", {"api.cors.enabled": "true", "api.cors.origins": "http://a"}, '"http://b/" is no origin'),
    ("monitoring: { prometheus: { port: 1 }, alerts: { enabled: true, webhook_url: 'http://h/x', alert_on: [dead_letters, consecutive_failures: 7] } }",
     {"monitoring.alerts.enabled": "false", "monitoring.alerts.alert_on.dead_letters": "1", "monitoring.alerts.alert_on.consecutive_failures": "7",
      "monitoring.alerts.alert_on.no_sync_for_hours": "0"}, "whsec_"),
    ("monitoring: { health_check: { enabled: true, endpoint: /health } }\nserver: { port: 1 }", {}, None),
    ("state: { path: ./memory_sync_state.json }\nadvanced: { security: { encryption_key: x } }", {"state.backend": "json", "state.path": "./memory-connector-state"}, "holds no keys"),
    ("memory_api: { api_key: $OLD_KEY }\nserver: { port: 1 }", {}, "OLD_KEY"),
    ("memory_api:\n  api_key: 'ab${cd'\nserver: { port: 1 }", {"memory_api.api_key": "***"}, "stands in the file itself"),
    ("memory_api: { api_key: '${MEMCON_MEMORY_API_API_KEY}' }\nenvironment: test", {"memory_api.api_key": ""}, "the Go program"),
    ("\"a\\nb: c\": 1\nserver: { port: 1 }", {}, "a\\x0ab"),
    ("server: { port: 1 }\nbogus: { token: hidden }", {}, "bogus: there is no such setting"),
]


@pytest.mark.parametrize("text, wanted, words", PIECES)
def test_pieces(converted, text, wanted, words):
    done = converted(text + "\n")
    settings = converted.settings()
    assert {path: settings[path] for path in wanted} == wanted
    assert words is None or words in done.stderr
    assert "hidden" not in done.stderr
    for told in re.findall(r"^  old.yaml:[0-9:]* (\S+?)(?: \(and| ?:)", done.stderr, re.M):
        assert re.search(r"^#   " + re.escape(told), done.stdout, re.M), told  # as a comment too
    if words is None:
        assert "No counterpart" not in done.stderr and "Not known" not in done.stderr


CONNECTORS = [
    ("schedule: { type: interval, interval_hours: 12 }", {"schedule.interval": "12h"}, None),
    ("schedule: { type: interval, interval_hours: 0.5 }", {"schedule.interval_hours": "0.5"}, None),
    ("schedule: { type: interval, interval_hours: 99999 }", {"schedule.interval": "3653d"}, "99999h is out of range"),
    ("schedule: { interval_hours: 2 }", {"schedule.type": "interval", "schedule.interval": "2h"}, None),
    ("schedule: { type: cron, cron_expr: 'CRON_TZ=Asia/Tokyo 0 5 * * *' }", {"schedule.cron": "CRON_TZ=Asia/Tokyo 0 5 * * *", "schedule.timezone": ""}, None),
    ("schedule: { type: cron, cron_expr: '0 5 * * *' }", {"schedule.timezone": "Europe/Berlin"}, "the clock of its machine"),
    ("schedule: { type: cron, cron_expr: '61 * * * *' }", {"schedule.type": "manual", "schedule.cron": ""}, '"61" is not in the range'),
    ("schedule: { type: sometimes }", {"schedule.type": "manual"}, "sometimes"),
    ("schedule: hourly", {"schedule.type": "manual"}, "not what is expected"),
    ("ingestion: { query_limit: 1000, max_concurrency: 0 }", {"ingestion.query_limit": "1000", "ingestion.max_concurrency": "1"}, "left out, the default is 1"),
    ("ingestion: { max_concurrency: 4, batch_size: 9 }", {"ingestion.max_concurrency": "4"}, "given in line"),
    ("transform: { strategy: poetic }", {"transformation.strategy": "standard"}, "poetic"),
    ("transform: { strategy: RICH, enrich_location: true }", {"transformation.strategy": "rich"}, "names of places are not looked up"),
    ("ingestion: { include_audio: yes }", {"transformation.include_audio": "false"}, "sound itself"),
    ("description: mine\n    metadata: { owner: x }", {"description": "mine"}, "given in line"),
]


@pytest.mark.parametrize("text, wanted, words", CONNECTORS)
def test_connectors(converted, text, wanted, words):
    done = converted(f"server: {{ port: 1 }}\nconnectors:\n  - id: a\n    enabled: true\n    context_id: c\n    {text}\n")
    settings = converted.settings()
    assert {path: settings["connectors[0]." + path] for path in wanted} == wanted
    assert (words or "") in done.stderr


def test_two_owners_of_a_context(converted):
    done = converted("server: { port: 1 }\nconnectors:\n  - { id: a, enabled: true, context_id: c }\n  - { id: b, enabled: true, context_id: c }\n")
    settings = converted.settings()
    assert (settings["connectors[0].enabled"], settings["connectors[1].enabled"]) == ("true", "false") and "two owners" in done.stderr


def test_variables_stay_variables(converted):
    """Nothing is expanded, whatever is set; what only a variable can tell is not judged."""
    text = ("lightrag: { url: '${LR:-http://x:2}', timeout: '${T:-77}' }\nserver: { port: '${PORT:-81}' }\nmemory_api: { api_key: '${HIDDEN}' }\n"
            "connectors:\n  - { id: '${ID:-a}', enabled: '${E:-true}', context_id: '${CTX:-c}', schedule: { type: cron, cron_expr: '${CRON:-@daily}' } }\n"
            "  - { id: b, enabled: true, context_id: '${CTX:-d}', ingestion: { query_limit: '${N:-7}' } }\n")
    done = converted(text)
    for name in ("LR", "T", "PORT", "ID", "E", "CTX", "CRON", "N"):
        assert f"${{{name}:-" in done.stdout and name in done.stderr
    assert '"${HIDDEN:-}"' in done.stdout and "left out" not in done.stderr
    converted.program.run("config", "check", check=0, env={"CTX": ""})
    settings = {s["path"]: s["value"] for s in converted.program.json("config", "show", env={"N": "9", "HIDDEN": "k"})["settings"]}
    assert (settings["api.port"], settings["lightrag.api.timeout"], settings["connectors[1].ingestion.query_limit"]) == ("81", "77s", "9")
    assert "HIDDENVALUE" not in converted.program.run("config", "convert", "old.yaml", env={"HIDDEN": "HIDDENVALUE"}).stdout


# what cannot be converted: the text, and what is said
BAD = [
    ("", "is empty: there is nothing to convert"),
    ("# only words\n", "is empty"),
    ("just words\n", "must be a mapping"),
    ("version: 3\nservices: { web: {} }\n", "none of its settings is known"),
    ("server:\n\tport: 1\n", "old.yaml:2:1: this line is indented with a tab"),
    ("server: { port: 1\n", "is not closed"),
    ("server: { port: 1 }\nserver: { port: 2 }\n", '"server" stands here twice'),
    ("server: &a { port: 1 }\nx: *a\n", "anchors and aliases are not taken"),
    ("server: { port: 1 }\nconnectors:\n  - { id: a, enabled: true }\n", "old.yaml:3:5: connectors[0].context_id: is missing"),
    ("server: { port: 1 }\nconnectors:\n  - { context_id: a }\n", "connectors[0].id: is missing"),
    ("server: { port: 1 }\nconnectors:\n  - { id: a, context_id: a }\n  - { id: a, context_id: b }\n", '"a" is taken by connectors[0]'),
    ("lightrag: { url: 'ftp://me:hidden@x' }\n", "lightrag.api.url: is no address"),
]


@pytest.mark.parametrize("text, words", BAD)
def test_what_cannot_be_converted(program, text, words):
    (program.folder / "old.yaml").write_text(text)
    done = program.run("config", "convert", "old.yaml", check=78)
    assert done.stdout == "" and words in done.stderr and "hidden" not in done.stderr
    answer = program.json("config", "convert", "old.yaml", check=78)
    assert answer["error"]["kind"] == "config" and "old.yaml" in answer["error"]["message"]


def test_files_and_words(program):
    (program.folder / "folder").mkdir()
    (program.folder / "large.yaml").write_bytes(b"a" * (1 << 20) + b"a")
    assert "is a folder" in program.run("config", "convert", "folder", check=78).stderr
    assert "no such file" in program.run("config", "convert", "nowhere.yaml", check=78).stderr
    assert "larger than" in program.run("config", "convert", "large.yaml", check=78).stderr
    assert "FILE|-" in program.run("config", "convert", check=2).stderr
    assert "too much" in program.run("config", "convert", "a", "b", check=2).stderr
    piped = program.run("config", "convert", "-", stdin="server: { port: 81 }\n", check=0)
    assert "port: 81" in piped.stdout and "standard input is a configuration of the Go program" in piped.stderr
    assert program.run("config", "convert", "-", "--quiet", stdin="server: { port: 81 }\n", check=0).stderr == ""


def test_what_is_ours_already(program):
    text = "# mine\nmemory_api: { url: 'http://127.0.0.1:1' }\nconnectors: [{ id: a, context_id: c, ingestion: { filter: { types: [note] } } }]\ntargets: { two: {} }\n"
    (program.folder / "ours.yaml").write_text(text)
    done = program.run("config", "convert", "ours.yaml", check=0)
    assert done.stdout == text and "already" in done.stderr
    answer = program.json("config", "convert", "ours.yaml", check=0)
    assert answer["shape"] == "memory-connector" and answer["configuration"] == text and answer["notes"] == []
    assert "already" in program.run("config", "convert", ROOT / "configs" / "config.yaml", check=0).stderr


def test_json(program):
    answer = program.json("config", "convert", FIXTURES / "go.yaml", env=ZONE, check=0)
    text = program.run("config", "convert", FIXTURES / "go.yaml", env=ZONE, check=0)
    assert answer["schema"] == "memory-connector/config-convert/v1" and answer["shape"] == "go" and answer["configuration"] == text.stdout
    assert answer["variables"] == ["MEMCON_LIGHTRAG_API_KEY", "MEMCON_MEMORY_API_API_KEY", "CONNECTOR_API_KEY"]
    kinds = {note["path"]: note["kind"] for note in answer["notes"]}
    assert kinds["memory_api.retry_delay"] == "no_counterpart" and kinds["connectors[2].transform.colour"] == "unknown"
    assert kinds["connectors[1].id"] == "changed" and kinds["api.host"] == "warning"
    note = next(n for n in answer["notes"] if n["path"] == "connectors[2].transform.colour")
    assert (note["line"], note["column"]) == (79, 7)
    assert answer["notes"] == sorted(answer["notes"], key=lambda n: (n.get("line", 0), n.get("column", 0)))
    assert program.run("config", "convert", FIXTURES / "go.yaml", "--json", check=0).stderr == ""
    assert json.loads(program.run("config", "convert", FIXTURES / "design.yaml", "--json").stdout)["shape"] == "design"


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_on_a_terminal(program, columns):
    shown, code = on_terminal(program, "config", "convert", FIXTURES / "go.yaml", columns=columns)
    story = shown.split("settings carried over\n")[1]
    assert code == 0 and "Next:" in story
    longest = max(len(word) for word in re.split(r"\s+", story))
    assert max(map(len, story.splitlines())) <= max(columns, longest + 4)
