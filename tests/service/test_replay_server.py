"""Streams into the cache and out of it."""

from typing import Any

import pytest

from serlab import workloads
from serlab.messages import ChatChunk, ChatResponse, from_document, to_document
from serlab.service import Engine, Settings
from serlab.service.cache.replay import collect, replay
from tests.service.cachehelpers import answer
from tests.service.helpers import bounded, request

WORKLOADS = ("chat-response", "tool-call-response", "logprobs-response")
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
ODD = {
    "id": "1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": None, "reasoning": "hm", "new": {"a": [1]}}, "odd": 1},
        {"index": 1, "message": {"content": [{"type": "text", "text": "t"}]}, "finish_reason": None},
        {"index": 2, "message": {"content": "", "annotations": []}, "logprobs": {"content": [], "refusal": None}},
        {"index": 3, "message": {"content": "ab"}, "logprobs": {"content": [{"token": "a"}], "refusal": None}},
    ],
    "usage": {"prompt_tokens": 1},
    "citations": ["c"],
    "brand_new": {"deep": None},
}  # fmt: skip


def response(document: Any) -> ChatResponse:
    """Make a response of a document."""
    made: ChatResponse = from_document("ChatResponse", document)
    return made


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("characters", [1, 4, 100_000])
def test_a_replay_makes_the_answer_again(name: str, characters: int) -> None:
    """However the text is cut; every piece is a chunk that its type covers."""
    for whole in workloads.build(name):
        chunks = list(replay(whole, characters=characters))
        assert all(type(chunk) is ChatChunk and not chunk.extra for chunk in chunks)
        assert to_document(collect(chunks)) == to_document(whole)


def test_what_no_type_knows_is_replayed_too() -> None:
    """Several choices, nulls, lists of parts, log probabilities that do not make up the text, unknown fields."""
    whole = response(ODD)
    assert to_document(collect(replay(whole))) == ODD
    assert whole == response(ODD)


def test_text_comes_in_pieces_and_tokens_where_they_are_known() -> None:
    """Four characters a piece; a token a chunk where log probabilities tell."""
    texts = [chunk.choices[0].delta.content for chunk in replay(answer("0123456789"), characters=4)]  # type: ignore[union-attr,index]
    assert [text for text in texts if isinstance(text, str)] == ["", "0123", "4567", "89"]
    whole = workloads.build("logprobs-response")[0]
    tokens = [item.token for item in whole.choices[0].logprobs.content]
    said = [c.choices[0].delta.content for c in replay(whole) if c.choices and c.choices[0].logprobs]
    assert said == tokens


def test_usage_is_told_only_where_it_is_wanted() -> None:
    """As `include_usage` has it: in a last chunk without choices."""
    whole = workloads.build("chat-response")[0]
    *others, last = replay(whole)
    assert last.choices == [] and last.usage == whole.usage
    assert all(to_document(chunk).get("usage") is None for chunk in others)
    assert all(to_document(chunk).get("usage") is None for chunk in replay(whole, wants_usage=False))


def test_a_recorded_stream_is_collected_and_replayed() -> None:
    """The padding that providers add to chunks is not part of the answer."""
    chunks = workloads.build("stream")
    whole = collect(chunks)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices and c.choices[0].delta.content)
    assert whole.choices[0].message.content == text and whole.object == "chat.completion"  # type: ignore[index,union-attr]
    assert "obfuscation" not in to_document(whole)
    assert collect(replay(whole)) == whole


@pytest.mark.parametrize("tools", [False, True])
def test_the_model_servers_stream_collects_to_its_whole_answer(tools: bool) -> None:
    """So a stream and a whole answer may share an entry: text, and calls that come in pieces."""
    engine = Engine(Settings(tokens=40))
    fields = {"tools": [TOOL], "tool_choice": "required"} if tools else {}
    streaming = request(**fields, stream=True, stream_options={"include_usage": True})

    async def both() -> tuple[Any, Any]:
        asked = request(**fields)
        whole = await engine.answer(asked, engine.admit(asked))
        return whole, [chunk async for chunk in engine.pieces(streaming, engine.admit(streaming))]

    whole, chunks = bounded(both())
    expected, got = to_document(whole), to_document(collect(chunks))
    # Whole, this server says `annotations: []`; its stream says nothing of them.
    assert expected["choices"][0]["message"].pop("annotations") == []
    assert got == expected
    assert bool(got["choices"][0]["message"].get("tool_calls")) is tools
