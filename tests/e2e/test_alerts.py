"""Alerts: a receiver of ours checks every signature with Python's hmac, and counts."""
import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

import pytest

from api import FULL
from conftest import SLOW, memories, wait_until
from test_events import KEYS, MANUAL, Stream, serving  # noqa: F401 (a fixture)

SECRET = b"0123456789abcdef0123456789abcdef"


class Receiver:
    """A webhook: status to answer with, or None: silence."""

    def __init__(self):
        outer = self
        self.got, self.status, self.port = [], 204, 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(outer.check(self.path, self.headers, body))
                if outer.status is None:
                    self.connection.close()
                    return
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *args):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?room=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def check(self, path, headers, body):
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        want = "v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        found = json.loads(body)
        well = (hmac.compare_digest(headers["webhook-signature"], want) and abs(time.time() - int(headers["webhook-timestamp"])) < 300 and path == "/hook?room=1"
                and headers["Content-Type"] == "application/json" and found["id"] == headers["webhook-id"])
        return {**found, "well": well, "state": found["type"].removeprefix("alert."), "cause": found["data"]["cause"]}

    def told(self):
        return [(one["state"], one["cause"]) for one in self.got]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()
    assert all(got["well"] for got in one.got)


def config(receiver, on="{ consecutive_failures: 2, dead_letters: 1 }"):
    secret = "whsec_" + base64.b64encode(SECRET).decode()
    return KEYS + f"monitoring: {{ alerts: {{ enabled: true, webhook_url: \"{receiver.url}\", secret: {secret}, alert_on: {on} }} }}\n"


def run(service, times=1):
    for _ in range(times):
        before = len(service.get("connectors/life/history")["runs"])
        service.post("connectors/life/trigger", status=202)
        wait_until(lambda: len(service.get("connectors/life/history")["runs"]) > before and service.get("connectors/life/status")["state"] == "idle")


def silence(seconds=1):
    time.sleep(seconds * SLOW)


def test_a_trouble_is_told_once_and_its_end(serving, program, receiver):
    service = serving(config(receiver))
    stream = Stream(service)
    program.source.control(status=500)
    run(service)
    silence()
    assert receiver.told() == []
    run(service)
    wait_until(lambda: len(receiver.got) == 1)
    run(service, 2)
    silence()
    assert receiver.told() == [("raised", "consecutive_failures")]
    got = receiver.got[0]
    assert got["subject"] == got["data"]["connector"] == "life" and got["data"]["count"] == 2 and got["source"] == "memory-connector"
    assert "history life" in got["data"]["message"] and got["time"] == got["timestamp"]
    told = stream.until("alert")[-1][2]
    assert (told["connector"], told["cause"], told["alert"], told["id"], told["message"]) == ("life", "consecutive_failures", "raised", got["id"], got["data"]["message"])

    service.stop(kill=True)  # and after a restart nothing is told again
    service.start()
    run(service)
    silence()
    assert len(receiver.got) == 1
    program.source.control(status=0)
    run(service)
    wait_until(lambda: len(receiver.got) == 2)
    assert receiver.told()[1] == ("recovered", "consecutive_failures") and receiver.got[1]["id"] != got["id"]
    stream.close()


def test_failures_are_counted_across_restarts(serving, program, receiver):
    service = serving(config(receiver))
    program.source.control(status=500)
    run(service)
    service.stop()
    service.start()
    run(service)
    wait_until(lambda: receiver.told() == [("raised", "consecutive_failures")])


@pytest.mark.parametrize("status", [500, 302, 404, 429, None], ids=str)
def test_a_receiver_that_is_down_gets_it_later_with_the_same_id(serving, program, receiver, status):
    receiver.status = status
    service = serving(config(receiver))
    program.source.control(memories=memories(3) + [{"transcript": "without an id"}])
    run(service)
    wait_until(lambda: len(receiver.got) == 1)
    service.stop(kill=True)
    receiver.status = 204
    service.start()  # tries at once
    wait_until(lambda: len(receiver.got) == 2)
    assert receiver.got[0]["id"] == receiver.got[1]["id"] and receiver.told() == [("raised", "dead_letters")] * 2
    silence()  # the answer is on its way: a service that ends before it came tells it once more, with the same id
    service.stop()
    service.start()
    silence()
    assert len(receiver.got) == 2
    assert program.target.ledger()["processed"] == 3  # no run waited for it


def test_it_is_tried_again_by_itself(serving, program, receiver):
    receiver.status = 503
    service = serving(config(receiver))
    program.source.control(memories=[{"transcript": "without an id"}])
    run(service)
    wait_until(lambda: len(receiver.got) == 1)
    receiver.status = 200
    wait_until(lambda: len(receiver.got) == 2, 15)  # after 5 s
    silence()
    assert len(receiver.got) == 2 and receiver.got[0]["id"] == receiver.got[1]["id"]


def test_gone_means_gone(serving, program, receiver):
    receiver.status = 410
    service = serving(config(receiver))
    program.source.control(memories=[{"transcript": "without an id"}])
    run(service)
    wait_until(lambda: len(receiver.got) == 1)
    receiver.status = 200
    silence()
    service.stop()
    service.start()
    silence()
    assert len(receiver.got) == 1


def test_only_what_was_asked_for(serving, program, receiver):
    service = serving(config(receiver, on="[consecutive_failures]"))  # a list: the others are off
    program.source.control(memories=[{"transcript": "without an id"}])
    run(service)
    silence()
    assert receiver.got == []


def test_a_connector_that_is_deleted_takes_its_troubles_along(serving, program, receiver):
    service = serving(config(receiver, on="{ consecutive_failures: 1 }"))
    made = {"id": "made", "context_id": "second", "schedule": {"type": "manual"}}
    program.source.control(status=500)
    for count in (1, 2):
        service.post("connectors", made, status=201)
        service.post("connectors/made/trigger", status=202)
        wait_until(lambda: len(receiver.got) == count)
        wait_until(lambda: service.get("connectors/made/status")["state"] == "idle")
        assert service.ask("DELETE", "connectors/made").status == 204
    assert len({got["id"] for got in receiver.got}) == 2


def test_the_secret_is_told_to_nobody(serving, program, receiver):
    service = serving(config(receiver))
    program.source.control(status=500)
    run(service, 2)
    wait_until(lambda: receiver.got)
    key = base64.b64encode(SECRET).decode()
    shown = program.run("config", "check").stdout + service.words() + json.dumps(service.get("health", key=None)) + service.ask("GET", "/metrics").raw.decode()
    assert key not in shown + json.dumps(receiver.got)
