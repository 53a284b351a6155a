"""On a real terminal (a pty): what fits, what is coloured, what cannot do harm."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata

import pytest

from conftest import SLOW, memories

QUICK = "  confirm: { poll_interval: 20ms, settle: 1s }"
WIDTHS = [20, 40, 80, 200]
TONE = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = "evil\x1b[2J\x1b]0;owned\x07 \u202egnp.exe\u202c \u0645\u0631\u062d\u0628\u0627 \u6771\u4eac\u6771\u4eac e\u0301 \U0001f680 \x9b31m"


def on_terminal(program, *args, columns=80, env=None, term="xterm-256color", both=False, timeout=60):
    """stdout (or both streams) on a terminal of so many columns; returns what the terminal got, and the exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in program.env.items() if key not in ("COLUMNS", "NO_COLOR")}
    environment.update(TERM=term, **(env or {}))
    process = subprocess.Popen(program.command(*args), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs if both else subprocess.PIPE, env=environment,
                               cwd=program.folder)
    os.close(theirs)
    got = b""
    end = time.monotonic() + timeout * SLOW
    while time.monotonic() < end:
        ready, _, _ = select.select([ours], [], [], 0.2)
        if not ready:
            continue
        try:
            chunk = os.read(ours, 65536)
        except OSError:
            break
        if not chunk:
            break
        got += chunk
    os.close(ours)
    if not both:
        process.stderr.close()
    return got.decode("utf-8", "strict").replace("\r\n", "\n"), process.wait(timeout * SLOW)


def width(text):
    total = 0
    for character in TONE.sub("", text):
        category = unicodedata.category(character)
        if category in ("Mn", "Me", "Cf"):
            continue
        total += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return total


def expect_fit(shown, columns):
    for line in shown.splitlines():
        words = TONE.sub("", line).split()
        assert width(line) <= columns or len(words) == 1, f"{width(line)} columns: {line!r}"


def expect_harmless(shown):
    for character in TONE.sub("", shown):
        code = ord(character)
        assert character == "\n" or (code >= 0x20 and not 0x7F <= code <= 0x9F and not 0x202A <= code <= 0x202E and not 0x2066 <= code <= 0x2069), repr(shown)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A state with something of everything: proven, dead, malformed by hostile hands, several runs."""
    from conftest import Fake, Program
    program = Program(tmp_path_factory.mktemp("terminal"))
    source, target = Fake("memory-api", "--count", "0"), Fake("lightrag", "--dialect", "1.5")
    listing = memories(5) + [{"id": HOSTILE, "type": "note", "transcript": "FAILS " + HOSTILE}, {"id": "x", "transcript": {"no": HOSTILE}},
                             {"id": "\u6771\u4eac" * 30, "type": "note", "transcript": "A very long wide id."}]
    source.control(memories=listing)
    target.control(error_match="FAILS")
    program.write_config(source.url, target.url, lightrag=QUICK, connector="    retry: { max_attempts: 1 }\n    schedule: { type: cron, cron: \"0 9,17 * * 1-5\", timezone: Europe/Berlin }",
                         text="""
  # and one that is off, with names of other scripts
""")
    program.run("sync", "--wait", timeout=120)
    program.run("sync", "--wait", timeout=120)
    yield program
    source.stop()
    target.stop()


COMMANDS = [("list",), ("status",), ("history",), ("report", "1"), ("dead-letters", "list"), ("dead-letters", "show", "1"), ("dead-letters", "show", "2", "--show-content"),
            ("verify",), ("schedule", "next", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28T00:00:00Z"), ("help",), ("help", "sync"), ("version",),
            ("explain", "m1"), ("explain", HOSTILE), ("resolve", "m1"),
            ("config", "check")]


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_fits(told, command, columns):
    shown, code = on_terminal(told, *command, columns=columns)
    assert code in (0, 4) and shown.strip()
    expect_fit(shown, columns)
    expect_harmless(shown)


def test_hostile_words_are_seen(told):
    shown, _ = on_terminal(told, "dead-letters", "list", columns=200)
    assert "\\x1b[2J" in shown and "\\xe2\\x80\\xae" in shown and "\u6771\u4eac" in shown


def test_colours_mean_something(told):
    shown, _ = on_terminal(told, "status", columns=200)
    assert re.search(r"\x1b\[32m +\d+  in the graph, proven\x1b\[0m", shown) and re.search(r"\x1b\[31m +\d+  dead", shown), shown
    assert re.search(r"\x1b\[33mpartial\x1b\[0m|\x1b\[31mfailed\x1b\[0m|\x1b\[32msuccess\x1b\[0m", on_terminal(told, "history", columns=200)[0])
    assert re.search(r"\x1b\[31m\d+\x1b\[0m", on_terminal(told, "list", columns=200)[0])


@pytest.mark.parametrize("how", [{"env": {"NO_COLOR": "1"}}, {"term": "dumb"}, {"flag": True}])
@pytest.mark.parametrize("command", [("list",), ("status",), ("history",), ("report", "1"), ("verify",)], ids=" ".join)
def test_colours_can_be_off(told, command, how):
    flags = ("--no-color",) if how.get("flag") else ()
    shown, _ = on_terminal(told, *flags, *command, env=how.get("env"), term=how.get("term", "xterm-256color"), both=True)
    assert "\x1b" not in shown and shown.strip()


def test_an_empty_no_color_means_nothing(told):
    assert "\x1b[" in on_terminal(told, "status", env={"NO_COLOR": ""})[0]


def test_a_pipe_gets_no_colour_and_no_breaks(told):
    for command in COMMANDS:
        done = told.run(*command, env={"TERM": "xterm-256color"})
        assert "\x1b" not in done.stdout
    wide = told.run("dead-letters", "list").stdout
    assert max(width(line) for line in wide.splitlines()) > 200


def test_json_is_json_on_a_terminal(told):
    for command in (("list",), ("status",), ("dead-letters", "list"), ("verify",)):
        shown, _ = on_terminal(told, *command, "--json", columns=20)
        assert json.loads(shown)["schema"].startswith("memory-connector/")


def test_columns_can_be_told(told):
    shown, _ = on_terminal(told, "status", columns=200, env={"COLUMNS": "40"})
    expect_fit(shown, 40)


def test_texts_of_transform_are_not_broken(told, tmp_path):
    words = "word " * 100
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"id": "m", "transcript": words + "\u202e\n\tend"}))
    shown, code = on_terminal(told, "transform", str(path), columns=40)
    assert code == 0 and words.strip() in shown and "\\xe2\\x80\\xae" in shown and "\tend" in shown
    expect_harmless(shown.replace("\t", ""))


def drawn_lines(shown):
    return [part.strip() for part in re.split(r"[\r\n]", shown) if part.strip()]


@pytest.fixture
def slow(program, fake):
    source = fake("memory-api", "--count", "0")
    target = fake("lightrag", "--dialect", "1.5", "--process-delay-ms", "600")
    source.control(memories=memories(5))
    program.write_config(source.url, target.url, lightrag=QUICK)
    return program, target


@pytest.mark.parametrize("columns", WIDTHS)
def test_progress_fits_and_goes_away(slow, columns):
    program, _ = slow
    shown, code = on_terminal(program, "sync", "--wait", columns=columns, both=True, timeout=120)
    assert code == 0
    expect_harmless(shown.replace("\r", ""))
    for part in drawn_lines(shown):
        assert width(part) <= columns or " " not in part, part
    if columns >= 80:
        assert "LightRAG is processing 0/5" in shown
    last = shown.rsplit("\r", 1)[-1]
    assert last.startswith("life: 5 fetched") and "processing" not in last and "\x1b[32msuccess\x1b[0m" in last


@pytest.mark.parametrize("flags, env, term", [(("--quiet",), {}, "xterm"), ((), {}, "dumb")])
def test_no_progress_where_it_is_not_wanted(slow, flags, env, term):
    shown, code = on_terminal(slow[0], *flags, "sync", "--wait", both=True, env=env, term=term, timeout=120)
    assert code == 0 and "processing " not in shown


def test_without_colours_there_is_progress_without_escapes(slow):
    shown, code = on_terminal(slow[0], "sync", "--wait", both=True, env={"NO_COLOR": "1"}, columns=80, timeout=120)
    assert code == 0 and "LightRAG is processing" in shown and "\x1b" not in shown
