"""The fixtures of the end-to-end tests, and a real LightRAG that can be killed."""
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

_E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e" / "conftest.py"
_spec = importlib.util.spec_from_file_location("e2e_conftest", _E2E)
e2e = importlib.util.module_from_spec(_spec)
sys.modules["e2e_conftest"] = e2e
_spec.loader.exec_module(e2e)
fake, program = e2e.fake, e2e.program


class RealLightRAG:
    def __init__(self, version, folder, *args):
        self.version, self.folder, self.args = version, pathlib.Path(folder), args
        self.launcher = None
        self.port = 0
        self.start()

    def start(self):
        self.launcher = subprocess.Popen([sys.executable, str(e2e.ROOT / "examples" / "lightrag" / "run-lightrag"), "--version", self.version, "--port", str(self.port),
                                          "--dir", str(self.folder), *self.args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.launcher.stdout.readline().strip()
        assert self.url, "LightRAG did not start"
        self.port = int(self.url.rsplit(":", 1)[1])

    def kill(self):
        """kill -9 of the server itself, as a crash would."""
        os.kill(json.loads((self.folder / "run.json").read_text())["server_pid"], signal.SIGKILL)
        self.launcher.wait(60)

    def stop(self):
        self.launcher.terminate()
        self.launcher.wait(60)

    def rows(self):
        found, page = [], 1
        while True:
            answer = e2e.http(self.url + "/documents/paginated", {"page": page, "page_size": 200, "sort_field": "created_at", "sort_direction": "asc"}, timeout=60)
            found += answer["documents"]
            if not answer["pagination"]["has_next"]:
                return found
            page += 1


@pytest.fixture
def real(tmp_path):
    if not os.environ.get("MC_REAL_LIGHTRAG"):
        pytest.skip("SKIPPED LOUDLY: MC_REAL_LIGHTRAG is not set; no real LightRAG was used")
    started = []

    def start(version="1.5.7", *args):
        started.append(RealLightRAG(version, tmp_path / f"lightrag{len(started)}", *args))
        return started[-1]

    yield start
    for one in started:
        if one.launcher.poll() is None:
            one.stop()
