"""The disk under the state says no: rows P1, P4, P5 of the failure table. strace makes a system call on the state's files fail with ENOSPC or EIO, the Nth one
or all from there on, or kills the program when it enters it. The message names the file and what to do, and the run after finishes the job."""
import os
import shutil
import subprocess

import pytest

from conftest import ALL, e2e, fresh, whole

traced = pytest.mark.skipif(shutil.which("strace") is None, reason="SKIPPED LOUDLY: strace is not here: no system call was made to fail")
ENDINGS = ["", "-wal", "-shm", "-journal", ".lock", ".new", ".new-wal", ".new-shm", ".new-journal"]
# how many of them a sync of twelve memories makes; in steps, unless everything is wanted
STEPS = {"pwrite64": 19, "fdatasync": 3, "fsync": 1, "ftruncate": 1, "rename": 1, "openat": 2, "unlink": 3, "mkdir": 1}


def strace(program, call, what, number):
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{what}:when={number}"]
    for ending in ENDINGS:
        command += ["-P", str(program.state) + ending]
    command += ["-P", str(program.state.parent)]
    return subprocess.run(command + program.command("sync", "--wait", "--json"), capture_output=True, text=True, errors="replace", env=program.env, cwd=program.folder,
                          timeout=120)


def numbers(call):
    return range(1, 2000, 1 if ALL else STEPS[call])


@traced
@pytest.mark.parametrize("call,error", [(call, error) for call in STEPS for error in ("ENOSPC", "EIO") if (call, error) != ("unlink", "ENOSPC")])
@pytest.mark.parametrize("pair", ["1.5"] if not ALL else ["1.5", "1.4"], indirect=True)
def test_the_disk_says_no(program, pair, call, error, figure):
    source, target = pair
    failed = coped = in_a_row = 0
    for number in numbers(call):
        fresh(program, target, number)
        once = strace(program, call, f"error={error}", f"{number}+" if number % 2 else str(number))
        assert once.returncode in (0, 74), f"{call} {number}: exit {once.returncode}\n{once.stderr}"
        assert target.ledger()["doubled"] == 0
        if once.returncode == 0:
            coped += 1
            in_a_row += 1
        else:
            failed += 1
            in_a_row = 0
            assert str(program.state.parent) in once.stderr, f"{call} {number}: names no file\n{once.stderr}"
            # "cannot be written": SQLite opens a file for reading when it gets it no other way, and only then finds that it is not enough
            words = ("full", "No space", "space is left", *(["cannot be written"] if call == "openat" else [])) if error == "ENOSPC" else ("disk", "Input/output", "opened", "file system", "sync")
            assert any(word in once.stderr for word in words), f"{call} {number}: {once.stderr}"
            assert "Traceback" not in once.stderr and len(once.stderr) < 3000
        whole(program, target, 12)
        # behind the last call of its kind nothing fails any more, and the run is as without strace
        if in_a_row > 3 or number > 400:
            break
    figure(f"{call} of the state fails with {error}: {failed} ended with 74, {coped} were survived; the run after was whole each time")
    assert failed + coped > 0


@traced
@pytest.mark.parametrize("call", ["rename", "openat", "ftruncate", "unlink", "mkdir", "fsync"])
def test_killed_at_the_other_steps(program, pair, call, figure):
    """P1 for the calls that tests/crash does not take: those that make, name and cut the files."""
    source, target = pair
    kills = 0
    for number in range(1, 200):
        fresh(program, target, number)
        done = strace(program, call, "signal=KILL", number)
        if done.returncode == 0:
            break
        kills += 1
        whole(program, target, 12)
    figure(f"kill -9 at {call}: {kills}")
    assert done.returncode == 0 and kills >= 1


@pytest.mark.parametrize("size", ["64k", "200k", "400k"])
def test_small_disk(program, pair, tmp_path, size):
    """P4: a tmpfs that fills up, at the start or in the middle. No request without a durable intent; with room again it goes on."""
    source, target = pair
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True).returncode != 0:
        pytest.skip("SKIPPED LOUDLY: no tmpfs may be mounted here: no disk was full")
    try:
        program.state = path / "state" / "memory-connector.db"
        source.control(memories=e2e.memories(300, transcript="What Ana said about the sea and the lighthouse. " * 20))
        done = program.run("sync", "--wait", "--json", check=74)
        assert str(program.state) in done.stderr and "free space" in done.stderr, done.stderr
        assert target.ledger()["doubled"] == 0
        again = program.run("sync", "--wait", "--json", check=74)
        assert "free space" in again.stderr, again.stderr
        status = program.run("status")
        assert status.returncode in (0, 74), status.stderr
        subprocess.run(["mount", "-o", "remount,size=64m", path], check=True)
        whole(program, target, 300)
    finally:
        subprocess.run(["umount", "-l", path], check=False)


def test_read_only_folder(program, pair, tmp_path):
    """A state on a disk that is mounted read-only, with and without a state there."""
    source, target = pair
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", path], capture_output=True).returncode != 0:
        pytest.skip("SKIPPED LOUDLY: no tmpfs may be mounted here: no disk was read-only")
    try:
        program.state = path / "state" / "memory-connector.db"
        subprocess.run(["mount", "-o", "remount,ro", path], check=True)
        done = program.run("sync", check=74)
        assert str(path) in done.stderr and "ead-only" in done.stderr and target.ledger()["inserts"] == 0, done.stderr
        subprocess.run(["mount", "-o", "remount,rw", path], check=True)
        program.sync("--wait")
        before = target.ledger()["inserts"]
        source.control(memories=e2e.memories(20))
        subprocess.run(["mount", "-o", "remount,ro", path], check=True)
        done = program.run("sync", check=74)
        assert str(path) in done.stderr and "ead-only" in done.stderr and target.ledger()["inserts"] == before, done.stderr
        subprocess.run(["mount", "-o", "remount,rw", path], check=True)
        whole_with(program, target)
    finally:
        subprocess.run(["umount", "-l", path], check=False)


def whole_with(program, target):
    assert program.sync("--wait")["new"] == 8
    whole(program, target, 20)


FOLDER = [f"{kind}-00000{generation}.jsonl{ending}" for kind in ("snapshot", "journal") for generation in (1, 2, 3) for ending in ("", ".new", ".torn")]


@traced
@pytest.mark.parametrize("call,step,error", [("write", 3, "ENOSPC"), ("write", 5, "EIO"), ("fsync", 2, "EIO"), ("fsync", 3, "ENOSPC"), ("rename", 1, "EIO"), ("rename", 1, "ENOSPC"),
                                             ("openat", 2, "ENOSPC"), ("openat", 2, "EIO"), ("unlink", 1, "EIO")])
def test_the_disk_says_no_to_a_folder(program, fake, call, step, error, figure):
    """The same for state.backend json, with enough in it that a new generation begins at the end: a full disk then leaves the old one as it is."""
    if "MC_STATE_BACKEND" in os.environ:
        pytest.skip("the backend is given from outside")
    source, target = fake("memory-api", "--count", "30", "--size", "12000"), fake("lightrag")
    program.write_config(source.url, target.url, lightrag="  insert: { batch_size: 4 }\n  confirm: { settle: 1s, poll_interval: 20ms }")
    program.env["MEMORY_CONNECTOR_STATE__BACKEND"] = "json"
    failed = coped = in_a_row = 0
    for number in range(1, 2000, 1 if ALL else step):
        fresh(program, target, number)
        files = [word for name in [*FOLDER, ""] for word in ("-P", str(program.state / name).rstrip("/"))]
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}{'+' if number % 2 else ''}", *files]
        once = subprocess.run(command + program.command("sync", "--wait", "--json"), capture_output=True, text=True, errors="replace", env=program.env, cwd=program.folder, timeout=120)
        assert once.returncode in (0, 74), f"{call} {number}: exit {once.returncode}\n{once.stderr}"
        assert target.ledger()["doubled"] == 0
        failed += once.returncode != 0
        coped += once.returncode == 0
        in_a_row = 0 if once.returncode else in_a_row + 1
        if once.returncode:
            assert str(program.state) in once.stderr and len(once.stderr) < 3000, f"{call} {number}: names no file\n{once.stderr}"
        if once.returncode == 0:
            program.run("state", "check", check=0)
        whole(program, target, 30)
        program.run("state", "check", check=0)
        if in_a_row > 6:
            break
    figure(f"json: {call} of the state fails with {error}: {failed} ended with 74, {coped} were survived; the run after was whole each time")
    assert failed + coped > 0
