"""Chunks that become one: the same text in fewer bytes, and nothing else lost."""

import json
from pathlib import Path

import pytest

from serlab import open_codec, to_document
from serlab.messages import ChatChunk, from_document
from serlab.notebook.corpora import chunks_of, coalesced, text_of
from serlab.workloads import build


def piece(text: str, **more: object) -> ChatChunk:
    """Build a chunk of one token; `more` goes to its choice."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None, **more}
    return from_document("ChatChunk", {"id": "a", "model": "m", "choices": [choice]})


@pytest.mark.parametrize("most", [1, 2, 7, 1000])
def test_coalescing_keeps_the_text(most: int) -> None:
    """In its order, whatever the number of tokens in a chunk."""
    chunks = build("stream")
    assert "".join(map(text_of, coalesced(chunks, most))) == "".join(map(text_of, chunks))


def test_one_token_to_a_chunk_changes_nothing() -> None:
    """So that the first row of a table is the stream as it came."""
    assert coalesced(build("stream"), 1) == build("stream")


def test_more_tokens_to_a_chunk_make_fewer_bytes() -> None:
    """The head of a chunk is written once for all of its tokens."""
    encode = open_codec("orjson", ChatChunk).encode
    sizes = [sum(len(encode(chunk)) for chunk in coalesced(build("stream"), most)) for most in (1, 2, 4, 8)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)


def test_joined_chunk_holds_at_most_as_many_as_asked() -> None:
    """Three of two at most are a pair and a single."""
    assert [text_of(chunk) for chunk in coalesced(map(piece, "abc"), 2)] == ["ab", "c"]


@pytest.mark.parametrize(
    "more",
    [{"finish_reason": "stop"}, {"logprobs": {"content": []}}, {"index": 1}, {"delta": {"tool_calls": [{"index": 0}]}}],
)
def test_chunk_that_says_more_stays_as_it_is(more: dict[str, object]) -> None:
    """A finish reason, log probabilities, another choice or a tool call are not dropped."""
    chunks = [piece("a"), piece("b", **more), piece("c")]
    assert [to_document(chunk) for chunk in coalesced(chunks, 8)] == [to_document(chunk) for chunk in chunks]


def test_chunks_of_two_answers_stay_apart() -> None:
    """A corpus holds one stream after another."""
    other = from_document("ChatChunk", {**to_document(piece("b")), "id": "b"})
    assert len(coalesced([piece("a"), other], 8)) == 2


def test_chunks_come_from_the_corpus_or_from_the_built_in_stream(tmp_path: Path) -> None:
    """A corpus without chunks is no reason for an empty table."""
    corpus = tmp_path / "c.jsonl"
    corpus.write_text(json.dumps(to_document(piece("a"))) + "\n")
    assert chunks_of(str(corpus)) == [piece("a")]
    corpus.write_text("{}\n")
    assert chunks_of(str(corpus)) == chunks_of() == build("stream")
