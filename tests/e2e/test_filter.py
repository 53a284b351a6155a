"""Filters by type and time: what is left out is known, counted, comes in when the filter is widened, and is never taken for deleted."""
import pytest

from conftest import http, memories

QUICK = "  confirm: { poll_interval: 20ms, settle: 1s }"


def listing():
    """Four of each type, one a year from 2020 to 2023."""
    return [{"id": f"{kind}{year}", "type": kind, "transcript": f"A {kind} of {year}.", "created_at": f"{year}-06-01T12:00:00Z"}
            for kind in ("note", "record", "photo") for year in range(2020, 2024)]


@pytest.fixture(params=["1.5", "1.4"])
def pair(request, program, fake):
    source = fake("memory-api", "--count", "0")
    target = fake("lightrag", "--dialect", request.param)
    source.control(memories=listing())

    def configure(filter_text="", **more):
        ingestion = (f", filter: {{ {filter_text} }}" if filter_text else "") + "".join(f", {key}: {value}" for key, value in more.items())
        program.write_config(source.url, target.url, lightrag=QUICK, ingestion=ingestion)

    return source, target, configure


def names(target):
    documents = http(target.url + "/documents/paginated", {"page": 1, "page_size": 200})["documents"]
    return {row["file_path"].split("~")[-1] for row in documents}


def counts(run):
    return tuple(run[key] for key in ("new", "skipped", "filtered", "unchanged", "changed", "sent"))


def test_what_is_left_out_comes_in_when_the_filter_is_widened(program, pair):
    source, target, configure = pair
    configure("types: [note], since: 2021-01-01, until: 2022-12-31")
    run = program.sync("--wait")
    assert counts(run) == (2, 10, 10, 0, 0, 2) and run["result"] == "success"
    assert names(target) == {"note2021", "note2022"}
    assert program.json("status")["connectors"][0]["memories"]["skipped"] == 10
    assert counts(program.sync("--wait")) == (0, 0, 0, 12, 0, 0)
    configure("types: [note]")
    assert counts(program.sync("--wait"))[-1] == 2
    assert names(target) == {f"note{year}" for year in range(2020, 2024)}
    configure("types: [note, photo], until: \"2021-06-01T12:00:00Z\"")
    program.sync("--wait")
    assert names(target) == {f"note{year}" for year in range(2020, 2024)} | {"photo2020", "photo2021"}
    configure()
    run = program.sync("--wait")
    assert (run["sent"], run["filtered"]) == (6, 0)
    assert len(names(target)) == 12 and program.run("verify").returncode == 0
    assert program.json("status")["connectors"][0]["memories"]["skipped"] == 0


def test_a_narrower_filter_removes_nothing(program, pair):
    """Not by on_delete, not by an audit, not by a repair; and what is really gone from the source goes, filtered or not."""
    source, target, configure = pair
    configure(on_delete="propagate", max_delete_percent=100)
    program.sync("--wait")
    everything = names(target)
    assert len(everything) == 12
    configure("types: [nothing]", on_delete="propagate", max_delete_percent=100)
    for _ in range(4):
        run = program.sync("--wait")
        assert (run["removed"], run["unchanged"], run["skipped"], run["sent"]) == (0, 12, 0, 0)
        assert program.run("verify").returncode == 0
    program.run("verify", "--repair", check=0)
    assert names(target) == everything and not program.json("dead-letters", "list")["dead_letters"]
    source.control(memories=listing()[1:])
    for _ in range(3):
        program.sync("--wait")
    assert names(target) == everything - {"note2020"}


def test_a_changed_memory_that_is_left_out_now_stays_as_it_was(program, pair):
    source, target, configure = pair
    configure()
    program.sync("--wait")
    texts = target.ledger()["texts"]
    changed = listing()
    changed[0]["transcript"] = "Rewritten."
    source.control(memories=changed)
    configure("types: [record]")
    run = program.sync("--wait")
    assert (run["changed"], run["sent"], run["replaced"]) == (1, 0, 0)
    assert target.ledger()["texts"] == texts
    configure()
    run = program.sync("--wait")
    assert (run["changed"], run["replaced"], run["sent"]) == (1, 1, 1)


def test_what_waits_and_was_never_sent_is_left_out_too(program, pair):
    source, target, configure = pair
    configure()
    target.control(api_key="another")
    program.run("sync", check=77)
    configure("types: [note]")
    run = program.json("sync", check=77)["runs"][0]  # what waits is sent as soon as that is possible, so the filter is seen before
    assert run["filtered"] == 8
    target.control(api_key="")
    program.sync("--wait")
    assert names(target) == {f"note{year}" for year in range(2020, 2024)}
    configure()
    program.sync("--wait")
    assert len(names(target)) == 12


def test_what_the_server_lost_is_sent_again_whatever_the_filter_says(program, pair):
    source, target, configure = pair
    configure()
    program.sync("--wait")
    target.control(wipe=True)
    configure("types: [nothing]")
    program.run("verify", "--repair", check=0)
    program.sync("--wait")
    assert len(names(target)) == 12


def test_a_tombstone_does_not_come_to_life_against_the_filter(program, pair):
    source, target, configure = pair
    configure(on_delete="propagate", max_delete_percent=100)
    program.sync("--wait")
    source.control(memories=listing()[1:])
    program.sync("--wait")
    program.sync("--wait")
    assert "note2020" not in names(target)
    source.control(memories=listing())
    configure("types: [photo]", on_delete="propagate", max_delete_percent=100)
    run = program.sync("--wait")
    assert (run["filtered"], run["sent"]) == (1, 0)
    configure(on_delete="propagate", max_delete_percent=100)
    program.sync("--wait")
    assert len(names(target)) == 12


def test_no_time_is_in_no_stretch_of_time(program, pair):
    source, target, configure = pair
    source.control(memories=memories(2, created_at="last Tuesday") + [{"id": "none", "type": "note", "transcript": "x"}])
    configure("since: 1970-01-01")
    assert program.sync("--wait")["filtered"] == 3
    configure()
    assert program.sync("--wait")["sent"] == 3


def test_words_say_it(program, pair):
    _, _, configure = pair
    configure("types: [note]")
    done = program.run("sync", "--wait", check=0)
    assert "8 skipped (filter)" in done.stdout + done.stderr
    run = program.json("history")["runs"][0]
    assert (run["skipped"], run["filtered"]) == (8, 8)
    assert "filtered   8" in program.run("report", run["run"], check=0).stdout
    configure("types: [photo]")
    assert program.json("sync", "--dry-run", check=0)["runs"][0]["sent"] == 0


def test_explain_says_why(program, pair):
    source, _, configure = pair
    source.control(memories=listing() + [{"id": "empty", "type": "note", "transcript": " "}])
    configure("types: [note], since: 2021-01-01")
    program.sync("--wait")
    for memory, want in (("photo2021", "filter.types"), ("note2020", "filter.since"), ("empty", "gives it words")):
        assert want in program.json("explain", "ctx", memory, check=0)["next"], memory
    configure("since: 2021-01-01")
    program.sync("--wait")
    assert "filter.since" in program.json("explain", "ctx", "photo2020", check=0)["next"]  # another reason than before
