"""A real LightRAG with AUTH_ACCOUNTS: the main job through a login, and a wrong password."""
import pytest

QUICK = "  insert: { batch_size: 20 }\n  confirm: { poll_interval: 500ms, kick_interval: 5s, settle: 10s }"


@pytest.mark.parametrize("version", ["1.5.7", "1.4.9.9"])
def test_real_account(program, real, fake, version):
    source = fake("memory-api", "--count", "12")
    server = real(version, "--env", "AUTH_ACCOUNTS=joe:pass word&+%", "--env", "TOKEN_SECRET=of-this-test", "--workspace", "mine")
    program.write_config(source.url, server.url, lightrag=QUICK)
    program.env.update(MEMORY_CONNECTOR_LIGHTRAG__API__USERNAME="joe", MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD="wrong")
    done = program.run("sync", "--wait", check=77, timeout=120)
    assert "Incorrect credentials" in done.stderr and "lightrag.api.username" in done.stderr
    program.env.update(MEMORY_CONNECTOR_LIGHTRAG__API__PASSWORD="pass word&+%", MEMORY_CONNECTOR_LIGHTRAG__API__WORKSPACE="mine")
    assert program.sync("--wait", timeout=300)["processed"] == 12
    program.run("verify", check=0, timeout=120)
