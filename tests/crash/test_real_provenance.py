"""The way back from the graph of a real LightRAG: the memories behind an entity, also where the server cut its lists, and what is not ours.

Every memory is about one person, so that the lists of that person's entity grow past what each version keeps (1.5: 75 names and 200 chunks; 1.4: 100 names)."""
import pytest

from conftest import e2e

QUICK = "  insert: { batch_size: 100 }\n  confirm: { poll_interval: 500ms, settle: 10s }"


def memory(index):
    return {"id": f"m{index}", "type": "note", "transcript": f"Hanna went out, number {index}.", "created_at": "2025-12-18T14:30:00Z"}


def settled(server, count):
    """So many documents, all of them in the graph: a pipeline that is not busy may not have begun yet."""
    def is_settled():
        rows = server.rows()
        return len(rows) == count and all(row["status"] == "processed" for row in rows) and not e2e.http(server.url + "/documents/pipeline_status", timeout=60)["busy"]
    e2e.wait_until(is_settled, 300, "LightRAG has not processed all")


@pytest.mark.parametrize("version, few, many", [("1.5.7", 90, 215), ("1.4.9.9", 90, 130)])
def test_real_entity(program, real, fake, version, few, many):
    source = fake("memory-api", "--count", "0")
    server = real(version)
    program.write_config(source.url, server.url, lightrag=QUICK)
    source.control(memories=[memory(index) for index in range(few)])
    program.sync("--wait", timeout=600)
    e2e.http(server.url + "/documents/texts", {"texts": ["Hanna was there, too."], "file_sources": ["their-diary"]}, timeout=60)
    settled(server, few + 1)

    # All of them, though 1.5 cuts the names: the chunks tell of the others.
    one = program.json("resolve", "--entity", "hanna", check=0)["targets"][0]
    assert (one["entity"], one["found"], one["cut"], one["other_documents"]) == ("Hanna", True, False, 1), one
    assert {found["memory"] for found in one["memories"]} == {f"m{index}" for index in range(few)}
    rows = {row["file_path"]: row for row in server.rows()}
    for found in one["memories"][:3]:
        assert found["doc_id"] == rows[found["document"]]["id"]
        assert program.json("resolve", found["doc_id"], check=0)["memories"][0]["memory"] == found["memory"]

    # More than the server keeps: it is said.
    source.control(memories=[memory(index) for index in range(many)])
    program.sync("--wait", timeout=600)
    settled(server, many + 1)
    properties = e2e.http(server.url + "/graphs?label=Hanna&max_depth=1&max_nodes=1", timeout=60)["nodes"][0]["properties"]
    assert "...truncated..." in properties["file_path"], properties["file_path"][-100:]
    one = program.json("resolve", "--entity", "Hanna", check=0)["targets"][0]
    assert one["cut"] is True and few // 2 < len(one["memories"]) < many, (one["cut"], len(one["memories"]))
    assert "cut its list" in program.run("resolve", "--entity", "Hanna", check=0).stdout
    done = program.run("resolve", "--entity", "Hanno", check=1)
    assert "no entity" in done.stderr
