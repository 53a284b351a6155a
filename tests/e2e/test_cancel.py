"""What a run that was stopped says of itself."""
import http.server
import json
import signal
import threading

import pytest

from conftest import SLOW, memories, wait_until


class HangingSource(http.server.BaseHTTPRequestHandler):
    """Context one is listed at once; two never answers."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        if "/two" in self.path:
            self.server.go_on.wait(60)
            return
        body = json.dumps({"memories": memories(3)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def source():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), HangingSource) as server:
        server.daemon_threads = True
        server.asked, server.go_on = [], threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.go_on.set()
        server.shutdown()


def test_contexts_that_were_not_listed_are_not_covered(program, fake, source):
    target = fake("lightrag")
    program.write_config(f"http://127.0.0.1:{source.server_port}", target.url)
    program.config.write_text(program.config.read_text().replace("context_id: ctx", "context_ids: [one, two]"))
    running = program.start("sync", "--json")
    wait_until(lambda: any("/two" in path for path in source.asked) and target.ledger()["processed"] == 3)
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=60 * SLOW)
    run = json.loads(out)["runs"][0]
    assert (run["result"], run["coverage"]) == ("cancelled", "partial")
    assert target.ledger()["processed"] == 3
