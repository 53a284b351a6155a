"""tail and health: the commands that follow the running service."""
import json
import signal
import subprocess

from conftest import SLOW, wait_until
from test_service_commands import KEY, service  # noqa: F401 (a fixture)


def follow(program, *args):
    """tail in the background; it is there once the service counts its stream."""
    process = subprocess.Popen(program.command("tail", *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=program.env, cwd=program.folder)
    return process


def streams(running):
    import urllib.request
    request = urllib.request.Request(running.url + "/metrics", headers={"X-API-Key": KEY})
    text = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20).read().decode()
    return int(text.split("\nmemory_connector_event_streams ")[1].split("\n")[0])


def test_tail(program, service):
    running = service()
    lines, words = follow(program, "--json-lines"), follow(program, "life")
    wait_until(lambda: streams(running) == 2)
    program.run("trigger", "life", "--wait", check=0)
    kinds, seen = [], None
    while seen != "run.finished":
        event = json.loads(lines.stdout.readline())
        seen = event["type"]
        kinds.append(seen)
    assert kinds[0] == "run.started" and event["report"]["new"] == 8
    line = ""
    while "run.finished" not in line:
        line = words.stdout.readline()
        assert line
    assert "  life  run.finished  run 1 success: 8 fetched, 8 new" in line
    for process in (lines, words):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20 * SLOW)
        assert process.returncode == 0, err


def test_tail_ends_with_a_result(program, service):
    running = service()
    process = follow(program, "--json-lines", "--limit", "1")
    wait_until(lambda: streams(running) == 1)
    program.run("trigger", "life", check=0)
    out, _ = process.communicate(timeout=20 * SLOW)
    assert [json.loads(line)["type"] for line in out.splitlines()] == ["run.started", "result"] and process.returncode == 0


def test_tail_waits_for_a_service_that_restarts(program, service):
    running = service()
    port = running.url.rsplit(":", 1)[1]
    process = follow(program, "--json-lines")
    wait_until(lambda: streams(running) == 1)
    program.run("trigger", "life", "--wait", check=0)
    running.end(signal.SIGKILL)
    assert "trying again" in process.stderr.readline()
    again = service("", "--port", port)
    assert again.url == running.url
    assert "answers again" in process.stderr.readline()
    program.run("trigger", "life", "--wait", check=0)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20 * SLOW)
    kinds = [json.loads(line)["type"] for line in out.splitlines()]
    assert kinds.count("missed") == 1 and kinds.count("run.finished") >= 1 and kinds[-1] == "result", kinds


def test_tail_ends_with_its_reader(program, service):
    running = service()
    process = follow(program)
    wait_until(lambda: streams(running) == 1)
    process.stdout.close()
    program.run("trigger", "life", check=0)
    assert process.wait(20 * SLOW) == 0
    process.stderr.close()


def test_what_tail_refuses(program, service):
    service()
    assert "life" in program.run("tail", "lief", check=2).stderr


def test_health(program, service, fake):
    running = service()
    assert program.run("health", check=0).stdout.startswith("healthy\n  state: ok\n  scheduler: ok\n  source default: ok\n")
    found = program.json("health", check=0)
    assert found["schema"] == "memory-connector/health/v1" and found["components"]["state"]["status"] == "ok"
    program.source.control(status=500)
    program.run("trigger", "life", "--wait", check=1)
    assert program.run("health", check=0).stdout.startswith("degraded\n")  # it works: a container must not be restarted for that
    assert "last error: life: " in program.run("health", check=0).stdout
    running.end()
    assert "memory-connector serve" in program.run("health", check=69).stderr
    assert "memory-connector serve" in program.run("tail", check=69).stderr
