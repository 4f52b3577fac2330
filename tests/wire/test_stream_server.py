"""The experiment on streamed tokens: its arms, its rows, and what must hold of them on any machine."""

from typing import Any

import pytest

from serlab.cases import CONTROL, FLOOR
from serlab.errors import ServiceError
from serlab.measure import wire
from serlab.measure.job import Figure, Record
from serlab.messages import ChatRequest, from_document
from serlab.wire.content import FULL
from serlab.wire.experiments import run, stream
from serlab.wire.experiments.stream import floors_of, usual, ways_of
from serlab.wire.experiments.watched import Watch
from tests.conftest import WIRE_CODECS
from tests.support.jobs import all_of, figures_of, wire_job
from tests.wire.helpers import CHAT, HELLO, bounded

HOME = "wire/stream/http/sse/full/every=1"
METRICS = {"latency", "token-rate", "token-bytes", "first-token", "client-cpu"}


def figures(*codecs: str) -> dict[tuple[str, str, str], float]:
    """Run the experiment; (operation, codec, metric) → value."""
    records: list[Record] = []
    run(wire_job("stream", codecs=codecs), records.append)
    assert all(one.unit == wire.METRICS[one.metric] and one.value > 0 for one in all_of(Figure, records))
    return figures_of(records)


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str, str], float]:
    """Return the figures of one run with all codecs."""
    return figures(*WIRE_CODECS)


def test_every_arm_has_every_figure(found: dict[tuple[str, str, str], float]) -> None:
    """Each way of streaming has all five; a floor decodes nothing, so it has no first token and no bytes of its own."""
    arms: dict[tuple[str, str], set[str]] = {}
    for operation, codec, metric in found:
        arms.setdefault((operation, codec), set()).add(metric)
    ways = {(way.name().place.name, way.codec) for way in ways_of(WIRE_CODECS, "orjson")}
    floors = {arm for arm in arms if arm[1].startswith(FLOOR)}
    assert set(arms) - floors == ways | {(HOME, f"orjson{CONTROL}")}
    assert {operation.split("/")[2] + "/" + operation.split("/")[3] for operation, _ in floors} == {
        "http/sse", "http/ndjson", "http/frames", "http2/sse", "http2/frames", "grpc/messages",
    }  # fmt: skip
    assert all(
        metrics == (METRICS - {"first-token", "token-bytes"} if arm in floors else METRICS)
        for arm, metrics in arms.items()
    )


def test_bytes_of_a_token_are_counted_and_repeat(found: dict[tuple[str, str, str], float]) -> None:
    """The same stream has the same bytes twice; slim and coalesced streams and binary codecs have fewer."""

    def size(place: str, codec: str) -> float:
        return found[f"wire/stream/{place}", codec, "token-bytes"]

    full = size("http/sse/full/every=1", "orjson")
    assert size("http/sse/full/every=1", f"orjson{CONTROL}") == full == size("http2/sse/full/every=1", "orjson")
    assert size("http/ndjson/full/every=1", "orjson") < full
    assert size("http/sse/slim/every=1", "orjson") < full / 3
    assert size("http/sse/full/every=8", "orjson") < full / 5
    assert size("http/sse/slim/every=8", "orjson") < size("http/sse/full/every=8", "orjson") / 2
    assert size("http/frames/full/every=1", "protobuf") < full / 1.5
    assert size("grpc/messages/full/every=1", "protobuf") < size("http/frames/full/every=1", "protobuf")


def test_rate_and_latency_are_one_figure(found: dict[tuple[str, str, str], float]) -> None:
    """A rate is what a time a token comes to, and a first token comes after less time than all of them."""
    for (operation, codec, metric), value in found.items():
        if metric == "latency":
            assert found[operation, codec, "token-rate"] == pytest.approx(1e9 / value)
        if metric == "first-token":
            assert value < 20 * stream.TOKENS * found[operation, codec, "latency"]


def test_baseline_of_another_sort_is_measured_twice_where_it_is_usual() -> None:
    """With a binary baseline and no JSON codec, frames of it are what the others are compared with."""
    found = figures("msgpack")
    home = "wire/stream/http/frames/full/every=1"
    assert (home, f"msgpack{CONTROL}", "latency") in found and (home, f"{FLOOR}bytes", "latency") in found
    assert not any("/sse/" in operation or "/grpc/" in operation for operation, _, _ in found)


def test_ways_begin_with_the_baseline_and_name_no_arm_twice() -> None:
    """One codec stands for its sort."""
    ways = ways_of(("json", "msgspec-json", "msgspec-msgpack"), "json")
    names = [way.name() for way in ways]
    assert ways[0] == usual("json") and len(set(names)) == len(set(map(str, names))) == len(names)
    assert {way.codec for way in ways if way.form == "sse" and way.shape != FULL} == {"json"}
    assert {way.codec for way in ways if way.form == "frames" and way.shape != FULL} == {"msgspec-msgpack"}
    assert [way.shape for way in floors_of(ways)] == [FULL] * 5 and not any(way.transport == "grpc" for way in ways)


def test_requests_are_made_to_be_answered_with_text_of_full_length() -> None:
    """Tools, limits and a second answer go; what has no conversation is passed over, and alone it is an error."""
    tool = {"type": "function", "function": {"name": "f"}}
    asked = {**CHAT, "tools": [tool], "tool_choice": "required", "n": 3, "max_tokens": 5, "stream": False}
    messages = [ChatRequest(), from_document("ChatRequest", asked), HELLO, HELLO]
    first, second = stream.askable(wire_job("stream"), messages)
    assert first == second and first.stream is True and not first.tools and first.messages == HELLO.messages
    with pytest.raises(ServiceError, match="chat-turn: expected a ChatRequest with messages, got none"):
        stream.askable(wire_job("stream"), [ChatRequest()])


def test_text_that_differs_stops_the_experiment() -> None:
    """A way that brings another text, or the text in other pieces, is named."""

    class Fake:
        def __init__(self, texts: list[str]) -> None:
            self.found, self.way = texts, usual("orjson")

        async def texts(self, _: Any) -> list[str]:
            return self.found

    right = Fake(["a"] * stream.TOKENS)
    readers: Any = [right, Fake(["a"] * stream.TOKENS)]
    bounded(stream.agree(readers, [HELLO]))
    for wrong in (["b"] * stream.TOKENS, ["a" * stream.TOKENS]):
        given: Any = [right, Fake(wrong)]
        with pytest.raises(ServiceError, match=f"orjson {HOME}: expected the text that others bring"):
            bounded(stream.agree(given, [HELLO]))


def test_share_of_the_client_leaves_the_warm_up_out() -> None:
    """Processor time over time, the median of the passes after the first two."""
    watch = Watch()
    watch.passes["x y"] = [(900, 1000), (900, 1000), (100, 1000), (200, 1000), (900, 1000)]
    assert watch.share("x y") == 0.2
