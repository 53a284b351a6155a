"""The fixtures of the end-to-end tests, and the proxy. MC_FAULTS=all takes every position, every N; without it a sample that fits CI."""
import importlib.util
import json
import os
import pathlib
import sys

import pytest

_E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e" / "conftest.py"
_spec = importlib.util.spec_from_file_location("e2e_conftest", _E2E)
e2e = importlib.util.module_from_spec(_spec)
sys.modules["e2e_conftest"] = e2e
_spec.loader.exec_module(e2e)
fake, program = e2e.fake, e2e.program
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import proxy as proxies  # noqa: E402

ALL = os.environ.get("MC_FAULTS") == "all"
QUICK = "  insert: { batch_size: 4 }\n  confirm: { settle: 1s, poll_interval: 20ms }"


@pytest.fixture
def proxy():
    started = []

    def start(url, choose=None):
        started.append(proxies.Proxy(url, choose))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(params=["1.5", "1.4"])
def pair(request, fake, program, tmp_path):
    """A Memory API with 12 memories and a LightRAG of each dialect."""
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": e2e.memories(12)}))
    source, target = fake("memory-api", "--file", path), fake("lightrag", "--dialect", request.param)
    program.write_config(source.url, target.url, lightrag=QUICK)
    return source, target


def fresh(program, target, number):
    """A new state and an empty server, for the next of many tries."""
    target.control(wipe=True)
    program.state = program.folder / f"state{number}" / "memory-connector.db"


def whole(program, target, count, timeout=120):
    """The run after: nothing lost, nothing doubled, and the one after that sends nothing."""
    run = program.sync("--wait", timeout=timeout)
    assert run["result"] == "success", run
    ledger = target.ledger()
    assert ledger["doubled"] == 0 and ledger["live"] == ledger["processed"] == count, ledger
    again = program.sync("--wait")
    assert (again["sent"], again["unchanged"]) == (0, count), again
    assert target.ledger()["inserts"] == ledger["inserts"]


@pytest.fixture
def figure(record_property):
    """figure("what was counted"): a line of the summary, also when several tests run at once."""
    return lambda words: record_property("figure", words)


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.getreports("passed"):
        for name, words in report.user_properties:
            if name == "figure" and report.when == "call":
                terminalreporter.write_line(f"faults: {words}")
