"""The README's examples of clients work against the server, as they stand."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from serlab.wire import Addresses, Settings, spawned
from tests.conftest import ROOT

SECTION = (ROOT / "README.md").read_text().partition("## A model server to test against\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
HTTP, GRPC = "127.0.0.1:8080", "127.0.0.1:50051"
TOKENS, DIMENSIONS = 12, 24


@pytest.fixture(scope="module")
def server() -> Iterator[Addresses]:
    """Run a server whose answers have a known length."""
    with spawned(Settings(tokens=TOKENS, dimensions=DIMENSIONS)) as addresses:
        yield addresses


def printed(block: str, server: Addresses) -> str:
    """Run a block against a server and give what it prints; only the ports are others."""
    code = block.replace(HTTP, server.http.rpartition("/")[2]).replace(GRPC, server.grpc)
    assert code != block
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_call_the_ports_that_the_command_names() -> None:
    """One for each client."""
    assert f"--http-port {HTTP.partition(':')[2]} --grpc-port {GRPC.partition(':')[2]}" in SECTION
    assert [HTTP in block for block in BLOCKS] == [True, False] and GRPC in BLOCKS[1]


def test_the_official_client_gets_an_answer_a_stream_and_vectors(server: Addresses) -> None:
    """The stream is the whole answer again; two texts get two vectors."""
    found = printed(BLOCKS[0], server)
    whole, _, rest = found.partition(f" {TOKENS}\n")
    assert len(whole.split()) == TOKENS
    assert rest == f"{whole}\n2 vectors of {DIMENSIONS}\n"


def test_the_generated_stub_gets_an_answer_and_a_stream(server: Addresses) -> None:
    """The stream is the whole answer again."""
    found = printed(BLOCKS[1], server)
    whole = found[: len(found) // 2]
    assert found == f"{whole}\n{whole}" and len(whole.split()) == TOKENS
