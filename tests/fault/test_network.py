"""Connections that break at every place: rows S1, S2, L6 of the failure table, through a real proxy between the real binary and the fakes."""
import json

import pytest

from conftest import ALL, QUICK, e2e, fresh, whole
from proxy import Fault

AT_ONCE = 200     # connectors of one process: each lists a context of its own, whose name says where it is cut
FIRST = 1000000   # so that all these names are equally long, and with them the answers


def connectors(program, source, target, contexts):
    rows = "".join(f"  - {{ id: c{name}, context_id: c{name}, ingestion: {{ query_range: all, query_limit: 1000 }} }}\n" for name in contexts)
    program.config = program.folder / "config.yaml"
    program.config.write_text(f"memory_api: {{ url: {source}, max_retries: 0 }}\nlightrag:\n  api: {{ url: {target} }}\n  confirm: {{ poll_interval: 20ms }}\n"
                              f"connectors:\n{rows}state: {{ disk_reserve: 0 }}\n")
    program.config.chmod(0o600)


@pytest.mark.parametrize("reset", [False, True])
def test_list_cut_at_every_byte(program, fake, proxy, tmp_path, reset, figure):
    """S2: an answer of 20 elements, cut at every byte. Every whole element is delivered; one gap each, no more."""
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": e2e.memories(20)}))
    source, target = fake("memory-api", "--file", path), fake("lightrag", "--dialect", "1.5")
    between = proxy(source.url, lambda number, line: Fault(answer_cut=int(line.split("/c")[1].split("?")[0]) - FIRST, reset=reset))
    listing = e2e.urllib.request.urlopen(f"{source.url}/memory/c{FIRST}?limit=1000&range=all").read().decode()
    cuts = list(range(1, len(listing)))
    delivered = 0
    for start in range(0, len(cuts), AT_ONCE):
        some = cuts[start:start + AT_ONCE]
        fresh(program, target, start)
        connectors(program, between.url, target.url, [FIRST + cut for cut in some])
        runs = {run["connector"]: run for run in json.loads(program.run("sync", "--all", "--wait", "--json", timeout=300, check=3).stdout)["runs"]}
        letters = program.json("dead-letters", "list")["dead_letters"]
        for cut in some:
            run = runs[f"c{FIRST + cut}"]
            want = listing[:cut].count('Z"}')
            gaps = [one["class"] for one in letters if one["connector"] == run["connector"]]
            assert gaps == ["source_gap"], (cut, gaps)
            # a reset throws away what the other side's kernel had not handed over yet: fewer elements may be whole
            assert run["fetched"] == run["processed"] and (run["fetched"] <= want if reset else run["fetched"] == want), (cut, want, run)
            delivered += run["processed"]
        ledger = target.ledger()
        assert ledger["doubled"] == 0 and ledger["live"] == ledger["processed"] == sum(run["processed"] for run in runs.values())
    assert delivered > 0
    figure(f"a list of {len(listing)} bytes {'reset' if reset else 'cut'} at {len(cuts)} places: {delivered} whole elements delivered, one gap each")


def through(program, source, target):
    program.write_config(source, target, lightrag=QUICK, memory=", timeout: 5s")


def inserts(fault, every=1, until=10 ** 9):
    """Every Nth insert meets the fault, the first `until` of them."""
    seen = [0]

    def choose(number, line):
        if "/documents/text" not in line:
            return None
        seen[0] += 1
        return fault if seen[0] % every == 0 and seen[0] <= until else None

    return choose


@pytest.mark.parametrize("every", range(1, 21))
@pytest.mark.parametrize("reset", [False, True])
def test_answer_of_every_nth_request_is_lost(program, pair, proxy, every, reset):
    """L6: the server did it, we are not told; of all requests and not of inserts only. 0 lost, 0 doubled."""
    source, target = pair
    # every single answer lost would be no server at all: then it is the inserts only
    choose = inserts(Fault(drop=True, reset=reset)) if every == 1 else lambda number, line: Fault(drop=True, reset=reset) if number % every == 0 else None
    between = proxy(target.url, choose)
    through(program, source.url, between.url)
    program.json("sync", "--wait", timeout=180)
    assert between.faults > 0 or every > 8
    assert target.ledger()["doubled"] == 0
    between.choose = lambda number, line: None
    whole(program, target, 12)


@pytest.mark.parametrize("fault", [Fault(reset=True), Fault()], ids=["reset", "closed"])
def test_insert_is_cut_on_its_way(program, pair, proxy, fault):
    """A connection that breaks inside the head or the body of an insert: the server never had it, and it is sent again, once."""
    source, target = pair
    places = [0, 1, 10, 60, 100, 150, 200, 250, 300, 500, 800]
    for number, place in enumerate(range(0, 900, 7) if ALL else places):
        fresh(program, target, number)
        between = proxy(target.url, inserts(Fault(request_cut=place, reset=fault.reset), until=2))
        through(program, source.url, between.url)
        program.json("sync", "--wait", timeout=120)
        assert between.faults >= 1, place
        between.stop()
        through(program, source.url, target.url)
        whole(program, target, 12)


def test_insert_answer_is_cut(program, pair, proxy):
    """A receipt that breaks off anywhere, in its head too, is no receipt: it is looked up."""
    source, target = pair
    for number, place in enumerate(range(1, 330, 3) if ALL else [1, 9, 12, 40, 90, 130, 150, 180, 220]):
        fresh(program, target, number)
        between = proxy(target.url, inserts(Fault(head_cut=place, reset=bool(number % 2)), until=2))
        through(program, source.url, between.url)
        program.json("sync", "--wait", timeout=120)
        assert between.faults >= 1 and target.ledger()["doubled"] == 0, place
        between.stop()
        through(program, source.url, target.url)
        whole(program, target, 12)


def test_drip_fed_answers(program, pair, proxy):
    """S1: slow is not broken: answers of both servers that come byte by byte, or late, are taken as they are."""
    source, target = pair
    slow = proxy(source.url, lambda number, line: Fault(drip=7, pause=0.001))
    between = proxy(target.url, lambda number, line: Fault(drip=3, pause=0.001) if number % 2 else Fault(delay=0.05))
    through(program, slow.url, between.url)
    run = program.sync("--wait", timeout=120)
    assert (run["processed"], run["failed"], run["retried"]) == (12, 0, 0), run
    whole(program, target, 12)


def test_source_drops_and_the_next_run_takes_it_up(program, pair, proxy):
    """No answer at all from the source, then one: nothing is queued twice, the exit code says "unreachable"."""
    source, target = pair
    between = proxy(source.url, lambda number, line: Fault(drop=True) if number <= 2 else None)
    through(program, between.url, target.url)
    done = program.run("sync", "--wait", check=69)
    assert between.url.split("//")[1] in done.stderr and "connection" in done.stderr
    done = program.run("sync", "--wait", check=69)
    whole(program, target, 12)
