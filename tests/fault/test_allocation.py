"""P3: an allocation that fails, every one in turn, once or from there on. The program says so and ends with 71, or what failed was somebody else's and the
program copes; never by a signal, never with something acknowledged that is not so, and never with a memory blamed for it: the run after is whole."""
import collections
import os
import pathlib
import subprocess

import pytest

from conftest import ALL, e2e, fresh, whole

SHIM = os.environ.get("MC_FAILING_MALLOC", str(pathlib.Path(e2e.BINARY).parent / "tests" / "fault" / "failing-malloc.so"))
pytestmark = pytest.mark.skipif(not pathlib.Path(SHIM).exists(), reason="SKIPPED LOUDLY: no failing-malloc.so was built (it needs glibc): no allocation was made to fail")


def run(program, knob, *args):
    env = {**program.env, **knob, "LD_PRELOAD": SHIM}
    return subprocess.run(program.command(*args), capture_output=True, text=True, errors="replace", env=env, cwd=program.folder, timeout=120)


def places(program, *args):
    """Which of the allocations of this command to try: all of the long form, else some early ones and some anywhere."""
    count = program.folder / "count"
    done = run(program, {"MC_FAIL_COUNT": str(count)}, *args)
    assert done.returncode == 0, done.stderr
    total = int(count.read_text())
    assert total > 100
    step = max(1, total // (1000 if ALL else 60))
    return range(1, total + 1, step), total


@pytest.mark.parametrize("knob", ["MC_FAIL_AT", "MC_FAIL_FROM"])
def test_allocation_fails_in_a_sync(program, pair, knob, figure):
    source, target = pair
    numbers, total = places(program, "sync", "--wait", "--json")
    ends = collections.Counter()
    for number in numbers:
        fresh(program, target, number)
        done = run(program, {knob: str(number)}, "sync", "--wait", "--json")
        ends[done.returncode] += 1
        assert done.returncode >= 0, f"{knob}={number}: ended by signal {-done.returncode}\n{done.stderr}"
        if done.returncode == 71:
            assert "out of memory" in done.stderr, (number, done.stderr)
        assert target.ledger()["doubled"] == 0
        letters = program.json("dead-letters", "list")["dead_letters"] if program.state.exists() else []
        assert [one for one in letters if one["class"] != "source_gap"] == [], (number, letters)
        whole(program, target, 12)
    figure(f"{knob} at {len(numbers)} of {total} allocations of a sync: exit codes {dict(ends)}")
    assert ends[71] > 0


def test_allocation_fails_in_an_import(program, pair, tmp_path):
    """Memory that is out is not a bad line: everything goes in, or nothing."""
    source, target = pair
    program.sync("--wait")
    exported = tmp_path / "export.jsonl"
    program.run("state", "export", exported, check=0)
    program.state = tmp_path / "counted" / "state"
    numbers, _ = places(program, "state", "import", str(exported))
    for number in numbers:
        program.state = tmp_path / str(number) / "state"
        done = run(program, {"MC_FAIL_AT": str(number)}, "state", "import", str(exported))
        assert done.returncode >= 0, f"{number}: ended by signal {-done.returncode}"
        assert done.returncode != 3, f"{number}: {done.stderr}"
        if done.returncode == 0:
            assert program.json("status")["connectors"][0]["memories"]["done"] == 12
        else:
            assert done.stderr and not program.state.exists(), (number, done.stderr)
    whole(program, target, 12)


@pytest.mark.parametrize("command", [["status"], ["list"], ["history"], ["config", "check"], ["dead-letters", "list"], ["verify"]])
def test_allocation_fails_in_a_command(program, pair, command):
    source, target = pair
    program.sync("--wait")
    numbers, _ = places(program, *command)
    for number in numbers:
        done = run(program, {"MC_FAIL_AT": str(number)}, *command)
        assert done.returncode >= 0, f"{number}: ended by signal {-done.returncode}"
        assert done.returncode == 0 or done.stderr, number
    whole(program, target, 12)
