"""GET /metrics, read by a strict parser of the text exposition format (0.0.4) of our own."""
import re

import pytest

from api import FULL, READER
from conftest import ROOT, memories, wait_until
from test_events import KEYS, MANUAL, Stream, serving  # noqa: F401 (a fixture)

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
VALUE = re.compile(r"[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|Inf|NaN)")


def parse(text):
    """{name: {"type", "help", "series": {((label, value), ...): number}}}; anything that the format does not allow is an error."""
    assert text.endswith("\n") and "\r" not in text
    found, current = {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, help_ = line[7:].split(" ", 1)
            assert NAME.fullmatch(name) and name not in found and help_, line
            current = found[name] = {"help": help_, "type": None, "series": {}, "name": name}
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert current and current["name"] == name and current["type"] is None and not current["series"] and kind in ("counter", "gauge"), line
            current["type"] = kind
        else:
            assert line and not line.startswith("#"), line
            name = NAME.match(line)[0]
            assert current and name == current["name"] and current["type"], f"{line}: not in the group of its name"
            at, labels = len(name), []
            if line[at] == "{":
                at += 1
                while line[at] != "}":
                    label = LABEL.match(line, at)[0]
                    at += len(label)
                    assert line[at:at + 2] == '="', line
                    at += 2
                    value = ""
                    while line[at] != '"':
                        if line[at] == "\\":
                            at += 1
                            assert line[at] in '\\"n', line
                            value += "\n" if line[at] == "n" else line[at]
                        else:
                            value += line[at]
                        at += 1
                    at += 1
                    labels.append((label, value))
                    if line[at] == ",":
                        at += 1
                        assert line[at] != "}", line
                at += 1
            assert line[at] == " ", line
            assert VALUE.fullmatch(line[at + 1:]), line
            assert len({label for label, _ in labels}) == len(labels) and tuple(labels) not in current["series"], f"{line}: twice"
            current["series"][tuple(labels)] = float(line[at + 1:])
    for name, one in found.items():
        assert one["type"] and one["series"], f"{name} is empty"
        assert name.startswith("memory_connector_") and (name.endswith("_total") == (one["type"] == "counter")), name
        assert all(value >= 0 for value in one["series"].values()), name
    return found


def scrape(service, path="/metrics", key=FULL):
    answer = service.ask("GET", path, key=key)
    assert answer.status == 200 and answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8", answer.raw
    return parse(answer.raw.decode())


def value(found, name, **labels):
    return found["memory_connector_" + name]["series"][tuple(labels.items())]


def test_series_are_there_from_the_start_and_count(serving, program):
    service = serving(connector=MANUAL + '  - { id: other, context_id: second, enabled: false }\n')
    first = scrape(service)
    assert {label for one in first.values() for labels in one["series"] for label, _ in labels} <= {"connector", "target", "outcome", "class", "version"}
    assert value(first, "connectors") == 2 and value(first, "runs_total", connector="other", outcome="failed") == 0
    assert value(first, "dead_letters", connector="life", **{"class": "processing_failed"}) == 0 and value(first, "enabled", connector="other") == 0
    program.source.control(memories=memories(5) + [{"transcript": "without an id"}])
    stream = Stream(service)
    service.post("connectors/life/trigger", status=202)
    service.settled()
    found = scrape(service, key=READER)
    assert value(found, "runs_total", connector="life", outcome="partial") == 1
    assert value(found, "run_counts_total", connector="life", outcome="new") == 5 and value(found, "run_counts_total", connector="life", outcome="malformed") == 1
    assert value(found, "memories", connector="life", outcome="done") == 5 and value(found, "dead_letters", connector="life", **{"class": "malformed"}) == 1
    assert value(found, "oldest_unsettled_seconds", connector="life") == 0 and value(found, "last_success_timestamp_seconds", connector="life") > 1.7e9
    assert value(found, "event_streams") == 1
    wait_until(lambda: value(scrape(service), "target_up", target="default") == 1)
    assert {n: set(one["series"]) for n, one in found.items()} == {n: set(one["series"]) for n, one in first.items()}  # none came, none went
    for name, one in first.items():
        for labels, before in one["series"].items():
            assert one["type"] == "gauge" or found[name]["series"][labels] >= before, name
    stream.close()


def test_the_oldest_unsettled_memory_grows_old(serving, program):
    program.target.stop()
    service = serving()
    service.post("connectors/life/trigger", status=202)
    wait_until(lambda: value(scrape(service), "unsettled_memories", connector="life") == 6)
    wait_until(lambda: value(scrape(service), "oldest_unsettled_seconds", connector="life") > 0.2)
    wait_until(lambda: value(scrape(service), "target_up", target="default") == 0)


def test_who_may_read_them_and_where(serving):
    service = serving(text=KEYS + "monitoring: { prometheus: { path: /own/metrics } }\n")
    assert scrape(service, "/own/metrics") and service.ask("GET", "/metrics").status == 404 and service.ask("GET", "/own/metrics", key=None).status == 401


def test_switched_off(serving):
    assert serving(text=KEYS + "monitoring: { prometheus: { enabled: false } }\n").ask("GET", "/metrics").slug() == "not-found"


def test_the_list_in_the_docs_is_what_there_is(serving):
    found = scrape(serving())
    rows = [tuple(cell.strip() for cell in line.strip("|\n").split("|")) for line in open(ROOT / "docs" / "metrics.md") if line.startswith("| `memory")]
    labels = {name: sorted({label for series in one["series"] for label, _ in series}) for name, one in found.items()}
    assert rows == [(f"`{name}`", one["type"], ", ".join(labels[name]), one["help"]) for name, one in found.items()]


@pytest.mark.parametrize("text", ["a 1", "# HELP a b\na 1\n", "# HELP a b\n# TYPE a gauge\nb 1\n", '# HELP a b\n# TYPE a gauge\na{x="\\q"} 1\n',
                                  "# HELP a b\n# TYPE a gauge\na  1\n", "# HELP a b\n# TYPE a gauge\na 1\na 1\n"])
def test_the_parser_is_strict(text):
    with pytest.raises((AssertionError, TypeError, IndexError)):
        parse(text)
