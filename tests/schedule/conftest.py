"""The two programs that answer questions line by line: ours, and robfig/cron's."""
import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TOOL = os.environ.get("MC_SCHEDULE_TOOL", str(HERE.parents[1] / "build" / "tests" / "schedule" / "schedule-tool"))


def ask(questions, zones=None):
    """zones: the folder that our program reads instead of the system's."""
    questions = list(questions)
    environment = {**os.environ, "TZDIR": str(zones)} if zones else None
    done = subprocess.run([TOOL], input="\n".join(questions) + "\n", capture_output=True, text=True, timeout=300, check=True, env=environment)
    answers = done.stdout.split("\n")[:-1]
    assert len(answers) == len(questions), done.stderr
    return answers


@pytest.fixture(scope="session")
def robfig(tmp_path_factory):
    """The Go program, built in a folder of its own; where Go or the module cannot be had, these tests are left out, and say so."""
    if shutil.which("go") is None:
        pytest.skip("SKIPPED: no Go on this machine, so nothing was compared with robfig/cron")
    folder = tmp_path_factory.mktemp("robfig")
    for name in ("main.go", "go.mod", "go.sum"):
        shutil.copy(HERE / "robfig" / name, folder)
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    done = subprocess.run(["go", "build", "-o", "robfig", "."], cwd=folder, capture_output=True, text=True, timeout=300, env=environment)
    if done.returncode != 0:
        pytest.skip("SKIPPED: robfig/cron could not be built, so nothing was compared with it: " + done.stderr.strip()[-300:])

    def ask_robfig(questions):
        questions, answers = list(questions), []
        while len(answers) < len(questions):
            done = subprocess.run([str(folder / "robfig")], input="\n".join(questions[len(answers):]) + "\n", capture_output=True, text=True, timeout=300, check=True)
            answers += done.stdout.split("\n")[:-1]
            assert len(answers) == len(questions) or answers[-1] == "hangs", done.stderr
        return answers

    return ask_robfig
