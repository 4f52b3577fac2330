"""Slim and coalesced streams: the same answer in other pieces, and what is refused."""

import asyncio
from typing import Any

import msgspec
import numpy as np
import pytest

from serlab.codecs import open_codec
from serlab.messages import UNSET, from_document
from serlab.wire import Engine, Latency, Settings, running
from serlab.wire.answers import KEPT_DIMENSIONS, kept_vector, vector_of
from serlab.wire.api_errors import ApiError, Cut
from serlab.wire.clients import Client, RefusedError
from serlab.wire.content import COALESCE_HEADER, ENVELOPE_HEADER, FULL, MOST_TOKENS, Shape
from serlab.wire.settings import NO_FAULT
from tests.wire.clienthelpers import PROMPT, messages, opened
from tests.wire.helpers import CHAT, HELLO, asking, bounded, client, request

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
USAGE: Any = {"include_usage": True}


def streamed(asked: Any, shape: Shape, codec: str = "orjson", tokens: int = 20) -> list[Any]:
    """Stream an answer of a shape."""

    async def work() -> list[Any]:
        async with running(Settings(tokens=tokens)) as server, opened("http", server.addresses) as transport:
            caller = Client(transport, type(asked).__name__, codec, headers=shape.headers())
            return await messages(caller, asked)

    return bounded(work())


def text_of(chunks: list[Any]) -> str:
    """Join the text of a stream of chat."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


@pytest.mark.parametrize("codec", ["orjson", "msgpack", "protobuf", "flatbuffers"])
def test_slim_pieces_hold_their_text_alone(codec: str) -> None:
    """The first piece says what the answer is, the others only add to it, and the text is that of full pieces."""
    full, slim = streamed(HELLO, FULL, codec), streamed(HELLO, Shape(slim=True), codec)
    assert text_of(slim) == text_of(full) and len(slim) == len(full) == 22
    assert slim[0] == full[0] and full[5].id == full[0].id
    document = msgspec.to_builtins(slim[5])
    assert document == {"choices": [{"delta": {"content": slim[5].choices[0].delta.content}}]}
    assert slim[-1].choices[0].finish_reason == "stop" and slim[-1].id is UNSET
    encode = open_codec(codec, "ChatChunk").encode
    assert len(encode(slim[5])) < len(encode(full[5])) / 2


@pytest.mark.parametrize(("every", "pieces"), [(1, 20), (3, 7), (20, 1), (500, 1)])
def test_coalesced_pieces_are_the_same_text(every: int, pieces: int) -> None:
    """Every n tokens are one piece, the last has what is left; the usage still counts tokens."""
    chunks = streamed(request(stream_options=USAGE), Shape(every=every))
    assert text_of(chunks) == text_of(streamed(HELLO, FULL))
    texts = [chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(texts) == pieces and chunks[-1].usage.completion_tokens == 20


@pytest.mark.parametrize("shape", [FULL, Shape(True), Shape(True, 4), Shape(False, 4)])
def test_calls_of_tools_and_completions_have_shapes_too(shape: Shape) -> None:
    """The arguments of a call and the text of a completion are the same in every shape."""
    calling = request(tools=[TOOL], tool_choice="required")

    def arguments(chunks: list[Any]) -> str:
        calls = (chunk.choices[0].delta.tool_calls for chunk in chunks)
        return "".join(call.function.arguments for found in calls for call in found or ())

    assert arguments(streamed(calling, shape)) == arguments(streamed(calling, FULL)) != ""
    pieces, plain = streamed(PROMPT, shape), streamed(PROMPT, FULL)
    assert "".join(piece.choices[0].text for piece in pieces) == "".join(piece.choices[0].text for piece in plain)
    assert len(pieces) == 1 + -(-9 // shape.every) and pieces[0].id == plain[0].id
    assert pieces[1].id is UNSET if shape.slim else pieces[1] != pieces[0]
    assert pieces[-1].choices[0].finish_reason == plain[-1].choices[0].finish_reason == "length"


@pytest.mark.parametrize("shape", [FULL, Shape(True), Shape(True, 4)])
def test_pieces_of_several_prompts_are_told_by_index_in_every_shape(shape: Shape) -> None:
    """A slim piece has an index where there is more than one choice."""
    asked = from_document("GenerateRequest", {"model": "m", "prompt": ["x", "y", "z"], "max_tokens": 9})
    pieces = streamed(asked, shape)
    texts = ["", "", ""]
    for piece in pieces:
        texts[piece.choices[0].index] += piece.choices[0].text
    assert len(set(texts)) == 3 and [len(text.split()) for text in texts] == [9, 9, 9]
    assert len(pieces) == 3 * (1 + -(-9 // shape.every)) and (pieces[1].id is UNSET) is shape.slim


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "eight", "", "²", "٣", str(MOST_TOKENS + 1), "9" * 5000])
def test_coalescing_by_what_is_no_number_of_tokens_is_refused(value: str) -> None:
    """The refusal names the header and what it takes."""
    with pytest.raises(ApiError, match=f"x-serlab-coalesce: expected 1 to {MOST_TOKENS} tokens") as caught:
        Shape.read({COALESCE_HEADER: value})
    assert caught.value.status == 400 and len(str(caught.value)) < 120


@pytest.mark.parametrize("name", [ENVELOPE_HEADER, COALESCE_HEADER])
@pytest.mark.parametrize("streams", [True, False])
def test_bad_header_is_a_400(name: str, streams: bool) -> None:
    """It is refused before any work, by a whole answer too, and named as the parameter at fault."""

    async def work() -> None:
        async with running() as server, client(server) as http:
            answer = await http.post("/v1/chat/completions", json=asking(stream=streams), headers={name: "huge"})
            assert answer.status_code == 400 and answer.json()["error"]["param"] == name
            assert server.stats.tokens == 0
            async with opened("http", server.addresses) as transport:
                caller = Client(transport, "ChatRequest", headers={name: "huge"})
                with pytest.raises(RefusedError, match=name):
                    await messages(caller, HELLO)

    bounded(work())


def test_coalesced_tokens_are_still_waited_for() -> None:
    """A piece of n tokens comes when its last token does: coalescing saves no time of the model."""

    async def work() -> None:
        engine = Engine(Settings(tokens=6, latency=Latency(token_s=0.02)))
        asked = from_document("ChatRequest", CHAT)
        loop = asyncio.get_running_loop()
        began = loop.time()
        times = [loop.time() - began async for _ in engine.pieces(asked, NO_FAULT, Shape(every=3))]
        assert len(times) == 4 and times[1] > 0.035 and times[2] > 0.095 and engine.stats.tokens == 6
        await engine.close()

    bounded(work())


def test_cut_in_a_piece_keeps_it_back() -> None:
    """A stream that is cut in the middle of a piece ends before it: half a piece is never sent."""

    async def work() -> None:
        engine = Engine(Settings(tokens=10))
        asked = from_document("ChatRequest", CHAT)
        cut = engine.admit(asked, "cut")
        found = 0
        with pytest.raises(Cut):
            async for _ in engine.pieces(asked, cut, Shape(every=4)):
                found += 1
        made = int(cut.at * 10)
        assert found == 1 + made // 4 and engine.stats.tokens == made
        await engine.close()

    bounded(work())


def test_vectors_are_kept_and_cannot_be_changed() -> None:
    """A text's vector is made once, the same for a new value of the same text; very long ones are made anew."""
    kept = kept_vector.cache_info().hits
    first, second = vector_of("a text", 8, 1), vector_of("a " + "text", 8, 1)
    assert second is first and kept_vector.cache_info().hits == kept + 1
    assert not np.array_equal(first, vector_of("a text", 8, 2)) and vector_of("a text", 16, 1).shape == (16,)
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1
    size = KEPT_DIMENSIONS + 1
    assert vector_of("long", size, 1) is not vector_of("long", size, 1)
    assert np.array_equal(vector_of("long", size, 1), vector_of("long", size, 1))
