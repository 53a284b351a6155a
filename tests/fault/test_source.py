"""Rows S5 and S12: the same memory twice in one list, and a source that sends us elsewhere."""
import json

import pytest

from conftest import QUICK, e2e, whole


@pytest.mark.parametrize("order", ["newer last", "newer first", "no times"])
def test_same_id_twice_in_one_list(program, fake, tmp_path, order):
    """S5: one document, of the revision that was updated last (of the first one when nothing says when), and one only."""
    times = {"newer last": ("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z"), "newer first": ("2025-02-01T00:00:00Z", "2025-01-01T00:00:00Z"), "no times": (None, None)}[order]
    two = [{"id": "m0", "type": "note", "transcript": f"Revision {number}.", **({"updated_at": when} if when else {})} for number, when in enumerate(times)]
    path = tmp_path / "memories.json"
    path.write_text(json.dumps({"memories": [two[0], *e2e.memories(4)[1:], two[1]]}))
    source, target = fake("memory-api", "--file", path), fake("lightrag", "--dialect", "1.5")
    program.write_config(source.url, target.url, lightrag=QUICK)
    run = program.sync("--wait")
    ledger = target.ledger()
    assert (ledger["live"], ledger["processed"], ledger["doubled"]) == (4, 4, 0), (run, ledger)
    assert program.json("verify", check=0)
    rows = e2e.http(target.url + "/documents/paginated", {"page": 1, "page_size": 50, "sort_field": "created_at", "sort_direction": "asc"})["documents"]
    want = "Revision 1." if order == "newer last" else "Revision 0."
    summary = "".join(row["content_summary"] for row in rows if row["file_path"].endswith("m0"))
    before = ledger["inserts"]
    again = program.sync("--wait")
    assert want in summary, summary
    assert again["duplicates"] == 1
    if order == "newer last":  # the older one looks like a change until the newer one comes: it is replaced by the same again
        assert again["sent"] <= 1 and target.ledger()["doubled"] == 0
    else:
        assert again["sent"] == 0 and target.ledger()["inserts"] == before


@pytest.mark.parametrize("address", ["{other}/memory/ctx", "file:///etc/passwd", "http://169.254.169.254/latest", "//localhost:1/x"])
def test_redirect_is_not_followed(program, fake, proxy, address):
    """S12: nobody else gets a request, still less the key; the message names where we were sent."""
    source, other, target = fake("memory-api", "--count", "5", "--api-key", "KEY-CANARY"), fake("memory-api", "--count", "5"), fake("lightrag", "--dialect", "1.5")
    watched = proxy(other.url)
    program.write_config(source.url, target.url, memory=", api_key: KEY-CANARY")
    address = address.format(other=watched.url)
    source.control(redirect=address)
    done = program.run("sync", check=69)
    assert "redirects to" in done.stderr and address[:30] in done.stderr, done.stderr
    assert watched.requests == 0 and "CANARY" not in done.stderr
    source.control(times=0)
    whole_after(program, target)


def whole_after(program, target):
    assert program.sync("--wait")["processed"] == 5
    whole(program, target, 5)
