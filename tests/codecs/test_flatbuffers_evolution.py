"""FlatBuffers across schema versions and writers: any legal layout of tables, unknown slots, missing ones."""

import struct
from typing import Any

import flatbuffers
import numpy as np
import pytest

from serlab.codecs import open_codec
from serlab.generated.llm_layout import LAYOUT
from serlab.messages import UNSET, ChatRequest
from serlab.messages.chat import ChatTurn

CODECS = ["flatbuffers", "flatbuffers-unverified"]
codecs = pytest.mark.parametrize("codec", CODECS)
TURN, REQUEST = LAYOUT["ChatTurn"], LAYOUT["ChatRequest"]


def read_both_ways(codec: str, data: bytes) -> Any:
    """Decode and open; give the message after checking that the view says the same."""
    bound = open_codec(codec, "ChatRequest")
    message = bound.decode(data)
    assert bound.open(data) == message
    return message


def request_with(builder: Any, turns: list[int]) -> bytes:
    """Finish a request with these messages."""
    builder.StartVector(4, len(turns), 4)
    for turn in reversed(turns):
        builder.PrependUOffsetTRelative(turn)
    messages = builder.EndVector()
    builder.StartObject(REQUEST["messages"][0] + 1)
    builder.PrependUOffsetTRelativeSlot(REQUEST["messages"][0], messages, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


@codecs
def test_old_reader_passes_over_what_a_newer_writer_adds(codec: str) -> None:
    """Slots and nulls of fields that the schema does not have yet, of every type."""
    builder = flatbuffers.Builder(64)
    role, added = builder.CreateString("user"), builder.CreateString("added")
    vector = builder.CreateNumpyVector(np.arange(5, dtype=np.float64))
    nulls = builder.CreateNumpyVector(np.array([TURN["content"][0], 205], np.uint16))
    builder.StartObject(205)
    builder.PrependUOffsetTRelativeSlot(TURN["role"][0], role, 0)
    builder.PrependUOffsetTRelativeSlot(TURN["nulls"][0], nulls, 0)
    builder.PrependUOffsetTRelativeSlot(200, added, 0)
    builder.PrependUOffsetTRelativeSlot(201, vector, 0)
    builder.PrependInt64Slot(202, -1, 0)
    builder.PrependBoolSlot(203, True, False)
    message = read_both_ways(codec, request_with(builder, [builder.EndObject()]))
    assert message == ChatRequest(messages=[ChatTurn(role="user", content=None)])


@codecs
def test_new_reader_finds_what_an_older_writer_did_not_know_absent(codec: str) -> None:
    """A vtable that ends early."""
    builder = flatbuffers.Builder(64)
    role = builder.CreateString("user")
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(TURN["role"][0], role, 0)
    message = read_both_ways(codec, request_with(builder, [builder.EndObject()]))
    assert message == ChatRequest(messages=[ChatTurn(role="user")])
    assert message.messages[0].metadata is UNSET


@codecs
def test_table_of_any_legal_layout_is_read(codec: str) -> None:
    """Slots in another order, with gaps, before a vtable that stands after the table and ends in zeros."""
    seed, model, stream = (REQUEST[name][0] for name in ("seed", "model", "stream"))
    entries = [0] * (seed + 5)
    entries[stream], entries[model], entries[seed] = 5, 8, 20
    table = struct.pack("<ib?xxI4x4xq4x", 0, 0, True, 0, -7)
    vtable = struct.pack(f"<{2 + len(entries)}H", 4 + 2 * len(entries), len(table), *entries)
    start = 4
    text_at = start + len(table)
    vtable_at = text_at + 8
    table = bytearray(table)
    struct.pack_into("<i", table, 0, start - vtable_at)
    struct.pack_into("<I", table, 8, text_at - (start + 8))
    data = struct.pack("<I", start) + bytes(table) + struct.pack("<I4s", 3, b"m-1") + vtable
    assert read_both_ways(codec, data) == ChatRequest(model="m-1", stream=True, seed=-7)


@codecs
def test_vtables_that_are_not_shared_are_read(codec: str) -> None:
    """Some writers give each table its own."""
    turns = []
    builder = flatbuffers.Builder(64)
    for i in range(5):
        text = builder.CreateString(f"text {i}")
        builder.StartObject(TURN["content"][0] + 1)
        builder.PrependUOffsetTRelativeSlot(TURN["content"][0], text, 0)
        turns.append(builder.EndObject())
        builder.vtables.clear()
    message = read_both_ways(codec, request_with(builder, turns))
    assert [turn.content for turn in message.messages] == [f"text {i}" for i in range(5)]
