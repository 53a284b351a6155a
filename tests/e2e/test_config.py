"""The configuration through the binary: every kind of mistake with its place and its remedy, precedence, secrets from files (row P12)."""
import json

import pytest

GOOD = """
memory_api: { url: http://127.0.0.1:1, api_key: '${MEMORY_API_KEY:-}' }
lightrag:
  api: { url: http://127.0.0.1:2 }
connectors:
  - id: life
    context_id: CTX
"""

# text, what the message must contain
BAD = [
    ("lightrag:\n  api: { ulr: http://x }\n", ["config.yaml:2:", "lightrag.api.ulr", 'did you mean "url"']),
    ("lightrag:\n\tapi: {}\n", ["config.yaml:2:1", "tab"]),
    ("lightrag: [1, 2]\n", ["lightrag", "expected a mapping"]),
    ("connectors: { a: 1 }\n", ["connectors", "expected a list"]),
    ("connectors: [5]\n", ["connectors[0]", "expected a mapping"]),
    ("connectors:\n  - id: a\n", ["context_id", "is missing"]),
    ("connectors:\n  - context_id: a\n", ["connectors[0].id", "is missing"]),
    ("connectors:\n  - {id: '.a', context_id: c}\n", ["is no id"]),
    ("connectors:\n  - {id: 'a b', context_id: c}\n", ["is no id"]),
    ("connectors:\n  - {id: a, context_id: c}\n  - {id: a, context_id: d}\n", ["is taken by connectors[0]"]),
    ("connectors:\n  - {id: a, context_id: c}\n  - {id: b, context_id: c}\n", ["both carry context"]),
    ("connectors:\n  - {id: a, context_ids: [c, c]}\n", ["stands here twice"]),
    ("connectors:\n  - {id: a, context_id: c, context_ids: [d]}\n", ["give one of the two"]),
    ("connectors:\n  - {id: a, context_id: c, target: defualt}\n", ['no target "defualt"', 'did you mean "default"']),
    ("connectors:\n  - {id: a, context_id: c, source: zzzzzzz}\n", ['no source "zzzzzzz"', "name it under sources"]),
    ("targets: { default: { api: { url: http://x } } }\n", ["is no name for a target"]),
    ("sources: { 'a b': { url: http://x } }\n", ["is no name for a source"]),
    ("memory_api: { url: ftp://x }\n", ["only http and https"]),
    ("memory_api: { url: localhost }\n", ["must begin with http"]),
    ("memory_api: { url: 'http://me:pw@x' }\n", ["user name or password"]),
    ("memory_api: { url: 'http://x?a=1' }\n", ["must have no"]),
    ("memory_api: { timeout: soon }\n", ["is not a duration"]),
    ("memory_api: { timeout: 1e9h }\n", ["memory_api.timeout"]),
    ("memory_api: { timeout: 0 }\n", ["out of range: 1s to 1h"]),
    ("memory_api: { max_retries: 1.5 }\n", ["is not a whole number"]),
    ("memory_api: { max_retries: 0x10 }\n", ["is not a whole number"]),
    ("memory_api: { max_retries: 1_000 }\n", ["is not a whole number"]),
    ("memory_api: { max_retries: .inf }\n", ["is not a whole number"]),
    ("memory_api: { max_item_bytes: 1GiB }\n", ["out of range"]),
    ("memory_api: { max_item_bytes: [1] }\n", ["expected a size"]),
    ("memory_api: { retry_backoff: fast }\n", ["is not a number"]),
    ("http: { insecure: no }\n", ["neither true nor false"]),
    ("http: { insecure: 1 }\n", ["neither true nor false"]),
    ("logging: { level: loud }\n", ["is not one of debug, info"]),
    ("logging: { file: { enabled: true } }\n", ["logging.file.path", "is missing"]),
    ("lightrag: { mode: direct }\n", ["HTTP API", "leave it at"]),
    ("lightrag: { api: { username: joe } }\n", ["lightrag.api.password", "is missing"]),
    ("lightrag: { insert: { batch_size: 0 } }\n", ["out of range"]),
    ("lightrag: { confirm: { kick: maybe } }\n", ["is not one of auto, never"]),
    ("lightrag: { confirm: { settle: soon } }\n", ["neither auto nor a duration"]),
    ("state: { backend: postgres }\n", ["state.backend", "not one of sqlite, json"]),
    ("state: { keep_texts: some }\n", ["auto, all, unfinished"]),
    ("monitoring: { alerts: { enabled: true } }\n", ["webhook_url: is missing", "whsec_"]),
    ("connectors:\n  - {id: a, context_id: c, ingestion: {on_update: overwrite}}\n", ["is not one of keep, replace"]),
    ("connectors:\n  - {id: a, context_id: c, ingestion: {on_delete: always}}\n", ["is not one of keep, confirm, propagate"]),
    ("connectors:\n  - {id: a, context_id: c, ingestion: {auto_widen: wide}}\n", ["neither true nor false"]),
    ("connectors:\n  - {id: a, context_id: c, ingestion: {query_range: year}}\n", ["day, week, month, all"]),
    ("connectors:\n  - {id: a, context_id: c, ingestion: {filter: {since: soon}}}\n", ["filter.since", "soon", "expected a date"]),
    ("connectors:\n  - {id: a, context_id: c, transformation: {include_audio: true}}\n", ["out of scope"]),
    ('connectors:\n  - {id: a, context_id: c, transformation: {strategy: template, template: "{{colour}}"}}\n', ["template", "colour"]),
    ("connectors:\n  - {id: a, context_id: c, transformation: {template: x}}\n", ["is not used"]),
    ("connectors:\n  - {id: a, context_id: c, transformation: {geocoding: true}}\n", ["not looked up"]),
    ("a: 1\na: 2\n", ["stands here twice"]),
    ("a: &x 1\nb: *x\n", ["aliases are not taken"]),
    ("- 1\n", ["must be a mapping"]),
    ("just words\n", ["must be a mapping"]),
    ("a: 1\n---\nb: 2\n", ["second document"]),
    ("? [1]\n: 2\n", ["a key must be a plain word"]),
    ("a: {b: c\n", ["config.yaml:"]),
    ("a: 'open\n", ["config.yaml:"]),
    ("a: @b\n", ["config.yaml:1:4"]),
    ("memory_api: { api_key: ${NOT_SET} }\n", ["config.yaml:1:24", "NOT_SET is not set"]),
    ("memory_api:\n  api_key: ${NOT_SET}\n", ["config.yaml:2:", "NOT_SET is not set", "${NOT_SET:-}"]),
    ("memory_api: { api_key: '${NOT_SET:?ask the operator}' }\n", ["ask the operator"]),
    ("memory_api: { api_key: '${' }\n", ["is not closed"]),
    ("memory_api: { api_key: '${A!b}' }\n", ["memory_api.api_key"]),
    ("memory_api: { api_key: '${A:b}' }\n", ["${NAME:-default}"]),
    ("memory_api: { api_key_file: nowhere }\n", ["nowhere"]),
    ("memory_api: { api_key: a, api_key_file: b }\n", ["one of the two"]),
    ("memory_apis: {}\n", ['did you mean "memory_api"']),
    ("something_else_entirely: 1\n", ["there is no such setting"]),
    ("[" * 100000, ["too deep"]),
    ("a: " + "{b: " * 50 + "1" + "}" * 50 + "\n", ["too deep"]),
    ("x: " + "y" * 2000000, ["larger than"]),
    (b"a: \xff\xfe\n", ["UTF-8"]),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_configuration(program, tmp_path, number):
    text, words = BAD[number]
    for name in ("BACKEND", "KEEP_TEXTS"):
        program.env.pop("MEMORY_CONNECTOR_STATE__" + name, None)
    path = tmp_path / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    done = program.run("config", "check", check=78, timeout=10)
    for word in words:
        assert word in done.stderr, done.stderr
    assert done.stdout == ""
    answer = program.json("config", "check", check=78)
    assert answer["valid"] is False and (answer["errors"] or answer["error"])


def test_all_problems_at_once(program, tmp_path):
    (tmp_path / "config.yaml").write_text("lightrag: { api: { ulr: x } }\nlogging: { level: loud }\nmemory_api: { timeout: x }\nconnectors:\n  - { id: a }\n")
    done = program.run("config", "check", check=78)
    assert len(done.stderr.strip().splitlines()) == 5 and "4 problems" in done.stderr


def test_good_configurations(program, tmp_path):
    path = tmp_path / "config.yaml"
    for text in (GOOD, "\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), "", "# nothing\n", GOOD + "targets: { second: { api: { url: http://y } } }\nsources: { s: { url: http://z } }\n"
                 "logging: { format: text, level: WARN }\nstate: { cleanup: { enabled: true, retention_days: 90 } }\napi: { enabled: true, port: 9622 }\n"
                 "monitoring: { prometheus: { enabled: true } }\nadvanced: { shutdown_timeout: 30s, pipeline: { max_concurrent_connectors: 4 } }\n"):
        path.write_bytes(text.encode())
        assert program.run("config", "check").returncode == 0, text


def test_precedence_and_places(program, tmp_path):
    """flag > environment > .env > file > default."""
    path = tmp_path / "config.yaml"
    path.write_text(GOOD + "    ingestion: { query_limit: '${LIMIT:-7}' }\n")
    (tmp_path / ".env").write_text("# comment\nexport LIMIT=8\nMEMORY_CONNECTOR_CONNECTORS__0__DESCRIPTION='from dotenv'\n")
    assert program.json("list", check=0)["connectors"][0]["description"] == "from dotenv"
    listed = program.json("list", env={"MEMORY_CONNECTOR_CONNECTORS__0__DESCRIPTION": "from environment"})
    assert listed["connectors"][0]["description"] == "from environment"
    (tmp_path / ".env").write_text("oops\n")
    assert "NAME=value" in program.run("list", check=78).stderr
    (tmp_path / ".env").unlink()
    elsewhere = tmp_path / "xdg" / "memory-connector"
    elsewhere.mkdir(parents=True)
    (elsewhere / "config.yaml").write_text(path.read_text())
    path.unlink()
    assert program.json("list", env={"XDG_CONFIG_HOME": str(tmp_path / "xdg")}, check=0)["connectors"]
    assert program.json("list", env={"MEMORY_CONNECTOR_CONFIG": str(elsewhere / "config.yaml")}, check=0)["connectors"]
    assert program.run("config", "check").returncode == 78
    bad = program.run("list", env={"MEMORY_CONNECTOR_MEMORY_API": "x", "MEMORY_CONNECTOR_MEMORY_API__URL": "y"})
    assert bad.returncode == 78


def test_secrets_from_files(program, fake, tmp_path):
    source = fake("memory-api", "--count", "2", "--api-key", "K1")
    target = fake("lightrag", "--dialect", "1.5", "--api-key", "K2")
    (tmp_path / "k1").write_text("K1\n")
    (tmp_path / "k1").chmod(0o600)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "lightrag_api_api_key").write_text("K2")
    (credentials / "lightrag_api_api_key").chmod(0o600)
    program.write_config(source.url, target.url, memory=f", api_key_file: {tmp_path / 'k1'}")
    done = program.run("sync", "--wait", env={"CREDENTIALS_DIRECTORY": str(credentials)}, check=0)
    assert "2 processed" in done.stdout
    (tmp_path / "k1").write_text("two\nlines\n")
    assert "more than one line" in program.run("config", "check", check=78).stderr


def test_warnings(program, tmp_path):
    (tmp_path / "config.yaml").write_text(GOOD.replace("http://127.0.0.1:1", "http://memories.example") + "http: { insecure: true }\n")
    done = program.run("config", "check", env={"MEMORY_API_KEY": "secret"}, check=0)
    assert "plain http" in done.stderr and "TLS is not verified" in done.stderr and "secret" not in done.stderr
