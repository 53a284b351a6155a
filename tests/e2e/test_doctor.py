"""doctor and config check --online: each check by what makes it fail, with its fix; nothing is changed at either server, nothing is written here. TLS and disks: tests/fault/test_doctor.py."""
import json
import os
import socket

import pytest

from api import FULL, Service
from conftest import http, memories, wait_until
from test_cli import on_terminal

QUICK = "  confirm: { poll_interval: 20ms, settle: 1s }"
SOURCE, TARGET = "SOURCE-CANARY", "TARGET-CANARY"
SERVER_CHECKS = {"source": ["name", "connection", "answer", "clock", "key", "context"],
                 "target": ["name", "connection", "answer", "clock", "key", "version", "workspace", "admission"]}


@pytest.fixture(autouse=True)
def free_port(program):
    """api.port is one that nobody has; the usual one may be taken by whoever works on this machine."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        program.env["MEMORY_CONNECTOR_API__PORT"] = str(one.getsockname()[1])


@pytest.fixture
def pair(program, fake):
    """Both fakes, each with a key; the keys come by environment."""
    source, target = fake("memory-api", "--count", "5", "--api-key", SOURCE), fake("lightrag", "--dialect", "1.5", "--api-key", TARGET)
    program.write_config(source.url, target.url, lightrag=QUICK)
    program.env.update(MEMORY_CONNECTOR_MEMORY_API__API_KEY=SOURCE, MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY=TARGET)
    return source, target


def examine(program, *args, check=None, **kw):
    """The object, and its checks by (group, check); where there are several of a name, the last."""
    done = program.run(*(args or ("doctor",)), "--json", check=check, **kw)
    assert "CANARY" not in done.stdout + done.stderr
    told = json.loads(done.stdout)
    for one in told["checks"]:
        assert set(one) == {"group", "subject", "check", "result", "detail", "fix"} and one["detail"], one
        assert (one["fix"] is None) == (one["result"] in ("ok", "skipped")), one
    for result in ("ok", "warn", "fail", "skipped"):
        assert told[result] == sum(one["result"] == result for one in told["checks"])
    return told, {(one["group"], one["check"]): one for one in told["checks"]}


def edit(program, old, new):
    text = program.config.read_text()
    assert old in text
    program.config.write_text(text.replace(old, new))


def snapshot(program):
    return sorted(str(path) for path in program.folder.rglob("*"))


def test_all_is_well(program, pair):
    source, target = pair
    before = snapshot(program)
    told, checks = examine(program, check=0)
    assert told["schema"] == "memory-connector/doctor/v1" and told["fail"] == told["warn"] == told["skipped"] == 0, told
    for group, names in SERVER_CHECKS.items():
        assert [one["check"] for one in told["checks"] if one["group"] == group] == names
        assert all(one["subject"] == "default" for one in told["checks"] if one["group"] == group)
    assert [one["group"] for one in told["checks"]] == sorted((one["group"] for one in told["checks"]), key=["configuration", "source", "target", "state", "service"].index)
    assert "1.5.7" in checks["target", "version"]["detail"] and "no state yet" in checks["state", "schema"]["detail"]
    assert snapshot(program) == before, "something was left in a folder"
    asked = {route: count for route, count in target.ledger()["requests"].items() if count > 0}
    assert asked == {"GET /health": 1, "GET /documents/status_counts": 1, "GET /documents/pipeline_status": 1}, "questions only, each once"
    assert source.ledger()["listings"] == 1
    whole = program.run("doctor", check=0).stdout
    assert "CANARY" not in whole and whole.splitlines()[-1].endswith(" ok, 0 warnings, 0 failed")


# why, what is done to it, group, check, result, words of the detail, words of the fix, exit code of config check --online
CASES = [
    ("no such name", lambda p, s, t: (edit(p, s.url, "http://nowhere.invalid"), p.env.pop("MEMORY_CONNECTOR_MEMORY_API__API_KEY")), "source", "name", "fail", "name not found: nowhere.invalid", "memory_api.url", 69),
    ("no such name, the other side", lambda p, s, t: (edit(p, t.url, "http://nowhere.invalid:9621"), p.env.pop("MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY")), "target", "name", "fail", "name not found: nowhere.invalid", "lightrag.api.url", 69),
    ("nobody listens", lambda p, s, t: t.stop(), "target", "connection", "fail", "connection refused by 127.0.0.1:", "start the server", 69),
    ("the Memory API is off", lambda p, s, t: s.stop(), "source", "connection", "fail", "connection refused", "memory_api.url", 69),
    ("it speaks, but not LightRAG", lambda p, s, t: edit(p, t.url, s.url), "target", "answer", "fail", "does not answer like LightRAG", "lightrag.api.url", 69),
    ("it speaks, but not as a Memory API", lambda p, s, t: s.control(html=True), "source", "answer", "fail", "not JSON", "memory_api.url", 69),
    ("the Memory API fails", lambda p, s, t: s.control(status=502), "source", "answer", "fail", "HTTP 502", "log", 69),
    ("no answer at all", lambda p, s, t: t.control(drop_times=9, drop_path="/health"), "target", "answer", "fail", "closed the connection", "lightrag.api.url", 69),
    ("wrong key", lambda p, s, t: p.env.update(MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY="another"), "target", "key", "fail", "refuses the key (HTTP 403)", "LIGHTRAG_API_KEY", 77),
    ("no key", lambda p, s, t: p.env.pop("MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY"), "target", "key", "fail", "wants a key (HTTP 403), and none is given", "lightrag.api.api_key", 77),
    ("the key proves nothing where the route is gone", lambda p, s, t: t.control(times=9, path="/documents/status_counts", status=404), "target", "key", "fail", "HTTP 404", "lightrag.api.url", 69),
    ("wrong key of the Memory API", lambda p, s, t: p.env.update(MEMORY_CONNECTOR_MEMORY_API__API_KEY="another"), "source", "key", "fail", "HTTP 40", "memory_api.api_key", 77),
    ("unknown context", lambda p, s, t: s.control(contexts={"other": {"memories": memories(1)}}), "source", "context", "fail", 'does not know context "ctx" (HTTP 404)', "connector life", 78),
    ("busy", lambda p, s, t: t.control(times=9, path="/documents/status_counts", status=503), "target", "key", "fail", "HTTP 503", "wait", 75),
    ("1.4", lambda p, s, t: t.control(core_version="v1.4.9.9"), "target", "version", "warn", "can leave a storage that does not start again", "1.5", 0),
    ("a version to come", lambda p, s, t: t.control(core_version="2.0.1"), "target", "version", "fail", "LightRAG 2.0.1 is not known", "newer memory-connector", 69),
    ("another workspace", lambda p, s, t: (t.control(workspace="other"), p.env.update(MEMORY_CONNECTOR_LIGHTRAG__API__WORKSPACE="life")), "target", "workspace", "fail",
     'serves workspace "other", configured is "life"', "lightrag.api.workspace", 78),
    ("its clock is ahead", lambda p, s, t: t.control(date_shift_s=300), "target", "clock", "warn", "ahead of the one here", "timedatectl", 0),
    ("its clock is behind", lambda p, s, t: t.control(date_shift_s=-7300), "target", "clock", "warn", "2h 1m behind the one here", "timedatectl", 0),
    ("a minute is not far", lambda p, s, t: t.control(date_shift_s=40), "target", "clock", "ok", "agrees", None, 0),
    ("it must be recovered", lambda p, s, t: t.control(recovery=True), "target", "admission", "fail", "takes nothing until it is recovered", "force_reset", 75),
    ("an account is wanted", lambda p, s, t: (t.control(account="joe:right", api_key=""), p.env.pop("MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY")), "target", "key", "fail",
     "wants an account (HTTP 401)", "lightrag.api.username", 77),
    ("wrong account", lambda p, s, t: (t.control(account="joe:right", api_key=""), p.env.update(MEMORY_CONNECTOR_LIGHTRAG__API__USERNAME="joe", MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD="X-CANARY")),
     "target", "key", "fail", 'refuses the account "joe"', "five wrong tries", 77),
]


@pytest.mark.parametrize("why,spoil,group,check,result,detail,fix,code", CASES, ids=[case[0] for case in CASES])
def test_what_is_wrong_is_told_with_its_fix(program, pair, why, spoil, group, check, result, detail, fix, code):
    spoil(program, *pair)
    told, checks = examine(program, check=1 if result == "fail" else 0)
    found = checks[group, check]
    assert found["result"] == result and detail in found["detail"] and (fix is None or fix in found["fix"]), found
    assert told["fail"] == (result == "fail") and told["warn"] == (result == "warn"), "nothing else is wrong"
    names = [one["check"] for one in told["checks"] if one["group"] == group]
    assert names == SERVER_CHECKS[group], "every check has its line"
    if check in ("name", "connection", "answer"):
        later = [one for one in told["checks"] if one["group"] == group][names.index(check) + 1:]
        assert later and all(one["result"] == "skipped" and "not looked at" in one["detail"] for one in later), later
    other = {"source": "target", "target": "source"}[group]
    assert all(one["result"] == "ok" for one in told["checks"] if one["group"] == other), "the other server is looked at all the same"
    online, _ = examine(program, "config", "check", "--online", check=code)
    assert online["schema"] == "memory-connector/config-check/v1" and online["valid"] and online["fail"] == told["fail"]
    assert {one["group"] for one in online["checks"]} == {"source", "target"}


def test_one_login_and_no_more(program, pair):
    source, target = pair
    target.control(account="joe:right", api_key="")
    program.env.update(MEMORY_CONNECTOR_LIGHTRAG__API__USERNAME="joe", MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD="right")
    _, checks = examine(program, check=0)
    assert 'account "joe" is accepted' in checks["target", "key"]["detail"] and target.ledger()["logins"] == 1
    program.env.update(MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD="wrong")
    examine(program, check=1)
    assert target.ledger()["wrong_logins"] == 1


def test_servers_that_say_nothing(program):
    """They take the connection and are silent, side by side, the login too: each has its time, and it comes to an end."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        program.write_config(*(f"http://127.0.0.1:{listener.getsockname()[1]}" for listener in (one, other)))
        program.env.update(MEMORY_CONNECTOR_LIGHTRAG__API__USERNAME="joe", MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD="X-CANARY")
        _, checks = examine(program, check=1)
    for group in ("source", "target"):
        assert checks[group, "connection"]["result"] == "ok" and checks[group, "answer"]["result"] == "fail" and "within 10 s" in checks[group, "answer"]["detail"]


def test_the_order_of_exit_codes(program, pair):
    """Where several things fail, a sync's order counts: 78, 77, 69, 75."""
    source, target = pair
    target.control(times=9, path="/documents/status_counts", status=503)
    examine(program, "config", "check", "--online", check=75)
    source.control(status=502)
    examine(program, "config", "check", "--online", check=69)
    source.control(times=0)
    program.env["MEMORY_CONNECTOR_MEMORY_API__API_KEY"] = "another"
    examine(program, "config", "check", "--online", check=77)
    target.control(times=0, workspace="other")
    program.env["MEMORY_CONNECTOR_LIGHTRAG__API__WORKSPACE"] = "life"
    examine(program, "config", "check", "--online", check=78)
    done = program.run("config", "check", "--online", check=78)
    assert done.stdout.splitlines()[0].endswith("state in " + str(program.state)) and "fail  workspace" in done.stdout and "configuration\n" not in done.stdout


def test_config_check_online_needs_a_good_file_first(program):
    program.config = program.folder / "config.yaml"
    program.config.write_text("lightrag:\n  api: { ulr: http://x }\n")
    done = program.run("config", "check", "--online", "--json", check=78)
    told = json.loads(done.stdout)
    assert not told["valid"] and "checks" not in told


def test_several_contexts_and_servers(program, fake):
    """Each enabled connector's contexts, each server once; what is off or unused is not asked."""
    good, off, target = fake("memory-api", "--count", "0"), fake("memory-api", "--count", "0"), fake("lightrag", "--dialect", "1.5")
    good.control(contexts={"a": {"memories": memories(1)}, "b": {"memories": memories(1)}})
    program.config = program.folder / "config.yaml"
    program.config.write_text(f"""
memory_api: {{ url: {good.url} }}
lightrag: {{ api: {{ url: {target.url} }} }}
sources: {{ second: {{ url: http://127.0.0.1:9 }}, spare: {{ url: {off.url} }} }}
targets: {{ other: {{ api: {{ url: http://127.0.0.1:9 }} }} }}
connectors:
  - {{ id: one, context_ids: [a, nobody, b] }}
  - {{ id: two, context_id: a, target: other }}
  - {{ id: three, context_id: x, source: second }}
  - {{ id: off, context_id: y, source: spare, enabled: false }}
state: {{ disk_reserve: 0 }}
""")
    told, _ = examine(program, check=1)
    contexts = [(one["result"], one["detail"]) for one in told["checks"] if one["check"] == "context" and one["subject"] == "default"]
    assert [result for result, _ in contexts] == ["ok", "fail", "ok"] and '"nobody"' in contexts[1][1]
    assert good.ledger()["listings"] == 3 and off.ledger()["listings"] == 0
    subjects = {(one["group"], one["subject"]) for one in told["checks"] if one["subject"]}
    assert subjects == {("source", "default"), ("source", "second"), ("target", "default"), ("target", "other")}
    fixes = " ".join(one["fix"] or "" for one in told["checks"])
    assert "connector one" in fixes and "sources.second.url" in fixes and "targets.other.api.url" in fixes


def test_another_workspace_than_before(program, pair):
    """Known by the state: what verify --accept-target is for."""
    source, target = pair
    program.sync("--wait")
    _, checks = examine(program, check=0)
    assert "can be read" in checks["state", "schema"]["detail"]
    target.control(workspace="new")
    _, checks = examine(program, check=1)
    assert 'before it was ""' in checks["target", "workspace"]["detail"] and "--accept-target" in checks["target", "workspace"]["fix"]


def test_a_pipeline_that_deletes_or_is_full(program, pair):
    source, target = pair
    program.sync("--wait")
    target.control(process_delay_ms=60000)
    source.control(memories=memories(9))
    program.run("sync", check=0)
    edit(program, QUICK, QUICK + "\n  insert: { max_unfinished: 3 }")
    _, checks = examine(program, check=0)
    assert checks["target", "admission"]["result"] == "warn" and "max_unfinished is 3" in checks["target", "admission"]["detail"]
    edit(program, "max_unfinished: 3", "max_unfinished: 300")
    _, checks = examine(program, check=0)
    assert checks["target", "admission"]["result"] == "ok" and "9 to go" in checks["target", "admission"]["detail"]


def test_a_delete_fences(program, pair):
    source, target = pair
    program.sync("--wait")
    target.control(delete_delay_ms=60000)
    rows = http(target.url + "/documents/paginated", {"page": 1, "page_size": 10}, headers={"X-API-Key": TARGET})["documents"]
    http(target.url + "/documents/delete_document", {"doc_ids": [rows[0]["id"]]}, method="DELETE", headers={"X-API-Key": TARGET})
    _, checks = examine(program, check=0)
    assert checks["target", "admission"]["result"] == "warn" and "takes nothing meanwhile" in checks["target", "admission"]["detail"]


# ---- This machine ----

def test_without_a_configuration(program):
    told, checks = examine(program, check=1)
    assert checks["configuration", "file"]["result"] == "fail" and "memory-connector init" in checks["configuration", "file"]["fix"]
    assert checks["source", "all"]["result"] == checks["target", "all"]["result"] == "skipped"
    assert checks["state", "fsync"]["result"] == "ok" and checks["service", "port"]["result"] == "ok"
    named = program.folder / "mine.yaml"
    program.config = named
    _, checks = examine(program, check=1)
    assert f"{named}: there is no such file" in checks["configuration", "file"]["detail"] and checks["configuration", "file"]["fix"] == f"memory-connector init {named}"
    assert checks["state", "all"]["result"] == checks["service", "all"]["result"] == "skipped"


def test_a_configuration_with_mistakes(program):
    """All at once, each with its place; the rest waits for them."""
    program.config = program.folder / "config.yaml"
    program.config.write_text("lightrag:\n  api: { ulr: http://x }\nstate: { disk_reserve: much }\n")
    told, _ = examine(program, check=1)
    mistakes = [one["detail"] for one in told["checks"] if one["check"] == "settings"]
    assert len(mistakes) == 2 and 'did you mean "url"' in mistakes[0] and "config.yaml:3:" in mistakes[1]
    assert [one["group"] for one in told["checks"] if one["result"] == "skipped"] == ["source", "target", "state", "service"]


def test_no_connector_is_enabled(program, pair):
    edit(program, "- id: life", "- id: life\n    enabled: false")
    _, checks = examine(program, check=0)
    assert checks["configuration", "connectors"]["result"] == "warn" and "enabled: true" in checks["configuration", "connectors"]["fix"]
    assert checks["source", "all"]["result"] == "skipped"


def test_keys_that_everybody_can_read(program, pair):
    source, target = pair
    edit(program, f"url: {target.url}", f"url: {target.url}, api_key: {TARGET}")
    del program.env["MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY"]
    program.config.chmod(0o644)
    dotenv = program.folder / ".env"
    dotenv.write_text("OTHER=x\n")
    dotenv.chmod(0o644)
    _, checks = examine(program, check=0)
    assert checks["configuration", "permissions"]["result"] == "warn"
    assert checks["configuration", "permissions"]["fix"] == f"chmod 600 {program.config} {dotenv}"
    program.config.chmod(0o600)
    dotenv.chmod(0o600)
    assert examine(program, check=0)[1]["configuration", "permissions"]["result"] == "ok"


def test_a_key_over_plain_http_is_a_warning(program, pair):
    source, _ = pair
    edit(program, source.url, "http://nowhere.invalid")
    told, _ = examine(program, check=1)
    warned = [one for one in told["checks"] if one["check"] == "settings"]
    assert len(warned) == 1 and "plain http" in warned[0]["detail"] and "https://" in warned[0]["fix"]


def test_a_state_where_none_can_be(program, pair):
    blocked = program.folder / "file"
    blocked.write_text("")
    program.state = blocked / "deeper" / "memory-connector.db"
    _, checks = examine(program, check=1)
    assert checks["state", "folder"]["result"] == "fail" and "Not a directory" in checks["state", "folder"]["detail"] and "state.path" in checks["state", "folder"]["fix"]
    assert checks["state", "fsync"]["result"] == "skipped"


def test_a_state_that_is_none(program, pair):
    program.state.parent.mkdir()
    program.state.write_text("shopping list\n" * 20)
    _, checks = examine(program, check=1)
    assert checks["state", "schema"]["result"] == "fail" and "not a state of memory-connector" in checks["state", "schema"]["detail"]
    assert checks["target", "workspace"]["result"] == "ok"


def test_less_room_than_is_reserved(program, pair):
    edit(program, "disk_reserve: 0", "disk_reserve: 900TiB")
    _, checks = examine(program, check=1)
    assert checks["state", "space"]["result"] == "fail" and "state.disk_reserve" in checks["state", "space"]["detail"] and "make room" in checks["state", "space"]["fix"]
    free = os.statvfs(program.folder)
    edit(program, "900TiB", f"{free.f_bavail * free.f_frsize * 3 // 4 >> 20}MiB")
    assert examine(program, check=0)[1]["state", "space"]["result"] == "warn"


def test_who_holds_the_state(program, pair):
    source, target = pair
    assert "nobody" in examine(program, check=0)[1]["state", "lock"]["detail"]
    target.control(process_delay_ms=60000)
    process = program.start("sync", "--wait", "--json")
    wait_until(lambda: target.ledger()["texts"] > 0)
    _, checks = examine(program, check=0)
    assert checks["state", "lock"]["result"] == "ok" and f"process {process.pid} on" in checks["state", "lock"]["detail"]
    process.terminate()
    process.communicate()


# ---- The service ----

def test_the_service_is_recognised(program, pair):
    program.env["MEMORY_CONNECTOR_API__API_KEY"] = FULL
    service = Service(program).start()
    try:
        here = {"MEMORY_CONNECTOR_API__PORT": str(service.port)}
        _, checks = examine(program, env=here, check=0)
        assert checks["service", "port"]["result"] == "ok" and "answers at" in checks["service", "port"]["detail"] and f"process {service.process.pid} " in checks["state", "lock"]["detail"]
        _, checks = examine(program, env={**here, "MEMORY_CONNECTOR_API__API_KEY": "another-key-0123456789"}, check=1)
        assert checks["service", "port"]["result"] == "fail" and "api.api_key" in checks["service", "port"]["fix"]
        made = service.post("connectors", {"id": "made", "context_id": "also"}, status=201)
        assert made["id"] == "made"
        told, checks = examine(program, env=here)
        assert "(1 made by API)" in checks["configuration", "connectors"]["detail"]
        assert ['"ctx" is known', '"also" is known'] == [one["detail"] for one in told["checks"] if one["check"] == "context"]
    finally:
        service.stop()


def test_somebody_else_has_the_port(program, pair):
    source, _ = pair
    port = source.url.rsplit(":", 1)[1]
    _, checks = examine(program, env={"MEMORY_CONNECTOR_API__PORT": port}, check=1)
    assert checks["service", "port"]["result"] == "fail" and "taken by another program" in checks["service", "port"]["detail"] and "api.port" in checks["service", "port"]["fix"]
    _, checks = examine(program, env={"MEMORY_CONNECTOR_API__PORT": port, "MEMORY_CONNECTOR_API__ENABLED": "false"}, check=0)
    assert ("service", "port") not in checks


def test_an_address_of_another_machine(program, pair):
    _, checks = examine(program, env={"MEMORY_CONNECTOR_API__HOST": "192.0.2.1", "MEMORY_CONNECTOR_API__API_KEY": FULL}, check=1)
    assert checks["service", "port"]["result"] == "fail" and "api.host" in checks["service", "port"]["fix"]


def test_a_schedule_without_a_key_of_the_service(program, pair):
    edit(program, "    context_id: ctx", '    context_id: ctx\n    schedule: { type: cron, cron: "CRON_TZ=Asia/Tokyo 0 9 * * *", timezone: Europe/Berlin }')
    _, checks = examine(program, check=0)
    assert checks["service", "key"]["result"] == "warn" and "openssl rand" in checks["service", "key"]["fix"]
    assert "Europe/Berlin" in checks["service", "time zones"]["detail"] and "Asia/Tokyo" in checks["service", "time zones"]["detail"]


# ---- As people see it ----

@pytest.mark.parametrize("columns", [40, 80, 200])
def test_it_fits_a_terminal(program, pair, columns):
    source, target = pair
    target.control(core_version="1.4.9.9")
    edit(program, source.url, "http://127.0.0.1:9")
    shown, code = on_terminal(program, "doctor", columns=columns)
    plain = shown.replace("\033[32m", "").replace("\033[33m", "").replace("\033[31m", "").replace("\033[2m", "").replace("\033[0m", "")
    assert code == 1 and "\033" not in plain
    for colour, word in (("32", "ok  "), ("33", "warn"), ("31", "fail")):
        assert f"\033[{colour}m{word}\033[0m" in shown
    for line in plain.splitlines():
        assert len(line) <= columns or len(line.split()) == 1 or any(len(word) > columns - 30 for word in line.split()), line
    assert "fix: start the server" in plain
    assert "\033" not in on_terminal(program, "--no-color", "doctor", columns=columns)[0]


def test_a_pipe_has_one_line_for_each_check(program, pair):
    source, _ = pair
    edit(program, source.url, "http://127.0.0.1:9")
    lines = program.run("doctor", check=1).stdout.splitlines()
    failed = [line for line in lines if line.startswith("  fail  ")]
    assert len(failed) == 1 and "connection refused" in failed[0] and "; fix: start the server" in failed[0]
    quiet = program.run("--quiet", "doctor", check=1).stdout.splitlines()
    assert quiet == ["source default", failed[0]]
