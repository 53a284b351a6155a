"""A delete that does not come to its end: the row still says processed and is no longer whole. Only asking again mends it, so the wish must survive everything."""
import signal
import time

import pytest

from conftest import memories, wait_until

QUICK = "  confirm: { poll_interval: 20ms, kick_interval: 1s, settle: 1s }"


@pytest.fixture(params=["1.5", "1.4"])
def pair(request, program, fake):
    source = fake("memory-api", "--count", "0")
    target = fake("lightrag", "--dialect", request.param)
    source.control(memories=memories(20))
    program.write_config(source.url, target.url, lightrag=QUICK)
    program.sync("--wait")
    return source, target


def settled(target, count):
    ledger = target.ledger()
    assert (ledger["live"], ledger["processed"], ledger["doubled"], ledger["torn"]) == (count, count, 0, 0), ledger


def rewritten(which):
    listing = memories(20)
    for index in which:
        listing[index]["transcript"] = "Rewritten."
    return listing


@pytest.mark.parametrize("ours_too", [False, True])
def test_the_server_dies_while_it_deletes(program, pair, ours_too):
    source, target = pair
    target.control(delete_delay_ms=300)
    source.control(memories=rewritten([2, 3, 4, 5]))
    process = program.start("sync", "--wait", "--json")
    try:
        wait_until(lambda: target.ledger()["deleted"] >= 1, message="nothing was deleted")
        if ours_too:
            process.send_signal(signal.SIGKILL)
        target.control(restart=True, delete_delay_ms=0)
        assert target.ledger()["torn"] == 1
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    run = program.sync("--wait")
    assert run["result"] == "success"
    settled(target, 20)
    assert program.sync("--wait")["sent"] == 0


def test_the_model_is_down_while_it_deletes(program, pair):
    """1.5 keeps the row, processed and with words of failure."""
    source, target = pair
    target.control(delete_fail_match="Memory number 3 ")
    source.control(memories=rewritten([2, 3, 4]))
    process = program.start("sync", "--wait", "--json")
    try:
        wait_until(lambda: target.ledger()["deletes"] >= 1, message="no delete was asked for")
        time.sleep(0.5)
        target.control(delete_fail_match="")
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert program.sync("--wait")["result"] == "success"
    settled(target, 20)


def test_a_reverted_change_whose_delete_had_begun(program, pair):
    """The old text is wanted again, but its row may be torn: being there and processed is not enough."""
    source, target = pair
    target.control(delete_delay_ms=3_600_000)
    source.control(memories=rewritten([2, 3]))
    process = program.start("sync", "--wait", "--json")
    try:
        wait_until(lambda: target.ledger()["torn"] == 1, message="no delete began")
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    target.control(restart=True, delete_delay_ms=0)
    source.control(memories=memories(20))
    run = program.sync("--wait")
    assert run["result"] == "success"
    settled(target, 20)
