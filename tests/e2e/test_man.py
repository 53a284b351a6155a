"""The manual pages as they were built: clean by mandoc's own judgement, and readable."""
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import BINARY

PAGES = ["memory-connector.1", "memory-connector.yaml.5"]


def page(name):
    path = pathlib.Path(BINARY).parent / name
    if not path.exists():
        pytest.skip("the manual pages were not built beside this binary")
    return path


@pytest.mark.parametrize("name", PAGES)
def test_lint(name):
    if shutil.which("mandoc") is None:
        pytest.skip("no mandoc here")
    done = subprocess.run(["mandoc", "-Tlint", str(page(name))], capture_output=True, text=True, timeout=60)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "referenced manual not found" not in line]
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize("name", PAGES)
def test_it_can_be_read(name):
    viewer = next(([tool, *rest] for tool, *rest in (["mandoc", "-Tascii"], ["groff", "-mdoc", "-Tascii", "-P-c"]) if shutil.which(tool)), None)
    if viewer is None:
        pytest.skip("neither mandoc nor groff here")
    done = subprocess.run([*viewer, str(page(name))], capture_output=True, text=True, timeout=60)
    words = " ".join(re.sub(".\b", "", done.stdout).split())
    assert done.returncode == 0 and "SEE" in words and "\\-" not in words and "\\&" not in words, done.stderr
