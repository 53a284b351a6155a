"""Help and the errors of a command line, as somebody reads them who sees the program for the first time."""
import json
import os
import pty
import re
import select
import subprocess

import pytest

from conftest import BINARY, SLOW


def commands(program):
    return [command["command"] for command in program.json("help", check=0)["commands"]]


def on_terminal(program, width, *args):
    parent, child = pty.openpty()
    process = subprocess.Popen([BINARY, *args], stdout=child, stderr=child, stdin=child, env={**program.env, "COLUMNS": str(width)}, cwd=program.folder)
    os.close(child)
    out = b""
    while select.select([parent], [], [], 20 * SLOW)[0]:
        try:
            more = os.read(parent, 65536)
        except OSError:
            break
        if not more:
            break
        out += more
    process.wait(20 * SLOW)
    os.close(parent)
    return out.decode().replace("\r\n", "\n")


def test_help_of_every_command(program):
    for name in commands(program):
        shown = program.run(*name.split(), "--help", check=0).stdout
        assert shown == program.run("help", *name.split(), check=0).stdout and shown.startswith(f"memory-connector {name}")
        examples = shown.split("\nExamples:\n")[1].rstrip().split("\n")
        assert len([line for line in examples if not line.startswith("      ")]) >= 2, name
        assert max(map(len, shown.split("\nExamples:\n")[0].splitlines())) < 80, name


@pytest.mark.parametrize("width", [40, 60, 80])
def test_help_is_no_ragged_text(program, width):
    """Lines are filled: what is broken for those who read the source is joined again."""
    for name in ("state repair", "dead-letters import", "serve"):
        shown = on_terminal(program, width, "help", *name.split())
        details = shown.split("\n\n")[1].split("\n")
        assert max(map(len, shown.splitlines())) <= width
        for line, following in zip(details, details[1:]):
            assert len(line) + 1 + len(following.split(" ")[0]) > min(width, 79), (name, line, following)
    options = on_terminal(program, width, "help", "history").split("Options:\n")[1]
    assert re.match(r"  -c, --connector ID +a connector, also" if width == 80 else r"  -c, --connector ID\n        a connector, also", options)


@pytest.mark.parametrize("args, words", [
    (["stat"], 'did you mean "status"?'), (["snyc"], 'did you mean "sync"?'), (["dead-leters", "lst"], 'did you mean "dead-letters list"?'),
    (["dead-letters", "lst"], 'did you mean "dead-letters list"?'), (["config", "chek"], 'wants one of: check, show, schema'), (["help", "state", "chek"], 'did you mean "state check"?'),
    (["odd"], '"memory-connector help" lists them'), (["sync", "--dryrun"], "did you mean --dry-run?"), (["verify", "--odd"], '--odd; "memory-connector help COMMAND"'),
    (["history", "--limit", "0"], "at least 1"), (["history", "--limit"], "--limit needs a value: N"), (["forget", "ctx", "m1"], "Nobody can be asked here: say --yes"),
    (["serve", "--port", "abc"], '--port: "abc" is not a whole number'), (["--config", "list"], "a command is missing behind the options"),
])
def test_wrong_lines_say_what_is_right(program, args, words):
    done = program.run(*args, check=2)
    assert words in done.stderr and not done.stdout and "--id?" not in done.stderr


def test_a_group_is_suggested_as_such(program):
    assert program.run("shedule", check=2).stderr.rstrip().endswith('did you mean "schedule"?')


def test_before_there_is_anything(program):
    """Whatever somebody types first, it leads to init."""
    for args in (["list"], ["status"], ["sync"], ["config", "check"], ["--help"]):
        done = program.run(*args)
        assert "memory-connector init" in done.stdout + done.stderr, args


def test_details_in_json_are_sentences(program):
    document = json.loads(program.run("help", "--json", check=0).stdout)
    assert all("\n" not in (command["details"] or "") for command in document["commands"])
