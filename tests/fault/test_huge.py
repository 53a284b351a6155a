"""S7, S13, A13: a source without end, without sense or without measure. Memory is bounded by one element and not by the list."""
import http.server
import json
import os
import subprocess
import threading

import pytest

from conftest import ALL, QUICK, e2e

COUNT = 10_000_000 if ALL else 300_000


class Endless(http.server.ThreadingHTTPServer):
    """Sends what a generator gives, until it ends or the client has had enough."""
    daemon_threads = True

    def __init__(self, generate):
        self.generate = generate
        self.sent = 0
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, address):
        pass  # a client that goes away is what these tests are about


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        for part in self.server.generate():
            self.wfile.write(part)
            self.server.sent += len(part)

    def log_message(self, *words):
        pass


@pytest.fixture
def endless():
    started = []

    def start(generate):
        started.append(Endless(generate))
        return started[-1]

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


def measured(program, *args, timeout=3000):
    """Runs it; the peak of its resident memory in MB, by the system's own account of the child that ended."""
    process = subprocess.Popen(program.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=program.env, cwd=program.folder, text=True, errors="replace")
    killer = threading.Timer(timeout, process.kill)
    killer.start()
    peak = []
    reader = threading.Thread(target=lambda: peak.append(process.stderr.read()), daemon=True)
    reader.start()
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    killer.cancel()
    reader.join(10)
    return process.returncode, out, peak[0] if peak else "", usage.ru_maxrss / 1024


def listing(count, size=100):
    words = "a" * (size - 60)

    def generate():
        yield b'{"memories":['
        for start in range(0, count, 5000):
            rows = ",".join(f'{{"id":"m{n}","transcript":"{words}","type":"note"}}' for n in range(start, min(count, start + 5000)))
            yield (("," if start else "") + rows).encode()
        yield b"]}"

    return generate


def target_of(program, fake, source, memory=""):
    target = fake("lightrag", "--dialect", "1.5", "--lean")
    program.write_config(source.url, target.url, lightrag=QUICK, memory=memory, ingestion=", auto_widen: false")
    return target


def test_list_of_millions(program, fake, endless, figure):
    """10,000 is what a Memory API promises; ten million (make soak) must not cost more memory than a few of them do."""
    source = endless(listing(COUNT))
    target_of(program, fake, source, ", timeout: 3000s")
    code, out, err, peak = measured(program, "sync", "--dry-run", "--json")
    assert code in (0, 3), err
    assert json.loads(out)["runs"][0]["fetched"] == COUNT
    assert peak < 64 * e2e.SLOW, f"{peak:.0f} MB"
    figure(f"a list of {COUNT} memories, {source.sent >> 20} MB: {peak:.0f} MB resident at most")


def test_one_huge_element(program, fake, endless, figure):
    """A transcript of 200 MB between two good memories: too large, named, and streamed past."""
    def generate():
        yield b'{"memories":[{"id":"a","transcript":"one"},{"id":"big","transcript":"'
        for _ in range(200):
            yield b"x" * (1 << 20)
        yield b'"},{"id":"b","transcript":"two"}]}'

    source = endless(generate)
    target = target_of(program, fake, source)
    code, out, err, peak = measured(program, "sync", "--wait", "--json")
    run = json.loads(out)["runs"][0]
    assert code == 3 and run["processed"] == 2 and target.ledger()["live"] == 2, (code, run, err)
    assert [one["class"] for one in program.json("dead-letters", "list")["dead_letters"]] == ["too_large"]
    assert peak < 64 * e2e.SLOW, f"{peak:.0f} MB"
    figure(f"an element of 200 MB: {peak:.0f} MB resident at most")


BOMBS = {
    "nesting without end": lambda: iter([b'{"memories":[{"id":"a","transcript":"one"},{"id":"deep","x":'] + [b"[" * (1 << 20)] * 20),
    "nesting around the list": lambda: iter([b"[" * (1 << 20)] * 20),
    "objects without end": lambda: iter([b'{"memories":[{"id":"a","transcript":"one"},{"id":"deep","x":'] + [b'{"a":' * (1 << 18)] * 20),
    "a key without end": lambda: iter([b'{"'] + [b"k" * (1 << 20)] * 50),
    "blanks without end": lambda: iter([b" " * (1 << 20)] * 50),
    "a number without end": lambda: iter([b'{"memories":[{"id":"a","transcript":"one"},{"id":"n","x":'] + [b"9" * (1 << 20)] * 30),
    "a string without end": lambda: iter([b'{"memories":[{"id":"a","transcript":"one"},{"id":"'] + [b"s" * (1 << 20)] * 50),
    "a million repeated keys": lambda: iter([b'{"memories":[{"id":"a","transcript":"one"},{"id":"k"'] + [b',"k":1' * 100000] * 13 + [b"}]}"]),
    "binary": lambda: iter([bytes(range(256)) * 4096] * 20),
}

HARMLESS = {"a million repeated keys"}  # the first one counts, and it has no words


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(program, fake, endless, name):
    """What would burst a parser ends in one clear error, a gap or a dead letter; what stood whole before it is delivered."""
    target = target_of(program, fake, endless(BOMBS[name]))
    code, out, err, peak = measured(program, "sync", "--wait", "--json", timeout=120)
    assert code in ((0,) if name in HARMLESS else (3, 69)), (code, err)
    assert peak < 100 * e2e.SLOW, f"{peak:.0f} MB"
    live = target.ledger()["live"]
    if b'"transcript":"one"' in next(BOMBS[name]()):
        assert live == 1, out
        assert len(program.json("dead-letters", "list")["dead_letters"]) >= (name not in HARMLESS)
    else:
        assert live == 0 and len(err) < 3000 and "127.0.0.1" in err


def test_more_than_may_be(program, fake, endless):
    """max_response_bytes ends a list that never does."""
    def generate():
        yield b'{"memories":[{"id":"a","transcript":"one"}'
        number = 0
        while True:
            number += 1
            yield b',{"id":"m%d","transcript":"%s"}' % (number % 50, b"x" * 65536)

    source = endless(generate)
    target = target_of(program, fake, source, ", max_response_bytes: 16MiB")
    code, out, err, peak = measured(program, "sync", "--wait", "--json", timeout=120)
    assert code in (3, 69) and peak < 100 * e2e.SLOW and source.sent < 64 << 20, (code, err, peak)
    assert json.loads(out)["runs"][0]["processed"] >= 1 and target.ledger()["doubled"] == 0
