"""Accounts of LightRAG (AUTH_ACCOUNTS): a login before the first request, again when a token is old or refused, and never so often that the server locks the account."""
import json
import os
import pathlib
import sys
import time

import pytest

from api import FULL, Service
from conftest import memories, run_later, wait_until

PASSWORD = "pass word&+%=ü"
SECRET = {"MEMORY_CONNECTOR_LIGHTRAG__API__USERNAME": "joe", "MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD": PASSWORD}


@pytest.fixture(params=["1.5", "1.4"])
def locked(request, program, fake):
    """Both fakes, the target with an account."""
    program.source = fake("memory-api", "--count", "0")
    program.target = fake("lightrag", *(["--dialect", "1.4"] if request.param == "1.4" else []))
    program.dialect = request.param
    program.source.control(memories=memories(50))
    program.target.control(account=f"joe:{PASSWORD}")
    program.write_config(program.source.url, program.target.url, lightrag="  insert: { batch_size: 5 }\n  confirm: { poll_interval: 20ms, settle: 1s }")
    program.env.update(SECRET)
    return program


def test_one_login_for_a_sync(locked):
    run = locked.sync("--wait")
    assert run["processed"] == 50
    ledger = locked.target.ledger()
    assert (ledger["logins"], ledger["wrong_logins"], ledger["processed"]) == (1, 0, 50)
    assert ledger["inserts"] == 10, "no insert was sent without a token, or twice"
    locked.run("verify", check=0)


def test_the_password_is_told_to_nobody(locked):
    done = locked.run("--log-level", "debug", "sync", "--wait", check=0)
    assert "logged in as joe" in done.stderr
    assert "pass word" not in done.stderr + done.stdout and "Bearer" not in done.stderr
    shown = locked.run("config", "show", "--origin", check=0)
    assert "pass word" not in shown.stdout and "joe" in shown.stdout
    for file in pathlib.Path(locked.folder).rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file


def test_a_wrong_password_stops_and_does_not_lock(locked):
    locked.env["MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD"] = "another"
    done = locked.run("sync", "--wait", check=77)
    assert "lightrag.api.username" in done.stderr and "Incorrect credentials" in done.stderr
    assert "another" not in done.stderr + done.stdout
    ledger = locked.target.ledger()
    assert (ledger["wrong_logins"], ledger["texts"]) == (1, 0), "one try, however many requests waited"
    locked.env.update(SECRET)
    assert locked.sync("--wait")["processed"] == 50


def test_a_wrong_password_every_minute(locked):
    """A sync by cron: what was refused is not tried again for five minutes, also by the next processes, and what was corrected is tried at once."""
    locked.env["MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD"] = "another"
    assert "Incorrect credentials" in locked.run("sync", check=77).stderr
    for _ in range(6):
        said = locked.run("sync", check=77).stderr
        assert "Incorrect credentials at 20" in said and "the same ones are not tried again before 20" in said and "lightrag.api.password" in said
    locked.run("verify", check=77)
    assert locked.target.ledger()["wrong_logins"] == 1
    locked.env["MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD"] = "a third one"
    locked.run("sync", check=77)
    assert locked.target.ledger()["wrong_logins"] == 2
    locked.env.update(SECRET)
    assert locked.sync("--wait")["processed"] == 50
    for file in pathlib.Path(locked.folder).rglob("*"):
        assert not file.is_file() or b"a third one" not in file.read_bytes(), file


def test_what_was_refused_is_tried_again_in_time(locked):
    locked.env["MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD"] = "another"
    locked.run("sync", check=77)
    locked.target.control(account="joe:another")  # it was right, and LightRAG was not: only time tells
    locked.run("sync", check=77)
    done = run_later("+301s", locked.command("sync", "--wait", "--json"), locked.env)
    assert done.returncode == 0 and json.loads(done.stdout)["runs"][0]["processed"] == 50


def test_no_account_where_one_is_wanted(locked):
    for name in SECRET:
        del locked.env[name]
    done = locked.run("sync", "--wait", check=77)
    assert "lightrag.api.username" in done.stderr and "Please login" in done.stderr


def test_a_locked_account_is_left_alone(locked):
    if locked.dialect == "1.4":
        pytest.skip("1.4 has no lock")
    for number in range(5):
        locked.env["MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD"] = f"another {number}"
        locked.run("sync", "--wait", check=77)
    locked.env.update(SECRET)
    done = locked.run("sync", "--wait", check=75)  # also the right one: 429, Retry-After 299
    assert "Too many failed login attempts" in done.stderr
    ledger = locked.target.ledger()
    assert (ledger["wrong_logins"], ledger["logins"], ledger["texts"]) == (5, 0, 0)


def test_a_token_is_renewed_before_it_ends(locked):
    """Tokens live for 3 s, the work lasts longer: each is replaced at four fifths, no request is refused."""
    locked.target.control(token_life_s=3, process_delay_ms=100)
    assert locked.sync("--wait")["processed"] == 50
    ledger = locked.target.ledger()
    assert 2 <= ledger["logins"] <= 10 and ledger["wrong_logins"] == 0
    assert ledger["doubled"] == 0 and ledger["processed"] == 50


def test_a_token_that_is_refused(locked):
    """The server's secret changes in the middle (a restart): one more login, nothing lost or doubled."""
    locked.target.control(process_delay_ms=160)
    process = locked.start("sync", "--wait", "--json")
    wait_until(lambda: locked.target.ledger()["processed"] >= 5)
    time.sleep(5.2)  # a token that is refused within 5 s of the login is refused for another reason
    locked.target.control(token_series=2)
    assert process.wait(120) == 0, process.stderr.read()
    process.stdout.close(), process.stderr.close()
    ledger = locked.target.ledger()
    assert (ledger["logins"], ledger["processed"], ledger["doubled"]) == (2, 50, 0)


def test_a_new_token_of_the_server_is_taken_over(locked):
    if locked.dialect == "1.4":
        pytest.skip("1.4 gives none")
    locked.target.control(token_life_s=4, process_delay_ms=60, renews_token=True)
    process = locked.start("sync", "--wait", "--json")
    wait_until(lambda: locked.target.ledger()["logins"] == 1)
    assert process.wait(60) == 0, process.stderr.read()
    process.stdout.close(), process.stderr.close()
    ledger = locked.target.ledger()
    assert ledger["logins"] == 1 and ledger["processed"] == 50, "its own renewal would have come at 2.4 s"


@pytest.mark.parametrize("fault, code", [({"status": 500, "retry_after": "299"}, 75), ({"status": 429, "retry_after": "299"}, 75), ({"html": True}, 69), ({"status": 422}, 69)])
def test_a_login_that_goes_wrong_for_another_reason(locked, fault, code):
    """What is said of the login is never taken for an answer about documents."""
    locked.target.control(times=1000, path="/login", **fault)
    done = locked.run("sync", "--wait", timeout=300)
    assert done.returncode == code, (done.returncode, done.stderr)
    assert locked.target.ledger()["texts"] == 0
    assert locked.json("dead-letters", "list")["dead_letters"] == []
    locked.target.control(times=0)
    assert locked.sync("--wait")["processed"] == 50


def test_a_login_without_an_answer(locked):
    locked.target.control(drop_times=2, drop_path="/login")
    assert locked.sync("--wait")["processed"] == 50
    assert locked.target.ledger()["logins"] == 3, "the two whose answers were lost count at the server"


def test_a_server_without_accounts(locked):
    """Its guest token is good for nothing and is not used; a key is."""
    locked.target.control(account="", api_key="right")
    locked.env["LIGHTRAG_API_KEY"] = "right"
    locked.env["MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY"] = "right"
    assert locked.sync("--wait")["processed"] == 50
    assert locked.target.ledger()["requests"]["POST /login"] == 1


def test_resolve_and_the_test_of_a_connector_log_in_too(locked):
    locked.sync("--wait")
    found = locked.json("resolve", "--entity", "Ana", check=0)
    assert found["targets"][0]["found"]
    locked.env["MEMORY_CONNECTOR_API__API_KEY"] = FULL
    service = Service(locked).start()
    try:
        answer = service.post("connectors/life/test")
        assert answer["ok"] and answer["target"]["message"] == "it answers, and takes this account"
    finally:
        service.stop()


def test_half_an_account(program):
    program.write_config("http://127.0.0.1:9", "http://127.0.0.1:9")
    for name, missing in (("USERNAME", "password"), ("PASSWORD", "username")):
        done = program.run("config", "check", env={f"MEMORY_CONNECTOR_LIGHTRAG__API__{name}": "x"}, check=78)
        assert f"lightrag.api.{missing}" in done.stderr and "is missing" in done.stderr
