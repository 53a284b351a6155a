"""Completion scripts, asked by real shells."""
import re
import shutil
import subprocess

import pytest

from conftest import BINARY

ASK = """source "$1"
words=($2)
[[ $2 == *" " ]] && words+=("")
COMP_WORDS=("${words[@]}"); COMP_CWORD=$((${#words[@]} - 1)); COMPREPLY=()
_memory_connector
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def ask(program, tmp_path):
    script = tmp_path / "completion.bash"
    script.write_text(program.run("completion", "bash", check=0).stdout)
    subprocess.run(["bash", "-n", script], check=True)
    program.write_config("http://127.0.0.1:9", "http://127.0.0.1:9", text="""  # a second one
""")

    def ask(line):
        line = f"{BINARY} --config {program.config} {line}"
        done = subprocess.run(["bash", "-c", ASK, "ask", script, line], capture_output=True, text=True, check=True, env=program.env, cwd=program.folder)
        assert done.stderr == ""
        return done.stdout.split()
    return ask


def test_what_bash_offers(ask):
    assert {"sync", "serve", "dead-letters", "state", "config", "init"} <= set(ask(" ").__iter__()) and "dead-letters list" not in ask(" ")
    assert ask("sy") == ["sync"]
    assert set(ask("dead-letters ")) >= {"list", "show", "retry", "discard"} and ask("state mig") == ["migrate"]
    assert ask("sync ") == ["life"] and ask("sync --connector li") == ["life"] and ask("status -c ") == ["life"]
    assert ask("sync --wa") == ["--wait"] and "--wait" not in ask("status --")
    assert ask("--log-level d") == ["debug"] and ask("sync --range ") == ["day", "week", "month", "all"]
    assert "poison" in ask("dead-letters retry --class ") and ask("completion f") == ["fish"]
    assert ask("--log-level debug sync --limit 5 --w") == ["--wait"]  # values are no commands
    assert ask("init config.y") == ["config.yaml"] and "state" in ask("help ")
    assert "--api-key" not in ask("sync --") and "--json" in ask("version --")


def test_nothing_is_said_while_somebody_types(ask, program):
    program.config.write_text("connectors: [")
    assert ask("sync ") == []
    program.config.unlink()
    assert ask("sync ") == []


def test_everything_of_the_tables_is_there(program):
    help_text = program.run("help", check=0).stdout
    commands = re.findall(r"^  ([a-z][a-z-]*(?: [a-z]+)?)  ", help_text, re.M)
    options = set(re.findall(r"--([a-z-]+)", help_text))
    for command in commands:
        options |= set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", program.run("help", *command.split(), check=0).stdout, re.M))
    assert len(commands) > 30 and len(options) > 40
    for shell in ("bash", "zsh", "fish"):
        script = program.run("completion", shell, check=0).stdout
        for command in commands:
            for word in command.split():
                assert re.search(rf"(?<![\w-]){word}(?![\w-])", script), (shell, command)
        for option in options:
            assert f"--{option}" in script or f"-l {option} " in script, (shell, option)
    assert "none of bash, zsh, fish" in program.run("completion", "tcsh", check=2).stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_theirs(program, tmp_path, shell):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    script = tmp_path / "script"
    script.write_text(program.run("completion", shell, check=0).stdout)
    subprocess.run([shell, "-n", script], check=True)
    if shell == "fish":
        program.write_config("http://127.0.0.1:9", "http://127.0.0.1:9")
        ask = f"source {script}; set PATH {BINARY.rsplit('/', 1)[0]} $PATH; complete -C 'memory-connector %s'"

        def offered(line):
            done = subprocess.run([shell, "-c", ask % line], capture_output=True, text=True, cwd=program.folder, env={**program.env, "HOME": str(tmp_path)})
            return [row.split("\t")[0] for row in done.stdout.splitlines()]
        assert offered("sy") == ["sync"] and {"list", "retry"} <= set(offered("dead-letters ")) and offered("sync li") == ["life"]
        assert "--wait" in offered("sync --w")
