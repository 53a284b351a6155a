"""Fixtures: the real binary, the fake servers, bounded waits. Nothing uses a fixed port."""
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
BINARY = os.environ.get("MEMORY_CONNECTOR_BINARY", str(ROOT / "build" / "memory-connector"))
FAKES = os.environ.get("MC_FAKES", str(ROOT / "build" / "tests" / "mc-fakes"))
SLOW = float(os.environ.get("MC_SLOW", "1"))  # sanitizer builds are slower
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def http(url, body=None, method=None, headers=None, timeout=30):
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json", **(headers or {})})
    with _opener.open(request, timeout=timeout) as reply:
        return json.loads(reply.read() or b"{}")


class Fake:
    def __init__(self, *args):
        self.process = subprocess.Popen([FAKES, *map(str, args), "--port", "0"], stdout=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], 20 * SLOW)
        assert ready, "the fake did not start"
        self.url = self.process.stdout.readline().strip()

    def control(self, **faults):
        http(self.url + "/_fake/control", faults)

    def ledger(self):
        return http(self.url + "/_fake/ledger")

    def stop(self):
        self.process.terminate()
        self.process.wait(20 * SLOW)


@pytest.fixture
def fake():
    started = []

    def start(*args):
        started.append(Fake(*args))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def memories(count, **changes):
    return [{"id": f"m{i}", "type": "note", "transcript": f"Memory number {i} about Ana.", "created_at": "2025-12-18T14:30:00Z", **changes} for i in range(count)]


class Program:
    """The binary with a state folder of its own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.state = self.folder / "state" / "memory-connector.db"
        self.config = None
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("MEMORY_", "LIGHTRAG_", "XDG_"))}
        self.env.update(HOME=str(self.folder), TERM="dumb")
        if "MC_STATE_BACKEND" in os.environ:  # the whole suite with the other backend: MC_STATE_BACKEND=json
            self.env.update(MEMORY_CONNECTOR_STATE__BACKEND=os.environ["MC_STATE_BACKEND"], MEMORY_CONNECTOR_STATE__KEEP_TEXTS="all")

    def write_config(self, memory_url, lightrag_url, text="", connector="", lightrag="", memory="", ingestion=""):
        self.config = self.folder / "config.yaml"
        self.config.write_text(f"""
memory_api: {{ url: {memory_url}, max_retries: 0{memory} }}
lightrag:
  api: {{ url: {lightrag_url} }}
{lightrag}
connectors:
  - id: life
    context_id: ctx
    ingestion: {{ query_range: all, query_limit: 100000{ingestion} }}
{connector}
state: {{ disk_reserve: 0 }}
{text}
""")
        self.config.chmod(0o600)

    def command(self, *args):
        command = [BINARY, "--state", str(self.state)]
        if self.config:
            command += ["--config", str(self.config)]
        return command + list(map(str, args))

    def run(self, *args, timeout=60, check=None, env=None, stdin=None):
        done = subprocess.run(self.command(*args), capture_output=True, text=True, timeout=timeout * SLOW, env={**self.env, **(env or {})}, input=stdin,
                              cwd=self.folder, errors="replace")
        if check is not None:
            assert done.returncode == check, f"exit {done.returncode}, want {check}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *args, **kw):
        done = self.run(*args, "--json", **kw)
        return json.loads(done.stdout)

    def start(self, *args):
        return subprocess.Popen(self.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env, cwd=self.folder)

    def sync(self, *args, check=0, timeout=60):
        result = self.json("sync", *args, timeout=timeout, check=check)
        return result["runs"][0]


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


def run_later(by, command, env):
    """What command does when it is later. A sanitizer wants to be the first library and is not, which does no harm here."""
    if not shutil.which("faketime"):
        pytest.skip("no faketime here")
    env = {**env, "ASAN_OPTIONS": env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    return subprocess.run(["faketime", "-f", by, *command], capture_output=True, text=True, env=env)


def wait_until(what, seconds=20, message="it did not happen"):
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.02)
    raise AssertionError(message)
