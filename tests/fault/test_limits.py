"""Limits, clocks and broken outputs: rows P9, P10, P13, P14 of the failure table."""
import glob
import json
import os
import resource
import shutil
import signal
import subprocess

import pytest

from conftest import ALL, QUICK, e2e, fresh, whole

FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") + glob.glob("/usr/lib*/faketime/libfaketimeMT.so.1")), None)


def limited(program, *args, files=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=None, size=None, timeout=120):
    def limit():
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        if size is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(program.command(*args), stdout=stdout, stderr=stderr, text=True, errors="replace", env={**program.env, **(env or {})}, cwd=program.folder,
                          timeout=timeout, preexec_fn=limit)


def test_descriptors_run_out(program, pair, figure):
    """P9: any number of open files. Either it goes on, or it says so and ends; never a signal, never something lost or blamed on a memory. With just enough for one
    connection that is kept the server's health is well and only inserts get no connection of their own: then it ends after some tries."""
    source, target = pair
    ends = {}
    for number, files in enumerate(range(3, 41) if ALL else (3, 5, 7, 8, 10, 12, 16, 24, 40)):
        fresh(program, target, number)
        done = limited(program, "sync", "--wait", "--json", files=files, timeout=60 * e2e.SLOW)
        ends[done.returncode] = ends.get(done.returncode, 0) + 1
        assert done.returncode in (0, 69, 74, 75, 78, 127), f"{files} files: exit {done.returncode}\n{done.stderr}"
        if done.returncode not in (0, 127):  # 127: the dynamic loader has not even begun
            assert "open files" in done.stderr.lower() or "too many" in done.stderr.lower(), f"{files} files: {done.stderr}"
        if program.state.exists():
            assert program.json("dead-letters", "list")["dead_letters"] == []
        whole(program, target, 12)
    figure(f"3 to 40 open files: exit codes {ends}")
    assert done.returncode == 0, "40 files are enough"


@pytest.mark.skipif(shutil.which("strace") is None, reason="SKIPPED LOUDLY: strace is not here: no EMFILE was made")
@pytest.mark.parametrize("call", ["socket", "openat", "eventfd2", "pipe2", "socketpair"])
def test_emfile_at_every_call(program, pair, call):
    """P9: EMFILE at the Nth call that makes a descriptor, and at all from there on (not sockets: a connection that is kept goes on answering then, and the
    run waits for better times)."""
    source, target = pair
    for number in range(1, 60, 1 if ALL else 3):
        fresh(program, target, number)
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error=EMFILE:when={number}{'' if call == 'socket' else '+'}"]
        done = subprocess.run(command + program.command("sync", "--wait", "--json"), capture_output=True, text=True, errors="replace", env=program.env, cwd=program.folder, timeout=120)
        assert done.returncode in (0, 69, 71, 74, 75, 78, 127), f"{call} {number}: exit {done.returncode}\n{done.stderr}"
        assert done.returncode == 0 or done.stderr, f"{call} {number}"
        assert target.ledger()["doubled"] == 0
        whole(program, target, 12)
        if done.returncode == 0 and number > 3:
            break


def test_no_thread(program, pair):
    """P9: no thread may be made: names are then looked up without one, or it is said that it does not work."""
    source, target = pair
    done = subprocess.run(["prlimit", "--nproc=1:1", *program.command("sync", "--wait", "--json")], capture_output=True, text=True, env=program.env, cwd=program.folder, timeout=120)
    assert done.returncode in (0, 69), done.stderr
    whole(program, target, 12)


def test_files_may_not_grow(program, pair):
    """P4: a limit for the size of files (ulimit -f) is an error with its remedy and no end by SIGXFSZ."""
    source, target = pair
    source.control(memories=e2e.memories(200, transcript="What Ana said about the sea. " * 30))
    done = limited(program, "sync", "--wait", size=160 * 1024)
    assert done.returncode == 74 and str(program.state) in done.stderr, (done.returncode, done.stderr)
    whole(program, target, 200)


@pytest.mark.skipif(FAKETIME is None, reason="SKIPPED LOUDLY: libfaketime is not here (package faketime): no clock jumped")
@pytest.mark.parametrize("clock", ["@1970-01-02 00:00:00", "-10y", "+30y", "+0 x20", "@2038-01-19 03:14:05", "@2024-02-29 23:59:58"])
def test_clock_is_elsewhere(program, pair, clock):
    """P10: a clock in 1970, ten years back, in 2038, running at twenty times its speed; and right again afterwards. Waiting and time-outs do not hang on it."""
    source, target = pair
    env = {"LD_PRELOAD": FAKETIME, "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "0" if "x" in clock else "1", "TZ": "UTC"}
    done = program.run("sync", "--wait", "--json", env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    source.control(memories=e2e.memories(15))
    assert program.sync("--wait")["new"] == 3
    whole(program, target, 15)
    assert program.run("history", env=env, check=0).stdout
    assert program.json("status", env=env, check=0)


@pytest.mark.skipif(FAKETIME is None, reason="SKIPPED LOUDLY: libfaketime is not here (package faketime): no clock jumped")
def test_clock_jumps_between_runs(program, pair):
    """P10: what one run left behind in the future is taken up by one in the past, and the other way round."""
    source, target = pair
    target.control(process_delay_ms=3600000)
    for jump in ("+2y", "-2y", "+40d"):
        program.run("sync", "--json", env={"LD_PRELOAD": FAKETIME, "FAKETIME": jump, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}, check=0)
    assert target.ledger()["texts"] == 12
    target.control(restart=True, process_delay_ms=0)
    whole(program, target, 12)


@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
@pytest.mark.parametrize("kind", ["full", "closed pipe", "closed"])
def test_broken_outputs(program, pair, stream, kind):
    """P14, P13: whatever becomes of what we write, the memories are delivered, and the one after sends nothing."""
    source, target = pair
    for level in ("info", "debug"):
        fresh(program, target, level)
        handles = []

        def output(name):
            if stream not in (name, "both"):
                return subprocess.PIPE
            if kind == "full":
                handles.append(os.open("/dev/full", os.O_WRONLY))
                return handles[-1]
            read, write = os.pipe()
            os.close(read)
            handles.append(write)
            return write

        command = program.command("--log-level", level, "sync", "--wait")
        closed = (">&- " if stream != "stderr" else "") + ("2>&- " if stream != "stdout" else "")
        if kind == "closed":
            command = ["sh", "-c", f'exec "$@" {closed}', "sh", *command]
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=program.env, cwd=program.folder, timeout=120)
        else:
            done = subprocess.run(command, stdout=output("stdout"), stderr=output("stderr"), env=program.env, cwd=program.folder, timeout=120)
        for handle in handles:
            os.close(handle)
        assert done.returncode in (0, 74), (level, done.returncode)
        ledger = target.ledger()
        assert (ledger["live"], ledger["processed"], ledger["doubled"]) == (12, 12, 0), (level, ledger)
        whole(program, target, 12)


def test_log_that_blocks(program, pair):
    """P14: nobody reads what we log: a pipe that is full holds nothing up that is in flight for ever; killed then, nothing is lost."""
    source, target = pair
    process = subprocess.Popen(program.command("--log-level", "debug", "sync", "--wait"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=program.env, cwd=program.folder)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    assert target.ledger()["doubled"] == 0
    whole(program, target, 12)


def test_hangup_changes_nothing(program, pair):
    """P13: SIGHUP and SIGPIPE in a run end nothing."""
    source, target = pair
    target.control(latency_ms=200)
    process = program.start("sync", "--wait", "--json")
    e2e.wait_until(lambda: target.ledger()["inserts"] > 0)
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2)[:2]:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (process.returncode, err)
    assert json.loads(out)["runs"][0]["processed"] == 12
