"""Recorded traffic: what a line may hold, and lines that cannot be read."""

from pathlib import Path
from typing import Any

import pytest

from serlab.corpus import MAX_LEVELS, read, read_all
from serlab.errors import CorpusError
from tests.support.corpora import ANSWER, CHAT, EVENTS, TEXTS, kinds, line, nested, read_bytes


def test_line_is_a_body_with_file_line_and_kind(tmp_path: Path) -> None:
    """Blank lines count as lines and hold nothing."""
    bodies, errors = read_bytes(tmp_path, b"\n" + line(CHAT) + b"  \n" + line(ANSWER) + line([1, "x"]).rstrip())
    assert [(body.line, body.kind, body.document) for body in bodies] == [
        (2, "ChatRequest", CHAT),
        (4, "ChatResponse", ANSWER),
        (5, "document", [1, "x"]),
    ]
    assert {body.file for body in bodies} == {str(tmp_path / "corpus.jsonl")}
    assert errors == []


@pytest.mark.parametrize(
    ("url", "body", "kind"),
    [
        ("/v1/chat/completions", CHAT, "ChatRequest"),
        ("/v1/embeddings", TEXTS, "EmbeddingRequest"),
        ("/v1/completions", {"model": "m", "prompt": "x"}, "GenerateRequest"),
        ("/v1/responses", {"model": "m", "input": "x"}, "document"),
        ("/v1/embeddings?v=1", {"input": "what only the address tells"}, "EmbeddingRequest"),
        ("/v1/chat/completions", {**CHAT, "model": "claude-x", "max_tokens": 9}, "ChatRequest"),
    ],
)
def test_batch_request_line_is_unwrapped(tmp_path: Path, url: str, body: Any, kind: str) -> None:
    """The body counts; the address decides where the body's shape is open."""
    bodies, _ = read_bytes(tmp_path, line({"custom_id": "1", "method": "POST", "url": url, "body": body}))
    assert [(found.kind, found.document) for found in bodies] == [(kind, body)]


def test_batch_result_line_is_unwrapped(tmp_path: Path) -> None:
    """An answer, an error of the API, and a request that was never sent."""
    answer = {"id": "b", "custom_id": "1", "response": {"status_code": 200, "body": ANSWER}, "error": None}
    refusal = {"id": "b", "custom_id": "2", "response": {"status_code": 400, "body": {"error": {"message": "no"}}}}
    unsent = {"id": "b", "custom_id": "3", "response": None, "error": {"code": "batch_expired"}}
    bodies, _ = read_bytes(tmp_path, line(answer) + line(refusal) + line(unsent))
    assert kinds(bodies) == ["ChatResponse", "ChatResponse", "document"]
    assert [body.document for body in bodies] == [ANSWER, {"error": {"message": "no"}}, unsent]


def test_pair_is_unwrapped(tmp_path: Path) -> None:
    """Request and response are two bodies; a streamed response is its events; an error is what the request asks for."""
    pairs = [{"request": CHAT, "response": ANSWER}, {"request": CHAT, "response": EVENTS}]
    pairs.append({"request": TEXTS, "response": {"error": {"message": "no"}}, "latency": 3})
    bodies, _ = read_bytes(tmp_path, b"".join(map(line, pairs)))
    assert kinds(bodies) == [
        *("ChatRequest", "ChatResponse"),
        *("ChatRequest", "ChatChunk", "ChatChunk"),
        *("EmbeddingRequest", "EmbeddingResponse"),
    ]


def test_response_that_repeats_its_request_is_no_pair(tmp_path: Path) -> None:
    """A stored completion has a field `request` of its own."""
    document = {**ANSWER, "request": {}, "response": {}}
    assert read_bytes(tmp_path, line(document))[0][0].document == document


HOSTILE = {
    b"{": "not JSON",
    b"NaN": "NaN is not a JSON number",
    b'{"a": [-Infinity]}': "-Infinity is not a JSON number",
    b"1e999": "beyond the range of a double",
    b'{"a": "\xff"}': "not UTF-8: byte 7 is 0xff",
    b'"\xed\xa0\x80"': "not UTF-8",
    b"\xff\xfe{\x00}\x00": "not UTF-8",
    b"[" * 100_000: "nested too deep",
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000: "nested too deep",
    b'{"a": ' + b"7" * 5_000 + b"}": "not read: a number of more than 4,300 digits",
    b"{} {}": "not JSON: Extra data",
    b"'single'": "not JSON",
    b'{"a": 1,}': "not JSON",
    b"data: nothing": "an SSE event",
}


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_line_is_reported_and_the_rest_is_read(tmp_path: Path, data: bytes) -> None:
    """File, line number and reason."""
    bodies, errors = read_bytes(tmp_path, line(CHAT) + data + b"\n" + line(ANSWER))
    assert [body.line for body in bodies] == [1, 3]
    assert [(error.file, error.line) for error in errors] == [(str(tmp_path / "corpus.jsonl"), 2)]
    assert HOSTILE[data] in errors[0].reason


def test_levels_that_a_line_may_have_are_the_same_everywhere(tmp_path: Path) -> None:
    """One too many is reported, however much of the stack is left; brackets in a text are no levels."""
    lines = [nested(MAX_LEVELS), nested(MAX_LEVELS + 1), nested(950), line({**CHAT, "user": "[{" * 5_000})]
    bodies, errors = read_bytes(tmp_path, b"".join(lines))
    assert [body.line for body in bodies] == [1, 4]
    assert [error.line for error in errors] == [2, 3]
    assert all("nested too deep; expected at most 500 levels" in error.reason for error in errors)


def test_strict_stops_at_the_first_line_that_cannot_be_read(tmp_path: Path) -> None:
    """What stands before it is given."""
    path = tmp_path / "c.jsonl"
    path.write_bytes(line(CHAT) + b"{\n" + line(CHAT))
    bodies = read(path, strict=True)
    assert next(bodies).line == 1
    with pytest.raises(CorpusError, match=r"c\.jsonl:2: not JSON"):
        next(bodies)


ODD = {
    b'{"a": 123456789012345678901234567890}': {"a": 123456789012345678901234567890},
    b'{"a": 1, "a": 2}': {"a": 2},
    b'"\\ud800"': "\ud800",
    b"[1, 1.0, -0.0, 1e2]": [1, 1.0, -0.0, 100.0],
    b"null": None,
    b'\xef\xbb\xbf{"a": "\xef\xbb\xbf"}': {"a": "\ufeff"},
    b'{"a": 1}\r': {"a": 1},
    b'"data: {}"': {},
    b'"no data: here"': "no data: here",
}


@pytest.mark.parametrize("data", ODD, ids=range(len(ODD)))
def test_odd_line_that_is_json_is_read_exactly(tmp_path: Path, data: bytes) -> None:
    """Integers of any size, of a duplicate key the last value, escaped surrogates, a byte-order mark, CR LF."""
    bodies, errors = read_bytes(tmp_path, data + b"\n")
    assert repr([body.document for body in bodies]) == repr([ODD[data]])
    assert errors == []


def test_read_all_reads_one_file_after_another(tmp_path: Path) -> None:
    """Each body names its own file."""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(line(CHAT))
    found = [Path(body.file).name for body in read_all([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])]
    assert found == ["a.jsonl", "b.jsonl"]
