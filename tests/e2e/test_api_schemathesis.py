"""All operations with whatever the OpenAPI document allows and forbids, by schemathesis, where it is installed (MC_SCHEMATHESIS names it where it is not in PATH).

Two of its checks are left out: positive_data_acceptance, because not everything that a connector must be can be said in a schema (a time that is to come, a
cursor that belongs to this list, names that the configuration has); and ignored_auth, because after five wrong keys an address gets 429 and not 401. 414 is
a refusal, too."""
import json
import os
import shutil
import subprocess

import pytest

from api import FULL, READER, Service
from conftest import SLOW, memories

TOOL = os.environ.get("MC_SCHEMATHESIS") or shutil.which("schemathesis")


@pytest.mark.skipif(not TOOL, reason="schemathesis is not here (pip install schemathesis)")
def test_all_operations(program, fake, tmp_path):
    (tmp_path / "memories.json").write_text(json.dumps({"memories": memories(20) + [17]}))
    program.write_config(fake("memory-api", "--file", tmp_path / "memories.json").url, fake("lightrag").url, connector="    schedule: { type: manual }",
                         text=f"api: {{ api_key: {FULL}, read_only_key: {READER}, rate_limit: {{ enabled: false }} }}")
    (tmp_path / "schemathesis.toml").write_text("[checks]\nnegative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 414, 415, 421, 429, 431]\n")
    service = Service(program).start()
    try:
        service.post("connectors/life/trigger", status=202)
        service.settled()
        done = subprocess.run([TOOL, "run", service.url + "/api/v1/openapi.json", "-H", "X-API-Key: " + FULL, "--exclude-path", "/api/v1/events", "-n", "30",
                               "--phases=coverage,fuzzing,stateful", "--exclude-checks", "positive_data_acceptance,ignored_auth", "--request-timeout", "60", "--seed", "1"],
                              capture_output=True, text=True, timeout=600 * SLOW, cwd=tmp_path, env={**os.environ, "NO_PROXY": "127.0.0.1"})
        (tmp_path / "schemathesis.log").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, done.stdout[-6000:]
    finally:
        assert service.stop() == 0, service.words()
