"""What a memory becomes: strategies of the configuration, and what a change of them does to what is there already (nothing)."""
import json

import pytest

from conftest import http, memories

QUICK = "  confirm: { poll_interval: 20ms, settle: 1s }"


@pytest.fixture
def pair(program, fake):
    source = fake("memory-api", "--count", "0")
    target = fake("lightrag", "--dialect", "1.5")
    source.control(memories=memories(3))

    def configure(transformation, **more):
        program.write_config(source.url, target.url, lightrag=QUICK, connector=f"    transformation: {transformation}", **more)

    return source, target, configure


def summaries(target):
    listing = http(target.url + "/documents/paginated", {"page": 1, "page_size": 200})
    return {row["file_path"].split("~")[-1]: row["content_summary"].split("\n", 1)[-1] for row in listing["documents"]}


def test_each_strategy_reaches_the_server(program, pair):
    source, target, configure = pair
    configure('{ strategy: template, template: "{{type_words}} {{id}} of {{context}}, {{weekday}} {{part_of_day}}: {{transcript}}" }')
    program.sync("--wait")
    assert summaries(target)["m1"] == "text note m1 of ctx, Thursday afternoon: Memory number 1 about Ana."


def test_another_strategy_sends_nothing_again(program, pair):
    """A revision is of the facts, not of the text: what is there stays, and what is new or changed gets the new text."""
    source, target, configure = pair
    configure("{ strategy: standard }")
    program.sync("--wait")
    before = target.ledger()
    old = summaries(target)
    assert old["m1"].startswith("---\nMemory Record\nID: m1\n")
    for transformation in ("{ strategy: rich }", '{ strategy: template, template: "{{id}}" }', '{ strategy: template, template: "{{type}}" }',
                           "{ strategy: standard, extract_tags: false }", "{ strategy: rich }"):
        configure(transformation)
        run = program.sync("--wait")
        assert (run["unchanged"], run["changed"], run["sent"], run["replaced"]) == (3, 0, 0, 0), transformation
        assert program.run("verify").returncode == 0
    assert target.ledger()["texts"] == before["texts"] and summaries(target) == old
    changed = memories(4)
    changed[0]["transcript"] = "Rewritten."
    source.control(memories=changed)
    run = program.sync("--wait")
    assert (run["unchanged"], run["changed"], run["new"], run["sent"], run["replaced"]) == (2, 1, 1, 2, 1)
    new = summaries(target)
    assert new["m0"].startswith("Memory m0 is a text note. It was recorded on Thursday, ") and new["m0"].endswith("Rewritten.")
    assert new["m3"].startswith("Memory m3 is a text note.") and (new["m1"], new["m2"]) == (old["m1"], old["m2"])


def test_a_queued_text_stays_as_it_is(program, pair):
    source, target, configure = pair
    configure("{ strategy: standard }")
    target.control(api_key="another")
    program.run("sync", check=77)
    target.control(api_key="")
    configure("{ strategy: rich }")
    program.sync("--wait")
    assert all(text.startswith("---\nMemory Record\n") for text in summaries(target).values())


def test_a_template_that_makes_too_much_of_one_memory(program, pair):
    """The others go in; that one is a dead letter, and comes in once the template is reasonable."""
    source, target, configure = pair
    listing = memories(3)
    listing[1]["transcript"] = "word " * 200_000
    source.control(memories=listing)
    program_template = "{{transcript}}" * 120
    configure(f'{{ strategy: template, template: "{program_template}" }}')
    run = program.sync("--wait", check=3)
    assert (run["malformed"], run["processed"]) == (1, 2)
    letters = program.json("dead-letters", "list")["dead_letters"]
    assert [(letter["class"], "template" in letter["words"]) for letter in letters] == [("too_large", True)], letters
    configure('{ strategy: template, template: "{{id}}" }')
    program.run("dead-letters", "retry", "--yes", check=0)
    run = program.sync("--wait")
    assert (run["malformed"], run["new"], run["processed"]) == (0, 1, 1)
    assert not program.json("dead-letters", "list")["dead_letters"]


@pytest.mark.parametrize("transformation, want", [
    ("{ strategy: rich }", "Memory m0 is a text note."),
    ('{ strategy: template, template: "<{{context}}/{{id}}>" }', "<ctx/m0>"),
    ("{ strategy: standard }", "Memory Record"),
])
def test_transform_shows_it(program, pair, transformation, want):
    _, target, configure = pair
    configure(transformation)
    answer = json.dumps({"memories": memories(1)})
    assert want in program.run("transform", "-", "-c", "life", stdin=answer, check=0).stdout
    shown = json.loads(program.run("transform", "-", "-c", "life", "--json", stdin=answer, check=0).stdout)
    assert want in shown["documents"][0]["text"]
    assert not any(target.ledger()["requests"].values())


def test_mistakes_are_named_all_at_once(program, pair):
    _, _, configure = pair
    configure("""
      strategy: template
      template: |
        {{transcipt}}
        {{#tags}}{{colour}}
""")
    done = program.run("config", "check", check=78)
    for words in ('line 1, column 1 of the template: there is no field "transcipt"; did you mean "transcript"?',
                  'line 2, column 10 of the template: there is no field "colour"', 'line 2, column 1 of the template: the section of "tags" is not closed'):
        assert words in done.stderr, done.stderr
    assert done.stderr.count("connectors[0].transformation.template") == 3
