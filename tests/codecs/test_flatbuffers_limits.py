"""What a small FlatBuffers buffer may cost: limits, shared offsets, ever new vtables."""

import time
import tracemalloc

import flatbuffers
import pytest

from serlab import workloads
from serlab.codecs import open_codec
from serlab.codecs.flatbuffers import read, verify
from serlab.generated.llm_layout import LAYOUT
from serlab.limits import DEFAULT_LIMITS, Limits
from tests.codecs.test_flatbuffers_verifier import refused


def bomb(levels: int, fan: int) -> bytes:
    """Make a small buffer of vectors whose items all point to the same next vector of embeddings."""
    builder = flatbuffers.Builder(1024)
    text = builder.CreateString("x" * 100_000)
    builder.StartObject(8)
    builder.PrependUOffsetTRelativeSlot(LAYOUT["Embedding"]["object"][0], text, 0)
    item = builder.EndObject()
    for _ in range(levels):
        builder.StartObject(7)
        builder.PrependUOffsetTRelativeSlot(LAYOUT["Vector"]["item"][0], item, 0)
        vector = builder.EndObject()
        builder.StartObject(5)
        for name in ("embedding", "values"):
            builder.PrependUOffsetTRelativeSlot(LAYOUT["Embedding"][name][0], vector, 0)
        item = builder.EndObject()
    builder.StartVector(4, fan, 4)
    for _ in range(fan):
        builder.PrependUOffsetTRelative(item)
    data = builder.EndVector()
    builder.StartObject(8)
    builder.PrependUOffsetTRelativeSlot(LAYOUT["EmbeddingResponse"]["data"][0], data, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


@pytest.mark.parametrize(("levels", "fan"), [(0, 5000), (28, 1), (12, 4000)], ids=["wide", "deep", "both"])
def test_shared_offsets_cannot_expand_without_end(levels: int, fan: int) -> None:
    """A text pointed at five thousand times, trees that share their branches: refused before they fill the memory."""
    data = bomb(levels, fan)
    start = time.process_time()
    tracemalloc.start()
    refused("EmbeddingResponse", data, "limit max_(items|amplification)")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - start < 5
    assert peak < 2 * DEFAULT_LIMITS.max_materialized_bytes


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(max_bytes=100), "limit max_bytes: expected at most 100 bytes, got 2,"),
        (Limits(max_depth=1), "limit max_depth: expected at most 1"),
        (Limits(max_items=5), "limit max_items: expected at most 5"),
        (Limits(max_materialized_bytes=3000), "limit max_materialized_bytes: expected at most 3,000"),
    ],
    ids=["bytes", "depth", "items", "materialized"],
)
def test_message_beyond_a_limit_is_refused_by_its_name(limits: Limits, words: str) -> None:
    """And passes with the defaults."""
    data = open_codec("flatbuffers", "ChatRequest").encode(workloads.build("chat-turn")[0])
    verify("ChatRequest", data)
    refused("ChatRequest", data, words, limits)


def test_ever_new_vtables_are_not_compiled_without_end() -> None:
    """A stranger's buffer cannot make the reader compile for seconds."""
    builder = flatbuffers.Builder(1024)
    turns = []
    text = builder.CreateString("1")
    ids = [slot for slot, type_ in LAYOUT["ChatTurn"].values() if type_ == "string"]
    for i in range(3000):
        builder.StartObject(60)
        for bit, slot in enumerate(ids[:12]):
            if i >> bit & 1:
                builder.PrependUOffsetTRelativeSlot(slot, text, 0)
        turns.append(builder.EndObject())
    builder.StartVector(4, len(turns), 4)
    for turn in turns:
        builder.PrependUOffsetTRelative(turn)
    messages = builder.EndVector()
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(LAYOUT["ChatRequest"]["messages"][0], messages, 0)
    builder.Finish(builder.EndObject())
    data = bytes(builder.Output())
    assert len(open_codec("flatbuffers", "ChatRequest").decode(data).messages) == 3000
    assert all(len(known) <= read.MAX_VTABLES for known in read.readers("decode").found.values())
