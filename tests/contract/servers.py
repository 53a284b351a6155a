"""The servers a scenario runs against: a real LightRAG with a stub for its model, our fake of it, or one at a URL that somebody else runs."""
import http.client
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAKES = os.environ.get("MC_FAKES", str(ROOT / "build" / "tests" / "mc-fakes"))
SLOW = float(os.environ.get("MC_SLOW", "1"))
START_SECONDS = 180
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def request(url, method="GET", body=None, headers=None, timeout=60):
    """(status, headers, text); a refusal is an answer too."""
    asked = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": "application/json", **(headers or {})})
    try:
        with _opener.open(asked, timeout=timeout * SLOW) as reply:
            return reply.status, dict(reply.headers), reply.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, dict(refusal.headers), refusal.read().decode("utf-8", "replace")


def closes_after(url, method, body, headers, patience=1):
    """Does the server close the connection after its answer, without having said so?"""
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60 * SLOW)
    try:
        connection.request(method, place.path, body, {"Content-Type": "application/json", **(headers or {})})
        connection.getresponse().read()
        if connection.sock is None:
            return False  # it said so
        connection.sock.settimeout(patience * SLOW)
        return connection.sock.recv(1) == b""
    except TimeoutError:
        return False
    finally:
        connection.close()


class DidNotStart(RuntimeError):
    pass


class Started:
    """A process that prints its URL once it answers."""

    def launch(self, command):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS * SLOW)
        url = self.process.stdout.readline().strip() if ready else ""
        if not url:
            self.stop()
            self.log.seek(0)
            raise DidNotStart(f"{self} did not start: {self.log.read()[-2000:]}")
        return url

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30 * SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()


class Real(Started):
    can_crash = True
    is_fake = False

    def __init__(self, version, start):
        self.version, self.start = version, start
        self.folder = tempfile.mkdtemp(prefix="lightrag-contract-")
        self.url = self.launch(self.command(0, start))

    def __str__(self):
        return f"real:{self.version}"

    def command(self, port, start):
        command = [sys.executable, ROOT / "examples" / "lightrag" / "run-lightrag", "--version", self.version, "--port", port, "--dir", self.folder]
        for option in ("api_key", "workspace", "fail_match"):
            if start.get(option):
                command += ["--" + option.replace("_", "-"), start[option]]
        if start.get("slow"):
            command += ["--latency-ms", 800]
        return command + ["--fail-status", 400]

    def crash(self):
        """kill -9 of the server, then a start with the same storage and without the delay."""
        os.kill(json.loads(pathlib.Path(self.folder, "run.json").read_text())["server_pid"], signal.SIGKILL)
        self.process.wait(60 * SLOW)
        self.url = self.launch(self.command(self.url.rsplit(":", 1)[1], {**self.start, "slow": False}))

    def set_model(self, **settings):
        stub = json.loads(pathlib.Path(self.folder, "run.json").read_text())["stub_url"]
        request(stub + "/control", "POST", json.dumps(settings).encode())

    def heal(self):
        """The model refuses nothing any more."""
        self.set_model(fail_match="", fail_every=0)

    def sicken(self):
        """The model refuses everything."""
        self.set_model(fail_every=1)

    def slow(self):
        """The model takes its time: a job is still under way when it is looked at."""
        self.set_model(latency_ms=1000)

    def quick(self):
        self.set_model(latency_ms=0)

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Fake(Started):
    can_crash = True
    is_fake = True

    def __init__(self, dialect, start):
        command = [FAKES, "lightrag", "--dialect", dialect, "--port", 0, "--process-delay-ms", 3000 if start.get("slow") else 10,
                   "--store-delay-ms", 100]
        for option in ("api_key", "workspace", "fail_match"):
            if start.get(option):
                command += ["--" + option.replace("_", "-"), start[option]]
        self.dialect = dialect
        self.url = self.launch(command)

    def __str__(self):
        return f"fake:{self.dialect}"

    def control(self, **knobs):
        request(self.url + "/_fake/control", "POST", json.dumps(knobs).encode())

    def crash(self):
        self.control(restart=True, process_delay_ms=0, delete_delay_ms=0)

    def heal(self):
        self.control(fail_match="", delete_fail_match="")

    def sicken(self):
        self.control(delete_fail_match="memory")

    def slow(self):
        self.control(process_delay_ms=3000, delete_delay_ms=3000)

    def quick(self):
        self.control(process_delay_ms=10, delete_delay_ms=0)


class Foreign:
    """Somebody else's server: its documents stay there, it is never killed, and scenarios that need special settings pass it by."""
    can_crash = False
    is_fake = False

    def __init__(self, url, start):
        self.url = url.rstrip("/")

    def __str__(self):
        return self.url

    def stop(self):
        pass


def open_target(name, start):
    if name.startswith("real:"):
        return Real(name[5:], start)
    if name.startswith("fake:"):
        return Fake(name[5:], start)
    return Foreign(name, start)
