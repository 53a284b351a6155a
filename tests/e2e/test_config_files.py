"""What the tables of settings are written out as: the sample, the schema, and what a configuration came to."""
import json
import re
import stat

import pytest
import yaml

from conftest import ROOT

SECRETS = ["lightrag.api.api_key", "memory_api.api_key", "api.api_key", "api.read_only_key", "monitoring.alerts.secret"]


@pytest.fixture
def schema(program):
    return json.loads(program.run("config", "schema", check=0).stdout)


def mistakes(value, rule, root, path="$"):
    """As much of JSON Schema 2020-12 as ours needs."""
    if "$ref" in rule:
        rule = root["$defs"][rule["$ref"].rsplit("/", 1)[1]]
    found = []
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int, "number": (int, float)}
    if "type" in rule:
        wanted = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        if not any(isinstance(value, kinds[kind]) and (kind == "boolean") == isinstance(value, bool) for kind in wanted):
            return [f"{path}: is no {wanted}"]
    if "enum" in rule and value not in rule["enum"]:
        found.append(f"{path}: {value!r} is none of {rule['enum']}")
    if "pattern" in rule and not re.search(rule["pattern"], value):
        found.append(f"{path}: {value!r} does not match")
    if isinstance(value, (int, float)) and not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        found.append(f"{path}: {value} is out of range")
    if "anyOf" in rule:
        each = [mistakes(value, one, root, path) for one in rule["anyOf"]]
        if all(each):
            found += min(each, key=len)
    for name in rule.get("required", []):
        if name not in value:
            found.append(f"{path}: {name} is missing")
    if isinstance(value, dict):
        for name, inner in value.items():
            under = rule.get("properties", {}).get(name, rule.get("additionalProperties", {}))
            if under is False:
                found.append(f"{path}: there is no {name}")
            elif under is not True:
                found += mistakes(inner, under, root, f"{path}.{name}")
    if isinstance(value, list):
        for i, inner in enumerate(value):
            found += mistakes(inner, rule.get("items", {}), root, f"{path}[{i}]")
    return found


@pytest.mark.parametrize("name, words", [("config.yaml", ["init", "-"]), ("config.schema.json", ["config", "schema"])])
def test_what_is_committed_is_what_the_program_writes(program, name, words):
    made = program.run(*words, check=0).stdout
    assert (ROOT / "configs" / name).read_text() == made, f"build/memory-connector {' '.join(words)} > configs/{name} brings it up to date"


def test_from_init_to_the_first_sync(program, fake):
    """By following only what the program says."""
    source, target = fake("memory-api", "--count", "12"), fake("lightrag")
    said = program.run("init", check=0).stdout
    path = program.folder / "config.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and all(words in said for words in ("config check", "doctor", "sync --wait"))
    for setting in ("memory_api.url", "lightrag.api.url", "connectors.context_id", ".env"):
        assert setting in said
    assert "is there already" in program.run("init", check=5).stderr
    text = path.read_text().replace("http://127.0.0.1:8080", source.url).replace("http://localhost:9621", target.url).replace("CTX123", "mine")
    path.write_text(text)
    assert "is good: 1 connector" in program.run("config", "check", check=0).stdout
    program.env.update(MEMORY_CONNECTOR_STATE__DISK_RESERVE="0", MEMORY_CONNECTOR_API__ENABLED="false")
    assert " 0 failed" in program.run("doctor", check=0).stdout
    program.run("sync", "--wait", check=0)
    assert target.ledger()["processed"] == 12
    program.run("init", "--force", check=0)
    assert path.read_text() == (ROOT / "configs" / "config.yaml").read_text()
    other = program.folder / "other.yaml"
    assert f"--config {other} config check" in program.run("init", other, check=0).stdout
    assert "cannot be made" in program.run("init", program.folder / "nowhere" / "x.yaml", check=74).stderr


def test_every_comment_of_the_sample_is_a_setting(program, schema):
    """Without its # each line is read, and says what is the default anyway."""
    sample = program.run("init", "-", check=0).stdout
    full = "\n".join(re.sub(r"^( *)#([a-z_]+: )", r"\1\2", line) for line in sample.splitlines() if "NAME" not in line)
    path = program.folder / "full.yaml"
    path.write_text(full)
    path.chmod(0o600)
    program.config = path
    program.run("config", "check", check=0)
    assert mistakes(yaml.safe_load(full), schema, schema) == []
    assert mistakes(yaml.safe_load(sample), schema, schema) == []
    shown = program.json("config", "show")["settings"]
    names = {re.sub(r"\[\d+\]", "", setting["path"]) for setting in shown}
    lines = set(re.findall(r"^ *#?(?:- )?([a-z_]+): ", full, re.M))
    assert {name.rsplit(".", 1)[1] for name in names} <= lines
    (program.folder / "sample.yaml").write_text(sample)
    (program.folder / "sample.yaml").chmod(0o600)
    program.config = program.folder / "sample.yaml"
    assert [(s["path"], s["value"]) for s in shown] == [(s["path"], s["value"]) for s in program.json("config", "show")["settings"]]


CONFIG = """
memory_api: { url: "http://10.1.2.3:99/x", api_key: SECRET0, timeout: 90s }
sources: { second: { url: http://10.1.2.4, api_key: SECRET1 } }
targets: { other: { api: { url: http://10.1.2.5:1, api_key: SECRET2 } } }
lightrag: { api: { api_key: SECRET3 } }
connectors:
  - { id: "a.b", context_ids: [one, "two, three", "$$\\x7bopen", "closed}"], description: "A \\"quoted\\" $${thing}: # no comment", schedule: { type: cron, cron: "0 9,17 * * 1-5" } }
  - { id: c, context_id: "007", source: second, target: other, transformation: { strategy: template, template: "{{transcript}}\\n" } }
api: { api_key: SECRET4SECRET4SECRET4SECRET4SECRET4, read_only_key: SECRET5SECRET5SECRET5SECRET5SECRET5, allowed_hosts: [example.org] }
monitoring: { alerts: { enabled: true, webhook_url: http://127.0.0.1:1/x, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw } }
"""


@pytest.fixture
def configured(program):
    program.config = program.folder / "config.yaml"
    program.config.write_text(CONFIG)
    program.config.chmod(0o600)
    return program


def test_what_is_shown_can_be_read_again(configured, schema):
    shown = configured.run("config", "show", check=0)
    for secret in ("SECRET", "whsec_"):
        assert secret not in shown.stdout + shown.stderr
    assert shown.stdout.count("***") == 7
    values = [(s["path"], s["value"]) for s in configured.json("config", "show")["settings"]]
    path = configured.folder / "again.yaml"
    readable = shown.stdout.replace('"***"', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    path.write_text(readable)
    path.chmod(0o600)
    configured.config = path
    assert [(s["path"], s["value"]) for s in configured.json("config", "show", check=0)["settings"]] == values
    assert mistakes(yaml.safe_load(readable), schema, schema) == []
    assert dict(values)["connectors[0].description"] == 'A "quoted" ${thing}: # no comment'
    assert dict(values)["connectors[1].context_id"] == "007" and 'context_id: "007"' in shown.stdout  # others would read 7
    assert dict(values)["connectors[0].context_ids"] == "one, two, three, ${open, closed}"


def test_where_each_value_came_from(configured):
    environment = {"MEMORY_CONNECTOR_API__PORT": "9000", "MEMORY_CONNECTOR_MEMORY_API__API_KEY": "SECRETSECRET"}
    answer = configured.json("config", "show", env=environment)
    assert answer["schema"] == "memory-connector/config/v1" and answer["file"].endswith("config.yaml")
    settings = {s["path"]: (s["value"], s["origin"]) for s in answer["settings"]}
    assert settings["api.port"] == ("9000", "environment MEMORY_CONNECTOR_API__PORT")
    assert settings["memory_api.api_key"] == ("***", "environment MEMORY_CONNECTOR_MEMORY_API__API_KEY")
    assert settings["memory_api.timeout"][1].endswith("config.yaml:2:71") and settings["api.host"] == ("127.0.0.1", "default")
    shown = configured.run("config", "show", "--origin", env=environment, check=0).stdout
    assert re.search(r"^  port: 9000 +# environment MEMORY_CONNECTOR_API__PORT$", shown, re.M)
    assert [path for path in SECRETS if settings[path][0] != "***"] == []


@pytest.mark.parametrize("text, where", [
    ("lightrag: { api: { ulr: http://x } }", "there is no ulr"),
    ("lightrag: { insert: { batch_size: 0 } }", "batch_size"),
    ("lightrag: { confirm: { kick: perhaps } }", "kick"),
    ("memory_api: { timeout: soon }", "timeout"),
    ("memory_api: { max_item_bytes: 8 Megs }", "max_item_bytes"),
    ("connectors: [ { context_id: c } ]", "id is missing"),
    ("connectors: { id: a }", "is no"),
    ("api: { enabled: perhaps }", "enabled"),
    ("transformation: {}", "there is no transformation"),
])
def test_the_schema_refuses_what_the_program_refuses(program, schema, text, where):
    assert where in "\n".join(mistakes(yaml.safe_load(text), schema, schema))
    program.config = program.folder / "config.yaml"
    program.config.write_text(text)
    program.config.chmod(0o600)
    program.run("config", "check", check=78)


@pytest.mark.parametrize("text", [
    "lightrag: { api: { timeout: 300, url: \"${URL:-http://x}\" } }",
    "memory_api: { timeout: 90s, max_item_bytes: 8 MiB, retry_backoff: 2 }",
    "memory_api: { timeout: \"${T:-30}\", max_retries: \"${N:-3}\", api_key_file: /dev/null }",
    "connectors: [ { id: 7, context_id: 123, enabled: false } ]",
    "logging: { console: { colorize: true }, level: warn }\nstate:\n",
    "monitoring: { alerts: { alert_on: [dead_letters] } }",
])
def test_the_schema_allows_what_the_program_allows(program, schema, text):
    assert mistakes(yaml.safe_load(text), schema, schema) == []
    program.config = program.folder / "config.yaml"
    program.config.write_text(text)
    program.config.chmod(0o600)
    program.run("config", "check", check=0)
