"""docs/api.md and the OpenAPI document are what the tables say."""
import json
import pathlib
import re
import subprocess

from conftest import BINARY, ROOT

TOOL = pathlib.Path(BINARY).with_name("make_api_reference")


def test_the_reference_is_up_to_date():
    made = subprocess.run([TOOL], capture_output=True, text=True, check=True).stdout
    document = (ROOT / "docs" / "api.md").read_text()
    assert document.split("\n<!-- reference", 1)[1].split("\n", 1)[1] == made, "build/make_api_reference docs/api.md brings it up to date"


def test_every_problem_and_path_stands_in_the_reference():
    document = (ROOT / "docs" / "api.md").read_text()
    source = (ROOT / "src" / "api" / "api_answer.c").read_text()
    slugs = re.findall(r'\[PROBLEM_\w+\] = \{ "([a-z-]+)", (\d+)', source)
    assert len(slugs) >= 20
    for slug, status in slugs:
        assert f"| `{slug}` | {status} |" in document
    assert "/api/v1/connectors/{id}/dead-letters/retry" in document
