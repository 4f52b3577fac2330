"""Memory: what is counted of functions that allocate what is known."""

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serlab import build, open_codec
from serlab.codecs import codec_names
from serlab.measure import memory
from serlab.measure.job import Record
from serlab.measure.memory import write_flamegraph
from serlab.measure.process import PassingError, run_worker
from serlab.messages import from_document
from tests.support.jobs import figures_of, job_of

pytestmark = pytest.mark.slow

BLOCK = 5_033
"""A bytes object of 5,000 bytes, its header included."""


def test_allocations_of_a_known_function_are_exact(tmp_path: Path) -> None:
    """Three buffers of 5,000 bytes are three allocations of 5,033 bytes, the header of a bytes object included."""
    byte = b"x"

    def allocate(_: object) -> None:
        kept = byte * 5000
        byte * 5000
        del kept
        byte * 5000

    found = memory.per_operation(allocate, [None, None], 8, tmp_path)
    assert found == {"allocations": 3.0, "bytes": 3 * float(BLOCK), "peak": 2 * float(BLOCK)}
    nothing = memory.per_operation(lambda _: None, [None], 8, tmp_path)
    assert nothing["allocations"] == nothing["bytes"] == 0.0 and nothing["peak"] < 1000


def test_what_a_codec_learns_is_no_cost_of_a_message(tmp_path: Path) -> None:
    """A large table that the tenth call makes for good falls into N or 2N passes, and is in no figure."""
    byte, calls, kept = b"x", [0], [b""]

    def learn(_: object) -> bytes:
        calls[0] += 1
        if calls[0] == 10:
            kept.extend(byte * 700 for _ in range(1000))
        return byte * 5000

    found = memory.per_operation(learn, [None], 16, tmp_path)
    assert found["allocations"] == pytest.approx(1, abs=1) and found["bytes"] == pytest.approx(BLOCK, rel=0.05)
    calls[0], kept[:] = 0, []
    assert memory.retained(learn, [None], 16, tmp_path) == pytest.approx(BLOCK, rel=0.05)


@pytest.mark.parametrize("most", [20_000, 100_000])
@pytest.mark.parametrize("measure", [memory.per_operation, memory.growth])
def test_a_trace_without_room_gives_no_figure(measure: Callable[..., Any], most: int, tmp_path: Path) -> None:
    """Whether it cannot begin or cannot go on; it is measured again. What needs little room is measured."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
        if measure is memory.growth and most == 100_000:
            assert measure(str, list(range(20_000)), 1, tmp_path) == 0
        else:
            with pytest.raises(PassingError, match="no room"):
                measure(str, list(range(20_000)), 1, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("workload", ["chat-turn", "tool-call-response"])
def test_no_codec_allocates_less_than_nothing(workload: str, tmp_path: Path) -> None:
    """Also not the FlatBuffers writer, which writes code for a shape when it has met it often enough."""
    codec, messages = open_codec("flatbuffers", type(build(workload)[0]).__name__), build(workload)
    figures = memory.per_operation(codec.encode, messages, 16, tmp_path)
    assert figures["allocations"] > 10 and figures["bytes"] > len(codec.encode(messages[0]))


def test_retained_is_what_a_kept_result_keeps(tmp_path: Path) -> None:
    """What is used on the way does not count; the bytes that a view stands on do."""
    byte = b"x"

    def make(_: object) -> bytes:
        byte * 9000
        return byte * 5000

    assert memory.retained(make, [None], 64, tmp_path) == pytest.approx(BLOCK, rel=0.02)
    data = byte * 5000
    assert memory.retained(len, [data], 64, tmp_path) == pytest.approx(0, abs=100)
    assert BLOCK < memory.retained(memoryview, [data], 64, tmp_path) < BLOCK + 500


def test_growth_is_what_an_operation_leaves_behind(tmp_path: Path) -> None:
    """A leak of 5,033 bytes is found, and dropped results leave nothing."""
    kept: list[bytes] = [b""] * 1000

    def leak(place: int) -> None:
        kept[place] = b"x" * 5000

    assert memory.growth(leak, list(range(500)), 1, tmp_path) == pytest.approx(BLOCK, rel=0.01)
    assert memory.growth(lambda _: b"x" * 5000, [None], 500, tmp_path) == 0.0


@pytest.mark.parametrize("name", codec_names())
def test_ten_thousand_operations_leave_no_growth(name: str, tmp_path: Path) -> None:
    """At most 13 bytes an operation, which is less than the smallest object."""
    codec = open_codec(name, "EmbeddingRequest")
    message = from_document("EmbeddingRequest", {"model": "m", "novel": 1})
    data = codec.encode(message)
    memory.run_all(codec.decode, [data] * 3)
    assert memory.growth(codec.encode, [message], 10_000, tmp_path) == 0.0
    assert memory.growth(codec.decode, [data], 10_000, tmp_path) == 0.0


def test_two_memory_runs_agree_exactly() -> None:
    """Fresh processes count the same allocations and bytes, to the last one, for every codec."""

    def measured() -> dict[tuple[str, str, str], float]:
        sent: list[Record] = []
        run_worker(job_of("memory", "tool-call-response", codec_names()), sent.append)
        return {key: value for key, value in figures_of(sent).items() if key[2] in ("allocations", "bytes", "growth")}

    first = measured()
    assert first == measured()
    lazy = sum(open_codec(name, "ChatResponse").view is not None for name in codec_names())
    assert len(first) == 3 * (2 * len(codec_names()) + lazy)


def test_the_peak_of_a_large_body_is_measured(tmp_path: Path) -> None:
    """To decode 8 MB of text takes at least that, once as a string; orjson takes 13 times the body."""
    message = from_document("ChatRequest", {"model": "m", "messages": [{"role": "user", "content": "x" * 8_000_000}]})
    for name in ("orjson", "msgspec-msgpack", "protobuf"):
        codec = open_codec(name, "ChatRequest")
        found = memory.per_operation(codec.decode, [codec.encode(message)], 1, tmp_path)
        assert 8_000_000 < found["peak"] < 20 * 8_000_000


def test_a_flame_graph_has_real_stacks_and_loads_nothing(tmp_path: Path) -> None:
    """The function that allocates is named in it."""

    def allocator_of_known_name(_: object) -> bytes:
        return b"x" * 5_000_000

    write_flamegraph(allocator_of_known_name, [None, None], tmp_path, "graphs/one.html")
    text = (tmp_path / "graphs/one.html").read_text()
    assert "allocator_of_known_name" in text and 'src="http' not in text
    assert [path.name for path in (tmp_path / "graphs").iterdir()] == ["one.html"]


def test_a_worker_writes_a_flame_graph_for_each_operation(tmp_path: Path) -> None:
    """On request, beside the figures."""
    run_worker(job_of("memory", flamegraph=True, folder=str(tmp_path)), lambda sent: None)
    names = {path.name for path in (tmp_path / "flamegraphs").iterdir()}
    assert names == {"chat-turn-orjson-encode.html", "chat-turn-orjson-decode.html"}


def test_a_view_retains_the_bytes_it_stands_on(tmp_path: Path) -> None:
    """And a decoded message does not."""
    codec = open_codec("flatbuffers", "ChatResponse")
    data = codec.encode(build("chat-response")[0])
    assert memory.retained(codec.open, [data], 16, tmp_path) > len(data)
